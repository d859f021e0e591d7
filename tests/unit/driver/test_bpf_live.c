/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel programs for real: load, do a thing, look at the record that comes out. Needs root and
 * a kernel with type information; else skipped (77). */

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <linux/openat2.h>

#include <bpf/bpf.h>
#include <liburing.h>

#include <base/clock.h>
#include <base/macros.h>
#include <driver/bpf_maps.h>
#include <driver/iter.h>
#include <driver/kev.h>
#include <driver/load.h>
#include <driver/source.h>

#define RING_BYTES (1u << 20)

static struct drv_loaded *loaded;
static struct drv_source *source;
static struct kshm_interest *interest;
static char dir[] = "/tmp/saker-live-XXXXXX";
static uint64_t iter_buf[KEV_SIZE_MAX / 4]; /* two records of the largest size */

/* ---- looking at what came ---- */

/* A record kept: the source's buffer is borrowed. */
static uint64_t kept[KEV_SIZE_MAX / 8];
static struct kev kept_kev;

static bool keep(const void *p, size_t len)
{
	const char *why = "";

	memcpy(kept, p, len);
	if (kev_parse(kept, len, &kept_kev, &why) != 0)
		fail_msg("record refused: %s", why);
	return true;
}

/* Takes records until one of that code by that process comes, at most a second; kept_kev is it. */
static bool expect_of(uint16_t code, uint32_t tgid, bool (*match)(const struct kev *k))
{
	uint64_t until = clock_mono_ns() + NS_PER_S;
	struct drv_record rec;

	while (clock_mono_ns() < until) {
		int r = source->ops->next(source, &rec);

		assert_true(r >= 0);
		if (r == 0) {
			source->ops->commit(source);
			(void)usleep(200);
			continue;
		}
		keep(rec.p, rec.len);
		if (kept_kev.head->type == code && (!tgid || kept_kev.head->tgid == tgid) &&
			(!match || match(&kept_kev)))
			return true;
	}
	return false;
}

static bool expect(uint16_t code)
{
	return expect_of(code, (uint32_t)getpid(), NULL);
}

static int64_t int_of(const char *name)
{
	int i = kev_param_find(kept_kev.info, name);

	assert_true(i >= 0);
	return kev_param_i64(&kept_kev, (unsigned)i);
}

static uint64_t uint_of(const char *name)
{
	int i = kev_param_find(kept_kev.info, name);

	assert_true(i >= 0);
	return kev_param_u64(&kept_kev, (unsigned)i);
}

static struct span text_of(const char *name)
{
	int i = kev_param_find(kept_kev.info, name);

	assert_true(i >= 0);
	return kev_param_text(&kept_kev, (unsigned)i);
}

static struct span bytes_of(const char *name)
{
	int i = kev_param_find(kept_kev.info, name);

	assert_true(i >= 0);
	return kept_kev.param[i];
}

static void assert_text(struct span s, const char *want)
{
	if (!span_eq_str(s, want))
		fail_msg("text is '%.*s', not '%s'", (int)s.n, s.p ? s.p : "", want);
}

static bool contains(struct span s, const char *what)
{
	return s.n && memmem(s.p, s.n, what, strlen(what)) != NULL;
}

