/* SPDX-License-Identifier: Apache-2.0 */
/* Kafka by librdkafka: idempotent, acknowledged by all in-sync replicas, without an end of trying. A
 * delivery report is the acknowledgement. The library's threads start after the seal and can neither
 * open a file nor make a socket (kafka_net.c). Brokers' answers are hostile; the library parses
 * them.
 *
 * A message that the library gives up is refused if it is to blame itself, alone, and kept for
 * another round otherwise: then nothing new is taken until everything in flight has been answered,
 * and what failed is sent again in its order. */

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <librdkafka/rdkafka.h>
#include <openssl/ssl.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>
#include <base/uuid.h>
#include <shm/alert.h>

#include "dial.h"
#include "kafka_key.h"
#include "kafka_net.h"
#include "sink.h"

#define MSGS_MAX 4096 /* places; a power of two */
/* Unacknowledged at once: what a kill of this process may make come twice. */
#define FLYING_MAX 3000
#define WINDOW_BYTES (8u << 20)
#define KEY_MAX_BYTES (64u << 10)
#define DELAY_MIN_NS (200 * NS_PER_MS)
#define DELAY_MAX_NS (10 * NS_PER_S)

enum msg_state {
	MSG_NONE,   /* free, or finished */
	MSG_FLIES,  /* the library has it */
	MSG_AGAIN,  /* it failed, and will be sent again */
	MSG_SINGLE, /* likewise, without others in its batch */
};

struct sink_kafka {
	/* configuration */
	char *brokers, *topic_name, *key_template;
	json_t *properties;
	const char *format_name;

	struct kafka_net *net;
	int wake; /* eventfd that the library rings when there is something to poll */
	rd_kafka_t *rk;
	rd_kafka_topic_t *topic;
	rd_kafka_queue_t *queue;
	struct strbuf key;

	const struct sink_msg *msgs[MSGS_MAX]; /* by number */
	uint8_t states[MSGS_MAX];              /* enum msg_state */
	uint64_t first, next;                  /* numbers: none below first is unfinished */
	unsigned n_flying, n_again;
	bool is_broken; /* the library must be begun anew */
	uint64_t retry_ns, delay_ns;
	struct sink *sink;
};

struct kafka_net *kafka_net_of(void *opaque)
{
	return ((struct sink_kafka *)opaque)->net;
}

static uint8_t *state_of(struct sink_kafka *s, uint64_t n)
{
	return &s->states[n & (MSGS_MAX - 1)];
}

/* --- the library's call-backs: in the stage's own thread, from rd_kafka_poll() --- */

/* To blame is the message itself. */
static bool is_permanent(rd_kafka_resp_err_t err)
{
	return err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
	       err == RD_KAFKA_RESP_ERR_INVALID_MSG || err == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE ||
	       err == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE ||
	       err == RD_KAFKA_RESP_ERR_POLICY_VIOLATION || err == RD_KAFKA_RESP_ERR_INVALID_RECORD;
}

static void finish(struct sink_kafka *s, uint64_t n, enum sink_outcome outcome, const char *why)
{
	*state_of(s, n) = MSG_NONE;
	sink_report(s->sink, n, outcome, why);
}

static void again(struct sink_kafka *s, uint64_t n, enum msg_state how)
{
	*state_of(s, n) = how;
	s->n_again++;
}

static void on_report(rd_kafka_t *rk _unused_, const rd_kafka_message_t *m, void *opaque)
{
	struct sink_kafka *s = opaque;
	uint64_t n = (uint64_t)(uintptr_t)m->_private;
	bool was_alone = s->n_flying == 1 && s->n_again == 0;

	if (n < s->first || n >= s->next || *state_of(s, n) != MSG_FLIES)
		return;
	s->n_flying--;
	if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
		finish(s, n, SINK_DELIVERED, NULL);
		s->delay_ns = DELAY_MIN_NS;
		if (s->n_again == 0)
			sink_well(s->sink);
	} else if (is_permanent(m->err) && was_alone) {
		finish(s, n, SINK_REFUSED, rd_kafka_err2str(m->err));
	} else if (is_permanent(m->err)) {
		again(s, n, MSG_SINGLE);
	} else {
		again(s, n, MSG_AGAIN);
		sink_trouble(s->sink, EIO, rd_kafka_err2str(m->err));
	}
}

/* One for each kind of trouble, so that each is said. */
static int error_of(int err)
{
	switch (err) {
	case RD_KAFKA_RESP_ERR__AUTHENTICATION:
		return EACCES;
	case RD_KAFKA_RESP_ERR__SSL:
		return EPROTO;
	case RD_KAFKA_RESP_ERR__TRANSPORT:
	case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
		return ENOTCONN;
	default:
		return EIO;
	}
}

