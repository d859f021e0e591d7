/* SPDX-License-Identifier: Apache-2.0 */
/* Producer and consumer as two threads: order, content, and that no wake-up is lost (the consumer
 * waits for its eventfd without a net, for up to ten seconds). Built a second time under
 * ThreadSanitizer, which sees data races that luck hides; since it judges by address, both ends
 * then use the same mapping of each segment. Argument: number of records. */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <base/atomics.h>

#include "ring_test.h"

static struct spsc_fds fds;
static int wake;
static struct spsc_producer p;
static struct spsc_consumer c;
static uint64_t n_records;

/* A moment of random length, so that the two meet in every way. */
static void dawdle(uint64_t *state)
{
	for (uint64_t i = rnd(state) % 64; i > 0; i--)
		(void)atomic_load_relaxed(&p.page->size);
}

/* One record at a time, the next only when it was taken: a lost wake-up is not hidden by the
 * following one. */
static void produce_in_lockstep(uint64_t from, uint64_t *state)
{
	for (uint64_t seq = from; seq < n_records;) {
		size_t len = test_rec_len(seq | SEQ_SHORT); /* quick, to meet the consumer arming */
		struct spsc_rec *rec;

		CHECK(spsc_reserve(&p, len, 1, &rec) == 0);
		test_rec_fill((struct test_rec *)rec, seq++ | SEQ_SHORT, len);
		spsc_commit(&p, len);
		spsc_publish(&p);
		while (spsc_producer_used(&p) > 0)
			;
		dawdle(state);
	}
}

static void *produce(void *arg)
{
	uint64_t state = 1;

	(void)arg;
	for (uint64_t seq = 0; seq < n_records / 2;) {
		size_t len = test_rec_len(seq);
		struct spsc_rec *rec;
		int r = spsc_reserve(&p, len, 1, &rec);

		CHECK(r == 0 || r == -EAGAIN);
		if (r < 0) {
			spsc_publish(&p);
			(void)sched_yield();
			continue;
		}
		if (rnd(&state) % 50 == 0) {
			memset(rec + 1, 0xee, len - sizeof(*rec));
			spsc_abandon(&p);
			continue;
		}
		test_rec_fill((struct test_rec *)rec, seq, len);
		spsc_commit(&p, len);
		seq++;
		if (rnd(&state) % 16 == 0)
			spsc_publish(&p);
		if (rnd(&state) % 2000 == 0)
			(void)usleep((
				useconds_t)(rnd(&state) % 300)); /* lets the consumer fall asleep */
	}
	spsc_publish(&p);
	while (spsc_producer_used(&p) > 0)
		(void)sched_yield();
	produce_in_lockstep(n_records / 2, &state);
	return NULL;
}

static void wait_for_data(uint64_t *state, uint64_t *n_waits)
{
	struct pollfd pfd = {.fd = wake, .events = POLLIN};
	uint64_t n;

	dawdle(state);
	if (!spsc_consumer_arm(&c))
		return;
	CHECK(poll(&pfd, 1, 10000) == 1);
	CHECK(read(wake, &n, sizeof(n)) == sizeof(n));
	spsc_consumer_disarm(&c);
	++*n_waits;
}

int main(int argc, char **argv)
{
	uint64_t seq = 0, state = 2, n_waits = 0;
	const uint8_t run_id[16] = {0};
	struct spsc_view view;
	pthread_t thread;

	n_records = argc > 1 ? strtoull(argv[1], NULL, 10) : 120000;
	wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	CHECK(spsc_create("test", SPSC_SIZE_MIN * 2, false, run_id, &fds) == 0);
	CHECK(spsc_consumer_attach(&c, fds.data_ro, fds.cursor_rw) == 0);
	CHECK(spsc_producer_attach(&p, fds.data_rw, fds.cursor_ro, wake) == 0);
#ifdef __SANITIZE_THREAD__
	c.page = p.page;
	c.data = p.data;
	p.cursor = c.cursor;
#endif
	CHECK(pthread_create(&thread, NULL, produce, NULL) == 0);
	while (seq < n_records) {
		const struct spsc_rec *rec;
		int r = rnd(&state) % 3 == 0 ? spsc_peek(&c, &rec) : 0;

		CHECK(r >= 0);
		r = spsc_next(&c, &rec);
		CHECK(r >= 0);
		if (r == 0) {
			spsc_consumer_commit(&c);
			wait_for_data(&state, &n_waits);
			continue;
		}
		test_rec_check(rec, seq < n_records / 2 ? seq : seq | SEQ_SHORT);
		seq++;
		if (rnd(&state) % 32 == 0)
			spsc_consumer_commit(&c);
	}
	spsc_consumer_commit(&c);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(spsc_view_read(fds.data_ro, fds.cursor_ro, &view) == 0);
	CHECK(view.used == 0 && view.n_records == n_records && view.head == view.tail);
	CHECK(view.high_water <= view.size && view.high_water > 0);
	(void)printf("%llu records, %llu waits, full %llu times\n", (unsigned long long)n_records,
		(unsigned long long)n_waits, (unsigned long long)view.full);
	spsc_producer_done(&p);
	spsc_consumer_done(&c);
	spsc_fds_close(&fds);
	return 0;
}
