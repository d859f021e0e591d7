/* SPDX-License-Identifier: Apache-2.0 */
/* Container ids from cgroup paths.
 *
 * Each runtime names its cgroups in a layout of its own: something before the id and something
 * after it (reference: field semantics, section 6). The layouts are a table, tried in order. The
 * paths come from the kernel but their names are chosen by whoever may make cgroups: an id found
 * here is a claim, and only its form is checked. */

#include "container_id.h"

#include <stdbool.h>
#include <string.h>

#include <base/macros.h>

struct layout {
	const char *prefix; /* searched from the right */
	const char *suffix; /* stands right after the id; "" = end of the path */
};

static const struct layout hex_layouts[] = {
	{"/docker-", ".scope"},
	{"/libpod-payload-", ""},
	{"/libpod-conmon-", ".scope/container"},
	{"/libpod-", ".scope/container"},
	{"/libpod-", ".scope"},
	{"/libpod-", ""},
	{"/cri-containerd-", ".scope"},
	{"/crio-", ".scope"},
	{"/crio-", ""},
	{"/nerdctl-", ".scope"},
	{":cri-containerd:", ""},
	{"/", ""},
};

/* Containers that have names. The name ends where the rule says, or at the next slash. */
static const struct named {
	const char *prefix; /* the first of these, wherever it stands */
	const char *suffix; /* the name ends before it, at the end of the path; NULL: at a slash */
} names[] = {
	{"/lxc.payload.", NULL}, {"/lxc.payload/", NULL},
	{"/lxc/", NULL},         /* also /libvirt/lxc/NAME */
	{"-lxc\\x2d", ".scope"}, /* libvirt with systemd: machine-lxc\x2dNUMBER\x2dNAME.scope */
	{"/bpm-", ".scope"}, {"/default/", ""}, /* ctr of containerd, in its usual namespace */
};

/* libvirt without systemd: /machine/NAME.libvirt-lxc */
#define LIBVIRT_SUFFIX ".libvirt-lxc"

static bool is_hex_id(struct span s)
{
	if (s.n != 64)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')))
			return false;
	}
	return true;
}

/* Offset after the last occurrence of @word, or 0. */
static size_t after_last(struct span s, struct span word)
{
	for (size_t i = s.n; i >= word.n; i--)
		if (memcmp(s.p + i - word.n, word.p, word.n) == 0)
			return i;
	return 0;
}

static struct span by_layout(struct span path, const struct layout *l)
{
	struct span suffix = span_str(l->suffix), id;
	size_t from;

	if (!span_ends_with(path, suffix))
		return (struct span){0};
	path.n -= suffix.n;
	from = after_last(path, span_str(l->prefix));
	id = (struct span){.p = path.p + from, .n = path.n - from};
	return from && is_hex_id(id) ? id : (struct span){0};
}

/* Offset after the first occurrence of @word, or 0. */
static size_t after_first(struct span s, struct span word)
{
	for (size_t i = word.n; i <= s.n; i++)
		if (memcmp(s.p + i - word.n, word.p, word.n) == 0)
			return i;
	return 0;
}

static struct span until_slash(struct span s)
{
	const char *end = s.n ? memchr(s.p, '/', s.n) : NULL;

	if (end)
		s.n = (size_t)(end - s.p);
	return s;
}

static struct span by_rule(struct span path, const struct named *rule)
{
	size_t from = after_first(path, span_str(rule->prefix));
	struct span name = {.p = path.p + from, .n = path.n - from};

	if (!from)
		return (struct span){0};
	if (!rule->suffix)
		name = until_slash(name);
	else if (!span_ends_with(name, span_str(rule->suffix)) || until_slash(name).n < name.n)
		return (struct span){0};
	else
		name.n -= strlen(rule->suffix);
	return name.n ? name : (struct span){0};
}

static struct span by_name(struct span path)
{
	struct span suffix = SPAN_LIT(LIBVIRT_SUFFIX), name;
	size_t slash;

	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		name = by_rule(path, &names[i]);
		if (name.n)
			return name;
	}
	if (!span_ends_with(path, suffix))
		return (struct span){0};
	path.n -= suffix.n;
	slash = after_last(path, SPAN_LIT("/"));
	return slash < path.n ? (struct span){.p = path.p + slash, .n = path.n - slash}
			      : (struct span){0};
}

struct span st_container_id_of_path(struct span path)
{
	struct span id;

	while (path.n > 1 && path.p[path.n - 1] == '/')
		path.n--;
	for (unsigned i = 0; i < ARRAY_LEN(hex_layouts); i++) {
		id = by_layout(path, &hex_layouts[i]);
		if (id.p)
			return id;
	}
	return by_name(path);
}

struct span st_container_id(struct span cgroups)
{
	for (size_t i = 0; i < cgroups.n;) {
		struct span entry = {.p = cgroups.p + i};
		struct span id;
		size_t eq = 0;

		while (i + entry.n < cgroups.n && entry.p[entry.n])
			entry.n++;
		while (eq < entry.n && entry.p[eq] != '=')
			eq++;
		if (eq < entry.n) {
			id = st_container_id_of_path(
				(struct span){.p = entry.p + eq + 1, .n = entry.n - eq - 1});
			if (id.p)
				return id;
		}
		i += entry.n + 1;
	}
	return (struct span){0};
}
