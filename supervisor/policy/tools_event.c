/* SPDX-License-Identifier: Apache-2.0 */
/* A test's event put together: what the test says, defaults for the rest, and what follows from
 * both, as the records that an evaluator gets. The defaults stand in docs/rule-tests.md. */
#include "tools_event.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <base/macros.h>
#include <driver/kev.h>
#include <shm/spsc.h>

#define DEFAULT_TS 1700000000000000000LL
#define DEFAULT_FD 4
#define NATIVE_MAX 512
#define CALLS_FD (KEV_CREATES_FD | KEV_DESTROYS_FD | KEV_USES_FD)

/* --- the event's type --- */

/* Newest form of an event; the exit of a system call, for that is what rules see. */
static const struct kev_info *find_event(const char *name)
{
	const struct kev_info *best = NULL;

	for (unsigned i = 0; i < _KEV_IX_MAX; i++) {
		const struct kev_info *k = kev_info_get((uint16_t)i);
		bool is_rule_event = k->kind != KEV_KIND_ITER && k->code != KEV_CODE_GENERIC_X;

		if (is_rule_event && strcmp(k->name, name) == 0 &&
			(!best || best->dir == KEV_ENTER || k->dir != KEV_ENTER))
			best = k;
	}
	return best;
}

static int set_type(struct test_event *e, const struct test_field *f)
{
	const char *name = f->value->kind == CFG_SCALAR ? f->value->text : "";

	e->info = find_event(name);
	for (unsigned nr = 0; !e->info && nr < NATIVE_MAX; nr++) {
		const char *known = kev_syscall_str(nr);

		if (known && strcmp(known, name) == 0) {
			e->info = kev_info_find(KEV_CODE_GENERIC_X);
			e->native = (uint16_t)nr;
		}
	}
	if (e->info)
		return 0;
	cfg_error(e->diag, &f->value->at, "see 'saker --list-events'",
		"unknown event type '%.100s'", name);
	return -EINVAL;
}

/* A later field of the same name takes the place of an earlier one (the file's default). */
static bool is_replaced(const struct test_case *t, size_t i)
{
	for (size_t k = i + 1; k < t->n_fields; k++)
		if (strcmp(t->fields[k].name, t->fields[i].name) == 0)
			return true;
	return false;
}

static int find_type(struct test_event *e)
{
	for (size_t i = e->test->n_fields; i-- > 0;)
		if (strcmp(e->test->fields[i].name, "evt.type") == 0)
			return set_type(e, &e->test->fields[i]);
	cfg_error(e->diag, &e->test->at, NULL, "'evt.type' is missing in the event of this test");
	return -EINVAL;
}

static int set_fields(struct test_event *e)
{
	int worst = 0;

	for (size_t i = 0; i < e->test->n_fields; i++) {
		struct event_field f = {.f = &e->test->fields[i]};
		uint32_t n;
		int r;

		if (is_replaced(e->test, i))
			continue;
		if (!event_find_field(e->arena, e->diag, f.f, &f.id, &f.key)) {
			worst = -EINVAL;
			continue;
		}
		if (f.f->value->kind == CFG_NULL) /* without value: compared later */
			continue;
		f.text = f.f->value->kind == CFG_SCALAR ? f.f->value->text
							: event_strings(e, f.f, &n).p;
		r = f.text ? event_set_field(e, &f) : -ENOMEM;
		worst = r < 0 ? r : worst;
	}
	return worst;
}

/* --- the descriptor --- */

static const struct {
	const char *name;
	char c;
	uint8_t type;
} fd_types[] = {
	{"file", 'f', EV_FD_FILE},
	{"directory", 'd', EV_FD_DIRECTORY},
	{"ipv4", '4', EV_FD_IPV4},
	{"ipv6", '6', EV_FD_IPV6},
	{"unix", 'u', EV_FD_UNIX},
	{"pipe", 'p', EV_FD_PIPE},
	{"event", 'e', EV_FD_EVENTFD},
	{"signalfd", 's', EV_FD_SIGNALFD},
	{"eventpoll", 'l', EV_FD_EVENTPOLL},
	{"inotify", 'i', EV_FD_INOTIFY},
	{"timerfd", 't', EV_FD_TIMERFD},
	{"netlink", 'n', EV_FD_NETLINK},
	{"bpf", 'b', EV_FD_BPF},
	{"userfaultfd", 'u', EV_FD_USERFAULTFD},
	{"io_uring", 'r', EV_FD_IO_URING},
	{"memfd", 'm', EV_FD_MEMFD},
	{"pidfd", 'P', EV_FD_PIDFD},
};

