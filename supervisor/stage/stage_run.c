/* SPDX-License-Identifier: Apache-2.0 */
/* The short-lived programs: the same start and seal as a stage, then run() once instead of a loop.
 * The control socket stays blocking, for run() asks and waits. */
#include <stdio.h>
#include <unistd.h>

#include <stage/stage.h>

#include "stage_priv.h"

int stage_run_main(const struct stage_run_ops *ops, int argc, char **argv)
{
	struct stage s = {.ctl_fd = -1, .epoll_fd = -1};
	struct stage_hello hello;

	if (stage_start(&s, ops->name, &hello) < 0)
		_exit(1);
	if (ops->pre_seal && ops->pre_seal(&s, argc, argv) < 0)
		_exit(1);
	if (stage_seal(&s, &ops->seal, ops->keep_caps, &hello) < 0)
		_exit(1);
	_exit(ops->run(&s, argc, argv));
}
