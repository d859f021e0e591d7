/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls that remain. Default: refused with EPERM, so that a library's try at something
 * superfluous is not fatal; what only an intruder would call ends the process. Every allowed call
 * has its reason beside it. */
#include <sys/mman.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <linux/bpf.h>
#include <linux/sockios.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include <base/macros.h>

#include "stage_priv.h"

static const struct seal_call seal_base[] = {
	{SCMP_SYS(read), "eventfd, iterators, files handed over"},
	{SCMP_SYS(write), "eventfd of the peer, log"},
	{SCMP_SYS(writev), "log"},
	{SCMP_SYS(pread64), "own memory figure, segment headers"},
	{SCMP_SYS(recvmsg), "control socket"},
	{SCMP_SYS(epoll_wait), "the loop"},
	{SCMP_SYS(epoll_pwait), "the loop, as some C libraries do it"},
	{SCMP_SYS(epoll_ctl), "the loop"},
	{SCMP_SYS(poll), "waiting for a full control socket"},
	{SCMP_SYS(close), "descriptors that were replaced"},
	{SCMP_SYS(clock_nanosleep), "naps"},
	{SCMP_SYS(nanosleep), "naps"},
	{SCMP_SYS(clock_gettime), "where the vDSO cannot; process CPU time"},
	{SCMP_SYS(gettimeofday), "where the vDSO cannot"},
	{SCMP_SYS(brk), "malloc"},
	{SCMP_SYS(munmap), "malloc, segments"},
	{SCMP_SYS(mremap), "realloc"},
	{SCMP_SYS(madvise), "malloc"},
	{SCMP_SYS(futex), "C library's locks"},
	{SCMP_SYS(fstat), "segment sizes"},
	{SCMP_SYS(newfstatat), "segment sizes (glibc's fstat); with names it finds nothing"},
	{SCMP_SYS(lseek), "files handed over"},
	{SCMP_SYS(getrandom), "C library"},
	{SCMP_SYS(getpid), "log, abort"},
	{SCMP_SYS(gettid), "abort"},
	{SCMP_SYS(rt_sigprocmask), "abort"},
	{SCMP_SYS(rt_sigreturn), "signals"},
	{SCMP_SYS(restart_syscall), "after a stop signal"},
	{SCMP_SYS(exit), "end"},
	{SCMP_SYS(exit_group), "end"},
};

/* The short-lived programs make segments and hand them over. */
static const struct seal_call seal_segments[] = {
	{SCMP_SYS(memfd_create), "a segment"},
	{SCMP_SYS(ftruncate), "a segment"},
	{SCMP_SYS(fallocate), "a segment"},
	{SCMP_SYS(pwrite64), "a segment"},
	{SCMP_SYS(fchmod), "a segment"},
	{SCMP_SYS(getdents64), "a folder of rules, handed over for listing"},
};

/* libbpf at work: the loader alone. */
static const struct seal_call seal_loader[] = {
	{SCMP_SYS(capget), "which capability is missing, for the message"},
	{SCMP_SYS(openat), "the kernel's type information, possible CPUs"},
	{SCMP_SYS(access), "the kernel's type information"},
	{SCMP_SYS(faccessat), "the kernel's type information"},
	{SCMP_SYS(faccessat2), "the kernel's type information"},
	{SCMP_SYS(readlink), "libelf"},
	{SCMP_SYS(getdents64), "arguments of running processes on old kernels"},
	{SCMP_SYS(uname), "kernel version"},
	{SCMP_SYS(epoll_create1), "ring buffers"},
	{SCMP_SYS(eventfd2), "wake-ups"},
	{SCMP_SYS(prlimit64), "locked memory on old kernels"},
	{SCMP_SYS(dup3), "libbpf moves descriptors"},
	{SCMP_SYS(dup), "libbpf moves descriptors"},
	{SCMP_SYS(getuid), "messages"},
	{SCMP_SYS(geteuid), "messages"},
	{SCMP_SYS(sched_getaffinity), "libbpf: number of CPUs"},
};

/* Nothing that these programs link calls them: whoever does has taken the process over. A stage
 * that does need one has it in its own list. */
static const int seal_kill[] = {
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(setuid),
	SCMP_SYS(setresuid),
	SCMP_SYS(capset),
	SCMP_SYS(reboot),
	SCMP_SYS(swapon),
	SCMP_SYS(iopl),
	SCMP_SYS(ioperm),
#ifndef SAKER_SANITIZED
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(fork),
	SCMP_SYS(vfork),
#endif
};

