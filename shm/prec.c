/* SPDX-License-Identifier: Apache-2.0 */
/* The door of thread records: one check at the evaluator, then only accessors. Input: a private
 * copy from the tracker's ring; hostile until it passes. */

#include <shm/crec.h>
#include <shm/engines.h>
#include <shm/prec.h>

#include <errno.h>
#include <string.h>

#define PREC_FLAGS (PREC_MAIN | PREC_PLACEHOLDER | PREC_IN_CHILD_PIDNS | PREC_DEAD)
#define PREC_EXE_FLAGS                                                                             \
	(PREC_EXE_WRITABLE | PREC_EXE_UPPER_LAYER | PREC_EXE_FROM_MEMFD | PREC_EXE_LOWER_LAYER)

int rec_strings_check(const void *rec, struct rec_str s, uint32_t *ret_n)
{
	const char *p = (const char *)rec + s.off;
	const char *end = p + s.n;
	uint32_t n = 0;

	if (s.n > 0 && end[-1] != 0)
		return -EBADMSG;
	for (; p < end; p++)
		n += *p == 0;
	*ret_n = n;
	return 0;
}

int prec_validate(const struct rec_head *rec, uint32_t max_slots)
{
	const struct prec *p = (const struct prec *)rec;
	uint32_t n, len = rec->ring.len;

	if (rec->ring.type != REC_PROC || len < sizeof(*p) || len > SPSC_RECORD_MAX || len % 8 != 0)
		return -EBADMSG;
	if (p->slot >= max_slots || p->leader_slot >= max_slots)
		return -EBADMSG;
	if (p->parent_slot >= max_slots && p->parent_slot != PREC_NO_SLOT)
		return -EBADMSG;
	if (p->container_slot >= CREC_SLOTS_MAX && p->container_slot != PREC_NO_SLOT)
		return -EBADMSG;
	if (p->container_engine >= _CTR_MAX)
		return -EBADMSG;
	if ((p->flags & ~PREC_FLAGS) != 0 || (p->exe_flags & ~PREC_EXE_FLAGS) != 0)
		return -EBADMSG;

	const struct rec_str texts[] = {p->comm, p->exe, p->exepath, p->args, p->env, p->cwd,
		p->root, p->cgroups, p->container_id};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (rec_str_check(p, sizeof(*p), len, texts[i]) < 0)
			return -EBADMSG;
	}
	/* Lists are walked by their NULs: each must end in one. */
	if (rec_strings_check(p, p->args, &n) < 0 || n != p->n_args)
		return -EBADMSG;
	if (rec_strings_check(p, p->env, &n) < 0 || rec_strings_check(p, p->cgroups, &n) < 0)
		return -EBADMSG;
	return 0;
}
