/* SPDX-License-Identifier: Apache-2.0 */
/* The ABI hash: one number over everything that two processes of saker must agree on, so that a
 * stage or a segment of another build is refused before a byte of it is read. Layouts enter as
 * sizes and offsets, tables (.def) as their values and texts. No input. */

#include <shm/segment.h>

#include <stddef.h>

#include <abi/events.h>
#include <abi/kevent.h>
#include <abi/kshared.h>
#include <base/hash.h>
#include <shm/alert.h>
#include <shm/crec.h>
#include <shm/dial.h>
#include <shm/engines.h>
#include <shm/ev.h>
#include <shm/gate.h>
#include <shm/prec.h>
#include <shm/progress.h>
#include <shm/rec.h>
#include <shm/settings.h>
#include <shm/snap.h>
#include <shm/spsc.h>
#include <shm/stats.h>

#define SIZE(t) sizeof(struct t)
#define AT(t, m) offsetof(struct t, m)

/* Grouped by struct. */
/* clang-format off */
static const uint32_t layouts[] = {
	/* segment, ring */
	SEG_PAYLOAD_OFF, SIZE(seg_head), AT(seg_head, abi_hash), AT(seg_head, payload_size),
	AT(seg_head, run_id), AT(seg_head, name), SEG_RING_DATA, SEG_RING_CURSOR, SEG_PROGRESS,
	SEG_STATS, SEG_SETTINGS, SEG_IMAGE, SEG_SNAPSHOT, SEG_OUTPUT, SPSC_RECORD_MAX, SPSC_SLOTS,
	SPSC_CPUS_MAX, SIZE(spsc_rec), AT(spsc_rec, type), AT(spsc_rec, flags), SIZE(spsc_slot),
	AT(spsc_slot, next_seq), AT(spsc_slot, n_cpus), AT(spsc_slot, cpu_pos),
	SIZE(spsc_data_page), AT(spsc_data_page, slots_off), AT(spsc_data_page, head),
	AT(spsc_data_page, full), AT(spsc_data_page, high_water), AT(spsc_data_page, wakes),
	AT(spsc_data_page, n_records), EVENT_SLOT_SEQ, EVENT_SLOT_FORWARDED, EVENT_SLOT_SHED,
	EVENT_SLOT_TOO_BIG, EVENT_SLOT_CUT_OFF, EVENT_SLOT_HELD, EVENT_SLOT_ORD, EVENT_SLOT_LAST, EVENT_SLOT_ENDED,
	EVENT_SLOT_PASSED,
	SIZE(spsc_cursor_page), AT(spsc_cursor_page, tail), AT(spsc_cursor_page, sleeping),
	AT(spsc_cursor_page, stalled),
	AT(spsc_cursor_page, n_records),
	/* records */
	SIZE(rec_head), AT(rec_head, seq), AT(rec_head, ord), AT(rec_head, ts_ns), SIZE(rec_snap),
	AT(rec_snap, epoch), AT(rec_snap, n_records), SIZE(rec_loss), AT(rec_loss, reason), AT(rec_loss, cls),
	AT(rec_loss, n), SIZE(rec_mark), AT(rec_mark, policy), SIZE(rec_forget),
	AT(rec_forget, slot), SIZE(rec_str), AT(rec_str, n), REC_KEV, REC_STATE, REC_SNAP_BEGIN,
	REC_SNAP_END, REC_LOSS, REC_MARK, REC_END, REC_PROC, REC_FORGET, REC_EVENT, REC_CONTAINER,
	REC_ALERT,
	REC_F_DOUBTFUL, REC_F_NO_SHED, REC_F_HELD,
	/* kernel events */
	SIZE(kev_head), AT(kev_head, type), AT(kev_head, flags), AT(kev_head, extras),
	AT(kev_head, ts_ns), AT(kev_head, tid), AT(kev_head, tgid), AT(kev_head, leader_start_ns),
	AT(kev_head, ppid), AT(kev_head, uid), AT(kev_head, cgroup_id), AT(kev_head, comm),
	AT(kev_head, cpu), AT(kev_head, n_params), AT(kev_head, cls), AT(kev_head, gid),
	KEV_COMM_LEN, KEV_PARAMS_MAX, KEV_SIZE_MAX, KEV_F_COMPAT, KEV_F_IO_URING, KEV_F_TRUNC,
	KEV_F_SNAPSHOT, KEV_F_NO_TASK, KEV_X_REALPATH, KEV_CLASS_STATE, KEV_CLASS_FILE_NET,
	KEV_CLASS_OTHER, _KEV_T_MAX, _KEV_CAT_MAX, _KEV_KIND_MAX, _KEV_IX_MAX,
	SIZE(kshm_interest), AT(kshm_interest, enabled), AT(kshm_interest, snaplen),
	AT(kshm_interest, self_tgids), AT(kshm_interest, supervisor_tgid), SIZE(kshm_counters), AT(kshm_counters, submitted),
	AT(kshm_counters, lost_full), AT(kshm_counters, lost_flood),
	AT(kshm_counters, lost_scratch), AT(kshm_counters, lost_size), AT(kshm_counters, cut),
	AT(kshm_counters, wakes), SIZE(kshm_wake),
	/* thread record */
	SIZE(prec), AT(prec, slot), AT(prec, leader_slot), AT(prec, parent_slot), AT(prec, flags),
	AT(prec, tid), AT(prec, pid), AT(prec, ptid), AT(prec, vtid), AT(prec, vpid),
	AT(prec, sid), AT(prec, vpgid), AT(prec, pgid), AT(prec, uid), AT(prec, gid),
	AT(prec, loginuid), AT(prec, tty), AT(prec, exe_flags), AT(prec, cap_inheritable),
	AT(prec, cap_permitted), AT(prec, cap_effective), AT(prec, exe_ino),
	AT(prec, exe_ctime_ns), AT(prec, exe_mtime_ns), AT(prec, clone_ts_ns),
	AT(prec, pidns_start_ns), AT(prec, vm_size_kb), AT(prec, vm_rss_kb), AT(prec, vm_swap_kb),
	AT(prec, pf_major), AT(prec, pf_minor), AT(prec, fd_limit), AT(prec, n_args),
	AT(prec, n_threads), AT(prec, comm), AT(prec, exe), AT(prec, exepath), AT(prec, args),
	AT(prec, env), AT(prec, cwd), AT(prec, root), AT(prec, cgroups), AT(prec, container_id),
	PREC_EXE_WRITABLE, PREC_EXE_UPPER_LAYER, PREC_EXE_FROM_MEMFD, PREC_EXE_LOWER_LAYER,
	AT(prec, container_slot), AT(prec, container_engine), PREC_MAIN, PREC_PLACEHOLDER, PREC_IN_CHILD_PIDNS,
	PREC_DEAD,
	/* container record */
	SIZE(crec), AT(crec, slot), AT(crec, flags), AT(crec, id), AT(crec, text), _CREC_TEXT_MAX,
	CREC_SLOTS_MAX, CREC_PRIVILEGED, CREC_HOST_PID, CREC_HOST_NETWORK, CREC_HOST_IPC,
	CREC_CUT, CREC_UNKNOWN, CREC_EARLY, CREC_GONE,
	/* event record */
	SIZE(ev), AT(ev, slot), AT(ev, type), AT(ev, cpu), AT(ev, flags), AT(ev, n_params),
	AT(ev, n_atts), AT(ev, rawres), AT(ev, tid), AT(ev, params_off), AT(ev, atts_off),
	SIZE(ev_att), AT(ev_att, index), AT(ev_att, n), SIZE(ev_fd), AT(ev_fd, ino),
	AT(ev_fd, dev), AT(ev_fd, open_flags), AT(ev_fd, type), AT(ev_fd, l4), AT(ev_fd, role),
	AT(ev_fd, flags), AT(ev_fd, sport), AT(ev_fd, dport), AT(ev_fd, sip), AT(ev_fd, dip),
	AT(ev_fd, name), AT(ev_fd, nameraw), EV_COMPAT, EV_IO_URING, EV_TRUNC, EV_HAS_RES,
	EV_DOUBTFUL, EV_SYNTHESIZED, EV_NO_PARAM, EV_ATT_FD, EV_ATT_PATH, EV_ATT_PID,
	EV_ATT_STDIO, EV_ATT_FDTYPES, EV_ATT_FDCOUNT, EV_ATT_REALPATH, EV_ATT_DELTA, EV_ATT_RELTIME,
	EV_ATT_VM, EV_ATT_FDLIST, EV_FDLIST_MAX, SIZE(ev_fdlist), _EV_ATT_MAX, SIZE(ev_vm), AT(ev_vm, rss_kb), AT(ev_vm, pf_major),
	EV_FD_FILE, EV_FD_DIRECTORY, EV_FD_IPV4, EV_FD_UNIX, EV_FD_NETLINK, EV_FD_PIDFD,
	_EV_FD_TYPE_MAX, EV_L4_TCP, EV_L4_RAW, _EV_L4_MAX, EV_ROLE_CLIENT, EV_ROLE_SERVER,
	EV_FD_KNOWN, EV_FD_CONNECTED, EV_FD_NAME_CHANGED, EV_FD_UPPER_LAYER, EV_FD_LOWER_LAYER,
	EV_FD_CLIENT_LOCAL, EV_FD_SERVER_LOCAL, EV_FD_DOUBTFUL, EV_ATTS_MAX,
	/* alert */
	SIZE(alert), AT(alert, id), AT(alert, rule), AT(alert, priority), AT(alert, flags),
	AT(alert, n_fields), AT(alert, n_tags), AT(alert, fields_off), AT(alert, tags_off),
	AT(alert, rule_name), AT(alert, source), AT(alert, host), AT(alert, message),
	SIZE(alert_field), AT(alert_field, str), AT(alert_field, num), AT(alert_field, type),
	ALERT_NULL, ALERT_STR, ALERT_I64, ALERT_U64, ALERT_BOOL, ALERT_DOUBLE, ALERT_LIST,
	_ALERT_TYPE_MAX, ALERT_DOUBTFUL, ALERT_INTERNAL, ALERT_TEST, ALERT_FIELDS_MAX,
	ALERT_TAGS_MAX,
	/* pages */
	SIZE(progress_tracker), AT(progress_tracker, last), AT(progress_tracker, applied),
	AT(progress_tracker, judged_here), AT(progress_tracker, passed),
	AT(progress_tracker, forwarded),
	AT(progress_tracker, last_seq), AT(progress_tracker, ended), AT(progress_tracker, first_ts_ns),
	AT(progress_tracker, epoch), AT(progress_tracker, held_now), AT(progress_tracker, held), AT(progress_tracker, marks), SIZE(progress_tracker_mark),
	SIZE(progress_evaluator), AT(progress_evaluator, hand), AT(progress_evaluator, marks),
	SIZE(progress_evaluator_mark), SIZE(snap_head), AT(snap_head, whole_from), AT(snap_head, flags), SNAP_F_INCOMPLETE,
	AT(progress_evaluator, judged), AT(progress_evaluator, at_seq),
	AT(progress_evaluator, ended), SIZE(stats_page), AT(stats_page, waiting),
	AT(stats_page, records_in), AT(stats_page, records_out), AT(stats_page, events),
	AT(stats_page, alerts), AT(stats_page, delivered), AT(stats_page, malformed),
	AT(stats_page, doubtful), AT(stats_page, late), AT(stats_page, evicted_threads),
	AT(stats_page, evicted_fds), AT(stats_page, threads), AT(stats_page, fds),
	AT(stats_page, repeats), AT(stats_page, pss_bytes), AT(stats_page, cpu_ns),
	AT(stats_page, last_error), AT(stats_page, last_error_ns), AT(stats_page, test_delivered),
	AT(stats_page, test_latency_ns), AT(stats_page, raw_events), AT(stats_page, told_events), AT(stats_page, loss), AT(stats_page, held_containers), AT(stats_page, out),
	AT(stats_page, by_class), AT(stats_page, latency), AT(stats_page, by_type), _LOSS_MAX,
	SIZE(settings), AT(settings, engine), AT(settings, n_evaluators), AT(settings, n_outputs),
	AT(settings, n_cpus), AT(settings, bpf_ring_bytes), AT(settings, threads_max),
	AT(settings, descriptors_max), AT(settings, snaplen), AT(settings, rule_matching_all),
	AT(settings, synthetic_seed), AT(settings, synthetic_events),
	AT(settings, synthetic_procs), AT(settings, synthetic_rate), AT(settings, max_event_ns),
	AT(settings, metadata_wait_ns), AT(settings, verbose), AT(settings, record_mode),
	AT(settings, record_max_bytes),
	AT(settings, host), AT(settings, n_runtimes), AT(settings, runtimes), SIZE(settings_runtime), AT(settings, label_max), AT(settings, hooks), AT(settings, engines_off), _CTR_MAX,
	/* gate */
	SIZE(gate_ask), AT(gate_ask, cookie), AT(gate_ask, runtime), AT(gate_ask, what), AT(gate_ask, id), SIZE(gate_answer), AT(gate_answer, runtime), AT(gate_answer, what),
	AT(gate_answer, status), AT(gate_answer, flags), AT(gate_answer, n), SIZE(lookup), AT(lookup, n), GATE_F_UP, GATE_F_DOWN, GATE_F_END, GATE_F_FAILED, GATE_F_MISSED,
	GATE_DOCKER, GATE_PODMAN, _GATE_KIND_MAX, GATE_EVENTS, GATE_LIST, GATE_INSPECT, GATE_IMAGE, _GATE_WHAT_MAX, _GATE_STATUS_MAX,
	/* dialer */
	SIZE(dial_request), AT(dial_request, timeout_ms), SIZE(dial_answer), SIZE(dial_output),
	SIZE(dial_rules), AT(dial_output, targets), AT(dial_output, hosts), AT(dial_output, ports),
};
/* clang-format on */

