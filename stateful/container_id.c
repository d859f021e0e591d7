/* SPDX-License-Identifier: Apache-2.0 */
/* Container ids from cgroup paths.
 *
 * Each engine names its cgroups in layouts of its own: something before the id and something after
 * it (reference: field semantics, section 6). The layouts are a table, tried in order; those of an
 * engine that is off are passed over, so that its containers are the host, unless another one's
 * layouts fit. The paths come from the kernel but their names are chosen by whoever may make
 * cgroups: an id found here is a claim, and only its form is checked. */

#include "container_id.h"

#include <stdbool.h>
#include <string.h>

#include <base/macros.h>
#include <shm/crec.h>

static const struct span none;

struct layout {
	enum ctr_engine engine;
	/* @path without the slash at its end; {NULL, 0}: it does not fit */
	struct span (*find)(struct span path, const struct layout *l);
	const char *before, *after; /* the id; how they bind is find()'s to say */
};

static bool is_hex(const char *p)
{
	for (size_t i = 0; i < CREC_HEX_ID; i++)
		if (!((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'f') ||
			    (p[i] >= 'A' && p[i] <= 'F')))
			return false;
	return true;
}

static struct span from(struct span s, size_t n)
{
	return (struct span){.p = s.p + n, .n = s.n - n};
}

/* Offset behind the first occurrence of @word, or 0. */
static size_t behind(struct span s, const char *word)
{
	const char *p = s.n ? memmem(s.p, s.n, word, strlen(word)) : NULL;

	return p ? (size_t)(p - s.p) + strlen(word) : 0;
}

static struct span until_slash(struct span s)
{
	const char *end = s.n ? memchr(s.p, '/', s.n) : NULL;

	if (end)
		s.n = (size_t)(end - s.p);
	return s;
}

static struct span unless_empty(struct span s)
{
	return s.n ? s : none;
}

/* The path ends in before, 64 hexadecimal digits, after. */
static struct span hex(struct span path, const struct layout *l)
{
	struct span before = span_str(l->before), after = span_str(l->after), id;

	if (path.n < before.n + CREC_HEX_ID + after.n || !span_ends_with(path, after))
		return none;
	path.n -= after.n;
	id = from(path, path.n - CREC_HEX_ID);
	path.n -= CREC_HEX_ID;
	return span_ends_with(path, before) && is_hex(id.p) ? id : none;
}

/* /NAMESPACE/64 hexadecimal digits, and nothing else. */
static struct span hex_below_one(struct span path, const struct layout *l)
{
	struct span id = hex(path, l);

	if (!id.p || path.p[0] != '/' || path.n == CREC_HEX_ID + 1 ||
		until_slash(from(path, 1)).n + 2 + CREC_HEX_ID != path.n)
		return none;
	return id;
}

/* What stands behind `before`, wherever that is, to the next slash. */
static struct span name(struct span path, const struct layout *l)
{
	size_t at = behind(path, l->before);

	return at ? unless_empty(until_slash(from(path, at))) : none;
}

static bool is_systemds(struct span s)
{
	return span_ends_with(s, SPAN_LIT(".service")) || span_ends_with(s, SPAN_LIT(".slice")) ||
	       span_ends_with(s, SPAN_LIT(".scope"));
}

/* The same, at the end of the path, and no unit of systemd. */
static struct span last_name(struct span path, const struct layout *l)
{
	size_t at = behind(path, l->before);
	struct span id = from(path, at);

	if (!at || until_slash(id).n < id.n || is_systemds(id))
		return none;
	return unless_empty(id);
}

/* Between `before` and `after`, which is the end of the path; no slash in between. */
static struct span enclosed(struct span path, const struct layout *l)
{
	struct span after = span_str(l->after);
	size_t at = behind(path, l->before);
	struct span id = from(path, at);

	if (!at || id.n <= after.n || !span_ends_with(id, after))
		return none;
	id.n -= after.n;
	if (until_slash(id).n < id.n)
		return none;
	return id;
}

/* A whole name of a cgroup but for its end, which is that of the path. */
static struct span whole_but(struct span path, const struct layout *l)
{
	struct span after = span_str(l->after);
	const char *slash;

	if (!span_ends_with(path, after))
		return none;
	path.n -= after.n;
	slash = path.n ? memrchr(path.p, '/', path.n) : NULL;
	return slash ? unless_empty(from(path, (size_t)(slash - path.p) + 1)) : none;
}

/* Cloud Foundry's: bpm-NAME, or runc-bpm-NAME.scope where runc asks systemd. */
static struct span bpm(struct span path, const struct layout *l)
{
	size_t at = behind(path, l->before), end;
	struct span id = from(path, at);

