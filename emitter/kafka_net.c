/* SPDX-License-Identifier: Apache-2.0 */
/* Names become addresses that do not exist (240.0.0.0/8), whose last bytes are the name's place in
 * a table; connecting to one asks the dialer for the name. Names come from brokers' metadata, so
 * they are hostile: the table is bounded, and it is the dialer that says what is permitted. Called
 * from librdkafka's threads. */

#include "kafka_net.h"

#include <sys/eventfd.h>
#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/macros.h>

#define NAMES_MAX 1024
#define FAKE_NET 0xf0000000u
#define DIAL_MS 10000

struct kafka_net {
	_Atomic(struct dial *) dial;
	pthread_mutex_t lock;
	char names[NAMES_MAX][DIAL_HOST_MAX];
	unsigned n_names;
	int placeholder; /* what a socket is until it is connected */
	char why[DIAL_HOST_MAX + DIAL_TEXT_MAX + 16];
};

struct kafka_net *kafka_net_new(void)
{
	struct kafka_net *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	(void)pthread_mutex_init(&n->lock, NULL);
	n->placeholder = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return n->placeholder < 0 ? kafka_net_free(n) : n;
}

struct kafka_net *kafka_net_free(struct kafka_net *n)
{
	if (!n)
		return NULL;
	(void)fd_close(n->placeholder);
	(void)pthread_mutex_destroy(&n->lock);
	free(n);
	return NULL;
}

void kafka_net_use(struct kafka_net *n, struct dial *dial)
{
	atomic_store(&n->dial, dial);
}

/* Its place in the table, -1: the table is full. */
static int place_of(struct kafka_net *n, const char *name)
{
	int place = -1;

	(void)pthread_mutex_lock(&n->lock);
	for (unsigned i = 0; i < n->n_names && place < 0; i++)
		if (!strcmp(n->names[i], name))
			place = (int)i;
	if (place < 0 && n->n_names < NAMES_MAX && strlen(name) < DIAL_HOST_MAX) {
		place = (int)n->n_names++;
		memcpy(n->names[place], name, strlen(name) + 1);
	}
	(void)pthread_mutex_unlock(&n->lock);
	return place;
}

struct answer {
	struct addrinfo info; /* first: what librdkafka holds */
	struct sockaddr_in address;
};

static int on_resolve(const char *node, const char *service, const struct addrinfo *hints _unused_,
	struct addrinfo **res, void *opaque)
{
	struct answer *a;
	int place;

	if (!node && !service) { /* its way to free one */
		free(*res);
		*res = NULL;
		return 0;
	}
	place = node ? place_of(kafka_net_of(opaque), node) : -1;
	a = place < 0 ? NULL : calloc(1, sizeof(*a));
	if (!a)
		return EAI_MEMORY;
	a->info = (struct addrinfo){.ai_family = AF_INET,
		.ai_socktype = SOCK_STREAM,
		.ai_protocol = IPPROTO_TCP,
		.ai_addr = (struct sockaddr *)&a->address,
		.ai_addrlen = sizeof(a->address)};
	a->address = (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons((uint16_t)strtoul(service ? service : "0", NULL, 10)),
		.sin_addr.s_addr = htonl(FAKE_NET + (uint32_t)place)};
	*res = &a->info;
	return 0;
}

static int on_socket(int domain _unused_, int type _unused_, int protocol _unused_, void *opaque)
{
	return dup(kafka_net_of(opaque)->placeholder);
}

static void set_why(struct kafka_net *n, const char *host, uint16_t port, const char *why)
{
	(void)pthread_mutex_lock(&n->lock);
	if (host)
		(void)snprintf(n->why, sizeof(n->why), "%s:%u: %s", host, port, why);
	else
		n->why[0] = 0;
	(void)pthread_mutex_unlock(&n->lock);
}

static int on_connect(int fd, const struct sockaddr *addr, int len _unused_,
	const char *id _unused_, void *opaque)
{
	struct kafka_net *n = kafka_net_of(opaque);
	struct sockaddr_in a;
	char host[DIAL_HOST_MAX], why[DIAL_TEXT_MAX];
	uint32_t place;
	int given = -1, r;
	struct dial *dial;

	memcpy(&a, addr, sizeof(a));
	place = ntohl(a.sin_addr.s_addr) - FAKE_NET;
	if (a.sin_family != AF_INET || place >= NAMES_MAX)
		return ENETUNREACH;
	dial = atomic_load(&n->dial);
	if (!dial)
		return EAGAIN; /* soon */
	(void)pthread_mutex_lock(&n->lock);
	memcpy(host, n->names[place], sizeof(host));
	(void)pthread_mutex_unlock(&n->lock);
	r = dial_wait(dial, DIAL_TCP, host, ntohs(a.sin_port), DIAL_MS, &given, why);
	if (r < 0) {
		set_why(n, host, ntohs(a.sin_port), why[0] ? why : strerror(-r));
		return -r;
	}
	set_why(n, NULL, 0, NULL);
	r = dup3(given, fd, O_CLOEXEC);
	(void)fd_close(given);
	return r < 0 ? errno : 0;
}

void kafka_net_configure(rd_kafka_conf_t *conf)
{
	rd_kafka_conf_set_resolve_cb(conf, on_resolve);
	rd_kafka_conf_set_socket_cb(conf, on_socket);
	rd_kafka_conf_set_connect_cb(conf, on_connect);
}

void kafka_net_why(struct kafka_net *n, char *buf, size_t cap)
{
	(void)pthread_mutex_lock(&n->lock);
	(void)snprintf(buf, cap, "%s", n->why);
	(void)pthread_mutex_unlock(&n->lock);
}
