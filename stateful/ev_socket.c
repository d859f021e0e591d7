/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets: made, bound, connected, accepted, and what is learned of them from the data that passes.
 *
 * As in the reference sip and sport are the client's side, dip and dport the server's. Rules
 * compare names, so a name changes only where an event says something new; whether it did is part
 * of the event (fd.name_changed). Addresses come from the network: they are data. */

#include "core.h"

#include <sys/socket.h>

#include <netinet/in.h>

#include <errno.h>
#include <string.h>

#include <base/macros.h>

#include "families.h"
#include "tuple.h"

#define O_CLOEXEC_F 0x1000      /* event vocabulary's */
#define SOCK_CLOEXEC_F 02000000 /* the kernel's */
#define SOCK_TYPE_BITS 0xf

static uint8_t l4_of(uint32_t type, uint32_t proto)
{
	type &= SOCK_TYPE_BITS;
	if (type == SOCK_RAW)
		return EV_L4_RAW;
	switch (proto) {
	case IPPROTO_TCP:
		return EV_L4_TCP;
	case IPPROTO_UDP:
		return EV_L4_UDP;
	case IPPROTO_IP:
		return type == SOCK_STREAM  ? EV_L4_TCP
		       : type == SOCK_DGRAM ? EV_L4_UDP
					    : EV_L4_UNKNOWN;
	case IPPROTO_ICMP:
		return EV_L4_ICMP;
	case IPPROTO_RAW:
		return EV_L4_RAW;
	default:
		return EV_L4_UNKNOWN;
	}
}

static enum ev_fd_type type_of_domain(uint32_t domain)
{
	switch (domain) {
	case AF_INET:
		return EV_FD_IPV4;
	case AF_INET6:
		return EV_FD_IPV6;
	case AF_UNIX:
		return EV_FD_UNIX;
	case AF_NETLINK:
		return EV_FD_NETLINK;
	default:
		return EV_FD_UNKNOWN;
	}
}

static enum ev_fd_type type_of_family(enum st_family family)
{
	return family == ST_AF_INET ? EV_FD_IPV4 : family == ST_AF_INET6 ? EV_FD_IPV6 : EV_FD_UNIX;
}

void st_on_socket(struct st_ctx *c)
{
	uint32_t domain = (uint32_t)kev_param_u64(&c->kev, 1),
		 type = (uint32_t)kev_param_u64(&c->kev, 2);
	struct st_fd *f;

	if (!st_ok(c))
		return;
	f = st_ctx_new_fd(c, c->res, type_of_domain(domain));
	if (!f)
		return;
	f->cloexec = (type & SOCK_CLOEXEC_F) || (kev_param_u64(&c->kev, 4) & O_CLOEXEC_F);
	if (domain == AF_INET || domain == AF_INET6)
		f->l4 = l4_of(type, (uint32_t)kev_param_u64(&c->kev, 3));
}

void st_on_socketpair(struct st_ctx *c)
{
	bool cloexec = kev_param_u64(&c->kev, 6) & SOCK_CLOEXEC_F;

	c->fd_num = -1; /* the return value is no descriptor */
	if (!st_ok(c))
		return;
	for (unsigned i = 1; i <= 2; i++) { /* as in the reference the event is about the second */
		struct st_fd *f = st_ctx_new_fd(c, kev_param_i64(&c->kev, i), EV_FD_UNIX);

		if (f)
			f->cloexec = cloexec;
	}
}

static void set_tuple(struct st_ctx *c, struct st_fd *f, const struct st_tuple *t)
{
	char name[ST_SOCK_NAME_MAX];

	st_fd_set_type(&c->core->fds, f, type_of_family(t->family));
	memcpy(f->sip, t->sip, sizeof(f->sip));
	memcpy(f->dip, t->dip, sizeof(f->dip));
	f->sport = t->sport;
	f->dport = t->dport;
	st_fd_name(c, f, st_tuple_name(t, f->l4, name));
}

void st_on_bind(struct st_ctx *c)
{
	char name[ST_SOCK_NAME_MAX];
	struct st_fd *f = c->fd;
	struct st_tuple t;

	if (!st_ok(c) || !f || !st_addr_parse(c->kev.param[1], &t))
		return;
	if (t.family != ST_AF_UNIX && t.dport) {
		st_fd_set_type(&c->core->fds, f,
			t.family == ST_AF_INET ? EV_FD_IPV4_SERVER : EV_FD_IPV6_SERVER);
		memcpy(f->dip, t.dip, sizeof(f->dip));
		f->dport = t.dport;
		memset(f->sip, 0, sizeof(f->sip));
		f->sport = 0;
		f->role = EV_ROLE_SERVER;
	}
	st_fd_name(c, f, st_addr_name(&t, name));
}

/* The tuple of a connect: the event's, else the address with what is known of our side. */
static bool connect_tuple(struct st_ctx *c, struct st_tuple *ret_tuple)
{
	if (st_tuple_parse(c->kev.param[1], ret_tuple))
		return true;
	return st_addr_parse(c->kev.param[3], ret_tuple);
}

