/* SPDX-License-Identifier: Apache-2.0 */
/* The table of attempts. Arguments are such that without the seal most would succeed or fail with
 * something else than the error that is wanted. A row is a row of docs/seal.md. */
#include "attempts.h"

#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <linux/falloc.h>
#include <linux/io_uring.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>

#define STR(s) ((unsigned long)(s))
#define CWD ((unsigned long)AT_FDCWD)
#define NOFD ((unsigned long)-1)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)
/* Numbers that are the same everywhere but newer than some C libraries. */
#define NR_PIDFD_SEND_SIGNAL 424
#define NR_IO_URING_SETUP 425
#define NR_IO_URING_ENTER 426
#define NR_IO_URING_REGISTER 427
#define NR_OPEN_TREE 428
#define NR_FSOPEN 430
#define NR_PIDFD_OPEN 434
#define NR_CLONE3 435
#define NR_OPENAT2 437
#define NR_PIDFD_GETFD 438
#define NR_LANDLOCK_CREATE_RULESET 444
#define NR_MEMFD_SECRET 447
#define X32(nr) ((nr) | 0x40000000)

/* They make segments to hand over. */
#define SHORT (ONLY(POLICY) | ONLY(TOOLS) | ONLY(LOADER))

static const uint64_t open_how[3]; /* read-only */

#define OK_(name_, nr_, ...)                                                                       \
	{                                                                                          \
		.name = name_, .want = WANT_OK, .nr = nr_, .args = { __VA_ARGS__ }                 \
	}
