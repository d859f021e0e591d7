/* SPDX-License-Identifier: Apache-2.0 */
/* Requests by libcurl, which reads the framing of answers (status line, headers, chunks) and hands their bodies on; nobody here looks at a body. It may neither make nor connect a
 * socket: it asks for one when it has no idle connection left; without one in hand the request fails before a byte was sent, a socket is asked for, and the request is made again with it
 * (docs/decisions/0008). A runtime is trusted with nothing: each answer has a size and a time. */

#include "transfer.h"

#include <sys/epoll.h>

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <curl/curl.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/macros.h>

#define REQUEST_MS 5000L
#define LIST_MS 20000L
#define CONNECT_MS 2000L
#define URL_MAX 512
/* Asks, and of each runtime its reports and its version. */
#define TRANSFERS_MAX (GATE_ASKS_MAX + 2 * GATE_RUNTIMES_MAX)

enum transfer_state {
	TR_FREE,
	TR_RUNS,
	TR_WAITS, /* for a socket */
};

struct transfer {
	struct transfers *all;
	enum transfer_state state;
	unsigned runtime, what;
	uint64_t cookie;
	CURL *easy;
	bool wants_socket; /* it failed for want of one */
	bool is_paused;    /* there was no room for what it brought */
	bool is_too_big;
	bool is_up;      /* events: the answer's head was good */
	int grpc_status; /* of a call; -1: not said yet */
	size_t n_body;
	char url[URL_MAX];
	char message[TRANSFER_MESSAGE_MAX];
	struct curl_slist namespace; /* a header, and those of all calls behind it */
	char namespace_line[128];
};

struct runtime {
	unsigned kind;
	int socket;    /* given and not yet taken by libcurl, -1 */
	bool is_asked; /* a socket is on its way */
};

struct transfers {
	struct transfer_env env;
	struct runtime runtimes[GATE_RUNTIMES_MAX];
	unsigned n_runtimes, n_asks;
	struct transfer list[TRANSFERS_MAX];
	struct curl_slist *resolve, *grpc_headers;
	CURLM *multi;
	uint64_t curl_ns; /* when libcurl wants to be called, 0: not */
};

/* --- what is sent --- */

/* As query texts, percent-encoded. */
#define EVENTS_FILTER                                                                              \
	"%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22create%22%2C%22start%22%2C%"  \
	"22destroy%22%2C%22remove%22%5D%7D"
#define LIST_FILTER "%7B%22status%22%3A%5B%22created%22%2C%22running%22%2C%22paused%22%5D%7D"

/* Both lock a container for as long as its start takes, and inspecting it waits for that. Docker's list does not; of Podman the report of its creation is asked for once more, for its stream looks
 * for new ones four times a second alone. */
#define DOCKER_COMMON                                                                              \
	[GATE_EVENTS] = "/events?filters=" EVENTS_FILTER,                                          \
	[GATE_LIST] = "/containers/json?all=true&filters=" LIST_FILTER,                            \
	[GATE_INSPECT] = "/containers/%.*s/json", [GATE_IMAGE] = "/images/%.*s/json"
static const char *const docker_paths[_GATE_WHAT_MAX] = {
	DOCKER_COMMON,
	[GATE_BRIEF] = "/containers/json?all=true&filters=%7B%22id%22%3A%5B%22%.*s%22%5D%7D",
};
static const char *const podman_paths[_GATE_WHAT_MAX] = {
	DOCKER_COMMON,
	[GATE_BRIEF] = "/events?stream=false&filters=%7B%22container%22%3A%5B%22%.*s%22%5D%2C"
		       "%22event%22%3A%5B%22create%22%5D%7D",
};

/* Calls: one message after a head of five bytes (not compressed, its length). What has no id has no fields either. */
#define CRI_SERVICE "/runtime.v1.RuntimeService/"
#define GRPC_HEAD 5u
static const char *const cri_paths[_GATE_WHAT_MAX] = {
	[GATE_EVENTS] = CRI_SERVICE "GetContainerEvents",
	[GATE_VERSION] = CRI_SERVICE "Version",
	[GATE_LIST] = CRI_SERVICE "ListContainers",
	[GATE_INSPECT] = CRI_SERVICE "ContainerStatus",
	[GATE_POD] = CRI_SERVICE "PodSandboxStatus",
	[GATE_PODS] = CRI_SERVICE "ListPodSandbox",
};

