/* Contexts: files read, held against each other, and what a handshake must agree on. */
/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenSSL error queue of a thread is empty outside of the functions here and in tls_session. */
#include "net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/tls_int.h"

enum {
    CONTEXT_MAGIC = 0x746c7363,
    MAX_FILE_BYTES = 4 * 1024 * 1024, /* the system's authorities are some 220 KB */
    READ_BYTES = 32 * 1024,           /* asked of the socket at once; half a record holds it */
    DAY_S = 24 * 3600,
    SOON_DAYS = 14, /* a certificate that ends within is told */
};

/* Forward secrecy and authenticated encryption only, the cheapest first: TLS 1.2, and 1.3. */
static const char ciphers[] = "ECDHE+AES128+AESGCM:ECDHE+AESGCM:ECDHE+CHACHA20";
static const char suites[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
static const uint8_t alpn_h2[] = {2, 'h', '2'};

struct tls_context {
    uint32_t magic;
    _Atomic uint32_t n_refs;
    enum tls_role role;
    bool is_unverified;
    int64_t expiry_s;
    SSL_CTX *ssl;
};

static bool
is_named(const char *file)
{
    return file != NULL && file[0] != '\0';
}

/* Files. */

/* In OpenSSL's own words where we have none; what it met first says most. */
static void
add_reason(struct text *why)
{
    const char *reason = NULL;
    unsigned long code;
    while ((code = ERR_get_error()) != 0) {
        int number = ERR_GET_LIB(code) == ERR_LIB_PEM ? ERR_GET_REASON(code) : 0;
        if (number == PEM_R_NO_START_LINE)
            reason = "it is not PEM, or holds nothing of this kind";
        else if (number == PEM_R_BAD_PASSWORD_READ || number == PEM_R_PROBLEMS_GETTING_PASSWORD)
            reason = "it is encrypted; write it without a password";
        else if (reason == NULL)
            reason = ERR_reason_error_string(code);
    }
    text_add(why, reason != NULL ? reason : "it cannot be understood");
}

/* A FIFO would hold us up, and OpenSSL's words for a file that is not there tell less. */
static bool
is_readable(const char *what, const char *file, struct text *why)
{
    struct stat status;
    const char *trouble = NULL;
    if (stat(file, &status) != 0)
        trouble = strerror(errno);
    else if (!S_ISREG(status.st_mode))
        trouble = "it is no file";
    else if (status.st_size > MAX_FILE_BYTES)
        trouble = "it is larger than 4 MiB";
    else if (access(file, R_OK) != 0)
        trouble = strerror(errno);
    if (trouble == NULL)
        return true;
    text_addf(why, "%s %s: %s", what, file, trouble);
    return false;
}

static int
no_password(char *buffer, int size, int writes, void *ctx)
{
    (void)buffer;
    (void)size;
    (void)writes;
    (void)ctx;
    return -1; /* nobody is there to be asked */
}

static enum conf_tls_fault
load_pair(SSL_CTX *ssl, const char *cert, const char *key, struct text *why)
{
    if (!is_readable("certificate", cert, why))
        return CONF_TLS_CERT;
    if (SSL_CTX_use_certificate_chain_file(ssl, cert) != 1) {
        text_addf(why, "certificate %s: ", cert);
        add_reason(why);
        return CONF_TLS_CERT;
    }
    if (!is_readable("key", key, why))
        return CONF_TLS_KEY;
    if (SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) == 1)
        return CONF_TLS_FINE;
    int reason = ERR_GET_REASON(ERR_peek_last_error());
    if (reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH) {
        ERR_clear_error();
        text_addf(why, "key %s does not belong to certificate %s", key, cert);
        return CONF_TLS_MISMATCH;
    }
    text_addf(why, "key %s: ", key);
    add_reason(why);
    return CONF_TLS_KEY;
}

static enum conf_tls_fault
load_ca(SSL_CTX *ssl, const char *ca, struct text *why)
{
    if (!is_readable("trusted certificates", ca, why))
        return CONF_TLS_CA;
    if (SSL_CTX_load_verify_file(ssl, ca) == 1)
        return CONF_TLS_FINE;
    text_addf(why, "trusted certificates %s: ", ca);
    add_reason(why);
    return CONF_TLS_CA;
}

