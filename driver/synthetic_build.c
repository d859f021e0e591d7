/* SPDX-License-Identifier: Apache-2.0 */
/* Records of the synthetic source: one function a kind, each giving every parameter that the kernel's programs would give. The input is this folder's own
 * constant data, so a record that does not fit is a bug. Must not allocate or look at the clock: the same steps give the same bytes. */

#include "synthetic.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <base/hash.h>
#include <base/macros.h>

#define AT_CWD (-100)
#define AF_IPV4 2
#define AF_PACKET_ 17
#define CAPS_ALL 0x1ffffffffffULL
#define CONTAINERS_START_NS 7000000000LL /* since boot: all containers were started together */
#define CAPS_CONTAINER 0xa80425fbULL     /* the usual set of a container that is not privileged */

size_t syn_cgroups(const struct syn_proc *p, char *buf, size_t cap)
{
	static const char *const subsystems[] = {"cpuset", "cpu", "memory", "pids"};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(subsystems); i++) {
		int r = p->container == SYN_NO_CONTAINER
				? snprintf(buf + n, cap - n, "%s=/system.slice/%s.service",
					  subsystems[i], p->pid == 1 ? "init" : "host")
				: snprintf(buf + n, cap - n, "%s=/docker/%s", subsystems[i],
					  syn_container_ids[p->container]);
		assert(r > 0 && (size_t)r + 1 <= cap - n);
		n += (size_t)r + 1;
	}
	return n;
}

uint64_t syn_cgroup_id(const struct syn_proc *p)
{
	return p->container == SYN_NO_CONTAINER ? 1 : 4000 + (uint64_t)p->container;
}

static uint64_t caps_of(const struct syn_proc *p)
{
	if (p->uid != 0)
		return 0;
	/* container 0 is the careless one: it runs with every capability */
	return p->container > 0 ? CAPS_CONTAINER : CAPS_ALL;
}

static void start(struct kev_builder *b, void *buf, uint16_t code, uint64_t ts_ns)
{
	kev_build_start(b, buf, KEV_SIZE_MAX, code, 0);
	kev_build_head(b)->ts_ns = ts_ns;
	kev_build_head(b)->cls = KEV_CLASS_OTHER;
}

static void set_task(struct kev_builder *b, const struct syn_proc *p, uint8_t cls)
{
	struct kev_head *h = kev_build_head(b);

	h->tid = h->tgid = p->pid;
	h->leader_start_ns = p->start_ns;
	h->ppid = p->ppid;
	h->uid = p->uid;
	h->gid = p->gid;
	h->cgroup_id = syn_cgroup_id(p);
	h->cpu = (uint16_t)(p->pid % 4);
	h->cls = cls;
	memcpy(h->comm, p->prog->comm, strnlen(p->prog->comm, KEV_COMM_LEN - 1));
}

static void text(struct kev_builder *b, const char *s)
{
	kev_build_text(b, span_str(s));
}

static void cgroups(struct kev_builder *b, const struct syn_proc *p)
{
	char buf[512];
	size_t n = syn_cgroups(p, buf, sizeof(buf));

	kev_build_raw(b, buf, n);
}

static void env(struct kev_builder *b, const struct syn_proc *p)
{
	static const char host[] =
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin\0LANG=C.UTF-8\0HOME=/root";
	static const char cont[] = "PATH=/usr/local/bin:/usr/bin:/bin\0HOSTNAME=c0ffee\0HOME=/";

	if (p->container == SYN_NO_CONTAINER)
		kev_build_raw(b, host, sizeof(host));
	else
		kev_build_raw(b, cont, sizeof(cont));
}

static int finish(struct kev_builder *b)
{
	int r = kev_build_finish(b);

	assert(r > 0);
	return r;
}

int syn_build_clock(void *buf)
{
	struct kev_builder b;

	start(&b, buf, KEV_CODE_SAKER_CLOCK, SYN_START_NS);
	kev_build_int(&b, (int64_t)SYN_BOOT_EPOCH_NS);
	kev_build_int(&b, (int64_t)SYN_BOOT_EPOCH_NS);
	return finish(&b);
}

