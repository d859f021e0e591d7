/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Control messages between the supervisor and its children, over a SOCK_SEQPACKET pair (descriptor
 * 3 in the child): fixed size, at most one descriptor each. */

#include <stdint.h>

#define CTL_MAGIC 0x6c746373u
#define CTL_FD_SOCKET 3 /* in the child */
#define CTL_FD_LOG 4
#define CTL_TEXT_MAX 1024
#define CTL_FILE_CONTAINERS 2 /* index of FD_FILE at saker-metadata */
#define CTL_INDEX_RECORD 255  /* the record ring, beside the rings of evaluators */
#define CTL_INDEX_NAMES 254   /* the names ring as the collector has it, beside the meta ring */
#define CTL_INDEX_LOOKUP 252  /* the request ring, tracker to metadata */
#define CTL_INDEX_GATE 253    /* metadata: the rings to and from the gate */

enum ctl_type {
	/* supervisor -> child */
	CTL_HELLO = 1, /* value[0] = seg_abi_hash(), value[1] uid,
			  value[2] required seal, value[3] struct stage.value, index = stage index, text = stage name
			  ("evaluator-0"); always first */
	CTL_FD,        /* a descriptor: role, index, text = its name */
	CTL_START,     /* everything has been handed over: pre_seal, seal, work */
	CTL_STOP, /* drain and finish: to the collector, the others end by END records. To emitters:
			  there is a deadline now */
	CTL_IMAGE,    /* a new policy image to verify (descriptor) */
	CTL_SINK,     /* a fresh sink descriptor (after CTL_NEED_SINK, reopen signal) */
	CTL_SNAPSHOT, /* a segment to fill (descriptor): tracker: with the state at the commit of
			  evaluator `index`; collector: with the state of the system, from the
			  iterators that came before it as CTL_FD */
	CTL_LOSS,     /* collector: events were lost on the way to it, or at the tracker's door:
			  index = enum loss_id, value[0] how many, value[1] their class (struct
			  rec_loss) */
	CTL_REREAD,   /* collector: read the state of the system again, into the raw ring, from the
			  iterators that came before it as CTL_FD */
	CTL_AGAIN,    /* metadata, dialer: tell everything again, a new tracker knows nothing */
	CTL_TEST,     /* emitter: deliver one test alert */
	CTL_REOPEN,   /* emitter: ask for what you write to anew */
	CTL_ENDED,    /* emitter: the program that you write to has ended, value[0] = wait status */
	CTL_OPENED,   /* answer to CTL_OPEN: result 0 and a descriptor, or negative errno */
	/* child -> supervisor */
	CTL_SEALED = 64, /* value[0] = seal steps done (SEAL_*), value[1] = Landlock ABI in force */
	CTL_READY,       /* works */
	CTL_DONE,        /* drained; about to exit with 0 */
	CTL_FAULT, /* a peer broke the protocol on a ring: role, index; text = why; the child exits
		      with 3 */
	CTL_IMAGE_ACK, /* result 0 verified, negative refused; text = why */
	CTL_NEED_SINK, /* emitter: open my sink (again); value[0] 1: a file that is to be rotated */
	CTL_OPEN,      /* saker-policy, config run: open text (a regular file, or a directory for
			  listing); value[0]: 0 file, 1 directory */
	CTL_GIVE,      /* loader, policy: a descriptor for the supervisor: role, index, text */
	CTL_SNAPSHOT_DONE, /* answer to CTL_SNAPSHOT: index as there; result 0 and it may be sealed,
			      or negative errno */
	CTL_CAPTURE_FULL, /* recorder: a capture file has reached its limit of index MB; passed on to
			     evaluator 0, which raises the alert that says so */
	CTL_RESULT, /* policy, loader: finished; result 0 or negative; value[] as the role says;
			  text = one line why */
};

