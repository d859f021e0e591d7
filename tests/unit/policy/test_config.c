/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration from texts: defaults, Falco's keys, saker's keys, overrides, merging, the
 * environment, and every kind of error with its exact place. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include <base/log.h>
#include <base/macros.h>
#include <shm/engines.h>

#include "config.h"
#include "options.h"

struct fake_file {
	const char *path, *text;
};

#define FILES_MAX 16

struct fixture {
	struct fake_file files[FILES_MAX];
	const char *rules[4], *options[12];
	struct config_request q;
	struct arena arena;
	struct diag diag;
	struct config_result res;
	char *printed;
	int r;
};

static const char *find_text(const struct fixture *f, const char *path)
{
	for (unsigned i = 0; i < FILES_MAX && f->files[i].path; i++)
		if (!strcmp(f->files[i].path, path))
			return f->files[i].text;
	return NULL;
}

/* A folder is what stands before a slash in some file's path. */
static bool is_dir(const struct fixture *f, const char *path)
{
	size_t n = strlen(path);

	for (unsigned i = 0; i < FILES_MAX && f->files[i].path; i++)
		if (!strncmp(f->files[i].path, path, n) && f->files[i].path[n] == '/')
			return true;
	return false;
}

static int fake_read(
	void *ctx, struct arena *a, const char *path, const char **ret_text, size_t *ret_n)
{
	const char *text = find_text(ctx, path);

	(void)a;
	if (!text)
		return is_dir(ctx, path) ? -EISDIR : -ENOENT;
	*ret_text = text;
	*ret_n = strlen(text);
	return 0;
}

static int fake_list(
	void *ctx, struct arena *a, const char *path, const char *const **ret_names, size_t *ret_n)
{
	const struct fixture *f = ctx;
	const char **names = arena_alloc(a, FILES_MAX * sizeof(*names));
	size_t n = 0, len = strlen(path);

	if (!is_dir(f, path))
		return find_text(f, path) ? -ENOTDIR : -ENOENT;
	for (unsigned i = 0; i < FILES_MAX && f->files[i].path; i++)
		if (!strncmp(f->files[i].path, path, len) && f->files[i].path[len] == '/' &&
			!strchr(f->files[i].path + len + 1, '/'))
			names[n++] = f->files[i].path + len + 1;
	*ret_names = names;
	*ret_n = n;
	return 0;
}

static const char *fake_env(void *ctx, const char *name)
{
	(void)ctx;
	return !strcmp(name, "PRIO") ? "warning" : !strcmp(name, "SOCK") ? "/s" : NULL;
}

static void run(struct fixture *f)
{
	struct config_source src = {fake_read, fake_list, fake_env, f};
	size_t n;
	FILE *out;

	arena_init(&f->arena, 0);
	diag_init(&f->diag);
	f->q.rules = f->rules;
	f->q.options = f->options;
	while (f->rules[f->q.n_rules])
		f->q.n_rules++;
	while (f->options[f->q.n_options])
		f->q.n_options++;
	f->q.share_dir = "/share";
	f->q.etc_dir = "/etc/saker";
	f->q.n_cpus = 4;
	f->r = config_run(&f->q, &src, &f->arena, &f->diag, &f->res);
	out = open_memstream(&f->printed, &n);
	diag_print(&f->diag, out);
	fclose(out);
	if (f->r < 0)
		assert_true(f->diag.n_errors > 0);
}

static void done(struct fixture *f)
{
	free(f->printed);
	diag_done(&f->diag);
	arena_done(&f->arena);
}

#define SHIPPED                                                                                    \
	{"/share/rules/b.yaml", ""}, {"/share/rules/a.yml", ""},                                   \
	{                                                                                          \
		"/share/rules/README", ""                                                          \
	}

static void test_runtimes__as_the_container_plugin_is_configured(void **state)
{
	static const char config[] =
		"rules_files: [/share/rules]\n"
		"plugins:\n"
		"  - name: json\n"
		"    init_config: {anything: [1, 2]}\n"
		"  - name: container\n"
		"    library_path: libcontainer.so\n"
		"    init_config:\n"
		"      label_max_len: 40\n"
		"      hooks: [start, remove]\n"
		"      engines:\n"
		"        docker: {enabled: true, sockets: [/a.sock, 'unix:///b.sock', /a.sock]}\n"
		"        podman: {enabled: false, sockets: [/c.sock]}\n"
		"        cri: {sockets: /d.sock}\n"
		"        lxc: {enabled: true}\n";
	static const char off[] = "rules_files: [/share/rules]\nload_plugins: [json]\n";
	static const char bad[] = "rules_files: [/share/rules]\nplugins:\n  - name: container\n    "
				  "init_config:\n      lable_max_len: 3\n"
				  "      hooks: [creat]\n";
	static struct fixture f;

	(void)state;
	f = (struct fixture){.files = {SHIPPED, {"/x.yaml", config}}, .q.config = "/x.yaml"};
	run(&f);
	assert_int_equal(f.r, 0);
	assert_int_equal(f.res.plan.n_runtimes, 5);
	assert_string_equal(f.res.plan.runtimes[0].path, "/a.sock");
	assert_string_equal(f.res.plan.runtimes[1].path, "/b.sock");
	assert_int_equal(f.res.plan.runtimes[1].kind, GATE_DOCKER);
	assert_string_equal(f.res.plan.runtimes[2].path, "/d.sock");
	assert_int_equal(f.res.plan.runtimes[2].kind, GATE_CRI);
	/* containerd's own interface, where it usually is */
	assert_string_equal(f.res.plan.runtimes[3].path, "/run/containerd/containerd.sock");
	assert_int_equal(f.res.plan.runtimes[3].kind, GATE_CONTAINERD);
	assert_int_equal(f.res.plan.label_max, 40);
	assert_int_equal(f.res.plan.hooks, HOOK_START);
	done(&f);
	f = (struct fixture){.files = {SHIPPED, {"/x.yaml", off}}, .q.config = "/x.yaml"};
	run(&f);
	assert_int_equal(f.r, 0);
	assert_int_equal(f.res.plan.n_runtimes, 0);
	done(&f);
	f = (struct fixture){.files = {SHIPPED, {"/etc/saker/rules.d/own.yaml", ""},
				     {"/run/user/1000", ""}, {"/run/user/x", ""}}};
	run(&f);
	assert_int_equal(f.r, 0);
	assert_int_equal(
		f.res.plan.n_runtimes, 3 + 4 + 2); /* and the usual places of CRI and containerd */
	assert_string_equal(f.res.plan.runtimes[0].path, "/var/run/docker.sock");
	assert_string_equal(f.res.plan.runtimes[1].path, "/run/podman/podman.sock");
	assert_string_equal(f.res.plan.runtimes[8].path, "/run/user/1000/podman/podman.sock");
	assert_int_equal(f.res.plan.runtimes[1].uid, 0);
	assert_int_equal(f.res.plan.runtimes[8].uid, 1000);
	assert_int_equal(f.res.plan.hooks, HOOK_CREATE);
	done(&f);
	f = (struct fixture){.files = {SHIPPED, {"/x.yaml", bad}}, .q.config = "/x.yaml"};
	run(&f);
	assert_int_equal(f.r, -EINVAL);
	assert_non_null(strstr(f.printed, "/x.yaml:5:7: error: unknown key 'lable_max_len' in "
					  "plugins[container].init_config"));
	assert_non_null(strstr(f.printed, "did you mean 'label_max_len'?"));
	assert_non_null(strstr(f.printed, "did you mean 'create'?"));
	done(&f);
}