static uint8_t fd_type(const struct event_fd *f)
{
	for (size_t i = 0; i < ARRAY_LEN(fd_types); i++)
		if ((f->type && strcmp(f->type, fd_types[i].name) == 0) ||
			(!f->type && f->typechar && f->typechar[0] == fd_types[i].c))
			return fd_types[i].type;
	if (f->type || f->typechar)
		return EV_FD_UNSUPPORTED;
	if ((f->sip && strchr(f->sip, ':')) || (f->dip && strchr(f->dip, ':')))
		return EV_FD_IPV6;
	if (f->sip || f->dip || f->sport != EVENT_UNSET || f->dport != EVENT_UNSET)
		return EV_FD_IPV4;
	return EV_FD_FILE;
}

static uint8_t l4_of(const char *name)
{
	static const char *const names[_EV_L4_MAX] = {"<NA>", "tcp", "udp", "icmp", "raw"};

	for (uint8_t i = 0; name && i < ARRAY_LEN(names); i++)
		if (strcmp(name, names[i]) == 0)
			return i;
	return EV_L4_TCP;
}

static bool is_ip(uint8_t type)
{
	return type == EV_FD_IPV4 || type == EV_FD_IPV6;
}

static void fill_addresses(struct test_event *e, struct ev_fd *fd)
{
	int family = fd->type == EV_FD_IPV4 ? AF_INET : AF_INET6;
	const char *none = family == AF_INET ? "127.0.0.1" : "::1";
	struct event_fd *f = &e->fd;

	/* what is no address is found by the comparison with what the evaluator sees */
	(void)inet_pton(family, f->sip ? f->sip : none, fd->sip);
	(void)inet_pton(family, f->dip ? f->dip : none, fd->dip);
	fd->sport = (uint16_t)event_or(f->sport, 40000);
	fd->dport = (uint16_t)event_or(f->dport, 80);
	fd->l4 = l4_of(f->l4);
	fd->role = fd->flags & EV_FD_SERVER_LOCAL ? EV_ROLE_SERVER : EV_ROLE_CLIENT;
	if (fd->role == EV_ROLE_CLIENT)
		fd->flags |= EV_FD_CLIENT_LOCAL;
	if (!f->name)
		f->name = arena_printf(e->arena, "%s:%u->%s:%u", f->sip ? f->sip : none, fd->sport,
			f->dip ? f->dip : none, fd->dport);
}

/* The path parameter of calls that open, from fd.name, or the other way round. */
static void join_path(struct test_event *e, uint8_t type)
{
	int i = kev_param_find(e->info, "name");

	if (!(e->info->flags & KEV_CREATES_FD) || i < 0 ||
		(type != EV_FD_FILE && type != EV_FD_DIRECTORY))
		return;
	if (e->has_param[i] && !e->fd.name)
		e->fd.name = e->param[i].p;
	else if (!e->has_param[i] && e->fd.name)
		event_param_text(e, (unsigned)i, e->fd.name);
}

static bool build_fd(struct test_event *e, struct ev_fd *fd)
{
	uint8_t type = fd_type(&e->fd);
	bool creates = e->info->flags & KEV_CREATES_FD;

	join_path(e, type);
	if (!(e->info->flags & CALLS_FD) || (creates && e->res < 0) || (!creates && !e->fd.is_used))
		return false;
	*fd = (struct ev_fd){
		.num = creates ? e->res : event_or(e->fd.num, DEFAULT_FD),
		.ino = (uint64_t)event_or(e->fd.ino, 0),
		.dev = (uint32_t)event_or(e->fd.dev, 0),
		.type = type,
		.flags = (uint8_t)(e->fd.flags | EV_FD_KNOWN),
	};
	if (is_ip(type))
		fill_addresses(e, fd);
	return true;
}

/* --- the event --- */

static bool is_result(const struct kev_info *info)
{
	if (info->dir != KEV_EXIT || info->n_params == 0)
		return false;
	switch ((enum kev_type)info->params[0].type) {
	case KEV_T_ERRNO:
	case KEV_T_FD:
	case KEV_T_FD32:
	case KEV_T_PID:
	case KEV_T_PID32:
		return true;
	default:
		return false;
	}
}

