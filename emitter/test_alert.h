/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The alert of `saker output test`: marked as one (rule, source "internal", field saker.test). */

#include <stdint.h>

#include <shm/alert.h>

#define TEST_ALERT_MAX 2048

/* @n: grows from one to the next, so that each has an id of its own. Borrowed: it stands in @buf.
 * NULL: it does not fit, which cannot be. */
const struct alert *test_alert_make(uint8_t buf[TEST_ALERT_MAX], const uint8_t run_id[16],
	const char *host, const char *output, uint64_t ts_ns, uint64_t n);
