/* SPDX-License-Identifier: Apache-2.0 */
/* Building kernel events in user space: for the synthetic source, host facts, captures and tests.
 *
 * The caller is our own code: a parameter too many or of the wrong kind is a bug and asserts. Values may come from anywhere; one that does not fit makes
 * the whole record fail at kev_build_finish(), never a cut one. Must not write outside the caller's buffer. */

#include <driver/kev.h>

#include <errno.h>
#include <string.h>

#include <base/macros.h>

static const struct kev_info *info_of(const struct kev_builder *b)
{
	return kev_info_find(((const struct kev_head *)(const void *)b->buf)->type);
}

void kev_build_start(struct kev_builder *b, void *buf, size_t cap, uint16_t code, unsigned n_extras)
{
	const struct kev_info *info = kev_info_find(code);
	assert(info && (uintptr_t)buf % 8 == 0 && n_extras < 8);
	unsigned n_params = info->n_params + n_extras;
	assert(n_params <= KEV_PARAMS_MAX);
	size_t data_off = sizeof(struct kev_head) + ALIGN_UP(n_params * sizeof(uint16_t), 8);
	assert(cap >= data_off);

	memset(buf, 0, data_off);
	*b = (struct kev_builder){.buf = buf,
		.cap = MIN(cap, (size_t)KEV_SIZE_MAX) & ~(size_t)7,
		.data_off = (uint32_t)data_off};
	struct kev_head *h = kev_build_head(b);
	h->type = code;
	h->n_params = (uint8_t)n_params;
	h->extras = (uint8_t)((1u << n_extras) - 1);
}

struct kev_head *kev_build_head(struct kev_builder *b)
{
	return (struct kev_head *)(void *)b->buf;
}

void kev_build_raw(struct kev_builder *b, const void *p, size_t n)
{
	struct kev_head *h = kev_build_head(b);
	uint16_t *lens = (uint16_t *)(void *)(h + 1);

	assert(b->n < h->n_params);
	if (b->overflow || n > UINT16_MAX || n > b->cap - b->data_off - b->data_len) {
		b->overflow = true;
		b->n++;
		return;
	}
	if (n)
		memcpy(b->buf + b->data_off + b->data_len, p, n);
	lens[b->n++] = (uint16_t)n;
	b->data_len += (uint32_t)n;
}

void kev_build_int(struct kev_builder *b, int64_t v)
{
	const struct kev_info *info = info_of(b);
	assert(b->n < info->n_params);
	unsigned width = kev_type_width((enum kev_type)info->params[b->n].type);
	assert(width >= 1 && width <= sizeof(v));
	kev_build_raw(b, &v, width);
}

void kev_build_text(struct kev_builder *b, struct span s)
{
	uint16_t *lens = (uint16_t *)(void *)(kev_build_head(b) + 1);
	unsigned i = b->n;

	if (!s.p) {
		kev_build_absent(b);
		return;
	}
	kev_build_raw(b, s.p, s.n);
	/* the NUL belongs to the same parameter */
	if (b->overflow || s.n >= UINT16_MAX || b->cap - b->data_off - b->data_len < 1) {
		b->overflow = true;
		return;
	}
	b->buf[b->data_off + b->data_len++] = '\0';
	lens[i] = (uint16_t)(s.n + 1);
}

void kev_build_absent(struct kev_builder *b)
{
	kev_build_raw(b, NULL, 0);
}

int kev_build_finish(struct kev_builder *b)
{
	struct kev_head *h = kev_build_head(b);
	size_t used = b->data_off + b->data_len;

	if (b->overflow)
		return -EMSGSIZE;
	/* cap is a multiple of 8, so the padding fits; lengths of missing parameters are zero since the start */
	h->len = (uint32_t)ALIGN_UP(used, 8);
	memset(b->buf + used, 0, h->len - used);
	return (int)h->len;
}
