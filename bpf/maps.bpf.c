/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The maps of saker.bpf.c without its programs: the loader makes them from this object, so that two
 * halves of the other can be verified at the same time over one set. A map of the other that is
 * missing here fails the load. */

#include "maps.h"

/* Nothing is called here, so nothing is to be left of what the headers define. */
#undef __noinline
#define __noinline static __always_inline
#include "known.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";
