/* SPDX-License-Identifier: Apache-2.0 */
/* Faults on demand, for the tests of recovery; built with -Dtest_hooks=true alone.
 *
 * SAKER_TEST_GARBAGE=STAGE:out:RING:N: once stage STAGE has handled N events (alerts, records) it
 * writes garbage into its output ring RING behind what it has published, and stands still.
 * SAKER_TEST_GARBAGE=STAGE:in:RING:N: it writes an impossible position for its input ring and ends.
 * Its successor finds the count beyond N and does nothing of the kind. */
#include <sys/mman.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <base/atomics.h>
#include <base/log.h>
#include <shm/segment.h>
#include <shm/spsc.h>
#include <stage/stage.h>

#include "stage_priv.h"

#define GARBAGE_BYTES 4096

static struct {
	void *page; /* of the ring, writable; NULL: nothing to do */
	bool is_out;
	uint64_t after;
} hook;

static uint64_t handled(const struct stage *s)
{
	const struct stats_page *st = s->stats;

	return stats_get(strcmp(s->ops->name, "emitter") == 0    ? &st->alerts
			 : strcmp(s->ops->name, "metadata") == 0 ? &st->records_out
								 : &st->events);
}

void stage_hooks_prepare(struct stage *s)
{
	const char *env = getenv("SAKER_TEST_GARBAGE");
	unsigned long long after;
	char name[64], way[8];
	unsigned ring;
	size_t n;
	int r;

	if (!env || sscanf(env, "%63[^:]:%7[^:]:%u:%llu", name, way, &ring, &after) != 4 ||
		strcmp(name, s->name) != 0 || handled(s) >= after)
		return;
	hook.is_out = strcmp(way, "out") == 0;
	hook.after = after;
	r = seg_map(stage_fd_get(s, hook.is_out ? FD_RING_OUT_DATA : FD_RING_IN_CURSOR, ring),
		hook.is_out ? SEG_RING_DATA : SEG_RING_CURSOR, PROT_READ | PROT_WRITE, &hook.page,
		&n);
	if (r < 0)
		log_warning_errno(r, "map the ring that is to get garbage");
}

static void _noreturn_ write_records(struct spsc_data_page *page)
{
	/* the records are the last part of the payload, whatever stands before them */
	uint8_t *records = (uint8_t *)page + (page->slots_off ? 8192 : 4096);
	uint64_t head = page->head, x = 88172645463325252ULL;
	const struct timespec nap = {.tv_sec = 1};

	for (uint64_t i = 0; i < GARBAGE_BYTES; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		records[(head + i) & (page->size - 1)] = i < 4 ? 0xff : (uint8_t)x;
	}
	atomic_store_release(&page->head, head + GARBAGE_BYTES);
	for (;;)
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
}

void stage_hooks_turn(struct stage *s)
{
	struct spsc_cursor_page *cursor = hook.page;

	if (!hook.page || handled(s) < hook.after)
		return;
	if (hook.is_out)
		write_records(hook.page);
	atomic_store_release(&cursor->tail, cursor->tail + (UINT64_C(1) << 40));
	_exit(1);
}
