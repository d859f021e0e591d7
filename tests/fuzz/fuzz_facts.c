/* SPDX-License-Identifier: Apache-2.0 */
/* Facts of containers and names in JSON: a user's file (metadata.file), and what events of captures
 * tell. Whatever the bytes: a file is taken or refused with a place inside it, records pass their door,
 * and what a recording writes of a record is read again as the same facts. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <base/macros.h>
#include <base/strbuf.h>
#include <driver/kev.h>
#include <driver/scap_facts.h>

#include "container.h"
#include "namefact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct kev parsed(const void *buf, int len)
{
	const char *why;
	struct kev k;

	if (len <= 0 || kev_parse(buf, (size_t)len, &k, &why) < 0)
		abort();
	return k;
}

static bool same_param(const struct kev *a, const struct kev *b, unsigned i)
{
	return span_eq(a->param[i], b->param[i]);
}

/* A record as an event, and that read again. Bytes that are no UTF-8 are replaced there, and too many
 * labels left out: then only the ids must be the same. */
static void check_there_and_back(const struct kev *fact, struct strbuf *text)
{
	static uint64_t event[KEV_SIZE_MAX / 8], again[KEV_SIZE_MAX / 8];
	static struct md_container c;
	bool is_name = fact->head->type == KEV_CODE_SAKER_NAME;
	json_t *root = NULL;
	struct span json;
	struct kev e, k;
	int len = scap_fact_event(fact, text, event);

	if (len == -EMSGSIZE)
		return;
	e = parsed(event, len);
	json = kev_param_text(&e, 2);
	if (is_name) {
		k = parsed(again, col_name_record(json.p, json.n, again));
	} else {
		if (md_container_of_event(&c, json.p, json.n, &root) < 0)
			abort(); /* what we write we read */
		k = parsed(again, md_container_record(&c, again));
		json_decref(root);
	}
	if (!same_param(fact, &k, 0))
		abort();
	for (unsigned i = 1; is_name && i < k.n_params; i++)
		if (!same_param(fact, &k, i))
			abort();
	for (unsigned i = 1; !is_name && json.n < 15000 && i < k.n_params; i++)
		if (!same_param(fact, &k, i) &&
			(kev_param_present(fact, i) && fact->param[i].n > 1))
			abort();
}

static void take_file(const char *text, size_t n, struct strbuf *room)
{
	static uint64_t buf[KEV_SIZE_MAX / 8];
	static struct md_container c;
	struct md_json_error error;
	json_t *root = md_containers_parse(text, n, &error), *entry;
	const char *id;
	struct kev k;

	if (!root) {
		if (!error.why[0])
			abort();
		return;
	}
	json_object_foreach(root, id, entry)
	{
		md_container_of_entry(&c, id, entry);
		k = parsed(buf, md_container_record(&c, buf));
		check_there_and_back(&k, room);
	}
	json_decref(root);
}

static void take_event(const char *text, size_t n, struct strbuf *room)
{
	static uint64_t buf[KEV_SIZE_MAX / 8];
	static struct md_container c;
	json_t *root = NULL;
	struct kev k;
	int len;

	if (md_container_of_event(&c, text, n, &root) == 0) {
		k = parsed(buf, md_container_record(&c, buf));
		check_there_and_back(&k, room);
		json_decref(root);
	}
	len = col_name_record(text, n, buf);
	if (len >= 0) {
		k = parsed(buf, len);
		check_there_and_back(&k, room);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct strbuf room;
	static bool is_ready;

	if (!is_ready)
		md_container_init();
	is_ready = true;
	if (n == 0)
		return 0;
	/* the first byte says which of the two it is */
	if (data[0] % 2)
		take_file((const char *)data + 1, n - 1, &room);
	else
		take_event((const char *)data + 1, n - 1, &room);
	return 0;
}