#define NO_(name_, nr_, ...)                                                                       \
	{                                                                                          \
		.name = name_, .want = WANT_REFUSED, .error = EPERM, .nr = nr_, .args = {          \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
#define DIE(name_, nr_, ...)                                                                       \
	{                                                                                          \
		.name = name_, .want = WANT_KILL, .nr = nr_, .args = { __VA_ARGS__ }               \
	}
#define NO_BUT(given_, name_, nr_, ...)                                                            \
	{                                                                                          \
		.name = name_, .want = WANT_REFUSED, .error = EPERM, .nr = nr_, .given = given_,   \
		.args = {                                                                          \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}
/* By the kernel itself: the descriptor is read-only, the filter lets the call through. */
#define NO_BY(error_, name_, nr_, ...)                                                             \
	{                                                                                          \
		.name = name_, .want = WANT_REFUSED, .error = error_, .nr = nr_, .args = {         \
			__VA_ARGS__                                                                \
		}                                                                                  \
	}

const struct attempt attempts[] = {
	OK_("map plain memory", SYS_mmap, 0, 4096, RW, ANON, NOFD),
	OK_("own pid", SYS_getpid, 0),
	OK_("write to the log", SYS_write, 4, STR("7probe\n"), 7),
	OK_("set the thread's name", SYS_prctl, PR_SET_NAME, STR("x")),

	/* files */
	NO_("open a file (open)", SYS_open, STR("/etc/passwd"), O_RDONLY),
	{.name = "open a file (openat)",
		.want = WANT_REFUSED,
		.error = EPERM,
		.nr = SYS_openat,
		.args = {CWD, STR("/etc/passwd"), O_RDONLY},
		.given = ONLY(LOADER),
		.hidden = ONLY(EMITTER_SPOOL_THREAD)},
	{.name = "open a file by its ring",
		.want = WANT_REFUSED,
		.error = ENOENT,
		.nr = DO_RING,
		.args = {ARG_RING_B, IORING_OP_OPENAT, CWD, STR("/etc/passwd"), O_RDONLY},
		.error_bare = EACCES},
	NO_("open a file (openat2)", NR_OPENAT2, CWD, STR("/etc/passwd"), STR(open_how), 24),
	{.name = "open /etc/shadow",
		.want = WANT_REFUSED,
		.error = EPERM,
		.nr = SYS_openat,
		.args = {CWD, STR("/etc/shadow"), O_RDONLY},
		.other = ONLY(LOADER),
		.other_error = EACCES,
		.hidden = ONLY(EMITTER_SPOOL_THREAD)},
	{.name = "open a file for writing",
		.want = WANT_REFUSED,
		.error = EPERM,
		.nr = SYS_openat,
		.args = {CWD, STR("/etc/passwd"), O_RDWR},
		.other = ONLY(LOADER),
		.other_error = EACCES,
		.hidden = ONLY(EMITTER_SPOOL_THREAD)},
	{.name = "open the root folder",
		.want = WANT_REFUSED,
		.error = EPERM,
		.nr = SYS_openat,
		.args = {CWD, STR("/"), O_RDONLY},
		.given = ONLY(LOADER),
		.other = ONLY(EMITTER_SPOOL_THREAD),
		.other_error = EACCES},
	{.name = "reopen its input ring for writing",
		.want = WANT_REFUSED,
		.error = EPERM,
		.nr = SYS_openat,
		.args = {CWD, ARG_IN_PATH, O_RDWR},
		.hidden = ONLY(EMITTER_SPOOL_THREAD)},
	{.name = "the same by its ring for names",
		.want = WANT_REFUSED,
		.error = ENOENT,
		.nr = DO_RING,
		.args = {ARG_RING_B, IORING_OP_OPENAT, CWD, ARG_IN_PATH, O_RDWR},
		.error_bare = EACCES},
	{.name = "make a file in its spool folder",
		.want = WANT_REFUSED,
		.error = EPERM,
		.nr = SYS_openat,
		.args = {ARG_FOLDER, STR(ATTEMPT_FILE), O_RDWR | O_CREAT, 0666},
		.given = ONLY(EMITTER_SPOOL_THREAD)},
	OK_("make a file in its spool folder by its ring", DO_RING, ARG_RING_B, IORING_OP_OPENAT,
		ARG_FOLDER, STR(ATTEMPT_FILE), O_RDWR | O_CREAT),
	{.name = "make a folder in its spool folder",
		.want = WANT_REFUSED,
		.error = EPERM,
		.nr = SYS_mkdirat,
		.args = {ARG_FOLDER, STR("x"), 0700}},
	NO_BY(EACCES, "make a folder by its ring", DO_RING, ARG_RING_B, IORING_OP_MKDIRAT,
		ARG_FOLDER, STR("x"), 0),
	NO_BY(EACCES, "link files by its ring", DO_RING, ARG_RING_B, IORING_OP_LINKAT, ARG_FOLDER,
		STR(ATTEMPT_FILE), 0),
	DIE("open by file handle", SYS_open_by_handle_at, 4, 0, 0),
	{.name = "ask about a file by name",
		.want = WANT_REFUSED,
		.error = ENOENT,
		.nr = SYS_newfstatat,
		.args = {CWD, STR("/etc/passwd"), ARG_MEMORY, 0},
		.given = ONLY(LOADER),
		.error_bare = -1},
	NO_BUT(ONLY(LOADER), "read a link", SYS_readlink, STR("/proc/self/exe"), ARG_MEMORY, 4096),
	NO_("change folder", SYS_chdir, STR("/")),
	NO_("create a file", SYS_creat, STR("/x"), 0600),
	NO_("make a folder", SYS_mkdir, STR("/x"), 0700),
	NO_("make a device", SYS_mknodat, CWD, STR("/x"), 0020600, 0x101),
	NO_("delete", SYS_unlink, STR("/x")),
	NO_("rename", SYS_rename, STR("/x"), STR("/y")),
	NO_("link", SYS_linkat, CWD, STR("/etc/passwd"), CWD, STR("/x"), 0),
	NO_("truncate a file by name", SYS_truncate, STR("/x"), 0),
	NO_("change the mode of a file by name", SYS_chmod, STR("/x"), 0777),
	NO_("change an owner", SYS_fchown, 4, 0, 0),
	NO_("list a watched folder (inotify)", SYS_inotify_init1, 0),
	NO_("watch the file system (fanotify)", SYS_fanotify_init, 0, 0),
	DIE("mount", SYS_mount, STR("x"), STR("/"), STR("tmpfs"), 0, 0),
	DIE("unmount", SYS_umount2, STR("/"), MNT_DETACH),
	NO_("mount (new calls)", NR_FSOPEN, STR("tmpfs"), 0),
	NO_("copy a mount", NR_OPEN_TREE, CWD, STR("/"), 1),
	DIE("change the root", SYS_chroot, STR("/")),
	DIE("move the root", SYS_pivot_root, STR("."), STR(".")),

	/* memory */
	NO_("executable memory", SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, ANON, NOFD),
	NO_("writable and executable memory", SYS_mmap, 0, 4096, RW | PROT_EXEC, ANON, NOFD),
	NO_("make memory executable", SYS_mprotect, ARG_MEMORY, 4096, PROT_READ | PROT_EXEC),
	NO_("make memory executable by key", SYS_pkey_mprotect, ARG_MEMORY, 4096,
		PROT_READ | PROT_EXEC, NOFD),
	NO_("memory executable by personality", SYS_personality, 0x0400000),
	NO_BUT(SHORT, "make a file in memory", SYS_memfd_create, STR("x"), 0),
	NO_("secret memory", NR_MEMFD_SECRET, 0),
	NO_("map a file in memory executable", SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_SHARED,
		ARG_MEMFD, 0),
	DIE("handle others' page faults", SYS_userfaultfd, 0),
	NO_("shared memory of System V", SYS_shmget, 0, 4096, 01600),

	/* its rings, and what else is shared */
	NO_BY(EACCES, "map its input ring writable", SYS_mmap, 0, 4096, RW, MAP_SHARED, ARG_IN_DATA,
		0),
	NO_BY(EACCES, "make its map of the input ring writable", SYS_mprotect, ARG_IN_MAP, 4096,
		RW),
	NO_BY(EBADF, "write to its input ring", SYS_write, ARG_IN_DATA, ARG_MEMORY, 8),
	NO_BY(EACCES, "drop pages of its input ring", SYS_madvise, ARG_IN_MAP, 4096, MADV_REMOVE),
	NO_BY(EACCES, "map the reader's position of its output ring writable", SYS_mmap, 0, 4096,
		RW, MAP_SHARED, ARG_OUT_CURSOR, 0),
	NO_BY(EACCES, "map the settings writable", SYS_mmap, 0, 4096, RW, MAP_SHARED, ARG_SETTINGS,
		0),
	NO_("shorten its output ring", SYS_ftruncate, ARG_OUT_DATA, 0),
	NO_("punch a hole into its output ring", SYS_fallocate, ARG_OUT_DATA,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096),
	NO_("seal its output ring", SYS_fcntl, ARG_OUT_DATA, F_ADD_SEALS, F_SEAL_WRITE),
	NO_("change the mode of its output ring", SYS_fchmod, ARG_OUT_DATA, 0777),
	NO_("make a neighbour's wake-up descriptor blocking", SYS_fcntl, ARG_WAKE_PEER, F_SETFL, 0),
	NO_("make its own wake-up descriptor blocking", SYS_fcntl, ARG_WAKE_OWN, F_SETFL, 0),
	NO_("the same by ioctl", SYS_ioctl, ARG_WAKE_PEER, 0x5421, STR("\0\0\0")),
	{.name = "fill a neighbour's wake-up descriptor",
		.want = WANT_NOTHING,
		.nr = DO_FILL_WAKE,
		.args = {ARG_WAKE_PEER}},
	NO_("signals by descriptor", SYS_fcntl, ARG_WAKE_OWN, F_SETOWN, 1),
	NO_("resize the log's pipe", SYS_fcntl, 4, F_SETPIPE_SZ, 4096),
	NO_("lock a shared file", SYS_flock, ARG_SETTINGS, 2),
	NO_("push characters into a terminal", SYS_ioctl, 4, 0x5412, STR("x")),

	/* network */
	NO_BUT(ONLY(DIALER), "internet socket", SYS_socket, AF_INET, SOCK_STREAM, 0),
	NO_("raw internet socket", SYS_socket, AF_INET, SOCK_RAW, 1),
	NO_("unix socket", SYS_socket, AF_UNIX, SOCK_DGRAM, 0),
	NO_("netlink socket", SYS_socket, AF_NETLINK, SOCK_RAW, 0),
	NO_("packet socket", SYS_socket, AF_PACKET, SOCK_RAW, 0),
	NO_BUT(WITH_CURL, "pair of sockets", SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, ARG_MEMORY),
	{.name = "connect",
		.want = WANT_REFUSED,
		.error = EPERM,
		.nr = SYS_connect,
		.given = ONLY(DIALER),
		.other = WITH_CURL, /* is told that it did, and nothing happens */
		.args = {3, STR("\1\0/x"), 5}},
	NO_("bind", SYS_bind, 3, STR("\1\0/x"), 5),
	NO_("listen", SYS_listen, 3, 1),
	NO_("accept", SYS_accept4, 3, 0, 0, 0),
	NO_("close down the control socket", SYS_shutdown, 3, 2),
	NO_BUT(ONLY(DIALER) | NET_EMITTERS | ONLY(GATE), "options of the control socket",
		SYS_setsockopt, 3, SOL_SOCKET, 7, STR("\1\0\0"), 4),
	NO_("IP options of a socket", SYS_setsockopt, 3, 0 /* IPPROTO_IP */, 1, STR("\1\0\0"), 4),
	NO_BUT(ONLY(EMITTER) | SPOOLED | NET_EMITTERS | ONLY(DIALER) | ONLY(GATE), "send (sendto)",
		SYS_sendto, 4, STR("x"), 1, MSG_NOSIGNAL, 0, 0),
	{.name = "send to an abstract address through its syslog socket",
		.want = WANT_REFUSED,
		.error = EPERM,
		.nr = DO_SEND_ABSTRACT,
		.args = {ARG_SINK},
		.landlock = 6},
	{.name = "change an interface through its route socket",
		.want = WANT_REFUSED,
		.error = EPERM,
		.nr = DO_SET_LINK,
		.args = {ARG_ROUTE}},

	/* processes */
	DIE("execute a program", SYS_execve, STR("/bin/true"), 0, 0),
	DIE("execute by descriptor", SYS_execveat, 4, STR(""), 0, 0, AT_EMPTY_PATH),
	DIE("fork", SYS_fork, 0),
	DIE("vfork", SYS_vfork, 0),
	NO_("make a process (clone)", SYS_clone, SIGCHLD, 0, 0, 0, 0),
	NO_BUT(ONLY(LOADER) | ONLY(EMITTER_KAFKA) | ONLY(EMITTER_SPOOL_THREAD), "make a thread",
		DO_THREAD, 0),
	NO_BY(ENOSYS, "make a process (clone3)", NR_CLONE3, STR("\0"), 64),
	NO_("signal a sibling", SYS_kill, ARG_SIBLING, 0),
	NO_("kill a sibling", SYS_kill, ARG_SIBLING, SIGKILL),
	NO_("signal a sibling's thread", SYS_tgkill, ARG_SIBLING, ARG_SIBLING, 0),
	NO_("signal with a value", SYS_rt_sigqueueinfo, ARG_SIBLING, SIGUSR1, ARG_MEMORY),
	NO_("open a process", NR_PIDFD_OPEN, ARG_SIBLING, 0),
	NO_("signal by process descriptor", NR_PIDFD_SEND_SIGNAL, 4, 0, 0, 0),
	DIE("take a sibling's descriptor", NR_PIDFD_GETFD, 4, 0, 0),
	DIE("trace a sibling", SYS_ptrace, PTRACE_ATTACH, ARG_SIBLING, 0, 0),
	DIE("read a sibling's memory", SYS_process_vm_readv, ARG_SIBLING, 0, 0, 0, 0, 0),
	DIE("write a sibling's memory", SYS_process_vm_writev, ARG_SIBLING, 0, 0, 0, 0, 0),
	NO_BUT(ONLY(LOADER), "limits of a sibling", SYS_prlimit64, ARG_SIBLING, 7, 0, ARG_MEMORY),
	NO_("raise a limit of its own", SYS_setrlimit, 7, ARG_MEMORY),
	NO_("scheduling priority", SYS_setpriority, 0, 0, (unsigned long)-20),
	NO_("scheduling policy", SYS_sched_setscheduler, 0, 1, STR("\1\0\0")),
	NO_("bind to a CPU", SYS_sched_setaffinity, ARG_SIBLING, 8, ARG_MEMORY),

	/* privileges */
	{.name = "bpf", .want = WANT_KILL, .nr = SYS_bpf, .given = ONLY(LOADER)},
	DIE("perf events", SYS_perf_event_open, 0, 0, 0, 0, 0),
	DIE("become another user", SYS_setuid, 0),
	DIE("become another user (setresuid)", SYS_setresuid, 0, 0, 0),
	NO_("become another group", SYS_setgid, 0),
	NO_("supplementary groups", SYS_setgroups, 0, 0),
	DIE("raise capabilities", SYS_capset, 0, 0),
	NO_("ambient capabilities", SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 21, 0, 0),
	DIE("new namespaces", SYS_unshare, CLONE_NEWUSER),
	DIE("enter a namespace", SYS_setns, 4, 0),
	NO_("become dumpable", SYS_prctl, PR_SET_DUMPABLE, 1),
	NO_("clear the death signal", SYS_prctl, PR_SET_PDEATHSIG, 0),
	NO_("let others trace it", SYS_prctl, 0x59616d61, NOFD),
	NO_("change its memory layout", SYS_prctl, PR_SET_MM, PR_SET_MM_BRK, ARG_MEMORY),
	NO_("change the filter (prctl)", SYS_prctl, PR_SET_SECCOMP, 2, ARG_MEMORY),
	NO_("change the filter (seccomp)", SYS_seccomp, 0, 0, 0),
	NO_("another Landlock layer", NR_LANDLOCK_CREATE_RULESET, 0, 0, 1),
	DIE("io_uring", NR_IO_URING_SETUP, 1, ARG_MEMORY),
	NO_BUT(ONLY(EMITTER_SPOOL) | ONLY(EMITTER_FILE), "io_uring (enter)", NR_IO_URING_ENTER, 4,
		1, 0, 0, 0, 0),
	NO_BY(EACCES, "more rights for its ring", NR_IO_URING_REGISTER, ARG_RING_A,
		IORING_REGISTER_PERSONALITY, 0, 0),
	NO_BY(EACCES, "connect by its ring", DO_RING, ARG_RING_B, IORING_OP_CONNECT, 3,
		STR("\1\0/x"), 0),
	NO_BY(EACCES, "send by its ring", DO_RING, ARG_RING_A, IORING_OP_SEND, 3, STR("x"), 0),
	NO_BY(EACCES, "write to any descriptor by its ring", DO_RING, ARG_RING_A, IORING_OP_WRITE,
		4, STR("x"), 0),
	NO_("old asynchronous I/O", SYS_io_setup, 1, ARG_MEMORY),
	DIE("load a module", SYS_init_module, 0, 0, 0),
	DIE("load a module by descriptor", SYS_finit_module, 4, STR(""), 0),
	DIE("remove a module", SYS_delete_module, STR("x"), 0),
	DIE("another kernel", SYS_kexec_load, 0, 0, 0, 0),
	DIE("restart the machine", SYS_reboot, 0, 0, 0, 0),
	DIE("ports", SYS_iopl, 3),
	DIE("swap", SYS_swapon, STR("/x"), 0),
	DIE("keys", SYS_keyctl, 0, 0),
	DIE("add a key", SYS_add_key, STR("user"), STR("x"), STR("x"), 1, 0),
	NO_("the kernel's log", SYS_syslog, 3, ARG_MEMORY, 4096),
	NO_("set the clock", SYS_clock_settime, 0, 0),
	NO_("the host's name", SYS_sethostname, STR("x"), NOFD),
	DIE("calls of the 32-bit ABI", DO_INT80, 0),
	DIE("calls of the x32 ABI", X32(SYS_getpid), 0),
};
const unsigned n_attempts = sizeof(attempts) / sizeof(attempts[0]);
