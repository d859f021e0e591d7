/* SPDX-License-Identifier: Apache-2.0 */
/* Container fields. The thread's record tells the container's id and when its pid namespace began;
 * the container's record what a runtime knows of it. Outside containers the host's own record
 * answers: "host" for its names, the empty text for the rest. In a container that nothing is told
 * of, all but the id and the times have no value; where its cgroup is all that anybody knows
 * (lxc and its like), that tells its name, as the id, and its type. An event that tells of a container is about that
 * one, whoever made it. Records were checked by crec_validate(). */
#include <fnmatch.h>

#include <base/macros.h>

#include "field.h"

static bool is_host(const struct evl *e)
{
	return e->thread && e->thread->container_id.n == 0;
}

const struct crec *evl_container(const struct evl *e)
{
	if (e->tells_container)
		return replica_last_container(&e->replica);
	return e->thread ? replica_container(&e->replica, e->thread) : NULL;
}

/* What a known container was not told to have is the empty text. */
struct span evl_container_text(const struct crec *c, enum crec_text which)
{
	return c->text[which].off ? rec_text(c, c->text[which]) : SPAN_LIT("");
}

static struct span shortened(struct span id)
{
	id.n = MIN(id.n, (size_t)CREC_SHORT_ID);
	return id;
}

struct span evl_container_id(const struct evl *e)
{
	struct span id = rec_text(e->thread, e->thread->container_id);

	if (ctr_engines[e->thread->container_engine].type)
		return id; /* a name */
	return id.n ? shortened(id) : SPAN_LIT("host");
}

static void get_id(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct crec *c = evl_container(e);
	bool is_of_thread = e->thread && !e->tells_container;

	if (is_of_thread && (a->field == FIELD_ID_CONTAINER_ID || is_host(e)))
		evl_set_str(ret_v, evl_container_id(e));
	else if (is_of_thread && c && !c->id.off)
		evl_set_str(ret_v, rec_text(e->thread, e->thread->container_id));
	else if (c)
		evl_set_str(ret_v, a->field == FIELD_ID_CONTAINER_ID ? shortened(rec_text(c, c->id))
								     : rec_text(c, c->id));
}

static void get_metadata(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct crec *c = evl_container(e);

	(void)a;
	if (c)
		evl_set_str(
			ret_v, c->flags & CREC_EARLY ? SPAN_LIT("partial") : SPAN_LIT("complete"));
	else if (e->thread)
		evl_set_str(ret_v, is_host(e) ? SPAN_LIT("host") : SPAN_LIT("partial"));
}

static void get_text(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct crec *c = evl_container(e);

	if (c && (c->text[a->variant].off || !(c->flags & CREC_EARLY)))
		evl_set_str(ret_v, evl_container_text(c, (enum crec_text)a->variant));
	else if (is_host(e))
		evl_set_str(ret_v,
			a->field == FIELD_ID_CONTAINER_NAME || a->field == FIELD_ID_CONTAINER_TYPE
				? SPAN_LIT("host")
				: SPAN_LIT(""));
}

static void get_flag(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct crec *c = evl_container(e);

	if (c && !(c->flags & CREC_EARLY))
		evl_set_bool(ret_v, c->flags & (uint32_t)a->variant);
	else if (is_host(e))
		evl_set_bool(ret_v, false);
}

static void get_start(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	uint64_t start = e->thread ? e->thread->pidns_start_ns : 0, now = e->view->ev->h.ts_ns;

	if (!start)
		return;
	if (a->field == FIELD_ID_CONTAINER_START_TS)
		evl_set_u64(ret_v, start);
	else
		evl_set_u64(ret_v, now - start);
}

/* --- mounts --- */

enum { SOURCE, DEST, MODE, RDWR, PROPAGATION, WHOLE };

/* Takes the parts of one mount or label off the front of a row; false at its end. */
static bool next_parts(struct span *row, unsigned n, struct span *ret_parts)
{
	if (row->n == 0)
		return false;
	for (unsigned i = 0; i < n; i++) {
		size_t len = strnlen(row->p, row->n);

		ret_parts[i] = (struct span){.p = row->p, .n = len};
		len = MIN(len + 1, row->n);
		*row = (struct span){.p = row->p + len, .n = row->n - len};
	}
	return true;
}

static void add_mount(struct evl_text *t, const struct span *parts)
{
	for (unsigned i = 0; i < CREC_MOUNT_PARTS; i++) {
		if (i > 0)
			evl_text_char(t, ':');
		evl_text_add(t, parts[i]);
	}
}

static void get_mounts(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct crec *c = evl_container(e);
	struct span row, parts[CREC_MOUNT_PARTS];
	struct evl_text t;

	(void)a;
	if (!c && is_host(e))
		evl_set_str(ret_v, SPAN_LIT(""));
	if (!c || (c->flags & CREC_EARLY && !c->text[CREC_MOUNTS].off))
		return;
	t = evl_scratch_open(&e->scratch);
	row = rec_text(c, c->text[CREC_MOUNTS]);
	for (unsigned i = 0; next_parts(&row, CREC_MOUNT_PARTS, parts); i++) {
		if (i > 0)
			evl_text_char(&t, ',');
		add_mount(&t, parts);
	}
	evl_set_str(ret_v, evl_scratch_close(&e->scratch, &t));
}

/* By number; else by a pattern on the source, which for container.mount.source itself is one on the
 * destination. Texts of records and of the image end in NUL. */
