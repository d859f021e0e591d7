/* SPDX-License-Identifier: Apache-2.0 */
/* Every message that rule files can cause, and its place: messages.txt. */

#include <stdio.h>

#include <base/cleanup.h>
#include <base/strbuf.h>
#include <base/utf8.h>
#include <rules/report.h>

#include "util.h"

#define RULE_LINES "- rule: R\n  desc: d\n  output: o\n  priority: INFO\n  condition: "
#define CONDITION_LINE 5
#define CONDITION_COLUMN 14

struct wanted {
	unsigned at; /* line in the table */
	unsigned line, column;
	char code[40], message[200];
};

static unsigned n_cases, n_wrong;

/* The wanted message must be among those of the file, at its place. */
static void look(const struct wanted *w, const char *text, size_t n)
{
	struct rules_file file = {.name = "f.yaml", .text = text, .n = n};
	const struct diag_item *best = NULL;
	struct rules_report rep;

	n_cases++;
	assert_int_equal(rules_check(&file, 1, NULL, &rep), 0);
	for (const struct diag_item *it = rep.diag.first; it; it = it->next) {
		if (w->code[0] && strcmp(it->code, w->code) != 0)
			continue;
		if (strstr(it->message, w->message) && !best)
			best = it;
	}
	if (!best || best->pos.line != w->line || best->pos.column != w->column) {
		n_wrong++;
		best = best ? best : rep.diag.first;
		print_error("messages.txt:%u: %s at %u:%u, wanted %s at %u:%u\n", w->at,
			best ? best->message : "no message", best ? best->pos.line : 0,
			best ? best->pos.column : 0, w->message, w->line, w->column);
	} else if (best->severity == DIAG_ERROR && strcmp(best->code, "LOAD_ERR_YAML_PARSE") != 0 &&
		   (!best->n_locations || !best->snippet || !best->source_line)) {
		n_wrong++;
		print_error("messages.txt:%u: no locations or snippet\n", w->at);
	}
	rules_report_done(&rep);
}

/* ? COLUMN MESSAGE | CONDITION */
static void look_at_condition(char *line, unsigned at)
{
	struct wanted w = {.at = at, .line = CONDITION_LINE};
	char *bar = strstr(line, " | "), *message;
	struct strbuf b = {0};
	bool quote;

	assert_non_null(bar);
	*bar = '\0';
	w.column = (unsigned)strtoul(line + 2, &message, 10) + CONDITION_COLUMN - 1;
	(void)snprintf(w.message, sizeof(w.message), "%s", message + 1);
	strbuf_add_str(&b, RULE_LINES);
	bar += 3;
	quote = *bar == ' ' || *bar == '=';
	if (quote) { /* else it is another text to YAML */
		w.column++;
		strbuf_addf(&b, "'%s'\n", bar);
	} else {
		strbuf_addf(&b, "%s\n", bar);
	}
	look(&w, b.p, b.n);
	strbuf_done(&b);
}

static void test_messages__table__each_at_its_place(void **state)
{
	FILE *f = fopen(SAKER_SOURCE_ROOT "/tests/unit/rules/messages.txt", "r");
	_cleanup_free_ char *line = NULL;
	struct wanted w = {0};
	struct strbuf b = {0};
	size_t cap = 0;

	(void)state;
	assert_non_null(f);
	for (unsigned at = 1;; at++) {
		bool end = getline(&line, &cap, f) <= 0;

		if (!end && line[0] == '?') {
			line[strcspn(line, "\n")] = '\0';
			look_at_condition(line, at);
			continue;
		}
		if (end || line[0] == '=') {
			if (w.at)
				look(&w, b.p, b.n);
			if (end)
				break;
			strbuf_reset(&b);
			w.at = at;
			assert_int_equal(sscanf(line, "= %u:%u %39s %199[^\n]", &w.line, &w.column,
						 w.code, w.message),
				4);
		} else if (w.at) {
			strbuf_add_str(
				&b, strcmp(line, "@\n") == 0 ? RULE_LINES "evt.type=open\n" : line);
		}
	}
	strbuf_done(&b);
	(void)fclose(f);
	print_message("%u messages\n", n_cases);
	assert_int_equal(n_wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages__table__each_at_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
