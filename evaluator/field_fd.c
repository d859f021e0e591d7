/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of the descriptor that the event is about, but for its addresses (field_net.c). The
 * tracker resolved it; for a descriptor that its table does not know, only the number and what the
 * event itself says of the name are there. While an event is judged under its second name, the name
 * is the kernel's. */
#include <abi/events.h>
#include <base/macros.h>

#include "field.h"

const struct ev_fd *evl_fd_known(const struct evl *e)
{
	const struct ev_fd *fd = e->view->fd;

	return fd && evl_is_fd_event(e) && (fd->flags & EV_FD_KNOWN) ? fd : NULL;
}

static const struct {
	const char *name;
	char c;
} types[_EV_FD_TYPE_MAX] = {
	[EV_FD_UNKNOWN] = {"<NA>", 'o'},
	[EV_FD_FILE] = {"file", 'f'},
	[EV_FD_DIRECTORY] = {"directory", 'd'},
	[EV_FD_IPV4] = {"ipv4", '4'},
	[EV_FD_IPV6] = {"ipv6", '6'},
	[EV_FD_IPV4_SERVER] = {"ipv4", '4'},
	[EV_FD_IPV6_SERVER] = {"ipv6", '6'},
	[EV_FD_UNIX] = {"unix", 'u'},
	[EV_FD_PIPE] = {"pipe", 'p'},
	[EV_FD_EVENTFD] = {"event", 'e'},
	[EV_FD_SIGNALFD] = {"signalfd", 's'},
	[EV_FD_EVENTPOLL] = {"eventpoll", 'l'},
	[EV_FD_INOTIFY] = {"inotify", 'i'},
	[EV_FD_TIMERFD] = {"timerfd", 't'},
	[EV_FD_NETLINK] = {"netlink", 'n'},
	[EV_FD_BPF] = {"bpf", 'b'},
	[EV_FD_USERFAULTFD] = {"userfaultfd", 'u'},
	[EV_FD_IO_URING] = {"io_uring", 'r'},
	[EV_FD_MEMFD] = {"memfd", 'm'},
	[EV_FD_PIDFD] = {"pidfd", 'P'},
	[EV_FD_UNSUPPORTED] = {"<NA>", 'X'},
};

const char *evl_fd_type_str(unsigned type)
{
	return type < ARRAY_LEN(types) ? types[type].name : "<NA>";
}

char evl_fd_typechar(unsigned type)
{
	return type < ARRAY_LEN(types) ? types[type].c : 'o';
}

/* The name where the table knows no descriptor: what was asked for. */
static struct span asked_name(struct evl *e)
{
	const struct ev_fd *fd = e->view->fd;
	int i = -1;

	if (fd && fd->name.off)
		return evl_fd_text(e, fd->name);
	switch (e->view->ev->type) {
	case KEV_CODE_SYSCALL_OPEN_X:
	case KEV_CODE_SYSCALL_CREAT_X:
	case KEV_CODE_SYSCALL_OPENAT_2_X:
	case KEV_CODE_SYSCALL_OPENAT2_X:
		i = evl_param(e, "name");
		break;
	case KEV_CODE_SYSCALL_OPEN_BY_HANDLE_AT_X:
		i = evl_param(e, "path");
		break;
	case KEV_CODE_SOCKET_CONNECT_X:
	case KEV_CODE_SOCKET_ACCEPT_5_X:
	case KEV_CODE_SOCKET_ACCEPT4_6_X:
		i = kev_param_find(e->view->info, "tuple");
		if (i >= 0 && i < e->view->ev->n_params) { /* an absent one prints as such */
			struct evl_text t = evl_scratch_open(&e->scratch);

			evl_param_plain(e, (unsigned)i, &t);
			return evl_scratch_close(&e->scratch, &t);
		}
		break;
	default:
		break;
	}
	return i >= 0 ? evl_param_abspath(e, (unsigned)i) : SPAN_LIT("");
}

