/* SPDX-License-Identifier: Apache-2.0 */
/* Framing, compression and signature of request bodies. Alerts' texts are UTF-8 when they come here
 * (the formats see to that); what is not JSON is quoted. */

#include "http_body.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <zlib.h>
#include <zstd.h>

#include <base/clock.h>
#include <base/macros.h>
#include <base/utf8.h>
#include <shm/alert.h>

#define ZSTD_LEVEL 3
#define GZIP_LEVEL 4

struct http_body {
	enum http_batch batch;
	enum http_coding coding;
	bool is_json;
	size_t cap; /* no further message beyond this */
	unsigned n;
	struct strbuf text;
	z_stream z;
	bool has_z;
	ZSTD_CCtx *zstd;
	char *packed;
	size_t packed_cap;
};

static const char *const codings[_HTTP_CODING_MAX] = {NULL, "gzip", "zstd"};

const char *http_coding_str(enum http_coding coding)
{
	return codings[coding];
}

const char *http_content_type(enum http_batch batch, bool is_json)
{
	if (batch == HTTP_ARRAY || batch == HTTP_HEC)
		return "application/json";
	if (!is_json)
		return "text/plain; charset=utf-8";
	return batch == HTTP_NDJSON ? "application/x-ndjson" : "application/json";
}

static int make_coder(struct http_body *b)
{
	if (b->coding == HTTP_GZIP) {
		/* 16: with gzip's header */
		b->has_z = deflateInit2(&b->z, GZIP_LEVEL, Z_DEFLATED, 15 + 16, 8,
				   Z_DEFAULT_STRATEGY) == Z_OK;
		b->packed_cap = b->has_z ? deflateBound(&b->z, b->text.cap) : 0;
	} else if (b->coding == HTTP_ZSTD) {
		b->zstd = ZSTD_createCCtx();
		b->packed_cap = ZSTD_compressBound(b->text.cap);
	}
	if (b->coding == HTTP_PLAIN)
		return 0;
	b->packed = malloc(b->packed_cap);
	if (!b->packed || (!b->has_z && !b->zstd))
		return -ENOMEM;
	return 0;
}

/* Its working memory depends on the size of what it is given: taken by the largest, once. */
static void warm_up(struct http_body *b)
{
	if (b->zstd)
		(void)ZSTD_compressCCtx(b->zstd, b->packed, b->packed_cap, b->packed,
			MIN(b->text.cap, b->packed_cap), ZSTD_LEVEL);
}

int http_body_new(enum http_batch batch, enum http_coding coding, bool is_json, size_t cap,
	struct http_body **ret_body)
{
	struct http_body *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return -ENOMEM;
	b->batch = batch;
	b->coding = coding;
	b->is_json = is_json;
	b->cap = cap;
	/* one message beyond the mark, every byte of it quoted to two, and its frame */
	r = strbuf_reserve(&b->text, cap + (3u << 20));
	if (r == 0)
		r = make_coder(b);
	if (r < 0) {
		(void)http_body_free(b);
		return -ENOMEM;
	}
	memset(b->text.p, ' ', b->text.cap);
	warm_up(b);
	*ret_body = b;
	return 0;
}

struct http_body *http_body_free(struct http_body *b)
{
	if (!b)
		return NULL;
	if (b->has_z)
		(void)deflateEnd(&b->z);
	(void)ZSTD_freeCCtx(b->zstd);
	free(b->packed);
	strbuf_done(&b->text);
	free(b);
	return NULL;
}

void http_body_begin(struct http_body *b)
{
	strbuf_reset(&b->text);
	b->n = 0;
}

static void add_quoted(struct strbuf *b, struct span s)
{
	strbuf_add_char(b, '"');
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '"' || c == '\\') {
			strbuf_add_char(b, '\\');
			strbuf_add_char(b, (char)c);
		} else if (c == '\n') {
			strbuf_add_str(b, "\\n");
		} else if (c < 0x20) {
			strbuf_add_char(b, ' ');
		} else {
			strbuf_add_char(b, (char)c);
		}
	}
	strbuf_add_char(b, '"');
}

