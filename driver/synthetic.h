/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Private to the synthetic source: the made-up host and how its records are built. */

#include <stdbool.h>
#include <stdint.h>

#include <base/span.h>
#include <driver/kev.h>

#define SYN_BOOT_EPOCH_NS 1700000000000000000ULL /* the made-up host booted then */
#define SYN_START_NS 86400000000000ULL           /* and had been up for a day */
#define SYN_CONTAINERS 4
#define SYN_NO_CONTAINER (-1)
#define SYN_TTY 0x8801 /* pts/1 */

/* What a process runs. */
struct syn_prog {
	const char *comm;
	const char *exe; /* argv[0] */
	const char *path;
	struct span args; /* argv[1..]: NUL-ended strings in a row */
	uint32_t flags;   /* EXE_* */
};

struct syn_user {
	uint32_t uid, gid;
	const char *name, *home, *shell;
};

/* Processes that are there from the beginning, with fixed places. */
enum syn_base {
	SYN_SYSTEMD,
	SYN_SSHD,
	SYN_LOGIN_SHELL,
	SYN_WWW_SHELL,
	SYN_CRON,
	SYN_DOCKERD,
	SYN_SHIM,
	SYN_NGINX,
	SYN_MYSQLD,
	SYN_JAVA,
	SYN_POSTFIX,
	_SYN_BASE_MAX,
};
struct syn_base_proc {
	struct syn_prog prog;
	uint32_t pid, ppid, uid, tty;
	int container; /* SYN_NO_CONTAINER or 0.. */
};

extern const struct syn_base_proc syn_base[_SYN_BASE_MAX];
extern const struct syn_prog syn_workers[]; /* of the n_procs processes */
extern const unsigned syn_n_workers;
extern const struct syn_prog syn_commands[]; /* short-lived and harmless */
extern const unsigned syn_n_commands;
extern const struct syn_user syn_users[];
extern const unsigned syn_n_users;
extern const char *const syn_read_paths[], *const syn_write_paths[];
extern const unsigned syn_n_read_paths, syn_n_write_paths;
extern const char *const syn_container_ids[SYN_CONTAINERS];

struct syn_proc {
	const struct syn_prog *prog;
	uint64_t start_ns; /* since boot */
	uint32_t pid, ppid, uid, gid, tty;
	int container;
	unsigned n_open; /* descriptors 3 .. 3 + n_open - 1 are open */
};

/* One record to come. */
enum syn_op {
	SYN_FORK,
	SYN_EXEC,
	SYN_EXIT,
	SYN_OPEN,
	SYN_CLOSE,
	SYN_SOCKET,
	SYN_CONNECT,
	SYN_DUP2,
	SYN_PTRACE,
	SYN_SYMLINK,
	SYN_LINK,
	SYN_UNLINK,
	SYN_RENAME,
	SYN_MKDIR,
	SYN_CHDIR,
	SYN_MODULE,
	SYN_SETUID,
	_SYN_OP_MAX,
};
struct syn_step {
	uint8_t op;    /* enum syn_op */
	bool by_child; /* the short-lived process, else the actor */
	uint16_t port; /* connect */
	uint32_t
		a; /* open: flags; socket: domain; connect: address (host order); ptrace: request; dup2: new descriptor; setuid: uid */
	int32_t res;                 /* open, connect: errno instead of success */
	const struct syn_prog *prog; /* exec */
	const char *path, *path2;
};

/* Appends a NUL-ended list of "subsystem=path" of a process. Returns bytes written. */
size_t syn_cgroups(const struct syn_proc *p, char *buf, size_t cap);
uint64_t syn_cgroup_id(const struct syn_proc *p);

/* Build one record into buf (KEV_SIZE_MAX bytes). They return its length. */
int syn_build_clock(void *buf);
int syn_build_user(void *buf, const struct syn_user *u);
int syn_build_group(void *buf, const struct syn_user *u);
int syn_build_iface(void *buf, unsigned i); /* -ENOENT behind the last */
int syn_build_task(void *buf, const struct syn_proc *p);
int syn_build_task_file(void *buf, const struct syn_proc *p, unsigned fd);
/* Builds the step's event and changes the processes as it says. @child: set up by SYN_FORK. */
int syn_build_step(void *buf, const struct syn_step *st, struct syn_proc *actor,
	struct syn_proc *child, uint64_t ts_ns, uint64_t salt);
