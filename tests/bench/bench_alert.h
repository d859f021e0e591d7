/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the benchmarks of the emitter share: an alert of about 600 bytes, and small things. */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/clock.h>
#include <shm/alert.h>

static inline void bench_die(const char *what)
{
	perror(what);
	exit(1);
}

static inline const struct alert *bench_alert(void)
{
	static _Alignas(8) uint8_t record[SPSC_RECORD_MAX];
	static struct alert_builder b;
	struct alert *a;
	char message[200];
	int n;

	memset(message, 'm', sizeof(message));
	alert_begin(&b, record, sizeof(record));
	a = alert_head(&b);
	a->rule_name = alert_add_text(&b, SPAN_LIT("Read sensitive file untrusted"));
	a->source = alert_add_text(&b, SPAN_LIT("syscall"));
	a->host = alert_add_text(&b, SPAN_LIT("host.example"));
	a->message = alert_add_text(&b, (struct span){message, sizeof(message)});
	for (unsigned i = 0; i < 5; i++) {
		char key[24];

		snprintf(key, sizeof(key), "proc.field%u", i);
		alert_add_field(&b, span_str(key), ALERT_STR, 0, SPAN_LIT("value"));
	}
	a->h.ring.type = REC_ALERT;
	a->h.ts_ns = clock_epoch_ns();
	a->priority = 4;
	n = alert_finish(&b);
	if (n < 0)
		bench_die("build an alert");
	a->h.ring.len = (uint32_t)n;
	return a;
}

static inline void bench_empty(const char *path)
{
	DIR *d = opendir(path);

	for (struct dirent *e; d && (e = readdir(d));)
		(void)unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
}

static inline int bench_by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static inline void bench_sort(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), bench_by_value);
}
