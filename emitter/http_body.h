/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Bodies of HTTP requests: alerts framed, compressed and signed. All memory is taken before the
 * seal. */

#include <stdbool.h>
#include <stddef.h>

#include <base/strbuf.h>

#include "sink.h"

enum http_batch { HTTP_SINGLE, HTTP_ARRAY, HTTP_NDJSON, HTTP_HEC, _HTTP_BATCH_MAX };
enum http_coding { HTTP_PLAIN, HTTP_GZIP, HTTP_ZSTD, _HTTP_CODING_MAX };

struct http_body;

/* @is_json: messages are JSON objects; else they are texts, and quoted where JSON is wanted. 0 or
 * -ENOMEM. */
int http_body_new(enum http_batch batch, enum http_coding coding, bool is_json, size_t cap,
	struct http_body **ret_body);
struct http_body *http_body_free(struct http_body *b);

void http_body_begin(struct http_body *b);
/* false: it has no room for this one (the first always fits). */
bool http_body_add(struct http_body *b, const struct sink_msg *m);
/* The body as it is to be sent, borrowed until the next begin. 0 or negative errno. */
int http_body_end(struct http_body *b, struct span *ret_body);

const char *http_content_type(enum http_batch batch, bool is_json);
const char *http_coding_str(enum http_coding coding); /* NULL: none */
/* "sha256=" and 64 hex digits of HMAC-SHA256. */
#define HTTP_SIGNATURE_LEN 71
void http_sign(struct span key, struct span body, char ret_text[HTTP_SIGNATURE_LEN + 1]);
