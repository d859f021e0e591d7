/* SPDX-License-Identifier: Apache-2.0 */
/* fs.path.* and evt.abspath: the paths of calls that take paths. A row of the table says which
 * parameters they are. */
#include <abi/events.h>
#include <base/macros.h>

#include "field.h"

static const struct path_row {
	uint16_t type;
	const char *name, *source, *target; /* parameters */
	bool by_fd;                         /* the name is the descriptor's */
} path_rows[] = {
	{KEV_CODE_SYSCALL_MKDIR_2_X, "path", NULL, NULL, false},
	{KEV_CODE_SYSCALL_MKDIRAT_X, "path", NULL, NULL, false},
	{KEV_CODE_SYSCALL_RMDIR_2_X, "path", NULL, NULL, false},
	{KEV_CODE_SYSCALL_UNLINK_2_X, "path", NULL, NULL, false},
	{KEV_CODE_SYSCALL_UNLINKAT_2_X, "name", NULL, NULL, false},
	{KEV_CODE_SYSCALL_OPEN_X, "name", NULL, NULL, true},
	{KEV_CODE_SYSCALL_OPENAT_2_X, "name", NULL, NULL, true},
	{KEV_CODE_SYSCALL_OPENAT2_X, "name", NULL, NULL, true},
	{KEV_CODE_SYSCALL_UMOUNT_1_X, "name", NULL, NULL, false},
	{KEV_CODE_SYSCALL_UMOUNT2_X, "name", NULL, NULL, false},
	{KEV_CODE_SYSCALL_CHMOD_X, "filename", NULL, NULL, false},
	{KEV_CODE_SYSCALL_FCHMODAT_X, "filename", NULL, NULL, false},
	{KEV_CODE_SYSCALL_FCHMOD_X, NULL, NULL, NULL, true},
	{KEV_CODE_SYSCALL_FCHOWN_X, NULL, NULL, NULL, true},
	{KEV_CODE_SYSCALL_CHOWN_X, "path", NULL, NULL, false},
	{KEV_CODE_SYSCALL_LCHOWN_X, "path", NULL, NULL, false},
	{KEV_CODE_SYSCALL_FCHOWNAT_X, "pathname", NULL, NULL, false},
	{KEV_CODE_SYSCALL_QUOTACTL_X, "special", NULL, NULL, false},
	{KEV_CODE_SYSCALL_RENAME_X, NULL, "oldpath", "newpath", false},
	{KEV_CODE_SYSCALL_RENAMEAT_X, NULL, "oldpath", "newpath", false},
	{KEV_CODE_SYSCALL_RENAMEAT2_X, NULL, "oldpath", "newpath", false},
	{KEV_CODE_SYSCALL_LINK_2_X, NULL, "newpath", "oldpath", false},
	{KEV_CODE_SYSCALL_LINKAT_2_X, NULL, "newpath", "oldpath", false},
	{KEV_CODE_SYSCALL_SYMLINK_X, NULL, "linkpath", "target", false},
	{KEV_CODE_SYSCALL_SYMLINKAT_X, NULL, "linkpath", "target", false},
	{KEV_CODE_SYSCALL_MOUNT_X, NULL, "dev", "dir", false},
};

static const struct path_row *find_row(const struct evl *e)
{
	for (unsigned i = 0; i < ARRAY_LEN(path_rows); i++)
		if (path_rows[i].type == e->view->ev->type)
			return &path_rows[i];
	return NULL;
}

enum { FS_NAME, FS_SOURCE, FS_TARGET, FS_RAW };

static bool is_open(const struct evl *e)
{
	switch (e->view->ev->type) {
	case KEV_CODE_SYSCALL_OPEN_X:
	case KEV_CODE_SYSCALL_OPENAT_2_X:
	case KEV_CODE_SYSCALL_OPENAT2_X:
		return true;
	default:
		return false;
	}
}

/* A symbolic link's target is no path of the call; it shows as one relative to the working
 * directory, or to a descriptor that there is none of. */
static struct span link_target(struct evl *e, unsigned i)
{
	struct span target = evl_param_text(e, i), cwd;
	struct evl_text joined, t;

	if (target.n && target.p[0] == '/')
		return evl_param_abspath(e, i);
	joined = evl_scratch_open(&e->scratch);
	cwd = e->leader ? rec_text(e->leader, e->leader->cwd) : (struct span){0};
	if (e->view->ev->type == KEV_CODE_SYSCALL_SYMLINKAT_X || !cwd.n)
		cwd = SPAN_LIT("<UNKNOWN>");
	evl_text_add(&joined, cwd);
	evl_text_add(&joined, target);
	target = evl_scratch_close(&e->scratch, &joined);
	if (target.p[0] != '/')
		return target;
	t = evl_scratch_open(&e->scratch);
	evl_text_path(&t, target);
	return evl_scratch_close(&e->scratch, &t);
}

