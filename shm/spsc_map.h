/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Private to shm: shape and mapping of a ring's segments, shared by producer, consumer, observer
 * and ringdump. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/atomics.h>
#include <shm/spsc.h>

/* control pages before the records, without and with restart slots */
#define SPSC_CTL_PLAIN 4096U
#define SPSC_CTL_SLOTS 8192U
#define SPSC_SLOTS_OFF 256U

struct spsc_shape {
	uint64_t size;      /* bytes of records */
	uint32_t ctl;       /* bytes before them */
	uint32_t slots_off; /* 0: no slots */
};

struct spsc_map {
	struct spsc_shape shape;
	void *map;     /* struct spsc_data_page */
	size_t n;      /* bytes mapped */
	uint8_t *data; /* 2 * shape.size bytes */
};

/* The only shape that a data segment of this payload size can have. 0 or -EBADMSG. */
int spsc_shape(uint64_t payload_size, struct spsc_shape *ret_shape);
/* Does the page say the same? */
bool spsc_shape_fits(const struct spsc_shape *s, const struct spsc_data_page *page);
int spsc_map_data(int fd, int prot, struct spsc_map *ret_map);
int spsc_map_cursor(int fd, int prot, void **ret_map, size_t *ret_n);

/* Can positions be so? tail <= head, at most size apart, both on multiples of 8. */
static inline bool spsc_positions_ok(uint64_t head, uint64_t tail, uint64_t size)
{
	return head - tail <= size && head >= tail && head % 8 == 0 && tail % 8 == 0;
}