/* What a descriptor is for. in/out as the child sees it. */
enum ctl_role {
	FD_NONE,
	FD_SETTINGS,           /* SEG_SETTINGS, read-only */
	FD_IMAGE,              /* SEG_IMAGE */
	FD_STATS,              /* SEG_STATS, read-write, its own */
	FD_PROGRESS_OWN,       /* SEG_PROGRESS, read-write */
	FD_PROGRESS_TRACKER,   /* read-only */
	FD_PROGRESS_EVALUATOR, /* read-only; index = evaluator */
	FD_RING_IN_DATA, /* read-only; index: emitter: evaluator number; else 0. Collector: 0 = meta
			    ring */
	FD_RING_IN_CURSOR, /* read-write */
	FD_RING_OUT_DATA, /* read-write; index: tracker: evaluator number; evaluator: output number;
			     else 0 */
	FD_RING_OUT_CURSOR, /* read-only */
	FD_WAKE_OWN,        /* eventfd that producers of its in rings write */
	FD_WAKE_PEER,       /* eventfd of the consumer of out ring `index` */
	FD_BPF_RING,        /* index = CPU; loader -> supervisor -> collector */
	FD_BPF_WAKE,        /* collector alone */
	FD_BPF_INTEREST,
	FD_BPF_COUNTERS, /* supervisor alone */
	FD_BPF_LINK,     /* supervisor keeps; index counts; text = program */
	FD_BPF_PROG,     /* supervisor keeps, for recursion_misses; index counts */
	FD_ITER_LINK,    /* supervisor keeps; index 0 task, 1 task_file */
	FD_ITER,         /* collector: one-shot iterator descriptors; index as above */
	FD_ARGS,   /* collector: kernels without bpf_copy_from_user_task: memfd of arguments by pid
		      (loader) */
	FD_SINK,   /* emitter: what it writes to */
	FD_OUTPUT, /* emitter: SEG_OUTPUT, its block of configuration; policy -> supervisor: index =
		      output */
	FD_FILE, /* metadata, dialer: files of the host, text = name, index by sup_host_file(); metadata,
		    index CTL_FILE_CONTAINERS: the file of containers' facts, text = its name for
		    messages; policy rules run: index = position, text = name for messages */
	FD_RULES_OPTIONS, /* policy config run -> supervisor -> policy rules run: sealed block */
	FD_PLAN,          /* policy -> supervisor: struct plan_config in a SEG_SETTINGS segment */
	FD_NETLINK,       /* metadata: a route socket for interfaces */
	FD_DIAL, /* dialer: its end of output `index`'s line; emitter: its own end (index 0) */
	FD_DIAL_RULES, /* policy -> supervisor -> dialer: struct dial_rules in a SEG_OUTPUT segment */
	FD_SNAPSHOT,   /* SEG_SNAPSHOT: evaluator, tracker, when its predecessor died */
	FD_CAPTURE,    /* collector: the capture file to replay, read-only */
	FD_SPOOL,      /* emitter: its spool folder */
	FD_RUNTIME, /* gate: a connection to container runtime `index`, each time it asks for one */
	FD_USERS, /* metadata asks: value[0] a process of the container, text its id; and gets twice, with its index, value[0] which file and, where there is one, a copy of it */
	_FD_ROLE_MAX,
};

struct ctl_msg {
	uint32_t magic;
	uint16_t type; /* enum ctl_type */
	uint16_t role; /* enum ctl_role */
	uint32_t index;
	int32_t result;
	uint64_t value[4];
	char text[CTL_TEXT_MAX]; /* NUL-ended */
};
_Static_assert(sizeof(struct ctl_msg) == 48 + CTL_TEXT_MAX, "layout");

/* Send one message with an optional descriptor (-1: none; borrowed). 0 or negative errno. */
int ctl_send(int sock, const struct ctl_msg *msg, int fd);
/* Receive one. 1 message (ret_fd -1 or owned by the caller), 0 end of file, -EAGAIN, -EBADMSG
 * malformed (descriptor closed), other negative errno. */
int ctl_recv(int sock, struct ctl_msg *ret_msg, int *ret_fd);