bool evl_fd_name(struct evl *e, struct span *ret_name)
{
	const struct ev_fd *fd = evl_fd_known(e);

	if (!evl_is_fd_event(e))
		return false;
	if (e->second_name)
		*ret_name = e->realpath;
	else if (fd)
		*ret_name = fd->name.off ? evl_fd_text(e, fd->name) : SPAN_LIT("");
	else
		*ret_name = asked_name(e);
	return true;
}

static void get_num(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	int64_t res;
	int i;

	(void)a;
	if (!evl_is_fd_event(e))
		return;
	if (e->view->fd) {
		evl_set_i64(ret_v, e->view->fd->num);
		return;
	}
	i = evl_param(e, "fd");
	if ((e->view->info->flags & KEV_CREATES_FD) && evl_has_res(e, &res))
		evl_set_i64(ret_v, res < 0 ? -1 : res);
	else if (i >= 0)
		evl_set_i64(ret_v, evl_param_i64(e, (unsigned)i));
}

static void get_type(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct ev_fd *fd = evl_fd_known(e);

	(void)a;
	if (fd)
		evl_set_str(ret_v, span_str(evl_fd_type_str(fd->type)));
}

/* The letter for an event whose descriptor is unknown: by what its type makes. */
static char guessed_typechar(uint16_t code)
{
	switch (code) {
	case KEV_CODE_SYSCALL_OPENAT_2_X:
	case KEV_CODE_SYSCALL_OPENAT2_X:
	case KEV_CODE_SYSCALL_CREAT_X:
		return 'f';
	case KEV_CODE_SOCKET_SOCKET_X:
	case KEV_CODE_SOCKET_ACCEPT_5_X:
	case KEV_CODE_SOCKET_ACCEPT4_6_X:
		return '4';
	case KEV_CODE_SYSCALL_PIPE_X:
	case KEV_CODE_SYSCALL_PIPE2_X:
		return 'p';
	case KEV_CODE_SYSCALL_EVENTFD_X:
	case KEV_CODE_SYSCALL_EVENTFD2_X:
		return 'e';
	case KEV_CODE_SYSCALL_SIGNALFD_X:
	case KEV_CODE_SYSCALL_SIGNALFD4_X:
		return 's';
	case KEV_CODE_SYSCALL_TIMERFD_CREATE_X:
		return 't';
	case KEV_CODE_SYSCALL_INOTIFY_INIT_X:
	case KEV_CODE_SYSCALL_INOTIFY_INIT1_X:
		return 'i';
	default:
		return 'o';
	}
}

static void get_typechar(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct ev_fd *fd = evl_fd_known(e);
	char *c;

	(void)a;
	if (fd && fd->type < ARRAY_LEN(types)) {
		evl_set_str(ret_v, (struct span){.p = &types[fd->type].c, .n = 1});
		return;
	}
	c = evl_is_fd_event(e) ? evl_scratch_alloc(&e->scratch, 1) : NULL;
	if (!c)
		return;
	*c = fd ? 'o' : guessed_typechar(e->view->ev->type);
	evl_set_str(ret_v, (struct span){.p = c, .n = 1});
}

static struct span directory_of(struct span name)
{
	const char *slash = name.n ? memrchr(name.p, '/', name.n) : NULL;

	if (slash && slash == name.p + name.n - 1)
		return name;
	if (!slash || slash == name.p)
		return SPAN_LIT("/");
	return (struct span){.p = name.p, .n = (size_t)(slash - name.p)};
}

static bool fd_directory(struct evl *e, struct span *ret_dir)
{
	const struct ev_fd *fd = evl_fd_known(e);
	struct span name;

	if (!evl_fd_name(e, &name) || (fd && fd->type != EV_FD_FILE && fd->type != EV_FD_DIRECTORY))
		return false;
	*ret_dir = fd && fd->type == EV_FD_DIRECTORY ? name : directory_of(name);
	return true;
}