static void test_engines__each_off__its_bit_and_no_other(void **state)
{
	static const struct {
		const char *engines, *said;
		uint32_t off;
	} rows[] = {
		{"{}", "", 0},
		{"{docker: {enabled: false}}", "", CTR_BIT(CTR_DOCKER)},
		{"{podman: {enabled: false}}", "", CTR_BIT(CTR_PODMAN)},
		{"{cri: {enabled: false, sockets: [/x.sock]}}", "", CTR_BIT(CTR_CRI)},
		{"{containerd: {enabled: false, sockets: [/x.sock]}}", "", CTR_BIT(CTR_CONTAINERD)},
		{"{containerd: {sockets: [/x.sock]}}", "", 0},
		{"{lxc: {enabled: false}}", "", CTR_BIT(CTR_LXC)},
		{"{libvirt_lxc: {enabled: false}}", "", CTR_BIT(CTR_LIBVIRT_LXC)},
		{"{bpm: {enabled: false}}", "", CTR_BIT(CTR_BPM)},
		{"{systemd_nspawn: {enabled: false}}", "", CTR_BIT(CTR_SYSTEMD_NSPAWN)},
		{"{lxc: {enabled: true}, bpm: {enabled: no}, docker: {enabled: off}}", "",
			CTR_BIT(CTR_BPM) | CTR_BIT(CTR_DOCKER)},
		{"{dokcer: {enabled: false}}", "did you mean 'docker'?", 0},
		{"{libvirt-lxc: {enabled: false}}", "did you mean 'libvirt_lxc'?", 0},
		{"{lxc: {enable: false}}", "did you mean 'enabled'?", 0},
		{"{lxc: {sockets: [/x.sock]}}", "unknown key 'sockets'", 0},
		{"{bpm: {enabled: maybe}}", "must be true or false, not 'maybe'", 0},
	};
	static struct fixture f;
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		(void)snprintf(text, sizeof(text),
			"rules_files: [/share/rules]\nplugins:\n  - name: container\n"
			"    init_config:\n      engines: %s\n",
			rows[i].engines);
		f = (struct fixture){.files = {SHIPPED, {"/x.yaml", text}}, .q.config = "/x.yaml"};
		run(&f);
		assert_int_equal(f.r, rows[i].said[0] ? -EINVAL : 0);
		if (rows[i].said[0])
			assert_non_null(strstr(f.printed, rows[i].said));
		else
			assert_string_equal(f.printed, "");
		if (f.r == 0)
			assert_int_equal(f.res.plan.engines_off, rows[i].off);
		done(&f);
	}
}

static void test_defaults__nothing_given(void **state)
{
	static struct fixture f;

	(void)state;
	f = (struct fixture){.files = {SHIPPED, {"/etc/saker/rules.d/own.yaml", ""}}};
	run(&f);
	assert_int_equal(f.r, 0);
	assert_string_equal(f.printed, "");
	assert_int_equal(f.res.plan.engine, ENGINE_BPF);
	assert_int_equal(f.res.plan.n_evaluators, 2);
	assert_int_equal(f.res.plan.snaplen, 80);
	assert_int_equal(f.res.plan.threads_max, 65536);
	assert_int_equal(f.res.plan.descriptors_max, 524288);
	assert_int_equal(f.res.plan.rings_bytes, 32 << 20);
	assert_int_equal(f.res.plan.metadata_wait_ns, 100000000);
	assert_int_equal(f.res.plan.uids_first, 61000);
	assert_int_equal(f.res.plan.uids_count, 100);
	assert_int_equal(f.res.plan.log_level, LOG_LVL_INFO);
	assert_true(f.res.plan.log_stderr);
	assert_string_equal(f.res.plan.control_socket, "/run/saker/control.sock");
	assert_int_equal(f.res.plan.n_rules, 3);
	assert_string_equal(f.res.plan.rules[0], "/share/rules/a.yml");
	assert_string_equal(f.res.plan.rules[1], "/share/rules/b.yaml");
	assert_string_equal(f.res.plan.rules[2], "/etc/saker/rules.d/own.yaml");
	assert_int_equal(f.res.plan.n_outputs, 1);
	assert_string_equal(f.res.plan.outputs[0].name, "stdout");
	assert_int_equal(f.res.plan.outputs[0].kind, PLAN_OUT_STDOUT);
	assert_string_equal(f.res.output[0],
		"{\"name\":\"stdout\",\"kind\":\"stdout\",\"format\":\"text\",\"fsync\":\"never\","
		"\"ident\":\"saker\",\"facility\":1,\"iso_time\":false,"
		"\"include_output\":true,\"include_message\":false,\"include_output_fields\":true,"
		"\"include_tags\":true,\"include_uuid\":false,\"include_doubtful\":false,"
		"\"spool\":false,\"spool_max\":1073741824,\"spool_when_full\":\"drop_lowest\","
		"\"dedup_ns\":0,\"rate\":0}");
	done(&f);
}