int syn_build_user(void *buf, const struct syn_user *u)
{
	struct kev_builder b;

	start(&b, buf, KEV_CODE_USER_ADDED_E, SYN_START_NS);
	kev_build_int(&b, u->uid);
	kev_build_int(&b, u->gid);
	text(&b, u->name);
	text(&b, u->home);
	text(&b, u->shell);
	text(&b, "");
	return finish(&b);
}

int syn_build_group(void *buf, const struct syn_user *u)
{
	struct kev_builder b;

	start(&b, buf, KEV_CODE_GROUP_ADDED_E, SYN_START_NS);
	kev_build_int(&b, u->gid);
	text(&b, u->name);
	text(&b, "");
	return finish(&b);
}

int syn_build_iface(void *buf, unsigned i)
{
	static const struct {
		const char *name;
		uint8_t addr[16], n, prefix;
	} ifaces[] = {
		{"lo", {127, 0, 0, 1}, 4, 8},
		{"eth0", {192, 168, 1, 10}, 4, 24},
		{"docker0", {172, 17, 0, 1}, 4, 16},
		{"lo", {[15] = 1}, 16, 128},
	};
	struct kev_builder b;

	if (i >= ARRAY_LEN(ifaces))
		return -ENOENT;
	start(&b, buf, KEV_CODE_SAKER_IFACE, SYN_START_NS);
	text(&b, ifaces[i].name);
	kev_build_raw(&b, ifaces[i].addr, ifaces[i].n);
	kev_build_int(&b, ifaces[i].prefix);
	return finish(&b);
}

int syn_build_task(void *buf, const struct syn_proc *p)
{
	struct kev_builder b;
	char argv[512];
	size_t exe_n = strlen(p->prog->exe) + 1;

	assert(exe_n + p->prog->args.n <= sizeof(argv));
	memcpy(argv, p->prog->exe, exe_n);
	if (p->prog->args.n)
		memcpy(argv + exe_n, p->prog->args.p, p->prog->args.n);

	start(&b, buf, KEV_CODE_ITER_TASK_E, SYN_START_NS);
	set_task(&b, p, 0);
	kev_build_head(&b)->flags = KEV_F_SNAPSHOT;
	kev_build_int(&b, p->ppid);
	kev_build_int(&b, p->pid);                /* pgid */
	kev_build_int(&b, p->pid);                /* vpgid */
	kev_build_int(&b, p->tty ? 600 : p->pid); /* sid */
	text(&b, p->prog->comm);
	kev_build_raw(&b, argv, exe_n + p->prog->args.n);
	text(&b, p->prog->path);
	kev_build_int(&b, p->prog->flags);
	env(&b, p);
	text(&b, p->container == SYN_NO_CONTAINER ? "/srv/app" : "/");
	kev_build_int(&b, 1024);
	kev_build_int(&b, p->uid);
	kev_build_int(&b, p->gid);
	kev_build_int(&b, (int64_t)caps_of(p));
	kev_build_int(&b, (int64_t)caps_of(p));
	kev_build_int(&b, 0);
	kev_build_int(&b, (int64_t)(100000 + p->pid)); /* inode of the executable, its times */
	kev_build_int(&b, (int64_t)(SYN_BOOT_EPOCH_NS - 1000000000));
	kev_build_int(&b, (int64_t)(SYN_BOOT_EPOCH_NS - 1000000000));
	kev_build_int(&b, 20000); /* memory: size, resident, swapped */
	kev_build_int(&b, 5000);
	kev_build_int(&b, 0);
	kev_build_int(&b, 3); /* page faults */
	kev_build_int(&b, 700);
	kev_build_int(&b, p->pid); /* vtgid, vpid */
	kev_build_int(&b, p->pid);
	kev_build_int(&b, p->container == SYN_NO_CONTAINER
				  ? 0
				  : (int64_t)(SYN_BOOT_EPOCH_NS + CONTAINERS_START_NS));
	cgroups(&b, p);
	text(&b, "/");
	kev_build_int(&b, (int64_t)(SYN_BOOT_EPOCH_NS + p->start_ns));
	kev_build_int(&b, p->tty);
	kev_build_int(&b, p->tty ? 1000 : UINT32_MAX); /* login uid */
	return finish(&b);
}

