/* SPDX-License-Identifier: Apache-2.0 */
/* Looking containers up at runtimes that are spoken to by calls: containerd with its namespaces, and reports as messages that are cut anywhere. */

#include "lookups_world.h"

#define ID "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define DIGEST "sha256:" ID
#define SPEC                                                                                       \
	"{\"process\":{\"user\":{\"uid\":7},\"capabilities\":{\"bounding\":[\"CAP_CHOWN\"]}},"     \
	"\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"ipc\"}]},\"mounts\":[{"         \
	"\"source\":\"/"                                                                           \
	"s\",\"destination\":\"/"                                                                  \
	"d\",\"options\":[\"rbind\",\"ro\",\"rslave\"]},{\"destination\":7}]}"

/* A message that grows. */
struct message {
	size_t n;
	char bytes[8192];
};

static void put_len(struct message *m, size_t n)
{
	for (; n >= 128; n >>= 7)
		m->bytes[m->n++] = (char)(0x80 | (n & 127));
	m->bytes[m->n++] = (char)n;
}

static void put(struct message *m, unsigned field, const void *bytes, size_t n)
{
	m->bytes[m->n++] = (char)(field << 3 | 2);
	put_len(m, n);
	memcpy(m->bytes + m->n, bytes, n);
	m->n += n;
}

static void put_text(struct message *m, unsigned field, const char *text)
{
	put(m, field, text, strlen(text));
}

static void put_message(struct message *m, unsigned field, const struct message *inner)
{
	put(m, field, inner->bytes, inner->n);
}

static struct message framed(const struct message *m)
{
	struct message f = {.n = 5};

	f.bytes[3] = (char)(m->n >> 8);
	f.bytes[4] = (char)(m->n & 255);
	memcpy(f.bytes + 5, m->bytes, m->n);
	f.n += m->n;
	return f;
}

static void says_message(const struct gate_ask *a, const struct message *m)
{
	struct message f = framed(m);

	answer(a, f.bytes, f.n, 0, 0);
	answer(a, "", 0, 0, GATE_F_END);
}

static int setup_containerd(void **state)
{
	setup(state);
	set.runtimes[0].kind = GATE_CONTAINERD;
	set.n_runtimes = 1;
	return 0;
}

static int setup_cri(void **state)
{
	setup(state);
	set.runtimes[0].kind = GATE_CRI;
	set.n_runtimes = 1;
	return 0;
}

static struct message list_of(const char *const *names, unsigned n)
{
	struct message all = {0};

	for (unsigned i = 0; i < n; i++) {
		struct message one = {0};

		put_text(&one, 1, names[i]);
		put_message(&all, 1, &one);
	}
	return all;
}

static struct message container(const char *id)
{
	struct message label = {0}, spec = {0}, c = {0}, all = {0};

	put_text(&label, 1, "a");
	put_text(&label, 2, "b");
	put_text(&spec, 2, SPEC);
	put_text(&c, 1, id);
	put_message(&c, 2, &label);
	put_text(&c, 3, "docker.io/local/web:3");
	put_message(&c, 5, &spec);
	put_message(&all, 1, &c);
	return all;
}

static struct message image(void)
{
	struct message target = {0}, one = {0}, all = {0};

	put_text(&target, 2, DIGEST);
	put_text(&one, 1, "docker.io/local/web:3");
	put_message(&one, 3, &target);
	put_message(&all, 1, &one);
	return all;
}

/* Its namespaces and what is in them. */
static void is_up(void)
{
	static const char *const namespaces[] = {"k8s.io", "default", "moby", "second", "no good"};
	static const char *const ids[] = {"web", "no/good"};
	struct message m = list_of(namespaces, ARRAY_LEN(namespaces));
	struct gate_ask a = next_ask();

	assert_int_equal(a.what, GATE_NAMESPACES);
	assert_string_equal(a.id, "");
	says_message(&a, &m);
	a = next_ask();
	assert_int_equal(a.what, GATE_LIST);
	assert_string_equal(a.id, "default");
	m = list_of(ids, 0);
	says_message(&a, &m);
	a = next_ask();
	assert_int_equal(a.what, GATE_LIST);
	assert_string_equal(a.id, "second");
	m = list_of(ids, ARRAY_LEN(ids));
	says_message(&a, &m);
}

