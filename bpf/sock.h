/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#pragma once
/* Sockets: tuples from the kernel's socket, addresses from the caller's memory, message headers and
 * vectors. */

#include "file.h"

#define AF_UNIX_ 1
#define AF_INET_ 2
#define AF_INET6_ 10
#define S_IFMT_ 0170000
#define S_IFSOCK_ 0140000

enum { TUPLE_CONNECT, TUPLE_ACCEPT, TUPLE_SENDTO, TUPLE_RECVFROM, TUPLE_SENDMSG, TUPLE_RECVMSG };

static __always_inline struct sock *sock_of_fd(struct task_struct *t, __s32 fd)
{
	struct file *f = (struct file *)file_of_fd(t, fd);
	struct inode *inode;
	struct socket *sock;

	if (!f)
		return NULL;
	inode = RD(struct file, f, f_inode);
	if ((RD(struct inode, inode, i_mode) & S_IFMT_) != S_IFSOCK_)
		return NULL;
	sock = RD(struct file, f, private_data);
	return RD(struct socket, sock, sk);
}

/* sockaddr as the kernel's ABI has it, as far as we read it. */
struct uaddr_in {
	__u16 family;
	__u16 port;
	__u32 addr;
};
struct uaddr_in6 {
	__u16 family;
	__u16 port;
	__u32 flow;
	__u8 addr[16];
};

/* A sockaddr of the caller as a parameter. */
__noinline int put_sockaddr(__u32 slot, __u64 ptr, __u32 len)
{
	struct scratch *s = scratch_get(slot);
	struct uaddr_in6 a = {};
	__u8 *out;
	long n;

	if (!s)
		return 0;
	if (!ptr || len < 2 || bpf_probe_read_user(&a.family, 2, (void *)ptr)) {
		put_absent(s);
		return 0;
	}
	out = rec_at(s);
	out[0] = a.family;
	if (a.family == AF_INET_ && len >= 8 && !bpf_probe_read_user(&a, 8, (void *)ptr)) {
		*(__u32 *)(out + 1) =
			a.flow; /* sockaddr_in's address stands where v6 has the flow */
		*(__u16 *)(out + 5) = bpf_ntohs_(a.port);
		put_done(s, 7);
	} else if (a.family == AF_INET6_ && len >= 24 &&
		   !bpf_probe_read_user(&a, 24, (void *)ptr)) {
		__builtin_memcpy(out + 1, a.addr, 16);
		*(__u16 *)(out + 17) = bpf_ntohs_(a.port);
		put_done(s, 19);
	} else if (a.family == AF_UNIX_) {
		/* an abstract name begins with NUL: shown with '@' as ss does; max 108 */
		__u8 first = 0;
		__u32 at = 1;

		bpf_probe_read_user(&first, 1, (void *)(ptr + 2));
		if (!first && len > 2) {
			out[1] = '@';
			at = 2;
		}
		n = bpf_probe_read_user_str(out + at, 109, (void *)(ptr + 2 + at - 1));
		put_done(s, n > 0 && n <= 109 ? at + n : 0);
	} else {
		put_absent(s);
	}
	return 0;
}

static __always_inline void put_tuple4(
	struct scratch *s, __u32 sip, __u16 sport, __u32 dip, __u16 dport)
{
	__u8 *out = rec_at(s);

	out[0] = AF_INET_;
	*(__u32 *)(out + 1) = sip;
	*(__u16 *)(out + 5) = sport;
	*(__u32 *)(out + 7) = dip;
	*(__u16 *)(out + 11) = dport;
	put_done(s, 13);
}

static __always_inline void put_tuple6(
	struct scratch *s, const void *sip, __u16 sport, const void *dip, __u16 dport)
{
	__u8 *out = rec_at(s);

	out[0] = AF_INET6_;
	__builtin_memcpy(out + 1, sip, 16);
	*(__u16 *)(out + 17) = sport;
	__builtin_memcpy(out + 19, dip, 16);
	*(__u16 *)(out + 35) = dport;
	put_done(s, 37);
}

static __always_inline void put_tuple_unix(struct scratch *s, struct sock *sk, bool inbound)
{
	struct unix_sock *u = (struct unix_sock *)sk;
	struct sock *peer = BPF_CORE_READ(u, peer);
	/* the path is the server's: our own for what was accepted, the peer's for what we called */
	struct unix_address *ua =
		inbound ? BPF_CORE_READ(u, addr) : BPF_CORE_READ((struct unix_sock *)peer, addr);
	__u8 *out = rec_at(s);
	__u32 at = 17;
	__u8 first = 0;
	long n = 0;

	if (!ua)
		ua = inbound ? BPF_CORE_READ((struct unix_sock *)peer, addr)
			     : BPF_CORE_READ(u, addr);
	out[0] = AF_UNIX_;
	*(__u64 *)(out + 1) = inbound ? (__u64)peer : (__u64)sk;
	*(__u64 *)(out + 9) = inbound ? (__u64)sk : (__u64)peer;
	out[17] = 0;
	if (ua) {
		const char *p = (const char *)ua->name->sun_path;

		bpf_probe_read_kernel(&first, 1, p);
		if (!first) {
			out[17] = '@';
			at = 18;
			p++;
		}
		n = bpf_probe_read_kernel_str(out + at, 109, p);
	}
	put_done(s, n > 0 && n <= 109 ? at + n : 18);
}

