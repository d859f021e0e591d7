/* SPDX-License-Identifier: Apache-2.0 */
/* Kubernetes fields. A pod's name, namespace and uid are labels that the kubelet gives its
 * containers; what belongs to the pod as a whole is told in the record of the container or, where
 * the runtime has a container for the sandbox, in that one's. */
#include <base/macros.h>

#include "field.h"

static void get_pod_label_of_kubelet(
	struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	static const struct span keys[] = {SPAN_LIT("io.kubernetes.pod.name"),
		SPAN_LIT("io.kubernetes.pod.namespace"), SPAN_LIT("io.kubernetes.pod.uid")};
	const struct crec *c = evl_container(e);
	struct span value;

	if (c && evl_container_label(c, CREC_LABELS, keys[a->variant], &value))
		evl_set_str(ret_v, value);
}

static void get_sandbox_id(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct crec *c = evl_container(e);
	struct span id;

	if (!c)
		return;
	id = evl_container_text(c, CREC_SANDBOX_ID);
	if (a->field == FIELD_ID_K8S_POD_SANDBOX_ID)
		id.n = MIN(id.n, (size_t)CREC_SHORT_ID);
	evl_set_str(ret_v, id);
}

/* The record of the sandbox's own container, where the pod's facts are not with this one. */
static const struct crec *sandbox(struct evl *e, const struct crec *c)
{
	struct span id = rec_text(c, c->text[CREC_SANDBOX_ID]);

	return c->text[CREC_CNI_JSON].n || !id.n ? NULL : replica_find_container(&e->replica, id);
}

static void get_label(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct crec *c = evl_container(e), *pod = c ? sandbox(e, c) : NULL;
	struct span key = img_text(&e->img, a->x->key), value;

	if ((pod && evl_container_label(pod, CREC_POD_LABELS, key, &value)) ||
		(c && evl_container_label(c, CREC_POD_LABELS, key, &value)))
		evl_set_str(ret_v, value);
}

static void get_labels(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	const struct crec *c = evl_container(e), *pod = c ? sandbox(e, c) : NULL;

	(void)a;
	if (c)
		evl_set_str(ret_v, evl_container_labels(e, pod ? pod : c, CREC_POD_LABELS));
}

/* variant: the text of the pod; own: the same of a container that is in a pod */
static void get_network(struct evl *e, const struct evl_field_arg *a, struct evl_value *ret_v)
{
	enum crec_text own = a->variant == CREC_POD_IP ? CREC_IP : CREC_CNI_JSON;
	const struct crec *c = evl_container(e), *pod;

	if (!c)
		return;
	if (c->text[a->variant].off) {
		evl_set_str(ret_v, evl_container_text(c, (enum crec_text)a->variant));
		return;
	}
	pod = c->text[CREC_CNI_JSON].n ? c : sandbox(e, c);
	if (pod)
		evl_set_str(ret_v, evl_container_text(pod, own));
}

const struct evl_field_row evl_fields_k8s[] = {
	{FIELD_ID_K8S_POD_NAME, 0, get_pod_label_of_kubelet},
	{FIELD_ID_K8S_NS_NAME, 1, get_pod_label_of_kubelet},
	{FIELD_ID_K8S_POD_UID, 2, get_pod_label_of_kubelet},
	{FIELD_ID_K8S_POD_ID, 2, get_pod_label_of_kubelet},
	{FIELD_ID_K8S_POD_SANDBOX_ID, 0, get_sandbox_id},
	{FIELD_ID_K8S_POD_FULL_SANDBOX_ID, 0, get_sandbox_id},
	{FIELD_ID_K8S_POD_LABEL, 0, get_label},
	{FIELD_ID_K8S_POD_LABELS, 0, get_labels},
	{FIELD_ID_K8S_POD_IP, CREC_POD_IP, get_network},
	{FIELD_ID_K8S_POD_CNI_JSON, CREC_POD_CNI_JSON, get_network},
	{0, 0, NULL},
};
