/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's side as the supervisor holds it: links (while they are open the programs stay
 * attached), counters and interest (mapped by us alone), ring buffers and iterator links, kept so
 * that a collector can be replaced without loss. Raw bpf(2) calls: two of them do not need a
 * library. */
#include <sys/mman.h>
#include <sys/syscall.h>
#include <linux/bpf.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/atomics.h>
#include <base/cleanup.h>
#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>
#include <rules/image.h>

#include "sup.h"

#ifdef SAKER_SANITIZED
#define CANARY_FACTOR 5 /* sanitizers are slow */
#else
#define CANARY_FACTOR 1
#endif
#define CANARY_EVERY_NS NS_PER_S
#define CANARY_LATE_NS (CANARY_FACTOR * 3 * NS_PER_S)

void sup_bpf_init(struct sup_bpf *b)
{
	*b = (struct sup_bpf){.wake = -1,
		.interest_fd = -1,
		.counters_fd = -1,
		.args = -1,
		.iter_links = {-1, -1}};
	for (unsigned i = 0; i < KSHM_CPUS_MAX; i++)
		b->ring[i] = -1;
}

void sup_bpf_done(struct sup_bpf *b)
{
	for (unsigned i = 0; i < b->n_links; i++)
		(void)fd_close(b->links[i]);
	for (unsigned i = 0; i < b->n_progs; i++)
		(void)fd_close(b->progs[i]);
	for (unsigned i = 0; i < KSHM_CPUS_MAX; i++)
		(void)fd_close(b->ring[i]);
	(void)fd_close(b->iter_links[0]);
	(void)fd_close(b->iter_links[1]);
	(void)fd_close(b->wake);
	(void)fd_close(b->interest_fd);
	(void)fd_close(b->counters_fd);
	(void)fd_close(b->args);
	if (b->interest)
		(void)munmap(b->interest, b->interest_size);
	if (b->counters)
		(void)munmap((void *)b->counters, b->counters_size);
	sup_bpf_init(b);
}

/* How many CPUs may ever run: the highest number in the kernel's own list, plus one. */
uint32_t sup_cpus(void)
{
	_cleanup_fclose_ FILE *f = fopen("/sys/devices/system/cpu/possible", "re");
	unsigned long n = 0;
	char text[256], *p;

	if (f && fgets(text, sizeof(text), f)) {
		p = text + strcspn(text, "\n");
		while (p > text && p[-1] >= '0' && p[-1] <= '9')
			p--;
		n = strtoul(p, NULL, 10) + 1;
	}
	if (n < 1)
		n = (unsigned long)MAX(sysconf(_SC_NPROCESSORS_CONF), 1L);
	return (uint32_t)MIN(n, (unsigned long)KSHM_CPUS_MAX);
}

static int put(int *slot, int fd)
{
	int copy;

	if (*slot >= 0)
		return -EEXIST;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return -errno;
	*slot = copy;
	return 0;
}

int sup_bpf_take(struct sup *s, const struct ctl_msg *m, int fd)
{
	struct sup_bpf *b = &s->bpf;
	int none = -1, r;

	if (fd < 0)
		return -EBADMSG;
	switch (m->role) {
	case FD_BPF_RING:
		return m->index < s->plan.n_cpus ? put(&b->ring[m->index], fd) : -EBADMSG;
	case FD_BPF_WAKE:
		return put(&b->wake, fd);
	case FD_BPF_INTEREST:
		return put(&b->interest_fd, fd);
	case FD_BPF_COUNTERS:
		return put(&b->counters_fd, fd);
	case FD_ARGS:
		return put(&b->args, fd);
	case FD_ITER_LINK:
		return m->index < 2 ? put(&b->iter_links[m->index], fd) : -EBADMSG;
	case FD_BPF_LINK:
		if (b->n_links == ARRAY_LEN(b->links))
			return -E2BIG;
		r = put(&none, fd);
		if (r == 0)
			b->links[b->n_links++] = none;
		return r;
	case FD_BPF_PROG:
		if (b->n_progs == ARRAY_LEN(b->progs))
			return -E2BIG;
		r = put(&none, fd);
		if (r < 0)
			return r;
		(void)snprintf(
			b->prog_names[b->n_progs], sizeof(b->prog_names[0]), "%.63s", m->text);
		b->progs[b->n_progs++] = none;
		return 0;
	default:
		return -EBADMSG;
	}
}

/* What the kernel shall capture, by the image. Everything off until sup_bpf_enable(). */
static void write_interest(struct sup *s)
{
	const char *why;
	struct img img;

	if (img_verify(s->image_map, s->image_size, &img, &why) < 0)
		return; /* it was verified when it came, and is sealed */
	for (unsigned i = 0; i < MIN(img.n[IMG_SEC_EVENT], (uint32_t)_KEV_IX_MAX); i++) {
		uint8_t want = img.events[i].want;

		if (img.events[i].flags & IMG_EV_STATE)
			want |= KSHM_WANT;
		s->bpf.interest->by_ix[i] = want;
	}
	if (img.n[IMG_SEC_KPATHS])
		memcpy(&s->bpf.interest->paths, img.kpaths, sizeof(*img.kpaths));
	s->bpf.interest->snaplen = s->settings.snaplen;
}

