/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The control socket (SOCK_SEQPACKET): one fixed-size request, one answer: a head, then JSON text
 * in packets, then the end of file. */

#include <stdint.h>

#define CONTROL_MAGIC 0x6c726b73u
#define CONTROL_STATUS 1
#define CONTROL_OUTPUT_TEST 2 /* one test alert through that output; no text in the answer */
#define CONTROL_PACKET_MAX 32768
#define CONTROL_REPLY_MAX (16U << 20)

struct control_request {
	uint32_t magic;
	uint32_t type;        /* CONTROL_* */
	char name[40];        /* of the output, NUL-ended */
	uint64_t reserved[2]; /* 0 */
};
_Static_assert(sizeof(struct control_request) == 64, "layout");

struct control_reply {
	uint32_t magic;
	int32_t result; /* of the request: 0, 3 degraded, negative errno: -ENOENT no such output,
			   -EAGAIN its emitter does not run now */
	uint64_t size;  /* bytes of text that follow */
	uint64_t reserved[6];
};
_Static_assert(sizeof(struct control_reply) == 64, "layout");