#ifdef SAKER_SANITIZED
/* The sanitizers' run-time library, for its reports; never in a release build. */
static const struct seal_call seal_sanitizer[] = {
	{SCMP_SYS(openat), "/proc/self/maps for reports"},
	{SCMP_SYS(readlink), "own name"},
	{SCMP_SYS(sigaltstack), "stack overflow"},
	{SCMP_SYS(rt_sigaction), "deadly signals"},
	{SCMP_SYS(sched_yield), "its locks"},
	{SCMP_SYS(getrlimit), "stack"},
	{SCMP_SYS(prlimit64), "stack"},
	{SCMP_SYS(sched_getaffinity), "its stack"},
	{SCMP_SYS(getppid), "reports"},
	{SCMP_SYS(getuid), "reports"},
	{SCMP_SYS(ioctl), "colours"},
};
#endif

static int add_calls(scmp_filter_ctx ctx, const struct seal_call *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i].nr, 0);

		if (r < 0 && r != -EEXIST)
			return r;
	}
	return 0;
}

static bool has_call(const struct seal_call *calls, size_t n, int nr)
{
	for (size_t i = 0; i < n; i++)
		if (calls[i].nr == nr)
			return true;
	return false;
}

static int add_kill(scmp_filter_ctx ctx, const struct seal_request *q)
{
	for (size_t i = 0; i < ARRAY_LEN(seal_kill); i++) {
		int r;

		if (has_call(q->spec->calls, q->spec->n_calls, seal_kill[i]) ||
			(q->keep_caps && seal_kill[i] == SCMP_SYS(bpf)))
			continue;
		r = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, seal_kill[i], 0);
		if (r < 0)
			return r;
	}
	return 0;
}

/* fcntl: what asks, and what a program needs to hand a segment over. Never F_SETFL: the flags are of
 * the description, which is shared with the neighbours. Who cleared O_NONBLOCK of a wake-up
 * descriptor and filled it could make its producer wait for ever. */
static int add_fcntl(scmp_filter_ctx ctx, const struct seal_request *q)
{
	const struct {
		int cmd;
		bool is_allowed;
	} cmds[] = {
		{F_GETFD, true}, {F_GETFL, true}, {F_GET_SEALS, true},
		{F_ADD_SEALS, q->makes_segments}, {F_SETFD, q->makes_segments},
		{F_DUPFD_CLOEXEC, q->keep_caps != 0}, /* libbpf moves descriptors */
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(cmds) && r == 0; i++)
		if (cmds[i].is_allowed)
			r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
				SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)cmds[i].cmd));
	return r;
}

#define RULE(action, call, ...) seccomp_rule_add(ctx, (action), SCMP_SYS(call), __VA_ARGS__)
#define EQ(n, value) SCMP_A##n(SCMP_CMP_EQ, (scmp_datum_t)(value))
#define MASKED(n, mask, value)                                                                     \
	SCMP_A##n(SCMP_CMP_MASKED_EQ, (scmp_datum_t)(mask), (scmp_datum_t)(value))

/* sendmsg: whose address a filter cannot see. TCP with MSG_FASTOPEN would connect to it. */
static int add_sendmsg(scmp_filter_ctx ctx, uint32_t net)
{
	if (net == 0 || net & SEAL_NET_DIALS) /* no socket that takes an address, or any */
		return RULE(SCMP_ACT_ALLOW, sendmsg, 0);
	if (net & SEAL_NET_SENDMSG)
		return RULE(SCMP_ACT_ALLOW, sendmsg, 1, MASKED(2, MSG_FASTOPEN, 0));
	return RULE(SCMP_ACT_ALLOW, sendmsg, 1, EQ(0, CTL_FD_SOCKET));
}

static int add_sockets(scmp_filter_ctx ctx)
{
	static const int domains[] = {AF_INET, AF_INET6}, types[] = {SOCK_STREAM, SOCK_DGRAM};
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(domains) * ARRAY_LEN(types) && r == 0; i++)
		r = RULE(SCMP_ACT_ALLOW, socket, 2, EQ(0, domains[i / 2]),
			MASKED(1, 0xf, types[i % 2]));
	if (r == 0)
		r = RULE(SCMP_ACT_ALLOW, connect, 0);
	return r;
}

/* What works with sockets may set O_NONBLOCK, and nothing else, of any description; a neighbour's
 * have it already. */
