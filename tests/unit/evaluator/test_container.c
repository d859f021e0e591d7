/* SPDX-License-Identifier: Apache-2.0 */
/* Containers in the evaluator: their records, the fields on them, and what is about a container but not of its thread. */

#include <string.h>

#include <base/macros.h>

#include "bench.h"

#define WEB "a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4e5f6a1b2c3d4e5f6a1b2"
#define APP "0f1e2d3c4b5a0f1e2d3c4b5a0f1e2d3c4b5a0f1e2d3c4b5a0f1e2d3c4b5a0f1e"
#define POD "99887766554499887766554499887766554499887766554499887766554499ab"

struct facts {
	const char *id;
	uint32_t slot, flags;
	struct span text[_CREC_TEXT_MAX];
};

static void tell(struct bench *b, const struct facts *f)
{
	static _Alignas(8) uint8_t buf[SPSC_RECORD_MAX];
	struct crec *c = (struct crec *)buf;
	struct rec_writer w = {.buf = buf, .cap = sizeof(buf), .n = sizeof(*c)};

	*c = (struct crec){.h.ring.type = REC_CONTAINER, .slot = f->slot, .flags = f->flags};
	c->id = rec_add_text(&w, span_str(f->id));
	for (unsigned i = 0; i < _CREC_TEXT_MAX; i++)
		c->text[i] = rec_add_text(&w, f->text[i]);
	assert_true(rec_finish(&w) > 0);
	assert_int_equal(crec_validate(&c->h), 0);
	bench_start(b);
	replica_put_container(&b->e.replica, c);
}

static const struct facts web = {.id = WEB,
	.slot = 3,
	.flags = CREC_PRIVILEGED | CREC_HOST_NETWORK,
	.text = {
		[CREC_NAME] = SPAN_LIT("web"),
		[CREC_TYPE] = SPAN_LIT("docker"),
		[CREC_IMAGE] = SPAN_LIT("docker.io/library/nginx:1.25"),
		[CREC_REPOSITORY] = SPAN_LIT("docker.io/library/nginx"),
		[CREC_TAG] = SPAN_LIT("1.25"),
		[CREC_IMAGE_ID] = SPAN_LIT("abcdef1"),
		[CREC_DIGEST] = SPAN_LIT("sha256:0123"),
		[CREC_IP] = SPAN_LIT("172.17.0.2"),
		[CREC_USER] = SPAN_LIT("www"),
		[CREC_MOUNTS] = SPAN_LIT(
			"/proc\0/host/proc\0ro\0false\0rprivate\0/etc\0/host/etc\0\0true\0\0"),
		[CREC_LABELS] = SPAN_LIT("app\0web\0annotation.x\0y\0empty\0\0tier\0front end\0"),
	}};

static const struct facts app = {.id = APP,
	.slot = 4,
	.text = {
		[CREC_NAME] = SPAN_LIT("k8s_app"),
		[CREC_LABELS] = SPAN_LIT("io.kubernetes.pod.name\0app-7d9f\0io.kubernetes.pod."
					 "namespace\0prod\0io.kubernetes.pod.uid\0u-1\0"),
		[CREC_SANDBOX_ID] = SPAN_LIT(POD),
		[CREC_POD_LABELS] = SPAN_LIT("own\0yes\0"),
	}};

static void by_engine(struct bench *b, const char *id, uint32_t slot, enum ctr_engine engine)
{
	bench_thread(b, &(struct bench_thread){.slot = 1,
				.tid = 100,
				.parent = PREC_NO_SLOT,
				.comm = "sh",
				.container = id,
				.container_slot = slot,
				.engine = engine});
	bench_event(b, KEV_CODE_SYSCALL_CLOSE_X, 1);
	bench_event_end(b);
}

static void by(struct bench *b, const char *id, uint32_t slot)
{
	by_engine(b, id, slot, CTR_NONE);
}

static int setup(void **state)
{
	*state = bench_new();
	return 0;
}

static int teardown(void **state)
{
	bench_free(*state);
	return 0;
}

