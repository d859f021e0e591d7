/* SPDX-License-Identifier: Apache-2.0 */
/* The line to the dialer. Answers are matched by number; one that nobody waits for any more is
 * closed. The dialer is not trusted further than that it hands over sockets: what the peer is, TLS
 * says. */

#include "dial.h"

#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>

/* another waiting thread, or the stage, may have read our answer */
#define DIAL_LOOK_MS 20
#define DIAL_GRACE_NS NS_PER_S /* the dialer itself gives up at the time that it was told */

struct pending {
	uint32_t id; /* 0: free */
	bool has_answer;
	int fd;
	int result;
	uint64_t until_ns;
	char text[DIAL_TEXT_MAX];
	struct dial_request request;
};

struct dial {
	int fd;
	pthread_mutex_t lock;
	bool is_cancelled;
	uint32_t last_id;
	struct pending pending[DIAL_PENDING_MAX];
};

struct dial *dial_new(int fd)
{
	struct dial *d = calloc(1, sizeof(*d));

	if (!d) {
		(void)fd_close(fd);
		return NULL;
	}
	d->fd = fd;
	/* numbers of a predecessor's must not look like ours */
	d->last_id = (uint32_t)clock_mono_ns();
	(void)pthread_mutex_init(&d->lock, NULL);
	return d;
}

struct dial *dial_free(struct dial *d)
{
	if (!d)
		return NULL;
	for (unsigned i = 0; i < DIAL_PENDING_MAX; i++)
		if (d->pending[i].id)
			(void)fd_close(d->pending[i].fd);
	(void)fd_close(d->fd);
	(void)pthread_mutex_destroy(&d->lock);
	free(d);
	return NULL;
}

int dial_fd(const struct dial *d)
{
	return d->fd;
}

static struct pending *find(struct dial *d, uint32_t id)
{
	for (unsigned i = 0; i < DIAL_PENDING_MAX; i++)
		if (d->pending[i].id == id)
			return &d->pending[i];
	return NULL;
}

