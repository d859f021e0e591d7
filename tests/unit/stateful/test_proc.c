/* SPDX-License-Identifier: Apache-2.0 */
/* Births, programs, deaths, and who did it. */

#include "kit.h"

#include <stdlib.h>
#include <string.h>

#define CLONE_FILES_F 0x1
#define CLONE_THREAD_F 0x2000
#define SLOT_OF(k, tid) st_thread_slot(&(k).core.threads, st_thread_find(&(k).core.threads, (tid)))

static struct kit k;

static int setup(void **state)
{
	(void)state;
	kit_open_with_shell(&k, IMG_NEED_ENV);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	kit_close(&k);
	return 0;
}

static void test_fork__process__has_what_the_parent_has(void **state)
{
	const struct prec *p;

	(void)state;
	kit_fork(&k, KIT_SHELL, 200, 200, 0);
	kit_close_fd(&k, 200, 7);
	p = kit_proc(&k, 200);
	assert_non_null(p);
	assert_string_equal(kit_proc_text(p, p->comm), "forked");
	assert_string_equal(kit_proc_text(p, p->exe), "arg0");
	assert_int_equal(p->n_args, 2);
	assert_string_equal(kit_proc_text(p, p->args), "one");
	assert_string_equal(kit_proc_text(p, p->exepath), "/usr/bin/snap");
	assert_string_equal(kit_proc_text(p, p->cwd), "/home/user/");
	assert_string_equal(kit_proc_text(p, p->root), "/");
	assert_string_equal(kit_proc_text(p, p->env), "A=1");
	assert_int_equal(p->ptid, KIT_SHELL);
	assert_int_equal(p->parent_slot, SLOT_OF(k, KIT_SHELL));
	assert_int_equal(p->flags, PREC_MAIN);
	assert_int_equal(p->tty, 34816);
	assert_int_equal(p->loginuid, -1);
	assert_int_equal(p->cap_effective, 2);
	assert_int_equal(p->sid, KIT_SHELL);
	assert_int_equal(p->clone_ts_ns, KIT_EPOCH + 200000);
	assert_int_equal(kit_event(&k)->ev->flags & EV_DOUBTFUL, 0);
}

static void test_fork__descriptors__copied(void **state)
{
	(void)state;
	kit_openat(&k, KIT_SHELL, 3, -100, "/etc/passwd", 1);
	kit_fork(&k, KIT_SHELL, 200, 200, 0);
	assert_non_null(kit_fd(&k, 200, 3));
	kit_close_fd(&k, 200, 3);
	assert_string_equal(kit_fd_name(&k), "/etc/passwd"); /* known to the event that closes it */
	assert_null(kit_fd(&k, 200, 3));
	assert_non_null(kit_fd(&k, KIT_SHELL, 3));
}

static void test_fork__clone_files__shared(void **state)
{
	(void)state;
	kit_fork(&k, KIT_SHELL, 200, 200, CLONE_FILES_F);
	kit_openat(&k, 200, 3, -100, "/etc/shadow", 1);
	assert_non_null(kit_fd(&k, KIT_SHELL, 3));
	kit_exec(&k, 200, "id", "/usr/bin/id", 0); /* unshares */
	kit_close_fd(&k, 200, 3);
	assert_null(kit_fd(&k, 200, 3));
	assert_non_null(kit_fd(&k, KIT_SHELL, 3));
}

static void test_fork__thread__joins_the_group(void **state)
{
	const struct prec *p;

	(void)state;
	kit_fork(&k, KIT_SHELL, 201, KIT_SHELL, CLONE_THREAD_F | CLONE_FILES_F);
	kit_start(&k, KEV_CODE_SYSCALL_CLOSE_X, 201, KIT_SHELL);
	kit_send(&k);
	p = kit_proc(&k, 201);
	assert_int_equal(p->pid, KIT_SHELL);
	assert_int_equal(p->leader_slot, SLOT_OF(k, KIT_SHELL));
	assert_int_equal(p->flags, 0);
	assert_int_equal(p->cwd.off, 0);
	assert_int_equal(kit_proc(&k, KIT_SHELL)->n_threads, 2);
	kit_openat(&k, KIT_SHELL, 3, -100, "/x", 1);
	assert_non_null(kit_fd(&k, 201, 3));
	kit_exit(&k, 201, KIT_SHELL, 0);
	kit_close_fd(&k, KIT_SHELL, 3);
	assert_int_equal(kit_proc(&k, KIT_SHELL)->n_threads, 1);
}

