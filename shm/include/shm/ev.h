/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* An event as an evaluator gets it: the kernel's parameters, and everything that they name, resolved by the tracker. */

#include <stddef.h>
#include <stdint.h>

#include <abi/events.h>
#include <base/span.h>
#include <shm/prec.h>
#include <shm/rec.h>

/* ev.flags */
#define EV_COMPAT 0x01
#define EV_IO_URING 0x02
#define EV_TRUNC 0x04
#define EV_HAS_RES 0x08 /* rawres is valid */
#define EV_DOUBTFUL 0x10
#define EV_SYNTHESIZED 0x20 /* e.g. the canary */

#define EV_NO_PARAM 0xffff

/* Attachments: what the parameters name. At most one of a (kind, index). Kinds about the whole event or process (FDTYPES, FDCOUNT, DELTA, RELTIME, VM) have index 0. */
enum ev_att_kind {
	EV_ATT_FD =
		1, /* struct ev_fd. index EV_NO_PARAM: the fd the event is about (fd.*); else the parameter of that index, when it is another descriptor */
	EV_ATT_PATH, /* text: absolute normalised path of parameter `index` (relative ones; by cwd or dirfd; `<UNKNOWN>` prefix if the dirfd is unknown) */
	EV_ATT_PID,  /* text: comm of the thread that parameter `index` names */
	EV_ATT_STDIO, /* struct ev_fd of descriptor `index` 0, 1, 2 of the process; only if the policy uses proc.stdin.* … */
	EV_ATT_FDTYPES, /* u32 bit set by enum ev_fd_type; only if used */
	EV_ATT_FDCOUNT, /* u64 open descriptors of the process; only if used */
	EV_ATT_REALPATH, /* text: the kernel's path where it differs from fd.name: judged under both names */
	EV_ATT_DELTA,   /* u64 ns since the previous event; only if used */
	EV_ATT_RELTIME, /* u64 ns since the first event of the run; only if used */
	EV_ATT_VM,      /* struct ev_vm of the thread; only if used */
	EV_ATT_FDLIST, /* struct ev_fdlist: the descriptors of the list that parameter `index` is, in its order; only if used */
	_EV_ATT_MAX,
};

enum ev_fd_type {
	EV_FD_UNKNOWN,
	EV_FD_FILE,
	EV_FD_DIRECTORY,
	EV_FD_IPV4,
	EV_FD_IPV6,
	EV_FD_IPV4_SERVER,
	EV_FD_IPV6_SERVER,
	EV_FD_UNIX,
	EV_FD_PIPE,
	EV_FD_EVENTFD,
	EV_FD_SIGNALFD,
	EV_FD_EVENTPOLL,
	EV_FD_INOTIFY,
	EV_FD_TIMERFD,
	EV_FD_NETLINK,
	EV_FD_BPF,
	EV_FD_USERFAULTFD,
	EV_FD_IO_URING,
	EV_FD_MEMFD,
	EV_FD_PIDFD,
	EV_FD_UNSUPPORTED,
	_EV_FD_TYPE_MAX,
};
enum ev_l4 { EV_L4_UNKNOWN, EV_L4_TCP, EV_L4_UDP, EV_L4_ICMP, EV_L4_RAW, _EV_L4_MAX };
enum ev_role { EV_ROLE_NONE, EV_ROLE_CLIENT, EV_ROLE_SERVER };

/* ev_fd.flags */
#define EV_FD_KNOWN                                                                                \
	0x01 /* the table has it; else only num, and name where the event itself tells it */
#define EV_FD_CONNECTED 0x02
#define EV_FD_NAME_CHANGED 0x04
#define EV_FD_UPPER_LAYER 0x08
#define EV_FD_LOWER_LAYER 0x10
#define EV_FD_CLIENT_LOCAL 0x20 /* the client address is this machine's (or this container's) */
#define EV_FD_SERVER_LOCAL 0x40
#define EV_FD_DOUBTFUL 0x80