/* A name in the test's folder; four at a time. */
static char *path_in(const char *name)
{
	static char path[4][128];
	static unsigned next;
	char *p = path[next++ % ARRAY_LEN(path)];

	(void)snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static void make_file(const char *name)
{
	int fd = open(path_in(name), O_CREAT | O_WRONLY, 0644);

	assert_true(fd >= 0);
	close(fd);
}

/* A copy below 4 GiB, where 32-bit calls can point; never freed. */
static void *low_copy(const void *from, size_t n)
{
	void *p = mmap(
		NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	assert_true(p != MAP_FAILED);
	return memcpy(p, from, n);
}

static long call32(long nr, uintptr_t a, uintptr_t b, uintptr_t c)
{
	long r;

	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(nr), "b"(a), "c"(b), "d"(c)
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)r;
}

/* ---- set up ---- */

static int set_up(void **state)
{
	struct drv_load_config c = {.ring_bytes = RING_BYTES};
	uint8_t want[_KEV_IX_MAX];
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
	memset(want, KSHM_WANT, sizeof(want));
	want[KEV_IX_SYSCALL_READ_X] = 0; /* the rest of the machine reads a lot */
	want[KEV_IX_SYSCALL_WRITE_X] = 0;
	drv_interest_set(interest, want, 80, NULL, 0);
	assert_non_null(mkdtemp(dir));
	drv_interest_enable(interest, 1);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	drv_interest_enable(interest, 0);
	drv_interest_unmap(interest);
	drv_source_close(source);
	loaded = drv_load_free(loaded);
	(void)rmdir(dir);
	return 0;
}

/* ---- head and opens ---- */

static void test_open__absolute_path__has_head_and_parameters(void **state)
{
	struct stat st;
	int fd = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	close(fd);
	assert_true(expect(KEV_CODE_SYSCALL_OPENAT_2_X));
	assert_int_equal(kept_kev.head->tid, getpid());
	assert_int_equal(kept_kev.head->ppid, getppid());
	assert_int_equal(kept_kev.head->uid, geteuid());
	assert_int_equal(kept_kev.head->gid, getegid());
	assert_int_equal(kept_kev.head->cls, KEV_CLASS_FILE_NET);
	assert_true(kept_kev.head->leader_start_ns > 0 &&
		    kept_kev.head->leader_start_ns < kept_kev.head->ts_ns);
	assert_true(kept_kev.head->cgroup_id > 0);
	assert_memory_equal(kept_kev.head->comm, "test-driver-bpf", 15);
	assert_int_equal(int_of("fd"), fd);
	assert_int_equal(int_of("dirfd"), -100);
	assert_text(text_of("name"), "/etc/passwd");
	assert_int_equal(uint_of("flags"), 0x1 | 0x1000); /* O_RDONLY | O_CLOEXEC */
	assert_int_equal(uint_of("ino"), st.st_ino);
	assert_int_equal(kept_kev.head->extras, 0);
	assert_null(kev_extra(&kept_kev, KEV_X_REALPATH).p);
}

static void test_open__missing_file__gives_errno(void **state)
{
	(void)state;
	assert_int_equal(open("/nowhere/at/all", O_RDWR | O_CREAT, 0640), -1);
	assert_true(expect(KEV_CODE_SYSCALL_OPENAT_2_X));
	assert_int_equal(int_of("fd"), -ENOENT);
	assert_text(text_of("name"), "/nowhere/at/all");
	assert_int_equal(uint_of("flags"), 0x3 | 0x4);
	assert_int_equal(uint_of("mode"), 0640);
}

static void test_open__relative_path__equal_to_kernels(void **state)
{
	int at = open("/etc", O_RDONLY | O_DIRECTORY), fd;

	(void)state;
	assert_true(expect(KEV_CODE_SYSCALL_OPENAT_2_X));
	fd = openat(at, "passwd", O_RDONLY);
	assert_true(expect(KEV_CODE_SYSCALL_OPENAT_2_X));
	assert_int_equal(int_of("dirfd"), at);
	assert_text(text_of("name"), "passwd");
	assert_null(kev_extra(&kept_kev, KEV_X_REALPATH).p);
	close(fd);
	close(at);
}

static void test_open__symlink__carries_the_real_path(void **state)
{
	char *link = path_in("link");
	int fd, at;

	(void)state;
	assert_int_equal(symlink("/etc/shadow", link), 0);
	assert_true(expect(KEV_CODE_SYSCALL_SYMLINK_X));
	assert_text(text_of("target"), "/etc/shadow");
	fd = open(link, O_RDONLY);
	assert_true(expect(KEV_CODE_SYSCALL_OPENAT_2_X));
	assert_text(text_of("name"), link);
	assert_text(kev_extra(&kept_kev, KEV_X_REALPATH), "/etc/shadow");
	close(fd);
	at = open(dir, O_RDONLY | O_DIRECTORY);
	assert_true(expect(KEV_CODE_SYSCALL_OPENAT_2_X));
	fd = openat(at, "link", O_RDONLY);
	assert_true(expect(KEV_CODE_SYSCALL_OPENAT_2_X));
	assert_text(text_of("name"), "link");
	assert_text(kev_extra(&kept_kev, KEV_X_REALPATH), "/etc/shadow");
	close(fd);
	close(at);
	unlink(link);
}

static void test_open__symlinked_folder__carries_the_real_path(void **state)
{
	char *link = path_in("etc");
	char path[160];
	int fd;

	(void)state;
	assert_int_equal(symlink("/etc", link), 0);
	(void)snprintf(path, sizeof(path), "%s/passwd", link);
	fd = open(path, O_RDONLY);
	assert_true(expect(KEV_CODE_SYSCALL_OPENAT_2_X));
	assert_text(kev_extra(&kept_kev, KEV_X_REALPATH), "/etc/passwd");
	close(fd);
	unlink(link);
}

static void test_open__across_a_mount__equal_to_kernels(void **state)
{
	int fd = open("/proc/self/../version", O_RDONLY), fd2 = open("/proc/version", O_RDONLY);

	(void)state;
	assert_true(expect(KEV_CODE_SYSCALL_OPENAT_2_X));
	assert_text(kev_extra(&kept_kev, KEV_X_REALPATH), "/proc/version");
	assert_true(expect(KEV_CODE_SYSCALL_OPENAT_2_X));
	assert_text(text_of("name"), "/proc/version");
	assert_null(kev_extra(&kept_kev, KEV_X_REALPATH).p);
	close(fd);
	close(fd2);
}

static void test_open__by_32_bit_call__is_the_open(void **state)
{
	static const char name[] = "/etc/shadow";
	long fd = call32(5, (uintptr_t)low_copy(name, sizeof(name)), 0, 0);

	(void)state;
	assert_true(fd >= 0);
	assert_true(expect(KEV_CODE_SYSCALL_OPEN_X));
	assert_text(text_of("name"), name);
	assert_int_equal(int_of("fd"), fd);
	assert_true(kept_kev.head->flags & KEV_F_COMPAT);
	close((int)fd);
}

static void test_files__calls_with_paths__carry_them(void **state)
{
	char *a = path_in("a"), *b = path_in("b"), *d = path_in("d");

	(void)state;
	make_file("a");
	assert_true(expect(KEV_CODE_SYSCALL_OPENAT_2_X));
	assert_int_equal(uint_of("flags") & 0x4004,
		0x4004); /* O_CREAT, and the kernel says that it was created */
	assert_int_equal(rename(a, b), 0);
	assert_true(expect(KEV_CODE_SYSCALL_RENAME_X));
	assert_text(text_of("oldpath"), a);
	assert_text(text_of("newpath"), b);
	assert_int_equal(link(b, a), 0);
	assert_true(expect(KEV_CODE_SYSCALL_LINK_2_X));
	assert_int_equal(chmod(a, 04755), 0);
	assert_true(expect(KEV_CODE_SYSCALL_CHMOD_X));
	assert_int_equal(uint_of("mode"), 04755);
	assert_int_equal(unlink(a), 0);
	assert_true(expect(KEV_CODE_SYSCALL_UNLINK_2_X));
	assert_text(text_of("path"), a);
	assert_int_equal(unlinkat(AT_FDCWD, b, 0), 0);
	assert_true(expect(KEV_CODE_SYSCALL_UNLINKAT_2_X));
	assert_text(text_of("name"), b);
	assert_int_equal(mkdir(d, 0700), 0);
	assert_true(expect(KEV_CODE_SYSCALL_MKDIR_2_X));
	assert_int_equal(rmdir(d), 0);
	assert_true(expect(KEV_CODE_SYSCALL_RMDIR_2_X));
	assert_text(text_of("path"), d);
}

static void test_descriptors__close_dup_pipe_memfd__as_called(void **state)
{
	int fds[2], fd;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_true(expect(KEV_CODE_SYSCALL_PIPE2_X));
	assert_int_equal(int_of("fd1"), fds[0]);
	assert_int_equal(int_of("fd2"), fds[1]);
	assert_int_equal(uint_of("flags"), 0x1000); /* O_CLOEXEC as events carry it */
	fd = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
	assert_true(expect(KEV_CODE_SYSCALL_FCNTL_X));
	assert_int_equal(uint_of("cmd"), 0x1a);
	assert_int_equal(int_of("res"), fd);
	close(fd);
	assert_true(expect(KEV_CODE_SYSCALL_CLOSE_X));
	assert_int_equal(int_of("fd"), fd);
	assert_int_equal(dup2(fds[0], fds[1]), fds[1]);
	assert_true(expect(KEV_CODE_SYSCALL_DUP2_X));
	assert_int_equal(int_of("oldfd"), fds[0]);
	fd = memfd_create("saker-test", MFD_CLOEXEC);
	assert_true(expect(KEV_CODE_SYSCALL_MEMFD_CREATE_X));
	assert_text(text_of("name"), "saker-test");
	close(fd);
	close(fds[0]);
	close(fds[1]);
}

/* ---- network ---- */

static uint32_t get32(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint16_t get16(const char *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void test_connect__tcp__tuples_of_both_ends(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
			   own;
	socklen_t n = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), c, s;
	struct span t;

	(void)state;
	assert_true(expect(KEV_CODE_SOCKET_SOCKET_X));
	assert_int_equal(uint_of("domain"), AF_INET);
	assert_int_equal(uint_of("type"), SOCK_STREAM);
	assert_int_equal(uint_of("flags"), 0x1000);
	assert_int_equal(bind(l, (void *)&a, sizeof(a)), 0);
	assert_true(expect(KEV_CODE_SOCKET_BIND_X));
	assert_int_equal(bytes_of("addr").n, 7);
	assert_int_equal(listen(l, 5), 0);
	assert_int_equal(getsockname(l, (void *)&a, &n), 0);
	c = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(c, (void *)&a, sizeof(a)), 0);
	n = sizeof(own);
	assert_int_equal(getsockname(c, (void *)&own, &n), 0);
	assert_true(expect(KEV_CODE_SOCKET_CONNECT_X));
	t = bytes_of("tuple");
	assert_int_equal(t.n, 13);
	assert_int_equal(t.p[0], AF_INET);
	assert_int_equal(get32(t.p + 1), htonl(INADDR_LOOPBACK));
	assert_int_equal(get16(t.p + 5), ntohs(own.sin_port)); /* local is the source */
	assert_int_equal(get16(t.p + 11), ntohs(a.sin_port));
	assert_int_equal(get16(bytes_of("addr").p + 5), ntohs(a.sin_port));
	s = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	assert_true(s >= 0);
	assert_true(expect(KEV_CODE_SOCKET_ACCEPT4_6_X));
	t = bytes_of("tuple");
	assert_int_equal(t.n, 13);
	assert_int_equal(get16(t.p + 5), ntohs(own.sin_port)); /* the client is the source */
	assert_int_equal(get16(t.p + 11), ntohs(a.sin_port));
	assert_int_equal(uint_of("queuemax"), 5);
	close(s);
	close(c);
	close(l);
}

static void test_sendto__udp__tuple_has_the_address(void **state)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(0x7f000002)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct span t;

	(void)state;
	assert_int_equal(sendto(fd, "hello", 5, 0, (void *)&a, sizeof(a)), 5);
	assert_true(expect(KEV_CODE_SOCKET_SENDTO_X));
	assert_int_equal(int_of("res"), 5);
	assert_memory_equal(bytes_of("data").p, "hello", 5);
	t = bytes_of("tuple");
	assert_int_equal(t.n, 13);
	assert_int_equal(get32(t.p + 7), htonl(0x7f000002));
	assert_int_equal(get16(t.p + 11), 9);
	close(fd);
}

