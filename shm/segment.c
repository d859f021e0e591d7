/* SPDX-License-Identifier: Apache-2.0 */
/* Segments: making, checking and mapping memfds that describe themselves.
 *
 * Makers: the supervisor (and whoever hands over a snapshot). Checkers: every stage, which trusts
 * nothing in a segment that another process can write: sizes are taken from the file (which the
 * seals freeze) and only compared with the header. A descriptor without the size seals is refused,
 * because its owner could shrink the file under a mapping and kill the reader with SIGBUS. */

#include <shm/segment.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/macros.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8U
#endif

/* memfds have no quota of their own: a size beyond reason would not fail but call the out-of-memory
 * killer. */
#define PAYLOAD_MAX ((size_t)1 << 36)

#define SEALS_SIZE (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

/* Kinds whose content never changes after birth: readers rely on checking it once. */
static bool kind_is_sealed(enum seg_kind kind)
{
	return kind == SEG_SETTINGS || kind == SEG_IMAGE || kind == SEG_SNAPSHOT ||
	       kind == SEG_OUTPUT;
}

static int memfd_new(const char *name)
{
	char text[SEG_NAME_LEN + 8];
	int fd;

	(void)snprintf(text, sizeof(text), "saker:%s", name);
	/* MFD_NOEXEC_SEAL: Linux 6.3; older kernels refuse unknown flags */
	fd = memfd_create(text, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(text, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -errno : fd;
}

/* Through /proc: another description of the same file, so that its access mode is its own. */
static int reopen_ro(int fd)
{
	char path[32];
	int ro;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY | O_CLOEXEC);
	return ro < 0 ? -errno : ro;
}

static int write_all(int fd, const void *p, size_t n, off_t off)
{
	const char *c = p;

	while (n > 0) {
		ssize_t w = pwrite(fd, c, n, off);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return w < 0 ? -errno : -EIO;
		c += w;
		off += w;
		n -= (size_t)w;
	}
	return 0;
}

/* Everything but the seals: file, mode, room, header. @sparse: room is taken when it is written. */
static int segment_new(const char *name, enum seg_kind kind, size_t n, const uint8_t run_id[16],
	bool sparse, int *ret_fd)
{
	struct seg_head head = {
		.magic = SEG_MAGIC,
		.kind = kind,
		.head_size = SEG_PAYLOAD_OFF,
		.payload_size = n,
	};
	_cleanup_close_ int fd = -1;
	int r;

	if (strlen(name) >= SEG_NAME_LEN || n == 0 || n > PAYLOAD_MAX)
		return -EINVAL;
	head.abi_hash = seg_abi_hash();
	memcpy(head.run_id, run_id, sizeof(head.run_id));
	memcpy(head.name, name, strlen(name));
	fd = memfd_new(name);
	if (fd < 0)
		return fd;
	/* A memfd is born 0777: without this, a peer with a read-only description could reopen it
	 * for writing through /proc. */
	if (fchmod(fd, 0600) < 0)
		return -errno;
	if (ftruncate(fd, (off_t)(SEG_PAYLOAD_OFF + n)) < 0)
		return -errno;
	/* All pages now: a full /dev/shm must show here, not as SIGBUS in a stage. */
	r = sparse ? 0 : posix_fallocate(fd, 0, (off_t)(SEG_PAYLOAD_OFF + n));
	if (r != 0)
		return -r;
	r = write_all(fd, &head, sizeof(head), 0);
	if (r < 0)
		return r;
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int seg_create(const char *name, enum seg_kind kind, size_t payload_size, const uint8_t run_id[16],
	int *ret_rw, int *ret_ro)
{
	_cleanup_close_ int rw = -1, ro = -1;
	int r;

	r = segment_new(name, kind, payload_size, run_id, false, &rw);
	if (r < 0)
		return r;
	if (fcntl(rw, F_ADD_SEALS, SEALS_SIZE) < 0)
		return -errno;
	ro = reopen_ro(rw);
	if (ro < 0)
		return ro;
	*ret_rw = TAKE_FD(rw);
	*ret_ro = TAKE_FD(ro);
	return 0;
}

int seg_create_sealed(const char *name, enum seg_kind kind, const void *payload, size_t n,
	const uint8_t run_id[16], int *ret_ro)
{
	_cleanup_close_ int rw = -1, ro = -1;
	int r;

	r = segment_new(name, kind, n, run_id, false, &rw);
	if (r < 0)
		return r;
	r = write_all(rw, payload, n, SEG_PAYLOAD_OFF);
	if (r < 0)
		return r;
	if (fcntl(rw, F_ADD_SEALS, SEALS_SIZE | F_SEAL_WRITE) < 0)
		return -errno;
	ro = reopen_ro(rw);
	/* A sealed maker has no /proc: the description stays read-write, which the write seal makes
	 * harmless; the supervisor reopens what it is given. */
	if (ro == -ENOENT || ro == -EACCES || ro == -EPERM)
		ro = TAKE_FD(rw);
	if (ro < 0)
		return ro;
	*ret_ro = TAKE_FD(ro);
	return 0;
}

int seg_create_open(const char *name, enum seg_kind kind, size_t payload_size,
	const uint8_t run_id[16], int *ret_rw)
{
	_cleanup_close_ int rw = -1;
	int r;

	r = segment_new(name, kind, payload_size, run_id, true, &rw);
	if (r < 0)
		return r;
	if (fcntl(rw, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		return -errno;
	*ret_rw = TAKE_FD(rw);
	return 0;
}

int seg_finish(int rw, int *ret_ro)
{
	int ro;

	if (fcntl(rw, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_WRITE) < 0)
		return -errno;
	ro = reopen_ro(rw);
	if (ro < 0)
		return ro;
	*ret_ro = ro;
	return 0;
}

int seg_check_head(const struct seg_head *head, uint64_t file_size, enum seg_kind kind)
{
	if (file_size <= SEG_PAYLOAD_OFF)
		return -EBADMSG;
	if (head->magic != SEG_MAGIC || head->kind != (uint32_t)kind)
		return -EBADMSG;
	if (head->abi_hash != seg_abi_hash())
		return -ESTALE;
	if (head->head_size != SEG_PAYLOAD_OFF || head->payload_size != file_size - SEG_PAYLOAD_OFF)
		return -EBADMSG;
	if (memchr(head->name, 0, sizeof(head->name)) == NULL)
		return -EBADMSG;
	return 0;
}

static int segment_check(int fd, enum seg_kind kind, bool is_sealed, struct seg_head *ret_head)
{
	int want = F_SEAL_SHRINK | F_SEAL_GROW | (is_sealed ? F_SEAL_WRITE : 0);
	struct seg_head head;
	struct stat st;
	int seals, r;

	if (fstat(fd, &st) < 0)
		return -errno;
	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0 || (seals & want) != want)
		return -EBADMSG;
	if (pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head))
		return -EBADMSG;
	r = seg_check_head(&head, (uint64_t)st.st_size, kind);
	if (r < 0)
		return r;
	*ret_head = head;
	return 0;
}

int seg_check(int fd, enum seg_kind kind, struct seg_head *ret_head)
{
	return segment_check(fd, kind, kind_is_sealed(kind), ret_head);
}

static int segment_map(
	int fd, enum seg_kind kind, bool is_sealed, int prot, void **ret_payload, size_t *ret_size)
{
	struct seg_head head;
	void *p;
	int r;

	r = segment_check(fd, kind, is_sealed, &head);
	if (r < 0)
		return r;
	p = mmap(NULL, head.payload_size, prot, MAP_SHARED, fd, SEG_PAYLOAD_OFF);
	if (p == MAP_FAILED)
		return -errno;
	*ret_payload = p;
	*ret_size = head.payload_size;
	return 0;
}

int seg_map(int fd, enum seg_kind kind, int prot, void **ret_payload, size_t *ret_size)
{
	return segment_map(fd, kind, kind_is_sealed(kind), prot, ret_payload, ret_size);
}

int seg_map_open(int fd, enum seg_kind kind, void **ret_payload, size_t *ret_size)
{
	return segment_map(fd, kind, false, PROT_READ | PROT_WRITE, ret_payload, ret_size);
}

void seg_unmap(void *payload, size_t size)
{
	if (payload)
		(void)munmap(payload,
			size); /* fails only for arguments that never came from seg_map() */
}
