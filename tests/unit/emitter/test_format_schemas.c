/* SPDX-License-Identifier: Apache-2.0 */
/* The formats of other schemas against literal lines, and what hostile texts may not do in them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

#include <base/macros.h>
#include <base/utf8.h>

#include "alerts.h"
#include "format.h"
#include "format_nest.h"

#define UUID "00112233-4455-6677-8899-aabbccddeeff"

static const struct output out = {.name = "t"};

static void add_str(struct alert_builder *b, const char *key, const char *value)
{
	alert_add_field(b, span_str(key), ALERT_STR, 0, span_str(value));
}

static void add_num(struct alert_builder *b, const char *key, uint64_t value)
{
	alert_add_field(b, span_str(key), ALERT_U64, value, (struct span){0});
}

static const struct alert *shell_in_pod(void)
{
	struct alert_builder *b = alerts_new();

	alert_add_tag(b, SPAN_LIT("T1059.004"));
	alert_add_tag(b, SPAN_LIT("mitre_execution"));
	add_str(b, "container.id", "0123456789ab");
	add_str(b, "container.image.repository", "docker.io/library/busybox");
	add_str(b, "container.image.tag", "1.36");
	add_str(b, "k8s.ns.name", "shop");
	add_str(b, "k8s.pod.name", "cart-0");
	add_str(b, "evt.type", "execve");
	add_str(b, "fd.name", "10.0.0.1:33000->10.0.0.2:443");
	add_str(b, "proc.aname[2]", "a=b|c\\");
	add_str(b, "proc.cmdline", "sh -c \"x\n\"");
	add_str(b, "proc.exepath", "/bin/busybox");
	add_str(b, "proc.name", "sh");
	add_num(b, "proc.pid", 42);
	alert_add_field(b, SPAN_LIT("proc.pname"), ALERT_NULL, 0, (struct span){0});
	add_str(b, "user.name", "<NA>");
	add_num(b, "user.uid", 0);
	return alerts_finish(b, 7, 3, 4, "Shell | in pod", SPAN_LIT("a shell (user=root)"));
}

static void check(const struct alert *a, enum output_format f, const char *want)
{
	_cleanup_strbuf_ struct strbuf b = {0};

	format_get(f)->add(&out, a, &b);
	assert_true(strbuf_ok(&b));
	assert_string_equal(b.p, want);
}

static json_t *parse(const struct alert *a, enum output_format f)
{
	_cleanup_strbuf_ struct strbuf b = {0};
	json_t *j;

	format_get(f)->add(&out, a, &b);
	j = json_loadb(b.p, b.n, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(j);
	return j;
}

#define FIELDS                                                                                     \
	"{\"container.id\":\"0123456789ab\",\"container.image.repository\":\"docker.io/library/"   \
	"busybox\",\"container.image.tag\":\"1.36\",\"evt.type\":\"execve\",\"fd.name\":\"10.0.0." \
	"1:33000->10.0.0.2:443\",\"k8s.ns.name\":\"shop\",\"k8s.pod.name\":\"cart-0\",\"proc."     \
	"aname[2]\":\"a=b|c\\\\\",\"proc.cmdline\":\"sh -c "                                       \
	"\\\"x\\n\\\"\",\"proc.exepath\":\"/bin/"                                                  \
	"busybox\",\"proc.name\":\"sh\",\"proc.pid\":42,\"proc.pname\":null,\"user.name\":"        \
	"\"<NA>\",\"user.uid\":0}"

static void test_ecs__shell_in_pod__same_bytes(void **state)
{
	(void)state;
	check(shell_in_pod(), OUTPUT_ECS,
		"{\"@timestamp\":\"2019-08-19T16:00:00.020000000Z\",\"ecs\":{\"version\":\"8.11."
		"0\"},"
		"\"event\":{\"action\":\"execve\",\"category\":[\"intrusion_detection\"],"
		"\"dataset\":\"saker.alert\",\"id\":\"" UUID "\",\"kind\":\"alert\",\"module\":"
		"\"saker\",\"provider\":\"syscall\",\"sequence\":7,\"severity\":4,\"type\":["
		"\"info\"]},\"host\":{\"hostname\":\"myhost\",\"name\":\"myhost\"},\"log\":{"
		"\"level\":\"Warning\"},\"message\":\"a shell (user=root)\",\"rule\":{\"name\":"
		"\"Shell | in pod\"},\"saker\":{\"output_fields\":" FIELDS "},\"tags\":["
		"\"T1059.004\",\"mitre_execution\"],\"threat\":{\"framework\":\"MITRE ATT&CK\","
		"\"tactic\":{\"name\":[\"execution\"]},\"technique\":{\"id\":[\"T1059.004\"]}},"
		"\"container\":{\"id\":\"0123456789ab\",\"image\":{\"name\":"
		"\"docker.io/library/busybox\",\"tag\":[\"1.36\"]}},\"destination\":{\"ip\":"
		"\"10.0.0.2\",\"port\":443},\"orchestrator\":{\"namespace\":\"shop\","
		"\"resource\":{\"name\":\"cart-0\",\"type\":\"pod\"},\"type\":\"kubernetes\"},"
		"\"process\":{\"command_line\":\"sh -c \\\"x\\n\\\"\",\"executable\":"
		"\"/bin/busybox\",\"name\":\"sh\",\"pid\":42},\"source\":{\"ip\":\"10.0.0.1\","
		"\"port\":33000},\"user\":{\"id\":\"0\"}}");
}

static void test_ocsf__shell_in_pod__same_bytes(void **state)
{
	(void)state;
	check(shell_in_pod(), OUTPUT_OCSF,
		"{\"activity_id\":1,\"activity_name\":\"Create\",\"category_name\":\"Findings\","
		"\"category_uid\":2,\"class_name\":\"Detection Finding\",\"class_uid\":2004,"
		"\"device\":{\"hostname\":\"myhost\",\"type\":\"Unknown\",\"type_id\":0},"
		"\"evidences\":[{\"data\":" FIELDS ",\"actor\":{\"process\":{\"cmd_line\":"
		"\"sh -c \\\"x\\n\\\"\",\"container\":{\"image\":{\"name\":"
		"\"docker.io/library/busybox\",\"tag\":\"1.36\",\"uid\":"
		"\"docker.io/library/busybox\"},\"uid\":\"0123456789ab\"},\"file\":{\"name\":"
		"\"busybox\",\"path\":\"/bin/busybox\",\"type_id\":1},\"name\":\"sh\",\"pid\":42,"
		"\"user\":{\"uid\":\"0\"}}},\"dst_endpoint\":{\"ip\":\"10.0.0.2\",\"port\":443},"
		"\"src_endpoint\":{\"ip\":\"10.0.0.1\",\"port\":33000}}],\"finding_info\":{"
		"\"analytic\":{\"name\":\"Shell | in pod\",\"type\":\"Rule\",\"type_id\":1},"
		"\"attacks\":[{\"technique\":{\"uid\":\"T1059\"},\"sub_technique\":{\"uid\":"
		"\"T1059.004\"}}],\"created_time\":1566230400020,\"desc\":"
		"\"a shell (user=root)\",\"title\":\"Shell | in pod\",\"types\":[\"T1059.004\","
		"\"mitre_execution\"],\"uid\":\"" UUID "\"},\"message\":\"a shell (user=root)\","
		"\"metadata\":{\"product\":{\"name\":\"saker\",\"vendor_name\":\"saker\","
		"\"version\":\"" SAKER_VERSION "\"},\"profiles\":[\"container\",\"host\"],"
		"\"sequence\":7,\"uid\":\"" UUID "\",\"version\":\"1.3.0\"},\"severity\":"
		"\"Medium\",\"severity_id\":3,\"status\":\"New\",\"status_id\":1,\"time\":"
		"1566230400020,\"type_name\":\"Detection Finding: Create\",\"type_uid\":200401,"
		"\"unmapped\":{\"priority\":\"Warning\",\"source\":\"syscall\"}}");
}

static void test_cef__shell_in_pod__same_bytes(void **state)
{
	(void)state;
	check(shell_in_pod(), OUTPUT_CEF,
		"CEF:0|saker|saker|" SAKER_VERSION "|Shell \\| in pod|Shell \\| in pod|5|"
		"rt=1566230400020 externalId=" UUID " dvchost=myhost cat=syscall cs1Label=tags "
		"cs1=T1059.004,mitre_execution src=10.0.0.1 spt=33000 dst=10.0.0.2 dpt=443 "
		"act=execve filePath=10.0.0.1:33000->10.0.0.2:443 spid=42 sproc=sh suid=0 "
		"sakerContainerId=0123456789ab "
		"sakerContainerImageRepository=docker.io/library/busybox "
		"sakerContainerImageTag=1.36 sakerK8sNsName=shop sakerK8sPodName=cart-0 "
		"sakerProcAname2=a\\=b|c\\\\ sakerProcCmdline=sh -c \"x\\n\" "
		"sakerProcExepath=/bin/busybox msg=a shell (user\\=root)");
}

static void test_ecs__on_the_host__no_container(void **state)
{
	struct alert_builder *b = alerts_new();
	json_auto_t *j = NULL;

	(void)state;
	add_str(b, "container.id", "host");
	add_str(b, "container.name", "host");
	add_str(b, "fd.name", "/etc/shadow");
	j = parse(alerts_finish(b, 1, 0, 4, "R", SPAN_LIT("m")), OUTPUT_ECS);
	assert_null(json_object_get(j, "container"));
	assert_string_equal(json_string_value(json_object_get(json_object_get(j, "file"), "path")),
		"/etc/shadow");
}

/* An index refuses a document whose address is none. */
static void test_ends__not_a_connection__nothing(void **state)
{
	static const char *const names[] = {"a->b", "1.2.3.4:1", "1.2.3.4:1->", "1.2.3.4:1->x:2",
		"1.2.3.4:70000->1.2.3.4:2", "1.2.3.4:->1.2.3.4:2", "->", "/tmp/a->b:1",
		"1.2.3.4:1->1.2.3.4:99999999999999999999", "1.2.3.4:1->1.2.3.4:2x"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct alert_builder *b = alerts_new();
		struct nest_ends e;

		add_str(b, "fd.name", names[i]);
		e = nest_ends(alerts_finish(b, 1, 0, 4, "R", SPAN_LIT("m")));
		assert_true(!e.src_ip.n && !e.dst_ip.n && !e.has_src_port && !e.has_dst_port);
	}
}

