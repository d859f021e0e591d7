/* SPDX-License-Identifier: Apache-2.0 */
/* Good records for the tests of the doors. */

#include "samples.h"

#include <string.h>

#include <base/macros.h>

int sample_prec(void *buf)
{
	struct prec *p = buf;
	struct rec_writer w = {.buf = buf, .cap = SPSC_RECORD_MAX, .n = sizeof(*p)};

	*p = (struct prec){
		.h = {.ring.type = REC_PROC, .seq = 5, .ord = 6, .ts_ns = 7},
		.slot = 7,
		.leader_slot = 7,
		.parent_slot = PREC_NO_SLOT,
		.flags = PREC_MAIN,
		.tid = 100,
		.pid = 100,
		.ptid = 1,
		.exe_flags = PREC_EXE_WRITABLE,
		.n_args = 2,
		.n_threads = 1,
		.fd_limit = -1,
	};
	p->comm = rec_add_text(&w, SPAN_LIT("bash"));
	p->exe = rec_add_text(&w, SPAN_LIT("/bin/bash"));
	p->exepath = rec_add_text(&w, SPAN_LIT("/usr/bin/bash"));
	p->args = rec_add_text(&w, SPAN_LIT("-c\0id\0"));
	p->env = rec_add_text(&w, SPAN_LIT("A=1\0"));
	p->cwd = rec_add_text(&w, SPAN_LIT("/root/"));
	p->root = rec_add_text(&w, SPAN_LIT("/"));
	p->cgroups = rec_add_text(&w, SPAN_LIT("cpu=/\0memory=/x\0"));
	p->container_id = rec_add_text(&w, SPAN_LIT(""));
	return rec_finish(&w);
}

int sample_crec(void *buf)
{
	struct crec *c = buf;
	struct rec_writer w = {.buf = buf, .cap = SPSC_RECORD_MAX, .n = sizeof(*c)};

	*c = (struct crec){.h = {.ring.type = REC_CONTAINER, .seq = 5, .ord = 6, .ts_ns = 7},
		.slot = 9,
		.flags = CREC_PRIVILEGED | CREC_CUT};
	c->id = rec_add_text(&w, SPAN_LIT("0123456789abcdef"));
	for (unsigned i = 0; i < _CREC_TEXT_MAX; i++)
		if (!crec_parts(i))
			c->text[i] = rec_add_text(&w, SPAN_LIT("text"));
	c->text[CREC_MOUNTS] =
		rec_add_text(&w, SPAN_LIT("/a\0/b\0ro\0false\0\0/c\0/d\0\0true\0x\0"));
	c->text[CREC_LABELS] = rec_add_text(&w, SPAN_LIT("app\0web\0tier\0\0"));
	return rec_finish(&w);
}

int sample_ev(void *buf)
{
	static const uint8_t fd[8] = {3},
			     dirfd[8] = {0x9c, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const uint8_t flags[4] = {1};
	/* openat: fd, dirfd, name, flags, … the rest absent */
	const struct span params[] = {
		{(const char *)fd, 8},
		{(const char *)dirfd, 8},
		{"passwd", 7},
		{(const char *)flags, 4},
		{NULL, 0},
		{NULL, 0},
		{NULL, 0},
	};
	const struct ev_fd info = {.num = 3, .ino = 9, .type = EV_FD_FILE, .flags = EV_FD_KNOWN};
	const struct ev_fd list[] = {info, {.num = 4}};
	const struct span names[] = {SPAN_LIT("/x"), {NULL, 0}};
	uint32_t types = 2;
	uint64_t number = 12;
	const struct ev_vm vm = {.size_kb = 2048, .pf_minor = 3};
	struct rec_writer w;

	ev_begin(&w, buf, SPSC_RECORD_MAX);
	struct ev *ev = buf;

	ev->slot = 7;
	ev->type = KEV_CODE_SYSCALL_OPENAT_2_X;
	ev->flags = EV_HAS_RES;
	ev->rawres = 3;
	ev->tid = 100;
	ev_add_params(&w, params, ARRAY_LEN(params));
	ev_add_att_fd(
		&w, EV_ATT_FD, EV_NO_PARAM, &info, SPAN_LIT("/etc/passwd"), SPAN_LIT("passwd"));
	ev_add_att_fd(&w, EV_ATT_FD, 1, &info, SPAN_LIT("/etc"), (struct span){0});
	ev_add_att_fd(&w, EV_ATT_STDIO, 2, &info, SPAN_LIT(""), (struct span){0});
	ev_add_att_text(&w, EV_ATT_PATH, 2, SPAN_LIT("/etc/passwd"));
	ev_add_att_text(&w, EV_ATT_REALPATH, EV_NO_PARAM, SPAN_LIT("/private/etc/passwd"));
	ev_add_att_text(&w, EV_ATT_PID, 0, SPAN_LIT("init"));
	ev_add_att_fdlist(&w, 0, list, names, ARRAY_LEN(list));
	ev_add_att(&w, EV_ATT_FDTYPES, EV_NO_PARAM, &types, sizeof(types));
	ev_add_att(&w, EV_ATT_FDCOUNT, EV_NO_PARAM, &number, sizeof(number));
	ev_add_att(&w, EV_ATT_RELTIME, EV_NO_PARAM, &number, sizeof(number));
	ev_add_att(&w, EV_ATT_DELTA, EV_NO_PARAM, &number, sizeof(number));
	ev_add_att(&w, EV_ATT_VM, 0, &vm, sizeof(vm));
	return rec_finish(&w);
}

int sample_alert(void *buf)
{
	static struct alert_builder b;
	struct alert *a;

	alert_begin(&b, buf, SPSC_RECORD_MAX);
	a = alert_head(&b);
	a->priority = 4;
	a->rule = 12;
	a->rule_name = alert_add_text(&b, SPAN_LIT("Read sensitive file"));
	a->source = alert_add_text(&b, SPAN_LIT("syscall"));
	a->host = alert_add_text(&b, SPAN_LIT("node"));
	a->message = alert_add_text(&b, SPAN_LIT("file read (name=/etc/shadow)"));
	alert_add_field(&b, SPAN_LIT("proc.name"), ALERT_STR, 0, SPAN_LIT("cat"));
	alert_add_field(&b, SPAN_LIT("evt.num"), ALERT_U64, 17, (struct span){0});
	alert_add_field(&b, SPAN_LIT("proc.aname[2]"), ALERT_NULL, 0, (struct span){0});
	alert_add_field(&b, SPAN_LIT("fd.num"), ALERT_I64, (uint64_t)-1, (struct span){0});
	alert_add_field(&b, SPAN_LIT("proc.is_exe_writable"), ALERT_BOOL, 1, (struct span){0});
	alert_add_field(&b, SPAN_LIT("thread.cpu"), ALERT_DOUBLE, 0, (struct span){0});
	alert_add_field(&b, SPAN_LIT("fd.ip"), ALERT_LIST, 2, SPAN_LIT("10.0.0.1\00010.0.0.2\0"));
	alert_add_tag(&b, SPAN_LIT("mitre"));
	alert_add_tag(&b, SPAN_LIT("container"));
	return alert_finish(&b);
}
