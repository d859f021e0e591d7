/* SPDX-License-Identifier: Apache-2.0 */
/* A saker-metadata that was taken over, for the test of saker-gate; built with -Dtest_hooks=true alone. With SAKER_TEST_ASKS=1 it asks for anything: all kinds, runtimes that there are not, and ids
 * that want to be a path, a header, a field of a message or a query. */

#include "metadata_hooks.h"

#include <stdlib.h>
#include <string.h>

#include <base/hash.h>
#include <base/macros.h>

#define HEX64 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct {
	bool is_on;
	uint64_t n;
} hook;

void md_hooks_prepare(void)
{
	const char *env = getenv("SAKER_TEST_ASKS");

	hook.is_on = env && !strcmp(env, "1");
}

bool md_hooks_ask(struct gate_ask *ret)
{
	static const char *const ids[] = {"", HEX64, "001122334455", "0011", HEX64 "00",
		"../../v1.0/containers/create", "001122334455/../../images/x",
		"001122334455 HTTP/1.1\r\nX-A: b", "001122334455\r\n\r\nPOST /x HTTP/1.1\r\n\r\n",
		"001122334455?force=1", "001122334455%2f", "00112233445G", "default", "default/web",
		"default/docker.io/local/web:1", "default/../x", "default/web\r\nx: y", "a b/web",
		"default/\x12\x03xyz", "k8s.io/" HEX64, "/web", "default/", "-/-"};
	uint64_t x = hash_u64(hook.n++);
	const char *id = ids[x % ARRAY_LEN(ids)];

	if (!hook.is_on)
		return false;
	memset(ret->id, 0, sizeof(ret->id));
	memcpy(ret->id, id, strlen(id));
	/* and now and then no text at all */
	for (unsigned i = 0; x >> 60 == 0 && i < sizeof(ret->id) - 1; i++)
		ret->id[i] = (char)hash_u64(x + i);
	ret->cookie = x | 1;
	ret->runtime = (uint32_t)(x >> 8) % (GATE_RUNTIMES_MAX + 2);
	if (x >> 16 & 1)
		ret->runtime %= 3;
	ret->what = (uint32_t)(x >> 20) % _GATE_WHAT_MAX;
	return true;
}