static void on_error(rd_kafka_t *rk, int err, const char *reason, void *opaque)
{
	struct sink_kafka *s = opaque;
	char why[512], fatal[256];

	if (err == RD_KAFKA_RESP_ERR__FATAL) {
		(void)rd_kafka_fatal_error(rk, fatal, sizeof(fatal));
		log_warning("output '%s': Kafka: %s; beginning anew", s->sink->output->name, fatal);
		s->is_broken = true;
		return;
	}
	kafka_net_why(s->net, why, sizeof(why));
	if ((err == RD_KAFKA_RESP_ERR__TRANSPORT || err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) &&
		!why[0])
		return; /* a connection that ended: the library makes another one */
	sink_trouble(s->sink, why[0] ? ENOTCONN : error_of(err), why[0] ? why : reason);
}

/* From the library's own threads: one write each. */
static void on_log(
	const rd_kafka_t *rk _unused_, int level _unused_, const char *fac, const char *buf)
{
	log_debug("librdkafka: %s: %s", fac, buf);
}

/* --- configuration --- */

static int set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
	char why[256];

	if (rd_kafka_conf_set(conf, name, value, why, sizeof(why)) == RD_KAFKA_CONF_OK)
		return 0;
	return log_err_errno(-EINVAL, "librdkafka property '%s': %s", name, why);
}

/* NULL after one line was logged. @brokers: NULL: none. */
static rd_kafka_t *make_handle(struct sink_kafka *s, const char *brokers)
{
	static const char *const ours[][2] = {
		{"enable.idempotence", "true"},
		{"acks", "all"},
		{"message.timeout.ms", "0"},
		{"broker.address.family", "any"},
	};
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_t *rk = NULL;
	char why[512];
	json_t *pair;
	size_t i;
	int r = set(conf, "client.id", "saker");

	json_array_foreach(s->properties, i, pair) if (r == 0) r =
		set(conf, json_string_value(json_array_get(pair, 0)),
			json_string_value(json_array_get(pair, 1)));
	for (i = 0; i < ARRAY_LEN(ours) && r == 0; i++)
		r = set(conf, ours[i][0], ours[i][1]);
	if (r == 0 && brokers)
		r = set(conf, "bootstrap.servers", brokers);
	rd_kafka_conf_set_opaque(conf, s);
	rd_kafka_conf_set_dr_msg_cb(conf, on_report);
	rd_kafka_conf_set_error_cb(conf, on_error);
	rd_kafka_conf_set_log_cb(conf, on_log);
	kafka_net_configure(conf);
	if (r == 0) {
		rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
		if (!rk)
			log_err("output '%s': Kafka: %s", s->sink->output->name, why);
	}
	if (!rk)
		rd_kafka_conf_destroy(conf);
	return rk;
}

static char *copy(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? strdup(s) : NULL;
}

static int kafka_init(struct sink *k)
{
	static const char *const formats[_OUTPUT_FORMAT_MAX] = {
		"text", "json", "ecs", "ocsf", "cef"};
	struct sink_kafka *s = k->priv = calloc(1, sizeof(*s));
	const json_t *o = k->output->own;
	rd_kafka_t *dummy;

	if (!s)
		return log_err_errno(-ENOMEM, "set up Kafka");
	s->sink = k;
	s->delay_ns = DELAY_MIN_NS;
	s->brokers = copy(o, "brokers");
	s->topic_name = copy(o, "topic");
	s->key_template = copy(o, "key");
	s->properties = json_incref(json_object_get(o, "properties"));
	s->format_name = formats[k->output->format];
	if (!s->brokers || !s->topic_name || !s->key_template || !json_is_array(s->properties))
		return log_err_errno(-EBADMSG, "read the output's kafka block");
	s->net = kafka_net_new();
	s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!s->net || s->wake < 0 || strbuf_reserve(&s->key, KEY_MAX_BYTES) < 0)
		return log_err_errno(-ENOMEM, "set up Kafka");
	/* What the libraries load, they load now, and what is wrong with the properties together is
	 * said now; its threads end with it. */
	(void)OPENSSL_init_ssl(0, NULL);
	dummy = make_handle(s, NULL);
	if (!dummy)
		return -EINVAL;
	rd_kafka_destroy(dummy);
	(void)rd_kafka_wait_destroyed(5000);
	return 0;
}

