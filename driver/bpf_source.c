/* SPDX-License-Identifier: Apache-2.0 */
/* The BPF source: per-CPU ring buffers mapped into this process, merged by time. It reads what the
 * kernel wrote; the kernel is trusted, yet every position and length is bounded by what was mapped.
 * Allocates and opens only in drv_bpf_open(), before the seal; afterwards it makes no system call
 * but clock_gettime.
 *
 * Order: the clock is read first, then every producer position. What lies below the positions and
 * is older than the clock - 1 us is final, because a program stamps the time after its reservation.
 * Of the final records the oldest is next. A record that is still being written holds back
 * everything that is younger than its CPU's last one. */

#include <sys/epoll.h>
#include <sys/mman.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/bpf.h>

#include <abi/kshared.h>
#include <base/atomics.h>
#include <base/cleanup.h>
#include <base/clock.h>
#include <base/macros.h>
#include <driver/source.h>

#define FINAL_NS 1000
#define OFFSET_CHECK_NS (10 * NS_PER_S)
#define OFFSET_STEP_NS                                                                             \
	((int64_t)NS_PER_MS) /* a smaller drift of the wall clock is not followed, so that times   \
				stay in order */

/* One CPU's ring. Positions count bytes since the start and never wrap. */
struct ring {
	uint64_t *consumer;       /* our page */
	const uint64_t *producer; /* the kernel's page */
	const uint8_t *data;      /* mapped twice in a row */
	int fd;
	uint64_t at;      /* next record to look at */
	uint64_t given;   /* consumer position as stored */
	uint64_t limit;   /* producer position of this round */
	uint64_t last_ns; /* time of the last record handed over */
	uint64_t next_ns; /* HEAD_READY: time of the next record */
	int state;        /* enum head_state of the next record, as last looked at */
};

enum head_state { HEAD_UNSEEN, HEAD_NONE, HEAD_BUSY, HEAD_READY };

struct drv_bpf {
	struct drv_source base;
	unsigned n_cpus;
	size_t size;
	long page;
	struct ring *rings;
	struct kshm_wake *wake;
	int epoll_fd;
	uint64_t final_ns; /* records up to this time are in order */
	int64_t offset_ns; /* wall clock - boot clock */
	uint64_t offset_checked_ns;
	bool has_handed; /* records were handed over since the last commit */
	size_t most;     /* bytes in the fullest ring at the beginning of the round */
};

static struct drv_bpf *bpf_of(struct drv_source *s)
{
	return container_of(s, struct drv_bpf, base);
}

static void give_back(struct drv_bpf *b)
{
	for (unsigned i = 0; i < b->n_cpus; i++) {
		struct ring *r = &b->rings[i];

		if (r->given == r->at)
			continue;
		/* release: pairs with the acquire of the consumer position in the kernel's reserve;
		 * our reads of the data come before */
		atomic_store_release(r->consumer, r->at);
		r->given = r->at;
	}
}

static void new_round(struct drv_bpf *b)
{
	uint64_t now = clock_boot_ns();

	b->most = 0;
	for (unsigned i = 0; i < b->n_cpus; i++) {
		/* acquire: pairs with the release of the producer position in the kernel's reserve
		 */
		b->rings[i].limit = atomic_load_acquire(b->rings[i].producer);
		b->most = MAX(b->most, (size_t)(b->rings[i].limit - b->rings[i].given));
		if (b->rings[i].state != HEAD_READY)
			b->rings[i].state = HEAD_UNSEEN;
	}
	b->final_ns = now - FINAL_NS;
	if (now - b->offset_checked_ns > OFFSET_CHECK_NS) {
		int64_t offset = (int64_t)(clock_epoch_ns() - clock_boot_ns());

		if (llabs(offset - b->offset_ns) > OFFSET_STEP_NS)
			b->offset_ns = offset;
		b->offset_checked_ns = now;
	}
}

static uint32_t total_len(uint32_t len)
{
	return ALIGN_UP(
		(len & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT)) + BPF_RINGBUF_HDR_SZ, 8u);
}

/* Looks at the ring's next record and passes over discarded ones. -EBADMSG: positions that cannot
 * be. What it saw holds until the record is taken; nothing or an unfinished one, for this round. */
