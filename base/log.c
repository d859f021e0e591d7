/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines: built in one buffer, written by one write(2), so that lines of several processes on one descriptor stay whole. */
#include <base/log.h>

#include <sys/socket.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <base/strbuf.h>
#include <base/utf8.h>

#define LINE_MAX_BYTES 2048

static struct {
	int fd;
	enum log_format format;
	enum log_level max_level;
	char who[32];
	int syslog_fd;              /* -1: none now */
	int (*syslog_reopen)(void); /* NULL: no second place */
} state = {.syslog_fd = -1,
	.fd = STDERR_FILENO,
	.format = LOG_TEXT,
	.max_level = LOG_LVL_INFO,
	.who = "saker"};

static const char *level_str(enum log_level level)
{
	switch (level) {
	case LOG_LVL_RAW:
		return "raw";
	case LOG_LVL_ERR:
		return "error";
	case LOG_LVL_WARNING:
		return "warning";
	case LOG_LVL_NOTICE:
		return "notice";
	case LOG_LVL_INFO:
		return "info";
	case LOG_LVL_DEBUG:
		return "debug";
	}
	return "info";
}

void log_open(int fd, enum log_format format, enum log_level max_level, const char *who)
{
	state.fd = fd;
	state.format = format;
	state.max_level = max_level;
	(void)snprintf(state.who, sizeof(state.who), "%s", who); /* cutting a long name is fine */
}

void log_open_syslog(int fd, int (*reopen)(void))
{
	state.syslog_fd = fd;
	state.syslog_reopen = reopen;
}

enum log_level log_max_level(void)
{
	return state.max_level;
}

void log_set_level(enum log_level max_level)
{
	state.max_level = max_level;
}

static void emit(const char *line, size_t n)
{
	ssize_t k;

	do
		k = write(state.fd, line, n);
	while (k < 0 && errno == EINTR);
	/* a log line that cannot be written has nowhere to be reported */
}

/* facility daemon; a system logger that was restarted is found again with the next line */
static void emit_syslog(enum log_level level, const char *who, const char *text)
{
	const int pri = 3 << 3 | (level == LOG_LVL_RAW ? LOG_LVL_ERR : (int)level);
	char line[LINE_MAX_BYTES + 96];
	int n;

	if (!state.syslog_reopen)
		return;
	n = snprintf(line, sizeof(line), "<%d>saker[%d]: %s%s%s\n", pri, (int)getpid(),
		strcmp(who, "saker") ? who : "", strcmp(who, "saker") ? ": " : "", text);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(line))
		n = sizeof(line) - 1;
	for (int tries = 0; tries < 2; tries++) {
		if (state.syslog_fd >= 0 &&
			(send(state.syslog_fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 ||
				errno == EAGAIN))
			return;
		if (state.syslog_fd >= 0)
			(void)close(state.syslog_fd);
		state.syslog_fd = state.syslog_reopen();
	}
}

static void emit_json(enum log_level level, const char *who, const char *text)
{
	_cleanup_strbuf_ struct strbuf b = {0};
	struct timespec ts;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strbuf_addf(&b,
		"{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%06ldZ\",\"level\":\"%s\",\"stage\":",
		tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		ts.tv_nsec / 1000, level_str(level));
	json_add_string(&b, span_str(who));
	strbuf_add_str(&b, ",\"message\":");
	json_add_string(&b, span_str(text));
	strbuf_add_str(&b, "}\n");
	if (strbuf_ok(&b))
		emit(b.p, b.n);
}

void log_relay(enum log_level level, const char *who, const char *text)
{
	char line[LINE_MAX_BYTES + 64];
	int n;

	if (level > state.max_level)
		return;
	emit_syslog(level, who, text);
	if (state.format == LOG_JSON) {
		emit_json(level, who, text);
		return;
	}
	if (level == LOG_LVL_RAW)
		n = snprintf(
			line, sizeof(line), state.format == LOG_STAGE ? "0%s\n" : "%s\n", text);
	else if (state.format == LOG_STAGE)
		n = snprintf(line, sizeof(line), "%d%s\n", (int)level, text);
	else if (level <= LOG_LVL_WARNING)
		n = snprintf(line, sizeof(line), "%s: %s: %s\n", who, level_str(level), text);
	else
		n = snprintf(line, sizeof(line), "%s: %s\n", who, text);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof(line)) {
		n = sizeof(line) - 1;
		line[n - 1] = '\n';
	}
	emit(line, (size_t)n);
}

void log_writev(enum log_level level, const char *fmt, va_list ap)
{
	char text[LINE_MAX_BYTES];

	if (level > state.max_level)
		return;
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		return;
	for (char *p = text; *p; p++) /* one line is one line, whatever a name in it holds */
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	log_relay(level, state.who, text);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_writev(level, fmt, ap);
	va_end(ap);
}

int log_write_errno(enum log_level level, int r, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) >= 0)
		log_write(level, "%s: %s", text, strerror(r < 0 ? -r : r));
	va_end(ap);
	return r;
}