static int64_t
seconds_of(const ASN1_TIME *at)
{
    struct tm broken_down;
    return ASN1_TIME_to_tm(at, &broken_down) == 1 ? (int64_t)timegm(&broken_down) : 0;
}

/* The chain is as good as the certificate in it that ends first. */
static int64_t
first_end_s(SSL_CTX *ssl)
{
    STACK_OF(X509) *chain = NULL;
    const X509 *own = SSL_CTX_get0_certificate(ssl);
    if (own == NULL)
        return 0;
    int64_t end_s = seconds_of(X509_get0_notAfter(own));
    SSL_CTX_get0_chain_certs(ssl, &chain);
    for (int i = 0; i < sk_X509_num(chain); i++) {
        int64_t other_s = seconds_of(X509_get0_notAfter(sk_X509_value(chain, i)));
        end_s = other_s < end_s ? other_s : end_s;
    }
    return end_s;
}

static enum conf_tls_fault
load_files(SSL_CTX *ssl, const struct conf_tls_files *files, struct text *why)
{
    enum conf_tls_fault fault = CONF_TLS_FINE;
    SSL_CTX_set_default_passwd_cb(ssl, no_password);
    if (is_named(files->cert_file) && is_named(files->key_file))
        fault = load_pair(ssl, files->cert_file, files->key_file, why);
    if (fault == CONF_TLS_FINE && is_named(files->ca_file))
        fault = load_ca(ssl, files->ca_file, why);
    return fault;
}

static void
add_date(struct text *out, int64_t at_s)
{
    char words[32] = "";
    time_t at = (time_t)at_s;
    struct tm broken_down;
    if (gmtime_r(&at, &broken_down) != NULL)
        strftime(words, sizeof(words), "%Y-%m-%dT%H:%M:%SZ", &broken_down);
    text_add(out, words);
}

/* The times of our own certificates. */
static enum conf_tls_fault
check_times(SSL_CTX *ssl, const char *cert, struct text *why)
{
    const X509 *own = SSL_CTX_get0_certificate(ssl);
    int64_t now_s = clock_unix_ms() / 1000, end_s = first_end_s(ssl);
    if (own == NULL)
        return CONF_TLS_FINE;
    int64_t begin_s = seconds_of(X509_get0_notBefore(own));
    if (begin_s > now_s) {
        text_addf(why, "certificate %s is not valid before ", cert);
        add_date(why, begin_s);
        return CONF_TLS_EXPIRED;
    }
    if (end_s > now_s + (int64_t)SOON_DAYS * DAY_S)
        return CONF_TLS_FINE;
    text_addf(why, "certificate %s %s ", cert, end_s <= now_s ? "expired on" : "expires on");
    add_date(why, end_s);
    return end_s <= now_s ? CONF_TLS_EXPIRED : CONF_TLS_EXPIRES;
}

enum conf_tls_fault
tls_check_files(const struct conf_tls_files *files, struct text *why)
{
    SSL_CTX *ssl = SSL_CTX_new(TLS_method());
    check(ssl != NULL);
    enum conf_tls_fault fault = load_files(ssl, files, why);
    if (fault == CONF_TLS_FINE)
        fault = check_times(ssl, files->cert_file, why);
    SSL_CTX_free(ssl);
    return fault;
}

/* Handshakes. */

