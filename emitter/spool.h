/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The spool: alerts on disk from their acceptance until they are settled. Layout: shm/spool.h.
 *
 * Writing: spool_append() copies alerts to a batch; batches are written and synchronised one after
 * the other (group commit), and on_commit() says that one is safe: only then may the rings move on.
 * Reading: spool_next() gives the records in the order of their numbers; spool_settle() says that
 * one is done with. The mark follows by itself; segments are removed after a mark that is on the
 * disk does not need them any more. Memory is fixed at start; a backlog stays on the disk.
 *
 * All I/O is asynchronous but that of spool_recover() and spool_stop(). What fails is tried again,
 * in a fresh segment: after a failed write or sync nobody knows what the old one holds. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <shm/spool.h>
#include <shm/stats.h>

#include "io.h"

enum spool_when_full { SPOOL_DROP_LOWEST, SPOOL_DROP_OLDEST, SPOOL_BLOCK, _SPOOL_WHEN_FULL_MAX };

#define SPOOL_BATCH (384u << 10)  /* bytes of a stream in one commit */
#define SPOOL_READ (256u << 10)   /* bytes read at once */
#define SPOOL_ASIDES 32           /* unlinks, closes … in flight */
#define SPOOL_MARK_NS 50000000ULL /* how often the mark is written while it moves */
#define SPOOL_QUARANTINE_MAX 4    /* damaged segments that are kept */
#define SPOOL_MAX_SIZE_MIN (4u << 20)

struct spool_segment {
	uint64_t serial, first_place;
	uint64_t end_place; /* place after its last record; grows while it is written */
	uint64_t end;       /* bytes that hold committed records, header included */
	uint64_t size;      /* bytes that it takes */
	uint32_t seed;
	bool is_active;  /* being written */
	bool is_damaged; /* kept aside instead of unlinked */
	bool is_dropped; /* by policy; goes when the mark says so */
	bool is_going;   /* its unlink is in flight */
};

enum spool_writer_step {
	SPOOL_W_IDLE,
	SPOOL_W_ROOM, /* waits for room under the bound */
	SPOOL_W_OPEN,
	SPOOL_W_ALLOC,
	SPOOL_W_HEAD,
	SPOOL_W_DIR_SYNC,
	SPOOL_W_WRITE,
	SPOOL_W_SYNC,
	SPOOL_W_RETRY, /* failed: waits until retry_ns */
	SPOOL_W_DONE,
};

enum spool_reader_step { SPOOL_R_IDLE, SPOOL_R_OPENING, SPOOL_R_READING };

struct spool;
struct stage;

struct spool_writer {
	enum spool_writer_step step;
	struct io_req req;
	int file; /* of the active segment; -1 none */
	struct spool_head head;
	char name[SPOOL_NAME_LEN + 1];
	uint8_t *buf[2];
	size_t n[2];
	uint64_t first_place[2]; /* of each batch */
	unsigned n_records[2];
	size_t n_written; /* of the batch that is being committed */
	uint64_t retry_ns, delay_ns;
	uint64_t size; /* of the segment that is made; 0: the usual one */
};

struct spool_reader {
	enum spool_reader_step step;
	struct io_req req;
	int file;        /* -1 none */
	uint64_t serial; /* of the segment it is in; 0 none */
	char name[SPOOL_NAME_LEN + 1];
	uint8_t *buf;
	uint64_t off;     /* in the file: of the next record */
	uint64_t buf_off; /* in the file: of buf[0] */
	size_t buf_n;
	bool is_fresh;                /* buf holds the bytes at off as far as they were committed */
	uint64_t limit;               /* bytes of the segment that buf knows to be committed */
	bool is_lost;                 /* looks for the next record after a damaged one */
	uint64_t place;               /* next that is expected */
	const struct spool_rec *head; /* checked, in buf; NULL: none in hand */
	size_t head_len;
	unsigned n_fails; /* reads in a row */
	uint64_t retry_ns;
};

struct spool_stream {
	struct spool *spool;
	unsigned group;
	struct spool_segment *segs; /* by serial */
	unsigned n_segs, cap;
	struct spool_writer w;
	struct spool_reader r;
	uint64_t append_next; /* place of the next record; state.next is that of the committed */
	unsigned in_flight;   /* handed out by spool_next() and not settled */
};

struct spool_aside {
	struct io_req req;
	struct spool *spool;
	char name[SPOOL_NAME_LEN + 1];
	unsigned stream;
	uint64_t serial;
	bool is_unlink;
	bool is_used;
};

