/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target for capture files: any bytes, read to the end or to the error. What the reader hands
 * over must pass the door for kernel events, whatever the file says. Under libFuzzer it is built with
 * clang; test_scap_fuzz.c drives the same function with deterministic mutations. */

#include <sys/mman.h>

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <base/macros.h>
#include <driver/kev.h>
#include <driver/scap.h>

#include "fuzz_scap.h"

uint64_t fuzz_scap_records;

static void check(const struct scap_record *rec)
{
	const char *why = "";
	struct kev k;
	int r = kev_parse(rec->p, rec->len, &k, &why);

	assert(r == 0);
	assert(rec->is_state || k.info->kind != KEV_KIND_ITER);
	fuzz_scap_records++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC), r;
	struct scap_reader *reader;
	struct scap_record rec;

	assert(fd >= 0);
	if (n)
		assert(write(fd, data, n) == (ssize_t)n);
	assert(lseek(fd, 0, SEEK_SET) == 0);
	assert(scap_reader_open(fd, &reader) == 0);
	while ((r = scap_reader_next(reader, &rec)) == 1)
		check(&rec);
	assert(r == 0 || (r == -EBADMSG && strncmp(scap_reader_error(reader), "at byte ", 8) == 0));
	scap_reader_free(reader);
	return 0;
}
