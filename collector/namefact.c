/* SPDX-License-Identifier: Apache-2.0 */
/* Names and addresses from JSON. The text is hostile: the library parses it, with a bound on its
 * size; what is no address is passed over. */
#include "namefact.h"

#include <arpa/inet.h>

#include <errno.h>

#include <jansson.h>

#include <base/clock.h>
#include <base/macros.h>
#include <driver/kev.h>

#define JSON_MAX 65536
#define NAME_MAX_BYTES 255
#define ADDRS_MAX 256 /* of each family */

struct addrs {
	uint8_t v4[4 * ADDRS_MAX], v6[16 * ADDRS_MAX];
	size_t n4, n6; /* bytes */
};

static void add_address(struct addrs *a, const char *text)
{
	if (!text)
		return;
	if (a->n4 < sizeof(a->v4) && inet_pton(AF_INET, text, a->v4 + a->n4) == 1)
		a->n4 += 4;
	else if (a->n6 < sizeof(a->v6) && inet_pton(AF_INET6, text, a->v6 + a->n6) == 1)
		a->n6 += 16;
}

int col_name_record(const char *text, size_t n, void *buf)
{
	json_t *root = n <= JSON_MAX ? json_loadb(text, n, 0, NULL) : NULL;
	const json_t *name = json_object_get(root, "name"),
		     *list = json_object_get(root, "addresses"), *one;
	struct span s = {.p = json_string_value(name), .n = json_string_length(name)};
	struct addrs a = {.n4 = 0};
	struct kev_builder b;
	size_t i;
	int len;

	if (s.n == 0 || s.n > NAME_MAX_BYTES) {
		json_decref(root);
		return -EBADMSG;
	}
	json_array_foreach(list, i, one) add_address(&a, json_string_value(one));
	kev_build_start(&b, buf, KEV_SIZE_MAX, KEV_CODE_SAKER_NAME, 0);
	kev_build_head(&b)->ts_ns = clock_boot_ns();
	kev_build_head(&b)->flags = KEV_F_NO_TASK;
	kev_build_text(&b, s);
	kev_build_raw(&b, a.v4, a.n4);
	kev_build_raw(&b, a.v6, a.n6);
	len = kev_build_finish(&b);
	json_decref(root);
	assert(len > 0); /* a name and its addresses are far from the largest record */
	return len;
}
