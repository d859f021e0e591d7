/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of the event as a whole: its number, type, category, return value, class of I/O. */
#include <stdlib.h>

#include <abi/events.h>

#include "field.h"

const char *evl_event_name(const struct evl *e, struct span *ret_async)
{
	uint16_t type = e->view->ev->type;
	const char *name = NULL;
	int i;

	*ret_async = (struct span){0};
	if (type == KEV_CODE_GENERIC_X) {
		i = evl_param(e, "nativeID");
		if (i < 0)
			i = evl_param(e, "ID");
		if (i >= 0)
			name = kev_syscall_str((unsigned)evl_param_u64(e, (unsigned)i));
	} else if (type == KEV_CODE_ASYNCEVENT_E) {
		i = evl_param(e, "name");
		if (i >= 0)
			*ret_async = evl_param_text(e, (unsigned)i);
	}
	return name ? name : e->view->info->name;
}

static void get_num(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	(void)a;
	evl_set_u64(ret_v, e->view->ev->h.seq);
}

static void get_type(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	struct span async;
	const char *name = evl_event_name(e, &async);

	if (a->field == FIELD_ID_SYSCALL_TYPE && e->view->info->kind != KEV_KIND_SYSCALL)
		return;
	evl_set_str(ret_v, async.p ? async : span_str(name));
}

/* evt.type.is.NAME or .NUMBER */
static void get_type_is(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	struct span async, key = img_text(&e->img, a->x->key);
	const char *name = evl_event_name(e, &async);
	bool is;

	if (key.n && key.p[0] >= '0' && key.p[0] <= '9')
		is = strtoul(key.p, NULL, 10) == e->view->ev->type; /* image texts are NUL-ended */
	else
		is = span_eq(async.p ? async : span_str(name), key);
	evl_set_u64(ret_v, is);
}

enum { DIR_SYMBOL, DIR_EXIT };

static void get_dir(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	if (a->variant == DIR_SYMBOL)
		evl_set_str(ret_v, SPAN_LIT("<"));
	else if (e->view->info->dir == KEV_EXIT)
		evl_set_u64(ret_v, 1);
}

static void get_async(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	bool is =
		e->view->ev->type == KEV_CODE_ASYNCEVENT_E || e->view->info->kind == KEV_KIND_META;
	struct span async;
	const char *name = evl_event_name(e, &async);

	if (a->field == FIELD_ID_EVT_IS_ASYNC)
		evl_set_bool(ret_v, is);
	else if (is)
		evl_set_str(ret_v, async.p ? async : span_str(name));
}

enum { CONST_SOURCE, CONST_HOST, CONST_ONE, CONST_ZERO, CONST_0NS };

static void get_const(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	if (a->variant == CONST_SOURCE)
		evl_set_str(ret_v, SPAN_LIT("syscall"));
	else if (a->variant == CONST_HOST)
		evl_set_str(
			ret_v, (struct span){.p = e->settings->host,
				       .n = strnlen(e->settings->host, sizeof(e->settings->host))});
	else if (a->variant == CONST_0NS)
		evl_set_str(ret_v, SPAN_LIT("0ns"));
	else
		evl_set_u64(ret_v, a->variant == CONST_ONE);
}

/* I/O events belong to what their descriptor is. */
static const char *category(const struct evl *e)
{
	const struct ev_fd *fd = evl_fd_known(e);

	switch (e->view->info->cat) {
	case KEV_CAT_IO_READ:
	case KEV_CAT_IO_WRITE:
	case KEV_CAT_IO_OTHER:
		break;
	case KEV_CAT_IPC:
		return "IPC"; /* in small letters where a descriptor tells */
	default:
		return kev_cat_str(e->view->info->cat);
	}
	switch (fd ? fd->type : EV_FD_UNKNOWN) {
	case EV_FD_FILE:
	case EV_FD_DIRECTORY:
		return "file";
	case EV_FD_IPV4:
	case EV_FD_IPV6:
	case EV_FD_IPV4_SERVER:
	case EV_FD_IPV6_SERVER:
		return "net";
	case EV_FD_UNIX:
	case EV_FD_PIPE:
	case EV_FD_EVENTFD:
	case EV_FD_SIGNALFD:
	case EV_FD_INOTIFY:
	case EV_FD_USERFAULTFD:
		return "ipc";
	default:
		return "unknown";
	}
}

static void get_category(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	(void)a;
	evl_set_str(ret_v, span_str(category(e)));
}

static void get_cpu(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	(void)a;
	evl_set_i64(ret_v, e->view->ev->cpu);
}

static void get_res(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	struct evl_text t;
	const char *name;
	int64_t res;

	(void)a;
	if (!evl_has_res(e, &res))
		return;
	if (res >= 0) {
		evl_set_str(ret_v, SPAN_LIT("SUCCESS"));
		return;
	}
	name = kev_errno_str(-(res + 1) + 1);
	t = evl_scratch_open(&e->scratch);
	if (name)
		evl_text_str(&t, name);
	else
		evl_text_i64(&t, res);
	evl_set_str(ret_v, evl_scratch_close(&e->scratch, &t));
}

