/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of a container runtime of Kubernetes, written here field by field as containerd and CRI-O write them, and what is made of them. */

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

#include "cri.h"
#include "pb.h"
#include "image.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define POD "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define IMAGE "sha256:1111111111111111111111111111111111111111111111111111111111111111"

/* --- writing messages --- */

struct out {
	size_t n;
	char p[65536];
};

static void varint(struct out *o, uint64_t v)
{
	do {
		o->p[o->n++] = (char)((v & 127) | (v > 127 ? 128 : 0));
		v >>= 7;
	} while (v);
}

static void number(struct out *o, unsigned field, uint64_t v)
{
	varint(o, field << 3);
	varint(o, v);
}

static void bytes(struct out *o, unsigned field, const void *p, size_t n)
{
	varint(o, field << 3 | 2);
	varint(o, n);
	memcpy(o->p + o->n, p, n);
	o->n += n;
}

static void text(struct out *o, unsigned field, const char *s)
{
	bytes(o, field, s, strlen(s));
}

static void message(struct out *o, unsigned field, const struct out *m)
{
	bytes(o, field, m->p, m->n);
}

static void entry(struct out *o, unsigned field, const char *key, const char *value)
{
	struct out *m = calloc(1, sizeof(*m));

	text(m, 1, key);
	text(m, 2, value);
	message(o, field, m);
	free(m);
}

/* --- what a runtime answers --- */

struct answer {
	const char *id, *image, *ref, *info;
	bool has_user;
};

static void write_status(struct out *o, const struct answer *a)
{
	struct out *s = calloc(1, sizeof(*s)), *m = calloc(1, sizeof(*m)),
		   *u = calloc(1, sizeof(*u));

	o->n = 0;
	text(s, 1, a->id);
	text(m, 1, "app");
	number(m, 2, 3);
	message(s, 2, m);
	number(s, 3, 1);
	number(s, 4, 1700000000000000000);
	m->n = 0;
	text(m, 1, a->image);
	message(s, 8, m);
	text(s, 9, a->ref);
	entry(s, 12, "io.kubernetes.pod.name", "of the container's label");
	entry(s, 12, "team", "red");
	entry(s, 12, "long", "0123456789012345678901234567890123456789");
	m->n = 0;
	text(m, 1, "/data");
	text(m, 2, "/srv/data");
	number(m, 3, 1);
	number(m, 5, 1);
	message(s, 14, m);
	if (a->has_user) {
		number(u, 1, 1001);
		m->n = 0;
		message(m, 1, u);
		message(s, 18, m);
	}
	message(o, 1, s);
	if (a->info)
		entry(o, 2, "info", a->info);
	free(s);
	free(m);
	free(u);
}

static void write_pod(struct out *o, const char *id, const char *info)
{
	struct out *s = calloc(1, sizeof(*s)), *m = calloc(1, sizeof(*m)),
		   *l = calloc(1, sizeof(*l));

	o->n = 0;
	text(s, 1, id);
	text(m, 1, "web-7f9c");
	text(m, 2, "6e8bc430-9c3a-11d9-9669-0800200c9a66");
	text(m, 3, "shop");
	message(s, 2, m);
	m->n = 0;
	text(m, 1, "10.1.2.3");
	message(s, 5, m);
	m->n = 0;
	number(m, 2, 2); /* pid of the node */
	message(l, 2, m);
	m->n = 0;
	message(m, 1, l);
	message(s, 6, m);
	entry(s, 7, "app", "web");
	message(o, 1, s);
	if (info)
		entry(o, 2, "info", info);
	free(s);
	free(m);
	free(l);
}

static struct span span_of(const struct out *o)
{
	return (struct span){.p = o->p, .n = o->n};
}

struct bed {
	struct out status, pod;
	struct cri *cri;
	struct md_container facts;
};

static int set_up(void **state)
{
	struct bed *b = calloc(1, sizeof(*b));

	b->cri = cri_new();
	*state = b;
	return b->cri ? 0 : -1;
}

