/* SPDX-License-Identifier: Apache-2.0 */
/* Probing, loading and attaching the kernel programs. Must run with CAP_BPF and CAP_PERFMON; opens
 * nothing but the kernel's own type information. Its input is the kernel, which is trusted.
 * libbpf's own talk goes to the debug log; what a person needs is one line in the caller's text. */

#include <driver/load.h>

#include <sys/capability.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>

#include "bpf_halves.h"
#include "saker.skel.h"

#define BTF_FILE "/sys/kernel/btf/vmlinux"
#define CAP_PERFMON_NR 38
#define CAP_BPF_NR 39

/* The verifier's log comes as one text of many lines; what it ends with says why. */
static int libbpf_to_debug(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	_cleanup_free_ char *text = NULL;
	va_list again;
	int n;

	va_copy(again, ap);
	n = vasprintf(&text, fmt, again);
	va_end(again);
	if (n > 1800) {
		log_debug("libbpf: … %s", text + n - 1800);
		return 0;
	}
	if (level != LIBBPF_DEBUG)
		log_writev(LOG_LVL_DEBUG, fmt, ap);
	return 0;
}

static int fail(int r, char *text, size_t size, const char *fmt, ...) _printf_(4, 5);
static int fail(int r, char *text, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, size, fmt, ap); /* a cut line is still a line */
	va_end(ap);
	return r;
}

/* ---- probes: what the running kernel has, by its type information ---- */

static bool has_helper(const struct btf *btf, const char *name)
{
	int id = btf__find_by_name_kind(btf, "bpf_func_id", BTF_KIND_ENUM);
	const struct btf_type *t = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;

	for (int i = 0; t && i < btf_vlen(t); i++)
		if (strcmp(btf__name_by_offset(btf, btf_enum(t)[i].name_off), name) == 0)
			return true;
	return false;
}

/* Number of the tracepoint's arguments, 0: there is no such tracepoint. */
static unsigned tracepoint_args(const struct btf *btf, const char *name)
{
	char type[64];
	const struct btf_type *t;
	int id;

	(void)snprintf(type, sizeof(type), "btf_trace_%s", name);
	id = btf__find_by_name_kind(btf, type, BTF_KIND_TYPEDEF);
	if (id <= 0)
		return 0;
	t = btf__type_by_id(btf, (uint32_t)id); /* typedef -> pointer -> prototype, whose first
						   parameter is the private data */
	t = btf__type_by_id(btf, t->type);
	t = btf__type_by_id(btf, t->type);
	return btf_is_func_proto(t) && btf_vlen(t) > 0 ? (unsigned)btf_vlen(t) - 1 : 0;
}

/* ---- permission ---- */

static bool has_cap(cap_value_t cap)
{
	cap_t caps = cap_get_proc();
	cap_flag_value_t v = CAP_CLEAR;

	if (!caps)
		return false;
	if (cap_get_flag(caps, cap, CAP_EFFECTIVE, &v) < 0)
		v = CAP_CLEAR;
	(void)cap_free(caps); /* nothing to do if not */
	return v == CAP_SET;
}

static int check_permission(char *text, size_t size)
{
	bool bpf = has_cap(CAP_BPF_NR), perfmon = has_cap(CAP_PERFMON_NR);

	if ((bpf && perfmon) || has_cap(CAP_SYS_ADMIN))
		return 0;
	return fail(-EPERM, text, size,
		"no permission to load the kernel programs: %s missing (run as root, or give both "
		"CAP_BPF and CAP_PERFMON)",
		!bpf && !perfmon ? "CAP_BPF and CAP_PERFMON are"
		: bpf            ? "CAP_PERFMON is"
				 : "CAP_BPF is");
}

/* ---- loading ---- */

/* One ring buffer a CPU, put into the outer map. */
static int make_rings(struct drv_loaded *l, struct saker_bpf *skel)
{
	int outer = bpf_map__fd(skel->maps.saker_rings);

	for (unsigned i = 0; i < l->n_cpus; i++) {
		int fd = bpf_map_create(
			BPF_MAP_TYPE_RINGBUF, "saker_ring", 0, 0, (uint32_t)l->ring_bytes, NULL);

		if (fd < 0)
			return -errno;
		l->ring_fds[i] = fd;
		if (bpf_map_update_elem(outer, &i, &fd, BPF_ANY) < 0)
			return -errno;
	}
	return 0;
}

/* io_uring's tracepoints changed their names and arguments over time; what fits none of ours is
 * left out. */
