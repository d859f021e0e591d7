/* SPDX-License-Identifier: Apache-2.0 */
/* What the gate's answers say. Each belongs to an ask that is open, and to nothing else. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <base/log.h>
#include <base/macros.h>

#include "lookups_priv.h"
#include "pb.h"

#define LIST_AGAIN_NS NS_PER_S

const struct md_image *find_image(const struct lookups *l, const char *id)
{
	for (unsigned i = 0; i < l->n_images; i++)
		if (!strcmp(l->images[i].id, id))
			return &l->images[i];
	return NULL;
}

bool image_of(const struct lookups *l, const struct ask *a, char ret[GATE_ID_MAX])
{
	struct span id = {0};
	int n = 0;

	if (a->containerd)
		n = snprintf(ret, GATE_ID_MAX, "%s/%.*s", a->namespace_name,
			(int)containerd_image_name(a->containerd).n,
			containerd_image_name(a->containerd).p);
	else if (a->root)
		id = docker_image_id(a->root);
	if (id.n)
		n = snprintf(ret, GATE_ID_MAX, "%.*s", (int)id.n, id.p);
	return n > 0 && n < GATE_ID_MAX &&
	       gate_id_fits(kind_of(l, a->runtime), GATE_IMAGE, span_str(ret));
}

void malformed(struct lookups *l, unsigned runtime, const char *what)
{
	stats_add(&l->stats->malformed, 1);
	if (stats_get(&l->stats->malformed) <= 5)
		log_warning("%s at '%s': %s that cannot be understood, passing over it",
			gate_kind_str(kind_of(l, runtime)), l->set->runtimes[runtime].path, what);
}

/* Whose facts these must be; {0,0}: its job is done already. */
static struct span asked_id(const struct lookups *l, const struct ask *a)
{
	if (a->job == JOB_NONE)
		return (struct span){0};
	return job_id(&l->jobs[a->job]);
}

static struct span whole_body(const struct ask *a)
{
	return (struct span){.p = a->body, .n = a->n};
}

/* The one message of an answer. */
static int message_of(struct span body, struct span *ret_message)
{
	int r = pb_frame(&body, GATE_LIST_MAX, ret_message);

	return r == 1 && body.n == 0 ? 0 : -EBADMSG;
}

/* --- a container --- */

static bool read_cri(struct lookups *l, struct ask *a)
{
	struct span message;

	a->cri = cri_new();
	return a->cri && message_of(whole_body(a), &message) == 0 &&
	       cri_status(a->cri, message, asked_id(l, a)) == 0;
}

static bool read_containerd(struct lookups *l, struct ask *a)
{
	struct span message;

	if (message_of(whole_body(a), &message) == 0)
		a->containerd = containerd_new(message, asked_id(l, a));
	return a->containerd;
}

static bool read_docker(struct lookups *l, struct ask *a)
{
	a->root = json_loadb(a->body, a->n, 0, NULL);
	return a->root && docker_check(a->root, asked_id(l, a)) == 0;
}

static void got_container(struct lookups *l, struct ask *a, uint64_t now_ns)
{
	unsigned kind = kind_of(l, a->runtime);
	bool is_good = kind == GATE_CRI          ? read_cri(l, a)
		       : kind == GATE_CONTAINERD ? read_containerd(l, a)
						 : read_docker(l, a);

	if (is_good) {
		ask_go_on(l, a);
		return;
	}
	malformed(l, a->runtime, "facts of a container");
	job_answered(l, a->job, a->runtime, false, now_ns);
	ask_free(l, a);
}

/* No container of that id: it may be the one that holds a pod's namespaces, which has the pod's. */
static bool may_be_pod(const struct lookups *l, const struct ask *a)
{
	return kind_of(l, a->runtime) == GATE_CRI && gate_is_hex(job_id(&l->jobs[a->job]), 64, 64);
}

static void ask_as_pod(struct lookups *l, struct ask *a)
{
	a->cri = cri_new();
	a->step = 1;
	a->second_what = GATE_POD;
	(void)snprintf(a->second, sizeof(a->second), "%s", l->jobs[a->job].id);
	a->n = 0;
	a->state = ASK_SECOND;
}

/* Not in this namespace: in the next one. false: it was looked for in all. */
static bool ask_in_next(struct lookups *l, struct ask *a)
{
	unsigned n = l->sources[a->runtime].n_namespaces;

	if (kind_of(l, a->runtime) != GATE_CONTAINERD || a->n_namespaces >= n)
		return false;
	a->namespace = (a->namespace + 1) % n;
	a->n_namespaces++;
	a->n = 0;
	a->state = ASK_AGAIN;
	return true;
}

