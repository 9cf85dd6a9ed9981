/* One connection's TLS: records in, records out, and a socket that takes what it likes. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A write either lies wholly in the kernel or its tail lies in rest; while any is there no record
 * is begun, so OpenSSL never has to be asked twice for one. n_held: bytes of the record whose tail
 * is in rest, not told as written yet; they come again and are skipped. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/mem.h"
#include "net/tls_int.h"

enum {
    SESSION_MAGIC = 0x746c7373,
    RECORD_BYTES = 16 * 1024, /* RFC 8446 5.1 */
    /* Answers to a peer's key updates while a record waits; then it must read. */
    REST_BYTES = 4 * RECORD_BYTES,
    WHY_BYTES = 160,
    /* Taken from the socket before OpenSSL is left: it would go on for as long as records without
     * data come. */
    ROUND_BYTES = 128 * 1024,
    /* A peer may send so much more than the data in it: records of a few bytes, but no flood of
     * empty ones or of key updates. */
    OVERHEAD_FACTOR = 8,
    OVERHEAD_BYTES = 1024 * 1024,
};

struct tls_session {
    uint32_t magic;
    struct tls_context *context;
    SSL *ssl;
    int descriptor;
    int io_errno;           /* of the socket, since the last look */
    enum err failure;       /* of reading, or of both: nothing comes any more */
    enum err write_failure; /* what the peer said before may still be read */
    uint64_t n_round;       /* read since the last look */
    bool is_drained;        /* the socket gave less than was asked for */
    bool is_at_end;         /* the peer closed */
    uint8_t *rest;          /* NULL when empty */
    size_t rest_at, n_rest;
    size_t n_held;
    uint64_t n_cipher, n_plain; /* bytes read so far, and what was in them */
    char why[WHY_BYTES];
};

static _Thread_local uint8_t staging[RECORD_BYTES];

/* The socket as OpenSSL sees it. */