void st_on_connect(struct st_ctx *c)
{
	struct st_fd *f = c->fd;
	struct st_tuple t;

	if (!connect_tuple(c, &t))
		return;
	if (!f) {
		c->fd_fallback = st_tuple_name(&t, EV_L4_TCP, c->core->name_buf);
		return;
	}
	if (!c->has_res || (c->res < 0 && c->res != -EINPROGRESS))
		return;
	if (f->l4 == EV_L4_UDP && f->role == EV_ROLE_SERVER)
		st_tuple_swap(&t);
	if (f->role == EV_ROLE_NONE)
		f->role = EV_ROLE_CLIENT;
	f->flags |= EV_FD_CONNECTED;
	set_tuple(c, f, &t);
}

void st_on_accept(struct st_ctx *c)
{
	bool is_accept4 = c->kev.head->type == KEV_CODE_SOCKET_ACCEPT4_6_X;
	uint64_t flags = is_accept4 ? kev_param_u64(&c->kev, 5) : 0;
	struct st_tuple t;
	struct st_fd *f;
	bool has_tuple = st_tuple_parse(c->kev.param[1], &t);

	if (has_tuple)
		c->fd_fallback = st_tuple_name(&t, EV_L4_TCP, c->core->name_buf);
	else
		c->fd_fallback = SPAN_LIT("NULL"); /* how the reference prints no tuple */
	if (!st_ok(c))
		return;
	f = st_ctx_new_fd(c, c->res, has_tuple ? type_of_family(t.family) : EV_FD_UNKNOWN);
	if (!f)
		return;
	f->cloexec = flags & (SOCK_CLOEXEC_F | O_CLOEXEC_F);
	f->flags |= EV_FD_CONNECTED;
	f->role = EV_ROLE_SERVER;
	if (!has_tuple)
		return;
	if (t.family != ST_AF_UNIX)
		f->l4 = EV_L4_TCP;
	set_tuple(c, f, &t);
}

/* --- send and receive --- */

static bool is_receive(uint16_t type)
{
	return type == KEV_CODE_SOCKET_RECV_X || type == KEV_CODE_SOCKET_RECVFROM_X ||
	       type == KEV_CODE_SOCKET_RECVMSG_X || type == KEV_CODE_SOCKET_RECVMMSG_X;
}

static unsigned tuple_param(uint16_t type)
{
	switch (type) {
	case KEV_CODE_SOCKET_RECVFROM_X:
		return 2;
	case KEV_CODE_SOCKET_RECVMSG_X:
		return 3;
	default:
		return 4;
	}
}

static bool is_connectable(const struct st_fd *f)
{
	return f->type == EV_FD_IPV4 || f->type == EV_FD_IPV6;
}

/* Descriptors that another process passed: what they are nobody tells, but what the table has under
 * their numbers is gone. */
static void forget_passed(struct st_ctx *c, struct span control)
{
	struct cmsghdr h;

	while (control.n >= sizeof(h)) {
		size_t len;

		memcpy(&h, control.p, sizeof(h));
		if (h.cmsg_len < sizeof(h) || h.cmsg_len > control.n)
			return;
		for (size_t at = sizeof(h); h.cmsg_level == SOL_SOCKET &&
					    h.cmsg_type == SCM_RIGHTS && h.cmsg_len - at >= 4;
			at += 4) {
			struct st_fd *f;
			int32_t num;

			memcpy(&num, control.p + at, sizeof(num));
			f = st_fd_find(&c->core->fds, c->t->files, num);
			if (f && f != c->fd && f->ts_ns <= c->kev.head->ts_ns)
				st_fd_remove(&c->core->fds, f);
		}
		len = MIN(ALIGN_UP(h.cmsg_len, sizeof(size_t)), control.n);
		control.p += len;
		control.n -= len;
	}
}

static struct span control_of(const struct kev *k)
{
	return k->head->type == KEV_CODE_SOCKET_RECVMSG_X    ? k->param[4]
	       : k->head->type == KEV_CODE_SOCKET_RECVMMSG_X ? k->param[5]
							     : (struct span){0};
}

void st_on_transfer(struct st_ctx *c)
{
	bool receive = is_receive(c->kev.head->type), has_tuple;
	struct st_fd *f = c->fd;
	struct st_tuple t;

	if (!st_ok(c))
		return;
	if (c->t)
		forget_passed(c, control_of(&c->kev));
	has_tuple = st_tuple_parse(c->kev.param[tuple_param(c->kev.head->type)], &t);
	if (!f && has_tuple && !receive) {
		f = st_ctx_new_fd(c, c->fd_num, type_of_family(t.family));
		if (f && t.family != ST_AF_UNIX)
			f->l4 = EV_L4_UDP;
	}
	if (!f)
		return;
	if (is_connectable(f)) /* not yet what only waits for a peer */
		f->flags |= EV_FD_CONNECTED;
	if (!has_tuple || (st_text_get(&c->core->texts, f->name).n && f->l4 == EV_L4_TCP))
		return;
	if (f->role == EV_ROLE_NONE)
		f->role = receive ? EV_ROLE_SERVER : EV_ROLE_CLIENT;
	if (t.family != ST_AF_UNIX)
		st_host_fill(&c->core->host, t.family == ST_AF_INET ? 4 : 6, t.sip, t.dip);
	if (receive == (f->role == EV_ROLE_CLIENT))
		st_tuple_swap(&t);
	if (f->l4 == EV_L4_UNKNOWN && t.family != ST_AF_UNIX)
		f->l4 = EV_L4_UDP;
	set_tuple(c, f, &t);
}