static void test_containerd__lists_namespaces__asks_where_it_was_listed(void **state)
{
	struct gate_ask a;
	struct message m;

	(void)state;
	is_up();
	a = next_ask();
	assert_int_equal(a.what, GATE_INSPECT);
	assert_string_equal(a.id, "second/web");
	no_ask();
	m = container("web");
	says_message(&a, &m);
	assert_false(told());
	a = next_ask();
	assert_int_equal(a.what, GATE_IMAGE);
	assert_string_equal(a.id, "second/docker.io/local/web:3");
	m = image();
	says_message(&a, &m);
	assert_true(told());
	expect("id", "web");
	expect("name", "web");
	expect("type", "containerd");
	expect("image", "docker.io/local/web:3");
	expect("repository", "docker.io/local/web");
	expect("tag", "3");
	expect("digest", DIGEST);
	expect("user", "7");
	assert_int_equal(kev_param_u64(&kev, 1), CREC_HOST_NETWORK);
	assert_memory_equal(kev.param[kev_param_find(kev.info, "labels")].p, "a\0b\0", 4);
	assert_memory_equal(
		kev.param[kev_param_find(kev.info, "mounts")].p, "/s\0/d\0\0false\0rslave", 20);
	assert_false(told());
	no_ask();
	assert_int_equal(stats.malformed, 0);
}

static void test_containerd__asked_in_all_namespaces__then_nobody_knows(void **state)
{
	static const char *const tried[] = {"default/redis", "second/redis"};
	struct gate_ask a;
	struct message m;

	(void)state;
	is_up();
	a = next_ask();
	says(&a, "", 404);
	a = next_ask();
	assert_string_equal(a.id, "default/web"); /* not there any more: nor anywhere else */
	says(&a, "", 404);
	no_ask();
	lookups_want(l, SPAN_LIT("redis"), now);
	lookups_want(l, SPAN_LIT("-not-a-name-"), now);
	for (unsigned i = 0; i < ARRAY_LEN(tried); i++) {
		a = next_ask();
		assert_string_equal(a.id, tried[i]);
		no_ask();
		says(&a, "", 404);
	}
	no_ask();
	for (unsigned i = 0; i < 2; i++) {
		assert_true(told());
		assert_int_equal(kev_param_u64(&kev, 1), CREC_UNKNOWN);
	}
	assert_false(told());
	/* another one's facts are nobody's */
	lookups_want(l, SPAN_LIT("redis"), now);
	a = next_ask();
	m = container("web");
	says_message(&a, &m);
	assert_int_equal(stats.malformed, 1);
	/* it goes away while one is to be asked once more */
	lookups_want(l, SPAN_LIT("mysql"), now);
	a = next_ask();
	says(&a, "", 404);
	event(0, "", GATE_F_DOWN);
	while (told())
		assert_int_equal(kev_param_u64(&kev, 1), CREC_UNKNOWN);
	no_ask();
}

static struct message report(const char *namespace, const char *topic, const char *id)
{
	struct message subject = {0}, any = {0}, m = {0};

	put_text(&subject, 1, id);
	put_text(&any, 1, "containerd.events.Container");
	put_message(&any, 2, &subject);
	put_text(&m, 2, namespace);
	put_text(&m, 3, topic);
	put_message(&m, 4, &any);
	return m;
}

static void send_bytes(unsigned what, const char *bytes, size_t n, size_t part)
{
	for (size_t at = 0; at < n; at += part)
		answer(&(struct gate_ask){.what = what}, bytes + at, MIN(part, n - at), 0, 0);
}

static void test_containerd__reports__cut_anywhere(void **state)
{
	struct message one = report("default", "/containers/create", "one"),
		       other = report("moby", "/containers/create", "docker-s"),
		       start = report("default", "/tasks/start", "started"),
		       gone = report("new", "/containers/delete", "gone"),
		       odd = report("default", "/containers/create", "../x");
	const struct message *const all[] = {&one, &other, &start, &gone, &odd};

	(void)state;
	is_up();
	(void)next_ask(); /* web */
	for (size_t part = 1; part < 200; part += 13) {
		char bytes[4096];
		struct gate_ask a;
		size_t n = 0;

		for (unsigned i = 0; i < ARRAY_LEN(all); i++) {
			struct message f = framed(all[i]);

			memcpy(bytes + n, f.bytes, f.n);
			n += f.n;
		}
		send_bytes(GATE_EVENTS, bytes, n, part);
		a = next_ask();
		assert_int_equal(a.what, GATE_INSPECT);
		assert_string_equal(a.id, "default/one");
		no_ask();
		assert_true(told());
		expect("id", "gone");
		expect("type", "containerd");
		assert_int_equal(kev_param_u64(&kev, 1), CREC_GONE);
		assert_false(told());
		while (a.id[0]) { /* it is nowhere */
			says(&a, "", 404);
			if (!lookups_ask(l, &a, now))
				break;
		}
	}
	assert_int_equal(stats.malformed, 0);
}

