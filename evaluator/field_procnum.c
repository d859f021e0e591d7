/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of the event's own process and thread: ids, times, sizes, counts. Zero or -1 in the
 * record where a number is not known makes a field without value, as each case says. */
#include <base/macros.h>

#include "field.h"

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

/* As the event tells it, else as the thread's record has it. */
static struct ev_vm memory(const struct evl *e)
{
	const struct ev_att *a = evl_att(e, EV_ATT_VM);
	const struct prec *p = e->thread;
	struct ev_vm vm = {.size_kb = p->vm_size_kb,
		.rss_kb = p->vm_rss_kb,
		.swap_kb = p->vm_swap_kb,
		.pf_major = p->pf_major,
		.pf_minor = p->pf_minor};

	if (a)
		memcpy(&vm, ev_att_data(a), sizeof(vm));
	return vm;
}

static void get_memory(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct prec *p = e->thread;
	struct ev_vm vm;
	uint64_t main_kb;

	if (!p)
		return;
	vm = memory(e);
	main_kb = !(p->flags & PREC_MAIN)                                    ? 0
		  : a->variant == MAIN_VM_RSS || a->variant == MAIN_VM_RSS_B ? vm.rss_kb
									     : vm.size_kb;
	switch (a->variant) {
	case VM_SIZE:
		evl_set_u64(ret_v, vm.size_kb);
		break;
	case VM_RSS:
		evl_set_u64(ret_v, vm.rss_kb);
		break;
	case VM_SWAP:
		evl_set_u64(ret_v, vm.swap_kb);
		break;
	case PF_MAJOR:
		evl_set_u64(ret_v, vm.pf_major);
		break;
	case PF_MINOR:
		evl_set_u64(ret_v, vm.pf_minor);
		break;
	case MAIN_VM_SIZE:
	case MAIN_VM_RSS:
		evl_set_u64(ret_v, main_kb);
		break;
	case MAIN_VM_SIZE_B:
	case MAIN_VM_RSS_B:
		evl_set_u64(ret_v, main_kb * 1024);
		break;
	default:
		break;
	}
}

static void get_number(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct prec *p = e->thread;
	uint64_t now = e->view->ev->h.ts_ns;

	if (!p)
		return;
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
	case VTID:
		set_known(ret_v, p->vtid);
		break;
	case N_THREADS:
		evl_set_u64(ret_v, e->leader->n_threads);
		break;
	case N_CHILDS:
		/* live threads but for the leader */
		evl_set_u64(ret_v, e->leader->n_threads && !(e->leader->flags & PREC_DEAD)
					   ? e->leader->n_threads - 1
					   : e->leader->n_threads);
		break;
	default:
		break;
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

const struct evl_field_row evl_fields_procnum[] = {
	{FIELD_ID_PROC_CMDNARGS, N_ARGS, get_number},
	{FIELD_ID_PROC_CMDLENARGS, LEN_ARGS, get_number},
	{FIELD_ID_PROC_TTY, TTY, get_number},
	{FIELD_ID_PROC_PID, PID, get_number},
	{FIELD_ID_PROC_VPID, VPID, get_number},
	{FIELD_ID_PROC_SID, SID, get_number},
	{FIELD_ID_PROC_VPGID, VPGID, get_number},
	{FIELD_ID_PROC_PGID, PGID, get_number},
	{FIELD_ID_PROC_DURATION, DURATION, get_number},
	{FIELD_ID_PROC_PID_TS, PID_TS, get_number},
	{FIELD_ID_PROC_EXE_INO, EXE_INO, get_number},
	{FIELD_ID_PROC_EXE_INO_CTIME, EXE_CTIME, get_number},
	{FIELD_ID_PROC_EXE_INO_MTIME, EXE_MTIME, get_number},
	{FIELD_ID_PROC_EXE_INO_CTIME_DURATION_PROC_START, CTIME_PROC, get_number},
	{FIELD_ID_PROC_EXE_INO_CTIME_DURATION_PIDNS_START, CTIME_PIDNS, get_number},
	{FIELD_ID_PROC_PIDNS_INIT_START_TS, PIDNS_TS, get_number},
	{FIELD_ID_PROC_FDOPENCOUNT, 0, get_fd_count},
	{FIELD_ID_PROC_FDLIMIT, FD_LIMIT, get_number},
	{FIELD_ID_PROC_FDUSAGE, 0, get_fd_count},
	{FIELD_ID_PROC_VMSIZE, VM_SIZE, get_memory},
	{FIELD_ID_PROC_VMRSS, VM_RSS, get_memory},
	{FIELD_ID_PROC_VMSWAP, VM_SWAP, get_memory},
	{FIELD_ID_THREAD_PFMAJOR, PF_MAJOR, get_memory},
	{FIELD_ID_THREAD_PFMINOR, PF_MINOR, get_memory},
	{FIELD_ID_THREAD_VTID, VTID, get_number},
	{FIELD_ID_PROC_NTHREADS, N_THREADS, get_number},
	{FIELD_ID_PROC_NCHILDS, N_CHILDS, get_number},
	{FIELD_ID_THREAD_VMSIZE, MAIN_VM_SIZE, get_memory},
	{FIELD_ID_THREAD_VMRSS, MAIN_VM_RSS, get_memory},
	{FIELD_ID_THREAD_VMSIZE_B, MAIN_VM_SIZE_B, get_memory},
	{FIELD_ID_THREAD_VMRSS_B, MAIN_VM_RSS_B, get_memory},
	{0, 0, NULL},
};
