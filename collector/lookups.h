/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What saker-metadata does to know containers: which runtimes answer, which containers are to be looked at, what was asked of the gate, and the facts that came of it, as records. */

#include <stdbool.h>
#include <stdint.h>

#include <shm/gate.h>
#include <shm/settings.h>
#include <shm/spsc.h>
#include <shm/stats.h>

#include "container.h"
#include "docker.h"

struct lookups;

/* Memory for all of it. @set, @stats: borrowed. NULL: no memory. */
struct lookups *lookups_new(const struct settings *set, struct stats_page *stats);
struct lookups *lookups_free(struct lookups *l);
/* A container was seen by the tracker, that nothing was told of. An answer is made in any case: its facts, or that there are none (CREC_UNKNOWN). */
void lookups_want(struct lookups *l, struct span id, uint64_t now_ns);
/* An answer of the gate, which passed its door. May be called only while lookups_takes(). */
void lookups_answer(struct lookups *l, const struct gate_answer *a, uint64_t now_ns);
bool lookups_takes(const struct lookups *l);
/* Tells everything again: a new tracker knows nothing. */
void lookups_again(struct lookups *l);
/* The next thing to ask, into *ret_ask (head left to the caller); false: none. It counts as asked. */
bool lookups_ask(struct lookups *l, struct gate_ask *ret_ask, uint64_t now_ns);
/* The next record into @buf (KEV_SIZE_MAX bytes, 8-aligned): its length, 0 none. It counts as told only with lookups_told(); until then the same comes again. */
int lookups_record(struct lookups *l, void *buf, uint64_t now_ns);
void lookups_told(struct lookups *l);
/* Until when nothing is to be done; -1: for ever. */
int lookups_timeout_ms(const struct lookups *l, uint64_t now_ns);
