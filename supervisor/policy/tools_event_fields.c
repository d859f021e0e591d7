/* SPDX-License-Identifier: Apache-2.0 */
/* Which fields a test may set, one row each: where the value goes in what the event stands on. All
 * other fields follow from these; a test may name them too, and their value is compared with what
 * the evaluator makes of the event. */
#include "tools_event.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <base/macros.h>

#include "config_value.h"

typedef int event_setter(struct test_event *e, const struct event_field *f);

static int refuse(const struct test_event *e, const struct event_field *f, const char *what)
{
	cfg_error(e->diag, &f->f->value->at, NULL, "'%s' must be %s, not '%.100s'", f->f->name,
		what, f->text);
	return -EINVAL;
}

/* The thread that the field is about; by its argument where it has an index. */
static struct event_thread *thread_of(struct test_event *e, const struct event_field *f)
{
	unsigned n = THREAD_SELF;
	int64_t index;

	switch (f->id) {
	case FIELD_ID_PROC_PNAME:
	case FIELD_ID_PROC_PEXE:
	case FIELD_ID_PROC_PEXEPATH:
	case FIELD_ID_PROC_PCMDLINE:
	case FIELD_ID_PROC_PPID:
	case FIELD_ID_PROC_PVPID:
	case FIELD_ID_PROC_PPID_TS:
	case FIELD_ID_PROC_PPID_DURATION:
		n = 1;
		break;
	case FIELD_ID_PROC_SNAME:
	case FIELD_ID_PROC_SID_EXE:
	case FIELD_ID_PROC_SID_EXEPATH:
		n = THREAD_SESSION;
		break;
	case FIELD_ID_PROC_VPGID_NAME:
	case FIELD_ID_PROC_VPGID_EXE:
	case FIELD_ID_PROC_VPGID_EXEPATH:
		n = THREAD_VGROUP;
		break;
	case FIELD_ID_PROC_PGID_NAME:
	case FIELD_ID_PROC_PGID_EXE:
	case FIELD_ID_PROC_PGID_EXEPATH:
		n = THREAD_GROUP;
		break;
	case FIELD_ID_PROC_ANAME:
	case FIELD_ID_PROC_AEXE:
	case FIELD_ID_PROC_AEXEPATH:
	case FIELD_ID_PROC_ACMDLINE:
	case FIELD_ID_PROC_AARGS:
	case FIELD_ID_PROC_APID:
		if (!f->key || !event_number(f->key, &index) || index < 0 ||
			index >= THREAD_ANCESTORS) {
			cfg_error(e->diag, &f->f->at, NULL,
				"'%s' is set with an index from 0 to %d: %s[2]", f->f->name,
				THREAD_ANCESTORS - 1, field_info_get(f->id)->name);
			return NULL;
		}
		n = (unsigned)index;
		break;
	default:
		break;
	}
	if (n < THREAD_ANCESTORS)
		e->n_ancestors = MAX(e->n_ancestors, n);
	e->threads[n].is_used = true;
	return &e->threads[n];
}

static int set_thread_text(struct test_event *e, const struct event_field *f)
{
	struct event_thread *t = thread_of(e, f);

	if (!t)
		return -EINVAL;
	*(const char **)((char *)t + f->offset) = f->text;
	return 0;
}

static int set_thread_number(struct test_event *e, const struct event_field *f)
{
	struct event_thread *t = thread_of(e, f);
	int64_t v;

	if (!t)
		return -EINVAL;
	if (!event_number(f->text, &v) || v == EVENT_UNSET)
		return refuse(e, f, "a whole number");
	*(int64_t *)((char *)t + f->offset) = v;
	return 0;
}

static int set_args(struct test_event *e, const struct event_field *f)
{
	struct event_thread *t = thread_of(e, f);

	if (!t)
		return -EINVAL;
	if (f->id == FIELD_ID_PROC_ARGS && f->key) {
		cfg_error(e->diag, &f->f->at, NULL, "set 'proc.args' with all of them");
		return -EINVAL;
	}
	t->args = event_strings(e, f->f, &t->n_args);
	return t->args.p ? 0 : -ENOMEM;
}