static bool is_wanted(
	struct evl *e, const struct evl_field_arg *a, unsigned i, const struct span *parts)
{
	if (a->x->arg_kind == IMG_ARG_INDEX)
		return a->x->index == (int64_t)i;
	return fnmatch(img_text(&e->img, a->x->key).p,
		       parts[a->variant == SOURCE ? DEST : SOURCE].p, 0) == 0;
}

static void get_mount(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct crec *c = evl_container(e);
	struct span row = c ? rec_text(c, c->text[CREC_MOUNTS]) : (struct span){0};
	struct span parts[CREC_MOUNT_PARTS];
	struct evl_text t;
	unsigned i = 0;

	do
		if (!next_parts(&row, CREC_MOUNT_PARTS, parts))
			return;
	while (!is_wanted(e, a, i++, parts));
	if (a->variant != WHOLE) {
		evl_set_str(ret_v, parts[a->variant]);
		return;
	}
	t = evl_scratch_open(&e->scratch);
	add_mount(&t, parts);
	evl_set_str(ret_v, evl_scratch_close(&e->scratch, &t));
}

/* --- labels --- */

bool evl_container_label(
	const struct crec *c, enum crec_text which, struct span key, struct span *ret_value)
{
	struct span row = rec_text(c, c->text[which]), parts[CREC_LABEL_PARTS];

	while (next_parts(&row, CREC_LABEL_PARTS, parts)) {
		if (!span_eq(parts[0], key))
			continue;
		*ret_value = parts[1];
		return true;
	}
	return false;
}

/* Annotations and what belongs to Kubernetes itself are not shown in the list. */
struct span evl_container_labels(struct evl *e, const struct crec *c, enum crec_text which)
{
	struct span row = rec_text(c, c->text[which]), parts[CREC_LABEL_PARTS];
	struct evl_text t = evl_scratch_open(&e->scratch);

	while (next_parts(&row, CREC_LABEL_PARTS, parts)) {
		if (span_starts_with(parts[0], SPAN_LIT("annotation.")) ||
			span_starts_with(parts[0], SPAN_LIT("io.kubernetes.")))
			continue;
		if (t.n)
			evl_text_str(&t, ", ");
		evl_text_add(&t, parts[0]);
		if (parts[1].n)
			evl_text_char(&t, ':');
		evl_text_add(&t, parts[1]);
	}
	return evl_scratch_close(&e->scratch, &t);
}

static void get_label(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct crec *c = evl_container(e);
	struct span value;

	if (c && evl_container_label(c, CREC_LABELS, img_text(&e->img, a->x->key), &value))
		evl_set_str(ret_v, value);
}

static void get_labels(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct crec *c = evl_container(e);

	(void)a;
	if (c)
		evl_set_str(ret_v, evl_container_labels(e, c, CREC_LABELS));
	else if (is_host(e))
		evl_set_str(ret_v, SPAN_LIT(""));
}

const struct evl_field_row evl_fields_container[] = {
	{FIELD_ID_CONTAINER_ID, 0, get_id},
	{FIELD_ID_CONTAINER_FULL_ID, 0, get_id},
	{FIELD_ID_CONTAINER_METADATA, 0, get_metadata},
	{FIELD_ID_CONTAINER_NAME, CREC_NAME, get_text},
	{FIELD_ID_CONTAINER_TYPE, CREC_TYPE, get_text},
	{FIELD_ID_CONTAINER_IMAGE, CREC_IMAGE, get_text},
	{FIELD_ID_CONTAINER_IMAGE_ID, CREC_IMAGE_ID, get_text},
	{FIELD_ID_CONTAINER_IMAGE_REPOSITORY, CREC_REPOSITORY, get_text},
	{FIELD_ID_CONTAINER_IMAGE_TAG, CREC_TAG, get_text},
	{FIELD_ID_CONTAINER_IMAGE_DIGEST, CREC_DIGEST, get_text},
	{FIELD_ID_CONTAINER_IP, CREC_IP, get_text},
	{FIELD_ID_CONTAINER_CNI_JSON, CREC_CNI_JSON, get_text},
	{FIELD_ID_CONTAINER_MOUNTS, 0, get_mounts},
	{FIELD_ID_CONTAINER_MOUNT, WHOLE, get_mount},
	{FIELD_ID_CONTAINER_MOUNT_SOURCE, SOURCE, get_mount},
	{FIELD_ID_CONTAINER_MOUNT_DEST, DEST, get_mount},
	{FIELD_ID_CONTAINER_MOUNT_MODE, MODE, get_mount},
	{FIELD_ID_CONTAINER_MOUNT_RDWR, RDWR, get_mount},
	{FIELD_ID_CONTAINER_MOUNT_PROPAGATION, PROPAGATION, get_mount},
	{FIELD_ID_CONTAINER_LABEL, 0, get_label},
	{FIELD_ID_CONTAINER_LABELS, 0, get_labels},
	{FIELD_ID_CONTAINER_PRIVILEGED, CREC_PRIVILEGED, get_flag},
	{FIELD_ID_CONTAINER_HOST_PID, CREC_HOST_PID, get_flag},
	{FIELD_ID_CONTAINER_HOST_NETWORK, CREC_HOST_NETWORK, get_flag},
	{FIELD_ID_CONTAINER_HOST_IPC, CREC_HOST_IPC, get_flag},
	{FIELD_ID_CONTAINER_START_TS, 0, get_start},
	{FIELD_ID_CONTAINER_DURATION, 0, get_start},
	{0, 0, NULL},
};
