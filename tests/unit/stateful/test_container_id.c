/* SPDX-License-Identifier: Apache-2.0 */
/* Container ids out of cgroup paths, by table. */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <base/macros.h>

#include "container_id.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_st_container_id_of_path__table__found(void **state)
{
	static const struct {
		const char *path, *want;
	} rows[] = {
		{"/docker/" ID, ID},
		{"/docker/" ID "/", ID},
		{"/system.slice/docker-" ID ".scope", ID},
		{"/kubepods/burstable/pod6a2f/" ID, ID},
		{"/kubepods.slice/kubepods-pod1.slice/cri-containerd-" ID ".scope", ID},
		{"/kubepods.slice/kubepods-pod1.slice/crio-" ID ".scope", ID},
		{"/kubepods/pod1/crio-" ID, ID},
		{"/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:" ID, ID},
		{"/machine.slice/libpod-" ID ".scope", ID},
		{"/machine.slice/libpod-" ID ".scope/container", ID},
		{"/libpod_parent/libpod-" ID, ID},
		{"/libpod-payload-" ID, ID},
		{"/system.slice/nerdctl-" ID ".scope", ID},
		{"/default/" ID, ID},
		{"/lxc/web1", "web1"},
		{"/lxc/web1/system.slice/sshd.service", "web1"},
		{"/lxc.payload/web1", "web1"},
		{"/lxc.payload.web1/init.scope", "web1"},
		{"/libvirt/lxc/web1", "web1"},
		{"/machine.slice/machine-lxc\\x2d4711\\x2dweb1.scope", "4711\\x2dweb1"},
		{"/machine/web1.libvirt-lxc", "web1"},
		{"/system.slice/runc-bpm-x.scope", NULL},
		{"/bpm-mysql.scope", "mysql"},
		{"/system.slice/bpm-mysql.scope", "mysql"},
		{"/default/web1", "web1"},
		{"/default/web1/child", NULL},
		{"/default/", NULL},
		{"/.libvirt-lxc", NULL},
		{"/machine.slice/machine-lxc\\x2d.scope", NULL},
		{"/user.slice/saker-test.scope-0000000000000000", NULL},
		/* cgroup v2, each of the engines under systemd and without */
		{"/system.slice/system-docker.slice/docker-" ID ".scope/init", NULL},
		{"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID
		 ".scope/container",
			ID},
		{"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod12.slice/"
		 "docker-" ID ".scope",
			ID},
		{"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod12.slice/"
		 "cri-containerd-" ID ".scope",
			ID},
		{"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod12.slice/"
		 "crio-" ID ".scope",
			ID},
		{"/kubepods/besteffort/pod12/" ID, ID},
		{"/k8s.io/" ID, ID},
		{"/actions_job/" ID, ID},
		{"/", NULL},
		{"", NULL},
		{"/user.slice/user-1000.slice/session-2.scope", NULL},
		{"/docker/0123456789ab", NULL},
		{"/docker/z123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", NULL},
		{"/docker/" ID "f", NULL},
		{"/system.slice/docker-" ID ".service", NULL},
		{"/lxc/", NULL},
		{ID, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span got = st_container_id_of_path(span_str(rows[i].path));

		if (!rows[i].want && got.p)
			fail_msg("'%s' names a container", rows[i].path);
		if (rows[i].want && !span_eq_str(got, rows[i].want))
			fail_msg("'%s' does not name '%s'", rows[i].path, rows[i].want);
	}
}

static void test_st_container_id__several_cgroups__first_that_names_one(void **state)
{
	static const char cgroups[] = "cpuset=/\0cpu=/docker/" ID "\0memory=/lxc/other";
	static const char host[] = "cpuset=/\0cpu=/user.slice";

	(void)state;
	assert_true(span_eq_str(st_container_id((struct span){cgroups, sizeof(cgroups)}), ID));
	assert_null(st_container_id((struct span){host, sizeof(host)}).p);
	assert_null(st_container_id((struct span){0}).p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_st_container_id_of_path__table__found),
		cmocka_unit_test(test_st_container_id__several_cgroups__first_that_names_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
