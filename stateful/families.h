/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the files of the event families have for the table in handlers.c. */

struct st_ctx;

/* ev_fork.c, ev_exec.c, ev_exit.c */
void st_on_fork(struct st_ctx *c);
void st_on_clone(struct st_ctx *c);
void st_on_exec(struct st_ctx *c);
void st_on_exit(struct st_ctx *c);
void st_after_exit(struct st_ctx *c);
/* container.c */
void st_on_cgroup(struct st_ctx *c);
/* ev_memory.c */
void st_on_memory(struct st_ctx *c);
/* ev_limit.c */
void st_on_setrlimit(struct st_ctx *c);
void st_on_prlimit(struct st_ctx *c);
/* ev_open.c */
void st_on_open(struct st_ctx *c);
void st_on_openat(struct st_ctx *c);
void st_on_openat2(struct st_ctx *c);
void st_on_creat(struct st_ctx *c);
void st_on_open_by_handle(struct st_ctx *c);
/* ev_close.c */
void st_after_close(struct st_ctx *c);
void st_after_close_range(struct st_ctx *c);
void st_on_dup(struct st_ctx *c);
void st_on_fcntl(struct st_ctx *c);
/* ev_socket.c */
void st_on_socket(struct st_ctx *c);
void st_on_socketpair(struct st_ctx *c);
void st_on_bind(struct st_ctx *c);
void st_on_connect(struct st_ctx *c);
void st_on_accept(struct st_ctx *c);
void st_on_transfer(struct st_ctx *c);
/* ev_cwd.c */
void st_on_chdir(struct st_ctx *c);
void st_on_fchdir(struct st_ctx *c);
void st_on_getcwd(struct st_ctx *c);
void st_on_chroot(struct st_ctx *c);
/* ev_cred.c */
void st_on_setuid(struct st_ctx *c);
void st_on_seteuid(struct st_ctx *c);
void st_on_setgid(struct st_ctx *c);
void st_on_setegid(struct st_ctx *c);
void st_on_setsid(struct st_ctx *c);
void st_on_capset(struct st_ctx *c);
void st_on_setns(struct st_ctx *c);
void st_on_unshare(struct st_ctx *c);
/* ev_fds.c: descriptors that are neither files nor sockets */
void st_on_pipe(struct st_ctx *c);
void st_on_simple_fd(struct st_ctx *c);
void st_on_memfd(struct st_ctx *c);
void st_on_bpf(struct st_ctx *c);
void st_on_pidfd_open(struct st_ctx *c);
void st_on_pidfd_getfd(struct st_ctx *c);
