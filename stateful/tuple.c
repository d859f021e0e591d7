/* SPDX-License-Identifier: Apache-2.0 */
/* Reading addresses out of events and writing them as names. The bytes were made in the kernel from
 * what processes and the network said: every length is checked here, an address that does not fit
 * its family is no address. */

#include "tuple.h"

#include <sys/socket.h>

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <base/macros.h>
#include <shm/ev.h>

static uint16_t get_u16(const char *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint64_t get_u64(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static struct span text_of(const char *p, size_t n)
{
	return (struct span){.p = p, .n = strnlen(p, n)};
}

static bool is_mapped(const uint8_t *ip)
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(ip, prefix, sizeof(prefix)) == 0;
}

static void unmap(uint8_t *ip)
{
	memmove(ip, ip + 12, 4);
	memset(ip + 4, 0, 12);
}

void st_tuple_unmap(struct st_tuple *t)
{
	if (t->family != ST_AF_INET6 || !is_mapped(t->sip) || !is_mapped(t->dip))
		return;
	t->family = ST_AF_INET;
	unmap(t->sip);
	unmap(t->dip);
}

bool st_tuple_parse(struct span bytes, struct st_tuple *ret_tuple)
{
	struct st_tuple t = {0};
	const char *p = bytes.p;

	if (!bytes.n)
		return false;
	if (p[0] == AF_INET && bytes.n >= 13) {
		t.family = ST_AF_INET;
		memcpy(t.sip, p + 1, 4);
		t.sport = get_u16(p + 5);
		memcpy(t.dip, p + 7, 4);
		t.dport = get_u16(p + 11);
	} else if (p[0] == AF_INET6 && bytes.n >= 37) {
		t.family = ST_AF_INET6;
		memcpy(t.sip, p + 1, 16);
		t.sport = get_u16(p + 17);
		memcpy(t.dip, p + 19, 16);
		t.dport = get_u16(p + 35);
		st_tuple_unmap(&t);
	} else if (p[0] == AF_UNIX && bytes.n >= 17) {
		t.family = ST_AF_UNIX;
		t.source = get_u64(p + 1);
		t.dest = get_u64(p + 9);
		t.path = text_of(p + 17, bytes.n - 17);
	} else {
		return false;
	}
	*ret_tuple = t;
	return true;
}

bool st_addr_parse(struct span bytes, struct st_tuple *ret_tuple)
{
	struct st_tuple t = {0};
	const char *p = bytes.p;

	if (!bytes.n)
		return false;
	if (p[0] == AF_INET && bytes.n >= 7) {
		t.family = ST_AF_INET;
		memcpy(t.dip, p + 1, 4);
		t.dport = get_u16(p + 5);
	} else if (p[0] == AF_INET6 && bytes.n >= 19) {
		t.family = ST_AF_INET6;
		memcpy(t.dip, p + 1, 16);
		t.dport = get_u16(p + 17);
		if (is_mapped(t.dip)) {
			t.family = ST_AF_INET;
			unmap(t.dip);
		}
	} else if (p[0] == AF_UNIX) {
		t.family = ST_AF_UNIX;
		t.path = text_of(p + 1, bytes.n - 1);
	} else {
		return false;
	}
	*ret_tuple = t;
	return true;
}

void st_tuple_swap(struct st_tuple *t)
{
	uint8_t ip[16];
	uint16_t port = t->sport;
	uint64_t end = t->source;

	memcpy(ip, t->sip, sizeof(ip));
	memcpy(t->sip, t->dip, sizeof(ip));
	memcpy(t->dip, ip, sizeof(ip));
	t->sport = t->dport;
	t->dport = port;
	t->source = t->dest;
	t->dest = end;
}

static void ip_text(enum st_family family, const uint8_t *ip, char text[INET6_ADDRSTRLEN])
{
	if (!inet_ntop(family == ST_AF_INET ? AF_INET : AF_INET6, ip, text, INET6_ADDRSTRLEN))
		text[0] = '\0';
}

static struct span printed(const char *buf, int n)
{
	return (struct span){.p = buf, .n = MIN((size_t)MAX(n, 0), (size_t)ST_SOCK_NAME_MAX - 1)};
}

struct span st_tuple_name(const struct st_tuple *t, uint8_t l4, char *buf)
{
	char source[INET6_ADDRSTRLEN], dest[INET6_ADDRSTRLEN];

	if (t->family == ST_AF_UNIX)
		return printed(buf,
			snprintf(buf, ST_SOCK_NAME_MAX, "%" PRIx64 "->%" PRIx64 " %.*s", t->source,
				t->dest, (int)t->path.n, t->path.n ? t->path.p : ""));
	ip_text(t->family, t->sip, source);
	ip_text(t->family, t->dip, dest);
	if (l4 == EV_L4_UNKNOWN)
		return printed(buf, snprintf(buf, ST_SOCK_NAME_MAX, "<unknown>"));
	if (l4 == EV_L4_ICMP || l4 == EV_L4_RAW)
		return printed(buf, snprintf(buf, ST_SOCK_NAME_MAX, "%s->%s", source, dest));
	return printed(buf,
		snprintf(buf, ST_SOCK_NAME_MAX, "%s:%u->%s:%u", source, t->sport, dest, t->dport));
}

struct span st_addr_name(const struct st_tuple *t, char *buf)
{
	char dest[INET6_ADDRSTRLEN];

	if (t->family == ST_AF_UNIX)
		return printed(buf, snprintf(buf, ST_SOCK_NAME_MAX, "%.*s", (int)t->path.n,
					    t->path.n ? t->path.p : ""));
	ip_text(t->family, t->dip, dest);
	return printed(buf, snprintf(buf, ST_SOCK_NAME_MAX, "%s:%u", dest, t->dport));
}
