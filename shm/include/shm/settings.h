/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Settings that every stage gets (SEG_SETTINGS, sealed): no secrets, fixed size. */

#include <stdint.h>

#include <shm/gate.h>

enum settings_engine { ENGINE_BPF = 1, ENGINE_SYNTHETIC, ENGINE_REPLAY };

/* What saker-recorder writes. */
enum settings_record {
	RECORD_NONE,
	RECORD_ALL,     /* every event, into one file */
	RECORD_MATCHES, /* those that the condition of `saker record --filter` matches, and the state */
	RECORD_AROUND, /* a file around each alert that asks for one */
};

#define SETTINGS_PATH_MAX 108
#define HOOK_CREATE 1
#define HOOK_START 2

struct settings {
	uint8_t run_id[16];
	uint32_t engine;         /* enum settings_engine */
	uint32_t n_evaluators;   /* 1..64 */
	uint32_t n_outputs;      /* 0..64 */
	uint32_t n_cpus;         /* BPF ring buffers */
	uint64_t bpf_ring_bytes; /* of one CPU's BPF ring buffer */
	uint32_t threads_max;    /* slots of the thread table */
	uint32_t descriptors_max;
	uint32_t snaplen;           /* bytes of I/O payload */
	uint32_t rule_matching_all; /* 0 first, 1 all */
	uint64_t synthetic_seed, synthetic_events;
	uint32_t synthetic_procs, synthetic_rate;
	uint64_t max_event_ns; /* -M: stop after that much event time; 0: none */
	uint64_t metadata_wait_ns;
	uint32_t verbose;
	uint32_t record_mode;       /* enum settings_record */
	uint32_t record_all_rules;  /* RECORD_AROUND: every alert asks for a file */
	uint32_t record_default_ms; /* RECORD_AROUND: how long, where the rule does not say */
	uint32_t record_gzip;
	uint32_t n_runtimes;       /* container runtimes, 0..GATE_RUNTIMES_MAX */
	uint64_t record_max_bytes; /* of one file; 0: no limit */
	uint64_t memory_bytes;     /* of the host */
	char host[256];            /* FALCO_HOSTNAME or gethostname() */
	struct settings_runtime {
		uint32_t kind;                /* enum gate_kind */
		char path[SETTINGS_PATH_MAX]; /* of its socket, for messages */
	} runtimes[GATE_RUNTIMES_MAX];
	uint32_t label_max;   /* bytes; longer values of labels are left out */
	uint32_t hooks;       /* HOOK_*: reports that have a container looked at */
	uint32_t engines_off; /* CTR_BIT()s: their containers are the host */
	uint32_t pad0;
};
_Static_assert(sizeof(struct settings) % 8 == 0, "no tail padding");
