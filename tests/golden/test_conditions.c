/* SPDX-License-Identifier: Apache-2.0 */
/* Verdicts on conditions against recorded ones: conditions.tsv holds verdict, error code, warning
 * codes and condition a line. Skips (77) without that file, which is found by SAKER_SHARED or
 * beside the source tree. Says how many agree and prints those that do not with -v. Fails below the
 * share that has been reached, so that it can only get better. */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <base/cleanup.h>
#include <base/strbuf.h>
#include <rules/compile.h>

#define MIN_SHARE 1.0

struct verdict {
	bool ok;
	char codes[200];
};

static void compile(const char *condition, struct verdict *ret)
{
	static const char *const none[] = {NULL};
	struct rules_output out = {
		.name = "stdout", .min_priority = 7, .rules_include = none, .tags_include = none};
	struct rules_options opt = {.min_priority = 7, .outputs = &out, .n_outputs = 1};
	_cleanup_strbuf_ struct strbuf b = {0};
	struct rules_result res = {0};
	struct rules_file file;
	struct diag d;

	strbuf_add_str(&b, "- macro: known_macro\n  condition: proc.name=x\n- rule: R\n  desc: d\n "
			   " output: o\n  priority: INFO\n  condition: '");
	for (const char *p = condition; *p; p++) {
		if (*p == '\'')
			strbuf_add_char(&b, '\'');
		strbuf_add_char(&b, *p);
	}
	strbuf_add_str(&b, "'\n");
	file = (struct rules_file){.name = "c.yaml", .text = b.p, .n = b.n};
	diag_init(&d);
	ret->ok = rules_compile(&file, 1, &opt, &d, &res) == 0;
	ret->codes[0] = '\0';
	for (const struct diag_item *it = d.first; it; it = it->next) {
		size_t used = strlen(ret->codes);

		if (it->code && it->severity == (ret->ok ? DIAG_WARNING : DIAG_ERROR) &&
			!strstr(ret->codes, it->code))
			(void)snprintf(ret->codes + used, sizeof(ret->codes) - used, "%s%s",
				used ? "," : "", it->code);
	}
	diag_done(&d);
	free(res.image);
}

/* The same codes in any order. */
static bool same_codes(const char *want, const char *have)
{
	char copy[200], *save = NULL;
	size_t n = 0;

	if (snprintf(copy, sizeof(copy), "%s", want) >= (int)sizeof(copy))
		return false;
	for (char *c = strtok_r(copy, ",", &save); c; c = strtok_r(NULL, ",", &save)) {
		if (!strstr(have, c))
			return false;
		n += strlen(c) + 1;
	}
	return n == (*have ? strlen(have) + 1 : 0);
}

static FILE *open_cases(void)
{
	const char *shared = getenv("SAKER_SHARED");
	char path[4096];

	(void)snprintf(path, sizeof(path), "%s/data/golden/conditions.tsv",
		shared ? shared : SAKER_SOURCE_ROOT "/../shared");
	return fopen(path, "r");
}

int main(int argc, char **argv)
{
	bool verbose = argc > 1 && !strcmp(argv[1], "-v");
	_cleanup_fclose_ FILE *f = open_cases();
	unsigned n = 0, verdicts = 0, codes = 0;
	_cleanup_free_ char *line = NULL;
	size_t cap = 0;

	if (!f) {
		puts("skipped: conditions.tsv not found (set SAKER_SHARED)");
		return 77;
	}
	while (getline(&line, &cap, f) > 0) {
		char *field[4], *p = line;
		struct verdict v;
		bool ok;

		line[strcspn(line, "\n")] = '\0';
		for (int i = 0; i < 4; i++)
			field[i] = p ? (i < 3 ? strsep(&p, "\t") : p) : NULL;
		if (!field[3])
			continue;
		n++;
		ok = !strcmp(field[0], "ok");
		compile(field[3], &v);
		verdicts += ok == v.ok;
		codes += ok == v.ok && same_codes(ok ? field[2] : field[1], v.codes);
		if (verbose && (ok != v.ok || !same_codes(ok ? field[2] : field[1], v.codes)))
			printf("%s: want %s %s%s, have %s %s: %s\n",
				ok == v.ok ? "codes" : "VERDICT", field[0], field[1], field[2],
				v.ok ? "ok" : "error", v.codes, field[3]);
	}
	printf("%u conditions: %u verdicts agree, %u with codes\n", n, verdicts, codes);
	return n > 0 && verdicts >= MIN_SHARE * n ? 0 : 1;
}