static int start(struct sink_kafka *s)
{
	static const uint64_t one = 1;

	s->rk = make_handle(s, s->brokers);
	if (!s->rk)
		return -EINVAL;
	s->topic = rd_kafka_topic_new(s->rk, s->topic_name, NULL);
	s->queue = rd_kafka_queue_get_main(s->rk);
	if (!s->topic || !s->queue)
		return log_err_errno(-ENOMEM, "set up Kafka");
	rd_kafka_queue_io_event_enable(s->queue, s->wake, &one, sizeof(one));
	s->is_broken = false;
	return 0;
}

static void end(struct sink_kafka *s)
{
	struct dial *dial = s->sink->dial;

	if (!s->rk)
		return;
	if (dial)
		dial_cancel_all(dial, false);
	(void)rd_kafka_purge(s->rk,
		RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
	(void)rd_kafka_poll(s->rk, 0);
	if (s->queue) {
		rd_kafka_queue_io_event_enable(s->queue, -1, NULL, 0);
		rd_kafka_queue_destroy(s->queue);
	}
	if (s->topic)
		rd_kafka_topic_destroy(s->topic);
	rd_kafka_destroy(s->rk);
	s->rk = NULL;
	s->topic = NULL;
	s->queue = NULL;
	kafka_net_use(s->net, NULL);
	if (dial)
		dial_cancel_all(dial, true);
}

static int kafka_open(struct sink *k)
{
	struct sink_kafka *s = k->priv;
	int r;

	/* while a connection is being made the library may hold a lock that its making needs: so the
	 * first is made when it is there (kafka_turn) */
	r = start(s);
	return r < 0 ? r : sink_watch(k, s->wake, EPOLLIN);
}

static void kafka_close(struct sink *k)
{
	struct sink_kafka *s = k->priv;

	if (!s)
		return;
	end(s);
	s->net = kafka_net_free(s->net);
	(void)fd_close(s->wake);
	strbuf_done(&s->key);
	json_decref(s->properties);
	free(s->brokers);
	free(s->topic_name);
	free(s->key_template);
	free(s);
	k->priv = NULL;
}

/* --- producing --- */

static void set_header(rd_kafka_vu_t *vu, const char *name, const void *p, size_t n)
{
	*vu = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_HEADER,
		.u.header = {.name = name, .val = p, .size = (ssize_t)n}};
}

/* The payload stays in the window and is not copied. */
static rd_kafka_resp_err_t produce(struct sink_kafka *s, const struct sink_msg *m)
{
	const struct alert *a = m->alert;
	const char *priority = alert_priority_str(m->priority);
	struct span rule = rec_text(a, a->rule_name), host = rec_text(a, a->host);
	char uuid[UUID_TEXT_LEN + 1];
	rd_kafka_vu_t vu[9];
	rd_kafka_error_t *error;
	rd_kafka_resp_err_t err = RD_KAFKA_RESP_ERR_NO_ERROR;

	strbuf_reset(&s->key);
	kafka_key_add(s->key_template, a, &s->key);
	uuid_format(a->id, uuid);
	vu[0] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = s->topic};
	vu[1] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_VALUE,
		.u.mem = {.ptr = (void *)m->text.p, .size = m->text.n}};
	vu[2] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_KEY,
		.u.mem = {.ptr = s->key.n ? s->key.p : NULL, .size = s->key.n}};
	vu[3] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = (void *)(uintptr_t)m->n};
	set_header(&vu[4], "uuid", uuid, UUID_TEXT_LEN);
	set_header(&vu[5], "rule", rule.p, rule.n);
	set_header(&vu[6], "priority", priority, strlen(priority));
	set_header(&vu[7], "format", s->format_name, strlen(s->format_name));
	set_header(&vu[8], "host", host.p, host.n);
	error = rd_kafka_produceva(s->rk, vu, ARRAY_LEN(vu));
	if (error) {
		err = rd_kafka_error_code(error);
		rd_kafka_error_destroy(error);
	}
	return err;
}

/* false: the library takes no more now. */
static bool send_one(struct sink_kafka *s, const struct sink_msg *m)
{
	rd_kafka_resp_err_t err = produce(s, m);

	switch (err) {
	case RD_KAFKA_RESP_ERR_NO_ERROR:
		*state_of(s, m->n) = MSG_FLIES;
		s->n_flying++;
		return true;
	case RD_KAFKA_RESP_ERR__QUEUE_FULL:
		return false;
	case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
		finish(s, m->n, SINK_REFUSED, rd_kafka_err2str(err));
		return true;
	default: /* fatal: an error call-back says so too */
		s->is_broken = s->is_broken || err == RD_KAFKA_RESP_ERR__FATAL;
		again(s, m->n, MSG_AGAIN);
		return true;
	}
}