/* proc.env: all of them; proc.env[NAME]: one more. */
static int set_env(struct test_event *e, const struct event_field *f)
{
	struct event_thread *t = &e->threads[THREAD_SELF];
	struct span old = t->env;
	size_t n = f->key ? strlen(f->key) + strlen(f->text) + 2 : 0;
	uint32_t count;
	char *all;

	if (!f->key) {
		t->env = event_strings(e, f->f, &count);
		return t->env.p ? 0 : -ENOMEM;
	}
	all = arena_alloc(e->arena, old.n + n);
	if (!all)
		return -ENOMEM;
	if (old.n)
		memcpy(all, old.p, old.n);
	(void)snprintf(all + old.n, n, "%s=%s", f->key, f->text);
	t->env = (struct span){.p = all, .n = old.n + n};
	return 0;
}

static int get_bool(struct test_event *e, const struct event_field *f, bool *ret)
{
	return cfg_to_bool(f->text, ret) ? 0 : refuse(e, f, "true or false");
}

static int set_exe_flag(struct test_event *e, const struct event_field *f)
{
	bool on;
	int r = get_bool(e, f, &on);

	if (r == 0 && on)
		e->threads[THREAD_SELF].exe_flags |= f->offset;
	return r;
}

static int set_leads(struct test_event *e, const struct event_field *f)
{
	int64_t *id = (int64_t *)((char *)&e->threads[THREAD_SELF] + f->offset);
	bool on;
	int r = get_bool(e, f, &on);

	/* 0 stands for the process itself until its number is known */
	if (r == 0 && (*id == EVENT_UNSET || on))
		*id = on ? 0 : 1;
	return r;
}

static int set_text(struct test_event *e, const struct event_field *f)
{
	*(const char **)((char *)e + f->offset) = f->text;
	return 0;
}

static int set_number(struct test_event *e, const struct event_field *f)
{
	if (!event_number(f->text, (int64_t *)((char *)e + f->offset)))
		return refuse(e, f, "a whole number");
	return 0;
}

static int set_fd_text(struct test_event *e, const struct event_field *f)
{
	e->fd.is_used = true;
	return set_text(e, f);
}

static int set_fd_number(struct test_event *e, const struct event_field *f)
{
	e->fd.is_used = true;
	return set_number(e, f);
}

static int set_fd_flag(struct test_event *e, const struct event_field *f)
{
	bool on;
	int r = get_bool(e, f, &on);

	e->fd.is_used = true;
	if (r == 0)
		e->fd.flags = on ? e->fd.flags | f->offset : e->fd.flags & ~(uint32_t)f->offset;
	return r;
}

static int set_type(struct test_event *e, const struct event_field *f)
{
	(void)e;
	(void)f; /* it was looked at before all others: event_build() */
	return 0;
}

static int set_res(struct test_event *e, const struct event_field *f)
{
	if (strcmp(f->text, "SUCCESS") == 0)
		return 0; /* by default, with the descriptor's number */
	if (!event_errno(f->text, &e->res) && !event_number(f->text, &e->res))
		return refuse(e, f, "SUCCESS, the name of an error, or a number");
	return 0;
}

static int set_failed(struct test_event *e, const struct event_field *f)
{
	return get_bool(e, f, &e->is_failed);
}

static int set_open(struct test_event *e, const struct event_field *f)
{
	bool on;
	int r = get_bool(e, f, &on);

	if (r == 0 && on)
		e->open_flags |= f->offset;
	return r;
}

static int set_arg(struct test_event *e, const struct event_field *f)
{
	int i = f->key ? kev_param_find(e->info, f->key) : -1;
	int64_t index;

	if (i < 0 && f->key && event_number(f->key, &index) && index >= 0 &&
		index < e->info->n_params)
		i = (int)index;
	if (i < 0) {
		cfg_error(e->diag, &f->f->at, "see 'saker --list-events'",
			"event '%s' has no parameter '%s'", e->info->name, f->key ? f->key : "");
		return -EINVAL;
	}
	return event_set_param(e, f, (unsigned)i);
}

static int set_buffer(struct test_event *e, const struct event_field *f)
{
	int i = kev_param_find(e->info, "data");

	if (i < 0) {
		cfg_error(e->diag, &f->f->at, NULL, "event '%s' carries no data", e->info->name);
		return -EINVAL;
	}
	return event_set_param(e, f, (unsigned)i);
}

