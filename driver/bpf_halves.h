/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Private to the loader: one object, verified on two CPUs at once. */

struct saker_bpf;

/* Opens the object; the caller selects programs and sets sizes. NULL: no memory, errno is set. */
struct saker_bpf *drv_half_open(void);
/* Loads @first and @second over one set of maps, at the same time. Both were opened from the same
 * object and have the same sizes and constants; which programs each loads is the caller's choice. 0
 * or negative errno. */
int drv_halves_load(struct saker_bpf *first, struct saker_bpf *second);
