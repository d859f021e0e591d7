/* SPDX-License-Identifier: Apache-2.0 */
/* From request to connected socket: is it permitted, which addresses has the name, which of them
 * answers. Requests come from emitters, which read hostile bytes: what an output's configuration
 * does not permit is refused and said once. A host that brokers advertise and the configuration
 * does not name must resolve next to a bootstrap host, whose addresses are looked up first. */

#include "dialer_jobs.h"

#include <sys/epoll.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/hash.h>
#include <base/log.h>
#include <base/macros.h>

#define NEAR_MAX 64
#define NEAR_NS (60 * NS_PER_S) /* how long the bootstrap hosts' addresses are taken for known */
#define TRY_MIN_NS (500 * NS_PER_MS)
#define REFUSED_MAX 64

struct job {
	struct jobs *jobs;
	bool is_used;
	bool is_asked; /* names_ask() owes an answer: the place is taken until then */
	bool is_over;  /* its answer has been sent */
	bool needs_near;
	unsigned line;
	unsigned target; /* of needs_near: which bootstrap host is being looked up */
	struct dial_request q;
	uint64_t until_ns, try_until_ns;
	union names_addr addrs[NAMES_ADDRS_MAX];
	unsigned n_addrs, next;
	int fd; /* being connected, -1 none */
	int error;
};

struct line {
	unsigned n_jobs;
	union names_addr near[NEAR_MAX];
	unsigned n_near;
	uint64_t near_ns; /* 0: not known */
};

struct jobs {
	const struct dial_rules *rules;
	struct names *names;
	struct jobs_env env;
	struct job jobs[JOBS_MAX];
	struct line lines[DIAL_OUTPUTS_MAX];
	uint64_t refused[REFUSED_MAX]; /* hashes of what was refused and said */
	unsigned n_refused;
};

int jobs_new(const struct dial_rules *rules, struct names *names, const struct jobs_env *env,
	struct jobs **ret_jobs)
{
	struct jobs *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->rules = rules;
	j->names = names;
	j->env = *env;
	for (unsigned i = 0; i < JOBS_MAX; i++)
		j->jobs[i] = (struct job){.jobs = j, .fd = -1};
	*ret_jobs = j;
	return 0;
}

struct jobs *jobs_free(struct jobs *j)
{
	for (unsigned i = 0; j && i < JOBS_MAX; i++)
		(void)fd_close(j->jobs[i].fd);
	free(j);
	return NULL;
}

static void drop_socket(struct job *k)
{
	if (k->fd < 0)
		return;
	k->jobs->env.watch(k->jobs->env.ctx, k->fd, 0);
	k->fd = fd_close(k->fd);
}

static void release(struct job *k)
{
	if (!k->is_over || k->is_asked)
		return;
	k->is_used = false;
	k->jobs->lines[k->line].n_jobs--;
}

static void answer(struct jobs *j, unsigned line, uint32_t id, int result, const char *text, int fd)
{
	struct dial_answer a = {.magic = DIAL_MAGIC, .id = id, .result = result};

	(void)snprintf(a.text, sizeof(a.text), "%s", text);
	j->env.done(j->env.ctx, line, &a, fd);
}

static void finish(struct job *k, int result, const char *text, int fd)
{
	drop_socket(k);
	answer(k->jobs, k->line, k->q.id, result, text, fd);
	k->is_over = true;
	release(k);
}

/* Once for each output and place; the oldest is forgotten. */
static void say_refused(struct jobs *j, unsigned line, const struct dial_request *q)
{
	const struct dial_output *o = &j->rules->outputs[line];
	uint64_t h = hash_bytes(q->host, strlen(q->host), q->port + ((uint64_t)line << 32));

	for (unsigned i = 0; i < MIN(j->n_refused, (unsigned)REFUSED_MAX); i++)
		if (j->refused[i] == h)
			return;
	j->refused[j->n_refused++ % REFUSED_MAX] = h;
	log_warning("output '%s' asked for a connection to '%s' port %u, which its configuration "
		    "does not permit%s: refused",
		o->name, q->host, q->port, o->advertises ? " (kafka.hosts, kafka.ports)" : "");
}

