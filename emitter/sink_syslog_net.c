/* SPDX-License-Identifier: Apache-2.0 */
/* Syslog over the network: UDP (RFC 5426), TCP (RFC 6587), TLS (RFC 5425), and the machine's own
 * socket among them; several targets in order of preference, each tried when the one before it
 * fails. Sockets come from the dialer. No syslog peer acknowledges, but its kernel does: on a stream
 * a message counts as delivered when the peer's TCP has acknowledged its last byte, and what it had
 * not when the connection broke is sent again on the next. Peers are not trusted; what they send is
 * thrown away. */

#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <linux/sockios.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <openssl/ssl.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>

#include "dial.h"
#include "sink_fifo.h"
#include "syslog_head.h"
#include "tls.h"

#define TARGETS_MAX 8
#define CHUNK_BYTES (64u << 10) /* written at once, as long as there are messages */
#define OUT_BYTES (2u << 20)
#define DIAL_MS 5000
#define HANDSHAKE_NS (10 * NS_PER_S)
#define DELAY_MIN_NS (100 * NS_PER_MS)
#define DELAY_MAX_NS (10 * NS_PER_S)
#define PREFER_NS (60 * NS_PER_S) /* how often the preferred target is looked after */
#define ACK_LOOK_MS 5
/* An acknowledgement that does not come for so long: the connection is dead. */
#define ACK_NS (30 * NS_PER_S)
#define DATAGRAM_MAX 65507
#define LOCAL_CUT 8000 /* what every local daemon takes */
#define TOKEN_LOCAL 1

enum target_kind { TARGET_LOCAL, TARGET_UDP, TARGET_TCP, TARGET_TLS };

struct target {
	enum target_kind kind;
	char host[DIAL_HOST_MAX];
	uint16_t port;
};

enum link_state { LINK_DOWN, LINK_DIALS, LINK_SHAKES, LINK_UP };

struct sink_syslog_net {
	struct target targets[TARGETS_MAX];
	unsigned n_targets, now; /* the one in use or being tried */
	struct syslog_form form;
	unsigned rfc; /* 0: 5424 on the network, 3164 at the local socket */
	bool is_lf;
	char app[64], host[256];
	struct tls_context *tls_context;

	enum link_state state;
	int fd;
	bool is_stream, is_local;
	struct tls *tls;
	uint32_t dial_id;     /* of LINK_DIALS; 0: asked of the supervisor */
	uint64_t deadline_ns; /* of LINK_DIALS and LINK_SHAKES */
	uint64_t retry_ns, delay_ns;
	unsigned n_failed; /* targets in a row */
	uint32_t events;   /* watched */
	uint32_t prefer_id;
	uint64_t prefer_ns;

	struct sink_fifo fifo;
	unsigned n_sent;  /* of the fifo: in `out` or written */
	unsigned n_chunk; /* the last so many of them are in `out` */
	uint64_t ends
		[SINK_FIFO_MAX]; /* by place in the fifo: raw bytes up to the end of its chunk */
	struct strbuf out;       /* the chunk being written */
	size_t out_done;
	uint64_t n_raw;           /* bytes written in plain */
	uint64_t acked, moved_ns; /* when it last grew */
};

static int parse_target(const json_t *o, struct target *t)
{
	static const char *const kinds[] = {"local", "udp", "tcp", "tls"};
	const char *kind = json_string_value(json_object_get(o, "kind")),
		   *host = json_string_value(json_object_get(o, "host"));
	json_int_t port = json_integer_value(json_object_get(o, "port"));

	for (unsigned i = 0; kind && i < ARRAY_LEN(kinds); i++) {
		if (strcmp(kind, kinds[i]) != 0)
			continue;
		t->kind = (enum target_kind)i;
		if (t->kind == TARGET_LOCAL)
			return 0;
		if (!host || strlen(host) >= sizeof(t->host) || port < 1 || port > 65535)
			return -EBADMSG;
		memcpy(t->host, host, strlen(host) + 1);
		t->port = (uint16_t)port;
		return 0;
	}
	return -EBADMSG;
}

