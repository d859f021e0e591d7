/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Between saker-metadata, which knows what it wants to know of which container, and saker-gate, which has the runtimes' sockets: asks and answers, in two rings; and the lookups that
 * saker-tracker asks saker-metadata for. An ask is a kind and an id, never a text of a request. An answer comes in parts, as the runtime sent it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/span.h>
#include <shm/rec.h>

#define GATE_RUNTIMES_MAX 16
#define GATE_ID_MAX 256     /* bytes of an id in an ask, with its NUL */
#define GATE_NAME_MAX 76    /* bytes of a namespace or an id of containerd's own */
#define GATE_ASKS_MAX 32    /* that may be open at a time */
#define GATE_PART_MAX 16384 /* bytes of a body in one answer */
#define GATE_BODY_MAX (1u << 20)
#define GATE_LIST_MAX (8u << 20)

/* GATE_CONTAINERD: containerd's own interface, for containers outside Kubernetes; its ids have a namespace before them. */
enum gate_kind { GATE_DOCKER = 1, GATE_PODMAN, GATE_CRI, GATE_CONTAINERD, _GATE_KIND_MAX };

/* What is asked for. The runtime's kind decides what is sent. */
enum gate_what {
	GATE_EVENTS, /* answers only, with cookie 0: the runtime's own reports */
	GATE_LIST,   /* all containers that are not over; of containerd: those of a namespace */
	GATE_INSPECT, /* one of them; id: 12 to 64 hexadecimal digits; of containerd: "namespace/id" */
	GATE_IMAGE, /* an image; id: 64 hexadecimal digits; of containerd: "namespace/name" */
	GATE_POD,   /* a pod, of runtimes of Kubernetes alone; id: 64 hexadecimal digits */
	GATE_BRIEF, /* what is said of a container even while it starts, by docker's and podman's alone; id: as GATE_INSPECT's */
	GATE_VERSION, /* answers only, with cookie 0: what it is; of runtimes whose reports do not show whether they are there */
	GATE_NAMESPACES, /* containerd's */
	GATE_PODS,       /* all that are ready, of runtimes of Kubernetes alone */
	_GATE_WHAT_MAX
};

/* REC_GATE_ASK, saker-metadata -> saker-gate */
struct gate_ask {
	struct rec_head h;
	uint64_t cookie; /* not 0; comes back in the answers */
	uint32_t runtime;
	uint32_t what;
	char id[GATE_ID_MAX]; /* NUL-ended; empty where none is needed */
};
_Static_assert(sizeof(struct gate_ask) == 48 + GATE_ID_MAX, "layout of gate_ask");

#define GATE_F_UP 1 /* GATE_EVENTS: the runtime answers (again): what was known of it may be old */
#define GATE_F_DOWN                                                                                \
	2            /* GATE_EVENTS: it does not any more, and nothing that was asked is answered */
#define GATE_F_END 4 /* the last part */
#define GATE_F_FAILED 8  /* with END: what came is not whole; status says why */
#define GATE_F_MISSED 16 /* GATE_EVENTS: reports were missed, and come again from here on */

enum gate_status {
	GATE_OK = 0,
	GATE_DOWN,    /* the runtime is not there, or went away */
	GATE_TIMEOUT, /* no answer in time */
	GATE_TOO_BIG,
	GATE_BUSY,     /* too many asks */
	GATE_REFUSED,  /* not a runtime, kind or id */
	GATE_PROTOCOL, /* what came is no HTTP */
	_GATE_STATUS_MAX
	/* 100 .. 599: the runtime's own, HTTP */
};

/* REC_GATE_ANSWER, saker-gate -> saker-metadata; n bytes of the body follow */
struct gate_answer {
	struct rec_head h;
	uint64_t cookie;
	uint32_t runtime;
	uint32_t what;
	uint32_t status; /* with END: enum gate_status, or of HTTP */
	uint32_t flags;  /* GATE_F_* */
	uint32_t n;
	uint32_t pad0;
};
_Static_assert(sizeof(struct gate_answer) == 64, "layout of gate_answer");

/* REC_LOOKUP, saker-tracker -> saker-metadata: a container was seen for the first time, or (pid) a program of it runs: its users' names can be found by that
 * process's root. n bytes of its id follow, which cgroup paths told. */
struct lookup {
	struct rec_head h;
	uint32_t n;
	uint32_t pid; /* 0: the container's facts are wanted */
};
_Static_assert(sizeof(struct lookup) == 40, "layout of lookup");

/* The doors: a private copy of ring.len bytes. 0 or -EBADMSG. */
int gate_ask_validate(const struct rec_head *rec);
int gate_answer_validate(const struct rec_head *rec);
int lookup_validate(const struct rec_head *rec);
static inline struct span gate_answer_body(const struct gate_answer *a)
{
	return (struct span){.p = (const char *)(a + 1), .n = a->n};
}
static inline struct span lookup_id(const struct lookup *l)
{
	return (struct span){.p = (const char *)(l + 1), .n = l->n};
}

/* Is this text of that many hexadecimal digits, small letters, and nothing else? */
bool gate_is_hex(struct span s, size_t min, size_t max);
/* Is it an id that a runtime of this kind may be asked for this with? */
bool gate_id_fits(unsigned kind, enum gate_what what, struct span id);
/* Of containerd: begins and ends with a letter or a digit, between them also "._-". */
bool gate_is_name(struct span s);
/* "namespace/rest" -> both; {0,0}: there is no slash. */
struct span gate_namespace(struct span id, struct span *ret_rest);
/* Runtimes that are spoken to by calls over HTTP/2 (gRPC). They do not show by their reports whether they are there: their version is asked for again and again. */
static inline bool gate_is_call(unsigned kind)
{
	return kind == GATE_CRI || kind == GATE_CONTAINERD;
}
/* Of many things at once: may be GATE_LIST_MAX bytes long. */
static inline bool gate_is_list(unsigned what)
{
	return what == GATE_LIST || what == GATE_NAMESPACES || what == GATE_PODS;
}
/* Answers with cookie 0, that nobody asked for. */
static inline bool gate_is_unasked(unsigned what)
{
	return what == GATE_EVENTS || what == GATE_VERSION;
}
const char *gate_kind_str(unsigned kind);     /* "docker"; "?" */
const char *gate_status_str(unsigned status); /* "timeout"; "answer" for a runtime's own */