static void refuse(struct job *k)
{
	say_refused(k->jobs, k->line, &k->q);
	finish(k, -EACCES, "not permitted by the output's configuration", -1);
}

/* --- connecting --- */

static bool start_socket(struct job *k, union names_addr *a)
{
	const int type = k->q.proto == DIAL_UDP ? SOCK_DGRAM : SOCK_STREAM;
	socklen_t len = a->any.sa_family == AF_INET6 ? sizeof(a->v6) : sizeof(a->v4);

	if (a->any.sa_family == AF_INET6)
		a->v6.sin6_port = htons(k->q.port);
	else
		a->v4.sin_port = htons(k->q.port);
	k->fd = socket(a->any.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (k->fd < 0) {
		k->error = errno;
		return false;
	}
	if (connect(k->fd, &a->any, len) == 0 || errno == EINPROGRESS)
		return true;
	k->error = errno;
	k->fd = fd_close(k->fd);
	return false;
}

/* The next address that can be tried, each with its part of the time that is left. */
static void connect_next(struct job *k, uint64_t now_ns)
{
	while (k->next < k->n_addrs) {
		unsigned left = k->n_addrs - k->next;

		if (!start_socket(k, &k->addrs[k->next++]))
			continue;
		k->try_until_ns = now_ns + MAX((k->until_ns - now_ns) / left, TRY_MIN_NS);
		k->jobs->env.watch(k->jobs->env.ctx, k->fd, EPOLLOUT);
		return;
	}
	finish(k, -(k->error ? k->error : EHOSTUNREACH),
		strerror(k->error ? k->error : EHOSTUNREACH), -1);
}

static void on_connected(struct job *k, uint64_t now_ns)
{
	char text[DIAL_TEXT_MAX];
	int error = 0, fd;
	socklen_t len = sizeof(error);

	if (getsockopt(k->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error) {
		k->error = error;
		drop_socket(k);
		connect_next(k, now_ns);
		return;
	}
	names_print(&k->addrs[k->next - 1], text, sizeof(text));
	k->jobs->env.watch(k->jobs->env.ctx, k->fd, 0);
	fd = TAKE_FD(k->fd);
	finish(k, 0, text, fd);
}

/* --- names --- */

static bool is_near(const struct line *l, const union names_addr *a)
{
	for (unsigned i = 0; i < l->n_near; i++) {
		const union names_addr *b = &l->near[i];

		if (a->any.sa_family != b->any.sa_family)
			continue;
		if (a->any.sa_family == AF_INET && memcmp(&a->v4.sin_addr, &b->v4.sin_addr, 3) == 0)
			return true;
		if (a->any.sa_family == AF_INET6 &&
			memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, 8) == 0)
			return true;
	}
	return false;
}

static void on_name(void *arg, const union names_addr *addrs, unsigned n, const char *why)
{
	struct job *k = arg;
	const struct line *l = &k->jobs->lines[k->line];

	k->is_asked = false;
	if (k->is_over) {
		release(k);
		return;
	}
	if (n == 0) {
		finish(k, -EHOSTUNREACH, why, -1);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		if (!k->needs_near || is_near(l, &addrs[i]))
			k->addrs[k->n_addrs++] = addrs[i];
	if (k->n_addrs == 0)
		refuse(k);
	else
		connect_next(k, clock_mono_ns());
}

static void ask_name(struct job *k)
{
	k->is_asked = true;
	names_ask(k->jobs->names, k->q.host, on_name, k);
}

static void ask_near(struct job *k);

static void on_near(void *arg, const union names_addr *addrs, unsigned n, const char *why _unused_)
{
	struct job *k = arg;
	struct line *l = &k->jobs->lines[k->line];

	k->is_asked = false;
	for (unsigned i = 0; i < n && l->n_near < NEAR_MAX; i++)
		if (!is_near(l, &addrs[i]))
			l->near[l->n_near++] = addrs[i];
	if (k->is_over) {
		release(k);
		return;
	}
	k->target++;
	ask_near(k);
}

/* The bootstrap hosts one after another, then the name itself. */
static void ask_near(struct job *k)
{
	const struct dial_output *o = &k->jobs->rules->outputs[k->line];

	if (k->target < o->n_targets) {
		k->is_asked = true;
		names_ask(k->jobs->names, o->targets[k->target].host, on_near, k);
		return;
	}
	k->jobs->lines[k->line].near_ns = clock_mono_ns();
	ask_name(k);
}

static void begin(struct job *k, uint64_t now_ns)
{
	struct line *l = &k->jobs->lines[k->line];

	if (!k->needs_near || (l->near_ns && now_ns - l->near_ns < NEAR_NS)) {
		ask_name(k);
		return;
	}
	l->n_near = 0;
	l->near_ns = 0;
	ask_near(k);
}

/* --- the table --- */

static struct job *job_new(struct jobs *j, unsigned line)
{
	if (j->lines[line].n_jobs == JOBS_PER_LINE_MAX)
		return NULL;
	for (unsigned i = 0; i < JOBS_MAX; i++) {
		struct job *k = &j->jobs[i];

		if (k->is_used)
			continue;
		*k = (struct job){.jobs = j, .is_used = true, .line = line, .fd = -1};
		j->lines[line].n_jobs++;
		return k;
	}
	return NULL;
}

void jobs_add(struct jobs *j, unsigned line, const struct dial_request *q, uint64_t now_ns)
{
	enum dial_verdict verdict =
		line < j->rules->n_outputs ? dial_judge(&j->rules->outputs[line], q) : DIAL_NO;
	struct job *k = job_new(j, line);

	if (!k) {
		answer(j, line, q->id, -EBUSY, "too many connections asked for at once", -1);
		return;
	}
	k->q = *q;
	k->until_ns = now_ns + q->timeout_ms * NS_PER_MS;
	k->needs_near = verdict == DIAL_IF_NEAR;
	if (verdict == DIAL_NO)
		refuse(k);
	else
		begin(k, now_ns);
}

bool jobs_ready(struct jobs *j, int fd, uint64_t now_ns)
{
	for (unsigned i = 0; i < JOBS_MAX; i++) {
		if (!j->jobs[i].is_used || j->jobs[i].fd != fd)
			continue;
		on_connected(&j->jobs[i], now_ns);
		return true;
	}
	return false;
}

void jobs_tick(struct jobs *j, uint64_t now_ns)
{
	for (unsigned i = 0; i < JOBS_MAX; i++) {
		struct job *k = &j->jobs[i];

		if (!k->is_used || k->is_over)
			continue;
		if (now_ns >= k->until_ns) {
			finish(k, -ETIMEDOUT,
				k->fd >= 0 ? strerror(ETIMEDOUT) : "no name server answers", -1);
		} else if (k->fd >= 0 && now_ns >= k->try_until_ns) {
			k->error = ETIMEDOUT;
			drop_socket(k);
			connect_next(k, now_ns);
		}
	}
}

int jobs_timeout_ms(const struct jobs *j, uint64_t now_ns)
{
	uint64_t next = UINT64_MAX;

	for (unsigned i = 0; i < JOBS_MAX; i++) {
		const struct job *k = &j->jobs[i];

		if (!k->is_used || k->is_over)
			continue;
		next = MIN(next, k->until_ns);
		if (k->fd >= 0)
			next = MIN(next, k->try_until_ns);
	}
	if (next == UINT64_MAX)
		return -1;
	return next <= now_ns ? 0 : (int)((next - now_ns) / NS_PER_MS) + 1;
}
