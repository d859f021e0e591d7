/* SPDX-License-Identifier: Apache-2.0 */
/* What no rule can match is not sent on. The compiler derives necessary conditions of all rules under
 * an event (rules/interest.c, rules/paths.c), which the kernel's programs go by (bpf/filter.h). A
 * capture file or a made-up source did not pass them, so they are asked here again, of the same facts
 * that an evaluator would see. They are upper bounds: what they cannot say counts as wanted. Names
 * and numbers are what processes chose: any bytes. */

#include "core.h"

#include <string.h>

#include <base/macros.h>

#define RESULT_MIN (-4095)
#define O_RDONLY_F 0x1 /* event vocabulary's values */
#define O_WRONLY_F 0x2
#define O_TRUNC_F 0x100

static bool is_listed(
	const struct kshm_paths *p, const char *s, size_t n, unsigned kind, unsigned cls)
{
	uint64_t h = kshm_hash_start(n, kind), word;

	for (; n >= sizeof(word); s += sizeof(word), n -= sizeof(word)) {
		memcpy(&word, s, sizeof(word));
		h = kshm_hash_word(h, word);
	}
	if (n) {
		word = 0;
		memcpy(&word, s, n);
		h = kshm_hash_word(h, word);
	}
	for (unsigned i = 0; i < KSHM_PATH_PROBES; i++) {
		uint64_t v = p->slots[(KSHM_HASH_SLOT(h) + i) & (KSHM_PATH_SLOTS - 1)];

		if (!v)
			return false;
		if (KSHM_HASH_TAG(v) == KSHM_HASH_TAG(h))
			return v >> cls & 1;
	}
	return false;
}

static bool has_dotdot(struct span s)
{
	const char *end = s.p + s.n, *p = s.p;

	for (; s.n && (p = memchr(p, '.', (size_t)(end - p))); p++)
		if (end - p > 1 && p[1] == '.')
			return true;
	return false;
}

/* @name: absolute, as rules see it. */
static bool is_name_wanted(const struct kshm_paths *p, struct span name, unsigned cls)
{
	const unsigned kinds = p->kinds[cls];
	const char *slash = memrchr(name.p, '/', name.n);
	size_t dir = (size_t)(slash - name.p);

	if (kinds & KSHM_PATH_EXACT && is_listed(p, name.p, name.n, KSHM_PATH_EXACT, cls))
		return true;
	if (kinds & KSHM_PATH_DIR && is_listed(p, name.p, dir ? dir : 1, KSHM_PATH_DIR, cls))
		return true;
	if (kinds & KSHM_PATH_BASE &&
		is_listed(p, slash + 1, name.n - dir - 1, KSHM_PATH_BASE, cls))
		return true;
	for (unsigned i = 0; kinds & KSHM_PATH_PREFIX && i < KSHM_PATH_PREFIXES; i++) {
		size_t n = p->prefix_lens[i];

		if (!n)
			break;
		if (n <= name.n && is_listed(p, name.p, n, KSHM_PATH_PREFIX, cls))
			return true;
	}
	return false;
}

/* An open: its name is what the handler made of it. */
static bool is_open_wanted(const struct st_ctx *c)
{
	const struct kshm_paths *p = c->core->cfg.paths;
	unsigned path = c->kev.info->ix == KEV_IX_SYSCALL_OPEN_X ? 1 : 2, kinds, cls;
	struct span name = c->fd_fallback, raw = kev_param_text(&c->kev, path);
	uint64_t flags = kev_param_u64(&c->kev, path + 1);

	if (!c->has_res || c->res < RESULT_MIN || c->res > INT32_MAX ||
		!(flags & (O_RDONLY_F | O_WRONLY_F)) || c->kev.head->extras)
		return true; /* a second name is told beside: the kernel has looked at both */
	cls = flags & O_WRONLY_F ? flags & O_RDONLY_F ? 2 : 1 : 0;
	cls += (flags & O_TRUNC_F ? KSHM_OPEN_TRUNC : 0) + (c->res < 0 ? KSHM_OPEN_FAILED : 0);
	kinds = p->kinds[cls];
	if (!kinds || kinds & KSHM_PATH_ANY)
		return kinds;
	if (name.n < 2 || name.n >= KSHM_PATH_MAX - 1 || name.p[0] != '/' ||
		name.p[name.n - 1] == '/')
		return true;
	return (kinds & KSHM_PATH_DOTDOT && has_dotdot(raw)) || is_name_wanted(p, name, cls);
}

/* As the evaluators' fd.l4proto. */
static bool is_over_tcp(const struct st_fd *f)
{
	return f && f->l4 == EV_L4_TCP && f->role != EV_ROLE_NONE && f->type >= EV_FD_IPV4 &&
	       f->type <= EV_FD_IPV6_SERVER;
}

bool st_is_wanted(const struct st_ctx *c)
{
	const unsigned want = c->core->cfg.events[c->kev.info->ix].want;

	if (want & KSHM_WANT_SUCCESS_ONLY && c->has_res && c->res < 0 && c->res >= RESULT_MIN)
		return false;
	if (want & KSHM_WANT_NOT_TCP && is_over_tcp(c->fd))
		return false;
	return !(want & KSHM_WANT_PATHS) || !c->core->cfg.paths || is_open_wanted(c);
}