static void test_connect__unix__has_the_path(void **state)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
	struct span t;

	(void)state;
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", path_in("sock"));
	assert_int_equal(bind(l, (void *)&a, sizeof(a)), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(connect(c, (void *)&a, sizeof(a)), 0);
	assert_true(expect(KEV_CODE_SOCKET_CONNECT_X));
	t = bytes_of("tuple");
	assert_true(t.n > 18);
	assert_int_equal(t.p[0], AF_UNIX);
	assert_string_equal(t.p + 17, a.sun_path);
	assert_string_equal(bytes_of("addr").p + 1, a.sun_path);
	close(l);
	close(c);
	unlink(a.sun_path);
}

static void test_socketcall__32_bit__is_the_socket_call(void **state)
{
	const uint32_t args[6] = {AF_INET, SOCK_DGRAM, 0};
	long fd = call32(102, 1, (uintptr_t)low_copy(args, sizeof(args)), 0);

	(void)state;
	assert_true(fd >= 0);
	assert_true(expect(KEV_CODE_SOCKET_SOCKET_X));
	assert_int_equal(uint_of("type"), SOCK_DGRAM);
	assert_true(kept_kev.head->flags & KEV_F_COMPAT);
	close((int)fd);
}

/* ---- processes ---- */

static pid_t run(const char *path, char *const argv[], char *const env[])
{
	pid_t pid = fork();

	if (pid == 0) {
		execve(path, argv, env);
		_exit(127);
	}
	return pid;
}

