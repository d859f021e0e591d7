/* SPDX-License-Identifier: Apache-2.0 */
/* util.cnt, fdlist.nums, and the one table of fields that have no value. */
#include <abi/events.h>

#include "field.h"

static void get_cnt(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	(void)a;
	evl_set_u64(ret_v, e->n_extracted++);
}

static void get_fdlist(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	int i = evl_param(e, "fds");
	struct evl_text t;
	struct span s;
	uint16_t n;

	(void)a;
	if (i < 0 || e->view->info->params[i].type != KEV_T_FDLIST ||
		e->view->param[i].n < sizeof(n))
		return;
	s = e->view->param[i];
	memcpy(&n, s.p, sizeof(n));
	t = evl_scratch_open(&e->scratch);
	for (unsigned k = 0; k < n && (k + 1) * 10u <= s.n - sizeof(n); k++) {
		int64_t fd;

		memcpy(&fd, s.p + sizeof(n) + k * 10u, sizeof(fd));
		if (k > 0)
			evl_text_char(&t, ',');
		evl_text_i64(&t, fd);
	}
	evl_set_str(ret_v, evl_scratch_close(&e->scratch, &t));
}

const struct evl_field_row evl_fields_other[] = {
	{FIELD_ID_UTIL_CNT, 0, get_cnt},
	{FIELD_ID_FDLIST_NUMS, 0, get_fdlist},
	{0, 0, NULL},
};

#define REMOVED "removed from the language, never has a value"
#define NO_METADATA "what a container runtime tells is not in the stream yet"
#define NO_NAMES "resolved names are not in the stream yet"
#define NO_FDLIST "an event carries one descriptor a parameter, not those of a list"
#define NO_SWITCH "scheduler and procinfo events are not captured"
#define NO_PLUGIN "there are no plugin events"
#define A_TEST "a test, not a value: custom.c"

const struct evl_field_absent evl_fields_absent[] = {
	{FIELD_ID_EVT_PLUGINNAME, NO_PLUGIN},
	{FIELD_ID_EVT_PLUGININFO, NO_PLUGIN},
	{FIELD_ID_EVT_INFRA_DOCKER_NAME, REMOVED},
	{FIELD_ID_EVT_INFRA_DOCKER_CONTAINER_ID, REMOVED},
	{FIELD_ID_EVT_INFRA_DOCKER_CONTAINER_NAME, REMOVED},
	{FIELD_ID_EVT_INFRA_DOCKER_CONTAINER_IMAGE, REMOVED},
	{FIELD_ID_EVT_AROUND, A_TEST},
	{FIELD_ID_FD_IP, A_TEST},
	{FIELD_ID_FD_NET, A_TEST},
	{FIELD_ID_FD_PORT, A_TEST},
	{FIELD_ID_FD_PROTO, A_TEST},
	{FIELD_ID_THREAD_CPU, NO_SWITCH},
	{FIELD_ID_THREAD_CPU_USER, NO_SWITCH},
	{FIELD_ID_THREAD_CPU_SYSTEM, NO_SWITCH},
	{FIELD_ID_FD_CIP_NAME, NO_NAMES},
	{FIELD_ID_FD_SIP_NAME, NO_NAMES},
	{FIELD_ID_FD_LIP_NAME, NO_NAMES},
	{FIELD_ID_FD_RIP_NAME, NO_NAMES},
	{FIELD_ID_FDLIST_NAMES, NO_FDLIST},
	{FIELD_ID_FDLIST_CIPS, NO_FDLIST},
	{FIELD_ID_FDLIST_SIPS, NO_FDLIST},
	{FIELD_ID_FDLIST_CPORTS, NO_FDLIST},
	{FIELD_ID_FDLIST_SPORTS, NO_FDLIST},
	{FIELD_ID_CONTAINER_MOUNT, NO_METADATA},
	{FIELD_ID_CONTAINER_MOUNT_SOURCE, NO_METADATA},
	{FIELD_ID_CONTAINER_MOUNT_DEST, NO_METADATA},
	{FIELD_ID_CONTAINER_MOUNT_MODE, NO_METADATA},
	{FIELD_ID_CONTAINER_MOUNT_RDWR, NO_METADATA},
	{FIELD_ID_CONTAINER_MOUNT_PROPAGATION, NO_METADATA},
	{FIELD_ID_CONTAINER_LABEL, NO_METADATA},
	{FIELD_ID_CONTAINER_HEALTHCHECK, REMOVED},
	{FIELD_ID_CONTAINER_LIVENESS_PROBE, REMOVED},
	{FIELD_ID_CONTAINER_READINESS_PROBE, REMOVED},
	{FIELD_ID_PROC_IS_CONTAINER_HEALTHCHECK, REMOVED},
	{FIELD_ID_PROC_IS_CONTAINER_LIVENESS_PROBE, REMOVED},
	{FIELD_ID_PROC_IS_CONTAINER_READINESS_PROBE, REMOVED},
	{FIELD_ID_K8S_POD_NAME, NO_METADATA},
	{FIELD_ID_K8S_NS_NAME, NO_METADATA},
	{FIELD_ID_K8S_POD_ID, NO_METADATA},
	{FIELD_ID_K8S_POD_UID, NO_METADATA},
	{FIELD_ID_K8S_POD_SANDBOX_ID, NO_METADATA},
	{FIELD_ID_K8S_POD_FULL_SANDBOX_ID, NO_METADATA},
	{FIELD_ID_K8S_POD_LABEL, NO_METADATA},
	{FIELD_ID_K8S_POD_LABELS, NO_METADATA},
	{FIELD_ID_K8S_POD_IP, NO_METADATA},
	{FIELD_ID_K8S_POD_CNI_JSON, NO_METADATA},
	{FIELD_ID_K8S_RC_NAME, REMOVED},
	{FIELD_ID_K8S_RC_ID, REMOVED},
	{FIELD_ID_K8S_RC_LABEL, REMOVED},
	{FIELD_ID_K8S_RC_LABELS, REMOVED},
	{FIELD_ID_K8S_SVC_NAME, REMOVED},
	{FIELD_ID_K8S_SVC_ID, REMOVED},
	{FIELD_ID_K8S_SVC_LABEL, REMOVED},
	{FIELD_ID_K8S_SVC_LABELS, REMOVED},
	{FIELD_ID_K8S_NS_ID, REMOVED},
	{FIELD_ID_K8S_NS_LABEL, REMOVED},
	{FIELD_ID_K8S_NS_LABELS, REMOVED},
	{FIELD_ID_K8S_RS_NAME, REMOVED},
	{FIELD_ID_K8S_RS_ID, REMOVED},
	{FIELD_ID_K8S_RS_LABEL, REMOVED},
	{FIELD_ID_K8S_RS_LABELS, REMOVED},
	{FIELD_ID_K8S_DEPLOYMENT_NAME, REMOVED},
	{FIELD_ID_K8S_DEPLOYMENT_ID, REMOVED},
	{FIELD_ID_K8S_DEPLOYMENT_LABEL, REMOVED},
	{FIELD_ID_K8S_DEPLOYMENT_LABELS, REMOVED},
	{0, NULL},
};
