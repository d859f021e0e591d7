/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The supervisor's own state, shared by its files. Single-threaded: one epoll, everything else is
 * called from it. */

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <abi/kshared.h>
#include <base/strbuf.h>
#include <shm/progress.h>
#include <shm/settings.h>
#include <shm/spsc.h>
#include <shm/stats.h>
#include <stage/ctl.h>
#include <stage/plan_config.h>

#include "args.h"
#include "lifecycle.h"
#include "plan.h"

struct sup;
struct sup_watch {
	int fd; /* -1: none */
	void (*ready)(struct sup *s, struct sup_watch *w, uint32_t events);
	void *owner;
};

#define SUP_LOG_LINE 2048

/* The state that a replacement gets (recover.c). */
enum sup_snap { SNAP_NONE, SNAP_ASKED, SNAP_READY, SNAP_GIVEN_UP };

struct sup_child {
	const struct plan_proc *proc;
	struct sup_watch ctl, log;
	pid_t pid; /* 0: none */
	enum lc_state state;
	unsigned restarts, fails;
	uint64_t deadline_ns; /* of starting and backoff; 0 none */
	uint64_t running_since_ns;
	bool done;        /* CTL_DONE came */
	bool ended_by_us; /* its end was our doing, and its reason was logged */
	bool was_ready;   /* at least once in this run */
	uint32_t seal_done, landlock;
	/* segments and descriptors that outlive the process; -1 none */
	int stats_rw, stats_ro, progress_rw, progress_ro, wake, sink;
	const struct stats_page *stats; /* our own read-only mapping */
	const void *progress;
	enum sup_snap snap;
	int snap_rw, snap_ro;   /* -1 none */
	uint64_t snap_until_ns; /* monotonic: longest wait for it */
	int last_status;        /* program: wait status of the one before */
	bool is_wanted;         /* program: to be started when this one has ended */
	uint64_t end_ns;        /* program: monotonic, the end of its input; 0: not asked to end */
	uint64_t hand, skip;    /* evaluator: record that it died of, record that two died of */
	/* its log */
	char line[SUP_LOG_LINE];
	size_t line_n;
	unsigned log_tokens, log_dropped;
	uint64_t log_refill_ns;
	/* short-lived programs */
	bool has_result;
	struct ctl_msg result;
	unsigned n_opens;
};

/* What the loader handed over. */
struct sup_bpf {
	int ring[KSHM_CPUS_MAX];
	int wake, interest_fd, counters_fd, args;
	int links[128], progs[128];
	char prog_names[128][64];
	unsigned n_links, n_progs;
	int iter_links[2];
	struct kshm_interest *interest;
	const struct kshm_counters *counters;
	size_t interest_size, counters_size;
	uint64_t canary,
		canary_ns; /* number of the last one asked for, and since when we wait; 0: not */
};

/* A helper that copies passwd and group of a container (opener.c). */
#define SUP_ROOT_FILES 2
#define SUP_OPENERS 4 /* that work at a time */
#define SUP_OPENERS_ALL                                                                            \
	8 /* with those that were killed and have not ended, as the kernel waits for a file system */
struct sup_opener {
	pid_t pid;         /* 0: free */
	uint32_t index;    /* of the asking */
	uint64_t until_ns; /* it is killed then */
	bool is_killed;
	struct sup_child *asker;
	unsigned asker_restarts;
};

struct sup_openers {
	struct sup_opener all[SUP_OPENERS_ALL];
	uint64_t n_killed,
		n_refused; /* so far: that took too long; asked for while there was no place */
	uint64_t said_ns;  /* that one does not end: monotonic, 0 never */
};

/* The file of an output (files.c). */
struct sup_file {
	struct sup_watch notify;       /* tells when it lost its name; fd -1: nothing does */
	pid_t pid, zip_pid;            /* the helper that opens it, that compresses; 0 none */
	int next_notify;               /* of the one that is being opened; -1 none */
	bool wants_open, wants_rotate; /* when the helper has ended */
	bool wants_zip;                /* old files may be there that are not compressed */
	bool is_rotating;              /* the helper renames it first */
	bool is_moved, is_asked;       /* why: it was renamed or removed; the operator asked */
	uint64_t next_ns;              /* monotonic: not before */
};

