/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#pragma once
/* From a finished record in scratch to this CPU's ring buffer: class thresholds, a reservation of a
 * fixed size class, the time after it, counters, and the wake-up of a sleeping collector. Exact:
 * seen = submitted + all lost. */

#include "maps.h"

static __always_inline struct kshm_counters *counters_get(void)
{
	__u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&saker_counters, &cpu);
}

/* Atomic, because a program in an interrupt may count in the middle of another one's addition. */
#define COUNT(field) __sync_fetch_and_add(&(field), 1)

static __always_inline void count_lost_scratch(__u32 cls)
{
	struct kshm_counters *c = counters_get();

	if (!c)
		return;
	cls &= 3;
	COUNT(c->seen[cls]);
	COUNT(c->lost_scratch[cls]);
}

/* Takes a slot for this CPU's event; NULL: in use (counted). */
static __always_inline struct scratch *scratch_take(__u32 cls, __u32 *ret_slot)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct scratch *s = cpu < saker_n_cpus ? scratch_get(cpu) : NULL;

	if (!s || s->busy) {
		count_lost_scratch(cls);
		return NULL;
	}
	s->busy = 1;
	*ret_slot = cpu;
	return s;
}

/* Bytes of the ring that a class may fill. */
static __always_inline __u64 class_room(__u32 cls)
{
	if (cls == KEV_CLASS_STATE)
		return saker_ring_bytes;
	if (cls == KEV_CLASS_FILE_NET)
		return saker_ring_bytes / 4 * 3;
	return saker_ring_bytes / 2;
}

/* What one thread group has put into a CPU's filling buffer: bytes since the producer was at `base`,
 * halved when the consumer has passed that. */
#define FLOOD_SLOTS 64
struct flood {
	__u32 tgid;
	__u32 pad;
	__u64 base;
	__u64 bytes;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FLOOD_SLOTS); /* a CPU: the loader multiplies it */
	__type(key, __u32);
	__type(value, struct flood);
} saker_flood SEC(".maps");

/* Is the thread group above its share? Asked when half of what the class may fill is in use, of
 * state three quarters. A group whose slot another one holds is not looked at. */
static __always_inline bool is_flood(
	void *rb, __u32 cpu, __u32 tgid, __u32 cls, __u64 used, __u32 len)
{
	__u32 i = cpu * FLOOD_SLOTS + (tgid & (FLOOD_SLOTS - 1));
	__u64 room = class_room(cls), at;
	struct flood *f;

	if (used < (cls == KEV_CLASS_STATE ? room / 4 * 3 : room / 2))
		return false;
	f = bpf_map_lookup_elem(&saker_flood, &i);
	if (!f)
		return false;
	at = bpf_ringbuf_query(rb, BPF_RB_CONS_POS);
	if (at >= f->base) {
		f->bytes = f->tgid == tgid ? f->bytes / 2 : 0;
		f->tgid = tgid;
		f->base = at + used;
	}
	if (f->tgid != tgid)
		return false;
	if (f->bytes + len > (used < room / 4 * 3 ? room / 4 : room / 8))
		return true;
	f->bytes += len;
	return false;
}

/* May a record of that class and group be sent? False: counted. Up to a quarter of the ring nothing
 * is refused (class_room, is_flood), so a look at it serves for what is left of that quarter: a
 * record takes less than twice its length and a header. */
static __always_inline bool ring_admit(
	void *rb, __u32 cpu, struct kshm_counters *c, __u32 tgid, __u32 cls, __u32 len)
{
	struct scratch *s = scratch_get(cpu);
	__u64 used;
	__s64 left;

	if (!s)
		return false;
	left = s->credit - 2 * (__s64)len - 128;
	s->credit = left;
	if (left > 0)
		return true;
	used = bpf_ringbuf_query(rb, BPF_RB_AVAIL_DATA);
	s->credit = (__s64)(saker_ring_bytes / 4) - (__s64)used;
	if (is_flood(rb, cpu, tgid, cls, used, len)) {
		COUNT(c->lost_flood[cls]);
		return false;
	}
	if (cls != KEV_CLASS_STATE && used + len > class_room(cls)) {
		COUNT(c->lost_full[cls]);
		return false;
	}
	return true;
}

/* After the submit: no wake-up can be lost, because the collector stores its flag before it looks
 * at the positions once more. */
