/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* saker's own log. Stages write lines to descriptor 4, from where the supervisor takes them; tools and the supervisor to stderr.
 * A line on the stage descriptor is "<level digit><text>\n", the level as syslog's number; on stderr it is the text alone or JSON. */

#include <stdarg.h>
#include <stdbool.h>

#include <base/macros.h>

enum log_level {
	LOG_LVL_RAW = 0,     /* text as it is, without name and level: diagnostics for the user */
	LOG_LVL_ERR = 3,     /* a person must act */
	LOG_LVL_WARNING = 4, /* degraded, continuing */
	LOG_LVL_NOTICE = 5,  /* lifecycle */
	LOG_LVL_INFO = 6,    /* once per start */
	LOG_LVL_DEBUG = 7,   /* free */
};

enum log_format {
	LOG_TEXT,  /* "saker: text" for people */
	LOG_JSON,  /* one JSON object a line */
	LOG_STAGE, /* for the supervisor: level digit + text */
};

/* Where and how lines go. @fd is borrowed. @who: short name printed before the text ("saker", "tracker"); copied, at most 31 bytes. */
void log_open(int fd, enum log_format format, enum log_level max_level, const char *who);
/* A second place for the same lines, as RFC 3164 messages: a connected socket of a system logger, owned by the log; -1: not there yet. @reopen
 * gives another one when it fails, or negative errno; the line is then lost. */
void log_open_syslog(int fd, int (*reopen)(void));
enum log_level log_max_level(void);
void log_set_level(enum log_level max_level);

void log_write(enum log_level level, const char *fmt, ...) _printf_(2, 3);
void log_writev(enum log_level level, const char *fmt, va_list ap) _printf_(2, 0);
/* Appends ": <strerror(-r)>" and returns r (a negative errno). */
int log_write_errno(enum log_level level, int r, const char *fmt, ...) _printf_(3, 4);
/* Writes a line that already carries its own "who" (the supervisor relaying a stage's line). */
void log_relay(enum log_level level, const char *who, const char *text);

#define log_err(...) log_write(LOG_LVL_ERR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LVL_WARNING, __VA_ARGS__)
#define log_notice(...) log_write(LOG_LVL_NOTICE, __VA_ARGS__)
#define log_info(...) log_write(LOG_LVL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LVL_DEBUG, __VA_ARGS__)
#define log_err_errno(r, ...) log_write_errno(LOG_LVL_ERR, (r), __VA_ARGS__)
#define log_warning_errno(r, ...) log_write_errno(LOG_LVL_WARNING, (r), __VA_ARGS__)
