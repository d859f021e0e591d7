/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptors that a stage was given, by role and index; and messages to the supervisor.
 * Filled before the seal from the supervisor's messages (trusted), looked up by the stage; no
 * system call but sendmsg here. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/log.h>
#include <stage/stage.h>

#include "stage_priv.h"

#define STAGE_FDS_MAX 4096

int stage_fd_add(struct stage *s, const struct ctl_msg *msg, int fd)
{
	_cleanup_close_ int own = fd;
	struct stage_fd *fds;

	if (own < 0 || s->n_fds >= STAGE_FDS_MAX)
		return -EBADMSG;
	if (stage_fd_find(s, msg->role, msg->index))
		return -EEXIST;
	fds = reallocarray(s->fds, s->n_fds + 1, sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	s->fds = fds;
	fds[s->n_fds] =
		(struct stage_fd){.role = msg->role, .index = msg->index, .fd = TAKE_FD(own)};
	(void)snprintf(fds[s->n_fds].name, sizeof(fds->name), "%.63s",
		msg->text); /* names are for messages: cut */
	s->n_fds++;
	return 0;
}

const struct stage_fd *stage_fd_find(const struct stage *s, enum ctl_role role, unsigned index)
{
	for (size_t i = 0; i < s->n_fds; i++)
		if (s->fds[i].role == role && s->fds[i].index == index)
			return &s->fds[i];
	return NULL;
}

int stage_fd_get(const struct stage *s, enum ctl_role role, unsigned index)
{
	const struct stage_fd *f = stage_fd_find(s, role, index);

	return f ? f->fd : -1;
}

int stage_fd_take(struct stage *s, enum ctl_role role, unsigned index)
{
	for (size_t i = 0; i < s->n_fds; i++)
		if (s->fds[i].role == role && s->fds[i].index == index)
			return TAKE_FD(s->fds[i].fd);
	return -1;
}

unsigned stage_fd_count(const struct stage *s, enum ctl_role role)
{
	unsigned n = 0;

	for (size_t i = 0; i < s->n_fds; i++)
		n += s->fds[i].role == role;
	return n;
}

int stage_send(struct stage *s, enum ctl_type type, enum ctl_role role, unsigned index, int result,
	uint64_t value, const char *text, int fd)
{
	struct ctl_msg m = {
		.magic = CTL_MAGIC,
		.type = type,
		.role = role,
		.index = index,
		.result = result,
		.value = {value},
	};

	if (text)
		(void)snprintf(m.text, sizeof(m.text), "%s", text); /* one line for a person: cut */
	return ctl_send(s->ctl_fd, &m, fd);
}

void stage_peer_fault(struct stage *s, enum ctl_role role, unsigned index, const char *why)
{
	log_err("peer broke the protocol (descriptor role %d, number %u): %s", (int)role, index,
		why);
	(void)stage_send(s, CTL_FAULT, role, index, -EBADMSG, 0, why,
		-1); /* the exit status says it as well */
	_exit(3);
}