/* The result: said as evt.rawres or evt.res, or as the parameter, or success. */
static void settle_result(struct test_event *e)
{
	int64_t v = 0;

	if (!is_result(e->info)) {
		e->res = 0;
		return;
	}
	if (e->res == EVENT_UNSET && e->has_param[0]) {
		memcpy(&v, e->param[0].p, MIN(e->param[0].n, sizeof(v)));
		e->res = e->param[0].n == sizeof(int32_t) ? (int32_t)v : v;
	}
	e->res =
		event_or(e->res, e->is_failed                      ? -EPERM
				 : e->info->flags & KEV_CREATES_FD ? event_or(e->fd.num, DEFAULT_FD)
								   : 0);
	if (!e->has_param[0])
		event_param_int(e, 0, e->res);
}

static void default_text(struct test_event *e, const char *param, const char *text)
{
	int i = kev_param_find(e->info, param);

	if (i >= 0 && !e->has_param[i] && text &&
		(e->info->params[i].type == KEV_T_STR || e->info->params[i].type == KEV_T_PATH))
		event_param_text(e, (unsigned)i, text);
}

static void settle_params(struct test_event *e)
{
	const struct event_thread *t = &e->threads[THREAD_SELF];
	int flags = kev_param_find(e->info, "flags"), fd = kev_param_find(e->info, "fd");
	uint32_t v = 0;

	if (e->open_flags && flags >= 0) {
		if (e->has_param[flags])
			memcpy(&v, e->param[flags].p, MIN(e->param[flags].n, sizeof(v)));
		event_param_int(e, (unsigned)flags, v | e->open_flags);
	}
	if (fd > 0 && !e->has_param[fd] && e->fd.is_used &&
		kev_type_width(e->info->params[fd].type))
		event_param_int(e, (unsigned)fd, event_or(e->fd.num, DEFAULT_FD));
	if (e->info->code == KEV_CODE_GENERIC_X) {
		event_param_int(e, 0, e->native);
		event_param_int(e, 1, e->native);
	}
	if (e->info->code == KEV_CODE_SYSCALL_EXECVE_19_X ||
		e->info->code == KEV_CODE_SYSCALL_EXECVEAT_X) {
		default_text(e, "exe", t->exe);
		default_text(e, "comm", t->comm);
		default_text(e, "cwd", t->cwd);
		default_text(e, "filename", t->exepath);
	}
}

static int build_event(struct test_event *e)
{
	static _Alignas(8) uint8_t buf[SPSC_RECORD_MAX];
	struct ev *ev = (struct ev *)buf;
	struct rec_writer w;
	struct ev_fd fd;
	bool has_fd;

	settle_result(e);
	has_fd = build_fd(e, &fd);
	settle_params(e);
	memset(ev, 0, sizeof(*ev));
	ev_begin(&w, buf, sizeof(buf));
	ev->h = (struct rec_head){.ring = {.type = REC_EVENT},
		.seq = (uint64_t)event_or(e->seq, 1),
		.ord = 1,
		.ts_ns = (uint64_t)e->ts};
	ev->slot = THREAD_SELF;
	ev->type = e->info->code;
	ev->tid = e->threads[THREAD_SELF].tid;
	ev->cpu = (uint16_t)event_or(e->cpu, 0);
	ev->rawres = e->res;
	ev->flags = is_result(e->info) ? EV_HAS_RES : 0;
	ev_add_params(&w, e->param, e->info->n_params);
	if (has_fd)
		ev_add_att_fd(&w, EV_ATT_FD, EV_NO_PARAM, &fd, span_str(e->fd.name),
			span_str(e->fd.nameraw ? e->fd.nameraw : e->fd.name));
	if (e->realpath)
		ev_add_att_text(&w, EV_ATT_REALPATH, 0, span_str(e->realpath));
	e->event = event_keep(e, &w);
	return e->event ? 0 : -ENOMEM;
}

int event_build(struct arena *a, struct diag *d, const struct test_case *t, struct test_event *ret)
{
	int r, s;

	*ret = (struct test_event){.arena = a,
		.diag = d,
		.test = t,
		.res = EVENT_UNSET,
		.seq = EVENT_UNSET,
		.cpu = EVENT_UNSET,
		.ts = DEFAULT_TS};
	ret->fd.num = ret->fd.ino = ret->fd.dev = EVENT_UNSET;
	ret->fd.sport = ret->fd.dport = EVENT_UNSET;
	for (unsigned i = 0; i < _THREAD_MAX; i++)
		event_init_thread(&ret->threads[i]);
	r = find_type(ret);
	if (r < 0)
		return r;
	s = set_fields(ret);
	if (s < 0)
		return s;
	r = event_build_threads(ret);
	if (r == 0)
		r = event_build_ids(ret);
	return r < 0 ? r : build_event(ret);
}
