/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions of any text: compiled into an image that verifies, or refused. */

#include <stdlib.h>

#include <base/strbuf.h>
#include <base/utf8.h>
#include <rules/compile.h>
#include <rules/image.h>

#include "fuzz_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct rules_options opt = {.min_priority = 7};
	struct rules_file file = {.name = "fuzz.yaml"};
	struct rules_result res = {0};
	struct strbuf b = {0};
	const char *why;
	struct diag d;
	struct img img;

	strbuf_add_str(&b,
		"- list: l\n  items: [a, 'b c', x_y]\n- macro: m\n  condition: fd.num=1\n"
		"- rule: R\n  desc: d\n  output: o\n  priority: INFO\n  condition: ");
	json_add_string(&b, (struct span){.p = (const char *)data, .n = n});
	strbuf_add_str(&b, "\n");
	file.text = b.p;
	file.n = b.n;
	diag_init(&d);
	if (rules_compile(&file, 1, &opt, &d, &res) == 0 &&
		img_verify(res.image, res.size, &img, &why) < 0)
		abort();
	free(res.image);
	diag_done(&d);
	strbuf_done(&b);
	return 0;
}
