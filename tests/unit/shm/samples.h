/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Good records that tests then damage. Built with the library's own builders; the buffers are
 * SPSC_RECORD_MAX bytes, 8-aligned. Return the length. */

#include <shm/alert.h>
#include <shm/crec.h>
#include <shm/ev.h>
#include <shm/prec.h>

#define SAMPLE_SLOTS 100

/* A leader in slot 7 with every text. */
int sample_prec(void *buf);
/* openat by slot 7 with parameters and one attachment of each kind. */
int sample_ev(void *buf);
/* An alert with a field of each type and two tags. */
int sample_alert(void *buf);
int sample_crec(void *buf);
