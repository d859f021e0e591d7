/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* An emitter's end of its line to the dialer: many connections asked for at once, answers in any
 * order. The stage's own thread reads the line when it is ready; a library's threads may ask and wait
 * as well. */

#include <stdbool.h>
#include <stdint.h>

#include <shm/dial.h>

#define DIAL_PENDING_MAX 32

struct dial;

/* Takes @fd. NULL: out of memory. Before the seal. */
struct dial *dial_new(int fd);
struct dial *dial_free(struct dial *d);
/* Borrowed: watch it for reading, then call dial_ready(). */
int dial_fd(const struct dial *d);

/* Ask. 0 and a number; -EBUSY: too many at once; -ENAMETOOLONG; other negative errno. */
int dial_start(struct dial *d, enum dial_proto proto, const char *host, uint16_t port,
	unsigned timeout_ms, uint32_t *ret_id);
/* What came of it. -EAGAIN: nothing yet (but -ETIMEDOUT when its time and a second is over). 0 and a
 * connected, non-blocking socket, the caller's, and the peer's address in @text; other negative
 * errno, and why in @text. The number is forgotten unless -EAGAIN. */
int dial_take(struct dial *d, uint32_t id, int *ret_fd, char text[DIAL_TEXT_MAX]);
/* Not wanted any more. */
void dial_forget(struct dial *d, uint32_t id);
/* Read all answers that have come. */
void dial_ready(struct dial *d);
/* For other threads than the stage's: asks and waits. As dial_take();
 * -ECANCELED after dial_cancel_all(). */
int dial_wait(struct dial *d, enum dial_proto proto, const char *host, uint16_t port,
	unsigned timeout_ms, int *ret_fd, char text[DIAL_TEXT_MAX]);
/* Whoever waits is let go, and whoever begins to wait, until @is_over. */
void dial_cancel_all(struct dial *d, bool is_over);
