/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters as text: plain (the number, the text as passed) and resolved (the name of the flag,
 * the file behind the descriptor). Widths and the NULs of texts were checked by ev_validate();
 * addresses, tuples and lists are checked here by subtraction. Writes to the text it is given
 * alone. */
#include <sys/socket.h>

#include <fcntl.h>
#include <inttypes.h>
#include <time.h>

#include <abi/events.h>
#include <base/clock.h>
#include <base/macros.h>

#include "field.h"

/* Takes n bytes off the front; NULL if there are fewer. */
static const uint8_t *take(struct span *s, size_t n)
{
	const uint8_t *p = (const uint8_t *)s->p;

	if (n > s->n)
		return NULL;
	*s = (struct span){.p = s->p + n, .n = s->n - n};
	return p;
}

static uint64_t le(const uint8_t *p, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, p, n);
	return v;
}

static void add_number(
	struct evl_text *t, const struct kev_param_info *pi, uint64_t v, int64_t sv, bool is_signed)
{
	switch ((enum kev_base)pi->base) {
	case KEV_HEX:
		evl_textf(t, "%" PRIX64, v);
		break;
	case KEV_OCT:
		evl_textf(t, "%#" PRIo64, v);
		break;
	case KEV_PAD:
		evl_textf(t, "%09" PRIu64, v);
		break;
	default:
		if (is_signed)
			evl_text_i64(t, sv);
		else
			evl_text_u64(t, v);
		break;
	}
}

static struct span until_nul(struct span s)
{
	if (s.n)
		s.n = strnlen(s.p, s.n);
	return s;
}

static bool add_endpoint(struct span *s, unsigned family, struct evl_text *t)
{
	const uint8_t *ip = take(s, family == AF_INET ? 4 : 16), *port = take(s, 2);

	if (!ip || !port)
		return false;
	evl_text_ip(t, family == AF_INET ? 4 : 6, ip);
	evl_text_char(t, ':');
	evl_text_u64(t, le(port, 2));
	return true;
}

static void add_sockaddr(struct span s, struct evl_text *t)
{
	const uint8_t *family = take(&s, 1);

	if (!family)
		return;
	if (*family == AF_INET || *family == AF_INET6)
		(void)add_endpoint(&s, *family, t); /* a cut address prints as far as it is there */
	else if (*family == AF_UNIX)
		evl_text_add(t, until_nul(s));
	else
		evl_textf(t, "family %u", *family);
}

static void add_tuple(struct span s, struct evl_text *t)
{
	const uint8_t *family = take(&s, 1), *src, *dst;

	if (!family)
		return;
	if (*family == AF_INET || *family == AF_INET6) {
		if (!add_endpoint(&s, *family, t))
			return;
		evl_text_str(t, "->");
		(void)add_endpoint(&s, *family, t);
	} else if (*family == AF_UNIX) {
		src = take(&s, 8);
		dst = take(&s, 8);
		if (!src || !dst)
			return;
		evl_textf(t, "%" PRIx64 "->%" PRIx64 " ", le(src, 8), le(dst, 8));
		evl_text_add(t, until_nul(s));
	} else {
		evl_textf(t, "family %u", *family);
	}
}

static void add_fdlist(const struct evl *e, unsigned param, struct evl_text *t)
{
	const struct ev_att *a = ev_att_find(e->view, EV_ATT_FDLIST, (uint16_t)param);
	const struct ev_fdlist *known = a ? ev_att_data(a) : NULL;
	struct span s = e->view->param[param];
	const uint8_t *n = take(&s, 2);

	for (uint64_t i = 0; n && i < le(n, 2); i++) {
		const uint8_t *fd = take(&s, 8), *flags = take(&s, 2);
		bool is_known = known && i < known->n && (known->fd[i].flags & EV_FD_KNOWN);

		if (!fd || !flags)
			return;
		if (i > 0)
			evl_text_char(t, ' ');
		evl_textf(t, "%" PRId64 ":%c%x", (int64_t)le(fd, 8),
			is_known ? evl_fd_typechar(known->fd[i].type) : '?',
			(unsigned)le(flags, 2));
	}
}

/* A tag says what the value is; the tags of ptrace differ from those of socket options. */
static void add_dyn(const struct evl *e, struct span s, struct evl_text *t)
{
	const uint8_t *tag = take(&s, 1);
	bool is_ptrace = e->view->ev->type == KEV_CODE_SYSCALL_PTRACE_X;
	uint64_t v = s.n <= 8 ? le((const uint8_t *)s.p, s.n) : 0;

	if (!tag)
		return;
	if (s.n > 8)
		evl_text_printable(t, s);
	else if (is_ptrace && *tag == 0)
		evl_textf(t, "%" PRIX64, v);
	else if (is_ptrace)
		evl_text_u64(t, v);
	else if (*tag == 1)
		evl_text_i64(t, (int64_t)v);
	else if (*tag == 0)
		evl_text_printable(t, s);
	else
		evl_text_u64(t, v);
}