/* Namespaces are few; one too many is not looked at, and nothing else happens. */
static void test_containerd__too_many_namespaces(void **state)
{
	char names[20][8];
	const char *at[20];
	struct gate_ask a = next_ask();
	struct message m;
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "ns%u", i);
		at[i] = names[i];
	}
	m = list_of(at, 20);
	says_message(&a, &m);
	m = list_of(at, 0);
	while (lookups_ask(l, &a, now)) {
		assert_int_equal(a.what, GATE_LIST);
		says_message(&a, &m);
		n++;
	}
	assert_int_equal(n, 8);
}

/* Containers first, then the pods that are ready: each may be one that holds a pod's namespaces. */
static void cri_is_up(void)
{
	static const char *const ids[] = {ID, DIGEST};
	struct message m = list_of(ids, 0), pods = {0}, one = {0};
	struct gate_ask a = next_ask();

	assert_int_equal(a.what, GATE_LIST);
	says_message(&a, &m);
	a = next_ask();
	assert_int_equal(a.what, GATE_PODS);
	assert_string_equal(a.id, "");
	put_text(&one, 1, ID);
	put_message(&pods, 1, &one);
	one.bytes[65] = '0';
	one.bytes[one.n++] = 3 << 3;
	one.bytes[one.n++] = 1; /* not ready */
	put_message(&pods, 1, &one);
	one = (struct message){0};
	put_text(&one, 1, "no id");
	put_message(&pods, 1, &one);
	says_message(&a, &pods);
}

static void test_cri__pods_behind_the_containers(void **state)
{
	struct gate_ask a;

	(void)state;
	cri_is_up();
	a = next_ask();
	assert_int_equal(a.what, GATE_INSPECT);
	assert_string_equal(a.id, ID);
	says(&a, "", 404);
	a = next_ask();
	assert_int_equal(a.what, GATE_POD);
	assert_string_equal(a.id, ID);
	says(&a, "", 404);
	assert_false(told());
	no_ask();
	assert_int_equal(stats.malformed, 0);
	lookups_again(l);
	a = next_ask();
	assert_int_equal(a.what, GATE_LIST); /* from the beginning */
}

static void test_cri__reports_and_version(void **state)
{
	static char big[70000];
	struct message version = {0}, m = {0}, f;
	struct gate_ask a;

	(void)state;
	cri_is_up();
	a = next_ask();
	says(&a, "", 404);
	a = next_ask();
	says(&a, "", 404);
	put_text(&version, 2, "cri-o");
	f = framed(&version);
	send_bytes(GATE_VERSION, f.bytes, f.n, f.n);
	put_text(&m, 1, ID);
	m.bytes[m.n++] = 2 << 3;
	m.bytes[m.n++] = 3; /* removed */
	f = framed(&m);
	send_bytes(GATE_EVENTS, f.bytes, f.n, 7);
	assert_true(told());
	expect("id", ID);
	expect("type", "cri-o");
	assert_int_equal(kev_param_u64(&kev, 1), CREC_GONE);
	/* one of 69,995 bytes is passed over, and all are listed */
	big[2] = 1;
	big[3] = 0x11;
	big[4] = 0x6b;
	send_bytes(GATE_EVENTS, big, sizeof(big), 16000);
	assert_int_equal(stats.malformed, 1);
	a = next_ask();
	assert_int_equal(a.what, GATE_LIST);
	says(&a, "", GATE_DOWN);
	m.n = 66; /* created */
	f = framed(&m);
	send_bytes(GATE_EVENTS, f.bytes, f.n, 30);
	a = next_ask();
	assert_int_equal(a.what, GATE_INSPECT);
	assert_string_equal(a.id, ID);
	/* what cannot be understood ends it, until reports begin again */
	send_bytes(GATE_EVENTS, "\x01garbage", 8, 8);
	assert_int_equal(stats.malformed, 2);
	m.bytes[2]++;
	f = framed(&m);
	send_bytes(GATE_EVENTS, f.bytes, f.n, 30);
	no_ask();
	event(0, "", GATE_F_MISSED);
	a = next_ask();
	assert_int_equal(a.what, GATE_LIST);
	send_bytes(GATE_EVENTS, f.bytes, f.n, 30);
	a = next_ask();
	assert_int_equal(a.what, GATE_INSPECT);
	assert_int_equal(a.id[0], '1');
}

int main(void)
{
	md_container_init();
#define TEST(kind, name)                                                                           \
	cmocka_unit_test_setup_teardown(test_##kind##__##name, setup_##kind, teardown)
	const struct CMUnitTest tests[] = {
		TEST(containerd, lists_namespaces__asks_where_it_was_listed),
		TEST(containerd, asked_in_all_namespaces__then_nobody_knows),
		TEST(containerd, reports__cut_anywhere),
		TEST(containerd, too_many_namespaces),
		TEST(cri, pods_behind_the_containers),
		TEST(cri, reports_and_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
