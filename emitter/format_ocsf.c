/* SPDX-License-Identifier: Apache-2.0 */
/* Open Cybersecurity Schema Framework 1.3: one Detection Finding (class 2004, category 2) a line,
 * profiles host and container. What the schema has a place for stands in the evidence; all output
 * fields stand as they are in the evidence's data. */

#include <inttypes.h>

#include <base/clock.h>
#include <base/macros.h>
#include <base/utf8.h>
#include <base/uuid.h>

#include "format.h"
#include "format_nest.h"

#define OCSF_VERSION "1.3.0"

#define PROC "actor.process."

static const struct nest_row evidence[] = {
	{PROC "cmd_line", "proc.cmdline", NEST_TEXT, NULL},
	{PROC "container.image.name", "container.image.repository|container.image", NEST_TEXT,
		NULL},
	{PROC "container.image.tag", "container.image.tag", NEST_TEXT, NULL},
	{PROC "container.image.uid",
		"container.image.id|container.image.digest|container.image.repository|container."
		"image",
		NEST_TEXT, NULL},
	{PROC "container.name", "container.name", NEST_TEXT, NULL},
	{PROC "container.pod_uuid", "k8s.pod.uid", NEST_TEXT, NULL},
	{PROC "container.runtime", "container.type", NEST_TEXT, NULL},
	{PROC "container.uid", "container.id", NEST_TEXT, NULL},
	{PROC "file.name", "proc.exepath", NEST_BASENAME, NULL},
	{PROC "file.path", "proc.exepath", NEST_PATH, NULL},
	{PROC "file.type_id", "proc.exepath", NEST_IF_PATH, "1"},
	{PROC "name", "proc.name", NEST_TEXT, NULL},
	{PROC "parent_process.cmd_line", "proc.pcmdline", NEST_TEXT, NULL},
	{PROC "parent_process.name", "proc.pname", NEST_TEXT, NULL},
	{PROC "parent_process.pid", "proc.ppid", NEST_NUMBER, NULL},
	{PROC "pid", "proc.pid", NEST_NUMBER, NULL},
	{PROC "tid", "thread.tid", NEST_NUMBER, NULL},
	{PROC "user.name", "user.name", NEST_TEXT, NULL},
	{PROC "user.uid", "user.uid", NEST_TEXT, NULL},
	{"connection_info.direction_id", "fd.l4proto", NEST_CONSTANT, "0"},
	{"connection_info.protocol_name", "fd.l4proto", NEST_TEXT, NULL},
	{"dst_endpoint.ip", NULL, NEST_DST_IP, NULL},
	{"dst_endpoint.port", NULL, NEST_DST_PORT, NULL},
	{"file.name", "fd.name|fs.path.name", NEST_BASENAME, NULL},
	{"file.path", "fd.name|fs.path.name", NEST_PATH, NULL},
	{"file.type_id", "fd.name|fs.path.name", NEST_IF_PATH, "0"},
	{"src_endpoint.ip", NULL, NEST_SRC_IP, NULL},
	{"src_endpoint.port", NULL, NEST_SRC_PORT, NULL},
};

/* severity_id and its caption by priority, Emergency first. */
static const struct {
	unsigned id;
	const char *caption;
} severities[8] = {
	{6, "Fatal"},
	{5, "Critical"},
	{5, "Critical"},
	{4, "High"},
	{3, "Medium"},
	{2, "Low"},
	{1, "Informational"},
	{1, "Informational"},
};

static void add_techniques(const struct alert *a, struct strbuf *b)
{
	unsigned n = 0;

	if (!nest_n_techniques(a))
		return;
	strbuf_add_str(b, ",\"attacks\":[");
	for (unsigned i = 0; i < a->n_tags; i++) {
		struct span tag = rec_text(a, alert_tags(a)[i]);

		if (!nest_is_technique(tag))
			continue;
		strbuf_add_str(b, n++ ? "," : "");
		/* T1059.004 is a sub-technique of T1059 */
		strbuf_add_str(b, "{\"technique\":{\"uid\":");
		json_add_string(b, (struct span){tag.p, MIN(tag.n, (size_t)5)});
		strbuf_add_char(b, '}');
		if (tag.n > 5) {
			strbuf_add_str(b, ",\"sub_technique\":{\"uid\":");
			json_add_string(b, tag);
			strbuf_add_char(b, '}');
		}
		strbuf_add_char(b, '}');
	}
	strbuf_add_char(b, ']');
}

static void add_finding(const struct alert *a, const char *id, struct strbuf *b)
{
	uint64_t ms = a->h.ts_ns / NS_PER_MS;

	strbuf_add_str(b, ",\"finding_info\":{\"analytic\":{\"name\":");
	json_add_string(b, rec_text(a, a->rule_name));
	strbuf_add_str(b, ",\"type\":\"Rule\",\"type_id\":1}");
	add_techniques(a, b);
	strbuf_addf(b, ",\"created_time\":%" PRIu64 ",\"desc\":", ms);
	json_add_string(b, rec_text(a, a->message));
	strbuf_add_str(b, ",\"title\":");
	json_add_string(b, rec_text(a, a->rule_name));
	strbuf_add_str(b, ",\"types\":");
	nest_add_tags(a, b);
	strbuf_addf(b, ",\"uid\":\"%s\"}", id);
}

static void add_metadata(const struct alert *a, const char *id, struct strbuf *b)
{
	strbuf_addf(b,
		",\"metadata\":{\"product\":{\"name\":\"saker\",\"vendor_name\":\"saker\","
		"\"version\":\"" SAKER_VERSION "\"},\"profiles\":[\"container\",\"host\"],"
		"\"sequence\":%" PRIu64 ",\"uid\":\"%s\",\"version\":\"" OCSF_VERSION "\"}",
		a->h.seq, id);
}

void format_ocsf_add(const struct output *o _unused_, const struct alert *a, struct strbuf *b)
{
	unsigned severity = MIN(a->priority, 7U);
	char id[UUID_TEXT_LEN + 1];

	uuid_format(a->id, id);
	strbuf_add_str(b, "{\"activity_id\":1,\"activity_name\":\"Create\",\"category_name\":"
			  "\"Findings\",\"category_uid\":2,\"class_name\":\"Detection Finding\","
			  "\"class_uid\":2004,\"device\":{\"hostname\":");
	json_add_string(b, rec_text(a, a->host));
	strbuf_add_str(b, ",\"type\":\"Unknown\",\"type_id\":0},\"evidences\":[{\"data\":");
	nest_add_fields(a, b);
	nest_add(a, evidence, ARRAY_LEN(evidence), b);
	strbuf_add_str(b, "}]");
	add_finding(a, id, b);
	strbuf_add_str(b, ",\"message\":");
	json_add_string(b, rec_text(a, a->message));
	add_metadata(a, id, b);
	strbuf_addf(b,
		",\"severity\":\"%s\",\"severity_id\":%u,\"status\":\"New\",\"status_id\":1,"
		"\"time\":%" PRIu64 ",\"type_name\":\"Detection Finding: Create\",\"type_uid\":"
		"200401,\"unmapped\":{\"priority\":\"%s\",\"source\":",
		severities[severity].caption, severities[severity].id,
		(uint64_t)(a->h.ts_ns / NS_PER_MS), alert_priority_str(a->priority));
	json_add_string(b, rec_text(a, a->source));
	strbuf_add_str(b, "}}");
}
