/* A gRPC client for commands: one connection, one call at a time, and it waits. */
/* SPDX-License-Identifier: Apache-2.0 */
/* One thread. What is waited for is told as progress.h says. */
#ifndef COMMAND_PROBER_H
#define COMMAND_PROBER_H

#include "command/command.h"
#include "net/net.h"
#include "net/tls.h"

enum { PROBER_MAX_ADDRESSES = 16 };

/* Every address of "host:port" or "dns:///host:port", at most PROBER_MAX_ADDRESSES; 0: *why tells.
 * Names are asked for here: a command may wait. */
uint32_t prober_resolve(const char *backend, struct net_address *out, struct text *why);

/* How far a connection came. */
enum prober_step { PROBER_NOT_TCP, PROBER_NOT_TLS, PROBER_NOT_HTTP2, PROBER_OPEN };

struct prober;
struct prober_settings {
    const struct command_input *in;
    struct net_address address;
    const char *authority;   /* host:port as written */
    const char *token;       /* "" none */
    struct tls_context *tls; /* of a client; NULL: clear text */
    const char *tls_name;    /* "": the authority's host */
    uint64_t timeout_us;     /* of the connection, TLS and all */
};
/* PROBER_OPEN: *out is the asker's to close. Else *why tells, and *out is NULL. */
enum prober_step prober_open(const struct prober_settings *, struct text *why, struct prober **out);
void prober_close(struct prober **);

struct prober_answer {
    enum err err;     /* ERR_OK: the peer answered */
    int status;       /* of gRPC */
    struct text text; /* grpc-message; owner frees */
};
/* path must outlive the call. *answer begins as zero; the asker frees its text. A
 * connection that was lost is opened anew. */
void prober_call(struct prober *, const char *path, struct bytes message, uint64_t timeout_us,
                 struct prober_answer *answer);
/* "UNAVAILABLE connection refused": what came of it, for people. */
void prober_add_answer(struct text *, const struct prober_answer *);

#endif
