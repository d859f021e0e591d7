/* SPDX-License-Identifier: Apache-2.0 */
/* The rule behind `saker test-alert`. Compiled before all other files. */

#include <string.h>

#include <rules/compile.h>

static const char text[] =
	"- rule: saker test alert\n"
	"  desc: The harmless program that `saker test-alert` runs, to show that alerts arrive\n"
	"  condition: evt.type in (execve, execveat) and proc.exe = saker-test-alert\n"
	"  output: saker test alert (args=%proc.args user=%user.name pid=%proc.pid)\n"
	"  priority: NOTICE\n"
	"  tags: [saker_test_alert]\n";

const char *rules_builtin_text(size_t *ret_n)
{
	*ret_n = sizeof(text) - 1;
	return text;
}
