/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The only door to atomics. Shared fields are plain integers in structs of fixed layout; each use names its partner in a comment. */

#include <stdint.h>

#define atomic_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define atomic_load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define atomic_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define atomic_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define atomic_fence_seq_cst() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define atomic_fetch_add_relaxed(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