/* RFC 7301 3.2: no protocol in common ends the handshake. */
static int
on_alpn(SSL *session, const uint8_t **out, uint8_t *n_out, const uint8_t *offered,
        unsigned n_offered, void *ctx)
{
    (void)session;
    (void)ctx;
    for (unsigned at = 0; at < n_offered; at += 1u + offered[at]) {
        if (n_offered - at < sizeof(alpn_h2) || memcmp(offered + at, alpn_h2, sizeof(alpn_h2)) != 0)
            continue;
        *out = offered + at + 1;
        *n_out = sizeof(alpn_h2) - 1;
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* on_alpn is not called for a client that offers nothing. */
static int
on_client_hello(SSL *session, int *alert, void *ctx)
{
    const uint8_t *p;
    size_t n;
    (void)ctx;
    if (SSL_client_hello_get0_ext(session, TLSEXT_TYPE_application_layer_protocol_negotiation, &p,
                                  &n) == 1)
        return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
    return SSL_CLIENT_HELLO_ERROR;
}

static void
set_server(SSL_CTX *ssl, const struct tls_settings *settings)
{
    int mode = SSL_VERIFY_NONE;
    SSL_CTX_set_alpn_select_cb(ssl, on_alpn, NULL);
    SSL_CTX_set_client_hello_cb(ssl, on_client_hello, NULL);
    if (settings->client_auth == CONF_CLIENT_AUTH_REQUEST)
        mode = SSL_VERIFY_PEER;
    else if (settings->client_auth == CONF_CLIENT_AUTH_REQUIRE)
        mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(ssl, mode, NULL);
    if (is_named(settings->ca_file)) /* names the authorities in the request */
        SSL_CTX_set_client_CA_list(ssl, SSL_load_client_CA_file(settings->ca_file));
}

static void
set_client(SSL_CTX *ssl, const struct tls_settings *settings)
{
    check(SSL_CTX_set_alpn_protos(ssl, alpn_h2, sizeof(alpn_h2)) == 0);
    SSL_CTX_set_verify(ssl, settings->is_unverified ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (!is_named(settings->ca_file))
        SSL_CTX_set_default_verify_paths(ssl);
}

static void
set_common(SSL_CTX *ssl)
{
    check(SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) == 1);
    check(SSL_CTX_set_cipher_list(ssl, ciphers) == 1);
    check(SSL_CTX_set_ciphersuites(ssl, suites) == 1);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_TICKET |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ssl, 0);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(ssl, 1);
    SSL_CTX_set_default_read_buffer_len(ssl, READ_BYTES);
}

enum err
tls_context_new(const struct tls_settings *settings, struct text *why, struct tls_context **out)
{
    struct conf_tls_files files = {settings->cert_file, settings->key_file, settings->ca_file};
    bool is_server = settings->role == TLS_SERVER;
    SSL_CTX *ssl = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
    check(ssl != NULL);
    *out = NULL;
    if (load_files(ssl, &files, why) != CONF_TLS_FINE) {
        SSL_CTX_free(ssl);
        return ERR_TLS_FILE;
    }
    set_common(ssl);
    if (is_server)
        set_server(ssl, settings);
    else
        set_client(ssl, settings);
    ERR_clear_error();
    struct tls_context *context = mem_new(struct tls_context);
    context->magic = CONTEXT_MAGIC;
    atomic_init(&context->n_refs, 1);
    context->role = settings->role;
    context->is_unverified = settings->is_unverified;
    context->expiry_s = first_end_s(ssl);
    context->ssl = ssl;
    *out = context;
    return ERR_OK;
}

struct tls_context *
tls_context_ref(struct tls_context *context)
{
    CHECK_OBJ(context, CONTEXT_MAGIC);
    atomic_fetch_add_explicit(&context->n_refs, 1, memory_order_relaxed);
    return context;
}

void
tls_context_unref(struct tls_context **where)
{
    struct tls_context *context = *where;
    if (context == NULL)
        return;
    CHECK_OBJ(context, CONTEXT_MAGIC);
    *where = NULL;
    if (atomic_fetch_sub_explicit(&context->n_refs, 1, memory_order_acq_rel) > 1)
        return;
    SSL_CTX_free(context->ssl);
    context->magic = 0;
    mem_free(context);
}

int64_t
tls_context_expiry_s(const struct tls_context *context)
{
    return context->expiry_s;
}

SSL *
tls_context_session(struct tls_context *context)
{
    CHECK_OBJ(context, CONTEXT_MAGIC);
    SSL *session = SSL_new(context->ssl);
    check(session != NULL);
    return session;
}

enum tls_role
tls_context_role(const struct tls_context *context)
{
    return context->role;
}

bool
tls_context_is_unverified(const struct tls_context *context)
{
    return context->is_unverified;
}

const char *
tls_version(void)
{
    return OpenSSL_version(OPENSSL_VERSION_STRING);
}
