/* SPDX-License-Identifier: Apache-2.0 */
/* Container fields. The thread's record tells the container's id; what a runtime would tell of it
 * (name, image, mounts, labels) is not in the stream yet, so that these have no value inside
 * containers. Outside, the host's own record answers: "host" for its names, the empty text for the
 * rest. */
#include <base/macros.h>

#include "field.h"

#define SHORT_ID 12

static bool is_host(const struct evl *e)
{
	return e->thread && e->thread->container_id.n == 0;
}

struct span evl_container_id(const struct evl *e, bool is_full)
{
	struct span id = rec_text(e->thread, e->thread->container_id);

	if (id.n == 0)
		return SPAN_LIT("host");
	if (!is_full)
		id.n = MIN(id.n, (size_t)SHORT_ID);
	return id;
}

static void get_id(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	(void)a;
	if (e->thread)
		evl_set_str(ret_v, evl_container_id(e, false));
}

static void get_host_name(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	(void)a;
	if (is_host(e))
		evl_set_str(ret_v, SPAN_LIT("host"));
}

static void get_host_empty(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	(void)a;
	if (is_host(e))
		evl_set_str(ret_v, SPAN_LIT(""));
}

static void get_host_false(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	(void)a;
	if (is_host(e))
		evl_set_bool(ret_v, false);
}

static void get_start(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	uint64_t start = e->thread ? e->thread->pidns_start_ns : 0, now = e->view->ev->h.ts_ns;

	if (!start)
		return;
	if (a->field == FIELD_ID_CONTAINER_START_TS)
		evl_set_u64(ret_v, start);
	else if (now >= start)
		evl_set_u64(ret_v, now - start);
}

const struct evl_field_row evl_fields_container[] = {
	{FIELD_ID_CONTAINER_ID, 0, get_id},
	{FIELD_ID_CONTAINER_FULL_ID, 0, get_host_name},
	{FIELD_ID_CONTAINER_NAME, 0, get_host_name},
	{FIELD_ID_CONTAINER_TYPE, 0, get_host_name},
	{FIELD_ID_CONTAINER_IMAGE, 0, get_host_empty},
	{FIELD_ID_CONTAINER_IMAGE_ID, 0, get_host_empty},
	{FIELD_ID_CONTAINER_IMAGE_REPOSITORY, 0, get_host_empty},
	{FIELD_ID_CONTAINER_IMAGE_TAG, 0, get_host_empty},
	{FIELD_ID_CONTAINER_IMAGE_DIGEST, 0, get_host_empty},
	{FIELD_ID_CONTAINER_MOUNTS, 0, get_host_empty},
	{FIELD_ID_CONTAINER_IP, 0, get_host_empty},
	{FIELD_ID_CONTAINER_CNI_JSON, 0, get_host_empty},
	{FIELD_ID_CONTAINER_LABELS, 0, get_host_empty},
	{FIELD_ID_CONTAINER_PRIVILEGED, 0, get_host_false},
	{FIELD_ID_CONTAINER_HOST_PID, 0, get_host_false},
	{FIELD_ID_CONTAINER_HOST_NETWORK, 0, get_host_false},
	{FIELD_ID_CONTAINER_HOST_IPC, 0, get_host_false},
	{FIELD_ID_CONTAINER_START_TS, 0, get_start},
	{FIELD_ID_CONTAINER_DURATION, 0, get_start},
	{0, 0, NULL},
};