static int copy_text(const json_t *o, const char *key, char *buf, size_t cap)
{
	const char *s = json_string_value(json_object_get(o, key));

	if (!s || strlen(s) >= cap)
		return -EBADMSG;
	memcpy(buf, s, strlen(s) + 1);
	return 0;
}

static int parse(struct sink *k, struct sink_syslog_net *s)
{
	const json_t *o = k->output->own, *targets = json_object_get(o, "targets");
	const char *rfc = json_string_value(json_object_get(o, "rfc")),
		   *framing = json_string_value(json_object_get(o, "framing"));
	int r = rfc && framing && json_array_size(targets) > 0 &&
				json_array_size(targets) <= TARGETS_MAX
			? 0
			: -EBADMSG;

	for (size_t i = 0; i < json_array_size(targets) && r == 0; i++)
		r = parse_target(json_array_get(targets, i), &s->targets[s->n_targets++]);
	if (r == 0)
		r = copy_text(o, "app_name", s->app, sizeof(s->app));
	if (r == 0)
		r = copy_text(o, "hostname", s->host, sizeof(s->host));
	if (r < 0)
		return log_err_errno(r, "read the output's syslog block");
	s->rfc = (unsigned)strtoul(rfc, NULL, 10);
	s->is_lf = !strcmp(framing, "newline");
	s->form = (struct syslog_form){.facility = k->output->facility,
		.app = s->app,
		.host = s->host,
		.pid = (int)getpid()};
	return 0;
}

static int make_tls(struct sink *k, struct sink_syslog_net *s)
{
	const json_t *o = k->output->own;
	const char *why = "";
	bool has_tls = false;
	int r;

	for (unsigned i = 0; i < s->n_targets; i++)
		has_tls = has_tls || s->targets[i].kind == TARGET_TLS;
	if (!has_tls)
		return 0;
	(void)OPENSSL_init_ssl(0, NULL);
	r = tls_context_new(json_string_value(json_object_get(o, "ca")),
		json_string_value(json_object_get(o, "cert")),
		json_string_value(json_object_get(o, "key")), &s->tls_context, &why);
	if (r < 0)
		return log_err_errno(r, "output '%s': TLS: %s", k->output->name, why);
	(void)tls_free(tls_new(s->tls_context, -1, "localhost")); /* what it loads, it loads now */
	return 0;
}

static int syslog_net_init(struct sink *k)
{
	struct sink_syslog_net *s = k->priv = calloc(1, sizeof(*s));
	int r;

	if (!s || strbuf_reserve(&s->out, OUT_BYTES) < 0)
		return log_err_errno(-ENOMEM, "set up syslog");
	s->fd = -1;
	s->delay_ns = DELAY_MIN_NS;
	r = parse(k, s);
	return r < 0 ? r : make_tls(k, s);
}

static void unwatch(struct sink *k, struct sink_syslog_net *s)
{
	if (s->events && s->fd >= 0)
		(void)sink_watch(k, s->fd, 0);
	s->events = 0;
}

static void watch(struct sink *k, struct sink_syslog_net *s, uint32_t events)
{
	if (events == s->events)
		return;
	if (sink_watch(k, s->fd, events) == 0)
		s->events = events;
}

/* What is unacknowledged will be sent again. */
static void hang_up(struct sink *k, struct sink_syslog_net *s)
{
	unwatch(k, s);
	s->tls = tls_free(s->tls);
	s->fd = fd_close(s->fd);
	if (s->dial_id)
		dial_forget(k->dial, s->dial_id);
	s->dial_id = 0;
	s->state = LINK_DOWN;
	s->n_sent = s->n_chunk = 0;
	strbuf_reset(&s->out);
	s->out_done = 0;
	s->n_raw = s->acked = 0;
}

