/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP by libcurl: one request at a time, so that alerts arrive in their order; a request that was
 * not answered with success is repeated with growing, jittered delays, or after as long as the
 * server asks for. libcurl may neither resolve nor connect: names are given to it as known, sockets
 * come from the dialer (or from the supervisor: UNIX sockets), and its connect() does nothing
 * (docs/decisions/0008). It asks for a socket when it has no connection left; the request fails
 * then, a socket is asked for, and the request is made again with it. Servers' answers are
 * hostile: a status and a number of seconds are looked at, the rest is thrown away. */

#include <sys/epoll.h>
#include <sys/syscall.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <curl/curl.h>
#include <jansson.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>

#include "dial.h"
#include "http_body.h"
#include "sink_fifo.h"

#define BODY_BYTES (4u << 20)
#define DELAY_MIN_NS (100 * NS_PER_MS)
#define DELAY_MAX_NS (30 * NS_PER_S)
#define RETRY_AFTER_MAX_S 600
#define ECHO_MAX 200
#define TOKEN_UNIX 1

enum http_state {
	HTTP_IDLE,   /* nothing in hand, or waiting for more */
	HTTP_PAUSES, /* waits until retry_ns */
	HTTP_DIALS,  /* waits for a socket */
	HTTP_RUNS,   /* a request is being made */
};

struct sink_http {
	/* configuration */
	char *url, *host, *unix_host, *ca, *cert, *key, *user_agent, *signature_header;
	char *signature_key;
	uint16_t port;
	bool is_tls, is_unix, is_insecure, keeps_alive, echoes;
	enum http_batch batch;
	enum http_coding coding;
	unsigned batch_max, timeout_ms;
	uint64_t linger_ns;
	struct curl_slist *fixed_headers, *resolve;

	struct http_body *body;
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers;

	enum http_state state;
	bool is_added;     /* easy is in multi */
	bool wants_socket; /* it failed for want of one */
	int socket;        /* given and not yet taken by libcurl, -1 */
	uint32_t dial_id;
	uint64_t dial_until_ns; /* of a UNIX socket asked for */
	uint64_t curl_ns;       /* when libcurl wants to be called, 0: not */
	uint64_t retry_ns, delay_ns;
	uint64_t oldest_ns; /* when the first of an incomplete batch came */
	unsigned n_flying;  /* of the fifo: in the request */
	unsigned limit;     /* messages of the next request: less than batch_max while looking for
				  the one that is refused */
	unsigned retry_after_s;
	char echo[ECHO_MAX + 1];
	size_t echo_n;
	struct sink_fifo fifo;
	struct sink *sink;
	char error[CURL_ERROR_SIZE];
};

/* --- configuration --- */

static char *copy(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? strdup(s) : NULL;
}

static int choice(const json_t *o, const char *key, const char *const *names, unsigned n)
{
	const char *s = json_string_value(json_object_get(o, key));

	for (unsigned i = 0; s && i < n; i++)
		if (!strcmp(s, names[i]))
			return (int)i;
	return -EBADMSG;
}

static int add_header(struct curl_slist **list, const char *name, const char *value)
{
	size_t n = strlen(name) + strlen(value) + 3;
	char *line = malloc(n);
	struct curl_slist *more;

	if (!line)
		return -ENOMEM;
	/* a header without a value is written with ';' */
	(void)snprintf(line, n, *value ? "%s: %s" : "%s;", name, value);
	more = curl_slist_append(*list, line);
	OPENSSL_cleanse(line, n);
	free(line);
	if (!more)
		return -ENOMEM;
	*list = more;
	return 0;
}

static bool has_header(const json_t *list, const char *name)
{
	size_t i;
	json_t *pair;

	json_array_foreach(
		list, i, pair) if (!strcasecmp(json_string_value(json_array_get(pair, 0)),
					   name)) return true;
	return false;
}