static int tear_down(void **state)
{
	struct bed *b = *state;

	(void)cri_free(b->cri);
	free(b);
	return 0;
}

static void take(struct bed *b, const struct answer *a, const char *pod_info)
{
	write_status(&b->status, a);
	write_pod(&b->pod, POD, pod_info);
	assert_int_equal(cri_status(b->cri, span_of(&b->status), SPAN_LIT(ID)), 0);
	assert_int_equal(cri_pod(b->cri, span_of(&b->pod), SPAN_LIT(POD)), 0);
	cri_container(&b->facts, b->cri, "containerd", 30);
}

static void check(const struct bed *b, enum crec_text what, const char *want)
{
	struct span s = b->facts.text[what];

	if (!span_eq_str(s, want))
		fail_msg("text %d: got '%.*s', want '%s'", what, (int)s.n, s.n ? s.p : "", want);
}

/* Strings in a row: is there one @key followed by @value? */
static bool has_pair(struct span rows, const char *key, const char *value)
{
	size_t at = 0;

	while (at < rows.n) {
		const char *k = rows.p + at, *v = k + strlen(k) + 1;

		if (strcmp(k, key) == 0 && strcmp(v, value) == 0)
			return true;
		at = (size_t)(v + strlen(v) + 1 - rows.p);
	}
	return false;
}

static const struct answer plain = {.id = ID,
	.image = "registry.example:5000/shop/web:1.2",
	.ref = "registry.example:5000/shop/web@" IMAGE,
	.info = "{\"sandboxID\":\"" POD "\",\"config\":{\"image\":{\"image\":\"" IMAGE
		"\"},\"linux\":{\"security_context\":{\"privileged\":true}}},"
		"\"runtimeSpec\":{\"process\":{\"user\":{\"uid\":77}}}}"};

static void test_container__facts_of_status_and_pod(void **state)
{
	struct bed *b = *state;
	struct span mounts;

	take(b, &plain,
		"{\"cniResult\":{\"Interfaces\":{\"lo\":{},\"veth12\":{},\"eth0\":{\"IPConfigs\":[{"
		"\"IP\":\"10.1.2.3\"}]}}}}");
	assert_true(span_eq_str(cri_sandbox(b->cri), POD));
	assert_true(span_eq_str(b->facts.id, ID));
	check(b, CREC_NAME, "app");
	check(b, CREC_TYPE, "containerd");
	check(b, CREC_IMAGE, "registry.example:5000/shop/web:1.2");
	check(b, CREC_REPOSITORY, "registry.example:5000/shop/web");
	check(b, CREC_TAG, "1.2");
	check(b, CREC_DIGEST, IMAGE);
	check(b, CREC_IMAGE_ID, "111111111111");
	check(b, CREC_USER, "77");
	check(b, CREC_SANDBOX_ID, POD);
	check(b, CREC_IP, "10.1.2.3");
	check(b, CREC_POD_IP, "10.1.2.3");
	check(b, CREC_POD_CNI_JSON, "{\"eth0\":{\"IPConfigs\":[{\"IP\":\"10.1.2.3\"}]}}");
	assert_int_equal(b->facts.flags, CREC_PRIVILEGED | CREC_HOST_PID);
	assert_true(has_pair(b->facts.text[CREC_POD_LABELS], "app", "web"));
	assert_true(has_pair(b->facts.text[CREC_LABELS], "team", "red"));
	/* the pod's own word, not what a label of the container says */
	assert_true(has_pair(b->facts.text[CREC_LABELS], "io.kubernetes.pod.name", "web-7f9c"));
	assert_true(has_pair(b->facts.text[CREC_LABELS], "io.kubernetes.pod.namespace", "shop"));
	assert_true(has_pair(b->facts.text[CREC_LABELS], "io.kubernetes.pod.uid",
		"6e8bc430-9c3a-11d9-9669-0800200c9a66"));
	/* a value of 40 bytes, 30 are allowed */
	assert_false(has_pair(
		b->facts.text[CREC_LABELS], "long", "0123456789012345678901234567890123456789"));
	mounts = b->facts.text[CREC_MOUNTS];
	assert_int_equal(mounts.n, sizeof("/srv/data\0/data\0\0false\0rslave"));
	assert_memory_equal(mounts.p, "/srv/data\0/data\0\0false\0rslave", mounts.n);
}