static void test_exec__true_with_arguments__has_everything(void **state)
{
	char *argv[] = {(char *)"mytrue", (char *)"one", (char *)"two words", NULL},
	     *env[] = {(char *)"SAKER=1", (char *)"X=", NULL};
	pid_t pid = run("/bin/true", argv, env);
	struct stat st;
	int status;

	(void)state;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(stat("/usr/bin/true", &st), 0);
	assert_true(expect(KEV_CODE_SAKER_FORK));
	assert_int_equal(int_of("child_tid"), pid);
	assert_int_equal(int_of("child_ptid"), getpid());
	assert_int_equal(uint_of("flags") & 0x2000, 0); /* not a thread */
	assert_true(uint_of("start_boot_ns") >= kept_kev.head->leader_start_ns);
	assert_true(contains(bytes_of("cgroups"), "memory=/"));
	assert_true(expect_of(KEV_CODE_SYSCALL_EXECVE_19_X, (uint32_t)pid, NULL));
	assert_int_equal(int_of("res"), 0);
	assert_text(text_of("exe"), "mytrue");
	assert_int_equal(bytes_of("args").n, 14);
	assert_memory_equal(bytes_of("args").p, "one\0two words", 14);
	assert_int_equal(bytes_of("env").n, 11);
	assert_memory_equal(bytes_of("env").p, "SAKER=1\0X=", 11);
	assert_text(text_of("comm"), "true");
	assert_int_equal(int_of("ptid"), getpid());
	assert_text(text_of("trusted_exepath"), "/usr/bin/true");
	assert_text(text_of("filename"), "/bin/true");
	assert_int_equal(uint_of("exe_ino"), st.st_ino);
	assert_int_equal(uint_of("exe_ino_mtime"),
		(uint64_t)st.st_mtim.tv_sec * NS_PER_S + (uint64_t)st.st_mtim.tv_nsec);
	assert_int_equal(uint_of("uid"), geteuid());
	assert_int_equal(uint_of("flags") & 0xe, 0); /* no overlay, no memfd */
	assert_true(uint_of("vm_size") > 0);
	assert_true(contains(bytes_of("cgroups"), "unified=/"));
	assert_memory_equal(kept_kev.head->comm, "true", 5);
	assert_true(expect_of(KEV_CODE_PROCEXIT_1_E, (uint32_t)pid, NULL));
	assert_int_equal(int_of("status"), 0);
	assert_int_equal(int_of("reaper_tid"), 0);
}

static void test_mkdir__of_a_cgroup__has_its_path(void **state)
{
	char path[128];

	(void)state;
	/* v1 or hybrid, where the folder above is no cgroup; v2 */
	(void)snprintf(path, sizeof(path), "/sys/fs/cgroup/memory/saker-live-%d", (int)getpid());
	if (mkdir(path, 0755) < 0) {
		(void)snprintf(path, sizeof(path), "/sys/fs/cgroup/saker-live-%d", (int)getpid());
		if (mkdir(path, 0755) < 0)
			skip(); /* may not be written to */
	}
	(void)rmdir(path);
	assert_true(expect(KEV_CODE_SAKER_CGROUP));
	assert_true(contains(bytes_of("cgroups"), strrchr(path, '/')));
	assert_memory_equal(bytes_of("cgroups").p, "made=/", 6);
}

static void test_exec__missing_file__fails_with_arguments(void **state)
{
	/* in memory that is there: the kernel fails before it reads them, and nobody faults them in */
	char name[] = "ghost", option[] = "-x";
	char *argv[] = {name, option, NULL}, *env[] = {NULL};
	int status;
	pid_t pid = run("/no/such/program", argv, env);

	(void)state;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(expect_of(KEV_CODE_SYSCALL_EXECVE_19_X, (uint32_t)pid, NULL));
	assert_int_equal(int_of("res"), -ENOENT);
	assert_text(text_of("exe"), "ghost");
	assert_memory_equal(bytes_of("args").p, "-x", 3);
	assert_text(text_of("filename"), "/no/such/program");
	assert_true(expect_of(KEV_CODE_PROCEXIT_1_E, (uint32_t)pid, NULL));
	assert_int_equal(int_of("ret"), 127);
}

static void copy_program(int to)
{
	int from = open("/usr/bin/true", O_RDONLY | O_CLOEXEC);
	char chunk[4096];
	ssize_t n;

	while ((n = read(from, chunk, sizeof(chunk))) > 0)
		assert_int_equal(write(to, chunk, (size_t)n), n);
	close(from);
}

