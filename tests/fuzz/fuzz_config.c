/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target for configuration: any bytes as a configuration file, the first line of it as an
 * option too. A result or an error, never a crash; an error without a diagnostic would leave a user
 * without a word, so that counts as one. Built by `ninja tests/fuzz/fuzz-config` with clang's
 * libFuzzer. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <base/macros.h>

#include "config.h"

struct input {
	const char *text;
	size_t n;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int read_file(
	void *ctx, struct arena *a, const char *path, const char **ret_text, size_t *ret_n)
{
	const struct input *in = ctx;

	(void)a;
	if (strcmp(path, "c.yaml") != 0)
		return -ENOENT;
	*ret_text = in->text;
	*ret_n = in->n;
	return 0;
}

static int list_dir(
	void *ctx, struct arena *a, const char *path, const char *const **ret_names, size_t *ret_n)
{
	static const char *const names[] = {"a.yaml", "b.yml", "c"};

	(void)ctx;
	(void)a;
	if (!strcmp(path, "c.yaml"))
		return -ENOTDIR;
	*ret_names = names;
	*ret_n = ARRAY_LEN(names);
	return 0;
}

static const char *env(void *ctx, const char *name)
{
	(void)ctx;
	return *name == 'A' ? "value" : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	_cleanup_arena_ struct arena a;
	struct diag d;
	struct input in;
	struct config_source src = {read_file, list_dir, env, &in};
	struct config_request q = {
		.config = "c.yaml", .share_dir = "/share", .etc_dir = "/etc/saker", .n_cpus = 2};
	struct config_result *res;
	const char *option;
	int r;

	arena_init(&a, 0);
	diag_init(&d);
	in.text = arena_strndup(&a, (const char *)data, n);
	in.n = n;
	option = arena_strndup(&a, in.text, strcspn(in.text, "\n"));
	res = arena_alloc(&a, sizeof(*res));
	q.options = &option;
	q.n_options = n % 2;
	r = config_run(&q, &src, &a, &d, res);
	assert(r == 0 || d.n_errors > 0);
	assert(r < 0 || d.n_errors == 0);
	diag_done(&d);
	return 0;
}
