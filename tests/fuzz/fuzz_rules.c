/* SPDX-License-Identifier: Apache-2.0 */
/* Rule files of any bytes: compiled or refused, never a crash; and what is compiled is an image
 * that verifies. */

#include <stdlib.h>

#include <rules/compile.h>
#include <rules/image.h>

#include "fuzz_rules.h"

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
	return 0;
}
