/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What is known of the host itself: its addresses. */

#include <stdbool.h>
#include <stdint.h>

#include <base/span.h>

#define ST_IFACES_MAX 256

struct st_addr {
	uint8_t family; /* 4, 6 */
	uint8_t prefix_len;
	uint8_t ip[16];
};

struct st_host {
	struct st_addr addrs[ST_IFACES_MAX];
	unsigned n_addrs;
	uint8_t listening[65536 /
			  8]; /* bit set: TCP ports that the snapshot found sockets bound to */
};

/* @addr: 4 or 16 bytes. Known ones and those beyond the table are passed over. */
void st_host_add(struct st_host *h, struct span addr, uint8_t prefix_len);
/* One of this machine's addresses (loopback included). @family 4 or 6. */
bool st_host_is_local(const struct st_host *h, unsigned family, const uint8_t *ip);
/* An end that is "any" becomes the address that most likely stands for it: of the interface in
 * whose network the other end is, else the first that is not loopback. Only one end is filled in,
 * the source first. */
void st_host_fill(const struct st_host *h, unsigned family, uint8_t *sip, uint8_t *dip);
void st_host_set_listening(struct st_host *h, uint16_t port);
bool st_host_is_listening(const struct st_host *h, uint16_t port);