static void test_fork__unknown_parent__child_and_parent_are_placeholders(void **state)
{
	(void)state;
	kit_fork(&k, 300, 301, 301, 0);
	kit_close_fd(&k, 301, 0);
	assert_true(kit_proc(&k, 300)->flags & PREC_PLACEHOLDER);
	assert_true(kit_proc(&k, 301)->flags & PREC_PLACEHOLDER);
	assert_int_equal(kit_proc(&k, 301)->parent_slot, SLOT_OF(k, 300));
	assert_true(kit_event(&k)->ev->flags & EV_DOUBTFUL);
	kit_exec(&k, 301, "id", "/usr/bin/id", 0); /* now everything that matters is known */
	assert_int_equal(kit_event(&k)->ev->flags & EV_DOUBTFUL, 0);
}

static void test_fork__child_seen_first__filled_in(void **state)
{
	uint32_t slot;

	(void)state;
	kit_close_fd(&k, 200, 0);
	slot = SLOT_OF(k, 200);
	assert_true(kit_proc(&k, 200)->flags & PREC_PLACEHOLDER);
	assert_string_equal(kit_proc_text(kit_proc(&k, 200), kit_proc(&k, 200)->comm), "headcomm");
	kit_fork(&k, KIT_SHELL, 200, 200, 0);
	kit_close_fd(&k, 200, 0);
	assert_int_equal(SLOT_OF(k, 200), slot);
	assert_false(kit_proc(&k, 200)->flags & PREC_PLACEHOLDER);
	assert_string_equal(
		kit_proc_text(kit_proc(&k, 200), kit_proc(&k, 200)->cwd), "/home/user/");
}

static void test_fork__program_started_first__kept(void **state)
{
	(void)state;
	kit_exec(&k, 200, "id", "/usr/bin/id", 0);
	kit_fork(&k, KIT_SHELL, 200, 200, 0);
	kit_close_fd(&k, 200, 0);
	assert_string_equal(kit_proc_text(kit_proc(&k, 200), kit_proc(&k, 200)->comm), "id");
}

static void clone_exit_of(
	uint16_t code, uint32_t tid, uint32_t pid, int64_t res, uint32_t ptid, const char *comm)
{
	struct kev_head *h = kit_start(&k, code, tid, 0);

	/* as in captures */
	h->leader_start_ns = 0;
	h->uid = h->gid = UINT32_MAX;
	memset(h->comm, 0, sizeof(h->comm));
	kit_int(&k, res);
	kit_text(&k, "exe-of-clone");
	kit_raw(&k, "x", 2);
	kit_int(&k, tid);
	kit_int(&k, pid);
	kit_int(&k, ptid);
	kit_text(&k, "");
	for (unsigned i = 7; i < 13; i++)
		kit_int(&k, i);
	kit_text(&k, comm);
	kev_build_absent(&k.b);
	kit_int(&k, 0);
	kit_int(&k, 5);
	kit_int(&k, 6);
	kit_int(&k, tid);
	kit_int(&k, pid);
	kit_int(&k, 77);
	assert_int_equal(kit_send(&k), 0);
}

static void clone_exit(uint32_t tid, int64_t res, uint32_t ptid, const char *comm)
{
	clone_exit_of(KEV_CODE_SYSCALL_CLONE_20_X, tid, tid, res, ptid, comm);
}

/* The child of vfork has done everything before its parent goes on. */
static void test_vfork__child_dead_before_the_parent_tells__stays_dead(void **state)
{
	(void)state;
	clone_exit_of(KEV_CODE_SYSCALL_VFORK_20_X, 400, 400, 0, KIT_SHELL, "child");
	kit_exit(&k, 400, 400, 0);
	clone_exit_of(KEV_CODE_SYSCALL_VFORK_20_X, KIT_SHELL, KIT_SHELL, 400, 1, "bash");
	assert_null(st_thread_find(&k.core.threads, 400));
}

static void test_clone__number_used_again_after_a_missed_death__another_process(void **state)
{
	(void)state;
	for (unsigned child_first = 0; child_first < 2; child_first++) {
		uint32_t child = 410 + child_first;

		for (unsigned life = 0; life < 2; life++) {
			if (child_first)
				clone_exit(child, 0, KIT_SHELL, life ? "second" : "first");
			clone_exit(KIT_SHELL, child, 1, life ? "second" : "first");
			if (!child_first)
				clone_exit(child, 0, KIT_SHELL, life ? "second" : "first");
			if (life == 0)
				kit_openat(&k, child, 9, -100, "/of/the/first", 1);
		}
		kit_close_fd(&k, child, 0);
		assert_string_equal(
			kit_proc_text(kit_proc(&k, child), kit_proc(&k, child)->comm), "second");
		assert_null(kit_fd(&k, child, 9));
	}
}