enum { DIR_ENTER = KEV_ENTER, DIR_EXIT = KEV_EXIT, DIR_NONE = KEV_NONE };
enum { BASE_DEC = KEV_DEC, BASE_HEX = KEV_HEX, BASE_OCT = KEV_OCT, BASE_PAD = KEV_PAD };

static const uint32_t event_numbers[] = {
#define EV(code, NAME, str, dir, cat, kind, flags, n)                                              \
	code, KEV_IX_##NAME, DIR_##dir, cat, kind, (flags), n,
#define EVP(NAME, i, str, type, base, ft) i, type, BASE_##base,
#include <abi/events.def>
};

static const char event_texts[] =
#define EV(code, NAME, str, dir, cat, kind, flags, n) str "\n"
#define EVP(NAME, i, str, type, base, ft) str ":" #ft "\n"
#include <abi/events.def>
	;

static const uint32_t flag_numbers[] = {
#define FLAG(NAME, text, value) value,
#include <abi/flags.def>
};

static const char flag_texts[] =
#define FLAG_TABLE(NAME) #NAME "\n"
#define FLAG(NAME, text, value) text "\n"
#include <abi/flags.def>
	;

static const char loss_texts[] =
#define LOSS(ID, name, help) name "\n"
#define LOSS_OUTPUT(ID, name, help) "output " name "\n"
#include <shm/loss.def>
	;

uint64_t seg_abi_hash(void)
{
	static uint64_t cached; /* a pure function of the build; 0: not yet computed */
	uint64_t h;

	if (cached != 0)
		return cached;
	h = hash_bytes(layouts, sizeof(layouts), SEG_MAGIC);
	h = hash_bytes(event_numbers, sizeof(event_numbers), h);
	h = hash_bytes(event_texts, sizeof(event_texts), h);
	h = hash_bytes(flag_numbers, sizeof(flag_numbers), h);
	h = hash_bytes(flag_texts, sizeof(flag_texts), h);
	h = hash_bytes(loss_texts, sizeof(loss_texts), h);
	cached = h != 0 ? h : 1;
	return cached;
}
