/* SPDX-License-Identifier: Apache-2.0 */
/* Reads interfaces and addresses from a route socket: first a list of each, then what changes if the supervisor subscribed the socket.
 * Input: datagrams that claim to come from the kernel; the sender is checked, and every length by subtraction. An address that goes away is not reported: what was
 * local once stays so for the rules, which is the careful side. */

#include "netlink.h"

#include <sys/socket.h>
#include <linux/rtnetlink.h>

#include <errno.h>
#include <string.h>

#include <base/clock.h>
#include <base/macros.h>
#include <driver/kev.h>

struct attr {
	const uint8_t *p;
	size_t n;
};

/* The next attribute of @rest; false at the end or where it cannot be. */
static bool next_attr(struct attr *rest, uint16_t *ret_type, struct attr *ret_value)
{
	struct rtattr a;

	if (rest->n < sizeof(a))
		return false;
	memcpy(&a, rest->p, sizeof(a));
	if (a.rta_len < sizeof(a) || a.rta_len > rest->n)
		return false;
	*ret_type = a.rta_type;
	*ret_value = (struct attr){.p = rest->p + sizeof(a), .n = a.rta_len - sizeof(a)};
	size_t used = MIN(ALIGN_UP((size_t)a.rta_len, 4), rest->n);
	rest->p += used;
	rest->n -= used;
	return true;
}

static void copy_name(char to[IF_NAMESIZE], struct attr value)
{
	size_t n = strnlen((const char *)value.p, MIN(value.n, (size_t)IF_NAMESIZE - 1));

	memset(to, 0, IF_NAMESIZE);
	memcpy(to, value.p, n);
}

static void remember_link(struct md_netlink *nl, uint32_t index, struct attr name)
{
	unsigned at = 0;

	while (at < MD_LINKS_MAX && nl->links[at].index != index && nl->links[at].index != 0)
		at++;
	if (at == MD_LINKS_MAX) {
		at = nl->next_link;
		nl->next_link = (nl->next_link + 1) % MD_LINKS_MAX;
	}
	nl->links[at].index = index;
	copy_name(nl->links[at].name, name);
}

static const char *link_name(const struct md_netlink *nl, uint32_t index)
{
	for (unsigned i = 0; i < MD_LINKS_MAX && nl->links[i].index; i++)
		if (nl->links[i].index == index)
			return nl->links[i].name;
	return "";
}

static void parse_link(struct md_netlink *nl, struct attr body)
{
	struct ifinfomsg info;
	struct attr value;
	uint16_t type;

	if (body.n < sizeof(info))
		return;
	memcpy(&info, body.p, sizeof(info));
	if (info.ifi_index <= 0)
		return;
	struct attr rest = {.p = body.p + sizeof(info), .n = body.n - sizeof(info)};
	while (next_attr(&rest, &type, &value))
		if (type == IFLA_IFNAME)
			remember_link(nl, (uint32_t)info.ifi_index, value);
}

static bool parse_addr(const struct md_netlink *nl, struct attr body, struct md_addr *ret_addr)
{
	struct ifaddrmsg msg;
	struct attr value, local = {0}, address = {0};
	struct md_addr a = {0};
	uint16_t type;

	if (body.n < sizeof(msg))
		return false;
	memcpy(&msg, body.p, sizeof(msg));
	a.n = msg.ifa_family == AF_INET ? 4 : msg.ifa_family == AF_INET6 ? 16 : 0;
	a.prefix_len = msg.ifa_prefixlen;
	if (a.n == 0 || a.prefix_len > a.n * 8)
		return false;
	(void)memccpy(a.name, link_name(nl, msg.ifa_index), '\0', sizeof(a.name));
	struct attr rest = {.p = body.p + sizeof(msg), .n = body.n - sizeof(msg)};
	while (next_attr(&rest, &type, &value)) {
		if (type == IFA_LOCAL)
			local = value;
		else if (type == IFA_ADDRESS)
			address = value;
		else if (type == IFA_LABEL && a.name[0] == '\0')
			copy_name(a.name, value);
	}
	/* on point-to-point links IFA_ADDRESS is the peer's */
	const struct attr *own = local.p ? &local : &address;
	if (own->n != a.n)
		return false;
	memcpy(a.addr, own->p, a.n);
	*ret_addr = a;
	return true;
}

static void end_of_list(struct md_netlink *nl, uint32_t seq);

