/* SPDX-License-Identifier: Apache-2.0 */
/* Writing capture files. A block is put together in one buffer, for its length stands in front of it;
 * whole blocks go into the file's buffer, from there plain or deflated to the descriptor. Input: our
 * own records; texts in them are anyone's and are written as they are, cut where the format's lengths
 * end. Must not allocate after scap_writer_open(). An error stops the writing and is kept. */

#include <driver/scap_write.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include <base/macros.h>

#include "scap_format.h"

#define BLOCK_MAX (1u << 20)
/* An entry with eight texts of 64 KiB; a block that has less left is closed before it. */
#define ENTRY_ROOM (600u << 10)
#define OUT_BYTES (256u << 10)
#define TRAILER 4
#define GZIP_LEVEL 3 /* a live run's time is worth more than the last bytes */

struct scap_writer {
	int fd; /* -1 none */
	int error;
	bool gzip;
	z_stream z;
	uint64_t bytes;
	enum scap_list_kind list;
	int64_t tid;
	size_t n_block; /* bytes of the block under construction; 0 none */
	size_t n_out;
	uint8_t block[BLOCK_MAX];
	uint8_t out[OUT_BYTES];
	uint8_t packed[64u << 10];
};

int scap_writer_open(struct scap_writer **ret_writer)
{
	struct scap_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->fd = -1;
	if (deflateInit2(&w->z, GZIP_LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(w);
		return -ENOMEM;
	}
	*ret_writer = w;
	return 0;
}

struct scap_writer *scap_writer_free(struct scap_writer *w)
{
	if (w)
		(void)deflateEnd(
			&w->z); /* with an unfinished file it says so: nothing is lost by that */
	free(w);
	return NULL;
}

/* --- to the descriptor --- */

static void put_bytes(struct scap_writer *w, const uint8_t *p, size_t n)
{
	while (n > 0 && !w->error) {
		ssize_t k = write(w->fd, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && errno == EAGAIN) {
			struct pollfd f = {.fd = w->fd, .events = POLLOUT};

			(void)poll(&f, 1, 100); /* a pipe whose reader is slow */
			continue;
		}
		if (k <= 0) {
			w->error = k < 0 ? -errno : -EIO;
			return;
		}
		p += k;
		n -= (size_t)k;
		w->bytes += (uint64_t)k;
	}
}

static void deflate_out(struct scap_writer *w, int how)
{
	int r;

	w->z.next_in = w->out;
	w->z.avail_in = (unsigned)w->n_out;
	do {
		w->z.next_out = w->packed;
		w->z.avail_out = sizeof(w->packed);
		r = deflate(&w->z, how);
		put_bytes(w, w->packed, sizeof(w->packed) - w->z.avail_out);
	} while (!w->error && r == Z_OK && w->z.avail_out == 0);
}

static void drain(struct scap_writer *w, int how)
{
	if (w->fd < 0)
		return;
	if (w->gzip)
		deflate_out(w, how);
	else
		put_bytes(w, w->out, w->n_out);
	w->n_out = 0;
}

static void put(struct scap_writer *w, const uint8_t *p, size_t n)
{
	while (n > 0 && !w->error) {
		size_t k = MIN(n, sizeof(w->out) - w->n_out);

		memcpy(w->out + w->n_out, p, k);
		w->n_out += k;
		p += k;
		n -= k;
		if (w->n_out == sizeof(w->out))
			drain(w, Z_NO_FLUSH);
	}
}

void scap_write_begin(struct scap_writer *w, int fd, bool gzip)
{
	w->fd = fd;
	w->error = 0;
	w->gzip = gzip;
	w->bytes = 0;
	w->n_block = w->n_out = 0;
	if (gzip && deflateReset(&w->z) != Z_OK)
		w->error = -EIO;
}

int scap_write_flush(struct scap_writer *w)
{
	drain(w, Z_SYNC_FLUSH);
	return w->error;
}

int scap_write_end(struct scap_writer *w)
{
	drain(w, Z_FINISH);
	w->fd = -1;
	return w->error;
}

uint64_t scap_write_bytes(const struct scap_writer *w)
{
	return w->bytes;
}

int scap_write_error(const struct scap_writer *w)
{
	return w->error;
}

/* --- blocks --- */

static void add(struct scap_writer *w, const void *p, size_t n)
{
	assert(n <= sizeof(w->block) - w->n_block);
	if (n)
		memcpy(w->block + w->n_block, p, n);
	w->n_block += n;
}

static void add_u8(struct scap_writer *w, uint8_t v)
{
	w->block[w->n_block++] = v;
}

static void add_u16(struct scap_writer *w, uint16_t v)
{
	add(w, &v, sizeof(v));
}

static void add_u32(struct scap_writer *w, uint32_t v)
{
	add(w, &v, sizeof(v));
}

static void add_u64(struct scap_writer *w, uint64_t v)
{
	add(w, &v, sizeof(v));
}

static void add_str(struct scap_writer *w, struct span s)
{
	size_t n = MIN(s.n, (size_t)UINT16_MAX);

	add_u16(w, (uint16_t)n);
	add(w, s.p, n);
}

static void set_u32(struct scap_writer *w, size_t at, uint32_t v)
{
	memcpy(w->block + at, &v, sizeof(v));
}

static void begin(struct scap_writer *w, uint32_t type)
{
	w->n_block = 0;
	add_u32(w, type);
	add_u32(w, 0);
}

static void end(struct scap_writer *w)
{
	uint32_t total;

	while (w->n_block % 4)
		add_u8(w, 0);
	total = (uint32_t)w->n_block + TRAILER;
	set_u32(w, 4, total);
	add_u32(w, total);
	put(w, w->block, w->n_block);
	w->n_block = 0;
}

void scap_write_head(struct scap_writer *w, const struct scap_machine *m)
{
	char host[SCAP_MI_HOST] = {0};

	begin(w, SCAP_SHB);
	add_u32(w, SCAP_MAGIC);
	add_u16(w, SCAP_MAJOR);
	add_u16(w, SCAP_MINOR);
	add_u64(w, UINT64_MAX);
	end(w);
	memcpy(host, m->host, strnlen(m->host, sizeof(host) - 1));
	begin(w, SCAP_MI);
	add_u32(w, m->n_cpus);
	add_u64(w, m->memory_bytes);
	add_u64(w, 0); /* the largest pid: readers make nothing of it */
	add(w, host, sizeof(host));
	add_u64(w, m->boot_ns);
	for (unsigned i = 0; i < 3; i++)
		add_u64(w, 0);
	end(w);
}

static void begin_list(struct scap_writer *w)
{
	static const uint32_t types[] = {
		[SCAP_LIST_IFACES] = SCAP_IL_V2,
		[SCAP_LIST_USERS] = SCAP_UL_V2,
		[SCAP_LIST_TASKS] = SCAP_PL_V9,
		[SCAP_LIST_FDS] = SCAP_FDL_V2,
	};

	begin(w, types[w->list]);
	if (w->list == SCAP_LIST_FDS)
		add_u64(w, (uint64_t)w->tid);
}

void scap_write_list(struct scap_writer *w, enum scap_list_kind kind, int64_t tid)
{
	w->list = kind;
	w->tid = tid;
	begin_list(w);
}

void scap_write_list_end(struct scap_writer *w)
{
	end(w);
}

/* Room for one more entry; its place. */
static size_t entry(struct scap_writer *w)
{
	if (sizeof(w->block) - w->n_block < ENTRY_ROOM) {
		end(w);
		begin_list(w);
	}
	add_u32(w, 0);
	return w->n_block - 4;
}

/* Its length, with the field itself or without. */
static void entry_end(struct scap_writer *w, size_t at, bool counts_itself)
{
	set_u32(w, at, (uint32_t)(w->n_block - at - (counts_itself ? 0 : 4)));
}

void scap_write_iface(
	struct scap_writer *w, struct span name, const uint8_t *addr, size_t n, unsigned prefix_len)
{
	uint8_t mask[16] = {0}, bcast[16];
	size_t at = entry(w);

	assert(n == 4 || n == 16);
	for (unsigned i = 0; i < prefix_len && i < n * 8; i++)
		mask[i / 8] |= (uint8_t)(0x80 >> i % 8);
	for (size_t i = 0; i < n; i++)
		bcast[i] = (uint8_t)(addr[i] | ~mask[i]);
	add_u16(w, n == 4 ? SCAP_IFACE_V4 : SCAP_IFACE_V6);
	add_u16(w, (uint16_t)MIN(name.n, (size_t)UINT16_MAX));
	add(w, addr, n);
	add(w, mask, n);
	add(w, bcast, n);
	add_u64(w, 0);
	add(w, name.p, MIN(name.n, (size_t)UINT16_MAX));
	entry_end(w, at, false);
}

void scap_write_user(struct scap_writer *w, uint32_t uid, uint32_t gid, struct span name,
	struct span home, struct span shell)
{
	size_t at = entry(w);

	add_u8(w, SCAP_UL_USER);
	add_u32(w, uid);
	add_u32(w, gid);
	add_str(w, name);
	add_str(w, home);
	add_str(w, shell);
	entry_end(w, at, true);
}

void scap_write_group(struct scap_writer *w, uint32_t gid, struct span name)
{
	size_t at = entry(w);

	add_u8(w, SCAP_UL_GROUP);
	add_u32(w, gid);
	add_str(w, name);
	entry_end(w, at, true);
}

static void add_flag(struct scap_writer *w, uint32_t flags, uint32_t flag)
{
	add_u8(w, flags & flag ? 1 : 0);
}

static void task_tail(struct scap_writer *w, const struct scap_task *t)
{
	add_u64(w, t->pidns_start_ns);
	add_u32(w, t->tty);
	add_u32(w, t->loginuid);
	add_flag(w, t->exe_flags, 1);
	add_u64(w, t->cap_inheritable);
	add_u64(w, t->cap_permitted);
	add_u64(w, t->cap_effective);
	add_flag(w, t->exe_flags, 2);
	add_u64(w, t->exe_ino);
	add_u64(w, t->exe_ctime_ns);
	add_u64(w, t->exe_mtime_ns);
	add_flag(w, t->exe_flags, 4);
	add_flag(w, t->exe_flags, 8);
	add_u64(w, (uint64_t)t->pgid);
}

void scap_write_task(struct scap_writer *w, const struct scap_task *t)
{
	size_t at = entry(w);

	add_u64(w, (uint64_t)t->tid);
	add_u64(w, (uint64_t)t->pid);
	add_u64(w, (uint64_t)t->ptid);
	add_u64(w, (uint64_t)t->sid);
	add_u64(w, (uint64_t)t->vpgid);
	add_str(w, t->comm);
	add_str(w, t->exe);
	add_str(w, t->exepath);
	add_str(w, t->args);
	add_str(w, t->cwd);
	add_u64(w, (uint64_t)t->fdlimit);
	add_u32(w, t->flags);
	add_u32(w, t->uid);
	add_u32(w, t->gid);
	add_u32(w, t->vm_size_kb);
	add_u32(w, t->vm_rss_kb);
	add_u32(w, t->vm_swap_kb);
	add_u64(w, t->pf_major);
	add_u64(w, t->pf_minor);
	add_str(w, t->env);
	add_u64(w, (uint64_t)t->vtid);
	add_u64(w, (uint64_t)t->vpid);
	add_str(w, t->cgroups);
	add_str(w, t->root);
	task_tail(w, t);
	entry_end(w, at, true);
}

static void fd_own(struct scap_writer *w, const struct scap_fd *f)
{
	size_t n = f->type == SCAP_FD_IPV4 || f->type == SCAP_FD_IPV4_SERVER ? 4 : 16;

	switch (f->type) {
	case SCAP_FD_IPV4:
	case SCAP_FD_IPV6:
		add(w, f->sip, n);
		add(w, f->dip, n);
		add_u16(w, f->sport);
		add_u16(w, f->dport);
		add_u8(w, f->l4);
		break;
	case SCAP_FD_IPV4_SERVER:
	case SCAP_FD_IPV6_SERVER:
		add(w, f->sip, n);
		add_u16(w, f->sport);
		add_u8(w, f->l4);
		break;
	case SCAP_FD_UNIX:
		add_u64(w, f->source);
		add_u64(w, f->peer);
		add_str(w, f->name);
		break;
	case SCAP_FD_FILE_V2:
		add_u32(w, f->open_flags);
		add_str(w, f->name);
		add_u32(w, f->dev);
		break;
	default:
		add_str(w, f->name);
	}
}

void scap_write_fd(struct scap_writer *w, const struct scap_fd *f)
{
	size_t at;

	if (f->type == 0 || f->type >= _SCAP_FD_MAX)
		return; /* the format has no word for it */
	at = entry(w);
	add_u64(w, (uint64_t)f->num);
	add_u64(w, f->ino);
	add_u8(w, f->type);
	fd_own(w, f);
	entry_end(w, at, true);
}

/* --- events --- */

static uint32_t event_block(const struct kev *k, bool state_only)
{
	bool large = k->info->flags & KEV_LARGE_PAYLOAD;

	if (state_only)
		return large ? SCAP_EVF_V2_LARGE : SCAP_EVF_V2;
	return large ? SCAP_EV_V2_LARGE : SCAP_EV_V2;
}

/* What the format has no word for. Other readers pass over it. */
static void add_option(struct scap_writer *w, const struct kev *k)
{
	struct span path = kev_extra(k, KEV_X_REALPATH);
	uint8_t flags = k->head->flags & (KEV_F_COMPAT | KEV_F_IO_URING);

	if (!flags && !path.n)
		return;
	while (w->n_block % 4)
		add_u8(w, 0);
	add_u16(w, SCAP_OPT_CUSTOM);
	add_u16(w, (uint16_t)(SCAP_OPT_OWN_HEAD + path.n));
	add_u32(w, SCAP_OPT_OWNER);
	add_u16(w, flags);
	add(w, path.p, path.n);
	while (w->n_block % 4)
		add_u8(w, 0);
	add_u32(w, 0);
}

void scap_write_event(
	struct scap_writer *w, const struct kev *k, uint64_t epoch_ns, bool state_only)
{
	unsigned n = MIN(k->n_params, k->info->n_params);
	size_t width = k->info->flags & KEV_LARGE_PAYLOAD ? 4 : 2;
	uint32_t len = (uint32_t)(SCAP_EVENT_HEAD_V2 + n * width);

	for (unsigned i = 0; i < n; i++)
		len += (uint32_t)k->param[i].n;
	begin(w, event_block(k, state_only));
	add_u16(w, k->head->cpu);
	if (state_only)
		add_u32(w, SCAP_EVF_STATE_ONLY);
	add_u64(w, epoch_ns);
	add_u64(w, k->head->tid ? k->head->tid : UINT64_MAX);
	add_u32(w, len);
	add_u16(w, k->head->type);
	add_u32(w, n);
	for (unsigned i = 0; i < n; i++) {
		if (width == 4)
			add_u32(w, (uint32_t)k->param[i].n);
		else
			add_u16(w, (uint16_t)k->param[i].n);
	}
	for (unsigned i = 0; i < n; i++)
		add(w, k->param[i].p, k->param[i].n);
	add_option(w, k);
	end(w);
}
