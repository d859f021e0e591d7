/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of the event's own process and thread. Texts come from the replica's copies, where every
 * one is NUL-ended and inside its record. */
#include <base/macros.h>

#include "field.h"

struct span evl_proc_text(struct evl *e, const struct prec *p, int which)
{
	struct span args = rec_text(p, p->args),
		    head = rec_text(p, which == PT_EXELINE ? p->exe : p->comm);
	struct evl_text t;

	switch (which) {
	case PT_COMM:
		return head.p ? head : SPAN_LIT("");
	case PT_EXE:
		return p->exe.off ? rec_text(p, p->exe) : SPAN_LIT("");
	case PT_EXEPATH:
		return p->exepath.off ? rec_text(p, p->exepath) : SPAN_LIT("");
	case PT_ENV:
		args = rec_text(p, p->env);
		break;
	default:
		break;
	}
	t = evl_scratch_open(&e->scratch);
	if (which == PT_CMDLINE || which == PT_EXELINE) {
		evl_text_add(&t, head);
		if (args.n || which == PT_EXELINE) /* the exeline of a process without arguments
						      ends in a blank */
			evl_text_char(&t, ' ');
	}
	evl_text_join0(&t, args, ' ');
	return evl_scratch_close(&e->scratch, &t);
}

static void get_text(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	if (e->thread)
		evl_set_str(ret_v, evl_proc_text(e, e->thread, a->variant));
}

static void get_args(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const char *p, *end;
	int64_t i = 0;

	if (!e->thread)
		return;
	if (a->x->arg_kind != IMG_ARG_INDEX) {
		evl_set_str(ret_v, evl_proc_text(e, e->thread, PT_ARGS));
		return;
	}
	evl_set_str(ret_v, SPAN_LIT("")); /* out of range */
	p = rec_text(e->thread, e->thread->args).p;
	end = p + e->thread->args.n;
	for (; p < end; p += strnlen(p, (size_t)(end - p)) + 1) {
		if (i++ == a->x->index) {
			evl_set_str(
				ret_v, (struct span){.p = p, .n = strnlen(p, (size_t)(end - p))});
			return;
		}
	}
}

static void get_cwd(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	(void)a;
	if (e->leader)
		evl_set_str(ret_v,
			e->leader->cwd.off ? rec_text(e->leader, e->leader->cwd) : SPAN_LIT(""));
}

static void get_tid(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	(void)a;
	evl_set_i64(ret_v, e->view->ev->tid);
}

/* Scheduler events are not captured: no slot was ever seen. */
static void get_exectime(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	(void)a;
	if (e->thread)
		evl_set_u64(ret_v, 0);
}

static void get_nametid(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	struct evl_text t;

	(void)a;
	if (!e->thread)
		return;
	t = evl_scratch_open(&e->scratch);
	evl_text_add(&t, rec_text(e->thread, e->thread->comm));
	evl_text_i64(&t, e->thread->tid);
	evl_set_str(ret_v, evl_scratch_close(&e->scratch, &t));
}

static void get_exe_flag(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	if (e->thread)
		evl_set_bool(ret_v, e->thread->exe_flags & (uint32_t)a->variant);
}

enum { IS_SID_LEADER, IS_VPGID_LEADER, IS_PGID_LEADER, IS_MAIN };

static void get_bool(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct prec *p = e->thread;

	if (!p)
		return;
	evl_set_bool(ret_v, a->variant == IS_SID_LEADER     ? p->sid == p->vpid
			    : a->variant == IS_VPGID_LEADER ? p->vpgid == p->vpid
			    : a->variant == IS_PGID_LEADER  ? p->pgid == p->pid
							    : !!(p->flags & PREC_MAIN));
}

static const char *const cap_names[] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};

static void get_caps(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	struct evl_text t;
	uint64_t set;

	if (!e->thread)
		return;
	set = a->field == FIELD_ID_THREAD_CAP_PERMITTED     ? e->thread->cap_permitted
	      : a->field == FIELD_ID_THREAD_CAP_INHERITABLE ? e->thread->cap_inheritable
							    : e->thread->cap_effective;
	t = evl_scratch_open(&e->scratch);
	for (unsigned i = 0; i < ARRAY_LEN(cap_names); i++) {
		if (!(set >> i & 1))
			continue;
		if (t.n)
			evl_text_char(&t, ' ');
		evl_text_str(&t, cap_names[i]);
	}
	evl_set_str(ret_v, evl_scratch_close(&e->scratch, &t));
}

static void get_cgroups(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	struct evl_text t;

	(void)a;
	if (!e->thread || e->thread->cgroups.n == 0)
		return;
	t = evl_scratch_open(&e->scratch);
	evl_text_join0(&t, rec_text(e->thread, e->thread->cgroups), ' ');
	evl_set_str(ret_v, evl_scratch_close(&e->scratch, &t));
}

