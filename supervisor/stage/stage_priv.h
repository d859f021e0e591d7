/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the skeleton's own files share: the handshake, and applying the seal. */

#include <stdbool.h>
#include <stdint.h>

#include <stage/seal.h>
#include <stage/stage.h>

/* What CTL_HELLO said beside the name. */
struct stage_hello {
	uint32_t uid;      /* 0: keep the own one */
	uint32_t required; /* SEAL_* that must succeed */
};

/* Opens the log, checks that a supervisor is at the other end, receives HELLO, descriptors and
 * START, maps settings and statistics. 0, or negative errno after one line was logged. */
int stage_start(struct stage *s, const char *name, struct stage_hello *ret_hello);
/* Seals and reports CTL_SEALED. 0, or negative errno after one line was logged. */
int stage_seal(struct stage *s, const struct seal_spec *spec, uint64_t keep_caps,
	const struct stage_hello *hello);
int stage_fd_add(struct stage *s, const struct ctl_msg *msg, int fd); /* takes fd, on failure too */

struct seal_request {
	const struct seal_spec *spec;
	uint32_t uid;        /* 0: keep */
	uint32_t required;   /* SEAL_* */
	uint64_t keep_caps;  /* != 0: the loader: no namespaces, empty root or Landlock, for libbpf
				reads the kernel's type information by name */
	bool makes_segments; /* short-lived programs: make memfds, so no limit on file sizes */
};
struct seal_result {
	uint32_t done;     /* SEAL_* */
	uint32_t landlock; /* ABI in force, 0 none */
};
/* Every step in order. A required one that fails: negative errno and its name; one that is not
 * required is left out of ret->done. */
int seal_apply(const struct seal_request *q, struct seal_result *ret, const char **reterr_step);

/* One step each: 0 or negative errno. */
int seal_namespaces(bool keep_net);
int seal_empty_root(void);
int seal_drop_bounding(uint64_t keep_caps);
bool seal_is_bounding_empty(uint64_t keep_caps);
int seal_set_uid(uint32_t uid, uint64_t keep_caps);
int seal_drop_caps(uint64_t keep_caps);
int seal_rlimits(const struct seal_request *q);
/* -ENOSYS: the kernel has none. @folder: 0 none */
int seal_landlock(bool may_connect, int folder, uint32_t *ret_abi);
int seal_landlock_program(uint32_t *ret_abi); /* no device is made, nobody outside is signalled */
int seal_seccomp(const struct seal_request *q);

#ifdef SAKER_TEST_HOOKS
/* stage_hooks.c */
void stage_hooks_prepare(struct stage *s);
void stage_hooks_turn(struct stage *s);
#endif