#define CONTAINERD_SERVICE "/containerd.services."
static const char *const containerd_paths[_GATE_WHAT_MAX] = {
	[GATE_EVENTS] = CONTAINERD_SERVICE "events.v1.Events/Subscribe",
	[GATE_VERSION] = CONTAINERD_SERVICE "version.v1.Version/Version",
	[GATE_NAMESPACES] = CONTAINERD_SERVICE "namespaces.v1.Namespaces/List",
	[GATE_LIST] = CONTAINERD_SERVICE "containers.v1.Containers/List",
	[GATE_INSPECT] = CONTAINERD_SERVICE "containers.v1.Containers/Get",
	[GATE_IMAGE] = CONTAINERD_SERVICE "images.v1.Images/Get",
};

/* Of others' namespaces those others tell. */
#define NOT_OTHERS ",namespace!=\"k8s.io\",namespace!=\"moby\""
static const char *const containerd_filters[] = {"topic==\"/containers/create\"" NOT_OTHERS,
	"topic==\"/containers/delete\"" NOT_OTHERS, "topic==\"/tasks/start\"" NOT_OTHERS};

/* Field @number with a text, behind *n bytes. */
static void put_field(char *buf, size_t *n, unsigned number, struct span text)
{
	assert(text.n < 1u << 14 && *n + 3 + text.n <= TRANSFER_MESSAGE_MAX);
	buf[(*n)++] = (char)(number << 3 | 2);
	if (text.n >= 128)
		buf[(*n)++] = (char)(0x80 | (text.n & 127));
	buf[(*n)++] = (char)(text.n >= 128 ? text.n >> 7 : text.n);
	memcpy(buf + *n, text.p, text.n);
	*n += text.n;
}

/* What calls say: of Kubernetes id = 1, verbose = 2; of containerd id = 1, or the filters of its reports. The namespace of an id is a header's. */
size_t transfer_message(unsigned kind, enum gate_what what, struct span id, char *buf)
{
	size_t n = GRPC_HEAD;
	struct span rest;

	if (kind == GATE_CONTAINERD) {
		(void)gate_namespace(id, &rest);
		if (rest.n)
			put_field(buf, &n, 1, rest);
		for (unsigned i = 0; what == GATE_EVENTS && i < ARRAY_LEN(containerd_filters); i++)
			put_field(buf, &n, 1, span_str(containerd_filters[i]));
	} else if (id.n) {
		put_field(buf, &n, 1, id);
		buf[n++] = 2 << 3;
		buf[n++] = 1;
	}
	memset(buf, 0, GRPC_HEAD);
	buf[3] = (char)((n - GRPC_HEAD) >> 8);
	buf[4] = (char)((n - GRPC_HEAD) & 255);
	return n;
}

bool transfer_path(unsigned kind, enum gate_what what, struct span id, char *buf, size_t cap)
{
	const char *const *paths = kind == GATE_DOCKER       ? docker_paths
				   : kind == GATE_PODMAN     ? podman_paths
				   : kind == GATE_CRI        ? cri_paths
				   : kind == GATE_CONTAINERD ? containerd_paths
							     : NULL;
	const char *from, *hole;
	int n;

	if (!paths || what >= _GATE_WHAT_MAX || !paths[what])
		return false;
	from = paths[what];
	hole = strstr(from, "%.*s");
	if (!hole)
		n = snprintf(buf, cap, "%s", from);
	else
		n = snprintf(buf, cap, "%.*s%.*s%s", (int)(hole - from), from, (int)id.n, id.p,
			hole + strlen("%.*s"));
	return n > 0 && (size_t)n < cap;
}

/* --- libcurl's call-backs --- */

