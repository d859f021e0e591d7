/* SPDX-License-Identifier: Apache-2.0 */
/* containerd's answers. A container is its record in containerd's database: labels, an image's name, and the OCI specification that its runtime is started with, which says the rest. */

#include "containerd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <base/macros.h>
#include "containerd.pb-c.h"
#include <shm/gate.h>

#include "image.h"
#include "jsonget.h"
#include "pb.h"

#define USER_KEPT 24

struct containerd {
	struct pb_heap heap;
	Ctrd__GetContainerResponse *answer;
	json_t *spec; /* NULL: none that can be read */
	json_t *labels, *mounts;
	char user[USER_KEPT];
};

static const Ctrd__Container *container_of_answer(const struct containerd *c)
{
	return c->answer->container;
}

struct containerd *containerd_free(struct containerd *c)
{
	if (!c)
		return NULL;
	if (c->answer)
		pb_drop(&c->heap, &c->answer->base);
	json_decref(c->spec);
	json_decref(c->labels);
	json_decref(c->mounts);
	free(c);
	return NULL;
}

struct containerd *containerd_new(struct span message, struct span id)
{
	struct containerd *c = calloc(1, sizeof(*c));
	ProtobufCMessage *m;
	struct span text;

	if (!c || pb_unpack(&c->heap, &ctrd__get_container_response__descriptor, message, &m) < 0)
		return containerd_free(c);
	c->answer = (Ctrd__GetContainerResponse *)m;
	if (!c->answer->container || !gate_is_name(pb_span(c->answer->container->id)) ||
		!span_eq(pb_span(c->answer->container->id), id))
		return containerd_free(c);
	text = c->answer->container->spec ? pb_span(c->answer->container->spec->value)
					  : (struct span){0};
	c->spec = text.n ? json_loadb(text.p, text.n, 0, NULL) : NULL;
	return c;
}

struct span containerd_image_name(const struct containerd *c)
{
	return pb_span(container_of_answer(c)->image);
}

/* --- facts --- */

static bool has_namespace(const json_t *spec, const char *type)
{
	const json_t *all = JSON_MEMBER(spec, "linux", "namespaces");

	for (size_t i = 0; i < json_array_size(all); i++)
		if (span_eq_str(json_text(json_object_get(json_array_get(all, i), "type")), type))
			return true;
	return false;
}

/* Nothing is said of it; but one whose process has all of the host's powers, and nothing hidden from it, was made with just that wish. */
static bool is_privileged(const json_t *spec)
{
	const json_t *caps = JSON_MEMBER(spec, "process", "capabilities", "bounding"),
		     *security = json_object_get(spec, "linux");

	if (json_array_size(json_object_get(security, "maskedPaths")) ||
		json_array_size(json_object_get(security, "readonlyPaths")) ||
		json_object_get(security, "seccomp"))
		return false;
	for (size_t i = 0; i < json_array_size(caps); i++)
		if (span_eq_str(json_text(json_array_get(caps, i)), "CAP_SYS_ADMIN"))
			return true;
	return false;
}

static uint32_t flags(const json_t *spec)
{
	if (!spec)
		return 0;
	return (is_privileged(spec) ? CREC_PRIVILEGED : 0) |
	       (has_namespace(spec, "pid") ? 0 : CREC_HOST_PID) |
	       (has_namespace(spec, "network") ? 0 : CREC_HOST_NETWORK) |
	       (has_namespace(spec, "ipc") ? 0 : CREC_HOST_IPC);
}

static bool has_option(const json_t *mount, const char *option)
{
	const json_t *all = json_object_get(mount, "options");

	for (size_t i = 0; i < json_array_size(all); i++)
		if (span_eq_str(json_text(json_array_get(all, i)), option))
			return true;
	return false;
}

static const char *propagation(const json_t *mount)
{
	static const char *const names[] = {
		"rprivate", "private", "rshared", "shared", "rslave", "slave"};

	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		if (has_option(mount, names[i]))
			return names[i];
	return "";
}

static json_t *mounts_of(const json_t *spec)
{
	const json_t *from = json_object_get(spec, "mounts");
	json_t *all = json_array();

	for (size_t i = 0; i < json_array_size(from) && all; i++) {
		const json_t *m = json_array_get(from, i);

		(void)json_array_append_new(all,
			json_pack("{s:O?,s:O?,s:b,s:s}", "source", json_object_get(m, "source"),
				"dest", json_object_get(m, "destination"), "rw",
				!has_option(m, "ro"), "propagation", propagation(m)));
	}
	return all;
}

static void put_user(struct md_container *out, struct containerd *c)
{
	const json_t *user = JSON_MEMBER(c->spec, "process", "user"),
		     *uid = json_object_get(user, "uid");
	struct span name = json_text(json_object_get(user, "username"));

	if (!name.n && json_is_integer(uid)) {
		(void)snprintf(
			c->user, sizeof(c->user), "%" JSON_INTEGER_FORMAT, json_integer_value(uid));
		name = span_str(c->user);
	} else if (!name.n && user) {
		name = SPAN_LIT("0"); /* as zeros are left out */
	}
	md_container_set(out, CREC_USER, name);
}

