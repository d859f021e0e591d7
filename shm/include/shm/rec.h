/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What stands in the rings. Every record begins with rec_head; its first 8 bytes are the ring's own (struct spsc_rec). */

#include <stdint.h>

#include <shm/spsc.h>

enum rec_type {
	/* raw ring: collector -> tracker; body: struct kev_head and its parameters */
	REC_KEV = 1, /* an event */
	REC_STATE, /* state in the same encoding: task, task_file_*, useradded, groupadded, saker_container, saker_iface, saker_clock */
	/* raw and event rings */
	REC_SNAP_BEGIN, /* body: struct rec_snap */
	REC_SNAP_END,
	REC_LOSS, /* body: struct rec_loss: what was lost before this place: state may be wrong since then */
	REC_MARK, /* body: struct rec_mark: from here another policy */
	REC_END,  /* no body: the producer is done; the last record of a run */
	/* event rings: tracker -> evaluator */
	REC_PROC = 32, /* body: struct prec (shm/prec.h) */
	REC_FORGET,    /* body: struct rec_forget */
	REC_EVENT,     /* body: struct ev (shm/ev.h) */
	REC_CONTAINER, /* body: struct crec (shm/crec.h) */
	/* ask ring: metadata -> gate; answer ring: gate -> metadata; request ring: tracker -> metadata (shm/gate.h) */
	REC_GATE_ASK = 48, /* body: struct gate_ask */
	REC_GATE_ANSWER,   /* body: struct gate_answer */
	REC_LOOKUP,        /* body: struct lookup */
	/* alert rings: evaluator -> emitter */
	REC_ALERT = 64, /* body: struct alert (shm/alert.h) */
			/* meta ring: metadata -> collector */
			/* REC_STATE */
	/* record ring: tracker -> recorder: REC_KEV, REC_STATE, REC_SNAP_*, REC_END as
			   they came, in ord the order that is not yet given behind them; REC_LOSS */
};

struct rec_head {
	struct spsc_rec ring;
	uint64_t
		seq; /* event number (evt.num): of this event, or the last one's for records that are not events; 0 before the first */
	uint64_t ord;   /* order: the merge key; 0 in the raw ring */
	uint64_t ts_ns; /* ns since the epoch: of the event, or when the state was read */
};
_Static_assert(sizeof(struct rec_head) == 32, "record header");

#define REC_F_DOUBTFUL 0x0001 /* built on state that is not certain (after loss, unknown thread) */
#define REC_F_HELD                                                                                 \
	0x0004 /* event: it was held back until its container's facts were told, or not */
#define REC_F_NO_SHED 0x0002 /* replay and synthetic: the producer waits instead of dropping */

struct rec_snap {
	struct rec_head h;
	uint64_t epoch;     /* of the tracker, 1.. */
	uint64_t n_records; /* in SNAP_END: how many state records stood between */
};
struct rec_loss {
	struct rec_head h;
	uint32_t reason; /* enum loss_id */
	uint32_t cls;    /* enum kev_class: the most important one among them; 0: any */
	uint64_t n;      /* events lost */
};
struct rec_mark {
	struct rec_head h;
	uint64_t policy; /* serial number of the policy */
};
struct rec_forget {
	struct rec_head h;
	uint32_t slot;
	uint32_t pad0;
};
_Static_assert(sizeof(struct rec_snap) == 48 && sizeof(struct rec_loss) == 48, "layout");
_Static_assert(sizeof(struct rec_mark) == 40 && sizeof(struct rec_forget) == 40, "layout");

/* A text inside a record: offset from the start of the record. n bytes, followed by a NUL that n does not count. {0,0}: no value; off != 0, n == 0: empty text. */
struct rec_str {
	uint32_t off;
	uint32_t n;
};

/* "EVENT", …; NULL if unknown. */
const char *rec_type_str(unsigned type);
/* The door of the types of fixed size (snap, loss, mark, end, forget): 0 if the length is right, -EBADMSG otherwise or for another type. */
int rec_validate_fixed(const struct rec_head *rec);