static int make_headers(struct sink_http *h, const json_t *list, bool is_json)
{
	size_t i;
	json_t *pair;
	int r = 0;

	if (!has_header(list, "content-type"))
		r = add_header(
			&h->fixed_headers, "Content-Type", http_content_type(h->batch, is_json));
	/* libcurl would wait for leave to send a large body */
	if (r == 0) {
		struct curl_slist *more = curl_slist_append(h->fixed_headers, "Expect:");

		r = more ? 0 : -ENOMEM;
		h->fixed_headers = more ? more : h->fixed_headers;
	}
	if (r == 0 && http_coding_str(h->coding))
		r = add_header(&h->fixed_headers, "Content-Encoding", http_coding_str(h->coding));
	json_array_foreach(list, i, pair) if (r == 0) r =
		add_header(&h->fixed_headers, json_string_value(json_array_get(pair, 0)),
			json_string_value(json_array_get(pair, 1)));
	return r;
}

static int parse(struct sink *k, struct sink_http *h)
{
	static const char *const batches[] = {"none", "array", "ndjson", "splunk_hec"},
				 *const codings[] = {"none", "gzip", "zstd"};
	const json_t *o = k->output->own, *signature = json_object_get(o, "signature");
	bool is_json = k->output->format != OUTPUT_TEXT && k->output->format != OUTPUT_CEF;
	int batch = choice(o, "batch", batches, ARRAY_LEN(batches)),
	    coding = choice(o, "compression", codings, ARRAY_LEN(codings));
	json_int_t port = json_integer_value(json_object_get(o, "port")),
		   batch_max = json_integer_value(json_object_get(o, "batch_max")),
		   timeout = json_integer_value(json_object_get(o, "timeout_ms"));
	char known[DIAL_HOST_MAX + 40];

	h->url = copy(o, "url");
	h->host = copy(o, "host");
	h->user_agent = copy(o, "user_agent");
	if (batch < 0 || coding < 0 || !h->url || !h->host || !h->user_agent || port < 1 ||
		port > 65535 || batch_max < 1 || timeout < 1)
		return -EBADMSG;
	h->ca = copy(o, "ca");
	h->cert = copy(o, "cert");
	h->key = copy(o, "key");
	h->signature_header =
		signature ? strdup(json_string_value(json_array_get(signature, 0))) : NULL;
	h->signature_key =
		signature ? strdup(json_string_value(json_array_get(signature, 1))) : NULL;
	h->port = (uint16_t)port;
	h->is_tls = json_is_true(json_object_get(o, "tls"));
	h->is_unix = json_is_true(json_object_get(o, "unix"));
	h->is_insecure = json_is_true(json_object_get(o, "insecure"));
	h->keeps_alive = json_is_true(json_object_get(o, "keep_alive"));
	h->echoes = json_is_true(json_object_get(o, "echo"));
	h->batch = (enum http_batch)batch;
	h->coding = (enum http_coding)coding;
	h->batch_max = h->batch == HTTP_SINGLE ? 1 : (unsigned)MIN(batch_max, SINK_FIFO_MAX / 2);
	h->limit = h->batch_max;
	h->timeout_ms = (unsigned)MIN(timeout, 3600000);
	h->linger_ns = (uint64_t)json_integer_value(json_object_get(o, "linger_ms")) * NS_PER_MS;
	/* an address that libcurl is to think it connects to */
	(void)snprintf(known, sizeof(known), "%s:%u:240.0.0.1", h->host, h->port);
	h->resolve = curl_slist_append(NULL, known);
	if (!h->resolve)
		return -ENOMEM;
	if (make_headers(h, json_object_get(o, "headers"), is_json) < 0)
		return -ENOMEM;
	return http_body_new(h->batch, h->coding, is_json, BODY_BYTES, &h->body);
}

static int http_init(struct sink *k)
{
	struct sink_http *h = k->priv = calloc(1, sizeof(*h));
	unsigned char byte;
	SSL_CTX *ctx;
	int r;

	if (!h)
		return log_err_errno(-ENOMEM, "set up HTTP");
	h->sink = k;
	h->socket = -1;
	h->delay_ns = DELAY_MIN_NS;
	/* what the libraries load, they load now */
	if (curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK)
		return log_err_errno(-ENOMEM, "set up libcurl");
	(void)OPENSSL_init_ssl(0, NULL);
	ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_free(ctx);
	(void)RAND_bytes(&byte, 1);
	curl_easy_cleanup(curl_easy_init());
	r = parse(k, h);
	return r < 0 ? log_err_errno(r, "read the output's http block") : 0;
}

