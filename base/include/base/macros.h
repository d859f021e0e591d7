/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Small macros that everybody needs. */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
/* a: power of two */
#define ALIGN_UP(x, a) (((x) + ((a)-1)) & ~((__typeof__(x))(a)-1))
#define STRINGIFY_(x) #x
#define STRINGIFY(x) STRINGIFY_(x)
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define _printf_(f, a) __attribute__((format(printf, f, a)))
#define _pure_ __attribute__((pure))
#define _noreturn_ __attribute__((noreturn))
#define _unused_ __attribute__((unused))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
