/* SPDX-License-Identifier: Apache-2.0 */
/* The two programs as processes, started and sealed as the supervisor does it: the synthetic run to its end, a collector killed in the middle, a stop, a raw ring that
 * nobody empties; and saker-metadata with a passwd file that is replaced. argv: the two programs. */

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <linux/netlink.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/macros.h>
#include <driver/kev.h>
#include <shm/rec.h>
#include <shm/segment.h>
#include <shm/settings.h>
#include <shm/stats.h>
#include <stage/ctl.h>

#define WAIT_MS 20000 /* sanitizers and a busy machine */

static const char *collector_path, *metadata_path;
static const uint8_t run_id[16] = {7};

/* One child, its ring and what it was given. */
struct stage_run {
	pid_t pid;
	int sock;
	int settings_fd, stats_rw, stats_ro, wake_fd;
	struct spsc_fds ring;    /* its out ring */
	struct spsc_consumer in; /* our end */
};

static void ctl(struct stage_run *t, enum ctl_type type, enum ctl_role role, unsigned index,
	const char *text, int fd)
{
	struct ctl_msg m = {.magic = CTL_MAGIC, .type = type, .role = role, .index = index};

	if (type == CTL_HELLO)
		m.value[0] = seg_abi_hash();
	if (text)
		(void)snprintf(m.text, sizeof(m.text), "%s", text);
	assert_int_equal(ctl_send(t->sock, &m, fd), 0);
}

/* The next message of that type within the time; others are passed over. False at the end of the file. */
static bool wait_ctl(struct stage_run *t, enum ctl_type type, struct ctl_msg *m)
{
	for (;;) {
		struct pollfd p = {.fd = t->sock, .events = POLLIN};
		int fd = -1;

		if (poll(&p, 1, WAIT_MS) != 1)
			fail_msg("no message %d within the time", (int)type);
		int r = ctl_recv(t->sock, m, &fd);
		if (fd >= 0)
			(void)close(fd);
		if (r <= 0)
			return false;
		if (m->type == type)
			return true;
	}
}

static void make(struct stage_run *t, const struct settings *set, size_t ring_bytes)
{
	int ro;

	*t = (struct stage_run){.sock = -1};
	assert_int_equal(seg_create_sealed("settings", SEG_SETTINGS, set, sizeof(*set), run_id,
				 &t->settings_fd),
		0);
	assert_int_equal(seg_create("stats", SEG_STATS, sizeof(struct stats_page), run_id,
				 &t->stats_rw, &ro),
		0);
	t->stats_ro = ro;
	t->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(spsc_create("raw", ring_bytes, true, run_id, &t->ring), 0);
	assert_int_equal(spsc_consumer_attach(&t->in, t->ring.data_ro, t->ring.cursor_rw), 0);
}

static void spawn(struct stage_run *t, const char *path)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	t->pid = fork();
	assert_true(t->pid >= 0);
	if (t->pid == 0) {
		/* the places are taken in this order so that neither overwrites the other's source */
		int sock = fcntl(sv[1], F_DUPFD, 10), log = fcntl(STDERR_FILENO, F_DUPFD, 10);
		if (dup2(sock, CTL_FD_SOCKET) < 0 || dup2(log, CTL_FD_LOG) < 0)
			_exit(126);
		(void)execl(path, path, (char *)NULL);
		_exit(127);
	}
	(void)close(sv[1]);
	t->sock = sv[0];
	ctl(t, CTL_HELLO, FD_NONE, 0, "test", -1);
	ctl(t, CTL_FD, FD_SETTINGS, 0, "settings", t->settings_fd);
	ctl(t, CTL_FD, FD_STATS, 0, "stats", t->stats_rw);
	ctl(t, CTL_FD, FD_RING_OUT_DATA, 0, "raw", t->ring.data_rw);
	ctl(t, CTL_FD, FD_RING_OUT_CURSOR, 0, "raw", t->ring.cursor_ro);
	ctl(t, CTL_FD, FD_WAKE_PEER, 0, "wake", t->wake_fd);
}