int syn_build_task_file(void *buf, const struct syn_proc *p, unsigned fd)
{
	struct kev_builder b;
	bool is_pipe = p->tty == 0 && fd > 0;

	start(&b, buf, is_pipe ? KEV_CODE_ITER_TASK_FILE_PIPE_E : KEV_CODE_ITER_TASK_FILE_REGULAR_E,
		SYN_START_NS);
	set_task(&b, p, 0);
	kev_build_head(&b)->flags = KEV_F_SNAPSHOT;
	kev_build_int(&b, fd);
	if (is_pipe) {
		text(&b, "");
		kev_build_int(&b, 50000 + p->pid);
		return finish(&b);
	}
	text(&b, p->tty ? "/dev/pts/1" : "/dev/null");
	kev_build_int(&b, 0x3); /* O_RDWR */
	kev_build_int(&b, 25);
	kev_build_int(&b, 5);
	return finish(&b);
}

static int build_fork(void *buf, struct syn_proc *actor, struct syn_proc *child, uint64_t ts_ns)
{
	struct kev_builder b;

	start(&b, buf, KEV_CODE_SAKER_FORK, ts_ns);
	set_task(&b, actor, KEV_CLASS_STATE);
	kev_build_int(&b, child->pid);
	kev_build_int(&b, child->pid);
	kev_build_int(&b, actor->pid);
	kev_build_int(&b, child->pid);
	kev_build_int(&b, child->pid);
	kev_build_int(&b, 0);
	kev_build_int(&b, child->uid);
	kev_build_int(&b, child->gid);
	text(&b, actor->prog->comm);
	kev_build_int(&b, (int64_t)child->start_ns);
	kev_build_int(&b, child->container == SYN_NO_CONTAINER ? 0 : CONTAINERS_START_NS);
	kev_build_int(&b, actor->tty ? 600 : actor->pid);
	kev_build_int(&b, actor->pid);
	cgroups(&b, child);
	return finish(&b);
}

static int build_exec(void *buf, struct syn_proc *p, const struct syn_prog *prog, uint64_t ts_ns)
{
	struct kev_builder b;

	p->prog = prog;
	start(&b, buf, KEV_CODE_SYSCALL_EXECVE_19_X, ts_ns);
	set_task(&b, p, KEV_CLASS_STATE);
	kev_build_int(&b, 0);
	text(&b, prog->exe);
	kev_build_raw(&b, prog->args.p, prog->args.n);
	kev_build_int(&b, p->pid);
	kev_build_int(&b, p->pid);
	kev_build_int(&b, p->ppid);
	text(&b, "");
	kev_build_int(&b, 1024);
	kev_build_int(&b, 0);
	kev_build_int(&b, 60);
	kev_build_int(&b, 2000);
	kev_build_int(&b, 800);
	kev_build_int(&b, 0);
	text(&b, prog->comm);
	cgroups(&b, p);
	env(&b, p);
	kev_build_int(&b, p->tty);
	kev_build_int(&b, p->pid);
	kev_build_int(&b, p->tty ? 1000 : UINT32_MAX);
	kev_build_int(&b, prog->flags);
	kev_build_int(&b, 0);
	kev_build_int(&b, (int64_t)caps_of(p));
	kev_build_int(&b, (int64_t)caps_of(p));
	kev_build_int(
		&b, (int64_t)(200000 + hash_bytes(prog->path, strlen(prog->path), 0) % 100000));
	kev_build_int(&b, (int64_t)(SYN_BOOT_EPOCH_NS - 2000000000));
	kev_build_int(&b, (int64_t)(SYN_BOOT_EPOCH_NS - 2000000000));
	kev_build_int(&b, p->uid);
	text(&b, prog->path);
	kev_build_int(&b, p->pid);
	kev_build_int(&b, p->gid);
	text(&b, prog->path);
	return finish(&b);
}

