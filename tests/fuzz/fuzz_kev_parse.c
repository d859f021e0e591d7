/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target for the door for kernel events: kev_parse() and every accessor behind it, on any bytes.
 * Under libFuzzer it is built with clang; test_kev_fuzz.c drives the same function with deterministic mutations. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <base/macros.h>
#include <driver/kev.h>

#include "fuzz_kev_parse.h"

static volatile uint64_t sink; /* so that reads are not optimised away */

static void touch(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		sink += (uint8_t)s.p[i];
}

static void use(const struct kev *k)
{
	int64_t res = 0;

	for (unsigned i = 0; i < KEV_PARAMS_MAX; i++) {
		struct span text = kev_param_text(k, i);

		assert(kev_param_present(k, i) == (k->param[i].n > 0));
		assert(i < k->n_params || k->param[i].n == 0);
		touch(k->param[i]);
		touch(text);
		sink += kev_param_u64(k, i) + (uint64_t)kev_param_i64(k, i);
	}
	touch(kev_extra(k, KEV_X_REALPATH));
	sink += kev_rawres(k, &res) ? (uint64_t)res : 0;
	assert(strnlen(k->head->comm, KEV_COMM_LEN) < KEV_COMM_LEN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	/* a copy of exactly that size, 8-aligned, so that a read behind it is seen */
	uint8_t *copy = malloc(n ? n : 1);
	const char *why = NULL;
	struct kev k;

	if (!copy)
		return 0;
	if (n)
		memcpy(copy, data, n);
	if (kev_parse(copy, n, &k, &why) == 0)
		use(&k);
	else
		assert(why);
	free(copy);
	return 0;
}
