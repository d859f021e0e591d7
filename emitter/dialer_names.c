/* SPDX-License-Identifier: Apache-2.0 */
/* Names by the hosts file and by DNS. The questions and answers of DNS are c-ares's, which waits for
 * nothing and needs no thread (docs/decisions/0007): it is given servers and absolute names alone,
 * so that it opens no file. The order of sources and the search list are applied here. Input: three
 * files of the host, written by its administrator; answers of name servers, hostile. */

#include "dialer_names.h"

#include <sys/epoll.h>
#include <sys/select.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <ares.h>

#include <base/hash.h>
#include <base/log.h>
#include <base/macros.h>

#define FILE_BYTES_MAX 65536
#define HOSTS_MAX 1024
#define SEARCH_MAX 6
#define SERVERS_MAX 3
#define QUERIES_MAX 128
#define NAME_MAX_BYTES 256
#define DNS_TIMEOUT_MS 2000
#define DNS_TRIES 2

struct host {
	char name[NAME_MAX_BYTES];
	union names_addr addr;
};

struct query {
	struct names *names;
	names_answer *answer; /* NULL: free */
	void *arg;
	char host[NAME_MAX_BYTES];
	unsigned step; /* which candidate is asked */
};

struct names {
	ares_channel channel;
	names_watch *watch;
	void *ctx;
	struct host *hosts;
	unsigned n_hosts;
	char search[SEARCH_MAX][NAME_MAX_BYTES];
	unsigned n_search, ndots;
	char servers[SERVERS_MAX * 64]; /* for c-ares, separated by commas */
	bool has_new_servers;           /* to be set when nothing is being asked */
	bool dns_first, no_dns, no_files;
	uint64_t file_hash[_NAMES_FILE_MAX]; /* of what was read last */
	unsigned n_asking;
	struct query queries[QUERIES_MAX];
	char text[FILE_BYTES_MAX + 1];
};

const char *names_file_str(enum names_file f)
{
	static const char *const names[_NAMES_FILE_MAX] = {"resolv.conf", "hosts", "nsswitch.conf"};

	return names[f];
}

bool names_is_address(const char *host, union names_addr *ret_addr)
{
	union names_addr a = {0};

	if (inet_pton(AF_INET, host, &a.v4.sin_addr) == 1)
		a.v4.sin_family = AF_INET;
	else if (inet_pton(AF_INET6, host, &a.v6.sin6_addr) == 1)
		a.v6.sin6_family = AF_INET6;
	else
		return false;
	*ret_addr = a;
	return true;
}

void names_print(const union names_addr *a, char *buf, size_t cap)
{
	char text[INET6_ADDRSTRLEN] = "?";

	if (a->any.sa_family == AF_INET6) {
		(void)inet_ntop(AF_INET6, &a->v6.sin6_addr, text, sizeof(text));
		(void)snprintf(buf, cap, "[%s]:%u", text, ntohs(a->v6.sin6_port));
	} else {
		(void)inet_ntop(AF_INET, &a->v4.sin_addr, text, sizeof(text));
		(void)snprintf(buf, cap, "%s:%u", text, ntohs(a->v4.sin_port));
	}
}

/* --- files --- */

static void add_host(struct names *n, const union names_addr *addr, const char *name)
{
	struct host *h = &n->hosts[n->n_hosts];

	if (n->n_hosts == HOSTS_MAX || strlen(name) >= sizeof(h->name))
		return;
	h->addr = *addr;
	memcpy(h->name, name, strlen(name) + 1);
	n->n_hosts++;
}

static void read_hosts_line(struct names *n, char *line)
{
	char *save, *word = strtok_r(line, " \t", &save);
	union names_addr addr;

	if (!word || !names_is_address(word, &addr))
		return;
	while ((word = strtok_r(NULL, " \t", &save)))
		add_host(n, &addr, word);
}

