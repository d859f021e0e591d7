/* SPDX-License-Identifier: Apache-2.0 */
/* The block of a Kafka output. Properties are librdkafka's own; the library itself checks them here,
 * where their place in the file is known. Those that load code, run programs or name files are read
 * into memory or refused: the emitter opens nothing. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <librdkafka/rdkafka.h>

#include <base/macros.h>

#include "config_net.h"
#include "config_value.h"

#define KAFKA_PORT 9092
#define NAMES_MAX 512

/* A property that names a file, and the one that takes what stands in it. */
static const struct {
	const char *name, *in_memory;
} files[] = {
	{"ssl.ca.location", "ssl.ca.pem"},
	{"ssl.certificate.location", "ssl.certificate.pem"},
	{"ssl.key.location", "ssl.key.pem"},
};

static const char *const secrets[] = {"sasl.password", "ssl.key.password", "ssl.key.pem"};

static const struct {
	const char *name, *why;
} refused[] = {
	{"plugin.library.paths", "it loads code"},
	{"ssl.engine.location", "it loads code"},
	{"ssl.engine.id", "it loads code"},
	{"ssl.providers", "it loads code"},
	{"sasl.kerberos.kinit.cmd", "it runs a program"},
	{"sasl.kerberos.keytab", "Kerberos runs a program"},
	{"ssl.keystore.location", "give certificate and key as PEM files, with "
				  "ssl.certificate.location and ssl.key.location"},
	{"ssl.keystore.password", "give certificate and key as PEM files, with "
				  "ssl.certificate.location and ssl.key.location"},
	{"ssl.crl.location", "it names a file and has no form in memory"},
	{"ssl.ca.certificate.stores", "it is for another system"},
	{"sasl.oauthbearer.method", "tokens would be fetched from elsewhere"},
	{"sasl.oauthbearer.token.endpoint.url", "tokens would be fetched from elsewhere"},
	{"sasl.oauthbearer.client.secret", "tokens would be fetched from elsewhere"},
	{"transactional.id", "alerts are not sent in transactions"},
	{"test.mock.num.brokers", "it is for the library's own tests"},
	{"internal.termination.signal", "signals are saker's"},
	{"bootstrap.servers", "use kafka.brokers"},
	{"metadata.broker.list", "use kafka.brokers"},
};

/* Ours win: without them an alert could be lost, doubled or out of order. */
static const struct {
	const char *name, *value;
} ours[] = {
	{"enable.idempotence", "true"},
	{"acks", "all"},
	{"request.required.acks", "all"},
	{"message.timeout.ms", "0"},
	{"delivery.timeout.ms", "0"},
	{"delivery.report.only.error", "false"},
	{"broker.address.family", "any"},
};

static bool is_listed(const char *name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(name, list[i]))
			return true;
	return false;
}

/* All names that the library knows, for a suggestion. */
static const char *nearest(struct config_run *c, const char *name)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_topic_conf_t *topic = rd_kafka_topic_conf_new();
	const char *names[NAMES_MAX + 1] = {NULL}, *best, *hint = NULL;
	size_t n_conf = 0, n_topic = 0, n = 0;
	const char **of_conf = rd_kafka_conf_dump(conf, &n_conf),
		   **of_topic = rd_kafka_topic_conf_dump(topic, &n_topic);

	for (size_t i = 0; i + 1 < n_conf && n < NAMES_MAX; i += 2)
		names[n++] = of_conf[i];
	for (size_t i = 0; i + 1 < n_topic && n < NAMES_MAX; i += 2)
		names[n++] = of_topic[i];
	best = diag_nearest(name, strlen(name), names);
	if (best)
		hint = arena_printf(c->arena, "did you mean '%s'?", best);
	rd_kafka_conf_dump_free(of_conf, n_conf);
	rd_kafka_conf_dump_free(of_topic, n_topic);
	rd_kafka_topic_conf_destroy(topic);
	rd_kafka_conf_destroy(conf);
	return hint;
}

