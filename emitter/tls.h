/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* TLS over a socket of the dialer's, without waiting. Keys and authorities come as text and are read
 * before the seal; the peer's name is checked always. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tls_context;
struct tls;

/* PEM texts; NULL: no authority (then nobody is trusted), no certificate of our own. 0 or negative
 * errno with *reterr_why (static). */
int tls_context_new(const char *ca, const char *cert, const char *key,
	struct tls_context **ret_context, const char **reterr_why);
struct tls_context *tls_context_free(struct tls_context *c);

/* @fd: borrowed, non-blocking, connected. NULL: out of memory. */
struct tls *tls_new(struct tls_context *c, int fd, const char *host);
/* Says goodbye if it can, without waiting. */
struct tls *tls_free(struct tls *t);
/* 0 done; -EAGAIN: *ret_events (EPOLL*) are waited for; else negative errno, why in tls_why(). */
int tls_handshake(struct tls *t, uint32_t *ret_events);
/* Bytes taken, or -EAGAIN with *ret_events, or negative errno; 0 from tls_read(): the peer said
 * goodbye. */
ssize_t tls_write(struct tls *t, const void *p, size_t n, uint32_t *ret_events);
ssize_t tls_read(struct tls *t, void *p, size_t n, uint32_t *ret_events);
/* Bytes that went into the socket so far. */
uint64_t tls_n_raw(const struct tls *t);
/* Of the last failure: one line. */
const char *tls_why(const struct tls *t);
