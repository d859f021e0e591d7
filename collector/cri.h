/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a Kubernetes container runtime (CRI, runtime.v1: containerd, CRI-O) says of containers and pods, in the messages of collector/cri.proto. Everything is a runtime's word, and names,
 * labels, mounts and images are chosen by whoever may make pods. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/span.h>

#include "container.h"

/* What is known of one container; of its pod once that was asked for as well. */
struct cri;
struct cri *cri_new(void); /* NULL: no memory */
struct cri *cri_free(struct cri *c);

/* An answer of ContainerStatus, verbose (the message alone). -EBADMSG: no such, or of another container than @id; -ENOMEM: it would take more than PB_BYTES. */
int cri_status(struct cri *c, struct span message, struct span id);
/* The pod that it belongs to: 64 hexadecimal digits, to ask PodSandboxStatus with; {0,0}: it is not said. */
struct span cri_sandbox(const struct cri *c);
/* An answer of PodSandboxStatus, verbose, for the pod @id. Without cri_status() before it, the pod is the container: the one that holds its namespaces. As cri_status(). */
int cri_pod(struct cri *c, struct span message, struct span id);
/* Is anything known of it? */
bool cri_knows(const struct cri *c);
/* The facts, of one of which something is known. Texts point into @c. @type: cri_type(). @label_max: longer values of labels are left out. */
void cri_container(
	struct md_container *out, const struct cri *c, const char *type, size_t label_max);

/* An answer of Version -> the type that its containers have: "containerd", "cri-o", otherwise "cri". */
const char *cri_type(struct span message);

/* An answer of ListContainers: calls @each with the id of every one that is not over, 64 hexadecimal digits. As cri_status(). */
int cri_list(struct span message, void (*each)(void *ctx, struct span id), void *ctx);

/* An answer of ListPodSandbox: of every one that is ready. As cri_list(). */
int cri_pods(struct span message, void (*each)(void *ctx, struct span id), void *ctx);

/* One report of GetContainerEvents. @ret_id: in @message. REPORT_OTHER: nothing that matters. */
enum report_action cri_event(struct span message, struct span *ret_id);