static void test_exec__from_memfd__is_marked(void **state)
{
	char *argv[] = {(char *)"ghost", NULL}, *env[] = {NULL};
	int status, fd = memfd_create("evil", MFD_CLOEXEC);
	pid_t pid;

	(void)state;
	copy_program(fd);
	pid = fork();
	if (pid == 0) {
		fexecve(fd, argv, env);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(expect_of(KEV_CODE_SYSCALL_EXECVE_19_X, (uint32_t)pid, NULL));
	assert_int_equal(uint_of("flags") & 0x4, 0x4);
	assert_text(text_of("trusted_exepath"), "memfd:evil");
	close(fd);
}

/* In a child with its own mounts: a file of the lower and one of the upper layer of an overlay,
 * then exec of `name`. */
static void exec_on_overlay(const char *name)
{
	char *argv[] = {(char *)"layered", NULL}, *env[] = {NULL};
	int fd;

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("t", dir, "tmpfs", 0, NULL) < 0 || chdir(dir) < 0 || mkdir("l", 0755) < 0 ||
		mkdir("u", 0755) < 0 || mkdir("w", 0755) < 0 || mkdir("m", 0755) < 0)
		_exit(77);
	fd = open("l/low", O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
	copy_program(fd);
	close(fd);
	if (mount("o", "m", "overlay", 0, "lowerdir=l,upperdir=u,workdir=w") < 0)
		_exit(77);
	fd = open("m/up", O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
	copy_program(fd);
	close(fd);
	execve(name, argv, env);
	_exit(127);
}

static void expect_layer(const char *name, uint32_t layer)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		exec_on_overlay(name);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WEXITSTATUS(status) == 77) {
		print_message("no overlay file system here\n");
		return;
	}
	assert_int_equal(status, 0);
	assert_true(expect_of(KEV_CODE_SYSCALL_EXECVE_19_X, (uint32_t)pid, NULL));
	assert_int_equal(uint_of("flags") & 0xa, layer);
	assert_true(span_ends_with(text_of("trusted_exepath"), span_str(name)));
	assert_true(span_starts_with(text_of("cwd"), span_str(dir)));
}

static void test_exec__on_overlay__layers_are_told(void **state)
{
	(void)state;
	expect_layer("m/low", 0x8);
	expect_layer("m/up", 0x2);
}

static void test_openat2__flags_and_real_path__as_called(void **state)
{
	struct open_how how = {.flags = O_RDONLY | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS};
	char *link = path_in("link2");
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", &how, sizeof(how));

	(void)state;
	assert_true(fd >= 0);
	assert_true(expect(KEV_CODE_SYSCALL_OPENAT2_X));
	assert_int_equal(int_of("fd"), fd);
	assert_text(text_of("name"), "/etc/passwd");
	assert_int_equal(uint_of("flags"), 0x1001);
	assert_int_equal(uint_of("resolve"), 0x4);
	assert_true(uint_of("ino") > 0);
	assert_int_equal(kev_extra(&kept_kev, KEV_X_REALPATH).n, 0);
	close(fd);
	assert_int_equal(symlink("/etc/passwd", link), 0);
	fd = (int)syscall(SYS_openat2, AT_FDCWD, link, &how, sizeof(how));
	assert_true(expect(KEV_CODE_SYSCALL_OPENAT2_X));
	assert_text(kev_extra(&kept_kev, KEV_X_REALPATH), "/etc/passwd");
	close(fd);
	unlink(link);
}

static void test_open__in_chroot__compared_inside_of_it(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		if (chroot("/etc") < 0)
			_exit(1);
		(void)open("/passwd", O_RDONLY);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(expect_of(KEV_CODE_SYSCALL_CHROOT_X, (uint32_t)pid, NULL));
	assert_text(text_of("path"), "/etc");
	assert_true(expect_of(KEV_CODE_SYSCALL_OPENAT_2_X, (uint32_t)pid, NULL));
	assert_true(int_of("fd") >= 0);
	assert_text(text_of("name"), "/passwd");
	assert_null(kev_extra(&kept_kev, KEV_X_REALPATH).p);
}

/* Two busy processes on two CPUs: what comes is in order of time. */
static void test_next__events_of_two_cpus__are_in_order(void **state)
{
	uint64_t last = 0, late = 0, n = 0, until;
	struct drv_record rec;
	pid_t pid[2];
	int status;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			cpu_set_t set;

			CPU_ZERO(&set);
			CPU_SET(i % (unsigned)sysconf(_SC_NPROCESSORS_ONLN), &set);
			(void)sched_setaffinity(0, sizeof(set), &set);
			for (unsigned k = 0; k < 20000; k++)
				(void)close(-1);
			_exit(0);
		}
	}
	until = clock_mono_ns() + NS_PER_S / 2;
	while (clock_mono_ns() < until) {
		int r = source->ops->next(source, &rec);

		assert_true(r >= 0);
		if (r == 0) {
			source->ops->commit(source);
			continue;
		}
		late += rec.epoch_ns < last;
		last = MAX(last, rec.epoch_ns);
		n++;
	}
	assert_int_equal(waitpid(pid[0], &status, 0), pid[0]);
	assert_int_equal(waitpid(pid[1], &status, 0), pid[1]);
	assert_true(n > 20000);
	assert_int_equal(late, 0);
}

static bool is_child_side(const struct kev *k)
{
	return kev_param_i64(k, 0) == 0;
}

static void test_clone__both_sides__are_reported(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0)
		_exit(3);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(expect(KEV_CODE_SYSCALL_CLONE_20_X));
	assert_int_equal(int_of("res"), pid);
	assert_true(expect_of(KEV_CODE_SYSCALL_CLONE_20_X, (uint32_t)pid, is_child_side) ||
		    expect_of(KEV_CODE_PROCEXIT_1_E, (uint32_t)pid, NULL));
}

