/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock: no file by name, no TCP port, no abstract socket or signal outside, as far as this
 * kernel's Landlock knows them. Descriptors that are open stay usable. */
#include <sys/syscall.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/macros.h>

#include "stage_priv.h"

/* Not in older C libraries; the same on every architecture. */
#define NR_LANDLOCK_CREATE_RULESET 444
#define NR_LANDLOCK_ADD_RULE 445
#define NR_LANDLOCK_RESTRICT_SELF 446
#define LANDLOCK_CREATE_VERSION 1
#define LANDLOCK_NET_CONNECT_TCP 2ULL
#define LANDLOCK_PATH_BENEATH 1

/* What an emitter may do in its spool folder. */
#define ACCESS_WRITE_FILE (1ULL << 1)
#define ACCESS_READ_FILE (1ULL << 2)
#define ACCESS_READ_DIR (1ULL << 3)
#define ACCESS_REMOVE_FILE (1ULL << 5)
#define ACCESS_MAKE_CHAR (1ULL << 6)
#define ACCESS_MAKE_REG (1ULL << 8)
#define ACCESS_MAKE_BLOCK (1ULL << 11)
#define ACCESS_REFER (1ULL << 13)
#define LANDLOCK_SCOPE_OF_SIGNALS 2ULL
#define ACCESS_FOLDER                                                                              \
	(ACCESS_WRITE_FILE | ACCESS_READ_FILE | ACCESS_READ_DIR | ACCESS_REMOVE_FILE |             \
		ACCESS_MAKE_REG)

/* <linux/landlock.h> of a newer kernel than the build host may have: layout and bits are its ABI.
 */
struct landlock_attr {
	uint64_t handled_fs, handled_net, scoped;
};

struct landlock_path {
	uint64_t access;
	int32_t fd;
} __attribute__((packed));

/* What each ABI version made known. */
static const struct {
	size_t size;
	uint64_t fs, net, scoped;
} landlock_abis[] = {
	{0, 0, 0, 0},                 /* 0: the kernel has none */
	{8, (1ULL << 13) - 1, 0, 0},  /* 1: files (Linux 5.13) */
	{8, (1ULL << 14) - 1, 0, 0},  /* 2: refer */
	{8, (1ULL << 15) - 1, 0, 0},  /* 3: truncate */
	{16, (1ULL << 15) - 1, 3, 0}, /* 4: TCP bind and connect */
	{16, (1ULL << 16) - 1, 3, 0}, /* 5: ioctl of devices */
	{24, (1ULL << 16) - 1, 3, 3}, /* 6 and later: abstract sockets, signals */
};

unsigned seal_landlock_abi(void)
{
	long abi = syscall(NR_LANDLOCK_CREATE_RULESET, NULL, 0, LANDLOCK_CREATE_VERSION);

	return abi > 0 ? (unsigned)abi : 0;
}

int seal_landlock_program(uint32_t *ret_abi)
{
	unsigned abi = seal_landlock_abi(), i;
	struct landlock_attr attr = {.handled_fs = ACCESS_MAKE_CHAR | ACCESS_MAKE_BLOCK};
	struct landlock_path root = {.access = ACCESS_REFER};
	_cleanup_close_ int fd = -1, root_fd = -1;

	if (abi == 0)
		return -ENOSYS;
	i = MIN(abi, (unsigned)ARRAY_LEN(landlock_abis) - 1);
	attr.scoped = landlock_abis[i].scoped & LANDLOCK_SCOPE_OF_SIGNALS;
	attr.handled_fs |= landlock_abis[i].fs & ACCESS_REFER;
	fd = (int)syscall(NR_LANDLOCK_CREATE_RULESET, &attr, landlock_abis[i].size, 0);
	if (fd < 0)
		return -errno;
	if (attr.handled_fs & ACCESS_REFER) { /* refused unless it is allowed */
		root.fd = root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (root_fd < 0 ||
			syscall(NR_LANDLOCK_ADD_RULE, fd, LANDLOCK_PATH_BENEATH, &root, 0) < 0)
			return -errno;
	}
	if (syscall(NR_LANDLOCK_RESTRICT_SELF, fd, 0) < 0)
		return -errno;
	*ret_abi = abi;
	return 0;
}

int seal_landlock(bool may_connect, int folder, uint32_t *ret_abi)
{
	struct landlock_path path = {.access = ACCESS_FOLDER, .fd = folder};
	unsigned abi = seal_landlock_abi(), i;
	struct landlock_attr attr;
	_cleanup_close_ int fd = -1;

	if (abi == 0)
		return -ENOSYS;
	i = MIN(abi, (unsigned)ARRAY_LEN(landlock_abis) - 1);
	attr = (struct landlock_attr){
		.handled_fs = landlock_abis[i].fs,
		.handled_net = landlock_abis[i].net,
		.scoped = landlock_abis[i].scoped,
	};
	if (may_connect)
		attr.handled_net &= ~LANDLOCK_NET_CONNECT_TCP;
	fd = (int)syscall(NR_LANDLOCK_CREATE_RULESET, &attr, landlock_abis[i].size, 0);
	if (fd < 0)
		return -errno;
	if (path.fd > 0 && syscall(NR_LANDLOCK_ADD_RULE, fd, LANDLOCK_PATH_BENEATH, &path, 0) < 0)
		return -errno;
	if (syscall(NR_LANDLOCK_RESTRICT_SELF, fd, 0) < 0)
		return -errno;
	*ret_abi = abi;
	return 0;
}