static void test_ends__ipv6_and_own_fields__found(void **state)
{
	struct alert_builder *b = alerts_new();
	struct nest_ends e;

	(void)state;
	add_str(b, "fd.name", "::1:8080->fe80::1:443");
	add_str(b, "fd.sip", "fe80::2");
	add_num(b, "fd.sport", 8443);
	e = nest_ends(alerts_finish(b, 1, 0, 4, "R", SPAN_LIT("m")));
	assert_true(span_eq_str(e.src_ip, "::1") && e.src_port == 8080);
	assert_true(span_eq_str(e.dst_ip, "fe80::2") && e.dst_port == 8443);
}

static void test_find__many_fields__by_name(void **state)
{
	struct alert_builder *b = alerts_new();
	const struct alert *a;
	char key[16];

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		(void)snprintf(key, sizeof(key), "k%u", i);
		add_num(b, key, i);
	}
	a = alerts_finish(b, 1, 0, 4, "R", SPAN_LIT("m"));
	for (unsigned i = 0; i < 100; i++) {
		(void)snprintf(key, sizeof(key), "k%u", i);
		assert_int_equal(nest_find(a, span_str(key))->num, i);
	}
	assert_null(nest_find(a, SPAN_LIT("k")));
	assert_null(nest_find(a, SPAN_LIT("k1000")));
	assert_null(nest_find(a, SPAN_LIT("a")));
}

