/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Containers' facts from JSON: a file of the user's, and what capture files have in their `container` events; and the saker_container records made of them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include <base/span.h>
#include <shm/crec.h>

#define MD_CONTAINER_FILE_MAX (8u << 20) /* bytes; larger files are refused */
#define MD_CONTAINER_JSON_MAX (1u << 20) /* of one event */
#define MD_CONTAINER_ROWS_MAX                                                                      \
	16384 /* bytes of mounts and labels of one container; the rest is cut */

/* What a runtime reports of a container. REPORT_OTHER: nothing that matters. */
enum report_action { REPORT_OTHER, REPORT_CREATE, REPORT_START, REPORT_REMOVE };

/* One container. Texts point into the JSON or into rows. */
struct md_container {
	struct span id;
	uint32_t flags; /* CREC_* */
	struct span text[_CREC_TEXT_MAX];
	size_t n_rows;
	char rows[MD_CONTAINER_ROWS_MAX];
};

/* Where and why a file is refused. line 0: the file as a whole. */
struct md_json_error {
	unsigned line, column;
	char why[200];
};

/* Before the seal: the library wants a random number once. From then on all that it holds at a time is at most MD_JSON_BYTES. */
#define MD_JSON_BYTES ((size_t)160 << 20)
void md_container_init(void);

/* Facts one by one. Texts are borrowed; longer ones than are kept are cut. */
void md_container_begin(struct md_container *c, struct span id);
void md_container_set(struct md_container *c, enum crec_text what, struct span text);
/* An object of texts; those longer than @max are left out. */
void md_container_labels(
	struct md_container *c, enum crec_text what, const json_t *object, size_t max);
/* A list of objects with these keys. */
void md_container_mounts(
	struct md_container *c, const json_t *list, const char *const keys[CREC_MOUNT_PARTS]);

/* The text of a file: {"<full id>": {"name": …}, …}, everything checked. NULL and *ret_error, or the object, which is the caller's. */
json_t *md_containers_parse(const char *text, size_t n, struct md_json_error *ret_error);
/* One entry of it. */
void md_container_of_entry(struct md_container *c, const char *id, const json_t *entry);
/* The JSON of a `container` event. -EBADMSG: it tells of none. The object must be released after *c was used. */
int md_container_of_event(struct md_container *c, const char *text, size_t n, json_t **ret_root);

/* The saker_container record, into buf (KEV_SIZE_MAX bytes, 8-aligned). Returns its length. */
int md_container_record(const struct md_container *c, void *buf);