/* --- what was asked besides --- */

static void keep_image(struct lookups *l, struct ask *of)
{
	struct md_image *to = &l->images[l->next_image];
	struct span message;
	json_t *root = NULL;
	bool is_good;

	if (kind_of(l, of->runtime) == GATE_CONTAINERD) {
		is_good = message_of(whole_body(of), &message) == 0 &&
			  containerd_image(message, to) == 0;
	} else {
		root = json_loadb(of->body, of->n, 0, NULL);
		is_good = json_is_object(root);
		if (is_good)
			docker_image(root, to);
	}
	json_decref(root);
	if (!is_good) {
		malformed(l, of->runtime, "facts of an image"); /* and its place is as it was */
		return;
	}
	memcpy(to->id, of->second, sizeof(to->id));
	l->next_image = (l->next_image + 1) % IMAGES_MAX;
	l->n_images = MIN(l->n_images + 1, (unsigned)IMAGES_MAX);
}

/* One that is the pod itself is known by it alone. false: it is not known. */
static bool take_pod(
	struct lookups *l, struct ask *a, const struct ask *of, struct span message, bool is_good)
{
	struct span id = span_str(of->second);
	bool is_alone = a->job != JOB_NONE && span_eq(job_id(&l->jobs[a->job]), id);
	bool is_known = is_good && a->cri && cri_pod(a->cri, message, id) == 0;

	if (is_known && !is_alone)
		job_want_of(l, of->runtime, id, 0, false); /* the one that holds its namespaces */
	return is_known || !is_alone;
}

static void take_address(struct ask *a, const json_t *root)
{
	struct span ip = docker_address(root);

	if (ip.n < sizeof(a->address))
		(void)snprintf(a->address, sizeof(a->address), "%.*s", (int)ip.n, ip.p ? ip.p : "");
}

/* Of all containers that wait for it. */
static void got_second(struct lookups *l, struct ask *of, bool is_good, uint64_t now_ns)
{
	struct span message = {0};
	json_t *root = NULL;

	if (of->what == GATE_IMAGE && is_good) {
		keep_image(l, of);
	} else if (of->what == GATE_POD && is_good && message_of(whole_body(of), &message) < 0) {
		malformed(l, of->runtime, "facts of a pod");
		is_good = false;
	} else if (of->what == GATE_INSPECT && is_good) {
		root = json_loadb(of->body, of->n, 0, NULL);
		if (!root || docker_check(root, span_str(of->second)) < 0) {
			malformed(l, of->runtime, "facts of a container");
			json_decref(root);
			root = NULL;
		}
	}
	for (unsigned i = 0; i < GATE_ASKS_MAX; i++) {
		struct ask *a = &l->asks[i];

		if (a->state != ASK_SECOND || a->runtime != of->runtime ||
			a->second_what != of->what || strcmp(a->second, of->second) != 0)
			continue;
		if (of->what == GATE_POD && !take_pod(l, a, of, message, is_good)) {
			job_answered(l, a->job, a->runtime, false, now_ns);
			ask_free(l, a);
			continue;
		}
		if (root)
			take_address(a, root);
		ask_go_on(l, a);
	}
	json_decref(root);
	ask_free(l, of);
}

/* --- briefs --- */

/* Docker's: a list; Podman's: the report of its creation. Without the container there is nothing to tell. */
static void got_brief(struct lookups *l, struct ask *a)
{
	bool is_list = kind_of(l, a->runtime) == GATE_DOCKER;
	json_t *root = json_loadb(a->body, a->n, is_list ? 0 : JSON_DISABLE_EOF_CHECK, NULL);
	struct span id = asked_id(l, a), of = {0};

	if (a->n && !root)
		malformed(l, a->runtime, is_list ? "a list of containers" : "a report");
	else if (is_list && root)
		tell_early(l, root, a->runtime, id);
	else if (root && docker_event(root, &of) == REPORT_CREATE && span_starts_with(of, id))
		tell_early(l, root, a->runtime, (struct span){0});
	json_decref(root);
}

/* --- lists --- */

struct listed {
	struct lookups *l;
	unsigned runtime, namespace;
};

static void want_listed(void *ctx, struct span id)
{
	const struct listed *of = ctx;

	job_want_of(of->l, of->runtime, id, of->namespace, false);
}

static void add_namespace(void *ctx, struct span name)
{
	const struct listed *of = ctx;

	(void)namespace_index(of->l, of->runtime, name);
}

static bool read_docker_list(struct listed *of, struct span text)
{
	json_t *root = json_loadb(text.p, text.n, 0, NULL);
	bool is_good = json_is_array(root);

	for (size_t i = 0; i < json_array_size(root); i++) {
		struct span id = docker_list_id(root, i);

		if (id.n)
			want_listed(of, id);
	}
	json_decref(root);
	return is_good;
}

