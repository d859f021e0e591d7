/* SPDX-License-Identifier: Apache-2.0 */
/* What the writer and the verifier of policy images must agree on: types, operators, checksum,
 * vocabulary. No input of its own. */

#include <stddef.h>
#include <string.h>

#include <base/hash.h>
#include <base/macros.h>
#include <rules/fields.h>
#include <rules/image.h>

const uint16_t img_element_size[_IMG_SEC_MAX] = {
	[IMG_SEC_STR] = 1,
	[IMG_SEC_RULE] = sizeof(struct img_rule),
	[IMG_SEC_TAG] = sizeof(struct img_str),
	[IMG_SEC_NODE] = sizeof(struct img_node),
	[IMG_SEC_PRED] = sizeof(struct img_pred),
	[IMG_SEC_EXPR] = sizeof(struct img_expr),
	[IMG_SEC_ARG] = sizeof(uint32_t),
	[IMG_SEC_CONST] = sizeof(struct img_const),
	[IMG_SEC_SET] = sizeof(struct img_set),
	[IMG_SEC_SETSLOT] = sizeof(uint32_t),
	[IMG_SEC_FMT] = sizeof(struct img_fmt),
	[IMG_SEC_OUTFIELD] = sizeof(struct img_outfield),
	[IMG_SEC_EVENT] = sizeof(struct img_event),
	[IMG_SEC_RULEREF] = sizeof(uint32_t),
	[IMG_SEC_OUTPUT] = sizeof(struct img_str),
	[IMG_SEC_KPATHS] = sizeof(struct kshm_paths),
};

#define BIT(x) (1u << (x))
#define T_NUMBERS (BIT(IMG_T_I64) | BIT(IMG_T_U64) | BIT(IMG_T_DOUBLE))
#define T_LISTS (BIT(IMG_T_LIST_STR) | BIT(IMG_T_LIST_U64))
#define T_SCALARS                                                                                  \
	(T_NUMBERS | BIT(IMG_T_STR) | BIT(IMG_T_BYTES) | BIT(IMG_T_BOOL) | BIT(IMG_T_IPADDR) |     \
		BIT(IMG_T_IPNET))
#define T_TEXTS (BIT(IMG_T_STR) | BIT(IMG_T_BYTES))

static const uint16_t types_of_op[_IMG_OP_MAX] = {
	[IMG_OP_EXISTS] = T_SCALARS | T_LISTS,
	[IMG_OP_EQ] = T_SCALARS,
	[IMG_OP_NE] = T_SCALARS,
	[IMG_OP_LT] = T_NUMBERS | BIT(IMG_T_STR),
	[IMG_OP_LE] = T_NUMBERS | BIT(IMG_T_STR),
	[IMG_OP_GT] = T_NUMBERS | BIT(IMG_T_STR),
	[IMG_OP_GE] = T_NUMBERS | BIT(IMG_T_STR),
	[IMG_OP_CONTAINS] = T_TEXTS,
	[IMG_OP_ICONTAINS] = BIT(IMG_T_STR),
	[IMG_OP_BCONTAINS] = BIT(IMG_T_BYTES),
	[IMG_OP_STARTSWITH] = T_TEXTS,
	[IMG_OP_BSTARTSWITH] = BIT(IMG_T_BYTES),
	[IMG_OP_ENDSWITH] = T_TEXTS,
	[IMG_OP_GLOB] = BIT(IMG_T_STR),
	[IMG_OP_IGLOB] = BIT(IMG_T_STR),
	[IMG_OP_REGEX] = BIT(IMG_T_STR),
	[IMG_OP_IN] = T_SCALARS | T_LISTS,
	[IMG_OP_INTERSECTS] = T_SCALARS | T_LISTS,
	[IMG_OP_PMATCH] = BIT(IMG_T_STR),
};

bool img_op_takes(enum img_op op, enum img_type t)
{
	return (unsigned)op < _IMG_OP_MAX && (unsigned)t < _IMG_T_MAX && (types_of_op[op] & BIT(t));
}

int img_type_of_field(const struct field_info *f)
{
	static const int8_t of[_FT_MAX] = {
		[FT_CHARBUF] = IMG_T_STR,
		[FT_BYTEBUF] = IMG_T_BYTES,
		[FT_BOOL] = IMG_T_BOOL,
		[FT_INT16] = IMG_T_I64,
		[FT_INT32] = IMG_T_I64,
		[FT_INT64] = IMG_T_I64,
		[FT_UINT32] = IMG_T_U64,
		[FT_UINT64] = IMG_T_U64,
		[FT_DOUBLE] = IMG_T_DOUBLE,
		[FT_PORT] = IMG_T_U64,
		[FT_RELTIME] = IMG_T_U64,
		[FT_ABSTIME] = IMG_T_U64,
		[FT_IPADDR] = IMG_T_IPADDR,
		[FT_IPNET] = IMG_T_IPNET,
		[FT_DYNAMIC] = -1,
	};
	int t = f->type < _FT_MAX ? of[f->type] : -1;

	if (!(f->flags & FF_LIST))
		return t;
	return t == IMG_T_STR ? IMG_T_LIST_STR : t == IMG_T_U64 ? IMG_T_LIST_U64 : -1;
}

enum img_type img_type_of_element(enum img_type t)
{
	return t == IMG_T_LIST_STR ? IMG_T_STR : t == IMG_T_LIST_U64 ? IMG_T_U64 : t;
}

uint64_t img_checksum(const void *p, size_t n)
{
	const size_t at = offsetof(struct img_head, checksum), after = at + sizeof(uint64_t);
	const uint8_t *b = p;

	assert(n >= sizeof(struct img_head));
	return hash_bytes(b + after, n - after, hash_bytes(b, at, IMG_MAGIC));
}

static const char event_text[] =
#define EV(code, NAME, str, dir, cat, kind, flags, n)                                              \
#code " " #NAME " " str " " #dir " " #cat " " #kind " " #flags " " #n "\n"
#define EVP(NAME, i, str, type, base, ft) #i " " str " " #type " " #base " " #ft "\n"
#include <abi/events.def>
	;

static const char field_text[] =
#define FIELD(ID, name, cls, type, print, arg, flags, scope, help)                                 \
	name " " #cls " " #type " " #print " " #arg " " #flags " " #scope "\n"
#include <rules/fields.def>

	;

uint64_t img_vocabulary(void)
{
	return hash_bytes(field_text, sizeof(field_text),
		hash_bytes(event_text, sizeof(event_text), IMG_VERSION));
}
