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

static void get_fspath(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct path_row *row = find_row(e);
	const struct ev_fd *fd = evl_fd_known(e);
	bool is_raw = a->variant >= FS_RAW;
	const char *param;
	int64_t res;
	int i;

	if (!row || !evl_has_res(e, &res) || res < 0)
		return;
	param = a->variant % FS_RAW == FS_NAME     ? row->name
		: a->variant % FS_RAW == FS_SOURCE ? row->source
						   : row->target;
	if (a->variant % FS_RAW == FS_NAME && row->by_fd && fd && (!is_raw || !param)) {
		if (fd->name.off)
			evl_set_str(ret_v, evl_fd_text(e, fd->name));
		return;
	}
	i = param ? evl_param(e, param) : -1;
	if (i >= 0)
		evl_set_str(ret_v, is_raw ? evl_param_text(e, (unsigned)i)
					  : evl_param_abspath(e, (unsigned)i));
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
			evl_set_str(ret_v, evl_param_abspath(e, (unsigned)i));
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
