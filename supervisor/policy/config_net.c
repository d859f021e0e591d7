/* SPDX-License-Identifier: Apache-2.0 */
/* What the blocks of network outputs share: hosts, files, secrets. Files are read through the
 * supervisor; what stands in them goes into that output's block and nowhere else. */

#include "config_net.h"

#include <stdlib.h>
#include <string.h>

#include <base/macros.h>
#include <base/utf8.h>

#define SYSTEM_CA "/etc/ssl/certs/ca-certificates.crt"

bool net_split_host(
	const char *text, uint16_t port, char ret_host[DIAL_HOST_MAX], uint16_t *ret_port)
{
	const char *host = text, *end, *rest;
	char *stop = NULL;
	unsigned long n;

	if (*text == '[') {
		host++;
		end = strchr(host, ']');
		if (!end)
			return false;
		rest = end + 1;
	} else {
		end = rest = text + strcspn(text, ":");
		if (strchr(rest, ':') != strrchr(rest, ':')) /* an address of IPv6 alone */
			end = rest = text + strlen(text);
	}
	if (*rest == ':') {
		n = strtoul(rest + 1, &stop, 10);
		if (rest[1] < '0' || rest[1] > '9' || *stop || n < 1 || n > 65535)
			return false;
		port = (uint16_t)n;
	} else if (*rest) {
		return false;
	}
	if (port == 0 || end == host || end - host >= DIAL_HOST_MAX)
		return false;
	for (const char *p = host; p < end; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:%",
			    *p))
			return false;
	memcpy(ret_host, host, (size_t)(end - host));
	ret_host[end - host] = 0;
	*ret_port = port;
	return true;
}

void net_add_target(struct config_run *c, const struct cfg_place *at, struct net_draft *d,
	enum dial_proto proto, const char *host, uint16_t port)
{
	struct dial_target *t = &d->dial.targets[d->dial.n_targets];

	if (d->dial.n_targets == DIAL_TARGETS_MAX) {
		cfg_error(c->diag, at, NULL, "more than %d hosts in one output", DIAL_TARGETS_MAX);
		return;
	}
	*t = (struct dial_target){.proto = proto, .port = port};
	memcpy(t->host, host, strlen(host) + 1);
	d->dial.n_targets++;
}

static const char *read_text(struct config_run *c, const char *path, int *ret_error)
{
	const char *text = NULL;
	size_t n = 0;
	int r = c->src->read_file(c->src->ctx, c->arena, path, &text, &n);

	*ret_error = -r;
	return r < 0 ? NULL : text;
}

const char *net_read(
	struct config_run *c, const struct cfg_place *at, const char *what, const char *path)
{
	int error;
	const char *text = read_text(c, path, &error);

	if (!text)
		cfg_error(c->diag, at, NULL, "read the file '%s' of '%s': %s", path, what,
			strerror(error));
	else if (!utf8_is_valid(span_str(text)))
		cfg_error(c->diag, at, NULL, "the file '%s' of '%s' is not text", path, what);
	else
		return text;
	return NULL;
}

const char *net_read_key(struct config_run *c, const struct cfg_node *n, const char *key)
{
	const struct cfg_node *v = n ? cfg_find(n, key) : NULL;

	if (!v || v->kind != CFG_SCALAR || !*v->text)
		return NULL;
	return net_read(c, &v->at, key, v->text);
}

const char *net_read_ca(struct config_run *c, const struct cfg_node *n, const char *key)
{
	const struct cfg_node *v = n ? cfg_find(n, key) : NULL;
	int error;

	if (v && v->kind == CFG_SCALAR && *v->text)
		return net_read(c, &v->at, key, v->text);
	return read_text(c, SYSTEM_CA, &error); /* without any, TLS trusts nobody */
}

static const struct cfg_node *file_of(const struct cfg_node *n)
{
	return n->kind == CFG_MAP && n->n == 1 && !strcmp(n->first->key, "file") &&
			       n->first->node->kind == CFG_SCALAR
		       ? n->first->node
		       : NULL;
}

const char *net_text(struct config_run *c, const struct cfg_node *n, const char *what)
{
	const struct cfg_node *file = file_of(n);
	const char *text;

	if (n->kind == CFG_SCALAR)
		return n->text;
	if (!file) {
		cfg_error(c->diag, &n->at, NULL, "'%s' must be text or {file: PATH}", what);
		return NULL;
	}
	text = net_read(c, &file->at, what, file->text);
	if (!text)
		return NULL;
	text = arena_strndup(c->arena, text, strcspn(text, "\r\n"));
	if (text && !*text) {
		cfg_error(c->diag, &file->at, NULL,
			"the file '%s' of '%s' begins with an empty line", file->text, what);
		return NULL;
	}
	return text;
}

const char *net_secret(struct config_run *c, const struct cfg_node *n, const char *what)
{
	if (n->kind == CFG_SCALAR && !n->is_from_env) {
		cfg_error(c->diag, &n->at, NULL,
			"'%s' is a secret: it must come from {file: PATH} or ${VARIABLE}, not "
			"stand "
			"here",
			what);
		return NULL;
	}
	return net_text(c, n, what);
}