/* The name of an open is its descriptor's. Without one it is the argument, if that is absolute. */
static struct span opened_name(struct evl *e, unsigned i)
{
	struct span name = evl_param_text(e, i);

	return name.n && name.p[0] == '/' ? evl_param_abspath(e, i) : SPAN_LIT("<UNKNOWN>");
}

static struct span resolved(struct evl *e, const struct path_row *row, unsigned which, unsigned i)
{
	if (row->by_fd)
		return opened_name(e, i);
	return which == FS_TARGET && strcmp(row->target, "target") == 0 ? link_target(e, i)
									: evl_param_abspath(e, i);
}

static void get_fspath(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct path_row *row = find_row(e);
	const struct ev_fd *fd = evl_fd_known(e);
	bool is_raw = a->variant >= FS_RAW;
	unsigned which = (unsigned)a->variant % FS_RAW;
	const char *param;
	int64_t res;
	int i;

	/* of failed opens only those with the number that stands for "no descriptor" have no value */
	if (!row || !evl_has_res(e, &res) || (is_open(e) ? res == -1 : res < 0))
		return;
	param = which == FS_NAME ? row->name : which == FS_SOURCE ? row->source : row->target;
	if (which == FS_NAME && row->by_fd && fd && (!is_raw || !param)) {
		if (fd->name.off)
			evl_set_str(ret_v, evl_fd_text(e, fd->name));
		return;
	}
	i = param ? kev_param_find(e->view->info, param) : -1;
	if (i < 0 || i >= e->view->ev->n_params || (e->view->param[i].n == 0 && !is_open(e)))
		return;
	if (!is_raw)
		evl_set_str(ret_v, resolved(e, row, which, (unsigned)i));
	else
		evl_set_str(
			ret_v, e->view->param[i].n ? evl_param_text(e, (unsigned)i) : SPAN_LIT(""));
}

/* Here a slash stands between what is not known and the rest. */
static struct span with_slash(struct evl *e, struct span path)
{
	const struct span unknown = SPAN_LIT("<UNKNOWN>");
	struct evl_text t;

	if (!span_starts_with(path, unknown) || path.n == unknown.n || path.p[unknown.n] == '/')
		return path;
	t = evl_scratch_open(&e->scratch);
	evl_text_add(&t, unknown);
	evl_text_char(&t, '/');
	evl_text_add(&t, (struct span){.p = path.p + unknown.n, .n = path.n - unknown.n});
	return evl_scratch_close(&e->scratch, &t);
}

/* The path of *at calls; of those with two, the old one (.src) unless the new one (.dst) is asked
 * for. */
static void get_abspath(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	static const struct {
		uint16_t type;
		const char *src, *dst;
	} calls[] = {
		{KEV_CODE_SYSCALL_RENAMEAT_X, "oldpath", "newpath"},
		{KEV_CODE_SYSCALL_RENAMEAT2_X, "oldpath", "newpath"},
		{KEV_CODE_SYSCALL_LINKAT_2_X, "oldpath", "newpath"},
		{KEV_CODE_SYSCALL_SYMLINKAT_X, "linkpath", "linkpath"},
		{KEV_CODE_SYSCALL_OPENAT_2_X, "name", NULL},
		{KEV_CODE_SYSCALL_OPENAT2_X, "name", NULL},
		{KEV_CODE_SYSCALL_UNLINKAT_2_X, "name", NULL},
		{KEV_CODE_SYSCALL_MKDIRAT_X, "path", NULL},
		{KEV_CODE_SYSCALL_FCHMODAT_X, "filename", NULL},
		{KEV_CODE_SYSCALL_FCHOWNAT_X, "pathname", NULL},
	};
	bool is_dst =
		a->x->arg_kind == IMG_ARG_KEY && span_eq_str(img_text(&e->img, a->x->key), "dst");

	for (unsigned k = 0; k < ARRAY_LEN(calls); k++) {
		const char *param = is_dst ? calls[k].dst : calls[k].src;
		int i = calls[k].type == e->view->ev->type && param ? evl_param(e, param) : -1;

		if (i >= 0)
			evl_set_str(ret_v, with_slash(e, evl_param_abspath(e, (unsigned)i)));
	}
}

const struct evl_field_row evl_fields_fspath[] = {
	{FIELD_ID_FS_PATH_NAME, FS_NAME, get_fspath},
	{FIELD_ID_FS_PATH_SOURCE, FS_SOURCE, get_fspath},
	{FIELD_ID_FS_PATH_TARGET, FS_TARGET, get_fspath},
	{FIELD_ID_FS_PATH_NAMERAW, FS_RAW + FS_NAME, get_fspath},
	{FIELD_ID_FS_PATH_SOURCERAW, FS_RAW + FS_SOURCE, get_fspath},
	{FIELD_ID_FS_PATH_TARGETRAW, FS_RAW + FS_TARGET, get_fspath},
	{FIELD_ID_EVT_ABSPATH, 0, get_abspath},
	{0, 0, NULL},
};