/* "ADDRESS", or "[ADDRESS]:PORT" as some systems have it. */
static void add_server(struct names *n, const char *text)
{
	bool is_bracketed = text[0] == '[';
	const char *port = is_bracketed ? strstr(text, "]:") : NULL;
	char name[INET6_ADDRSTRLEN + 32], plain[INET6_ADDRSTRLEN + 32];
	size_t used = strlen(n->servers);
	union names_addr addr;

	(void)snprintf(name, sizeof(name), "%s", text + is_bracketed);
	name[strcspn(name, "]")] = 0;
	/* a link-local server has its interface behind a % */
	(void)snprintf(plain, sizeof(plain), "%.*s", (int)strcspn(name, "%"), name);
	if (!names_is_address(plain, &addr) || used + strlen(text) + 2 > sizeof(n->servers))
		return;
	(void)snprintf(n->servers + used, sizeof(n->servers) - used,
		addr.any.sa_family == AF_INET6 ? "%s[%s]%s" : "%s%s%s", used ? "," : "", name,
		port ? port + 1 : "");
}

static void read_resolv_line(struct names *n, char *line)
{
	char *save, *key = strtok_r(line, " \t", &save), *word;

	if (!key)
		return;
	if (!strcmp(key, "nameserver")) {
		word = strtok_r(NULL, " \t", &save);
		if (word)
			add_server(n, word);
	} else if (!strcmp(key, "search") || !strcmp(key, "domain")) {
		n->n_search = 0;
		while (n->n_search < SEARCH_MAX && (word = strtok_r(NULL, " \t", &save)))
			if (strlen(word) < NAME_MAX_BYTES)
				memcpy(n->search[n->n_search++], word, strlen(word) + 1);
	} else if (!strcmp(key, "options")) {
		while ((word = strtok_r(NULL, " \t", &save)))
			if (!strncmp(word, "ndots:", 6))
				n->ndots = MIN((unsigned)strtoul(word + 6, NULL, 10), 15U);
	}
}

/* "hosts: files dns": which of the two there are, and which comes first. Other sources are modules
 * of the C library, which do not exist here. */
static void read_switch_line(struct names *n, char *line)
{
	char *save, *key = strtok_r(line, " \t", &save), *word;
	unsigned place = 0, files = 0, dns = 0;

	if (!key || strcmp(key, "hosts:") != 0)
		return;
	while ((word = strtok_r(NULL, " \t", &save))) {
		place++;
		if (!strcmp(word, "files") && !files)
			files = place;
		/* systemd's resolver answers as a name server too */
		if ((!strcmp(word, "dns") || !strcmp(word, "resolve")) && !dns)
			dns = place;
	}
	n->no_files = !files;
	n->no_dns = !dns;
	n->dns_first = files && dns && dns < files;
}

static const char unknown[] = "the name is not known";

bool names_is_unknown(const char *why)
{
	return why == unknown;
}

static void forget(struct names *n, enum names_file f)
{
	switch (f) {
	case NAMES_RESOLV:
		n->servers[0] = 0;
		n->n_search = 0;
		n->ndots = 1;
		n->has_new_servers = true;
		break;
	case NAMES_HOSTS:
		n->n_hosts = 0;
		break;
	default:
		n->dns_first = n->no_dns = n->no_files = false;
		break;
	}
}

int names_read(struct names *n, enum names_file f, int fd)
{
	static void (*const readers[_NAMES_FILE_MAX])(struct names *, char *) = {
		read_resolv_line, read_hosts_line, read_switch_line};
	size_t len = 0;
	uint64_t hash;
	char *save;

	for (ssize_t r; len < FILE_BYTES_MAX; len += (size_t)r) {
		r = pread(fd, n->text + len, FILE_BYTES_MAX - len, (off_t)len);
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
	}
	n->text[len] = 0;
	hash = hash_bytes(n->text, len, 0) | 1;
	if (hash == n->file_hash[f])
		return 0;
	n->file_hash[f] = hash;
	forget(n, f);
	for (char *line = strtok_r(n->text, "\n\r", &save); line;
		line = strtok_r(NULL, "\n\r", &save)) {
		line[strcspn(line, f == NAMES_RESOLV ? "#;" : "#")] = 0;
		readers[f](n, line);
	}
	return 1;
}

/* --- questions --- */