#define SUP_CLIENTS_MAX 16
struct sup_client {
	struct sup_watch watch;
	char *reply; /* header and text; NULL: waiting for the request */
	size_t reply_n, sent;
	uint64_t deadline_ns;
};

#define SUP_DOUBTS 11 /* kinds of losses that make state doubtful */
struct sup_doubt {
	uint64_t told[SUP_DOUBTS]; /* totals that the collector knows of */
	uint64_t last[SUP_DOUBTS]; /* the last that it was told */
	uint64_t looked_ns, told_ns, next_ns, wait_ns;
	unsigned collector; /* which one was told: its restarts */
	bool is_wanted;     /* the state is to be read again */
};

#define SUP_PROGRAMS_MAX 24
#define SUP_SAMPLES 64 /* seconds of history for rates */
struct sup_sample {
	uint64_t seen, lost;
};

/* What became of a ring by faults (ringfault.c). */
struct sup_fault {
	bool is_open;  /* its ends are being ended; then it is replaced */
	uint64_t gone; /* events that will not come out of it any more: not in flight */
	uint64_t lost; /* of them: by name; in alert rings: alerts */
};

enum sup_phase { SUP_PREPARING, SUP_STARTING, SUP_DETECTING, SUP_STOPPING };

struct sup {
	const struct args *args;
	enum plan_mode mode;
	bool has_landlock;
	enum sup_phase phase;
	int epoll_fd;
	struct sup_watch signals, control;
	bool stop_asked, has_failed;
	uint64_t started_ns, stop_deadline_ns, run_deadline_ns; /* monotonic; 0 none */
	uint64_t tick_ns, second_ns;
	uint8_t run_id[16];
	uint64_t loaded_epoch_ns;
	char libexec[1024], share[1024];
	char host_root
		[512]; /* where the host's root is mounted: HOST_ROOT, as Falco reads it; empty: it is ours */
	struct sup_program {
		const char *name; /* NULL: the end */
		int fd; /* O_PATH, opened once so that an upgrade on disk cannot mix versions */
	} programs[SUP_PROGRAMS_MAX];

	struct plan_config *config;
	int rules_options, outputs[PLAN_OUTPUTS_MAX]; /* sealed blocks from the config run */
	int dial_rules;                               /* likewise; -1 none */
	/* Lines between emitters and the dialer: outlive both. -1 none. */
	struct sup_dial {
		int emitter, dialer;
	} dial[PLAN_OUTPUTS_MAX];
	pid_t dialer_told; /* this one was told to stop */
	int image;
	const void *image_map;
	size_t image_size;
	uint64_t n_rules, n_rules_enabled, checksum;
	uint64_t capture_full_ns; /* CLOCK_MONOTONIC of the last alert about it; 0 none */
	struct settings settings;
	int settings_fd;

	struct plan plan;
	struct sup_child *children; /* as plan.procs; [0] is the supervisor and never runs */
	size_t n_children;
	struct strbuf held;              /* diagnostics of a verb's config run: shown if it fails */
	struct sup_child *current_short; /* a program that ends by itself and is running now */
	struct spsc_fds *rings;          /* as plan.rings */
	struct sup_fault *faults;        /* as plan.rings */
	struct sup_bpf bpf;

	struct sup_file files[PLAN_OUTPUTS_MAX]; /* by output */
	struct sup_openers openers;
	struct sup_client clients[SUP_CLIENTS_MAX];
	bool owns_socket;
	struct sup_sample samples[SUP_SAMPLES];
	uint64_t n_samples;
	uint64_t undrained;
	bool has_record_file; /* it was begun: a new recorder goes on behind what is there */
	struct sup_doubt doubt;
};

/* sup.c: set-up and the event loop */
int sup_init(struct sup *s, const struct args *args);
void sup_done(struct sup *s);
int sup_watch_add(struct sup *s, struct sup_watch *w, uint32_t events);
int sup_watch_mod(struct sup *s, struct sup_watch *w, uint32_t events);
void sup_watch_close(struct sup *s, struct sup_watch *w);
/* One round: waits for at most @max_ms and handles what came. */
void sup_pump(struct sup *s, int max_ms);