/* --- libcurl's call-backs --- */

static curl_socket_t on_open_socket(
	void *arg, curlsocktype purpose _unused_, struct curl_sockaddr *a _unused_)
{
	struct sink_http *h = arg;

	if (h->socket < 0) {
		h->wants_socket = true;
		return CURL_SOCKET_BAD;
	}
	return TAKE_FD(h->socket);
}

static int on_close_socket(void *arg, curl_socket_t fd)
{
	struct sink_http *h = arg;

	(void)sink_watch(h->sink, fd, 0);
	(void)fd_close(fd);
	return 0;
}

static int on_socket(CURL *easy _unused_, curl_socket_t fd, int what, void *arg, void *p _unused_)
{
	struct sink_http *h = arg;
	uint32_t events = what == CURL_POLL_IN      ? EPOLLIN
			  : what == CURL_POLL_OUT   ? EPOLLOUT
			  : what == CURL_POLL_INOUT ? EPOLLIN | EPOLLOUT
						    : 0;

	(void)sink_watch(h->sink, fd, events);
	return 0;
}

static int on_timer(CURLM *multi _unused_, long ms, void *arg)
{
	struct sink_http *h = arg;

	h->curl_ns = ms < 0 ? 0 : clock_mono_ns() + (uint64_t)ms * NS_PER_MS + 1;
	return 0;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct sink_http *h = arg;

	for (size_t i = 0; i < size * n && h->echo_n < ECHO_MAX; i++)
		h->echo[h->echo_n++] = p[i] >= 0x20 && p[i] < 0x7f ? p[i] : ' ';
	h->echo[h->echo_n] = 0;
	return size * n;
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	static const char name[] = "retry-after:";
	struct sink_http *h = arg;
	char value[64];
	size_t len = size * n;
	time_t when;

	if (len <= sizeof(name) - 1 || strncasecmp(p, name, sizeof(name) - 1) != 0)
		return len;
	(void)snprintf(value, sizeof(value), "%.*s",
		(int)MIN(len - (sizeof(name) - 1), sizeof(value) - 1), p + sizeof(name) - 1);
	h->retry_after_s =
		(unsigned)MIN(strtoul(value, NULL, 10), (unsigned long)RETRY_AFTER_MAX_S);
	when = h->retry_after_s ? -1 : curl_getdate(value, NULL);
	if (when > 0 && when > time(NULL))
		h->retry_after_s = (unsigned)MIN(when - time(NULL), (time_t)RETRY_AFTER_MAX_S);
	return len;
}

/* --- handles --- */

static void set_blob(CURL *e, CURLoption option, char *text)
{
	struct curl_blob blob = {
		.data = text, .len = text ? strlen(text) : 0, .flags = CURL_BLOB_NOCOPY};

	if (text)
		(void)curl_easy_setopt(e, option, &blob);
}

static void set_tls(struct sink_http *h, CURL *e)
{
	static char none[] = "";

	if (!h->is_tls)
		return;
	(void)curl_easy_setopt(e, CURLOPT_CAINFO, NULL);
	(void)curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	(void)curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, h->is_insecure ? 0L : 1L);
	(void)curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, h->is_insecure ? 0L : 2L);
	(void)curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (!h->is_insecure)
		set_blob(e, CURLOPT_CAINFO_BLOB, h->ca ? h->ca : none);
	set_blob(e, CURLOPT_SSLCERT_BLOB, h->cert);
	set_blob(e, CURLOPT_SSLKEY_BLOB, h->key);
}

