/* SPDX-License-Identifier: Apache-2.0 */
/* Looking containers up, with this test as the gate and as the runtimes: what is asked for and when, what is told, and what hostile answers cost. */

#include "lookups_world.h"

#define ID "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define IMAGE_ID "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"
#define IMAGE_ID_REST "eeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100"
#define INSPECT                                                                                    \
	"{\"Id\":\"" ID "\",\"Name\":\"/web\",\"Image\":\"sha256:" IMAGE_ID                        \
	"\",\"Config\":{\"Image\":\"local/web:3\",\"User\":\"www\",\"Labels\":{\"a\":\"b\","       \
	"\"long\":\"0123456789012345678901234567890123456789\",\"n\":4}},\"HostConfig\":{"         \
	"\"Privileged\":true,\"NetworkMode\":\"host\",\"PidMode\":\"\"},"                          \
	"\"Mounts\":[{\"Source\":\"/srv\",\"Destination\":\"/"                                     \
	"data\",\"Mode\":\"ro\",\"RW\":false,\"Propagation\":\"rprivate\"}],"                      \
	"\"NetworkSettings\":{\"IPAddress\":\"\",\"Networks\":{\"x\":{\"IPAddress\":\"10.1.2.3\"}" \
	"}}}"
#define IMAGE_JSON "{\"RepoDigests\":[\"local/web@sha256:abc\"],\"RepoTags\":[\"local/web:3\"]}"

/* Both runtimes were tried; the first is there. */
static void one_is_up(void)
{
	struct gate_ask a = next_ask();

	assert_int_equal(a.what, GATE_LIST);
	says(&a, "[]", 0);
	a = next_ask();
	assert_int_equal(a.runtime, 1);
	says(&a, "", GATE_DOWN);
	no_ask();
}

static void test_list__each_is_looked_at__all_of_it_told(void **state)
{
	struct gate_ask a = next_ask();

	(void)state;
	says(&a, "[{\"Id\":\"" ID "\"},{\"Id\":\"../x\"},7]", 0);
	a = next_ask();
	assert_int_equal(a.what, GATE_LIST);
	says(&a, "", GATE_DOWN);
	a = next_ask();
	assert_int_equal(a.what, GATE_INSPECT);
	assert_string_equal(a.id, ID);
	no_ask();
	answer(&a, INSPECT, 40, 0, 0); /* in two parts */
	answer(&a, INSPECT + 40, strlen(INSPECT) - 40, 0, 0);
	answer(&a, "", 0, 0, GATE_F_END);
	assert_false(told()); /* its image is asked for first */
	a = next_ask();
	assert_int_equal(a.what, GATE_IMAGE);
	assert_string_equal(a.id, IMAGE_ID);
	says(&a, IMAGE_JSON, 0);
	assert_true(told());
	expect("id", ID);
	expect("name", "web");
	expect("type", "docker");
	expect("image", "local/web:3");
	expect("repository", "local/web");
	expect("tag", "3");
	expect("digest", "sha256:abc");
	expect("image_id", "ffeeddccbbaa");
	expect("ip", "10.1.2.3");
	expect("user", "www");
	assert_int_equal(kev_param_u64(&kev, 1), CREC_PRIVILEGED | CREC_HOST_NETWORK);
	assert_memory_equal(kev.param[kev_param_find(kev.info, "labels")].p, "a\0b\0", 4);
	assert_int_equal(kev.param[kev_param_find(kev.info, "labels")].n,
		4); /* the long one and the number are left out */
	assert_memory_equal(kev.param[kev_param_find(kev.info, "mounts")].p,
		"/srv\0/data\0ro\0false\0rprivate", 29);
	assert_false(told());
	no_ask();
}

