/* SPDX-License-Identifier: Apache-2.0 */
/* Iterators into the raw ring: threads before descriptors, times, hostile and broken streams. A memfd stands for an iterator's descriptor. */

#include <sys/mman.h>

#include <unistd.h>

#include "fixture.h"

#include "snapshot.h"

#define BOOT_TO_EPOCH 1700000000000000000ULL

static uint64_t buf[KEV_SIZE_MAX / 8];

static int make(uint16_t code, uint64_t ts_ns)
{
	struct kev_builder b;

	kev_build_start(&b, buf, sizeof(buf), code, 0);
	kev_build_head(&b)->ts_ns = ts_ns;
	kev_build_head(&b)->flags = KEV_F_SNAPSHOT;
	kev_build_int(&b, 5);
	return kev_build_finish(&b);
}

static int stream(uint16_t code, unsigned n)
{
	int fd = memfd_create("iter", MFD_CLOEXEC);

	assert_true(fd >= 0);
	for (unsigned i = 0; i < n; i++) {
		int len = make(code, 1000 + i);
		assert_int_equal(write(fd, buf, (size_t)len), len);
	}
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

struct run {
	struct fx *f;
	struct col_snapshot *s;
	unsigned tasks, files;
};

/* Everything, batch by batch, emptying the ring between. */
static void run(struct run *r, int task_fd, int file_fd)
{
	const int fds[COL_ITERS] = {task_fd, file_fd};
	int n;

	*r = (struct run){.f = fx_new(SPSC_SIZE_MIN), .s = calloc(1, sizeof(*r->s))};
	assert_non_null(r->s);
	col_snapshot_init(r->s, fds, BOOT_TO_EPOCH);
	do {
		n = col_snapshot_fill(r->s, &r->f->out, COL_BATCH_MAX);
		assert_true(n > 0 || n == -ENODATA);
		col_out_publish(&r->f->out, NULL, 0);
		for (const struct rec_head *rec; (rec = fx_next(r->f));
			spsc_consumer_commit(&r->f->in)) {
			const struct kev_head *h = (const struct kev_head *)(rec + 1);

			assert_int_equal(rec->ring.type, REC_STATE);
			assert_int_equal(rec->seq, 0);
			assert_int_equal(rec->ts_ns, BOOT_TO_EPOCH + h->ts_ns);
			if (h->type == KEV_CODE_ITER_TASK_E) {
				assert_int_equal(
					r->files, 0); /* a descriptor's thread is there before it */
				r->tasks++;
			} else {
				r->files++;
			}
		}
	} while (n != -ENODATA);
	for (unsigned i = 0; i < COL_ITERS; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
}

static void done(struct run *r)
{
	fx_free(r->f);
	free(r->s);
}

static void test_col_snapshot_fill__both_iterators__threads_then_descriptors(void **state)
{
	struct run r;

	(void)state;
	run(&r, stream(KEV_CODE_ITER_TASK_E, 700), stream(KEV_CODE_ITER_TASK_FILE_PIPE_E, 2000));
	assert_int_equal(r.tasks, 700);
	assert_int_equal(r.files, 2000);
	assert_int_equal(r.f->out.n_state, 2700);
	assert_int_equal(r.f->stats.malformed, 0);
	assert_int_equal(r.f->stats.raw_events, 0);
	done(&r);
}

/* After a loss, while events flow: a few records a turn, between their marks; and a second loss
 * begins it anew. */
static void test_col_reread__between_marks_a_few_at_a_time(void **state)
{
	int fds[COL_ITERS] = {stream(KEV_CODE_ITER_TASK_E, 200), -1};
	struct col_reread *r = calloc(1, sizeof(*r));
	struct fx *f = fx_new(SPSC_SIZE_MIN);
	unsigned n[REC_LOSS + 1] = {0}, turns = 0;
	uint16_t last = 0;
	int k;

	(void)state;
	assert_non_null(r);
	assert_int_equal(col_reread_fill(r, &f->out), 0);
	col_reread_begin(r, fds);
	assert_int_equal(col_reread_fill(r, &f->out), 1);
	fds[0] = stream(KEV_CODE_ITER_TASK_E, 150);
	col_reread_begin(r, fds);
	while ((k = col_reread_fill(r, &f->out)) > 0) {
		assert_true(k <= 64);
		turns++;
		col_out_publish(&f->out, NULL, 0);
		for (const struct rec_head *rec; (rec = fx_next(f)); last = rec->ring.type) {
			assert_int_equal(rec->seq, 0);
			n[rec->ring.type]++;
		}
		spsc_consumer_commit(&f->in);
	}
	assert_int_equal(k, 0);
	assert_true(turns >= 5);
	assert_int_equal(n[REC_SNAP_BEGIN], 2);
	assert_int_equal(n[REC_STATE], 150);
	assert_int_equal(n[REC_SNAP_END], 1);
	assert_int_equal(last, REC_SNAP_END);
	assert_int_equal(r->fds[0], -1);
	fx_free(f);
	free(r);
}

static void test_col_snapshot_fill__no_iterators__is_empty(void **state)
{
	struct run r;

	(void)state;
	run(&r, -1, -1);
	assert_int_equal(r.tasks + r.files, 0);
	done(&r);
}

/* What is no record of an iterator is passed over, and no event can come in this way. */
static void test_col_snapshot_fill__other_event_types__are_refused(void **state)
{
	struct run r;

	(void)state;
	run(&r, stream(KEV_CODE_SYSCALL_CHDIR_X, 3), stream(KEV_CODE_ITER_TASK_FILE_PIPE_E, 2));
	assert_int_equal(r.tasks, 0);
	assert_int_equal(r.files, 2);
	assert_int_equal(r.f->stats.malformed, 3);
	assert_int_equal(
		r.f->stats.loss[LOSS_COLLECTOR_MALFORMED], 0); /* none of them was an event */
	done(&r);
}

/* A stream that is cut inside a record ends that iterator; the other one is read. */
static void test_col_snapshot_fill__broken_stream__goes_on_with_the_next(void **state)
{
	int fd = stream(KEV_CODE_ITER_TASK_E, 3);
	off_t size = lseek(fd, 0, SEEK_END);
	struct run r;

	(void)state;
	assert_int_equal(ftruncate(fd, size - 8), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	run(&r, fd, stream(KEV_CODE_ITER_TASK_FILE_PIPE_E, 4));
	assert_int_equal(r.tasks, 2);
	assert_int_equal(r.files, 4);
	done(&r);
}

static void test_col_snapshot_clock__gives_the_offset(void **state)
{
	const int fds[COL_ITERS] = {-1, -1};
	struct col_snapshot *s = calloc(1, sizeof(*s));
	struct fx *f = fx_new(SPSC_SIZE_MIN);
	const char *why = "";
	struct kev k;

	(void)state;
	assert_non_null(s);
	col_snapshot_init(s, fds, BOOT_TO_EPOCH);
	assert_int_equal(col_snapshot_clock(s, &f->out), 0);
	col_out_publish(&f->out, NULL, 0);
	const struct rec_head *rec = fx_next(f);
	assert_non_null(rec);
	assert_int_equal(kev_parse(rec + 1, rec->ring.len - sizeof(*rec), &k, &why), 0);
	assert_int_equal(k.info->code, KEV_CODE_SAKER_CLOCK);
	assert_int_equal(kev_param_u64(&k, 0), BOOT_TO_EPOCH);
	fx_free(f);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_col_snapshot_fill__both_iterators__threads_then_descriptors),
		cmocka_unit_test(test_col_reread__between_marks_a_few_at_a_time),
		cmocka_unit_test(test_col_snapshot_fill__no_iterators__is_empty),
		cmocka_unit_test(test_col_snapshot_fill__other_event_types__are_refused),
		cmocka_unit_test(test_col_snapshot_fill__broken_stream__goes_on_with_the_next),
		cmocka_unit_test(test_col_snapshot_clock__gives_the_offset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
