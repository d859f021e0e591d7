/* SPDX-License-Identifier: Apache-2.0 */
/* Which opens and closes leave a record, with a table made by the rules compiler and the programs in
 * the running kernel. Needs root and a kernel with type information; else skipped (77). */

#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <base/clock.h>
#include <base/macros.h>
#include <driver/bpf_maps.h>
#include <driver/kev.h>
#include <driver/load.h>
#include <driver/source.h>
#include <rules/compile.h>
#include <rules/diag.h>
#include <rules/image.h>

#define RING_BYTES (1u << 20)

static struct drv_loaded *loaded;
static struct drv_source *source;
static struct kshm_interest *interest;
static uint8_t want[_KEV_IX_MAX];
static char dir[] = "/tmp/saker-filter-XXXXXX";

/* ---- what came: codes of opens and closes of this process, in order ---- */

#define SEEN_MAX 64
struct seen {
	uint16_t code;
	int64_t fd;
	char name[128], real[128];
};
static struct seen seen[SEEN_MAX];
static unsigned n_seen;
static uint64_t copy[KEV_SIZE_MAX / 8];

static void note(const struct kev *k)
{
	struct seen *s = &seen[n_seen];
	bool is_open = k->head->type == KEV_CODE_SYSCALL_OPENAT_2_X;
	struct span name, real = kev_extra(k, KEV_X_REALPATH);

	if (!is_open && k->head->type != KEV_CODE_SYSCALL_CLOSE_X)
		return;
	assert_true(n_seen < SEEN_MAX);
	name = is_open ? kev_param_text(k, 2) : (struct span){0};
	s->code = k->head->type;
	s->fd = kev_param_i64(k, is_open ? 0 : 1);
	(void)snprintf(s->name, sizeof(s->name), "%.*s", (int)name.n, name.p ? name.p : "");
	(void)snprintf(s->real, sizeof(s->real), "%.*s", (int)real.n, real.p ? real.p : "");
	n_seen++;
}

/* Everything up to a mark that is made now. */
static void collect(void)
{
	uint64_t until = clock_mono_ns() + 2 * NS_PER_S;
	struct drv_record rec;
	const char *why;
	struct kev k;

	n_seen = 0;
	(void)mkdir("/nowhere/mark", 0);
	while (clock_mono_ns() < until) {
		if (source->ops->next(source, &rec) <= 0) {
			source->ops->commit(source);
			(void)usleep(200);
			continue;
		}
		memcpy(copy, rec.p, rec.len);
		assert_int_equal(kev_parse(copy, rec.len, &k, &why), 0);
		if (k.head->tgid != (uint32_t)getpid())
			continue;
		if (k.head->type == KEV_CODE_SYSCALL_MKDIR_2_X)
			return;
		note(&k);
	}
	fail_msg("the mark did not come");
}

static void assert_quiet(const char *what)
{
	collect();
	if (n_seen)
		fail_msg("%s: %u records, the first of '%s'", what, n_seen, seen[0].name);
}

static void assert_seen(const char *what)
{
	collect();
	if (n_seen != 2 || seen[0].code != KEV_CODE_SYSCALL_OPENAT_2_X ||
		seen[1].code != KEV_CODE_SYSCALL_CLOSE_X || seen[1].fd != seen[0].fd)
		fail_msg("%s: %u records, not an open and its close", what, n_seen);
}

