/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The graph: which processes there are, what runs in them, as whom, which rings join them and which
 * descriptors each holds. One table (plan.c); everything else in this folder follows it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <stage/ctl.h>
#include <stage/plan_config.h>
#include <stage/seal.h>

enum plan_type {
	PLAN_SUPERVISOR,
	PLAN_POLICY,
	PLAN_TOOLS,
	PLAN_LOADER,
	PLAN_METADATA,
	PLAN_COLLECTOR,
	PLAN_TRACKER,
	PLAN_EVALUATOR,
	PLAN_EMITTER,
	PLAN_GATE,
	PLAN_DIALER,
	PLAN_RECORDER,
	PLAN_PROGRAM,
	_PLAN_TYPE_MAX,
};

enum plan_count { PLAN_ONE, PLAN_PER_EVALUATOR, PLAN_PER_OUTPUT };

#define PLAN_LATER 1         /* foreseen: shown, not started */
#define PLAN_LIVE_ONLY 2     /* only when the kernel is the source */
#define PLAN_SHORT 4         /* ends by itself at start */
#define PLAN_ASIDE 16        /* no part of a run: started for a tool of the command line */
#define PLAN_REPLAY_ONLY 32  /* only when a capture file is the source */
#define PLAN_FACTS 256       /* with PLAN_LIVE_ONLY: also when a file tells of containers */
#define PLAN_RECORD_ONLY 512 /* only when something is recorded */
#define PLAN_NAMES 1024      /* only when rules compare addresses with names, live */
#define PLAN_RUNTIMES 2048   /* only where a container runtime may be asked */
#define PLAN_FOREIGN 4096    /* no program of saker's: an output's own (program.c) */
#define PLAN_SLOTS 8         /* ring: with the restart slots of its producer */
/* only with outputs that need the network; an emitter's row: only if its does */
#define PLAN_NETWORK 64
/* an emitter's row: only if its output has something that the supervisor opens */
#define PLAN_LOCAL 128

struct plan_proc_row {
	const char *name;    /* of the stage; "-N" or "-NAME" is added where there are several */
	const char *program; /* in libexec; NULL: the supervisor itself */
	enum plan_count count;
	uint32_t uid_slot; /* number in the block of uids; several: the first of them */
	uint32_t flags;    /* PLAN_* */
	const char *what;
};

struct plan_ring_row {
	const char *name;
	enum plan_type from, to;
	uint32_t share; /* its part of the memory for rings, in 1/64 of all; divided where there are
			   several; 0: fixed */
	uint32_t fixed_bytes;
	uint32_t flags; /* PLAN_* */
};

struct plan_fd_row {
	enum plan_type type;
	enum ctl_role role;
	uint32_t flags; /* PLAN_* */
	const char *what;
};

struct plan_seal_row {
	uint32_t step;       /* one of SEAL_* */
	uint32_t modes;      /* required in these: bits by enum plan_mode */
	uint32_t not_for;    /* but not of these: bits by enum plan_type */
	bool needs_landlock; /* but not on a kernel without it */
	const char *why;
};

struct plan_proc {
	const struct plan_proc_row *row;
	enum plan_type type;
	unsigned index; /* number of the evaluator or output */
	char name[64];
	const char *program; /* in libexec; NULL: the supervisor itself */
	uint32_t uid;        /* 0: the supervisor's own */
};

struct plan_ring {
	const struct plan_ring_row *row;
	char name[48];
	unsigned from, to;            /* index into procs */
	unsigned out_index, in_index; /* as the producer and the consumer see it */
	size_t size;
};

struct plan {
	struct plan_proc *procs; /* supervisor first; only what runs */
	size_t n_procs;
	struct plan_ring *rings;
	size_t n_rings;
	size_t bpf_ring_bytes; /* of one CPU */
	uint32_t n_cpus;
};

enum plan_mode { PLAN_MODE_FULL, PLAN_MODE_CONTAINER, PLAN_MODE_USER };
const char *plan_mode_str(enum plan_mode mode);

/* Checks what came from the config run: every range, every text's end. 0 or -EBADMSG with
 * *reterr_why. */
int plan_check(const struct plan_config *c, const char **reterr_why);
/* The graph for this configuration. @mode: without CAP_SETUID all uids are 0. 0, -ENOMEM, or
 * -EINVAL with *reterr_why. */
int plan_build(const struct plan_config *c, enum plan_mode mode, uint32_t n_cpus,
	struct plan *ret_plan, const char **reterr_why);
void plan_done(struct plan *p);
const struct plan_proc_row *plan_row(enum plan_type type);
/* Is a row with these flags part of a run with this source (enum settings_engine)? */
bool plan_runs(uint32_t flags, uint32_t engine);
const struct plan_fd_row *plan_fds(size_t *ret_n);
/* Does this process get what the row says? */
bool plan_fd_applies(
	const struct plan_fd_row *row, const struct plan_proc *p, const struct plan_config *c);
const struct plan_seal_row *plan_seal_rows(size_t *ret_n);
/* Seal steps that must succeed. @landlock: the kernel has it. */
uint32_t plan_required_seal(enum plan_type type, enum plan_mode mode, bool landlock);
void plan_print(const struct plan *p, const struct plan_config *c, enum plan_mode mode,
	bool landlock, FILE *out);

/* The config run happens before any block of uids is known. */
#define PLAN_UID_CONFIG 60999
