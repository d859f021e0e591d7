/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Loading the kernel programs: used by saker-loader and by tests. Needs CAP_BPF and CAP_PERFMON (or
 * root). */

#include <stddef.h>

#include <abi/kshared.h>

#define DRV_PROGS_MAX 16

struct drv_load_config {
	unsigned n_cpus;   /* possible CPUs; 0: ask the kernel */
	size_t ring_bytes; /* of one CPU's ring buffer; power of two, multiple of the page size */
};

/* Everything stays attached while somebody holds the descriptors. All are owned by the object until
 * they are passed on. */
struct drv_loaded {
	unsigned n_cpus;
	size_t ring_bytes;
	int ring_fds[KSHM_CPUS_MAX];
	int wake_fd, interest_fd, counters_fd;
	unsigned n_progs; /* attached tracing programs */
	int link_fds[DRV_PROGS_MAX];
	int prog_fds[DRV_PROGS_MAX];
	const char *prog_names[DRV_PROGS_MAX];
	int iter_link_fds[2];     /* 0 task, 1 task_file */
	int has_args;             /* the task iterator reads arguments (kernel 5.18 and later) */
	void *skel, *skel_second; /* the two halves of the object, bpf_halves.c */
};

/* Probe, load, attach; capture is disabled (kshm_interest.enabled == 0). Returns 0, or negative
 * errno and one clear line in reterr_text. */
int drv_load(const struct drv_load_config *c, struct drv_loaded **ret_loaded, char *reterr_text,
	size_t text_size);
/* Closes everything; programs end unless others hold their descriptors. Accepts NULL; returns NULL.
 */
struct drv_loaded *drv_load_free(struct drv_loaded *l);
