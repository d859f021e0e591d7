/* SPDX-License-Identifier: Apache-2.0 */
/* What runtimes say unasked: that they are there, what they are, and which containers come and go. Reports are lines of JSON or messages of calls; parts end anywhere. */

#include <stdio.h>
#include <string.h>

#include <base/log.h>
#include <base/macros.h>

#include "lookups_priv.h"
#include "pb.h"

#define FRAME_HEAD 5

/* Nothing that was asked of it is answered any more. */
static void void_all(struct lookups *l, unsigned runtime, uint64_t now_ns)
{
	for (unsigned i = 0; i < GATE_ASKS_MAX; i++) {
		struct ask *a = &l->asks[i];

		if ((a->state == ASK_OPEN || a->state == ASK_AGAIN) && a->runtime == runtime)
			ask_ended(l, a, GATE_DOWN, now_ns);
	}
}

/* Docker's and Kubernetes' own containers are told of by those. */
static bool is_others(struct span namespace)
{
	return span_eq_str(namespace, "moby") || span_eq_str(namespace, "k8s.io");
}

unsigned namespace_index(struct lookups *l, unsigned runtime, struct span name)
{
	struct source *s = &l->sources[runtime];

	if (is_others(name))
		return NAMESPACES_MAX;
	for (unsigned i = 0; i < s->n_namespaces; i++)
		if (span_eq_str(name, s->namespaces[i]))
			return i;
	if (s->n_namespaces == NAMESPACES_MAX) {
		if (!s->said_namespaces)
			log_warning("containerd at '%s' has more than %u namespaces, those behind "
				    "are not looked at",
				l->set->runtimes[runtime].path, NAMESPACES_MAX);
		s->said_namespaces = true;
		return NAMESPACES_MAX;
	}
	(void)snprintf(s->namespaces[s->n_namespaces], sizeof(s->namespaces[0]), "%.*s",
		(int)name.n, name.p);
	return s->n_namespaces++;
}

/* --- one report --- */

static void got_action(struct lookups *l, unsigned runtime, enum report_action action,
	struct span id, unsigned namespace)
{
	if ((action == REPORT_CREATE && l->set->hooks & HOOK_CREATE) ||
		(action == REPORT_START && l->set->hooks & HOOK_START))
		job_want_of(l, runtime, id, namespace, true);
	if (action == REPORT_REMOVE && l->n_gone < GONE_MAX && id.n <= GATE_NAME_MAX) {
		memcpy(l->gone[l->n_gone].id, id.p, id.n);
		l->gone[l->n_gone].id[id.n] = 0;
		l->gone[l->n_gone++].runtime = runtime;
	}
}

static void got_line(struct lookups *l, unsigned runtime, const char *line, size_t n)
{
	json_t *root = json_loadb(line, n, 0, NULL);
	struct span id = {0};
	enum report_action action = root ? docker_event(root, &id) : REPORT_OTHER;

	if (!root)
		malformed(l, runtime, "a report");
	got_action(l, runtime, action, id, 0);
	if (action == REPORT_CREATE && l->set->hooks & HOOK_CREATE)
		tell_early(l, root, runtime, (struct span){0});
	json_decref(root);
}

static void got_message(struct lookups *l, unsigned runtime, struct span message)
{
	struct containerd_event e;
	struct span id = {0};
	enum report_action action;
	unsigned namespace;

	if (kind_of(l, runtime) == GATE_CRI) {
		action = cri_event(message, &id);
		got_action(l, runtime, action, id, 0);
		return;
	}
	containerd_event(message, &e);
	if (e.action == REPORT_OTHER)
		return;
	namespace = namespace_index(l, runtime, span_str(e.namespace));
	if (namespace < NAMESPACES_MAX)
		got_action(l, runtime, e.action, span_str(e.id), namespace);
}

/* --- cut out of a stream --- */

