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

enum {
	N_ARGS,
	LEN_ARGS,
	TTY,
	PID,
	VPID,
	SID,
	VPGID,
	PGID,
	DURATION,
	PID_TS,
	EXE_INO,
	EXE_CTIME,
	EXE_MTIME,
	CTIME_PROC,
	CTIME_PIDNS,
	PIDNS_TS,
	FD_LIMIT,
	VM_SIZE,
	VM_RSS,
	VM_SWAP,
	PF_MAJOR,
	PF_MINOR,
	VTID,
	MAIN_VM_SIZE,
	MAIN_VM_RSS,
	MAIN_VM_SIZE_B,
	MAIN_VM_RSS_B,
	N_THREADS,
	N_CHILDS,
};

static void set_nonzero(struct evl_value *v, uint64_t n)
{
	if (n)
		evl_set_u64(v, n);
}

static void set_known(struct evl_value *v, int64_t n)
{
	if (n != -1)
		evl_set_i64(v, n);
}

static void set_duration(struct evl_value *v, uint64_t now, uint64_t from)
{
	if (from && now >= from)
		evl_set_u64(v, now - from);
}

static uint64_t len_args(const struct prec *p)
{
	return p->args.n - MIN(p->args.n, p->n_args); /* without the NULs */
}

static void get_number(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct prec *p = e->thread;
	uint64_t now = e->view->ev->h.ts_ns, main_kb;

	if (!p)
		return;
	main_kb = p->flags & PREC_MAIN ? (a->variant == MAIN_VM_RSS || a->variant == MAIN_VM_RSS_B
							 ? p->vm_rss_kb
							 : p->vm_size_kb)
				       : 0;
	switch (a->variant) {
	case N_ARGS:
		evl_set_u64(ret_v, p->n_args);
		break;
	case LEN_ARGS:
		evl_set_u64(ret_v, len_args(p));
		break;
	case TTY:
		evl_set_u64(ret_v, p->tty);
		break;
	case PID:
		evl_set_i64(ret_v, p->pid);
		break;
	case VPID:
		set_known(ret_v, p->vpid);
		break;
	case SID:
		evl_set_i64(ret_v, p->sid);
		break;
	case VPGID:
		evl_set_i64(ret_v, p->vpgid);
		break;
	case PGID:
		evl_set_i64(ret_v, p->pgid);
		break;
	case DURATION:
		set_duration(ret_v, now, p->clone_ts_ns);
		break;
	case PID_TS:
		set_nonzero(ret_v, p->clone_ts_ns);
		break;
	case EXE_INO:
		if (p->exe_ino)
			evl_set_i64(ret_v, (int64_t)p->exe_ino);
		break;
	case EXE_CTIME:
		set_nonzero(ret_v, p->exe_ctime_ns);
		break;
	case EXE_MTIME:
		set_nonzero(ret_v, p->exe_mtime_ns);
		break;
	case CTIME_PROC:
		if (p->clone_ts_ns && p->exe_ctime_ns) /* a file changed later wraps around, as in
							  the reference */
			set_nonzero(ret_v, p->clone_ts_ns - p->exe_ctime_ns);
		break;
	case CTIME_PIDNS:
		if (p->pidns_start_ns && p->exe_ctime_ns > p->pidns_start_ns)
			evl_set_u64(ret_v, p->exe_ctime_ns - p->pidns_start_ns);
		break;
	case PIDNS_TS:
		set_nonzero(ret_v, p->pidns_start_ns);
		break;
	case FD_LIMIT:
		set_known(ret_v, e->leader->fd_limit);
		break;
	case VM_SIZE:
		evl_set_u64(ret_v, p->vm_size_kb);
		break;
	case VM_RSS:
		evl_set_u64(ret_v, p->vm_rss_kb);
		break;
	case VM_SWAP:
		evl_set_u64(ret_v, p->vm_swap_kb);
		break;
	case PF_MAJOR:
		evl_set_u64(ret_v, p->pf_major);
		break;
	case PF_MINOR:
		evl_set_u64(ret_v, p->pf_minor);
		break;
	case VTID:
		set_known(ret_v, p->vtid);
		break;
	case MAIN_VM_SIZE:
	case MAIN_VM_RSS:
		evl_set_u64(ret_v, main_kb);
		break;
	case MAIN_VM_SIZE_B:
	case MAIN_VM_RSS_B:
		evl_set_u64(ret_v, main_kb * 1024);
		break;
	case N_THREADS:
		evl_set_u64(ret_v, e->leader->n_threads);
		break;
	case N_CHILDS:
		evl_set_u64(ret_v, e->leader->n_threads ? e->leader->n_threads - 1 : 0);
		break;
	default:
		break;
	}
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

static bool fd_count(struct evl *e, uint64_t *ret_n)
{
	const struct ev_att *a = evl_att(e, EV_ATT_FDCOUNT);

	if (!a)
		return false;
	memcpy(ret_n, ev_att_data(a), sizeof(*ret_n));
	return true;
}

static void get_fd_count(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	uint64_t n;

	if (!e->thread || !fd_count(e, &n))
		return;
	if (a->field == FIELD_ID_PROC_FDOPENCOUNT)
		evl_set_u64(ret_v, n);
	else
		evl_set_double(ret_v, e->leader->fd_limit > 0
					      ? (double)n * 100.0 / (double)e->leader->fd_limit
					      : 0.0);
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
	{FIELD_ID_PROC_CMDNARGS, N_ARGS, get_number},
	{FIELD_ID_PROC_CMDLENARGS, LEN_ARGS, get_number},
	{FIELD_ID_PROC_CWD, 0, get_cwd},
	{FIELD_ID_PROC_TTY, TTY, get_number},
	{FIELD_ID_PROC_PID, PID, get_number},
	{FIELD_ID_PROC_VPID, VPID, get_number},
	{FIELD_ID_PROC_SID, SID, get_number},
	{FIELD_ID_PROC_VPGID, VPGID, get_number},
	{FIELD_ID_PROC_PGID, PGID, get_number},
	{FIELD_ID_PROC_DURATION, DURATION, get_number},
	{FIELD_ID_PROC_PID_TS, PID_TS, get_number},
	{FIELD_ID_PROC_IS_EXE_WRITABLE, PREC_EXE_WRITABLE, get_exe_flag},
	{FIELD_ID_PROC_IS_EXE_UPPER_LAYER, PREC_EXE_UPPER_LAYER, get_exe_flag},
	{FIELD_ID_PROC_IS_EXE_LOWER_LAYER, PREC_EXE_LOWER_LAYER, get_exe_flag},
	{FIELD_ID_PROC_IS_EXE_FROM_MEMFD, PREC_EXE_FROM_MEMFD, get_exe_flag},
	{FIELD_ID_PROC_IS_SID_LEADER, IS_SID_LEADER, get_bool},
	{FIELD_ID_PROC_IS_VPGID_LEADER, IS_VPGID_LEADER, get_bool},
	{FIELD_ID_PROC_IS_PGID_LEADER, IS_PGID_LEADER, get_bool},
	{FIELD_ID_PROC_EXE_INO, EXE_INO, get_number},
	{FIELD_ID_PROC_EXE_INO_CTIME, EXE_CTIME, get_number},
	{FIELD_ID_PROC_EXE_INO_MTIME, EXE_MTIME, get_number},
	{FIELD_ID_PROC_EXE_INO_CTIME_DURATION_PROC_START, CTIME_PROC, get_number},
	{FIELD_ID_PROC_EXE_INO_CTIME_DURATION_PIDNS_START, CTIME_PIDNS, get_number},
	{FIELD_ID_PROC_PIDNS_INIT_START_TS, PIDNS_TS, get_number},
	{FIELD_ID_THREAD_CAP_PERMITTED, 0, get_caps},
	{FIELD_ID_THREAD_CAP_INHERITABLE, 0, get_caps},
	{FIELD_ID_THREAD_CAP_EFFECTIVE, 0, get_caps},
	{FIELD_ID_PROC_FDOPENCOUNT, 0, get_fd_count},
	{FIELD_ID_PROC_FDLIMIT, FD_LIMIT, get_number},
	{FIELD_ID_PROC_FDUSAGE, 0, get_fd_count},
	{FIELD_ID_PROC_VMSIZE, VM_SIZE, get_number},
	{FIELD_ID_PROC_VMRSS, VM_RSS, get_number},
	{FIELD_ID_PROC_VMSWAP, VM_SWAP, get_number},
	{FIELD_ID_THREAD_PFMAJOR, PF_MAJOR, get_number},
	{FIELD_ID_THREAD_PFMINOR, PF_MINOR, get_number},
	{FIELD_ID_THREAD_TID, 0, get_tid},
	{FIELD_ID_THREAD_ISMAIN, IS_MAIN, get_bool},
	{FIELD_ID_THREAD_VTID, VTID, get_number},
	{FIELD_ID_THREAD_NAMETID, 0, get_nametid},
	{FIELD_ID_THREAD_EXECTIME, 0, get_exectime},
	{FIELD_ID_THREAD_TOTEXECTIME, 0, get_exectime},
	{FIELD_ID_THREAD_CGROUPS, 0, get_cgroups},
	{FIELD_ID_THREAD_CGROUP, 0, get_cgroup},
	{FIELD_ID_PROC_NTHREADS, N_THREADS, get_number},
	{FIELD_ID_PROC_NCHILDS, N_CHILDS, get_number},
	{FIELD_ID_THREAD_VMSIZE, MAIN_VM_SIZE, get_number},
	{FIELD_ID_THREAD_VMRSS, MAIN_VM_RSS, get_number},
	{FIELD_ID_THREAD_VMSIZE_B, MAIN_VM_SIZE_B, get_number},
	{FIELD_ID_THREAD_VMRSS_B, MAIN_VM_RSS_B, get_number},
	{FIELD_ID_PROC_STDIN_TYPE, 0, get_stdio},
	{FIELD_ID_PROC_STDOUT_TYPE, 1, get_stdio},
	{FIELD_ID_PROC_STDERR_TYPE, 2, get_stdio},
	{FIELD_ID_PROC_STDIN_NAME, 3, get_stdio},
	{FIELD_ID_PROC_STDOUT_NAME, 4, get_stdio},
	{FIELD_ID_PROC_STDERR_NAME, 5, get_stdio},
	{0, 0, NULL},
};
