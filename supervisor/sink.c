/* SPDX-License-Identifier: Apache-2.0 */
/* What sealed stages cannot open themselves: sinks, the host's user tables, a route socket. Opened
 * by name from the plan and from here, never by a stage's word: a stage says only which of its own
 * it wants again. */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/log.h>
#include <base/macros.h>

#include "sup.h"

static int open_stdout(void)
{
	int fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);

	return fd < 0 ? -errno : fd;
}

static int connect_unix(const char *path, const int *types, size_t n_types)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int r = -EPROTOTYPE;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path));
	for (size_t i = 0; i < n_types && r == -EPROTOTYPE; i++) {
		_cleanup_close_ int fd =
			socket(AF_UNIX, types[i] | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		if (fd < 0)
			return -errno;
		if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
			return TAKE_FD(fd);
		r = -errno;
	}
	return r;
}

int sup_capture_open(const struct sup *s)
{
	/* O_NONBLOCK: a pipe that nobody writes to must hold neither us nor the reader */
	int fd = open(s->config->capture_file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode)))
		return fd;
	(void)close(fd);
	return S_ISDIR(st.st_mode) ? -EISDIR : -ENOTSUP;
}

int sup_syslog_open(const char *path)
{
	static const int types[] = {SOCK_DGRAM, SOCK_STREAM};

	return connect_unix(path, types, ARRAY_LEN(types));
}

int sup_runtime_open(const struct sup *s, unsigned index)
{
	char path[sizeof(s->host_root) + SETTINGS_PATH_MAX];

	if (index >= s->config->n_runtimes)
		return -EINVAL;
	(void)snprintf(path, sizeof(path), "%s%s", s->host_root, s->config->runtimes[index].path);
	if (s->config->runtimes[index].uid)
		return sup_user_socket_open(s->config->runtimes[index].uid, path);
	return connect_unix(path, &(const int){SOCK_STREAM}, 1);
}

int sup_record_open(struct sup *s, uint64_t ts_ns, uint64_t seq)
{
	const struct plan_output *o = &s->config->outputs[s->config->n_outputs - 1];
	int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_APPEND, fd;
	char path[PLAN_PATH_MAX + 64];

	(void)snprintf(path, sizeof(path), "%s", o->path);
	if (s->config->record_mode == RECORD_AROUND) {
		(void)snprintf(path, sizeof(path), "%s_%020llu_%020llu.scap", o->path,
			(unsigned long long)ts_ns, (unsigned long long)seq);
		flags |= O_EXCL | O_NOFOLLOW; /* the prefix may lie where anybody can make links */
	} else if (!s->has_record_file) {
		flags |= O_TRUNC;
	}
	fd = open(path, flags, 0600);
	if (fd < 0)
		return log_err_errno(-errno, "open the capture file '%s'", path);
	s->has_record_file = true;
	log_info("recording into '%s'", path);
	return fd;
}

int sup_sink_open(struct sup *s, unsigned output)
{
	const struct plan_output *o = &s->config->outputs[output];

	switch (o->kind) {
	case PLAN_OUT_STDOUT:
		return open_stdout();
	case PLAN_OUT_FILE:
		return sup_file_open(s, output);
	case PLAN_OUT_SYSLOG:
		return o->path[0] ? sup_syslog_open(o->path) : -EOPNOTSUPP;
	case PLAN_OUT_HTTP:
		return o->path[0] ? connect_unix(o->path, &(const int){SOCK_STREAM}, 1)
				  : -EOPNOTSUPP;
	default:
		return -EOPNOTSUPP;
	}
}

struct host_file {
	const char *name, *path; /* NULL: as configured */
	bool live_only;          /* the host's own users belong to the host's own events */
};

/* By a stage's own numbers. */
static const struct host_file *host_file(enum plan_type type, unsigned index)
{
	static const struct host_file metadata[] = {
		{"passwd", "/etc/passwd", true},
		{"group", "/etc/group", true},
		[CTL_FILE_CONTAINERS] = {NULL, NULL, false},
	};
	static const struct host_file dialer[] = {
		{"resolv.conf", "/etc/resolv.conf", false},
		{"hosts", "/etc/hosts", false},
		{"nsswitch.conf", "/etc/nsswitch.conf", false},
	};

	if (type == PLAN_METADATA && index < ARRAY_LEN(metadata))
		return &metadata[index];
	if (type == PLAN_DIALER && index < ARRAY_LEN(dialer))
		return &dialer[index];
	return NULL;
}

const char *sup_host_file_name(const struct sup *s, enum plan_type type, unsigned index)
{
	const struct host_file *f = host_file(type, index);

	if (!f || (f->live_only && s->config->engine != ENGINE_BPF))
		return NULL;
	if (f->name)
		return f->name;
	return s->config->metadata_file[0] ? s->config->metadata_file : NULL;
}

int sup_host_file_open(const struct sup *s, enum plan_type type, unsigned index)
{
	const struct host_file *f = host_file(type, index);
	const char *name = sup_host_file_name(s, type, index);
	char path[PATH_MAX];
	int fd;

	if (!name)
		return -ENOENT;
	if (snprintf(path, sizeof(path), "%s%s", f->live_only ? s->host_root : "",
		    f->path ? f->path : name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

int sup_netlink_open(void)
{
	struct sockaddr_nl addr = {
		.nl_family = AF_NETLINK, .nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR};
	_cleanup_close_ int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return TAKE_FD(fd);
}
