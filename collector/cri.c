/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of a container runtime of Kubernetes, read by protobuf-c. What an answer may grow into is bounded; what is no text of its place is passed over; an id is an id or nothing is taken. */

#include "cri.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <base/macros.h>
#include "cri.pb-c.h"
#include <shm/gate.h>

#include "image.h"
#include "jsonget.h"
#include "pb.h"

#define CNI_KEPT 3072 /* bytes of a pod's interfaces as JSON: what a record keeps */
#define USER_KEPT 24
#define NODE 2   /* NamespaceMode: the host's */
#define READY 0  /* PodSandboxState */
#define EXITED 2 /* ContainerState: and what comes after */

static struct span hex_of(ProtobufCBinaryData d)
{
	struct span s = pb_span(d);

	return gate_is_hex(s, 64, 64) ? s : (struct span){0};
}

/* --- one container --- */

struct cri {
	struct pb_heap heap;
	Cri__ContainerStatusResponse *status;
	Cri__PodStatusResponse *pod;
	json_t *info,
		*pod_info; /* what the runtime adds in words of its own, as JSON; NULL: nothing that can be read */
	json_t *labels, *pod_labels, *mounts;
	char cni[CNI_KEPT];
	char user[USER_KEPT];
};

struct cri *cri_new(void)
{
	return calloc(1, sizeof(struct cri));
}

struct cri *cri_free(struct cri *c)
{
	if (!c)
		return NULL;
	if (c->status)
		pb_drop(&c->heap, &c->status->base);
	if (c->pod)
		pb_drop(&c->heap, &c->pod->base);
	json_decref(c->info);
	json_decref(c->pod_info);
	json_decref(c->labels);
	json_decref(c->pod_labels);
	json_decref(c->mounts);
	free(c);
	return NULL;
}

static struct span entry_of(size_t n, Cri__Entry **entries, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (span_eq_str(pb_span(entries[i]->key), key))
			return pb_span(entries[i]->value);
	return (struct span){0};
}

static json_t *read_info(size_t n, Cri__Entry **entries)
{
	struct span text = entry_of(n, entries, "info");

	return text.n ? json_loadb(text.p, text.n, 0, NULL) : NULL;
}

int cri_status(struct cri *c, struct span message, struct span id)
{
	ProtobufCMessage *m;
	int r = pb_unpack(&c->heap, &cri__container_status_response__descriptor, message, &m);

	if (r < 0)
		return r;
	if (c->status)
		pb_drop(&c->heap, &c->status->base);
	c->status = (Cri__ContainerStatusResponse *)m;
	json_decref(c->info);
	c->info = NULL;
	if (!c->status->status || !hex_of(c->status->status->id).n ||
		!span_starts_with(hex_of(c->status->status->id), id)) {
		pb_drop(&c->heap, m);
		c->status = NULL;
		return -EBADMSG;
	}
	c->info = read_info(c->status->n_info, c->status->info);
	return 0;
}

int cri_pod(struct cri *c, struct span message, struct span id)
{
	ProtobufCMessage *m;
	int r = pb_unpack(&c->heap, &cri__pod_status_response__descriptor, message, &m);

	if (r < 0)
		return r;
	if (c->pod)
		pb_drop(&c->heap, &c->pod->base);
	c->pod = (Cri__PodStatusResponse *)m;
	json_decref(c->pod_info);
	c->pod_info = NULL;
	if (!c->pod->status || !hex_of(c->pod->status->id).n ||
		!span_starts_with(hex_of(c->pod->status->id), id)) {
		pb_drop(&c->heap, m);
		c->pod = NULL;
		return -EBADMSG;
	}
	c->pod_info = read_info(c->pod->n_info, c->pod->info);
	return 0;
}

bool cri_knows(const struct cri *c)
{
	return c->status || c->pod;
}

struct span cri_sandbox(const struct cri *c)
{
	struct span s = json_text(JSON_MEMBER(c->info, "sandboxID"));

	if (!s.n)
		s = json_text(JSON_MEMBER(
			c->info, "runtimeSpec", "annotations", "io.kubernetes.cri.sandbox-id"));
	return gate_is_hex(s, 64, 64) ? s : (struct span){0};
}

/* --- facts --- */

static const char *propagation(int32_t v)
{
	static const char *const names[] = {"private", "rslave", "rshared"};

	return v >= 0 && v < (int32_t)ARRAY_LEN(names) ? names[v] : "unknown";
}

static const char *const mount_keys[CREC_MOUNT_PARTS] = {
	"source", "dest", "mode", "rw", "propagation"};

static json_t *mounts_of(const Cri__ContainerStatus *s)
{
	json_t *all = json_array();

	for (size_t i = 0; i < s->n_mounts && all; i++) {
		const Cri__Mount *m = s->mounts[i];

		(void)json_array_append_new(all,
			json_pack("{s:o?,s:o?,s:b,s:s}", "source",
				json_stringn((const char *)m->host_path.data, m->host_path.len),
				"dest",
				json_stringn((const char *)m->container_path.data,
					m->container_path.len),
				"rw", !m->readonly, "propagation", propagation(m->propagation)));
	}
	return all;
}