static void test_reports__by_hooks__and_image_is_known(void **state)
{
	struct gate_ask a;

	(void)state;
	one_is_up();
	event(0, "{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"" ID "\"}}\n",
		0);
	event(0, "{\"Type\":\"network\",\"Action\":\"create\",\"Actor\":{\"ID\":\"" ID "\"}}\n", 0);
	no_ask();
	event(0, "{\"Type\":\"container\",\"Action\":\"cre", 0);
	event(0, "ate\",\"Actor\":{\"ID\":\"" ID "\"}}\n{\"Typ", 0);
	for (unsigned i = 0; i < 2; i++) {
		a = next_ask();
		assert_int_equal(a.what, GATE_INSPECT);
		says(&a, INSPECT, 0);
		if (i == 0) {
			a = next_ask();
			assert_int_equal(a.what, GATE_IMAGE);
			says(&a, "", 404);
			assert_true(told());
			expect("repository", "local/web"); /* from the name alone */
			expect("digest", "");
			event(0,
				"e\":\"container\",\"Action\":\"create\",\"Actor\":{\"ID\":\"" ID
				"\"}}\n",
				0);
		}
	}
	a = next_ask(); /* what was not known is asked again */
	says(&a, IMAGE_JSON, 0);
	assert_true(told());
	expect("digest", "sha256:abc");
	event(0, "{\"Type\":\"container\",\"Action\":\"create\",\"Actor\":{\"ID\":\"" ID "\"}}\n",
		0);
	a = next_ask();
	says(&a, INSPECT, 0);
	assert_true(told());
	no_ask();
	assert_int_equal(stats.malformed, 0);
}

static void test_report__its_own_words_first(void **state)
{
	struct gate_ask a;

	(void)state;
	one_is_up();
	event(0,
		"{\"Type\":\"container\",\"Action\":\"create\",\"Actor\":{\"ID\":\"" ID
		"\",\"Attributes\":{\"name\":\"web\",\"image\":\"local/"
		"web:3\",\"a\":\"b\",\"podId\":\"\"}}}\n",
		0);
	/* the last record that event() saw */
	expect("id", ID);
	expect("name", "web");
	expect("image", "local/web:3");
	expect("repository", "local/web");
	expect("tag", "3");
	assert_int_equal(kev_param_u64(&kev, 1), CREC_EARLY);
	assert_int_equal(kev.param[kev_param_find(kev.info, "labels")].n, 4);
	a = next_ask();
	says(&a, INSPECT, 0);
	a = next_ask();
	says(&a, IMAGE_JSON, 0);
	assert_true(told());
	expect("name", "web");
	assert_false(kev_param_u64(&kev, 1) & CREC_EARLY);
}

/* What a container that starts is asked for besides: nothing comes of it. */
static void brief_says_nothing(void)
{
	struct gate_ask a = next_ask();

	assert_int_equal(a.what, GATE_BRIEF);
	says(&a, set.runtimes[a.runtime].kind == GATE_DOCKER ? "[]" : "", 0);
}

static void test_want__it_starts__told_early(void **state)
{
	static const char *const bodies[] = {
		"[{\"Id\":\"" IMAGE_ID "\"},{\"Id\":\"" ID
		"\",\"Names\":[\"/web\"],\"Image\":\"local/web:3\",\"ImageID\":\"sha256:" IMAGE_ID
		"\",\"Labels\":{\"a\":\"b\"},\"Mounts\":[{\"Source\":\"/s\"}]}]",
		"{\"Type\":\"container\",\"Action\":\"create\",\"Actor\":{\"ID\":\"" ID
		"\",\"Attributes\":{\"name\":\"web\",\"image\":\"local/web:3\"}}}\n"};
	struct gate_ask a;

	(void)state;
	one_is_up();
	event(1, "", GATE_F_UP);
	a = next_ask();
	says(&a, "[]", 0);
	lookups_want(l, SPAN_LIT(ID), now);
	(void)next_ask();
	(void)next_ask(); /* inspections, which wait */
	for (unsigned i = 0; i < 2; i++) {
		a = next_ask();
		assert_int_equal(a.what, GATE_BRIEF);
		says(&a, bodies[a.runtime], 0);
		assert_true(told());
		assert_int_equal(kev_param_u64(&kev, 1), CREC_EARLY);
		expect("id", ID);
		expect("name", "web");
		expect("type", a.runtime ? "podman" : "docker");
		expect("repository", "local/web");
		expect("tag", "3");
		expect("image_id", a.runtime ? "" : "ffeeddccbbaa");
		assert_false(told());
	}
	no_ask();
	assert_true(lookups_timeout_ms(l, now) > 0); /* it is waited for all the same */
}