static void put_image(struct md_container *out, struct span name, const struct md_image *image)
{
	struct span repository, tag, digest;

	image_split(name, &repository, &tag, &digest);
	md_container_set(out, CREC_IMAGE, name);
	md_container_set(out, CREC_REPOSITORY, repository);
	md_container_set(out, CREC_TAG, tag);
	md_container_set(out, CREC_DIGEST, image ? span_str(image->digest) : digest);
}

void containerd_container(struct md_container *out, const struct containerd *answer,
	const struct md_image *image, const char *type, size_t label_max)
{
	static const char *const keys[CREC_MOUNT_PARTS] = {
		"source", "dest", "mode", "rw", "propagation"};
	struct containerd *c = (struct containerd *)answer; /* its texts are made here */
	const Ctrd__Container *of = container_of_answer(c);
	struct span name;

	md_container_begin(out, pb_span(of->id));
	out->flags = flags(c->spec);
	json_decref(c->labels);
	json_decref(c->mounts);
	c->labels = pb_labels(of->n_labels, of->labels, label_max);
	c->mounts = mounts_of(c->spec);
	name = json_text(json_object_get(c->labels, "nerdctl/name"));
	md_container_set(out, CREC_NAME, name.n ? name : pb_span(of->id));
	md_container_set(out, CREC_TYPE, span_str(type));
	put_image(out, pb_span(of->image), image);
	put_user(out, c);
	md_container_mounts(out, c->mounts, keys);
	md_container_labels(out, CREC_LABELS, c->labels, SIZE_MAX); /* the long ones are out */
}

/* --- the rest --- */

int containerd_image(struct span message, struct md_image *ret_image)
{
	struct pb_heap heap = {0};
	ProtobufCMessage *m;
	const Ctrd__Image *image;
	int r = pb_unpack(&heap, &ctrd__get_image_response__descriptor, message, &m);

	if (r < 0)
		return r;
	ret_image->repository[0] = ret_image->tag[0] = ret_image->digest[0] = 0;
	image = ((Ctrd__GetImageResponse *)m)->image;
	if (image && image->target && image_digits(pb_span(image->target->digest)).n)
		(void)snprintf(ret_image->digest, sizeof(ret_image->digest), "%.*s",
			(int)image->target->digest.len, (char *)image->target->digest.data);
	pb_drop(&heap, m);
	return 0;
}

int containerd_list(struct span message, void (*each)(void *ctx, struct span id), void *ctx)
{
	struct pb_heap heap = {0};
	Ctrd__ListContainersResponse *list;
	ProtobufCMessage *m;
	int r = pb_unpack(&heap, &ctrd__list_containers_response__descriptor, message, &m);

	if (r < 0)
		return r;
	list = (Ctrd__ListContainersResponse *)m;
	for (size_t i = 0; i < list->n_containers; i++)
		if (gate_is_name(pb_span(list->containers[i]->id)))
			each(ctx, pb_span(list->containers[i]->id));
	pb_drop(&heap, m);
	return 0;
}

int containerd_namespaces(struct span message, void (*each)(void *ctx, struct span name), void *ctx)
{
	struct pb_heap heap = {0};
	Ctrd__ListNamespacesResponse *list;
	ProtobufCMessage *m;
	int r = pb_unpack(&heap, &ctrd__list_namespaces_response__descriptor, message, &m);

	if (r < 0)
		return r;
	list = (Ctrd__ListNamespacesResponse *)m;
	for (size_t i = 0; i < list->n_namespaces; i++)
		if (gate_is_name(pb_span(list->namespaces[i]->name)))
			each(ctx, pb_span(list->namespaces[i]->name));
	pb_drop(&heap, m);
	return 0;
}

static bool keep_name(char *to, struct span s)
{
	if (!gate_is_name(s))
		return false;
	memcpy(to, s.p, s.n);
	to[s.n] = 0;
	return true;
}

static enum report_action action_of(struct span topic)
{
	static const struct {
		const char *topic;
		enum report_action action;
	} rows[] = {{"/containers/create", REPORT_CREATE}, {"/containers/delete", REPORT_REMOVE},
		{"/tasks/start", REPORT_START}};

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
		if (span_eq_str(topic, rows[i].topic))
			return rows[i].action;
	return REPORT_OTHER;
}

void containerd_event(struct span message, struct containerd_event *ret)
{
	struct pb_heap heap = {0};
	ProtobufCMessage *m, *subject;
	const Ctrd__Envelope *e;

	ret->action = REPORT_OTHER;
	if (pb_unpack(&heap, &ctrd__envelope__descriptor, message, &m) < 0)
		return;
	e = (const Ctrd__Envelope *)m;
	if (e->event && pb_unpack(&heap, &ctrd__subject__descriptor, pb_span(e->event->value),
				&subject) == 0) {
		if (keep_name(ret->id, pb_span(((Ctrd__Subject *)subject)->id)) &&
			keep_name(ret->namespace, pb_span(e->namespace_)))
			ret->action = action_of(pb_span(e->topic));
		pb_drop(&heap, subject);
	}
	pb_drop(&heap, m);
}
