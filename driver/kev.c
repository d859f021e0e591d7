/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel events in user space: the door (kev_parse) and the accessors behind it.
 *
 * The bytes come from BPF ring buffers, iterators, the raw ring and capture files; none is trusted. kev_parse() looks at everything once, by
 * subtraction, on the caller's private copy; what it returns points only inside that copy. It must not allocate, log, or look at what a value
 * means: a text may hold any byte, a descriptor any number. Variable values with an inner structure (addresses, tuples, lists, strings in a row)
 * are spans here and are taken apart where they are used. */

#include <driver/kev.h>

#include <errno.h>
#include <string.h>

#include <base/macros.h>

static int refuse(const char **reterr_why, const char *why)
{
	*reterr_why = why;
	return -EBADMSG;
}

#define BIT(type) (UINT64_C(1) << (type))
#define TEXTS (BIT(KEV_T_STR) | BIT(KEV_T_PATH) | BIT(KEV_T_RELPATH))
static_assert(_KEV_T_MAX <= 64, "a bit for each type");

static bool is_text(enum kev_type type)
{
	return TEXTS >> type & 1;
}

static int check_head(const struct kev_head *h, size_t n, const struct kev_info **ret_info,
	const char **reterr_why)
{
	if (h->len != n)
		return refuse(reterr_why, "length in the head is not the record's");
	if (h->comm[KEV_COMM_LEN - 1] != '\0')
		return refuse(reterr_why, "comm without end");
	if (h->cls > KEV_CLASSES)
		return refuse(reterr_why, "no such class");
	const struct kev_info *info = kev_info_find(h->type);
	if (!info)
		return refuse(reterr_why, "unknown event");
	if (h->extras & ~KEV_X_REALPATH)
		return refuse(reterr_why, "unknown extra parameter");
	unsigned extras = (unsigned)__builtin_popcount(h->extras);
	/* Older captures know fewer parameters; extras are newer than all of them. */
	if (extras ? h->n_params != info->n_params + extras : h->n_params > info->n_params)
		return refuse(reterr_why, "parameter count");
	if (h->n_params > KEV_PARAMS_MAX)
		return refuse(reterr_why, "too many parameters");
	*ret_info = info;
	return 0;
}

static int check_param(enum kev_type type, const uint8_t *p, size_t n, const char **reterr_why)
{
	if (n == 0)
		return 0;
	unsigned width = kev_type_width(type);
	if (width && n != width)
		return refuse(reterr_why, "width of a parameter");
	if (is_text(type) && p[n - 1] != '\0')
		return refuse(reterr_why, "text without end");
	return 0;
}

int kev_check_head(
	const void *p, size_t n, const struct kev_info **ret_info, const char **reterr_why)
{
	if (n < sizeof(struct kev_head) || n > KEV_SIZE_MAX || n % 8 || (uintptr_t)p % 8)
		return refuse(reterr_why, "length or alignment");
	return check_head(p, n, ret_info, reterr_why);
}

static int parse_params(
	const struct kev_head *h, size_t left, struct kev *k, const char **reterr_why)
{
	size_t lens_size = ALIGN_UP((size_t)h->n_params * sizeof(uint16_t), 8);

	if (lens_size > left)
		return refuse(reterr_why, "lengths beyond the end");
	left -= lens_size;
	const uint16_t *lens = (const uint16_t *)(h + 1);
	const uint8_t *data = (const uint8_t *)(h + 1) + lens_size;

	for (unsigned i = 0; i < h->n_params; i++) {
		size_t len = lens[i];

		if (len > left)
			return refuse(reterr_why, "parameter beyond the end");
		int r = check_param(kev_param_type(k->info, i), data, len, reterr_why);
		if (r < 0)
			return r;
		k->param[i] = (struct span){.p = len ? (const char *)data : NULL, .n = len};
		data += len;
		left -= len;
	}
	return left >= 8 ? refuse(reterr_why, "bytes left over") : 0;
}

int kev_parse_again(const void *p, size_t n, struct kev *k, const char **reterr_why)
{
	const struct kev_head *h = p;
	unsigned n_before = k->n_params;

	k->head = NULL;
	int r = kev_check_head(p, n, &k->info, reterr_why);
	if (r < 0)
		return r;
	for (unsigned i = h->n_params; i < n_before; i++)
		k->param[i] = (struct span){.p = NULL, .n = 0};
	k->n_params = h->n_params;
	r = parse_params(h, n - sizeof(*h), k, reterr_why);
	if (r < 0)
		return r;
	k->head = h;
	return 0;
}

int kev_parse(const void *p, size_t n, struct kev *ret_kev, const char **reterr_why)
{
	ret_kev->n_params = KEV_PARAMS_MAX;
	return kev_parse_again(p, n, ret_kev, reterr_why);
}

struct span kev_extra(const struct kev *k, uint8_t bit)
{
	if (!(k->head->extras & bit))
		return (struct span){.p = NULL, .n = 0};
	unsigned before = (unsigned)__builtin_popcount(k->head->extras & (bit - 1u));
	return kev_strip_nul(k->param[k->info->n_params + before]);
}

bool kev_rawres(const struct kev *k, int64_t *ret_res)
{
	if (k->info->dir != KEV_EXIT || k->info->n_params == 0 || !kev_param_present(k, 0))
		return false;
	switch (k->info->params[0].type) {
	case KEV_T_ERRNO:
	case KEV_T_FD:
	case KEV_T_FD32:
	case KEV_T_PID:
	case KEV_T_PID32:
		break;
	default:
		/* brk, geteuid and the like: a plain number of 32 or 64 bits */
		if (k->info->kind != KEV_KIND_SYSCALL || k->param[0].n < sizeof(int32_t) ||
			k->info->params[0].type == KEV_T_SYSCALLID ||
			kev_type_width(k->info->params[0].type) == 0)
			return false;
	}
	*ret_res = kev_param_i64(k, 0);
	return true;
}
