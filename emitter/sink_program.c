/* SPDX-License-Identifier: Apache-2.0 */
/* A program's standard input: a line an alert. The supervisor starts the program, with rights of its
 * own, and hands over the pipe; when it ends it is started again for what is left. With keep_alive
 * one takes all alerts, otherwise each alert gets one, and the next waits until it has ended.
 *
 * An alert is delivered when the program has read it: the kernel says what still waits in the pipe.
 * What a program that ended had not read in whole goes to the next one. Without keep_alive a program
 * need not read: if it ends with status 0 it has done its work; if it fails three times before it has
 * read its alert, the alert is refused. Nothing here waits for the program. */

#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>

#include "sink_stream.h"

#define DELAY_MIN_NS (100 * NS_PER_MS)
#define DELAY_MAX_NS (5 * NS_PER_S)
#define LOOK_MIN_MS 2 /* how often the pipe is asked whether it was read, while it is not */
#define LOOK_MAX_MS 100
#define TRIES_MAX 3
#define RUN_MAX 64 /* lines that one write gathers */

struct sink_program {
	struct sink_fifo fifo;
	uint64_t ends[SINK_FIFO_MAX]; /* as fifo: byte of the pipe after its line */
	unsigned n_written;           /* of fifo: the pipe has or had them whole */
	size_t part;                  /* bytes of the next one that it took */
	uint64_t sent;                /* bytes, to the program that runs */
	bool keeps_alive, is_asked;
	bool is_watched;  /* for room in the pipe; for the reader's end it always is */
	bool is_gone;     /* nobody reads any more */
	bool has_reopen;  /* no more to this program */
	bool is_done;     /* each alert its own program: this one has read its alert */
	bool runs;        /* the supervisor has not said yet that it ended */
	bool was_served;  /* and when it does, that says nothing of an alert */
	unsigned n_tries; /* of the first one, without keep_alive */
	unsigned look_ms;
	uint64_t retry_ns, delay_ns;
};

static int program_init(struct sink *k)
{
	struct sink_program *p = calloc(1, sizeof(*p));

	if (!p)
		return log_err_errno(-ENOMEM, "set up the program's pipe");
	p->keeps_alive = json_is_true(json_object_get(k->output->own, "keep_alive"));
	p->delay_ns = DELAY_MIN_NS;
	p->look_ms = LOOK_MIN_MS;
	k->priv = p;
	return 0;
}

static void hang_up(struct sink *k, struct sink_program *p)
{
	if (k->fd >= 0)
		(void)sink_watch(k, k->fd, 0);
	k->fd = fd_close(k->fd);
	p->n_written = 0;
	p->part = 0;
	p->sent = 0;
	p->is_gone = p->is_watched = p->has_reopen = p->is_done = false;
}

static void program_close(struct sink *k)
{
	hang_up(k, k->priv);
	free(k->priv);
	k->priv = NULL;
}

static unsigned program_submit(struct sink *k, const struct sink_msg *msgs, unsigned n)
{
	return sink_fifo_take(&((struct sink_program *)k->priv)->fifo, msgs, n);
}

static void back_off(struct sink_program *p, uint64_t now_ns)
{
	p->retry_ns = now_ns + p->delay_ns;
	p->delay_ns = MIN(p->delay_ns * 2, (uint64_t)DELAY_MAX_NS);
}

static void report(struct sink *k, struct sink_program *p, enum sink_outcome o, const char *why)
{
	sink_fifo_report(k, &p->fifo, o, why);
	if (p->n_written)
		p->n_written--;
	p->n_tries = 0;
	p->look_ms = LOOK_MIN_MS;
	p->delay_ns = DELAY_MIN_NS;
}

/* What of it the program has read. */
static void look(struct sink *k, struct sink_program *p)
{
	unsigned n_before = p->fifo.n;
	int unread = 0;
	uint64_t n_read;

	if (!p->n_written || ioctl(k->fd, FIONREAD, &unread) < 0)
		return;
	n_read = p->sent - MIN((uint64_t)unread, p->sent);
	while (p->n_written && p->ends[p->fifo.first] <= n_read) {
		report(k, p, SINK_DELIVERED, NULL);
		p->is_done = !p->keeps_alive;
	}
	if (p->fifo.n != n_before)
		sink_well(k);
	else
		p->look_ms = MIN(p->look_ms * 2, (unsigned)LOOK_MAX_MS);
}

static unsigned gather(const struct sink_program *p, struct iovec iov[RUN_MAX])
{
	unsigned n = 0, limit = p->keeps_alive ? p->fifo.n : 1;
	size_t skip = p->part;

	for (unsigned i = p->n_written; i < limit && n < RUN_MAX; i++, skip = 0) {
		const struct sink_msg *m = sink_fifo_at(&p->fifo, i);

		iov[n++] = (struct iovec){(char *)m->text.p + skip, m->text.n + 1 - skip};
	}
	return n;
}

