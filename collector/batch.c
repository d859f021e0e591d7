/* SPDX-License-Identifier: Apache-2.0 */
/* One batch: records go from the source straight into the raw ring. Input: a source's records, unchecked; the door is col_out_event().
 *
 * Room is reserved before a record is taken, so that a full ring stops the draining (the kernel then sheds by class, other sources wait) and a record is never in
 * hand without a place: what the source has handed over and what the ring holds are always the same. */

#include "batch.h"

#include <errno.h>

#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>
#include <driver/kev.h>
#include <driver/scap_facts.h>

#include "namefact.h"

enum outcome { TAKEN = 1 };

/* Behind the source's own state. There was room for this and one more record, and room only grows. */
static int end_snapshot(struct col_batch *b, struct col_out *o, uint64_t ts_ns)
{
	int r = col_out_snap(o, REC_SNAP_END, ts_ns);

	if (r == 0)
		b->in_snapshot = false;
	return r;
}

static bool is_beyond(struct col_batch *b, uint64_t ts_ns)
{
	if (b->first_ns == 0)
		b->first_ns = ts_ns;
	return b->max_event_ns && ts_ns > b->first_ns && ts_ns - b->first_ns > b->max_event_ns;
}

static void complain(struct col_out *o, const char *why)
{
	/* the counter says how many; the log says what the first ones were */
	if (stats_get(&o->stats->malformed) <= 5)
		log_warning("malformed record from the source (%s), passing over it", why);
}

static int put_event(
	struct col_batch *b, struct col_out *o, struct rec_head *rec, const struct drv_record *got)
{
	const char *why = "";

	if (got->epoch_ns < b->last_ns)
		stats_add(&o->stats->late, 1);
	else
		b->last_ns = got->epoch_ns;
	if (col_out_event(o, rec, got->p, got->len, got->epoch_ns, &why) < 0)
		complain(o, why);
	return TAKEN;
}

/* The supervisor asks for one of these every few seconds, to see that what the kernel's programs send arrives. Not an event, and for nobody else. */
static bool note_canary(struct col_out *o, const struct drv_record *got)
{
	const struct kev_head *h = got->p;
	const char *why = "";
	struct kev k;

	if (got->len < sizeof(*h) || h->type != KEV_CODE_SAKER_CANARY)
		return false;
	if (kev_parse(got->p, got->len, &k, &why) == 0)
		stats_set(&o->stats->canary, kev_param_u64(&k, 0));
	return true;
}

/* The JSON of an event that tells of a container or a name. */
static bool told_json(
	const struct drv_record *got, struct kev *k, struct span *ret_json, bool *ret_is_name)
{
	const struct kev_head *h = got->p;
	struct span name;
	const char *why;
	int i;

	*ret_is_name = false;
	if (got->is_state || got->len < sizeof(*h) ||
		(h->type != KEV_CODE_CONTAINER_JSON_2_E && h->type != KEV_CODE_ASYNCEVENT_E))
		return false;
	if (kev_parse(got->p, got->len, k, &why) < 0)
		return false; /* the event's own door says so */
	if (h->type == KEV_CODE_ASYNCEVENT_E) {
		name = kev_param_text(k, (unsigned)kev_param_find(k->info, "name"));
		*ret_is_name = span_eq_str(name, SCAP_NAME_EVENT);
		if (!*ret_is_name && !span_eq_str(name, SCAP_CONTAINER_EVENT))
			return false;
	}
	i = kev_param_find(k->info, h->type == KEV_CODE_ASYNCEVENT_E ? "data" : "json");
	*ret_json = k->param[i];
	while (ret_json->n && ret_json->p[ret_json->n - 1] == '\0')
		ret_json->n--;
	return true;
}