static char *in_dir(const char *name)
{
	static char path[4][128];
	static unsigned next;
	char *p = path[next++ % ARRAY_LEN(path)];

	(void)snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static void visit(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		fail_msg("'%s' does not open", path);
	close(fd);
}

/* ---- set up ---- */

static void set_paths(void)
{
	char text[1024];
	struct rules_output out = {.name = "stdout", .min_priority = 7};
	struct rules_options opt = {.min_priority = 7, .outputs = &out, .n_outputs = 1};
	struct rules_file file = {.name = "t.yaml", .text = text};
	struct rules_result res;
	const char *why = "";
	struct diag d;
	struct img img;

	file.n = (size_t)snprintf(text, sizeof(text),
		"- rule: R\n  desc: d\n  output: o\n  priority: INFO\n  condition: evt.type in "
		"(open, openat) and evt.is_open_read=true and fd.num>=0 and (fd.name=%s/secret or "
		"fd.directory=%s/vault or fd.filename=key or fd.name startswith %s/pre or "
		"fd.nameraw contains '../')\n",
		dir, dir, dir);
	diag_init(&d);
	assert_int_equal(rules_compile(&file, 1, &opt, &d, &res), 0);
	assert_int_equal(img_verify(res.image, res.size, &img, &why), 0);
	assert_int_equal(img.n[IMG_SEC_KPATHS], 1);
	memcpy(&interest->paths, img.kpaths, sizeof(interest->paths));
	want[KEV_IX_SYSCALL_OPENAT_2_X] = img.events[KEV_IX_SYSCALL_OPENAT_2_X].want;
	want[KEV_IX_SYSCALL_CLOSE_X] = img.events[KEV_IX_SYSCALL_CLOSE_X].want;
	want[KEV_IX_SYSCALL_MKDIR_2_X] = KSHM_WANT;
	drv_interest_set(interest, want, 80, NULL, 0);
	free(res.image);
	diag_done(&d);
}

static void make(const char *name)
{
	int fd = open(in_dir(name), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	close(fd);
}

static int set_up(void **state)
{
	struct drv_load_config c = {.ring_bytes = RING_BYTES};
	char why[512] = "";

	(void)state;
	if (drv_load(&c, &loaded, why, sizeof(why)) < 0) {
		print_error("load: %s\n", why);
		return -1;
	}
	assert_int_equal(drv_bpf_open(loaded->ring_fds, loaded->n_cpus, RING_BYTES, loaded->wake_fd,
				 NULL, &source),
		0);
	assert_int_equal(drv_interest_map(loaded->interest_fd, &interest), 0);
	assert_non_null(mkdtemp(dir));
	assert_int_equal(mkdir(in_dir("vault"), 0755), 0);
	make("boring");
	make("secret");
	make("vault/file");
	make("key");
	make("prefixed");
	assert_int_equal(symlink(in_dir("secret"), in_dir("to-secret")), 0);
	assert_int_equal(symlink(in_dir("boring"), in_dir("to-boring")), 0);
	assert_int_equal(symlink(in_dir("boring"), in_dir("pre-link")), 0);
	assert_int_equal(symlink(in_dir("vault"), in_dir("to-vault")), 0);
	set_paths();
	drv_interest_enable(interest, 1);
	return 0;
}

static int tear_down(void **state)
{
	static const char *const names[] = {"boring", "secret", "vault/file", "key", "prefixed",
		"to-secret", "to-boring", "pre-link", "to-vault"};

	(void)state;
	drv_interest_enable(interest, 0);
	drv_interest_unmap(interest);
	drv_source_close(source);
	loaded = drv_load_free(loaded);
	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		(void)unlink(in_dir(names[i]));
	(void)rmdir(in_dir("vault"));
	(void)rmdir(dir);
	return 0;
}

/* ---- names ---- */

static void test_open__name_no_rule_asks_for__no_record_of_open_and_close(void **state)
{
	(void)state;
	visit(in_dir("boring"), O_RDONLY);
	visit("/etc/hostname", O_RDONLY);
	visit(in_dir("to-boring"), O_RDONLY);
	visit(in_dir("secret"), O_WRONLY); /* the rule asks for reading */
	assert_int_equal(open(in_dir("absent"), O_RDONLY), -1);
	assert_quiet("boring names");
}

static void test_open__names_of_the_rule__recorded(void **state)
{
	(void)state;
	visit(in_dir("secret"), O_RDONLY);
	assert_seen("exact name");
	visit(in_dir("secret"), O_RDWR);
	assert_seen("for both");
	visit(in_dir("vault/file"), O_RDONLY);
	assert_seen("directory");
	visit(in_dir("key"), O_RDONLY);
	assert_seen("last component");
	visit(in_dir("prefixed"), O_RDONLY);
	assert_seen("prefix");
}

static void test_open__symlinks__either_name_counts(void **state)
{
	(void)state;
	visit(in_dir("to-secret"), O_RDONLY);
	assert_seen("symlink to a name of the rule");
	assert_string_equal(seen[0].name, in_dir("to-secret"));
	assert_string_equal(seen[0].real, in_dir("secret"));
	visit(in_dir("to-vault/file"), O_RDONLY);
	assert_seen("symlinked folder");
	assert_string_equal(seen[0].real, in_dir("vault/file"));
	visit(in_dir("pre-link"), O_RDONLY);
	assert_seen("a name of the rule that is a symlink to another one");
	assert_string_equal(seen[0].real, in_dir("boring"));
}

static void test_open__undecided_names__recorded(void **state)
{
	char cwd[256], long_name[512];
	int at;

	(void)state;
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	assert_int_equal(chdir(dir), 0);
	visit("boring", O_RDONLY);
	assert_seen("relative name");
	assert_int_equal(chdir(cwd), 0);
	at = open(dir, O_RDONLY | O_CLOEXEC);
	collect();
	assert_int_equal(n_seen, 1); /* a directory: names may begin there */
	close(openat(at, "secret", O_RDONLY | O_CLOEXEC));
	assert_seen("name relative to a descriptor");
	close(at);
	collect();
	assert_int_equal(n_seen, 1);
	visit(in_dir("vault/../boring"), O_RDONLY);
	assert_seen("a name that climbs");
	visit(in_dir("vault/.././boring"), O_RDONLY);
	assert_seen("a name that climbs, with dots");
	(void)snprintf(long_name, sizeof(long_name), "%s/%0300d", dir, 0);
	for (unsigned i = 0; i < 300; i++)
		long_name[strlen(dir) + i] = '/';
	memcpy(long_name + strlen(dir) + 300, "/boring", 8);
	visit(long_name, O_RDONLY);
	assert_seen("a long name");
	visit(in_dir("/boring"), O_RDONLY); /* two slashes; the kernel's name is another text */
	assert_seen("two slashes");
}

/* ---- descriptors ---- */

static void test_close__number_used_again__known_names_end(void **state)
{
	int fd = open(in_dir("secret"), O_RDONLY | O_CLOEXEC), again;

	(void)state;
	visit(in_dir("boring"), O_RDONLY); /* another number */
	close(fd);
	assert_seen("the known one alone");
	again = open(in_dir("boring"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(again, fd);
	close(again);
	assert_quiet("the same number of a file that nobody asked for");
}

static void assert_sequence(const char *what, const char *codes)
{
	collect();
	for (unsigned i = 0; i < n_seen || codes[i]; i++)
		if (i == n_seen ||
			codes[i] != (seen[i].code == KEV_CODE_SYSCALL_CLOSE_X ? 'c' : 'o'))
			fail_msg("%s: %u records, the %uth is not as in '%s'", what, n_seen, i + 1,
				codes);
}

/* An open that gets the number makes the close before it void; every other record has it sent first. */
static void test_close__open_gets_the_number__void(void **state)
{
	int fd, low;

	(void)state;
	collect();
	visit(in_dir("secret"), O_RDONLY);
	visit(in_dir("secret"), O_RDONLY);
	visit(in_dir("key"), O_RDONLY);
	assert_sequence("one after the other", "oooc");
	visit(in_dir("secret"), O_RDONLY);
	visit(in_dir("boring"), O_RDONLY);
	assert_sequence("then one that nobody asked for", "oc");
	low = open(in_dir("secret"), O_RDONLY | O_CLOEXEC);
	fd = open(in_dir("secret"), O_RDONLY | O_CLOEXEC);
	close(fd);
	close(low); /* comes before, being the next to be given away: the other one is sent */
	assert_int_equal(open(in_dir("secret"), O_RDONLY | O_CLOEXEC), low);
	close(low);
	assert_sequence("two numbers", "oococ");
}

static void *hold(void *arg)
{
	char c;

	(void)!read(*(int *)arg, &c, 1); /* ends with its other end */
	return NULL;
}

/* With a second thread nothing waits, and what waited when it came is sent. */
static void test_close__two_threads__sent_at_once(void **state)
{
	pthread_t thread;
	int ends[2];

	(void)state;
	collect();
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	visit(in_dir("secret"), O_RDONLY);
	assert_int_equal(pthread_create(&thread, NULL, hold, &ends[0]), 0);
	visit(in_dir("secret"), O_RDONLY);
	visit(in_dir("secret"), O_RDONLY);
	assert_sequence("two threads", "ocococ");
	close(ends[1]);
	(void)pthread_join(thread, NULL);
	close(ends[0]);
	collect();
}

/* Of a process that goes on in another one, by fork, and of one that ends. */
static void test_close__waits_while_forking__sent_before(void **state)
{
	uint64_t until = clock_mono_ns() + 2 * NS_PER_S;
	bool closed = false, forked = false;
	struct drv_record rec;
	pid_t pid, child;
	const char *why;
	struct kev k;

	(void)state;
	want[KEV_IX_SAKER_FORK] = KSHM_WANT;
	drv_interest_set(interest, want, 80, NULL, 0);
	pid = fork();
	if (pid == 0) {
		visit(in_dir("secret"), O_RDONLY); /* the first close of a process does not wait */
		visit(in_dir("secret"), O_RDONLY);
		child = fork();
		if (child)
			(void)waitpid(child, NULL, 0);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	for (unsigned n_opens = 0; !forked && clock_mono_ns() < until;) {
		if (source->ops->next(source, &rec) <= 0) {
			source->ops->commit(source);
			continue;
		}
		memcpy(copy, rec.p, rec.len);
		assert_int_equal(kev_parse(copy, rec.len, &k, &why), 0);
		if (k.head->tgid != (uint32_t)pid)
			continue;
		n_opens += k.head->type == KEV_CODE_SYSCALL_OPENAT_2_X;
		closed |= n_opens == 2 && k.head->type == KEV_CODE_SYSCALL_CLOSE_X;
		forked = k.head->type == KEV_CODE_SAKER_FORK;
	}
	assert_true(forked);
	assert_true(closed);
	collect();
}

/* A close that nobody saw: what takes the number is told, whatever its name is. */
static void test_open__number_with_an_old_name__recorded(void **state)
{
	int fd = open(in_dir("secret"), O_RDONLY | O_CLOEXEC);
	uint8_t close_want = want[KEV_IX_SYSCALL_CLOSE_X];

	(void)state;
	want[KEV_IX_SYSCALL_CLOSE_X] = 0;
	drv_interest_set(interest, want, 80, NULL, 0);
	close(fd);
	want[KEV_IX_SYSCALL_CLOSE_X] = close_want;
	drv_interest_set(interest, want, 80, NULL, 0);
	collect();
	assert_int_equal(open(in_dir("boring"), O_RDONLY | O_CLOEXEC), fd);
	collect();
	assert_int_equal(n_seen, 1);
	assert_string_equal(seen[0].name, in_dir("boring"));
	close(fd);
	collect();
	assert_int_equal(n_seen, 1);
	visit(in_dir("boring"), O_RDONLY);
	assert_quiet("after its close all is well");
}

static void test_close__duplicate__recorded(void **state)
{
	int fd = open(in_dir("boring"), O_RDONLY | O_CLOEXEC), copy_fd;

	(void)state;
	want[KEV_IX_SYSCALL_DUP_1_X] = KSHM_WANT;
	drv_interest_set(interest, want, 80, NULL, 0);
	copy_fd = dup(fd);
	close(fd);
	close(copy_fd);
	collect();
	assert_int_equal(n_seen, 1);
	assert_int_equal(seen[0].fd, copy_fd);
}

static int open_secret(void *arg)
{
	(void)arg;
	return open(in_dir("secret"), O_RDONLY | O_CLOEXEC); /* stays open in the other process */
}

/* What one process opens in a table that another one shares, the other one closes: under its own
 * process id, for which nothing of it had been noted. */
static void test_close__shared_table__recorded(void **state)
{
	static uint8_t stack[65536] __attribute__((aligned(16)));
	uint64_t until = clock_mono_ns() + 2 * NS_PER_S;
	struct drv_record rec;
	bool found = false;
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0) {
		visit(in_dir("boring"), O_RDONLY); /* from now on it is noted what is known of us */
		pid = clone(open_secret, stack + sizeof(stack), CLONE_FILES | SIGCHLD, NULL);
		if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
			_exit(0);
		close(WEXITSTATUS(status));
		_exit(WEXITSTATUS(status));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WEXITSTATUS(status) > 2);
	while (!found && clock_mono_ns() < until) {
		const char *why;
		struct kev k;

		if (source->ops->next(source, &rec) <= 0) {
			source->ops->commit(source);
			continue;
		}
		memcpy(copy, rec.p, rec.len);
		assert_int_equal(kev_parse(copy, rec.len, &k, &why), 0);
		found = k.head->type == KEV_CODE_SYSCALL_CLOSE_X && k.head->tgid == (uint32_t)pid &&
			kev_param_i64(&k, 1) == WEXITSTATUS(status);
	}
	assert_true(found);
}

/* ---- floods ---- */

/* One process that fills the buffer is shed before it is full, and another one is still heard. */
static void test_flood__one_process__others_are_heard(void **state)
{
	const struct kshm_counters *c;
	struct drv_counts before, n;
	int status;
	pid_t pid;

	(void)state;
	collect();
	source->ops->commit(source);
	assert_int_equal(drv_counters_map(loaded->counters_fd, loaded->n_cpus, &c), 0);
	before = drv_counters_sum(c, loaded->n_cpus);
	pid = fork();
	if (pid == 0) { /* nobody reads meanwhile */
		for (unsigned i = 0; i < 30000; i++)
			(void)mkdir("/nowhere/flood", 0);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	visit(in_dir("secret"), O_RDONLY);
	assert_seen("beside the flood");
	drv_interest_enable(interest, 0);
	(void)usleep(1000);
	n = drv_counters_sum(c, loaded->n_cpus);
	drv_interest_enable(interest, 1);
	drv_counters_unmap(c, loaded->n_cpus);
	assert_true(n.lost_flood > before.lost_flood);
	assert_int_equal(n.lost_full, before.lost_full);
	assert_int_equal(
		n.seen, n.submitted + n.lost_full + n.lost_flood + n.lost_scratch + n.lost_size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open__name_no_rule_asks_for__no_record_of_open_and_close),
		cmocka_unit_test(test_open__names_of_the_rule__recorded),
		cmocka_unit_test(test_open__symlinks__either_name_counts),
		cmocka_unit_test(test_open__undecided_names__recorded),
		cmocka_unit_test(test_close__number_used_again__known_names_end),
		cmocka_unit_test(test_close__open_gets_the_number__void),
		cmocka_unit_test(test_close__two_threads__sent_at_once),
		cmocka_unit_test(test_close__waits_while_forking__sent_before),
		cmocka_unit_test(test_open__number_with_an_old_name__recorded),
		cmocka_unit_test(test_close__duplicate__recorded),
		cmocka_unit_test(test_close__shared_table__recorded),
		cmocka_unit_test(test_flood__one_process__others_are_heard),
	};

	if (geteuid() != 0) {
		printf("skipped: loading kernel programs needs root\n");
		return 77;
	}
	if (access("/sys/kernel/btf/vmlinux", R_OK) < 0) {
		printf("skipped: the kernel has no type information\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
