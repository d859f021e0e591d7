/* SPDX-License-Identifier: Apache-2.0 */
/* The event, parameter and flag tables, expanded from events.def and flags.def. */
#include <abi/events.h>

#include <stddef.h>
#include <string.h>

#include <base/macros.h>

#define FLAG_TABLE(NAME) static const struct kev_flag NAME[] = {
#define FLAG(NAME, text, v) {.name = (text), .value = (v)},
#define FLAG_TABLE_END(NAME)                                                                       \
	{                                                                                          \
		0                                                                                  \
	}                                                                                          \
	}                                                                                          \
	;
#include <abi/flags.def>

#define FLAGS_NONE NULL

/* All parameters in one array. Every event takes one entry before its own, so that an event without parameters has a place too. */
enum {
#define EV(code, NAME, str, d, c, k, f, n) FIRST_##NAME,
#define EVP(NAME, i, str, t, b, ft) PARAM_##NAME##_##i,
#include <abi/events.def>
};

static const struct kev_param_info params[] = {
#define EV(c, NAME, s, d, ca, k, f, n) [FIRST_##NAME] = {0},
#define EVP(NAME, i, s, t, b, ft)                                                                  \
	[PARAM_##NAME##_##i] = {.name = (s), .type = (t), .base = KEV_##b, .flags = (ft)},
#include <abi/events.def>
};

static const struct kev_info infos[] = {
#define EV(c, NAME, s, d, ca, k, f, n)                                                             \
	[KEV_IX_##NAME] = {.code = (c),                                                            \
		.ix = KEV_IX_##NAME,                                                               \
		.dir = KEV_##d,                                                                    \
		.cat = (ca),                                                                       \
		.kind = (k),                                                                       \
		.n_params = (n),                                                                   \
		.flags = (f),                                                                      \
		.name = (s),                                                                       \
		.symbol = #NAME,                                                                   \
		.params = &params[FIRST_##NAME + 1]},
#define EVP(NAME, i, s, t, b, ft)
#include <abi/events.def>
};
static_assert(ARRAY_LEN(infos) == _KEV_IX_MAX, "one row an event");

/* The compiler makes a jump table of it. */
const struct kev_info *kev_info_find(uint16_t code)
{
	switch (code) {
#define EV(c, NAME, s, d, ca, k, f, n)                                                             \
	case c:                                                                                    \
		return &infos[KEV_IX_##NAME];
#define EVP(NAME, i, s, t, b, ft)
#include <abi/events.def>
	default:
		return NULL;
	}
}

const struct kev_info *kev_info_get(uint16_t ix)
{
	assert(ix < _KEV_IX_MAX);
	return &infos[ix];
}

int kev_param_find(const struct kev_info *info, const char *name)
{
	for (int i = 0; i < info->n_params; i++)
		if (strcmp(info->params[i].name, name) == 0)
			return i;
	return -1;
}

bool kev_param_name_exists(const char *name, unsigned len)
{
	for (size_t i = 0; i < ARRAY_LEN(params); i++)
		if (params[i].name && strlen(params[i].name) == len &&
			memcmp(params[i].name, name, len) == 0)
			return true;
	return false;
}

const char *kev_cat_str(enum kev_cat cat)
{
	static const char *const names[] = {
		[KEV_CAT_FILE] = "file",
		[KEV_CAT_INTERNAL] = "internal",
		[KEV_CAT_IO_OTHER] = "unknown",
		[KEV_CAT_IO_READ] = "unknown",
		[KEV_CAT_IO_WRITE] = "unknown",
		[KEV_CAT_IPC] = "ipc",
		[KEV_CAT_MEMORY] = "memory",
		[KEV_CAT_NET] = "net",
		[KEV_CAT_OTHER] = "other",
		[KEV_CAT_PROCESS] = "process",
		[KEV_CAT_SCHEDULER] = "scheduler",
		[KEV_CAT_SIGNAL] = "signal",
		[KEV_CAT_SLEEP] = "sleep",
		[KEV_CAT_SYSTEM] = "system",
		[KEV_CAT_TIME] = "time",
		[KEV_CAT_USER] = "user",
		[KEV_CAT_WAIT] = "wait",
	};
	static_assert(ARRAY_LEN(names) == _KEV_CAT_MAX, "a name for every category");

	return names[cat];
}

const uint8_t kev_type_widths[_KEV_T_MAX] = {
	[KEV_T_INT8] = 1,
	[KEV_T_UINT8] = 1,
	[KEV_T_FLAGS8] = 1,
	[KEV_T_ENUM8] = 1,
	[KEV_T_SIGTYPE] = 1,
	[KEV_T_INT16] = 2,
	[KEV_T_UINT16] = 2,
	[KEV_T_FLAGS16] = 2,
	[KEV_T_ENUM16] = 2,
	[KEV_T_SYSCALLID] = 2,
	[KEV_T_PORT] = 2,
	[KEV_T_INT32] = 4,
	[KEV_T_UINT32] = 4,
	[KEV_T_FD32] = 4,
	[KEV_T_PID32] = 4,
	[KEV_T_UID] = 4,
	[KEV_T_GID] = 4,
	[KEV_T_MODE] = 4,
	[KEV_T_FLAGS32] = 4,
	[KEV_T_ENUM32] = 4,
	[KEV_T_SIGSET] = 4,
	[KEV_T_IPV4ADDR] = 4,
	[KEV_T_INT64] = 8,
	[KEV_T_UINT64] = 8,
	[KEV_T_FD] = 8,
	[KEV_T_PID] = 8,
	[KEV_T_ERRNO] = 8,
	[KEV_T_RELTIME] = 8,
	[KEV_T_ABSTIME] = 8,
	[KEV_T_IPV6ADDR] = 16,
};
