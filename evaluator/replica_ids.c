/* SPDX-License-Identifier: Apache-2.0 */
/* Users and groups of the replica: (container, number) -> names. Fed by useradded, groupadded and
 * their opposites, which stand in the event ring as state in the encoding of kernel events and were
 * checked by kev_parse(). In a full table those of containers make room for each other; the host's stay. What found no room is counted. */
#include "replica.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <base/hash.h>
#include <base/macros.h>

#define IDS_MAX 32768
#define TEXT_MAX 4096 /* of one entry; longer ones are refused */
#define HAND_STEPS 64

int replica_ids_init(struct replica *r)
{
	r->n_ids = IDS_MAX;
	r->id_mask = IDS_MAX - 1;
	r->ids = calloc(r->n_ids, sizeof(*r->ids));
	r->id_buckets = malloc(((size_t)r->id_mask + 1) * sizeof(*r->id_buckets));
	if (!r->ids || !r->id_buckets)
		return -ENOMEM;
	memset(r->id_buckets, 0xff, ((size_t)r->id_mask + 1) * sizeof(*r->id_buckets));
	r->id_free = REPLICA_NO_ID;
	return 0;
}

/* Captures name containers by what container.id shows; names are whole, for two may begin alike. */
static struct span short_id(struct span container)
{
	container.n = container.n == CREC_HEX_ID ? CREC_SHORT_ID : container.n;
	return container;
}

static uint32_t *id_bucket(
	const struct replica *r, struct span container, uint32_t id, bool is_group)
{
	return &r->id_buckets[hash_bytes(container.p, container.n, (uint64_t)id << 1 | is_group) &
			      r->id_mask];
}

static uint32_t *find(const struct replica *r, struct span container, uint32_t id, bool is_group)
{
	uint32_t *at = id_bucket(r, container, id, is_group);

	for (; *at != REPLICA_NO_ID; at = &r->ids[*at].next) {
		const struct replica_id *e = &r->ids[*at];

		if (e->id == id && e->is_group == is_group &&
			span_eq(container, (struct span){e->text, e->container_n}))
			break;
	}
	return at;
}

static void remove_at(struct replica *r, uint32_t *at)
{
	uint32_t i = *at;

	*at = r->ids[i].next;
	slab_put(&r->slab, r->ids[i].text);
	r->ids[i] = (struct replica_id){.next = r->id_free};
	r->id_free = i;
}

/* One of a container, by a hand that goes round. */
static void evict(struct replica *r)
{
	for (unsigned i = 0; i < HAND_STEPS; i++) {
		const struct replica_id *e;

		r->id_hand = (r->id_hand + 1) % r->n_ids;
		e = &r->ids[r->id_hand];
		if (!e->text || !e->container_n)
			continue;
		remove_at(r, find(r, (struct span){e->text, e->container_n}, e->id, e->is_group));
		r->n_cut++;
		return;
	}
}

static void add_text(char *to, size_t *used, struct span s, uint32_t *ret_off, uint32_t *ret_n)
{
	*ret_off = (uint32_t)*used;
	*ret_n = (uint32_t)s.n;
	if (s.n)
		memcpy(to + *used, s.p, s.n);
	to[*used + s.n] = '\0';
	*used += s.n + 1;
}

static void insert(struct replica *r, const struct replica_id *key, struct span container,
	struct span name, struct span home, struct span shell)
{
	size_t n = container.n + name.n + home.n + shell.n + 4, used = 0;
	struct replica_id *e;
	uint32_t i, off, *at;
	char *text;

	if (n > TEXT_MAX)
		return;
	if (r->id_free == REPLICA_NO_ID && r->ids_used == r->n_ids)
		evict(r);
	i = r->id_free != REPLICA_NO_ID ? r->id_free : r->ids_used;
	text = i < r->n_ids ? slab_get(&r->slab, n) : NULL;
	if (!text) {
		r->n_cut++;
		return;
	}
	e = &r->ids[i];
	if (i == r->ids_used)
		r->ids_used++;
	else
		r->id_free = e->next;
	*e = *key;
	e->text = text;
	add_text(text, &used, container, &off, &e->container_n);
	add_text(text, &used, name, &e->name_off, &e->name_n);
	add_text(text, &used, home, &e->home_off, &e->home_n);
	add_text(text, &used, shell, &e->shell_off, &e->shell_n);
	at = id_bucket(r, container, e->id, e->is_group);
	e->next = *at;
	*at = i;
}

static struct span text_of(const struct kev *k, const char *name)
{
	int i = kev_param_find(k->info, name);

	return i >= 0 && i < k->n_params ? kev_param_text(k, (unsigned)i) : (struct span){0};
}

int replica_put_id(struct replica *r, const struct kev *k)
{
	bool is_group = k->head->type == KEV_CODE_GROUP_ADDED_E ||
			k->head->type == KEV_CODE_GROUP_DELETED_E;
	bool is_added =
		k->head->type == KEV_CODE_USER_ADDED_E || k->head->type == KEV_CODE_GROUP_ADDED_E;
	struct replica_id key = {.is_group = is_group};
	struct span container = short_id(text_of(k, "container_id"));
	int i = kev_param_find(k->info, is_group ? "gid" : "uid");
	uint32_t *at;

	if (!is_added && !is_group && k->head->type != KEV_CODE_USER_DELETED_E)
		return -EINVAL;
	if (i < 0 || i >= k->n_params || !kev_param_present(k, (unsigned)i))
		return 0; /* names nobody */
	key.id = (uint32_t)kev_param_u64(k, (unsigned)i);
	r->gen++; /* any thread may be this user's */
	at = find(r, container, key.id, is_group);
	if (*at != REPLICA_NO_ID)
		remove_at(r, at);
	if (is_added)
		insert(r, &key, container, text_of(k, "name"), text_of(k, "home"),
			text_of(k, "shell"));
	return 0;
}

const struct replica_id *replica_find_user(
	const struct replica *r, struct span container, uint32_t uid)
{
	uint32_t *at = find(r, short_id(container), uid, false);

	return *at == REPLICA_NO_ID ? NULL : &r->ids[*at];
}

const struct replica_id *replica_find_group(
	const struct replica *r, struct span container, uint32_t gid)
{
	uint32_t *at = find(r, short_id(container), gid, true);

	return *at == REPLICA_NO_ID ? NULL : &r->ids[*at];
}