static void test_container__image_names(void **state)
{
	static const struct {
		const char *image, *ref, *info, *repository, *tag, *digest, *id;
	} rows[] = {
		/* no digest is known: the reference is the image's id */
		{"docker.io/local/bb:1", IMAGE, NULL, "docker.io/local/bb", "1", IMAGE,
			"111111111111"},
		/* asked for by id: the pod's own words are in an annotation */
		{IMAGE, "docker.io/local/bb@" IMAGE, NULL, "docker.io/local/bb", "", IMAGE, ""},
		{IMAGE, IMAGE,
			"{\"runtimeSpec\":{\"annotations\":{\"io.kubernetes.cri.image-name\":"
			"\"quay.io/x/y:v2\"}}}",
			"quay.io/x/y", "v2", IMAGE, "111111111111"},
		{IMAGE, "quay.io/x/y@" IMAGE,
			"{\"runtimeSpec\":{\"annotations\":{\"io.kubernetes.cri-o.ImageName\":"
			"\"quay.io/x/y:v2\"}}}",
			"quay.io/x/y", "v2", IMAGE, ""},
		/* a registry's port is no tag */
		{"host:5000/app", "", NULL, "host:5000/app", "", "", ""},
		{"", "", NULL, "", "", "", ""},
	};

	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct bed *b = *state;

		take(b,
			&(struct answer){.id = ID,
				.image = rows[i].image,
				.ref = rows[i].ref,
				.info = rows[i].info,
				.has_user = true},
			NULL);
		check(b, CREC_REPOSITORY, rows[i].repository);
		check(b, CREC_TAG, rows[i].tag);
		check(b, CREC_DIGEST, rows[i].digest);
		check(b, CREC_IMAGE_ID, rows[i].id);
		check(b, CREC_USER, "1001");
	}
}

static void test_container__of_crio(void **state)
{
	struct bed *b = *state;
	const struct answer a = {.id = ID,
		.image = "x:1",
		.ref = "",
		.info = "{\"sandboxID\":\"" POD "\",\"privileged\":true}"};

	take(b, &a,
		"{\"runtimeSpec\":{\"annotations\":{\"io.kubernetes.cri-o.CNIResult\":\"{"
		"\\\"cniVersion\\\":\\\"1.0.0\\\"}\"}}}");
	assert_true(b->facts.flags & CREC_PRIVILEGED);
	check(b, CREC_POD_CNI_JSON, "{\"cniVersion\":\"1.0.0\"}");
}

static void test_container__of_a_pod_alone(void **state)
{
	struct bed *b = *state;

	write_pod(&b->pod, POD, NULL);
	assert_int_equal(cri_pod(b->cri, span_of(&b->pod), SPAN_LIT(POD)), 0);
	cri_container(&b->facts, b->cri, "cri-o", 100);
	assert_true(span_eq_str(b->facts.id, POD));
	check(b, CREC_NAME, "web-7f9c");
	check(b, CREC_SANDBOX_ID, POD);
	check(b, CREC_IMAGE, "");
	assert_true(has_pair(b->facts.text[CREC_LABELS], "io.kubernetes.pod.namespace", "shop"));
}

static void test_status__other_container_is_refused(void **state)
{
	struct bed *b = *state;

	write_status(&b->status, &plain);
	assert_int_equal(cri_status(b->cri, span_of(&b->status), SPAN_LIT(POD)), -EBADMSG);
	assert_int_equal(cri_status(b->cri, span_of(&b->status), SPAN_LIT("0123456789ab")), 0);
	write_status(&b->status, &(struct answer){.id = "../../etc", .image = "", .ref = ""});
	assert_int_equal(cri_status(b->cri, span_of(&b->status), SPAN_LIT("../../etc")), -EBADMSG);
	write_pod(&b->pod, POD, NULL);
	assert_int_equal(cri_pod(b->cri, span_of(&b->pod), SPAN_LIT(ID)), -EBADMSG);
	assert_int_equal(cri_pod(b->cri, (struct span){0}, SPAN_LIT(ID)), -EBADMSG);
}

