/* SPDX-License-Identifier: Apache-2.0 */
/* The seal: the steps in their order. Each gives something up for good; none can be left out but by
 * the table of required steps that the supervisor sends.
 *
 * The order matters: namespaces and the empty root need capabilities, so they come before the uid;
 * the bounding set likewise. The death signal is cleared by a change of uid, so it comes after it.
 * seccomp is last, because it takes away the calls that the other steps use. */
#include <sys/prctl.h>

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include <base/macros.h>

#include "stage_priv.h"

const char *seal_step_str(uint32_t step)
{
	switch (step) {
	case SEAL_NNP:
		return "no_new_privs";
	case SEAL_UID:
		return "uid";
	case SEAL_CAPS:
		return "capabilities";
	case SEAL_NAMESPACES:
		return "namespaces";
	case SEAL_ROOT:
		return "empty root";
	case SEAL_RLIMITS:
		return "rlimits";
	case SEAL_LANDLOCK:
		return "landlock";
	case SEAL_SECCOMP:
		return "seccomp";
	case SEAL_DUMPABLE:
		return "dumpable";
	case SEAL_PDEATHSIG:
		return "death signal";
	default:
		return "?";
	}
}

static int step_nnp(const struct seal_request *q, struct seal_result *ret)
{
	(void)q;
	(void)ret;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

static int step_namespaces(const struct seal_request *q, struct seal_result *ret)
{
	(void)ret;
	return q->keep_caps ? -EOPNOTSUPP : seal_namespaces(q->spec->net & SEAL_NET_DIALS);
}

static int step_root(const struct seal_request *q, struct seal_result *ret)
{
	if (q->keep_caps)
		return -EOPNOTSUPP;
	if (!(ret->done & SEAL_NAMESPACES))
		return -EPERM; /* the mounts would be the host's */
	return seal_empty_root();
}

static int step_rlimits(const struct seal_request *q, struct seal_result *ret)
{
	(void)ret;
	return seal_rlimits(q);
}

static int step_uid(const struct seal_request *q, struct seal_result *ret)
{
	(void)ret;
	(void)seal_drop_bounding(
		q->keep_caps); /* without CAP_SETPCAP nothing can be raised either: no_new_privs */
	return q->uid ? seal_set_uid(q->uid, q->keep_caps) : -EOPNOTSUPP;
}

static int step_caps(const struct seal_request *q, struct seal_result *ret)
{
	(void)ret;
	/* an unprivileged start cannot empty the bounding set; no_new_privs makes it meaningless */
	if (q->uid && !seal_is_bounding_empty(q->keep_caps))
		return -EPERM;
	return seal_drop_caps(q->keep_caps);
}

static int step_dumpable(const struct seal_request *q, struct seal_result *ret)
{
	(void)q;
	(void)ret;
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}

static int step_pdeathsig(const struct seal_request *q, struct seal_result *ret)
{
	(void)q;
	(void)ret;
	return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ? -errno : 0;
}

static int step_landlock(const struct seal_request *q, struct seal_result *ret)
{
	return q->keep_caps ? -EOPNOTSUPP
			    : seal_landlock(q->spec->net & SEAL_NET_DIALS, q->spec->folder,
				      &ret->landlock);
}

static int step_seccomp(const struct seal_request *q, struct seal_result *ret)
{
	(void)ret;
	return seal_seccomp(q);
}

static const struct {
	uint32_t step;
	int (*run)(const struct seal_request *q, struct seal_result *ret);
} seal_steps[] = {
	{SEAL_NNP, step_nnp},
	{SEAL_NAMESPACES, step_namespaces},
	{SEAL_ROOT, step_root},
	{SEAL_RLIMITS, step_rlimits},
	{SEAL_UID, step_uid},
	{SEAL_CAPS, step_caps},
	{SEAL_DUMPABLE, step_dumpable},
	{SEAL_PDEATHSIG, step_pdeathsig},
	{SEAL_LANDLOCK, step_landlock},
	{SEAL_SECCOMP, step_seccomp},
};

int seal_apply(const struct seal_request *q, struct seal_result *ret, const char **reterr_step)
{
	for (size_t i = 0; i < ARRAY_LEN(seal_steps); i++) {
		int r = seal_steps[i].run(q, ret);

		if (r == 0) {
			ret->done |= seal_steps[i].step;
		} else if (q->required & seal_steps[i].step) {
			*reterr_step = seal_step_str(seal_steps[i].step);
			return r;
		}
	}
	return 0;
}
