/* SPDX-License-Identifier: Apache-2.0 */
/* saker-emitter-syslog: syslog over the network; OpenSSL is in it, and in no program of a local
 * output. */

#include <stddef.h>

#include "sink.h"

const struct sink_ops *sink_ops_of(const struct output *o)
{
	return o->kind == OUTPUT_SYSLOG ? &sink_syslog_net_ops : NULL;
}