static void test_process__ptrace_kill_setsid_prctl__as_called(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		(void)syscall(SYS_setsid);
		for (;;)
			pause();
	}
	assert_true(expect_of(KEV_CODE_SYSCALL_SETSID_X, (uint32_t)pid, NULL));
	assert_int_equal(int_of("res"), pid);
	assert_int_equal(ptrace(PTRACE_ATTACH, pid, NULL, NULL), 0);
	assert_true(expect(KEV_CODE_SYSCALL_PTRACE_X));
	assert_int_equal(uint_of("request"), 0xb); /* PTRACE_ATTACH */
	assert_int_equal(int_of("pid"), pid);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(ptrace(PTRACE_DETACH, pid, NULL, NULL), 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_true(expect(KEV_CODE_SYSCALL_KILL_X));
	assert_int_equal(int_of("pid"), pid);
	assert_int_equal(uint_of("sig"), SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(expect_of(KEV_CODE_PROCEXIT_1_E, (uint32_t)pid, NULL));
	assert_int_equal(uint_of("sig"), SIGKILL);
}

/* ---- io_uring ---- */

static int uring_one(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int res;

	assert_true(io_uring_submit(ring) >= 1);
	assert_int_equal(io_uring_wait_cqe(ring, &cqe), 0);
	res = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return res;
}

static void test_io_uring__openat_through_symlink__is_the_call(void **state)
{
	char *link = path_in("ulink");
	struct io_uring ring;
	int fd;

	(void)state;
	assert_int_equal(symlink("/etc/shadow", link), 0);
	assert_int_equal(io_uring_queue_init(8, &ring, 0), 0);
	assert_true(expect(KEV_CODE_SYSCALL_IO_URING_SETUP_X));
	io_uring_prep_openat(io_uring_get_sqe(&ring), AT_FDCWD, link, O_RDONLY, 0);
	fd = uring_one(&ring);
	assert_true(fd >= 0);
	assert_true(expect(KEV_CODE_SYSCALL_OPENAT_2_X));
	assert_int_equal(kept_kev.head->flags & KEV_F_IO_URING, KEV_F_IO_URING);
	assert_int_equal(int_of("fd"), fd);
	assert_int_equal(int_of("dirfd"), -100);
	assert_text(text_of("name"), link);
	assert_int_equal(uint_of("flags") & 0x3, 0x1);
	assert_true(uint_of("ino") > 0);
	assert_text(kev_extra(&kept_kev, KEV_X_REALPATH), "/etc/shadow");
	io_uring_prep_openat(io_uring_get_sqe(&ring), AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
	close(fd);
	fd = uring_one(&ring);
	assert_true(expect(KEV_CODE_SYSCALL_OPENAT_2_X));
	assert_text(text_of("name"), "/etc/passwd");
	assert_null(kev_extra(&kept_kev, KEV_X_REALPATH).p);
	io_uring_prep_close(io_uring_get_sqe(&ring), fd);
	assert_int_equal(uring_one(&ring), 0);
	assert_true(expect(KEV_CODE_SYSCALL_CLOSE_X));
	assert_int_equal(int_of("fd"), fd);
	assert_true(kept_kev.head->flags & KEV_F_IO_URING);
	io_uring_prep_unlinkat(io_uring_get_sqe(&ring), AT_FDCWD, link, 0);
	assert_int_equal(uring_one(&ring), 0);
	assert_true(expect(KEV_CODE_SYSCALL_UNLINKAT_2_X));
	assert_text(text_of("name"), link);
	io_uring_prep_openat(io_uring_get_sqe(&ring), AT_FDCWD, link, O_RDONLY, 0);
	assert_int_equal(uring_one(&ring), -ENOENT);
	assert_true(expect(KEV_CODE_SYSCALL_OPENAT_2_X));
	assert_int_equal(int_of("fd"), -ENOENT);
	io_uring_queue_exit(&ring);
}

static void test_io_uring__without_completion__is_told_at_submission(void **state)
{
	char *name = path_in("quiet");
	struct io_uring_sqe *sqe;
	struct io_uring ring;

	(void)state;
	make_file("quiet");
	assert_int_equal(io_uring_queue_init(8, &ring, 0), 0);
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_unlinkat(sqe, AT_FDCWD, name, 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	assert_int_equal(io_uring_submit(&ring), 1);
	assert_true(expect(KEV_CODE_SYSCALL_UNLINKAT_2_X));
	assert_text(text_of("name"), name);
	assert_int_equal(int_of("res"), 0);
	io_uring_queue_exit(&ring);
	(void)unlink(name);
}

static void test_io_uring__connect__has_the_tuple(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	struct io_uring ring;
	struct span t;
	int l = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(bind(l, (void *)&a, sizeof(a)), 0);
	assert_int_equal(listen(l, 5), 0);
	assert_int_equal(getsockname(l, (void *)&a, &n), 0);
	assert_int_equal(io_uring_queue_init(8, &ring, 0), 0);
	io_uring_prep_connect(io_uring_get_sqe(&ring), c, (void *)&a, sizeof(a));
	assert_int_equal(uring_one(&ring), 0);
	assert_true(expect(KEV_CODE_SOCKET_CONNECT_X));
	assert_true(kept_kev.head->flags & KEV_F_IO_URING);
	assert_int_equal(int_of("fd"), c);
	t = bytes_of("tuple");
	assert_int_equal(t.n, 13);
	assert_int_equal(get32(t.p + 7), htonl(INADDR_LOOPBACK));
	assert_int_equal(get16(t.p + 11), ntohs(a.sin_port));
	io_uring_queue_exit(&ring);
	close(l);
	close(c);
}

/* ---- interest, counters, iterators ---- */

static void test_interest__self_and_success_only__are_left_out(void **state)
{
	uint8_t want[_KEV_IX_MAX];
	uint32_t self = (uint32_t)getpid();

	(void)state;
	memset(want, 0, sizeof(want));
	want[KEV_IX_SYSCALL_OPENAT_2_X] = KSHM_WANT | KSHM_WANT_SUCCESS_ONLY;
	drv_interest_set(interest, want, 80, NULL, 0);
	assert_int_equal(open("/nowhere", O_RDONLY), -1);
	close(open("/etc/hostname", O_RDONLY));
	assert_true(expect(KEV_CODE_SYSCALL_OPENAT_2_X));
	assert_text(text_of("name"), "/etc/hostname");
	drv_interest_set(interest, want, 80, &self, 1);
	close(open("/etc/hostname", O_RDONLY));
	assert_false(expect(KEV_CODE_SYSCALL_OPENAT_2_X));
	want[KEV_IX_SYSCALL_OPENAT_2_X] = KSHM_WANT | KSHM_WANT_WRITE_OPEN;
	drv_interest_set(interest, want, 80, NULL, 0);
	close(open("/etc/hostname", O_RDONLY));
	close(open("/dev/null", O_WRONLY));
	assert_true(expect(KEV_CODE_SYSCALL_OPENAT_2_X));
	assert_text(text_of("name"), "/dev/null");
	memset(want, KSHM_WANT, sizeof(want));
	want[KEV_IX_SYSCALL_READ_X] = want[KEV_IX_SYSCALL_WRITE_X] = 0;
	drv_interest_set(interest, want, 80, NULL, 0);
}

/* What goes over a connection that there was before is left out, a datagram and what may make the
 * connection are not. */
static void test_interest__not_tcp__connections_are_left_out(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
	int l = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0),
	    u = socket(AF_INET, SOCK_DGRAM, 0);
	struct iovec iov = {"abc", 3};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	socklen_t len = sizeof(a);
	uint8_t want[_KEV_IX_MAX];

	(void)state;
	memset(want, 0, sizeof(want));
	want[KEV_IX_SOCKET_SENDTO_X] = want[KEV_IX_SOCKET_SENDMSG_X] =
		KSHM_WANT | KSHM_WANT_NOT_TCP;
	drv_interest_set(interest, want, 80, NULL, 0);
	assert_int_equal(bind(l, (void *)&a, sizeof(a)), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, (void *)&a, &len), 0);
	assert_int_equal(send(c, "x", 1, MSG_NOSIGNAL), -1); /* no connection yet */
	assert_true(expect(KEV_CODE_SOCKET_SENDTO_X));
	assert_int_equal(connect(c, (void *)&a, sizeof(a)), 0);
	assert_int_equal(send(c, "x", 1, 0), 1);
	assert_int_equal(sendmsg(c, &m, 0), 3);
	assert_int_equal(sendto(u, "datagram", 8, 0, (void *)&a, sizeof(a)), 8);
	assert_true(expect(KEV_CODE_SOCKET_SENDTO_X));
	assert_int_equal(int_of("res"), 8);
	assert_int_equal(sendmsg(c, &m, 0), 3);
	assert_false(expect(KEV_CODE_SOCKET_SENDMSG_X));
	(void)send(c, "x", 1, MSG_FASTOPEN); /* whatever comes of it */
	assert_true(expect(KEV_CODE_SOCKET_SENDTO_X));
	close(u);
	close(c);
	close(l);
	memset(want, KSHM_WANT, sizeof(want));
	want[KEV_IX_SYSCALL_READ_X] = want[KEV_IX_SYSCALL_WRITE_X] = 0;
	drv_interest_set(interest, want, 80, NULL, 0);
}

static void test_counters__full_ring__add_up(void **state)
{
	const struct kshm_counters *c;
	struct drv_counts n;

	(void)state;
	assert_int_equal(drv_counters_map(loaded->counters_fd, loaded->n_cpus, &c), 0);
	for (unsigned i = 0; i < 20000; i++) /* nobody reads: the ring fills */
		(void)close(-1);
	drv_interest_enable(interest, 0);
	(void)usleep(1000);
	n = drv_counters_sum(c, loaded->n_cpus);
	/* one process alone is above its share of a ring that fills: it is shed as a flood first */
	assert_true(n.lost_full + n.lost_flood > 0);
	assert_int_equal(
		n.seen, n.submitted + n.lost_full + n.lost_flood + n.lost_scratch + n.lost_size);
	drv_counters_unmap(c, loaded->n_cpus);
	drv_interest_enable(interest, 1);
}

static bool find_in_iter(unsigned which, uint16_t code, bool (*match)(const struct kev *k))
{
	struct drv_iter it = {.buf = iter_buf,
		.cap = sizeof(iter_buf),
		.fd = bpf_iter_create(loaded->iter_link_fds[which])};
	const void *rec;
	size_t len;
	bool found = false;
	int r;

	assert_true(it.fd >= 0);
	while ((r = drv_iter_next(&it, &rec, &len)) > 0) {
		if (found)
			continue;
		keep(rec, len);
		assert_true(kept_kev.head->flags & KEV_F_SNAPSHOT);
		found = kept_kev.head->type == code && kept_kev.head->tgid == (uint32_t)getpid() &&
			(!match || match(&kept_kev));
	}
	assert_int_equal(r, 0);
	close(it.fd);
	return found;
}

static void test_iter__task__has_this_process(void **state)
{
	char cwd[256], exe[256];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	(void)state;
	assert_true(n > 0);
	exe[n] = '\0';
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	assert_true(find_in_iter(0, KEV_CODE_ITER_TASK_E, NULL));
	assert_int_equal(int_of("ppid"), getppid());
	assert_int_equal(int_of("pgid"), getpgrp());
	assert_memory_equal(text_of("comm").p, "test-driver-bpf", 15);
	assert_text(text_of("exepath"), exe);
	assert_text(text_of("cwd"), cwd);
	assert_text(text_of("root"), "/");
	assert_int_equal(uint_of("euid"), geteuid());
	assert_true(contains(bytes_of("cgroups"), "memory=/"));
	if (loaded->has_args) {
		assert_true(contains(bytes_of("argv"), "test-driver-bpf"));
		assert_true(contains(bytes_of("env"), "PATH="));
	}
}

static int listed_fd;

static bool is_listed_fd(const struct kev *k)
{
	return kev_param_i64(k, 0) == listed_fd;
}

static void test_iter__task_file__has_descriptors_by_kind(void **state)
{
	int fds[2];

	(void)state;
	listed_fd = open("/etc/passwd", O_RDONLY);
	assert_true(find_in_iter(1, KEV_CODE_ITER_TASK_FILE_REGULAR_E, is_listed_fd));
	assert_text(text_of("path"), "/etc/passwd");
	close(listed_fd);
	listed_fd = open("/etc", O_RDONLY | O_DIRECTORY);
	assert_true(find_in_iter(1, KEV_CODE_ITER_TASK_FILE_DIRECTORY_E, is_listed_fd));
	assert_text(text_of("path"), "/etc");
	close(listed_fd);
	listed_fd = socket(AF_INET6, SOCK_STREAM, 0);
	assert_true(find_in_iter(1, KEV_CODE_ITER_TASK_FILE_SOCKET_INET6_E, is_listed_fd));
	assert_int_equal(uint_of("sk_type"), SOCK_STREAM);
	assert_int_equal(uint_of("sk_proto"), IPPROTO_TCP);
	close(listed_fd);
	listed_fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	assert_true(find_in_iter(1, KEV_CODE_ITER_TASK_FILE_SOCKET_UNIX_E, is_listed_fd));
	close(listed_fd);
	assert_int_equal(pipe(fds), 0);
	listed_fd = fds[0];
	assert_true(find_in_iter(1, KEV_CODE_ITER_TASK_FILE_PIPE_E, is_listed_fd));
	close(fds[0]);
	close(fds[1]);
	listed_fd = memfd_create("listed", 0);
	assert_true(find_in_iter(1, KEV_CODE_ITER_TASK_FILE_MEMFD_E, is_listed_fd));
	assert_text(text_of("path"), "memfd:listed");
	close(listed_fd);
	listed_fd = epoll_create1(0);
	assert_true(find_in_iter(1, KEV_CODE_ITER_TASK_FILE_ANON_INODE_E, is_listed_fd));
	assert_int_equal(uint_of("fd_type"), 2);
	close(listed_fd);
}

static void test_arm__event_while_waiting__wakes(void **state)
{
	struct pollfd p = {.fd = source->ops->wait_fd(source), .events = POLLIN};
	struct drv_record rec;
	bool armed = false;
	int status;
	pid_t pid;

	(void)state;
	for (unsigned i = 0; i < 1000 && !armed; i++) {
		while (source->ops->next(source, &rec) > 0)
			;
		source->ops->commit(source);
		armed = source->ops->arm(source);
	}
	assert_true(armed);
	pid = fork();
	if (pid == 0)
		_exit(0);
	assert_int_equal(poll(&p, 1, 2000), 1);
	source->ops->disarm(source);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(expect_of(KEV_CODE_PROCEXIT_1_E, (uint32_t)pid, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open__absolute_path__has_head_and_parameters),
		cmocka_unit_test(test_open__missing_file__gives_errno),
		cmocka_unit_test(test_open__relative_path__equal_to_kernels),
		cmocka_unit_test(test_open__symlink__carries_the_real_path),
		cmocka_unit_test(test_open__symlinked_folder__carries_the_real_path),
		cmocka_unit_test(test_open__across_a_mount__equal_to_kernels),
		cmocka_unit_test(test_open__by_32_bit_call__is_the_open),
		cmocka_unit_test(test_files__calls_with_paths__carry_them),
		cmocka_unit_test(test_descriptors__close_dup_pipe_memfd__as_called),
		cmocka_unit_test(test_connect__tcp__tuples_of_both_ends),
		cmocka_unit_test(test_sendto__udp__tuple_has_the_address),
		cmocka_unit_test(test_connect__unix__has_the_path),
		cmocka_unit_test(test_socketcall__32_bit__is_the_socket_call),
		cmocka_unit_test(test_exec__true_with_arguments__has_everything),
		cmocka_unit_test(test_mkdir__of_a_cgroup__has_its_path),
		cmocka_unit_test(test_exec__missing_file__fails_with_arguments),
		cmocka_unit_test(test_exec__from_memfd__is_marked),
		cmocka_unit_test(test_exec__on_overlay__layers_are_told),
		cmocka_unit_test(test_openat2__flags_and_real_path__as_called),
		cmocka_unit_test(test_open__in_chroot__compared_inside_of_it),
		cmocka_unit_test(test_next__events_of_two_cpus__are_in_order),
		cmocka_unit_test(test_clone__both_sides__are_reported),
		cmocka_unit_test(test_process__ptrace_kill_setsid_prctl__as_called),
		cmocka_unit_test(test_io_uring__openat_through_symlink__is_the_call),
		cmocka_unit_test(test_io_uring__without_completion__is_told_at_submission),
		cmocka_unit_test(test_io_uring__connect__has_the_tuple),
		cmocka_unit_test(test_interest__self_and_success_only__are_left_out),
		cmocka_unit_test(test_interest__not_tcp__connections_are_left_out),
		cmocka_unit_test(test_counters__full_ring__add_up),
		cmocka_unit_test(test_iter__task__has_this_process),
		cmocka_unit_test(test_iter__task_file__has_descriptors_by_kind),
		cmocka_unit_test(test_arm__event_while_waiting__wakes),
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