/* 2 bytes of an answer may ask for a block of memory each. */
static void test_status__growth_is_bounded(void **state)
{
	struct bed *b = *state;
	size_t n = (size_t)1 << 20;
	char *big = malloc(n + 16);
	int r;

	assert_non_null(big);
	/* info entries without anything in them */
	for (size_t i = 0; i < n; i += 2) {
		big[i] = 2 << 3 | 2;
		big[i + 1] = 0;
	}
	r = cri_status(b->cri, (struct span){.p = big, .n = n}, SPAN_LIT(ID));
	assert_int_equal(r, -ENOMEM);
	free(big);
	/* and it works again */
	take(b, &plain, NULL);
	check(b, CREC_NAME, "app");
}

static void test_texts__invalid_are_left_out(void **state)
{
	struct bed *b = *state;
	struct out *s = calloc(1, sizeof(*s)), *m = calloc(1, sizeof(*m));

	text(s, 1, ID);
	bytes(m, 1, "a\0b", 3);
	text(m, 2, "x");
	message(s, 12, m); /* a key with NUL */
	m->n = 0;
	text(m, 1, "bad");
	bytes(m, 2, "\xff\xfe", 2);
	message(s, 12, m);
	m->n = 0;
	text(m, 1, "good");
	text(m, 2, "yes");
	message(s, 12, m);
	b->status.n = 0;
	message(&b->status, 1, s);
	entry(&b->status, 2, "info", "{\"sandboxID\": 12, \"config\": [1,2");
	assert_int_equal(cri_status(b->cri, span_of(&b->status), SPAN_LIT(ID)), 0);
	assert_int_equal(cri_sandbox(b->cri).n, 0);
	cri_container(&b->facts, b->cri, "cri", 100);
	assert_true(has_pair(b->facts.text[CREC_LABELS], "good", "yes"));
	assert_int_equal(b->facts.text[CREC_LABELS].n, sizeof("good\0yes"));
	free(s);
	free(m);
}

static void count_id(void *ctx, struct span id)
{
	assert_int_equal(id.n, 64);
	(*(unsigned *)ctx)++;
}

static void test_list__ids_of_those_that_live(void **state)
{
	static const struct {
		const char *id;
		unsigned state;
	} rows[] = {{ID, 0}, {POD, 1}, {ID, 2}, {"short", 1}, {"", 1}};
	struct out *o = calloc(1, sizeof(*o)), *m = calloc(1, sizeof(*m));
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		m->n = 0;
		text(m, 1, rows[i].id);
		number(m, 6, rows[i].state);
		message(o, 1, m);
	}
	assert_int_equal(cri_list(span_of(o), count_id, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(cri_list(SPAN_LIT("\x0a\xff"), count_id, &n), -EBADMSG);
	free(o);
	free(m);
}

static void test_event__actions(void **state)
{
	static const enum report_action want[] = {
		REPORT_CREATE, REPORT_START, REPORT_OTHER, REPORT_REMOVE, REPORT_OTHER};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(want); i++) {
		struct out *o = calloc(1, sizeof(*o));
		struct span id = {0};

		text(o, 1, ID);
		number(o, 2, i);
		assert_int_equal(cri_event(span_of(o), &id), want[i]);
		if (want[i] != REPORT_OTHER) {
			assert_true(span_eq_str(id, ID));
			assert_true(id.p > o->p && id.p < o->p + o->n);
		}
		free(o);
	}
	assert_int_equal(cri_event(SPAN_LIT("\x0a\x03xyz"), &(struct span){0}), REPORT_OTHER);
}

