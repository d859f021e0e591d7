/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Events of older capture files as events of today's vocabulary (scap_convert.def). */

#include <stdbool.h>
#include <stdint.h>

#include <abi/events.h>
#include <base/span.h>

#define SCAP_CODES 512 /* every code of the format is below */
#define SCAP_PARAMS_MAX KEV_PARAMS_MAX
#ifndef SCAP_ENTERS
#define SCAP_ENTERS 8192 /* threads whose last enter event is remembered; power of two */
#endif
#define SCAP_ENTER_DATA 4608 /* bytes of its parameters; longer ones are not remembered */
#define SCAP_ENTER_PARAMS 8
#define SCAP_JSON_MAX 2048

/* An event as it stands in the file; the parameters are borrowed. */
struct scap_event {
	uint64_t ts_ns; /* epoch */
	uint64_t tid;
	uint16_t type;
	uint16_t cpu;
	uint32_t flags; /* of the block */
	unsigned n;
	bool is_converted; /* the parameters no longer stand in a row in the file */
	struct span p[SCAP_PARAMS_MAX];
	struct span realpath; /* of our own option; without a NUL */
	uint8_t kev_flags;    /* likewise; KEV_F_* */
};

struct scap_enter {
	uint64_t tid; /* 0: free */
	uint16_t type;
	uint16_t n;
	uint16_t len[SCAP_ENTER_PARAMS];
	uint8_t data[SCAP_ENTER_DATA];
};

struct scap_convert {
	uint16_t first[SCAP_CODES]; /* rule + 1 by the code it is for; 0 none */
	uint16_t next[SCAP_CODES];  /* rule + 1 */
	uint8_t most[SCAP_CODES];   /* parameters that an event of this code may have */
	bool is_known[SCAP_CODES];
	struct scap_enter *enters; /* SCAP_ENTERS, touched by old files only */
	uint64_t n_forgotten;      /* enter events that found no room */
	char json[SCAP_JSON_MAX];
};

/* All memory is taken here. 0 or -ENOMEM. */
int scap_convert_init(struct scap_convert *c);
void scap_convert_done(struct scap_convert *c);
/* Parameters to try with when the file does not say how many there are. */
unsigned scap_convert_most(const struct scap_convert *c, uint16_t type);
/* Makes *e an event of today's vocabulary, in place. false: there is none for it (an enter event
 * that was remembered, or nothing that is known today). New parameters live until the next call. */
bool scap_convert(struct scap_convert *c, struct scap_event *e);
