/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of the host's interfaces, from saker_iface records. They decide what counts as local in
 * fd.lip, fd.rip and their ports. */

#include "host.h"

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

bool st_host_is_local(const struct st_host *h, unsigned family, const uint8_t *ip)
{
	return is_loopback(family, ip) || is_listed(h, family, ip);
}

bool st_host_pick(const struct st_host *h, unsigned family, const uint8_t *remote, uint8_t *ret_ip)
{
	if (is_loopback(family, remote)) {
		memcpy(ret_ip, remote, ip_bytes(family));
		return true;
	}
	for (unsigned i = 0; i < h->n_addrs; i++) {
		const struct st_addr *a = &h->addrs[i];

		if (a->family != family || is_loopback(family, a->ip))
			continue;
		memcpy(ret_ip, a->ip, ip_bytes(family));
		return true;
	}
	return false;
}

void st_host_set_listening(struct st_host *h, uint16_t port)
{
	h->listening[port / 8] |= (uint8_t)(1u << port % 8);
}

bool st_host_is_listening(const struct st_host *h, uint16_t port)
{
	return h->listening[port / 8] & (1u << port % 8);
}
