/* SPDX-License-Identifier: Apache-2.0 */
/* The programs that end by themselves: the two runs of saker-policy, and the loader. They are
 * sealed like stages and may ask for little: the config run for files by name (opened here, as what
 * they are: regular, bounded in size, or a folder to list), all of them to hand descriptors over.
 * What they hand over is checked before use: kind and seals of a segment, ranges and ends of what
 * the plan is built from. */
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/cleanup.h>
#include <base/clock.h>
#include <base/log.h>
#include <base/macros.h>
#include <base/strbuf.h>
#include <rules/image.h>
#include <shm/segment.h>

#include "sup.h"
#include "tool.h"

#define SHORT_FILE_MAX (16 << 20)
#define SHORT_OPENS_MAX 4096
#define SHORT_LOADER_NICE (-15)
#define SHORT_TIME_NS (120 * NS_PER_S)

static int open_named(const char *path, bool is_folder)
{
	_cleanup_close_ int fd = open(
		path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | (is_folder ? O_DIRECTORY : 0));
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!is_folder && S_ISDIR(st.st_mode))
		return -EISDIR;
	if (!is_folder && !S_ISREG(st.st_mode))
		return -EINVAL;
	if (!is_folder && st.st_size > SHORT_FILE_MAX)
		return -EFBIG;
	return TAKE_FD(fd);
}

static void answer_open(struct sup_child *c, const struct ctl_msg *m)
{
	struct ctl_msg a = {.magic = CTL_MAGIC, .type = CTL_OPENED, .index = m->index};
	_cleanup_close_ int fd = -1;

	a.result = -EMFILE;
	if (c->n_opens++ < SHORT_OPENS_MAX)
		a.result = open_named(m->text, m->value[0] == 1);
	if (a.result >= 0) {
		fd = a.result;
		a.result = 0;
	}
	if (ctl_send(c->ctl.fd, &a, fd) < 0)
		sup_child_kill(c);
}

/* A segment that nobody can change any more, as a read-only description. */
static int take_sealed(int fd, enum seg_kind kind, int *ret_ro)
{
	const int wanted = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	_cleanup_close_ int ro = -1;
	struct seg_head head;
	int seals = fcntl(fd, F_GET_SEALS), r;

	if (seals < 0 || (seals & wanted) != wanted)
		return -EBADMSG;
	ro = sup_reopen_ro(fd);
	if (ro < 0)
		return ro;
	r = seg_check(ro, kind, &head);
	if (r < 0)
		return r;
	(void)fd_close(*ret_ro);
	*ret_ro = TAKE_FD(ro);
	return 0;
}

static int take_plan(struct sup *s, int fd)
{
	_cleanup_close_ int ro = -1;
	const char *why;
	void *p;
	size_t n;
	int r;

	r = take_sealed(fd, SEG_SETTINGS, &ro);
	if (r == 0)
		r = seg_map(ro, SEG_SETTINGS, PROT_READ, &p, &n);
	if (r < 0)
		return r;
	if (n < sizeof(*s->config)) {
		seg_unmap(p, n);
		return -EBADMSG;
	}
	memcpy(s->config, p, sizeof(*s->config));
	seg_unmap(p, n);
	r = plan_check(s->config, &why);
	if (r < 0)
		log_err("the configuration's result: %s", why);
	return r < 0 ? -ECANCELED : 0;
}

static int take_given(struct sup *s, const struct sup_child *c, const struct ctl_msg *m, int fd)
{
	if (c->proc->type == PLAN_LOADER)
		return sup_bpf_take(s, m, fd);
	switch (m->role) {
	case FD_PLAN:
		return take_plan(s, fd);
	case FD_OUTPUT:
		return m->index < PLAN_OUTPUTS_MAX
			       ? take_sealed(fd, SEG_OUTPUT, &s->outputs[m->index])
			       : -EBADMSG;
	case FD_RULES_OPTIONS:
		return take_sealed(fd, SEG_OUTPUT, &s->rules_options);
	case FD_DIAL_RULES:
		return take_sealed(fd, SEG_OUTPUT, &s->dial_rules);
	case FD_IMAGE:
		return take_sealed(fd, SEG_IMAGE, &s->image);
	default:
		return -EBADMSG;
	}
}

void sup_short_message(struct sup *s, struct sup_child *c, const struct ctl_msg *m, int fd)
{
	_cleanup_close_ int own = fd;
	int r;

	switch (m->type) {
	case CTL_OPEN:
		answer_open(c, m);
		return;
	case CTL_RESULT:
		c->has_result = true;
		c->result = *m;
		return;
	default:
		r = take_given(s, c, m, own);
		if (r == 0)
			return;
		if (r != -ECANCELED) /* logged */
			log_err_errno(r, "take what %s hands over (role %u, number %u)",
				c->proc->name, m->role, m->index);
		sup_child_kill(c);
		return;
	}
}

struct short_run {
	struct plan_proc proc;
	struct sup_child child;
};

