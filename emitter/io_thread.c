/* SPDX-License-Identifier: Apache-2.0 */
/* The backend for where io_uring is refused: one writer thread does the requests in their order with
 * plain calls. It is started after the seal, which it would otherwise escape; it touches nothing but
 * the two queues here and the buffers of the request at hand. */

#include <sys/eventfd.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/macros.h>

#include "io.h"

struct io_queue {
	struct io_req *first, **last;
};

struct io_thread {
	pthread_t thread;
	bool is_running, must_end; /* must_end: under the lock */
	pthread_mutex_t lock;
	pthread_cond_t has_work;
	struct io_queue todo, finished; /* under the lock */
	int wake_fd, dir_fd;
};

static void queue_add(struct io_queue *l, struct io_req *q)
{
	q->next = NULL;
	*l->last = q;
	l->last = &q->next;
}

static struct io_req *queue_take(struct io_queue *l)
{
	struct io_req *q = l->first;

	if (!q)
		return NULL;
	l->first = q->next;
	if (!l->first)
		l->last = &l->first;
	return q;
}

static void *work(void *arg)
{
	struct io_thread *t = arg;

	(void)pthread_mutex_lock(&t->lock);
	for (;;) {
		struct io_req *q = queue_take(&t->todo);
		int64_t r;

		if (!q && t->must_end)
			break;
		if (!q) {
			(void)pthread_cond_wait(&t->has_work, &t->lock);
			continue;
		}
		(void)pthread_mutex_unlock(&t->lock);
		r = io_perform(t->dir_fd, q);
		(void)pthread_mutex_lock(&t->lock);
		q->result = r;
		queue_add(&t->finished, q);
		(void)!write(t->wake_fd, &(uint64_t){1}, sizeof(uint64_t)); /* never full */
	}
	(void)pthread_mutex_unlock(&t->lock);
	return NULL;
}

static int io_thread_post_seal(struct io *io)
{
	struct io_thread *t = io->priv;
	pthread_attr_t attr;
	int r;

	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, 128 << 10);
	r = pthread_create(&t->thread, &attr, work, t);
	(void)pthread_attr_destroy(&attr);
	t->is_running = r == 0;
	return -r;
}

static void io_thread_submit(struct io *io, struct io_req *q)
{
	struct io_thread *t = io->priv;

	(void)pthread_mutex_lock(&t->lock);
	queue_add(&t->todo, q);
	(void)pthread_cond_signal(&t->has_work);
	(void)pthread_mutex_unlock(&t->lock);
}

static unsigned io_thread_reap(struct io *io)
{
	struct io_thread *t = io->priv;
	struct io_req *q, *next;
	uint64_t n_wakes;
	unsigned n = 0;

	(void)!read(io->wake_fd, &n_wakes, sizeof(n_wakes)); /* only to make it silent again */
	(void)pthread_mutex_lock(&t->lock);
	q = t->finished.first;
	t->finished = (struct io_queue){NULL, &t->finished.first};
	(void)pthread_mutex_unlock(&t->lock);
	for (; q; q = next, n++) {
		next = q->next;
		io_finish(io, q, q->result);
	}
	return n;
}

static void io_thread_close(struct io *io)
{
	struct io_thread *t = io->priv;

	if (t->is_running) {
		(void)pthread_mutex_lock(&t->lock);
		t->must_end = true;
		(void)pthread_cond_signal(&t->has_work);
		(void)pthread_mutex_unlock(&t->lock);
		(void)pthread_join(t->thread, NULL);
	}
	(void)pthread_mutex_destroy(&t->lock);
	(void)pthread_cond_destroy(&t->has_work);
	free(t);
}

static struct io_ops io_thread_ops = {
	.name = "thread",
	.seal = {.threads = 1, .files = 1},
	.submit = io_thread_submit,
	.reap = io_thread_reap,
	.post_seal = io_thread_post_seal,
	.close = io_thread_close,
};

int io_open_thread(struct io *io, int dir_fd)
{
	_cleanup_free_ struct io_thread *t = calloc(1, sizeof(*t));
	int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (!t || wake_fd < 0) {
		(void)fd_close(wake_fd);
		return t ? -errno : -ENOMEM;
	}
	(void)pthread_mutex_init(&t->lock, NULL);
	(void)pthread_cond_init(&t->has_work, NULL);
	t->todo.last = &t->todo.first;
	t->finished.last = &t->finished.first;
	t->dir_fd = dir_fd;
	t->wake_fd = wake_fd;
	io_thread_ops.seal.calls = io_plain_calls;
	io_thread_ops.seal.n_calls = io_plain_n_calls;
	*io = (struct io){
		.ops = &io_thread_ops, .priv = TAKE_PTR(t), .dir_fd = dir_fd, .wake_fd = wake_fd};
	return 0;
}
