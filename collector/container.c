/* SPDX-License-Identifier: Apache-2.0 */
/* Containers' facts from JSON. The texts are hostile: the library parses them, with bounds on their size; depth is bounded by the library. What a user's file says is checked
 * to the last key and refused with its place; an event of a capture is taken as far as it can be understood. */

#include "container.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

#include <base/clock.h>
#include <base/macros.h>
#include <driver/kev.h>

#define TEXT_MAX 512      /* of a plain text; longer ones are cut */
#define CNI_MAX 3072      /* of those that are JSON themselves */
#define ROW_TEXT_MAX 1024 /* of a string of a mount or label */
#define ID_MAX 255

enum kind { K_TEXT, K_FLAG, K_MOUNTS, K_LABELS };

/* What is told, under its name in a file and in an event. */
static const struct fact {
	const char *key, *event_key;
	enum kind kind;
	unsigned what; /* enum crec_text, CREC_* flag */
} facts[] = {
#define CREC_FACT(key, event_key, KIND, WHAT) {key, event_key, K_##KIND, WHAT},
#include <shm/crec_facts.def>
};

static const char *const mount_keys[CREC_MOUNT_PARTS] = {
#define CREC_MOUNT_KEY(key, event_key) key,
#include <shm/crec_facts.def>
};
static const char *const mount_event_keys[CREC_MOUNT_PARTS] = {
#define CREC_MOUNT_KEY(key, event_key) event_key,
#include <shm/crec_facts.def>
};
#define MOUNT_RW 3

/* What foreign texts grow into is bounded: each block says its size in front of itself. */
static size_t json_used;
#define JSON_HEAD 16

static void *json_take(size_t n)
{
	size_t *p;

	if (n > MD_JSON_BYTES - JSON_HEAD || n + JSON_HEAD > MD_JSON_BYTES - json_used)
		return NULL;
	p = malloc(n + JSON_HEAD);
	if (!p)
		return NULL;
	*p = n + JSON_HEAD;
	json_used += *p;
	return (char *)p + JSON_HEAD;
}

static void json_give_back(void *block)
{
	size_t *p;

	if (!block)
		return;
	p = (size_t *)(void *)((char *)block - JSON_HEAD);
	json_used -= *p;
	free(p);
}

void md_container_init(void)
{
	json_set_alloc_funcs(json_take, json_give_back);
	json_object_seed(0);
}

/* --- checking a file --- */

/* The library tells no places of values: the key is looked for in the text behind its container's id. */
static void set_place(
	const char *text, size_t n, const char *id, const char *key, struct md_json_error *e)
{
	const char *at = text, *end = text + n;
	char quoted[ID_MAX + 3];

	for (unsigned i = 0; i < 2 && at; i++) {
		const char *want = i == 0 ? id : key;
		const char *found;

		if (!want)
			break;
		(void)snprintf(quoted, sizeof(quoted), "\"%s\"", want);
		found = memmem(at, (size_t)(end - at), quoted, strlen(quoted));
		if (!found)
			break;
		at = found;
	}
	e->line = 1;
	e->column = 1;
	for (const char *p = text; p < at; p++) {
		e->column = *p == '\n' ? 1 : e->column + 1;
		e->line += *p == '\n';
	}
}

static bool all_text(const json_t *object)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)object, key, v) if (!json_is_string(v)) return false;
	return true;
}

static const char *check_mounts(const json_t *v)
{
	size_t i;
	json_t *m;

	if (!json_is_array(v))
		return "must be a list of mounts";
	json_array_foreach(v, i, m)
	{
		const char *key;
		json_t *part;

		if (!json_is_object(m))
			return "must be a list of mounts, each an object";
		json_object_foreach(m, key, part)
		{
			unsigned k = 0;

			while (k < CREC_MOUNT_PARTS && strcmp(mount_keys[k], key) != 0)
				k++;
			if (k == CREC_MOUNT_PARTS)
				return "has a mount with a key that is none of source, dest, mode, "
				       "rw, propagation";
			if (k == MOUNT_RW ? !json_is_boolean(part) : !json_is_string(part))
				return "has a mount whose values are not texts, rw true or false";
		}
	}
	return NULL;
}

/* What is wrong with a value, NULL: nothing. */
static const char *check_value(const struct fact *f, const json_t *v)
{
	switch (f->kind) {
	case K_TEXT:
		return json_is_string(v) ? NULL : "must be a text";
	case K_FLAG:
		return json_is_boolean(v) ? NULL : "must be true or false";
	case K_MOUNTS:
		return check_mounts(v);
	default:
		return json_is_object(v) && all_text(v) ? NULL : "must be an object of texts";
	}
}

static const struct fact *find_fact(const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(facts); i++)
		if (strcmp(facts[i].key, key) == 0)
			return &facts[i];
	return NULL;
}