static int peek(const struct drv_bpf *b, struct ring *r)
{
	while (r->at < r->limit) {
		const uint8_t *p = r->data + (r->at & (b->size - 1));
		/* acquire: pairs with the kernel's commit, which clears the busy bit after the
		 * record is written */
		uint32_t len = atomic_load_acquire((const uint32_t *)(const void *)p);

		if (len & BPF_RINGBUF_BUSY_BIT)
			return HEAD_BUSY;
		if (total_len(len) > r->limit - r->at || total_len(len) > b->size)
			return -EBADMSG;
		if (len & BPF_RINGBUF_DISCARD_BIT || len < sizeof(struct kev_head)) {
			r->at += total_len(len);
			continue;
		}
		memcpy(&r->next_ns, p + BPF_RINGBUF_HDR_SZ + offsetof(struct kev_head, ts_ns),
			sizeof(r->next_ns));
		return HEAD_READY;
	}
	return HEAD_NONE;
}

/* The CPU whose next record is the oldest final one; -1 none now; -EBADMSG. */
static int choose(struct drv_bpf *b)
{
	uint64_t best_ns = UINT64_MAX, bound_ns = b->final_ns;
	int best = -1;

	for (unsigned i = 0; i < b->n_cpus; i++) {
		struct ring *r = &b->rings[i];

		if (r->state == HEAD_UNSEEN)
			r->state = peek(b, r);
		if (r->state < 0)
			return r->state;
		if (r->state == HEAD_BUSY)
			bound_ns = MIN(bound_ns, r->last_ns);
		if (r->state == HEAD_READY && r->next_ns < best_ns) {
			best_ns = r->next_ns;
			best = (int)i;
		}
	}
	return best_ns <= bound_ns ? best : -1;
}

/* Hands over the record where it lies: the mapping is read-only, and the kernel writes there again
 * only after the commit. */
static void take(struct drv_bpf *b, struct ring *r, struct drv_record *ret)
{
	const uint8_t *p = r->data + (r->at & (b->size - 1));
	uint32_t len = *(const uint32_t *)(const void *)p;
	const struct kev_head *h = (const void *)(p + BPF_RINGBUF_HDR_SZ);

	/* the reservation is a size class; the record says how much of it is used */
	ret->p = h;
	ret->len = h->len >= sizeof(*h) && h->len <= len ? h->len : len;
	ret->epoch_ns = h->ts_ns + (uint64_t)b->offset_ns;
	ret->is_state = h->flags &
			KEV_F_SNAPSHOT; /* saker_fork is an event: the kernel counts it as seen */
	r->at += total_len(len);
	r->last_ns = h->ts_ns;
	r->state = HEAD_UNSEEN;
	b->has_handed = true;
}

static int bpf_next(struct drv_source *s, struct drv_record *ret_rec)
{
	struct drv_bpf *b = bpf_of(s);
	int cpu = choose(b);

	if (cpu == -1) {
		new_round(b);
		cpu = choose(b);
	}
	if (cpu < -1)
		return cpu;
	if (cpu == -1) {
		/* wake-ups leave discarded records, which nobody commits; unread they would keep
		 * the descriptor readable */
		if (!b->has_handed)
			give_back(b);
		return 0;
	}
	take(b, &b->rings[cpu], ret_rec);
	return 1;
}

static void bpf_commit(struct drv_source *s)
{
	struct drv_bpf *b = bpf_of(s);

	give_back(b);
	b->has_handed = false;
}

static unsigned bpf_positions(struct drv_source *s, uint64_t *ret_pos, unsigned cap)
{
	struct drv_bpf *b = bpf_of(s);

	for (unsigned i = 0; i < b->n_cpus && i < cap; i++)
		ret_pos[i] = b->rings[i].at;
	return MIN(b->n_cpus, cap);
}

static unsigned bpf_fill(struct drv_source *s)
{
	struct drv_bpf *b = bpf_of(s);

	return (unsigned)(b->most * 100 / b->size);
}

static int bpf_wait_fd(struct drv_source *s)
{
	return bpf_of(s)->epoll_fd;
}

static void bpf_disarm(struct drv_source *s)
{
	struct drv_bpf *b = bpf_of(s);

	for (unsigned i = 0; i < b->n_cpus; i++)
		atomic_store_relaxed(&b->wake->need[i * 8], 0);
}

static bool bpf_arm(struct drv_source *s)
{
	struct drv_bpf *b = bpf_of(s);

	for (unsigned i = 0; i < b->n_cpus; i++)
		atomic_store_relaxed(&b->wake->need[i * 8], 1);
	/* the flag before the positions, as the program has its submit before the flag: one of the
	 * two sees the other */
	atomic_fence_seq_cst();
	for (unsigned i = 0; i < b->n_cpus; i++) {
		if (atomic_load_acquire(b->rings[i].producer) == b->rings[i].at)
			continue;
		bpf_disarm(s);
		return false;
	}
	return true;
}