struct ev_fd {
	int64_t num;
	uint64_t ino; /* 0 unknown */
	uint32_t dev;
	uint32_t open_flags;    /* event vocabulary's O_* */
	uint8_t type;           /* enum ev_fd_type */
	uint8_t l4;             /* enum ev_l4 */
	uint8_t role;           /* enum ev_role */
	uint8_t flags;          /* EV_FD_* */
	uint16_t sport;         /* client's, host order */
	uint16_t dport;         /* server's; for a bound socket the local one */
	uint8_t sip[16];        /* client; IPv4 in the first 4 bytes, network order */
	uint8_t dip[16];        /* server */
	struct rec_str name;    /* fd.name; offsets from the start of the event record */
	struct rec_str nameraw; /* as passed */
};
_Static_assert(sizeof(struct ev_fd) == 80, "layout of ev_fd");

/* Memory of a thread as its last event that told it said: that changes too often for its record. */
struct ev_vm {
	uint64_t size_kb, rss_kb, swap_kb;
	uint64_t pf_major, pf_minor;
};
_Static_assert(sizeof(struct ev_vm) == 40, "layout of ev_vm");

#define EV_FDLIST_MAX 64 /* descriptors of a list that are told; those behind are numbers alone */
struct ev_fdlist {
	uint64_t n;
	struct ev_fd fd[]; /* n; texts behind */
};

struct ev_att {
	uint16_t kind; /* enum ev_att_kind */
	uint16_t index;
	uint32_t
		n; /* bytes of data after this header; the next attachment follows at the next multiple of 8 */
};

struct ev {
	struct rec_head h; /* REC_EVENT */
	uint32_t
		slot; /* thread that did it; PREC_NO_SLOT: nothing is known (proc.* have no value) */
	uint16_t type; /* event code */
	uint16_t cpu;
	uint32_t flags; /* EV_* */
	uint16_t n_params;
	uint16_t n_atts;
	int64_t rawres; /* EV_HAS_RES */
	int64_t tid;
	uint32_t
		params_off; /* of u16 length[n_params], then the bytes back to back, as in abi/kevent.h */
	uint32_t atts_off; /* of the first ev_att, 8-aligned */
};
_Static_assert(sizeof(struct ev) == 72, "layout of ev");

/* A checked view into the caller's private copy. */
struct ev_view {
	const struct ev *ev;
	const struct kev_info *info;
	struct span param
		[KEV_PARAMS_MAX]; /* raw bytes; n == 0: absent. Those of the event and of its type, ev->n_params or
					      info->n_params, whichever is more; what is behind is not set */
	const struct ev_fd *fd;       /* the event's fd, or NULL */
	const struct ev_att *att[16]; /* all attachments in order */
	unsigned n_atts;
};
#define EV_ATTS_MAX 16

/* The door: check a REC_EVENT record of ring.len bytes and build the view. 0 or -EBADMSG, and then
 * *ret_view names no record (ev is NULL); it is too large to be built elsewhere and copied. */
int ev_validate(const struct rec_head *rec, uint32_t max_slots, struct ev_view *ret_view);
/* The attachment, or NULL; text ones by ev_att_text(). */
const struct ev_att *ev_att_find(const struct ev_view *v, enum ev_att_kind kind, uint16_t index);
static inline const void *ev_att_data(const struct ev_att *a)
{
	return a + 1;
}
struct span ev_att_text(const struct ev_att *a); /* without the trailing NUL */

/* Building: the tracker. w.buf begins with a zeroed struct ev. First the parameters, then the attachments. */
void ev_begin(struct rec_writer *w, void *buf, size_t cap);
void ev_add_params(struct rec_writer *w, const struct span *params, unsigned n);
void ev_add_att(
	struct rec_writer *w, enum ev_att_kind kind, uint16_t index, const void *data, size_t n);
void ev_add_att_text(struct rec_writer *w, enum ev_att_kind kind, uint16_t index, struct span s);
/* Room for a descriptor with name and nameraw filled in; all else is the caller's to write. NULL: no
 * room. */
struct ev_fd *ev_put_att_fd(struct rec_writer *w, enum ev_att_kind kind, uint16_t index,
	struct span name, struct span nameraw);
/* The same with the rest copied from *fd. */
void ev_add_att_fd(struct rec_writer *w, enum ev_att_kind kind, uint16_t index,
	const struct ev_fd *fd, struct span name, struct span nameraw);
/* fds[i].name is filled in from names[i]; n <= EV_FDLIST_MAX. */
void ev_add_att_fdlist(struct rec_writer *w, uint16_t index, const struct ev_fd *fds,
	const struct span *names, unsigned n);
