/* SPDX-License-Identifier: Apache-2.0 */
/* The block of an HTTP output, in saker's form and in Falco's. The URL is taken apart here, so that
 * the dialer knows the host and the emitter resolves nothing. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <base/macros.h>

#include "config_net.h"
#include "config_value.h"

#define URL_MAX 2048
#define FALCO_CERTS "/etc/ssl/certs"
#define CA_DIR_BYTES_MAX (4u << 20)

struct url {
	const char *text;
	const struct cfg_place *at;
	bool is_tls;
	char host[DIAL_HOST_MAX];
	uint16_t port;
};

static bool read_url(
	struct config_run *c, const struct cfg_node *n, const struct cfg_place *at, struct url *u)
{
	const struct cfg_node *v = n ? cfg_find(n, "url") : NULL;
	const char *p, *end;
	char *authority;

	if (!v || v->kind != CFG_SCALAR || !*v->text) {
		cfg_error(c->diag, at, NULL, "the URL is missing");
		return false;
	}
	u->text = v->text;
	u->at = &v->at;
	u->is_tls = !strncasecmp(v->text, "https://", 8);
	p = v->text + (u->is_tls ? 8 : 7);
	if (!u->is_tls && strncasecmp(v->text, "http://", 7) != 0) {
		cfg_error(c->diag, &v->at, NULL, "'%s' is no URL: wanted http:// or https://",
			v->text);
		return false;
	}
	end = p + strcspn(p, "/?#");
	authority = arena_strndup(c->arena, p, (size_t)(end - p));
	if (authority && strchr(authority, '@')) {
		/* without the URL: it holds a secret */
		cfg_error(c->diag, &v->at, NULL,
			"no user and password in the URL: use http.headers with {file: PATH}");
		return false;
	}
	if (!authority || strlen(v->text) > URL_MAX || strpbrk(v->text, " \t\r\n#") ||
		!net_split_host(authority, u->is_tls ? 443 : 80, u->host, &u->port)) {
		cfg_error(c->diag, &v->at, NULL, "'%s' is no URL", v->text);
		return false;
	}
	return true;
}

static bool is_token(const char *s)
{
	return *s && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			       "!#$%&'*+-.^_`|~") == strlen(s);
}

/* Headers that nobody writes down in the open. */
static bool is_secret_header(const char *name)
{
	static const char *const names[] = {"authorization", "proxy-authorization", "cookie",
		"x-api-key", "api-key", "dd-api-key"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcasecmp(name, names[i]))
			return true;
	return false;
}

/* Those that the emitter makes itself. */
static bool is_own_header(const char *name)
{
	static const char *const names[] = {
		"content-length", "transfer-encoding", "content-encoding", "host", "expect"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcasecmp(name, names[i]))
			return true;
	return false;
}

static json_t *make_headers(struct config_run *c, const struct cfg_node *n)
{
	const struct cfg_node *map = n ? cfg_find(n, "headers") : NULL;
	json_t *list = json_array();

	for (const struct cfg_item *i = map && map->kind == CFG_MAP ? map->first : NULL; i && list;
		i = i->next) {
		const char *what = arena_printf(c->arena, "http.headers.%s", i->key), *value;

		if (!is_token(i->key) || is_own_header(i->key)) {
			cfg_error(c->diag, &i->key_at, NULL,
				is_own_header(i->key) ? "the header '%s' is made by saker itself"
						      : "'%s' is no name of a header",
				i->key);
			continue;
		}
		if (i->node->kind == CFG_NULL || !what)
			continue;
		value = is_secret_header(i->key) ? net_secret(c, i->node, what)
						 : net_text(c, i->node, what);
		if (!value)
			continue;
		for (const char *p = value; *p; p++)
			if ((unsigned char)*p < 0x20 || *p == 0x7f) {
				cfg_error(c->diag, &i->node->at, NULL,
					"the value of the header '%s' holds a control character",
					i->key);
				break;
			}
		if (json_array_append_new(list, json_pack("[s,s]", i->key, value)) < 0)
			break;
	}
	return list;
}

/* Every certificate of a folder, as Falco's ca_path. */
static const char *read_ca_dir(struct config_run *c, const struct cfg_node *v)
{
	const char *const *names = NULL;
	const char *all = "";
	size_t n = 0;
	int r = c->src->list_dir(c->src->ctx, c->arena, v->text, &names, &n);

	if (r < 0) {
		cfg_error(c->diag, &v->at, NULL, "list the folder '%s' of 'ca_path': %s", v->text,
			strerror(-r));
		return NULL;
	}
	for (size_t i = 0; i < n && all && strlen(all) < CA_DIR_BYTES_MAX; i++) {
		const char *path = arena_printf(c->arena, "%s/%s", v->text, names[i]), *text;
		size_t len = strlen(names[i]), text_n = 0;

		/* others are links to these, named by hash */
		if (len < 5 || (strcmp(names[i] + len - 4, ".pem") != 0 &&
				       strcmp(names[i] + len - 4, ".crt") != 0))
			continue;
		if (c->src->read_file(c->src->ctx, c->arena, path, &text, &text_n) < 0 ||
			!strstr(text, "-----BEGIN CERTIFICATE-----"))
			continue;
		all = arena_printf(c->arena, "%s%s\n", all, text);
	}
	if (all && !*all)
		cfg_error(c->diag, &v->at, NULL, "the folder '%s' holds no certificates", v->text);
	return all;
}

