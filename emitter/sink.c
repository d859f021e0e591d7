/* SPDX-License-Identifier: Apache-2.0 */
/* The table of sinks and the life of their descriptors. The supervisor opens what an output writes
 * to, by the plan; this process only ever gets descriptors. They are trusted to be what the plan
 * says, not to be ready. */

#include <errno.h>

#include <base/cleanup.h>
#include <base/macros.h>

#include "sink.h"

void sink_init(struct sink *k, const struct output *o, struct sink_host *host)
{
	*k = (struct sink){.ops = sink_ops_of(o), .output = o, .host = host, .fd = -1};
}

void sink_detach(struct sink *k)
{
	if (k->fd >= 0 && k->ops->detach)
		k->ops->detach(k);
	k->fd = fd_close(k->fd);
}

void sink_done(struct sink *k)
{
	sink_detach(k);
	if (k->ops->close)
		k->ops->close(k);
}

int sink_attach(struct sink *k, int fd, bool may_open)
{
	int r;

	if (k->fd >= 0 && k->ops->swap) {
		k->ops->swap(k, fd);
		return 0;
	}
	sink_detach(k);
	k->fd = fd;
	r = k->ops->attach(k, may_open);
	if (r < 0)
		sink_detach(k);
	return r;
}