static unsigned from_hosts(const struct names *n, const char *host, union names_addr *addrs)
{
	unsigned k = 0;

	for (unsigned i = 0; i < n->n_hosts && k < NAMES_ADDRS_MAX; i++)
		if (!strcasecmp(n->hosts[i].name, host))
			addrs[k++] = n->hosts[i].addr;
	if (k == 0 && !strcasecmp(host, "localhost")) { /* RFC 6761: in any case */
		(void)names_is_address("127.0.0.1", &addrs[0]);
		(void)names_is_address("::1", &addrs[1]);
		k = 2;
	}
	return k;
}

/* The query's next absolute name: as it is first or last, by its number of dots. false: no more. */
static bool next_name(const struct names *n, struct query *q, char *name, size_t cap)
{
	size_t len = strlen(q->host);
	unsigned dots = 0, as_is;

	if (len && q->host[len - 1] == '.') /* absolute */
		return q->step++ == 0 &&
		       snprintf(name, cap, "%.*s", (int)len - 1, q->host) < (int)cap;
	for (const char *p = q->host; *p; p++)
		dots += *p == '.';
	as_is = dots >= n->ndots ? 0 : n->n_search;
	while (q->step <= n->n_search) {
		unsigned i = q->step++;
		int k;

		if (i == as_is)
			k = snprintf(name, cap, "%s", q->host);
		else
			k = snprintf(name, cap, "%s.%s", q->host, n->search[as_is ? i : i - 1]);
		if (k < (int)cap)
			return true; /* else: too long to be a name */
	}
	return false;
}

static void finish(struct query *q, const union names_addr *addrs, unsigned k, const char *why)
{
	names_answer *answer = q->answer;
	void *arg = q->arg;

	q->answer = NULL;
	answer(arg, addrs, k, why);
}

/* DNS has no answer; where the hosts file comes second, it is asked now. */
static void fail(struct query *q, const char *why)
{
	const struct names *n = q->names;
	union names_addr addrs[NAMES_ADDRS_MAX] = {0};
	unsigned k = n->dns_first ? from_hosts(n, q->host, addrs) : 0;

	finish(q, k ? addrs : NULL, k, k ? NULL : why);
}

static void ask_dns(struct query *q);

static void on_dns(void *arg, int status, int timeouts, struct ares_addrinfo *res)
{
	struct query *q = arg;
	union names_addr addrs[NAMES_ADDRS_MAX] = {0};
	unsigned k = 0;

	(void)timeouts;
	q->names->n_asking--;
	if (status == ARES_EDESTRUCTION) { /* names_free(): nobody waits any more */
		q->answer = NULL;
		return;
	}
	for (const struct ares_addrinfo_node *a = status == ARES_SUCCESS ? res->nodes : NULL;
		a && k < NAMES_ADDRS_MAX; a = a->ai_next) {
		if (a->ai_family == AF_INET && a->ai_addrlen == sizeof(addrs->v4))
			memcpy(&addrs[k++].v4, a->ai_addr, sizeof(addrs->v4));
		else if (a->ai_family == AF_INET6 && a->ai_addrlen == sizeof(addrs->v6))
			memcpy(&addrs[k++].v6, a->ai_addr, sizeof(addrs->v6));
	}
	if (res)
		ares_freeaddrinfo(res);
	if (k)
		finish(q, addrs, k, NULL);
	else if (status == ARES_ENOTFOUND || status == ARES_ENODATA || status == ARES_SUCCESS)
		ask_dns(q); /* the next of the search list */
	else if (status == ARES_ETIMEOUT)
		fail(q, "no name server answers");
	else if (status == ARES_ECONNREFUSED)
		fail(q, "the name server cannot be reached");
	else if (status == ARES_EBADNAME)
		fail(q, "this can be no host's name");
	else
		fail(q, "the name server failed");
}

static void set_servers(struct names *n)
{
	if (!n->has_new_servers || n->n_asking)
		return;
	/* without any: the resolver of this host, as the C library does */
	(void)ares_set_servers_ports_csv(n->channel, n->servers[0] ? n->servers : "127.0.0.1");
	n->has_new_servers = false;
}