/* Whatever a process puts into its names: one line, valid UTF-8, no key or header of its own. */
static void test_all__hostile_texts__one_valid_line(void **state)
{
	struct alert_builder *b = alerts_new();
	const struct alert *a;

	(void)state;
	add_str(b, "proc.cmdline", "x\nrt=1 \r\n|\xff\xc3\"\\");
	add_str(b, "proc.name", "=\x01\x7f");
	add_str(b, "fd.l4proto", "tcp\n");
	alert_add_field(b, SPAN_LIT("fd.types"), ALERT_LIST, 2, (struct span){"a=\0b\n\0", 6});
	alert_add_tag(b, SPAN_LIT("T1059\n"));
	a = alerts_finish(b, 1, 0, 4, "R\n|\\", SPAN_LIT("m\n=\xfe"));
	for (int f = OUTPUT_ECS; f <= OUTPUT_CEF; f++) {
		_cleanup_strbuf_ struct strbuf t = {0};

		format_get((enum output_format)f)->add(&out, a, &t);
		assert_true(strbuf_ok(&t));
		assert_true(utf8_is_valid(strbuf_span(&t)));
		assert_null(memchr(t.p, '\n', t.n));
		assert_null(memchr(t.p, '\r', t.n));
	}
	json_decref(parse(a, OUTPUT_ECS));
	json_decref(parse(a, OUTPUT_OCSF));
	check(a, OUTPUT_CEF,
		"CEF:0|saker|saker|" SAKER_VERSION "|R \\|\\\\|R \\|\\\\|5|rt=1566230400020 "
		"externalId=" UUID " dvchost=myhost cat=syscall cs1Label=tags cs1=T1059\\n "
		"proto=tcp\\n sproc=\\=   sakerFdTypes=a\\=,b\\n "
		"sakerProcCmdline=x\\nrt\\=1 \\r\\n|\xef\xbf\xbd\xef\xbf\xbd\"\\\\ "
		"msg=m\\n\\=\xef\xbf\xbd");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ecs__shell_in_pod__same_bytes),
		cmocka_unit_test(test_ocsf__shell_in_pod__same_bytes),
		cmocka_unit_test(test_cef__shell_in_pod__same_bytes),
		cmocka_unit_test(test_ecs__on_the_host__no_container),
		cmocka_unit_test(test_ends__not_a_connection__nothing),
		cmocka_unit_test(test_ends__ipv6_and_own_fields__found),
		cmocka_unit_test(test_find__many_fields__by_name),
		cmocka_unit_test(test_all__hostile_texts__one_valid_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