static void test_fields__told_container__its_facts(void **state)
{
	struct bench *b = *state;

	tell(b, &web);
	by(b, WEB, 3);
	assert_field(b, "container.id", "a1b2c3d4e5f6");
	assert_field(b, "container.full_id", WEB);
	assert_field(b, "container.name", "web");
	assert_field(b, "container.type", "docker");
	assert_field(b, "container.image", "docker.io/library/nginx:1.25");
	assert_field(b, "container.image.repository", "docker.io/library/nginx");
	assert_field(b, "container.image.tag", "1.25");
	assert_field(b, "container.image.id", "abcdef1");
	assert_field(b, "container.image.digest", "sha256:0123");
	assert_field(b, "container.ip", "172.17.0.2");
	assert_field(b, "container.cni.json", "");
	assert_field(b, "container.privileged", "true");
	assert_field(b, "container.host_network", "true");
	assert_field(b, "container.host_pid", "false");
	assert_field(b, "k8s.pod.name", "<NA>");
	assert_field(b, "k8s.pod.sandbox_id", "");
	assert_field(b, "k8s.pod.labels", "");
}

static void test_fields__mounts_and_labels__by_number_pattern_and_key(void **state)
{
	struct bench *b = *state;

	tell(b, &web);
	by(b, WEB, 3);
	assert_field(
		b, "container.mounts", "/proc:/host/proc:ro:false:rprivate,/etc:/host/etc::true:");
	assert_field(b, "container.mount[0]", "/proc:/host/proc:ro:false:rprivate");
	assert_field(b, "container.mount[/et*]", "/etc:/host/etc::true:");
	assert_field(b, "container.mount[2]", "<NA>");
	assert_field(b, "container.mount[/nope]", "<NA>");
	assert_field(b, "container.mount.source[/host/etc]", "/etc");
	assert_field(b, "container.mount.dest[/proc]", "/host/proc");
	assert_field(b, "container.mount.mode[0]", "ro");
	assert_field(b, "container.mount.rdwr[/etc]", "true");
	assert_field(b, "container.mount.propagation[1]", "");
	assert_field(b, "container.label[app]", "web");
	assert_field(b, "container.label[nope]", "<NA>");
	assert_field(b, "container.label[annotation.x]", "y");
	assert_field(b, "container.labels", "app:web, empty, tier:front end");
}

static void test_fields__pod__kubelets_labels_and_the_sandbox(void **state)
{
	struct bench *b = *state;
	const struct facts sandbox = {.id = POD,
		.slot = 7,
		.text = {[CREC_IP] = SPAN_LIT("10.1.2.3"),
			[CREC_CNI_JSON] = SPAN_LIT("{}"),
			[CREC_POD_LABELS] = SPAN_LIT("app\0app\0")}};

	tell(b, &app);
	by(b, APP, 4);
	assert_field(b, "k8s.pod.name", "app-7d9f");
	assert_field(b, "k8s.ns.name", "prod");
	assert_field(b, "k8s.pod.uid", "u-1");
	assert_field(b, "k8s.pod.id", "u-1");
	assert_field(b, "k8s.pod.sandbox_id", "998877665544");
	assert_field(b, "k8s.pod.full_sandbox_id", POD);
	assert_field(b, "k8s.pod.label[own]", "yes");
	assert_field(b, "k8s.pod.ip", "<NA>");
	assert_field(b, "container.labels", "");
	tell(b, &sandbox);
	assert_field(b, "k8s.pod.label[app]", "app");
	assert_field(b, "k8s.pod.labels", "app:app");
	assert_field(b, "k8s.pod.ip", "10.1.2.3");
	assert_field(b, "k8s.pod.cni.json", "{}");
}

static void test_fields__untold_or_another_in_its_slot__id_alone(void **state)
{
	struct bench *b = *state;

	by(b, WEB, 3);
	assert_field(b, "container.id", "a1b2c3d4e5f6");
	assert_field(b, "container.full_id", "<NA>");
	assert_field(b, "container.name", "<NA>");
	assert_field(b, "container.mounts", "<NA>");
	assert_field(b, "container.privileged", "<NA>");
	tell(b, &(struct facts){.id = APP, .slot = 3, .text = {[CREC_NAME] = SPAN_LIT("other")}});
	assert_field(b, "container.name", "<NA>");
	tell(b, &web); /* now it is told */
	assert_field(b, "container.name", "web");
	replica_epoch(&b->e.replica, 2);
	by(b, WEB, 3);
	assert_field(b, "container.name", "<NA>");
}