static void syslog_net_close(struct sink *k)
{
	struct sink_syslog_net *s = k->priv;

	if (!s)
		return;
	hang_up(k, s);
	if (s->prefer_id)
		dial_forget(k->dial, s->prefer_id);
	s->tls_context = tls_context_free(s->tls_context);
	strbuf_done(&s->out);
	free(s);
	k->priv = NULL;
}

/* The target failed: the next one at once, or after a pause when all have. */
static void fail(
	struct sink *k, struct sink_syslog_net *s, int error, const char *why, uint64_t now_ns)
{
	const struct target *t = &s->targets[s->now];
	bool was_up = s->state == LINK_UP;
	char text[DIAL_HOST_MAX + 200];

	if (t->kind == TARGET_LOCAL)
		(void)snprintf(text, sizeof(text), "the local socket: %s", why);
	else
		(void)snprintf(text, sizeof(text), "%s:%u: %s", t->host, t->port, why);
	hang_up(k, s);
	sink_trouble(k, error ? error : EIO, text);
	s->now = was_up ? 0 : (s->now + 1) % s->n_targets;
	s->n_failed++;
	if (s->n_failed < s->n_targets) {
		s->retry_ns = now_ns;
		return;
	}
	s->n_failed = 0;
	s->retry_ns = now_ns + s->delay_ns;
	s->delay_ns = MIN(s->delay_ns * 2, (uint64_t)DELAY_MAX_NS);
}

static void begin(struct sink *k, struct sink_syslog_net *s, uint64_t now_ns)
{
	const struct target *t = &s->targets[s->now];
	int r;

	s->state = LINK_DIALS;
	s->deadline_ns = now_ns + DIAL_MS * NS_PER_MS + 2 * NS_PER_S;
	if (t->kind == TARGET_LOCAL)
		r = sink_ask(k, TOKEN_LOCAL, "local");
	else
		r = k->dial ? dial_start(k->dial, t->kind == TARGET_UDP ? DIAL_UDP : DIAL_TCP,
				      t->host, t->port, DIAL_MS, &s->dial_id)
			    : -ENOTCONN;
	if (r < 0)
		fail(k, s, -r, "the connection cannot be asked for", now_ns);
}

static void is_up(struct sink *k, struct sink_syslog_net *s, uint64_t now_ns)
{
	const struct target *t = &s->targets[s->now];

	s->state = LINK_UP;
	s->n_failed = 0;
	s->moved_ns = now_ns;
	s->prefer_ns = now_ns + PREFER_NS;
	s->form.rfc = s->rfc ? s->rfc : t->kind == TARGET_LOCAL ? 3164 : 5424;
	s->form.has_host = t->kind != TARGET_LOCAL;
	watch(k, s, EPOLLIN);
}

/* Takes @fd. */
static void connected(struct sink *k, struct sink_syslog_net *s, int fd, uint64_t now_ns)
{
	const struct target *t = &s->targets[s->now];
	int type = SOCK_STREAM;
	socklen_t n = sizeof(type);

	s->fd = fd;
	s->dial_id = 0;
	(void)getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n);
	s->is_stream = type == SOCK_STREAM;
	s->is_local = t->kind == TARGET_LOCAL;
	if (t->kind != TARGET_TLS) {
		is_up(k, s, now_ns);
		return;
	}
	s->state = LINK_SHAKES;
	s->deadline_ns = now_ns + HANDSHAKE_NS;
	s->tls = tls_new(s->tls_context, fd, t->host);
	if (!s->tls)
		fail(k, s, ENOMEM, "out of memory", now_ns);
}

static void syslog_net_on_fd(struct sink *k, uint64_t token, int result, int fd)
{
	struct sink_syslog_net *s = k->priv;
	uint64_t now_ns = clock_mono_ns();

	if (token != TOKEN_LOCAL || s->state != LINK_DIALS || s->dial_id)
		(void)fd_close(fd);
	else if (fd < 0)
		fail(k, s, -result, strerror(-result), now_ns);
	else
		connected(k, s, fd, now_ns);
}

