/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Messages of calls (gRPC), read by protobuf-c into memory that is bounded. */

#include <stdbool.h>
#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

#include <jansson.h>

#include <base/span.h>

#include "cri.pb-c.h"

/* What one answer may grow into, in bytes. */
#define PB_BYTES ((size_t)8 << 20)

/* What one answer has grown into. Zeroed to begin with. */
struct pb_heap {
	size_t used;
	bool is_full;
};

/* -EBADMSG: it is no such message; -ENOMEM: it would take more than PB_BYTES. */
int pb_unpack(struct pb_heap *h, const ProtobufCMessageDescriptor *what, struct span message,
	ProtobufCMessage **ret);
void pb_drop(struct pb_heap *h, ProtobufCMessage *m);

static inline struct span pb_span(ProtobufCBinaryData d)
{
	return (struct span){.p = (const char *)d.data, .n = d.len};
}

/* One message at the beginning of @body, at most @max bytes long: 1 and the message, @body then begins behind it; 0: not all of it is there yet; -EBADMSG: it is compressed or too long,
 * and what follows cannot be understood. */
int pb_frame(struct span *body, size_t max, struct span *ret_message);

/* A map of texts as an object, by the order of its keys, without the values that are longer than @max. What is no text is left out, for JSON has none such. */
json_t *pb_labels(size_t n, Cri__Entry **entries, size_t max);
void pb_add_label(json_t *to, const char *key, size_t n_key, struct span value);
