/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning of every stage: is there a supervisor of the same build, what did it hand over, and
 * the seal. Input: the supervisor's messages, which are trusted for what they ask, and still
 * checked for their form. */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <base/clock.h>
#include <base/log.h>
#include <shm/segment.h>
#include <stage/ctl.h>
#include <stage/stage.h>

#include "stage_priv.h"

static bool stage_has_supervisor(void)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(CTL_FD_SOCKET, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_SEQPACKET;
}

static void stage_set_name(const char *name)
{
	char comm[16];

	/* execveat() leaves the descriptor's number as the name on old kernels */
	(void)snprintf(comm, sizeof(comm), "saker-%.9s", name);
	(void)prctl(PR_SET_NAME, comm);
}

static int stage_hello(struct stage *s, struct stage_hello *ret_hello)
{
	struct ctl_msg m;
	int fd = -1, r;

	r = ctl_recv(s->ctl_fd, &m, &fd);
	if (r == 0)
		return -ECONNRESET; /* the supervisor is gone: nobody to tell */
	if (r < 0)
		return log_err_errno(r, "receive the supervisor's first message");
	if (fd >= 0 || m.type != CTL_HELLO)
		return log_err_errno(-EBADMSG, "the supervisor's first message");
	if (m.value[0] != seg_abi_hash())
		return log_err_errno(
			-ESTALE, "this program is of another build than the supervisor");
	(void)snprintf(s->name, sizeof(s->name), "%.63s", m.text);
	s->index = m.index;
	s->value = m.value[3];
	*ret_hello =
		(struct stage_hello){.uid = (uint32_t)m.value[1], .required = (uint32_t)m.value[2]};
	return 0;
}

static int stage_collect_fds(struct stage *s)
{
	for (;;) {
		struct ctl_msg m;
		int fd = -1, r;

		r = ctl_recv(s->ctl_fd, &m, &fd);
		if (r == 0)
			return -ECONNRESET;
		if (r < 0)
			return log_err_errno(r, "receive from the supervisor");
		if (m.type == CTL_START && fd < 0)
			return 0;
		if (m.type != CTL_FD)
			return log_err_errno(-EBADMSG,
				"message %u from the supervisor before the start", m.type);
		r = stage_fd_add(s, &m, fd);
		if (r < 0)
			return log_err_errno(r, "take the descriptor '%.63s'", m.text);
	}
}

static int stage_map_pages(struct stage *s)
{
	void *p;
	size_t n;
	int fd, r;

	fd = stage_fd_get(s, FD_SETTINGS, 0);
	if (fd >= 0) {
		r = seg_map(fd, SEG_SETTINGS, PROT_READ, &p, &n);
		if (r == 0 && n < sizeof(struct settings))
			r = -EBADMSG;
		if (r < 0)
			return log_err_errno(r, "map the settings");
		s->settings = p;
		if (s->settings->verbose)
			log_set_level(LOG_LVL_DEBUG);
	}
	fd = stage_fd_get(s, FD_STATS, 0);
	if (fd >= 0) {
		r = seg_map(fd, SEG_STATS, PROT_READ | PROT_WRITE, &p, &n);
		if (r == 0 && n < sizeof(struct stats_page))
			r = -EBADMSG;
		if (r < 0)
			return log_err_errno(r, "map the statistics page");
		s->stats = p;
		s->stats_size = n;
		stats_set(&s->stats->heartbeat_ns, clock_mono_ns());
	}
	return 0;
}

int stage_start(struct stage *s, const char *name, struct stage_hello *ret_hello)
{
	int r;

	if (!stage_has_supervisor()) {
		(void)fprintf(
			stderr, "saker-%s: this program is started by saker, not by hand\n", name);
		return -ENOTCONN;
	}
	log_open(CTL_FD_LOG, LOG_STAGE, LOG_LVL_INFO, name);
	stage_set_name(name);
	(void)signal(SIGPIPE, SIG_IGN);
	s->ctl_fd = CTL_FD_SOCKET;
	r = stage_hello(s, ret_hello);
	if (r < 0)
		return r;
	r = stage_collect_fds(s);
	if (r < 0)
		return r;
	return stage_map_pages(s);
}

int stage_seal(struct stage *s, const struct seal_spec *spec, uint64_t keep_caps,
	const struct stage_hello *hello)
{
	struct seal_request q = {
		.spec = spec,
		.uid = hello->uid,
		.required = hello->required,
		.keep_caps = keep_caps,
		.makes_segments = s->ops == NULL,
	};
	struct seal_result res = {0};
	struct ctl_msg m = {.magic = CTL_MAGIC, .type = CTL_SEALED};
	const char *step = "";
	int r;

	r = seal_apply(&q, &res, &step);
	if (r < 0)
		return log_err_errno(r, "seal: %s", step);
	m.value[0] = res.done;
	m.value[1] = res.landlock;
	r = ctl_send(s->ctl_fd, &m, -1);
	return r < 0 ? log_err_errno(r, "report the seal") : 0;
}