static void ask_dns(struct query *q)
{
	const struct ares_addrinfo_hints hints = {.ai_flags = ARES_AI_NUMERICSERV,
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM};
	struct names *n = q->names;
	char name[2 * NAME_MAX_BYTES];

	if (n->no_dns || !next_name(n, q, name, sizeof(name))) {
		fail(q, unknown);
		return;
	}
	set_servers(n);
	n->n_asking++;
	ares_getaddrinfo(n->channel, name, NULL, &hints, on_dns, q);
}

static struct query *query_new(struct names *n, const char *host, names_answer *answer, void *arg)
{
	for (unsigned i = 0; i < QUERIES_MAX; i++) {
		struct query *q = &n->queries[i];

		if (q->answer)
			continue;
		*q = (struct query){.names = n, .answer = answer, .arg = arg};
		memcpy(q->host, host, strlen(host) + 1);
		return q;
	}
	return NULL;
}

void names_ask(struct names *n, const char *host, names_answer *answer, void *arg)
{
	union names_addr addrs[NAMES_ADDRS_MAX] = {0};
	struct query *q;
	unsigned k = 0;

	if (names_is_address(host, &addrs[0]))
		k = 1;
	else if (!n->no_files && !n->dns_first)
		k = from_hosts(n, host, addrs);
	if (k) {
		answer(arg, addrs, k, NULL);
		return;
	}
	q = strlen(host) < NAME_MAX_BYTES ? query_new(n, host, answer, arg) : NULL;
	if (!q)
		answer(arg, NULL, 0,
			strlen(host) < NAME_MAX_BYTES ? "too many names at once"
						      : "the name is too long");
	else
		ask_dns(q);
}

void names_ready(struct names *n, int fd, uint32_t events)
{
	bool is_in = events & (EPOLLIN | EPOLLERR | EPOLLHUP), is_out = events & EPOLLOUT;

	ares_process_fd(n->channel, is_in ? fd : ARES_SOCKET_BAD, is_out ? fd : ARES_SOCKET_BAD);
}

int names_timeout_ms(struct names *n)
{
	struct timeval room, *tv = ares_timeout(n->channel, NULL, &room);

	return tv ? (int)(tv->tv_sec * 1000 + tv->tv_usec / 1000 + 1) : -1;
}

static void on_socket(void *arg, ares_socket_t fd, int is_in, int is_out)
{
	struct names *n = arg;

	n->watch(n->ctx, fd, (is_in ? (uint32_t)EPOLLIN : 0) | (is_out ? (uint32_t)EPOLLOUT : 0));
}

int names_new(names_watch *watch, void *ctx, struct names **ret_names)
{
	struct names *n = calloc(1, sizeof(*n));
	struct in_addr here = {.s_addr = htonl(INADDR_LOOPBACK)};
	/* everything that c-ares would look for in files */
	struct ares_options o = {.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
		.timeout = DNS_TIMEOUT_MS,
		.tries = DNS_TRIES,
		.ndots = 1,
		.servers = &here,
		.nservers = 1,
		.lookups = (char *)"b",
		.sock_state_cb = on_socket,
		.sock_state_cb_data = n};
	int r;

	if (!n)
		return -ENOMEM;
	n->watch = watch;
	n->ctx = ctx;
	n->ndots = 1;
	n->hosts = calloc(HOSTS_MAX, sizeof(*n->hosts));
	if (!n->hosts || ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
		(void)names_free(n);
		return -ENOMEM;
	}
	r = ares_init_options(&n->channel, &o,
		ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS |
			ARES_OPT_SERVERS | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS |
			ARES_OPT_SOCK_STATE_CB | ARES_OPT_SORTLIST);
	if (r != ARES_SUCCESS) {
		(void)names_free(n);
		return r == ARES_ENOMEM ? -ENOMEM : -EIO;
	}
	*ret_names = n;
	return 0;
}

struct names *names_free(struct names *n)
{
	if (!n)
		return NULL;
	if (n->channel)
		ares_destroy(n->channel);
	free(n->hosts);
	free(n);
	return NULL;
}