/* Of two that use a third one's network: that is asked for once, and has the address. */
static void test_network_of_another__its_address(void **state)
{
#define SHARES                                                                                     \
	"\",\"Config\":{\"Image\":\"local/"                                                        \
	"web:3\"},\"HostConfig\":{\"NetworkMode\":\"container:" ID                                 \
	"\"},\"NetworkSettings\":{\"IPAddress\":\"\",\"Networks\":{}}}"
	static const char *const bodies[] = {
		"{\"Id\":\"11" IMAGE_ID_REST SHARES, "{\"Id\":\"22" IMAGE_ID_REST SHARES};
	struct gate_ask a, b;

	(void)state;
	one_is_up();
	for (unsigned round = 0; round < 2; round++) {
		lookups_want(l, SPAN_LIT("11" IMAGE_ID_REST), now);
		lookups_want(l, SPAN_LIT("22" IMAGE_ID_REST), now);
		a = next_ask();
		brief_says_nothing();
		b = next_ask();
		brief_says_nothing();
		says(&a, bodies[0], 0);
		says(&b, bodies[1], 0);
		assert_false(told());
		a = next_ask();
		assert_int_equal(a.what, GATE_INSPECT);
		assert_string_equal(a.id, ID);
		no_ask();
		/* that one may be gone, or another */
		says(&a,
			round ? "{\"Id\":\"" IMAGE_ID
				"\",\"NetworkSettings\":{\"IPAddress\":\"10.9.9.9\"}}"
			      : INSPECT,
			0);
		for (unsigned i = 0; i < 2; i++) {
			assert_true(told());
			expect("ip", round ? "" : "10.1.2.3");
			expect("image", "local/web:3");
		}
		assert_false(told());
		no_ask();
	}
	assert_int_equal(stats.malformed, 1);
}

static void test_removal__told(void **state)
{
	(void)state;
	one_is_up();
	event(0, "{\"Type\":\"container\",\"Action\":\"destroy\",\"Actor\":{\"ID\":\"" ID "\"}}\n",
		0);
	no_ask();
	assert_true(told());
	expect("id", ID);
	expect("type", "docker");
	assert_int_equal(kev_param_u64(&kev, 1), CREC_GONE);
	assert_false(told());
}

static void test_want__all_that_answer_are_asked__one_knows(void **state)
{
	struct gate_ask a, b;

	(void)state;
	one_is_up();
	event(1, "", GATE_F_UP);
	a = next_ask();
	assert_int_equal(a.what, GATE_LIST);
	says(&a, "[]", 0);
	lookups_want(l, SPAN_LIT(ID), now);
	lookups_want(l, SPAN_LIT(ID), now);
	a = next_ask();
	b = next_ask();
	brief_says_nothing();
	brief_says_nothing();
	no_ask();
	assert_int_equal(a.what, GATE_INSPECT);
	assert_int_equal(b.what, GATE_INSPECT);
	assert_int_equal(a.runtime + b.runtime, 1);
	says(&a, "", 404);
	says(&b, INSPECT, 0);
	b = next_ask();
	says(&b, IMAGE_JSON, 0);
	assert_true(told());
	expect("type", "podman");
	assert_false(told());
	assert_int_equal(lookups_timeout_ms(l, now), -1);
}

static void expect_unknown(void)
{
	assert_true(told());
	expect("id", ID);
	assert_int_equal(kev_param_u64(&kev, 1), CREC_UNKNOWN);
}

static void test_want__nobody_is_there__said_at_once(void **state)
{
	(void)state;
	one_is_up();
	event(0, "", GATE_F_DOWN);
	lookups_want(l, SPAN_LIT(ID), now);
	no_ask();
	expect_unknown();
	assert_false(told());
	assert_int_equal(lookups_timeout_ms(l, now), -1);
}

static void test_want__nobody_knows__said_at_once(void **state)
{
	struct gate_ask a;

	(void)state;
	one_is_up();
	lookups_want(l, SPAN_LIT(ID), now);
	a = next_ask();
	brief_says_nothing();
	says(&a, "", 404);
	expect_unknown();
	lookups_want(l, SPAN_LIT("a-name-of-lxc"), now); /* no runtime is asked for such */
	no_ask();
	assert_true(told());
	expect("id", "a-name-of-lxc");
}

static void test_want__late_answer__unknown_after_the_wait_and_told_when_it_comes(void **state)
{
	struct gate_ask a;

	(void)state;
	one_is_up();
	lookups_want(l, SPAN_LIT(ID), now);
	a = next_ask();
	brief_says_nothing();
	now += 999 * NS_PER_MS;
	assert_false(told());
	assert_in_range(lookups_timeout_ms(l, now), 1, 2);
	now += 2 * NS_PER_MS;
	expect_unknown();
	assert_false(told());
	says(&a, INSPECT, 0);
	a = next_ask();
	says(&a, IMAGE_JSON, 0);
	assert_true(told());
	expect("name", "web");
}