static void test_type__by_name(void **state)
{
	static const struct {
		const char *name, *want;
	} rows[] = {
		{"containerd", "containerd"}, {"cri-o", "cri-o"}, {"docker", "cri"}, {"", "cri"}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct out *o = calloc(1, sizeof(*o));

		text(o, 1, "0.1.0");
		text(o, 2, rows[i].name);
		assert_string_equal(cri_type(span_of(o)), rows[i].want);
		free(o);
	}
	assert_string_equal(cri_type(SPAN_LIT("\xff")), "cri");
}

static void test_frame__parts_and_lies(void **state)
{
	struct span body = SPAN_LIT("\0\0\0\0\x03"
				    "abc\0\0\0\0\0\0\0\0\0\x05"
				    "de"),
		    m;

	(void)state;
	assert_int_equal(pb_frame(&body, 100, &m), 1);
	assert_true(span_eq_str(m, "abc"));
	assert_int_equal(pb_frame(&body, 100, &m), 1);
	assert_int_equal(m.n, 0);
	assert_int_equal(pb_frame(&body, 100, &m), 0);
	assert_int_equal(body.n, 7);
	body = SPAN_LIT("\1\0\0\0\1x"); /* compressed: nobody offered that */
	assert_int_equal(pb_frame(&body, 100, &m), -EBADMSG);
	body = SPAN_LIT("\0\xff\xff\xff\xff");
	assert_int_equal(pb_frame(&body, 100, &m), -EBADMSG);
	body = SPAN_LIT("\0\0\0");
	assert_int_equal(pb_frame(&body, 100, &m), 0);
	body = (struct span){0};
	assert_int_equal(pb_frame(&body, 100, &m), 0);
}

/* A runtime that answers garbage: every byte of a good answer changed in turn, and every prefix of it. */
static void test_answers__changed_and_cut(void **state)
{
	struct bed *b = *state;
	struct out *copy = calloc(1, sizeof(*copy));

	take(b, &plain, NULL);
	for (size_t i = 0; i < b->status.n; i++) {
		*copy = b->status;
		copy->p[i] = (char)(copy->p[i] ^ (1 << i % 8));
		if (cri_status(b->cri, span_of(copy), SPAN_LIT(ID)) == 0) {
			cri_container(&b->facts, b->cri, "cri", 30);
			assert_true(span_eq_str(b->facts.id, ID));
		}
		copy->n = i;
		(void)cri_status(b->cri, span_of(copy), SPAN_LIT(ID));
	}
	free(copy);
}

/* Seeds for the fuzzer: a byte that says of which question, and the answer. */
static int write_seed(const char *folder, const char *name, char which, const struct out *o)
{
	char path[4096];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "we");
	if (!f)
		return 1;
	(void)fputc(which, f);
	(void)fwrite(o->p, 1, o->n, f);
	return fclose(f) == 0 ? 0 : 1;
}

static int write_seeds(const char *folder)
{
	struct out *o = calloc(1, sizeof(*o));
	int r;

	write_status(o, &plain);
	r = write_seed(folder, "status", 0, o);
	write_pod(o, POD, "{\"cniResult\":{\"Interfaces\":{\"lo\":{},\"eth0\":{\"Mac\":\"x\"}}}}");
	r |= write_seed(folder, "pod", 1, o);
	o->n = 0;
	text(o, 1, ID);
	number(o, 2, 1);
	r |= write_seed(folder, "event", 3, o);
	free(o);
	return r;
}

/* With a folder: writes the fuzzer's seeds there instead. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_container__facts_of_status_and_pod, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_container__image_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_container__of_crio, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_container__of_a_pod_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_status__other_container_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_status__growth_is_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_texts__invalid_are_left_out, set_up, tear_down),
		cmocka_unit_test(test_list__ids_of_those_that_live),
		cmocka_unit_test(test_event__actions),
		cmocka_unit_test(test_type__by_name),
		cmocka_unit_test(test_frame__parts_and_lies),
		cmocka_unit_test_setup_teardown(test_answers__changed_and_cut, set_up, tear_down),
	};

	if (argc == 2)
		return write_seeds(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
