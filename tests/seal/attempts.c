/* SPDX-License-Identifier: Apache-2.0 */
/* The table of attempts. Arguments are such that without the seal most would succeed or fail with
 * something else than EPERM. */
#include "attempts.h"

#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>

#define STR(s) ((unsigned long)(s))
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

const struct attempt attempts[] = {
	{"map plain memory", WANT_OK, SYS_mmap,
		{0, 4096, PROT_READ | PROT_WRITE, ANON, (unsigned long)-1}},
	{"own pid", WANT_OK, SYS_getpid, {0}},
	{"write to the log", WANT_OK, SYS_write, {4, STR("7probe\n"), 7}},
	{"set the thread's name", WANT_OK, SYS_prctl, {PR_SET_NAME, STR("x")}},
#ifndef SAKER_SANITIZED /* whose run-time may open; the empty root and Landlock answer then, and   \
			   other errors come */
	{"open a file", WANT_EPERM, SYS_openat,
		{(unsigned long)AT_FDCWD, STR("/etc/passwd"), O_RDONLY}},
	{"open the root", WANT_EPERM, SYS_openat, {(unsigned long)AT_FDCWD, STR("/"), O_RDONLY}},
	{"reopen a descriptor through /proc", WANT_EPERM, SYS_openat,
		{(unsigned long)AT_FDCWD, STR("/proc/self/fd/4"), O_RDWR}},
	{"push characters into a terminal", WANT_EPERM, SYS_ioctl, {4, 0x5412, STR("x")}},
	{"execute a program", WANT_KILL, SYS_execve, {STR("/bin/true"), 0, 0}},
	{"execute by descriptor", WANT_KILL, SYS_execveat, {4, STR(""), 0, 0, AT_EMPTY_PATH}},
	{"vfork", WANT_KILL, SYS_vfork, {0}},
#endif
	{"open (old call)", WANT_EPERM, SYS_open, {STR("/etc/passwd"), O_RDONLY}},
	{"internet socket", WANT_EPERM, SYS_socket, {AF_INET, SOCK_STREAM}},
	{"unix socket", WANT_EPERM, SYS_socket, {AF_UNIX, SOCK_DGRAM}},
	{"netlink socket", WANT_EPERM, SYS_socket, {AF_NETLINK, SOCK_RAW}},
	{"connect", WANT_EPERM, SYS_connect, {3, STR("\1\0/x"), 5}},
	{"make a process", WANT_EPERM, SYS_clone, {SIGCHLD}},
	{"executable memory", WANT_EPERM, SYS_mmap,
		{0, 4096, PROT_READ | PROT_EXEC, ANON, (unsigned long)-1}},
	{"writable and executable memory", WANT_EPERM, SYS_mmap,
		{0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, ANON, (unsigned long)-1}},
	{"signal another process", WANT_EPERM, SYS_kill, {1, 0}},
	{"signal another thread", WANT_EPERM, SYS_tgkill, {1, 1, 0}},
	{"become dumpable", WANT_EPERM, SYS_prctl, {PR_SET_DUMPABLE, 1}},
	{"clear the death signal", WANT_EPERM, SYS_prctl, {PR_SET_PDEATHSIG, 0}},
	{"make a memfd", WANT_EPERM, SYS_memfd_create, {STR("x"), 0}},
	{"truncate", WANT_EPERM, SYS_ftruncate, {4, 0}},
	{"unlink", WANT_EPERM, SYS_unlink, {STR("/x")}},
	{"rename", WANT_EPERM, SYS_rename, {STR("/x"), STR("/y")}},
	{"make a folder", WANT_EPERM, SYS_mkdir, {STR("/x"), 0700}},
	{"change mode", WANT_EPERM, SYS_fchmod, {4, 0777}},
	{"raise a limit", WANT_EPERM, SYS_setrlimit, {7, STR("")}},
	{"change the filter", WANT_EPERM, SYS_seccomp, {0, 0, 0}},
	{"open a process", WANT_EPERM, SYS_pidfd_open, {1, 0}},
	{"shared memory of System V", WANT_EPERM, SYS_shmget, {0, 4096, 01600}},
	{"scheduling priority", WANT_EPERM, SYS_setpriority, {0, 0, (unsigned long)-20}},
	{"bpf", WANT_KILL, SYS_bpf, {0, 0, 0}},
	{"ptrace", WANT_KILL, SYS_ptrace, {PTRACE_TRACEME}},
	{"read another's memory", WANT_KILL, SYS_process_vm_readv, {1, 0, 0, 0, 0, 0}},
	{"take another's descriptor", WANT_KILL, SYS_pidfd_getfd, {4, 0, 0}},
	{"mount", WANT_KILL, SYS_mount, {STR("x"), STR("/"), STR("tmpfs"), 0, 0}},
	{"change the root", WANT_KILL, SYS_chroot, {STR("/")}},
	{"new namespaces", WANT_KILL, SYS_unshare, {CLONE_NEWUSER}},
	{"enter a namespace", WANT_KILL, SYS_setns, {4, 0}},
	{"change the uid", WANT_KILL, SYS_setuid, {0}},
	{"raise capabilities", WANT_KILL, SYS_capset, {0, 0}},
	{"load a module", WANT_KILL, SYS_init_module, {0, 0, 0}},
	{"perf events", WANT_KILL, SYS_perf_event_open, {0, 0, 0, 0, 0}},
	{"user page faults", WANT_KILL, SYS_userfaultfd, {0}},
	{"io_uring", WANT_KILL, SYS_io_uring_setup, {1, 0}},
	{"keys", WANT_KILL, SYS_keyctl, {0, 0}},
	{"open by handle", WANT_KILL, SYS_open_by_handle_at, {4, 0, 0}},
};
const unsigned n_attempts = sizeof(attempts) / sizeof(attempts[0]);