static void test_fields__cgroup_tells_all__type_and_whole_name(void **state)
{
	static const struct {
		enum ctr_engine engine;
		const char *type;
	} rows[] = {{CTR_LXC, "lxc"}, {CTR_LIBVIRT_LXC, "libvirt-lxc"}, {CTR_BPM, "bpm"},
		{CTR_SYSTEMD_NSPAWN, "systemd-nspawn"}};
	struct bench *b = *state;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		by_engine(b, "production-web-1", 3, rows[i].engine);
		assert_field(b, "container.id", "production-web-1");
		assert_field(b, "container.full_id", "production-web-1");
		assert_field(b, "container.type", rows[i].type);
		assert_field(b, "container.name", "");
		assert_field(b, "container.image", "");
		assert_field(b, "container.mounts", "");
		assert_field(b, "container.labels", "");
		assert_field(b, "container.privileged", "false");
		assert_field(b, "container.metadata", "complete");
		assert_field(b, "k8s.pod.name", "<NA>");
	}
	/* what a file says of it goes before */
	tell(b, &(struct facts){.id = "production-web-1",
			.slot = 3,
			.text = {[CREC_NAME] = SPAN_LIT("front"), [CREC_TYPE] = SPAN_LIT("lxd")}});
	by_engine(b, "production-web-1", 3, CTR_LXC);
	assert_field(b, "container.id", "production-web-1");
	assert_field(b, "container.name", "front");
	assert_field(b, "container.type", "lxd");
	/* one that a runtime is asked about, and the host */
	by_engine(b, WEB, 4, CTR_DOCKER);
	assert_field(b, "container.id", "a1b2c3d4e5f6");
	assert_field(b, "container.type", "<NA>");
	by_engine(b, NULL, PREC_NO_SLOT, CTR_NONE);
	assert_field(b, "container.id", "host");
	assert_field(b, "container.type", "host");
}

/* A predicate that was remembered for the thread must not outlive what it stood on. */
static void test_pred__told_later__not_what_was_remembered(void **state)
{
	struct bench *b = *state;
	uint32_t pred = bench_pred(b, bench_field(b, "container.name"), IMG_OP_EQ, IMG_RHS_CONST,
		bench_const_str(b, "web"));

	b->preds[pred].flags |= IMG_PRED_PROC;
	by(b, WEB, 3);
	assert_false(evl_pred(&b->e, pred));
	tell(b, &web);
	bench_event(b, KEV_CODE_SYSCALL_CLOSE_X, 1);
	bench_event_end(b);
	assert_true(evl_pred(&b->e, pred));
	/* an event that tells of another container, by the same thread */
	tell(b, &app);
	bench_event(b, KEV_CODE_ASYNCEVENT_E, 1);
	bench_param_text(b, "name", "container");
	bench_event_end(b);
	assert_false(evl_pred(&b->e, pred));
	bench_event(b, KEV_CODE_SYSCALL_CLOSE_X, 1);
	bench_event_end(b);
	assert_true(evl_pred(&b->e, pred));
}

static void test_event__container_told__is_about_that_one(void **state)
{
	struct bench *b = *state;

	tell(b, &web);
	bench_event(b, KEV_CODE_CONTAINER_JSON_2_E, PREC_NO_SLOT);
	bench_event_end(b);
	assert_field(b, "container.name", "web");
	assert_field(b, "container.id", "a1b2c3d4e5f6");
	assert_field(b, "user.name", "www");
	assert_field(b, "evt.type", "container");
}

static void test_user__container_by_its_short_id__known(void **state)
{
	struct bench *b = *state;

	bench_user(b, "a1b2c3d4e5f6", 0, "inside");
	by(b, WEB, 3);
	assert_field(b, "user.name", "inside");
}