/* The key, and what is wrong with it. */
static const char *check_entry(const json_t *entry, const char **ret_key)
{
	const char *why = NULL, *key;
	json_t *v;

	*ret_key = NULL;
	if (!json_is_object(entry))
		return "must be an object";
	json_object_foreach((json_t *)entry, key, v)
	{
		const struct fact *f = find_fact(key);

		why = f ? check_value(f, v)
			: "is no known key (name, type, image, labels, mounts, …)";
		if (why) {
			*ret_key = key;
			return why;
		}
	}
	return NULL;
}

static int check_file(const json_t *root, const char *text, size_t n, struct md_json_error *e)
{
	const char *id, *key, *why;
	json_t *entry;

	if (!json_is_object(root)) {
		(void)snprintf(
			e->why, sizeof(e->why), "expected an object of containers by their ids");
		e->line = e->column = 1;
		return -EINVAL;
	}
	if (json_object_size(root) > CREC_SLOTS_MAX) {
		(void)snprintf(e->why, sizeof(e->why), "more than %d containers", CREC_SLOTS_MAX);
		return -EINVAL;
	}
	json_object_foreach((json_t *)root, id, entry)
	{
		size_t len = strlen(id);

		why = len == 0 || len > ID_MAX ? "is no id" : check_entry(entry, &key);
		if (!why)
			continue;
		if (len > ID_MAX)
			key = NULL;
		set_place(text, n, len > ID_MAX ? NULL : id, len ? key : NULL, e);
		(void)snprintf(e->why, sizeof(e->why), "container '%.64s': %s%.64s%s%s", id,
			len && key ? "'" : "", len && key ? key : "it", len && key ? "' " : " ",
			why);
		return -EINVAL;
	}
	return 0;
}

json_t *md_containers_parse(const char *text, size_t n, struct md_json_error *ret_error)
{
	json_error_t error;
	json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &error);

	*ret_error = (struct md_json_error){0};
	if (!root) {
		ret_error->line = error.line > 0 ? (unsigned)error.line : 0;
		ret_error->column = error.column > 0 ? (unsigned)error.column : 1;
		(void)snprintf(ret_error->why, sizeof(ret_error->why), "%s", error.text);
		return NULL;
	}
	if (check_file(root, text, n, ret_error) == 0)
		return root;
	json_decref(root);
	return NULL;
}

/* --- taking the facts --- */

static struct span text_of(const json_t *v, size_t max)
{
	struct span s = {.p = json_string_value(v), .n = json_string_length(v)};

	s.n = MIN(s.n, max);
	return s;
}

static bool has_room(struct md_container *c, size_t n)
{
	if (n <= sizeof(c->rows) - c->n_rows)
		return true;
	c->flags |= CREC_CUT;
	return false;
}

static void add_string(struct md_container *c, struct span s)
{
	if (s.n)
		memcpy(c->rows + c->n_rows, s.p, s.n);
	c->rows[c->n_rows + s.n] = '\0';
	c->n_rows += s.n + 1;
}

static struct span take_labels(struct md_container *c, const json_t *object, size_t max)
{
	size_t from = c->n_rows;
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)object, key, v)
	{
		struct span k = span_str(key), s = text_of(v, ROW_TEXT_MAX);

		if (!json_is_string(v) || json_string_length(v) > max ||
			!has_room(c, k.n + s.n + 2))
			continue;
		add_string(c, k);
		add_string(c, s);
	}
	return (struct span){.p = c->n_rows > from ? c->rows + from : NULL, .n = c->n_rows - from};
}

static struct span take_mounts(struct md_container *c, const json_t *list, const char *const *keys)
{
	size_t from = c->n_rows, i;
	json_t *m;

	json_array_foreach(list, i, m)
	{
		struct span parts[CREC_MOUNT_PARTS];
		size_t n = 0;

		for (unsigned k = 0; k < CREC_MOUNT_PARTS; k++) {
			const json_t *v = json_object_get(m, keys[k]);

			parts[k] = k == MOUNT_RW ? (json_is_true(v) ? SPAN_LIT("true")
								    : SPAN_LIT("false"))
						 : text_of(v, ROW_TEXT_MAX);
			n += parts[k].n + 1;
		}
		if (!json_is_object(m) || !has_room(c, n))
			continue;
		for (unsigned k = 0; k < CREC_MOUNT_PARTS; k++)
			add_string(c, parts[k]);
	}
	return (struct span){.p = c->n_rows > from ? c->rows + from : NULL, .n = c->n_rows - from};
}

/* Numbers of kinds of containers, as old captures have them. */
static struct span type_name(json_int_t n)
{
	static const char *const names[] = {"docker", "lxc", "libvirt-lxc", "mesos", "rkt",
		"custom", "cri", "containerd", "cri-o", "bpm", "static", "podman"};