/* send, not sendmsg: a filter lets that go to the control socket alone. */
static int send_request(int fd, const struct dial_request *q)
{
	ssize_t n;

	do
		n = send(fd, q, sizeof(*q), MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? (errno == EAGAIN ? -EBUSY : -errno) : 0;
}

static int start_locked(struct dial *d, const struct dial_request *q, struct pending **ret_p)
{
	struct pending *p = find(d, 0);
	int r;

	if (!p)
		return -EBUSY;
	r = send_request(d->fd, q);
	if (r < 0)
		return r;
	*p = (struct pending){.id = q->id,
		.fd = -1,
		.request = *q,
		.until_ns = clock_mono_ns() + q->timeout_ms * NS_PER_MS + DIAL_GRACE_NS};
	*ret_p = p;
	return 0;
}

static int start(struct dial *d, enum dial_proto proto, const char *host, uint16_t port,
	unsigned timeout_ms, struct pending **ret_p)
{
	struct dial_request q = {.magic = DIAL_MAGIC,
		.proto = proto,
		.port = port,
		.timeout_ms = MIN(MAX(timeout_ms, 1U), (unsigned)DIAL_TIMEOUT_MAX_MS)};

	if (strlen(host) >= sizeof(q.host))
		return -ENAMETOOLONG;
	memcpy(q.host, host, strlen(host));
	d->last_id++;
	if (d->last_id == 0)
		d->last_id++;
	q.id = d->last_id;
	return start_locked(d, &q, ret_p);
}

int dial_start(struct dial *d, enum dial_proto proto, const char *host, uint16_t port,
	unsigned timeout_ms, uint32_t *ret_id)
{
	struct pending *p;
	int r;

	(void)pthread_mutex_lock(&d->lock);
	r = start(d, proto, host, port, timeout_ms, &p);
	if (r == 0)
		*ret_id = p->id;
	(void)pthread_mutex_unlock(&d->lock);
	return r;
}

static int take_locked(struct pending *p, int *ret_fd, char text[DIAL_TEXT_MAX])
{
	int r = p->result;

	if (!p->has_answer) {
		if (clock_mono_ns() < p->until_ns)
			return -EAGAIN;
		r = -ETIMEDOUT;
		(void)snprintf(p->text, sizeof(p->text), "the dialer does not answer");
	}
	memcpy(text, p->text, DIAL_TEXT_MAX);
	if (r == 0)
		*ret_fd = p->fd;
	p->id = 0;
	return r;
}

int dial_take(struct dial *d, uint32_t id, int *ret_fd, char text[DIAL_TEXT_MAX])
{
	struct pending *p;
	int r = -ENOENT;

	(void)pthread_mutex_lock(&d->lock);
	p = id ? find(d, id) : NULL;
	if (p)
		r = take_locked(p, ret_fd, text);
	(void)pthread_mutex_unlock(&d->lock);
	return r;
}

void dial_forget(struct dial *d, uint32_t id)
{
	struct pending *p;

	(void)pthread_mutex_lock(&d->lock);
	p = id ? find(d, id) : NULL;
	if (p) {
		(void)fd_close(p->fd);
		p->id = 0;
	}
	(void)pthread_mutex_unlock(&d->lock);
}

/* A new dialer may not have heard of what its predecessor was asked. If it has, the second answer to
 * the same number is one too many, and closed. */
static void ask_again(struct dial *d)
{
	for (unsigned i = 0; i < DIAL_PENDING_MAX; i++)
		if (d->pending[i].id && !d->pending[i].has_answer)
			(void)send_request(d->fd, &d->pending[i].request);
}

static void take_answer(struct dial *d, const struct dial_answer *a, int fd)
{
	_cleanup_close_ int own = fd;
	struct pending *p;

	if (a->id == 0) {
		ask_again(d);
		return;
	}
	p = find(d, a->id);
	if (!p || p->has_answer)
		return; /* too late, or a predecessor's */
	p->has_answer = true;
	p->result = a->result;
	p->fd = TAKE_FD(own);
	memcpy(p->text, a->text, sizeof(p->text));
}

static void read_answers(struct dial *d)
{
	for (;;) {
		struct dial_answer a;
		int fd = -1, r = dial_recv_answer(d->fd, &a, &fd);

		if (r == -EBADMSG)
			continue;
		if (r <= 0)
			return;
		take_answer(d, &a, fd);
	}
}

void dial_ready(struct dial *d)
{
	(void)pthread_mutex_lock(&d->lock);
	read_answers(d);
	(void)pthread_mutex_unlock(&d->lock);
}

int dial_wait(struct dial *d, enum dial_proto proto, const char *host, uint16_t port,
	unsigned timeout_ms, int *ret_fd, char text[DIAL_TEXT_MAX])
{
	struct pending *p = NULL;
	int r;

	text[0] = 0;
	(void)pthread_mutex_lock(&d->lock);
	r = d->is_cancelled ? -ECANCELED : start(d, proto, host, port, timeout_ms, &p);
	/* Whoever waits reads for all: the stage's own thread may be waiting for the library that we
	 * work for. */
	while (r == 0) {
		struct pollfd pfd = {.fd = d->fd, .events = POLLIN};

		read_answers(d);
		r = take_locked(p, ret_fd, text);
		if (r != -EAGAIN)
			break;
		if (d->is_cancelled) {
			p->id = 0;
			r = -ECANCELED;
			break;
		}
		(void)pthread_mutex_unlock(&d->lock);
		(void)poll(&pfd, 1, DIAL_LOOK_MS);
		(void)pthread_mutex_lock(&d->lock);
		r = 0;
	}
	(void)pthread_mutex_unlock(&d->lock);
	return r;
}

void dial_cancel_all(struct dial *d, bool is_over)
{
	(void)pthread_mutex_lock(&d->lock);
	d->is_cancelled = !is_over;
	(void)pthread_mutex_unlock(&d->lock);
}
