/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The tracker's tables for one who writes them down: raw records in, the lists of a capture file
 * out. */

#include <stdbool.h>
#include <stdint.h>

#include <driver/kev.h>
#include <driver/scap_write.h>
#include <shm/rec.h>

struct table;

/* All memory is taken here. 0 or negative errno. */
int table_open(uint32_t threads_max, uint32_t descriptors_max, struct table **ret_table);
/* Accepts NULL; returns NULL. */
struct table *table_free(struct table *t);
/* Takes one record of the raw ring (a private copy, which may be changed). 0; -EBADMSG: refused. */
int table_apply(struct table *t, struct rec_head *rec);
/* When the host booted, epoch ns; 0 unknown. */
uint64_t table_boot_ns(const struct table *t);
/* The head of a file: section, machine, interfaces, users and groups, processes, descriptors. */
void table_write(struct table *t, struct scap_writer *w, const struct scap_machine *m);
/* A birth that only the kernel's fork told of (saker_fork, applied already) as the exit of clone in the
 * child, which is what the format has for it. buf: KEV_SIZE_MAX bytes, 8-aligned. The record's length;
 * 0: nothing is known of the child. */
int table_birth(struct table *t, const struct kev *fork, void *buf);
