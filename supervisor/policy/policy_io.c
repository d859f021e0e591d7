/* SPDX-License-Identifier: Apache-2.0 */
/* What both runs do with the world: ask the supervisor for files, read them, hand segments back,
 * print. The supervisor opens regular files and folders only and is trusted; what stands in them is
 * bounded here and judged by the parsers. */

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/log.h>
#include <base/macros.h>
#include <shm/segment.h>

#include "policy.h"

#define DIR_NAMES_MAX 4096

/* A descriptor of the path, or negative errno. */
int policy_ask(struct stage *s, const char *path, bool is_dir)
{
	struct ctl_msg m;
	int fd = -1, r;

	if (strlen(path) >= CTL_TEXT_MAX)
		return -ENAMETOOLONG;
	r = stage_send(s, CTL_OPEN, FD_NONE, 0, 0, is_dir, path, -1);
	if (r < 0)
		return r;
	r = ctl_recv(s->ctl_fd, &m, &fd);
	if (r <= 0)
		return r < 0 ? r : -ECONNRESET;
	if (m.type != CTL_OPENED || (m.result == 0 && fd < 0)) {
		(void)fd_close(fd);
		return -EBADMSG;
	}
	if (m.result < 0)
		fd = fd_close(fd);
	return m.result < 0 ? m.result : fd;
}

int policy_read_fd(struct arena *a, int fd, const char **ret_text, size_t *ret_n)
{
	_cleanup_free_ char *buf = NULL;
	size_t n = 0, cap = 0;
	const char *copy;

	for (;;) {
		ssize_t got;

		if (n == cap) {
			char *bigger = realloc(buf, cap = MAX(cap * 2, (size_t)65536));

			if (!bigger)
				return -ENOMEM;
			buf = bigger;
		}
		got = pread(fd, buf + n, cap - n, (off_t)n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
		if (n > POLICY_FILE_MAX)
			return -EFBIG;
	}
	copy = arena_strndup(a, buf, n);
	if (!copy)
		return -ENOMEM;
	*ret_text = copy;
	*ret_n = n;
	return 0;
}

static int read_file(
	void *ctx, struct arena *a, const char *path, const char **ret_text, size_t *ret_n)
{
	_cleanup_close_ int fd = policy_ask(ctx, path, false);

	return fd < 0 ? fd : policy_read_fd(a, fd, ret_text, ret_n);
}

static int list_dir(
	void *ctx, struct arena *a, const char *path, const char *const **ret_names, size_t *ret_n)
{
	const char **names = arena_alloc(a, DIR_NAMES_MAX * sizeof(*names));
	size_t n = 0;
	int fd = policy_ask(ctx, path, true);
	DIR *dir;

	if (fd < 0)
		return fd;
	dir = names ? fdopendir(fd) : NULL;
	if (!dir) {
		(void)fd_close(fd);
		return names ? -errno : -ENOMEM;
	}
	for (const struct dirent *e; (e = readdir(dir)) && n < DIR_NAMES_MAX;) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		names[n] = arena_strdup(a, e->d_name);
		if (!names[n++])
			break;
	}
	(void)closedir(dir);
	if (n && !names[n - 1])
		return -ENOMEM;
	*ret_names = names;
	*ret_n = n;
	return n == DIR_NAMES_MAX ? -EOVERFLOW : 0;
}

static const char *env(void *ctx _unused_, const char *name)
{
	return getenv(name);
}

struct config_source policy_source(struct stage *s)
{
	return (struct config_source){
		.read_file = read_file, .list_dir = list_dir, .env = env, .ctx = s};
}

/* One line, marked for the supervisor to print as it is. */
static void print_line(const char *line, size_t n)
{
	_cleanup_free_ char *text = malloc(n + 2);
	size_t done = 0;

	if (!text)
		return;
	text[0] = '0';
	memcpy(text + 1, line, n);
	text[n + 1] = '\n';
	while (done < n + 2) {
		ssize_t w = write(CTL_FD_LOG, text + done, n + 2 - done);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return; /* nobody listens any more */
		done += (size_t)w;
	}
}

void policy_print(const struct diag *d)
{
	_cleanup_free_ char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		return;
	diag_print(d, f);
	(void)fclose(f); /* memory: text is what was written so far */
	for (const char *p = text, *end; p && p < text + n; p = end + 1) {
		end = memchr(p, '\n', (size_t)(text + n - p));
		if (!end)
			end = text + n;
		print_line(p, (size_t)(end - p));
	}
}

int policy_give(struct stage *s, enum ctl_role role, unsigned index, const char *name, int kind,
	const void *p, size_t n)
{
	static const uint8_t no_run[16]; /* the supervisor has not told one yet */
	_cleanup_close_ int fd = -1;
	int r = seg_create_sealed(name, (enum seg_kind)kind, p, n, no_run, &fd);

	if (r < 0)
		return log_err_errno(r, "make segment '%s'", name);
	r = stage_send(s, CTL_GIVE, role, index, 0, 0, name, fd);
	return r < 0 ? log_err_errno(r, "hand over segment '%s'", name) : 0;
}

void policy_result(struct stage *s, int result, const uint64_t value[3], const char *text)
{
	struct ctl_msg m = {.magic = CTL_MAGIC, .type = CTL_RESULT, .result = result};
	int r;

	for (unsigned i = 0; value && i < 3; i++)
		m.value[i] = value[i];
	(void)snprintf(m.text, sizeof(m.text), "%s", text);
	r = ctl_send(s->ctl_fd, &m, -1);
	if (r < 0)
		(void)log_err_errno(r, "send the result");
}