static void test_clone__thread_known_from_its_own_event__of_its_process(void **state)
{
	const struct prec *p;

	(void)state;
	clone_exit_of(KEV_CODE_SYSCALL_CLONE3_X, 420, KIT_SHELL, 0, 1, "worker");
	kit_start(&k, KEV_CODE_SYSCALL_CLOSE_X, 420, KIT_SHELL);
	kit_send(&k);
	p = kit_proc(&k, 420);
	assert_int_equal(p->pid, KIT_SHELL);
	assert_int_equal(p->flags, 0);
	assert_string_equal(kit_proc_text(p, p->comm), "worker");
	assert_int_equal(p->uid, 5);
	assert_int_equal(p->fd_limit, 7);
	assert_int_equal(p->vm_size_kb, 10);
	assert_int_equal(p->pf_minor, 9);
	assert_int_equal(p->pidns_start_ns, 0); /* the host's namespace has none */
}

static void test_clone__either_order__same_child(void **state)
{
	(void)state;
	for (unsigned child_first = 0; child_first < 2; child_first++) {
		uint32_t child = 400 + child_first;
		const struct prec *p;

		if (child_first)
			clone_exit(child, 0, KIT_SHELL, "cloned");
		clone_exit(KIT_SHELL, child, 1, "cloned");
		if (!child_first)
			clone_exit(child, 0, KIT_SHELL, "cloned");
		kit_close_fd(&k, child, 0);
		p = kit_proc(&k, child);
		assert_int_equal(p->flags, PREC_MAIN);
		assert_int_equal(p->ptid, KIT_SHELL);
		assert_string_equal(kit_proc_text(p, p->comm), "cloned");
		assert_string_equal(kit_proc_text(p, p->exe), "exe-of-clone");
		assert_string_equal(kit_proc_text(p, p->cwd), "/home/user/");
		assert_int_equal(p->uid, 5);
		assert_int_equal(p->gid, 6);
	}
}

static void test_exec__success__everything_new(void **state)
{
	const struct prec *p;

	(void)state;
	kit_exec(&k, KIT_SHELL, "id", "/usr/bin/id (deleted)", 0);
	p = kit_proc(&k, KIT_SHELL);
	assert_string_equal(kit_proc_text(p, p->comm), "id");
	assert_string_equal(kit_proc_text(p, p->exepath), "/usr/bin/id");
	assert_int_equal(p->n_args, 2);
	assert_memory_equal(kit_proc_text(p, p->args), "-c\0id", 6);
	assert_string_equal(kit_proc_text(p, p->env), "HOME=/root");
	assert_string_equal(kit_proc_text(p, p->cwd), "/home/user/");
	assert_int_equal(p->exe_flags, PREC_EXE_UPPER_LAYER | PREC_EXE_FROM_MEMFD);
	assert_int_equal(p->uid, 0);
	assert_int_equal(p->gid, 0);
	assert_int_equal(p->loginuid, 1001);
	assert_int_equal(p->tty, 5);
	assert_int_equal(p->cap_inheritable, 0x10);
	assert_int_equal(p->cap_permitted, 0x20);
	assert_int_equal(p->cap_effective, 0x30);
	assert_int_equal(p->exe_ino, 77);
	assert_int_equal(p->exe_ctime_ns, 78);
	assert_int_equal(p->exe_mtime_ns, 79);
	assert_int_equal(p->fd_limit, 7);
	assert_int_equal(p->vm_size_kb, 10);
	/* the record comes before the event that needs it */
	assert_int_equal(k.out[k.n_out - 1].rec->ring.type, REC_EVENT);
	assert_true(kit_event(&k)->ev->flags & EV_HAS_RES);
}

static void test_exec__failure__nothing_changes(void **state)
{
	const struct prec *p;

	(void)state;
	kit_exec(&k, KIT_SHELL, "id", "/usr/bin/id", -13);
	p = kit_proc(&k, KIT_SHELL);
	assert_string_equal(kit_proc_text(p, p->comm), "bash");
	assert_int_equal(kit_event(&k)->ev->rawres, -13);
}

static void test_exec__close_on_exec__closed(void **state)
{
	(void)state;
	kit_openat(&k, KIT_SHELL, 3, -100, "/a", 1 | 0x1000);
	kit_openat(&k, KIT_SHELL, 4, -100, "/b", 1);
	kit_exec(&k, KIT_SHELL, "id", "/usr/bin/id", 0);
	assert_null(kit_fd(&k, KIT_SHELL, 3));
	assert_non_null(kit_fd(&k, KIT_SHELL, 4));
}

static void test_exec__other_threads__gone(void **state)
{
	uint32_t slot;

	(void)state;
	kit_fork(&k, KIT_SHELL, 201, KIT_SHELL, CLONE_THREAD_F);
	kit_start(&k, KEV_CODE_SYSCALL_CLOSE_X, 201, KIT_SHELL);
	kit_send(&k);
	slot = SLOT_OF(k, 201);
	kit_exit(&k, KIT_SHELL, KIT_SHELL,
		0); /* the kernel kills the old leader; the caller takes its number */
	assert_true(st_thread_find(&k.core.threads, KIT_SHELL)->dead);
	kit_exec(&k, KIT_SHELL, "id", "/usr/bin/id", 0);
	assert_null(st_thread_find(&k.core.threads, 201));
	assert_int_equal(kit_forgotten(&k), slot);
	assert_false(st_thread_find(&k.core.threads, KIT_SHELL)->dead);
	assert_int_equal(kit_proc(&k, KIT_SHELL)->n_threads, 1);
}

