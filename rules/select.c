/* SPDX-License-Identifier: Apache-2.0 */
/* Which rules run and which outputs take their alerts. Patterns come from configuration. */

#include <string.h>

#include "rule_check.h"

#define TEST_TAG "saker_test_alert" /* always on, goes everywhere: it proves the outputs */

/* Anchored at both ends; '*' alone is special. After a '*' the next piece is taken where it first
 * occurs and never moved: as the reference does it. */
bool select_matches(const char *pattern, const char *name)
{
	bool floating = false;

	for (;;) {
		const char *star = strchr(pattern, '*');
		size_t n = star ? (size_t)(star - pattern) : strlen(pattern);
		const char *hit = floating && n ? memmem(name, strlen(name), pattern, n) : name;

		if (!hit || strncmp(hit, pattern, n) != 0)
			return false;
		name = hit + n;
		if (!star)
			return *name == '\0' || (floating && n == 0);
		pattern = star + 1;
		floating = true;
	}
}

bool select_has_tag(const struct rule_def *r, const char *tag)
{
	for (uint32_t i = 0; i < r->n_tags; i++)
		if (!strcmp(r->tags[i], tag))
			return true;
	return false;
}

bool select_is_enabled(
	const struct rule_def *r, const struct rules_options *opt, uint32_t *ret_turn)
{
	bool enabled = r->enabled;

	*ret_turn = 0;
	if (select_has_tag(r, TEST_TAG))
		return true;
	for (size_t i = 0; i < opt->n_select; i++) {
		const struct rules_select *s = &opt->select[i];

		if ((s->rule && select_matches(s->rule, r->name)) ||
			(s->tag && select_has_tag(r, s->tag))) {
			if (s->enable && !enabled)
				*ret_turn = (uint32_t)i + 1;
			enabled = s->enable;
		}
	}
	return enabled && r->priority <= opt->min_priority;
}

static bool any_rule(const char *const *patterns, const struct rule_def *r)
{
	for (; patterns && *patterns; patterns++)
		if (select_matches(*patterns, r->name))
			return true;
	return false;
}

static bool any_tag(const char *const *patterns, const struct rule_def *r)
{
	for (; patterns && *patterns; patterns++)
		for (uint32_t i = 0; i < r->n_tags; i++)
			if (select_matches(*patterns, r->tags[i]))
				return true;
	return false;
}

static bool output_takes(const struct rules_output *o, const struct rule_def *r)
{
	if (o->capture == RULES_CAPTURE_RULES && !r->capture)
		return false;
	if (r->priority > o->min_priority)
		return false;
	if (o->rules_include && *o->rules_include && !any_rule(o->rules_include, r))
		return false;
	if (o->tags_include && *o->tags_include && !any_tag(o->tags_include, r))
		return false;
	return !any_rule(o->rules_exclude, r) && !any_tag(o->tags_exclude, r);
}

uint64_t select_outputs(const struct rule_def *r, const struct rules_options *opt)
{
	bool test = select_has_tag(r, TEST_TAG);
	uint64_t mask = 0;

	for (size_t i = 0; i < opt->n_outputs && i < IMG_OUTPUTS_MAX; i++)
		if ((test && opt->outputs[i].capture == RULES_CAPTURE_NONE) ||
			output_takes(&opt->outputs[i], r))
			mask |= 1ULL << i;
	return mask;
}

bool select_appends(const struct rule_def *r, const struct rules_append *a)
{
	if (a->match_source && strcmp(a->match_source, r->source) != 0)
		return false;
	if (a->match_rule && strcmp(a->match_rule, r->name) != 0)
		return false;
	for (const char *const *t = a->match_tags; t && *t; t++)
		if (!select_has_tag(r, *t))
			return false;
	return true;
}
