/* SPDX-License-Identifier: Apache-2.0 */
/* Passes on what saker-metadata knows of the host, and what saker-dialer knows of names, as state records. Both parse what others wrote, so they are not trusted: from
 * saker-metadata only events of the kind META are taken, so that it can lie about users and addresses but not about processes, from saker-dialer resolved names alone,
 * and from nobody else. They get the collector's own time. */

#include "meta.h"

#include <errno.h>

#include <base/clock.h>
#include <base/log.h>
#include <driver/kev.h>
#include <driver/scap_facts.h>

static const char *const programs[_COL_TELLER_MAX] = {"saker-metadata", "saker-dialer"};

/* Names are the dialer's, everything else metadata's. @got: our private copy. */
static bool may_tell(enum col_teller teller, const struct spsc_rec *got)
{
	const struct rec_head *h = (const struct rec_head *)got;
	const struct kev_head *kev = (const struct kev_head *)(h + 1);
	bool is_name = got->len >= sizeof(*h) + sizeof(*kev) && kev->type == KEV_CODE_SAKER_NAME;

	return is_name == (teller == COL_DIALER);
}

/* Behind its facts, so that it is judged with them: the event that rules see, and that captures have. 0 or -EAGAIN, -EBADMSG as col_out_reserve(). */
static int put_event(struct col_meta *m, struct col_out *o, const struct spsc_rec *got)
{
	struct rec_head *rec = NULL;
	const char *why;
	struct kev k;
	int n, r;

	if (kev_parse((const uint8_t *)got + sizeof(*rec), got->len - sizeof(*rec), &k, &why) < 0 ||
		k.head->type != KEV_CODE_SAKER_CONTAINER)
		return 0;
	n = scap_fact_event(&k, &m->text, m->event);
	if (n <= 0)
		return 0; /* nothing is told, or more than an event holds */
	r = col_out_reserve(o, sizeof(*rec) + (size_t)n, REC_KEV, &rec);
	if (r < 0)
		return r;
	if (col_out_event(o, rec, m->event, (size_t)n, clock_epoch_ns(), &why) == 0)
		o->n_told++;
	return 0;
}

static int pass_on(struct col_meta *m, struct col_out *o, const struct spsc_rec *got)
{
	enum col_teller teller = m->teller;
	struct rec_head *rec = NULL;
	const char *why;
	size_t len = got->len - sizeof(struct rec_head);
	int r;

	if (!may_tell(teller, got)) {
		stats_add(&o->stats->malformed, 1);
		return 0;
	}
	r = col_out_reserve(o, sizeof(*rec) + len, REC_STATE, &rec);
	if (r < 0)
		return r;
	if (col_out_state(o, rec, (const uint8_t *)got + sizeof(struct rec_head), len,
		    clock_epoch_ns(), KEV_KIND_META, &why) < 0 &&
		stats_get(&o->stats->malformed) <= 5)
		log_warning(
			"malformed record from %s (%s), passing over it", programs[teller], why);
	/* without room for it both are written again: facts that are told twice are the same */
	return m->tells_events ? put_event(m, o, got) : 0;
}

int col_meta_fill(struct col_meta *m, struct col_out *o, unsigned max)
{
	int n = 0;

	if (!m->is_attached)
		return 0;
	while ((unsigned)n < max && o->n_batch + 2 < COL_BATCH_MAX) {
		const struct spsc_rec *got = NULL;

		/* a record that is taken must find room: look at it first */
		int r = spsc_peek(&m->ring, &got);
		if (r <= 0)
			return r < 0 ? -EPROTO : n;
		if (got->type == REC_SNAP_END)
			m->has_first = true;
		else if (got->type != REC_STATE || got->len < sizeof(struct rec_head))
			return -EPROTO;
		else
			r = pass_on(m, o, got);
		if (r < 0)
			return r == -EAGAIN ? n : r;
		(void)spsc_next(&m->ring, &got); /* the one that was looked at */
		m->has_taken = true;
		n++;
	}
	return n;
}

void col_meta_commit(struct col_meta *m)
{
	if (m->has_taken)
		spsc_consumer_commit(&m->ring);
	m->has_taken = false;
}