/* Does the library take it? */
static void check_property(struct config_run *c, rd_kafka_conf_t *conf, const struct cfg_item *i,
	const char *name, const char *value)
{
	char why[512];

	switch (rd_kafka_conf_set(conf, name, value, why, sizeof(why))) {
	case RD_KAFKA_CONF_OK:
		return;
	case RD_KAFKA_CONF_UNKNOWN:
		cfg_error(c->diag, &i->key_at, nearest(c, i->key),
			"unknown librdkafka property '%s'", i->key);
		return;
	default:
		cfg_error(c->diag, &i->node->at, NULL, "librdkafka property '%s': %s", i->key, why);
		return;
	}
}

/* Name and value as the emitter is to set them. *ret_value NULL: nothing to set. */
static void translate(struct config_run *c, const struct cfg_item *i, const char **ret_name,
	const char **ret_value)
{
	const char *what = arena_printf(c->arena, "kafka.properties.%s", i->key);
	bool is_secret = is_listed(i->key, secrets, ARRAY_LEN(secrets));

	*ret_name = i->key;
	*ret_value = NULL;
	for (size_t k = 0; k < ARRAY_LEN(refused); k++) {
		if (strcmp(i->key, refused[k].name) != 0)
			continue;
		cfg_error(c->diag, &i->key_at, NULL, "librdkafka property '%s' is not taken: %s",
			i->key, refused[k].why);
		return;
	}
	for (size_t k = 0; k < ARRAY_LEN(ours); k++) {
		if (strcmp(i->key, ours[k].name) != 0)
			continue;
		if (i->node->kind != CFG_SCALAR || strcmp(i->node->text, ours[k].value) != 0)
			cfg_warn(c->diag, &i->key_at, "'%s' stays '%s': no alert may be lost",
				i->key, ours[k].value);
		return;
	}
	if (i->node->kind == CFG_NULL)
		return;
	for (size_t k = 0; k < ARRAY_LEN(files); k++) {
		if (strcmp(i->key, files[k].name) != 0)
			continue;
		*ret_name = files[k].in_memory;
		if (i->node->kind == CFG_SCALAR)
			*ret_value = net_read(c, &i->node->at, what, i->node->text);
		return;
	}
	if (!strcmp(i->key, "ssl.key.pem") && i->node->kind == CFG_MAP) {
		/* a key has more than one line */
		*ret_value = net_read_key(c, i->node, "file");
		return;
	}
	*ret_value = is_secret ? net_secret(c, i->node, what) : net_text(c, i->node, what);
}

static bool has_property(const json_t *list, const char *name)
{
	size_t n;
	json_t *pair;

	json_array_foreach(list, n,
		pair) if (!strcmp(json_string_value(json_array_get(pair, 0)), name)) return true;
	return false;
}

static const char *value_of(const json_t *list, const char *name)
{
	size_t n;
	json_t *pair;

	json_array_foreach(
		list, n, pair) if (!strcmp(json_string_value(json_array_get(pair, 0)),
					   name)) return json_string_value(json_array_get(pair, 1));
	return "";
}

static int add_property(json_t *list, const char *name, const char *value)
{
	json_t *pair = json_pack("[s,s]", name, value);

	return pair && json_array_append_new(list, pair) == 0 ? 0 : -ENOMEM;
}

/* Properties as a list of pairs, checked. NULL: out of memory. */
static json_t *make_properties(struct config_run *c, const struct cfg_node *n)
{
	const struct cfg_node *map = n ? cfg_find(n, "properties") : NULL;
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	json_t *list = json_array();
	int r = list ? 0 : -ENOMEM;

	for (const struct cfg_item *i = map && map->kind == CFG_MAP ? map->first : NULL;
		i && r == 0; i = i->next) {
		const char *name, *value;

		translate(c, i, &name, &value);
		if (!value)
			continue;
		check_property(c, conf, i, name, value);
		r = add_property(list, name, value);
	}
	/* the library would look for the system's certificates itself, and may open no file */
	if (r == 0 && strcasestr(value_of(list, "security.protocol"), "ssl") &&
		!has_property(list, "ssl.ca.pem")) {
		const char *ca = net_read_ca(c, NULL, "");

		r = ca ? add_property(list, "ssl.ca.pem", ca) : 0;
	}
	rd_kafka_conf_destroy(conf);
	if (r == 0)
		return list;
	json_decref(list);
	return NULL;
}

