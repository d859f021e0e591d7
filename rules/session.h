/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A compilation: files read one after the other, everything so far compiled after each. */

#include <base/strbuf.h>
#include <rules/describe.h>

#include "index.h"
#include "items.h"

struct session {
	struct cx cx;
	struct collector c;
	struct rules_options opt;
	struct arena outer;         /* of what outlives the pass, while one is open */
	bool in_pass;               /* cx.arena is the pass's */
	struct checked_rule *rules; /* of the pass: c.n_rules */
};

/* 0; -EINVAL after a message in @d. @opt may be NULL. session_done() it in any case. */
int session_init(struct session *s, const struct rules_file *files, size_t n,
	const struct rules_options *opt, struct diag *d);
void session_done(struct session *s);
/* Read the file and compile everything so far; what it found stays until the next load. Errors of
 * the files are in the diagnostics alone: 0 or -ENOMEM, -E2BIG. */
int session_load(struct session *s, size_t file);
/* All of them. 0; -EINVAL when there was any error, -ENOMEM: all with a message. */
int session_load_all(struct session *s);
bool session_has_errors(const struct session *s);
/* A rule that was compiled. 0; -ENOENT with a message; -ENOMEM. */
int session_find_rule(struct session *s, const char *name, uint32_t *ret);
/* Load everything and let @write make a text of it. As the functions of describe.h. */
typedef int (*session_writer)(struct session *s, const char *only, struct strbuf *b, unsigned what);
int session_write(const struct rules_source *src, const char *only, unsigned what, struct diag *d,
	char **ret, session_writer write);
/* The image of what is loaded without errors. 0, -ENOMEM, -E2BIG (with a message). */
int session_image(struct session *s, struct rules_result *ret);
/* The rule of that name, or NULL. */
const struct img_rule *session_image_rule(const struct img *img, const char *name);