static void test_rules__command_line_replaces(void **state)
{
	static struct fixture f;

	(void)state;
	f = (struct fixture){.files = {SHIPPED, {"r.yaml", ""}, {"d/2.yaml", ""}, {"d/1.yaml", ""}},
		.rules = {"r.yaml", "d"}};
	run(&f);
	assert_int_equal(f.r, 0);
	assert_int_equal(f.res.plan.n_rules, 3);
	assert_string_equal(f.res.plan.rules[0], "r.yaml");
	assert_string_equal(f.res.plan.rules[1], "d/1.yaml");
	assert_string_equal(f.res.plan.rules[2], "d/2.yaml");
	done(&f);
}

static const char falco_yaml[] =
	"config_files:\n"
	"  - /etc/falco/config.d\n"
	"watch_config_files: true\n"
	"rules_files:\n"
	"  - /etc/falco/falco_rules.yaml\n"
	"  - /etc/falco/falco_rules.local.yaml\n"
	"  - /etc/falco/rules.d\n"
	"engine:\n"
	"  kind: modern_ebpf\n"
	"  kmod:\n"
	"    buf_size_preset: 4\n"
	"    drop_failed_exit: false\n"
	"  modern_ebpf:\n"
	"    cpus_for_each_buffer: 2\n"
	"    buf_size_preset: 4\n"
	"    drop_failed_exit: false\n"
	"    disable_iterators: false\n"
	"  replay:\n"
	"    capture_file: \"\"\n"
	"capture:\n"
	"  enabled: false\n"
	"  path_prefix: /tmp/falco\n"
	"  mode: rules\n"
	"  default_duration: 5000\n"
	"  max_file_size_mb: 0\n"
	"load_plugins: [container]\n"
	"plugins:\n"
	"  - name: container\n"
	"    library_path: libcontainer.so\n"
	"    init_config:\n"
	"      label_max_len: 100\n"
	"      engines: {docker: {enabled: true, sockets: ['/var/run/docker.sock']}}\n"
	"plugins_hostinfo: true\n"
	"time_format_iso_8601: false\n"
	"buffer_format_base64: false\n"
	"priority: debug\n"
	"json_output: false\n"
	"json_include_output_property: true\n"
	"json_include_message_property: false\n"
	"json_include_output_fields_property: true\n"
	"json_include_tags_property: true\n"
	"buffered_outputs: false\n"
	"rule_matching: first\n"
	"outputs_queue:\n"
	"  capacity: 0\n"
	"append_output:\n"
	"  - suggested_output: true\n"
	"stdout_output:\n"
	"  enabled: true\n"
	"syslog_output:\n"
	"  enabled: true\n"
	"file_output:\n"
	"  enabled: false\n"
	"  keep_alive: false\n"
	"  filename: ./events.txt\n"
	"http_output:\n"
	"  enabled: false\n"
	"  url: \"\"\n"
	"  user_agent: \"falcosecurity/falco\"\n"
	"  insecure: false\n"
	"  ca_cert: \"\"\n"
	"  ca_bundle: \"\"\n"
	"  ca_path: \"/etc/ssl/certs\"\n"
	"  mtls: false\n"
	"  client_cert: \"/etc/ssl/certs/client.crt\"\n"
	"  client_key: \"/etc/ssl/certs/client.key\"\n"
	"  echo: false\n"
	"  compress_uploads: false\n"
	"  keep_alive: false\n"
	"  max_consecutive_timeouts: 5\n"
	"program_output:\n"
	"  enabled: false\n"
	"  keep_alive: false\n"
	"  program: \"jq '{text: .output}' | curl -d @- -X POST https://example.org\"\n"
	"webserver:\n"
	"  enabled: true\n"
	"  threadiness: 0\n"
	"  listen_port: 8765\n"
	"  listen_address: 0.0.0.0\n"
	"  k8s_healthz_endpoint: /healthz\n"
	"  prometheus_metrics_enabled: false\n"
	"  ssl_enabled: false\n"
	"  ssl_certificate: /etc/falco/falco.pem\n"
	"log_stderr: true\n"
	"log_syslog: true\n"
	"log_level: info\n"
	"libs_logger:\n"
	"  enabled: true\n"
	"  severity: info\n"
	"output_timeout: 2000\n"
	"syscall_event_timeouts:\n"
	"  max_consecutives: 1000\n"
	"syscall_event_drops:\n"
	"  threshold: .1\n"
	"  actions:\n"
	"    - log\n"
	"    - alert\n"
	"  rate: .03333\n"
	"  max_burst: 1\n"
	"  simulate_drops: false\n"
	"metrics:\n"
	"  enabled: false\n"
	"  interval: 1h\n"
	"  output_rule: true\n"
	"  rules_counters_enabled: true\n"
	"  resource_utilization_enabled: true\n"
	"  state_counters_enabled: true\n"
	"  kernel_event_counters_enabled: true\n"
	"  kernel_event_counters_per_cpu_enabled: false\n"
	"  libbpf_stats_enabled: true\n"
	"  plugins_metrics_enabled: true\n"
	"  kernel_iter_event_counters_enabled: true\n"
	"  jemalloc_stats_enabled: false\n"
	"  convert_memory_to_mb: true\n"
	"  include_empty_values: false\n"
	"base_syscalls:\n"
	"  custom_set: []\n"
	"  repair: false\n"
	"  all: false\n"
	"falco_libs:\n"
	"  thread_table_size: 262144\n"
	"  thread_table_auto_purging_interval_s: 300\n"
	"  thread_table_auto_purging_thread_timeout_s: 300\n"
	"  snaplen: 80\n"
	"grpc:\n"
	"  enabled: false\n"
	"  bind_address: \"unix:///run/falco/falco.sock\"\n"
	"grpc_output:\n"
	"  enabled: false\n"
	"outputs:\n"
	"  rate: 1\n"
	"  max_burst: 1000\n";