static void take_lines(struct lookups *l, unsigned runtime, struct span part)
{
	struct source *s = &l->sources[runtime];

	while (part.n) {
		const char *end = memchr(part.p, '\n', part.n);
		size_t n = end ? (size_t)(end - part.p) : part.n;

		if (!s->skips && n > LINE_MAX_BYTES - s->n) {
			malformed(l, runtime, "a report too long");
			s->skips = true;
			s->wants_list = true; /* whatever it was about */
		}
		if (!s->skips) {
			memcpy(s->line + s->n, part.p, n);
			s->n += n;
		}
		if (!end)
			return;
		if (!s->skips && s->n)
			got_line(l, runtime, s->line, s->n);
		s->n = 0;
		s->skips = false;
		part.p += n + 1;
		part.n -= n + 1;
	}
}

/* All messages that are whole; what remains moves to the front. false: what follows cannot be understood. */
static bool take_whole(struct lookups *l, unsigned runtime)
{
	struct source *s = &l->sources[runtime];
	struct span rest = {.p = s->line, .n = s->n}, message;
	int r;

	while ((r = pb_frame(&rest, UINT32_MAX, &message)) == 1)
		got_message(l, runtime, message);
	memmove(s->line, rest.p, rest.n);
	s->n = rest.n;
	return r == 0;
}

/* One that is longer than is kept: its end is known by its head. */
static void begin_skip(struct lookups *l, unsigned runtime)
{
	struct source *s = &l->sources[runtime];
	const uint8_t *p = (const uint8_t *)s->line;
	size_t n = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];

	malformed(l, runtime, "a report too long");
	s->n_skip = n + FRAME_HEAD - s->n;
	s->n = 0;
	s->wants_list = true; /* whatever it was about */
}

static void take_messages(struct lookups *l, unsigned runtime, struct span part)
{
	struct source *s = &l->sources[runtime];

	while (part.n && !s->skips) {
		size_t n = s->n_skip ? MIN(s->n_skip, part.n) : MIN(part.n, LINE_MAX_BYTES - s->n);

		if (s->n_skip) {
			s->n_skip -= n;
		} else {
			memcpy(s->line + s->n, part.p, n);
			s->n += n;
			if (!take_whole(l, runtime)) {
				malformed(l, runtime, "a report");
				s->skips = true; /* until its reports begin again */
			} else if (s->n == LINE_MAX_BYTES) {
				begin_skip(l, runtime);
			}
		}
		part.p += n;
		part.n -= n;
	}
}

/* --- all --- */

static void begin_reports(struct source *s)
{
	s->wants_list = s->is_up;
	s->has_namespaces = s->wants_pods = false;
	s->list_ns = 0;
	s->n = s->n_skip = 0;
	s->skips = false;
}

static void take_version(struct lookups *l, unsigned runtime, struct span body)
{
	struct span message;

	/* a few bytes: one part */
	if (kind_of(l, runtime) == GATE_CRI && pb_frame(&body, GATE_PART_MAX, &message) == 1)
		l->sources[runtime].type = cri_type(message);
}

void take_unasked(struct lookups *l, const struct gate_answer *a, uint64_t now_ns)
{
	struct source *s = &l->sources[a->runtime];
	struct span body = gate_answer_body(a);

	if (a->flags & (GATE_F_UP | GATE_F_DOWN)) {
		void_all(l, a->runtime, now_ns);
		s->is_up = a->flags & GATE_F_UP;
		s->n_namespaces = 1; /* the usual one; others may be gone */
	}
	if (a->flags & (GATE_F_UP | GATE_F_DOWN | GATE_F_MISSED))
		begin_reports(s);
	if (!a->n)
		return;
	s->is_up = true;
	if (a->what == GATE_VERSION)
		take_version(l, a->runtime, body);
	else if (gate_is_call(kind_of(l, a->runtime)))
		take_messages(l, a->runtime, body);
	else
		take_lines(l, a->runtime, body);
}
