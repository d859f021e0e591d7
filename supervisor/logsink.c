/* SPDX-License-Identifier: Apache-2.0 */
/* The children's log lines: read from one pipe a child, cut into lines, given the stage's name and
 * passed on. Input: hostile (a stage that was taken over writes what it likes). It is bounded in
 * length and rate; control characters do not reach the terminal. Lines of level 0 are a policy
 * run's diagnostics and pass as they are, from the short-lived programs only. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <base/clock.h>
#include <base/log.h>

#include "sup.h"

#define LOG_BURST 60 /* lines */
#define LOG_PER_SECOND 20

static void make_printable(char *line)
{
	for (; *line; line++)
		if ((unsigned char)*line < 0x20 && *line != '\t')
			*line = '?';
		else if (*line == 0x7f)
			*line = '?';
}

static bool may_log(struct sup_child *c)
{
	uint64_t now = clock_mono_ns();
	uint64_t fresh = (now - c->log_refill_ns) / (NS_PER_S / LOG_PER_SECOND);

	if (fresh > 0) {
		c->log_refill_ns = now;
		c->log_tokens = c->log_tokens + fresh > LOG_BURST ? LOG_BURST
								  : c->log_tokens + (unsigned)fresh;
	}
	if (c->log_tokens == 0) {
		c->log_dropped++;
		return false;
	}
	c->log_tokens--;
	if (c->log_dropped) {
		char text[64];

		(void)snprintf(
			text, sizeof(text), "%u lines were left out: too many", c->log_dropped);
		log_relay(LOG_LVL_WARNING, c->proc->name, text);
		c->log_dropped = 0;
	}
	return true;
}

static void relay(struct sup *s, struct sup_child *c, char *line)
{
	bool is_short = c->proc->row->flags & PLAN_SHORT;
	enum log_level level =
		LOG_LVL_ERR; /* without a level: a library's or sanitizer's last words */

	make_printable(line);
	if (line[0] == '0' && is_short && s->args->verb != VERB_RUN &&
		s->args->verb != VERB_RECORD) {
		strbuf_addf(
			&s->held, "%s\n", line + 1); /* who asks for a status knows the warnings */
		return;
	}
	if (line[0] == '0' && is_short) {
		log_relay(LOG_LVL_RAW, c->proc->name, line + 1);
		return;
	}
	if (line[0] >= '3' && line[0] <= '7') {
		level = (enum log_level)(line[0] - '0');
		line++;
	}
	if (level <= log_max_level() && (is_short || may_log(c)))
		log_relay(level, c->proc->name, line);
}

static void take_bytes(struct sup *s, struct sup_child *c, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		bool is_full = c->line_n == sizeof(c->line) - 1;

		if (p[i] != '\n' && p[i] != 0 && !is_full) {
			c->line[c->line_n++] = p[i];
			continue;
		}
		c->line[c->line_n] = 0;
		if (c->line_n > 0)
			relay(s, c, c->line);
		c->line_n = 0;
		if (is_full && p[i] != '\n' && p[i] != 0)
			c->line[c->line_n++] = p[i];
	}
}

/* Reads what is there; false at the end. */
static bool read_some(struct sup *s, struct sup_child *c)
{
	for (unsigned rounds = 0; rounds < 16; rounds++) { /* the others' turn comes */
		char buf[4096];
		ssize_t n = read(c->log.fd, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN;
		if (n == 0)
			return false;
		take_bytes(s, c, buf, (size_t)n);
	}
	return true;
}

void sup_log_ready(struct sup *s, struct sup_watch *w, uint32_t events)
{
	struct sup_child *c = w->owner;

	(void)events;
	if (read_some(s, c))
		return;
	if (c->line_n > 0)
		take_bytes(s, c, "\n", 1);
	sup_watch_close(s, w);
}

void sup_log_flush(struct sup *s, struct sup_child *c)
{
	for (unsigned i = 0; c->log.fd >= 0 && i < 64; i++) {
		if (!read_some(s, c))
			break;
	}
	if (c->line_n > 0)
		take_bytes(s, c, "\n", 1);
	sup_watch_close(s, &c->log);
}

static int open_syslog(void)
{
	return sup_syslog_open("/dev/log");
}

/* Errors of the start always reach the terminal; from then on the log goes where the configuration
 * wants it. */
void sup_log_redirect(const struct sup *s)
{
	int fd;

	if (s->config->log_syslog) {
		fd = open_syslog();
		if (fd < 0)
			log_warning_errno(fd, "log_syslog: '/dev/log' does not answer yet");
		log_open_syslog(fd, open_syslog);
	}
	if (s->config->log_stderr)
		return;
	fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (fd >= 0) /* open until we end */
		log_open(fd, s->config->log_json ? LOG_JSON : LOG_TEXT, log_max_level(), "saker");
}

void sup_log_show_held(struct sup *s)
{
	if (s->held.n > 0)
		(void)fwrite(s->held.p, 1, s->held.n, stderr); /* nothing to do if nobody listens */
	strbuf_reset(&s->held);
}