static curl_socket_t on_open_socket(
	void *arg, curlsocktype purpose _unused_, struct curl_sockaddr *a _unused_)
{
	struct transfer *x = arg;
	struct runtime *rt = &x->all->runtimes[x->runtime];

	if (rt->socket < 0) {
		x->wants_socket = true;
		return CURL_SOCKET_BAD;
	}
	return TAKE_FD(rt->socket);
}

static int on_close_socket(void *arg, curl_socket_t fd)
{
	struct transfers *t = arg;

	t->env.watch(t->env.ctx, fd, 0);
	(void)fd_close(fd);
	return 0;
}

static int on_socket(CURL *easy _unused_, curl_socket_t fd, int what, void *arg, void *p _unused_)
{
	struct transfers *t = arg;
	uint32_t events = what == CURL_POLL_IN      ? EPOLLIN
			  : what == CURL_POLL_OUT   ? EPOLLOUT
			  : what == CURL_POLL_INOUT ? EPOLLIN | EPOLLOUT
						    : 0;

	t->env.watch(t->env.ctx, fd, events);
	return 0;
}

static int on_timer(CURLM *multi _unused_, long ms, void *arg)
{
	struct transfers *t = arg;

	t->curl_ns = ms < 0 ? 0 : clock_mono_ns() + (uint64_t)ms * NS_PER_MS + 1;
	return 0;
}

static bool is_call(const struct transfer *x)
{
	return gate_is_call(x->all->runtimes[x->runtime].kind);
}

/* So far: a call's own status may come behind the body. */
static bool is_good(const struct transfer *x)
{
	long status = 0;

	(void)curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
	return status == 200 && x->grpc_status <= 0;
}

static void say_up(struct transfer *x)
{
	if (x->is_up || x->what != (is_call(x) ? GATE_VERSION : GATE_EVENTS) || !is_good(x))
		return;
	x->is_up = true;
	x->all->env.up(x->all->env.ctx, x->runtime);
}

static size_t on_header(char *p, size_t size, size_t n, void *arg)
{
	static const char name[] = "grpc-status:";
	struct transfer *x = arg;
	size_t len = size * n;

	if (len > sizeof(name) && is_call(x) && strncasecmp(p, name, sizeof(name) - 1) == 0) {
		x->grpc_status = 0;
		for (size_t i = sizeof(name) - 1; i < len && x->grpc_status < 100; i++)
			if (p[i] >= '0' && p[i] <= '9')
				x->grpc_status = x->grpc_status * 10 + (p[i] - '0');
	}
	if (len <= 2 && p[0] == '\r') /* the head's end */
		say_up(x);
	return len;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	struct transfer *x = arg;
	struct transfers *t = x->all;
	size_t max = gate_is_list(x->what) ? GATE_LIST_MAX : GATE_BODY_MAX, len = size * n;

	if (!is_good(x))
		return len;                                    /* an error's text is for nobody */
	if (x->what != GATE_EVENTS && len > max - x->n_body) { /* those never end */
		x->is_too_big = true;
		return 0;
	}
	/* libcurl gives at most CURLOPT_BUFFERSIZE at a time, which is a part's size; all or nothing is taken */
	if (len > GATE_PART_MAX)
		return 0;
	if (len && !t->env.body(t->env.ctx, x->runtime, x->what, x->cookie,
			   (struct span){.p = p, .n = len})) {
		x->is_paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	x->n_body += len;
	return len;
}

/* --- handles --- */

static bool open_handle(struct transfers *t, struct transfer *x)
{
	CURL *e = x->easy = curl_easy_init();

	x->all = t;
	if (!e)
		return false;
	(void)curl_easy_setopt(e, CURLOPT_PRIVATE, x);
	(void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http");
	(void)curl_easy_setopt(e, CURLOPT_RESOLVE, t->resolve);
	(void)curl_easy_setopt(e, CURLOPT_PROXY, "");
	(void)curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(e, CURLOPT_HTTP09_ALLOWED, 0L);
	(void)curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(e, CURLOPT_BUFFERSIZE, (long)GATE_PART_MAX);
	(void)curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	(void)curl_easy_setopt(e, CURLOPT_TCP_NODELAY, 0L); /* no such option of a UNIX socket */
	(void)curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 0L);
	(void)curl_easy_setopt(e, CURLOPT_USERAGENT, "saker");
	(void)curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
	(void)curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(e, CURLOPT_HEADERDATA, x);
	(void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(e, CURLOPT_WRITEDATA, x);
	(void)curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	(void)curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, x);
	(void)curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
	(void)curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, t);
	return true;
}

