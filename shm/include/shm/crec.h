/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The container record: what a runtime, a file or a capture told of a container. Written by the tracker into every event ring as soon as it is told. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <base/span.h>
#include <shm/prec.h>
#include <shm/rec.h>

#define CREC_SLOTS_MAX 4096 /* containers that are known at a time */
#define CREC_SHORT_ID 12    /* bytes of an id that container.id shows */
#define CREC_HEX_ID 64 /* of a whole one, which is hexadecimal digits; names are of any length */

/* crec.flags: parameter `flags` of saker_container */
#define CREC_PRIVILEGED 0x01
#define CREC_HOST_PID 0x02
#define CREC_HOST_NETWORK 0x04
#define CREC_HOST_IPC 0x08
#define CREC_CUT 0x10 /* mounts or labels did not all fit */
#define CREC_EARLY                                                                                 \
	0x40 /* a report's own words: what is not told may be so all the same; more will follow */
#define CREC_FLAGS 0x5f
/* of saker_container alone */
#define CREC_UNKNOWN 0x20 /* nothing is known (yet), who waits need not */
#define CREC_GONE 0x80 /* its runtime has removed it: no facts, its place may be another's soon */

/* The texts, in the order of the parameters of saker_container from `name` on. {0,0}: not told. */
enum crec_text {
	CREC_NAME,
	CREC_TYPE,  /* "docker", "podman", "containerd", … */
	CREC_IMAGE, /* as the runtime gives it */
	CREC_REPOSITORY,
	CREC_TAG,
	CREC_IMAGE_ID,
	CREC_DIGEST,
	CREC_IP,
	CREC_CNI_JSON,
	CREC_USER, /* whom it is configured to run as */
	CREC_MOUNTS, /* strings in a row: source, destination, mode, "true" or "false" (writable), propagation of each */
	CREC_LABELS, /* strings in a row: key, value of each */
	CREC_SANDBOX_ID,
	CREC_POD_LABELS,
	CREC_POD_IP,
	CREC_POD_CNI_JSON,
	_CREC_TEXT_MAX,
};
#define CREC_MOUNT_PARTS 5
#define CREC_LABEL_PARTS 2

struct crec {
	struct rec_head h; /* REC_CONTAINER */
	uint32_t slot;     /* dense, 0..CREC_SLOTS_MAX-1; what stood there before is forgotten */
	uint32_t flags;    /* CREC_* */
	struct rec_str id; /* full */
	struct rec_str text[_CREC_TEXT_MAX];
};
_Static_assert(sizeof(struct crec) == 48 + 8 * _CREC_TEXT_MAX, "layout of crec");

/* Check a record of ring.len bytes once: size, slot, texts inside it and NUL-ended, whole mounts and labels. 0 or -EBADMSG. */
int crec_validate(const struct rec_head *rec);

/* Captures may name a container by the beginning of its id alone, as container.id shows it. */
static inline bool crec_same_id(struct span a, struct span b)
{
	if (a.n == CREC_SHORT_ID || b.n == CREC_SHORT_ID)
		return a.n >= CREC_SHORT_ID && b.n >= CREC_SHORT_ID &&
		       memcmp(a.p, b.p, CREC_SHORT_ID) == 0;
	return span_eq(a, b);
}

/* How many strings one thing of a text in a row has; 0: it is a plain text. */
static inline unsigned crec_parts(enum crec_text which)
{
	return which == CREC_MOUNTS                               ? CREC_MOUNT_PARTS
	       : which == CREC_LABELS || which == CREC_POD_LABELS ? CREC_LABEL_PARTS
								  : 0;
}
