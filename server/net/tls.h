/* TLS: what certificates, keys and trusted authorities make of a connection. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A context is made once from files, never changes and is shared by reference count; a connection
 * keeps the one it began with, so that certificates are replaced without ending any. A slot holds
 * the one that new connections take. HTTP/2 only: a peer that does not agree to "h2" by ALPN is
 * refused (RFC 9113 3.2). TLS 1.2 and 1.3, ECDHE with AEAD, no renegotiation, no compression, no
 * session tickets: agents connect rarely, and a client's certificate is judged each time. */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/text.h"
#include "conf/conf.h"

struct tls_context;

enum tls_role { TLS_SERVER, TLS_CLIENT };

/* Files are PEM; "" or NULL: none. */
struct tls_settings {
    enum tls_role role;
    const char *cert_file, *key_file;  /* our own; a server has both */
    const char *ca_file;               /* whom to trust; a client without: the system's */
    enum conf_client_auth client_auth; /* server */
    bool is_unverified;                /* client: any certificate will do */
};

/* ERR_TLS_FILE: *why tells which file and what is wrong with it. */
enum err tls_context_new(const struct tls_settings *, struct text *why,
                         struct tls_context **out) MUST_CHECK;
/* Any thread. */
struct tls_context *tls_context_ref(struct tls_context *);
/* Frees with the last reference; clears the pointer. */
void tls_context_unref(struct tls_context **);
/* When the first certificate of our own chain ends (Unix); 0: we have none. */
int64_t tls_context_expiry_s(const struct tls_context *);

/* The context in use now. Any thread; a lock is held for the copy of a pointer, once per new
 * connection. */
struct tls_slot;
/* Takes the reference over. */
struct tls_slot *tls_slot_new(struct tls_context *);
void tls_slot_free(struct tls_slot **);
/* Takes the reference over; connections that are there keep the one before. */
void tls_slot_set(struct tls_slot *, struct tls_context *);
/* A reference of the caller's own. */
struct tls_context *tls_slot_get(struct tls_slot *);

/* For conf_input.check_tls. */
enum conf_tls_fault tls_check_files(const struct conf_tls_files *, struct text *why);
/* Of the library that is linked. */
const char *tls_version(void);

#endif
