/* SPDX-License-Identifier: Apache-2.0 */
/* Before the seal: the image is mapped and verified, rings are attached, everything is allocated.
 * Descriptors come from the supervisor; what they hold is checked by the segments' and the image's
 * own doors. */
#include <sys/mman.h>

#include <errno.h>

#include <base/log.h>
#include <shm/segment.h>

#include "work.h"

static int open_image(struct work *w, struct stage *s, struct img *ret_img)
{
	const char *why;
	void *p;
	size_t n;
	int r;

	r = seg_map(stage_fd_get(s, FD_IMAGE, 0), SEG_IMAGE, PROT_READ, &p, &n);
	if (r < 0)
		return log_err_errno(r, "map the policy image");
	r = img_verify(p, n, ret_img, &why);
	if (r < 0) {
		log_err("the policy image is refused: %s", why);
		seg_unmap(p, n);
		return r;
	}
	r = evl_init(&w->evl, ret_img, s->settings, &why);
	if (r < 0) {
		log_err("cannot evaluate the policy: %s", why);
		seg_unmap(p, n);
	}
	return r;
}

static int open_progress(struct work *w, struct stage *s)
{
	void *p;
	size_t n;
	int r;

	r = seg_map(
		stage_fd_get(s, FD_PROGRESS_OWN, 0), SEG_PROGRESS, PROT_READ | PROT_WRITE, &p, &n);
	if (r < 0)
		return log_err_errno(r, "map the progress page");
	if (n < sizeof(*w->progress))
		return log_err_errno(-EBADMSG, "map the progress page");
	w->progress = p;
	return 0;
}

int work_open(struct work *w, struct stage *s)
{
	struct img img;
	int r;

	w->stage = s;
	r = open_image(w, s, &img);
	if (r < 0)
		return r;
	r = open_progress(w, s);
	if (r < 0)
		return r;
	r = raise_init(&w->raise);
	if (r < 0)
		return log_err_errno(r, "allocate the alert");
	r = spsc_consumer_attach(
		&w->in, stage_fd_get(s, FD_RING_IN_DATA, 0), stage_fd_get(s, FD_RING_IN_CURSOR, 0));
	if (r < 0)
		return log_err_errno(r, "attach the event ring");
	w->done_pos = spsc_consumer_pos(&w->in);
	w->done_taken = w->in.n_taken;
	return outputs_open(&w->outputs, s);
}

void work_close(struct work *w)
{
	outputs_close(&w->outputs);
	spsc_consumer_done(&w->in);
	raise_done(&w->raise);
	evl_done(&w->evl);
}
