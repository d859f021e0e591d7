/* SPDX-License-Identifier: Apache-2.0 */
/* The rules run: files that the supervisor opened become the policy image. May ask for nothing. */

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <base/cleanup.h>
#include <base/log.h>
#include <base/macros.h>
#include <rules/compile.h>
#include <rules/image.h>
#include <shm/segment.h>

#include "options.h"
#include "policy.h"

static int load_options(struct stage *s, struct arena *a, struct policy_options *ret)
{
	void *text;
	size_t n;
	int r = seg_map(stage_fd_get(s, FD_RULES_OPTIONS, 0), SEG_OUTPUT, PROT_READ, &text, &n);

	if (r == 0) {
		r = policy_options_parse(a, text, strnlen(text, n), ret);
		seg_unmap(text, n);
	}
	return r < 0 ? log_err_errno(r, "read the rules' options") : 0;
}

/* The built-in rule comes first, so that files can refer to nothing of it and it to nothing of
 * them. */
static int load_files(struct stage *s, struct arena *a, const struct policy_options *opt,
	struct rules_file *files)
{
	files[0].name = "built-in";
	files[0].text = rules_builtin_text(&files[0].n);
	for (size_t i = 0; i < opt->n_files; i++) {
		struct rules_file *f = &files[i + 1];
		int r = policy_read_fd(a, stage_fd_get(s, FD_FILE, (unsigned)i), &f->text, &f->n);

		f->name = opt->files[i];
		if (r < 0)
			return log_err_errno(r, "read rules file '%s'", f->name);
	}
	return 0;
}

static int compile(struct stage *s, const struct policy_options *opt,
	const struct rules_file *files, uint64_t value[3])
{
	struct rules_result res = {0};
	struct diag d;
	int r;

	diag_init(&d);
	r = rules_compile(files, opt->n_files + 1, &opt->rules, &d, &res);
	policy_print(&d);
	if (r < 0 && d.n_errors == 0)
		(void)log_err_errno(r, "compile the rules");
	diag_done(&d);
	if (r < 0)
		return r;
	value[0] = res.n_rules;
	value[1] = res.n_enabled;
	value[2] = ((const struct img_head *)res.image)->checksum;
	r = policy_give(s, FD_IMAGE, 0, "image", SEG_IMAGE, res.image, res.size);
	free(res.image);
	return r;
}

int policy_rules(struct stage *s)
{
	_cleanup_arena_ struct arena a;
	struct policy_options opt;
	struct rules_file *files;
	uint64_t value[3] = {0};
	int r;

	arena_init(&a, 0);
	r = load_options(s, &a, &opt);
	if (r == 0) {
		files = arena_alloc(&a, (opt.n_files + 1) * sizeof(*files));
		r = files ? load_files(s, &a, &opt, files) : -ENOMEM;
		if (r == 0)
			r = compile(s, &opt, files, value);
	}
	policy_result(s, r, value, ""); /* what is wrong was said */
	return r < 0;
}
