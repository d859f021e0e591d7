/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A stage's statistics page (SEG_STATS): one writer, the stage; the supervisor reads. The segment outlives restarts, so numbers go on. */

#include <stdint.h>

#define LOSS(ID, name, help) LOSS_##ID,
#define LOSS_OUTPUT(ID, name, help) LOSS_##ID,
enum loss_id {
#include <shm/loss.def>
	_LOSS_MAX,
};

const char *loss_str(enum loss_id id); /* "kernel.buffer_full.low" */
const char *loss_help(enum loss_id id);
int loss_is_output(enum loss_id id);

#define STATS_LATENCY_BUCKETS 64
#define STATS_OUTPUTS 64
#define STATS_SPOOL_BYTES 2048

struct stats_page {
	uint64_t
		heartbeat_ns; /* CLOCK_MONOTONIC of the last turn of the loop, or of entering a wait */
	uint64_t waiting;     /* 1: asleep by intent (the watchdog does not count) */
	uint64_t records_in;  /* records taken */
	uint64_t records_out; /* records written */
	uint64_t events;      /* events handled */
	uint64_t alerts;      /* alerts raised (evaluator) or accepted (emitter) */
	uint64_t delivered;   /* alerts the sink has (emitter) */
	uint64_t malformed;   /* records refused at the door, events or not */
	uint64_t doubtful;    /* events built on uncertain state */
	uint64_t late;        /* records that came after a later one was final (collector) */
	uint64_t evicted_threads, evicted_fds; /* full tables (tracker) */
	uint64_t threads, fds;                 /* live entries (tracker) */
	uint64_t repeats;         /* alerts dropped because they had been taken before (emitter) */
	uint64_t pss_bytes;       /* of itself, refreshed about once a second */
	uint64_t cpu_ns;          /* of itself */
	uint64_t last_error;      /* errno of the last failure of the sink, 0 none */
	uint64_t last_error_ns;   /* epoch */
	uint64_t test_delivered;  /* alerts of the built-in test rule that the sink has (emitter) */
	uint64_t test_latency_ns; /* of the last of them, event time -> delivered */
	uint64_t raw_events;      /* events written into the raw ring (collector) */
	uint64_t
		told_events; /* of them, those of containers, which the kernel did not make (collector) */
	uint64_t torn;       /* 1: the sink may have a part of a line without its end (emitter) */
	uint64_t canary; /* number of the last saker_canary that came from the kernel (collector) */
	uint64_t held_containers,
		held_events; /* whose records were held back for facts (tracker) */
	uint64_t loss[64];   /* by enum loss_id */
	struct stats_out {
		uint64_t ring_full, too_big;
	} out[STATS_OUTPUTS]; /* alerts that an output did not get (evaluator): of `loss`, by output */
	uint64_t by_class[4]; /* events by class 1..3 (collector) */
	uint64_t latency
		[STATS_LATENCY_BUCKETS]; /* event time -> delivered, bucket = log2(us) * 2 + half (emitter); how long containers were held back (tracker) */
	uint64_t by_type[1024];          /* events by dense index (collector) */
	uint64_t in_spool;               /* alerts accepted and not yet settled (emitter) */
	uint64_t spool_bytes;            /* that its files take */
	uint64_t spool_sel; /* which of the two is whole: struct spool_state (shm/spool.h) */
	uint64_t spool_state[2][STATS_SPOOL_BYTES / 8];
};
_Static_assert(_LOSS_MAX <= 64, "room for every loss");

/* Behind an evaluator's page: alerts raised, by index of the image's rules, as many as it has. */
static inline uint64_t *stats_rules(struct stats_page *p)
{
	return (uint64_t *)(void *)(p + 1);
}

/* One writer, many readers that may look at any time: relaxed. */
static inline void stats_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}
static inline void stats_set(uint64_t *counter, uint64_t v)
{
	__atomic_store_n(counter, v, __ATOMIC_RELAXED);
}
static inline uint64_t stats_get(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}
/* Latency histogram. */
unsigned stats_latency_bucket(uint64_t ns);
uint64_t stats_latency_bucket_ns(unsigned bucket); /* upper edge */
