/* SPDX-License-Identifier: Apache-2.0 */
/* A hostile peer: 500,000 cases of a producer that writes heads, lengths and shapes at will,
 * 500,000 of a consumer that writes tails at will, each compared with what the rules say; then a
 * producer that changes everything while the consumer reads. The honest side may only refuse. */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/mman.h>

#include <base/atomics.h>
#include <base/clock.h>
#include <base/macros.h>
#include <shm/segment.h>

#include "ring_test.h"

#define SIZE SPSC_SIZE_MIN
#define CASES 500000

static struct spsc_fds fds;
static struct spsc_data_page *data;     /* hostile view of the data segment */
static struct spsc_cursor_page *cursor; /* hostile view of the cursor segment */
static uint8_t *records;

static uint64_t odd_number(uint64_t *s, uint64_t base)
{
	static const uint64_t corners[] = {0, 8, SIZE, SIZE - 8, SIZE + 8, 2 * SIZE, UINT32_MAX,
		UINT64_C(1) << 32, UINT64_C(1) << 63, UINT64_MAX, UINT64_MAX - 7};
	uint64_t r = rnd(s);

	switch (r % 5) {
	case 0:
		return corners[(r >> 8) % ARRAY_LEN(corners)];
	case 1:
		return base + corners[(r >> 8) % ARRAY_LEN(corners)];
	case 2:
		return base - corners[(r >> 8) % ARRAY_LEN(corners)];
	case 3:
		return base + (rnd(s) % (2 * SIZE) & ~7ULL);
	default:
		return base + rnd(s) % 4096 * (rnd(s) % 8 == 0 ? 1 : 8);
	}
}

static bool len_ok(uint32_t len, uint64_t left)
{
	return len >= 8 && len <= SPSC_RECORD_MAX && len % 8 == 0 && len <= left;
}

/* The supervisor looks at both pages as they lie there, to make a fresh ring in their place. */
static void look_at_what_is_left(uint64_t *s)
{
	uint64_t tail = cursor->tail, n_taken = cursor->n_records;
	struct spsc_left left;

	if (rnd(s) % 2) {
		cursor->tail = odd_number(s, tail);
		cursor->n_records = odd_number(s, 0);
		data->n_records = odd_number(s, 0);
	}
	CHECK(spsc_left_read(fds.data_ro, fds.cursor_ro, &left) == 0);
	CHECK(left.pos % 8 == 0 && left.pos <= UINT64_C(1) << 62 &&
		left.n_taken <= UINT64_C(1) << 62);
	CHECK(left.n_records <= SIZE / 8 && !left.has_slot);
	cursor->tail = tail;
	cursor->n_records = n_taken;
}

/* One case: the hostile producer sets head and the length at the consumer's position. */
static void consumer_case(struct spsc_consumer *c, uint64_t *s, unsigned *n_taken)
{
	uint64_t pos = c->pos, seen = c->head_seen;
	uint64_t head = odd_number(s, rnd(s) % 2 ? pos : seen);
	uint32_t len = (uint32_t)(rnd(s) % 3 == 0 ? odd_number(s, 0) : 8 * (1 + rnd(s) % 600));
	const struct spsc_rec *rec;
	int expect, r;

	data->head = head;
	*(uint32_t *)(records + (pos & (SIZE - 1))) = len;
	if (pos == seen) {
		bool ok = head >= pos && head - pos <= SIZE && head % 8 == 0;

		expect = !ok ? -EBADMSG : head == pos ? 0 : 1;
		seen = head;
	} else {
		expect = 1;
	}
	if (expect == 1 && !len_ok(len, seen - pos))
		expect = -EBADMSG;
	r = rnd(s) % 2 ? spsc_peek(c, &rec) : spsc_next(c, &rec);
	CHECK(r == expect);
	if (r == 1) {
		CHECK(rec->len == len);
		CHECK(c->pos == pos || c->pos == pos + len);
		CHECK(spsc_next(c, &rec) >= -EBADMSG);
		++*n_taken;
	}
	CHECK(c->pos >= pos && c->pos - pos <= SIZE);
	if (rnd(s) % 4 == 0)
		spsc_consumer_commit(c);
}

