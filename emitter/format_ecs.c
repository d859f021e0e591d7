/* SPDX-License-Identifier: Apache-2.0 */
/* Elastic Common Schema 8: one document a line. What the schema has a place for stands there; all
 * output fields stand as they are under saker.output_fields besides (map it as `flattened`). */

#include <inttypes.h>

#include <base/macros.h>
#include <base/utf8.h>
#include <base/uuid.h>

#include "format.h"
#include "format_nest.h"

#define ECS_VERSION "8.11.0"

static const struct nest_row rows[] = {
	{"container.id", "container.id", NEST_TEXT, NULL},
	{"container.image.hash.all", "container.image.digest", NEST_TEXTS, NULL},
	{"container.image.name", "container.image.repository|container.image", NEST_TEXT, NULL},
	{"container.image.tag", "container.image.tag", NEST_TEXTS, NULL},
	{"container.name", "container.name", NEST_TEXT, NULL},
	{"container.runtime", "container.type", NEST_TEXT, NULL},
	{"destination.ip", NULL, NEST_DST_IP, NULL},
	{"destination.port", NULL, NEST_DST_PORT, NULL},
	{"file.directory", "fd.directory", NEST_PATH, NULL},
	{"file.name", "fd.filename", NEST_TEXT, NULL},
	{"file.path", "fd.name|fs.path.name", NEST_PATH, NULL},
	{"group.id", "group.gid", NEST_TEXT, NULL},
	{"group.name", "group.name", NEST_TEXT, NULL},
	{"network.transport", "fd.l4proto", NEST_TEXT, NULL},
	{"orchestrator.namespace", "k8s.ns.name", NEST_TEXT, NULL},
	{"orchestrator.resource.id", "k8s.pod.uid|k8s.pod.id", NEST_TEXT, NULL},
	{"orchestrator.resource.name", "k8s.pod.name", NEST_TEXT, NULL},
	{"orchestrator.resource.type", "k8s.pod.name", NEST_CONSTANT, "\"pod\""},
	{"orchestrator.type", "k8s.pod.name|k8s.ns.name", NEST_CONSTANT, "\"kubernetes\""},
	{"process.command_line", "proc.cmdline", NEST_TEXT, NULL},
	{"process.executable", "proc.exepath", NEST_TEXT, NULL},
	{"process.group_leader.pid", "proc.pgid", NEST_NUMBER, NULL},
	{"process.name", "proc.name", NEST_TEXT, NULL},
	{"process.parent.command_line", "proc.pcmdline", NEST_TEXT, NULL},
	{"process.parent.executable", "proc.pexepath", NEST_TEXT, NULL},
	{"process.parent.name", "proc.pname", NEST_TEXT, NULL},
	{"process.parent.pid", "proc.ppid", NEST_NUMBER, NULL},
	{"process.pid", "proc.pid", NEST_NUMBER, NULL},
	{"process.session_leader.pid", "proc.sid", NEST_NUMBER, NULL},
	{"process.thread.id", "thread.tid", NEST_NUMBER, NULL},
	{"process.vpid", "proc.vpid", NEST_NUMBER, NULL},
	{"process.working_directory", "proc.cwd", NEST_TEXT, NULL},
	{"source.ip", NULL, NEST_SRC_IP, NULL},
	{"source.port", NULL, NEST_SRC_PORT, NULL},
	{"user.id", "user.uid", NEST_TEXT, NULL},
	{"user.name", "user.name", NEST_TEXT, NULL},
};

static void add_event(const struct alert *a, struct strbuf *b)
{
	const struct alert_field *action = nest_find(a, SPAN_LIT("evt.type"));
	char id[UUID_TEXT_LEN + 1];

	uuid_format(a->id, id);
	strbuf_add_str(b, ",\"event\":{\"action\":");
	json_add_string(b, action && action->type == ALERT_STR ? rec_text(a, action->str)
							       : SPAN_LIT("rule-match"));
	/* severity as syslog has it, 0 is the worst; risk scores would be invented */
	strbuf_addf(b,
		",\"category\":[\"intrusion_detection\"],\"dataset\":\"saker.alert\",\"id\":\"%s\","
		"\"kind\":\"alert\",\"module\":\"saker\",\"provider\":",
		id);
	json_add_string(b, rec_text(a, a->source));
	strbuf_addf(b, ",\"sequence\":%" PRIu64 ",\"severity\":%u,\"type\":[\"info\"]}", a->h.seq,
		a->priority);
}

static void add_threat(const struct alert *a, struct strbuf *b)
{
	struct span tactic;
	unsigned n = 0;

	for (unsigned i = 0; i < a->n_tags; i++)
		if (nest_is_tactic(rec_text(a, alert_tags(a)[i]), &tactic)) {
			strbuf_add_str(b, n++ ? ","
					      : ",\"threat\":{\"framework\":\"MITRE "
						"ATT&CK\",\"tactic\":{\"name\":[");
			json_add_string(b, tactic);
		}
	if (n)
		strbuf_add_str(b, "]}");
	if (!nest_n_techniques(a)) {
		strbuf_add_str(b, n ? "}" : "");
		return;
	}
	strbuf_add_str(
		b, n ? ",\"technique\":{\"id\":["
		     : ",\"threat\":{\"framework\":\"MITRE ATT&CK\",\"technique\":{\"id\":[");
	n = 0;
	for (unsigned i = 0; i < a->n_tags; i++) {
		struct span tag = rec_text(a, alert_tags(a)[i]);

		if (!nest_is_technique(tag))
			continue;
		strbuf_add_str(b, n++ ? "," : "");
		json_add_string(b, tag);
	}
	strbuf_add_str(b, "]}}");
}

void format_ecs_add(const struct output *o _unused_, const struct alert *a, struct strbuf *b)
{
	strbuf_add_str(b, "{\"@timestamp\":\"");
	format_add_utc(a->h.ts_ns, b);
	strbuf_add_str(b, "Z\",\"ecs\":{\"version\":\"" ECS_VERSION "\"}");
	add_event(a, b);
	strbuf_add_str(b, ",\"host\":{\"hostname\":");
	json_add_string(b, rec_text(a, a->host));
	strbuf_add_str(b, ",\"name\":");
	json_add_string(b, rec_text(a, a->host));
	strbuf_add_str(b, "},\"log\":{\"level\":");
	json_add_string(b, span_str(alert_priority_str(a->priority)));
	strbuf_add_str(b, "},\"message\":");
	json_add_string(b, rec_text(a, a->message));
	strbuf_add_str(b, ",\"rule\":{\"name\":");
	json_add_string(b, rec_text(a, a->rule_name));
	strbuf_add_str(b, "},\"saker\":{\"output_fields\":");
	nest_add_fields(a, b);
	strbuf_add_str(b, "},\"tags\":");
	nest_add_tags(a, b);
	add_threat(a, b);
	nest_add(a, rows, ARRAY_LEN(rows), b);
	strbuf_add_char(b, '}');
}