int sup_bpf_map(struct sup *s)
{
	struct sup_bpf *b = &s->bpf;
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *p;

	for (unsigned i = 0; i < s->plan.n_cpus; i++)
		if (b->ring[i] < 0)
			return log_err_errno(
				-EPROTO, "the loader handed no buffer over for CPU %u", i);
	if (b->wake < 0 || b->interest_fd < 0 || b->counters_fd < 0 || b->iter_links[0] < 0 ||
		b->n_links == 0)
		return log_err_errno(-EPROTO, "the loader did not hand everything over");
	b->interest_size = ALIGN_UP(sizeof(*b->interest), page);
	p = mmap(NULL, b->interest_size, PROT_READ | PROT_WRITE, MAP_SHARED, b->interest_fd, 0);
	if (p == MAP_FAILED)
		return log_err_errno(-errno, "map the interest table");
	b->interest = p;
	b->counters_size = ALIGN_UP(sizeof(*b->counters) * s->plan.n_cpus, page);
	p = mmap(NULL, b->counters_size, PROT_READ, MAP_SHARED, b->counters_fd, 0);
	if (p == MAP_FAILED)
		return log_err_errno(-errno, "map the kernel's counters");
	b->counters = p;
	write_interest(s);
	return 0;
}

void sup_bpf_enable(struct sup *s, bool enabled)
{
	if (s->bpf.interest)
		atomic_store_release(&s->bpf.interest->enabled,
			enabled ? 1 : 0); /* release: the table is whole before the programs look at
					     it */
}

void sup_bpf_exclude(struct sup *s)
{
	uint32_t list[KSHM_SELF_SLOTS - 1];
	unsigned n = 0;

	if (!s->bpf.interest)
		return;
	list[n++] = (uint32_t)getpid();
	for (size_t i = 1; i < s->n_children && n < ARRAY_LEN(list); i++)
		if (s->children[i].pid > 0 && !(s->children[i].proc->row->flags & PLAN_FOREIGN))
			list[n++] = (uint32_t)s->children[i].pid;
	kshm_exclude(s->bpf.interest, list, n);
}

/* The programs answer the supervisor's next call of a kind that is always wanted. */
static void poke_canary(struct sup_bpf *b)
{
	int fd;

	fd = dup(b->interest_fd);
	if (fd >= 0)
		(void)close(fd);
}

void sup_bpf_canary_tick(struct sup *s, uint64_t now_ns)
{
	struct sup_child *c = sup_find_child(s, PLAN_COLLECTOR, 0);
	struct sup_bpf *b = &s->bpf;
	bool is_asked = b->canary_ns != 0;

	if (!b->interest || !c || s->phase != SUP_DETECTING)
		return;
	if (c->state != LC_RUNNING || now_ns - c->running_since_ns < CANARY_EVERY_NS) {
		b->canary_ns = 0; /* a fresh one reads the host's state first */
		return;
	}
	if (is_asked && stats_get(&c->stats->canary) == b->canary) {
		if (now_ns - b->canary_ns < CANARY_EVERY_NS)
			return;
		is_asked = false;
	}
	if (is_asked && now_ns - b->canary_ns > CANARY_LATE_NS) {
		log_err("what the kernel's programs send does not arrive (canary %llu of %u s "
			"ago): the collector is replaced",
			(unsigned long long)b->canary,
			(unsigned)((now_ns - b->canary_ns) / NS_PER_S));
		b->canary_ns = 0;
		sup_child_kill(c);
		return;
	}
	if (!is_asked) {
		b->canary++;
		b->canary_ns = now_ns;
		atomic_store_release(&b->interest->canary, b->canary);
	}
	if (atomic_load_relaxed(&b->interest->canary)) /* not answered: there was no room */
		poke_canary(b);
}

int sup_bpf_iter(int link_fd)
{
	union bpf_attr attr;
	long fd;

	memset(&attr, 0, sizeof(attr));
	attr.iter_create.link_fd = (uint32_t)link_fd;
	fd = syscall(SYS_bpf, BPF_ITER_CREATE, &attr, sizeof(attr.iter_create));
	return fd < 0 ? -errno : (int)fd;
}

uint64_t sup_bpf_recursion(const struct sup *s)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < s->bpf.n_progs; i++) {
		struct bpf_prog_info info;
		union bpf_attr attr;

		memset(&info, 0, sizeof(info));
		memset(&attr, 0, sizeof(attr));
		attr.info.bpf_fd = (uint32_t)s->bpf.progs[i];
		attr.info.info_len = sizeof(info);
		attr.info.info = (uint64_t)(uintptr_t)&info;
		/* a kernel that does not know the counter (before 5.12) leaves it 0 */
		if (syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr.info)) == 0)
			total += info.recursion_misses;
	}
	return total;
}
