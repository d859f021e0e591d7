/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What containerd's own interface says of containers outside Kubernetes (ctr, nerdctl), in the messages of collector/containerd.proto. A runtime's word; names, labels, mounts and images
 * are chosen by whoever may make containers. */

#include <stddef.h>

#include <base/span.h>

#include "container.h"
#include "docker.h"

/* What is known of one container. */
struct containerd;
struct containerd *containerd_free(struct containerd *c);
/* An answer of Containers/Get (the message alone). NULL: it is none, or of another container than @id, or no memory. */
struct containerd *containerd_new(struct span message, struct span id);
/* The name of its image; {0,0}: none. */
struct span containerd_image_name(const struct containerd *c);
/* The facts. Texts point into @c and @image (NULL: not known). @label_max: longer values of labels are left out. */
void containerd_container(struct md_container *out, const struct containerd *c,
	const struct md_image *image, const char *type, size_t label_max);

/* An answer of Images/Get: its digest. @ret_image->id stays. -EBADMSG, -ENOMEM: and all of it stays. */
int containerd_image(struct span message, struct md_image *ret_image);
/* Answers of Containers/List and Namespaces/List: @each with every id or namespace that can be asked with. 0, -EBADMSG or -ENOMEM. */
int containerd_list(struct span message, void (*each)(void *ctx, struct span id), void *ctx);
int containerd_namespaces(
	struct span message, void (*each)(void *ctx, struct span name), void *ctx);

/* One report. Namespace and id are kept in it. */
struct containerd_event {
	enum report_action action;
	char namespace[GATE_NAME_MAX + 1], id[GATE_NAME_MAX + 1];
};
/* REPORT_OTHER: nothing that matters. */
void containerd_event(struct span message, struct containerd_event *ret);
