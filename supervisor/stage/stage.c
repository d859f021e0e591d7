/* SPDX-License-Identifier: Apache-2.0 */
/* The five acts and the loop that every long-lived stage shares.
 *
 * The loop: turn() while there is data; a nap when there is none; then arm everything and wait
 * in one epoll for the stage's eventfd, the control socket and what the stage added. It reads
 * nothing but control messages; what turn() reads is the stage's own business.
 *
 * A nap or a wait costs ten to twenty microseconds of CPU, whatever it finds. So a stream that
 * leaves the stage idle most of the time is taken in longer and longer naps, with a second one
 * where the producer naps as well, and a single event, which the stage was woken for, is followed
 * by one nap before the next wait. */
#include <sys/epoll.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>
#include <stage/stage.h>

#include "stage_priv.h"

#define STAGE_NAP_NS (800 * NS_PER_US)       /* the first one after a wait */
#define STAGE_NAP_MIN_NS (200 * NS_PER_US)   /* for a stage that has much to do, or no room */
#define STAGE_NAP_MAX_NS (3200 * NS_PER_US)  /* also what it adds to an alert's way, at most */
#define STAGE_SOON_NS (2 * STAGE_NAP_MAX_NS) /* a wait that ends sooner was part of a stream */
#define STAGE_FILL_HIGH 25             /* percent: of what may overflow while the stage naps */
#define STAGE_WAIT_MAX_MS 1000         /* the heartbeat goes on while waiting */
#define STAGE_LOOK_NS (10 * NS_PER_MS) /* how often a busy stage looks at its control socket */
#define STAGE_VITALS_NS NS_PER_S
#define STAGE_PSS_SHARE 5000 /* reading it walks all mapped pages: at most that part of a core */
#define STAGE_EVENTS 16

struct stage_loop {
	struct stage *s;
	int wake_fd;  /* borrowed; -1 none */
	int smaps_fd; /* opened before the seal: afterwards the kernel refuses it */
	uint64_t looked_ns, vitals_ns;
	uint64_t pss_after_ns; /* not read again before */
	uint64_t nap_ns;       /* the last nap; 0: a long wait came after it */
	uint64_t woke_ns;      /* of the last nap or wait */
	unsigned naps_left;    /* before the next wait */
	bool has_worked;       /* something was done since the last nap */
	bool has_heard;        /* a control message came since the turn began */
	bool lost_supervisor;
};

int stage_watch(struct stage *s, int fd, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.fd = fd};

	if (events == 0)
		return epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, fd, NULL) < 0 ? -errno : 0;
	if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	return epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, fd, &e) < 0 ? -errno : 0;
}

int stage_allow(struct stage *s, const struct seal_spec *more)
{
	unsigned n = s->seal.n_calls + more->n_calls;
	struct seal_call *calls = reallocarray(NULL, n ? n : 1, sizeof(*calls));

	if (!calls)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++)
		calls[i] =
			i < s->seal.n_calls ? s->seal.calls[i] : more->calls[i - s->seal.n_calls];
	s->seal.calls = calls; /* lives as long as the process, as the one before */
	s->seal.n_calls = n;
	s->seal.threads |= more->threads;
	s->seal.files |= more->files;
	s->seal.net |= more->net;
	s->seal.workers |= more->workers;
	s->seal.pipes |= more->pipes;
	if (more->folder)
		s->seal.folder = more->folder;
	return 0;
}

/* The proportional share of this process's memory, from the kernel's own text about us. 0: not
 * known. */
static uint64_t stage_read_pss(int smaps_fd)
{
	char buf[2048];
	const char *p;
	ssize_t n;

	if (smaps_fd < 0)
		return 0;
	n = pread(smaps_fd, buf, sizeof(buf) - 1, 0);
	if (n <= 0)
		return 0;
	buf[n] = 0;
	p = strstr(buf, "\nPss:");
	return p ? strtoull(p + 5, NULL, 10) * 1024 : 0;
}

