/* SPDX-License-Identifier: Apache-2.0 */
/* Each name is asked for at the start, and again after 10 s; while its addresses stay the same, in
 * twice the time, up to 320 s (the reference's figures). A name that is said not to exist has no
 * address; when nobody answers, what was known stays for an hour. Input: the image, verified here;
 * answers of name servers, hostile: they are addresses and nothing else. Must not allocate after
 * resolve_new(). */

#include "resolve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <abi/events.h>
#include <base/clock.h>
#include <base/macros.h>
#include <driver/kev.h>
#include <rules/fields.h>
#include <rules/image.h>

#include "dialer_names.h"

#define NAME_BYTES_MAX 255
#define ASKING_MAX 32 /* at a time: the outputs' names have places too */
#define FIRST_NS (10 * NS_PER_S)
#define LONGEST_NS (320 * NS_PER_S)
#define KEEP_NS (3600 * NS_PER_S)

struct address {
	uint8_t n; /* 4 or 16 */
	uint8_t ip[16];
};

struct name {
	const char *text; /* in the image */
	struct resolve *owner;
	uint64_t due_ns;      /* CLOCK_MONOTONIC; 0: now */
	uint64_t answered_ns; /* the last answer; 0 none */
	uint64_t wait_ns;
	bool is_asking, was_asked;
	bool has_news; /* to be told */
	unsigned n_addrs;
	struct address addrs[NAMES_ADDRS_MAX]; /* sorted, each once */
};

struct resolve {
	struct names *resolver;
	struct name *names; /* sorted by text */
	unsigned n_names, n_left_out;
	unsigned n_asking, n_news;
	unsigned tell_at; /* where to look for the next one to tell */
	unsigned n_never; /* not asked for yet */
	uint64_t now_ns;
};

/* --- the names of the image --- */