static int http_open(struct sink *k)
{
	struct sink_http *h = k->priv;
	CURL *e = h->easy = curl_easy_init();

	h->multi = curl_multi_init();
	if (!e || !h->multi)
		return log_err_errno(-ENOMEM, "set up libcurl");
	(void)curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	(void)curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
	(void)curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	(void)curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
	(void)curl_easy_setopt(e, CURLOPT_URL, h->url);
	(void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, h->is_tls ? "https" : "http");
	(void)curl_easy_setopt(e, CURLOPT_RESOLVE, h->resolve);
	(void)curl_easy_setopt(e, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	(void)curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)h->timeout_ms);
	(void)curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, h->keeps_alive ? 1L : 0L);
	(void)curl_easy_setopt(e, CURLOPT_USERAGENT, h->user_agent);
	(void)curl_easy_setopt(e, CURLOPT_POST, 1L);
	(void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, h->error);
	(void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(e, CURLOPT_WRITEDATA, h);
	(void)curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(e, CURLOPT_HEADERDATA, h);
	(void)curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	(void)curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, h);
	(void)curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
	(void)curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, h);
	set_tls(h, e);
	return 0;
}

static void http_close(struct sink *k)
{
	struct sink_http *h = k->priv;

	if (!h)
		return;
	if (h->is_added)
		(void)curl_multi_remove_handle(h->multi, h->easy);
	curl_easy_cleanup(h->easy);
	(void)curl_multi_cleanup(h->multi);
	curl_slist_free_all(h->headers);
	curl_slist_free_all(h->fixed_headers);
	curl_slist_free_all(h->resolve);
	h->body = http_body_free(h->body);
	if (h->dial_id)
		dial_forget(k->dial, h->dial_id);
	(void)fd_close(h->socket);
	free(h->url);
	free(h->host);
	free(h->ca);
	free(h->cert);
	free(h->key);
	free(h->user_agent);
	free(h->signature_header);
	free(h->signature_key);
	free(h);
	k->priv = NULL;
}

/* --- requests --- */

static void pause_for(struct sink_http *h, uint64_t now_ns)
{
	uint64_t wait_ns = h->delay_ns, jitter = 0;

	/* 75 to 125 %, so that many hosts do not come back at once */
	(void)RAND_bytes((unsigned char *)&jitter, sizeof(jitter)); /* else none */
	wait_ns = wait_ns * 3 / 4 + jitter % (wait_ns / 2);
	if (h->retry_after_s)
		wait_ns = h->retry_after_s * NS_PER_S;
	h->retry_ns = now_ns + wait_ns;
	h->delay_ns = MIN(h->delay_ns * 2, (uint64_t)DELAY_MAX_NS);
	h->state = HTTP_PAUSES;
}

static void run(struct sink_http *h)
{
	h->wants_socket = false;
	h->retry_after_s = 0;
	h->echo_n = 0;
	h->error[0] = 0;
	h->state = HTTP_RUNS;
	h->is_added = curl_multi_add_handle(h->multi, h->easy) == CURLM_OK;
}