static void hostile_producer(void)
{
	struct spsc_consumer c;
	unsigned n_taken = 0, n_refused = 0;
	uint64_t s = 11;

	data->head = cursor->tail = 0;
	CHECK(spsc_consumer_attach(&c, fds.data_ro, fds.cursor_rw) == 0);
	for (unsigned i = 0; i < CASES; i++) {
		consumer_case(&c, &s, &n_taken);
		if (i % 64 == 0) { /* a restart, also with a broken page */
			struct spsc_consumer again;
			uint64_t head = data->head, tail = cursor->tail;
			bool ok = head >= tail && head - tail <= SIZE && head % 8 == 0;
			bool wrong_size = rnd(&s) % 4 == 0;
			int r;

			data->size = wrong_size ? odd_number(&s, SIZE) | 1 : SIZE;
			r = spsc_consumer_attach(&again, fds.data_ro, fds.cursor_rw);
			CHECK(r == (ok && !wrong_size ? 0 : -EBADMSG));
			data->size = SIZE;
			look_at_what_is_left(&s);
			if (r == 0) {
				spsc_consumer_done(&c);
				c = again;
			} else {
				n_refused++;
			}
		}
		if (c.pos > UINT64_MAX / 2) { /* walked there by its own rules: begin again */
			spsc_consumer_done(&c);
			data->head = cursor->tail = 0;
			CHECK(spsc_consumer_attach(&c, fds.data_ro, fds.cursor_rw) == 0);
		}
	}
	(void)printf("hostile producer: %u taken, %u attaches refused\n", n_taken, n_refused);
	CHECK(n_taken > CASES / 20 && n_refused > 10);
	spsc_consumer_done(&c);
}

/* One reservation under the tail that is there now. */
static int reserve_as_expected(struct spsc_producer *p, uint64_t tail, size_t len)
{
	uint64_t seen = p->tail_seen;
	bool tail_ok = tail >= seen && tail <= p->published && tail % 8 == 0;
	struct spsc_rec *rec;
	int expect, r;

	if (SIZE - (p->head - seen) >= len)
		expect = 0;
	else if (!tail_ok)
		expect = -EBADMSG;
	else
		expect = SIZE - (p->head - tail) >= len ? 0 : -EAGAIN;
	r = spsc_reserve(p, len, 1, &rec);
	CHECK(r == expect);
	if (r == 0) {
		CHECK((uint8_t *)rec >= p->data && (uint8_t *)rec + len <= p->data + 2 * SIZE);
		memset(rec + 1, 0xaa, MIN(len - sizeof(*rec), 64U));
		spsc_commit(p, len);
	}
	CHECK(p->tail_seen == seen || (p->tail_seen == tail && tail_ok));
	CHECK(p->head - p->tail_seen <= SIZE && p->tail_seen <= p->published);
	return r;
}

/* One case: the hostile consumer sets a tail, then the producer writes until it has no room. */
static void producer_case(struct spsc_producer *p, uint64_t *s, unsigned n[3])
{
	int r;

	cursor->tail = odd_number(s, rnd(s) % 2 ? p->tail_seen : p->published);
	cursor->sleeping = (uint32_t)rnd(s);
	do {
		r = reserve_as_expected(p, cursor->tail, 8 * (1 + rnd(s) % 8192));
		n[r == 0 ? 0 : r == -EAGAIN ? 1 : 2]++;
	} while (r == 0);
	if (rnd(s) % 4 != 0)
		spsc_publish(p);
	CHECK(spsc_producer_used(p) <= SIZE && spsc_producer_free(p) <= SIZE);
}