static void select_uring(struct saker_bpf *skel, const struct btf *btf)
{
	bool submit = tracepoint_args(btf, "io_uring_submit_req") == 1,
	     submit_old = !submit && tracepoint_args(btf, "io_uring_submit_sqe") == 2;
	unsigned n = tracepoint_args(btf, "io_uring_complete");
	bool any = (submit || submit_old) && (n == 3 || n == 7);

	(void)bpf_program__set_autoload(skel->progs.saker_uring_submit, any && submit);
	(void)bpf_program__set_autoload(skel->progs.saker_uring_submit_old, any && submit_old);
	(void)bpf_program__set_autoload(skel->progs.saker_uring_complete, any && n == 3);
	(void)bpf_program__set_autoload(skel->progs.saker_uring_complete_old, any && n == 7);
	if (!any)
		log_debug("this kernel's io_uring tracepoints are not known: operations through "
			  "io_uring are not seen");
}

static void select_programs(struct saker_bpf *skel, const struct btf *btf, struct drv_loaded *l)
{
	skel->rodata->saker_has_cast =
		btf__find_by_name_kind(btf, "bpf_rdonly_cast", BTF_KIND_FUNC) > 0;
	l->has_args = has_helper(btf, "BPF_FUNC_copy_from_user_task");
	(void)bpf_program__set_autoload(
		skel->progs.saker_iter_task, l->has_args); /* fails only on loaded objects */
	(void)bpf_program__set_autoload(skel->progs.saker_iter_task_noargs, !l->has_args);
	/* since 4.18; without it a container is looked up at its first process */
	(void)bpf_program__set_autoload(
		skel->progs.saker_cgroup, tracepoint_args(btf, "cgroup_mkdir") > 0);
	(void)bpf_program__set_autoload(
		skel->progs.saker_cgroup_gone, tracepoint_args(btf, "cgroup_rmdir") > 0);
	select_uring(skel, btf);
}

static int set_sizes(struct saker_bpf *skel, const struct drv_loaded *l)
{
	skel->rodata->saker_n_cpus = l->n_cpus;
	skel->rodata->saker_ring_bytes = l->ring_bytes;
	skel->rodata->saker_boot_epoch_ns = clock_epoch_ns() - clock_boot_ns();
	if (bpf_map__set_max_entries(skel->maps.saker_scratch, l->n_cpus + 2) < 0 ||
		bpf_map__set_max_entries(skel->maps.saker_rings, l->n_cpus) < 0 ||
		bpf_map__set_max_entries(skel->maps.saker_counters, l->n_cpus) < 0 ||
		bpf_map__set_max_entries(skel->maps.saker_flood,
			l->n_cpus * bpf_map__max_entries(skel->maps.saker_flood)) < 0)
		return -EINVAL;
	return 0;
}

static int attach_programs(struct drv_loaded *l, struct saker_bpf *skel, char *text, size_t size)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, skel->obj)
	{
		const char *name = bpf_program__name(prog);
		bool is_iter = strncmp(bpf_program__section_name(prog), "iter", 4) == 0;
		struct bpf_link *link;

		if (bpf_program__fd(prog) < 0 || !bpf_program__autoload(prog))
			continue;
		link = bpf_program__attach(prog);
		if (!link)
			return fail(-errno, text, size, "kernel program '%s' does not attach: %s",
				name, strerror(errno));
		if (is_iter) {
			l->iter_link_fds[strcmp(name, "saker_iter_task_file") == 0] =
				dup(bpf_link__fd(link));
		} else {
			assert(l->n_progs < DRV_PROGS_MAX);
			l->link_fds[l->n_progs] = dup(bpf_link__fd(link));
			l->prog_fds[l->n_progs] = bpf_program__fd(prog);
			l->prog_names[l->n_progs++] = name;
		}
		bpf_link__destroy(link); /* the duplicate keeps it */
	}
	return 0;
}

/* The programs for io_uring and the iterators are half of the verifier's work. */
static bool is_second_half(const struct bpf_program *prog)
{
	const char *name = bpf_program__name(prog);

	return strncmp(name, "saker_uring_", strlen("saker_uring_")) == 0 ||
	       strncmp(name, "saker_iter_", strlen("saker_iter_")) == 0;
}