static char *read_brokers(struct config_run *c, const struct cfg_node *n,
	const struct cfg_place *at, struct net_draft *d)
{
	const struct cfg_node *list = n ? cfg_find(n, "brokers") : NULL;
	char *text = arena_strdup(c->arena, "");

	for (const struct cfg_item *i = list && list->kind == CFG_SEQ ? list->first : NULL;
		i && text; i = i->next) {
		char host[DIAL_HOST_MAX];
		uint16_t port;

		if (i->node->kind != CFG_SCALAR)
			continue; /* said by the check */
		if (!net_split_host(i->node->text, KAFKA_PORT, host, &port)) {
			cfg_error(c->diag, &i->node->at, NULL,
				"'%s' is no broker: wanted host:port", i->node->text);
			continue;
		}
		net_add_target(c, &i->node->at, d, DIAL_TCP, host, port);
		text = arena_printf(c->arena, strchr(host, ':') ? "%s%s[%s]:%u" : "%s%s%s:%u", text,
			*text ? "," : "", host, port);
	}
	if (text && !*text)
		cfg_error(c->diag, list ? &list->at : at, NULL, "'kafka.brokers' is missing");
	return text;
}

/* What brokers may advertise. */
static void read_peers(struct config_run *c, const struct cfg_node *n, struct net_draft *d)
{
	const struct cfg_node *hosts = cfg_find(n, "hosts"), *ports = cfg_find(n, "ports");
	int64_t port;

	d->dial.advertises = 1;
	for (const struct cfg_item *i = hosts && hosts->kind == CFG_SEQ ? hosts->first : NULL; i;
		i = i->next) {
		if (i->node->kind != CFG_SCALAR)
			continue;
		if (d->dial.n_hosts == DIAL_PATTERNS_MAX ||
			strlen(i->node->text) >= DIAL_HOST_MAX || !*i->node->text)
			cfg_error(c->diag, &i->node->at, NULL,
				"'kafka.hosts' takes %d names of 1 to %d characters",
				DIAL_PATTERNS_MAX, DIAL_HOST_MAX - 1);
		else
			(void)snprintf(d->dial.hosts[d->dial.n_hosts++], DIAL_HOST_MAX, "%s",
				i->node->text);
	}
	for (const struct cfg_item *i = ports && ports->kind == CFG_SEQ ? ports->first : NULL; i;
		i = i->next) {
		if (i->node->kind != CFG_SCALAR || !cfg_to_int(i->node->text, &port) || port < 1 ||
			port > 65535)
			continue; /* said by the check */
		if (d->dial.n_ports == DIAL_PORTS_MAX)
			cfg_error(c->diag, &i->node->at, NULL, "'kafka.ports' takes %d ports",
				DIAL_PORTS_MAX);
		else
			d->dial.ports[d->dial.n_ports++] = (uint16_t)port;
	}
}

int config_kafka(struct config_run *c, const struct cfg_node *n, const struct cfg_place *at,
	struct net_draft *d)
{
	const char *brokers = read_brokers(c, n, at, d), *topic = NULL;
	json_t *properties = make_properties(c, n);

	if (n) {
		read_peers(c, n, d);
		topic = config_text(n, "topic", "saker-alerts");
		if (!*topic || strlen(topic) > 249 ||
			strspn(topic, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01234567"
				      "89._-") != strlen(topic))
			cfg_error(c->diag, &cfg_find(n, "topic")->at, NULL,
				"'%s' is no topic: 1 to 249 of a-z A-Z 0-9 . _ -", topic);
	}
	if (!brokers || !properties) {
		json_decref(properties);
		return -ENOMEM;
	}
	d->block =
		json_pack("{s:s, s:s, s:s, s:o}", "brokers", brokers, "topic", topic ? topic : "",
			"key", n ? config_text(n, "key", "%host") : "", "properties", properties);
	return d->block ? 0 : -ENOMEM;
}