static int build_exit(void *buf, const struct syn_proc *p, uint64_t ts_ns)
{
	struct kev_builder b;

	start(&b, buf, KEV_CODE_PROCEXIT_1_E, ts_ns);
	set_task(&b, p, KEV_CLASS_STATE);
	kev_build_int(&b, 0);
	kev_build_int(&b, 0);
	kev_build_int(&b, 0);
	kev_build_int(&b, 0);
	kev_build_int(&b, 1);
	return finish(&b);
}

static int build_open(
	void *buf, const struct syn_step *st, struct syn_proc *p, uint64_t ts_ns, uint64_t salt)
{
	struct kev_builder b;

	start(&b, buf, KEV_CODE_SYSCALL_OPENAT_2_X, ts_ns);
	set_task(&b, p, KEV_CLASS_FILE_NET);
	kev_build_int(&b, st->res < 0 ? st->res : 3 + (int64_t)p->n_open);
	kev_build_int(&b, AT_CWD);
	text(&b, st->path);
	kev_build_int(&b, st->a);
	kev_build_int(&b, st->a & 0x4 ? 0644 : 0);
	kev_build_int(&b, st->res < 0 ? 0 : 0x801);
	kev_build_int(&b, st->res < 0 ? 0 : (int64_t)(300000 + salt % 65536));
	if (st->res >= 0)
		p->n_open++;
	return finish(&b);
}

static int build_close(void *buf, struct syn_proc *p, uint64_t ts_ns)
{
	struct kev_builder b;

	assert(p->n_open > 0);
	p->n_open--;
	start(&b, buf, KEV_CODE_SYSCALL_CLOSE_X, ts_ns);
	set_task(&b, p, KEV_CLASS_STATE);
	kev_build_int(&b, 0);
	kev_build_int(&b, 3 + (int64_t)p->n_open);
	return finish(&b);
}

static int build_socket(void *buf, const struct syn_step *st, struct syn_proc *p, uint64_t ts_ns)
{
	struct kev_builder b;

	start(&b, buf, KEV_CODE_SOCKET_SOCKET_X, ts_ns);
	set_task(&b, p, KEV_CLASS_OTHER);
	kev_build_int(&b, 3 + (int64_t)p->n_open);
	kev_build_int(&b, st->a);
	kev_build_int(&b, st->a == AF_PACKET_ ? 3 : 1); /* SOCK_RAW, SOCK_STREAM */
	kev_build_int(&b, st->a == AF_PACKET_ ? 768 : 6);
	kev_build_int(&b, 0);
	p->n_open++;
	return finish(&b);
}

static void put_addr(uint8_t *at, uint32_t host_order, uint16_t port)
{
	uint32_t ip = __builtin_bswap32(host_order); /* network order in the record */

	memcpy(at, &ip, 4);
	memcpy(at + 4, &port, 2);
}

/* Connects the newest descriptor. */
static int build_connect(
	void *buf, const struct syn_step *st, struct syn_proc *p, uint64_t ts_ns, uint64_t salt)
{
	uint8_t tuple[13] = {AF_IPV4}, addr[7] = {AF_IPV4};
	struct kev_builder b;

	put_addr(tuple + 1, p->container == SYN_NO_CONTAINER ? 0xc0a8010a : 0xac110002,
		(uint16_t)(32768 + salt % 28000));
	put_addr(tuple + 7, st->a, st->port);
	put_addr(addr + 1, st->a, st->port);
	start(&b, buf, KEV_CODE_SOCKET_CONNECT_X, ts_ns);
	set_task(&b, p, KEV_CLASS_FILE_NET);
	kev_build_int(&b, st->res);
	kev_build_raw(&b, tuple, sizeof(tuple));
	kev_build_int(&b, 2 + (int64_t)p->n_open);
	kev_build_raw(&b, addr, sizeof(addr));
	return finish(&b);
}

/* The newest descriptor onto st->a. */
static int build_dup2(void *buf, const struct syn_step *st, struct syn_proc *p, uint64_t ts_ns)
{
	struct kev_builder b;

	start(&b, buf, KEV_CODE_SYSCALL_DUP2_X, ts_ns);
	set_task(&b, p, KEV_CLASS_STATE);
	kev_build_int(&b, st->a);
	kev_build_int(&b, 2 + (int64_t)p->n_open);
	kev_build_int(&b, st->a);
	return finish(&b);
}