/* What is in hand as a request. */
static void prepare(struct sink_http *h)
{
	char signature[HTTP_SIGNATURE_LEN + 1];
	struct span body = {0};

	http_body_begin(h->body);
	for (h->n_flying = 0; h->n_flying < MIN(h->fifo.n, h->limit); h->n_flying++)
		if (!http_body_add(h->body, sink_fifo_at(&h->fifo, h->n_flying)))
			break;
	if (http_body_end(h->body, &body) < 0)
		return;
	if (h->signature_header) {
		curl_slist_free_all(h->headers);
		h->headers = NULL;
		for (const struct curl_slist *l = h->fixed_headers; l; l = l->next)
			h->headers = curl_slist_append(h->headers, l->data);
		http_sign(span_str(h->signature_key), body, signature);
		(void)add_header(&h->headers, h->signature_header, signature);
	}
	(void)curl_easy_setopt(
		h->easy, CURLOPT_HTTPHEADER, h->signature_header ? h->headers : h->fixed_headers);
	(void)curl_easy_setopt(h->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
	(void)curl_easy_setopt(h->easy, CURLOPT_POSTFIELDS, body.p);
}

static void begin_dial(struct sink *k, struct sink_http *h, uint64_t now_ns)
{
	int r;

	h->state = HTTP_DIALS;
	h->dial_until_ns = now_ns + h->timeout_ms * NS_PER_MS;
	if (h->is_unix)
		r = sink_ask(k, TOKEN_UNIX, "http");
	else
		r = k->dial ? dial_start(k->dial, DIAL_TCP, h->host, h->port, h->timeout_ms,
				      &h->dial_id)
			    : -ENOTCONN;
	if (r < 0) {
		sink_trouble(k, -r, NULL);
		pause_for(h, now_ns);
	}
}

static void got_socket(struct sink *k, struct sink_http *h, int r, int fd, const char *why)
{
	if (r < 0) {
		char text[DIAL_HOST_MAX + DIAL_TEXT_MAX + 16];

		(void)snprintf(text, sizeof(text), "%s:%u: %s", h->host, h->port, why);
		sink_trouble(k, -r, text);
		pause_for(h, clock_mono_ns());
		return;
	}
	h->socket = fd;
	run(h);
}

static void turn_dials(struct sink *k, struct sink_http *h, uint64_t now_ns)
{
	char text[DIAL_TEXT_MAX];
	int fd = -1, r;

	if (h->dial_id) {
		r = dial_take(k->dial, h->dial_id, &fd, text);
		if (r == -EAGAIN)
			return;
		h->dial_id = 0;
		got_socket(k, h, r, fd, text);
	} else if (now_ns >= h->dial_until_ns) {
		got_socket(k, h, -ETIMEDOUT, -1, strerror(ETIMEDOUT));
	}
}

static void http_on_fd(struct sink *k, uint64_t token, int result, int fd)
{
	struct sink_http *h = k->priv;

	if (token != TOKEN_UNIX || h->state != HTTP_DIALS || h->dial_id)
		(void)fd_close(fd);
	else
		got_socket(k, h, fd < 0 ? result : 0, fd, strerror(-result));
}

/* --- what came of a request --- */

static void all_delivered(struct sink *k, struct sink_http *h)
{
	while (h->n_flying) {
		sink_fifo_report(k, &h->fifo, SINK_DELIVERED, NULL);
		h->n_flying--;
	}
	h->delay_ns = DELAY_MIN_NS;
	h->limit = MIN(h->limit * 2, h->batch_max);
	h->state = HTTP_IDLE;
	sink_well(k);
}

/* The server does not want this body: one alert in it may be why. Halves are tried until it is
 * alone, and that one is refused. */
static void refused(struct sink *k, struct sink_http *h, long status)
{
	char why[ECHO_MAX + 40];

	h->state = HTTP_IDLE;
	if (h->n_flying > 1) {
		h->limit = h->n_flying / 2;
		return;
	}
	(void)snprintf(why, sizeof(why), "status %ld: %s", status, h->echo);
	sink_fifo_report(k, &h->fifo, SINK_REFUSED, why);
	h->n_flying = 0;
	h->limit = MIN(h->limit * 2, h->batch_max);
}

/* Statuses that are about what was sent, not about who sends it, where to or when. */
static bool is_about_the_body(long status)
{
	return status == 400 || status == 406 || status == 409 || status == 411 || status == 413 ||
	       status == 414 || status == 415 || status == 422 || status == 431;
}

static void on_done(struct sink *k, struct sink_http *h, CURLcode result, uint64_t now_ns)
{
	char text[sizeof(h->echo) + 64];
	long status = 0;

	(void)curl_multi_remove_handle(h->multi, h->easy);
	h->is_added = false;
	if (result != CURLE_OK && h->wants_socket) {
		begin_dial(k, h, now_ns);
		return;
	}
	if (result != CURLE_OK) {
		sink_trouble(k, result == CURLE_OPERATION_TIMEDOUT ? ETIMEDOUT : EIO,
			h->error[0] ? h->error : curl_easy_strerror(result));
		pause_for(h, now_ns);
		return;
	}
	(void)curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
	if (h->echoes)
		log_notice("output '%s': status %ld: %s", k->output->name, status, h->echo);
	if (status / 100 == 2) {
		all_delivered(k, h);
	} else if (is_about_the_body(status)) {
		refused(k, h, status);
	} else {
		(void)snprintf(text, sizeof(text), "status %ld: %s", status, h->echo);
		sink_trouble(k, EREMOTEIO, text);
		pause_for(h, now_ns);
	}
}

static void read_results(struct sink *k, struct sink_http *h, uint64_t now_ns)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(h->multi, &left)))
		if (m->msg == CURLMSG_DONE)
			on_done(k, h, m->data.result, now_ns);
}