static void stage_vitals(struct stage_loop *l, uint64_t now_ns)
{
	struct stats_page *st = l->s->stats;
	uint64_t pss, cpu_ns;

	stats_set(&st->heartbeat_ns, now_ns);
	if (now_ns - l->vitals_ns < STAGE_VITALS_NS && l->vitals_ns != 0)
		return;
	l->vitals_ns = now_ns;
	cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	stats_set(&st->cpu_ns, cpu_ns);
	if (now_ns < l->pss_after_ns)
		return;
	pss = stage_read_pss(l->smaps_fd);
	if (pss)
		stats_set(&st->pss_bytes, pss);
	l->pss_after_ns = now_ns + (clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns) * STAGE_PSS_SHARE;
}

/* One control message. Negative: the stage ends. */
static int stage_on_ctl(struct stage_loop *l, const struct ctl_msg *m, int fd)
{
	struct stage *s = l->s;
	int r = -EOPNOTSUPP;

	l->has_heard = true;
	if (m->type == CTL_STOP)
		s->stopping = true;
	if (s->ops->on_ctl)
		r = s->ops->on_ctl(s, m, fd);
	else if (fd >= 0)
		(void)close(fd);
	if (r < 0 && m->type != CTL_STOP)
		log_warning("control message %u is not for this stage, ignoring", m->type);
	return 0;
}

static int stage_read_ctl(struct stage_loop *l)
{
	for (;;) {
		struct ctl_msg m;
		int fd = -1, r;

		r = ctl_recv(l->s->ctl_fd, &m, &fd);
		if (r == -EAGAIN)
			return 0;
		if (r == 0 || r == -ECONNRESET) {
			l->lost_supervisor = true;
			return -ECONNRESET;
		}
		if (r < 0)
			return log_err_errno(r, "receive from the supervisor");
		r = stage_on_ctl(l, &m, fd);
		if (r < 0)
			return r;
	}
}

/* Waits up to @timeout_ms and handles what is ready. */
static int stage_poll(struct stage_loop *l, int timeout_ms)
{
	struct epoll_event ev[STAGE_EVENTS];
	struct stage *s = l->s;
	int n, r = 0;

	n = epoll_wait(s->epoll_fd, ev, STAGE_EVENTS, timeout_ms);
	if (n < 0)
		return errno == EINTR ? 0 : log_err_errno(-errno, "wait");
	for (int i = 0; i < n && r >= 0; i++) {
		uint64_t count;

		if (ev[i].data.fd == s->ctl_fd)
			r = stage_read_ctl(l);
		else if (ev[i].data.fd == l->wake_fd)
			(void)!read(l->wake_fd, &count,
				sizeof(count)); /* only to make it silent again */
		else if (s->ops->on_ready)
			r = s->ops->on_ready(s, ev[i].data.fd, ev[i].events);
	}
	return r;
}

static int stage_wait(struct stage_loop *l)
{
	struct stage *s = l->s;
	int timeout = STAGE_WAIT_MAX_MS, r;
	uint64_t from_ns;

	if (s->ops->timeout_ms)
		timeout = s->ops->timeout_ms(s);
	if (timeout < 0 || timeout > STAGE_WAIT_MAX_MS)
		timeout = STAGE_WAIT_MAX_MS;
	if (s->ops->arm && !s->ops->arm(s)) {
		l->naps_left = 1; /* there is data after all, or no room for what it makes */
		return 0;
	}
	from_ns = clock_mono_ns();
	stage_vitals(l, from_ns);
	stats_set(&s->stats->waiting, 1);
	r = stage_poll(l, timeout);
	stats_set(&s->stats->waiting, 0);
	if (s->ops->disarm)
		s->ops->disarm(s);
	l->looked_ns = clock_mono_ns();
	l->woke_ns = l->looked_ns;
	if (l->woke_ns - from_ns > STAGE_SOON_NS)
		l->nap_ns = 0;
	return r;
}

/* @now_ns: when the last turn began, which found nothing. */
static void stage_nap(struct stage_loop *l, uint64_t now_ns)
{
	uint64_t busy_ns = now_ns - l->woke_ns;
	struct timespec nap;

	if (l->nap_ns == 0)
		l->nap_ns = STAGE_NAP_NS;
	else if (!l->has_worked)
		; /* the same once more */
	else if (busy_ns > l->nap_ns / 2 || l->s->fill_percent > STAGE_FILL_HIGH)
		l->nap_ns = MAX(l->nap_ns / 2, (uint64_t)STAGE_NAP_MIN_NS);
	else if (busy_ns < l->nap_ns / 4)
		l->nap_ns = MIN(l->nap_ns * 2, (uint64_t)STAGE_NAP_MAX_NS);
	l->s->fill_percent = 0;
	l->has_worked = false;
	l->naps_left--;
	nap = (struct timespec){.tv_nsec = (long)l->nap_ns};
	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL); /* a short sleep is as good */
	l->woke_ns = clock_mono_ns();
}