static void test_falco_yaml__as_it_is__accepted_with_reasons(void **state)
{
	static struct fixture f;

	(void)state;
	f = (struct fixture){
		.files = {{"falco.yaml", falco_yaml}, {"/etc/falco/falco_rules.yaml", ""},
			{"/etc/falco/rules.d/x.yaml", ""}},
		.q = {.config = "falco.yaml"},
	};
	run(&f);
	assert_int_equal(f.r, 0);
	assert_string_equal(f.printed,
		"falco.yaml:3:1: warning: 'watch_config_files' has no effect here: files are not "
		"watched: restart saker after a change\n"
		"     3 | watch_config_files: true\n"
		"       | ^~~~~~~~~~~~~~~~~~\n"
		"falco.yaml:14:5: warning: 'engine.modern_ebpf.cpus_for_each_buffer' has no effect "
		"here: every CPU has a ring buffer of its own\n"
		"    14 |     cpus_for_each_buffer: 2\n"
		"       |     ^~~~~~~~~~~~~~~~~~~~\n"
		"falco.yaml:15:5: warning: 'engine.modern_ebpf.buf_size_preset' has no effect "
		"here: memory.rings sets the size of all rings together\n"
		"    15 |     buf_size_preset: 4\n"
		"       |     ^~~~~~~~~~~~~~~\n"
		"falco.yaml:76:3: warning: 'webserver.enabled' has no effect here: there is no web "
		"server in this version: use `saker status`\n"
		"    76 |   enabled: true\n"
		"       |   ^~~~~~~\n"
		"falco.yaml:95:3: warning: 'syscall_event_drops.actions' has no effect here: "
		"losses are always counted by name: see `saker status`\n"
		"    95 |   actions:\n"
		"       |   ^~~~~~~\n"
		"falco.yaml:125:1: warning: 'grpc' has no effect here: gRPC was removed from "
		"Falco\n"
		"   125 | grpc:\n"
		"       | ^~~~\n"
		"falco.yaml:131:3: warning: 'outputs.rate' has no effect here: Falco's limit of "
		"alerts was removed from Falco\n"
		"   131 |   rate: 1\n"
		"       |   ^~~~\n");
	assert_int_equal(f.res.plan.n_rules, 2);
	assert_string_equal(f.res.plan.rules[0], "/etc/falco/falco_rules.yaml");
	assert_string_equal(f.res.plan.rules[1], "/etc/falco/rules.d/x.yaml");
	assert_int_equal(f.res.plan.n_outputs, 2);
	assert_string_equal(f.res.plan.outputs[0].name, "stdout");
	assert_string_equal(f.res.plan.outputs[1].name, "syslog");
	assert_string_equal(f.res.plan.outputs[1].path, "/dev/log");
	assert_int_equal(f.res.plan.threads_max, 262144);
	assert_true(f.res.plan.log_syslog);
	assert_non_null(strstr(f.res.rules_options, "\"suggested_output\":true"));
	done(&f);
}

struct bad {
	const char *label, *config, *option, *want;
};

