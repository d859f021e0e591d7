/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket's server side: a few clients at once, each with one request and a deadline.
 * Input: whoever may open the socket (mode 0600: our own user). A request is one packet of fixed
 * size; anything else ends the client. Nothing here waits. */
#include "control.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>

#include "sup.h"

#define CLIENT_NS (5 * NS_PER_S)

static void client_close(struct sup *s, struct sup_client *c)
{
	sup_watch_close(s, &c->watch);
	free(c->reply);
	*c = (struct sup_client){.watch.fd = -1};
}

/* Sends what the socket takes now; closes when all is sent. */
static void client_send(struct sup *s, struct sup_client *c)
{
	while (c->sent < c->reply_n) {
		size_t n = c->sent < sizeof(struct control_reply)
				   ? sizeof(struct control_reply)
				   : MIN(c->reply_n - c->sent, (size_t)CONTROL_PACKET_MAX);
		ssize_t k = send(c->watch.fd, c->reply + c->sent, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && errno == EAGAIN && sup_watch_mod(s, &c->watch, EPOLLOUT) == 0)
			return;
		if (k != (ssize_t)n)
			break;
		c->sent += n;
	}
	client_close(s, c);
}

static int test_output(struct sup *s, const struct control_request *q)
{
	if (!memchr(q->name, 0, sizeof(q->name)))
		return -EINVAL;
	for (size_t i = 1; i < s->n_children; i++) {
		struct sup_child *c = &s->children[i];

		if (c->proc->type != PLAN_EMITTER ||
			strcmp(s->config->outputs[c->proc->index].name, q->name) != 0)
			continue;
		if (c->state != LC_RUNNING)
			return -EAGAIN;
		return sup_send(c, CTL_TEST, FD_NONE, 0, NULL, -1) < 0 ? -EAGAIN : 0;
	}
	return -ENOENT;
}

static void client_answer(struct sup *s, struct sup_client *c, const struct control_request *q)
{
	struct control_reply head = {.magic = CONTROL_MAGIC, .result = -EINVAL};
	_cleanup_free_ char *text = NULL;
	int status = 0;

	if (q->magic == CONTROL_MAGIC && q->type == CONTROL_STATUS) {
		text = sup_status_json(s, &status);
		head.result = text ? status : -ENOMEM;
		head.size = text ? strlen(text) : 0;
	}
	if (q->magic == CONTROL_MAGIC && q->type == CONTROL_OUTPUT_TEST)
		head.result = test_output(s, q);
	c->reply_n = sizeof(head) + head.size;
	c->reply = malloc(c->reply_n);
	if (!c->reply) {
		client_close(s, c);
		return;
	}
	memcpy(c->reply, &head, sizeof(head));
	if (text)
		memcpy(c->reply + sizeof(head), text, head.size);
	client_send(s, c);
}

static void on_client(struct sup *s, struct sup_watch *w, uint32_t events)
{
	struct sup_client *c = w->owner;
	struct control_request q;
	ssize_t n;

	if (c->reply) {
		if (events & (EPOLLHUP | EPOLLERR))
			client_close(s, c);
		else
			client_send(s, c);
		return;
	}
	n = recv(w->fd, &q, sizeof(q), MSG_DONTWAIT | MSG_TRUNC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != (ssize_t)sizeof(q))
		client_close(s, c);
	else
		client_answer(s, c, &q);
}

static void on_connect(struct sup *s, struct sup_watch *w, uint32_t events)
{
	(void)events;
	for (unsigned i = 0; i < SUP_CLIENTS_MAX; i++) {
		struct sup_client *c = &s->clients[i];

		if (c->watch.fd >= 0)
			continue;
		c->watch = (struct sup_watch){
			.fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK),
			.ready = on_client,
			.owner = c};
		if (c->watch.fd < 0)
			return;
		c->deadline_ns = clock_mono_ns() + CLIENT_NS;
		if (sup_watch_add(s, &c->watch, EPOLLIN) < 0)
			client_close(s, c);
	}
	/* all places taken: the rest waits in the socket's queue until a deadline frees one */
}

void sup_control_tick(struct sup *s, uint64_t now_ns)
{
	for (unsigned i = 0; i < SUP_CLIENTS_MAX; i++)
		if (s->clients[i].watch.fd >= 0 && now_ns >= s->clients[i].deadline_ns)
			client_close(s, &s->clients[i]);
}

/* Is somebody listening there? -EADDRINUSE and a line; a dead one's socket is removed. */
static int clear_path(const struct sockaddr_un *addr)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);
	struct stat st;

	if (lstat(addr->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno == EAGAIN) {
		(void)getsockopt(
			fd, SOL_SOCKET, SO_PEERCRED, &peer, &len); /* the pid is for the message */
		log_err("another saker is running on '%s' (pid %d)", addr->sun_path, (int)peer.pid);
		return -EADDRINUSE;
	}
	if (errno != ECONNREFUSED)
		return -errno;
	return unlink(addr->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

/* The folder of the socket, if it is only the last part that is missing. */
static void make_folder(const char *path)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	(void)snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return;
	*slash = 0;
	(void)mkdir(dir, 0755); /* there already, or bind() says what is wrong */
}

static int listen_at(struct sup *s, const struct sockaddr_un *addr)
{
	mode_t old;
	int r;

	s->control = (struct sup_watch){
		.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
		.ready = on_connect};
	if (s->control.fd < 0)
		return -errno;
	old = umask(0177);
	r = bind(s->control.fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ? -errno : 0;
	(void)umask(old);
	if (r < 0)
		return r;
	s->owns_socket = true;
	if (listen(s->control.fd, SUP_CLIENTS_MAX) < 0)
		return -errno;
	return sup_watch_add(s, &s->control, EPOLLIN);
}

int sup_control_open(struct sup *s)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int r;

	_Static_assert(
		sizeof(s->config->control_socket) == sizeof(addr.sun_path), "the plan's path fits");
	memcpy(addr.sun_path, s->config->control_socket, sizeof(addr.sun_path));
	r = clear_path(&addr);
	if (r == 0) {
		make_folder(addr.sun_path);
		r = listen_at(s, &addr);
	}
	if (r >= 0 || r == -EADDRINUSE)
		return r;
	if (s->mode == PLAN_MODE_USER) {
		log_warning_errno(r,
			"make the control socket '%s', going on without: 'saker status' will not "
			"find this one",
			addr.sun_path);
		sup_watch_close(s, &s->control);
		return 0;
	}
	return log_err_errno(r, "make the control socket '%s'", addr.sun_path);
}

void sup_control_close(struct sup *s)
{
	for (unsigned i = 0; i < SUP_CLIENTS_MAX; i++)
		if (s->clients[i].watch.fd >= 0)
			client_close(s, &s->clients[i]);
	sup_watch_close(s, &s->control);
	if (s->owns_socket)
		(void)unlink(s->config->control_socket);
	s->owns_socket = false;
}
