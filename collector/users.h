/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Users and groups of containers, by copies of their own files. Containers wait in a queue; few are asked for at a time; each answer is two files, one after the other
 * parsed into useradded and groupadded records with the container's id. A container that no helper was free for is asked for again, with back-off; one whose process
 * has ended, by the newest other one that was told meanwhile; one that hung its helper, not for a while. */

#include <stdbool.h>
#include <stdint.h>

#include <base/clock.h>
#include <shm/gate.h>

#include "userlist.h"

#define MD_USERS_QUEUE 256
#define MD_USERS_OPEN 4       /* as many as the supervisor has helpers for at a time */
#define MD_USERS_FILE_MAX 512 /* entries of one file that are told; the rest is not */
#define MD_USERS_ID_MAX 255
#define MD_USERS_LATE 64 /* that wait for another try, or hung their helper */
#define MD_USERS_TRIES 8 /* more of them, doubling from MD_USERS_LATE_NS: 13 s */
#define MD_USERS_LATE_NS (50 * NS_PER_MS)
#define MD_USERS_HUNG_NS (30 * NS_PER_S)

struct md_users_ask {
	uint32_t pid;   /* 0: free */
	uint32_t other; /* the newest process told while this one waits; 0: none */
	uint32_t serial;
	int why;           /* it could not be had: the supervisor's word; 0: it could */
	uint64_t asked_ns; /* late: when it is tried again, or forgotten */
	uint8_t n;
	uint8_t n_tries;        /* that found no helper free */
	bool is_hung;           /* late: it may not hang another one so soon */
	bool got[_MD_FILE_MAX]; /* answered, with a file or without */
	int fds[_MD_FILE_MAX];  /* copies to be read; -1: none */
	char id[MD_USERS_ID_MAX + 1];
};

struct md_users {
	struct md_users_ask queue[MD_USERS_QUEUE]; /* a ring; fds unused */
	unsigned first, n;
	struct md_users_ask open[MD_USERS_OPEN], late[MD_USERS_LATE];
	uint32_t serial;
	uint64_t n_dropped; /* found no place here, or, tried again and again, no helper */
	/* the file being told */
	char *buf; /* MD_FILE_BYTES_MAX */
	struct span rest;
	struct md_entry entry;   /* not taken yet */
	struct md_users_ask *of; /* NULL: none */
	enum md_file file;
	unsigned n_told;
	bool has_entry;
};

int md_users_init(struct md_users *u); /* 0 or -ENOMEM */
/* That process runs in that container. One more than find place is dropped and counted. One that waits already is not asked for twice. */
void md_users_want(struct md_users *u, struct span id, uint32_t pid);
/* The next one to ask the supervisor for: its index, process and id (NUL-ended); false: none, or enough are. */
bool md_users_next(struct md_users *u, uint64_t now_ns, uint32_t *ret_index, uint32_t *ret_pid,
	const char **ret_id);
/* The supervisor's answer: takes over fd (-1: there is no such file, or result says why it cannot be had). */
void md_users_answer(
	struct md_users *u, uint32_t index, uint64_t file, int result, int fd, uint64_t now_ns);
/* Until one is to be tried again; -1: none is. */
int md_users_timeout_ms(const struct md_users *u, uint64_t now_ns);
/* The next record into buf (KEV_SIZE_MAX bytes, 8-aligned): its length, 0 none. The same until md_users_taken(). */
int md_users_record(struct md_users *u, void *buf);
void md_users_taken(struct md_users *u);