static ssize_t
send_some(struct tls_session *session, const uint8_t *p, size_t n)
{
    ssize_t sent;
    do {
        sent = send(session->descriptor, p, n, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EAGAIN) {
        session->io_errno = errno;
        return -1;
    }
    return sent > 0 ? sent : 0;
}

static void
keep_rest(struct tls_session *session, const uint8_t *p, size_t n)
{
    if (n == 0)
        return;
    session->rest = mem_resize(session->rest, session->n_rest + n);
    memcpy(session->rest + session->n_rest, p, n);
    session->n_rest += n;
}

static int
bio_write(BIO *bio, const char *p, int n)
{
    struct tls_session *session = BIO_get_data(bio);
    size_t size = (size_t)n, sent = 0;
    BIO_clear_retry_flags(bio);
    if (session->n_rest > 0 && session->n_rest + size > REST_BYTES) {
        BIO_set_retry_write(bio);
        return -1;
    }
    if (session->n_rest == 0) {
        ssize_t done = send_some(session, (const uint8_t *)p, size);
        if (done < 0)
            return -1;
        sent = (size_t)done;
    }
    keep_rest(session, (const uint8_t *)p + sent, size - sent);
    return n;
}

static int
bio_read(BIO *bio, char *out, int size)
{
    struct tls_session *session = BIO_get_data(bio);
    ssize_t n = -1;
    BIO_clear_retry_flags(bio);
    if (!session->is_drained) {
        do {
            n = recv(session->descriptor, out, (size_t)size, 0);
        } while (n < 0 && errno == EINTR);
        if (n == 0)
            session->is_at_end = true;
        if (n < 0 && errno != EAGAIN) {
            session->io_errno = errno;
            return -1;
        }
        session->n_round += n > 0 ? (uint64_t)n : 0;
        session->is_drained = n < size || session->n_round >= ROUND_BYTES;
        session->n_cipher += n > 0 ? (uint64_t)n : 0;
    }
    if (n < 0)
        BIO_set_retry_read(bio);
    return (int)n;
}

static long
bio_ctrl(BIO *bio, int command, long number, void *p)
{
    const struct tls_session *session = BIO_get_data(bio);
    (void)number;
    (void)p;
    if (command == BIO_CTRL_EOF)
        return session->is_at_end;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *socket_method;
static pthread_once_t socket_method_once = PTHREAD_ONCE_INIT;

/* One for the process, for as long as it runs. */
static void
make_socket_method(void)
{
    socket_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    check(socket_method != NULL);
    BIO_meth_set_write(socket_method, bio_write);
    BIO_meth_set_read(socket_method, bio_read);
    BIO_meth_set_ctrl(socket_method, bio_ctrl);
}

/* Life. */

static void
expect_name(struct tls_session *session, const char *name)
{
    X509_VERIFY_PARAM *expected = SSL_get0_param(session->ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(expected, name) == 1)
        return; /* addresses are not sent: RFC 6066 3 */
    ERR_clear_error();
    SSL_set_hostflags(session->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    check(SSL_set1_host(session->ssl, name) == 1);
    SSL_set_tlsext_host_name(session->ssl, name);
    ERR_clear_error(); /* a name too long to be sent is still checked */
}

struct tls_session *
tls_session_new(struct tls_context *context, int descriptor, const char *name)
{
    struct tls_session *session = mem_new(struct tls_session);
    pthread_once(&socket_method_once, make_socket_method);
    session->magic = SESSION_MAGIC;
    session->context = tls_context_ref(context);
    session->descriptor = descriptor;
    session->ssl = tls_context_session(context);
    BIO *bio = BIO_new(socket_method);
    check(bio != NULL);
    BIO_set_data(bio, session);
    BIO_set_init(bio, 1);
    SSL_set_bio(session->ssl, bio, bio);
    if (tls_context_role(context) == TLS_SERVER) {
        SSL_set_accept_state(session->ssl);
    } else {
        SSL_set_connect_state(session->ssl);
        if (name != NULL && name[0] != '\0')
            expect_name(session, name);
    }
    return session;
}

void
tls_session_free(struct tls_session **where)
{
    struct tls_session *session = *where;
    if (session == NULL)
        return;
    CHECK_OBJ(session, SESSION_MAGIC);
    if (session->failure == ERR_OK && session->write_failure == ERR_OK && session->n_rest == 0 &&
        SSL_is_init_finished(session->ssl))
        SSL_shutdown(session->ssl);
    SSL_free(session->ssl);
    ERR_clear_error();
    tls_context_unref(&session->context);
    mem_free(session->rest);
    session->magic = 0;
    mem_free(session);
    *where = NULL;
}

/* What went wrong. */

static void
note_why(struct tls_session *session)
{
    unsigned long code = ERR_peek_error();
    const char *reason = ERR_reason_error_string(code);
    long verdict = SSL_get_verify_result(session->ssl);
    bool is_verdict = ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED;
    if (ERR_GET_REASON(code) == SSL_R_CALLBACK_FAILED) /* tls_context's on_client_hello */
        reason = "the peer does not offer HTTP/2 (ALPN h2)";
    snprintf(session->why, WHY_BYTES, "%s%s%s", reason != NULL ? reason : "unknown",
             is_verdict ? ": " : "", is_verdict ? X509_verify_cert_error_string(verdict) : "");
}

/* After a call to OpenSSL that did not succeed: ERR_OK when it only has to wait, else what
 * *failure is now. */
static enum err
settle(struct tls_session *session, enum err *failure)
{
    enum err err = ERR_TLS;
    switch (SSL_get_error(session->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return ERR_OK;
    case SSL_ERROR_ZERO_RETURN:
        err = ERR_CLOSED;
        break;
    case SSL_ERROR_SYSCALL:
        err = session->io_errno != 0 ? err_from_errno(session->io_errno) : ERR_CLOSED;
        break;
    default:
        note_why(session);
        break;
    }
    ERR_clear_error();
    *failure = err;
    return err;
}

/* Handshake. */

static bool
has_agreed(struct tls_session *session)
{
    const uint8_t *protocol;
    unsigned n;
    SSL_get0_alpn_selected(session->ssl, &protocol, &n);
    return n == 2 && memcmp(protocol, "h2", 2) == 0;
}

enum err
tls_session_shake(struct tls_session *session, bool *is_done)
{
    CHECK_OBJ(session, SESSION_MAGIC);
    *is_done = false;
    session->is_drained = false;
    session->n_round = 0;
    enum err err = tls_session_flush(session);
    if (err != ERR_OK)
        return err;
    if (SSL_do_handshake(session->ssl) != 1)
        return settle(session, &session->failure);
    if (!has_agreed(session)) {
        snprintf(session->why, WHY_BYTES, "%s", "the peer does not agree to HTTP/2 (ALPN h2)");
        session->failure = ERR_TLS;
        return ERR_TLS;
    }
    *is_done = true;
    return ERR_OK;
}

/* Input. */

static void
check_overhead(struct tls_session *session)
{
    if (session->failure != ERR_OK ||
        session->n_cipher <= session->n_plain * OVERHEAD_FACTOR + OVERHEAD_BYTES)
        return;
    snprintf(session->why, WHY_BYTES, "%s", "a flood of records without data");
    session->failure = ERR_TLS;
}

enum err
tls_session_read(struct tls_session *session, uint8_t *out, size_t size, size_t *n, bool *is_dry)
{
    CHECK_OBJ(session, SESSION_MAGIC);
    *n = 0;
    *is_dry = false;
    session->is_drained = false;
    session->n_round = 0;
    if (session->failure != ERR_OK)
        return session->failure;
    while (*n < size) {
        size_t got = 0;
        if (SSL_read_ex(session->ssl, out + *n, size - *n, &got) != 1) {
            enum err err = settle(session, &session->failure);
            *is_dry = err == ERR_OK;
            break;
        }
        *n += got;
    }
    session->n_plain += *n;
    check_overhead(session);
    return *n > 0 ? ERR_OK : session->failure;
}

bool
tls_session_has_input(const struct tls_session *session)
{
    return SSL_has_pending(session->ssl) == 1;
}

/* Output. */

bool
tls_session_has_output(const struct tls_session *session)
{
    return session->n_rest > 0;
}

enum err
tls_session_flush(struct tls_session *session)
{
    CHECK_OBJ(session, SESSION_MAGIC);
    if (session->write_failure != ERR_OK)
        return session->write_failure;
    if (session->n_rest == 0)
        return ERR_OK;
    ssize_t sent =
        send_some(session, session->rest + session->rest_at, session->n_rest - session->rest_at);
    if (sent < 0) {
        session->write_failure = err_from_errno(session->io_errno);
        return session->write_failure;
    }
    session->rest_at += (size_t)sent;
    if (session->rest_at < session->n_rest)
        return ERR_OK;
    mem_free(session->rest);
    session->rest = NULL;
    session->n_rest = 0;
    session->rest_at = 0;
    return ERR_OK;
}

/* Where a gathered write stands. */
struct cursor {
    const struct iovec *parts;
    int n;
    size_t at; /* in the first */
};

static void
skip(struct cursor *cursor, size_t n)
{
    while (n > 0) {
        check(cursor->n > 0); /* what was held did not come again */
        size_t left = cursor->parts->iov_len - cursor->at;
        size_t step = n < left ? n : left;
        cursor->at += step;
        n -= step;
        if (cursor->at == cursor->parts->iov_len) {
            cursor->parts++;
            cursor->n--;
            cursor->at = 0;
        }
    }
}

/* The next record's bytes: where they lie when one part has them all, else put together. */
static struct bytes
next_record(struct cursor cursor)
{
    size_t n = 0;
    while (cursor.n > 0 && cursor.parts->iov_len == 0) {
        cursor.parts++;
        cursor.n--;
    }
    if (cursor.n == 0)
        return BYTES_NONE;
    const uint8_t *first = (const uint8_t *)cursor.parts->iov_base + cursor.at;
    size_t n_first = cursor.parts->iov_len - cursor.at;
    if (n_first >= RECORD_BYTES || cursor.n == 1)
        return bytes_of(first, n_first < RECORD_BYTES ? n_first : RECORD_BYTES);
    for (; cursor.n > 0 && n < RECORD_BYTES; cursor.parts++, cursor.n--, cursor.at = 0) {
        size_t left = cursor.parts->iov_len - cursor.at;
        size_t step = left < RECORD_BYTES - n ? left : RECORD_BYTES - n;
        if (step > 0)
            memcpy(staging + n, (const uint8_t *)cursor.parts->iov_base + cursor.at, step);
        n += step;
    }
    return bytes_of(staging, n);
}

/* Never asked while anything is in rest: so OpenSSL has no reason to wait. */
static enum err
write_record(struct tls_session *session, struct bytes record)
{
    size_t n = 0;
    if (SSL_write_ex(session->ssl, record.p, record.n, &n) == 1 && n == record.n)
        return ERR_OK;
    if (settle(session, &session->write_failure) == ERR_OK) {
        snprintf(session->why, WHY_BYTES, "%s", "the peer asks for a handshake in the middle");
        session->write_failure = ERR_TLS;
    }
    return session->write_failure;
}

enum err
tls_session_write(struct tls_session *session, const struct iovec *parts, int n, size_t *written)
{
    struct cursor cursor = {parts, n, 0};
    *written = 0;
    enum err err = tls_session_flush(session);
    if (err != ERR_OK || session->n_rest > 0)
        return err;
    skip(&cursor, session->n_held);
    *written = session->n_held;
    session->n_held = 0;
    struct bytes record;
    while ((record = next_record(cursor)).n > 0) {
        err = write_record(session, record);
        if (err != ERR_OK)
            return err;
        if (session->n_rest > 0) {
            session->n_held = record.n;
            return ERR_OK;
        }
        skip(&cursor, record.n);
        *written += record.n;
    }
    return ERR_OK;
}

bool
tls_session_is_server(const struct tls_session *session)
{
    return tls_context_role(session->context) == TLS_SERVER;
}

const char *
tls_session_why(const struct tls_session *session)
{
    return session->why;
}
