/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Capture files built byte by byte in memory, for tests of the reader and as a fuzzer's corpus. */

#include <sys/mman.h>

#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define MAKE_MAX (1u << 20)

struct make {
	uint8_t p[MAKE_MAX];
	size_t n;
	size_t block; /* where the open block begins */
};

static inline void mk_raw(struct make *m, const void *p, size_t n)
{
	assert(n <= sizeof(m->p) - m->n);
	if (n)
		memcpy(m->p + m->n, p, n);
	m->n += n;
}
static inline void mk_u8(struct make *m, uint8_t v)
{
	mk_raw(m, &v, 1);
}
static inline void mk_u16(struct make *m, uint16_t v)
{
	mk_raw(m, &v, 2);
}
static inline void mk_u32(struct make *m, uint32_t v)
{
	mk_raw(m, &v, 4);
}
static inline void mk_u64(struct make *m, uint64_t v)
{
	mk_raw(m, &v, 8);
}
static inline void mk_str(struct make *m, const char *s)
{
	mk_u16(m, (uint16_t)strlen(s));
	mk_raw(m, s, strlen(s));
}

static inline void mk_begin(struct make *m, uint32_t type)
{
	m->block = m->n;
	mk_u32(m, type);
	mk_u32(m, 0);
}
static inline void mk_end(struct make *m)
{
	uint32_t total;

	while (m->n % 4)
		mk_u8(m, 0);
	total = (uint32_t)(m->n + 4 - m->block);
	memcpy(m->p + m->block + 4, &total, 4);
	mk_u32(m, total);
}

static inline void mk_section(struct make *m)
{
	mk_begin(m, 0x0A0D0D0A);
	mk_u32(m, 0x1A2B3C4D);
	mk_u16(m, 1);
	mk_u16(m, 2);
	mk_u64(m, UINT64_MAX);
	mk_end(m);
}

static inline void mk_machine(struct make *m, uint64_t boot_ns)
{
	char host[128] = "box";

	mk_begin(m, 0x201);
	mk_u32(m, 2);
	mk_u64(m, 1u << 30);
	mk_u64(m, 32768);
	mk_raw(m, host, sizeof(host));
	mk_u64(m, boot_ns);
	mk_u64(m, 0);
	mk_u64(m, 0);
	mk_u64(m, 0);
	mk_end(m);
}

/* A parameter of an event. */
struct mk_param {
	const void *p;
	size_t n;
};
#define MK_I64(v)                                                                                  \
	(struct mk_param)                                                                          \
	{                                                                                          \
		&(int64_t){v}, 8                                                                   \
	}
#define MK_U64(v)                                                                                  \
	(struct mk_param)                                                                          \
	{                                                                                          \
		&(uint64_t){v}, 8                                                                  \
	}
#define MK_U32(v)                                                                                  \
	(struct mk_param)                                                                          \
	{                                                                                          \
		&(uint32_t){v}, 4                                                                  \
	}
#define MK_U16(v)                                                                                  \
	(struct mk_param)                                                                          \
	{                                                                                          \
		&(uint16_t){v}, 2                                                                  \
	}
#define MK_U8(v)                                                                                   \
	(struct mk_param)                                                                          \
	{                                                                                          \
		&(uint8_t){v}, 1                                                                   \
	}
#define MK_TEXT(s)                                                                                 \
	(struct mk_param)                                                                          \
	{                                                                                          \
		s, sizeof(s)                                                                       \
	}
#define MK_NONE                                                                                    \
	(struct mk_param)                                                                          \
	{                                                                                          \
		NULL, 0                                                                            \
	}

/* @block: 0x204, 0x208, 0x216, 0x217, 0x221, 0x222. */
static inline void mk_event(struct make *m, uint32_t block, uint64_t ts, uint64_t tid,
	uint16_t type, unsigned n, const struct mk_param *params)
{
	int v1 = block == 0x204 || block == 0x208, large = block == 0x221 || block == 0x222;
	uint32_t len = (v1 ? 22 : 26) + n * (large ? 4 : 2);

	for (unsigned i = 0; i < n; i++)
		len += (uint32_t)params[i].n;
	mk_begin(m, block);
	mk_u16(m, 1);
	if (block == 0x208 || block == 0x217 || block == 0x222)
		mk_u32(m, 1);
	mk_u64(m, ts);
	mk_u64(m, tid);
	mk_u32(m, len);
	mk_u16(m, type);
	if (!v1)
		mk_u32(m, n);
	for (unsigned i = 0; i < n; i++) {
		if (large)
			mk_u32(m, (uint32_t)params[i].n);
		else
			mk_u16(m, (uint16_t)params[i].n);
	}
	for (unsigned i = 0; i < n; i++)
		mk_raw(m, params[i].p, params[i].n);
	mk_end(m);
}

/* The newest process entry; tail: bytes of its fixed end to write (76: all we know). */
static inline void mk_task(
	struct make *m, int64_t tid, int64_t pid, int64_t ptid, const char *comm, size_t tail)
{
	size_t at = m->n;
	uint32_t len;
	uint8_t end[96] = {0};

	mk_u32(m, 0);
	mk_u64(m, (uint64_t)tid);
	mk_u64(m, (uint64_t)pid);
	mk_u64(m, (uint64_t)ptid);
	mk_u64(m, 7);
	mk_u64(m, 8);
	mk_str(m, comm);
	mk_str(m, comm);
	mk_str(m, "/usr/bin/tool");
	mk_u16(m, 4);
	mk_raw(m, "a\0bc", 4);
	mk_str(m, "/home/");
	mk_u64(m, 1024);
	mk_u32(m, 0);
	mk_u32(m, 1000);
	mk_u32(m, 1001);
	for (unsigned i = 0; i < 3; i++)
		mk_u32(m, 100 + i);
	mk_u64(m, 11);
	mk_u64(m, 12);
	mk_u16(m, 4);
	mk_raw(m, "X=1", 4);
	mk_u64(m, 21);
	mk_u64(m, 22);
	mk_u16(m, 7);
	mk_raw(m, "cpu=/a", 7);
	mk_str(m, "/");
	end[8] = 5;     /* tty */
	end[12] = 0xe8; /* loginuid 1000 */
	end[13] = 3;
	end[16] = 1;    /* exe_writable */
	end[17] = 0x11; /* inheritable */
	end[25] = 0x22; /* permitted */
	end[33] = 0x33; /* effective */
	end[41] = 1;    /* upper layer */
	end[42] = 99;   /* inode */
	end[68] = 9;    /* pgid */
	mk_raw(m, end, tail);
	len = (uint32_t)(m->n - at);
	memcpy(m->p + at, &len, 4);
}

/* A file of what was made; the caller's descriptor. */
static inline int mk_fd(const struct make *m)
{
	int fd = memfd_create("capture", 0);

	assert(fd >= 0 && write(fd, m->p, m->n) == (ssize_t)m->n);
	assert(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}
