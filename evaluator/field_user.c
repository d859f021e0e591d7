/* SPDX-License-Identifier: Apache-2.0 */
/* Users and groups of the thread: numbers from its record, names from the replica's tables, with
 * the reference's fallbacks for unknown ones. */
#include "field.h"

static struct span container_of_thread(const struct evl *e)
{
	return e->thread ? rec_text(e->thread, e->thread->container_id) : (struct span){0};
}

static struct span entry_text(const struct replica_id *u, uint32_t off, uint32_t n)
{
	return (struct span){.p = u->text + off, .n = n};
}

struct span evl_user_name(const struct evl *e, uint32_t uid)
{
	const struct replica_id *u = replica_find_user(&e->replica, container_of_thread(e), uid);

	if (u)
		return entry_text(u, u->name_off, u->name_n);
	return uid == 0 ? SPAN_LIT("root") : SPAN_LIT("<NA>");
}

struct span evl_group_name(const struct evl *e, uint32_t gid)
{
	const struct replica_id *g = replica_find_group(&e->replica, container_of_thread(e), gid);

	if (g)
		return entry_text(g, g->name_off, g->name_n);
	return gid == 0 ? SPAN_LIT("root") : SPAN_LIT("<NA>");
}

static void get_user(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct replica_id *u;

	/* an event that tells of a container has the user that it was made to run as */
	if (e->tells_container && a->field == FIELD_ID_USER_NAME && evl_container(e))
		evl_set_str(ret_v, evl_container_text(evl_container(e), CREC_USER));
	if (!e->thread || ret_v->type != EVL_NULL)
		return;
	u = replica_find_user(&e->replica, container_of_thread(e), e->thread->uid);
	switch (a->field) {
	case FIELD_ID_USER_UID:
		evl_set_u64(ret_v, e->thread->uid);
		break;
	case FIELD_ID_USER_NAME:
		evl_set_str(ret_v, evl_user_name(e, e->thread->uid));
		break;
	case FIELD_ID_USER_HOMEDIR:
		evl_set_str(ret_v, u                     ? entry_text(u, u->home_off, u->home_n)
				   : e->thread->uid == 0 ? SPAN_LIT("/root")
							 : SPAN_LIT("<NA>"));
		break;
	case FIELD_ID_USER_SHELL:
		evl_set_str(ret_v, u ? entry_text(u, u->shell_off, u->shell_n) : SPAN_LIT("<NA>"));
		break;
	case FIELD_ID_USER_LOGINUID:
		evl_set_i64(ret_v, e->thread->loginuid);
		break;
	default: {
		int64_t uid = e->thread->loginuid;
		bool is_set = uid >= 0 && uid < UINT32_MAX;

		evl_set_str(ret_v, is_set ? evl_user_name(e, (uint32_t)uid) : SPAN_LIT("<NA>"));
		break;
	}
	}
}

static void get_group(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	if (!e->thread)
		return;
	if (a->field == FIELD_ID_GROUP_GID)
		evl_set_u64(ret_v, e->thread->gid);
	else
		evl_set_str(ret_v, evl_group_name(e, e->thread->gid));
}

const struct evl_field_row evl_fields_user[] = {
	{FIELD_ID_USER_UID, 0, get_user},
	{FIELD_ID_USER_NAME, 0, get_user},
	{FIELD_ID_USER_HOMEDIR, 0, get_user},
	{FIELD_ID_USER_SHELL, 0, get_user},
	{FIELD_ID_USER_LOGINUID, 0, get_user},
	{FIELD_ID_USER_LOGINNAME, 0, get_user},
	{FIELD_ID_GROUP_GID, 0, get_group},
	{FIELD_ID_GROUP_NAME, 0, get_group},
	{0, 0, NULL},
};