/* One subsystem by its name, or by the other of the two names that some have. */
static bool is_subsystem(struct span has, struct span wanted)
{
	static const char *const renamed[][2] = {
		{"mem", "memory"}, {"io", "blkio"}, {"perf", "perf_event"}};

	if (span_eq(has, wanted))
		return true;
	for (unsigned i = 0; i < ARRAY_LEN(renamed); i++)
		for (unsigned k = 0; k < 2; k++)
			if (span_eq_str(has, renamed[i][k]) && span_eq_str(wanted, renamed[i][!k]))
				return true;
	return false;
}

static void get_cgroup(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	struct span all, key = img_text(&e->img, a->x->key);

	if (!e->thread)
		return;
	all = rec_text(e->thread, e->thread->cgroups);
	while (all.n > 0) {
		size_t n = strnlen(all.p, all.n);
		const char *eq = memchr(all.p, '=', n);

		if (eq && is_subsystem((struct span){.p = all.p, .n = (size_t)(eq - all.p)}, key)) {
			evl_set_str(ret_v,
				(struct span){.p = eq + 1, .n = n - (size_t)(eq - all.p) - 1});
			return;
		}
		n = MIN(n + 1, all.n);
		all = (struct span){.p = all.p + n, .n = all.n - n};
	}
}

static void get_stdio(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	bool is_name = a->variant >= 3;
	const struct ev_att *att = ev_att_find(e->view, EV_ATT_STDIO, (uint16_t)(a->variant % 3));
	const struct ev_fd *fd;

	if (!att || !e->thread)
		return;
	fd = ev_att_data(att);
	if (!(fd->flags & EV_FD_KNOWN))
		return;
	if (is_name)
		evl_set_str(ret_v, fd->name.off ? evl_fd_text(e, fd->name) : SPAN_LIT(""));
	else
		evl_set_str(ret_v, span_str(evl_fd_type_str(fd->type)));
}

const struct evl_field_row evl_fields_proc[] = {
	{FIELD_ID_PROC_EXE, PT_EXE, get_text},
	{FIELD_ID_PROC_EXEPATH, PT_EXEPATH, get_text},
	{FIELD_ID_PROC_NAME, PT_COMM, get_text},
	{FIELD_ID_PROC_CMDLINE, PT_CMDLINE, get_text},
	{FIELD_ID_PROC_EXELINE, PT_EXELINE, get_text},
	{FIELD_ID_PROC_ARGS, PT_ARGS, get_args},
	{FIELD_ID_PROC_CWD, 0, get_cwd},
	{FIELD_ID_PROC_IS_EXE_WRITABLE, PREC_EXE_WRITABLE, get_exe_flag},
	{FIELD_ID_PROC_IS_EXE_UPPER_LAYER, PREC_EXE_UPPER_LAYER, get_exe_flag},
	{FIELD_ID_PROC_IS_EXE_LOWER_LAYER, PREC_EXE_LOWER_LAYER, get_exe_flag},
	{FIELD_ID_PROC_IS_EXE_FROM_MEMFD, PREC_EXE_FROM_MEMFD, get_exe_flag},
	{FIELD_ID_PROC_IS_SID_LEADER, IS_SID_LEADER, get_bool},
	{FIELD_ID_PROC_IS_VPGID_LEADER, IS_VPGID_LEADER, get_bool},
	{FIELD_ID_PROC_IS_PGID_LEADER, IS_PGID_LEADER, get_bool},
	{FIELD_ID_THREAD_CAP_PERMITTED, 0, get_caps},
	{FIELD_ID_THREAD_CAP_INHERITABLE, 0, get_caps},
	{FIELD_ID_THREAD_CAP_EFFECTIVE, 0, get_caps},
	{FIELD_ID_THREAD_TID, 0, get_tid},
	{FIELD_ID_THREAD_ISMAIN, IS_MAIN, get_bool},
	{FIELD_ID_THREAD_NAMETID, 0, get_nametid},
	{FIELD_ID_THREAD_EXECTIME, 0, get_exectime},
	{FIELD_ID_THREAD_TOTEXECTIME, 0, get_exectime},
	{FIELD_ID_THREAD_CGROUPS, 0, get_cgroups},
	{FIELD_ID_THREAD_CGROUP, 0, get_cgroup},
	{FIELD_ID_PROC_STDIN_TYPE, 0, get_stdio},
	{FIELD_ID_PROC_STDOUT_TYPE, 1, get_stdio},
	{FIELD_ID_PROC_STDERR_TYPE, 2, get_stdio},
	{FIELD_ID_PROC_STDIN_NAME, 3, get_stdio},
	{FIELD_ID_PROC_STDOUT_NAME, 4, get_stdio},
	{FIELD_ID_PROC_STDERR_NAME, 5, get_stdio},
	{0, 0, NULL},
};