static const struct bad bads[] = {
	{"unknown key", "engine:\n  kind: synthetic\njson_ouput: true\n", NULL,
		"c.yaml:3:1: error: unknown key 'json_ouput'\n     3 | json_ouput: true\n       | "
		"^~~~~~~~~~ did you mean 'json_output'?\n"},
	{"unknown key below", "memory:\n  thread: 5\n", NULL,
		"c.yaml:2:3: error: unknown key 'thread' in memory\n     2 |   thread: 5\n       | "
		"  ^~~~~~ did you mean 'threads'?\n"},
	{"boolean", "json_output: maybe\n", NULL,
		"c.yaml:1:14: error: 'json_output' must be true or false, not 'maybe'\n     1 | "
		"json_output: maybe\n       |              ^~~~~\n"},
	{"range", "evaluators: 1000\n", NULL,
		"c.yaml:1:13: error: '1000' is out of range for 'evaluators' (1 to 64)\n     1 | "
		"evaluators: 1000\n       |             ^~~~\n"},
	{"number", "evaluators: many\n", NULL,
		"c.yaml:1:13: error: 'evaluators' must be a whole number or auto, not 'many'\n"},
	{"size", "memory: {rings: 3 bananas}\n", NULL,
		"c.yaml:1:17: error: 'memory.rings' must be a size (B, KiB, MiB, GiB), not '3 "
		"bananas'\n"},
	{"duration", "metadata: {wait: 100}\n", NULL,
		"c.yaml:1:18: error: 'metadata.wait' must be a duration (ms, s, m, h), not "
		"'100'\n"},
	{"choice", "rule_matching: frist\n", NULL,
		"c.yaml:1:16: error: 'rule_matching' must be one of first|all, not 'frist'\n     1 "
		"| rule_matching: frist\n       |                ^~~~~ did you mean 'first'?\n"},
	{"priority", "priority: loud\n", NULL,
		"c.yaml:1:11: error: 'priority' must be a priority ("},
	{"list for value", "priority: [a]\n", NULL,
		"c.yaml:1:11: error: 'priority' must be one value\n"},
	{"value for mapping", "engine: 5\n", NULL,
		"c.yaml:1:9: error: 'engine' must be a mapping\n"},
	{"value for list", "append_output: 5\n", NULL,
		"c.yaml:1:16: error: 'append_output' must be a list\n"},
	{"no YAML", "a: [\n", NULL, "c.yaml:2:1: error: "},
	{"twice", "priority: debug\npriority: info\n", NULL,
		"c.yaml:2:1: error: this key stands here twice\n"},
	{"alias", "a: &x 1\nb: *x\n", NULL,
		"c.yaml:2:4: error: aliases (*name) are not supported in configuration\n"},
	{"list as file", "- a\n", NULL,
		"c.yaml:1:1: error: the file must hold a mapping (key: value)\n"},
	{"two documents", "a: 1\n---\nb: 1\n", NULL,
		"c.yaml:2:1: error: a second document in one file\n"},
	{"engine later", "engine: {kind: nodriver}\n", NULL,
		"c.yaml:1:16: error: engine.kind 'nodriver' is not in this version yet\n"},
	{"replay of nothing", "engine: {kind: replay}\n", NULL,
		"c.yaml:1:16: error: engine.kind 'replay' needs engine.replay.capture_file\n"},
	{"http without URL", "outputs: [{name: a, kind: http, http: {batch: none}}]\n", NULL,
		"c.yaml:1:11: error: the URL is missing"},
	{"http URL", "outputs: [{name: a, kind: http, http: {url: 'ftp://x'}}]\n", NULL,
		"c.yaml:1:45: error: 'ftp://x' is no URL: wanted http:// or https://"},
	{"http URL with a password",
		"outputs: [{name: a, kind: http, http: {url: 'http://me:secret@x'}}]\n", NULL,
		"c.yaml:1:45: error: no user and password in the URL"},
	{"http secret in the open",
		"outputs: [{name: a, kind: http, http: {url: 'http://x', headers: {Authorization: "
		"abc}}}]\n",
		NULL,
		"c.yaml:1:82: error: 'http.headers.Authorization' is a secret: it must come from "
		"{file: PATH} or ${VARIABLE}, not stand here"},
	{"http own header",
		"outputs: [{name: a, kind: http, http: {url: 'http://x', headers: {Host: abc}}}]\n",
		NULL, "c.yaml:1:67: error: the header 'Host' is made by saker itself"},
	{"kafka without brokers", "outputs: [{name: a, kind: kafka, kafka: {topic: t}}]\n", NULL,
		"c.yaml:1:11: error: 'kafka.brokers' is missing"},
	{"kafka broker", "outputs: [{name: a, kind: kafka, kafka: {brokers: ['a:b']}}]\n", NULL,
		"c.yaml:1:52: error: 'a:b' is no broker: wanted host:port"},
	{"kafka property unknown",
		"outputs: [{name: a, kind: kafka, kafka: {brokers: [a], properties: {linger.mss: "
		"5}}}]\n",
		NULL, "c.yaml:1:69: error: unknown librdkafka property 'linger.mss'"},
	{"kafka property out of range",
		"outputs: [{name: a, kind: kafka, kafka: {brokers: [a], properties: {linger.ms: "
		"-5}}}]\n",
		NULL, "c.yaml:1:80: error: librdkafka property 'linger.ms':"},
	{"kafka property loads code",
		"outputs: [{name: a, kind: kafka, kafka: {brokers: [a], properties: "
		"{plugin.library.paths: x.so}}}]\n",
		NULL,
		"c.yaml:1:69: error: librdkafka property 'plugin.library.paths' is not taken: it "
		"loads code"},
	{"kafka password in the open",
		"outputs: [{name: a, kind: kafka, kafka: {brokers: [a], properties: "
		"{sasl.password: pw}}}]\n",
		NULL, "c.yaml:1:84: error: 'kafka.properties.sasl.password' is a secret"},
	{"kafka file missing",
		"outputs: [{name: a, kind: kafka, kafka: {brokers: [a], properties: "
		"{ssl.ca.location: no.pem}}}]\n",
		NULL,
		"c.yaml:1:86: error: read the file 'no.pem' of 'kafka.properties.ssl.ca.location': "
		"No such file or directory"},
	{"syslog target", "outputs: [{name: a, kind: syslog, syslog: {targets: ['udp:/x']}}]\n",
		NULL, "c.yaml:1:54: error: syslog target 'udp:/x' is none:"},
	{"program_output without program", "program_output: {enabled: true}\n", NULL,
		"c.yaml:1:27: error: 'program_output.program' is missing\n"},
	{"program without command", "outputs: [{name: a, kind: program}]\n", NULL,
		"c.yaml:1:11: error: 'program.command' is missing\n"},
	{"kafka is checked", "outputs:\n  - name: siem\n    kind: kafka\n    kafka: {ports: [0]}\n",
		NULL,
		"c.yaml:4:21: error: '0' is out of range for 'outputs[].kafka.ports[]' (1 to "
		"65535)\n"},
	{"kind", "outputs: [{name: a, kind: nosuch}]\n", NULL,
		"c.yaml:1:27: error: 'outputs[].kind' must be one of "
		"stdout|file|syslog|http|kafka|program, not 'nosuch'\n"},
	{"name", "outputs: [{name: A B, kind: stdout}]\n", NULL,
		"c.yaml:1:18: error: 'outputs[].name' must be 1 to 32 of the characters a-z 0-9 _ "
		"-, not 'A B'\n"},
	{"no name", "outputs: [{kind: stdout}]\n", NULL,
		"c.yaml:1:11: error: an output without 'name'\n"},
	{"no kind", "outputs: [{name: a}]\n", NULL,
		"c.yaml:1:11: error: an output without 'kind'\n"},
	{"same name", "outputs: [{name: a, kind: stdout}, {name: a, kind: stdout}]\n", NULL,
		"c.yaml:1:36: error: two outputs have the name 'a'\n"},
	{"other block", "outputs: [{name: a, kind: stdout, file: {path: x}}]\n", NULL,
		"c.yaml:1:35: error: the block 'file' does not belong to an output of kind "
		"'stdout'\n"},
	{"no path", "outputs: [{name: a, kind: file}]\n", NULL,
		"c.yaml:1:11: error: 'file.path' is missing\n"},
	{"spool too small", "outputs: [{name: a, kind: stdout, spool: {max_size: 1MiB}}]\n", NULL,
		"c.yaml:1:53: error: a spool takes at least 4 MiB ('spool.max_size')\n"},
	{"rotation by nothing",
		"outputs: [{name: a, kind: file, file: {path: x, rotate: {keep: 5}}}]\n", NULL,
		"c.yaml:1:57: error: 'file.rotate' needs 'size' or 'age'"},
	{"rotation of a few lines",
		"outputs: [{name: a, kind: file, file: {path: x, rotate: {size: 1KiB}}}]\n", NULL,
		"c.yaml:1:64: error: a file is rotated at 4 KiB or more ('file.rotate.size')\n"},
	{"rotation all the time",
		"outputs: [{name: a, kind: file, file: {path: x, rotate: {age: 5ms}}}]\n", NULL,
		"c.yaml:1:63: error: a file is rotated after 1 s or more ('file.rotate.age')\n"},
	{"rotation that keeps nothing",
		"outputs: [{name: a, kind: file, file: {path: x, rotate: {age: 1h, keep: 0}}}]\n",
		NULL,
		"c.yaml:1:73: error: '0' is out of range for 'outputs[].file.rotate.keep' (1 to "
		"1000)\n"},
	{"file_output without name", "file_output: {enabled: true}\n", NULL,
		"c.yaml:1:24: error: 'file_output.filename' is missing\n"},
	{"secret map", "outputs: [{name: a, kind: http, http: {url: u, headers: {A: [1]}}}]\n",
		NULL,
		"c.yaml:1:61: error: 'A' in 'outputs[].http.headers' must be text or {file: "
		"PATH}\n"},
	{"rules selection", "rules: [{enable: {}}]\n", NULL,
		"c.yaml:1:10: error: 'rule' or 'tag' is missing\n"},
	{"missing rules", "rules_files: [none.yaml]\n", NULL,
		"c.yaml:1:1: error: none of these rules files exists\n"},
	{"long socket", NULL,
		"control.socket=/"
		"0123456789012345678901234567890123456789012345678901234567890123456789012345678901"
		"234567890123456789012345678",
		"error: longer than 107 bytes"},
	{"option: unknown", NULL, "jsonoutput=true",
		"-o jsonoutput=true: error: unknown key 'jsonoutput'; did you mean "
		"'json_output'?\n"},
	{"option: no value", NULL, "json_output",
		"-o json_output: error: must have the form key=value\n"},
	{"option: type", NULL, "json_output=5",
		"-o json_output=5: error: 'json_output' must be true or false, not '5'\n"},
	{"option: path", NULL, "a[x]=1",
		"-o a[x]=1: error: between [ and ] must stand a number, or nothing to append\n"},
	{"option: bracket", NULL, "a[1=1", "-o a[1=1: error: ']' is missing\n"},
	{"option: empty part", NULL, "a..b=1", "-o a..b=1: error: a part of the key is empty\n"},
	{"option: JSON", NULL, "outputs[]={\"name\":", "-o outputs[]={\"name\":: error: "},
	{"option: list for value", NULL, "priority[0]=info",
		"-o priority[0]=info: error: 'priority' must be one value\n"},
	{"option: not a list", "priority: info\n", "priority[0]=info",
		"-o priority[0]=info: error: the part before '[' is not a list\n"},
	{"option: not a mapping", "priority: info\n", "priority.x=info",
		"-o priority.x=info: error: the part before '.' is not a mapping\n"},
};