static bool is_name_field(const struct img_expr *x)
{
	return x->kind == IMG_E_FIELD &&
	       (x->field == FIELD_ID_FD_CIP_NAME || x->field == FIELD_ID_FD_SIP_NAME ||
		       x->field == FIELD_ID_FD_LIP_NAME || x->field == FIELD_ID_FD_RIP_NAME);
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct found {
	const char **texts;
	size_t n, cap;
};

static int add(struct found *f, const struct img *img, uint32_t c)
{
	if (img->consts[c].type != IMG_T_STR)
		return 0;
	if (f->n == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 64;
		const char **more = realloc(f->texts, cap * sizeof(*more));

		if (!more)
			return -ENOMEM;
		f->texts = more;
		f->cap = cap;
	}
	/* img_verify() has seen to the NUL behind it */
	f->texts[f->n++] = img->str + img->consts[c].str.off;
	return 0;
}

static int add_of_pred(struct found *f, const struct img *img, const struct img_pred *p)
{
	const struct img_set *set;
	int r = 0;

	if (!is_name_field(&img->exprs[p->expr]))
		return 0;
	if (p->rhs_kind == IMG_RHS_CONST)
		return add(f, img, p->rhs);
	if (p->rhs_kind != IMG_RHS_SET)
		return 0;
	set = &img->sets[p->rhs];
	for (uint32_t i = 0; i < set->n && r == 0; i++)
		r = add(f, img, set->first + i);
	return r;
}

static int keep(struct resolve *r, struct found *f)
{
	if (f->n > 0)
		qsort(f->texts, f->n, sizeof(*f->texts), compare_text);
	r->names = calloc(MIN(f->n, (size_t)RESOLVE_NAMES_MAX) + 1, sizeof(*r->names));
	if (!r->names)
		return -ENOMEM;
	for (size_t i = 0; i < f->n; i++) {
		if (i > 0 && strcmp(f->texts[i], f->texts[i - 1]) == 0)
			continue;
		if (!f->texts[i][0])
			continue; /* no name, and nobody's */
		if (strlen(f->texts[i]) > NAME_BYTES_MAX || r->n_names == RESOLVE_NAMES_MAX) {
			r->n_left_out++;
			continue;
		}
		r->names[r->n_names++] =
			(struct name){.text = f->texts[i], .owner = r, .wait_ns = FIRST_NS};
	}
	r->n_never = r->n_names;
	return 0;
}

int resolve_new(const void *image, size_t size, struct names *names, struct resolve **ret_resolve,
	const char **reterr_why)
{
	struct resolve *res = calloc(1, sizeof(*res));
	struct found f = {0};
	struct img img;
	int r;

	*reterr_why = "";
	if (!res)
		return -ENOMEM;
	res->resolver = names;
	r = img_verify(image, size, &img, reterr_why);
	for (uint32_t i = 0; r == 0 && i < img.n[IMG_SEC_PRED]; i++)
		r = add_of_pred(&f, &img, &img.preds[i]);
	if (r == 0)
		r = keep(res, &f);
	free(f.texts);
	if (r < 0) {
		(void)resolve_free(res);
		return r;
	}
	*ret_resolve = res;
	return 0;
}

struct resolve *resolve_free(struct resolve *r)
{
	if (r)
		free(r->names);
	free(r);
	return NULL;
}

unsigned resolve_count(const struct resolve *r, unsigned *ret_left_out)
{
	*ret_left_out = r->n_left_out;
	return r->n_names;
}

/* --- questions --- */

static void set_news(struct name *n, bool on)
{
	if (n->has_news != on)
		n->owner->n_news += on ? 1u : -1u;
	n->has_news = on;
}

static int compare_address(const void *a, const void *b)
{
	const struct address *x = a, *y = b;

	return x->n != y->n ? (int)x->n - (int)y->n : memcmp(x->ip, y->ip, x->n);
}

/* Sorted, each once: name servers turn their lists round. */
static unsigned take_addresses(const union names_addr *addrs, unsigned n, struct address *to)
{
	unsigned k = 0, kept = 0;

	for (unsigned i = 0; i < n && k < NAMES_ADDRS_MAX; i++) {
		to[k] = (struct address){0};
		if (addrs[i].any.sa_family == AF_INET) {
			to[k].n = 4;
			memcpy(to[k++].ip, &addrs[i].v4.sin_addr, 4);
		} else if (addrs[i].any.sa_family == AF_INET6) {
			to[k].n = 16;
			memcpy(to[k++].ip, &addrs[i].v6.sin6_addr, 16);
		}
	}
	if (k > 0)
		qsort(to, k, sizeof(*to), compare_address);
	for (unsigned i = 0; i < k; i++)
		if (kept == 0 || compare_address(&to[i], &to[kept - 1]) != 0)
			to[kept++] = to[i];
	return kept;
}

static void on_answer(void *arg, const union names_addr *addrs, unsigned n, const char *why)
{
	struct name *e = arg;
	struct address now[NAMES_ADDRS_MAX];
	unsigned k = take_addresses(addrs, n, now);
	bool is_answer = k > 0 || names_is_unknown(why), is_same;

	e->is_asking = false;
	e->owner->n_asking--;
	if (!is_answer && e->owner->now_ns - e->answered_ns < KEEP_NS)
		k = UINT32_MAX; /* nobody answers: what was known stays */
	if (is_answer)
		e->answered_ns = e->owner->now_ns;
	is_same = k == UINT32_MAX ||
		  (k == e->n_addrs && memcmp(now, e->addrs, k * sizeof(*now)) == 0);
	e->wait_ns = is_same ? MIN(2 * e->wait_ns, LONGEST_NS) : FIRST_NS;
	e->due_ns = e->owner->now_ns + e->wait_ns;
	if (is_same)
		return;
	memcpy(e->addrs, now, k * sizeof(*now));
	e->n_addrs = k;
	set_news(e, true);
}

unsigned resolve_tick(struct resolve *r, uint64_t now_ns)
{
	unsigned n = 0;

	r->now_ns = now_ns;
	for (unsigned i = 0; i < r->n_names && r->n_asking < ASKING_MAX; i++) {
		struct name *e = &r->names[i];

		if (e->is_asking || now_ns < e->due_ns)
			continue;
		e->is_asking = true;
		r->n_asking++;
		r->n_never -= !e->was_asked;
		e->was_asked = true;
		n++;
		names_ask(r->resolver, e->text, on_answer, e);
	}
	return n;
}

int resolve_timeout_ms(const struct resolve *r, uint64_t now_ns)
{
	uint64_t due = UINT64_MAX;

	for (unsigned i = 0; i < r->n_names && r->n_asking < ASKING_MAX; i++)
		if (!r->names[i].is_asking)
			due = MIN(due, r->names[i].due_ns);
	if (due == UINT64_MAX)
		return 1000; /* answers wake up */
	return due <= now_ns ? 0 : (int)MIN((due - now_ns) / NS_PER_MS + 1, (uint64_t)1000);
}

void resolve_ask_all(struct resolve *r)
{
	for (unsigned i = 0; i < r->n_names; i++) {
		r->names[i].due_ns = 0;
		r->names[i].wait_ns = FIRST_NS;
	}
}

/* --- records --- */

void resolve_tell_all(struct resolve *r)
{
	for (unsigned i = 0; i < r->n_names; i++)
		if (r->names[i].n_addrs > 0)
			set_news(&r->names[i], true);
}

static struct name *next_news(struct resolve *r)
{
	if (r->n_news == 0)
		return NULL;
	while (!r->names[r->tell_at].has_news)
		r->tell_at = (r->tell_at + 1) % r->n_names;
	return &r->names[r->tell_at];
}

int resolve_record(struct resolve *r, void *buf)
{
	const struct name *e = next_news(r);
	uint8_t v4[4 * NAMES_ADDRS_MAX], v6[16 * NAMES_ADDRS_MAX];
	size_t n4 = 0, n6 = 0;
	struct kev_builder b;
	int len;

	if (!e)
		return 0;
	for (unsigned i = 0; i < e->n_addrs; i++) {
		const struct address *a = &e->addrs[i];

		if (a->n == 4) {
			memcpy(v4 + n4, a->ip, 4);
			n4 += 4;
		} else {
			memcpy(v6 + n6, a->ip, 16);
			n6 += 16;
		}
	}
	kev_build_start(&b, buf, KEV_SIZE_MAX, KEV_CODE_SAKER_NAME, 0);
	kev_build_head(&b)->ts_ns = clock_boot_ns();
	kev_build_head(&b)->flags = KEV_F_NO_TASK;
	kev_build_text(&b, span_str(e->text));
	kev_build_raw(&b, v4, n4);
	kev_build_raw(&b, v6, n6);
	len = kev_build_finish(&b);
	assert(len > 0); /* a name and its addresses are far from the largest record */
	return len;
}

void resolve_taken(struct resolve *r)
{
	struct name *e = next_news(r);

	if (e)
		set_news(e, false);
}

bool resolve_is_first_done(const struct resolve *r)
{
	return r->n_never == 0 && r->n_news == 0;
}
