/* SPDX-License-Identifier: Apache-2.0 */
/* Verifying the kernel programs is most of what saker's start costs, and libbpf loads an object's
 * programs one after the other. So the maps come from an object of their own (bpf/maps.bpf.c), and
 * the other is opened twice: two halves that borrow these maps and load their programs at the same
 * time, the second in a thread. No half touches what the other has; the thread ends before
 * drv_halves_load() returns. Its input is the kernel, which is trusted. */

#include "bpf_halves.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <base/macros.h>

#include "maps.skel.h"
#include "saker.skel.h"

struct half {
	struct saker_bpf *skel;
	int r;
};

struct saker_bpf *drv_half_open(void)
{
	/* Named although it is the default: without it libbpf (before 1.5) asks for the modules'
	 * type information as well, which takes CAP_SYS_ADMIN. */
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = "/sys/kernel/btf/vmlinux");

	return saker_bpf__open_opts(&opts);
}

/* Constants are in a map as well, but each half has its own. */
static bool is_shared(const struct bpf_map *map)
{
	return !bpf_map__is_internal(map);
}

/* The maps alone, sized as @like's. */
static int load_maps(const struct saker_bpf *like, struct maps_bpf *maps)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, maps->obj)
	{
		const struct bpf_map *same =
			bpf_object__find_map_by_name(like->obj, bpf_map__name(map));

		if (!is_shared(map))
			continue;
		if (!same)
			return -EINVAL;
		if (bpf_map__max_entries(map) != bpf_map__max_entries(same) &&
			bpf_map__set_max_entries(map, bpf_map__max_entries(same)) < 0)
			return -EINVAL;
	}
	return maps_bpf__load(maps);
}

static int borrow_maps(struct saker_bpf *half, const struct maps_bpf *maps)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, half->obj)
	{
		int r;

		if (!is_shared(map))
			continue;
		r = bpf_object__find_map_fd_by_name(maps->obj, bpf_map__name(map));
		if (r >= 0)
			r = bpf_map__reuse_fd(map, r);
		if (r < 0)
			return r;
	}
	return 0;
}

static void *load_half(void *arg)
{
	struct half *h = arg;

	h->r = saker_bpf__load(h->skel);
	return NULL;
}

int drv_halves_load(struct saker_bpf *first, struct saker_bpf *second)
{
	struct half a = {.skel = first}, b = {.skel = second};
	struct maps_bpf *maps = maps_bpf__open();
	pthread_t thread;
	int r;

	if (!maps)
		return -errno;
	r = load_maps(first, maps);
	if (r == 0)
		r = borrow_maps(first, maps);
	if (r == 0)
		r = borrow_maps(second, maps);
	maps_bpf__destroy(maps); /* the halves have descriptors of their own */
	if (r < 0)
		return r;
	if (pthread_create(&thread, NULL, load_half, &b) != 0) {
		(void)load_half(&a);
		(void)load_half(&b);
	} else {
		(void)load_half(&a);
		(void)pthread_join(thread, NULL);
	}
	return a.r < 0 ? a.r : b.r;
}
