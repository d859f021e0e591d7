/* SPDX-License-Identifier: Apache-2.0 */
/* saker's own standard output: a line an alert. The reader may be slow or gone; then alerts wait. */

#include <sys/syscall.h>

#include <errno.h>
#include <stdlib.h>

#include <base/log.h>
#include <base/macros.h>

#include "sink_stream.h"

static int sink_stdout_init(struct sink *k)
{
	k->priv = calloc(1, sizeof(struct sink_stream));
	return k->priv ? 0 : log_err_errno(-ENOMEM, "set up standard output");
}

static void sink_stdout_close(struct sink *k)
{
	free(k->priv);
	k->priv = NULL;
}

static int sink_stdout_attach(struct sink *k, bool may_open)
{
	return sink_stream_attach(k, k->priv, may_open);
}

static void sink_stdout_detach(struct sink *k)
{
	sink_stream_detach(k->priv);
}

static unsigned sink_stdout_submit(struct sink *k, const struct sink_msg *msgs, unsigned n)
{
	return sink_fifo_take(&((struct sink_stream *)k->priv)->fifo, msgs, n);
}

static int sink_stdout_turn(struct sink *k, uint64_t now_ns _unused_)
{
	int r = sink_stream_write(k, k->priv);

	sink_stream_report(k, k->priv);
	return r;
}

static const struct seal_call calls[] = {
	{__NR_writev, "lines"},
	{__NR_poll, "is a shared pipe or terminal writable"},
	{__NR_sendmsg, "stdout that is a socket"},
	{__NR_fstat, "what kind of descriptor a new one is"},
	{__NR_newfstatat, "the same, as newer C libraries do it"},
};

const struct sink_ops sink_stdout_ops = {
	.name = "stdout",
	.seal = {.calls = calls, .n_calls = ARRAY_LEN(calls), .files = 1},
	.needs_fd = true,
	.init = sink_stdout_init,
	.close = sink_stdout_close,
	.attach = sink_stdout_attach,
	.detach = sink_stdout_detach,
	.submit = sink_stdout_submit,
	.turn = sink_stdout_turn,
};