static const char *read_ca(struct config_run *c, const struct cfg_node *n, bool is_falco)
{
	const struct cfg_node *dir = is_falco && n ? cfg_find(n, "ca_path") : NULL;

	if (is_falco && *config_text(n, "ca_cert", "") == 0 && *config_text(n, "ca_bundle", ""))
		return net_read_ca(c, n, "ca_bundle");
	if (dir && dir->kind == CFG_SCALAR && *config_text(n, "ca_cert", "") == 0 && *dir->text &&
		strcmp(dir->text, FALCO_CERTS) != 0 && strcmp(dir->text, FALCO_CERTS "/") != 0)
		return read_ca_dir(c, dir);
	return net_read_ca(c, n, "ca_cert");
}

static int add_text(json_t *o, const char *key, const char *value)
{
	return !value || json_object_set_new(o, key, json_string(value)) == 0 ? 0 : -ENOMEM;
}

static int add_tls(
	struct config_run *c, const struct cfg_node *n, bool is_falco, struct url *u, json_t *o)
{
	bool insecure = config_bool(n, "insecure", false),
	     has_client = is_falco ? config_bool(n, "mtls", false)
				   : *config_text(n, "client_cert", "") != 0;
	const char *cert = NULL, *key = NULL;
	int r;

	if (insecure)
		cfg_warn(c->diag, u->at, "'insecure': whoever answers is believed");
	if (has_client) {
		cert = net_read(c, u->at, "client_cert",
			config_text(n, "client_cert", "/etc/ssl/certs/client.crt"));
		key = net_read(c, u->at, "client_key",
			config_text(n, "client_key",
				is_falco ? "/etc/ssl/certs/client.key"
					 : config_text(n, "client_cert", "")));
	}
	r = json_object_set_new(o, "insecure", json_boolean(insecure));
	if (r == 0)
		r = add_text(o, "ca", insecure ? NULL : read_ca(c, n, is_falco));
	if (r == 0)
		r = add_text(o, "cert", cert);
	if (r == 0)
		r = add_text(o, "key", key);
	return r < 0 ? -ENOMEM : 0;
}

static int add_signature(struct config_run *c, const struct cfg_node *n, json_t *o)
{
	const struct cfg_node *secret = cfg_find(n, "signature.secret");
	const char *header = config_text(n, "signature.header", "X-Saker-Signature"), *text;

	if (!secret) {
		if (cfg_find(n, "signature"))
			cfg_error(c->diag, &cfg_find(n, "signature")->at, NULL,
				"'http.signature.secret' is missing");
		return 0;
	}
	if (!is_token(header) || is_own_header(header))
		cfg_error(c->diag, &secret->at, NULL, "'%s' is no name for a signature's header",
			header);
	text = net_secret(c, secret, "http.signature.secret");
	if (!text)
		return 0;
	return json_object_set_new(o, "signature", json_pack("[s,s]", header, text)) == 0 ? 0
											  : -ENOMEM;
}

static json_t *make_block(
	struct config_run *c, const struct cfg_node *n, const struct url *u, bool is_falco)
{
	const char *compression = config_text(n, "compression", "none");

	if (is_falco && config_bool(n, "compress_uploads", false))
		compression = "gzip";
	return json_pack("{s:s, s:s, s:i, s:b, s:b, s:s, s:I, s:I, s:s, s:I, s:s, s:b, s:b, s:o}",
		"url", u->text, "host", u->host, "port", (int)u->port, "tls", u->is_tls, "unix",
		*config_text(n, "unix_socket", "") != 0, "batch", config_text(n, "batch", "none"),
		"batch_max", (json_int_t)config_int(n, "batch_max", 500), "linger_ms",
		(json_int_t)(config_duration(n, "linger", 200000000) / 1000000), "compression",
		compression, "timeout_ms",
		(json_int_t)(config_duration(n, "timeout", 5000000000) / 1000000), "user_agent",
		config_text(n, "user_agent", is_falco ? "falcosecurity/falco" : "saker"),
		"keep_alive", config_bool(n, "keep_alive", false), "echo",
		config_bool(n, "echo", false), "headers", make_headers(c, n));
}

int config_http(struct config_run *c, const struct cfg_node *n, const struct cfg_place *at,
	bool is_falco, struct net_draft *d)
{
	struct url u = {0};
	int r = 0;

	if (!read_url(c, n, at, &u))
		return 0;
	d->block = make_block(c, n, &u, is_falco);
	if (!d->block)
		return -ENOMEM;
	if (u.is_tls)
		r = add_tls(c, n, is_falco, &u, d->block);
	if (r == 0 && !is_falco)
		r = add_signature(c, n, d->block);
	if (*config_text(n, "unix_socket", "")) {
		d->path_node = cfg_find(n, "unix_socket");
		d->path = d->path_node->text;
	} else {
		net_add_target(c, u.at, d, DIAL_TCP, u.host, u.port);
	}
	return r;
}