static void add_value(struct http_body *b, const struct sink_msg *m)
{
	if (b->is_json)
		strbuf_add_span(&b->text, m->text);
	else
		add_quoted(&b->text, m->text);
}

/* What Splunk's HTTP event collector wants: objects in a row. */
static void add_hec(struct http_body *b, const struct sink_msg *m)
{
	strbuf_addf(&b->text, "{\"time\":%llu.%06u,\"source\":\"saker\",\"sourcetype\":\"%s\"",
		(unsigned long long)(m->ts_ns / NS_PER_S),
		(unsigned)(m->ts_ns % NS_PER_S / NS_PER_US), b->is_json ? "_json" : "saker");
	if (m->alert) {
		strbuf_add_str(&b->text, ",\"host\":");
		add_quoted(&b->text, rec_text(m->alert, m->alert->host));
	}
	strbuf_add_str(&b->text, ",\"event\":");
	add_value(b, m);
	strbuf_add_char(&b->text, '}');
}

bool http_body_add(struct http_body *b, const struct sink_msg *m)
{
	if (b->n && b->text.n + m->text.n > b->cap)
		return false;
	switch (b->batch) {
	case HTTP_ARRAY:
		strbuf_add_char(&b->text, b->n ? ',' : '[');
		add_value(b, m);
		break;
	case HTTP_HEC:
		add_hec(b, m);
		break;
	case HTTP_NDJSON:
		strbuf_add_span(&b->text, m->text);
		strbuf_add_char(&b->text, '\n');
		break;
	default:
		strbuf_add_span(&b->text, m->text);
		break;
	}
	b->n++;
	return true;
}

static int pack_gzip(struct http_body *b, struct span *ret_body)
{
	if (deflateReset(&b->z) != Z_OK)
		return -EIO;
	b->z.next_in = (Bytef *)b->text.p;
	b->z.avail_in = (uInt)b->text.n;
	b->z.next_out = (Bytef *)b->packed;
	b->z.avail_out = (uInt)b->packed_cap;
	if (deflate(&b->z, Z_FINISH) != Z_STREAM_END)
		return -EIO;
	*ret_body = (struct span){b->packed, b->packed_cap - b->z.avail_out};
	return 0;
}

static int pack_zstd(struct http_body *b, struct span *ret_body)
{
	size_t n = ZSTD_compressCCtx(
		b->zstd, b->packed, b->packed_cap, b->text.p, b->text.n, ZSTD_LEVEL);

	if (ZSTD_isError(n))
		return -EIO;
	*ret_body = (struct span){b->packed, n};
	return 0;
}

int http_body_end(struct http_body *b, struct span *ret_body)
{
	if (b->batch == HTTP_ARRAY)
		strbuf_add_char(&b->text, ']');
	if (!strbuf_ok(&b->text))
		return -ENOMEM;
	if (b->coding == HTTP_GZIP)
		return pack_gzip(b, ret_body);
	if (b->coding == HTTP_ZSTD)
		return pack_zstd(b, ret_body);
	*ret_body = strbuf_span(&b->text);
	return 0;
}

void http_sign(struct span key, struct span body, char ret_text[HTTP_SIGNATURE_LEN + 1])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char mac[EVP_MAX_MD_SIZE] = {0};
	unsigned n = 0;
	char *p = ret_text;

	(void)HMAC(EVP_sha256(), key.p, (int)key.n, (const unsigned char *)body.p, body.n, mac, &n);
	memcpy(p, "sha256=", 7);
	p += 7;
	for (unsigned i = 0; i < 32; i++) {
		*p++ = hex[mac[i] >> 4];
		*p++ = hex[mac[i] & 15];
	}
	*p = 0;
}