static void add_sigset(uint64_t set, struct evl_text *t)
{
	for (unsigned i = 0; i < 32; i++) {
		const char *name = kev_signal_str(i + 1);

		if (!(set >> i & 1) || !name)
			continue;
		if (t->n)
			evl_text_char(t, ',');
		evl_text_str(t, name);
	}
}

static void add_abstime(uint64_t ns, struct evl_text *t)
{
	time_t s = (time_t)(ns / NS_PER_S);
	struct tm tm;

	if (localtime_r(&s, &tm))
		evl_textf(t, "%04d-%02d-%02d %02d:%02d:%02d.%09u", tm.tm_year + 1900, tm.tm_mon + 1,
			tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (unsigned)(ns % NS_PER_S));
}

static bool is_signed_type(enum kev_type type)
{
	switch (type) {
	case KEV_T_INT8:
	case KEV_T_INT16:
	case KEV_T_INT32:
	case KEV_T_INT64:
	case KEV_T_UINT64: /* as the reference prints them: lseek's offset=-162 */
	case KEV_T_FD:
	case KEV_T_FD32:
	case KEV_T_PID:
	case KEV_T_PID32:
		return true;
	default:
		return false;
	}
}

static void plain_absent(enum kev_type type, struct evl_text *t)
{
	switch (type) {
	case KEV_T_BYTES:
	case KEV_T_SOCKTUPLE:
	case KEV_T_FDLIST:
		evl_text_str(t, "NULL");
		break;
	default:
		evl_text_str(t, "<NA>");
		break;
	}
}

void evl_param_plain(struct evl *e, unsigned i, struct evl_text *t)
{
	const struct kev_param_info *pi = &e->view->info->params[i];
	struct span s = e->view->param[i];
	enum kev_type type = pi->type;

	if (s.n == 0) {
		plain_absent(type, t);
		return;
	}
	switch (type) {
	case KEV_T_STR:
	case KEV_T_PATH:
	case KEV_T_RELPATH:
		evl_text_add(t, evl_param_text(e, i));
		break;
	case KEV_T_BYTES:
		evl_text_printable(t, s);
		break;
	case KEV_T_STRARRAY:
		evl_text_join0(t, s, ' ');
		break;
	case KEV_T_DYN:
		add_dyn(e, s, t);
		break;
	case KEV_T_SOCKADDR:
		add_sockaddr(s, t);
		break;
	case KEV_T_SOCKTUPLE:
		add_tuple(s, t);
		break;
	case KEV_T_FDLIST:
		add_fdlist(e, i, t);
		break;
	case KEV_T_SIGSET:
		add_sigset(evl_param_u64(e, i), t);
		break;
	case KEV_T_ABSTIME:
		add_abstime(evl_param_u64(e, i), t);
		break;
	case KEV_T_IPV4ADDR:
		evl_text_ip(t, 4, (const uint8_t *)s.p);
		break;
	case KEV_T_IPV6ADDR:
		evl_text_ip(t, 6, (const uint8_t *)s.p);
		break;
	case KEV_T_PORT:
	case KEV_T_FLAGS8:
	case KEV_T_FLAGS16:
	case KEV_T_FLAGS32:
	case KEV_T_ENUM8:
	case KEV_T_ENUM16:
	case KEV_T_ENUM32:
		evl_text_u64(t, evl_param_u64(e, i)); /* decimal, whatever their base */
		break;
	case KEV_T_ERRNO:
		evl_text_i64(t, evl_param_i64(e, i));
		break;
	case KEV_T_UID:
	case KEV_T_GID:
		if ((uint32_t)evl_param_u64(e, i) == UINT32_MAX)
			evl_text_str(t, "-1");
		else
			evl_text_u64(t, evl_param_u64(e, i));
		break;
	default:
		add_number(t, pi, evl_param_u64(e, i), evl_param_i64(e, i), is_signed_type(type));
		break;
	}
}

/* Greedy in table order: the bits of a name that fits are taken out; a name of value zero stands
 * for zero alone. */
static void add_flags(const struct kev_flag *f, uint64_t v, struct evl_text *t)
{
	size_t from = t->n;
	uint64_t left = v;

	for (; f && f->name; f++) {
		if (f->value == 0 ? v != 0 : left == 0 || (left & f->value) != f->value)
			continue;
		if (t->n > from)
			evl_text_char(t, '|');
		evl_text_str(t, f->name);
		left &= ~(uint64_t)f->value;
		if (v == 0)
			return;
	}
}

/* Every name of the value: some have two (AF_LOCAL|AF_UNIX). */
static void add_enum(const struct kev_flag *f, uint64_t v, struct evl_text *t)
{
	size_t from = t->n;

	for (; f && f->name; f++) {
		if (f->value != v)
			continue;
		if (t->n > from)
			evl_text_char(t, '|');
		evl_text_str(t, f->name);
	}
}

