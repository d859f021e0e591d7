/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong under a spool, and that the books hold each time: accepted = delivered + in the
 * spool + losses by name, and no accepted alert is missing without one. Each test prints what it
 * checked. */

#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "spool_bed.h"

#define MIB (UINT64_C(1) << 20)
#define TEXT 500 /* bytes of message: a record takes about 700 */

static unsigned rnd(unsigned *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* --- kill -9 --- */

struct life {
	struct bed bed;
	struct stats_page stats;
	uint8_t seen[BED_ALERTS_MAX];
};

static void live(struct life *l, enum bed_io kind, bool until_empty)
{
	struct bed *b = &l->bed;

	if (bed_open(b, kind, 16 * MIB, SPOOL_BLOCK) < 0)
		_exit(2);
	for (unsigned i = 0; !until_empty || !spool_is_empty(&b->spool); i++) {
		for (unsigned k = 0; k < 20 && !until_empty && spool_has_room(&b->spool) &&
				     b->n_appended < BED_ALERTS_MAX - 1;
			k++)
			bed_append(b, b->n_appended % 8, TEXT);
		b->now_ns += NS_PER_MS;
		spool_turn(&b->spool, clock_mono_ns());
		(void)bed_deliver(b, 15);
	}
	spool_stop(&b->spool, clock_mono_ns() + NS_PER_S);
	_exit(0);
}

static void kills(enum bed_io kind)
{
	struct life *l =
		mmap(NULL, sizeof(*l), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned seed = 7, n_dup = 0;
	int status = 0;

	assert_ptr_not_equal(l, MAP_FAILED);
	l->bed.stats = &l->stats;
	l->bed.seen = l->seen;
	bed_make_folder(&l->bed, kind == BED_URING ? "/tmp" : bed_base());
	for (unsigned round = 0; round <= 50; round++) {
		struct timespec t = {.tv_nsec = 1000000 + rnd(&seed) % 60000000};
		pid_t pid = fork();

		if (pid == 0) {
			bed_of = &l->bed;
			l->bed.pending[0] = l->bed.pending[1] = 0;
			l->bed.n_appended = l->bed.n_committed; /* the rings have the rest */
			live(l, kind, round == 50);
		}
		if (round < 50) {
			nanosleep(&t, NULL);
			(void)kill(pid, SIGKILL);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 2)
			skip();
	}
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	for (unsigned i = 0; i < l->bed.n_committed; i++)
		n_dup += l->seen[i] > 1 ? l->seen[i] - 1U : 0;
	printf("50 kills: %u alerts accepted, %u missing, %llu named losses, %u delivered again; "
	       "books: "
	       "%llu = %llu + %llu\n",
		l->bed.n_committed, bed_missing(&l->bed, 0, l->bed.n_committed),
		(unsigned long long)bed_losses(&l->bed), n_dup, (unsigned long long)l->stats.alerts,
		(unsigned long long)l->stats.delivered, (unsigned long long)l->stats.in_spool);
	assert_true(l->bed.n_committed > 100);
	assert_int_equal(bed_missing(&l->bed, 0, l->bed.n_committed), 0);
	assert_int_equal(bed_losses(&l->bed), 0);
	assert_int_equal(l->stats.alerts, l->stats.delivered + l->stats.in_spool);
	assert_int_equal(l->stats.in_spool, 0);
	l->bed.io.ops = NULL; /* the children's */
	l->bed.stats = NULL;
	l->bed.seen = NULL;
	bed_done(&l->bed, true);
	munmap(l, sizeof(*l));
}

static void test_kill_9__io_uring(void **state)
{
	(void)state;
	kills(BED_URING);
}

static void test_kill_9__thread(void **state)
{
	(void)state;
	kills(BED_THREAD);
}

/* --- a request that fails --- */

struct plan_of_failure {
	unsigned at; /* request */
	int error;
	bool for_good; /* all later requests of its kind as well, until told otherwise */
	enum io_op op;
	bool hit;
};

static int64_t decide(struct io_fault *f, const struct io_req *q)
{
	struct plan_of_failure *p = f->owner;

	if (q->op == IO_READ || q->op == IO_CLOSE)
		return 0;
	if (f->n_requests == p->at && !p->hit) {
		p->hit = true;
		p->op = q->op;
		return -p->error;
	}
	return p->for_good && p->hit && q->op == p->op ? -p->error : 0;
}

static void scenario(struct bed *b)
{
	for (unsigned i = 0; i < 3000; i++) {
		for (unsigned k = 0; !spool_has_room(&b->spool) && k < 2000; k++)
			bed_settle_time(b, 1);
		if (!spool_has_room(&b->spool))
			return;
		bed_append(b, i % 8, TEXT);
		if (i % 100 == 99) {
			bed_turn(b);
			(void)bed_deliver(b, 60);
		}
	}
}

static unsigned fail_at(unsigned at, int error, unsigned *n_lost)
{
	struct plan_of_failure p = {.at = at, .error = error};
	struct bed b = {.fault = {.decide = decide, .owner = &p}};
	unsigned n;

	bed_make_folder(&b, bed_base());
	if (bed_open(&b, BED_FAULT, 8 * MIB, SPOOL_DROP_LOWEST) < 0) {
		/* at start it says so, and the supervisor starts it again */
		assert_true(p.hit);
		bed_crash(&b);
		assert_int_equal(bed_open(&b, BED_FAULT, 8 * MIB, SPOOL_DROP_LOWEST), 0);
	}
	scenario(&b);
	(void)bed_deliver(&b, 100000);
	bed_settle_time(&b, 100);
	assert_int_equal(b.n_committed, 3000);
	assert_true(bed_is_balanced(&b));
	assert_int_equal(bed_in_spool(&b), 0);
	assert_false(b.out_of_order);
	assert_int_equal(bed_missing(&b, 0, 3000), bed_losses(&b));
	if (error == EIO)
		assert_int_equal(bed_losses(&b), 0); /* tried again, in another segment */
	*n_lost += (unsigned)bed_losses(&b);
	n = b.fault.n_requests;
	bed_done(&b, true);
	return n;
}

static void test_error_at_each_request__books_hold(void **state)
{
	static const int errors[] = {EIO, ENOSPC, EDQUOT};
	unsigned unused = 0, n = fail_at(UINT32_MAX, EIO, &unused);

	(void)state;
	assert_true(n > 100);
	for (unsigned e = 0; e < 3; e++) {
		unsigned n_lost = 0;

		for (unsigned at = 0; at < n; at++)
			(void)fail_at(at, errors[e], &n_lost);
		printf("%s at each of %u requests: 3000 alerts each time, none missing without a "
		       "name, "
		       "%u lost by policy over all\n",
			strerror(errors[e]), n, n_lost);
	}
}

/* The disk fails for good, then it is well again: nothing that was accepted is lost. */
static void test_error_for_a_while__tried_again(void **state)
{
	struct plan_of_failure p = {.at = 60, .error = EIO, .for_good = true};
	struct bed b = {.fault = {.decide = decide, .owner = &p}};

	(void)state;
	bed_make_folder(&b, bed_base());
	assert_int_equal(bed_open(&b, BED_FAULT, 8 * MIB, SPOOL_DROP_LOWEST), 0);
	for (unsigned i = 0; i < 2000 && spool_has_room(&b.spool); i++) {
		bed_append(&b, i % 8, TEXT);
		if (i % 50 == 0)
			bed_settle_time(&b, 2);
	}
	bed_settle_time(&b, 500);
	assert_true(p.hit);
	assert_int_equal(b.stats->last_error, EIO);
	p.for_good = false;
	bed_settle_time(&b, 2000);
	assert_int_equal(b.n_committed, b.n_appended);
	(void)bed_deliver(&b, 100000);
	assert_int_equal(bed_missing(&b, 0, b.n_committed), 0);
	assert_int_equal(bed_losses(&b), 0);
	assert_true(bed_is_balanced(&b));
	printf("a disk that fails for a while: %u alerts, none missing\n", b.n_committed);
	bed_done(&b, true);
}

/* --- bounds --- */

static void fill_up(enum spool_when_full when_full)
{
	static const char *const names[] = {"drop_lowest", "drop_oldest", "block"};
	struct bed b = {0};
	unsigned n = 0, n_high = 0, missing_high = 0;

	bed_make_folder(&b, bed_base());
	assert_int_equal(bed_open(&b, BED_FAULT, 4 * MIB, when_full), 0);
	for (unsigned i = 0; i < 20000; i++) {
		for (unsigned k = 0; !spool_has_room(&b.spool) && k < 100; k++)
			bed_turn(&b);
		if (!spool_has_room(&b.spool))
			break;
		bed_append(&b, i % 10 == 0 ? 0 : 6, TEXT);
		n++;
		if (i % 50 == 0)
			bed_turn(&b);
		assert_true(b.spool.bytes <= 4 * MIB);
	}
	bed_settle_time(&b, 100);
	assert_true(bed_is_balanced(&b));
	if (when_full == SPOOL_BLOCK) {
		assert_true(n < 20000); /* it took no more */
		assert_int_equal(bed_losses(&b), 0);
	} else {
		assert_int_equal(n, 20000);
		assert_true(b.stats->loss[LOSS_OUT_SPOOL_FULL] > 10000);
		assert_int_equal(bed_losses(&b), b.stats->loss[LOSS_OUT_SPOOL_FULL]);
	}
	(void)bed_deliver(&b, 100000);
	bed_settle_time(&b, 100); /* block: what had waited comes now */
	(void)bed_deliver(&b, 100000);
	assert_int_equal(b.n_committed, n);
	assert_true(bed_is_balanced(&b));
	assert_int_equal(bed_missing(&b, 0, n), bed_losses(&b));
	assert_false(b.out_of_order);
	for (unsigned i = 0; i < n; i += 10, n_high++)
		missing_high += b.seen[i] == 0;
	if (when_full == SPOOL_DROP_LOWEST)
		assert_int_equal(missing_high, 0);
	if (when_full == SPOOL_DROP_OLDEST)
		assert_int_equal(b.seen[n - 1], 1);
	printf("%s: %u alerts into 4 MiB, %llu delivered, %llu spool_full, of %u emergencies %u "
	       "lost\n",
		names[when_full], n, (unsigned long long)b.stats->delivered,
		(unsigned long long)b.stats->loss[LOSS_OUT_SPOOL_FULL], n_high, missing_high);
	bed_done(&b, true);
}

static void test_full__drop_lowest__high_ones_stay(void **state)
{
	(void)state;
	fill_up(SPOOL_DROP_LOWEST);
}

static void test_full__drop_oldest__new_ones_stay(void **state)
{
	(void)state;
	fill_up(SPOOL_DROP_OLDEST);
}

static void test_full__block__nothing_lost(void **state)
{
	(void)state;
	fill_up(SPOOL_BLOCK);
}

static void fill_tmpfs(const char *base, enum bed_io kind, enum spool_when_full when_full)
{
	struct bed b = {0};
	unsigned n = 0;

	bed_make_folder(&b, base);
	if (bed_open(&b, kind, 64 * MIB, when_full) < 0)
		_exit(77);
	for (; n < 15000; n++) {
		for (unsigned k = 0; !spool_has_room(&b.spool) && k < 500; k++)
			bed_settle_time(&b, 1);
		if (!spool_has_room(&b.spool))
			break;
		bed_append(&b, n % 8, TEXT);
	}
	bed_settle_time(&b, 500);
	if (!bed_is_balanced(&b) || b.stats->last_error != ENOSPC)
		_exit(1);
	(void)bed_deliver(&b, 100000);
	bed_settle_time(&b, 2000);
	(void)bed_deliver(&b, 100000);
	printf("a tmpfs of 7 MiB that fills up (%s, %s): %u accepted, %llu delivered, %llu "
	       "spool_full, "
	       "%u missing\n",
		b.io.ops->name, when_full == SPOOL_BLOCK ? "block" : "drop_lowest", b.n_committed,
		(unsigned long long)b.stats->delivered,
		(unsigned long long)b.stats->loss[LOSS_OUT_SPOOL_FULL],
		bed_missing(&b, 0, b.n_committed));
	fflush(stdout);
	if (b.n_committed != n || !bed_is_balanced(&b) || bed_in_spool(&b) ||
		bed_missing(&b, 0, n) != bed_losses(&b) ||
		(when_full == SPOOL_BLOCK && bed_losses(&b)))
		_exit(2);
	_exit(0);
}

static void test_tmpfs_fills_up(void **state)
{
	char base[] = "/tmp/saker-tmpfs-XXXXXX";

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_non_null(mkdtemp(base));
	for (unsigned i = 0; i < 4; i++) {
		int status = 0;
		pid_t pid = fork();

		if (pid == 0) {
			if (unshare(CLONE_NEWNS) < 0 ||
				mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
				mount("tmpfs", base, "tmpfs", 0, "size=7m") < 0)
				_exit(77);
			fill_tmpfs(base, i & 1 ? BED_THREAD : BED_URING,
				i & 2 ? SPOOL_BLOCK : SPOOL_DROP_LOWEST);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status) == 77)
			printf("a tmpfs that fills up: cannot be mounted here\n");
		else
			assert_int_equal(WEXITSTATUS(status), 0);
	}
	rmdir(base);
}

/* --- damage --- */

static void damage(unsigned seed, bool tear, unsigned *n_lost)
{
	struct bed b = {0}, *p = &b;
	char path[512];
	unsigned n, k;
	uint64_t accepted;
	DIR *d;

	bed_make_folder(p, bed_base());
	assert_int_equal(bed_open(p, BED_FAULT, 16 * MIB, SPOOL_BLOCK), 0);
	for (unsigned i = 0; i < 3000; i++) {
		for (; !spool_has_room(&b.spool);)
			bed_turn(p);
		bed_append(p, i % 8, TEXT);
		if (i % 20 == 0)
			bed_turn(p);
	}
	bed_settle_time(p, 30);
	(void)bed_deliver(p, rnd(&seed) % 1000);
	bed_settle_time(p, 30);
	accepted = b.stats->alerts;
	n = b.n_committed;
	bed_crash(p);
	free(b.stats); /* the machine went down: only the mark is left */
	b.stats = NULL;
	d = opendir(b.path);
	k = rnd(&seed) % 3;
	for (struct dirent *e; (e = readdir(d));) {
		uint64_t serial;
		unsigned group;
		struct stat st;
		int fd;

		if (!spool_name_parse(e->d_name, &serial, &group) || group != k)
			continue;
		snprintf(path, sizeof(path), "%s/%s", b.path, e->d_name);
		fd = open(path, O_RDWR);
		assert_int_equal(fstat(fd, &st), 0);
		if (tear) {
			assert_int_equal(
				ftruncate(fd, (off_t)(rnd(&seed) % (unsigned)st.st_size)), 0);
		} else {
			for (unsigned i = 0; i < 3; i++) {
				off_t at = (off_t)(rnd(&seed) % 400000);
				uint8_t byte = 0;

				(void)!pread(fd, &byte, 1, at);
				byte ^= (uint8_t)(1u << rnd(&seed) % 8);
				(void)!pwrite(fd, &byte, 1, at);
			}
		}
		close(fd);
	}
	closedir(d);
	assert_int_equal(bed_open(p, BED_FAULT, 16 * MIB, SPOOL_BLOCK), 0);
	b.last_seen = 0;
	b.out_of_order = false;
	(void)bed_deliver(p, 100000);
	bed_settle_time(p, 3000);
	assert_true(bed_is_balanced(p));
	assert_int_equal(bed_in_spool(p), 0);
	assert_false(b.out_of_order);
	assert_int_equal(b.stats->alerts, accepted);
	assert_int_equal(bed_missing(p, 0, n), b.stats->loss[LOSS_OUT_SPOOL_CORRUPT]);
	*n_lost += bed_missing(p, 0, n);
	bed_done(p, true);
}

static void test_bit_flips__lost_by_name_only(void **state)
{
	unsigned n_lost = 0;

	(void)state;
	for (unsigned seed = 1; seed <= 40; seed++)
		damage(seed * 977, false, &n_lost);
	assert_true(n_lost > 20);
	printf("3 bits flipped in every segment of a group, 40 times: %u records lost, each as "
	       "spool_corrupt, all others delivered in order\n",
		n_lost);
}

static void test_torn_segments__lost_by_name_only(void **state)
{
	unsigned n_lost = 0;

	(void)state;
	for (unsigned seed = 1; seed <= 40; seed++)
		damage(seed * 1013, true, &n_lost);
	assert_true(n_lost > 1000);
	printf("every segment of a group cut at a random place, 40 times: %u records lost, each as "
	       "spool_corrupt, all others delivered in order\n",
		n_lost);
}

/* --- power loss --- */

struct moment {
	unsigned n_committed, n_seen;
};

static struct moment moments[20000];

static int64_t note_moment(struct io_fault *f, const struct io_req *q)
{
	(void)q;
	if (f->n_trace < ARRAY_LEN(moments))
		moments[f->n_trace] = (struct moment){bed_of->n_committed, bed_of->n_seen};
	return 0;
}

enum loss_model { ALL_WRITTEN, ONLY_SYNCED, TORN };

/* Do the first @n requests again in an empty folder, as far as this disk would have them. */
static void replay(const struct io_fault *f, size_t n, enum loss_model model, int dir_fd)
{
	static char names[4096][IO_NAME_MAX]; /* by file of the recorded run */
	size_t dir_synced = 0;

	for (size_t i = 0; i < n; i++)
		if (f->trace[i].op == IO_DIR_SYNC)
			dir_synced = i + 1;
	for (size_t i = 0; i < n; i++) {
		const struct io_trace *t = &f->trace[i];
		bool is_synced = false;
		size_t len = t->n;
		int fd;

		if (t->op == IO_OPEN) {
			assert_true(t->result < 4096);
			memcpy(names[t->result], t->name, IO_NAME_MAX);
			if (t->flags & O_CREAT && (model == ALL_WRITTEN || i < dir_synced)) {
				fd = openat(dir_fd, t->name, O_RDWR | O_CREAT, 0600);
				assert_true(fd >= 0);
				close(fd);
			}
		}
		if (t->op == IO_UNLINK && (model == ALL_WRITTEN || i < dir_synced))
			(void)unlinkat(dir_fd, t->name, 0);
		if (t->op != IO_WRITE && t->op != IO_ALLOC)
			continue;
		for (size_t k = i + 1; k < n && !is_synced; k++) {
			if (f->trace[k].op == IO_OPEN && f->trace[k].result == t->file)
				break; /* the number is another file's now */
			is_synced = f->trace[k].op == IO_SYNC && f->trace[k].file == t->file;
		}
		if (model != ALL_WRITTEN && !is_synced && t->op == IO_WRITE)
			len = model == TORN ? len / 2 : 0;
		fd = openat(dir_fd, names[t->file], O_RDWR);
		if (fd < 0)
			continue; /* its name never reached the disk */
		if (t->op == IO_ALLOC)
			(void)!ftruncate(fd, (off_t)(t->off + t->n));
		else
			assert_int_equal(pwrite(fd, t->bytes, len, (off_t)t->off), len);
		close(fd);
	}
}

static unsigned recover_after(const struct io_fault *f, const struct bed *before, size_t n,
	enum loss_model model, const unsigned *order, unsigned n_order)
{
	struct bed b = {0};
	unsigned n_missing = 0;

	bed_make_folder(&b, bed_base());
	b.dir_fd = open(b.path, O_RDONLY | O_DIRECTORY);
	replay(f, n, model, b.dir_fd);
	close(b.dir_fd);
	assert_int_equal(bed_open(&b, BED_FAULT, 8 * MIB, SPOOL_BLOCK), 0);
	(void)bed_deliver(&b, 100000);
	bed_settle_time(&b, 20);
	assert_true(bed_is_balanced(&b));
	assert_int_equal(bed_in_spool(&b), 0);
	/* those that the sink had before the lights went out are not missing */
	for (unsigned i = 0; i < MIN(moments[n].n_seen, n_order); i++)
		b.seen[order[i]]++;
	n_missing = bed_missing(&b, 0, moments[n].n_committed);
	assert_int_equal(n_missing, 0);
	assert_int_equal(bed_losses(&b), 0);
	(void)before;
	bed_done(&b, true);
	return moments[n].n_committed;
}

static void test_power_loss__every_prefix(void **state)
{
	static unsigned order[4000];
	struct bed b = {.fault = {.decide = note_moment, .keeps_trace = true}};
	unsigned n_order = 0, n_checked = 0;
	struct io_fault trace;

	(void)state;
	bed_make_folder(&b, bed_base());
	assert_int_equal(bed_open(&b, BED_FAULT, 8 * MIB, SPOOL_BLOCK), 0);
	for (unsigned i = 0; i < 2500; i++) {
		for (; !spool_has_room(&b.spool);)
			bed_turn(&b);
		bed_append(&b, i % 8, TEXT);
		if (i % 100 == 99)
			bed_turn(&b);
		if (i % 250 == 249) {
			/* one by one, to know which they are */
			for (unsigned k = 0; k < 200; k++) {
				if (bed_deliver(&b, 1) != 1)
					break;
				order[n_order++] = (unsigned)b.last_seen;
			}
		}
	}
	bed_settle_time(&b, 30);
	moments[MIN(b.fault.n_trace, ARRAY_LEN(moments) - 1)] =
		(struct moment){b.n_committed, b.n_seen};
	trace = b.fault;
	b.fault = (struct io_fault){0};
	for (size_t n = 0; n <= trace.n_trace; n++)
		for (enum loss_model m = ALL_WRITTEN; m <= TORN; m++, n_checked++)
			(void)recover_after(&trace, &b, n, m, order, n_order);
	printf("power loss after each of %zu requests, three kinds of disk, %u recoveries: every "
	       "alert "
	       "that was accepted by then (up to %u) was delivered\n",
		trace.n_trace, n_checked, b.n_committed);
	assert_true(trace.n_trace > 100);
	io_fault_done(&trace);
	bed_done(&b, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kill_9__io_uring),
		cmocka_unit_test(test_kill_9__thread),
		cmocka_unit_test(test_error_at_each_request__books_hold),
		cmocka_unit_test(test_error_for_a_while__tried_again),
		cmocka_unit_test(test_full__drop_lowest__high_ones_stay),
		cmocka_unit_test(test_full__drop_oldest__new_ones_stay),
		cmocka_unit_test(test_full__block__nothing_lost),
		cmocka_unit_test(test_tmpfs_fills_up),
		cmocka_unit_test(test_bit_flips__lost_by_name_only),
		cmocka_unit_test(test_torn_segments__lost_by_name_only),
		cmocka_unit_test(test_power_loss__every_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
