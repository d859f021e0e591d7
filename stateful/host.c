/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of the host's interfaces, from saker_iface records. They decide what counts as local in
 * fd.lip, fd.rip and their ports. */

#include "host.h"

#include <endian.h>
#include <string.h>

#include <base/macros.h>

static size_t ip_bytes(unsigned family)
{
	return family == 4 ? 4 : 16;
}

static bool is_loopback(unsigned family, const uint8_t *ip)
{
	static const uint8_t loop6[16] = {[15] = 1};

	return family == 4 ? ip[0] == 127 : memcmp(ip, loop6, 16) == 0;
}

static bool is_listed(const struct st_host *h, unsigned family, const uint8_t *ip)
{
	for (unsigned i = 0; i < h->n_addrs; i++)
		if (h->addrs[i].family == family &&
			memcmp(h->addrs[i].ip, ip, ip_bytes(family)) == 0)
			return true;
	return false;
}

void st_host_add(struct st_host *h, struct span addr, uint8_t prefix_len)
{
	unsigned family = addr.n == 4 ? 4 : 6;

	if ((addr.n != 4 && addr.n != 16) || h->n_addrs == ST_IFACES_MAX ||
		is_listed(h, family, (const uint8_t *)addr.p))
		return;
	h->addrs[h->n_addrs] =
		(struct st_addr){.family = (uint8_t)family, .prefix_len = prefix_len};
	memcpy(h->addrs[h->n_addrs].ip, addr.p, addr.n);
	h->n_addrs++;
}

static bool is_any(unsigned family, const uint8_t *ip)
{
	static const uint8_t any[16];

	return memcmp(ip, any, ip_bytes(family)) == 0;
}

bool st_host_is_local(const struct st_host *h, unsigned family, const uint8_t *ip)
{
	/* the reference takes IPv6's "any", but not IPv4's, for the machine itself */
	return is_loopback(family, ip) || is_listed(h, family, ip) ||
	       (family == 6 && is_any(6, ip));
}

/* IPv4 by the length of the prefix, IPv6 by the first half, as the reference does. */
static bool is_in_net(const struct st_addr *a, const uint8_t *ip)
{
	uint32_t mine, other, mask;

	if (a->family == 6)
		return memcmp(a->ip, ip, 8) == 0;
	memcpy(&mine, a->ip, sizeof(mine));
	memcpy(&other, ip, sizeof(other));
	mask = a->prefix_len ? htobe32(UINT32_MAX << (32 - MIN(a->prefix_len, 32))) : 0;
	return ((mine ^ other) & mask) == 0;
}

static const struct st_addr *stand_in(
	const struct st_host *h, unsigned family, const uint8_t *other)
{
	static const uint8_t loop4[4] = {127, 0, 0, 1}, loop6[16] = {[15] = 1};
	const uint8_t *loop = family == 4 ? loop4 : loop6;

	for (unsigned i = 0; i < h->n_addrs; i++)
		if (h->addrs[i].family == family && is_in_net(&h->addrs[i], other))
			return &h->addrs[i];
	for (unsigned i = 0; i < h->n_addrs; i++)
		if (h->addrs[i].family == family &&
			memcmp(h->addrs[i].ip, loop, ip_bytes(family)) != 0)
			return &h->addrs[i];
	return NULL;
}

void st_host_fill(const struct st_host *h, unsigned family, uint8_t *sip, uint8_t *dip)
{
	uint8_t *end = is_any(family, sip) ? sip : is_any(family, dip) ? dip : NULL;
	const struct st_addr *a;

	if (!end)
		return;
	a = stand_in(h, family, end == sip ? dip : sip);
	if (a)
		memcpy(end, a->ip, ip_bytes(family));
}

void st_host_set_listening(struct st_host *h, uint16_t port)
{
	h->listening[port / 8] |= (uint8_t)(1u << port % 8);
}

bool st_host_is_listening(const struct st_host *h, uint16_t port)
{
	return h->listening[port / 8] & (1u << port % 8);
}