/* child.c, spawn.c */
void sup_child_init(struct sup_child *c, const struct plan_proc *proc);
void sup_child_done(struct sup *s, struct sup_child *c);
int sup_spawn(struct sup *s, struct sup_child *c, char *const *argv);
void sup_child_event(struct sup *s, struct sup_child *c, enum lc_event ev);
void sup_child_kill(struct sup_child *c);
bool sup_child_takes_stop(const struct sup_child *c);
void sup_child_start(struct sup *s, struct sup_child *c); /* LC_EV_START, and sends what it needs */
void sup_child_ready(struct sup *s, struct sup_watch *w, uint32_t events); /* its control socket */
void sup_reap(struct sup *s);
void sup_children_tick(struct sup *s, uint64_t now_ns);
int sup_send(struct sup_child *c, enum ctl_type type, enum ctl_role role, unsigned index,
	const char *text, int fd);
int sup_send_hello(struct sup *s, struct sup_child *c);
struct sup_child *sup_find_child(struct sup *s, enum plan_type type, unsigned index);

/* recover.c: what a replacement must know of what its predecessor knew */
void sup_recover_begin(struct sup *s, struct sup_child *c);
/* May it be started now? */
bool sup_recover_may_start(struct sup *s, struct sup_child *c, uint64_t now_ns);
void sup_recover_done(struct sup_child *c);
/* Fresh iterators for the collector, for what it is asked next. */
int sup_recover_iterators(struct sup *s, struct sup_child *collector);
void sup_recover_answer(struct sup *s, struct sup_child *maker, const struct ctl_msg *m);
void sup_recover_end(struct sup *s, struct sup_child *c); /* a child ended, not as it should */

/* ringfault.c: a ring whose header or cursor cannot be */
void sup_ringfault_report(struct sup *s, struct sup_child *c, const struct ctl_msg *m);
/* May it be started now? Not while the other end of a faulty ring lives; then the ring is replaced.
 */
bool sup_ringfault_may_start(struct sup *s, struct sup_child *c, uint64_t now_ns);
/* Alerts of this emitter's that stood in rings which were replaced. */
uint64_t sup_ringfault_lost(const struct sup *s, const struct sup_child *emitter);

/* doubt.c: tells the collector of losses that state suffers from, and has the state read again */
void sup_doubt_tick(struct sup *s, uint64_t now_ns);

/* short.c: the programs that end by themselves */
int sup_run_config(struct sup *s);
int sup_run_rules(struct sup *s);
int sup_run_loader(struct sup *s);
int sup_run_tools(struct sup *s);
void sup_short_message(struct sup *s, struct sup_child *c, const struct ctl_msg *m, int fd);

/* give.c: segments, rings, and handing descriptors to a starting stage */
int sup_make_segments(struct sup *s);
int sup_give(struct sup *s, struct sup_child *c);
int sup_reopen_ro(int fd);

/* bpf.c: the kernel's side */
int sup_bpf_take(struct sup *s, const struct ctl_msg *m, int fd);
int sup_bpf_map(struct sup *s);
void sup_bpf_enable(struct sup *s, bool enabled);
void sup_bpf_exclude(struct sup *s); /* saker's own processes */
/* Proves every few seconds that what the programs send comes through the collector, which is
 * replaced if not. */
void sup_bpf_canary_tick(struct sup *s, uint64_t now_ns);
int sup_bpf_iter(int link_fd);
uint64_t sup_bpf_recursion(const struct sup *s);
uint32_t sup_cpus(void);
void sup_bpf_init(struct sup_bpf *b);
void sup_bpf_done(struct sup_bpf *b);

/* sink.c */
int sup_sink_open(struct sup *s, unsigned output); /* a descriptor or negative errno */
int sup_syslog_open(const char *path);             /* likewise */
/* Files of the host that a stage of this type reads. */
#define SUP_HOST_FILES 3
int sup_host_file_open(const struct sup *s, enum plan_type type, unsigned index);
/* NULL: no such, or not in this run */
const char *sup_host_file_name(const struct sup *s, enum plan_type type, unsigned index);
/* The output's spool folder, made if need be, owned by the emitter's uid. Likewise. */
int sup_spool_open(struct sup *s, const struct sup_child *c);
/* Outputs keep the uids that own their spool folders: exchanged in the plan. */
void sup_spool_keep_uids(struct sup *s);
int sup_netlink_open(void);
/* usersocket.c: connected to as that user. A descriptor or negative errno */
int sup_user_socket_open(uint32_t uid, const char *path);
int sup_runtime_open(
	const struct sup *s, unsigned index); /* a connection to a container runtime, likewise */