enum { NAME, DIRECTORY, FILENAME, NAMERAW, CONTAINER_NAME, CONTAINER_DIR };

static void set_nameraw(struct evl *e, const struct ev_fd *fd, struct evl_value *ret_v)
{
	struct span raw = evl_fd_text(e, fd->nameraw);
	struct evl_text t;

	if (!evl_contains(raw, SPAN_LIT("//"), 1)) {
		evl_set_str(ret_v, raw.n ? raw : SPAN_LIT(""));
		return;
	}
	t = evl_scratch_open(&e->scratch);
	for (size_t i = 0; i < raw.n; i++)
		if (raw.p[i] != '/' || i == 0 || raw.p[i - 1] != '/')
			evl_text_char(&t, raw.p[i]);
	evl_set_str(ret_v, evl_scratch_close(&e->scratch, &t));
}

/* Without a descriptor: what the open was asked for. */
static struct span asked_nameraw(const struct evl *e)
{
	int i = -1;

	switch (e->view->ev->type) {
	case KEV_CODE_SYSCALL_OPEN_X:
	case KEV_CODE_SYSCALL_CREAT_X:
	case KEV_CODE_SYSCALL_OPENAT_2_X:
	case KEV_CODE_SYSCALL_OPENAT2_X:
		i = evl_param(e, "name");
		break;
	default:
		break;
	}
	return i >= 0 ? evl_param_text(e, (unsigned)i) : SPAN_LIT("");
}

static void get_name(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct ev_fd *fd = evl_fd_known(e);
	struct span name;

	switch (a->variant) {
	case NAME:
		if (evl_fd_name(e, &name))
			evl_set_str(ret_v, name);
		break;
	case DIRECTORY:
		if (fd_directory(e, &name))
			evl_set_str(ret_v, name);
		break;
	case FILENAME:
		if (fd && fd->type == EV_FD_FILE && evl_fd_name(e, &name)) {
			const char *slash = name.n ? memrchr(name.p, '/', name.n) : NULL;

			evl_set_str(
				ret_v, slash ? (struct span){.p = slash + 1,
						       .n = (size_t)(name.p + name.n - slash - 1)}
					     : name);
		}
		break;
	default:
		if (fd)
			set_nameraw(e, fd, ret_v);
		else if (evl_is_fd_event(e))
			evl_set_str(ret_v, asked_nameraw(e));
		break;
	}
}

static void get_in_container(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	struct span name;
	struct evl_text t;

	if (!e->thread ||
		!(a->variant == CONTAINER_NAME ? evl_fd_name(e, &name) : fd_directory(e, &name)))
		return;
	t = evl_scratch_open(&e->scratch);
	evl_text_add(&t, evl_container_id(e));
	evl_text_char(&t, ':');
	evl_text_add(&t, name);
	evl_set_str(ret_v, evl_scratch_close(&e->scratch, &t));
}

static void get_uid(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	struct evl_text t;

	(void)a;
	if (!evl_is_fd_event(e) || !e->view->fd)
		return;
	t = evl_scratch_open(&e->scratch);
	evl_text_i64(&t, e->view->ev->tid);
	evl_text_i64(&t, e->view->fd->num);
	evl_set_str(ret_v, evl_scratch_close(&e->scratch, &t));
}

static void get_flag(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct ev_fd *fd = evl_fd_known(e);

	if (fd)
		evl_set_bool(ret_v, fd->flags & (uint8_t)a->variant);
}

enum { DEV, MAJOR, MINOR, INO };

static void get_inode(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct ev_fd *fd = evl_fd_known(e);

	if (!fd)
		return;
	/* the kernel's new_encode_dev(): 12 bits of major between the two parts of minor */
	evl_set_i64(ret_v, a->variant == DEV     ? (int64_t)fd->dev
			   : a->variant == MAJOR ? (int64_t)((fd->dev & 0xfff00) >> 8)
			   : a->variant == MINOR
				   ? (int64_t)((fd->dev & 0xff) | ((fd->dev >> 12) & 0xfff00))
				   : (int64_t)fd->ino);
}

