/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a BPF iterator descriptor to its end and cuts the stream into kev records. The kernel
 * writes records back to back, but a read may end anywhere in one. Lengths are checked here,
 * everything else at the caller's door. */

#include <driver/iter.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <abi/kevent.h>

/* The unread rest goes to the front, new bytes behind it. Bytes read, 0 at the end, negative errno.
 */
static ssize_t fill(struct drv_iter *it)
{
	ssize_t n;

	memmove(it->buf, (char *)it->buf + it->at, it->have - it->at);
	it->have -= it->at;
	it->at = 0;
	if (it->have == it->cap)
		return -EBADMSG; /* a record larger than any */
	do
		n = read(it->fd, (char *)it->buf + it->have, it->cap - it->have);
	while (n < 0 && (errno == EINTR || errno == EAGAIN));
	if (n < 0)
		return -errno;
	it->have += (size_t)n;
	return n;
}

int drv_iter_next(struct drv_iter *it, const void **ret_rec, size_t *ret_len)
{
	for (;;) {
		const struct kev_head *h = (const void *)((char *)it->buf + it->at);
		size_t left = it->have - it->at;
		ssize_t n;

		if (left >= sizeof(*h)) {
			if (h->len < sizeof(*h) || h->len > KEV_SIZE_MAX || h->len % 8)
				return -EBADMSG;
			if (h->len <= left) {
				*ret_rec = h;
				*ret_len = h->len;
				it->at += h->len;
				return 1;
			}
		}
		n = fill(it);
		if (n < 0)
			return (int)n;
		if (n == 0)
			return it->have ? -EBADMSG : 0;
	}
}
