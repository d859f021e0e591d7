/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Between an emitter that may not connect and the dialer, which may and has no alerts: requests and
 * answers of fixed size over a SOCK_SEQPACKET pair, one pair an output, made by the supervisor so
 * that it outlives both ends; and the rules that say where each output may be connected to, made by
 * the config run. */

#include <stddef.h>
#include <stdint.h>

#define DIAL_MAGIC 0x6c616964u
#define DIAL_HOST_MAX 256 /* with its NUL */
#define DIAL_TARGETS_MAX 16
#define DIAL_PATTERNS_MAX 16
#define DIAL_PORTS_MAX 16
#define DIAL_OUTPUTS_MAX 64
#define DIAL_TEXT_MAX 96
#define DIAL_TIMEOUT_MAX_MS 60000

enum dial_proto { DIAL_TCP = 1, DIAL_UDP = 2 };

struct dial_request {
	uint32_t magic;
	uint32_t id; /* chosen by the emitter, repeated in the answer; not 0 */
	uint32_t proto;
	uint16_t port;
	uint16_t pad;
	uint32_t timeout_ms;      /* 1 .. DIAL_TIMEOUT_MAX_MS, names and all addresses together */
	char host[DIAL_HOST_MAX]; /* name or address, NUL-ended; IPv6 without brackets */
};
_Static_assert(sizeof(struct dial_request) == 20 + DIAL_HOST_MAX, "layout");

/* With a connected, non-blocking socket if result is 0. Id 0, result -ECONNRESET: a new dialer
 * works here, which knows nothing of what was asked before. */
struct dial_answer {
	uint32_t magic;
	uint32_t id;
	int32_t result; /* negative errno; -EACCES: not permitted */
	uint32_t pad;
	char text[DIAL_TEXT_MAX]; /* the address connected to, or why not; NUL-ended */
};
_Static_assert(sizeof(struct dial_answer) == 16 + DIAL_TEXT_MAX, "layout");

/* What one output may be connected to. */
struct dial_output {
	char name[40];
	uint32_t n_targets; /* 0: it needs no network */
	uint32_t n_hosts, n_ports;
	uint32_t advertises; /* 1: its peers name further peers (Kafka): hosts and ports below */
	struct dial_target {
		char host[DIAL_HOST_MAX];
		uint32_t proto;
		uint16_t port; /* 1..65535 */
		uint16_t pad;
	} targets[DIAL_TARGETS_MAX]; /* exactly these */
	/* Advertised peers: these names (wildcards, any case) beside the targets' own; none given:
	 * what resolves into the /24 (IPv6: /64) of a target's address. */
	char hosts[DIAL_PATTERNS_MAX][DIAL_HOST_MAX];
	uint16_t ports[DIAL_PORTS_MAX]; /* none given: any above 1023 */
};

/* In a SEG_OUTPUT segment, sealed. */
struct dial_rules {
	uint32_t n_outputs; /* by output number */
	uint32_t pad;
	struct dial_output outputs[DIAL_OUTPUTS_MAX];
};

/* Every count, range and text's end. 0 or -EBADMSG. */
int dial_rules_check(const struct dial_rules *r, size_t size);

enum dial_verdict {
	DIAL_NO,
	DIAL_YES,
	DIAL_IF_NEAR, /* if it resolves next to a target */
};
/* @q: checked. */
enum dial_verdict dial_judge(const struct dial_output *o, const struct dial_request *q);

/* One packet. 0 or negative errno; nothing waits. */
int dial_send_request(int sock, const struct dial_request *q);
int dial_send_answer(int sock, const struct dial_answer *a, int fd); /* fd: borrowed, -1 none */
/* 1 and a checked packet; 0 the other end is closed; -EAGAIN; -EBADMSG malformed (and taken out; a
 * descriptor with it was closed). *ret_fd is owned by the caller, -1 unless the result is 0. */
int dial_recv_request(int sock, struct dial_request *ret_q);
int dial_recv_answer(int sock, struct dial_answer *ret_a, int *ret_fd);
