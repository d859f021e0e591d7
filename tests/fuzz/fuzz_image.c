/* SPDX-License-Identifier: Apache-2.0 */
/* Damaged images: whatever the verifier lets through can be walked and printed without reading
 * outside of it. The input is a list of patches (four bytes of offset, one of value) on the image of
 * rules that use every part of the language; header and checksum are made right again, for a
 * checksum is no defence against who writes images. */

#include <stdlib.h>
#include <string.h>

#include <base/strbuf.h>
#include <rules/compile.h>
#include <rules/image.h>

#include "fuzz_rules.h"
#include "print.h"

static const char text[] =
	"- rule: A\n  desc: d\n  output: 'x %10proc.name %toupper(fd.name) %evt.arg.flags'\n"
	"  priority: INFO\n  tags: [a, b]\n"
	"  condition: evt.type in (open, openat) and proc.name in (a, b, c) and fd.num in (1, 2) "
	"and\n"
	"    (fd.name pmatch (/a, /b*) or proc.aname[2] startswith anyof (x, y)) and fd.snet in "
	"(10.0.0.0/8)\n"
	"- rule: B\n  desc: d\n  output: o\n  priority: DEBUG\n  condition: evt.type=connect and "
	"fd.sip=1.2.3.4\n"
	"    and len(concat(proc.name, '-')) > 3 and proc.name regex 'a[b-c]+' and "
	"join('-', (proc.name, proc.pname)) = val(proc.cmdline)\n";

static void walk(const struct img *img)
{
	struct strbuf b = {0};

	for (uint32_t i = 0; i < img->n[IMG_SEC_RULE]; i++) {
		const struct img_rule *r = &img->rules[i];

		for (uint32_t k = r->nodes_first; k < r->nodes_first + r->n_nodes; k++) {
			print_pred(&b, img, img->nodes[k].pred);
			strbuf_reset(&b);
		}
		for (uint32_t k = r->fmt_first; k < r->fmt_first + r->n_fmt; k++)
			if (img->fmts[k].expr != IMG_NONE)
				print_expr(&b, img, img->fmts[k].expr);
		strbuf_reset(&b);
		for (uint32_t k = r->tags_first; k < r->tags_first + r->n_tags; k++)
			strbuf_add_span(&b, img_text(img, img->tags[k]));
		strbuf_reset(&b);
	}
	strbuf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct rules_result base;
	struct img_head *h;
	const char *why;
	struct img img;
	uint8_t *p;

	if (!base.image) {
		const struct rules_options opt = {.min_priority = 7};
		const struct rules_file file = {.name = "f", .text = text, .n = sizeof(text) - 1};
		struct diag d;

		diag_init(&d);
		if (rules_compile(&file, 1, &opt, &d, &base) < 0)
			abort();
		diag_done(&d);
	}
	p = malloc(base.size);
	if (!p)
		return 0;
	memcpy(p, base.image, base.size);
	for (; n >= 5; data += 5, n -= 5) {
		uint32_t at;

		memcpy(&at, data, sizeof(at));
		p[at % base.size] = data[4];
	}
	h = (struct img_head *)p;
	h->magic = IMG_MAGIC;
	h->version = IMG_VERSION;
	h->size = base.size;
	h->vocabulary = img_vocabulary();
	h->checksum = img_checksum(p, base.size);
	if (img_verify(p, base.size, &img, &why) == 0)
		walk(&img);
	free(p);
	return 0;
}
