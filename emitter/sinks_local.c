/* SPDX-License-Identifier: Apache-2.0 */
/* saker-emitter: outputs on this machine, without any library of the network. */

#include <base/macros.h>

#include "sink.h"

const struct sink_ops *sink_ops_of(const struct output *o)
{
	static const struct sink_ops *const sinks[_OUTPUT_KIND_MAX] = {
		[OUTPUT_STDOUT] = &sink_stdout_ops,
		[OUTPUT_FILE] = &sink_file_ops,
		[OUTPUT_SYSLOG] = &sink_syslog_ops,
		[OUTPUT_PROGRAM] = &sink_program_ops,
	};

	return sinks[o->kind];
}