/* The path that the call was given, whatever the event calls the parameter. */
static int set_path(struct test_event *e, const struct event_field *f)
{
	static const char *const names[] = {"name", "path", "pathname", "filename", "special"};

	for (size_t k = 0; k < ARRAY_LEN(names); k++) {
		int i = kev_param_find(e->info, names[k]);

		if (i >= 0)
			return event_set_param(e, f, (unsigned)i);
	}
	cfg_error(e->diag, &f->f->at, "set evt.arg.NAME, or fd.name",
		"event '%s' takes no single path", e->info->name);
	return -EINVAL;
}

#define T(member) offsetof(struct event_thread, member)
#define E(member) offsetof(struct test_event, member)
#define UNCHECKED false
#define CHECKED true

static const struct row {
	uint16_t field;
	event_setter *set;
	uint16_t offset; /* of the member, or the setter's own number */
	bool is_checked; /* the evaluator shows it in this very form */
} rows[] = {
	{FIELD_ID_EVT_TYPE, set_type, 0, CHECKED},
	{FIELD_ID_EVT_NUM, set_number, E(seq), CHECKED},
	{FIELD_ID_EVT_CPU, set_number, E(cpu), CHECKED},
	{FIELD_ID_EVT_RAWTIME, set_number, E(ts), CHECKED},
	{FIELD_ID_EVT_RAWRES, set_number, E(res), CHECKED},
	{FIELD_ID_EVT_RES, set_res, 0, CHECKED},
	{FIELD_ID_EVT_FAILED, set_failed, 0, CHECKED},
	{FIELD_ID_EVT_ARG, set_arg, 0, UNCHECKED},
	{FIELD_ID_EVT_RAWARG, set_arg, 0, UNCHECKED},
	{FIELD_ID_EVT_BUFFER, set_buffer, 0, UNCHECKED},
	{FIELD_ID_EVT_IS_OPEN_READ, set_open, 0x1, CHECKED},
	{FIELD_ID_EVT_IS_OPEN_WRITE, set_open, 0x2, CHECKED},
	{FIELD_ID_EVT_IS_OPEN_CREATE, set_open, 0x4004, CHECKED},
	{FIELD_ID_FS_PATH_NAME, set_path, 0, CHECKED},
	{FIELD_ID_FS_PATH_NAMERAW, set_path, 0, CHECKED},
	{FIELD_ID_PROC_NAME, set_thread_text, T(comm), CHECKED},
	{FIELD_ID_PROC_PNAME, set_thread_text, T(comm), CHECKED},
	{FIELD_ID_PROC_ANAME, set_thread_text, T(comm), CHECKED},
	{FIELD_ID_PROC_SNAME, set_thread_text, T(comm), CHECKED},
	{FIELD_ID_PROC_VPGID_NAME, set_thread_text, T(comm), CHECKED},
	{FIELD_ID_PROC_PGID_NAME, set_thread_text, T(comm), CHECKED},
	{FIELD_ID_PROC_EXE, set_thread_text, T(exe), CHECKED},
	{FIELD_ID_PROC_PEXE, set_thread_text, T(exe), CHECKED},
	{FIELD_ID_PROC_AEXE, set_thread_text, T(exe), CHECKED},
	{FIELD_ID_PROC_SID_EXE, set_thread_text, T(exe), CHECKED},
	{FIELD_ID_PROC_VPGID_EXE, set_thread_text, T(exe), CHECKED},
	{FIELD_ID_PROC_PGID_EXE, set_thread_text, T(exe), CHECKED},
	{FIELD_ID_PROC_EXEPATH, set_thread_text, T(exepath), CHECKED},
	{FIELD_ID_PROC_PEXEPATH, set_thread_text, T(exepath), CHECKED},
	{FIELD_ID_PROC_AEXEPATH, set_thread_text, T(exepath), CHECKED},
	{FIELD_ID_PROC_SID_EXEPATH, set_thread_text, T(exepath), CHECKED},
	{FIELD_ID_PROC_VPGID_EXEPATH, set_thread_text, T(exepath), CHECKED},
	{FIELD_ID_PROC_PGID_EXEPATH, set_thread_text, T(exepath), CHECKED},
	{FIELD_ID_PROC_CMDLINE, set_thread_text, T(cmdline), CHECKED},
	{FIELD_ID_PROC_PCMDLINE, set_thread_text, T(cmdline), CHECKED},
	{FIELD_ID_PROC_ACMDLINE, set_thread_text, T(cmdline), CHECKED},
	{FIELD_ID_PROC_ARGS, set_args, 0, CHECKED},
	{FIELD_ID_PROC_AARGS, set_args, 0, CHECKED},
	{FIELD_ID_PROC_CWD, set_thread_text, T(cwd), CHECKED},
	{FIELD_ID_PROC_ENV, set_env, 0, CHECKED},
	{FIELD_ID_PROC_PID, set_thread_number, T(pid), CHECKED},
	{FIELD_ID_PROC_PPID, set_thread_number, T(pid), CHECKED},
	{FIELD_ID_PROC_APID, set_thread_number, T(pid), CHECKED},
	{FIELD_ID_THREAD_TID, set_thread_number, T(tid), CHECKED},
	{FIELD_ID_PROC_VPID, set_thread_number, T(vpid), CHECKED},
	{FIELD_ID_PROC_PVPID, set_thread_number, T(vpid), CHECKED},
	{FIELD_ID_THREAD_VTID, set_thread_number, T(vtid), CHECKED},
	{FIELD_ID_PROC_SID, set_thread_number, T(sid), CHECKED},
	{FIELD_ID_PROC_PGID, set_thread_number, T(pgid), CHECKED},
	{FIELD_ID_PROC_VPGID, set_thread_number, T(vpgid), CHECKED},
	{FIELD_ID_PROC_TTY, set_thread_number, T(tty), CHECKED},
	{FIELD_ID_PROC_FDLIMIT, set_thread_number, T(fd_limit), CHECKED},
	{FIELD_ID_PROC_VMSIZE, set_thread_number, T(vm_size), CHECKED},
	{FIELD_ID_PROC_VMRSS, set_thread_number, T(vm_rss), CHECKED},
	{FIELD_ID_PROC_VMSWAP, set_thread_number, T(vm_swap), CHECKED},
	{FIELD_ID_PROC_EXE_INO, set_thread_number, T(exe_ino), CHECKED},
	{FIELD_ID_PROC_EXE_INO_CTIME, set_thread_number, T(exe_ctime), CHECKED},
	{FIELD_ID_PROC_EXE_INO_MTIME, set_thread_number, T(exe_mtime), CHECKED},
	{FIELD_ID_PROC_PID_TS, set_thread_number, T(clone_ts), CHECKED},
	{FIELD_ID_PROC_PPID_TS, set_thread_number, T(clone_ts), CHECKED},
	{FIELD_ID_PROC_DURATION, set_thread_number, T(duration), CHECKED},
	{FIELD_ID_PROC_PPID_DURATION, set_thread_number, T(duration), CHECKED},
	{FIELD_ID_PROC_IS_SID_LEADER, set_leads, T(sid), CHECKED},
	{FIELD_ID_PROC_IS_VPGID_LEADER, set_leads, T(vpgid), CHECKED},
	{FIELD_ID_PROC_IS_PGID_LEADER, set_leads, T(pgid), CHECKED},
	{FIELD_ID_PROC_IS_EXE_WRITABLE, set_exe_flag, PREC_EXE_WRITABLE, CHECKED},
	{FIELD_ID_PROC_IS_EXE_UPPER_LAYER, set_exe_flag, PREC_EXE_UPPER_LAYER, CHECKED},
	{FIELD_ID_PROC_IS_EXE_LOWER_LAYER, set_exe_flag, PREC_EXE_LOWER_LAYER, CHECKED},
	{FIELD_ID_PROC_IS_EXE_FROM_MEMFD, set_exe_flag, PREC_EXE_FROM_MEMFD, CHECKED},
	{FIELD_ID_USER_UID, set_thread_number, T(uid), CHECKED},
	{FIELD_ID_USER_LOGINUID, set_thread_number, T(loginuid), CHECKED},
	{FIELD_ID_GROUP_GID, set_thread_number, T(gid), CHECKED},
	{FIELD_ID_USER_NAME, set_text, E(user_name), CHECKED},
	{FIELD_ID_USER_HOMEDIR, set_text, E(user_home), CHECKED},
	{FIELD_ID_USER_SHELL, set_text, E(user_shell), CHECKED},
	{FIELD_ID_USER_LOGINNAME, set_text, E(login_name), CHECKED},
	{FIELD_ID_GROUP_NAME, set_text, E(group_name), CHECKED},
	{FIELD_ID_CONTAINER_ID, set_thread_text, T(container), UNCHECKED},
	{FIELD_ID_CONTAINER_FULL_ID, set_thread_text, T(container), CHECKED},
	{FIELD_ID_FD_NAME, set_fd_text, E(fd.name), CHECKED},
	{FIELD_ID_FD_NAMERAW, set_fd_text, E(fd.nameraw), CHECKED},
	{FIELD_ID_FD_TYPE, set_fd_text, E(fd.type), CHECKED},
	{FIELD_ID_FD_TYPECHAR, set_fd_text, E(fd.typechar), CHECKED},
	{FIELD_ID_FD_NUM, set_fd_number, E(fd.num), CHECKED},
	{FIELD_ID_FD_INO, set_fd_number, E(fd.ino), CHECKED},
	{FIELD_ID_FD_DEV, set_fd_number, E(fd.dev), UNCHECKED},
	{FIELD_ID_FD_L4PROTO, set_fd_text, E(fd.l4), CHECKED},
	{FIELD_ID_FD_CIP, set_fd_text, E(fd.sip), CHECKED},
	{FIELD_ID_FD_SIP, set_fd_text, E(fd.dip), CHECKED},
	{FIELD_ID_FD_CPORT, set_fd_number, E(fd.sport), CHECKED},
	{FIELD_ID_FD_SPORT, set_fd_number, E(fd.dport), CHECKED},
	{FIELD_ID_FD_IS_SERVER, set_fd_flag, EV_FD_SERVER_LOCAL, CHECKED},
	{FIELD_ID_FD_CONNECTED, set_fd_flag, EV_FD_CONNECTED, CHECKED},
	{FIELD_ID_FD_NAME_CHANGED, set_fd_flag, EV_FD_NAME_CHANGED, CHECKED},
	{FIELD_ID_FD_IS_UPPER_LAYER, set_fd_flag, EV_FD_UPPER_LAYER, CHECKED},
	{FIELD_ID_FD_IS_LOWER_LAYER, set_fd_flag, EV_FD_LOWER_LAYER, CHECKED},
	{FIELD_ID_FD_REALPATH, set_text, E(realpath), CHECKED},
};

