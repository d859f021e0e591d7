/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptor pool: lookup by (table, number), tables as lists in the order of opening, sharing,
 * copying, eviction.
 *
 * Everything is allocated before the seal. A full pool evicts by a hand that goes round the pool,
 * so the choice depends on the input alone. Numbers come from the kernel's records and are
 * compared, never used as an index. */

#include "fd.h"

#include <errno.h>
#include <stdlib.h>

#include <base/hash.h>
#include <base/macros.h>

#define NONE UINT32_MAX

static uint32_t bucket_of(const struct st_fds *p, uint32_t files, int32_t num)
{
	return (uint32_t)hash_u64((uint64_t)files << 32 | (uint32_t)num) & p->mask;
}

int st_fds_init(struct st_fds *p, uint32_t n_max, uint32_t n_files_max, struct st_texts *texts)
{
	uint32_t n_buckets = 64;

	n_max = MAX(n_max, (uint32_t)ST_FDS_MIN);
	while (n_buckets < n_max && n_buckets < (1u << 30))
		n_buckets *= 2;
	*p = (struct st_fds){.n_max = n_max,
		.mask = n_buckets - 1,
		.n_files_max = n_files_max,
		.fd_free = NONE,
		.files_free = NONE,
		.texts = texts};
	p->pool = calloc(n_max, sizeof(*p->pool));
	p->files = calloc(n_files_max, sizeof(*p->files));
	p->buckets = malloc(n_buckets * sizeof(*p->buckets));
	if (!p->pool || !p->files || !p->buckets) {
		st_fds_done(p);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < n_buckets; i++)
		p->buckets[i] = NONE;
	return 0;
}

void st_fds_done(struct st_fds *p)
{
	free(p->pool);
	free(p->files);
	free(p->buckets);
	p->pool = NULL;
	p->files = NULL;
	p->buckets = NULL;
}

uint32_t st_files_new(struct st_fds *p)
{
	uint32_t ix = p->files_free;

	if (ix != NONE) {
		p->files_free = p->files[ix].free_next;
	} else {
		assert(p->files_fresh <
			p->n_files_max); /* one a thread, and a few more, are there */
		ix = p->files_fresh++;
	}
	p->files[ix] = (struct st_files){.n_refs = 1, .first = NONE, .last = NONE};
	return ix;
}

uint32_t st_files_share(struct st_fds *p, uint32_t files)
{
	assert(p->files[files].n_refs > 0);
	p->files[files].n_refs++;
	return files;
}

void st_files_drop(struct st_fds *p, uint32_t files)
{
	struct st_files *t = &p->files[files];

	assert(t->n_refs > 0);
	if (--t->n_refs)
		return;
	while (t->first != NONE)
		st_fd_remove(p, &p->pool[t->first]);
	t->free_next = p->files_free;
	p->files_free = files;
}

void st_files_fill(struct st_fds *p, uint32_t to_files, uint32_t from_files)
{
	uint32_t n_left = p->files[from_files].n;

	for (uint32_t i = p->files[from_files].first; i != NONE; i = p->pool[i].next) {
		const struct st_fd *from = &p->pool[i];
		struct st_fd *to;

		if (p->n_live == p->n_max || p->files[to_files].n >= ST_COPY_MAX) {
			p->n_evicted +=
				n_left; /* not worth another process's entries, nor the time */
			return;
		}
		n_left--;
		if (st_fd_find(p, to_files, from->num))
			continue;
		to = st_fd_put(p, to_files, from->num, from->type, from->ts_ns);
		assert(to);
		st_fd_copy(p, to, from);
		to->cloexec = from->cloexec;
	}
}

uint32_t st_files_copy(struct st_fds *p, uint32_t files)
{
	uint32_t copy = st_files_new(p);

	st_files_fill(p, copy, files);
	return copy;
}

struct st_fd *st_fd_find(struct st_fds *p, uint32_t files, int64_t num)
{
	uint32_t i;

	if (num < 0 || num > INT32_MAX)
		return NULL;
	i = p->buckets[bucket_of(p, files, (int32_t)num)];
	while (i != NONE && (p->pool[i].files != files || p->pool[i].num != num))
		i = p->pool[i].hash_next;
	return i == NONE ? NULL : &p->pool[i];
}

void st_fd_set_type(struct st_fds *p, struct st_fd *f, enum ev_fd_type type)
{
	p->files[f->files].by_type[f->type]--;
	p->files[f->files].by_type[type]++;
	f->type = (uint8_t)type;
}

/* To the end of its table's list, where the newest are. */
static void list_append(struct st_fds *p, struct st_files *t, uint32_t ix)
{
	p->pool[ix].prev = t->last;
	p->pool[ix].next = NONE;
	if (t->last != NONE)
		p->pool[t->last].next = ix;
	else
		t->first = ix;
	t->last = ix;
}

static void list_remove(struct st_fds *p, struct st_files *t, const struct st_fd *f)
{
	if (f->prev != NONE)
		p->pool[f->prev].next = f->next;
	else
		t->first = f->next;
	if (f->next != NONE)
		p->pool[f->next].prev = f->prev;
	else
		t->last = f->prev;
}

