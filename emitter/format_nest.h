/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the formats of other schemas share: an alert's output fields found by name, and put where a
 * table says, as nested JSON objects. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shm/alert.h>

#include <base/strbuf.h>

enum nest_as {
	NEST_VALUE,    /* with its own type */
	NEST_TEXT,     /* as text: identifiers that are numbers here and keywords there */
	NEST_TEXTS,    /* as a list of this one text */
	NEST_NUMBER,   /* only if it is a number, or text that is one */
	NEST_PATH,     /* only if it is an absolute path */
	NEST_BASENAME, /* likewise: what follows its last slash */
	NEST_IF_PATH,  /* likewise: the row's constant */
	NEST_CONSTANT, /* not the value but the row's constant, where the field is there */
	NEST_SRC_IP,   /* the four ends of a connection: of its own fields or of fd.name */
	NEST_SRC_PORT,
	NEST_DST_IP,
	NEST_DST_PORT,
};

/* Where a field stands. The rows of a table whose paths begin alike stand together, so that every
 * object is opened once. */
struct nest_row {
	const char *path;   /* "process.parent.name", at most NEST_DEPTH_MAX names */
	const char *fields; /* "container.image.repository|container.image": the first that has a
				 value; NULL for the ends of a connection */
	enum nest_as as;
	const char *constant; /* JSON */
};
#define NEST_DEPTH_MAX 6

/* The field of that name, NULL if it is not there, null, empty or "<NA>". */
const struct alert_field *nest_find(const struct alert *a, struct span name);
/* Adds ,"name":… for each top-level name that has a value. Containers are left out on the host. */
void nest_add(const struct alert *a, const struct nest_row *rows, size_t n_rows, struct strbuf *b);
/* The output fields as one flat object, and the tags as a list. */
void nest_add_fields(const struct alert *a, struct strbuf *b);
void nest_add_tags(const struct alert *a, struct strbuf *b);

/* The ends of a connection, client first; an address that is not known has no bytes. */
struct nest_ends {
	struct span src_ip, dst_ip; /* valid IPv4 or IPv6 */
	uint64_t src_port, dst_port;
	bool has_src_port, has_dst_port;
};
struct nest_ends nest_ends(const struct alert *a);

/* MITRE ATT&CK: is the tag a technique ("T1059", "T1548.001") or a tactic ("mitre_execution")? */
bool nest_is_technique(struct span tag);
bool nest_is_tactic(struct span tag, struct span *ret_name);
/* Number of the alert's tags that are techniques. */
unsigned nest_n_techniques(const struct alert *a);
