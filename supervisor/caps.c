/* SPDX-License-Identifier: Apache-2.0 */
/* The capabilities that the supervisor keeps. It stays root-equivalent, and a child starts with
 * what the bounding set leaves; so what no part of saker needs is taken out of both, for good. */
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <linux/capability.h>

#include <errno.h>
#include <unistd.h>

#include <base/log.h>
#include <base/macros.h>

#include "sup.h"

/* Newer than some build hosts' headers. */
#define CAP_PERFMON_NR 38
#define CAP_BPF_NR 39
#define CAPS_MAX 64

static const struct {
	unsigned cap;
	const char *why;
} kept[] = {
	{CAP_KILL, "ends a hung stage; the children's death signal needs it too"},
	{CAP_SETUID, "a uid for every stage"},
	{CAP_SETGID, "likewise"},
	{CAP_SETPCAP, "a stage empties its bounding set"},
	{CAP_CHOWN, "owns what a child handed over"},
	{CAP_DAC_OVERRIDE, "files of outputs in folders of other owners"},
	{CAP_DAC_READ_SEARCH, "configuration and rules of other owners"},
	{CAP_SYS_ADMIN, "namespaces and the empty root"},
	{CAP_SYS_PTRACE, "the root of a container's process, for its users' names (opener.c)"},
	{CAP_SYS_CHROOT, "the empty root"},
	{CAP_SYS_NICE, "the priority of the collector and of lookups of containers"},
	{CAP_SYS_RESOURCE, "locked memory of BPF maps before 5.11"},
	{CAP_PERFMON_NR, "the loader"},
	{CAP_BPF_NR, "the loader; iterators on 5.10"},
};

static uint64_t kept_bits(void)
{
	uint64_t bits = 0;

	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		bits |= 1ULL << kept[i].cap;
	return bits;
}

int sup_caps_reduce(const struct sup *s)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};
	const uint64_t bits = kept_bits();

	if (s->mode == PLAN_MODE_USER)
		return 0;
	for (unsigned cap = 0; cap < CAPS_MAX; cap++) {
		/* EINVAL: the kernel knows no more of them; EPERM: we may not, then a child's seal
		 * still does */
		if (!(bits >> cap & 1) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 &&
			errno != EINVAL && errno != EPERM)
			return log_err_errno(-errno, "give up capability %u", cap);
	}
	if (syscall(SYS_capget, &head, data) < 0)
		return log_err_errno(-errno, "read own capabilities");
	for (unsigned i = 0; i < 2; i++) {
		data[i].permitted &= (uint32_t)(bits >> (32 * i));
		data[i].effective &= (uint32_t)(bits >> (32 * i));
		data[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &head, data) < 0)
		return log_err_errno(-errno, "give up capabilities");
	return 0;
}
