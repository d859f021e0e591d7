/* SPDX-License-Identifier: Apache-2.0 */
/* The same facts as the JSON, aligned, losses in words. Missing members show as 0 or "-": an older
 * saker may answer. */
#include "client_text.h"

#include <stdio.h>
#include <string.h>

#include <shm/stats.h>

static const char *str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "-";
}

static long long num(const json_t *o, const char *key)
{
	return (long long)json_integer_value(json_object_get(o, key));
}

static double real(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static const char *in_colour(bool colour, bool is_good)
{
	if (!colour)
		return "";
	return is_good ? "\033[32m" : "\033[33m";
}

static void print_bytes(double n, char *buf, size_t cap)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
	unsigned u = 0;

	for (; n >= 1024 && u < 3; u++)
		n /= 1024;
	(void)snprintf(buf, cap, u ? "%.1f %s" : "%.0f %s", n, units[u]);
}

/* What the kernel or the start mode has no way to do. */
static void print_lacks(const json_t *row)
{
	const json_t *step;
	size_t i;

	json_array_foreach(json_object_get(row, "seal_lacks"), i, step)(void)
		printf("%s %s", i ? "," : "  without", json_string_value(step));
}

static void print_stages(const json_t *status, bool colour)
{
	const json_t *row;
	size_t i;

	(void)printf("\n%-24s %8s %6s %-9s %8s %-9s %8s %10s\n", "stage", "pid", "uid", "state",
		"restarts", "seal", "cpu", "memory");
	json_array_foreach(json_object_get(status, "stages"), i, row)
	{
		const char *state = str(row, "state");
		char mem[32];

		print_bytes((double)num(row, "pss_bytes"), mem, sizeof(mem));
		(void)printf("%-24s %8lld %6lld %s%-9s%s %8lld %-9s %7.2fs %10s", str(row, "name"),
			num(row, "pid"), num(row, "uid"),
			in_colour(colour, strcmp(state, "running") == 0), state,
			colour ? "\033[0m" : "", num(row, "restarts"), str(row, "seal"),
			real(row, "cpu_s"), mem);
		print_lacks(row);
		(void)printf("\n");
	}
}

static void print_rings(const json_t *status)
{
	const json_t *row;
	size_t i;

	(void)printf("\n%-32s %10s %8s %8s\n", "ring", "size", "used", "high");
	json_array_foreach(json_object_get(status, "rings"), i, row)
	{
		double size = (double)num(row, "size");
		char text[32];

		print_bytes(size, text, sizeof(text));
		(void)printf("%-32s %10s %7.1f%% %7.1f%%\n", str(row, "name"), text,
			size > 0 ? 100.0 * (double)num(row, "used") / size : 0.0,
			size > 0 ? 100.0 * (double)num(row, "high_water") / size : 0.0);
	}
}

static const char *loss_in_words(const char *name)
{
	for (unsigned i = 0; i < _LOSS_MAX; i++)
		if (strcmp(loss_str(i), name) == 0)
			return loss_help(i);
	return "";
}

static void print_losses(const json_t *losses, const char *indent)
{
	const json_t *v;
	const char *name;

	json_object_foreach((json_t *)losses, name, v)(void) printf("%slost %-24s %10lld  %s\n",
		indent, name, (long long)json_integer_value(v), loss_in_words(name));
}

static void print_ledger(const json_t *status, bool colour)
{
	const json_t *l = json_object_get(status, "ledger");
	bool is_balanced = json_is_true(json_object_get(l, "balanced"));

	(void)printf("\nledger: seen %lld, judged %lld, in flight %lld: %s%s%s\n", num(l, "seen"),
		num(l, "judged"), num(l, "in_flight"), in_colour(colour, is_balanced),
		is_balanced ? "balanced" : "not balanced", colour ? "\033[0m" : "");
	print_losses(json_object_get(l, "losses"), "  ");
}

static void print_outputs(const json_t *status)
{
	const json_t *row;
	size_t i;

	(void)printf("\n%-24s %-8s %10s %10s %9s %9s  %s\n", "output", "kind", "accepted",
		"delivered", "p50", "p99", "last error");
	json_array_foreach(json_object_get(status, "outputs"), i, row)
	{
		const json_t *latency = json_object_get(row, "latency_ms");

		(void)printf("%-24s %-8s %10lld %10lld %6.1f ms %6.1f ms  %s\n", str(row, "name"),
			str(row, "kind"), num(row, "accepted"), num(row, "delivered"),
			real(latency, "p50"), real(latency, "p99"), str(row, "last_error"));
		print_losses(json_object_get(row, "losses"), "    ");
	}
}

static void print_recording(const json_t *row)
{
	if (!json_is_object(row))
		return;
	(void)printf("\nrecording: events taken %lld, written %lld\n", num(row, "taken"),
		num(row, "written"));
	print_losses(json_object_get(row, "losses"), "    ");
}

void client_print_status(const json_t *status, bool colour)
{
	const json_t *policy = json_object_get(status, "policy"),
		     *events = json_object_get(status, "events");
	const char *state = str(status, "state");

	(void)printf("saker %s: %s%s%s, up %.0f s, %lld rules (%s), %.0f events/s\n",
		str(status, "version"), in_colour(colour, strcmp(state, "detecting") == 0), state,
		colour ? "\033[0m" : "", real(status, "uptime_s"), num(policy, "rules"),
		str(policy, "checksum"), real(events, "per_second"));
	print_stages(status, colour);
	print_rings(status);
	print_ledger(status, colour);
	print_outputs(status);
	print_recording(json_object_get(status, "recording"));
}