static void test_failures__tried_again_some_times__then_given_up(void **state)
{
	unsigned n = 0;
	struct gate_ask a;

	(void)state;
	one_is_up();
	event(0, "{\"Type\":\"container\",\"Action\":\"create\",\"Actor\":{\"ID\":\"" ID "\"}}\n",
		0);
	while (n < 100 && lookups_ask(l, &a, now)) {
		says(&a, "", GATE_TIMEOUT);
		n++;
		no_ask(); /* not at once */
		now += NS_PER_S;
	}
	assert_in_range(n, 2, 10);
	assert_int_equal(lookups_timeout_ms(l, now), -1);
}

static void test_gate_that_never_answers__asks_are_given_up(void **state)
{
	struct gate_ask a;

	(void)state;
	one_is_up();
	for (unsigned i = 0; i < 100; i++) {
		char line[256];

		(void)snprintf(line, sizeof(line),
			"{\"Type\":\"container\",\"Action\":\"create\",\"Actor\":{\"ID\":\"%064x\"}"
			"}\n",
			i);
		event(0, line, 0);
	}
	for (unsigned i = 0; i < GATE_ASKS_MAX; i++)
		a = next_ask();
	no_ask();
	now += 60 * NS_PER_S;
	assert_false(told());
	a = next_ask();
	assert_int_equal(a.what, GATE_INSPECT);
}

static void test_hostile_answers__cost_their_lookup_alone(void **state)
{
	static const char *const bodies[] = {"", "[", "{}", "null", "{\"Id\":7}",
		"{\"Id\":\"" IMAGE_ID "\"}" /* another one */, "{\"Id\":\"\xff\xfe\"}",
		"{\"Id\":\"" ID "\",\"Config\":[],\"HostConfig\":3,\"Mounts\":{},\"Name\":[]}"};
	char *deep = malloc(GATE_PART_MAX);
	struct gate_ask a;

	(void)state;
	one_is_up();
	memset(deep, '[', GATE_PART_MAX);
	for (unsigned i = 0; i < ARRAY_LEN(bodies) + 2; i++) {
		event(0,
			"{\"Type\":\"container\",\"Action\":\"create\",\"Actor\":{\"ID\":\"" ID
			"\"}}\n",
			0);
		a = next_ask();
		if (i < ARRAY_LEN(bodies)) {
			says(&a, bodies[i], 0);
		} else if (i == ARRAY_LEN(bodies)) {
			answer(&a, deep, GATE_PART_MAX, 0, 0);
			says(&a, "", 0);
		} else {
			for (unsigned k = 0; k < 100; k++) /* more than the gate may send */
				answer(&a, deep, GATE_PART_MAX, 0, 0);
			says(&a, "", 0);
		}
		/* what is no more than odd is a container with little to tell */
		assert_int_equal(told(), i == ARRAY_LEN(bodies) - 1);
		now += NS_PER_S;
		while (lookups_ask(l, &a, now)) {
			says(&a, "", 404);
			now += NS_PER_S;
		}
	}
	assert_in_range(stats.malformed, ARRAY_LEN(bodies) - 1, 100);
	/* a report without an end: passed over, and the list is read again */
	for (unsigned k = 0; k < 10; k++)
		answer(&(struct gate_ask){.what = GATE_EVENTS}, deep, GATE_PART_MAX, 0, 0);
	a = next_ask();
	assert_int_equal(a.what, GATE_LIST);
	says(&a, "[]", 0);
	event(0, "\n{\"Type\":\"container\",\"Action\":\"create\",\"Actor\":{\"ID\":\"" ID "\"}}\n",
		0);
	a = next_ask();
	says(&a, INSPECT, 0);
	free(deep);
}

