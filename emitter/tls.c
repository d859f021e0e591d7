/* SPDX-License-Identifier: Apache-2.0 */
/* TLS by OpenSSL. The peer's bytes are hostile and go into the library alone; nothing is opened by
 * name, for the authorities are given. */

#include "tls.h"

#include <sys/epoll.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <base/macros.h>

struct tls_context {
	SSL_CTX *ctx;
};

struct tls {
	SSL *ssl;
	BIO *bio; /* borrowed: ssl's */
	char why[160];
};

static BIO *bio_of(const char *text)
{
	return BIO_new_mem_buf(text, -1);
}

/* How many authorities there were, or -1. */
static int add_authorities(SSL_CTX *ctx, const char *text)
{
	BIO *b = bio_of(text);
	int n = 0;

	for (X509 *x; b && (x = PEM_read_bio_X509(b, NULL, NULL, NULL)); n++) {
		int ok = X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), x);

		X509_free(x);
		if (!ok)
			n--;
	}
	BIO_free(b);
	ERR_clear_error(); /* the end of the text is one */
	return b ? n : -1;
}

static bool use_certificate(SSL_CTX *ctx, const char *text)
{
	BIO *b = bio_of(text);
	X509 *x = b ? PEM_read_bio_X509(b, NULL, NULL, NULL) : NULL;
	bool ok = x && SSL_CTX_use_certificate(ctx, x) == 1;

	X509_free(x);
	while (ok && (x = PEM_read_bio_X509(b, NULL, NULL, NULL)))
		if (SSL_CTX_add0_chain_cert(ctx, x) != 1) {
			X509_free(x);
			ok = false;
		}
	BIO_free(b);
	ERR_clear_error();
	return ok;
}

static int no_password(char *buf _unused_, int size _unused_, int rw _unused_, void *u _unused_)
{
	return -1; /* never ask at a terminal */
}

static bool use_key(SSL_CTX *ctx, const char *text)
{
	BIO *b = bio_of(text);
	EVP_PKEY *k = b ? PEM_read_bio_PrivateKey(b, NULL, no_password, NULL) : NULL;
	bool ok = k && SSL_CTX_use_PrivateKey(ctx, k) == 1 && SSL_CTX_check_private_key(ctx) == 1;

	EVP_PKEY_free(k);
	BIO_free(b);
	ERR_clear_error();
	return ok;
}

int tls_context_new(const char *ca, const char *cert, const char *key,
	struct tls_context **ret_context, const char **reterr_why)
{
	struct tls_context *c = calloc(1, sizeof(*c));
	int r = -EINVAL;

	*reterr_why = "out of memory";
	if (!c)
		return -ENOMEM;
	c->ctx = SSL_CTX_new(TLS_client_method());
	if (!c->ctx || SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION) != 1) {
		(void)tls_context_free(c);
		return -ENOMEM;
	}
	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
	(void)SSL_CTX_set_mode(
		c->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (ca && add_authorities(c->ctx, ca) < 1)
		*reterr_why = "there is no certificate of an authority in ca_cert";
	else if (cert && !use_certificate(c->ctx, cert))
		*reterr_why = "client_cert holds no certificate";
	else if (key && !use_key(c->ctx, key))
		*reterr_why =
			"client_key holds no key without a password that belongs to client_cert";
	else
		r = 0;
	if (r < 0)
		c = tls_context_free(c);
	else
		*ret_context = c;
	return r;
}

struct tls_context *tls_context_free(struct tls_context *c)
{
	if (c)
		SSL_CTX_free(c->ctx);
	free(c);
	return NULL;
}

static bool set_name(SSL *ssl, const char *host)
{
	unsigned char address[16];

	if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	return SSL_set_tlsext_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1;
}

struct tls *tls_new(struct tls_context *c, int fd, const char *host)
{
	struct tls *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->ssl = SSL_new(c->ctx);
	t->bio = BIO_new_socket(fd, BIO_NOCLOSE);
	if (t->ssl && t->bio && set_name(t->ssl, host)) {
		SSL_set_bio(t->ssl, t->bio, t->bio);
		SSL_set_connect_state(t->ssl);
		return t;
	}
	BIO_free(t->bio);
	SSL_free(t->ssl);
	free(t);
	return NULL;
}

struct tls *tls_free(struct tls *t)
{
	if (!t)
		return NULL;
	if (SSL_is_init_finished(t->ssl))
		(void)SSL_shutdown(t->ssl); /* one side of it is enough for who only sends */
	ERR_clear_error();
	SSL_free(t->ssl);
	free(t);
	return NULL;
}

static int failure(struct tls *t, int ret, uint32_t *ret_events)
{
	int error = errno;
	unsigned long code;
	long verified;

	switch (SSL_get_error(t->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
		*ret_events = EPOLLIN;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		*ret_events = EPOLLOUT | EPOLLIN;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		(void)snprintf(t->why, sizeof(t->why), "the peer closed the connection");
		return -EPIPE;
	case SSL_ERROR_SYSCALL:
		(void)snprintf(t->why, sizeof(t->why), "%s",
			error ? strerror(error) : "the peer closed the connection");
		ERR_clear_error();
		return error ? -error : -ECONNRESET;
	default:
		break;
	}
	code = ERR_peek_last_error();
	verified = SSL_get_verify_result(t->ssl);
	if (verified != X509_V_OK)
		(void)snprintf(t->why, sizeof(t->why), "the peer's certificate is refused: %s",
			X509_verify_cert_error_string(verified));
	else
		(void)snprintf(t->why, sizeof(t->why), "TLS: %s",
			code ? ERR_reason_error_string(code) : "protocol error");
	ERR_clear_error();
	return -EPROTO;
}

int tls_handshake(struct tls *t, uint32_t *ret_events)
{
	int r;

	ERR_clear_error();
	errno = 0;
	r = SSL_connect(t->ssl);
	return r == 1 ? 0 : failure(t, r, ret_events);
}

ssize_t tls_write(struct tls *t, const void *p, size_t n, uint32_t *ret_events)
{
	int r;

	ERR_clear_error();
	errno = 0;
	r = SSL_write(t->ssl, p, (int)MIN(n, (size_t)1 << 24));
	return r > 0 ? r : failure(t, r, ret_events);
}

ssize_t tls_read(struct tls *t, void *p, size_t n, uint32_t *ret_events)
{
	int r;

	ERR_clear_error();
	errno = 0;
	r = SSL_read(t->ssl, p, (int)MIN(n, (size_t)1 << 24));
	if (r > 0)
		return r;
	if (SSL_get_error(t->ssl, r) == SSL_ERROR_ZERO_RETURN)
		return 0;
	return failure(t, r, ret_events);
}

uint64_t tls_n_raw(const struct tls *t)
{
	return BIO_number_written(t->bio);
}

const char *tls_why(const struct tls *t)
{
	return t->why;
}
