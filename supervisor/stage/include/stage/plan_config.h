/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the config run of saker-policy hands to the supervisor, which parses no text: fixed size, in
 * a SEG_SETTINGS segment (role FD_PLAN). The supervisor checks every range and every NUL. */

#include <stdint.h>

#include <shm/settings.h>

#define PLAN_OUTPUTS_MAX 64
#define PLAN_RULES_MAX 256
#define PLAN_PATH_MAX 1024
#define PLAN_KEEP_MAX 1000

enum plan_output_kind {
	PLAN_OUT_STDOUT = 1,
	PLAN_OUT_FILE,
	PLAN_OUT_SYSLOG,
	PLAN_OUT_HTTP,
	PLAN_OUT_KAFKA,
	PLAN_OUT_PROGRAM,
	PLAN_OUT_CAPTURE /* the recorder's: the last output, if there is one; path: of the file, or prefix */
};

struct plan_output {
	char name[40];  /* [a-z0-9_-]{1,32} */
	uint32_t kind;  /* enum plan_output_kind */
	uint32_t flags; /* PLAN_OUT_F_* */
	/* file: when it is renamed aside, 0: not by this; how many of those are kept */
	uint64_t rotate_size, rotate_age_ns;
	uint32_t rotate_keep;     /* 1..PLAN_KEEP_MAX */
	uint32_t rotate_gzip;     /* 1: compressed */
	char path[PLAN_PATH_MAX]; /* file: path; syslog, http: UNIX socket's path or empty;
				     program: command */
};
#define PLAN_OUT_F_SPOOL 1
#define PLAN_OUT_F_KEEP_ALIVE 2
#define PLAN_OUT_F_NETWORK 4 /* connects by the dialer */
#define PLAN_OUT_F_LOCAL                                                                           \
	8 /* http, syslog: `path` is a UNIX socket that the supervisor connects to */
#define PLAN_OUT_F_SPOOL_ASKED 16 /* by the configuration, not by default: it must be possible */

/* A container runtime's socket. */
struct plan_runtime {
	uint32_t kind; /* enum gate_kind */
	uint32_t uid;  /* whose it is: connected to as this user */
	char path[SETTINGS_PATH_MAX];
};

struct plan_config {
	/* what becomes struct settings */
	uint32_t engine, n_evaluators, snaplen, rule_matching_all;
	uint32_t threads_max, descriptors_max;
	uint64_t rings_bytes; /* all rings together */
	uint64_t metadata_wait_ns;
	uint64_t synthetic_seed, synthetic_events;
	uint32_t synthetic_procs, synthetic_rate;
	uint32_t uids_first, uids_count;
	uint32_t record_mode, record_all_rules, record_default_ms, record_max_mb;
	uint32_t log_json, log_level; /* enum log_level */
	uint32_t log_stderr, log_syslog;
	uint32_t n_outputs, n_rules;
	uint32_t
		wants_names; /* some rule compares addresses with names: the supervisor's, from the image */
	uint32_t n_runtimes, label_max, hooks, engines_off;
	struct plan_runtime runtimes[GATE_RUNTIMES_MAX];
	char control_socket[108];
	char spool_directory[PLAN_PATH_MAX];
	char metadata_file[PLAN_PATH_MAX];
	char capture_file[PLAN_PATH_MAX]; /* ENGINE_REPLAY: what to read */
	struct plan_output outputs[PLAN_OUTPUTS_MAX];
	char rules[PLAN_RULES_MAX]
		  [PLAN_PATH_MAX]; /* files in order, directories already expanded */
};