static int add_net(scmp_filter_ctx ctx, uint32_t net)
{
	int r = add_sendmsg(ctx, net);

	if (r == 0 && net & SEAL_NET_DIALS)
		r = add_sockets(ctx);
	if (r == 0 && net & SEAL_NET_PRETENDS)
		r = RULE(SCMP_ACT_ERRNO(0), connect, 0);
	if (r < 0 || net == 0)
		return r;
	r = RULE(SCMP_ACT_ALLOW, sendto, 2, MASKED(3, MSG_FASTOPEN, 0), EQ(4, 0));
	if (r == 0)
		r = RULE(SCMP_ACT_ALLOW, setsockopt, 1, EQ(1, SOL_SOCKET));
	if (r == 0)
		r = RULE(SCMP_ACT_ALLOW, setsockopt, 1, EQ(1, IPPROTO_TCP));
	if (r == 0) /* how much the peer has not acknowledged */
		r = RULE(SCMP_ACT_ALLOW, ioctl, 1, EQ(1, SIOCOUTQ));
	if (r == 0)
		r = RULE(SCMP_ACT_ALLOW, fcntl, 2, EQ(1, F_SETFL),
			MASKED(2, ~(O_ACCMODE | 0100000 /* O_LARGEFILE */), O_NONBLOCK));
	if (r == 0)
		r = RULE(SCMP_ACT_ALLOW, fcntl, 2, EQ(1, F_SETFD), EQ(2, FD_CLOEXEC));
	return r;
}

/* bpf: the loader alone, to load, attach, create maps and links. Where a type or function is not in
 * the kernel's own type information, libbpf looks for that of modules, which CAP_BPF may not list,
 * and takes the refusal for an error: so for us there are none. */
static int add_bpf(scmp_filter_ctx ctx, const struct seal_request *q)
{
	int r;

	if (!q->keep_caps)
		return 0;
	r = seccomp_rule_add(
		ctx, SCMP_ACT_ALLOW, SCMP_SYS(bpf), 1, SCMP_A0(SCMP_CMP_NE, BPF_BTF_GET_NEXT_ID));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOENT), SCMP_SYS(bpf), 1,
			SCMP_A0(SCMP_CMP_EQ, BPF_BTF_GET_NEXT_ID));
	return r;
}

/* Calls that are allowed with some arguments only. */
static int add_checked(scmp_filter_ctx ctx, const struct seal_request *q)
{
	int r = add_fcntl(ctx, q);

	if (r == 0)
		r = add_bpf(ctx, q);
	if (r == 0)
		r = add_net(ctx, q->spec->net);
	if (r == 0 && q->spec->pipes)
		r = RULE(SCMP_ACT_ALLOW, ioctl, 1, EQ(1, FIONREAD));

	/* no memory that is executable, so no new code */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
			SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
			SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (r == 0)
		r = seccomp_rule_add(
			ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME));
	if (r == 0 && q->keep_caps) /* libcap asks which capabilities the kernel knows */
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1,
			SCMP_A0(SCMP_CMP_EQ, PR_CAPBSET_READ));
	/* abort() signals itself */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
			SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
	/* the C library goes on with clone(), whose flags a filter can see */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	if (r == 0 && q->spec->threads)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
			SCMP_A0(SCMP_CMP_EQ, 0x3d0f00)); /* pthread_create's flags */
	return r;
}

static const struct seal_call seal_threads[] = {
	{SCMP_SYS(set_robust_list), "a thread's start"},
	{SCMP_SYS(rseq), "a thread's start"},
};

int seal_seccomp(const struct seal_request *q)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r;

	if (!ctx)
		return -ENOMEM;
	(void)seccomp_attr_set(
		ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree instead of a list: speed only */
	/* calls of another ABI (32-bit, x32), whose numbers mean something else */
	r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (r == 0)
		r = add_calls(ctx, seal_base, ARRAY_LEN(seal_base));
	if (r == 0)
		r = add_calls(ctx, q->spec->calls, q->spec->n_calls);
	if (r == 0 && q->makes_segments)
		r = add_calls(ctx, seal_segments, ARRAY_LEN(seal_segments));
	if (r == 0 && q->keep_caps)
		r = add_calls(ctx, seal_loader, ARRAY_LEN(seal_loader));
	if (r == 0 && q->spec->threads)
		r = add_calls(ctx, seal_threads, ARRAY_LEN(seal_threads));
#ifdef SAKER_SANITIZED
	if (r == 0)
		r = add_calls(ctx, seal_sanitizer, ARRAY_LEN(seal_sanitizer));
#endif
	if (r == 0)
		r = add_checked(ctx, q);
	if (r == 0)
		r = add_kill(ctx, q);
	if (r == 0)
		r = seccomp_load(ctx);
	seccomp_release(ctx);
	return r;
}