static void test_fdlist__poll__of_each_descriptor(void **state)
{
	static const uint8_t list[] = {3, 0, 5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0,
		4, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0x41, 0};
	struct bench *b = *state;
	const struct ev_fd fds[] = {
		{.num = 5, .type = EV_FD_FILE, .flags = EV_FD_KNOWN},
		{.num = 6,
			.type = EV_FD_IPV4,
			.flags = EV_FD_KNOWN,
			.sport = 10,
			.dport = 20,
			.sip = {1, 2, 3, 4},
			.dip = {5, 6, 7, 8}},
		{.num = 9},
	};
	const struct span names[] = {SPAN_LIT("/x"), SPAN_LIT("1.2.3.4:10->5.6.7.8:20"), {NULL, 0}};

	bench_thread(b, &(struct bench_thread){
				.slot = 1, .tid = 100, .parent = PREC_NO_SLOT, .comm = "sh"});
	bench_event(b, KEV_CODE_SYSCALL_POLL_X, 1);
	bench_param_raw(b, "fds", list, sizeof(list));
	bench_att_text(b, EV_ATT_PID, "fds", "unused"); /* writes the parameters */
	ev_add_att_fdlist(&b->w, 1, fds, names, ARRAY_LEN(fds));
	bench_event_end(b);
	assert_field(b, "fdlist.nums", "5,6,9");
	assert_field(b, "fdlist.names", "/x,1.2.3.4:10->5.6.7.8:20,<NA>");
	assert_field(b, "fdlist.cips", "1.2.3.4");
	assert_field(b, "fdlist.sips", "5.6.7.8");
	assert_field(b, "fdlist.cports", "10");
	assert_field(b, "fdlist.sports", "20");
	assert_field(b, "evt.arg.fds", "5:f1 6:44 9:?41");
}

static void test_cpu__procinfo__since_the_one_before(void **state)
{
	struct bench *b = *state;

	for (unsigned i = 0; i < 2; i++) {
		bench_thread(
			b, &(struct bench_thread){
				   .slot = 1, .tid = 100, .parent = PREC_NO_SLOT, .comm = "sh"});
		bench_event(b, KEV_CODE_PROCINFO_E, 1);
		bench_param_int(b, "cpu_usr", 10 + 7 * i);
		bench_param_int(b, "cpu_sys", 20 + 5 * i);
		bench_event_end(b);
		assert_field(b, "thread.cpu", i ? "12.0" : "0.0");
		assert_field(b, "thread.cpu.user", i ? "7.0" : "0.0");
		assert_field(b, "thread.cpu.system", i ? "5.0" : "0.0");
	}
	bench_event(b, KEV_CODE_SYSCALL_CLOSE_X, 1);
	bench_event_end(b);
	assert_field(b, "thread.cpu", "<NA>");
}

static void test_infra__docker__parts_of_the_description(void **state)
{
	struct bench *b = *state;

	bench_event(b, KEV_CODE_INFRASTRUCTURE_EVENT_E, PREC_NO_SLOT);
	bench_param_text(
		b, "description", "Event: start; ID: 0123456789abcdef; Name: web ;Image: nginx:1");
	bench_event_end(b);
	assert_field(b, "evt.infra.docker.name", "start");
	assert_field(b, "evt.infra.docker.container.id", "0123456789ab");
	assert_field(b, "evt.infra.docker.container.name", "web");
	assert_field(b, "evt.infra.docker.container.image", "nginx:1");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_fields__told_container__its_facts),
		T(test_fields__mounts_and_labels__by_number_pattern_and_key),
		T(test_fields__pod__kubelets_labels_and_the_sandbox),
		T(test_fields__untold_or_another_in_its_slot__id_alone),
		T(test_fields__cgroup_tells_all__type_and_whole_name),
		T(test_pred__told_later__not_what_was_remembered),
		T(test_event__container_told__is_about_that_one),
		T(test_user__container_by_its_short_id__known),
		T(test_fdlist__poll__of_each_descriptor),
		T(test_cpu__procinfo__since_the_one_before),
		T(test_infra__docker__parts_of_the_description),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
