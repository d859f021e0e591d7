/* SPDX-License-Identifier: Apache-2.0 */
/* Names and their addresses, as the dialer or a capture told them last: from an address to its
 * names, which is what rules ask for. Fed by saker_name, checked by kev_parse(). A full table refuses
 * newcomers and counts them. */
#include "replica.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <base/hash.h>
#include <base/macros.h>

#define NAMES_MAX 4096 /* as many as the dialer asks for */
#define ADDRS_MAX 65536
#define TEXT_MAX 256

struct name {
	char *text;     /* of the slab; NULL: vacant */
	uint32_t n;     /* bytes of it */
	uint32_t next;  /* chain of the texts' hash, or of the free list */
	uint32_t first; /* its addresses, by next_of_name */
};

struct addr {
	uint8_t ip[16];
	uint32_t family;
	uint32_t name;
	uint32_t next; /* chain of the addresses' hash, or of the free list */
	uint32_t next_of_name;
};

struct replica_names {
	struct name *names;
	struct addr *addrs;
	uint32_t *name_buckets;          /* NAMES_MAX */
	uint32_t *addr_buckets;          /* ADDRS_MAX */
	uint32_t names_used, addrs_used; /* entries from here on were never touched */
	uint32_t name_free, addr_free;
};

int replica_names_init(struct replica *r)
{
	struct replica_names *t = calloc(1, sizeof(*t));

	r->names = t;
	if (!t)
		return -ENOMEM;
	t->names = calloc(NAMES_MAX, sizeof(*t->names));
	t->addrs = calloc(ADDRS_MAX, sizeof(*t->addrs));
	t->name_buckets = malloc(NAMES_MAX * sizeof(*t->name_buckets));
	t->addr_buckets = malloc(ADDRS_MAX * sizeof(*t->addr_buckets));
	if (!t->names || !t->addrs || !t->name_buckets || !t->addr_buckets)
		return -ENOMEM;
	memset(t->name_buckets, 0xff, NAMES_MAX * sizeof(*t->name_buckets));
	memset(t->addr_buckets, 0xff, ADDRS_MAX * sizeof(*t->addr_buckets));
	t->name_free = t->addr_free = REPLICA_NO_ID;
	return 0;
}

void replica_names_done(struct replica *r)
{
	struct replica_names *t = r->names;

	if (!t)
		return;
	free(t->names);
	free(t->addrs);
	free(t->name_buckets);
	free(t->addr_buckets);
	free(t);
	r->names = NULL;
}

static size_t ip_bytes(unsigned family)
{
	return family == 4 ? 4 : 16;
}

static uint32_t *name_bucket(const struct replica_names *t, struct span name)
{
	return &t->name_buckets[hash_bytes(name.p, name.n, 0) % NAMES_MAX];
}

static uint32_t *addr_bucket(const struct replica_names *t, unsigned family, const uint8_t *ip)
{
	return &t->addr_buckets[hash_bytes(ip, ip_bytes(family), family) % ADDRS_MAX];
}

static uint32_t find_name(const struct replica_names *t, struct span name)
{
	uint32_t i = *name_bucket(t, name);

	while (i != REPLICA_NO_ID && !span_eq(name, (struct span){t->names[i].text, t->names[i].n}))
		i = t->names[i].next;
	return i;
}

/* Its entry, made where there is none. REPLICA_NO_ID: no room. */
static uint32_t take_name(struct replica *r, struct span name)
{
	struct replica_names *t = r->names;
	uint32_t i = find_name(t, name), *at;
	char *text;

	if (i != REPLICA_NO_ID)
		return i;
	i = t->name_free != REPLICA_NO_ID ? t->name_free : t->names_used;
	text = i < NAMES_MAX ? slab_get(&r->slab, name.n + 1) : NULL;
	if (!text)
		return REPLICA_NO_ID;
	if (i == t->names_used)
		t->names_used++;
	else
		t->name_free = t->names[i].next;
	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	at = name_bucket(t, name);
	t->names[i] = (struct name){
		.text = text, .n = (uint32_t)name.n, .next = *at, .first = REPLICA_NO_ID};
	*at = i;
	return i;
}

static void drop_addrs(struct replica_names *t, struct name *n)
{
	while (n->first != REPLICA_NO_ID) {
		uint32_t i = n->first, *at = addr_bucket(t, t->addrs[i].family, t->addrs[i].ip);

		n->first = t->addrs[i].next_of_name;
		while (*at != i)
			at = &t->addrs[*at].next;
		*at = t->addrs[i].next;
		t->addrs[i] = (struct addr){.next = t->addr_free};
		t->addr_free = i;
	}
}

static void drop_name(struct replica *r, uint32_t i)
{
	struct replica_names *t = r->names;
	struct name *n = &t->names[i];
	uint32_t *at = name_bucket(t, (struct span){n->text, n->n});

	while (*at != i)
		at = &t->names[*at].next;
	*at = n->next;
	slab_put(&r->slab, n->text);
	*n = (struct name){.next = t->name_free};
	t->name_free = i;
}

static void add_addr(struct replica *r, uint32_t name, unsigned family, const uint8_t *ip)
{
	struct replica_names *t = r->names;
	uint32_t i = t->addr_free != REPLICA_NO_ID ? t->addr_free : t->addrs_used;
	uint32_t *at = addr_bucket(t, family, ip);

	if (i == ADDRS_MAX) {
		r->n_cut++;
		return;
	}
	if (i == t->addrs_used)
		t->addrs_used++;
	else
		t->addr_free = t->addrs[i].next;
	t->addrs[i] = (struct addr){
		.family = family, .name = name, .next = *at, .next_of_name = t->names[name].first};
	memcpy(t->addrs[i].ip, ip, ip_bytes(family));
	t->names[name].first = i;
	*at = i;
}

static void add_all(struct replica *r, uint32_t name, unsigned family, struct span ips)
{
	size_t n = ip_bytes(family);

	for (size_t at = 0; at + n <= ips.n; at += n)
		add_addr(r, name, family, (const uint8_t *)ips.p + at);
}

void replica_put_name(struct replica *r, const struct kev *k)
{
	struct span name = kev_param_text(k, 0);
	uint32_t i;

	if (!r->names || name.n == 0 || name.n >= TEXT_MAX)
		return;
	i = take_name(r, name);
	if (i == REPLICA_NO_ID) {
		r->n_cut++;
		return;
	}
	drop_addrs(r->names, &r->names->names[i]);
	add_all(r, i, 4, k->param[1]);
	add_all(r, i, 6, k->param[2]);
	if (r->names->names[i].first == REPLICA_NO_ID)
		drop_name(r, i);
}

bool replica_names_of(const struct replica *r, unsigned family, const uint8_t *ip, uint32_t *at,
	struct span *ret_name)
{
	const struct replica_names *t = r->names;
	uint32_t i;

	if (!t)
		return false;
	for (i = *at == REPLICA_NO_ID ? *addr_bucket(t, family, ip) : t->addrs[*at].next;
		i != REPLICA_NO_ID; i = t->addrs[i].next) {
		const struct name *n = &t->names[t->addrs[i].name];

		if (t->addrs[i].family != family ||
			memcmp(t->addrs[i].ip, ip, ip_bytes(family)) != 0)
			continue;
		*at = i;
		*ret_name = (struct span){n->text, n->n};
		return true;
	}
	return false;
}