/* A new capture file: the one of `saker record`, or one around the event of that time (epoch ns) and
 * number. A descriptor or negative errno, logged. */
int sup_record_open(struct sup *s, uint64_t ts_ns, uint64_t seq);
int sup_capture_open(const struct sup *s); /* to replay, from its beginning; not logged */

/* opener.c: passwd and group of a container, by one of its processes */
void sup_opener_ask(struct sup *s, struct sup_child *metadata, const struct ctl_msg *m);
void sup_openers_tick(struct sup *s, uint64_t now_ns);
void sup_openers_reap(struct sup *s);
/* How many were killed and have not ended. */
unsigned sup_openers_stuck(const struct sup *s);
/* A copy in memory of a regular file below that root, at most a megabyte of it: a descriptor or negative errno. */
int sup_root_file_copy(int root, const char *name);

/* files.c: the files of outputs */
void sup_files_init(struct sup *s);
void sup_files_done(struct sup *s);
int sup_file_open(
	struct sup *s, unsigned output); /* at the start: a descriptor or negative errno */
/* The emitter gets a new descriptor, later; @must_rotate: after the file was renamed, if it is due. */
void sup_file_ask(struct sup *s, struct sup_child *emitter, bool must_rotate);
void sup_file_reopen(struct sup *s, struct sup_child *emitter); /* by the operator's signal */
void sup_files_tick(struct sup *s, uint64_t now_ns);
void sup_files_reap(struct sup *s);

/* files_old.c: files that were renamed aside; in a helper of files.c */
bool sup_old_is_due(const struct plan_output *o); /* by its size or age */
int sup_old_rotate(const struct plan_output *o);  /* 0 or negative errno, logged */
/* Compresses the oldest one that is not: 1; 0 there is none; negative errno, logged. */
int sup_old_zip_one(const struct plan_output *o);

/* program.c: the programs of outputs */
/* The emitter gets the pipe to a new one, when the one before has ended. */
void sup_program_ask(struct sup *s, struct sup_child *emitter);
void sup_program_reap(struct sup *s, struct sup_child *program);
void sup_programs_tick(struct sup *s, uint64_t now_ns);

/* uids.c: 0, -EADDRINUSE and who */
int sup_uids_check(uint32_t first, uint32_t count, uint32_t *reterr_uid, int *reterr_pid);

/* caps.c: gives up what neither we nor a child will need. 0 or negative errno, logged */
int sup_caps_reduce(const struct sup *s);

/* logsink.c */
void sup_log_redirect(const struct sup *s); /* log_stderr, log_syslog: once detecting */
void sup_log_ready(struct sup *s, struct sup_watch *w, uint32_t events);
void sup_log_flush(struct sup *s, struct sup_child *c);
void sup_log_show_held(struct sup *s);

/* summary.c: alerts by severity and by rule */
void sup_summary_print(const struct sup *s, FILE *out);

/* run.c */
int sup_run(struct sup *s);
void sup_stop(struct sup *s, const char *why);
void sup_kill_all(struct sup *s);

/* client.c: the verbs that ask a running saker. Exit status. */
int client_status(const struct args *a, const char *socket_path);
int client_test_alert(const struct args *a, const char *socket_path);
int client_output_test(const struct args *a, const char *socket_path);

/* control.c */
int sup_control_open(struct sup *s);
void sup_control_close(struct sup *s);
void sup_control_tick(struct sup *s, uint64_t now_ns);

/* ledger.c */
struct sup_ledger {
	uint64_t seen, judged, in_flight;
	uint64_t loss[_LOSS_MAX]; /* of events */
	uint64_t lost;            /* their sum */
	bool is_balanced;
};
void sup_ledger_read(const struct sup *s, struct sup_ledger *ret);
void sup_ledger_print(const struct sup *s);
/* Alerts lost on the way to this output under this name; 0 if the name is not one of an output's. */
uint64_t sup_output_lost(const struct sup *s, const struct sup_child *emitter, enum loss_id id);

/* status.c: JSON text, caller frees; NULL out of memory. *ret_exit: 0 detecting, 3 degraded */
char *sup_status_json(struct sup *s, int *ret_exit);
const char *sup_child_seal_str(const struct sup *s, const struct sup_child *c);