static void test_errors__exact_places(void **state)
{
	static struct fixture f;
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bads); i++) {
		const struct bad *b = &bads[i];

		f = (struct fixture){.files = {{"c.yaml", b->config ? b->config : ""}, SHIPPED},
			.q = {.config = b->config ? "c.yaml" : NULL}};
		f.options[0] = b->option;
		run(&f);
		if (f.r != -EINVAL || !strstr(f.printed, b->want)) {
			print_error("%s: result %d\n%swanted:\n%s\n", b->label, f.r, f.printed,
				b->want);
			wrong++;
		}
		done(&f);
	}
	assert_int_equal(wrong, 0);
}

static void test_errors__all_at_once(void **state)
{
	static struct fixture f;

	(void)state;
	f = (struct fixture){
		.files = {{"c.yaml", "a: 1\nb: 2\nevaluators: 0\noutputs: [{kind: kafka}]\n"},
			SHIPPED},
		.q = {.config = "c.yaml"}};
	run(&f);
	assert_int_equal(f.r, -EINVAL);
	assert_int_equal(f.diag.n_errors, 5);
	done(&f);
}

static void test_missing_config__says_so(void **state)
{
	static struct fixture f;

	(void)state;
	f = (struct fixture){.files = {SHIPPED}, .q = {.config = "none.yaml"}};
	run(&f);
	assert_string_equal(f.printed, "-c: error: cannot read configuration file 'none.yaml': No "
				       "such file or directory\n");
	done(&f);
	f = (struct fixture){.files = {SHIPPED}, .rules = {"none.yaml"}};
	run(&f);
	assert_string_equal(f.printed,
		"-r none.yaml: error: cannot open rules 'none.yaml': No such file or directory\n");
	done(&f);
	f = (struct fixture){.files = {{"d/README", ""}}, .rules = {"d"}};
	run(&f);
	assert_string_equal(
		f.printed, "-r d: error: no rules files (*.yaml, *.yml) in folder 'd'\n");
	done(&f);
}

static void test_texts__not_utf8__refused(void **state)
{
	static struct fixture f;

	(void)state;
	f = (struct fixture){
		.files = {SHIPPED}, .options = {"rules[]={\"enable\":{}}", "priority=\xff"}};
	run(&f);
	assert_non_null(strstr(f.printed, "error: the value is not UTF-8\n"));
	done(&f);
	f = (struct fixture){.files = {{"\xff.yaml", ""}}, .rules = {"\xff.yaml"}};
	run(&f);
	assert_non_null(strstr(f.printed, "error: the path is not UTF-8"));
	done(&f);
}