/* What an event tells as a record of its own, into b->facts. Its length; 0: nothing. */
static size_t make_facts(struct col_batch *b, const struct drv_record *got)
{
	struct span json;
	json_t *root = NULL;
	bool is_name;
	struct kev k;
	int len;

	if (!told_json(got, &k, &json, &is_name))
		return 0;
	if (is_name) {
		len = col_name_record(json.p, json.n, b->facts);
		return len < 0 ? 0 : (size_t)len;
	}
	if (md_container_of_event(&b->container, json.p, json.n, &root) < 0)
		return 0;
	len = md_container_record(&b->container, b->facts);
	json_decref(root);
	return (size_t)len;
}

/* The facts go before the event that tells them, so that it is judged with them. Both must fit into the room that was made sure of. */
static int put_facts(struct col_batch *b, struct col_out *o, const struct drv_record *got)
{
	size_t len = make_facts(b, got);
	struct rec_head *rec = NULL;
	const char *why = "";
	int r;

	if (len == 0)
		return 0;
	if (len + got->len + 2 * sizeof(*rec) + sizeof(struct rec_snap) > SPSC_RECORD_MAX) {
		log_warning("an event tells more of a container than fits, passing over that");
		return 0;
	}
	r = col_out_reserve(o, sizeof(*rec) + len, REC_STATE, &rec);
	if (r == 0 && col_out_state(o, rec, b->facts, len, got->epoch_ns, KEV_KIND_META, &why) < 0)
		complain(o, why);
	return r;
}

/* A record that needs another reservation than the one that was made before it was known. The room is still there. */
static int put_other(struct col_batch *b, struct col_out *o, const struct drv_record *got)
{
	struct rec_head *rec = NULL;
	const char *why = "";
	int r = 0;

	if (got->is_state && note_canary(o, got))
		return TAKEN;
	if (!got->is_state && b->in_snapshot)
		r = end_snapshot(b, o, got->epoch_ns);
	if (r == 0 && b->tells_containers)
		r = put_facts(b, o, got);
	if (r == 0)
		r = col_out_reserve(o,
			got->is_state ? COL_ROOM - sizeof(struct rec_snap)
				      : sizeof(*rec) + MIN(got->len, (size_t)KEV_SIZE_MAX),
			got->is_state ? REC_STATE : REC_KEV, &rec);
	if (r < 0)
		return r;
	if (!got->is_state)
		return put_event(b, o, rec, got);
	if (col_out_state(o, rec, got->p, got->len, got->epoch_ns, -1, &why) < 0)
		complain(o, why);
	return TAKEN;
}

static int take_none(struct col_batch *b, struct col_out *o, int r)
{
	if (b->in_snapshot && (r == 0 || r == -ENODATA) && end_snapshot(b, o, clock_epoch_ns()) < 0)
		return -EBADMSG;
	return r == -EBADMSG ? -EIO : r; /* -EBADMSG is the raw ring's */
}

static int take_one(struct col_batch *b, struct col_out *o)
{
	struct drv_record got;
	struct rec_head *rec = NULL;
	struct span json;
	bool is_name;
	struct kev k;
	int r = col_out_reserve(o, b->tells_containers ? SPSC_RECORD_MAX : COL_ROOM, REC_KEV, &rec);

	if (r < 0)
		return r == -EAGAIN ? 0 : r;
	r = b->source->ops->next(b->source, &got);
	if (r > 0 && !got.is_state && !b->in_snapshot && !b->skip_to &&
		!(b->tells_containers && told_json(&got, &k, &json, &is_name)) &&
		!is_beyond(b, got.epoch_ns))
		return put_event(b, o, rec, &got);
	col_out_abandon(o);
	if (r <= 0)
		return take_none(b, o, r);
	bool beyond = !got.is_state && is_beyond(b, got.epoch_ns);
	if (b->skip_to) {
		b->skip_to--;
		return TAKEN;
	}
	return beyond ? -ENODATA : put_other(b, o, &got);
}

int col_batch_fill(struct col_batch *b, struct col_out *o)
{
	int n = 0;

	while (n < COL_BATCH_MAX && o->n_batch + 1 < COL_BATCH_MAX) {
		int r = take_one(b, o);

		if (r < 0)
			return r;
		if (r == 0)
			break;
		n++;
	}
	return n;
}