/* -ENODATA at the end of the input, other negative errno on failure. */
static int stage_work(struct stage_loop *l)
{
	struct stage *s = l->s;

	for (;;) {
		uint64_t now = clock_mono_ns();
		int r;

		l->has_heard = false;
		stage_vitals(l, now);
		r = s->ops->turn(s);
#ifdef SAKER_TEST_HOOKS
		stage_hooks_turn(s);
#endif
		if (r < 0)
			return r;
		if (r > 0) {
			l->has_worked = true;
			l->naps_left = l->nap_ns ? 2 : 1;
		}
		if (now - l->looked_ns >= STAGE_LOOK_NS) {
			l->looked_ns = now;
			if (stage_poll(l, 0) < 0)
				return -ECANCELED;
		}
		if (r > 0 ||
			l->has_heard) /* a message may have brought work: not to be slept upon */
			continue;
		if (l->naps_left && !s->waits_for_io) {
			stage_nap(l, now);
			continue;
		}
		if (stage_wait(l) < 0)
			return -ECANCELED;
	}
}

static int stage_prepare(struct stage_loop *l)
{
	struct stage *s = l->s;
	int r;

	if (!s->settings || !s->stats)
		return log_err_errno(-EBADMSG, "settings or statistics page were not handed over");
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epoll_fd < 0)
		return log_err_errno(-errno, "make an epoll descriptor");
	if (fcntl(s->ctl_fd, F_SETFL, O_NONBLOCK) < 0)
		return log_err_errno(-errno, "set up the control socket");
	r = stage_watch(s, s->ctl_fd, EPOLLIN);
	l->wake_fd = stage_fd_get(s, FD_WAKE_OWN, 0);
	if (r == 0 && l->wake_fd >= 0) {
		if (fcntl(l->wake_fd, F_SETFL, O_NONBLOCK) < 0)
			r = -errno;
		else
			r = stage_watch(s, l->wake_fd, EPOLLIN);
	}
	if (r < 0)
		return log_err_errno(r, "watch the stage's descriptors");
	l->smaps_fd = open("/proc/self/smaps_rollup",
		O_RDONLY | O_CLOEXEC); /* not there: the figure stays 0 */
	return 0;
}

/* _exit: after the seal there is nothing that an exit handler could still do. */
static void _noreturn_ stage_end(struct stage_loop *l, int r)
{
	struct stage *s = l->s;

	if (s->stats) {
		l->vitals_ns = 0;
		stage_vitals(l, clock_mono_ns());
	}
	if (r == -ENODATA) {
		if (s->ops->drain)
			s->ops->drain(s);
		(void)stage_send(s, CTL_DONE, FD_NONE, 0, 0, 0, NULL,
			-1); /* the exit status says it as well */
		_exit(0);
	}
	_exit(1);
}

int stage_main(const struct stage_ops *ops, int argc, char **argv)
{
	struct stage s = {.ops = ops, .ctl_fd = -1, .epoll_fd = -1, .seal = ops->seal};
	struct stage_loop l = {.s = &s, .wake_fd = -1, .smaps_fd = -1};
	struct stage_hello hello;

	(void)argc;
	(void)argv;
	if (stage_start(&s, ops->name, &hello) < 0 || stage_prepare(&l) < 0)
		_exit(1);
	if (ops->pre_seal && ops->pre_seal(&s) < 0)
		_exit(1);
#ifdef SAKER_TEST_HOOKS
	stage_hooks_prepare(&s);
#endif
	if (stage_seal(&s, &s.seal, 0, &hello) < 0)
		_exit(1);
	if (ops->post_seal && ops->post_seal(&s) < 0)
		_exit(1);
	if (stage_send(&s, CTL_READY, FD_NONE, 0, 0, 0, NULL, -1) < 0)
		_exit(1);
	stage_end(&l, stage_work(&l));
}