/* Starts it; the caller hands over what it needs, then calls short_finish(). */
static int short_start(
	struct sup *s, struct short_run *run, enum plan_type type, uint32_t uid, char *const *argv)
{
	int r;

	run->proc = (struct plan_proc){.row = plan_row(type),
		.type = type,
		.program = plan_row(type)->program,
		.uid = s->mode == PLAN_MODE_USER ? 0 : uid};
	(void)snprintf(run->proc.name, sizeof(run->proc.name), "%s", run->proc.row->name);
	sup_child_init(&run->child, &run->proc);
	s->current_short = &run->child;
	r = sup_spawn(s, &run->child, argv);
	if (r < 0)
		return r; /* it was logged */
	/* Nobody watches the host until it is done. Without the right: as it is. */
	if (type == PLAN_LOADER)
		(void)setpriority(PRIO_PROCESS, (id_t)run->child.pid, SHORT_LOADER_NICE);
	r = sup_send_hello(s, &run->child);
	return r < 0 ? log_err_errno(r, "start %s", run->proc.name) : 0;
}

/* Waits for its end. 0 if it said that all is well; else negative errno, and it was logged. */
static int short_finish(struct sup *s, struct short_run *run, int r)
{
	struct sup_child *c = &run->child;
	/* a backlog may be large, and whoever reads it slow */
	uint64_t deadline =
		s->args->tool == TOOL_SPOOL ? UINT64_MAX : clock_mono_ns() + SHORT_TIME_NS;

	if (r == 0) {
		r = sup_send(c, CTL_START, FD_NONE, 0, NULL, -1);
		if (r < 0)
			log_err_errno(r, "start %s", run->proc.name);
	}
	while (c->pid > 0) {
		if (r < 0 || s->stop_asked || clock_mono_ns() > deadline)
			sup_child_kill(c);
		sup_pump(s, 100);
	}
	sup_child_done(s, c);
	s->current_short = NULL;
	if (r < 0)
		return r;
	if (s->stop_asked)
		return -EINTR;
	if (clock_mono_ns() > deadline)
		return log_err_errno(-ETIMEDOUT, "wait for %s", run->proc.name);
	if (c->ended_by_us)
		return -EPROTO; /* it was logged */
	if (c->has_result && c->result.result < 0) {
		if (c->result.text[0])
			log_err("%s", c->result.text);
		return c->result.result;
	}
	if (!c->has_result || !c->done) {
		log_err("%s ended without a result", run->proc.name);
		return -EPROTO;
	}
	return 0;
}

int sup_run_config(struct sup *s)
{
	char *argv[ARGS_PASS_MAX + 12];
	struct short_run *run = calloc(1, sizeof(*run));
	unsigned n = 0;
	int r;

	if (!run)
		return log_err_errno(-ENOMEM, "start");
	argv[n++] = "saker-policy";
	argv[n++] = "config";
	if (s->args->verb == VERB_RECORD) {
		argv[n++] = "--record";
		argv[n++] = (char *)s->args->record_file;
		if (s->args->record_filter)
			argv[n++] = "--record-filter";
	} else if (s->args->verb != VERB_RUN && s->args->tool == TOOL_NONE) {
		argv[n++] = "--verb";
	}
	argv[n++] = "--share";
	argv[n++] = s->share;
	for (unsigned i = 0; i < s->args->n_pass; i++)
		argv[n++] = s->args->pass[i];
	argv[n] = NULL;
	r = short_start(s, run, PLAN_POLICY, PLAN_UID_CONFIG, argv);
	r = short_finish(s, run, r);
	free(run);
	if (r == 0 && s->config->control_socket[0] == 0) {
		log_err("the configuration's run handed no plan over");
		r = -EPROTO;
	}
	return r;
}

/* `saker record`: the one rule of its run. The condition is quoted, not looked at. */
static int make_record_rule(const struct sup *s)
{
	const char *condition = s->args->record_filter ? s->args->record_filter : "evt.num > 0";
	_cleanup_close_ int fd = memfd_create("filter", MFD_CLOEXEC);
	_cleanup_strbuf_ struct strbuf b = {0};

	strbuf_add_str(&b, "- rule: record\n  desc: what is recorded\n  priority: debug\n  "
			   "warn_evttypes: false\n  output: '%evt.num'\n  condition: \"");
	for (const char *p = condition; *p; p++) {
		if (*p == '"' || *p == '\\')
			strbuf_addf(&b, "\\");
		if ((unsigned char)*p < 0x20)
			strbuf_addf(&b, "\\x%02x", (unsigned char)*p);
		else
			strbuf_add_char(&b, *p);
	}
	strbuf_addf(&b, "\"\n%s", s->args->record_filter ? "  capture: true\n" : "");
	if (fd < 0 || !strbuf_ok(&b))
		return fd < 0 ? -errno : -ENOMEM;
	if (write(fd, b.p, b.n) != (ssize_t)b.n || lseek(fd, 0, SEEK_SET) < 0)
		return -EIO;
	return TAKE_FD(fd);
}

