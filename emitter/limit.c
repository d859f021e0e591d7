/* SPDX-License-Identifier: Apache-2.0 */
/* See limit.h. Two alerts are the same if rule and message are: the message holds what the rule's
 * author thought worth telling. Alerts were checked; their texts are cut for the summaries. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <base/clock.h>
#include <base/hash.h>
#include <base/macros.h>

#include "limit.h"

#define WAYS 8 /* places that a key may have */

int limit_init(struct limit *l, uint64_t dedup_ns, uint64_t rate, const uint8_t run_id[16])
{
	*l = (struct limit){.dedup_ns = dedup_ns, .rate = rate, .tokens = (double)rate};
	memcpy(l->run_id, run_id, sizeof(l->run_id));
	if (!limit_is_on(l))
		return 0;
	l->record = malloc(SPSC_RECORD_MAX);
	l->entries = dedup_ns ? calloc(LIMIT_KEYS, sizeof(*l->entries)) : NULL;
	return l->record && (l->entries || !dedup_ns) ? 0 : -ENOMEM;
}

void limit_done(struct limit *l)
{
	free(l->record);
	free(l->entries);
	*l = (struct limit){0};
}

static void keep_text(char *to, size_t cap, struct span s)
{
	size_t n = MIN(s.n, cap - 1);

	if (n)
		memcpy(to, s.p, n);
	to[n] = 0;
}

static void remember(struct limit_entry *e, const struct alert *a)
{
	e->ts_ns = a->h.ts_ns;
	e->seq = a->h.seq;
	e->ord = a->h.ord;
	if (e->n++)
		return;
	e->priority = a->priority;
	keep_text(e->rule, sizeof(e->rule), rec_text(a, a->rule_name));
	keep_text(e->message, sizeof(e->message), rec_text(a, a->message));
	keep_text(e->source, sizeof(e->source), rec_text(a, a->source));
	keep_text(e->host, sizeof(e->host), rec_text(a, a->host));
}

/* The entry of this key, or a free one; NULL: all its places are taken by others. */
static struct limit_entry *find(struct limit *l, uint64_t key)
{
	struct limit_entry *free_one = NULL;

	for (unsigned i = 0; i < WAYS; i++) {
		struct limit_entry *e = &l->entries[(key + i) % LIMIT_KEYS];

		if (e->key == key)
			return e;
		if (!e->key && !free_one)
			free_one = e;
	}
	return free_one;
}

static bool is_repeat(struct limit *l, const struct alert *a, uint64_t now_ns)
{
	struct span rule = rec_text(a, a->rule_name), message = rec_text(a, a->message);
	uint64_t key = hash_bytes(message.p, message.n, hash_bytes(rule.p, rule.n, 0)) | 1;
	struct limit_entry *e = find(l, key);

	if (!e)
		return false; /* not remembered: it goes, and so do its repeats */
	if (e->key == key && now_ns - e->since_ns < l->dedup_ns) {
		remember(e, a);
		return true;
	}
	if (e->key == key && e->n)
		return false; /* its summary comes first, then it is remembered anew */
	e->key = key;
	e->since_ns = now_ns;
	return false;
}

static bool is_above_rate(struct limit *l, const struct alert *a, uint64_t now_ns)
{
	double rate = (double)l->rate;

	if (l->filled_ns)
		l->tokens += rate * (double)(now_ns - l->filled_ns) / (double)NS_PER_S;
	l->filled_ns = now_ns;
	l->tokens = MIN(l->tokens, rate);
	if (l->tokens >= 1) {
		l->tokens -= 1;
		return false;
	}
	if (!l->over.n)
		l->over.since_ns = now_ns;
	remember(&l->over, a);
	return true;
}

bool limit_passes(struct limit *l, const struct alert *a, uint64_t now_ns)
{
	if (l->dedup_ns && is_repeat(l, a, now_ns))
		return false;
	return !l->rate || !is_above_rate(l, a, now_ns);
}

static const struct alert *make(struct limit *l, const struct limit_entry *e, const char *rule,
	struct span message, uint32_t flags)
{
	static struct alert_builder b; /* large; this stage has one thread */
	struct alert *a;
	int n;

	alert_begin(&b, l->record, SPSC_RECORD_MAX);
	a = alert_head(&b);
	a->rule_name = alert_add_text(&b, span_str(rule));
	a->source = alert_add_text(&b, span_str(e->source));
	a->host = alert_add_text(&b, span_str(e->host));
	a->message = alert_add_text(&b, message);
	alert_add_field(&b, SPAN_LIT("saker.suppressed"), ALERT_U64, e->n, (struct span){NULL, 0});
	a->h.ring.type = REC_ALERT;
	a->h.ts_ns = e->ts_ns;
	a->h.seq = e->seq;
	a->h.ord = e->ord;
	a->priority = e->priority;
	a->flags = flags;
	alert_id_make(l->run_id, e->seq, message, a->id);
	n = alert_finish(&b);
	if (n < 0)
		return NULL; /* cannot be: its texts are short */
	a->h.ring.len = (uint32_t)n;
	return a;
}

static const struct alert *summarise_repeats(struct limit *l, struct limit_entry *e)
{
	char text[LIMIT_TEXT_MAX + 64];
	int n = snprintf(text, sizeof(text), "%llu more: %s", (unsigned long long)e->n, e->message);
	const struct alert *a =
		make(l, e, e->rule, (struct span){text, MIN((size_t)n, sizeof(text) - 1)}, 0);

	*e = (struct limit_entry){0};
	return a;
}

static const struct alert *summarise_rate(struct limit *l)
{
	char text[2 * LIMIT_TEXT_MAX + 128];
	int n = snprintf(text, sizeof(text),
		"%llu more alerts were above the limit of %llu a second, the first one of rule "
		"'%s': %s",
		(unsigned long long)l->over.n, (unsigned long long)l->rate, l->over.rule,
		l->over.message);
	const struct alert *a = make(l, &l->over, "saker rate limit",
		(struct span){text, MIN((size_t)n, sizeof(text) - 1)}, 0);

	l->over = (struct limit_entry){0};
	return a;
}

const struct alert *limit_summary(struct limit *l, uint64_t now_ns, bool at_end)
{
	if (l->over.n && (at_end || now_ns - l->over.since_ns >= NS_PER_S))
		return summarise_rate(l);
	for (unsigned i = 0; l->dedup_ns && i < LIMIT_KEYS; i++) {
		struct limit_entry *e = &l->entries[l->hand];

		l->hand = (l->hand + 1) % LIMIT_KEYS;
		if (!e->key || (!at_end && now_ns - e->since_ns < l->dedup_ns))
			continue;
		if (e->n)
			return summarise_repeats(l, e);
		*e = (struct limit_entry){0};
	}
	return NULL;
}
