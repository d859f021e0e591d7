/* SPDX-License-Identifier: Apache-2.0 */
/* Event type -> what it does to the tables. A new event that changes state is a row here and a
 * function in its family's file. */

#include "core.h"

#include <base/macros.h>

#include "families.h"

#define ROW(NAME, pre_fn) [KEV_IX_##NAME] = {.pre = (pre_fn), .needs_thread = true}
#define POST(NAME, post_fn) [KEV_IX_##NAME] = {.post = (post_fn)}

#define VM(NAME) [KEV_IX_##NAME] = {.pre = st_on_memory, .only_with = IMG_NEED_VM}

static const struct st_handler handlers[_KEV_IX_MAX] = {
	ROW(SAKER_FORK, st_on_fork),
	ROW(SYSCALL_CLONE_20_X, st_on_clone),
	ROW(SYSCALL_FORK_20_X, st_on_clone),
	ROW(SYSCALL_VFORK_20_X, st_on_clone),
	ROW(SYSCALL_CLONE3_X, st_on_clone),
	ROW(SYSCALL_EXECVE_19_X, st_on_exec),
	ROW(SYSCALL_EXECVEAT_X, st_on_exec),
	[KEV_IX_SAKER_CGROUP] = {.pre = st_on_cgroup},
	[KEV_IX_PROCEXIT_1_E] = {.pre = st_on_exit, .post = st_after_exit},

	VM(SYSCALL_BRK_4_X),
	VM(SYSCALL_MMAP_X),
	VM(SYSCALL_MMAP2_X),
	VM(SYSCALL_MUNMAP_X),
	VM(SCHEDSWITCH_6_E),

	ROW(SYSCALL_OPEN_X, st_on_open),
	ROW(SYSCALL_OPENAT_2_X, st_on_openat),
	ROW(SYSCALL_OPENAT2_X, st_on_openat2),
	ROW(SYSCALL_CREAT_X, st_on_creat),
	ROW(SYSCALL_OPEN_BY_HANDLE_AT_X, st_on_open_by_handle),
	POST(SYSCALL_CLOSE_X, st_after_close),
	POST(SYSCALL_CLOSE_RANGE_X, st_after_close_range),
	ROW(SYSCALL_DUP_1_X, st_on_dup),
	ROW(SYSCALL_DUP2_X, st_on_dup),
	ROW(SYSCALL_DUP3_X, st_on_dup),
	ROW(SYSCALL_FCNTL_X, st_on_fcntl),

	ROW(SOCKET_SOCKET_X, st_on_socket),
	ROW(SOCKET_SOCKETPAIR_X, st_on_socketpair),
	ROW(SOCKET_BIND_X, st_on_bind),
	ROW(SOCKET_CONNECT_X, st_on_connect),
	ROW(SOCKET_ACCEPT_5_X, st_on_accept),
	ROW(SOCKET_ACCEPT4_6_X, st_on_accept),
	ROW(SOCKET_SEND_X, st_on_transfer),
	ROW(SOCKET_SENDTO_X, st_on_transfer),
	ROW(SOCKET_SENDMSG_X, st_on_transfer),
	ROW(SOCKET_SENDMMSG_X, st_on_transfer),
	ROW(SOCKET_RECV_X, st_on_transfer),
	ROW(SOCKET_RECVFROM_X, st_on_transfer),
	ROW(SOCKET_RECVMSG_X, st_on_transfer),
	ROW(SOCKET_RECVMMSG_X, st_on_transfer),

	ROW(SYSCALL_CHDIR_X, st_on_chdir),
	ROW(SYSCALL_FCHDIR_X, st_on_fchdir),
	ROW(SYSCALL_GETCWD_X, st_on_getcwd),
	ROW(SYSCALL_CHROOT_X, st_on_chroot),

	ROW(SYSCALL_SETRLIMIT_X, st_on_setrlimit),
	ROW(SYSCALL_PRLIMIT_X, st_on_prlimit),

	ROW(SYSCALL_SETUID_X, st_on_setuid),
	ROW(SYSCALL_SETRESUID_X, st_on_seteuid),
	ROW(SYSCALL_SETREUID_X, st_on_seteuid),
	ROW(SYSCALL_SETGID_X, st_on_setgid),
	ROW(SYSCALL_SETRESGID_X, st_on_setegid),
	ROW(SYSCALL_SETREGID_X, st_on_setegid),
	ROW(SYSCALL_SETSID_X, st_on_setsid),
	ROW(SYSCALL_CAPSET_X, st_on_capset),
	ROW(SYSCALL_SETNS_X, st_on_setns),
	ROW(SYSCALL_UNSHARE_X, st_on_unshare),

	ROW(SYSCALL_PIPE_X, st_on_pipe),
	ROW(SYSCALL_PIPE2_X, st_on_pipe),
	ROW(SYSCALL_EVENTFD_X, st_on_simple_fd),
	ROW(SYSCALL_EVENTFD2_X, st_on_simple_fd),
	ROW(SYSCALL_SIGNALFD_X, st_on_simple_fd),
	ROW(SYSCALL_SIGNALFD4_X, st_on_simple_fd),
	ROW(SYSCALL_TIMERFD_CREATE_X, st_on_simple_fd),
	ROW(SYSCALL_INOTIFY_INIT_X, st_on_simple_fd),
	ROW(SYSCALL_INOTIFY_INIT1_X, st_on_simple_fd),
	ROW(SYSCALL_EPOLL_CREATE_X, st_on_simple_fd),
	ROW(SYSCALL_EPOLL_CREATE1_X, st_on_simple_fd),
	ROW(SYSCALL_USERFAULTFD_X, st_on_simple_fd),
	ROW(SYSCALL_IO_URING_SETUP_X, st_on_simple_fd),
	ROW(SYSCALL_MEMFD_CREATE_X, st_on_memfd),
	ROW(SYSCALL_BPF_2_X, st_on_bpf),
	ROW(SYSCALL_PIDFD_OPEN_X, st_on_pidfd_open),
	ROW(SYSCALL_PIDFD_GETFD_X, st_on_pidfd_getfd),
};

const struct st_handler *st_handler_get(unsigned ix)
{
	assert(ix < _KEV_IX_MAX);
	return &handlers[ix];
}
