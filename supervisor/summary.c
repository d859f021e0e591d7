/* SPDX-License-Identifier: Apache-2.0 */
/* What a run prints when it is done, in the words that Falco's users know: alerts by severity and
 * by rule. Input: the verified image's names and counters that evaluators write; they can only be
 * wrong numbers. */
#include <stdio.h>

#include <base/macros.h>
#include <rules/image.h>

#include "sup.h"

static uint64_t count_of(const struct sup *s, uint32_t rule)
{
	uint64_t n = 0;

	for (size_t i = 1; i < s->n_children; i++) {
		const struct sup_child *c = &s->children[i];

		if (c->proc->type == PLAN_EVALUATOR && c->stats)
			n += stats_get(stats_rules((struct stats_page *)c->stats) + rule);
	}
	return n;
}

void sup_summary_print(const struct sup *s, FILE *out)
{
	static const char *const severities[] = {
		"EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG"};
	uint64_t by_severity[ARRAY_LEN(severities)] = {0}, all = 0;
	const char *why = "";
	struct img img;
	uint32_t n_rules;

	if (img_verify(s->image_map, s->image_size, &img, &why) < 0)
		return; /* it was fine at the start, and is sealed */
	n_rules = img.n[IMG_SEC_RULE];

	for (uint32_t i = 0; i < n_rules; i++) {
		uint64_t n = count_of(s, i);

		by_severity[img.rules[i].priority % ARRAY_LEN(severities)] += n;
		all += n;
	}
	(void)fprintf(
		out, "Events detected: %llu\nRule counts by severity:\n", (unsigned long long)all);
	for (size_t i = 0; i < ARRAY_LEN(severities); i++)
		if (by_severity[i])
			(void)fprintf(out, "   %s: %llu\n", severities[i],
				(unsigned long long)by_severity[i]);
	(void)fprintf(out, "Triggered rules by rule name:\n");
	for (uint32_t i = 0; i < n_rules; i++) {
		uint64_t n = count_of(s, i);
		struct span name = img_text(&img, img.rules[i].name);

		if (n)
			(void)fprintf(
				out, "   %.*s: %llu\n", (int)name.n, name.p, (unsigned long long)n);
	}
	(void)fflush(out);
}