static void hostile_consumer(void)
{
	unsigned n[3] = {0}, n_refused = 0;
	struct spsc_producer p;
	uint64_t s = 13;

	data->head = cursor->tail = 0;
	CHECK(spsc_producer_attach(&p, fds.data_rw, fds.cursor_ro, -1) == 0);
	for (unsigned i = 0; i < CASES; i++) {
		producer_case(&p, &s, n);
		if (i % 64 == 0) { /* a restart with whatever tail is there */
			struct spsc_producer again;
			uint64_t tail = cursor->tail;
			int r = spsc_producer_attach(&again, fds.data_rw, fds.cursor_ro, -1);

			CHECK(r == 0 || r == -EBADMSG);
			CHECK(r == -EBADMSG || (tail <= p.published && p.published - tail <= SIZE &&
						       tail % 8 == 0));
			if (r == 0)
				spsc_producer_done(&again);
			else
				n_refused++;
		}
	}
	(void)printf("hostile consumer: %u reserved, %u full, %u refused, %u attaches refused\n",
		n[0], n[1], n[2], n_refused);
	CHECK(n[0] > CASES / 20 && n[1] > CASES / 20 && n[2] > CASES / 20 && n_refused > 10);
	spsc_producer_done(&p);
}

static uint64_t stop;

/* Scribbles over heads and lengths while the consumer reads. Not for ThreadSanitizer: racing is
 * what it is for. */
static void *scribble(void *arg)
{
	uint64_t s = 17;

	(void)arg;
	while (atomic_load_relaxed(&stop) == 0) {
		uint64_t tail = atomic_load_relaxed(&cursor->tail);

		atomic_store_release(&data->head,
			rnd(&s) % 8 ? tail + (rnd(&s) % SIZE & ~7ULL) : odd_number(&s, tail));
		for (unsigned i = 0; i < 64; i++) {
			uint64_t at = (tail + rnd(&s) % 1024 * 8) & (SIZE - 1);

			atomic_store_relaxed((uint32_t *)(records + at),
				(uint32_t)(rnd(&s) % 4 ? 8 * (1 + rnd(&s) % 20) : rnd(&s)));
		}
	}
	return NULL;
}

static void racing_producer(void)
{
	uint64_t end = clock_mono_ns() + NS_PER_S, n_taken = 0, n_refused = 0;
	struct spsc_consumer c;
	pthread_t thread;

	data->head = cursor->tail = 0;
	CHECK(spsc_consumer_attach(&c, fds.data_ro, fds.cursor_rw) == 0);
	CHECK(pthread_create(&thread, NULL, scribble, NULL) == 0);
	/* On a busy machine the two may seldom run at once: then longer. */
	while (clock_mono_ns() < end ||
		((n_taken < 1000 || n_refused < 100) && clock_mono_ns() < end + 20 * NS_PER_S)) {
		const struct spsc_rec *rec;
		uint64_t pos = c.pos;
		int r = spsc_next(&c, &rec);

		CHECK(r == 0 || r == 1 || r == -EBADMSG);
		CHECK(r == 1 ? len_ok(rec->len, SIZE) && c.pos == pos + rec->len : c.pos == pos);
		n_taken += r == 1;
		n_refused += r < 0;
		/* A real consumer reports the fault and ends; here the next case begins. */
		if (r < 0 && c.pos != c.head_seen)
			c.pos += 8;
		else if (r <= 0)
			(void)sched_yield();
		spsc_consumer_commit(&c);
	}
	atomic_store_relaxed(&stop, 1);
	CHECK(pthread_join(thread, NULL) == 0);
	(void)printf("racing producer: %llu taken, %llu refused\n", (unsigned long long)n_taken,
		(unsigned long long)n_refused);
	CHECK(n_taken >= 1000 && n_refused >= 100);
	spsc_consumer_done(&c);
}

int main(void)
{
	const uint8_t run_id[16] = {0};
	void *p;
	size_t n;

	setlinebuf(stdout);
	CHECK(spsc_create("test", SIZE, false, run_id, &fds) == 0);
	CHECK(seg_map(fds.data_rw, SEG_RING_DATA, PROT_READ | PROT_WRITE, &p, &n) == 0);
	data = p;
	records = (uint8_t *)p + n - SIZE;
	CHECK(seg_map(fds.cursor_rw, SEG_RING_CURSOR, PROT_READ | PROT_WRITE, &p, &n) == 0);
	cursor = p;
	hostile_producer();
	hostile_consumer();
	racing_producer();
	(void)printf("%d cases refused or taken by the rules\n", 2 * CASES);
	return 0;
}