	if (!at ||
		(at > strlen(l->before) && !memchr("/-:", path.p[at - strlen(l->before) - 1], 3)))
		return none;
	end = behind(id, l->after);
	if (end)
		id.n = end - strlen(l->after);
	for (size_t i = 0; i < id.n; i++) {
		char c = id.p[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    c == '.' || c == '_' || c == '-'))
			return none;
	}
	return is_systemds(id) ? none : unless_empty(id);
}

/* In a unit of its own; beside the machine's processes (`payload`) stands the program that watches
 * them (`supervisor`), which is the host's. libvirt's machines have such names too. */
static struct span nspawn(struct span path, const struct layout *l)
{
	size_t at = behind(path, l->before);
	struct span rest = from(path, at), id = until_slash(rest);

	rest = from(rest, id.n);
	if (!at || id.n <= strlen(l->after) || !span_ends_with(id, span_str(l->after)) ||
		span_starts_with(rest, SPAN_LIT("/supervisor")) ||
		span_starts_with(id, SPAN_LIT("lxc\\x2d")) ||
		span_starts_with(id, SPAN_LIT("qemu\\x2d")))
		return none;
	id.n -= strlen(l->after);
	return id;
}

static const struct layout layouts[] = {
	{CTR_PODMAN, hex, "/libpod-", ".scope"},
	{CTR_PODMAN, hex, "/libpod-", ".scope/container"},
	{CTR_PODMAN, hex, "/libpod-", ""},
	{CTR_PODMAN, hex, "/libpod-payload-", ""},
	{CTR_PODMAN, hex, "/libpod-conmon-", ".scope/container"},
	{CTR_DOCKER, hex, "/", ""},
	{CTR_DOCKER, hex, "/docker-", ".scope"},
	{CTR_CRI, hex, "/", ""},
	{CTR_CRI, hex, "/crio-", ""},
	{CTR_CRI, hex, "/cri-containerd-", ".scope"},
	{CTR_CRI, hex, "/crio-", ".scope"},
	{CTR_CRI, hex, ":cri-containerd:", ""},
	{CTR_CRI, hex, "/docker-", ".scope"}, /* by cri-dockerd */
	{CTR_CRI, hex, "/nerdctl-", ".scope"},
	{CTR_CONTAINERD, hex_below_one, "/", ""},
	{CTR_CONTAINERD, last_name, "/default/", ""}, /* ctr, in its usual namespace */
	{CTR_LXC, name, "/lxc/", ""},                 /* also /libvirt/lxc/NAME */
	{CTR_LXC, name, "/lxc.payload/", ""},
	{CTR_LXC, name, "/lxc.payload.", ""},
	{CTR_LIBVIRT_LXC, whole_but, "/", ".libvirt-lxc"},
	/* by systemd: machine-lxc\x2dNUMBER\x2dNAME.scope */
	{CTR_LIBVIRT_LXC, enclosed, "-lxc\\x2d", ".scope"},
	{CTR_LIBVIRT_LXC, enclosed, "-lxc\\x2d", ".scope/libvirt"},
	{CTR_LIBVIRT_LXC, name, "/libvirt/lxc/", ""},
	{CTR_BPM, bpm, "bpm-", ".scope"},
	{CTR_SYSTEMD_NSPAWN, nspawn, "/systemd-nspawn@", ".service"},
	{CTR_SYSTEMD_NSPAWN, nspawn, "/machine.slice/machine-", ".scope"},
};

struct st_container_found st_container_of_path(struct span path, uint32_t off)
{
	while (path.n > 1 && path.p[path.n - 1] == '/')
		path.n--;
	if (path.n <= 1)
		return (struct st_container_found){0};
	for (unsigned i = 0; i < ARRAY_LEN(layouts); i++) {
		const struct layout *l = &layouts[i];
		struct span id = off & CTR_BIT(l->engine) ? none : l->find(path, l);

		if (id.p)
			return (struct st_container_found){.id = id, .engine = l->engine};
	}
	return (struct st_container_found){0};
}

struct st_container_found st_container_find(struct span cgroups, uint32_t off)
{
	for (size_t i = 0; i < cgroups.n;) {
		struct span entry = {
			.p = cgroups.p + i, .n = strnlen(cgroups.p + i, cgroups.n - i)};
		const char *eq = entry.n ? memchr(entry.p, '=', entry.n) : NULL;
		struct st_container_found f = {0};

		if (eq)
			f = st_container_of_path(from(entry, (size_t)(eq - entry.p) + 1), off);
		if (f.id.p)
			return f;
		i += entry.n + 1;
	}
	return (struct st_container_found){0};
}