int transfers_init(void)
{
	if (curl_global_init(CURL_GLOBAL_ALL) != CURLE_OK)
		return -ENOMEM;
	curl_easy_cleanup(curl_easy_init());
	return 0;
}

static bool add_grpc_headers(struct transfers *t)
{
	/* without the two that libcurl would add */
	static const char *const headers[] = {
		"Content-Type: application/grpc", "TE: trailers", "Accept:", "Expect:"};

	for (unsigned i = 0; i < ARRAY_LEN(headers); i++) {
		struct curl_slist *more = curl_slist_append(t->grpc_headers, headers[i]);

		if (!more)
			return false;
		t->grpc_headers = more;
	}
	return true;
}

struct transfers *transfers_new(const uint32_t *kinds, unsigned n, const struct transfer_env *env)
{
	struct transfers *t = calloc(1, sizeof(*t));
	bool ok;

	if (!t)
		return NULL;
	t->env = *env;
	t->n_runtimes = MIN(n, GATE_RUNTIMES_MAX);
	for (unsigned i = 0; i < t->n_runtimes; i++) {
		char known[64];
		struct curl_slist *more;

		t->runtimes[i] = (struct runtime){.kind = kinds[i], .socket = -1};
		/* an address that libcurl is to think it connects to */
		(void)snprintf(known, sizeof(known), "runtime%u:80:240.0.0.%u", i, i + 1);
		more = curl_slist_append(t->resolve, known);
		if (!more)
			return transfers_free(t);
		t->resolve = more;
	}
	if (!add_grpc_headers(t))
		return transfers_free(t);
	t->multi = curl_multi_init();
	ok = t->multi;
	for (unsigned i = 0; i < ARRAY_LEN(t->list) && ok; i++)
		ok = open_handle(t, &t->list[i]);
	if (!ok)
		return transfers_free(t);
	(void)curl_multi_setopt(t->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	(void)curl_multi_setopt(t->multi, CURLMOPT_SOCKETDATA, t);
	(void)curl_multi_setopt(t->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	(void)curl_multi_setopt(t->multi, CURLMOPT_TIMERDATA, t);
	(void)curl_multi_setopt(
		t->multi, CURLMOPT_MAXCONNECTS, (long)(2 * GATE_RUNTIMES_MAX + GATE_ASKS_MAX));
	return t;
}

struct transfers *transfers_free(struct transfers *t)
{
	if (!t)
		return NULL;
	for (unsigned i = 0; i < ARRAY_LEN(t->list); i++) {
		if (t->list[i].state == TR_RUNS)
			(void)curl_multi_remove_handle(t->multi, t->list[i].easy);
		curl_easy_cleanup(t->list[i].easy);
	}
	(void)curl_multi_cleanup(t->multi);
	curl_slist_free_all(t->resolve);
	curl_slist_free_all(t->grpc_headers);
	for (unsigned i = 0; i < t->n_runtimes; i++)
		(void)fd_close(t->runtimes[i].socket);
	free(t);
	return NULL;
}

/* --- requests --- */

static void set_free(struct transfer *x)
{
	x->state = TR_FREE;
	x->all->n_asks -= !gate_is_unasked(x->what);
}

static void finish(struct transfer *x, unsigned status)
{
	struct transfers *t = x->all;

	set_free(x);
	t->env.done(t->env.ctx, x->runtime, x->what, x->cookie, status);
}

static void run(struct transfer *x)
{
	x->wants_socket = x->is_paused = x->is_too_big = x->is_up = false;
	x->grpc_status = -1;
	x->n_body = 0;
	x->state = TR_RUNS;
	if (curl_multi_add_handle(x->all->multi, x->easy) != CURLM_OK)
		finish(x, GATE_BUSY);
}

static void wait_socket(struct transfer *x)
{
	struct transfers *t = x->all;
	struct runtime *rt = &t->runtimes[x->runtime];

	x->state = TR_WAITS;
	if (rt->is_asked)
		return;
	rt->is_asked = true;
	t->env.want_socket(t->env.ctx, x->runtime);
}

bool transfers_has_room(const struct transfers *t)
{
	return t->n_asks < GATE_ASKS_MAX;
}

/* containerd has its containers in namespaces, which calls name in a header. */
static struct curl_slist *headers_of(struct transfer *x, struct span id)
{
	struct span rest, namespace = gate_namespace(id, &rest);

	if (x->all->runtimes[x->runtime].kind != GATE_CONTAINERD || !id.n)
		return x->all->grpc_headers;
	if (!namespace.n)
	namespace = id;
	(void)snprintf(x->namespace_line, sizeof(x->namespace_line), "containerd-namespace: %.*s",
		(int)namespace.n, namespace.p);
	x->namespace = (struct curl_slist){.data = x->namespace_line, .next = x->all->grpc_headers};
	return &x->namespace;
}

/* A runtime's kind decides: a request of HTTP/1.1, or a call over HTTP/2 from the first byte. */
static void set_method(struct transfer *x, struct span id)
{
	if (!is_call(x)) {
		(void)curl_easy_setopt(x->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
		(void)curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, NULL);
		(void)curl_easy_setopt(x->easy, CURLOPT_HTTPGET, 1L);
		return;
	}
	(void)curl_easy_setopt(
		x->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
	(void)curl_easy_setopt(x->easy, CURLOPT_HTTPHEADER, headers_of(x, id));
	(void)curl_easy_setopt(x->easy, CURLOPT_POSTFIELDSIZE,
		(long)transfer_message(x->all->runtimes[x->runtime].kind, x->what, id, x->message));
	(void)curl_easy_setopt(
		x->easy, CURLOPT_POSTFIELDS, x->message); /* borrowed; makes it a POST */
}

int transfers_start(
	struct transfers *t, unsigned runtime, enum gate_what what, uint64_t cookie, struct span id)
{
	struct transfer *x = t->list;
	char path[URL_MAX - 32];
	bool is_endless, has_own;

	while (x < t->list + ARRAY_LEN(t->list) && x->state != TR_FREE)
		x++;
	if (x == t->list + ARRAY_LEN(t->list))
		return -EBUSY;
	if (!transfer_path(t->runtimes[runtime].kind, what, id, path, sizeof(path)))
		return -EINVAL;
	x->runtime = runtime;
	x->what = what;
	x->cookie = cookie;
	(void)snprintf(x->url, sizeof(x->url), "http://runtime%u%s", runtime, path);
	(void)curl_easy_setopt(x->easy, CURLOPT_URL, x->url);
	set_method(x, id);
	/* reports never end: their connection is nobody else's. Calls have one each: libcurl 7.88 fails with
	 * a framing error on an HTTP/2 connection that is used again. */
	is_endless = what == GATE_EVENTS;
	has_own = is_endless || is_call(x);
	(void)curl_easy_setopt(x->easy, CURLOPT_TIMEOUT_MS,
		is_endless           ? 0L
		: gate_is_list(what) ? LIST_MS
				     : REQUEST_MS);
	(void)curl_easy_setopt(x->easy, CURLOPT_FRESH_CONNECT, has_own ? 1L : 0L);
	(void)curl_easy_setopt(x->easy, CURLOPT_FORBID_REUSE, has_own ? 1L : 0L);
	t->n_asks += !gate_is_unasked(what);
	run(x);
	return 0;
}

void transfers_socket(struct transfers *t, unsigned runtime, int fd)
{
	struct runtime *rt = &t->runtimes[runtime];
	unsigned n = 0;

	if (!rt->is_asked) {
		(void)fd_close(fd);
		return;
	}
	rt->is_asked = false;
	(void)fd_close(rt->socket);
	rt->socket = fd;
	for (unsigned i = 0; i < ARRAY_LEN(t->list); i++) {
		struct transfer *x = &t->list[i];

		if (x->state != TR_WAITS || x->runtime != runtime)
			continue;
		if (fd < 0)
			finish(x, GATE_DOWN);
		else if (n++ == 0)
			run(x);
		else
			wait_socket(x); /* one more */
	}
}

void transfers_drop(struct transfers *t, unsigned runtime)
{
	struct runtime *rt = &t->runtimes[runtime];

	for (unsigned i = 0; i < ARRAY_LEN(t->list); i++) {
		struct transfer *x = &t->list[i];

		if (x->state == TR_FREE || x->runtime != runtime)
			continue;
		if (x->state == TR_RUNS)
			(void)curl_multi_remove_handle(t->multi, x->easy);
		set_free(x);
	}
	rt->socket = fd_close(rt->socket);
}

/* A call's status as HTTP's would be. */
static unsigned status_of_call(int status)
{
	switch (status) {
	case 0:
		return GATE_OK;
	case 5: /* NOT_FOUND */
		return 404;
	case 12: /* UNIMPLEMENTED */
		return 501;
	case 14: /* UNAVAILABLE */
		return 503;
	default:
		return 500;
	}
}

static unsigned status_of(const struct transfer *x, CURLcode result)
{
	long status = 0;

	if (x->is_too_big)
		return GATE_TOO_BIG;
	if (is_call(x) && x->grpc_status >= 0)
		return status_of_call(x->grpc_status);
	switch (result) {
	case CURLE_OK:
		if (is_call(x))
			return GATE_PROTOCOL; /* an answer without its status is cut */
		(void)curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
		return status == 200                    ? GATE_OK
		       : status >= 100 && status <= 599 ? (unsigned)status
							: GATE_PROTOCOL;
	case CURLE_OPERATION_TIMEDOUT:
		return GATE_TIMEOUT;
	case CURLE_COULDNT_CONNECT:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_HTTP2_STREAM: /* its connection ended under it */
		return GATE_DOWN;
	default:
		return GATE_PROTOCOL;
	}
}

static void on_done(struct transfer *x, CURLcode result)
{
	(void)curl_multi_remove_handle(x->all->multi, x->easy);
	if (result != CURLE_OK && x->wants_socket)
		wait_socket(x);
	else
		finish(x, status_of(x, result));
}

static int read_results(struct transfers *t)
{
	CURLMsg *m;
	int left, n = 0;

	while ((m = curl_multi_info_read(t->multi, &left))) {
		char *x = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &x);
		on_done((struct transfer *)(void *)x, m->data.result);
		n++;
	}
	return n;
}

static void call_curl(struct transfers *t, int fd, int how)
{
	int running;

	(void)curl_multi_socket_action(t->multi, fd, how, &running);
}

void transfers_ready(struct transfers *t, int fd, uint32_t events)
{
	call_curl(t, fd,
		(events & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0) |
			(events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
			(events & EPOLLERR ? CURL_CSELECT_ERR : 0));
}

int transfers_turn(struct transfers *t, uint64_t now_ns)
{
	for (unsigned i = 0; i < ARRAY_LEN(t->list); i++) {
		struct transfer *x = &t->list[i];

		if (x->state != TR_RUNS || !x->is_paused)
			continue;
		x->is_paused = false;
		(void)curl_easy_pause(x->easy, CURLPAUSE_CONT); /* offers it again, at once */
	}
	if (t->curl_ns && now_ns >= t->curl_ns) {
		t->curl_ns = 0;
		call_curl(t, CURL_SOCKET_TIMEOUT, 0);
	}
	return read_results(t);
}

int transfers_timeout_ms(const struct transfers *t, uint64_t now_ns)
{
	for (unsigned i = 0; i < ARRAY_LEN(t->list); i++)
		if (t->list[i].state == TR_RUNS && t->list[i].is_paused)
			return 2;
	if (!t->curl_ns)
		return -1;
	return t->curl_ns > now_ns
		       ? (int)MIN((t->curl_ns - now_ns) / NS_PER_MS + 1, (uint64_t)60000)
		       : 0;
}
