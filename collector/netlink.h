/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The host's addresses from a route socket that the supervisor opened. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <net/if.h>

#define MD_LINKS_MAX 1024 /* interfaces whose names are kept */
#define MD_NETLINK_BUF 65536

struct md_addr {
	char name[IF_NAMESIZE];
	uint8_t addr[16];
	uint8_t n; /* 4 or 16 bytes of it */
	uint8_t prefix_len;
};

enum md_dump { MD_DUMP_NONE, MD_DUMP_LINKS, MD_DUMP_ADDRS };

struct md_netlink {
	int fd;            /* borrowed; -1: no socket */
	enum md_dump dump; /* what was asked for and has not ended */
	uint32_t seq;      /* of the last request */
	size_t have, at;   /* bytes in buf, of them looked at */
	uint32_t n_bad;    /* messages refused */
	struct {
		uint32_t index; /* 0: free */
		char name[IF_NAMESIZE];
	} links[MD_LINKS_MAX];
	unsigned next_link; /* place that is given away next when all are taken */
	uint64_t buf[MD_NETLINK_BUF / sizeof(uint64_t)];
};

/* Looks at the message at the front of a datagram. @p: 8-aligned, n bytes. Returns the aligned bytes it takes (> 0), or -EBADMSG: the rest is unusable.
 * *ret_has: an address in *ret_addr. Names of interfaces and ends of lists go into nl. */
int md_netlink_parse(
	struct md_netlink *nl, const void *p, size_t n, bool *ret_has, struct md_addr *ret_addr);

/* Ask for the lists anew: interfaces, then addresses. 0 or negative errno. */
int md_netlink_start(struct md_netlink *nl);
/* The next address, listed or notified. Returns 1; 0 nothing now; negative errno: the socket is broken. */
int md_netlink_next(struct md_netlink *nl, struct md_addr *ret_addr);

/* saker_iface into buf (KEV_SIZE_MAX bytes); its length. */
int md_addr_record(const struct md_addr *a, void *buf);
