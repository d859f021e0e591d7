/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Addresses as they stand in events, and the names that sockets get from them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/span.h>

enum st_family { ST_AF_NONE, ST_AF_INET, ST_AF_INET6, ST_AF_UNIX };

struct st_tuple {
	enum st_family family;
	uint8_t sip[16], dip[16]; /* IPv4 in the first 4 bytes, network order */
	uint16_t sport, dport;
	uint64_t source, dest; /* unix: kernel addresses */
	struct span path;      /* unix */
};

#define ST_SOCK_NAME_MAX 4352

/* KEV_T_SOCKTUPLE bytes. false: empty, of another family or cut. IPv4 in IPv6 on both ends becomes
 * IPv4. */
bool st_tuple_parse(struct span bytes, struct st_tuple *ret_tuple);
/* KEV_T_SOCKADDR bytes, as the destination. */
bool st_addr_parse(struct span bytes, struct st_tuple *ret_tuple);
/* IPv4 in IPv6 on both ends becomes IPv4. */
void st_tuple_unmap(struct st_tuple *t);
void st_tuple_swap(struct st_tuple *t);
/* `sip:sport->dip:dport`, `sip->dip` for ICMP and raw, `src->dst path`. @l4: enum ev_l4. Into @buf
 * (ST_SOCK_NAME_MAX bytes). */
struct span st_tuple_name(const struct st_tuple *t, uint8_t l4, char *buf);
/* `ip:port` of the destination, or the path. */
struct span st_addr_name(const struct st_tuple *t, char *buf);