/* Each half loads its own of the programs that were selected in the first. */
static void split(struct saker_bpf *first, struct saker_bpf *second)
{
	struct bpf_program *a = NULL, *b = NULL;

	while ((a = bpf_object__next_program(first->obj, a)) != NULL &&
		(b = bpf_object__next_program(second->obj, b)) != NULL) {
		bool wanted = bpf_program__autoload(a), is_second = is_second_half(a);

		/* fails only on loaded objects */
		(void)bpf_program__set_autoload(a, wanted && !is_second);
		(void)bpf_program__set_autoload(b, wanted && is_second);
	}
}

static int open_halves(struct drv_loaded *l, char *text, size_t size)
{
	struct btf *btf = btf__load_vmlinux_btf();
	struct saker_bpf *first, *second;
	int r;

	if (!btf)
		return fail(-ENOENT, text, size, "the kernel's type information cannot be read: %s",
			strerror(errno));
	l->skel = first = drv_half_open();
	l->skel_second = second = first ? drv_half_open() : NULL;
	if (second)
		select_programs(first, btf, l);
	btf__free(btf);
	if (!second)
		return fail(-ENOMEM, text, size, "the kernel programs cannot be opened: %s",
			strerror(errno));
	r = set_sizes(first, l);
	if (r == 0)
		r = set_sizes(second, l);
	if (r < 0)
		return fail(r, text, size, "the kernel programs cannot be sized for %u CPUs",
			l->n_cpus);
	*second->rodata = *first->rodata;
	split(first, second);
	return 0;
}

static int load_object(struct drv_loaded *l, char *text, size_t size)
{
	struct saker_bpf *skel;
	int r;

	r = open_halves(l, text, size);
	if (r < 0)
		return r;
	skel = l->skel;
	r = drv_halves_load(skel, l->skel_second);
	if (r == -EPERM)
		return fail(r, text, size,
			"the kernel refuses to load the programs: operation not permitted "
			"(lockdown, a security module or a seccomp filter)");
	if (r < 0)
		return fail(r, text, size, "the kernel refuses the programs: %s", strerror(-r));
	r = make_rings(l, skel);
	if (r < 0)
		return fail(r, text, size, "no ring buffer of %zu bytes a CPU: %s", l->ring_bytes,
			strerror(-r));
	l->wake_fd = bpf_map__fd(skel->maps.saker_wake);
	l->interest_fd = bpf_map__fd(skel->maps.saker_interest);
	l->counters_fd = bpf_map__fd(skel->maps.saker_counters);
	r = attach_programs(l, skel, text, size);
	return r < 0 ? r : attach_programs(l, l->skel_second, text, size);
}

int drv_load(const struct drv_load_config *c, struct drv_loaded **ret_loaded, char *reterr_text,
	size_t text_size)
{
	struct drv_loaded *l;
	int r, cpus;

	libbpf_set_print(libbpf_to_debug);
	r = check_permission(reterr_text, text_size);
	if (r < 0)
		return r;
	if (access(BTF_FILE, R_OK) < 0)
		return fail(-ENOENT, reterr_text, text_size,
			"%s is missing: this kernel is built without CONFIG_DEBUG_INFO_BTF",
			BTF_FILE);
	cpus = c->n_cpus ? (int)c->n_cpus : libbpf_num_possible_cpus();
	if (cpus <= 0 || cpus > KSHM_CPUS_MAX)
		return fail(-E2BIG, reterr_text, text_size, "%d CPUs: at most %d are supported",
			cpus, KSHM_CPUS_MAX);
	l = calloc(1, sizeof(*l));
	if (!l)
		return fail(-ENOMEM, reterr_text, text_size, "out of memory");
	l->n_cpus = (unsigned)cpus;
	l->ring_bytes = c->ring_bytes;
	for (unsigned i = 0; i < KSHM_CPUS_MAX; i++)
		l->ring_fds[i] = -1;
	l->iter_link_fds[0] = l->iter_link_fds[1] = -1;
	r = load_object(l, reterr_text, text_size);
	if (r < 0) {
		l = drv_load_free(l);
		return r;
	}
	*ret_loaded = l;
	return 0;
}

struct drv_loaded *drv_load_free(struct drv_loaded *l)
{
	if (!l)
		return NULL;
	for (unsigned i = 0; i < l->n_progs; i++)
		l->link_fds[i] = fd_close(l->link_fds[i]);
	for (unsigned i = 0; i < l->n_cpus; i++)
		l->ring_fds[i] = fd_close(l->ring_fds[i]);
	for (unsigned i = 0; i < 2; i++)
		l->iter_link_fds[i] = fd_close(l->iter_link_fds[i]);
	saker_bpf__destroy(l->skel_second);
	saker_bpf__destroy(l->skel);
	free(l);
	return NULL;
}
