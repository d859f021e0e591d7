/* SPDX-License-Identifier: Apache-2.0 */
/* The made-up host of the synthetic source: its users, programs, containers and files. Constant data only; nothing of it is read from the real host. */

#include "synthetic.h"

#include <base/macros.h>

/* Strings in a row: the literal's own NUL ends the last one. */
#define ARGS(s)                                                                                    \
	{                                                                                          \
		.p = (s), .n = sizeof(s)                                                           \
	}
#define NO_ARGS                                                                                    \
	{                                                                                          \
		.p = NULL, .n = 0                                                                  \
	}

const struct syn_user syn_users[] = {
	{0, 0, "root", "/root", "/bin/bash"},
	{1, 1, "daemon", "/usr/sbin", "/usr/sbin/nologin"},
	{33, 33, "www-data", "/var/www", "/usr/sbin/nologin"},
	{101, 103, "mysql", "/nonexistent", "/bin/false"},
	{1000, 1000, "alice", "/home/alice", "/bin/bash"},
	{1001, 1001, "bob", "/home/bob", "/bin/zsh"},
};
const unsigned syn_n_users = ARRAY_LEN(syn_users);

const char *const syn_container_ids[SYN_CONTAINERS] = {
	"3ad7b26ded6d8e7b23da7d48fe889434573036c27ae5a74837233de441c3601e",
	"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
	"60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
	"fd61a03af4f77d870fc21e05e7e80678095c92d808cfb3b5c279ee04c74aca13",
};

const struct syn_base_proc syn_base[_SYN_BASE_MAX] = {
	[SYN_SYSTEMD] = {{"systemd", "/sbin/init", "/usr/lib/systemd/systemd", NO_ARGS, 0}, 1, 0, 0,
		0, SYN_NO_CONTAINER},
	[SYN_SSHD] = {{"sshd", "sshd:", "/usr/sbin/sshd", ARGS("alice [priv]"), 0}, 600, 1, 0, 0,
		SYN_NO_CONTAINER},
	[SYN_LOGIN_SHELL] = {{"bash", "-bash", "/usr/bin/bash", NO_ARGS, 0}, 610, 600, 1000,
		SYN_TTY, SYN_NO_CONTAINER},
	[SYN_WWW_SHELL] = {{"screen", "screen", "/usr/bin/screen", ARGS("-d\0-m"), 0}, 611, 600, 33,
		SYN_TTY, SYN_NO_CONTAINER},
	[SYN_CRON] = {{"cron", "/usr/sbin/cron", "/usr/sbin/cron", ARGS("-f"), 0}, 620, 1, 0, 0,
		SYN_NO_CONTAINER},
	[SYN_DOCKERD] = {{"dockerd", "/usr/bin/dockerd", "/usr/bin/dockerd", ARGS("-H\0fd://"), 0},
		700, 1, 0, 0, SYN_NO_CONTAINER},
	[SYN_SHIM] = {{"containerd-shim", "/usr/bin/containerd-shim-runc-v2",
			      "/usr/bin/containerd-shim-runc-v2", ARGS("-namespace\0moby"), 0},
		710, 1, 0, 0, SYN_NO_CONTAINER},
	[SYN_NGINX] = {{"nginx", "nginx:", "/usr/sbin/nginx", ARGS("master process nginx"), 0}, 720,
		710, 0, 0, 0},
	[SYN_MYSQLD] = {{"mysqld", "/usr/sbin/mysqld", "/usr/sbin/mysqld", NO_ARGS, 0}, 730, 1, 101,
		0, SYN_NO_CONTAINER},
	[SYN_JAVA] = {{"java", "/usr/bin/java", "/usr/lib/jvm/bin/java",
			      ARGS("-Xmx2g\0-jar\0/app/app.jar"), 0},
		740, 710, 1000, 0, 1},
	[SYN_POSTFIX] = {{"master", "/usr/lib/postfix/sbin/master", "/usr/lib/postfix/sbin/master",
				 ARGS("-w"), 0},
		750, 1, 0, 0, SYN_NO_CONTAINER},
};

const struct syn_prog syn_workers[] = {
	{"python3", "python3", "/usr/bin/python3", ARGS("/srv/app/worker.py\0--queue\0jobs"), 0},
	{"node", "node", "/usr/bin/node", ARGS("/app/server.js"), 0},
	{"prometheus", "/bin/prometheus", "/bin/prometheus",
		ARGS("--config.file=/etc/prometheus/prometheus.yml"), 0},
	{"etcd", "/usr/local/bin/etcd", "/usr/local/bin/etcd", ARGS("--data-dir=/var/lib/etcd"), 0},
	{"ruby", "ruby", "/usr/bin/ruby", ARGS("/srv/shop/bin/puma\0-C\0config/puma.rb"), 0},
	{"haproxy", "/usr/sbin/haproxy", "/usr/sbin/haproxy", ARGS("-f\0/etc/haproxy/haproxy.cfg"),
		0},
};
const unsigned syn_n_workers = ARRAY_LEN(syn_workers);

const struct syn_prog syn_commands[] = {
	{"ls", "ls", "/usr/bin/ls", ARGS("-la\0/srv"), 0},
	{"cat", "cat", "/usr/bin/cat", ARGS("/proc/loadavg"), 0},
	{"date", "date", "/usr/bin/date", ARGS("+%s"), 0},
	{"git", "git", "/usr/bin/git", ARGS("status\0--short"), 0},
	{"make", "make", "/usr/bin/make", ARGS("-j4\0all"), 0},
	{"sed", "sed", "/usr/bin/sed",
		ARGS("-n\0"
		     "1,10p\0/srv/app/notes.txt"),
		0},
	{"curl", "curl", "/usr/bin/curl", ARGS("-s\0http://10.0.0.7/health"), 0},
	{"gzip", "gzip", "/usr/bin/gzip", ARGS("-9\0/srv/backup/dump.sql"), 0},
};
const unsigned syn_n_commands = ARRAY_LEN(syn_commands);

const char *const syn_read_paths[] = {
	"/etc/hosts",
	"/etc/resolv.conf",
	"/etc/nsswitch.conf",
	"/etc/ld.so.cache",
	"/etc/localtime",
	"/etc/passwd",
	"/lib/x86_64-linux-gnu/libc.so.6",
	"/proc/self/status",
	"/proc/meminfo",
	"/proc/stat",
	"/sys/fs/cgroup/memory.current",
	"/srv/app/config.yml",
	"/srv/app/templates/index.html",
	"/usr/share/zoneinfo/UTC",
	"/usr/lib/python3/dist-packages/yaml/__init__.py",
	"/var/lib/app/state.db",
	"cache/entry-17",
	"../shared/words.txt",
};
const unsigned syn_n_read_paths = ARRAY_LEN(syn_read_paths);

const char *const syn_write_paths[] = {
	"/tmp/work.tmp",
	"/var/lib/app/state.db-journal",
	"/srv/app/out/result.json",
	"/var/cache/app/index",
	"/dev/null",
	"/run/app.pid",
	"/home/alice/notes.txt",
	"/var/spool/app/job-4711",
};
const unsigned syn_n_write_paths = ARRAY_LEN(syn_write_paths);
