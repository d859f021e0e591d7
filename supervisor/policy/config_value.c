/* SPDX-License-Identifier: Apache-2.0 */
/* Scalars: booleans as YAML 1.1 has them, numbers, sizes, durations, names of priorities. Pure
 * functions over NUL-ended text. */

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <base/log.h>
#include <base/macros.h>

#include "config_value.h"

bool cfg_to_bool(const char *s, bool *ret)
{
	static const char *const yes[] = {"true", "yes", "on", "y"}, *const no[] = {"false", "no",
									     "off", "n"};

	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (!strcasecmp(s, yes[i]) || !strcasecmp(s, no[i])) {
			*ret = !strcasecmp(s, yes[i]);
			return true;
		}
	}
	return false;
}

bool cfg_to_int(const char *s, int64_t *ret)
{
	char *end;
	long long v;

	if (!*s || strspn(s, "+-0123456789") != strlen(s))
		return false;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (errno || *end || end == s)
		return false;
	*ret = v;
	return true;
}

bool cfg_to_num(const char *s, double *ret)
{
	char *end;
	double v;

	if (!*s || strspn(s, "+-.0123456789eE") != strlen(s))
		return false;
	v = strtod(s, &end);
	if (*end || end == s || !isfinite(v))
		return false;
	*ret = v;
	return true;
}

struct unit {
	const char *name;
	double factor;
};

/* A number without sign and a unit of the table. */
static bool to_scaled(const char *s, const struct unit *units, size_t n_units, uint64_t *ret)
{
	char *end;
	double v;

	if (*s < '0' || *s > '9' || (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')))
		return false;
	v = strtod(s, &end);
	while (*end == ' ')
		end++;
	for (size_t i = 0; i < n_units; i++) {
		if (strcmp(end, units[i].name) || v * units[i].factor > 1.8e19)
			continue;
		*ret = (uint64_t)(v * units[i].factor);
		return true;
	}
	return false;
}

bool cfg_to_size(const char *s, uint64_t *ret_bytes)
{
	static const struct unit units[] = {
		{"", 1}, {"B", 1}, {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}};

	return to_scaled(s, units, ARRAY_LEN(units), ret_bytes);
}

bool cfg_to_duration(const char *s, uint64_t *ret_ns)
{
	static const struct unit units[] = {{"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};

	if (!strcmp(s, "0")) {
		*ret_ns = 0;
		return true;
	}
	return to_scaled(s, units, ARRAY_LEN(units), ret_ns);
}

bool cfg_is_falco_duration(const char *s)
{
	static const char *const units[] = {"ms", "y", "w", "d", "h", "m", "s"};
	size_t digits = strspn(s, "0123456789");

	if (digits && !s[digits])
		return true;
	while (*s) {
		size_t i;

		digits = strspn(s, "0123456789");
		s += digits;
		for (i = 0; i < ARRAY_LEN(units) && strncmp(s, units[i], strlen(units[i])) != 0;
			i++)
			;
		if (!digits || i == ARRAY_LEN(units))
			return false;
		s += strlen(units[i]);
	}
	return digits > 0;
}

bool cfg_to_priority(const char *s, uint8_t *ret)
{
	static const struct {
		const char *name;
		uint8_t number;
	} names[] = {
		{"emergency", 0},
		{"alert", 1},
		{"critical", 2},
		{"error", 3},
		{"warning", 4},
		{"notice", 5},
		{"informational", 6},
		{"info", 6},
		{"debug", 7},
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!strcasecmp(s, names[i].name)) {
			*ret = names[i].number;
			return true;
		}
	}
	return false;
}

bool cfg_to_level(const char *s, int *ret_level)
{
	uint8_t p;

	if (!cfg_to_priority(s, &p))
		return false;
	*ret_level = MAX((int)p, (int)LOG_LVL_ERR);
	return true;
}

bool cfg_to_facility(const char *s, unsigned *ret)
{
	static const char *const names[] = {"kern", "user", "mail", "daemon", "auth", "syslog",
		"lpr", "news", "uucp", "cron", "authpriv", "ftp"};

	for (size_t i = 1; i < ARRAY_LEN(names); i++) { /* kern is the kernel's alone */
		if (!strcasecmp(s, names[i])) {
			*ret = (unsigned)i;
			return true;
		}
	}
	if (!strncasecmp(s, "local", 5) && s[5] >= '0' && s[5] <= '7' && !s[6]) {
		*ret = 16 + (unsigned)(s[5] - '0');
		return true;
	}
	return false;
}

int cfg_choice(const char *s, const char *choices)
{
	size_t n = strlen(s);

	for (int i = 0;; i++) {
		size_t len = strcspn(choices, "|");

		if (len == n && !strncmp(s, choices, n))
			return i;
		if (!choices[len])
			return -1;
		choices += len + 1;
	}
}

bool cfg_is_name(const char *s)
{
	size_t n = strlen(s);

	return n >= 1 && n <= 32 && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_-") == n;
}
