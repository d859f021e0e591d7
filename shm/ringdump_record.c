/* SPDX-License-Identifier: Apache-2.0 */
/* One record of a ring as a line, for people or as JSON. Input: a private copy of the record whose
 * length has been checked and nothing else; whatever is printed of its body is checked here first.
 * Must not fail on any bytes. */

#include "ringdump_record.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include <abi/events.h>
#include <abi/kevent.h>
#include <base/clock.h>
#include <base/utf8.h>
#include <shm/alert.h>
#include <shm/crec.h>
#include <shm/ev.h>
#include <shm/gate.h>
#include <shm/prec.h>
#include <shm/stats.h>

static void add_event_name(struct strbuf *b, uint16_t code)
{
	const struct kev_info *info = kev_info_find(code);

	if (info)
		strbuf_add_str(b, info->symbol);
	else
		strbuf_addf(b, "event %u", code);
}

static void add_kev(struct strbuf *b, const struct spsc_rec *rec)
{
	const struct kev_head *k =
		(const struct kev_head *)((const uint8_t *)rec + sizeof(struct rec_head));

	if (rec->len - sizeof(struct rec_head) < sizeof(*k))
		return;
	add_event_name(b, k->type);
	strbuf_addf(b, " tid %u cpu %u ", k->tid, k->cpu);
	strbuf_add(b, k->comm, strnlen(k->comm, sizeof(k->comm)));
}

static void add_event(struct strbuf *b, const struct spsc_rec *rec)
{
	const struct ev *ev = (const struct ev *)rec;
	struct ev_view v;

	if (rec->len < sizeof(*ev))
		return;
	add_event_name(b, ev->type);
	strbuf_addf(b, " tid %" PRId64 " slot %u", ev->tid, ev->slot);
	if (ev_validate(&ev->h, PREC_NO_SLOT, &v) < 0)
		strbuf_add_str(b, " (malformed)");
}

static void add_proc(struct strbuf *b, const struct spsc_rec *rec)
{
	const struct prec *p = (const struct prec *)rec;

	if (rec->len < sizeof(*p))
		return;
	strbuf_addf(b, "slot %u tid %" PRId64 " pid %" PRId64 " ", p->slot, p->tid, p->pid);
	if (prec_validate(&p->h, PREC_NO_SLOT) < 0)
		strbuf_add_str(b, "(malformed)");
	else
		strbuf_add_span(b, rec_text(p, p->comm));
}

static void add_container(struct strbuf *b, const struct spsc_rec *rec)
{
	const struct crec *c = (const struct crec *)rec;

	if (crec_validate(&c->h) < 0) {
		strbuf_add_str(b, "(malformed)");
		return;
	}
	strbuf_addf(b, "slot %u ", c->slot);
	strbuf_add_span(b, rec_text(c, c->id));
	strbuf_add_char(b, ' ');
	strbuf_add_span(b, rec_text(c, c->text[CREC_NAME]));
}

static void add_alert(struct strbuf *b, const struct spsc_rec *rec)
{
	const struct alert *a = (const struct alert *)rec;

	if (alert_validate(&a->h) < 0) {
		strbuf_add_str(b, "(malformed)");
		return;
	}
	strbuf_addf(b, "%s rule %u ", alert_priority_str(a->priority), a->rule);
	strbuf_add_span(b, rec_text(a, a->rule_name));
}

static void add_ask(struct strbuf *b, const struct spsc_rec *rec)
{
	const struct gate_ask *a = (const struct gate_ask *)rec;

	if (gate_ask_validate(&a->h) < 0)
		strbuf_add_str(b, "(malformed)");
	else
		strbuf_addf(b, "cookie %" PRIu64 " runtime %u what %u %s", a->cookie, a->runtime,
			a->what, a->id);
}

static void add_answer(struct strbuf *b, const struct spsc_rec *rec)
{
	const struct gate_answer *a = (const struct gate_answer *)rec;

	if (gate_answer_validate(&a->h) < 0)
		strbuf_add_str(b, "(malformed)");
	else
		strbuf_addf(b, "cookie %" PRIu64 " runtime %u what %u status %u flags %#x bytes %u",
			a->cookie, a->runtime, a->what, a->status, a->flags, a->n);
}

static void add_lookup(struct strbuf *b, const struct spsc_rec *rec)
{
	const struct lookup *l = (const struct lookup *)rec;

	if (lookup_validate(&l->h) < 0)
		strbuf_add_str(b, "(malformed)");
	else
		strbuf_add_span(b, lookup_id(l));
}