static void mark_sent(struct sink_program *p, size_t n)
{
	p->sent += n;
	n += p->part;
	while (n) {
		unsigned at = (p->fifo.first + p->n_written) & (SINK_FIFO_MAX - 1);
		size_t len = p->fifo.msgs[at]->text.n + 1;

		if (n < len)
			break;
		n -= len;
		p->ends[at] = p->sent - n;
		p->n_written++;
	}
	p->part = n;
}

static void write_lines(struct sink *k, struct sink_program *p)
{
	struct iovec iov[RUN_MAX];
	bool is_full = false;

	while (!p->is_gone && !is_full) {
		unsigned n_iov = gather(p, iov);
		ssize_t n;

		if (!n_iov || (p->has_reopen && p->part == 0))
			break;
		n = writev(k->fd, iov, (int)n_iov);
		if (n >= 0)
			mark_sent(p, (size_t)n);
		else if (errno == EAGAIN)
			is_full = true;
		else if (errno != EINTR)
			p->is_gone = true;
	}
	if (is_full != p->is_watched)
		(void)sink_watch(k, k->fd, is_full ? EPOLLOUT : EPOLLERR);
	p->is_watched = is_full;
}

/* It ended, or closed its input. Without keep_alive its status will say what that means. */
static void begin_anew(struct sink *k, struct sink_program *p, uint64_t now_ns)
{
	hang_up(k, p);
	if (!p->keeps_alive)
		return;
	sink_trouble(k, EPIPE, "the program has ended");
	back_off(p, now_ns);
}

static bool wants_program(const struct sink *k, const struct sink_program *p)
{
	return k->fd < 0 && !p->is_asked && (p->keeps_alive || (p->fifo.n && !p->runs));
}

static int program_turn(struct sink *k, uint64_t now_ns)
{
	struct sink_program *p = k->priv;

	if (k->fd >= 0) {
		if (!p->is_done)
			write_lines(k, p);
		look(k, p);
		if (p->is_done || (p->has_reopen && p->n_written == 0 && p->part == 0)) {
			p->was_served = true;
			hang_up(k, p); /* the end of its input */
		} else if (p->is_gone)
			begin_anew(k, p, now_ns);
	}
	if (wants_program(k, p) && now_ns >= p->retry_ns)
		p->is_asked = sink_ask(k, 0, k->output->name) == 0;
	return 0;
}

static int program_timeout_ms(struct sink *k, uint64_t now_ns)
{
	const struct sink_program *p = k->priv;

	if (k->fd >= 0)
		return p->n_written ? (int)p->look_ms : -1;
	if (!wants_program(k, p))
		return -1;
	return p->retry_ns > now_ns ? (int)((p->retry_ns - now_ns) / NS_PER_MS) + 1 : 0;
}

static void program_on_ready(struct sink *k, int fd, uint32_t events)
{
	if (fd == k->fd && events & (EPOLLERR | EPOLLHUP))
		((struct sink_program *)k->priv)->is_gone = true;
}

static void program_on_fd(struct sink *k, uint64_t token _unused_, int result, int fd)
{
	struct sink_program *p = k->priv;

	p->is_asked = false;
	hang_up(k, p);
	if (fd >= 0) {
		k->fd = fd;
		p->runs = true;
		p->was_served = false;
		(void)sink_watch(k, fd, EPOLLERR); /* else the next write says that it is gone */
		return;
	}
	sink_trouble(k, -result, NULL);
	back_off(p, clock_mono_ns());
}

/* Without keep_alive: what its end says of the alert that it was for and had not read. It may come
 * before the pipe's own end was seen, or after it. */
static void program_on_ended(struct sink *k, int status)
{
	struct sink_program *p = k->priv;

	if (!p->runs)
		return; /* our predecessor's */
	p->runs = false;
	if (k->fd >= 0) {
		look(k, p);
		p->was_served |= p->is_done;
		begin_anew(k, p, clock_mono_ns());
	}
	if (p->keeps_alive || p->was_served || !p->fifo.n)
		return;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		report(k, p, SINK_DELIVERED, NULL);
	else if (++p->n_tries >= TRIES_MAX)
		report(k, p, SINK_REFUSED, "the program failed before it had read it");
	else
		back_off(p, clock_mono_ns());
}

static void program_on_reopen(struct sink *k)
{
	((struct sink_program *)k->priv)->has_reopen = k->fd >= 0;
}

static const struct seal_call calls[] = {
	{__NR_writev, "lines"},
};

const struct sink_ops sink_program_ops = {
	.name = "program",
	.seal = {.calls = calls, .n_calls = ARRAY_LEN(calls), .pipes = 1},
	.window_msgs = SINK_FIFO_MAX,
	.init = program_init,
	.close = program_close,
	.submit = program_submit,
	.turn = program_turn,
	.timeout_ms = program_timeout_ms,
	.on_ready = program_on_ready,
	.on_fd = program_on_fd,
	.on_ended = program_on_ended,
	.on_reopen = program_on_reopen,
};