int md_netlink_parse(
	struct md_netlink *nl, const void *p, size_t n, bool *ret_has, struct md_addr *ret_addr)
{
	struct nlmsghdr h;

	*ret_has = false;
	if (n < sizeof(h))
		return -EBADMSG;
	memcpy(&h, p, sizeof(h));
	if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > n)
		return -EBADMSG;
	struct attr body = {.p = (const uint8_t *)p + sizeof(h), .n = h.nlmsg_len - sizeof(h)};
	switch (h.nlmsg_type) {
	case RTM_NEWLINK:
		parse_link(nl, body);
		break;
	case RTM_NEWADDR:
		*ret_has = parse_addr(nl, body, ret_addr);
		break;
	case NLMSG_DONE:
	case NLMSG_ERROR: /* the list could not be had: as if it were empty */
		end_of_list(nl, h.nlmsg_seq);
		break;
	default:
		break;
	}
	return (int)MIN(ALIGN_UP((size_t)h.nlmsg_len, 4), n);
}

static int request(struct md_netlink *nl, uint16_t type)
{
	struct {
		struct nlmsghdr h;
		struct rtgenmsg g;
		uint8_t pad[3];
	} q = {.h = {.nlmsg_len = sizeof(q),
		       .nlmsg_type = type,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		       .nlmsg_seq = ++nl->seq},
		.g = {.rtgen_family = AF_UNSPEC}};
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	struct iovec iov = {.iov_base = &q, .iov_len = sizeof(q)};
	struct msghdr m = {.msg_name = &kernel,
		.msg_namelen = sizeof(kernel),
		.msg_iov = &iov,
		.msg_iovlen = 1};

	return sendmsg(nl->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Links are known: now their addresses. */
static void end_of_list(struct md_netlink *nl, uint32_t seq)
{
	if (seq != nl->seq)
		return;
	bool links = nl->dump == MD_DUMP_LINKS;
	nl->dump = MD_DUMP_NONE;
	if (links && nl->fd >= 0 && request(nl, RTM_GETADDR) == 0)
		nl->dump = MD_DUMP_ADDRS;
}

int md_netlink_start(struct md_netlink *nl)
{
	int r = request(nl, RTM_GETLINK);

	if (r == 0)
		nl->dump = MD_DUMP_LINKS;
	return r;
}

/* A datagram into buf. 1, 0 nothing, negative errno. */
static int receive(struct md_netlink *nl)
{
	struct sockaddr_nl from = {0};
	struct iovec iov = {.iov_base = nl->buf, .iov_len = sizeof(nl->buf)};
	struct msghdr m = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n = recvmsg(nl->fd, &m, MSG_DONTWAIT);

	if (n < 0 && errno == ENOBUFS) /* notifications were lost: everything anew */
		return md_netlink_start(nl);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	nl->at = nl->have = 0;
	if (n > 0 && !(m.msg_flags & MSG_TRUNC) && m.msg_namelen == sizeof(from) &&
		from.nl_family == AF_NETLINK && from.nl_pid == 0)
		nl->have = (size_t)n;
	else
		nl->n_bad++; /* not from the kernel, or larger than any of its messages */
	return 1;
}

int md_netlink_next(struct md_netlink *nl, struct md_addr *ret_addr)
{
	for (;;) {
		while (nl->at < nl->have) {
			bool has = false;
			int r = md_netlink_parse(nl, (const uint8_t *)nl->buf + nl->at,
				nl->have - nl->at, &has, ret_addr);

			if (r < 0) {
				nl->n_bad++;
				nl->at = nl->have;
				break;
			}
			nl->at += (size_t)r;
			if (has)
				return 1;
		}
		int r = nl->fd < 0 ? 0 : receive(nl);
		if (r <= 0)
			return r;
	}
}

int md_addr_record(const struct md_addr *a, void *buf)
{
	struct kev_builder b;

	kev_build_start(&b, buf, KEV_SIZE_MAX, KEV_CODE_SAKER_IFACE, 0);
	kev_build_head(&b)->ts_ns = clock_boot_ns();
	kev_build_head(&b)->flags = KEV_F_NO_TASK;
	kev_build_text(&b, span_str(a->name));
	kev_build_raw(&b, a->addr, a->n);
	kev_build_int(&b, a->prefix_len);
	int r = kev_build_finish(&b);
	assert(r > 0);
	return r;
}
