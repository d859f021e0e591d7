/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Writing capture files: the newest version of each block, plain or gzip. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/span.h>
#include <driver/kev.h>

struct scap_writer;

/* All memory is taken here. 0 or -ENOMEM. */
int scap_writer_open(struct scap_writer **ret_writer);
/* Accepts NULL; returns NULL. Ends no file. */
struct scap_writer *scap_writer_free(struct scap_writer *w);

/* Begin a file. The descriptor is borrowed. @gzip: compress. */
void scap_write_begin(struct scap_writer *w, int fd, bool gzip);
/* Writes what is left. 0 or the first error since scap_write_begin() (negative errno); the file may be
 * closed then. */
int scap_write_end(struct scap_writer *w);
/* Hand everything to the kernel now, so that a reader sees whole events. 0 or as above. */
int scap_write_flush(struct scap_writer *w);
/* Bytes of the file so far, compressed ones where they are; what is buffered is not in it. */
uint64_t scap_write_bytes(const struct scap_writer *w);
/* The first error since the begin, 0 none. Nothing is written after one. */
int scap_write_error(const struct scap_writer *w);

/* --- the head, in this order --- */

struct scap_machine {
	uint32_t n_cpus;
	uint64_t memory_bytes;
	const char *host;
	uint64_t boot_ns; /* epoch */
};
void scap_write_head(struct scap_writer *w, const struct scap_machine *m);

/* Lists: begin, entries, end. A list that is long becomes several blocks. */
enum scap_list_kind { SCAP_LIST_IFACES, SCAP_LIST_USERS, SCAP_LIST_TASKS, SCAP_LIST_FDS };
/* @tid: whose descriptors; else 0. */
void scap_write_list(struct scap_writer *w, enum scap_list_kind kind, int64_t tid);
void scap_write_list_end(struct scap_writer *w);

/* @addr: n (4 or 16) bytes. */
void scap_write_iface(struct scap_writer *w, struct span name, const uint8_t *addr, size_t n,
	unsigned prefix_len);
void scap_write_user(struct scap_writer *w, uint32_t uid, uint32_t gid, struct span name,
	struct span home, struct span shell);
void scap_write_group(struct scap_writer *w, uint32_t gid, struct span name);

/* Texts may be empty. args, env, cgroups: strings in a row, each with its NUL. */
struct scap_task {
	int64_t tid, pid, ptid, sid, vpgid, pgid, vtid, vpid, fdlimit;
	struct span comm, exe, exepath, args, cwd, env, cgroups, root;
	uint32_t flags; /* clone flags of the event vocabulary */
	uint32_t uid, gid, vm_size_kb, vm_rss_kb, vm_swap_kb, tty, loginuid;
	uint32_t exe_flags; /* 1 writable, 2 upper layer, 4 memfd, 8 lower layer */
	uint64_t pf_major, pf_minor, pidns_start_ns;
	uint64_t cap_inheritable, cap_permitted, cap_effective;
	uint64_t exe_ino, exe_ctime_ns, exe_mtime_ns;
};
void scap_write_task(struct scap_writer *w, const struct scap_task *t);

struct scap_fd {
	int64_t num;
	uint64_t ino;
	uint8_t type; /* enum scap_fd_type, scap_format.h */
	uint8_t l4;
	uint8_t sip[16], dip[16];
	uint16_t sport, dport;
	uint64_t source, peer; /* unix */
	uint32_t open_flags, dev;
	struct span name;
};
void scap_write_fd(struct scap_writer *w, const struct scap_fd *f);

/* --- events --- */

/* @k: of the format's vocabulary (code below 512). @state_only: for the state, not for rules. */
void scap_write_event(
	struct scap_writer *w, const struct kev *k, uint64_t epoch_ns, bool state_only);
