/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The blocks of outputs that go over sockets: what their emitter needs, and where the dialer may
 * connect them to. Files that they name are read here, so that the emitter opens none. */

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include <shm/dial.h>

#include "config_priv.h"

struct net_draft {
	json_t *block;           /* of the kind alone; owned by who made the draft */
	struct dial_output dial; /* n_targets 0: no network */
	const char *path;        /* UNIX socket that the supervisor connects to, or NULL */
	const struct cfg_node *path_node;
};

/* Each fills the draft from the output's own block (NULL: it has none). @at: for what is missing.
 * Errors go to the diagnostics. 0 or -ENOMEM. */
int config_kafka(struct config_run *c, const struct cfg_node *n, const struct cfg_place *at,
	struct net_draft *d);
int config_http(struct config_run *c, const struct cfg_node *n, const struct cfg_place *at,
	bool is_falco, struct net_draft *d);
int config_syslog(struct config_run *c, const struct cfg_node *n, const struct cfg_place *at,
	struct net_draft *d);

/* --- for those three (config_net.c) --- */

/* "host", "host:port", "[address]:port" from text (no scheme, no path). @port: default, 0 none.
 * false: it is none. */
bool net_split_host(
	const char *text, uint16_t port, char ret_host[DIAL_HOST_MAX], uint16_t *ret_port);
/* Adds a target; an error at @at if there are too many. */
void net_add_target(struct config_run *c, const struct cfg_place *at, struct net_draft *d,
	enum dial_proto proto, const char *host, uint16_t port);
/* A file's text; NULL after an error at @at. */
const char *net_read(
	struct config_run *c, const struct cfg_place *at, const char *what, const char *path);
/* The file that the key of the map names; NULL if there is no such key or after an error. */
const char *net_read_key(struct config_run *c, const struct cfg_node *n, const char *key);
/* Certificates of authorities: of the key, else of the system. NULL: none, or after an error. */
const char *net_read_ca(struct config_run *c, const struct cfg_node *n, const char *key);
/* A secret: {file: PATH} (without the line's end) or a text that came from ${VARIABLE}. NULL after
 * an error; literal ones are errors. */
const char *net_secret(struct config_run *c, const struct cfg_node *n, const char *what);
/* {file: PATH}, or any text. */
const char *net_text(struct config_run *c, const struct cfg_node *n, const char *what);