static unsigned kafka_submit(struct sink *k, const struct sink_msg *msgs, unsigned n)
{
	struct sink_kafka *s = k->priv;
	unsigned i;

	if (s->first == s->next)
		s->first = s->next = n ? msgs[0].n : s->next;
	for (i = 0; i < n && s->n_again == 0 && !s->is_broken && msgs[i].n - s->first < FLYING_MAX;
		i++) {
		s->msgs[msgs[i].n & (MSGS_MAX - 1)] = &msgs[i];
		s->next = msgs[i].n + 1;
		if (!send_one(s, &msgs[i])) {
			s->next--;
			break;
		}
	}
	return i;
}

/* What failed, in its order; one of those that must be alone. */
static void send_again(struct sink_kafka *s)
{
	for (uint64_t n = s->first; n != s->next; n++) {
		enum msg_state state = *state_of(s, n);

		if (state != MSG_AGAIN && state != MSG_SINGLE)
			continue;
		if (state == MSG_SINGLE && s->n_flying)
			return; /* in its turn */
		s->n_again--;
		if (!send_one(s, s->msgs[n & (MSGS_MAX - 1)])) {
			s->n_again++;
			*state_of(s, n) = state;
			return;
		}
		if (state == MSG_SINGLE)
			return;
	}
}

static void move_first(struct sink_kafka *s)
{
	while (s->first != s->next && *state_of(s, s->first) == MSG_NONE)
		s->first++;
}

/* The library is begun anew; what it had is sent again. */
static void begin_anew(struct sink_kafka *s, uint64_t now_ns)
{
	end(s);
	for (uint64_t n = s->first; n != s->next; n++)
		if (*state_of(s, n) == MSG_FLIES)
			again(s, n, MSG_AGAIN);
	s->n_flying = 0;
	s->retry_ns = now_ns + s->delay_ns;
	s->delay_ns = MIN(s->delay_ns * 2, (uint64_t)DELAY_MAX_NS);
	if (start(s) < 0)
		s->is_broken = true; /* in a while, once more */
}

static int kafka_turn(struct sink *k, uint64_t now_ns)
{
	struct sink_kafka *s = k->priv;
	bool had_again = s->n_again;

	kafka_net_use(s->net, k->dial);
	if (s->rk)
		(void)rd_kafka_poll(s->rk, 0);
	if (s->is_broken && now_ns >= s->retry_ns)
		begin_anew(s, now_ns);
	move_first(s);
	if (!had_again && s->n_again) {
		s->retry_ns = now_ns + s->delay_ns;
		s->delay_ns = MIN(s->delay_ns * 2, (uint64_t)DELAY_MAX_NS);
	}
	if (s->n_again && s->n_flying == 0 && s->rk && now_ns >= s->retry_ns)
		send_again(s);
	return 0;
}

static int kafka_timeout_ms(struct sink *k, uint64_t now_ns)
{
	const struct sink_kafka *s = k->priv;

	if (!s->n_again && !s->is_broken)
		return -1;
	return s->retry_ns > now_ns ? (int)((s->retry_ns - now_ns) / NS_PER_MS) + 1 : 100;
}

static void kafka_on_ready(struct sink *k, int fd, uint32_t events _unused_)
{
	uint64_t count;

	(void)!read(fd, &count, sizeof(count)); /* only to make it silent again */
	(void)k;
}

static const struct seal_call calls[] = {
	{__NR_pipe2, "librdkafka: its threads wake each other"},
	{__NR_dup, "a place for a socket"},
	{__NR_dup3, "the dialer's socket into its place"},
	{__NR_recvfrom, "librdkafka"},
	{__NR_getsockopt, "librdkafka"},
	{__NR_getsockname, "librdkafka"},
	{__NR_poll, "librdkafka"},
};

const struct sink_ops sink_kafka_ops = {
	.name = "kafka",
	.seal = {.calls = calls,
		.n_calls = ARRAY_LEN(calls),
		.threads = 1,
		.net = SEAL_NET_USES | SEAL_NET_SENDMSG},
	.needs_alert = true,
	.window_msgs = MSGS_MAX,
	.window_bytes = WINDOW_BYTES,
	.init = kafka_init,
	.open = kafka_open,
	.close = kafka_close,
	.submit = kafka_submit,
	.turn = kafka_turn,
	.timeout_ms = kafka_timeout_ms,
	.on_ready = kafka_on_ready,
};