static void bpf_close(struct drv_source *s)
{
	struct drv_bpf *b = bpf_of(s);

	for (unsigned i = 0; b->rings && i < b->n_cpus; i++) {
		struct ring *r = &b->rings[i];

		if (r->consumer)
			(void)munmap(r->consumer, (size_t)b->page);
		if (r->producer)
			(void)munmap((void *)(uintptr_t)r->producer, (size_t)b->page + 2 * b->size);
		r->fd = fd_close(r->fd);
	}
	if (b->wake)
		(void)munmap(b->wake, ALIGN_UP(sizeof(*b->wake), (size_t)b->page));
	b->epoll_fd = fd_close(b->epoll_fd);
	free(b->rings);
	free(b);
}

static int map_ring(struct drv_bpf *b, struct ring *r, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN};
	void *p;

	p = mmap(NULL, (size_t)b->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	r->consumer = p;
	p = mmap(NULL, (size_t)b->page + 2 * b->size, PROT_READ, MAP_SHARED, fd, b->page);
	if (p == MAP_FAILED)
		return -errno;
	r->producer = p;
	r->data = (const uint8_t *)p + b->page;
	r->fd = fcntl(fd, F_DUPFD_CLOEXEC,
		0); /* an epoll watches only as long as somebody holds the descriptor */
	if (r->fd < 0 || epoll_ctl(b->epoll_fd, EPOLL_CTL_ADD, r->fd, &ev) < 0)
		return -errno;
	return 0;
}

/* Where to go on: never before what was given back, never behind what was written. */
static void start_at(struct ring *r, const uint64_t *resume)
{
	uint64_t produced = atomic_load_acquire(r->producer);

	r->given = atomic_load_relaxed(r->consumer);
	r->at = r->given;
	if (resume && *resume - r->given <= produced - r->given)
		r->at = *resume;
	r->limit = r->at;
	r->state = HEAD_UNSEEN;
}

static const struct drv_source_ops bpf_ops = {
	.name = "bpf",
	.next = bpf_next,
	.commit = bpf_commit,
	.positions = bpf_positions,
	.fill = bpf_fill,
	.wait_fd = bpf_wait_fd,
	.arm = bpf_arm,
	.disarm = bpf_disarm,
	.close = bpf_close,
};

static int bpf_map_all(struct drv_bpf *b, const int *ring_fds, int wake_fd, const uint64_t *resume)
{
	void *p;

	b->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (b->epoll_fd < 0)
		return -errno;
	p = mmap(NULL, ALIGN_UP(sizeof(*b->wake), (size_t)b->page), PROT_READ | PROT_WRITE,
		MAP_SHARED, wake_fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	b->wake = p;
	for (unsigned i = 0; i < b->n_cpus; i++) {
		int r = map_ring(b, &b->rings[i], ring_fds[i]);

		if (r < 0)
			return r;
		start_at(&b->rings[i], resume ? &resume[i] : NULL);
	}
	return 0;
}

int drv_bpf_open(const int *ring_fds, unsigned n_cpus, size_t ring_size, int wake_fd,
	const uint64_t *resume, struct drv_source **ret_source)
{
	struct drv_bpf *b;
	int r;

	if (n_cpus == 0 || n_cpus > KSHM_CPUS_MAX || ring_size == 0 || ring_size & (ring_size - 1))
		return -EINVAL;
	b = calloc(1, sizeof(*b));
	if (!b)
		return -ENOMEM;
	b->base.ops = &bpf_ops;
	b->n_cpus = n_cpus;
	b->size = ring_size;
	b->page = sysconf(_SC_PAGESIZE);
	b->epoll_fd = -1;
	b->offset_ns = (int64_t)(clock_epoch_ns() - clock_boot_ns());
	b->offset_checked_ns = clock_boot_ns();
	b->rings = calloc(n_cpus, sizeof(*b->rings));
	for (unsigned i = 0; b->rings && i < n_cpus; i++)
		b->rings[i].fd = -1;
	r = b->rings ? bpf_map_all(b, ring_fds, wake_fd, resume) : -ENOMEM;
	if (r < 0) {
		bpf_close(&b->base);
		return r;
	}
	*ret_source = &b->base;
	return 0;
}
