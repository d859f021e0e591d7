/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses and ports of the event's descriptor. In the record the client's stand first (sip,
 * sport), the server's second (dip, dport); the address that a bound socket listens on is the
 * server's. fd.ip, fd.net, fd.port and fd.proto are tests, not values: custom.c. */
#include "field.h"

enum end { CLIENT, SERVER, LOCAL, REMOTE };

static bool is_v4(const struct ev_fd *fd)
{
	return fd->type == EV_FD_IPV4 || fd->type == EV_FD_IPV4_SERVER;
}

static bool is_bound(const struct ev_fd *fd)
{
	return fd->type == EV_FD_IPV4_SERVER || fd->type == EV_FD_IPV6_SERVER;
}

static bool is_ip(const struct ev_fd *fd)
{
	return is_v4(fd) || fd->type == EV_FD_IPV6 || fd->type == EV_FD_IPV6_SERVER;
}

/* Which end is meant: CLIENT or SERVER; -1: it has no value. */
static int resolve(const struct ev_fd *fd, enum end end)
{
	bool client_is_local;

	if (!fd || !is_ip(fd))
		return -1;
	if (is_bound(fd))
		return end == SERVER ? SERVER : -1;
	if (fd->role == EV_ROLE_NONE)
		return -1;
	if (end == CLIENT || end == SERVER)
		return end;
	client_is_local = fd->flags & EV_FD_CLIENT_LOCAL;
	return (end == LOCAL) == client_is_local ? CLIENT : SERVER;
}

/* variant: enum end, + 4 for networks */
static void get_ip(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct ev_fd *fd = evl_fd_known(e);
	int end = resolve(fd, a->variant & 3);

	if (end < 0)
		return;
	*ret_v = (struct evl_value){
		.type = EVL_IP, .family = is_v4(fd) ? 4 : 6, .is_net = a->variant & 4};
	memcpy(ret_v->ip, end == CLIENT ? fd->sip : fd->dip, sizeof(ret_v->ip));
}

static void get_port(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct ev_fd *fd = evl_fd_known(e);
	int end = resolve(fd, a->variant);

	if (end >= 0)
		evl_set_u64(ret_v, end == CLIENT ? fd->sport : fd->dport);
}

/* The port as text: services are not named, as in Falco. */
static void get_proto(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct ev_fd *fd = evl_fd_known(e);
	struct evl_text t;

	/* the reference has the empty text for these */
	if (fd && ((is_bound(fd) && (a->variant == CLIENT || a->variant == SERVER)) ||
			  (fd->type == EV_FD_UNIX && fd->role != EV_ROLE_NONE &&
				  a->variant == CLIENT))) {
		evl_set_str(ret_v, SPAN_LIT(""));
		return;
	}
	get_port(e, a, ret_v);
	if (ret_v->type != EVL_U64)
		return;
	t = evl_scratch_open(&e->scratch);
	evl_text_u64(&t, ret_v->u);
	evl_set_str(ret_v, evl_scratch_close(&e->scratch, &t));
}

bool evl_named_end(
	const struct evl *e, uint16_t field, unsigned *ret_family, const uint8_t **ret_ip)
{
	const struct ev_fd *fd = evl_fd_known(e);
	int end = resolve(fd, field == FIELD_ID_FD_CIP_NAME   ? CLIENT
			      : field == FIELD_ID_FD_SIP_NAME ? SERVER
			      : field == FIELD_ID_FD_LIP_NAME ? LOCAL
							      : REMOTE);

	if (end < 0)
		return false;
	*ret_family = is_v4(fd) ? 4 : 6;
	*ret_ip = end == CLIENT ? fd->sip : fd->dip;
	return true;
}

/* One name of the address: of several the first in the order of bytes, as in the reference. Only
 * names that rules compare with are known. Predicates look at all of them: custom.c. */
static void get_name(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	struct span name, first = {0};
	uint32_t at = REPLICA_NO_ID;
	const uint8_t *ip;
	unsigned family;

	if (!evl_named_end(e, a->field, &family, &ip))
		return;
	while (replica_names_of(&e->replica, family, ip, &at, &name))
		if (!first.p || strcmp(name.p, first.p) < 0)
			first = name;
	if (first.p)
		evl_set_str(ret_v, first);
}

/* A raw socket has its protocol from the start, others when they have a role. */
bool evl_fd_has_l4(const struct ev_fd *fd)
{
	return is_ip(fd) && (fd->role != EV_ROLE_NONE || is_bound(fd) || fd->l4 == EV_L4_RAW);
}

static void get_l4proto(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	static const char *const names[_EV_L4_MAX] = {"<NA>", "tcp", "udp", "icmp", "raw"};
	const struct ev_fd *fd = evl_fd_known(e);

	(void)a;
	if (fd)
		evl_set_str(ret_v, span_str(evl_fd_has_l4(fd) ? names[fd->l4] : "<NA>"));
}

static void get_family(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct ev_fd *fd = evl_fd_known(e);

	(void)a;
	if (fd && is_ip(fd))
		evl_set_str(ret_v, SPAN_LIT("ip"));
	else if (fd && fd->type == EV_FD_UNIX)
		evl_set_str(ret_v, SPAN_LIT("unix"));
}

static void get_is_server(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct ev_fd *fd = evl_fd_known(e);

	(void)a;
	if (fd)
		evl_set_bool(
			ret_v, is_bound(fd) || (is_ip(fd) && (fd->flags & EV_FD_SERVER_LOCAL)));
}

const struct evl_field_row evl_fields_net[] = {
	{FIELD_ID_FD_CIP, CLIENT, get_ip},
	{FIELD_ID_FD_SIP, SERVER, get_ip},
	{FIELD_ID_FD_LIP, LOCAL, get_ip},
	{FIELD_ID_FD_RIP, REMOTE, get_ip},
	{FIELD_ID_FD_CNET, CLIENT + 4, get_ip},
	{FIELD_ID_FD_SNET, SERVER + 4, get_ip},
	{FIELD_ID_FD_LNET, LOCAL + 4, get_ip},
	{FIELD_ID_FD_RNET, REMOTE + 4, get_ip},
	{FIELD_ID_FD_CPORT, CLIENT, get_port},
	{FIELD_ID_FD_SPORT, SERVER, get_port},
	{FIELD_ID_FD_LPORT, LOCAL, get_port},
	{FIELD_ID_FD_RPORT, REMOTE, get_port},
	{FIELD_ID_FD_CPROTO, CLIENT, get_proto},
	{FIELD_ID_FD_SPROTO, SERVER, get_proto},
	{FIELD_ID_FD_LPROTO, LOCAL, get_proto},
	{FIELD_ID_FD_RPROTO, REMOTE, get_proto},
	{FIELD_ID_FD_CIP_NAME, 0, get_name},
	{FIELD_ID_FD_SIP_NAME, 0, get_name},
	{FIELD_ID_FD_LIP_NAME, 0, get_name},
	{FIELD_ID_FD_RIP_NAME, 0, get_name},
	{FIELD_ID_FD_L4PROTO, 0, get_l4proto},
	{FIELD_ID_FD_SOCKFAMILY, 0, get_family},
	{FIELD_ID_FD_IS_SERVER, 0, get_is_server},
	{0, 0, NULL},
};