/* One message of an answer: its pod is said, and is told of only once the container has started. */
static void test_pod__late__container_told_early(void **state)
{
	static const char pod[] =
		"fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
	char m[512], *p = m + 5, info[128], *at, *end = m + sizeof(m);
	struct gate_ask a;
	int n;

	(void)state;
	set.runtimes[1].kind = GATE_CRI;
	event(1, "", GATE_F_UP);
	while (lookups_ask(l, &a, now)) /* lists */
		says(&a, "", 404);
	lookups_want(l, SPAN_LIT(ID), now);
	a = next_ask();
	assert_int_equal(a.what, GATE_INSPECT);
	n = snprintf(info, sizeof(info), "{\"sandboxID\":\"%s\"}", pod);
	p += snprintf(p, (size_t)(end - p), "\x0a%c\x0a\x40%s", 66, ID);
	at = p + 1;
	p += snprintf(p, (size_t)(end - p), "\x12%c\x0a\x04info\x12%c%s", 1, n, info);
	*at = (char)(p - at - 1);
	memcpy(m, "\0\0\0\0", 4);
	m[4] = (char)(p - m - 5);
	answer(&a, m, (size_t)(p - m), 0, GATE_F_END);
	assert_true(lookups_record(l, buf, now) > 0);
	assert_true(is_early());
	assert_true(span_eq_str(kev_param_text(&kev, 0), ID));
	lookups_told(l);
	assert_int_equal(lookups_record(l, buf, now), 0); /* once */
	a = next_ask();
	assert_int_equal(a.what, GATE_POD);
	assert_string_equal(a.id, pod);
	says(&a, "", 404);
	assert_true(lookups_record(l, buf, now) > 0);
	assert_false(is_early());
	lookups_told(l);
}

/* All places are taken by containers that may be pods: one goes without, of which nothing is known. */
static void test_pods__no_place_to_ask__nothing_told(void **state)
{
	struct gate_ask asks[GATE_ASKS_MAX], a;
	unsigned n = 0, n_pods = 0;

	(void)state;
	set.runtimes[1].kind = GATE_CRI;
	event(1, "", GATE_F_UP);
	while (lookups_ask(l, &a, now)) /* lists */
		says(&a, "", 404);
	for (unsigned i = 0; i < GATE_ASKS_MAX; i++) {
		char id[65];

		(void)snprintf(id, sizeof(id), "%064x", i + 1);
		lookups_want(l, span_str(id), now);
	}
	while (n < GATE_ASKS_MAX && lookups_ask(l, &asks[n], now))
		n++;
	assert_int_equal(n, GATE_ASKS_MAX);
	for (unsigned i = 0; i < n; i++)
		says(&asks[i], "", 404);
	assert_false(lookups_ask(l, &a, now)); /* there is no place */
	while (lookups_record(l, buf, now) > 0) {
		assert_false(is_early());
		assert_true(kev_param_u64(&kev, 1) & CREC_UNKNOWN);
		lookups_told(l);
	}
	/* which made one */
	while (lookups_ask(l, &a, now)) {
		assert_int_equal(a.what, GATE_POD);
		n_pods++;
		says(&a, "", 404);
		while (lookups_record(l, buf, now) > 0)
			lookups_told(l);
	}
	assert_int_equal(n_pods, GATE_ASKS_MAX - 1);
}

static void test_many__jobs_are_bounded_and_freed(void **state)
{
	struct gate_ask a;
	unsigned n = 0;

	(void)state;
	one_is_up();
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < CREC_SLOTS_MAX + 100; i++) {
			char line[256];

			(void)snprintf(line, sizeof(line),
				"{\"Type\":\"container\",\"Action\":\"create\",\"Actor\":{\"ID\":"
				"\"%064x\"}}\n",
				i);
			event(0, line, 0);
		}
		for (n = 0; lookups_ask(l, &a, now); n++)
			says(&a, "", 404);
		assert_int_equal(n, CREC_SLOTS_MAX);
	}
}

int main(void)
{
	md_container_init();
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(list__each_is_looked_at__all_of_it_told),
		TEST(reports__by_hooks__and_image_is_known),
		TEST(report__its_own_words_first),
		TEST(want__it_starts__told_early),
		TEST(network_of_another__its_address),
		TEST(removal__told),
		TEST(want__all_that_answer_are_asked__one_knows),
		TEST(want__nobody_is_there__said_at_once),
		TEST(want__nobody_knows__said_at_once),
		TEST(want__late_answer__unknown_after_the_wait_and_told_when_it_comes),
		TEST(failures__tried_again_some_times__then_given_up),
		TEST(gate_that_never_answers__asks_are_given_up),
		TEST(hostile_answers__cost_their_lookup_alone),
		TEST(pod__late__container_told_early),
		TEST(pods__no_place_to_ask__nothing_told),
		TEST(many__jobs_are_bounded_and_freed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
