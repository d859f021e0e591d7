/* SPDX-License-Identifier: Apache-2.0 */
/* The opens. The name of a descriptor is the path as the process meant it, made absolute: what the
 * reference calls fd.name. A failed open makes no entry; its name still tells what was tried. */

#include "core.h"

#include "families.h"

#define O_DIRECTORY_F 0x400 /* event vocabulary's values */
#define O_CLOEXEC_F 0x1000
#define FD_UPPER_F 0x8000
#define FD_LOWER_F 0x10000

struct opened {
	unsigned path; /* parameter */
	uint32_t flags;
	uint32_t dev;
	uint64_t ino;
};

static void opened(struct st_ctx *c, const struct opened *o)
{
	struct st_texts *texts = &c->core->texts;
	struct span raw = kev_param_text(&c->kev, o->path), path = {0};
	char buf[ST_PATH_BUF];
	struct st_fd *f;

	if (raw.n)
		path = st_ctx_path(c, o->path, c->core->name_buf);
	c->fd_fallback = path;
	if (!st_ok(c))
		return;
	f = st_ctx_new_fd(c, c->res, o->flags & O_DIRECTORY_F ? EV_FD_DIRECTORY : EV_FD_FILE);
	if (!f)
		return;
	st_fd_name(c, f, path);
	if (raw.n && path.p == raw.p) /* a plain path: nothing to squeeze either */
		f->nameraw = st_text_ref(texts, f->name);
	else if (raw.n)
		f->nameraw = st_text_new(texts, st_path_squeeze(raw, buf));
	f->open_flags = o->flags;
	f->cloexec = o->flags & O_CLOEXEC_F;
	f->flags = (o->flags & FD_UPPER_F ? EV_FD_UPPER_LAYER : 0) |
		   (o->flags & FD_LOWER_F ? EV_FD_LOWER_LAYER : 0);
	f->dev = o->dev;
	f->ino = o->ino;
}

void st_on_open(struct st_ctx *c)
{
	opened(c, &(struct opened){.path = 1,
			  .flags = (uint32_t)kev_param_u64(&c->kev, 2),
			  .dev = (uint32_t)kev_param_u64(&c->kev, 4),
			  .ino = kev_param_u64(&c->kev, 5)});
}

void st_on_openat(struct st_ctx *c)
{
	opened(c, &(struct opened){.path = 2,
			  .flags = (uint32_t)kev_param_u64(&c->kev, 3),
			  .dev = (uint32_t)kev_param_u64(&c->kev, 5),
			  .ino = kev_param_u64(&c->kev, 6)});
}

void st_on_openat2(struct st_ctx *c)
{
	opened(c, &(struct opened){.path = 2,
			  .flags = (uint32_t)kev_param_u64(&c->kev, 3),
			  .dev = (uint32_t)kev_param_u64(&c->kev, 6),
			  .ino = kev_param_u64(&c->kev, 7)});
}

void st_on_creat(struct st_ctx *c)
{
	uint64_t layer = kev_param_u64(&c->kev, 5);

	opened(c, &(struct opened){.path = 1,
			  .flags = (layer & 1 ? FD_UPPER_F : 0) | (layer & 2 ? FD_LOWER_F : 0),
			  .dev = (uint32_t)kev_param_u64(&c->kev, 3),
			  .ino = kev_param_u64(&c->kev, 4)});
}

void st_on_open_by_handle(struct st_ctx *c)
{
	opened(c, &(struct opened){.path = 3,
			  .flags = (uint32_t)kev_param_u64(&c->kev, 2),
			  .dev = (uint32_t)kev_param_u64(&c->kev, 4),
			  .ino = kev_param_u64(&c->kev, 5)});
}
