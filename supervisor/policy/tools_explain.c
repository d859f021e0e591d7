/* SPDX-License-Identifier: Apache-2.0 */
/* explain and dump: what the compiler makes of rules. */

#include <base/cleanup.h>
#include <rules/describe.h>

#include "tools.h"

int tools_explain(struct tools *t)
{
	struct rules_source src = tools_source(t);
	_cleanup_free_ char *text = NULL;
	struct diag d;
	int r;

	diag_init(&d);
	r = t->json ? rules_explain_json(&src, t->rule, &d, &text)
		    : rules_explain_text(&src, t->rule, &d, &text);
	return tools_finish(t, &d, r, text, "explain the rule");
}

int tools_dump(struct tools *t)
{
	struct rules_source src = tools_source(t);
	_cleanup_free_ char *text = NULL;
	struct diag d;
	int r;

	diag_init(&d);
	r = rules_dump_text(
		&src, t->dump_parts ? t->dump_parts : RULES_DUMP_ALL, t->rule, &d, &text);
	return tools_finish(t, &d, r, text, "dump the rules");
}
