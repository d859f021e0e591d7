/* SPDX-License-Identifier: Apache-2.0 */
/* Reading addresses out of events and writing them as names. The bytes were made in the kernel from
 * what processes and the network said: every length is checked here, an address that does not fit
 * its family is no address. */

#include "tuple.h"

#include <sys/socket.h>

#include <arpa/inet.h>
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

/* By hand: names are made for every message over a socket whose peer is not settled, and what they
 * are made of is a handful of numbers. */
static char *put_text(char *p, const char *text, size_t n)
{
	memcpy(p, text, n);
	return p + n;
}

static char *put_number(char *p, uint64_t v, unsigned base)
{
	char digits[20];
	unsigned n = sizeof(digits);

	do
		digits[--n] = "0123456789abcdef"[v % base];
	while (v /= base);
	return put_text(p, digits + n, sizeof(digits) - n);
}

static char *put_ip(char *p, enum st_family family, const uint8_t *ip)
{
	if (family != ST_AF_INET)
		return inet_ntop(AF_INET6, ip, p, INET6_ADDRSTRLEN) ? p + strlen(p) : p;
	for (unsigned i = 0; i < 4; i++) {
		if (i)
			*p++ = '.';
		p = put_number(p, ip[i], 10);
	}
	return p;
}

/* The last one: as much of it as fits. */
static struct span put_path(char *buf, char *p, struct span path)
{
	size_t n = MIN(path.n, (size_t)(buf + ST_SOCK_NAME_MAX - 1 - p));

	if (n)
		p = put_text(p, path.p, n);
	*p = '\0';
	return (struct span){.p = buf, .n = (size_t)(p - buf)};
}

struct span st_tuple_name(const struct st_tuple *t, uint8_t l4, char *buf)
{
	bool has_ports = l4 != EV_L4_ICMP && l4 != EV_L4_RAW;
	char *p = buf;

	if (t->family == ST_AF_UNIX) {
		p = put_text(put_number(p, t->source, 16), "->", 2);
		p = put_text(put_number(p, t->dest, 16), " ", 1);
		return put_path(buf, p, t->path);
	}
	if (l4 == EV_L4_UNKNOWN)
		return put_path(buf, p, SPAN_LIT("<unknown>"));
	p = put_ip(p, t->family, t->sip);
	if (has_ports)
		p = put_number(put_text(p, ":", 1), t->sport, 10);
	p = put_ip(put_text(p, "->", 2), t->family, t->dip);
	if (has_ports)
		p = put_number(put_text(p, ":", 1), t->dport, 10);
	return put_path(buf, p, (struct span){0});
}

struct span st_addr_name(const struct st_tuple *t, char *buf)
{
	char *p = buf;

	if (t->family == ST_AF_UNIX)
		return put_path(buf, p, t->path);
	p = put_ip(p, t->family, t->dip);
	return put_path(buf, put_number(put_text(p, ":", 1), t->dport, 10), (struct span){0});
}