static void test_options__after_files__win(void **state)
{
	static struct fixture f;

	(void)state;
	f = (struct fixture){
		.files = {{"c.yaml", "evaluators: 3\nstdout_output: {enabled: true}\nrules_files: "
				     "[a.yaml, b.yaml]\n"},
			{"a.yaml", ""}, {"z.yaml", ""}},
		.q = {.config = "c.yaml", .verbose = true},
		.options = {"evaluators=5", "engine.kind=synthetic", "engine.synthetic.events=777",
			"rules_files[1]=z.yaml", "rules_files[]=a.yaml",
			"append_output[]={\"match\":{\"rule\":\"R\",\"tags\":[\"t\"]},\"extra_"
			"output\":\"E "
			"%proc.pid\",\"extra_fields\":[\"proc.ppid\",{\"k\":\"%a-%b\"}]}",
			"rules[]={\"disable\":{\"rule\":\"*\"}}", "static_fields.team\\.name=a b",
			"static_fields.env=prod"},
	};
	run(&f);
	assert_string_equal(f.printed, "");
	assert_int_equal(f.r, 0);
	assert_int_equal(f.res.plan.n_evaluators, 5);
	assert_int_equal(f.res.plan.engine, ENGINE_SYNTHETIC);
	assert_int_equal(f.res.plan.synthetic_events, 777);
	assert_int_equal(f.res.plan.log_level, LOG_LVL_DEBUG);
	assert_int_equal(f.res.plan.n_rules, 3);
	assert_string_equal(f.res.plan.rules[1], "z.yaml");
	assert_string_equal(f.res.plan.rules[2], "a.yaml");
	assert_string_equal(f.res.rules_options,
		"{\"min_priority\":7,\"match_all\":false,\"iso_time\":false,\"exact\":false,\"json_"
		"output\":"
		"false,\"config_files\":[\"c.yaml\"],\"outputs\":[{\"name\":"
		"\"stdout\",\"capture\":0,\"min_priority\":7,\"rules_include\":[],"
		"\"rules_exclude\":[],\"tags_include\":[],\"tags_exclude\":[]}],\"append\":[{"
		"\"source\":null,\"rule\":\"R\",\"tags\":[\"t\"],"
		"\"extra_output\":\"E "
		"%proc.pid\",\"suggested_output\":false,\"extra_fields\":[\"proc.ppid\",\"k=%a-%"
		"b\"]}],"
		"\"select\":[{\"enable\":false,\"rule\":\"*\",\"tag\":null}],\"statics\":[\"env="
		"prod\",\"team.name=a b\"],\"files\":[\"a.yaml\","
		"\"z.yaml\",\"a.yaml\"]}");
	done(&f);
}

static void test_options__escaped_key(void **state)
{
	static struct fixture f;

	(void)state;
	f = (struct fixture){.files = {SHIPPED}, .options = {"static_fields.a\\.b=1"}};
	run(&f);
	assert_int_equal(f.r, 0);
	assert_string_equal(f.printed, "");
	assert_non_null(strstr(f.res.rules_options, "\"statics\":[\"a.b=1\"]"));
	done(&f);
	f = (struct fixture){.files = {SHIPPED}, .options = {"static_fields.a-b=1"}};
	run(&f);
	assert_string_equal(f.printed,
		"-o static_fields.a-b=1: error: 'a-b' cannot be the name of a field: "
		"letters, digits and _, parts between dots\n");
	done(&f);
}

static void test_merge__strategies(void **state)
{
	static struct fixture f;

	(void)state;
	f = (struct fixture){
		.files =
			{
				{"c.yaml",
					"config_files:\n  - add\n  - {path: over.yaml, strategy: "
					"override}\n  - {path: only.yaml, strategy: add-only}\n  - "
					"gone.yaml\n"
					"rules_files: [a.yaml]\nevaluators: 2\nuids: {first: 5000, "
					"count: 50}\npriority: error\nrule_matching: all\n"},
				{"add/2.yaml", "evaluators: 4\n"},
				{"add/1.yaml", "evaluators: 3\nrules_files: [b.yaml]\nuids: "
					       "{count: 60}\n"},
				{"over.yaml", "append_output: [{suggested_output: "
					      "true}]\npriority: alert\n"},
				{"only.yaml", "priority: debug\nmemory: {threads: 2048}\n"},
				{"a.yaml", ""},
				{"b.yaml", ""},
			},
		.q = {.config = "c.yaml"},
	};
	run(&f);
	assert_string_equal(f.printed, "");
	assert_int_equal(f.res.plan.n_evaluators, 4);
	assert_int_equal(f.res.plan.n_rules, 2);
	assert_int_equal(f.res.plan.uids_first, 5000);
	assert_int_equal(f.res.plan.uids_count, 60);
	assert_int_equal(f.res.plan.threads_max, 2048);
	assert_int_equal(f.res.plan.rule_matching_all, 1);
	assert_non_null(strstr(f.res.rules_options, "\"min_priority\":1,"));
	done(&f);
}

static void test_merge__nested_config_files__refused(void **state)
{
	static struct fixture f;

	(void)state;
	f = (struct fixture){.files = {{"c.yaml", "config_files: [n.yaml]\n"},
				     {"n.yaml", "a: 1\nconfig_files: []\n"}},
		.q = {.config = "c.yaml"}};
	run(&f);
	assert_non_null(strstr(f.printed,
		"n.yaml:2:1: error: config_files may stand in the main configuration file only\n"));
	done(&f);
}

static void test_standard_places__saker_yaml_and_config_d(void **state)
{
	static struct fixture f;

	(void)state;
	f = (struct fixture){
		.files = {SHIPPED, {"/etc/saker/saker.yaml", "evaluators: 3\n"},
			{"/etc/saker/config.d/x.yaml",
				"outputs: [{name: f, kind: file, file: {path: /x}}]\n"}},
	};
	run(&f);
	assert_int_equal(f.r, 0);
	assert_int_equal(f.res.plan.n_evaluators, 3);
	assert_int_equal(f.res.plan.n_outputs, 1);
	assert_string_equal(f.res.plan.outputs[0].name, "f");
	done(&f);
}

static void test_environment__expanded_in_values(void **state)
{
	static struct fixture f;

	(void)state;
	f = (struct fixture){
		.files = {SHIPPED, {"c.yaml", "priority: ${ PRIO }\ncontrol: {socket: "
					      "'${SOCK}/${NONE}x$${SOCK}'}\nlog_level: ${NONE}\n"}},
		.q = {.config = "c.yaml"},
	};
	run(&f);
	assert_string_equal(f.printed, "");
	assert_non_null(strstr(f.res.rules_options, "\"min_priority\":4,"));
	assert_string_equal(f.res.plan.control_socket, "/s/x${SOCK}");
	assert_int_equal(f.res.plan.log_level, LOG_LVL_INFO);
	done(&f);
}