static void add_fixed(struct strbuf *b, const struct spsc_rec *rec)
{
	if (rec_validate_fixed((const struct rec_head *)rec) < 0)
		strbuf_add_str(b, "(malformed)");
	else if (rec->type == REC_SNAP_BEGIN || rec->type == REC_SNAP_END)
		strbuf_addf(b, "epoch %" PRIu64 " records %" PRIu64,
			((const struct rec_snap *)rec)->epoch,
			((const struct rec_snap *)rec)->n_records);
	else if (rec->type == REC_LOSS)
		strbuf_addf(b, "%s %" PRIu64, loss_str(((const struct rec_loss *)rec)->reason),
			((const struct rec_loss *)rec)->n);
	else if (rec->type == REC_MARK)
		strbuf_addf(b, "policy %" PRIu64, ((const struct rec_mark *)rec)->policy);
	else if (rec->type == REC_FORGET)
		strbuf_addf(b, "slot %u", ((const struct rec_forget *)rec)->slot);
}

/* Raw bytes; the caller escapes. */
static void add_detail(struct strbuf *b, const struct spsc_rec *rec)
{
	if (rec->len < sizeof(struct rec_head)) {
		strbuf_add_str(b, "(shorter than a record's head)");
		return;
	}
	switch (rec->type) {
	case REC_KEV:
	case REC_STATE:
		add_kev(b, rec);
		break;
	case REC_EVENT:
		add_event(b, rec);
		break;
	case REC_PROC:
		add_proc(b, rec);
		break;
	case REC_CONTAINER:
		add_container(b, rec);
		break;
	case REC_GATE_ASK:
		add_ask(b, rec);
		break;
	case REC_GATE_ANSWER:
		add_answer(b, rec);
		break;
	case REC_LOOKUP:
		add_lookup(b, rec);
		break;
	case REC_ALERT:
		add_alert(b, rec);
		break;
	default:
		if (rec_type_str(rec->type))
			add_fixed(b, rec);
	}
}

static void add_type(struct strbuf *b, uint16_t type)
{
	const char *s = rec_type_str(type);

	if (s)
		strbuf_add_str(b, s);
	else
		strbuf_addf(b, "type-%u", type);
}

static void add_time(struct strbuf *b, uint64_t ts_ns)
{
	time_t s = (time_t)(ts_ns / NS_PER_S);
	struct tm tm;
	char text[32];

	if (!gmtime_r(&s, &tm) || strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		strbuf_addf(b, "%" PRIu64, ts_ns);
	else
		strbuf_addf(b, "%s.%09" PRIu64 "Z", text, (uint64_t)(ts_ns % NS_PER_S));
}

/* The head, or zeros for a record too short to have one. */
static struct rec_head head_of(const struct spsc_rec *rec)
{
	struct rec_head h = {.ring = *rec};

	if (rec->len >= sizeof(h))
		memcpy(&h, rec, sizeof(h));
	return h;
}

void ringdump_record_text(struct strbuf *b, uint64_t pos, const struct spsc_rec *rec)
{
	_cleanup_strbuf_ struct strbuf detail = {0};
	struct rec_head h = head_of(rec);

	strbuf_addf(b, "%" PRIu64 " ", pos);
	add_type(b, rec->type);
	strbuf_addf(b, " len %u seq %" PRIu64 " ord %" PRIu64 " ", rec->len, h.seq, h.ord);
	add_time(b, h.ts_ns);
	add_detail(&detail, rec);
	if (detail.n > 0) {
		strbuf_add_char(b, ' ');
		json_add_escaped(b, strbuf_span(&detail));
	}
	strbuf_add_char(b, '\n');
}

void ringdump_record_json(struct strbuf *b, uint64_t pos, const struct spsc_rec *rec)
{
	_cleanup_strbuf_ struct strbuf detail = {0};
	struct rec_head h = head_of(rec);

	strbuf_addf(b, "{\"pos\":%" PRIu64 ",\"type\":\"", pos);
	add_type(b, rec->type);
	strbuf_addf(b,
		"\",\"len\":%u,\"flags\":%u,\"seq\":%" PRIu64 ",\"ord\":%" PRIu64
		",\"ts_ns\":%" PRIu64,
		rec->len, rec->flags, h.seq, h.ord, h.ts_ns);
	add_detail(&detail, rec);
	if (detail.n > 0) {
		strbuf_add_str(b, ",\"detail\":");
		json_add_string(b, strbuf_span(&detail));
	}
	strbuf_add_str(b, "}\n");
}
