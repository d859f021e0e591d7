/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The file of containers' facts (metadata.file): what it says now, as records. */

#include <stdbool.h>
#include <stdint.h>

#include <sys/stat.h>

#include "container.h"

struct md_containers {
	json_t *root;     /* NULL: nothing read yet */
	void *at;         /* its entry that is told next; NULL: all are told */
	struct stat seen; /* of the file when it was last tried */
	struct md_container one;
};

void md_containers_done(struct md_containers *c);
/* Reads the descriptor from its start; then everything is to be told. 0; or negative errno, logged with its place, and what was known stays. @name: of the file, for messages. */
int md_containers_read(struct md_containers *c, int fd, const char *name);
/* Has the file changed since, or been replaced? */
bool md_containers_is_stale(const struct md_containers *c, int fd);
/* The next record into buf (KEV_SIZE_MAX bytes, 8-aligned): its length, 0 when all are told. The same comes again until md_containers_taken(). */
int md_containers_record(struct md_containers *c, void *buf);
void md_containers_taken(struct md_containers *c);
/* Tells all of it once more. */
void md_containers_again(struct md_containers *c);