static int build_ptrace(void *buf, const struct syn_step *st, struct syn_proc *p, uint64_t ts_ns)
{
	static const uint8_t null_value[9]; /* tag 0, u64 */
	struct kev_builder b;

	start(&b, buf, KEV_CODE_SYSCALL_PTRACE_X, ts_ns);
	set_task(&b, p, KEV_CLASS_STATE);
	kev_build_int(&b, 0);
	kev_build_raw(&b, null_value, sizeof(null_value));
	kev_build_raw(&b, null_value, sizeof(null_value));
	kev_build_int(&b, st->a);
	kev_build_int(&b, 730);
	return finish(&b);
}

static int build_module(void *buf, struct syn_proc *p, uint64_t ts_ns)
{
	struct kev_builder b;

	start(&b, buf, KEV_CODE_SYSCALL_FINIT_MODULE_X, ts_ns);
	set_task(&b, p, KEV_CLASS_STATE);
	kev_build_int(&b, 0);
	kev_build_int(&b, 2 + (int64_t)p->n_open);
	text(&b, "");
	kev_build_int(&b, 0);
	return finish(&b);
}

static int build_setuid(void *buf, const struct syn_step *st, struct syn_proc *p, uint64_t ts_ns)
{
	struct kev_builder b;

	p->uid = p->gid = st->a;
	start(&b, buf, KEV_CODE_SYSCALL_SETUID_X, ts_ns);
	set_task(&b, p, KEV_CLASS_STATE);
	kev_build_int(&b, 0);
	kev_build_int(&b, st->a);
	return finish(&b);
}

/* Calls with a result, one or two paths, and perhaps a mode. */
static int build_path_call(void *buf, const struct syn_step *st, struct syn_proc *p, uint64_t ts_ns)
{
	static const uint16_t codes[_SYN_OP_MAX] = {
		[SYN_SYMLINK] = KEV_CODE_SYSCALL_SYMLINK_X,
		[SYN_LINK] = KEV_CODE_SYSCALL_LINK_2_X,
		[SYN_UNLINK] = KEV_CODE_SYSCALL_UNLINK_2_X,
		[SYN_RENAME] = KEV_CODE_SYSCALL_RENAME_X,
		[SYN_MKDIR] = KEV_CODE_SYSCALL_MKDIR_2_X,
		[SYN_CHDIR] = KEV_CODE_SYSCALL_CHDIR_X,
	};
	struct kev_builder b;

	start(&b, buf, codes[st->op], ts_ns);
	set_task(&b, p, st->op == SYN_CHDIR ? KEV_CLASS_STATE : KEV_CLASS_OTHER);
	kev_build_int(&b, 0);
	text(&b, st->path);
	if (st->path2)
		text(&b, st->path2);
	if (st->op == SYN_MKDIR)
		kev_build_int(&b, 0755);
	return finish(&b);
}

int syn_build_step(void *buf, const struct syn_step *st, struct syn_proc *actor,
	struct syn_proc *child, uint64_t ts_ns, uint64_t salt)
{
	struct syn_proc *p = st->by_child ? child : actor;

	switch (st->op) {
	case SYN_FORK:
		return build_fork(buf, actor, child, ts_ns);
	case SYN_EXEC:
		return build_exec(buf, p, st->prog, ts_ns);
	case SYN_EXIT:
		return build_exit(buf, p, ts_ns);
	case SYN_OPEN:
		return build_open(buf, st, p, ts_ns, salt);
	case SYN_CLOSE:
		return build_close(buf, p, ts_ns);
	case SYN_SOCKET:
		return build_socket(buf, st, p, ts_ns);
	case SYN_CONNECT:
		return build_connect(buf, st, p, ts_ns, salt);
	case SYN_DUP2:
		return build_dup2(buf, st, p, ts_ns);
	case SYN_PTRACE:
		return build_ptrace(buf, st, p, ts_ns);
	case SYN_MODULE:
		return build_module(buf, p, ts_ns);
	case SYN_SETUID:
		return build_setuid(buf, st, p, ts_ns);
	default:
		return build_path_call(buf, st, p, ts_ns);
	}
}
