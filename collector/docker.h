/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What Docker's HTTP API says of containers and images, which Podman speaks too. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shm/gate.h>

#include "container.h"

#define MD_IMAGE_TEXT_MAX 256

/* Of an image, by its id: what its names and digests say. Empty: nothing. */
struct md_image {
	char id[GATE_ID_MAX]; /* as it is asked for */
	char repository[MD_IMAGE_TEXT_MAX], tag[MD_IMAGE_TEXT_MAX], digest[MD_IMAGE_TEXT_MAX];
};

/* An inspected container. -EBADMSG: it is not the one that was asked for (@id: its id or the beginning of it), or no container at all. */
int docker_check(const json_t *root, struct span id);
/* Its image's id, without "sha256:"; {0,0}: none that can be asked for. */
struct span docker_image_id(const json_t *root);
/* Its address; {0,0}: it has none. */
struct span docker_address(const json_t *root);
/* The container whose network it uses, having none of its own; {0,0}: none. */
struct span docker_network_of(const json_t *root);
/* Its facts. Texts point into @root and @image (NULL: not known; where it was made by an id alone, its image has no name then). @label_max: longer values of labels are left out. */
void docker_container(struct md_container *c, const json_t *root, const struct md_image *image,
	const char *type, size_t label_max);
/* An inspected image. @ret_image->id stays. */
void docker_image(const json_t *root, struct md_image *ret_image);

/* What a report of a container's creation tells of it already: its name, image and labels (CREC_EARLY). */
void docker_early(struct md_container *c, const json_t *root, const char *type, size_t label_max);

/* The same of what its list says of the one container @id, besides its mounts. false: it does not say it. */
bool docker_brief(struct md_container *c, const json_t *list, struct span id,
	const struct md_image *image, const char *type, size_t label_max);
/* Its image's id, without "sha256:"; {0,0}: none. */
struct span docker_brief_image(const json_t *list, struct span id);

/* One report. @ret_id: 64 hexadecimal digits, in @root. REPORT_OTHER: it is about something else. */
enum report_action docker_event(const json_t *root, struct span *ret_id);
/* Element i of a list: its id; {0,0}: it has none. */
struct span docker_list_id(const json_t *list, size_t i);
