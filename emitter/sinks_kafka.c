/* SPDX-License-Identifier: Apache-2.0 */
/* saker-emitter-kafka: its library is in no other program. */

#include <stddef.h>

#include "sink.h"

const struct sink_ops *sink_ops_of(const struct output *o)
{
	return o->kind == OUTPUT_KAFKA ? &sink_kafka_ops : NULL;
}
