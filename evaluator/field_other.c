/* SPDX-License-Identifier: Apache-2.0 */
/* util.cnt, the lists of descriptors, what only old captures have, and the one table of fields that
 * have no value. */
#include <abi/events.h>
#include <base/macros.h>

#include "field.h"

static void get_cnt(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	(void)a;
	evl_set_u64(ret_v, e->n_extracted++);
}

static const struct ev_fdlist *known_list(const struct evl *e)
{
	const struct ev_att *a = evl_att(e, EV_ATT_FDLIST);

	return a ? ev_att_data(a) : NULL;
}

enum { NUMS, NAMES, CLIENT_IPS, SERVER_IPS, CLIENT_PORTS, SERVER_PORTS };

/* What the list shows of one descriptor; false: nothing, not even a comma. */
static bool add_of_list(
	const struct evl *e, const struct ev_fd *fd, int16_t what, struct evl_text *t)
{
	bool is_v4 = fd->type == EV_FD_IPV4 || fd->type == EV_FD_IPV4_SERVER;
	bool is_pair = fd->type == EV_FD_IPV4 || fd->type == EV_FD_IPV6;
	bool is_bound = fd->type == EV_FD_IPV4_SERVER || fd->type == EV_FD_IPV6_SERVER;

	if (what == NUMS)
		evl_text_i64(t, fd->num);
	else if (what == NAMES)
		evl_text_add(t, fd->name.n ? evl_fd_text(e, fd->name) : SPAN_LIT("<NA>"));
	else if (what == CLIENT_IPS && is_pair)
		evl_text_ip(t, is_v4 ? 4 : 6, fd->sip);
	else if (what == SERVER_IPS && (is_pair || is_bound))
		evl_text_ip(t, is_v4 ? 4 : 6, fd->dip);
	else if (what == CLIENT_PORTS && is_pair)
		evl_text_u64(t, fd->sport);
	else if (what == SERVER_PORTS && is_pair)
		evl_text_u64(t, fd->dport);
	else
		return false;
	return true;
}

static void get_fdlist(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct ev_fdlist *known = known_list(e);
	int i = evl_param(e, "fds");
	struct evl_text t;
	struct span s;
	uint16_t n;

	if (i < 0 || e->view->info->params[i].type != KEV_T_FDLIST || !e->thread ||
		e->view->param[i].n < sizeof(n))
		return;
	s = e->view->param[i];
	memcpy(&n, s.p, sizeof(n));
	t = evl_scratch_open(&e->scratch);
	for (unsigned k = 0; k < n && (k + 1) * 10u <= s.n - sizeof(n); k++) {
		struct ev_fd fd = {0};

		memcpy(&fd.num, s.p + sizeof(n) + k * 10u, sizeof(fd.num));
		if (known && k < known->n)
			fd = known->fd[k];
		if (add_of_list(e, &fd, a->variant, &t))
			evl_text_char(&t, ',');
	}
	if (t.n == 0)
		return;
	t.n--; /* the last comma */
	evl_set_str(ret_v, evl_scratch_close(&e->scratch, &t));
}

static struct span trim(struct span s)
{
	while (s.n && s.p[0] == ' ')
		s = (struct span){.p = s.p + 1, .n = s.n - 1};
	while (s.n && s.p[s.n - 1] == ' ')
		s.n--;
	return s;
}

/* The next part of a text up to a semicolon, without blanks around it; false at the end. */
static bool next_part(struct span *left, struct span *ret_part)
{
	const char *end;
	size_t n;

	if (left->n == 0)
		return false;
	end = memchr(left->p, ';', left->n);
	n = end ? (size_t)(end - left->p) : left->n;
	*ret_part = trim((struct span){.p = left->p, .n = n});
	n = MIN(n + 1, left->n);
	*left = (struct span){.p = left->p + n, .n = left->n - n};
	return true;
}

