/* SPDX-License-Identifier: Apache-2.0 */
/* Container ids and engines out of cgroup paths, by table. */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base/macros.h>

#include "container_id.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

#define S "\\x2d" /* how systemd writes - in a name */
#define HEX_ENGINES (CTR_BIT(CTR_DOCKER) | CTR_BIT(CTR_CRI))

static void test_st_container_of_path__table__found(void **state)
{
	static const struct {
		const char *path, *want;
		enum ctr_engine engine;
	} rows[] = {
		/* docker; without systemd CRI's containers look the same */
		{"/docker/" ID, ID, CTR_DOCKER},
		{"/docker/" ID "/", ID, CTR_DOCKER},
		{"/system.slice/docker-" ID ".scope", ID, CTR_DOCKER},
		{"/default/" ID, ID, CTR_DOCKER},
		{"/k8s.io/" ID, ID, CTR_DOCKER},
		{"/actions_job/" ID, ID, CTR_DOCKER},
		{"/kubepods/burstable/pod6a2f/" ID, ID, CTR_DOCKER},
		{"/kubepods/besteffort/pod12/" ID, ID, CTR_DOCKER},
		{"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod12.slice/"
		 "docker-" ID ".scope",
			ID, CTR_DOCKER},
		{"/docker/0123456789ab", NULL},
		{"/docker/z123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", NULL},
		{"/docker/" ID "f", NULL},
		{"/system.slice/docker-" ID ".service", NULL},
		{"/system.slice/system-docker.slice/docker-" ID ".scope/init", NULL},
		{ID, NULL},
		/* cri */
		{"/kubepods.slice/kubepods-pod1.slice/cri-containerd-" ID ".scope", ID, CTR_CRI},
		{"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod12.slice/"
		 "cri-containerd-" ID ".scope",
			ID, CTR_CRI},
		{"/kubepods.slice/kubepods-pod1.slice/crio-" ID ".scope", ID, CTR_CRI},
		{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod12.slice/"
		 "crio-" ID ".scope",
			ID, CTR_CRI},
		{"/kubepods/pod1/crio-" ID, ID, CTR_CRI},
		{"/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:" ID, ID,
			CTR_CRI},
		{"/system.slice/nerdctl-" ID ".scope", ID, CTR_CRI},
		/* podman */
		{"/machine.slice/libpod-" ID ".scope", ID, CTR_PODMAN},
		{"/machine.slice/libpod-" ID ".scope/container", ID, CTR_PODMAN},
		{"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID
		 ".scope/container",
			ID, CTR_PODMAN},
		{"/libpod_parent/libpod-" ID, ID, CTR_PODMAN},
		{"/libpod-payload-" ID, ID, CTR_PODMAN},
		{"/libpod-conmon-" ID ".scope/container", ID, CTR_PODMAN},
		{"/machine.slice/libpod-conmon-" ID ".scope", NULL},
		/* containerd's ctr */
		{"/default/web1", "web1", CTR_CONTAINERD},
		{"/default/0123456789ab", "0123456789ab", CTR_CONTAINERD},
		{"/default/web1/child", NULL},
		{"/default/web1.service", NULL},
		{"/default/", NULL},
		/* lxc */
		{"/lxc/web1", "web1", CTR_LXC},
		{"/lxc/web1/system.slice/sshd.service", "web1", CTR_LXC},
		{"/lxc.payload/web1", "web1", CTR_LXC},
		{"/lxc.payload.web1", "web1", CTR_LXC},
		{"/lxc.payload.web1/init.scope", "web1", CTR_LXC},
		{"/libvirt/lxc/web1", "web1", CTR_LXC},
		{"/lxc.monitor.web1", NULL},
		{"/lxc/", NULL},
		{"/lxc.payload./init.scope", NULL},
		/* libvirt-lxc */
		{"/machine.slice/machine-lxc" S "4711" S "web1.scope", "4711" S "web1",
			CTR_LIBVIRT_LXC},
		{"/machine.slice/machine-lxc" S "4711" S "web1.scope/libvirt", "4711" S "web1",
			CTR_LIBVIRT_LXC},
		{"/machine/web1.libvirt-lxc", "web1", CTR_LIBVIRT_LXC},
		{"/.libvirt-lxc", NULL},
		{"/machine.slice/machine-lxc" S ".scope", NULL},
		{"/machine.slice/machine-lxc" S "1/x.scope", NULL},
		/* bpm */
		{"/bpm-mysql", "mysql", CTR_BPM},
		{"/bpm-mysql.scope", "mysql", CTR_BPM},
		{"/system.slice/bpm-mysql.scope", "mysql", CTR_BPM},
		{"/system.slice/runc-bpm-mysql.scope", "mysql", CTR_BPM},
		{"/system.slice:runc:bpm-mysql", "mysql", CTR_BPM},
		{"/system.slice/bpm-engine.service", NULL},
		{"/system.slice/rbpm-x.scope", NULL},
		{"/bpm-a/b", NULL},
		{"/bpm-", NULL},
		{"/bpm-.scope", NULL},
		/* systemd-nspawn: v1; v2 and hybrid, where the machine has a part of its own */
		{"/machine.slice/systemd-nspawn@web1.service", "web1", CTR_SYSTEMD_NSPAWN},
		{"/machine.slice/systemd-nspawn@web1.service/payload/init.scope", "web1",
			CTR_SYSTEMD_NSPAWN},
		{"/machine.slice/systemd-nspawn@web1.service/system.slice/sshd.service", "web1",
			CTR_SYSTEMD_NSPAWN},
		{"/machine.slice/machine-web" S "1.scope", "web" S "1", CTR_SYSTEMD_NSPAWN},
		{"/machine.slice/machine-web1.scope/payload", "web1", CTR_SYSTEMD_NSPAWN},
		{"/machine.slice/systemd-nspawn@web1.service/supervisor", NULL},
		{"/machine.slice/machine-web1.scope/supervisor", NULL},
		{"/machine.slice/machine-qemu" S "1" S "vm.scope", NULL},
		{"/machine.slice/machine-qemu" S "1" S "vm.scope/libvirt/emulator", NULL},
		{"/machine.slice/systemd-nspawn@.service", NULL},
		{"/machine.slice/machine-.scope", NULL},
		{"/machine.slice/systemd-machined.service", NULL},
		/* the host */
		{"/", NULL},
		{"", NULL},
		{"//", NULL},
		{"/init.scope", NULL},
		{"/user.slice/user-1000.slice/session-2.scope", NULL},
		{"/user.slice/saker-test.scope-0000000000000000", NULL},
		{"/system.slice/containerd.service", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct st_container_found got = st_container_of_path(span_str(rows[i].path), 0);

		if (!rows[i].want && (got.id.p || got.engine))
			fail_msg("'%s' names a container", rows[i].path);
		if (rows[i].want &&
			(!span_eq_str(got.id, rows[i].want) || got.engine != rows[i].engine))
			fail_msg("'%s' does not name '%s', or another engine's", rows[i].path,
				rows[i].want);
	}
}

/* Who tells of a cgroup when engines are off: the next whose layouts fit, or nobody. */
static void test_st_container_of_path__engine_off__next_or_host(void **state)
{
	static const struct {
		const char *path;
		uint32_t off;
		enum ctr_engine engine;
	} rows[] = {
		{"/docker/" ID, CTR_BIT(CTR_DOCKER), CTR_CRI},
		{"/docker/" ID, HEX_ENGINES, CTR_CONTAINERD},
		{"/docker/" ID, HEX_ENGINES | CTR_BIT(CTR_CONTAINERD), CTR_NONE},
		{"/kubepods/besteffort/pod12/" ID, CTR_BIT(CTR_CRI), CTR_DOCKER},
		{"/kubepods/besteffort/pod12/" ID, HEX_ENGINES, CTR_NONE},
		{"/" ID, HEX_ENGINES, CTR_NONE},
		{"/system.slice/docker-" ID ".scope", CTR_BIT(CTR_DOCKER), CTR_CRI},
		{"/system.slice/docker-" ID ".scope", HEX_ENGINES, CTR_NONE},
		{"/kubepods.slice/crio-" ID ".scope", CTR_BIT(CTR_CRI), CTR_NONE},
		{"/kubepods.slice/cri-containerd-" ID ".scope", CTR_BIT(CTR_CRI), CTR_NONE},
		{"/machine.slice/libpod-" ID ".scope", CTR_BIT(CTR_PODMAN), CTR_NONE},
		{"/libpod_parent/libpod-" ID, CTR_BIT(CTR_PODMAN), CTR_NONE},
		{"/default/web1", CTR_BIT(CTR_CONTAINERD), CTR_NONE},
		{"/lxc/web1", CTR_BIT(CTR_LXC), CTR_NONE},
		{"/lxc.payload.web1", CTR_BIT(CTR_LXC), CTR_NONE},
		{"/libvirt/lxc/web1", CTR_BIT(CTR_LXC), CTR_LIBVIRT_LXC},
		{"/libvirt/lxc/web1", CTR_BIT(CTR_LXC) | CTR_BIT(CTR_LIBVIRT_LXC), CTR_NONE},
		{"/machine/web1.libvirt-lxc", CTR_BIT(CTR_LIBVIRT_LXC), CTR_NONE},
		{"/machine.slice/machine-lxc" S "1" S "web1.scope", CTR_BIT(CTR_LIBVIRT_LXC),
			CTR_NONE},
		{"/bpm-web1", CTR_BIT(CTR_BPM), CTR_NONE},
		{"/machine.slice/machine-web1.scope", CTR_BIT(CTR_SYSTEMD_NSPAWN), CTR_NONE},
		{"/machine.slice/systemd-nspawn@web1.service", CTR_BIT(CTR_SYSTEMD_NSPAWN),
			CTR_NONE},
		{"/lxc/web1", CTR_BITS & ~CTR_BIT(CTR_LXC), CTR_LXC},
		{"/lxc/web1", CTR_BITS, CTR_NONE},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct st_container_found got =
			st_container_of_path(span_str(rows[i].path), rows[i].off);

		if (got.engine != rows[i].engine || !got.id.p != !rows[i].engine)
			fail_msg("'%s' without %x: engine %u", rows[i].path, rows[i].off,
				got.engine);
	}
}

/* v1 has a path for each controller, v2 the same one for all, hybrid hosts both. */
static void test_st_container_find__several_cgroups__first_that_names_one(void **state)
{
	static const char v1[] = "cpuset=/\0cpu=/docker/" ID "\0memory=/lxc/other\0unified=/";
	static const char v2[] = "cpu=/lxc.payload.web1\0unified=/lxc.payload.web1";
	static const char hybrid[] =
		"cpu=/user.slice\0memory=/\0unified=/machine.slice/machine-web1.scope/payload";
	static const char host[] = "cpuset=/\0cpu=/user.slice\0no path\0";

#define FIND(text, off) st_container_find((struct span){text, sizeof(text)}, off)
	(void)state;
	assert_true(span_eq_str(FIND(v1, 0).id, ID));
	assert_true(span_eq_str(FIND(v1, CTR_BITS & ~CTR_BIT(CTR_LXC)).id, "other"));
	assert_null(FIND(v1, CTR_BITS).id.p);
	assert_true(span_eq_str(FIND(v2, 0).id, "web1"));
	assert_int_equal(FIND(v2, 0).engine, CTR_LXC);
	assert_true(span_eq_str(FIND(hybrid, 0).id, "web1"));
	assert_int_equal(FIND(hybrid, 0).engine, CTR_SYSTEMD_NSPAWN);
	assert_null(FIND(host, 0).id.p);
	assert_null(st_container_find((struct span){0}, 0).id.p);
}

/* Whatever the path, it is not read beyond its end. */
static void test_st_container_of_path__every_beginning_and_end__inside(void **state)
{
	static const char text[] =
		"/default/machine.slice/machine-lxc" S "bpm-/libvirt/lxc/.libvirt-lxc.scope/libvirt"
		"/systemd-nspawn@.service/payload/supervisor/libpod-" ID ".scope/container";
	static const size_t n = sizeof(text) - 1;

	(void)state;
	for (size_t from = 0; from <= n; from++)
		for (size_t to = from; to <= n; to++) {
			char *p = malloc(to - from + 1); /* no more, so that a sanitizer sees */
			struct st_container_found f;

			assert_non_null(p);
			memcpy(p, text + from, to - from);
			p[to - from] = 0;
			f = st_container_of_path((struct span){p, to - from}, 0);
			if (f.id.p)
				assert_true(f.id.p >= p && f.id.n &&
					    f.id.p + f.id.n <= p + (to - from));
			free(p);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_st_container_of_path__table__found),
		cmocka_unit_test(test_st_container_of_path__engine_off__next_or_host),
		cmocka_unit_test(test_st_container_find__several_cgroups__first_that_names_one),
		cmocka_unit_test(test_st_container_of_path__every_beginning_and_end__inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