static void test_outputs__list__rows_blocks_filters(void **state)
{
	static struct fixture f;
	struct policy_options opt;

	(void)state;
	f = (struct fixture){
		.files = {SHIPPED,
			{"c.yaml", "json_output: true\njson_include_tags_property: "
				   "false\nfile_output: {enabled: true, filename: /f}\n"
				   "outputs:\n"
				   "  - {name: log, kind: syslog, format: text, priority: warning, "
				   "syslog: {targets: ['local:/s'], facility: authpriv, app_name: "
				   "me}}\n"
				   "  - name: arch\n    kind: file\n    include_uuid: false\n    "
				   "rules: {include: ['*'], exclude: ['Terminal*']}\n"
				   "    tags: {include: [a], exclude: []}\n    spool: {enabled: "
				   "false, max_size: 1GiB}\n    file: {path: /a, fsync: batch}\n"}},
		.q = {.config = "c.yaml"},
	};
	run(&f);
	assert_string_equal(f.printed, "");
	assert_int_equal(f.res.plan.n_outputs, 3);
	assert_string_equal(f.res.plan.outputs[0].path, "/f");
	assert_string_equal(f.res.plan.outputs[1].path, "/s");
	assert_int_equal(f.res.plan.outputs[1].kind, PLAN_OUT_SYSLOG);
	assert_string_equal(f.res.output[1],
		"{\"name\":\"log\",\"kind\":\"syslog\",\"format\":\"text\",\"fsync\":\"second\","
		"\"ident\":\"me\",\"facility\":10,\"iso_time\":false,"
		"\"include_output\":true,\"include_message\":false,\"include_output_fields\":true,"
		"\"include_tags\":false,\"include_uuid\":true,\"include_doubtful\":true,"
		"\"own\":{\"targets\":[{\"kind\":\"local\"}],\"rfc\":\"\",\"framing\":\"octet\","
		"\"app_name\":\"me\",\"hostname\":\"-\"},"
		"\"spool\":true,\"spool_max\":1073741824,\"spool_when_full\":\"drop_lowest\","
		"\"dedup_ns\":0,\"rate\":0}");
	assert_int_equal(f.res.plan.outputs[0].flags & PLAN_OUT_F_SPOOL, 0); /* Falco's file */
	assert_int_equal(f.res.plan.outputs[1].flags & PLAN_OUT_F_SPOOL, PLAN_OUT_F_SPOOL);
	assert_int_equal(f.res.plan.outputs[2].flags & PLAN_OUT_F_SPOOL, 0);
	assert_non_null(strstr(f.res.output[2], "\"format\":\"json\",\"fsync\":\"batch\""));
	assert_int_equal(policy_options_parse(
				 &f.arena, f.res.rules_options, strlen(f.res.rules_options), &opt),
		0);
	assert_int_equal(opt.rules.n_outputs, 3);
	assert_int_equal(opt.rules.outputs[1].min_priority, 4);
	assert_string_equal(opt.rules.outputs[2].rules_exclude[0], "Terminal*");
	assert_null(opt.rules.outputs[2].rules_exclude[1]);
	assert_string_equal(opt.rules.outputs[2].tags_include[0], "a");
	assert_int_equal(opt.n_files, 2);
	assert_string_equal(opt.files[0], "/share/rules/a.yml");
	done(&f);
}

static void test_options_block__cut_or_changed__refused(void **state)
{
	static const char *const bad[] = {"", "[]", "{}",
		"{\"min_priority\":9,\"match_all\":false,\"iso_time\":false,\"exact\":false,"
		"\"outputs\":[],"
		"\"append\":[],\"select\":[],\"files\":[]}",
		"{\"min_priority\":7,\"match_all\":false,\"iso_time\":false,\"exact\":false,"
		"\"outputs\":[],"
		"\"append\":[],\"select\":[5],\"files\":[]}",
		"{\"min_priority\":7,\"match_all\":false,\"iso_time\":false,\"exact\":false,"
		"\"outputs\":[],"
		"\"append\":[],\"select\":[],\"files\":[5]}"};
	struct policy_options opt;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		_cleanup_arena_ struct arena a;

		arena_init(&a, 0);
		assert_int_equal(policy_options_parse(&a, bad[i], strlen(bad[i]), &opt), -EBADMSG);
	}
}

/* Whatever stands in a file: a result or an error, never a crash. Deterministic. */
static void test_config__mutated_text__never_crashes(void **state)
{
	static struct fixture f;
	uint64_t x = 88172645463325252ULL;

	(void)state;
	for (unsigned round = 0; round < 1500; round++) {
		static char text[sizeof(falco_yaml)];

		memcpy(text, falco_yaml, sizeof(text));
		for (unsigned i = 0; i < 1 + round % 8; i++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			text[x % (sizeof(text) - 1)] =
				"\n\t -:[]{}'\"&*!|>%@#,?aZ09\\\x01\xff$"[(x >> 32) % 30];
		}
		f = (struct fixture){
			.files = {SHIPPED, {"c.yaml", text}}, .q = {.config = "c.yaml"}};
		run(&f);
		done(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults__nothing_given),
		cmocka_unit_test(test_runtimes__as_the_container_plugin_is_configured),
		cmocka_unit_test(test_engines__each_off__its_bit_and_no_other),
		cmocka_unit_test(test_rules__command_line_replaces),
		cmocka_unit_test(test_falco_yaml__as_it_is__accepted_with_reasons),
		cmocka_unit_test(test_errors__exact_places),
		cmocka_unit_test(test_errors__all_at_once),
		cmocka_unit_test(test_missing_config__says_so),
		cmocka_unit_test(test_texts__not_utf8__refused),
		cmocka_unit_test(test_options__after_files__win),
		cmocka_unit_test(test_options__escaped_key),
		cmocka_unit_test(test_merge__strategies),
		cmocka_unit_test(test_merge__nested_config_files__refused),
		cmocka_unit_test(test_standard_places__saker_yaml_and_config_d),
		cmocka_unit_test(test_environment__expanded_in_values),
		cmocka_unit_test(test_outputs__list__rows_blocks_filters),
		cmocka_unit_test(test_options_block__cut_or_changed__refused),
		cmocka_unit_test(test_config__mutated_text__never_crashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