enum {
	RES_RAW,
	RES_FAILED,
	RES_ERROR,
	RES_ERROR_FILE,
	RES_ERROR_NET,
	RES_ERROR_MEMORY,
	RES_ERROR_OTHER
};

/* Which count an error belongs to: what the descriptor is, or else what the call is for. */
static bool is_of_error_class(const struct evl *e, int16_t which)
{
	const struct ev_fd *fd = evl_fd_known(e);
	bool is_memory = e->view->info->cat == KEV_CAT_MEMORY;
	bool is_file = fd && (fd->type == EV_FD_FILE || fd->type == EV_FD_DIRECTORY);
	bool is_net = fd && (fd->type == EV_FD_UNIX ||
				    (fd->type >= EV_FD_IPV4 && fd->type <= EV_FD_IPV6_SERVER));

	if (!fd) {
		switch (e->view->ev->type) {
		case KEV_CODE_SYSCALL_OPEN_X:
		case KEV_CODE_SYSCALL_CREAT_X:
		case KEV_CODE_SYSCALL_OPENAT_2_X:
		case KEV_CODE_SYSCALL_OPENAT2_X:
		case KEV_CODE_SYSCALL_OPEN_BY_HANDLE_AT_X:
			is_file = true;
			break;
		case KEV_CODE_SYSCALL_RENAMEAT_X:
		case KEV_CODE_SYSCALL_RENAMEAT2_X:
		case KEV_CODE_SYSCALL_LINKAT_2_X: /* by the directory, if one is known */
			is_file = ev_att_find(e->view, EV_ATT_FD, 1) != NULL;
			break;
		case KEV_CODE_SOCKET_ACCEPT_5_X:
		case KEV_CODE_SOCKET_ACCEPT4_6_X:
		case KEV_CODE_SOCKET_CONNECT_X:
			is_net = true;
			break;
		default:
			break;
		}
	}
	return which == RES_ERROR_FILE     ? is_file
	       : which == RES_ERROR_NET    ? is_net
	       : which == RES_ERROR_MEMORY ? is_memory
	       : which == RES_ERROR_OTHER  ? !is_file && !is_net && (fd || !is_memory)
					   : true;
}
_Static_assert(EV_FD_IPV6_SERVER - EV_FD_IPV4 == 3, "internet sockets stand together");

static void get_res_number(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	int64_t res;

	if (!evl_has_res(e, &res))
		return;
	if (a->variant == RES_RAW)
		evl_set_i64(ret_v, res);
	else if (a->variant == RES_FAILED)
		evl_set_bool(ret_v, res < 0);
	else if (is_of_error_class(e, a->variant))
		evl_set_u64(ret_v, res < 0);
}

static void get_io(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	evl_set_bool(ret_v, e->view->info->flags & (uint16_t)a->variant);
}

static void get_io_dir(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	(void)a;
	if (e->view->info->flags & KEV_WRITES) /* also what does both, like copy_file_range */
		evl_set_str(ret_v, SPAN_LIT("write"));
	else if (e->view->info->flags & KEV_READS)
		evl_set_str(ret_v, SPAN_LIT("read"));
}

static void get_is_syslog(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct ev_fd *fd = evl_fd_known(e);
	struct span name = fd ? evl_fd_text(e, fd->name) : (struct span){0};

	(void)a;
	evl_set_bool(ret_v, (e->view->info->flags & KEV_WRITES) && fd && fd->type == EV_FD_UNIX &&
				    name.n >= 8 && memmem(name.p, name.n, "/dev/log", 8));
}

static void get_buffer(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	int i = kev_param_find(e->view->info, "data");
	int64_t res;

	(void)a;
	if (i < 0 || i >= e->view->ev->n_params)
		return;
	if (e->view->param[i].n)
		evl_set_str(ret_v, e->view->param[i]);
	else if (evl_has_res(e, &res) && res >= 0)
		evl_set_str(ret_v, SPAN_LIT("")); /* the end of a file */
}

/* variant: KEV_READS or KEV_WRITES or both; 0x1000: files, 0x2000: network only */
#define BUF_FILE 0x1000
#define BUF_NET 0x2000
static void get_buflen(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	uint16_t want = (uint16_t)(a->variant & (KEV_READS | KEV_WRITES));
	uint8_t cat = e->view->info->cat;
	bool is_io = want == KEV_READS    ? cat == KEV_CAT_IO_READ
		     : want == KEV_WRITES ? cat == KEV_CAT_IO_WRITE
					  : cat == KEV_CAT_IO_READ || cat == KEV_CAT_IO_WRITE ||
						    cat == KEV_CAT_IO_OTHER;
	int64_t res;

	if (!evl_has_res(e, &res) || res < 0 || !is_io || !evl_fd_known(e))
		return;
	if ((a->variant & BUF_FILE) && strcmp(category(e), "file") != 0)
		return;
	if ((a->variant & BUF_NET) && strcmp(category(e), "net") != 0)
		return;
	evl_set_u64(ret_v, (uint64_t)res);
}