static void test_exit__process__forgotten_after_its_event(void **state)
{
	uint32_t slot = SLOT_OF(k, KIT_SHELL);

	(void)state;
	kit_exit(&k, KIT_SHELL, KIT_SHELL, 0);
	assert_null(st_thread_find(&k.core.threads, KIT_SHELL));
	assert_int_equal(k.out[k.n_out - 2].rec->ring.type, REC_EVENT);
	assert_int_equal(((const struct ev *)k.out[k.n_out - 2].rec)->slot, slot);
	assert_int_equal(k.out[k.n_out - 1].rec->ring.type, REC_FORGET);
	assert_int_equal(kit_forgotten(&k), slot);
	assert_int_equal(k.core.fds.n_live, 0);
	assert_int_equal(k.core.texts.n_live, 0);
}

static void test_exit__own_event__counts_no_more(void **state)
{
	(void)state;
	kit_fork(&k, KIT_SHELL, 201, KIT_SHELL, CLONE_THREAD_F);
	kit_close_fd(&k, KIT_SHELL, 0);
	assert_int_equal(kit_proc(&k, KIT_SHELL)->n_threads, 2);
	kit_exit(&k, 201, KIT_SHELL, 0);
	assert_int_equal(kit_proc(&k, KIT_SHELL)->n_threads, 1);
	kit_close_fd(&k, KIT_SHELL, 0);
	assert_int_equal(kit_proc(&k, KIT_SHELL)->n_threads, 1);
	assert_false(kit_proc(&k, KIT_SHELL)->flags & PREC_DEAD);
	kit_exit(&k, KIT_SHELL, KIT_SHELL, 0);
	assert_int_equal(kit_proc(&k, KIT_SHELL)->n_threads, 0);
	assert_true(kit_proc(&k, KIT_SHELL)->flags & PREC_DEAD);
}

static void set_limit(uint16_t code, int64_t cur, int64_t max, int64_t pid)
{
	kit_start(&k, code, KIT_SHELL, KIT_SHELL);
	kit_int(&k, 0);
	kit_int(&k, cur);
	kit_int(&k, max);
	if (code == KEV_CODE_SYSCALL_PRLIMIT_X) {
		kit_int(&k, 1);
		kit_int(&k, 1);
		kit_int(&k, pid);
	}
	kit_int(&k, 7);
	kit_send(&k);
}

static void test_limit__set_and_asked(void **state)
{
	(void)state;
	kit_fork(&k, KIT_SHELL, 200, 200, 0);
	set_limit(KEV_CODE_SYSCALL_SETRLIMIT_X, 100, 200, 0);
	kit_close_fd(&k, 200, 0);
	kit_close_fd(&k, KIT_SHELL, 0);
	assert_int_equal(kit_proc(&k, KIT_SHELL)->fd_limit, 100);
	set_limit(KEV_CODE_SYSCALL_PRLIMIT_X, 50, 200, 200);
	set_limit(KEV_CODE_SYSCALL_PRLIMIT_X, 0, 0, 0); /* no new limit: a question */
	kit_close_fd(&k, 200, 0);
	kit_close_fd(&k, KIT_SHELL, 0);
	assert_int_equal(kit_proc(&k, 200)->fd_limit, 50);
	assert_int_equal(kit_proc(&k, KIT_SHELL)->fd_limit, 100);
}

/* What the reference gets wrong, for comparing (compat.exact). */
static void test_exact__births(void **state)
{
	(void)state;
	for (int exact = 0; exact < 2; exact++) {
		uint32_t worker = 500 + (uint32_t)exact, child = 510 + (uint32_t)exact,
			 in_ns = 520 + (uint32_t)exact;

		k.core.cfg.exact = exact;
		kit_fork(&k, KIT_SHELL, worker, KIT_SHELL, CLONE_THREAD_F);
		kit_start(&k, KEV_CODE_SAKER_FORK, worker, KIT_SHELL);
		kit_int(&k, child);
		kit_int(&k, child);
		kit_int(&k, KIT_SHELL);
		kit_int(&k, child);
		kit_int(&k, child);
		kit_int(&k, 1); /* CLONE_FILES */
		kit_send(&k);
		kit_openat(&k, child, 33, -100, "/of/the/child", 1);
		kit_close_fd(&k, child, 0);
		assert_int_equal(kit_proc(&k, child)->env.n > 0, !exact);
		assert_int_equal(kit_fd(&k, KIT_SHELL, 33) != NULL, !exact);
		set_limit(KEV_CODE_SYSCALL_PRLIMIT_X, 0, 0, 0);
		kit_close_fd(&k, KIT_SHELL, 33);
		kit_close_fd(&k, KIT_SHELL, 0);
		assert_int_equal(kit_proc(&k, KIT_SHELL)->fd_limit, exact ? 0 : 1024);
		kit_start(&k, KEV_CODE_SAKER_FORK, KIT_SHELL, KIT_SHELL);
		kit_int(&k, in_ns);
		kit_int(&k, in_ns);
		kit_int(&k, KIT_SHELL);
		kit_int(&k, 1);
		kit_int(&k, 1);
		kit_int(&k, 0x20000000);
		for (unsigned i = 6; i < 8; i++)
			kit_int(&k, 0);
		kit_text(&k, "init");
		kit_int(&k, 0);
		kit_int(&k, 12345);
		kit_send(&k);
		kit_close_fd(&k, in_ns, 0);
		assert_int_equal(
			kit_proc(&k, in_ns)->pidns_start_ns, exact ? 12345 : KIT_EPOCH + 12345);
	}
}