static void one_type(struct evl *e, int64_t num, struct evl_value *ret_v)
{
	const struct ev_att *stdio =
		num >= 0 && num <= 2 ? ev_att_find(e->view, EV_ATT_STDIO, (uint16_t)num) : NULL;
	const struct ev_fd *fd = evl_fd_known(e);
	struct span *list = evl_scratch_alloc(&e->scratch, sizeof(*list));

	if (!fd || fd->num != num)
		fd = stdio ? ev_att_data(stdio) : NULL;
	if (!fd || !list || !(fd->flags & EV_FD_KNOWN))
		return;
	list[0] = span_str(evl_fd_type_str(fd->type));
	*ret_v = (struct evl_value){.type = EVL_LIST, .n = 1, .list = list};
}

static void get_types(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	struct span *list = evl_scratch_alloc(&e->scratch, _EV_FD_TYPE_MAX * sizeof(*list));
	const struct ev_att *att = evl_att(e, EV_ATT_FDTYPES);
	uint32_t set, n = 0;

	if (a->x->arg_kind == IMG_ARG_INDEX) {
		one_type(e, a->x->index, ret_v);
		return;
	}
	if (!att || !list || !evl_is_fd_event(e))
		return;
	memcpy(&set, ev_att_data(att), sizeof(set));
	for (unsigned i = 0; i < _EV_FD_TYPE_MAX; i++) {
		struct span name = span_str(types[i].name);
		uint32_t k = 0;

		while (k < n && !span_eq(list[k], name))
			k++;
		if ((set >> i & 1) && k == n)
			list[n++] = name;
	}
	*ret_v = (struct evl_value){.type = EVL_LIST, .n = n, .list = list};
}

static void get_realpath(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	(void)a;
	if (e->realpath.p)
		evl_set_str(ret_v, e->realpath);
}

const struct evl_field_row evl_fields_fd[] = {
	{FIELD_ID_FD_NUM, 0, get_num},
	{FIELD_ID_FD_TYPE, 0, get_type},
	{FIELD_ID_FD_TYPECHAR, 0, get_typechar},
	{FIELD_ID_FD_NAME, NAME, get_name},
	{FIELD_ID_FD_DIRECTORY, DIRECTORY, get_name},
	{FIELD_ID_FD_FILENAME, FILENAME, get_name},
	{FIELD_ID_FD_NAMERAW, NAMERAW, get_name},
	{FIELD_ID_FD_CONTAINERNAME, CONTAINER_NAME, get_in_container},
	{FIELD_ID_FD_CONTAINERDIRECTORY, CONTAINER_DIR, get_in_container},
	{FIELD_ID_FD_UID, 0, get_uid},
	{FIELD_ID_FD_CONNECTED, EV_FD_CONNECTED, get_flag},
	{FIELD_ID_FD_NAME_CHANGED, EV_FD_NAME_CHANGED, get_flag},
	{FIELD_ID_FD_IS_UPPER_LAYER, EV_FD_UPPER_LAYER, get_flag},
	{FIELD_ID_FD_IS_LOWER_LAYER, EV_FD_LOWER_LAYER, get_flag},
	{FIELD_ID_FD_DEV, DEV, get_inode},
	{FIELD_ID_FD_DEV_MAJOR, MAJOR, get_inode},
	{FIELD_ID_FD_DEV_MINOR, MINOR, get_inode},
	{FIELD_ID_FD_INO, INO, get_inode},
	{FIELD_ID_FD_TYPES, 0, get_types},
	{FIELD_ID_FD_REALPATH, 0, get_realpath},
	{0, 0, NULL},
};
