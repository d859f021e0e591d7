/* SPDX-License-Identifier: Apache-2.0 */
/* saker's own standard output: a line an alert, a batch at once. The reader may be slow or gone;
 * then alerts wait in their ring. */

#include "sink.h"

const struct sink_ops sink_stdout_ops = {
	.name = "stdout",
	.attach = sink_stream_attach,
	.send = sink_stream_send,
};
