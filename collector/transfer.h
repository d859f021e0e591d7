/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Requests to container runtimes, many at a time, by libcurl over sockets that were handed over. What is sent is written here alone: a path made of a template and an id that was
 * checked. What comes back is handed on as it comes. */

#include <stdbool.h>
#include <stdint.h>

#include <base/span.h>
#include <shm/gate.h>

struct transfers;

struct transfer_env {
	/* A part of a body, 1 .. GATE_PART_MAX bytes. false: no room, it will be offered again. */
	bool (*body)(void *ctx, unsigned runtime, unsigned what, uint64_t cookie, struct span part);
	/* Nothing more comes; @status: enum gate_status, or of HTTP. Events that ended: the runtime is gone, or does not speak. */
	void (*done)(void *ctx, unsigned runtime, unsigned what, uint64_t cookie, unsigned status);
	/* The runtime answers: its reports are being sent, or its version. */
	void (*up)(void *ctx, unsigned runtime);
	/* One more connection is wanted: transfers_socket() must follow. */
	void (*want_socket)(void *ctx, unsigned runtime);
	void (*watch)(void *ctx, int fd, uint32_t events); /* 0: no more */
	void *ctx;
};

/* Before the seal: what the library loads, it loads now. */
int transfers_init(void);
/* @kinds: enum gate_kind of each runtime. NULL: no memory. */
struct transfers *transfers_new(const uint32_t *kinds, unsigned n, const struct transfer_env *env);
struct transfers *transfers_free(struct transfers *t);
/* Begins. @id: fits (gate_id_fits()). -EINVAL: that kind of runtime is not asked for this; -EBUSY: too many at a time. */
int transfers_start(struct transfers *t, unsigned runtime, enum gate_what what, uint64_t cookie,
	struct span id);
/* The answer to want_socket(): a connected socket, or -1: there is none. Takes it. */
void transfers_socket(struct transfers *t, unsigned runtime, int fd);
/* Ends all of a runtime without a word, and its connections. */
void transfers_drop(struct transfers *t, unsigned runtime);
bool transfers_has_room(const struct transfers *t);
/* A watched descriptor is ready. */
void transfers_ready(struct transfers *t, int fd, uint32_t events);
/* Once a turn. Returns how much was done. */
int transfers_turn(struct transfers *t, uint64_t now_ns);
/* Until when a turn may wait; -1: for ever. */
int transfers_timeout_ms(const struct transfers *t, uint64_t now_ns);

/* The path that is asked for, into @buf; true if it fits. For tests too. */
bool transfer_path(unsigned kind, enum gate_what what, struct span id, char *buf, size_t cap);
/* The message that a call sends, into @buf (TRANSFER_MESSAGE_MAX bytes): its length. @id: fits. */
#define TRANSFER_MESSAGE_MAX 512
size_t transfer_message(unsigned kind, enum gate_what what, struct span id, char *buf);