static void call_curl(struct sink_http *h, int fd, int how)
{
	int running;

	(void)curl_multi_socket_action(h->multi, fd, how, &running);
}

static void http_on_ready(struct sink *k, int fd, uint32_t events)
{
	struct sink_http *h = k->priv;

	call_curl(h, fd,
		(events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
			(events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
			(events & EPOLLERR ? CURL_CSELECT_ERR : 0));
}

/* Is it time for a request? A batch that is not full waits for more, for a while. */
static bool is_due(const struct sink_http *h, uint64_t now_ns)
{
	if (h->fifo.n == 0)
		return false;
	return h->fifo.n >= h->limit || now_ns >= h->oldest_ns + h->linger_ns;
}

static int http_turn(struct sink *k, uint64_t now_ns)
{
	struct sink_http *h = k->priv;

	if (h->state == HTTP_PAUSES && now_ns >= h->retry_ns)
		run(h);
	if (h->state == HTTP_DIALS)
		turn_dials(k, h, now_ns);
	if (h->state == HTTP_IDLE && is_due(h, now_ns)) {
		prepare(h);
		run(h);
	}
	if (h->curl_ns && now_ns >= h->curl_ns) {
		h->curl_ns = 0;
		call_curl(h, CURL_SOCKET_TIMEOUT, 0);
	}
	read_results(k, h, now_ns);
	if (h->state == HTTP_IDLE && h->fifo.n == 0)
		h->oldest_ns = 0;
	return 0;
}

static int until_ms(uint64_t at_ns, uint64_t now_ns)
{
	return at_ns > now_ns ? (int)MIN((at_ns - now_ns) / NS_PER_MS + 1, (uint64_t)60000) : 0;
}

static int http_timeout_ms(struct sink *k, uint64_t now_ns)
{
	const struct sink_http *h = k->priv;
	int ms = h->curl_ns ? until_ms(h->curl_ns, now_ns) : -1, own = -1;

	if (h->state == HTTP_PAUSES)
		own = until_ms(h->retry_ns, now_ns);
	else if (h->state == HTTP_DIALS)
		own = 1000;
	else if (h->state == HTTP_IDLE && h->fifo.n)
		own = until_ms(h->oldest_ns + h->linger_ns, now_ns);
	return ms < 0 || (own >= 0 && own < ms) ? own : ms;
}

static unsigned http_submit(struct sink *k, const struct sink_msg *msgs, unsigned n)
{
	struct sink_http *h = k->priv;

	if (h->fifo.n == h->n_flying)
		h->oldest_ns = clock_mono_ns();
	return sink_fifo_take(&h->fifo, msgs, n);
}

static const struct seal_call calls[] = {
	{__NR_recvfrom, "libcurl"},
	{__NR_getsockopt, "libcurl"},
	{__NR_getsockname, "libcurl"},
	{__NR_getpeername, "libcurl"},
	{__NR_socketpair, "libcurl's own wake-up; it reaches nobody"},
	{__NR_rt_sigaction, "libcurl"},
};

const struct sink_ops sink_http_ops = {
	.name = "http",
	.seal = {.calls = calls,
		.n_calls = ARRAY_LEN(calls),
		.net = SEAL_NET_USES | SEAL_NET_PRETENDS},
	.needs_alert = true,
	.window_msgs = SINK_FIFO_MAX,
	.window_bytes = 8u << 20,
	.init = http_init,
	.open = http_open,
	.close = http_close,
	.submit = http_submit,
	.turn = http_turn,
	.timeout_ms = http_timeout_ms,
	.on_ready = http_on_ready,
	.on_fd = http_on_fd,
};