static const struct ev_fd *fd_of_param(const struct evl *e, unsigned i, int64_t num)
{
	const struct ev_att *a = ev_att_find(e->view, EV_ATT_FD, (uint16_t)i);
	const struct ev_fd *fd = a ? ev_att_data(a) : e->view->fd;

	return fd && fd->num == num && (fd->flags & EV_FD_KNOWN) ? fd : NULL;
}

static void resolve_fd(struct evl *e, unsigned i, struct evl_text *t)
{
	static const char l4[_EV_L4_MAX] = {0, 't', 'u', 'i', 'r'};
	int64_t num = evl_param_i64(e, i);
	const struct ev_fd *fd = fd_of_param(e, i, num);
	const char *name;

	if (num < 0) {
		name = num == AT_FDCWD ? "AT_FDCWD" : num > -4096 ? kev_errno_str(-num) : NULL;
		if (name)
			evl_text_str(t, name);
		return;
	}
	if (!fd)
		return;
	evl_text_char(t, '<');
	evl_text_char(t, evl_fd_typechar(fd->type));
	if (evl_fd_has_l4(fd) && l4[fd->l4])
		evl_text_char(t, l4[fd->l4]);
	evl_text_char(t, '>');
	evl_text_add(t, evl_fd_text(e, fd->name));
}

static void resolve_pid(struct evl *e, unsigned i, struct evl_text *t)
{
	const struct ev_att *a = ev_att_find(e->view, EV_ATT_PID, (uint16_t)i);

	if (a)
		evl_text_add(t, ev_att_text(a));
	else if (e->thread && evl_param_i64(e, i) == e->thread->tid)
		evl_text_add(t, rec_text(e->thread, e->thread->comm));
}

static void resolve_path(struct evl *e, unsigned i, struct evl_text *t)
{
	const struct ev_att *a = ev_att_find(e->view, EV_ATT_PATH, (uint16_t)i);

	if (!a)
		return;
	/* relative to a descriptor that nobody knows: no more than what was passed */
	if (span_starts_with(ev_att_text(a), SPAN_LIT("<UNKNOWN>")))
		evl_text_add(t, evl_param_text(e, i));
	else
		evl_text_add(t, ev_att_text(a));
}

static void resolve_id(struct evl *e, unsigned i, bool is_group, struct evl_text *t)
{
	uint32_t id = (uint32_t)evl_param_u64(e, i);

	if (id == UINT32_MAX)
		evl_text_str(t, "<NONE>");
	else
		evl_text_add(t, is_group ? evl_group_name(e, id) : evl_user_name(e, id));
}

static void add_known(struct evl_text *t, const char *name)
{
	if (name)
		evl_text_str(t, name);
}

void evl_param_resolved(struct evl *e, unsigned i, struct evl_text *t)
{
	const struct kev_param_info *pi = &e->view->info->params[i];
	struct span async;
	uint64_t v;
	int64_t sv;

	if (e->view->param[i].n == 0)
		return;
	v = evl_param_u64(e, i);
	sv = evl_param_i64(e, i);
	switch ((enum kev_type)pi->type) {
	case KEV_T_FD:
	case KEV_T_FD32:
		resolve_fd(e, i, t);
		break;
	case KEV_T_PID:
	case KEV_T_PID32:
		resolve_pid(e, i, t);
		break;
	case KEV_T_ERRNO:
		if (sv < 0 && sv > -4096)
			add_known(t, kev_errno_str(-sv));
		break;
	case KEV_T_PATH:
	case KEV_T_RELPATH:
		resolve_path(e, i, t);
		break;
	case KEV_T_UID:
	case KEV_T_GID:
		resolve_id(e, i, pi->type == KEV_T_GID, t);
		break;
	case KEV_T_FLAGS8:
	case KEV_T_FLAGS16:
	case KEV_T_FLAGS32:
	case KEV_T_MODE:
		add_flags(pi->flags, v, t);
		break;
	case KEV_T_ENUM8:
	case KEV_T_ENUM16:
	case KEV_T_ENUM32:
		add_enum(pi->flags, v, t);
		break;
	case KEV_T_SYSCALLID:
		add_known(t, e->view->ev->type == KEV_CODE_GENERIC_X
				     ? evl_event_name(e, &async)
				     : kev_syscall_str((unsigned)v));
		break;
	case KEV_T_SIGTYPE:
		add_known(t, kev_signal_str((unsigned)v));
		break;
	case KEV_T_RELTIME:
		evl_textf(t, "%gs", (double)v / 1e9);
		break;
	default:
		break;
	}
}

struct span evl_param_abspath(struct evl *e, unsigned i)
{
	const struct ev_att *a = ev_att_find(e->view, EV_ATT_PATH, (uint16_t)i);
	struct evl_text t;

	if (a)
		return ev_att_text(a);
	t = evl_scratch_open(&e->scratch);
	evl_text_path(&t, evl_param_text(e, i));
	return evl_scratch_close(&e->scratch, &t);
}