/* Exit status, or minus the signal. */
static int reap(struct stage_run *t)
{
	int status = 0;

	assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
	t->sock = fd_close(t->sock);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void done(struct stage_run *t)
{
	spsc_consumer_done(&t->in);
	spsc_fds_close(&t->ring);
	(void)close(t->settings_fd);
	(void)close(t->stats_rw);
	(void)close(t->stats_ro);
	(void)close(t->wake_fd);
}

static void get_stats(struct stage_run *t, struct stats_page *ret)
{
	assert_int_equal(pread(t->stats_ro, ret, sizeof(*ret), SEG_PAYLOAD_OFF), sizeof(*ret));
}

/* The next record within the time. */
static const struct rec_head *next(struct stage_run *t)
{
	uint64_t until = clock_mono_ns() + WAIT_MS * NS_PER_MS;
	const struct spsc_rec *rec = NULL;

	while (clock_mono_ns() < until) {
		int r = spsc_next(&t->in, &rec);

		assert_true(r >= 0);
		if (r == 1) {
			spsc_consumer_commit(&t->in);
			return container_of(rec, const struct rec_head, ring);
		}
		(void)nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
	}
	fail_msg("no record within the time");
	return NULL;
}

static struct settings synthetic(uint64_t n_events, uint32_t rate)
{
	return (struct settings){.engine = ENGINE_SYNTHETIC,
		.synthetic_seed = 1,
		.synthetic_events = n_events,
		.synthetic_procs = 8,
		.synthetic_rate = rate};
}

struct seen {
	uint64_t seq, sum;
	unsigned n_state;
};

/* Reads on to END or to event number @until; numbers must follow each other without gap or repeat. */
static bool read_events(struct stage_run *t, struct seen *s, uint64_t until)
{
	while (s->seq < until) {
		const struct rec_head *rec = next(t);

		if (rec->ring.type == REC_END)
			return true;
		s->n_state += rec->ring.type == REC_STATE;
		if (rec->ring.type != REC_KEV)
			continue;
		assert_int_equal(rec->seq, s->seq + 1);
		s->seq = rec->seq;
		for (uint32_t i = 0; i < rec->ring.len; i++)
			s->sum = s->sum * 31 + ((const uint8_t *)rec)[i];
	}
	return false;
}

static uint64_t run_to_end(uint64_t kill_at)
{
	struct settings set = synthetic(20000, 0);
	struct stage_run t;
	struct ctl_msg m;
	struct seen s = {0};
	struct stats_page st;

	make(&t, &set, 4 * SPSC_SIZE_MIN);
	spawn(&t, collector_path);
	ctl(&t, CTL_START, FD_NONE, 0, NULL, -1);
	assert_true(wait_ctl(&t, CTL_READY, &m));
	if (kill_at) {
		assert_false(read_events(&t, &s, kill_at));
		(void)kill(t.pid, SIGKILL);
		assert_int_equal(reap(&t), -SIGKILL);
		spawn(&t, collector_path);
		ctl(&t, CTL_START, FD_NONE, 0, NULL, -1);
	}
	assert_true(read_events(&t, &s, UINT64_MAX));
	assert_true(wait_ctl(&t, CTL_DONE, &m));
	assert_int_equal(reap(&t), 0);
	assert_int_equal(s.seq, 20000);
	assert_int_equal(s.n_state, 1 + 6 + 6 + 4 + 19 * 4);
	get_stats(&t, &st);
	assert_int_equal(st.raw_events, 20000);
	assert_int_equal(st.events, 20000);
	assert_int_equal(st.malformed, 0);
	done(&t);
	return s.sum;
}

static void test_collector__synthetic_run__complete_and_repeatable(void **state)
{
	(void)state;
	assert_int_equal(run_to_end(0), run_to_end(0));
}

static void test_collector__killed_in_the_middle__no_gap_no_repeat_same_bytes(void **state)
{
	uint64_t whole = run_to_end(0);

	(void)state;
	assert_int_equal(run_to_end(500), whole);
	assert_int_equal(run_to_end(9000), whole);
}

static void test_collector__stop__ends_with_end(void **state)
{
	struct settings set = synthetic(0, 2000); /* would go on for ever */
	struct stage_run t;
	struct seen s = {0};
	struct ctl_msg m;

	(void)state;
	make(&t, &set, SPSC_SIZE_MIN);
	spawn(&t, collector_path);
	ctl(&t, CTL_START, FD_NONE, 0, NULL, -1);
	assert_true(wait_ctl(&t, CTL_SEALED, &m));
	assert_false(read_events(&t, &s, 100));
	ctl(&t, CTL_STOP, FD_NONE, 0, NULL, -1);
	assert_true(read_events(&t, &s, UINT64_MAX));
	assert_true(wait_ctl(&t, CTL_DONE, &m));
	assert_int_equal(reap(&t), 0);
	assert_true(s.seq >= 100);
	done(&t);
}

/* 20,000 events are about 0.2 s of the made-up host's time. */
static void test_collector__event_time_is_up__ends(void **state)
{
	struct settings set = synthetic(0, 0);
	struct stage_run t;
	struct seen s = {0};

	(void)state;
	set.max_event_ns = 50 * NS_PER_MS;
	make(&t, &set, SPSC_SIZE_MIN);
	spawn(&t, collector_path);
	ctl(&t, CTL_START, FD_NONE, 0, NULL, -1);
	assert_true(read_events(&t, &s, UINT64_MAX));
	assert_int_equal(reap(&t), 0);
	assert_in_range(s.seq, 2600, 50000); /* steps of 1 to 19 us */
	done(&t);
}

/* Nobody reads for a while: the collector waits, alive, and nothing is lost. */
static void test_collector__full_raw_ring__waits_for_room(void **state)
{
	struct settings set = synthetic(3000, 0);
	struct stats_page st = {0};
	struct stage_run t;
	struct seen s = {0};

	(void)state;
	make(&t, &set, SPSC_SIZE_MIN);
	spawn(&t, collector_path);
	ctl(&t, CTL_START, FD_NONE, 0, NULL, -1);
	uint64_t before = 0, until = clock_mono_ns() + WAIT_MS * NS_PER_MS;
	do {
		before = st.raw_events;
		(void)nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
		get_stats(&t, &st);
	} while ((st.raw_events == 0 || st.raw_events != before) && clock_mono_ns() < until);
	assert_true(st.raw_events > 0 && st.raw_events < 3000);
	assert_true(read_events(&t, &s, UINT64_MAX));
	assert_int_equal(reap(&t), 0);
	assert_int_equal(s.seq, 3000);
	done(&t);
}

static void test_collector__supervisor_gone__ends_by_itself(void **state)
{
	struct settings set = synthetic(0, 1000);
	struct stage_run t;
	struct ctl_msg m;

	(void)state;
	make(&t, &set, SPSC_SIZE_MIN);
	spawn(&t, collector_path);
	ctl(&t, CTL_START, FD_NONE, 0, NULL, -1);
	assert_true(wait_ctl(&t, CTL_READY, &m));
	t.sock = fd_close(t.sock);
	assert_int_equal(reap(&t), 1);
	done(&t);
}

/* --- saker-metadata --- */

static int file_with(const char *path, const char *text)
{
	char tmp[64];

	(void)snprintf(tmp, sizeof(tmp), "%s.new", path);
	FILE *f = fopen(tmp, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(rename(tmp, path), 0);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void expect_user(struct stage_run *t, uint16_t code, const char *name, uint32_t uid)
{
	const struct rec_head *rec = next(t);
	const char *why = "";
	struct kev k;

	assert_int_equal(rec->ring.type, REC_STATE);
	if (kev_parse(rec + 1, rec->ring.len - sizeof(*rec), &k, &why) < 0)
		fail_msg("%s", why);
	assert_int_equal(k.info->code, code);
	assert_int_equal(kev_param_u64(&k, 0), uid);
	assert_true(span_eq_str(kev_param_text(&k, code == KEV_CODE_GROUP_ADDED_E ? 1 : 2), name));
}

static void test_metadata__files__users_then_what_changes(void **state)
{
	struct settings set = synthetic(1, 0);
	char dir[] = "saker-test-XXXXXX", path[64];
	struct stage_run t;
	struct ctl_msg m;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/passwd", dir);
	int passwd = file_with(
		path, "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n");
	char group_path[64];
	(void)snprintf(group_path, sizeof(group_path), "%s/group", dir);
	int group = file_with(group_path, "root:x:0:\n");
	make(&t, &set, SPSC_SIZE_MIN);
	spawn(&t, metadata_path);
	ctl(&t, CTL_FD, FD_FILE, 0, "passwd", passwd);
	ctl(&t, CTL_FD, FD_FILE, 1, "group", group);
	ctl(&t, CTL_START, FD_NONE, 0, NULL, -1);
	assert_true(wait_ctl(&t, CTL_READY, &m));
	expect_user(&t, KEV_CODE_USER_ADDED_E, "root", 0);
	expect_user(&t, KEV_CODE_USER_ADDED_E, "alice", 1000);
	expect_user(&t, KEV_CODE_GROUP_ADDED_E, "root", 0);
	assert_int_equal(next(&t)->ring.type, REC_SNAP_END);
	(void)close(passwd);
	passwd = file_with(
		path, "root:x:0:0:root:/root:/bin/sh\nbob:x:1001:1001::/home/bob:/bin/sh\n");
	assert_true(wait_ctl(&t, CTL_NEED_SINK, &m));
	assert_int_equal(m.role, FD_FILE);
	assert_int_equal(m.index, 0);
	ctl(&t, CTL_SINK, FD_FILE, 0, "passwd", passwd);
	expect_user(&t, KEV_CODE_USER_DELETED_E, "alice", 1000);
	expect_user(&t, KEV_CODE_USER_ADDED_E, "bob", 1001);
	ctl(&t, CTL_STOP, FD_NONE, 0, NULL, -1);
	assert_true(wait_ctl(&t, CTL_DONE, &m));
	assert_int_equal(reap(&t), 0);
	(void)close(passwd);
	(void)close(group);
	(void)unlink(path);
	(void)unlink(group_path);
	(void)rmdir(dir);
	done(&t);
}

static void test_metadata__route_socket__addresses_before_the_end_of_the_list(void **state)
{
	struct settings set = synthetic(1, 0);
	struct stage_run t;
	struct ctl_msg m;
	unsigned n = 0;

	(void)state;
	int nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (nl < 0)
		skip();
	make(&t, &set, SPSC_SIZE_MIN);
	spawn(&t, metadata_path);
	ctl(&t, CTL_FD, FD_NETLINK, 0, "route", nl);
	ctl(&t, CTL_START, FD_NONE, 0, NULL, -1);
	assert_true(wait_ctl(&t, CTL_READY, &m));
	for (const struct rec_head *rec; (rec = next(&t))->ring.type != REC_SNAP_END; n++) {
		const char *why = "";
		struct kev k;

		assert_int_equal(kev_parse(rec + 1, rec->ring.len - sizeof(*rec), &k, &why), 0);
		assert_int_equal(k.info->code, KEV_CODE_SAKER_IFACE);
	}
	print_message("%u addresses\n", n);
	ctl(&t, CTL_STOP, FD_NONE, 0, NULL, -1);
	assert_int_equal(reap(&t), 0);
	(void)close(nl);
	done(&t);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_collector__synthetic_run__complete_and_repeatable),
		cmocka_unit_test(test_collector__killed_in_the_middle__no_gap_no_repeat_same_bytes),
		cmocka_unit_test(test_collector__stop__ends_with_end),
		cmocka_unit_test(test_collector__event_time_is_up__ends),
		cmocka_unit_test(test_collector__full_raw_ring__waits_for_room),
		cmocka_unit_test(test_collector__supervisor_gone__ends_by_itself),
		cmocka_unit_test(test_metadata__files__users_then_what_changes),
		cmocka_unit_test(test_metadata__route_socket__addresses_before_the_end_of_the_list),
	};

	if (argc != 3)
		return 2;
	collector_path = argv[1];
	metadata_path = argv[2];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
