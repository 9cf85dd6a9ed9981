/* A gRPC call as its server sees it. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Created by grpc_endpoint when the request headers are complete; every function on the worker's
 * thread. Life: the stream keeps one reference, each grpc_call_ref one more; a call outlives its
 * stream while somebody (a record not yet settled, a message that waits for room) still refers to
 * it. Functions on a call whose stream is gone do nothing. Sources: gRPC over HTTP/2 text;
 * grpc-and-durability.md 3. */
#ifndef GRPC_GRPC_CALL_H
#define GRPC_GRPC_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct grpc_call;

enum grpc_status {
    GRPC_OK = 0,
    GRPC_CANCELLED = 1,
    GRPC_UNKNOWN = 2,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_ABORTED = 10,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_UNAUTHENTICATED = 16,
};

/* What a handler does with a message. */
enum grpc_take {
    GRPC_TAKEN, /* looked at and done with; its credit comes back by grpc_call_credit */
    GRPC_WAIT,  /* no room: the call keeps the message and offers it again after grpc_call_resume */
};

/* Bound by the service to a call in on_call. All on the worker's thread, from the reading of the
 * connection or from grpc_call_resume; a handler may answer, credit or finish in any of them. */
struct grpc_handler {
    /* One whole message, inflated if it was gzip; a view that is void after the call. credit_bytes:
     * what to give back in grpc_call_credit when it is accepted (the bytes it took on the wire). */
    enum grpc_take (*on_message)(struct grpc_call *, struct bytes message, uint64_t credit_bytes);
    /* A message over the limit was skipped (its credit is returned by the call itself): the first
     * bytes of it, at most 64 KiB, and the length it declared. Client streams only: a unary call
     * ends RESOURCE_EXHAUSTED after this. May be NULL. */
    void (*on_oversize)(struct grpc_call *, struct bytes prefix, uint64_t declared_bytes);
    /* The client half closed and all messages were taken. Answer now or later. A unary call comes
     * here only with exactly one message (else the call ended it INTERNAL). */
    void (*on_end)(struct grpc_call *);
    /* The stream is gone (answered, reset, connection lost); messages may still wait: they are
     * offered first. mid_message: it ended inside one. Last callback. */
    void (*on_gone)(struct grpc_call *, bool mid_message);
};

void grpc_call_ref(struct grpc_call *);
void grpc_call_unref(struct grpc_call **);
/* The handler's own data. */
void *grpc_call_user(const struct grpc_call *);
void grpc_call_set_user(struct grpc_call *, void *user);
/* What grpc_service.ctx says. */
void *grpc_call_service(const struct grpc_call *);

/* Messages of that many wire bytes were accepted: their stream's window opens again. */
void grpc_call_credit(struct grpc_call *, uint64_t bytes);
/* Bytes of messages handed out and not credited yet. */
uint64_t grpc_call_unsettled_bytes(const struct grpc_call *);
/* Half of the stream's window: a handler holds no more than this unaccepted. */
uint64_t grpc_call_half_window(const struct grpc_call *);
/* After GRPC_WAIT: offers what waits again, at the end of the turn. */
void grpc_call_resume(struct grpc_call *);

/* One message of the answer (headers first, by itself); many for server streams. Copied. */
void grpc_call_send(struct grpc_call *, struct bytes message);
/* Ends the call with trailers; text is UTF-8, percent-encoded here. After this nothing is offered
 * any more; what the client still sends is read and credited. Counts grpc_server_handled_total. */
void grpc_call_finish(struct grpc_call *, enum grpc_status, const char *text);
/* True once finished or gone. */
bool grpc_call_is_over(const struct grpc_call *);
/* True once the client half closed: tells a truncated message from a lost stream in on_gone. */
bool grpc_call_is_half_closed(const struct grpc_call *);
/* In on_gone: the client reset the call with CANCEL before it half closed it, without a deadline,
 * and we had no part in its end (answer, reset, drain, error). */
bool grpc_call_was_cancelled(const struct grpc_call *);
/* A request header, lower-case name; BYTES_NONE when absent. Kept: authentication, user-agent,
 * agent-version. */
struct bytes grpc_call_header(const struct grpc_call *, const char *name);
/* The service's own slot on the call's connection, NULL at first: what is in it goes to
 * on_connection_gone. NULL instead of the slot once the connection is gone. */
void **grpc_call_connection_user(const struct grpc_call *);
/* The peer in text. */
const char *grpc_call_peer(const struct grpc_call *);
/* What the service thinks of whoever is on the call's connection. */
enum grpc_trust { GRPC_STRANGER, GRPC_DENIED, GRPC_TRUSTED };
void grpc_call_trust(struct grpc_call *, enum grpc_trust);
enum grpc_trust grpc_call_trusts(const struct grpc_call *);

#endif
