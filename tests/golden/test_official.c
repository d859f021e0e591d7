/* SPDX-License-Identifier: Apache-2.0 */
/* The official rule files, each alone and all together, and the rules shipped here: they compile,
 * with exactly the warnings foreseen, as many rules, and each under the event types counted from
 * the reference. Official files are found by SAKER_SHARED or beside the source tree; without them
 * only the shipped rules are looked at and the test is skipped (77). */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <abi/events.h>
#include <base/cleanup.h>
#include <base/macros.h>
#include <base/strbuf.h>
#include <rules/compile.h>
#include <rules/image.h>

struct event_count {
	const char *name;
	uint32_t n;
};

static const struct event_count stable[] = {
	{"connect", 2},
	{"dup", 1},
	{"dup2", 1},
	{"dup3", 1},
	{"execve", 11},
	{"execveat", 11},
	{"finit_module", 1},
	{"init_module", 1},
	{"link", 1},
	{"linkat", 1},
	{"open", 5},
	{"openat", 5},
	{"openat2", 5},
	{"ptrace", 2},
	{"sendmsg", 1},
	{"sendto", 1},
	{"socket", 1},
	{"symlink", 1},
	{"symlinkat", 1},
	{NULL, 0},
};
static const struct event_count incubating[] = {
	{"accept", 3},
	{"accept4", 3},
	{"bpf", 1},
	{"chmod", 1},
	{"connect", 5},
	{"creat", 1},
	{"execve", 13},
	{"execveat", 13},
	{"fchmod", 1},
	{"fchmodat", 1},
	{"listen", 3},
	{"open", 9},
	{"openat", 9},
	{"openat2", 9},
	{"rename", 1},
	{"renameat", 1},
	{"renameat2", 1},
	{"rmdir", 1},
	{"sendmsg", 2},
	{"sendto", 2},
	{"setns", 1},
	{"setuid", 1},
	{"unlink", 1},
	{"unlinkat", 1},
	{"unshare", 1},
	{NULL, 0},
};

static const struct golden {
	const char *
		path; /* below the shared folder, or of this tree if it starts with rules/default */
	uint32_t n_rules, n_enabled, n_warnings;
	const struct event_count *events;
} files[] = {
	{"rules/default/saker_rules.yaml", 30, 30, 0, NULL},
	{"data/rules/falco_rules.yaml", 25, 25, 0, stable},
	{"data/rules/falco-incubating_rules.yaml", 31, 31, 0, incubating},
	{"data/rules/falco-sandbox_rules.yaml", 37, 25, 0, NULL},
	{"data/rules/falco-deprecated_rules.yaml", 4, 0, 4, NULL},
};

static char *read_file(const char *relative, size_t *ret_n)
{
	const char *shared = getenv("SAKER_SHARED");
	_cleanup_fclose_ FILE *f = NULL;
	struct strbuf b = {0};
	char path[4096], chunk[4096];
	size_t n;

	if (!strncmp(relative, "rules/default/", 14))
		(void)snprintf(path, sizeof(path), "%s/%s", SAKER_SOURCE_ROOT, relative);
	else
		(void)snprintf(path, sizeof(path), "%s/%s",
			shared ? shared : SAKER_SOURCE_ROOT "/../shared", relative);
	f = fopen(path, "r");
	if (!f)
		return NULL;
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		strbuf_add(&b, chunk, n);
	*ret_n = b.n;
	return strbuf_take(&b);
}

static bool check_events(const struct img *img, const struct event_count *counts, const char *name)
{
	bool ok = true;

	for (uint16_t ix = 0; counts && ix < _KEV_IX_MAX; ix++) {
		const struct kev_info *info = kev_info_get(ix);
		uint32_t want = 0;

		for (const struct event_count *c = counts; c->name; c++)
			if (!strcmp(c->name, info->name) && info->dir != KEV_ENTER)
				want = c->n;
		if (img->events[ix].n_refs != want) {
			printf("%s: %u rules under %s, not %u\n", name, img->events[ix].n_refs,
				info->symbol, want);
			ok = false;
		}
	}
	return ok;
}

static bool check_result(
	const struct golden *g, const struct rules_result *res, const struct diag *d)
{
	const char *why = "";
	struct img img;

	if (img_verify(res->image, res->size, &img, &why) < 0) {
		printf("%s: image refused: %s\n", g->path, why);
		return false;
	}
	if (res->n_rules != g->n_rules || res->n_enabled != g->n_enabled ||
		d->n_warnings != g->n_warnings) {
		printf("%s: %u rules, %u enabled, %zu warnings\n", g->path, res->n_rules,
			res->n_enabled, d->n_warnings);
		diag_print(d, stdout);
		return false;
	}
	return check_events(&img, g->events, g->path);
}

static bool compile(const struct golden *g, const struct rules_file *f, size_t n)
{
	const struct rules_append append = {.suggested_output = true};
	const struct rules_options opt = {.min_priority = 7, .append = &append, .n_append = 1};
	struct rules_result res = {0};
	struct diag d;
	bool ok;

	diag_init(&d);
	ok = rules_compile(f, n, &opt, &d, &res) == 0;
	if (ok)
		ok = check_result(g, &res, &d);
	else
		diag_print(&d, stdout);
	free(res.image);
	diag_done(&d);
	return ok;
}

int main(void)
{
	static const struct golden together = {"all official files", 97, 81, 12, NULL};
	struct rules_file f[ARRAY_LEN(files)] = {0};
	bool ok = true, missing = false;

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		f[i].name = files[i].path;
		f[i].text = read_file(files[i].path, &f[i].n);
		if (!f[i].text)
			missing = true;
		else
			ok &= compile(&files[i], &f[i], 1);
	}
	if (!missing)
		ok &= compile(&together, f + 1, ARRAY_LEN(files) - 1);
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		free((char *)f[i].text);
	if (!ok)
		return 1;
	if (missing)
		puts("skipped: official rule files not found (set SAKER_SHARED)");
	return missing ? 77 : 0;
}
