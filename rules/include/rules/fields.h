/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The field table. Static data. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_class {
	FIELD_EVT,
	FIELD_EVTS,
	FIELD_PROCESS,
	FIELD_USER,
	FIELD_GROUP,
	FIELD_FD,
	FIELD_FSPATH,
	FIELD_UTIL,
	FIELD_FDLIST,
	FIELD_CONTAINER,
	FIELD_K8S
};

enum field_type {
	FT_CHARBUF,
	FT_BYTEBUF,
	FT_BOOL,
	FT_INT16,
	FT_INT32,
	FT_INT64,
	FT_UINT32,
	FT_UINT64,
	FT_DOUBLE,
	FT_PORT,
	FT_RELTIME,
	FT_ABSTIME,
	FT_IPADDR,
	FT_IPNET,
	FT_DYNAMIC, /* evt.rawarg: by the parameter */
	_FT_MAX,
};
enum field_print { FP_NONE, FP_ID, FP_DEC, FP_HEX, FP_PAD9 };

#define FA_NONE 0x00
#define FA_OPT 0x01
#define FA_REQ 0x02
#define FAF_SUFFIX 0x10 /* field.NAME */
#define FAF_INDEX 0x20  /* field[N] */
#define FAF_KEY 0x40    /* field[text] */

#define FF_DEPRECATED 0x001
#define FF_HIDDEN 0x002
#define FF_PRINT_ONLY 0x004
#define FF_FILTER_ONLY 0x008
#define FF_NO_TRANSFORMER 0x010
#define FF_NO_RHS 0x020
#define FF_LIST 0x040
#define FF_SUGGESTED 0x080

/* What a value depends on: event alone, or only on the process, its ancestors, user and container
 * (rememberable per slot). */
enum field_scope { FS_EVENT, FS_PROC, FS_CONST };

enum field_id {
#define FIELD(ID, name, cls, type, print, arg, flags, scope, help) FIELD_ID_##ID,
#include <rules/fields.def>
	_FIELD_ID_MAX,
};

struct field_info {
	const char *name;
	uint8_t cls, type, print, arg, scope;
	uint16_t flags;
	const char *help;
};

const struct field_info *field_info_get(enum field_id id);
/* The field whose name is the longest prefix of text in lookup order of the classes; *ret_used =
 * bytes matched. NULL if none. */
const struct field_info *field_find_prefix(
	const char *text, size_t n, enum field_id *ret_id, size_t *ret_used);
/* Closest known name, for "did you mean"; NULL if nothing is near. In the rules library, not in the
 * image library. */
const char *field_suggest(const char *text, size_t n);
