/* SPDX-License-Identifier: Apache-2.0 */
/* evt.is_open_*: what an open asked for, from the flags and mode parameters in the vocabulary's own
 * encoding (flags.def). False, not without value, for events that open nothing. */
#include <abi/events.h>

#include "field.h"

#define OF_RDONLY 0x1
#define OF_WRONLY 0x2
#define OF_CREAT 0x4
#define OF_TMPFILE 0x2000
#define OF_F_CREATED 0x4000
#define MODE_ANY_X 0111

enum { OPEN_READ, OPEN_WRITE, OPEN_EXEC, OPEN_CREATE };

static uint64_t param_or_zero(const struct evl *e, const char *name)
{
	int i = evl_param(e, name);

	return i >= 0 ? evl_param_u64(e, (unsigned)i) : 0;
}

unsigned evl_open_flags_param(uint16_t type)
{
	switch (type) {
	case KEV_CODE_SYSCALL_OPEN_X:
	case KEV_CODE_SYSCALL_OPEN_BY_HANDLE_AT_X:
		return 2;
	case KEV_CODE_SYSCALL_OPENAT_2_X:
	case KEV_CODE_SYSCALL_OPENAT2_X:
		return 3;
	default:
		return 0;
	}
}

uint8_t evl_open_flag(uint16_t field)
{
	return field == FIELD_ID_EVT_IS_OPEN_READ ? OF_RDONLY : OF_WRONLY;
}

static void get_open(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	uint16_t type = e->view->ev->type;
	unsigned at = evl_open_flags_param(type);
	uint64_t flags = at && at < e->view->ev->n_params ? evl_param_u64(e, at) : 0;
	int64_t res = -1;
	bool v = false;

	if (!evl_has_res(e, &res))
		res = -1;
	switch (a->variant) {
	case OPEN_READ:
		v = flags & OF_RDONLY;
		break;
	case OPEN_WRITE:
		v = flags & OF_WRONLY;
		break;
	case OPEN_EXEC:
		if (type == KEV_CODE_SYSCALL_CREAT_X || (flags & (OF_CREAT | OF_TMPFILE)))
			v = type != KEV_CODE_SYSCALL_OPEN_BY_HANDLE_AT_X &&
			    (param_or_zero(e, "mode") & MODE_ANY_X);
		break;
	default:
		v = (flags & OF_F_CREATED) || ((flags & OF_TMPFILE) && res >= 0);
		break;
	}
	evl_set_bool(ret_v, v);
}

const struct evl_field_row evl_fields_open[] = {
	{FIELD_ID_EVT_IS_OPEN_READ, OPEN_READ, get_open},
	{FIELD_ID_EVT_IS_OPEN_WRITE, OPEN_WRITE, get_open},
	{FIELD_ID_EVT_IS_OPEN_EXEC, OPEN_EXEC, get_open},
	{FIELD_ID_EVT_IS_OPEN_CREATE, OPEN_CREATE, get_open},
	{0, 0, NULL},
};