/* Both ends of the socket sockfd. The peer's address may be overridden by the one the caller gave
 * (uaddr, ualen): datagrams, failed connects. Outbound: we are the source. Inbound: the peer is. */
__noinline int put_tuple(__u32 slot, __u32 inbound)
{
	struct scratch *s = scratch_get(slot);
	struct uaddr_in6 a = {};
	struct sock *sk;
	__u16 family, lport, rport;

	if (!s)
		return 0;
	sk = sock_of_fd(task_current(), s->sockfd);
	if (!sk) {
		put_absent(s);
		return 0;
	}
	family = BPF_CORE_READ(sk, __sk_common.skc_family);
	lport = BPF_CORE_READ(sk, __sk_common.skc_num);
	rport = bpf_ntohs_(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (s->uaddr && s->ualen >= 8)
		bpf_probe_read_user(
			&a, s->ualen >= 24 && family == AF_INET6_ ? 24 : 8, (void *)s->uaddr);
	if (family == AF_INET_) {
		__u32 local = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
		__u32 remote = BPF_CORE_READ(sk, __sk_common.skc_daddr);

		if (a.family == AF_INET_) {
			remote = a.flow;
			rport = bpf_ntohs_(a.port);
		}
		if (!local)
			local = BPF_CORE_READ((struct inet_sock *)sk, inet_saddr);
		if (inbound)
			put_tuple4(s, remote, rport, local, lport);
		else
			put_tuple4(s, local, lport, remote, rport);
	} else if (family == AF_INET6_) {
		struct in6_addr local = {}, remote = {};

		BPF_CORE_READ_INTO(&local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&remote, sk, __sk_common.skc_v6_daddr);
		if (a.family == AF_INET6_) {
			__builtin_memcpy(&remote, a.addr, 16);
			rport = bpf_ntohs_(a.port);
		}
		if (inbound)
			put_tuple6(s, &remote, rport, &local, lport);
		else
			put_tuple6(s, &local, lport, &remote, rport);
	} else if (family == AF_UNIX_) {
		put_tuple_unix(s, sk, inbound);
	} else {
		put_absent(s);
	}
	return 0;
}

/* One element of the caller's vector (s->iov, s->iovcnt). */
struct piece {
	__u64 base, len;
};

static __always_inline bool iov_get(struct scratch *s, __u32 i, struct piece *ret)
{
	__u32 v[2] = {};

	if (!s->compat)
		return !bpf_probe_read_user(ret, sizeof(*ret), (void *)(s->iov + i * sizeof(*ret)));
	if (bpf_probe_read_user(v, sizeof(v), (void *)(s->iov + i * sizeof(v))))
		return false;
	ret->base = v[0];
	ret->len = v[1];
	return true;
}

/* Sum of the lengths of the first 64 pieces. */
__noinline int put_iov_size(__u32 slot)
{
	struct scratch *s = scratch_get(slot);

	if (!s)
		return 0;
	s->have = 0;
	for (__u32 i = 0; i < 64; i++) {
		struct piece p;

		if (i >= s->iovcnt || !iov_get(s, i, &p))
			break;
		s->have += p.len;
	}
	put_int(s, s->have, 4);
	return 0;
}

/* The first bytes of the vector, at most snaplen and what was transferred, of up to 16 pieces. */
__noinline int put_iov_data(__u32 slot)
{
	struct scratch *s = scratch_get(slot);

	if (!s)
		return 0;
	s->goal = s->ret > 0 && s->ret < s->snaplen ? s->ret : s->snaplen;
	if (s->ret <= 0)
		s->goal = 0;
	s->start = s->pos;
	s->have = 0;
	for (__u32 i = 0; i < 16; i++) {
		struct piece p;
		__u32 len;

		if (i >= s->iovcnt || s->have >= s->goal || !iov_get(s, i, &p))
			break;
		len = s->goal - s->have;
		if (p.len < len)
			len = p.len;
		barrier_var(len);
		if (len > KEV_ARGS_MAX)
			break;
		s->pos = s->start + s->have;
		if (len && bpf_probe_read_user(rec_at(s), len, (void *)p.base)) {
			s->trunc = 1;
			break;
		}
		s->have += len;
	}
	s->pos = s->start;
	put_done(s, s->have);
	return 0;
}

/* Takes a msghdr (of a mmsghdr the first) apart: address, vector, control. */
static __always_inline void read_msghdr(struct scratch *s, __u64 ptr)
{
	if (s->compat) {
		__u32 m[6] = {}; /* name, namelen, iov, iovlen, control, controllen */

		bpf_probe_read_user(m, sizeof(m), (void *)ptr);
		s->uaddr = m[0];
		s->ualen = m[1];
		s->iov = m[2];
		s->iovcnt = m[3];
		s->msg_control = m[4];
		s->msg_controllen = m[5];
	} else {
		__u64 m[6] = {};

		bpf_probe_read_user(m, sizeof(m), (void *)ptr);
		s->uaddr = m[0];
		s->ualen = m[1];
		s->iov = m[2];
		s->iovcnt = m[3];
		s->msg_control = m[4];
		s->msg_controllen = m[5];
	}
}
