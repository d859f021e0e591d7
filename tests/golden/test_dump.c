/* SPDX-License-Identifier: Apache-2.0 */
/* What the compiler makes of the shipped rules and of some conditions, against recorded dumps: a
 * change of the compiler shows which programs it changed. Recorded anew only with --bless. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <base/cleanup.h>
#include <rules/describe.h>

static char *read_file(const char *path, size_t *ret_n)
{
	_cleanup_fclose_ FILE *f = fopen(path, "r");
	size_t cap = 1 << 20, n;
	char *p = f ? malloc(cap) : NULL;

	if (!p)
		return NULL;
	n = fread(p, 1, cap - 1, f);
	p[n] = '\0';
	*ret_n = n;
	return p;
}

/* Line of the first difference. */
static unsigned first_difference(const char *a, const char *b)
{
	unsigned line = 1;

	for (; *a && *a == *b; a++, b++)
		line += *a == '\n';
	return line;
}

static int write_file(const char *path, const char *text)
{
	_cleanup_fclose_ FILE *f = fopen(path, "w");

	return f && fputs(text, f) >= 0 ? 0 : 1;
}

static int compare(const char *name, const char *rules_path, bool bless)
{
	_cleanup_free_ char *text = NULL, *have = NULL, *want = NULL;
	struct rules_file file = {.name = name};
	struct rules_source src = {.files = &file, .n = 1};
	char path[4096];
	struct diag d;
	size_t n;
	int r;

	text = read_file(rules_path, &file.n);
	if (!text) {
		printf("cannot read %s\n", rules_path);
		return 1;
	}
	file.text = text;
	diag_init(&d);
	r = rules_dump_text(&src, RULES_DUMP_ALL, NULL, &d, &have);
	if (r < 0)
		diag_print(&d, stdout);
	diag_done(&d);
	if (r < 0)
		return 1;
	(void)snprintf(path, sizeof(path), "%s/tests/golden/%s.dump", SAKER_SOURCE_ROOT, name);
	if (bless)
		return write_file(path, have);
	want = read_file(path, &n);
	if (want && !strcmp(want, have))
		return 0;
	printf("%s differs from line %u on; if it should: test-dump --bless, in a commit of its "
	       "own\n",
		path, want ? first_difference(want, have) : 1);
	return 1;
}

int main(int argc, char **argv)
{
	bool bless = argc > 1 && !strcmp(argv[1], "--bless");

	return compare("shipped", SAKER_SOURCE_ROOT "/rules/default/saker_rules.yaml", bless) |
	       compare("conditions", SAKER_SOURCE_ROOT "/tests/golden/conditions.yaml", bless);
}