/* As the runtime's parts say it, the nearest to what runs first. */
static bool is_privileged(const json_t *info)
{
	const json_t *v =
		JSON_MEMBER(info, "runtimeSpec", "linux", "security_context", "privileged");

	if (!v)
		v = JSON_MEMBER(info, "config", "linux", "security_context", "privileged");
	if (!v)
		v = JSON_MEMBER(info, "privileged");
	return json_is_true(v);
}

/* "host/name@sha256:…" is one of the names that the image has; "sha256:…" is no name, then the name is what the pod asked for. */
static void put_image(struct md_container *out, const Cri__ContainerStatus *s, const json_t *info)
{
	static const char *const annotations[] = {"io.kubernetes.cri.image-name",
		"io.kubernetes.cri-o.Image", "io.kubernetes.cri-o.ImageName"};
	struct span name = s->image ? pb_span(s->image->image) : (struct span){0},
		    ref = pb_span(s->image_ref), id;
	struct span repository, tag, digest, none;

	if (!name.n || image_digits(name).n) {
		name = (struct span){0};
		for (unsigned i = 0; i < ARRAY_LEN(annotations) && !name.n; i++)
			name = json_text(
				JSON_MEMBER(info, "runtimeSpec", "annotations", annotations[i]));
		if (image_digits(name).n)
			name = (struct span){0};
	}
	image_split(ref, &repository, &tag, &digest);
	if (!digest.n) {
		digest = image_digits(ref).n ? ref : (struct span){0};
		image_split(name, &repository, &tag, &none);
	} else if (!tag.n) {
		/* a digest's name has no tag: the one that was asked for is */
		image_split(name, &none, &tag, &none);
	}
	md_container_set(out, CREC_IMAGE, name.n ? name : repository);
	md_container_set(out, CREC_REPOSITORY, repository);
	md_container_set(out, CREC_TAG, tag);
	md_container_set(out, CREC_DIGEST, digest);
	id = image_digits(json_text(JSON_MEMBER(info, "config", "image", "image")));
	if (!id.n)
		id = image_digits(pb_span(s->image_id));
	if (!id.n)
		id = image_digits(ref);
	id.n = MIN(id.n, (size_t)CREC_SHORT_ID);
	md_container_set(out, CREC_IMAGE_ID, id);
}

static void put_user(struct md_container *out, struct cri *c)
{
	const Cri__User *user = c->status->status->user;
	const json_t *v = JSON_MEMBER(c->info, "runtimeSpec", "process", "user", "uid");
	int64_t uid;

	if (user && user->on_linux)
		uid = user->on_linux->uid;
	else if (json_is_integer(v))
		uid = json_integer_value(v);
	else
		return;
	(void)snprintf(c->user, sizeof(c->user), "%" PRIi64, uid);
	md_container_set(out, CREC_USER, span_str(c->user));
}

static bool is_own_interface(const char *name)
{
	return strcmp(name, "lo") != 0 && strncmp(name, "veth", 4) != 0;
}

/* containerd tells the interfaces of the network plugins as an object, CRI-O the whole result as a text. */
static struct span cni(struct cri *c)
{
	const json_t *all = JSON_MEMBER(c->pod_info, "cniResult", "Interfaces");
	json_t *kept, *v;
	const char *name;
	size_t n;

	if (!json_is_object(all))
		return json_text(JSON_MEMBER(c->pod_info, "runtimeSpec", "annotations",
			"io.kubernetes.cri-o.CNIResult"));
	kept = json_object();
	json_object_foreach((json_t *)all, name, v)
	{
		if (is_own_interface(name))
			(void)json_object_set(kept, name, v);
	}
	n = json_object_size(kept) ? json_dumpb(kept, c->cni, sizeof(c->cni), JSON_COMPACT) : 0;
	json_decref(kept);
	return (struct span){
		.p = c->cni, .n = n <= sizeof(c->cni) ? n : 0}; /* half of it would be no JSON */
}

static uint32_t shared_namespaces(const Cri__PodStatus *p)
{
	const Cri__NamespaceOption *o =
		p->on_linux && p->on_linux->namespaces ? p->on_linux->namespaces->options : NULL;

	return o ? (o->pid == NODE ? CREC_HOST_PID : 0) |
			       (o->network == NODE ? CREC_HOST_NETWORK : 0) |
			       (o->ipc == NODE ? CREC_HOST_IPC : 0)
		 : 0;
}

