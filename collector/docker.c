/* SPDX-License-Identifier: Apache-2.0 */
/* Docker's answers. Their texts are the runtime's, and names, labels, mounts and images are chosen by whoever may make containers: what is no text of its place is passed over, an id is an id or nothing is taken. */

#include "docker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <base/macros.h>
#include <shm/gate.h>

#include "image.h"
#include "jsonget.h"

static const char *const mount_keys[CREC_MOUNT_PARTS] = {
	"Source", "Destination", "Mode", "RW", "Propagation"};

static struct span text(const json_t *object, const char *key)
{
	return json_text(json_object_get(object, key));
}

static bool is_text(const json_t *object, const char *key, const char *want)
{
	return span_eq(text(object, key), span_str(want));
}

int docker_check(const json_t *root, struct span id)
{
	struct span full = text(root, "Id");

	return gate_is_hex(full, 64, 64) && span_starts_with(full, id) ? 0 : -EBADMSG;
}

struct span docker_image_id(const json_t *root)
{
	return image_digits(text(root, "Image"));
}

static void put_image(struct md_container *c, const struct md_image *image, struct span name)
{
	struct span repository, tag, digest;

	/* an id alone is no name */
	if (image_digits(name).n)
		name = (struct span){0};
	image_split(name, &repository, &tag, &digest);
	/* its own name comes first: an image may have many */
	if (image && !repository.n)
		repository = span_str(image->repository);
	if (image && !tag.n)
		tag = span_str(image->tag);
	md_container_set(c, CREC_REPOSITORY, repository);
	md_container_set(c, CREC_TAG, tag);
	if (image && image->digest[0])
		md_container_set(c, CREC_DIGEST, span_str(image->digest));
}

/* Of its own network, or of the first of its networks that has one. */
struct span docker_address(const json_t *root)
{
	const json_t *settings = json_object_get(root, "NetworkSettings");
	struct span ip = text(settings, "IPAddress");
	json_t *network;
	const char *name;

	json_object_foreach(json_object_get(settings, "Networks"), name, network)
	{
		if (!ip.n)
			ip = text(network, "IPAddress");
	}
	return ip;
}

struct span docker_network_of(const json_t *root)
{
	struct span prefix = SPAN_LIT("container:"),
		    of = json_text(JSON_MEMBER(root, "HostConfig", "NetworkMode"));

	if (docker_address(root).n || !span_starts_with(of, prefix))
		return (struct span){0};
	of.p += prefix.n;
	of.n -= prefix.n;
	return gate_is_hex(of, 64, 64) ? of : (struct span){0};
}

static uint32_t flags(const json_t *host)
{
	return (json_is_true(json_object_get(host, "Privileged")) ? CREC_PRIVILEGED : 0) |
	       (is_text(host, "PidMode", "host") ? CREC_HOST_PID : 0) |
	       (is_text(host, "NetworkMode", "host") ? CREC_HOST_NETWORK : 0) |
	       (is_text(host, "IpcMode", "host") ? CREC_HOST_IPC : 0);
}

void docker_container(struct md_container *c, const json_t *root, const struct md_image *image,
	const char *type, size_t label_max)
{
	const json_t *config = json_object_get(root, "Config"),
		     *labels = json_object_get(config, "Labels");
	struct span name = text(root, "Name"), sandbox = text(labels, "io.kubernetes.sandbox.id"),
		    image_id;

	md_container_begin(c, text(root, "Id"));
	c->flags = flags(json_object_get(root, "HostConfig"));
	if (name.n && name.p[0] == '/') {
		name.p++;
		name.n--;
	}
	md_container_set(c, CREC_NAME, name);
	md_container_set(c, CREC_TYPE, span_str(type));
	md_container_set(c, CREC_IMAGE, text(config, "Image"));
	image_id = docker_image_id(root);
	image_id.n = MIN(image_id.n, (size_t)CREC_SHORT_ID);
	md_container_set(c, CREC_IMAGE_ID, image_id);
	put_image(c, image, text(config, "Image"));
	md_container_set(c, CREC_USER, text(config, "User"));
	md_container_set(c, CREC_IP, docker_address(root));
	if (gate_is_hex(sandbox, 64, 64))
		md_container_set(c, CREC_SANDBOX_ID, sandbox);
	md_container_mounts(c, json_object_get(root, "Mounts"), mount_keys);
	md_container_labels(c, CREC_LABELS, labels, label_max);
}

static void keep(char *to, struct span s)
{
	if (s.n >= MD_IMAGE_TEXT_MAX || memchr(s.p ? s.p : "", 0, s.n))
		return; /* a part of it would be another name */
	memcpy(to, s.p ? s.p : "", s.n);
	to[s.n] = 0;
}