static const struct row *find_row(enum field_id id)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].field == id)
			return &rows[i];
	return NULL;
}

bool event_is_checked(enum field_id id, const struct test_field *f)
{
	const struct row *row = find_row(id);

	return f->value->kind != CFG_SEQ && (!row || row->is_checked);
}

int event_set_field(struct test_event *e, const struct event_field *f)
{
	const struct row *row = find_row(f->id);
	struct event_field with = *f;

	if (!row) /* it follows from others: compared later */
		return 0;
	with.offset = row->offset;
	return row->set(e, &with);
}

/* The argument's letters: nothing that would end it, or the template it is put in. */
static bool is_argument(const char *s, size_t n)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
		"_-./";

	return n > 0 && strspn(s, letters) >= n;
}

const struct field_info *event_find_field(struct arena *a, struct diag *d,
	const struct test_field *f, enum field_id *ret_id, const char **ret_key)
{
	size_t n = strlen(f->name), used = 0;
	const struct field_info *info = field_find_prefix(f->name, n, ret_id, &used);
	const char *near, *rest = f->name + used;
	bool is_whole = info && *rest == 0;

	*ret_key = NULL;
	if (info && *rest == '.' && is_argument(rest + 1, strlen(rest + 1))) {
		*ret_key = rest + 1;
		is_whole = true;
	} else if (info && *rest == '[' && n - used > 2 && f->name[n - 1] == ']' &&
		   is_argument(rest + 1, n - used - 2)) {
		*ret_key = arena_strndup(a, rest + 1, n - used - 2);
		is_whole = *ret_key;
	}
	if (is_whole && !(info->flags & FF_FILTER_ONLY))
		return info;
	if (!d)
		return NULL;
	if (is_whole) {
		cfg_error(d, &f->at, NULL, "'%s' is a test of several fields, it has no value",
			f->name);
		return NULL;
	}
	near = field_suggest(f->name, n);
	cfg_error(d, &f->at, near ? arena_printf(a, "did you mean '%s'?", near) : NULL,
		"unknown field '%.100s'", f->name);
	return NULL;
}