static void put_pod(struct md_container *out, struct cri *c, size_t label_max)
{
	const Cri__PodStatus *p = c->pod->status;

	out->flags |= shared_namespaces(p);
	md_container_set(out, CREC_SANDBOX_ID, pb_span(p->id));
	if (p->network) {
		md_container_set(out, CREC_IP, pb_span(p->network->ip));
		md_container_set(out, CREC_POD_IP, pb_span(p->network->ip));
	}
	md_container_set(out, CREC_POD_CNI_JSON, cni(c));
	json_decref(c->pod_labels);
	c->pod_labels = pb_labels(p->n_labels, p->labels, label_max);
	md_container_labels(out, CREC_POD_LABELS, c->pod_labels, SIZE_MAX);
	if (!c->labels)
		return;
	pb_add_label(c->labels, "io.kubernetes.sandbox.id", strlen("io.kubernetes.sandbox.id"),
		pb_span(p->id));
	if (p->metadata) {
		pb_add_label(c->labels, "io.kubernetes.pod.uid", strlen("io.kubernetes.pod.uid"),
			pb_span(p->metadata->uid));
		pb_add_label(c->labels, "io.kubernetes.pod.name", strlen("io.kubernetes.pod.name"),
			pb_span(p->metadata->name));
		pb_add_label(c->labels, "io.kubernetes.pod.namespace",
			strlen("io.kubernetes.pod.namespace"), pb_span(p->metadata->namespace_));
	}
}

void cri_container(
	struct md_container *out, const struct cri *answers, const char *type, size_t label_max)
{
	struct cri *c = (struct cri *)answers; /* its texts are made here */
	const Cri__ContainerStatus *s = c->status ? c->status->status : NULL;

	md_container_begin(out, pb_span(s ? s->id : c->pod->status->id));
	out->flags = 0;
	md_container_set(out, CREC_TYPE, span_str(type));
	json_decref(c->labels);
	json_decref(c->mounts);
	c->labels = pb_labels(s ? s->n_labels : 0, s ? s->labels : NULL, label_max);
	c->mounts = NULL;
	if (s) {
		out->flags |= is_privileged(c->info) ? CREC_PRIVILEGED : 0;
		if (s->metadata)
			md_container_set(out, CREC_NAME, pb_span(s->metadata->name));
		put_image(out, s, c->info);
		put_user(out, c);
		c->mounts = mounts_of(s);
		md_container_mounts(out, c->mounts, mount_keys);
	} else if (c->pod->status->metadata) {
		md_container_set(out, CREC_NAME, pb_span(c->pod->status->metadata->name));
	}
	if (c->pod)
		put_pod(out, c, label_max);
	else
		md_container_set(out, CREC_SANDBOX_ID, cri_sandbox(c));
	md_container_labels(out, CREC_LABELS, c->labels,
		SIZE_MAX); /* the long ones are out, and a pod's names are never too long */
}

/* --- the rest --- */

const char *cri_type(struct span message)
{
	static const char *const known[] = {"containerd", "cri-o"};
	const char *type = "cri";
	struct pb_heap heap = {0};
	ProtobufCMessage *m;

	if (pb_unpack(&heap, &cri__version_response__descriptor, message, &m) < 0)
		return type;
	for (unsigned i = 0; i < ARRAY_LEN(known); i++)
		if (span_eq_str(pb_span(((Cri__VersionResponse *)m)->runtime_name), known[i]))
			type = known[i];
	pb_drop(&heap, m);
	return type;
}

int cri_list(struct span message, void (*each)(void *ctx, struct span id), void *ctx)
{
	struct pb_heap heap = {0};
	Cri__ListContainersResponse *list;
	ProtobufCMessage *m;
	int r = pb_unpack(&heap, &cri__list_containers_response__descriptor, message, &m);

	if (r < 0)
		return r;
	list = (Cri__ListContainersResponse *)m;
	for (size_t i = 0; i < list->n_containers; i++) {
		struct span id = hex_of(list->containers[i]->id);

		if (id.n && list->containers[i]->state < EXITED)
			each(ctx, id);
	}
	pb_drop(&heap, m);
	return 0;
}

int cri_pods(struct span message, void (*each)(void *ctx, struct span id), void *ctx)
{
	struct pb_heap heap = {0};
	Cri__ListPodsResponse *list;
	ProtobufCMessage *m;
	int r = pb_unpack(&heap, &cri__list_pods_response__descriptor, message, &m);

	if (r < 0)
		return r;
	list = (Cri__ListPodsResponse *)m;
	for (size_t i = 0; i < list->n_items; i++) {
		struct span id = hex_of(list->items[i]->id);

		if (id.n && list->items[i]->state == READY)
			each(ctx, id);
	}
	pb_drop(&heap, m);
	return 0;
}

enum report_action cri_event(struct span message, struct span *ret_id)
{
	static const enum report_action actions[] = {
		REPORT_CREATE, REPORT_START, REPORT_OTHER, REPORT_REMOVE};
	enum report_action action = REPORT_OTHER;
	struct pb_heap heap = {0};
	ProtobufCMessage *m;
	const Cri__Event *e;
	const char *at;

	if (pb_unpack(&heap, &cri__event__descriptor, message, &m) < 0)
		return REPORT_OTHER;
	e = (const Cri__Event *)m;
	/* the unpacked copy goes: where the id is in @message */
	at = hex_of(e->container_id).n ? memmem(message.p, message.n, e->container_id.data, 64)
				       : NULL;
	if (at && e->type >= 0 && e->type < (int32_t)ARRAY_LEN(actions)) {
		*ret_id = (struct span){.p = at, .n = 64};
		action = actions[e->type];
	}
	pb_drop(&heap, m);
	return action;
}