static void got_list(struct lookups *l, struct ask *a)
{
	struct source *s = &l->sources[a->runtime];
	struct listed of = {l, a->runtime, s->next_namespace};
	struct span body = {.p = l->list, .n = a->n}, message = {0};
	unsigned kind = kind_of(l, a->runtime);
	bool is_good;

	if (!gate_is_call(kind))
		is_good = read_docker_list(&of, body);
	else if (message_of(body, &message) < 0)
		is_good = false;
	else if (a->what == GATE_PODS)
		is_good = cri_pods(message, want_listed, &of) == 0;
	else if (kind == GATE_CRI)
		is_good = cri_list(message, want_listed, &of) == 0;
	else if (a->what == GATE_NAMESPACES)
		is_good = containerd_namespaces(message, add_namespace, &of) == 0;
	else
		is_good = containerd_list(message, want_listed, &of) == 0;
	if (!is_good)
		malformed(l, a->runtime, "a list of containers");
}

/* Of containerd the next namespace, until all were; of Kubernetes the pods behind the containers. */
static void go_on_listing(struct source *s, const struct ask *a, unsigned kind)
{
	if (kind == GATE_CONTAINERD) {
		s->next_namespace = a->what == GATE_NAMESPACES ? 0 : s->next_namespace + 1;
		s->has_namespaces = s->next_namespace < s->n_namespaces;
	}
	s->wants_pods = kind == GATE_CRI && a->what == GATE_LIST;
	s->wants_list |= s->has_namespaces || s->wants_pods;
	s->list_ns = 0;
}

static void list_ended(struct lookups *l, struct ask *a, unsigned status, uint64_t now_ns)
{
	struct source *s = &l->sources[a->runtime];

	s->lists = false;
	if (status == GATE_OK && !a->is_void) {
		s->is_up = true;
		got_list(l, a);
		go_on_listing(s, a, kind_of(l, a->runtime));
	} else {
		s->has_namespaces = s->wants_pods = false;
		if (status != GATE_DOWN && status != GATE_REFUSED) {
			s->wants_list = true;
			s->list_ns = now_ns + LIST_AGAIN_NS;
		}
	}
	ask_free(l, a);
}

/* --- all --- */

void ask_ended(struct lookups *l, struct ask *a, unsigned status, uint64_t now_ns)
{
	bool is_good = status == GATE_OK && !a->is_void;

	if (gate_is_list(a->what)) {
		list_ended(l, a, status, now_ns);
	} else if (a->is_second) {
		got_second(l, a, is_good, now_ns);
	} else if (a->job == JOB_NONE) {
		ask_free(l, a); /* somebody else has told it */
	} else if (a->what == GATE_BRIEF) {
		if (is_good)
			got_brief(l, a);
		ask_free(l, a);
	} else if (is_good) {
		got_container(l, a, now_ns);
	} else if (status == 404 && may_be_pod(l, a)) {
		ask_as_pod(l, a);
	} else if (status != 404 || !ask_in_next(l, a)) {
		/* what it said itself is final; the rest is about the way there */
		job_answered(l, a->job, a->runtime,
			status == GATE_DOWN || status == GATE_TIMEOUT || status == GATE_BUSY ||
				status >= 500,
			now_ns);
		ask_free(l, a);
	}
}

/* What has to be told first. */
bool lookups_takes(const struct lookups *l)
{
	return l->told == JOB_NONE;
}

void lookups_answer(struct lookups *l, const struct gate_answer *msg, uint64_t now_ns)
{
	struct ask *a = &l->asks[msg->cookie % 256 % GATE_ASKS_MAX];
	bool is_listed = gate_is_list(msg->what);
	size_t max = is_listed ? GATE_LIST_MAX : GATE_BODY_MAX;

	if (msg->runtime >= l->set->n_runtimes)
		return;
	if (gate_is_unasked(msg->what)) {
		take_unasked(l, msg, now_ns);
		return;
	}
	if (a->state != ASK_OPEN || a->cookie != msg->cookie || a->what != msg->what ||
		a->runtime != msg->runtime)
		return; /* a predecessor's, or given up */
	if (msg->n > max - a->n)
		a->is_void = true;
	if (!a->is_void) {
		memcpy((is_listed ? l->list : a->body) + a->n, msg + 1, msg->n);
		a->n += msg->n;
	}
	if (msg->flags & GATE_F_END)
		ask_ended(l, a,
			a->is_void && msg->status == GATE_OK ? (unsigned)GATE_TOO_BIG : msg->status,
			now_ns);
}
