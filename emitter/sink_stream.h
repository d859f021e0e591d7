/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* For sinks that are byte streams: lines to a descriptor that others may share. */

#include <stdbool.h>
#include <stddef.h>

#include "sink_fifo.h"

struct sink_stream {
	struct sink_fifo fifo;
	unsigned n_written;  /* of fifo: the descriptor has them whole */
	size_t part;         /* bytes of the next one that it has */
	bool is_nonblocking; /* our own description: write() gives -EAGAIN by itself */
	bool is_regular;     /* never blocks */
	bool is_socket;
};

int sink_stream_attach(struct sink *k, struct sink_stream *s, bool may_open);
/* The next descriptor begins with a whole line. */
void sink_stream_detach(struct sink_stream *s);
/* Write what there is. 0: all of it; negative errno as turn() of a sink. Reports nothing. */
int sink_stream_write(struct sink *k, struct sink_stream *s);
/* That many bytes more were written, by other means. */
void sink_stream_mark_written(struct sink_stream *s, size_t n);
/* Report what was written. */
void sink_stream_report(struct sink *k, struct sink_stream *s);