static void get_procinfo(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	bool is = e->view->ev->type == KEV_CODE_PROCINFO_E;

	evl_set_u64(ret_v, is && (a->field == FIELD_ID_EVT_COUNT_THREADINFO ||
					 (e->thread && (e->thread->flags & PREC_MAIN))));
}

const struct evl_field_row evl_fields_evt[] = {
	{FIELD_ID_EVT_NUM, 0, get_num},
	{FIELD_ID_EVT_SOURCE, CONST_SOURCE, get_const},
	{FIELD_ID_EVT_HOSTNAME, CONST_HOST, get_const},
	{FIELD_ID_EVT_COUNT, CONST_ONE, get_const},
	{FIELD_ID_EVT_LATENCY, CONST_ZERO, get_const},
	{FIELD_ID_EVT_LATENCY_S, CONST_ZERO, get_const},
	{FIELD_ID_EVT_LATENCY_NS, CONST_ZERO, get_const},
	{FIELD_ID_EVT_LATENCY_QUANTIZED, CONST_ZERO, get_const},
	{FIELD_ID_EVT_LATENCY_HUMAN, CONST_0NS, get_const},
	{FIELD_ID_EVT_WAIT_LATENCY, CONST_ZERO, get_const},
	{FIELD_ID_EVT_IS_ASYNC, 0, get_async},
	{FIELD_ID_EVT_ASYNCTYPE, 0, get_async},
	{FIELD_ID_EVT_DIR, DIR_SYMBOL, get_dir},
	{FIELD_ID_EVT_COUNT_EXIT, DIR_EXIT, get_dir},
	{FIELD_ID_EVT_TYPE, 0, get_type},
	{FIELD_ID_EVT_TYPE_IS, 0, get_type_is},
	{FIELD_ID_SYSCALL_TYPE, 0, get_type},
	{FIELD_ID_EVT_CATEGORY, 0, get_category},
	{FIELD_ID_EVT_CPU, 0, get_cpu},
	{FIELD_ID_EVT_RES, 0, get_res},
	{FIELD_ID_EVT_RAWRES, RES_RAW, get_res_number},
	{FIELD_ID_EVT_FAILED, RES_FAILED, get_res_number},
	{FIELD_ID_EVT_COUNT_ERROR, RES_ERROR, get_res_number},
	{FIELD_ID_EVT_COUNT_ERROR_FILE, RES_ERROR_FILE, get_res_number},
	{FIELD_ID_EVT_COUNT_ERROR_NET, RES_ERROR_NET, get_res_number},
	{FIELD_ID_EVT_COUNT_ERROR_MEMORY, RES_ERROR_MEMORY, get_res_number},
	{FIELD_ID_EVT_COUNT_ERROR_OTHER, RES_ERROR_OTHER, get_res_number},
	{FIELD_ID_EVT_COUNT_PROCINFO, 0, get_procinfo},
	{FIELD_ID_EVT_COUNT_THREADINFO, 0, get_procinfo},
	{FIELD_ID_EVT_IS_IO, KEV_READS | KEV_WRITES, get_io},
	{FIELD_ID_EVT_IS_IO_READ, KEV_READS, get_io},
	{FIELD_ID_EVT_IS_IO_WRITE, KEV_WRITES, get_io},
	{FIELD_ID_EVT_IS_WAIT, KEV_WAITS, get_io},
	{FIELD_ID_EVT_IO_DIR, 0, get_io_dir},
	{FIELD_ID_EVT_IS_SYSLOG, 0, get_is_syslog},
	{FIELD_ID_EVT_BUFFER, 0, get_buffer},
	{FIELD_ID_EVT_BUFLEN, KEV_READS | KEV_WRITES, get_buflen},
	{FIELD_ID_EVT_BUFLEN_IN, KEV_READS, get_buflen},
	{FIELD_ID_EVT_BUFLEN_OUT, KEV_WRITES, get_buflen},
	{FIELD_ID_EVT_BUFLEN_FILE, KEV_READS | KEV_WRITES | BUF_FILE, get_buflen},
	{FIELD_ID_EVT_BUFLEN_FILE_IN, KEV_READS | BUF_FILE, get_buflen},
	{FIELD_ID_EVT_BUFLEN_FILE_OUT, KEV_WRITES | BUF_FILE, get_buflen},
	{FIELD_ID_EVT_BUFLEN_NET, KEV_READS | KEV_WRITES | BUF_NET, get_buflen},
	{FIELD_ID_EVT_BUFLEN_NET_IN, KEV_READS | BUF_NET, get_buflen},
	{FIELD_ID_EVT_BUFLEN_NET_OUT, KEV_WRITES | BUF_NET, get_buflen},
	{0, 0, NULL},
};
