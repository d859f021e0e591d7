/* SPDX-License-Identifier: Apache-2.0 */
/* Container runtimes, by the configuration of Falco's `container` plugin: whose containers are known by their cgroups, which are asked, at which sockets, and for what. Without one the plugin's own defaults hold. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <base/macros.h>
#include <shm/engines.h>
#include <shm/gate.h>

#include "config_priv.h"
#include "config_value.h"

#define LABEL_MAX_LEN 100
#define USERS "/run/user"

static const struct engine {
	const char *name;
	enum gate_kind kind;
	const char *sockets[4]; /* where nothing else is said */
} engines[] = {
	{"docker", GATE_DOCKER, {"/var/run/docker.sock"}},
	{"podman", GATE_PODMAN, {"/run/podman/podman.sock"}},
	{"cri", GATE_CRI,
		{"/run/containerd/containerd.sock", "/run/crio/crio.sock",
			"/run/k3s/containerd/containerd.sock",
			"/run/host-containerd/containerd.sock"}},
	{"containerd", GATE_CONTAINERD,
		{"/run/containerd/containerd.sock", "/run/host-containerd/containerd.sock"}},
};
static const struct engine *const podman = &engines[1];

static const struct cfg_node *container_config(const struct config_run *c)
{
	const struct cfg_node *list = cfg_find(c->root, "plugins");

	for (const struct cfg_item *i = list && list->kind == CFG_SEQ ? list->first : NULL; i;
		i = i->next) {
		if (i->node->kind == CFG_MAP &&
			!strcmp(config_text(i->node, "name", ""), "container"))
			return cfg_find(i->node, "init_config");
	}
	return NULL;
}

/* Falco's: `load_plugins` without it turns it off; no such key, or an empty list: all that are configured. */
static bool is_off(const struct config_run *c)
{
	const struct cfg_node *list = cfg_find(c->root, "load_plugins");

	if (!list || list->kind != CFG_SEQ || !list->first)
		return false;
	for (const struct cfg_item *i = list->first; i; i = i->next)
		if (i->node->kind == CFG_SCALAR && !strcmp(i->node->text, "container"))
			return false;
	return true;
}

/* In a user's own folder: /run/user/UID/…; 0: no. */
static uint32_t owner_of(const char *path)
{
	const char *const dirs[] = {USERS "/", "/var" USERS "/"};
	unsigned long uid = 0;

	for (unsigned i = 0; i < ARRAY_LEN(dirs); i++)
		if (!strncmp(path, dirs[i], strlen(dirs[i])))
			uid = strtoul(path + strlen(dirs[i]), NULL, 10);
	return uid < UINT32_MAX ? (uint32_t)uid : 0;
}

static void add_socket(
	struct config_run *c, const struct engine *e, const struct cfg_node *at, const char *path)
{
	struct plan_config *p = &c->result->plan;

	if (!strncmp(path, "unix://", strlen("unix://")))
		path += strlen("unix://");
	for (unsigned i = 0; i < p->n_runtimes; i++)
		if (p->runtimes[i].kind == e->kind && !strcmp(p->runtimes[i].path, path))
			return;
	if (p->n_runtimes == GATE_RUNTIMES_MAX) {
		cfg_error(c->diag, at ? &at->at : &c->root->at, NULL,
			"more than %u sockets of container runtimes", GATE_RUNTIMES_MAX);
		return;
	}
	p->runtimes[p->n_runtimes].kind = e->kind;
	p->runtimes[p->n_runtimes].uid = owner_of(path);
	config_copy(c, at, path, p->runtimes[p->n_runtimes].path, sizeof(p->runtimes[0].path));
	p->n_runtimes++;
}

/* Podman's of each user who is there now, as far as there is room behind all others. */
static void add_users(struct config_run *c)
{
	const char *root = c->src->env ? c->src->env(c->src->ctx, "HOST_ROOT") : NULL;
	const char *const *names = NULL;
	size_t n = 0;

	if (c->src->list_dir(c->src->ctx, c->arena,
		    arena_printf(c->arena, "%s" USERS, root ? root : ""), &names, &n) < 0)
		return; /* no such folder: nobody is there */
	for (size_t i = 0; i < n && c->result->plan.n_runtimes < GATE_RUNTIMES_MAX; i++)
		if (strspn(names[i], "0123456789") == strlen(names[i]))
			add_socket(c, podman, NULL,
				arena_printf(c->arena, USERS "/%s/podman/podman.sock", names[i]));
}

static const struct cfg_node *engine_config(
	struct config_run *c, const struct cfg_node *conf, const char *name)
{
	return conf ? cfg_find(conf, arena_printf(c->arena, "engines.%s", name)) : NULL;
}

static bool is_engine_off(const struct cfg_node *own)
{
	return own && !config_bool(own, "enabled", true);
}

/* true: its usual sockets. */
static bool add_engine(struct config_run *c, const struct cfg_node *conf, const struct engine *e)
{
	const struct cfg_node *own = engine_config(c, conf, e->name);
	const struct cfg_node *sockets = own ? cfg_find(own, "sockets") : NULL;

	if (is_engine_off(own))
		return false;
	if (sockets && sockets->kind == CFG_SCALAR)
		add_socket(c, e, sockets, sockets->text);
	for (const struct cfg_item *i = sockets && sockets->kind == CFG_SEQ ? sockets->first : NULL;
		i; i = i->next)
		if (i->node->kind == CFG_SCALAR)
			add_socket(c, e, i->node, i->node->text);
	if (sockets && (sockets->kind == CFG_SCALAR || sockets->first))
		return false;
	for (unsigned i = 0; i < ARRAY_LEN(e->sockets) && e->sockets[i]; i++)
		add_socket(c, e, NULL, e->sockets[i]);
	return true;
}

/* Containers of an engine that is off are not told from the host. */
static uint32_t engines_off(struct config_run *c, const struct cfg_node *conf)
{
	uint32_t bits = 0;

	for (unsigned i = CTR_NONE + 1; i < _CTR_MAX; i++)
		bits |= is_engine_off(engine_config(c, conf, ctr_engines[i].key)) ? CTR_BIT(i) : 0;
	return bits;
}

static uint32_t hooks(const struct cfg_node *conf)
{
	const struct cfg_node *list = conf ? cfg_find(conf, "hooks") : NULL;
	uint32_t bits = 0;

	if (!list)
		return HOOK_CREATE;
	for (const struct cfg_item *i = list->kind == CFG_SEQ ? list->first : NULL; i;
		i = i->next) {
		const char *name = i->node->kind == CFG_SCALAR ? i->node->text : "";

		bits |= !strcmp(name, "create")  ? HOOK_CREATE
			: !strcmp(name, "start") ? HOOK_START
						 : 0;
	}
	return bits;
}

void config_runtimes(struct config_run *c)
{
	const struct cfg_node *conf = container_config(c);
	struct plan_config *p = &c->result->plan;
	bool has_users = false;

	p->label_max =
		conf ? (uint32_t)config_int(conf, "label_max_len", LABEL_MAX_LEN) : LABEL_MAX_LEN;
	p->hooks = hooks(conf);
	if (is_off(c))
		return;
	p->engines_off = engines_off(c, conf);
	for (unsigned i = 0; i < ARRAY_LEN(engines); i++)
		has_users |= add_engine(c, conf, &engines[i]) && &engines[i] == podman;
	if (has_users)
		add_users(c);
}