static void turn_dials(struct sink *k, struct sink_syslog_net *s, uint64_t now_ns)
{
	char text[DIAL_TEXT_MAX];
	int fd = -1, r;

	if (s->dial_id) {
		r = dial_take(k->dial, s->dial_id, &fd, text);
		if (r == -EAGAIN)
			return;
		s->dial_id = 0;
		if (r == 0)
			connected(k, s, fd, now_ns);
		else
			fail(k, s, -r, text, now_ns);
	} else if (now_ns >= s->deadline_ns) {
		fail(k, s, ETIMEDOUT, "nobody answers", now_ns);
	}
}

static void turn_shakes(struct sink *k, struct sink_syslog_net *s, uint64_t now_ns)
{
	uint32_t events = 0;
	int r = tls_handshake(s->tls, &events);

	if (r == 0)
		is_up(k, s, now_ns);
	else if (r == -EAGAIN && now_ns < s->deadline_ns)
		watch(k, s, events);
	else
		fail(k, s, r == -EAGAIN ? ETIMEDOUT : -r,
			r == -EAGAIN ? "the TLS handshake takes too long" : tls_why(s->tls),
			now_ns);
}

/* --- sending --- */

static void delivered(struct sink *k, struct sink_syslog_net *s)
{
	sink_fifo_report(k, &s->fifo, SINK_DELIVERED, NULL);
	if (s->n_sent)
		s->n_sent--;
	s->delay_ns = DELAY_MIN_NS;
	sink_well(k);
}

static void add_framed(struct sink_syslog_net *s, const struct sink_msg *m)
{
	struct strbuf *b = &s->out;
	size_t from = b->n, n;
	char length[24];

	if (s->is_local) {
		syslog_head_add(&s->form, m, b);
		strbuf_add_span(b, m->text);
		strbuf_add_char(b, 0);
		return;
	}
	if (s->is_lf) {
		syslog_head_add(&s->form, m, b);
		strbuf_add_span(b, m->text);
		for (size_t i = from; i < b->n; i++)
			if (b->p[i] == '\n')
				b->p[i] = ' ';
		strbuf_add_char(b, '\n');
		return;
	}
	/* the length goes before: room for it, then moved up to it */
	strbuf_add(b, "                ", 16);
	syslog_head_add(&s->form, m, b);
	strbuf_add_span(b, m->text);
	if (!strbuf_ok(b))
		return;
	n = (size_t)snprintf(length, sizeof(length), "%zu ", b->n - from - 16);
	memmove(b->p + from + n, b->p + from + 16, b->n - from - 16);
	memcpy(b->p + from, length, n);
	b->n -= 16 - n;
}

/* The next chunk. The buffer has room for one of the largest beyond CHUNK_BYTES. */
static void fill(struct sink_syslog_net *s)
{
	strbuf_reset(&s->out);
	s->out_done = 0;
	s->n_chunk = 0;
	while (s->n_sent < s->fifo.n && s->out.n < CHUNK_BYTES) {
		add_framed(s, sink_fifo_at(&s->fifo, s->n_sent));
		s->ends[(s->fifo.first + s->n_sent) & (SINK_FIFO_MAX - 1)] = UINT64_MAX;
		s->n_sent++;
		s->n_chunk++;
	}
}

