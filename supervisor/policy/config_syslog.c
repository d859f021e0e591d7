/* SPDX-License-Identifier: Apache-2.0 */
/* The block of a syslog output: targets in order of preference, local socket or network. */

#include <errno.h>
#include <string.h>

#include <base/macros.h>

#include "config_net.h"
#include "config_value.h"

#define TARGETS_MAX 8

static const struct {
	const char *scheme;
	enum dial_proto proto;
	uint16_t port; /* where none is given */
} schemes[] = {
	{"udp://", DIAL_UDP, 514},
	{"tcp://", DIAL_TCP, 601},
	{"tls://", DIAL_TCP, 6514},
};

static json_t *local_target(
	struct config_run *c, const struct cfg_node *v, const char *path, struct net_draft *d)
{
	if (d->path) {
		cfg_error(c->diag, &v->at, NULL, "more than one local target");
		return NULL;
	}
	d->path = path;
	d->path_node = v;
	return json_pack("{s:s}", "kind", "local");
}

static json_t *network_target(struct config_run *c, const struct cfg_node *v, struct net_draft *d)
{
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		char host[DIAL_HOST_MAX];
		uint16_t port;

		if (strncmp(v->text, schemes[i].scheme, 6) != 0)
			continue;
		if (!net_split_host(v->text + 6, schemes[i].port, host, &port))
			break;
		net_add_target(c, &v->at, d, schemes[i].proto, host, port);
		return json_pack("{s:s%, s:s, s:i}", "kind", schemes[i].scheme, (size_t)3, "host",
			host, "port", (int)port);
	}
	cfg_error(c->diag, &v->at, NULL,
		"syslog target '%s' is none: local, local:PATH, udp://HOST:PORT, tcp://HOST:PORT "
		"or "
		"tls://HOST:PORT",
		v->text);
	return NULL;
}

static json_t *make_targets(struct config_run *c, const struct cfg_node *n, struct net_draft *d)
{
	const struct cfg_node *list = n ? cfg_find(n, "targets") : NULL;
	json_t *targets = json_array();

	if (!list || list->kind != CFG_SEQ || list->n == 0) {
		d->path = "/dev/log";
		(void)json_array_append_new(targets, json_pack("{s:s}", "kind", "local"));
		return targets;
	}
	for (const struct cfg_item *i = list->first; i; i = i->next) {
		const struct cfg_node *v = i->node;
		json_t *t;

		if (v->kind != CFG_SCALAR)
			continue; /* said by the check */
		if (json_array_size(targets) == TARGETS_MAX) {
			cfg_error(c->diag, &v->at, NULL, "more than %d targets", TARGETS_MAX);
			break;
		}
		if (!strcmp(v->text, "local"))
			t = local_target(c, v, "/dev/log", d);
		else if (!strncmp(v->text, "local:", 6) && v->text[6])
			t = local_target(c, v, v->text + 6, d);
		else
			t = network_target(c, v, d);
		if (t)
			(void)json_array_append_new(targets, t);
	}
	return targets;
}

static const char *checked_name(struct config_run *c, const struct cfg_node *n, const char *key,
	size_t max, const char *otherwise)
{
	const char *s = n ? config_text(n, key, otherwise) : otherwise;

	if (n && cfg_find(n, key) && (strlen(s) > max || !*s || strpbrk(s, " []:%\n")))
		cfg_error(c->diag, &cfg_find(n, key)->at, NULL,
			"'%s' must be 1 to %zu characters without blanks and [ ] : %%", s, max);
	return s;
}

int config_syslog(struct config_run *c, const struct cfg_node *n, const struct cfg_place *at,
	struct net_draft *d)
{
	const char *ca = NULL, *cert, *key;
	json_t *targets = make_targets(c, n, d);
	bool has_tls = false;
	int r = 0;

	(void)at;
	for (size_t i = 0; i < json_array_size(targets); i++)
		has_tls = has_tls || !strcmp("tls", json_string_value(json_object_get(
							    json_array_get(targets, i), "kind")));
	cert = net_read_key(c, n, "client_cert");
	key = net_read_key(c, n, "client_key");
	if (has_tls)
		ca = net_read_ca(c, n, "ca_cert");
	if (has_tls && cert && !key)
		key = cert;
	d->block = json_pack("{s:o, s:s, s:s, s:s, s:s}", "targets", targets, "rfc",
		n ? config_text(n, "rfc", "") : "", "framing",
		n ? config_text(n, "framing", "octet") : "octet", "app_name",
		checked_name(c, n, "app_name", 48, "saker"), "hostname",
		checked_name(c, n, "hostname", 255, "-"));
	if (!d->block)
		return -ENOMEM;
	if (has_tls && ca)
		r = json_object_set_new(d->block, "ca", json_string(ca));
	if (has_tls && cert && r == 0)
		r = json_object_set_new(d->block, "cert", json_string(cert));
	if (has_tls && key && r == 0)
		r = json_object_set_new(d->block, "key", json_string(key));
	return r < 0 ? -ENOMEM : 0;
}
