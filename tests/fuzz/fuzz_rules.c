/* SPDX-License-Identifier: Apache-2.0 */
/* Rule files of any bytes: compiled or refused, never a crash; what is compiled is an image that
 * verifies, and can be reported on, described and dumped. */

#include <stdlib.h>

#include <rules/compile.h>
#include <rules/describe.h>
#include <rules/image.h>
#include <rules/report.h>

#include "fuzz_rules.h"

static void look_at(const struct rules_file *file)
{
	const struct rules_source src = {.files = file, .n = 1};
	struct rules_report rep;
	char *text = NULL;
	struct diag d;

	if (rules_check(file, 1, NULL, &rep) == 0 && rules_report_json(&rep, NULL, &text) == 0)
		free(text);
	text = NULL;
	if (rules_report_text(&rep, true, &text) == 0)
		free(text);
	rules_report_done(&rep);
	diag_init(&d);
	text = NULL;
	if (rules_describe_json(&src, NULL, &d, &text) == 0)
		free(text);
	text = NULL;
	if (rules_dump_text(&src, RULES_DUMP_ALL, NULL, &d, &text) == 0)
		free(text);
	diag_done(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct rules_append append = {.suggested_output = true};
	const struct rules_options opt = {.min_priority = 7, .append = &append, .n_append = 1};
	const struct rules_file file = {.name = "fuzz.yaml", .text = (const char *)data, .n = n};
	struct rules_result res = {0};
	const char *why;
	struct diag d;
	struct img img;

	diag_init(&d);
	if (rules_compile(&file, 1, &opt, &d, &res) == 0 &&
		img_verify(res.image, res.size, &img, &why) < 0)
		abort();
	free(res.image);
	diag_done(&d);
	look_at(&file);
	return 0;
}