static ssize_t write_some(struct sink_syslog_net *s, uint32_t *ret_events)
{
	const char *p = s->out.p + s->out_done;
	size_t n = s->out.n - s->out_done;
	ssize_t r;

	if (s->tls)
		return tls_write(s->tls, p, n, ret_events);
	do
		r = send(s->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	if (r >= 0) {
		s->n_raw += (uint64_t)r;
		return r;
	}
	*ret_events = EPOLLIN | EPOLLOUT;
	return -errno;
}

static void chunk_is_written(struct sink_syslog_net *s)
{
	uint64_t raw = s->tls ? tls_n_raw(s->tls) : s->n_raw;

	for (unsigned i = s->n_sent - s->n_chunk; i < s->n_sent; i++)
		s->ends[(s->fifo.first + i) & (SINK_FIFO_MAX - 1)] = raw;
	s->n_chunk = 0;
}

/* What the peer's kernel has acknowledged is delivered. false: nothing moves any more. */
static bool take_acks(struct sink *k, struct sink_syslog_net *s, uint64_t now_ns)
{
	uint64_t raw = s->tls ? tls_n_raw(s->tls) : s->n_raw, acked = raw;
	int queued = 0;

	/* a local stream's reader has it when it is written */
	if (!s->is_local && ioctl(s->fd, SIOCOUTQ, &queued) == 0)
		acked = raw - (uint64_t)queued;
	if (acked != s->acked || acked == raw)
		s->moved_ns = now_ns;
	s->acked = acked;
	while (s->n_sent > s->n_chunk && s->ends[s->fifo.first] <= acked)
		delivered(k, s);
	return now_ns - s->moved_ns < ACK_NS;
}

static void send_stream(struct sink *k, struct sink_syslog_net *s, uint64_t now_ns)
{
	uint32_t events = EPOLLIN;
	ssize_t r = 0;

	for (unsigned chunks = 0; chunks < 16; chunks++) {
		if (s->out_done == s->out.n) {
			if (s->n_sent == s->fifo.n)
				break;
			fill(s);
		}
		while (s->out_done < s->out.n && (r = write_some(s, &events)) > 0)
			s->out_done += (size_t)r;
		if (s->out_done < s->out.n)
			break;
		chunk_is_written(s);
	}
	if (r < 0 && r != -EAGAIN) {
		fail(k, s, (int)-r, s->tls ? tls_why(s->tls) : strerror((int)-r), now_ns);
		return;
	}
	watch(k, s, events);
	if (!take_acks(k, s, now_ns))
		fail(k, s, ETIMEDOUT, "what was sent is not acknowledged", now_ns);
}

static void send_datagrams(struct sink *k, struct sink_syslog_net *s, uint64_t now_ns)
{
	while (s->fifo.n) {
		const struct sink_msg *m = sink_fifo_at(&s->fifo, 0);
		size_t n;
		ssize_t r;

		strbuf_reset(&s->out);
		syslog_head_add(&s->form, m, &s->out);
		strbuf_add_span(&s->out, m->text);
		n = s->out.n;
		if (!s->is_local && n > DATAGRAM_MAX) {
			sink_fifo_report(k, &s->fifo, SINK_REFUSED, "longer than a datagram");
			continue;
		}
		r = send(s->fd, s->out.p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (r < 0 && errno == EMSGSIZE && s->is_local && n > LOCAL_CUT)
			r = send(s->fd, s->out.p, LOCAL_CUT, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
			watch(k, s, EPOLLIN | EPOLLOUT);
			break;
		}
		if (r < 0 && errno == EMSGSIZE) {
			sink_fifo_report(k, &s->fifo, SINK_REFUSED, "longer than the socket takes");
			continue;
		}
		if (r < 0) { /* of UDP: nobody listens there, as an answer to the one before */
			fail(k, s, errno, strerror(errno), now_ns);
			break;
		}
		delivered(k, s);
		watch(k, s, EPOLLIN);
	}
	strbuf_reset(&s->out);
}

/* What the peer sends is of no interest but for its end. false: it is gone. */
static bool listen_to_peer(struct sink *k, struct sink_syslog_net *s, uint64_t now_ns)
{
	uint32_t events;
	char buf[512];
	ssize_t r;

	for (unsigned i = 0; i < 8; i++) {
		if (s->tls) {
			r = tls_read(s->tls, buf, sizeof(buf), &events);
		} else {
			r = recv(s->fd, buf, sizeof(buf), MSG_DONTWAIT);
			if (r < 0)
				r = -errno;
		}
		if (r == -EAGAIN || r == -EINTR)
			return true;
		if (r > 0 || (r == 0 && !s->is_stream))
			continue;
		if (s->is_stream && !s->is_local)
			(void)take_acks(k, s, now_ns);
		fail(k, s, r < 0 ? (int)-r : EPIPE,
			r == 0   ? "the peer closed the connection"
			: s->tls ? tls_why(s->tls)
				 : strerror((int)-r),
			now_ns);
		return false;
	}
	return true;
}

/* In use is not the preferred target: is that there again? */
static void look_after_preferred(struct sink *k, struct sink_syslog_net *s, uint64_t now_ns)
{
	const struct target *t = &s->targets[0];
	char text[DIAL_TEXT_MAX];
	int fd = -1, r;

	if (s->now == 0 || t->kind == TARGET_LOCAL || !k->dial)
		return;
	if (!s->prefer_id) {
		if (now_ns < s->prefer_ns)
			return;
		s->prefer_ns = now_ns + PREFER_NS;
		(void)dial_start(k->dial, t->kind == TARGET_UDP ? DIAL_UDP : DIAL_TCP, t->host,
			t->port, DIAL_MS, &s->prefer_id);
		return;
	}
	if (s->n_sent) /* between two messages */
		return;
	r = dial_take(k->dial, s->prefer_id, &fd, text);
	if (r == -EAGAIN)
		return;
	s->prefer_id = 0;
	if (r < 0)
		return;
	hang_up(k, s);
	s->now = 0;
	connected(k, s, fd, now_ns);
}

static int syslog_net_turn(struct sink *k, uint64_t now_ns)
{
	struct sink_syslog_net *s = k->priv;

	if (s->state == LINK_DOWN && now_ns >= s->retry_ns)
		begin(k, s, now_ns);
	if (s->state == LINK_DIALS)
		turn_dials(k, s, now_ns);
	if (s->state == LINK_SHAKES)
		turn_shakes(k, s, now_ns);
	if (s->state != LINK_UP || !listen_to_peer(k, s, now_ns))
		return 0;
	if (s->is_stream)
		send_stream(k, s, now_ns);
	else
		send_datagrams(k, s, now_ns);
	if (s->state == LINK_UP)
		look_after_preferred(k, s, now_ns);
	return 0;
}

static int syslog_net_timeout_ms(struct sink *k, uint64_t now_ns)
{
	const struct sink_syslog_net *s = k->priv;

	if (s->state == LINK_DOWN)
		return s->retry_ns > now_ns ? (int)((s->retry_ns - now_ns) / NS_PER_MS) + 1 : 0;
	if (s->state == LINK_UP)
		return s->is_stream && s->n_sent ? ACK_LOOK_MS : -1;
	return 1000;
}

static unsigned syslog_net_submit(struct sink *k, const struct sink_msg *msgs, unsigned n)
{
	return sink_fifo_take(&((struct sink_syslog_net *)k->priv)->fifo, msgs, n);
}

static const struct seal_call calls[] = {
	{__NR_recvfrom, "the peer's end"},
	{__NR_getsockopt, "is a new socket a stream"},
};

const struct sink_ops sink_syslog_net_ops = {
	.name = "syslog",
	.seal = {.calls = calls, .n_calls = ARRAY_LEN(calls), .net = SEAL_NET_USES},
	.needs_alert = true,
	.init = syslog_net_init,
	.close = syslog_net_close,
	.submit = syslog_net_submit,
	.turn = syslog_net_turn,
	.timeout_ms = syslog_net_timeout_ms,
	.on_fd = syslog_net_on_fd,
};