/* Legacy events of old captures: "key: value" parts between semicolons. */
static void get_infra(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	static const struct span keys[] = {
		SPAN_LIT("Event"), SPAN_LIT("ID"), SPAN_LIT("Name"), SPAN_LIT("Image")};
	int i = e->view->ev->type == KEV_CODE_INFRASTRUCTURE_EVENT_E ? evl_param(e, "description")
								     : -1;
	struct span left = i >= 0 ? evl_param_text(e, (unsigned)i) : (struct span){0}, part;

	while (next_part(&left, &part)) {
		const char *colon;

		if (!span_starts_with(part, keys[a->variant]))
			continue;
		colon = memchr(part.p, ':', part.n);
		if (!colon)
			continue;
		part = trim(
			(struct span){.p = colon + 1, .n = (size_t)(part.p + part.n - colon - 1)});
		if (a->field == FIELD_ID_EVT_INFRA_DOCKER_CONTAINER_ID)
			part.n = MIN(part.n, (size_t)CREC_SHORT_ID);
		evl_set_str(ret_v, part);
		return;
	}
}

/* What the process used since the procinfo event before, in hundredths of a second. */
static void get_cpu_use(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	double use;

	if (e->view->ev->type != KEV_CODE_PROCINFO_E || !e->thread)
		return;
	use = a->variant == 0   ? (double)(e->cpu_user + e->cpu_system)
	      : a->variant == 1 ? (double)e->cpu_user
				: (double)e->cpu_system;
	evl_set_double(ret_v, MIN(use, 100.0));
}

const struct evl_field_row evl_fields_other[] = {
	{FIELD_ID_UTIL_CNT, 0, get_cnt},
	{FIELD_ID_FDLIST_NUMS, NUMS, get_fdlist},
	{FIELD_ID_FDLIST_NAMES, NAMES, get_fdlist},
	{FIELD_ID_FDLIST_CIPS, CLIENT_IPS, get_fdlist},
	{FIELD_ID_FDLIST_SIPS, SERVER_IPS, get_fdlist},
	{FIELD_ID_FDLIST_CPORTS, CLIENT_PORTS, get_fdlist},
	{FIELD_ID_FDLIST_SPORTS, SERVER_PORTS, get_fdlist},
	{FIELD_ID_EVT_INFRA_DOCKER_NAME, 0, get_infra},
	{FIELD_ID_EVT_INFRA_DOCKER_CONTAINER_ID, 1, get_infra},
	{FIELD_ID_EVT_INFRA_DOCKER_CONTAINER_NAME, 2, get_infra},
	{FIELD_ID_EVT_INFRA_DOCKER_CONTAINER_IMAGE, 3, get_infra},
	{FIELD_ID_THREAD_CPU, 0, get_cpu_use},
	{FIELD_ID_THREAD_CPU_USER, 1, get_cpu_use},
	{FIELD_ID_THREAD_CPU_SYSTEM, 2, get_cpu_use},
	{0, 0, NULL},
};

#define REMOVED "removed from the language, never has a value"
#define NO_PLUGIN "there are no plugin events"
#define A_TEST "a test, not a value: custom.c"

const struct evl_field_absent evl_fields_absent[] = {
	{FIELD_ID_EVT_PLUGINNAME, NO_PLUGIN},
	{FIELD_ID_EVT_PLUGININFO, NO_PLUGIN},
	{FIELD_ID_EVT_AROUND, A_TEST},
	{FIELD_ID_FD_IP, A_TEST},
	{FIELD_ID_FD_NET, A_TEST},
	{FIELD_ID_FD_PORT, A_TEST},
	{FIELD_ID_FD_PROTO, A_TEST},
	{FIELD_ID_CONTAINER_HEALTHCHECK, REMOVED},
	{FIELD_ID_CONTAINER_LIVENESS_PROBE, REMOVED},
	{FIELD_ID_CONTAINER_READINESS_PROBE, REMOVED},
	{FIELD_ID_PROC_IS_CONTAINER_HEALTHCHECK, REMOVED},
	{FIELD_ID_PROC_IS_CONTAINER_LIVENESS_PROBE, REMOVED},
	{FIELD_ID_PROC_IS_CONTAINER_READINESS_PROBE, REMOVED},
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
