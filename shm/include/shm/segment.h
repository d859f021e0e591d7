/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Shared memory that describes itself. Every memfd that crosses a process begins with a seg_head; whoever maps one checks it first.
 * Segments are preallocated, mode 0600 and sealed SHRINK|GROW|SEAL at birth (sealed images also WRITE). */

#include <stddef.h>
#include <stdint.h>

#define SEG_MAGIC 0x6765736b61730a1aULL
#define SEG_NAME_LEN 48

enum seg_kind {
	SEG_RING_DATA = 1, /* spsc data: struct spsc_data_page, then records */
	SEG_RING_CURSOR,   /* spsc consumer's page */
	SEG_PROGRESS,      /* shm/progress.h */
	SEG_STATS,         /* shm/stats.h */
	SEG_SETTINGS,      /* shm/settings.h, sealed */
	SEG_IMAGE,         /* policy image (rules/image.h), sealed */
	SEG_SNAPSHOT,      /* state for a restarted stage, sealed after writing */
	SEG_OUTPUT,        /* one output's block of configuration (JSON text), sealed */
};

struct seg_head {
	uint64_t magic;          /* SEG_MAGIC */
	uint32_t kind;           /* enum seg_kind */
	uint32_t head_size;      /* offset of the payload: SEG_PAYLOAD_OFF */
	uint64_t abi_hash;       /* seg_abi_hash() of the maker */
	uint64_t payload_size;   /* bytes after head_size */
	uint8_t run_id[16];      /* of the supervisor that made it */
	char name[SEG_NAME_LEN]; /* "raw", "event.0", "alert.0.stdout", …; NUL-ended */
};
_Static_assert(sizeof(struct seg_head) == 96, "segment header");

#define SEG_PAYLOAD_OFF 4096 /* a page, so that the payload can be mapped twice */

/* Hash of every layout that crosses a process: the .def files, record sizes and offsets. Stages and segments of another build are refused. */
uint64_t seg_abi_hash(void);

/* Make a segment of 1 .. 2^36 payload bytes: memfd, sized, preallocated, header written, sealed against resizing. Two descriptions of it:
 * *ret_rw O_RDWR, *ret_ro O_RDONLY (reopened through /proc/self/fd). Both O_CLOEXEC, owned by the caller. Returns 0 or negative errno. */
int seg_create(const char *name, enum seg_kind kind, size_t payload_size, const uint8_t run_id[16],
	int *ret_rw, int *ret_ro);
/* The same with content, then sealed against writing as well. *ret_ro is O_RDONLY where /proc can be opened; in a sealed stage, which cannot, it is O_RDWR: the seal
 * lets nobody write, but kernels before 6.7 map it only after the receiver has reopened it read-only. */
int seg_create_sealed(const char *name, enum seg_kind kind, const void *payload, size_t n,
	const uint8_t run_id[16], int *ret_ro);

/* Check the seals and the header through the descriptor (fcntl, fstat, pread): kind, ABI hash, sizes against the file's. SETTINGS, IMAGE, SNAPSHOT and OUTPUT must be
 * sealed against writing. 0, -EBADMSG (not such a segment), -ESTALE (other ABI). */
int seg_check(int fd, enum seg_kind kind, struct seg_head *ret_head);
/* The same for a header already read, from a file of file_size bytes (a saved copy has no seals). */
int seg_check_head(const struct seg_head *head, uint64_t file_size, enum seg_kind kind);

/* Map the payload (PROT_READ, or PROT_READ|PROT_WRITE), after seg_check(). */
int seg_map(int fd, enum seg_kind kind, int prot, void **ret_payload, size_t *ret_size);

/* A segment that another process fills: its size is fixed, pages are taken as they are written (a bound, not a reservation), it is not sealed against writing. */
int seg_create_open(const char *name, enum seg_kind kind, size_t payload_size,
	const uint8_t run_id[16], int *ret_rw);
/* Maps one to be filled. */
int seg_map_open(int fd, enum seg_kind kind, void **ret_payload, size_t *ret_size);
/* Seals it against writing. -EBUSY while somebody still has it mapped for writing. @rw: borrowed. */
int seg_finish(int rw, int *ret_ro);
void seg_unmap(void *payload, size_t size);