/* The first digest's name is the repository; the first tag of that repository is the tag. */
void docker_image(const json_t *root, struct md_image *ret_image)
{
	const json_t *digests = json_object_get(root, "RepoDigests"),
		     *tags = json_object_get(root, "RepoTags");

	ret_image->repository[0] = ret_image->tag[0] = ret_image->digest[0] = 0;
	for (size_t i = 0; i < json_array_size(digests) && !ret_image->digest[0]; i++) {
		const json_t *v = json_array_get(digests, i);
		struct span repository, tag, digest;

		image_split((struct span){.p = json_string_value(v), .n = json_string_length(v)},
			&repository, &tag, &digest);
		if (!digest.n)
			continue;
		keep(ret_image->repository, repository);
		keep(ret_image->digest, digest);
	}
	for (size_t i = 0; i < json_array_size(tags) && !ret_image->tag[0]; i++) {
		const json_t *v = json_array_get(tags, i);
		struct span repository, tag, digest;

		image_split((struct span){.p = json_string_value(v), .n = json_string_length(v)},
			&repository, &tag, &digest);
		if (!tag.n || (ret_image->repository[0] &&
				      !span_eq(repository, span_str(ret_image->repository))))
			continue;
		keep(ret_image->repository, repository);
		keep(ret_image->tag, tag);
	}
}

/* Attributes are the labels, and what the runtime adds; a label of such a name is lost. */
void docker_early(struct md_container *c, const json_t *root, const char *type, size_t label_max)
{
	static const char *const added[] = {"name", "image", "containerExitCode", "podId"};
	const json_t *attributes = json_object_get(json_object_get(root, "Actor"), "Attributes");
	json_t *labels = json_copy((json_t *)attributes);
	struct span image = text(attributes, "image");

	md_container_begin(c, text(json_object_get(root, "Actor"), "ID"));
	c->flags = CREC_EARLY;
	md_container_set(c, CREC_NAME, text(attributes, "name"));
	md_container_set(c, CREC_TYPE, span_str(type));
	md_container_set(c, CREC_IMAGE, image);
	put_image(c, NULL, image);
	for (unsigned i = 0; i < ARRAY_LEN(added); i++)
		(void)json_object_del(labels, added[i]);
	md_container_labels(
		c, CREC_LABELS, labels, label_max); /* into the rows: no text of the copy is kept */
	json_decref(labels);
}

static const json_t *listed(const json_t *list, struct span id)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		struct span full = docker_list_id(list, i);

		if (full.n && span_starts_with(full, id))
			return json_array_get(list, i);
	}
	return NULL;
}

struct span docker_brief_image(const json_t *list, struct span id)
{
	return image_digits(text(listed(list, id), "ImageID"));
}

bool docker_brief(struct md_container *c, const json_t *list, struct span id,
	const struct md_image *image, const char *type, size_t label_max)
{
	const json_t *one = listed(list, id),
		     *first = json_array_get(json_object_get(one, "Names"), 0);
	struct span name = {.p = json_string_value(first), .n = json_string_length(first)},
		    image_id = image_digits(text(one, "ImageID"));

	if (!one)
		return false;
	md_container_begin(c, text(one, "Id"));
	c->flags = CREC_EARLY;
	if (name.n && name.p[0] == '/') {
		name.p++;
		name.n--;
	}
	image_id.n = MIN(image_id.n, (size_t)CREC_SHORT_ID);
	md_container_set(c, CREC_NAME, name);
	md_container_set(c, CREC_TYPE, span_str(type));
	md_container_set(c, CREC_IMAGE, text(one, "Image"));
	md_container_set(c, CREC_IMAGE_ID, image_id);
	put_image(c, image, text(one, "Image"));
	md_container_mounts(c, json_object_get(one, "Mounts"), mount_keys);
	md_container_labels(c, CREC_LABELS, json_object_get(one, "Labels"), label_max);
	return true;
}

enum report_action docker_event(const json_t *root, struct span *ret_id)
{
	static const struct {
		const char *name;
		enum report_action action;
	} actions[] = {{"create", REPORT_CREATE}, {"start", REPORT_START},
		{"destroy", REPORT_REMOVE}, {"remove", REPORT_REMOVE}};
	struct span id = text(json_object_get(root, "Actor"), "ID");

	if (!is_text(root, "Type", "container") || !gate_is_hex(id, 64, 64))
		return REPORT_OTHER;
	*ret_id = id;
	for (unsigned i = 0; i < ARRAY_LEN(actions); i++)
		if (is_text(root, "Action", actions[i].name))
			return actions[i].action;
	return REPORT_OTHER;
}

struct span docker_list_id(const json_t *list, size_t i)
{
	struct span id = text(json_array_get(list, i), "Id");

	return gate_is_hex(id, 64, 64) ? id : (struct span){0};
}