void st_fd_remove(struct st_fds *p, struct st_fd *f)
{
	uint32_t ix = (uint32_t)(f - p->pool), *link = &p->buckets[bucket_of(p, f->files, f->num)];
	struct st_files *t = &p->files[f->files];

	while (*link != ix)
		link = &p->pool[*link].hash_next;
	*link = f->hash_next;
	list_remove(p, t, f);
	t->n--;
	t->by_type[f->type]--;
	st_text_drop(p->texts, &f->name);
	st_text_drop(p->texts, &f->nameraw);
	f->files = NONE;
	f->hash_next = p->fd_free;
	p->fd_free = ix;
	p->n_live--;
}

/* Only with a full pool: every entry is in use. */
static void evict(struct st_fds *p, uint32_t keep_files)
{
	for (unsigned tries = 0; tries < 64; tries++) {
		p->hand = (p->hand + 1) % p->n_max;
		if (p->pool[p->hand].files != keep_files)
			break;
	}
	p->n_evicted++;
	st_fd_remove(p, &p->pool[p->hand]);
}

bool st_fds_evict(struct st_fds *p, unsigned n)
{
	bool any = p->n_live > 0;

	while (n > 0 && p->n_live > 0) {
		p->hand = (p->hand + 1) % p->n_max;
		if (p->hand >= p->fd_fresh) {
			p->hand = 0; /* nothing was ever there */
			if (p->pool[0].files == NONE)
				continue;
		}
		if (p->pool[p->hand].files == NONE)
			continue;
		p->n_evicted++;
		st_fd_remove(p, &p->pool[p->hand]);
		n--;
	}
	return any;
}

/* The same number again, opened anew: the entry stays where the lookup finds it. A number is used again at once more
 * often than not. */
static void renew(struct st_fds *p, struct st_fd *f, enum ev_fd_type type, uint64_t ts_ns)
{
	struct st_files *t = &p->files[f->files];
	uint32_t ix = (uint32_t)(f - p->pool);

	st_text_drop(p->texts, &f->name);
	st_text_drop(p->texts, &f->nameraw);
	st_fd_set_type(p, f, type);
	if (t->last != ix) {
		list_remove(p, t, f);
		list_append(p, t, ix);
	}
	*f = (struct st_fd){.hash_next = f->hash_next,
		.prev = f->prev,
		.next = f->next,
		.files = f->files,
		.num = f->num,
		.type = (uint8_t)type,
		.ts_ns = ts_ns};
}

struct st_fd *st_fd_put(
	struct st_fds *p, uint32_t files, int64_t num, enum ev_fd_type type, uint64_t ts_ns)
{
	struct st_fd *f = st_fd_find(p, files, num);
	struct st_files *t = &p->files[files];
	uint32_t ix, *bucket;

	if (num < 0 || num > INT32_MAX)
		return NULL;
	if (f) {
		if (f->ts_ns > ts_ns)
			return NULL;
		renew(p, f, type, ts_ns);
		return f;
	}
	if (p->n_live == p->n_max)
		evict(p, files);
	if (p->fd_free != NONE) {
		ix = p->fd_free;
		p->fd_free = p->pool[ix].hash_next;
	} else {
		ix = p->fd_fresh++;
	}
	f = &p->pool[ix];
	bucket = &p->buckets[bucket_of(p, files, (int32_t)num)];
	*f = (struct st_fd){.hash_next = *bucket,
		.files = files,
		.num = (int32_t)num,
		.type = (uint8_t)type,
		.ts_ns = ts_ns};
	*bucket = ix;
	list_append(p, t, ix);
	t->n++;
	t->by_type[type]++;
	p->n_live++;
	return f;
}

void st_fd_remove_range(
	struct st_fds *p, uint32_t files, uint32_t first, uint32_t last, bool cloexec_only)
{
	uint32_t next;

	for (uint32_t i = p->files[files].first; i != NONE; i = next) {
		struct st_fd *f = &p->pool[i];

		next = f->next;
		if ((uint32_t)f->num < first || (uint32_t)f->num > last)
			continue;
		if (cloexec_only)
			f->cloexec = true;
		else
			st_fd_remove(p, f);
	}
}

void st_fd_remove_cloexec(struct st_fds *p, uint32_t files)
{
	uint32_t next;

	for (uint32_t i = p->files[files].first; i != NONE; i = next) {
		next = p->pool[i].next;
		if (p->pool[i].cloexec)
			st_fd_remove(p, &p->pool[i]);
	}
}

void st_fd_copy(struct st_fds *p, struct st_fd *to, const struct st_fd *from)
{
	st_fd_set_type(p, to, from->type);
	to->l4 = from->l4;
	to->role = from->role;
	to->flags = from->flags;
	to->open_flags = from->open_flags;
	to->dev = from->dev;
	to->ino = from->ino;
	to->sport = from->sport;
	to->dport = from->dport;
	memcpy(to->sip, from->sip, sizeof(to->sip));
	memcpy(to->dip, from->dip, sizeof(to->dip));
	to->pid = from->pid;
	st_text_share(p->texts, &to->name, from->name);
	st_text_share(p->texts, &to->nameraw, from->nameraw);
}
