/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The event and flag tables for user space. Static data, no allocation. */

#include <stdbool.h>
#include <stdint.h>

#include <abi/kevent.h>

enum kev_dir { KEV_ENTER, KEV_EXIT, KEV_NONE };
enum kev_base { KEV_DEC, KEV_HEX, KEV_OCT, KEV_PAD };

struct kev_flag {
	const char *name; /* NULL ends a table */
	uint32_t value;
};

struct kev_param_info {
	const char *name;
	uint8_t type;                 /* enum kev_type */
	uint8_t base;                 /* enum kev_base */
	const struct kev_flag *flags; /* NULL: none */
};

struct kev_info {
	uint16_t code;
	uint16_t ix;        /* enum kev_ix */
	uint8_t dir;        /* enum kev_dir */
	uint8_t cat;        /* enum kev_cat */
	uint8_t kind;       /* enum kev_kind */
	uint8_t n_params;   /* declared */
	uint16_t flags;     /* KEV_CREATES_FD … */
	const char *name;   /* evt.type */
	const char *symbol; /* "SYSCALL_OPENAT_2_X" */
	const struct kev_param_info *params;
};

/* The row of a code, NULL if there is none. */
const struct kev_info *kev_info_find(uint16_t code);
/* The row of a dense index; ix < _KEV_IX_MAX. */
const struct kev_info *kev_info_get(uint16_t ix);
/* The index of the parameter, -1 if the event has none of that name. */
int kev_param_find(const struct kev_info *info, const char *name);
/* Is there any event with a parameter of that name (evt.arg.NAME)? */
bool kev_param_name_exists(const char *name, unsigned len);
/* "file", "net", … */
const char *kev_cat_str(enum kev_cat cat);
/* Width in bytes of a fixed-width type, 0 for variable ones. */
extern const uint8_t kev_type_widths[_KEV_T_MAX];
static inline unsigned kev_type_width(enum kev_type type)
{
	return (unsigned)type < _KEV_T_MAX ? kev_type_widths[type] : 0;
}
/* Descriptors, pids and results among them. */
static inline bool kev_type_is_signed(enum kev_type type)
{
	switch (type) {
	case KEV_T_INT8:
	case KEV_T_INT16:
	case KEV_T_INT32:
	case KEV_T_INT64:
	case KEV_T_FD:
	case KEV_T_FD32:
	case KEV_T_PID:
	case KEV_T_PID32:
	case KEV_T_ERRNO:
		return true;
	default:
		return false;
	}
}
/* Errno symbol without sign ("ENOENT"), NULL if unknown. */
const char *kev_errno_str(int64_t err);
/* "SIGKILL", NULL if unknown. */
const char *kev_signal_str(unsigned sig);
/* Native (x86-64) system call name, NULL if unknown. nr < 512. */
const char *kev_syscall_str(unsigned nr);
/* Is it the name of any system call of the table (generic ones included)? */
bool kev_syscall_name_exists(const char *name, unsigned len);