static void test_exec__no_environment_told__the_old_one(void **state)
{
	(void)state;
	kit_exec(&k, KIT_SHELL, "id", "/usr/bin/id", 0);
	kit_start(&k, KEV_CODE_SYSCALL_EXECVEAT_X, KIT_SHELL, KIT_SHELL);
	kit_int(&k, 0);
	kit_text(&k, "exe");
	kit_send(&k);
	kit_close_fd(&k, KIT_SHELL, 0);
	assert_string_equal(
		kit_proc_text(kit_proc(&k, KIT_SHELL), kit_proc(&k, KIT_SHELL)->env), "HOME=/root");
}

static void test_cgroups__newer_names__as_rules_call_them(void **state)
{
	static const char raw[] = "cpu=/a\0io=/b\0mem=/c\0perf=/d",
			  names[] = "cpu=/a\0blkio=/b\0memory=/c\0perf_event=/d";
	const struct prec *p;

	(void)state;
	kit_task(&k, 50, 50, 1, "nginx", "/srv", raw, sizeof(raw));
	kit_close_fd(&k, 50, 0);
	p = kit_proc(&k, 50);
	assert_int_equal(p->cgroups.n, sizeof(names));
	assert_memory_equal(kit_proc_text(p, p->cgroups), names, sizeof(names));
}

static void test_memory__followed_by_events_if_asked_for(void **state)
{
	const struct ev_att *a;
	struct ev_vm vm;

	(void)state;
	kit_start(&k, KEV_CODE_SYSCALL_MUNMAP_X, KIT_SHELL, KIT_SHELL);
	for (int i = 0; i < 4; i++)
		kit_int(&k, 100 + i);
	kit_send(&k);
	assert_null(ev_att_find(kit_event(&k), EV_ATT_VM, 0));
	k.core.cfg.needs |= IMG_NEED_VM;
	kit_start(&k, KEV_CODE_SYSCALL_MUNMAP_X, KIT_SHELL, KIT_SHELL);
	for (int i = 0; i < 4; i++)
		kit_int(&k, 100 + i);
	kit_send(&k);
	kit_start(&k, KEV_CODE_SCHEDSWITCH_6_E, KIT_SHELL, KIT_SHELL);
	for (int i = 0; i < 6; i++)
		kit_int(&k, i);
	kit_send(&k);
	kit_close_fd(&k, KIT_SHELL, 0);
	a = ev_att_find(kit_event(&k), EV_ATT_VM, 0);
	assert_non_null(a);
	memcpy(&vm, ev_att_data(a), sizeof(vm));
	assert_int_equal(vm.size_kb, 3);
	assert_int_equal(vm.rss_kb, 4);
	assert_int_equal(vm.swap_kb, 5);
	assert_int_equal(vm.pf_major, 1);
	assert_int_equal(vm.pf_minor, 2);
}

static void test_exit__never_announced__nothing_to_forget(void **state)
{
	(void)state;
	k.events[KEV_IX_PROCEXIT_1_E].flags = 0;
	kit_exit(&k, KIT_SHELL, KIT_SHELL, 0);
	assert_null(st_thread_find(&k.core.threads, KIT_SHELL));
	assert_int_equal(k.n_out, 0);
	assert_int_equal(k.core.counters.judged_here, 1);
}

static void test_exit__children__go_to_the_reaper(void **state)
{
	(void)state;
	kit_task(&k, 1, 1, 0, "init", "/", NULL, 0);
	kit_fork(&k, KIT_SHELL, 200, 200, 0);
	kit_close_fd(&k, 200, 0);
	kit_exit(&k, KIT_SHELL, KIT_SHELL, 1);
	kit_close_fd(&k, 200, 0);
	assert_int_equal(kit_proc(&k, 200)->ptid, 1);
	assert_int_equal(kit_proc(&k, 200)->parent_slot, SLOT_OF(k, 1));
	kit_exit(&k, 1, 1, 0);
	kit_close_fd(&k, 200, 0);
	assert_int_equal(kit_proc(&k, 200)->ptid, 0);
	assert_int_equal(kit_proc(&k, 200)->parent_slot, PREC_NO_SLOT);
}

