/* One connection's TLS, for conn.c only. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Owner: the conn, on its loop's thread. Ciphertext goes straight between OpenSSL and the socket;
 * what the socket does not take of a record is kept here until it does. */
#ifndef NET_TLS_INT_H
#define NET_TLS_INT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"
#include "net/tls.h"

struct tls_session;

/* name: a client's peer, checked against its certificate; NULL for a server. The descriptor stays
 * the caller's. Takes a reference to the context. */
struct tls_session *tls_session_new(struct tls_context *, int descriptor, const char *name);
/* Says goodbye when that takes no waiting. */
void tls_session_free(struct tls_session **);
/* Not done and ERR_OK: goes on when the socket is ready. */
enum err tls_session_shake(struct tls_session *, bool *is_done) MUST_CHECK;
/* As many records as there are and fit; is_dry: the socket has no more. An error comes after the
 * bytes before it were told. */
enum err tls_session_read(struct tls_session *, uint8_t *out, size_t size, size_t *n,
                          bool *is_dry) MUST_CHECK;
/* Cut into records; written is what has left. The rest must come again, first, as it was. */
enum err tls_session_write(struct tls_session *, const struct iovec *, int n,
                           size_t *written) MUST_CHECK;
/* Something waits for the socket. */
bool tls_session_has_output(const struct tls_session *);
enum err tls_session_flush(struct tls_session *) MUST_CHECK;
/* Read from the socket, not told yet. */
bool tls_session_has_input(const struct tls_session *);
bool tls_session_is_server(const struct tls_session *);
/* Of ERR_TLS, in words. */
const char *tls_session_why(const struct tls_session *);

/* tls_context.c */
SSL *tls_context_session(struct tls_context *);
enum tls_role tls_context_role(const struct tls_context *);
bool tls_context_is_unverified(const struct tls_context *);

#endif
