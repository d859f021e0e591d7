/* SPDX-License-Identifier: Apache-2.0 */
/* NAME
 *	saker-loader - load saker's kernel programs and hand their descriptors over
 * SYNOPSIS
 *	started by saker(8); descriptor 3 is the control socket, 4 the log
 * DESCRIPTION
 *	Loads and attaches the kernel programs, makes one ring buffer a CPU and the links of the
 *iterators, gives every descriptor to the supervisor, reports the result and exits. What it
 *attached lives as long as somebody holds the descriptors. Capture is still disabled. SECURITY Runs
 *as an own user with CAP_BPF and CAP_PERFMON and nothing else. Reads the kernel's type information;
 *no hostile input. DIAGNOSTICS One line in the result's text when the programs cannot be loaded;
 *libbpf's own messages in the debug log. Exit status 0, or 1 after an error. */

#include <linux/capability.h>

#include <stdio.h>
#include <string.h>

#include <base/log.h>
#include <driver/load.h>
#include <stage/stage.h>

#define DEFAULT_RING_BYTES (8u << 20)

static int give(struct stage *s, enum ctl_role role, unsigned index, const char *name, int fd)
{
	return stage_send(s, CTL_GIVE, role, index, 0, 0, name, fd);
}

static int give_all(struct stage *s, const struct drv_loaded *l)
{
	int r = 0;

	for (unsigned i = 0; i < l->n_cpus && r >= 0; i++)
		r = give(s, FD_BPF_RING, i, "ring", l->ring_fds[i]);
	if (r >= 0)
		r = give(s, FD_BPF_WAKE, 0, "wake", l->wake_fd);
	if (r >= 0)
		r = give(s, FD_BPF_INTEREST, 0, "interest", l->interest_fd);
	if (r >= 0)
		r = give(s, FD_BPF_COUNTERS, 0, "counters", l->counters_fd);
	for (unsigned i = 0; i < l->n_progs && r >= 0; i++) {
		r = give(s, FD_BPF_LINK, i, l->prog_names[i], l->link_fds[i]);
		if (r >= 0)
			r = give(s, FD_BPF_PROG, i, l->prog_names[i], l->prog_fds[i]);
	}
	for (unsigned i = 0; i < 2 && r >= 0; i++)
		r = give(s, FD_ITER_LINK, i, i ? "task_file" : "task", l->iter_link_fds[i]);
	return r;
}

/* Exit status. */
static int loader_run(struct stage *s, int argc, char **argv)
{
	struct drv_load_config c = {
		.n_cpus = s->settings ? s->settings->n_cpus : 0,
		.ring_bytes = s->settings && s->settings->bpf_ring_bytes
				      ? s->settings->bpf_ring_bytes
				      : DEFAULT_RING_BYTES,
	};
	char why[CTL_TEXT_MAX] = "";
	struct drv_loaded *l;
	int r;

	(void)argc; /* the stage's name and settings come over the control socket */
	(void)argv;
	r = drv_load(&c, &l, why, sizeof(why));
	if (r < 0) {
		(void)stage_send(s, CTL_RESULT, FD_NONE, 0, r, 0, why,
			-1); /* a dead supervisor needs no answer */
		return 1;
	}
	r = give_all(s, l);
	if (r < 0) {
		(void)log_err_errno(r, "hand the kernel programs over");
		return 1;
	}
	r = stage_send(s, CTL_RESULT, FD_NONE, l->n_cpus, 0, l->ring_bytes,
		l->has_args ? "" : "no arguments of running processes on this kernel", -1);
	return r < 0;
}

static const struct stage_run_ops loader_ops = {
	.name = "loader",
	.seal = {.threads = 1}, /* the verifier works on two CPUs, driver/bpf_halves.c */
	.keep_caps = 1ULL << CAP_BPF | 1ULL << CAP_PERFMON,
	.run = loader_run,
};

int main(int argc, char **argv)
{
	return stage_run_main(&loader_ops, argc, argv);
}
