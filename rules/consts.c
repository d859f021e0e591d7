/* SPDX-License-Identifier: Apache-2.0 */
/* Constants of conditions by the type of what they are compared with. */

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

#define TEXT_MAX 255 /* bytes, as the reference has it */

/* The services that rules name. A table, because the compiler runs where there is no /etc/services.
 */
static const struct service {
	const char *name;
	uint16_t port;
} services[] = {
	{"bgp", 179},
	{"bootpc", 68},
	{"bootps", 67},
	{"discard", 9},
	{"domain", 53},
	{"echo", 7},
	{"finger", 79},
	{"ftp", 21},
	{"ftp-data", 20},
	{"ftps", 990},
	{"gopher", 70},
	{"http", 80},
	{"http-alt", 8080},
	{"https", 443},
	{"imap", 143},
	{"imap2", 143},
	{"imaps", 993},
	{"ipp", 631},
	{"ircd", 6667},
	{"kerberos", 88},
	{"ldap", 389},
	{"ldaps", 636},
	{"microsoft-ds", 445},
	{"ms-sql-s", 1433},
	{"mysql", 3306},
	{"netbios-ns", 137},
	{"netbios-ssn", 139},
	{"nfs", 2049},
	{"nntp", 119},
	{"ntp", 123},
	{"openvpn", 1194},
	{"pop3", 110},
	{"pop3s", 995},
	{"postgresql", 5432},
	{"rsync", 873},
	{"rtsp", 554},
	{"shell", 514},
	{"sip", 5060},
	{"smtp", 25},
	{"snmp", 161},
	{"snmp-trap", 162},
	{"ssh", 22},
	{"submission", 587},
	{"sunrpc", 111},
	{"syslog", 514},
	{"telnet", 23},
	{"telnets", 992},
	{"tftp", 69},
	{"time", 37},
	{"whois", 43},
	{"x11", 6000},
	{NULL, 0},
};

static int parse_port(const char *text, size_t n, uint64_t *ret)
{
	uint64_t v = 0;

	if (n > 19)
		return -ERANGE;
	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9') {
			for (const struct service *s = services; s->name; s++)
				if (!strcmp(s->name, text)) {
					*ret = s->port;
					return 0;
				}
			return -EINVAL;
		}
		v = (v * 10 + (uint64_t)(text[i] - '0')) & 0xffff;
	}
	*ret = v;
	return 0;
}

static int parse_signed(const char *text, enum field_type ft, uint64_t *ret)
{
	long long v;
	char *end;

	if (!*text)
		return -EINVAL;
	v = strtoll(text, &end, 10);
	if (*end || end == text)
		return -EINVAL;
	*ret = ft == FT_INT16   ? (uint64_t)(int64_t)(int16_t)v
	       : ft == FT_INT32 ? (uint64_t)(int64_t)(int32_t)v
				: (uint64_t)v;
	return 0;
}

static int parse_unsigned(const char *text, enum field_type ft, uint64_t *ret)
{
	unsigned long long v;
	char *end;

	if (!*text)
		return -EINVAL;
	v = strtoull(text, &end, 10);
	if (*end || end == text)
		return -EINVAL;
	*ret = ft == FT_UINT32 ? (uint32_t)v : v;
	return 0;
}

static int parse_ip(const char *text, size_t n, struct tconst *c)
{
	bool v4 = memchr(text, '.', n) != NULL;

	c->family = v4 ? 4 : 6;
	return inet_pton(v4 ? AF_INET : AF_INET6, text, c->ip) == 1 ? 0 : -EINVAL;
}

static int parse_net(const char *text, size_t n, struct tconst *c)
{
	const char *slash = memchr(text, '/', n);
	char addr[64];
	uint64_t bits;

	if (!slash || slash == text || (size_t)(slash - text) >= sizeof(addr) || slash[1] < '0' ||
		slash[1] > '9')
		return -EINVAL;
	memcpy(addr, text, (size_t)(slash - text));
	addr[slash - text] = '\0';
	if (parse_ip(addr, strlen(addr), c) < 0 || parse_unsigned(slash + 1, FT_UINT64, &bits) < 0)
		return -EINVAL;
	if (bits > (c->family == 4 ? 32 : 128) || (c->family == 6 && bits == 0))
		return -EINVAL;
	c->prefix = (uint8_t)bits;
	return 0;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int parse_hex(struct cx *cx, const char *text, size_t n, struct tconst *c)
{
	char *out = cx_alloc(cx, n / 2 + 1);

	if (!out)
		return -ENOMEM;
	if (n % 2)
		return -EINVAL;
	for (size_t i = 0; i < n; i += 2) {
		int hi = hex_value(text[i]), lo = hex_value(text[i + 1]);

		if (hi < 0 || lo < 0)
			return -EINVAL;
		out[i / 2] = (char)(hi * 16 + lo);
	}
	c->str = out;
	c->n = n / 2;
	return 0;
}

static int parse_text(struct cx *cx, enum img_type type, enum img_op op, const char *text, size_t n,
	struct tconst *c, const char **reterr)
{
	if (n > TEXT_MAX) {
		*reterr = cx_printf(cx, "filter parameter too long (used=%zu, available=%d)", n + 1,
			TEXT_MAX + 1);
		return -EINVAL;
	}
	if (type == IMG_T_STR && memchr(text, '\0', n)) {
		*reterr = "a text cannot hold a NUL character";
		return -EINVAL;
	}
	if (op == IMG_OP_BCONTAINS || op == IMG_OP_BSTARTSWITH) {
		*reterr =
			cx_printf(cx, "'%.100s' is not an even number of hexadecimal digits", text);
		return parse_hex(cx, text, n, c);
	}
	c->str = text;
	c->n = n;
	return 0;
}

static int parse_bool(const char *text, uint64_t *ret)
{
	*ret = !strcmp(text, "true");
	return *ret || !strcmp(text, "false") ? 0 : -EINVAL;
}

int check_const(struct cx *cx, enum field_type ft, enum img_type type, enum img_op op,
	const char *text, size_t n, struct tconst *ret, const char **reterr)
{
	const char *what = "a valid number";
	int r;

	*ret = (struct tconst){.type = (uint8_t)type, .str = ""};
	if (type == IMG_T_STR || type == IMG_T_BYTES)
		return parse_text(cx, type, op, text, n, ret, reterr);
	if (memchr(text, '\0', n)) {
		*reterr = "a value cannot hold a NUL character";
		return -EINVAL;
	}
	switch (type) {
	case IMG_T_BOOL:
		what = "'true' or 'false'";
		r = parse_bool(text, &ret->num);
		break;
	case IMG_T_I64:
		r = parse_signed(text, ft, &ret->num);
		break;
	case IMG_T_DOUBLE: {
		double d;

		r = parse_signed(text, FT_INT64, &ret->num);
		d = (double)(int64_t)ret->num;
		memcpy(&ret->num, &d, sizeof(d));
		break;
	}
	case IMG_T_IPADDR:
		what = "an address";
		r = parse_ip(text, n, ret);
		break;
	case IMG_T_IPNET:
		what = "a network (address/bits)";
		r = parse_net(text, n, ret);
		break;
	default:
		if (ft == FT_PORT) {
			what = "a port number or service name";
			r = parse_port(text, n, &ret->num);
		} else {
			r = parse_unsigned(text, ft, &ret->num);
		}
		break;
	}
	if (r < 0)
		*reterr = cx_printf(cx, "'%.100s' is not %s", text, what);
	return r;
}
