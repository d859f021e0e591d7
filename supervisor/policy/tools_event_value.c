/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of a test as bytes of parameters, by the types of the event table. */
#include "tools_event.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <base/macros.h>
#include <base/strbuf.h>

#define SIGNALS 65
#define ERRNOS 4096

bool event_number(const char *text, int64_t *ret)
{
	char *end;
	int64_t v;

	errno = 0;
	v = strtoll(text, &end, 0);
	if (end == text || *end || errno)
		return false;
	*ret = v;
	return true;
}

bool event_errno(const char *name, int64_t *ret)
{
	for (int64_t i = 1; i < ERRNOS; i++) {
		const char *known = kev_errno_str(i);

		if (known && strcmp(known, name) == 0) {
			*ret = -i;
			return true;
		}
	}
	return false;
}

struct span event_strings(struct test_event *e, const struct test_field *f, uint32_t *ret_n)
{
	_cleanup_strbuf_ struct strbuf b = {0};
	const struct cfg_node *v = f->value;
	const char *p = v->kind == CFG_SCALAR ? v->text : "";
	char *copy;

	*ret_n = 0;
	for (const struct cfg_item *i = v->kind == CFG_SEQ ? v->first : NULL; i; i = i->next) {
		strbuf_add(&b, i->node->text, strlen(i->node->text) + 1);
		++*ret_n;
	}
	for (p += strspn(p, " "); *p; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");

		strbuf_add(&b, p, n);
		strbuf_add_char(&b, '\0');
		++*ret_n;
		p += n;
	}
	copy = strbuf_ok(&b) ? arena_strndup(e->arena, b.p ? b.p : "", b.n) : NULL;
	return (struct span){.p = copy, .n = copy ? b.n : 0};
}

static void put(struct test_event *e, unsigned i, const void *p, size_t n)
{
	const char *copy = arena_strndup(e->arena, p, n);

	if (copy)
		e->param[i] = (struct span){.p = copy, .n = n};
	e->has_param[i] = true;
}

void event_param_int(struct test_event *e, unsigned i, int64_t v)
{
	put(e, i, &v, kev_type_width(e->info->params[i].type));
}

void event_param_text(struct test_event *e, unsigned i, const char *text)
{
	put(e, i, text, strlen(text) + 1);
}

static int refuse(const struct test_event *e, const struct event_field *f, const char *what)
{
	cfg_error(e->diag, &f->f->value->at, NULL, "'%s' must be %s", f->f->name, what);
	return -EINVAL;
}

/* "O_RDONLY|O_CREAT", one name of an enumeration, or a number. */
static bool flags_value(const struct kev_flag *table, const char *text, int64_t *ret)
{
	int64_t all = 0;

	if (event_number(text, ret))
		return true;
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, "|");
		const struct kev_flag *f = table;

		while (f && f->name && (strlen(f->name) != n || strncmp(f->name, p, n) != 0))
			f++;
		if (!f || !f->name)
			return false;
		all |= f->value;
		p += n + (p[n] == '|');
	}
	*ret = all;
	return *text != 0;
}

static bool signal_value(const char *text, int64_t *ret)
{
	if (event_number(text, ret))
		return true;
	for (unsigned i = 1; i < SIGNALS; i++) {
		const char *name = kev_signal_str(i);

		if (name && strcmp(name, text) == 0) {
			*ret = i;
			return true;
		}
	}
	return false;
}

static int set_number(struct test_event *e, const struct event_field *f, unsigned i)
{
	const struct kev_param_info *p = &e->info->params[i];
	int64_t v;

	if (p->flags ? !flags_value(p->flags, f->text, &v)
		: p->type == KEV_T_SIGTYPE
			? !signal_value(f->text, &v)
			: !event_number(f->text, &v) &&
				  (p->type != KEV_T_ERRNO || !event_errno(f->text, &v)))
		return refuse(e, f,
			p->flags ? "names of the event's flags joined with |, or a number"
				 : "a number");
	event_param_int(e, i, v);
	return 0;
}

int event_set_param(struct test_event *e, const struct event_field *f, unsigned i)
{
	uint32_t n;
	struct span s;

	switch ((enum kev_type)e->info->params[i].type) {
	case KEV_T_STR:
	case KEV_T_PATH:
	case KEV_T_RELPATH:
		event_param_text(e, i, f->text);
		return 0;
	case KEV_T_BYTES:
	case KEV_T_STRARRAY:
		if (f->f->value->kind == CFG_SEQ || e->info->params[i].type == KEV_T_STRARRAY) {
			s = event_strings(e, f->f, &n);
			put(e, i, s.p ? s.p : "", s.n);
		} else {
			put(e, i, f->text, strlen(f->text));
		}
		return 0;
	case KEV_T_DYN:
	case KEV_T_SOCKADDR:
	case KEV_T_SOCKTUPLE:
	case KEV_T_FDLIST:
	case KEV_T_IPV4ADDR:
	case KEV_T_IPV6ADDR:
		cfg_error(e->diag, &f->f->at, "addresses are set by fd.sip, fd.sport and the like",
			"a test cannot set '%s'", f->f->name);
		return -EINVAL;
	default:
		return set_number(e, f, i);
	}
}
