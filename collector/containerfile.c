/* SPDX-License-Identifier: Apache-2.0 */
/* The file of containers' facts. Its text is the user's, and checked as a whole before anything of it is used. Who is gone from it stays known: its last processes may still run. */

#include "containerfile.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/log.h>
#include <base/macros.h>

void md_containers_done(struct md_containers *c)
{
	json_decref(c->root);
	*c = (struct md_containers){0};
}

/* All of the file into a buffer of its own. */
static int read_file(int fd, size_t size, char **ret_text, size_t *ret_n)
{
	_cleanup_free_ char *text = malloc(size + 1);
	size_t n = 0;

	if (!text)
		return -ENOMEM;
	while (n <= size) { /* one byte more than it should have: then it grew meanwhile */
		ssize_t k = pread(fd, text + n, size + 1 - n, (off_t)n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		if (k == 0)
			break;
		n += (size_t)k;
	}
	if (n > size)
		return -EAGAIN;
	*ret_text = TAKE_PTR(text);
	*ret_n = n;
	return 0;
}

int md_containers_read(struct md_containers *c, int fd, const char *name)
{
	_cleanup_free_ char *text = NULL;
	struct md_json_error e;
	json_t *root;
	size_t n = 0;
	int r;

	if (fstat(fd, &c->seen) < 0)
		return log_err_errno(-errno, "read '%s'", name);
	if (!S_ISREG(c->seen.st_mode) || c->seen.st_size > (off_t)MD_CONTAINER_FILE_MAX) {
		log_err("%s: not a regular file of at most %u MiB", name,
			MD_CONTAINER_FILE_MAX >> 20);
		return -EFBIG;
	}
	r = read_file(fd, (size_t)c->seen.st_size, &text, &n);
	if (r < 0)
		return log_err_errno(r, "read '%s'", name);
	root = md_containers_parse(text, n, &e);
	if (!root) {
		log_err("%s:%u:%u: %s", name, e.line, e.column, e.why);
		return -EINVAL;
	}
	json_decref(c->root);
	c->root = root;
	md_containers_again(c);
	return 0;
}

bool md_containers_is_stale(const struct md_containers *c, int fd)
{
	const struct stat *old = &c->seen;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return true;
	/* the change time moves when the name is given to another file */
	return st.st_nlink == 0 || st.st_nlink != old->st_nlink || st.st_size != old->st_size ||
	       st.st_mtim.tv_sec != old->st_mtim.tv_sec ||
	       st.st_mtim.tv_nsec != old->st_mtim.tv_nsec ||
	       st.st_ctim.tv_sec != old->st_ctim.tv_sec ||
	       st.st_ctim.tv_nsec != old->st_ctim.tv_nsec;
}

int md_containers_record(struct md_containers *c, void *buf)
{
	if (!c->at)
		return 0;
	md_container_of_entry(&c->one, json_object_iter_key(c->at), json_object_iter_value(c->at));
	return md_container_record(&c->one, buf);
}

void md_containers_taken(struct md_containers *c)
{
	if (c->one.flags & CREC_CUT)
		log_warning("container '%.64s' has more mounts or labels than are kept",
			json_object_iter_key(c->at));
	c->at = json_object_iter_next(c->root, c->at);
}

void md_containers_again(struct md_containers *c)
{
	c->at = c->root ? json_object_iter(c->root) : NULL;
}
