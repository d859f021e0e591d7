/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of a container runtime of Kubernetes. The first byte says of which question. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <base/macros.h>
#include <driver/kev.h>

#include "cri.h"
#include "pb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define POD "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"

static void each(void *ctx _unused_, struct span id)
{
	if (id.n != 64)
		abort();
}

static void facts(struct cri *c)
{
	static struct md_container out;
	static uint64_t record[KEV_SIZE_MAX / 8];

	cri_container(&out, c, "containerd", 100);
	if (out.id.n != 64 || md_container_record(&out, record) <= 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static bool is_ready;
	struct span rest, m, id = {0};
	struct cri *c;

	if (!is_ready)
		md_container_init();
	is_ready = true;
	if (n == 0)
		return 0;
	rest = (struct span){.p = (const char *)data + 1, .n = n - 1};
	c = cri_new();
	if (!c)
		return 0;
	switch (data[0] % 6) {
	case 0:
		if (cri_status(c, rest, SPAN_LIT(ID)) == 0)
			facts(c);
		break;
	case 1:
		if (cri_pod(c, rest, SPAN_LIT(POD)) == 0)
			facts(c);
		break;
	case 2:
		(void)cri_list(rest, each, NULL);
		(void)cri_pods(rest, each, NULL);
		break;
	case 3:
		if (cri_event(rest, &id) != REPORT_OTHER && id.n != 64)
			abort();
		break;
	case 4:
		(void)cri_type(rest);
		break;
	default: /* a stream: both answers of one container */
		while (pb_frame(&rest, 65536, &m) > 0)
			if (cri_status(c, m, SPAN_LIT(ID)) == 0 ||
				cri_pod(c, m, SPAN_LIT(POD)) == 0)
				facts(c);
	}
	(void)cri_free(c);
	return 0;
}