static void test_exit__leader_before_its_threads__group_lives_on(void **state)
{
	(void)state;
	kit_fork(&k, KIT_SHELL, 201, KIT_SHELL, CLONE_THREAD_F);
	kit_exit(&k, KIT_SHELL, KIT_SHELL, 0);
	assert_non_null(st_thread_find(&k.core.threads, KIT_SHELL));
	kit_exit(&k, 201, KIT_SHELL, 0);
	assert_null(st_thread_find(&k.core.threads, KIT_SHELL));
	assert_int_equal(k.core.threads.n_live, 0);
}

static void test_ident__reused_pid__old_process_forgotten_first(void **state)
{
	uint32_t slot = SLOT_OF(k, KIT_SHELL);

	(void)state;
	kit_close_fd(&k, KIT_SHELL, 0);
	kit_forget_output(&k);
	kit_start(&k, KEV_CODE_SYSCALL_CLOSE_X, KIT_SHELL, KIT_SHELL)->leader_start_ns =
		KIT_SHELL * 1000 + 1;
	kit_send(&k);
	assert_int_equal(k.out[0].rec->ring.type, REC_FORGET);
	assert_int_equal(kit_forgotten(&k), slot);
	assert_string_equal(
		kit_proc_text(kit_proc(&k, KIT_SHELL), kit_proc(&k, KIT_SHELL)->comm), "headcomm");
	assert_true(kit_event(&k)->ev->flags & EV_DOUBTFUL);
}

static void test_ident__event_of_an_older_process__not_the_new_ones(void **state)
{
	(void)state;
	kit_start(&k, KEV_CODE_SYSCALL_CLOSE_X, KIT_SHELL, KIT_SHELL)->leader_start_ns = 1;
	kit_send(&k);
	assert_int_equal(kit_event(&k)->ev->slot, PREC_NO_SLOT);
	assert_true(kit_event(&k)->ev->flags & EV_DOUBTFUL);
	assert_non_null(st_thread_find(&k.core.threads, KIT_SHELL));
}

static void lose(uint32_t cls)
{
	struct rec_loss loss = {.h = {.ring = {.len = sizeof(loss), .type = REC_LOSS}},
		.reason = LOSS_KERNEL_FULL_HIGH,
		.cls = cls,
		.n = 3};

	assert_int_equal(st_core_apply(&k.core, &loss.h), 0);
}

static void snapshot_mark(uint16_t type)
{
	struct rec_snap snap = {.h = {.ring = {.len = sizeof(snap), .type = type}}};

	assert_int_equal(st_core_apply(&k.core, &snap.h), 0);
}

static bool is_doubtful(uint32_t pid, int64_t fd)
{
	kit_close_fd(&k, pid, fd);
	return kit_event(&k)->ev->flags & EV_DOUBTFUL;
}

static void read_shell(void)
{
	kit_task(&k, KIT_SHELL, KIT_SHELL, 1, "sh", "/home/user", NULL, 0);
}

/* A thread is believed again when it has been read after the loss; one that was born after it is,
 * as far as its ancestors are; everything is, when a reading that began after the loss is through. */
static void test_loss__of_state__doubtful_until_read_again(void **state)
{
	(void)state;
	kit_openat(&k, KIT_SHELL, 3, -100, "/etc/one", 1);
	assert_false(is_doubtful(KIT_SHELL, 3));
	lose(KEV_CLASS_OTHER);
	kit_openat(&k, KIT_SHELL, 3, -100, "/etc/one", 1);
	assert_false(is_doubtful(KIT_SHELL, 3)); /* no state hangs on these */
	lose(KEV_CLASS_STATE);
	kit_openat(&k, KIT_SHELL, 3, -100, "/etc/one", 1);
	assert_true(is_doubtful(KIT_SHELL, 3));
	kit_fork(&k, KIT_SHELL, 200000, 200000, 0); /* the child of a doubtful one */
	kit_openat(&k, 200000, 3, -100, "/etc/one", 1);
	assert_true(is_doubtful(200000, 3));
	read_shell();
	kit_openat(&k, KIT_SHELL, 3, -100, "/etc/one", 1);
	assert_false(is_doubtful(KIT_SHELL, 3));
	/* a reading that began before the loss says nothing */
	snapshot_mark(REC_SNAP_BEGIN);
	lose(0);
	snapshot_mark(REC_SNAP_END);
	kit_openat(&k, KIT_SHELL, 3, -100, "/etc/one", 1);
	assert_true(is_doubtful(KIT_SHELL, 3));
	snapshot_mark(REC_SNAP_BEGIN);
	snapshot_mark(REC_SNAP_END);
	kit_openat(&k, KIT_SHELL, 3, -100, "/etc/one", 1);
	assert_false(is_doubtful(KIT_SHELL, 3));
}

