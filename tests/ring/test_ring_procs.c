/* SPDX-License-Identifier: Apache-2.0 */
/* Producer and consumer as two processes, both killed at random and started again on the same ring.
 * Every record must arrive, in order and whole; a new consumer may repeat what the dead one had
 * taken and not committed, nothing else; a new producer goes on from its restart slot and repeats
 * nothing. Argument: seconds. */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <base/atomics.h>
#include <base/clock.h>

#include "ring_test.h"

#define TYPE_DATA 1
#define TYPE_END 2

/* Written by one process at a time each; survives them. */
struct shared {
	uint64_t seen; /* consumer: records checked so far, without repeats */
	uint64_t repeats;
	uint64_t stop; /* parent: producer shall end */
	uint64_t last; /* producer: records in all */
};

static struct spsc_fds fds;
static struct shared *shared;
static int wake;

static bool put(struct spsc_producer *p, uint64_t seq, size_t len, uint16_t type)
{
	struct spsc_rec *rec;
	int r = spsc_reserve(p, len, type, &rec);

	CHECK(r == 0 || r == -EAGAIN);
	if (r < 0)
		return false;
	test_rec_fill((struct test_rec *)rec, seq, len);
	spsc_commit(p, len);
	return true;
}

static void publish(struct spsc_producer *p, uint64_t seq)
{
	uint64_t pos[2] = {seq * 3, seq * 5};

	CHECK(spsc_slot_write(p, seq, pos, 2) == 0);
	spsc_publish(p);
}

static void produce(uint64_t seed)
{
	struct spsc_producer p;
	struct spsc_slot slot;
	uint64_t seq = 0;
	int r;

	CHECK(spsc_producer_attach(&p, fds.data_rw, fds.cursor_ro, wake) == 0);
	r = spsc_slot_read(&p, &slot);
	CHECK(r == 0 || (r == -ENOENT && p.published == 0));
	if (r == 0) {
		seq = slot.next_seq;
		CHECK(slot.n_cpus == 2 && slot.cpu_pos[0] == seq * 3 && slot.cpu_pos[1] == seq * 5);
	}
	while (atomic_load_acquire(&shared->stop) == 0) {
		if (!put(&p, seq, test_rec_len(seq), TYPE_DATA)) {
			publish(&p, seq);
			(void)usleep(20);
			continue;
		}
		seq++;
		if (rnd(&seed) % 16 == 0)
			publish(&p, seq);
		if (rnd(&seed) % 1000 == 0)
			(void)usleep(200);
	}
	publish(&p, seq);
	shared->last = seq;
	while (!put(&p, seq, sizeof(struct test_rec), TYPE_END))
		(void)usleep(20);
	publish(&p, seq);
	_exit(0);
}

static void consume(uint64_t seed)
{
	struct spsc_consumer c;
	bool is_first = true;
	uint64_t want = 0;

	CHECK(spsc_consumer_attach(&c, fds.data_ro, fds.cursor_rw) == 0);
	for (;;) {
		const struct spsc_rec *rec;
		uint64_t seq;
		int r = spsc_next(&c, &rec);

		CHECK(r >= 0);
		if (r == 0) {
			spsc_consumer_commit(&c);
			/* A producer killed between publish and ring is made good by its successor.
			 */
			if (spsc_consumer_arm(&c)) {
				struct pollfd pfd = {.fd = wake, .events = POLLIN};
				uint64_t n;

				CHECK(poll(&pfd, 1, 10000) == 1);
				(void)!read(wake, &n, sizeof(n));
				spsc_consumer_disarm(&c);
			}
			continue;
		}
		seq = ((const struct test_rec *)rec)->seq;
		CHECK(is_first ? seq <= shared->seen : seq == want);
		if (rec->type == TYPE_END) {
			CHECK(seq == shared->last && shared->seen == seq);
			spsc_consumer_commit(&c);
			_exit(0);
		}
		test_rec_check(rec, seq);
		if (seq < shared->seen)
			shared->repeats++;
		else
			shared->seen = seq + 1;
		is_first = false;
		want = seq + 1;
		if (rnd(&seed) % 64 == 0)
			spsc_consumer_commit(&c);
	}
}

static pid_t start(void (*f)(uint64_t), uint64_t seed)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		f(seed);
	}
	return pid;
}

/* True if the kill hit; false if the process had ended well before. */
static bool kill_it(pid_t pid)
{
	int status;

	CHECK(kill(pid, SIGKILL) == 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return true;
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return false;
}

static void join(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv)
{
	uint64_t end = clock_mono_ns() + (argc > 1 ? strtoull(argv[1], NULL, 10) : 2) * NS_PER_S;
	uint64_t seed = 7, n_kills[2] = {0};
	const uint8_t run_id[16] = {0};
	pid_t producer, consumer;

	wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	CHECK(spsc_create("test", SPSC_SIZE_MIN * 2, true, run_id, &fds) == 0);
	producer = start(produce, rnd(&seed));
	consumer = start(consume, rnd(&seed));
	while (clock_mono_ns() < end) {
		(void)usleep((useconds_t)(1000 + rnd(&seed) % 8000));
		if (rnd(&seed) % 2 == 0) {
			CHECK(kill_it(consumer));
			n_kills[0]++;
			consumer = start(consume, rnd(&seed));
		} else {
			CHECK(kill_it(producer));
			n_kills[1]++;
			producer = start(produce, rnd(&seed));
		}
	}
	atomic_store_release(&shared->stop, 1); /* acquire in produce() */
	join(producer);
	join(consumer);
	CHECK(shared->seen == shared->last);
	CHECK(shared->seen > 1000 && n_kills[0] > 10 && n_kills[1] > 10);
	(void)printf("%llu records, consumer killed %llu times, producer %llu; %llu repeats above "
		     "the commit\n",
		(unsigned long long)shared->seen, (unsigned long long)n_kills[0],
		(unsigned long long)n_kills[1], (unsigned long long)shared->repeats);
	return 0;
}