	return n >= 0 && n < (json_int_t)ARRAY_LEN(names) ? span_str(names[n]) : (struct span){0};
}

/* Events of captures have some texts as numbers. */
static struct span number_text(struct md_container *c, unsigned what, const json_t *v)
{
	uint32_t ip = htonl((uint32_t)json_integer_value(v));
	char buf[INET_ADDRSTRLEN];
	size_t from = c->n_rows;

	if (what == CREC_TYPE)
		return type_name(json_integer_value(v));
	if (what != CREC_IP || !ip || !inet_ntop(AF_INET, &ip, buf, sizeof(buf)) ||
		!has_room(c, strlen(buf) + 1))
		return (struct span){0};
	add_string(c, span_str(buf));
	return (struct span){.p = c->rows + from, .n = strlen(buf)};
}

static void take(struct md_container *c, const struct fact *f, const json_t *v, bool is_event)
{
	bool is_json = f->what == CREC_CNI_JSON || f->what == CREC_POD_CNI_JSON;

	if (f->kind == K_FLAG)
		c->flags |= json_is_true(v) ? f->what : 0;
	else if (f->kind == K_LABELS)
		c->text[f->what] = take_labels(c, v, SIZE_MAX);
	else if (f->kind == K_MOUNTS)
		c->text[f->what] = take_mounts(c, v, is_event ? mount_event_keys : mount_keys);
	else if (json_is_string(v))
		c->text[f->what] = text_of(v, is_json ? CNI_MAX : TEXT_MAX);
	else if (json_is_integer(v))
		c->text[f->what] = number_text(c, f->what, v);
}

void md_container_begin(struct md_container *c, struct span id)
{
	c->id = id;
	c->flags = 0;
	c->n_rows = 0;
	memset(c->text, 0, sizeof(c->text));
}

void md_container_set(struct md_container *c, enum crec_text what, struct span text)
{
	text.n = MIN(text.n, (size_t)TEXT_MAX);
	c->text[what] = text;
}

void md_container_labels(
	struct md_container *c, enum crec_text what, const json_t *object, size_t max)
{
	c->text[what] = take_labels(c, object, max);
}

void md_container_mounts(
	struct md_container *c, const json_t *list, const char *const keys[CREC_MOUNT_PARTS])
{
	c->text[CREC_MOUNTS] = take_mounts(c, list, keys);
}

static void take_all(struct md_container *c, const json_t *object, bool is_event)
{
	md_container_begin(c, c->id);
	for (size_t i = 0; i < ARRAY_LEN(facts); i++) {
		const json_t *v =
			json_object_get(object, is_event ? facts[i].event_key : facts[i].key);

		if (v)
			take(c, &facts[i], v, is_event);
	}
}

void md_container_of_entry(struct md_container *c, const char *id, const json_t *entry)
{
	c->id = span_str(id);
	take_all(c, entry, false);
}

int md_container_of_event(struct md_container *c, const char *text, size_t n, json_t **ret_root)
{
	json_t *root = n <= MD_CONTAINER_JSON_MAX ? json_loadb(text, n, 0, NULL) : NULL;
	const json_t *object = json_object_get(root, "container");
	struct span full = text_of(json_object_get(object, "full_id"), SIZE_MAX);

	c->id = full.n ? full : text_of(json_object_get(object, "id"), SIZE_MAX);
	if (c->id.n == 0 || c->id.n > ID_MAX) {
		json_decref(root);
		return -EBADMSG;
	}
	take_all(c, object, true);
	*ret_root = root;
	return 0;
}

/* --- records --- */

int md_container_record(const struct md_container *c, void *buf)
{
	struct kev_builder b;
	int r;

	kev_build_start(&b, buf, KEV_SIZE_MAX, KEV_CODE_SAKER_CONTAINER, 0);
	kev_build_head(&b)->ts_ns = clock_boot_ns();
	kev_build_head(&b)->flags = KEV_F_NO_TASK;
	kev_build_text(&b, c->id);
	kev_build_int(&b, c->flags);
	for (unsigned i = 0; i < _CREC_TEXT_MAX; i++) {
		if (crec_parts(i) && c->text[i].n)
			kev_build_raw(&b, c->text[i].p, c->text[i].n);
		else if (crec_parts(i))
			kev_build_absent(&b);
		else
			kev_build_text(&b, c->text[i]);
	}
	r = kev_build_finish(&b);
	assert(r > 0);
	return r;
}
/* Eleven texts of TEXT_MAX and two of CNI_MAX at most. */
static_assert(MD_CONTAINER_ROWS_MAX + 11 * TEXT_MAX + 2 * CNI_MAX + ID_MAX + 512 < KEV_SIZE_MAX,
	"a record fits");
