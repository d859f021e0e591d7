/* SPDX-License-Identifier: Apache-2.0 */
/* The mmapable maps of the kernel programs in user space. Plain memory: the kernel's programs and
 * we read and store words; nothing here waits or fails after the mapping. What the counters say is
 * the kernel's and trusted. */

#include <driver/bpf_maps.h>

#include <sys/mman.h>

#include <errno.h>
#include <unistd.h>

#include <base/atomics.h>
#include <base/macros.h>

static size_t page_round(size_t n)
{
	return ALIGN_UP(n, (size_t)sysconf(_SC_PAGESIZE));
}

int drv_interest_map(int fd, struct kshm_interest **ret_interest)
{
	void *p = mmap(NULL, page_round(sizeof(struct kshm_interest)), PROT_READ | PROT_WRITE,
		MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	*ret_interest = p;
	return 0;
}

void drv_interest_unmap(struct kshm_interest *in)
{
	if (in)
		(void)munmap(in, page_round(sizeof(*in))); /* cannot fail on what was mapped */
}

int drv_counters_map(int fd, unsigned n_cpus, const struct kshm_counters **ret_counters)
{
	void *p = mmap(NULL, page_round(sizeof(struct kshm_counters) * n_cpus), PROT_READ,
		MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	*ret_counters = p;
	return 0;
}

void drv_counters_unmap(const struct kshm_counters *c, unsigned n_cpus)
{
	if (c)
		(void)munmap((void *)(uintptr_t)c, page_round(sizeof(*c) * n_cpus)); /* as above */
}

void drv_interest_set(struct kshm_interest *in, const uint8_t by_ix[_KEV_IX_MAX], uint32_t snaplen,
	const uint32_t *self_tgids, unsigned n_self)
{
	for (unsigned i = 0; i < _KEV_IX_MAX; i++)
		atomic_store_relaxed(&in->by_ix[i], by_ix[i]);
	atomic_store_relaxed(&in->snaplen, snaplen);
	kshm_exclude(in, self_tgids, n_self);
}

void drv_interest_enable(struct kshm_interest *in, int enabled)
{
	/* release: the programs that see it see the whole set (x86: stores are seen in order) */
	atomic_store_release(&in->enabled, (uint32_t) !!enabled);
}

static uint64_t sum(const uint64_t v[KEV_CLASSES + 1])
{
	uint64_t n = 0;

	for (unsigned i = 0; i <= KEV_CLASSES; i++)
		n += atomic_load_relaxed(&v[i]);
	return n;
}

struct drv_counts drv_counters_sum(const struct kshm_counters *c, unsigned n_cpus)
{
	struct drv_counts out = {0};

	for (unsigned i = 0; i < n_cpus; i++) {
		out.submitted += sum(c[i].submitted);
		out.lost_full += sum(c[i].lost_full);
		out.lost_flood += sum(c[i].lost_flood);
		out.lost_scratch += sum(c[i].lost_scratch);
		out.lost_size += sum(c[i].lost_size);
		out.cut += atomic_load_relaxed(&c[i].cut);
		out.wakes += atomic_load_relaxed(&c[i].wakes);
		out.seen += sum(c[i].seen);
	}
	return out;
}
