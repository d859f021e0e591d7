/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of threads: sizes and page faults, as the events that carry them say. They change too often
 * for the record of a thread; an event takes them along if the policy asks for them. As in the
 * reference a switch tells the sizes of the process, the page faults of the thread. */

#include "core.h"

#include "families.h"

void st_on_memory(struct st_ctx *c)
{
	const struct kev *k = &c->kev;
	bool is_switch = k->head->type == KEV_CODE_SCHEDSWITCH_6_E;
	struct st_thread *t;
	unsigned size = is_switch ? 3 : 1; /* parameter; resident and swapped stand behind it */

	if (!c->t || !kev_param_present(k, size))
		return;
	t = is_switch ? c->leader : c->t;
	t->vm_size_kb = kev_param_u64(k, size);
	t->vm_rss_kb = kev_param_u64(k, size + 1);
	t->vm_swap_kb = kev_param_u64(k, size + 2);
	if (!is_switch)
		return;
	c->t->pf_major = kev_param_u64(k, 1);
	c->t->pf_minor = kev_param_u64(k, 2);
}