/* Opens were lost: what is known of descriptors is from before, or nothing; threads are as they
 * were. */
static void test_loss__of_opens__descriptors_alone(void **state)
{
	(void)state;
	kit_openat(&k, KIT_SHELL, 3, -100, "/etc/one", 1);
	lose(KEV_CLASS_FILE_NET);
	kit_openat(&k, KIT_SHELL, 4, -100, "/etc/two", 1);
	assert_false(kit_event(&k)->ev->flags & EV_DOUBTFUL);
	assert_false(is_doubtful(KIT_SHELL, 4));
	assert_true(is_doubtful(KIT_SHELL, 3));
	assert_true(kit_event_fd(&k)->flags & EV_FD_DOUBTFUL);
	assert_true(is_doubtful(KIT_SHELL, 9)); /* who knows what was opened there */
	snapshot_mark(REC_SNAP_BEGIN);
	snapshot_mark(REC_SNAP_END);
	assert_false(is_doubtful(KIT_SHELL, 9));
}

static void test_ident__reused_by_fork__new_process(void **state)
{
	(void)state;
	kit_fork(&k, KIT_SHELL, 200, 200, 0);
	kit_start(&k, KEV_CODE_SAKER_FORK, KIT_SHELL, KIT_SHELL);
	kit_int(&k, 200);
	kit_int(&k, 200);
	kit_int(&k, KIT_SHELL);
	for (unsigned i = 3; i < 8; i++)
		kit_int(&k, 0);
	kit_text(&k, "second");
	kit_int(&k, 200 * 1000 + 5);
	kit_send(&k);
	assert_int_equal(st_thread_find(&k.core.threads, 200)->start_ns, 200005);
	assert_string_equal(
		st_thread_text(&k.core.threads, st_thread_find(&k.core.threads, 200), ST_COMM).p,
		"second");
}

static void test_ident__unseen_thread_of_known_process__has_its_facts(void **state)
{
	const struct prec *p;

	(void)state;
	kit_start(&k, KEV_CODE_SYSCALL_CLOSE_X, 777, KIT_SHELL);
	kit_send(&k);
	p = kit_proc(&k, 777);
	assert_string_equal(kit_proc_text(p, p->comm), "headcomm");
	assert_string_equal(kit_proc_text(p, p->exepath), "/usr/bin/snap");
	assert_int_equal(p->leader_slot, SLOT_OF(k, KIT_SHELL));
	assert_int_equal(kit_event(&k)->ev->flags & EV_DOUBTFUL, 0);
}

static void test_ident__nobody__no_slot_no_doubt(void **state)
{
	(void)state;
	kit_start(&k, KEV_CODE_SAKER_CANARY, 0, 0);
	kit_int(&k, 1);
	kit_send(&k);
	assert_int_equal(kit_event(&k)->ev->slot, PREC_NO_SLOT);
	assert_int_equal(kit_event(&k)->ev->flags, EV_SYNTHESIZED);
}

static void test_ident__unknown_thread_in_known_cgroup__in_that_container(void **state)
{
	static const char cgroups[] =
		"cpu=/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	const struct prec *p;

	(void)state;
	kit_start(&k, KEV_CODE_SYSCALL_EXECVE_19_X, 500, 500)->cgroup_id = 4242;
	kit_int(&k, 0);
	for (unsigned i = 1; i < 14; i++)
		kev_build_absent(&k.b);
	kit_raw(&k, cgroups, sizeof(cgroups));
	kit_send(&k);
	kit_start(&k, KEV_CODE_SYSCALL_CLOSE_X, 501, 501)->cgroup_id = 4242;
	kit_send(&k);
	p = kit_proc(&k, 501);
	assert_string_equal(kit_proc_text(p, p->container_id), cgroups + 12);
	kit_start(&k, KEV_CODE_SYSCALL_CLOSE_X, 502, 502)->cgroup_id = 4243;
	kit_send(&k);
	assert_int_equal(kit_proc(&k, 502)->container_id.off, 0);
}

static void test_announce__lazily_once_and_after_changes(void **state)
{
	(void)state;
	kit_task(&k, 1, 1, 0, "init", "/", NULL, 0);
	assert_int_equal(kit_count(&k, REC_PROC), 0);
	kit_close_fd(&k, KIT_SHELL, 0);
	assert_int_equal(kit_count(&k, REC_PROC), 2); /* init first, then the shell */
	assert_int_equal(((const struct prec *)k.out[0].rec)->tid, 1);
	assert_int_equal(((const struct prec *)k.out[1].rec)->parent_slot,
		((const struct prec *)k.out[0].rec)->slot);
	kit_close_fd(&k, KIT_SHELL, 0);
	assert_int_equal(kit_count(&k, REC_PROC), 2);
	kit_start(&k, KEV_CODE_SYSCALL_CHDIR_X, KIT_SHELL, KIT_SHELL);
	kit_int(&k, 0);
	kit_text(&k, "/tmp");
	kit_send(&k);
	assert_int_equal(kit_count(&k, REC_PROC), 3);
}