struct spool_config {
	uint64_t max_size; /* bytes, at least SPOOL_MAX_SIZE_MIN */
	enum spool_when_full when_full;
};

struct spool {
	struct io *io; /* borrowed */
	struct spool_config config;
	struct stats_page *stats; /* borrowed */
	void (*on_commit)(struct spool *s, unsigned batch);
	struct spool_stream streams[SPOOL_STREAMS];
	struct spool_state state; /* as of now; its counters are copied from stats when written */
	uint64_t append_n;        /* number of the next record */
	uint64_t segment_size;
	uint64_t next_serial;
	uint64_t bytes; /* of all files */
	unsigned n_quarantined;
	/* commit */
	unsigned fill;      /* the batch that is being filled: 0, 1 */
	bool is_committing; /* the other one is on its way */
	unsigned n_fill;    /* what is in the filled batch: alerts, lost and dead ones included */
	uint64_t n_accepted[2]; /* alerts in each batch */
	uint64_t committing_n;  /* number after the last record of it */
	/* mark */
	int mark_file;
	struct io_req mark_req;
	bool mark_is_syncing, mark_is_dirty, mark_is_urgent;
	uint64_t mark_ns; /* of the last one */
	uint64_t mark_retry_ns;
	uint8_t *mark_buf;          /* SPOOL_MARK_SLOT bytes */
	struct spool_state *marked; /* what is on the disk */
	struct spool_aside asides[SPOOL_ASIDES];
	int to_close[IO_FILES]; /* no request was free for these */
	unsigned n_to_close;
	int error;       /* of the last failure, 0 none */
	uint64_t now_ns; /* of this turn */
};

/* Where a record stands. */
struct spool_ref {
	uint8_t stream;
	uint64_t place;
};

/* Before the seal: memory. 0 or -ENOMEM. */
int spool_init(
	struct spool *s, const struct spool_config *c, struct io *io, struct stats_page *stats);
void spool_done(struct spool *s);
/* Before the seal: what the spool and this I/O do after it. 0 or negative errno. */
int spool_allow(struct stage *stage, const struct io *io);
/* After the seal, before anything else: finds what is there. 0 or negative errno, logged. */
int spool_recover(struct spool *s, uint64_t now_ns);

/* May an alert be appended now? */
bool spool_has_room(const struct spool *s);
/* Copies the alert to the batch. */
void spool_append(struct spool *s, const struct alert *a);
/* An alert that is accepted and lost at once (@loss counted by the caller): on_commit() covers it. */
void spool_append_nothing(struct spool *s);
/* What the sink refused for good. Lost silently if its buffer is full: it is counted already. */
void spool_bury(struct spool *s, const struct alert *a, uint64_t n);
/* Everything that is due. */
void spool_turn(struct spool *s, uint64_t now_ns);
/* ms until it is due again, -1: only when I/O finishes. */
int spool_timeout_ms(const struct spool *s, uint64_t now_ns);

/* The next record to deliver, borrowed until the next call. False: none at present. */
bool spool_next(struct spool *s, const struct alert **ret_alert, struct spool_ref *ret_ref);
/* Records of each stream in the order in which spool_next() gave them. */
void spool_settle(struct spool *s, const struct spool_ref *ref);
static inline bool spool_is_idle(const struct spool *s)
{
	return !s->is_committing && s->n_fill == 0;
}
bool spool_is_empty(const struct spool *s); /* nothing is left to deliver */
/* Commit what there is, write the mark, finish all I/O; at most until @deadline_ns. */
void spool_stop(struct spool *s, uint64_t deadline_ns);

/* Between the parts of the spool. */
void spool_note(struct spool *s, int r, const char *what); /* a failure, 0: it works */
void spool_write_turn(struct spool *s);
void spool_read_turn(struct spool *s);
void spool_mark_turn(struct spool *s);
void spool_mark_dirty(struct spool *s, bool is_urgent);
void spool_publish_state(struct spool *s); /* to the statistics page */
void spool_reader_init(struct spool_stream *t);
struct spool_segment *spool_find(struct spool_stream *t, uint64_t serial); /* NULL */
void spool_remove(struct spool_stream *t, struct spool_segment *g);
/* NULL: none free. */
struct spool_aside *spool_aside(struct spool *s, enum io_op op);
void spool_close_file(struct spool *s, int file);
void spool_settle_upto(struct spool *s, unsigned stream, uint64_t place);