static __always_inline void wake(void *rb, __u32 cpu, struct kshm_counters *c)
{
	__u32 zero = 0;
	struct kshm_wake *w = bpf_map_lookup_elem(&saker_wake, &zero);
	volatile __u64 *need;
	void *d;

	if (!w || cpu >= KSHM_CPUS_MAX)
		return;
	need = &w->need[cpu * 8];
	if (!*need)
		return;
	*need = 0;
	COUNT(c->wakes);
	d = bpf_ringbuf_reserve(rb, 8, 0);
	if (d)
		bpf_ringbuf_discard(d, BPF_RB_FORCE_WAKEUP);
}

/* Small ones are copied whole, by plain instructions: a call costs more than some bytes too many. The
 * length is compared right before its use, for the verifier of 5.10 (see known_fd). */
#define COPY_WHOLE_MAX 248
#define SUBMIT_CLASS(SIZE)                                                                         \
	if (len <= (SIZE)) {                                                                       \
		struct kev_head *r = bpf_ringbuf_reserve(rb, (SIZE), 0);                           \
		if (!r) {                                                                          \
			COUNT(c->lost_full[cls]);                                                  \
			return 0;                                                                  \
		}                                                                                  \
		__u64 n = len;                                                                     \
		if ((SIZE) <= COPY_WHOLE_MAX)                                                      \
			__builtin_memcpy(r, s->rec, (SIZE) <= COPY_WHOLE_MAX ? (SIZE) : 0);        \
		barrier_var(n);                                                                    \
		if ((SIZE) > COPY_WHOLE_MAX && n <= (SIZE))                                        \
			bpf_probe_read_kernel(r, n, s->rec);                                       \
		r->ts_ns = bpf_ktime_get_boot_ns();                                                \
		bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);                                           \
		goto submitted;                                                                    \
	}

/* Sends the record of the slot; 1: it is in the buffer. The caller has filled head and parameters,
 * and releases the slot. Not to be called but by those who know of pending closes (close.h). */
__noinline int emit_record(__u32 slot)
{
	struct scratch *s = scratch_get(slot);
	struct kshm_counters *c = counters_get();
	__u32 cpu = bpf_get_smp_processor_id();
	struct kev_head *h;
	__u32 len, cls;
	void *rb;

	if (!s || !c)
		return 0;
	h = (struct kev_head *)s->rec;
	len = h->len;
	cls = h->cls & 3;
	h->cpu = cpu;
	COUNT(c->seen[cls]);
	rb = bpf_map_lookup_elem(&saker_rings, &cpu);
	if (!rb) {
		COUNT(c->lost_full[cls]);
		return 0;
	}
	if (!ring_admit(rb, cpu, c, h->tgid, cls, len))
		return 0;
	SUBMIT_CLASS(120)
	SUBMIT_CLASS(184)
	SUBMIT_CLASS(248)
	SUBMIT_CLASS(376)
	SUBMIT_CLASS(504)
	SUBMIT_CLASS(1016)
	SUBMIT_CLASS(2040)
	SUBMIT_CLASS(4088)
	SUBMIT_CLASS(8184)
	SUBMIT_CLASS(16376)
	SUBMIT_CLASS(KEV_SIZE_MAX)
	COUNT(c->lost_size[cls]);
	return 0;
submitted:
	COUNT(c->submitted[cls]);
	if (h->flags & KEV_F_TRUNC)
		COUNT(c->cut);
	wake(rb, cpu, c);
	return 1;
}

#define CANARY_BYTES (sizeof(struct kev_head) + 16)

/* Answers the supervisor: a record that is no event and that no counter knows. Without room it stays
 * asked for. */
__noinline int emit_canary(void)
{
	__u32 cpu = bpf_get_smp_processor_id(), zero = 0;
	struct kshm_interest *in = bpf_map_lookup_elem(&saker_interest, &zero);
	struct kshm_counters *c = counters_get();
	void *rb = bpf_map_lookup_elem(&saker_rings, &cpu);
	struct kev_head *r;

	if (!in || !c || !rb)
		return 0;
	r = bpf_ringbuf_reserve(rb, CANARY_BYTES, 0);
	if (!r)
		return 0;
	__builtin_memset(r, 0, CANARY_BYTES);
	r->len = CANARY_BYTES;
	r->type = KEV_CODE_SAKER_CANARY;
	r->flags = KEV_F_SNAPSHOT | KEV_F_NO_TASK;
	r->n_params = 1;
	r->cls = KEV_CLASS_STATE;
	r->cpu = cpu;
	*(__u16 *)(r + 1) = 8;
	*(__u64 *)((__u8 *)(r + 1) + 8) = in->canary;
	in->canary = 0;
	r->ts_ns = bpf_ktime_get_boot_ns();
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	wake(rb, cpu, c);
	return 1;
}
