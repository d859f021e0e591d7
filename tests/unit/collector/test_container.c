/* SPDX-License-Identifier: Apache-2.0 */
/* Containers' facts from JSON: good files, bad ones with their places, events of captures, hostile sizes; all of it as records that pass the door. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base/macros.h>
#include <base/strbuf.h>
#include <driver/kev.h>

#include "container.h"

static struct md_container one;
static uint64_t buf[KEV_SIZE_MAX / 8];

static struct kev record(void)
{
	int n = md_container_record(&one, buf);
	const char *why = "";
	struct kev k;

	assert_true(n > 0);
	if (kev_parse(buf, (size_t)n, &k, &why) < 0)
		fail_msg("%s", why);
	assert_int_equal(k.info->code, KEV_CODE_SAKER_CONTAINER);
	return k;
}

static void assert_param(const struct kev *k, const char *name, const char *want)
{
	struct span s = kev_param_text(k, (unsigned)kev_param_find(k->info, name));

	assert_true(span_eq_str(s, want));
}

static void assert_row(const struct kev *k, const char *name, struct span want)
{
	assert_true(span_eq(k->param[kev_param_find(k->info, name)], want));
}

static void test_file__every_key__in_the_record(void **state)
{
	static const char text[] =
		"{\"c1\": {\"name\": \"web\", \"type\": \"docker\", \"image\": \"r/n:1\", "
		"\"repository\": \"r/n\", \"tag\": \"1\", \"image_id\": \"ii\",\n"
		"\"digest\": \"d\", \"ip\": \"1.2.3.4\", \"cni_json\": \"{}\", \"user\": \"www\", "
		"\"sandbox_id\": \"s\", \"pod_ip\": \"5.6.7.8\", \"pod_cni_json\": \"[]\",\n"
		"\"privileged\": true, \"host_pid\": false, \"host_network\": true, \"host_ipc\": "
		"true,\n"
		"\"mounts\": [{\"source\": \"/a\", \"dest\": \"/b\", \"mode\": \"ro\", \"rw\": "
		"true, \"propagation\": \"p\"}, {\"source\": \"/c\"}],\n"
		"\"labels\": {\"app\": \"web\", \"e\": \"\"}, \"pod_labels\": {\"x\": \"y\"}}}";
	struct md_json_error e;
	json_t *root = md_containers_parse(text, sizeof(text) - 1, &e);
	struct kev k;

	(void)state;
	assert_non_null(root);
	md_container_of_entry(&one, "c1", json_object_get(root, "c1"));
	k = record();
	json_decref(root);
	assert_param(&k, "id", "c1");
	assert_int_equal(kev_param_u64(&k, 1), CREC_PRIVILEGED | CREC_HOST_NETWORK | CREC_HOST_IPC);
	assert_param(&k, "name", "web");
	assert_param(&k, "repository", "r/n");
	assert_param(&k, "user", "www");
	assert_param(&k, "sandbox_id", "s");
	assert_param(&k, "pod_ip", "5.6.7.8");
	assert_param(&k, "pod_cni_json", "[]");
	assert_row(&k, "mounts", SPAN_LIT("/a\0/b\0ro\0true\0p\0/c\0\0\0false\0\0"));
	assert_row(&k, "labels", SPAN_LIT("app\0web\0e\0\0"));
	assert_row(&k, "pod_labels", SPAN_LIT("x\0y\0"));
}

static void test_file__bad__place_and_reason(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"", "1:1: "},
		{"[]", "1:1: expected an object of containers by their ids"},
		{"{\"a\": 1}", "1:2: container 'a': it must be an object"},
		{"{\n \"a\": {\n  \"name\": 5}}", "3:3: container 'a': 'name' must be a text"},
		{"{\"a\": {\"privileged\": \"yes\"}}",
			"1:8: container 'a': 'privileged' must be true or false"},
		{"{\"a\": {\"nmae\": \"x\"}}", "1:8: container 'a': 'nmae' is no known key (name, "
					       "type, image, labels, mounts, …)"},
		{"{\"a\": {\"labels\": {\"x\": 1}}}",
			"1:8: container 'a': 'labels' must be an object of texts"},
		{"{\"a\": {\"mounts\": {}}}",
			"1:8: container 'a': 'mounts' must be a list of mounts"},
		{"{\"a\": {\"mounts\": [{\"src\": \"\"}]}}",
			"1:8: container 'a': 'mounts' has a mount with a key that is none of "
			"source, dest, mode, rw, propagation"},
		{"{\"a\": {\"mounts\": [{\"rw\": \"no\"}]}}",
			"1:8: container 'a': 'mounts' has a mount whose values are not texts, rw "
			"true or false"},
		{"{\"\": {}}", "1:2: container '': it is no id"},
		{"{\"a\": {\"name\": \"x\"}, \"a\": {}}",
			"1:24: duplicate object key near '\"a\"'"},
		{"{\"a\": {\"name\": \"\\u0000\"}}",
			"1:23: \\u0000 is not allowed without JSON_ALLOW_NUL"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct md_json_error e;
		char got[300];

		assert_null(md_containers_parse(cases[i].text, strlen(cases[i].text), &e));
		(void)snprintf(got, sizeof(got), "%u:%u: %s", e.line, e.column, e.why);
		if (strncmp(got, cases[i].want, strlen(cases[i].want)) != 0)
			fail_msg("%s: %s", cases[i].text, got);
	}
}

static void test_event__of_a_capture__its_facts(void **state)
{
	static const char text[] =
		"{\"container\": {\"id\": \"0123456789ab\", \"full_id\": \"0123456789abcdef\", "
		"\"type\": 7, \"name\": \"n\", \"image\": \"i:2\", \"imagerepo\": \"i\",\n"
		"\"imagetag\": \"2\", \"imageid\": \"ii\", \"imagedigest\": \"d\", \"ip\": "
		"2886795266, \"User\": \"u\", \"privileged\": true, \"labels\": {\"a\": \"b\", "
		"\"bad\": 1},\n"
		"\"Mounts\": [{\"Source\": \"/s\", \"Destination\": \"/d\", \"Mode\": \"\", "
		"\"RW\": true, \"Propagation\": \"\"}, 5], \"pod_sandbox_id\": \"\",\n"
		"\"pod_sandbox_labels\": null, \"host_pid\": 1}}";
	json_t *root = NULL;
	struct kev k;

	(void)state;
	assert_int_equal(md_container_of_event(&one, text, sizeof(text) - 1, &root), 0);
	k = record();
	json_decref(root);
	assert_param(&k, "id", "0123456789abcdef");
	assert_param(&k, "type", "containerd");
	assert_param(&k, "ip", "172.17.0.2");
	assert_param(&k, "repository", "i");
	assert_param(&k, "user", "u");
	assert_int_equal(kev_param_u64(&k, 1), CREC_PRIVILEGED);
	assert_row(&k, "mounts", SPAN_LIT("/s\0/d\0\0true\0\0"));
	assert_row(&k, "labels", SPAN_LIT("a\0b\0"));
}

static void test_event__nothing_in_it__refused(void **state)
{
	static const char *const texts[] = {"", "x", "{}", "[]", "{\"container\": 5}",
		"{\"container\": {\"id\": \"\"}}", "{\"container\": {\"id\": 5}}"};
	json_t *root;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(texts); i++)
		assert_int_equal(
			md_container_of_event(&one, texts[i], strlen(texts[i]), &root), -EBADMSG);
}

static void add_long(struct strbuf *t, const char *sep, const char *key, unsigned n)
{
	strbuf_addf(t, "%s\"%s\": \"", sep, key);
	while (n--)
		strbuf_add_char(t, 'x');
	strbuf_add_char(t, '"');
}

/* Everything as large as it may come, and larger: the record fits, and says that it is cut. */
static void test_file__huge__cut_to_a_record(void **state)
{
	static const char *const keys[] = {"name", "type", "image", "repository", "tag", "image_id",
		"digest", "ip", "cni_json", "user", "sandbox_id", "pod_ip", "pod_cni_json"};
	_cleanup_strbuf_ struct strbuf t = {0};
	struct md_json_error e;
	json_t *root;
	struct kev k;

	(void)state;
	strbuf_add_str(&t, "{\"c\": {\"privileged\": true");
	for (unsigned i = 0; i < ARRAY_LEN(keys); i++)
		add_long(&t, ", ", keys[i], 100000);
	strbuf_add_str(&t, ", \"labels\": {\"k\": \"\"");
	for (unsigned i = 0; i < 2000; i++) {
		char key[16];

		(void)snprintf(key, sizeof(key), "k%u", i);
		add_long(&t, ", ", key, 200);
	}
	strbuf_add_str(&t, "}, \"mounts\": [{}");
	for (unsigned i = 0; i < 2000; i++)
		strbuf_addf(&t, ", {\"source\": \"/%u\"}", i);
	strbuf_add_str(&t, "]}}");
	root = md_containers_parse(t.p, t.n, &e);
	assert_non_null(root);
	md_container_of_entry(&one, "c", json_object_get(root, "c"));
	k = record();
	assert_int_equal(kev_param_u64(&k, 1), CREC_PRIVILEGED | CREC_CUT);
	json_decref(root);
}

static void test_file__deep_nesting__refused(void **state)
{
	size_t n = 1 << 20;
	char *text = malloc(n);
	struct md_json_error e;

	(void)state;
	memset(text, '[', n);
	assert_null(md_containers_parse(text, n, &e));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file__every_key__in_the_record),
		cmocka_unit_test(test_file__bad__place_and_reason),
		cmocka_unit_test(test_event__of_a_capture__its_facts),
		cmocka_unit_test(test_event__nothing_in_it__refused),
		cmocka_unit_test(test_file__huge__cut_to_a_record),
		cmocka_unit_test(test_file__deep_nesting__refused),
	};

	md_container_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