static int open_rules(const struct sup *s, unsigned i)
{
	return s->args->verb == VERB_RECORD ? make_record_rule(s)
					    : open_named(s->config->rules[i], false);
}

static int cannot_open(int err, const char *path)
{
	if (err == -EFBIG)
		return log_err_errno(err, "rules file '%s' is larger than %u MiB", path,
			(unsigned)(SHORT_FILE_MAX >> 20));
	return log_err_errno(err, "cannot open rules file '%s'", path);
}

/* Every rules file, opened here; what is missing stops the start with all names at once. */
static int give_rules(struct sup *s, struct sup_child *c)
{
	int r = 0;

	for (unsigned i = 0; i < s->config->n_rules; i++) {
		_cleanup_close_ int fd = open_rules(s, i);
		int k;

		if (fd < 0) {
			r = cannot_open(fd, s->config->rules[i]);
			fd = -1;
			continue;
		}
		k = r < 0 ? 0 : sup_send(c, CTL_FD, FD_FILE, i, s->config->rules[i], fd);
		if (k < 0)
			return log_err_errno(k, "hand over rules file '%s'", s->config->rules[i]);
	}
	if (r == 0)
		r = sup_send(c, CTL_FD, FD_RULES_OPTIONS, 0, "rules options", s->rules_options);
	return r;
}

static int map_image(struct sup *s)
{
	const char *why = "";
	struct img img;
	void *p;
	int r;

	if (s->image < 0)
		return log_err_errno(-EPROTO, "the rules run handed no image over");
	r = seg_map(s->image, SEG_IMAGE, PROT_READ, &p, &s->image_size);
	if (r < 0)
		return log_err_errno(r, "map the policy image");
	s->image_map = p;
	r = img_verify(p, s->image_size, &img, &why);
	if (r < 0)
		return log_err_errno(r, "the policy image: %s", why);
	/* a capture tells what it knows of names: replays ask nobody */
	s->config->wants_names =
		s->config->engine == ENGINE_BPF && (img.head->needs & IMG_NEED_NAMES);
	return 0;
}

int sup_run_rules(struct sup *s)
{
	char *argv[] = {"saker-policy", "rules", NULL};
	struct short_run *run;
	int r;

	if (s->config->n_rules == 0)
		log_warning(
			"no rules file is configured: nothing but saker's own test rule can match");
	run = calloc(1, sizeof(*run));
	if (!run)
		return log_err_errno(-ENOMEM, "start");
	r = short_start(s, run, PLAN_POLICY, s->config->uids_first, argv);
	if (r == 0) {
		r = give_rules(s, &run->child);
		if (r < 0) {
			/* it was logged: no second line */
			sup_child_kill(&run->child);
			run->child.has_result = true;
			run->child.result = (struct ctl_msg){.result = r};
			(void)short_finish(s, run, 0);
			free(run);
			return r;
		}
	}
	r = short_finish(s, run, r);
	s->n_rules = run->child.result.value[0];
	s->n_rules_enabled = run->child.result.value[1];
	s->checksum = run->child.result.value[2];
	s->loaded_epoch_ns = clock_epoch_ns();
	free(run);
	return r < 0 ? r : map_image(s);
}

/* The tools' program: gets our standard output, and where the tool is about rules the files and
 * options of the configuration. Like the config run it may ask for files by name. */
int sup_run_tools(struct sup *s)
{
	const char *argv[TOOL_ARGV_MAX];
	struct short_run *run = calloc(1, sizeof(*run));
	int r;

	if (!run)
		return log_err_errno(-ENOMEM, "start");
	(void)tool_argv(s->args, argv);
	r = short_start(s, run, PLAN_TOOLS, PLAN_UID_CONFIG, (char *const *)argv);
	if (r == 0) {
		r = sup_send(&run->child, CTL_FD, FD_SINK, 0, "output", STDOUT_FILENO);
		if (r < 0)
			log_err_errno(r, "hand over to the tools");
		/* progress of a long look, for a person who watches */
		if (r == 0 && s->args->tool == TOOL_SPOOL && isatty(STDERR_FILENO) == 1)
			r = sup_send(&run->child, CTL_FD, FD_SINK, 1, "progress", STDERR_FILENO);
	}
	if (r == 0 && tool_needs_config(s->args->tool))
		r = give_rules(s, &run->child); /* it was logged */
	r = short_finish(s, run, r);
	free(run);
	return r;
}

int sup_run_loader(struct sup *s)
{
	char *argv[] = {"saker-loader", NULL};
	struct short_run *run = calloc(1, sizeof(*run));
	int r;

	if (!run)
		return log_err_errno(-ENOMEM, "start");
	r = short_start(
		s, run, PLAN_LOADER, s->config->uids_first + plan_row(PLAN_LOADER)->uid_slot, argv);
	if (r == 0) {
		r = sup_send(&run->child, CTL_FD, FD_SETTINGS, 0, "settings", s->settings_fd);
		if (r < 0)
			log_err_errno(r, "hand over to the loader");
	}
	r = short_finish(s, run, r);
	free(run);
	return r < 0 ? r : sup_bpf_map(s);
}