static void test_announce__env__only_if_needed(void **state)
{
	struct kit bare;

	(void)state;
	kit_open_with_shell(&bare, 0);
	kit_close_fd(&bare, KIT_SHELL, 0);
	assert_int_equal(kit_proc(&bare, KIT_SHELL)->env.off, 0);
	kit_close(&bare);
}

static void test_threads__full__longest_unseen_forgotten(void **state)
{
	struct kit small;

	(void)state;
	kit_open(&small, 64, 256, 0);
	for (uint32_t pid = 10; pid < 10 + 64; pid++)
		kit_close_fd(&small, pid, 0);
	kit_close_fd(&small, 10, 0); /* seen again */
	kit_forget_output(&small);
	kit_close_fd(&small, 500, 0);
	assert_int_equal(small.core.threads.n_evicted, 1);
	assert_int_equal(small.core.threads.n_live, 64);
	assert_null(st_thread_find(&small.core.threads, 11));
	assert_non_null(st_thread_find(&small.core.threads, 10));
	assert_int_equal(kit_count(&small, REC_FORGET), 1);
	assert_int_equal(
		small.out[0].rec->ring.type, REC_FORGET); /* before the slot is used again */
	for (uint32_t pid = 1000; pid < 3000; pid++) {
		kit_fork(&small, pid - 1, pid, pid, 0);
		kit_forget_output(&small);
	}
	assert_int_equal(small.core.threads.n_live, 64);
	kit_close(&small);
}

static void test_texts__full__processes_forgotten(void **state)
{
	struct kit small;
	char args[4000];

	(void)state;
	kit_open(&small, 64, 256, 0);
	for (uint32_t pid = 10; pid < 2000; pid++) {
		memset(args, (int)('a' + pid % 26), sizeof(args));
		args[sizeof(args) - 1] = '\0';
		kit_start(&small, KEV_CODE_SYSCALL_EXECVE_19_X, pid % 60 + 10, pid % 60 + 10);
		kit_int(&small, 0);
		kit_text(&small, args);
		kit_raw(&small, args, sizeof(args));
		kit_send(&small);
		kit_forget_output(&small);
	}
	assert_true(small.core.texts.n_free_blocks > 0);
	assert_int_equal(small.core.texts.n_refused, 0);
	kit_close(&small);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_fork__process__has_what_the_parent_has),
		T(test_fork__descriptors__copied),
		T(test_fork__clone_files__shared),
		T(test_fork__thread__joins_the_group),
		T(test_fork__unknown_parent__child_and_parent_are_placeholders),
		T(test_fork__child_seen_first__filled_in),
		T(test_fork__program_started_first__kept),
		T(test_clone__thread_known_from_its_own_event__of_its_process),
		T(test_clone__number_used_again_after_a_missed_death__another_process),
		T(test_vfork__child_dead_before_the_parent_tells__stays_dead),
		T(test_clone__either_order__same_child),
		T(test_exec__success__everything_new),
		T(test_exec__failure__nothing_changes),
		T(test_exec__close_on_exec__closed),
		T(test_exec__other_threads__gone),
		T(test_exit__process__forgotten_after_its_event),
		T(test_cgroups__newer_names__as_rules_call_them),
		T(test_exact__births),
		T(test_exec__no_environment_told__the_old_one),
		T(test_limit__set_and_asked),
		T(test_memory__followed_by_events_if_asked_for),
		T(test_exit__own_event__counts_no_more),
		T(test_exit__never_announced__nothing_to_forget),
		T(test_exit__children__go_to_the_reaper),
		T(test_exit__leader_before_its_threads__group_lives_on),
		T(test_ident__reused_pid__old_process_forgotten_first),
		T(test_ident__event_of_an_older_process__not_the_new_ones),
		T(test_loss__of_state__doubtful_until_read_again),
		T(test_loss__of_opens__descriptors_alone),
		T(test_ident__reused_by_fork__new_process),
		T(test_ident__unseen_thread_of_known_process__has_its_facts),
		T(test_ident__nobody__no_slot_no_doubt),
		T(test_ident__unknown_thread_in_known_cgroup__in_that_container),
		T(test_announce__lazily_once_and_after_changes),
		T(test_announce__env__only_if_needed),
		T(test_threads__full__longest_unseen_forgotten),
		T(test_texts__full__processes_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
