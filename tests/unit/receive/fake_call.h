/* A gRPC call by hand, for tests of handlers: it notes what the handler does. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Defines the functions of grpc/grpc_call.h and grpc/grpc_raw.h, so the archive's own are not
 * linked. */
#ifndef TESTS_FAKE_CALL_H
#define TESTS_FAKE_CALL_H

#include <string.h>

#include "base/mem.h"
#include "grpc/grpc_raw.h"

enum { FAKE_HALF_WINDOW = 64 * 1024 };

struct grpc_call {
    uint32_t refs;
    void *user, *service;
    uint64_t credited_bytes;
    uint32_t n_resumed, n_sent;
    uint8_t sent[64]; /* the last message */
    size_t n_sent_bytes;
    bool is_finished, is_half_closed, was_cancelled;
    void **connection_user; /* NULL: the connection is gone */
    enum grpc_status status;
    const char *token; /* its authentication; NULL: none */
    const char *path;
    struct budget *budget;         /* of a relayed call */
    struct grpc_metadata metadata; /* of the same */
    struct grpc_queue *out;        /* once it was responded to */
    enum grpc_trust trust;
    const struct grpc_handler *lost; /* its stream is gone: it is told when the call is finished */
};

static struct grpc_call *
fake_call_new(void *service)
{
    struct grpc_call *call = mem_new(struct grpc_call);
    call->refs = 1;
    call->service = service;
    return call;
}

void
grpc_call_ref(struct grpc_call *call)
{
    call->refs++;
}

void
grpc_call_unref(struct grpc_call **call)
{
    if (--(*call)->refs == 0)
        mem_free(*call);
    *call = NULL;
}

void *
grpc_call_user(const struct grpc_call *call)
{
    return call->user;
}

void
grpc_call_set_user(struct grpc_call *call, void *user)
{
    call->user = user;
}

void *
grpc_call_service(const struct grpc_call *call)
{
    return call->service;
}

void
grpc_call_credit(struct grpc_call *call, uint64_t bytes)
{
    call->credited_bytes += bytes;
}

uint64_t
grpc_call_half_window(const struct grpc_call *call)
{
    (void)call;
    return FAKE_HALF_WINDOW;
}

void
grpc_call_resume(struct grpc_call *call)
{
    call->n_resumed++;
}

void
grpc_call_send(struct grpc_call *call, struct bytes message)
{
    call->n_sent++;
    call->n_sent_bytes = message.n;
    if (message.n > 0)
        memcpy(call->sent, message.p, message.n < sizeof(call->sent) ? message.n : 64);
}

void
grpc_call_finish(struct grpc_call *call, enum grpc_status status, const char *text)
{
    (void)text;
    call->is_finished = true;
    call->status = status;
    if (call->lost != NULL)
        call->lost->on_gone(call, false);
}

bool
grpc_call_is_over(const struct grpc_call *call)
{
    return call->is_finished;
}

bool
grpc_call_is_half_closed(const struct grpc_call *call)
{
    return call->is_half_closed;
}

bool
grpc_call_was_cancelled(const struct grpc_call *call)
{
    return call->was_cancelled;
}

void **
grpc_call_connection_user(const struct grpc_call *call)
{
    return call->connection_user;
}

const char *
grpc_call_peer(const struct grpc_call *call)
{
    (void)call;
    return "127.0.0.1:1";
}

struct bytes
grpc_call_header(const struct grpc_call *call, const char *name)
{
    if (strcmp(name, ":path") == 0)
        return bytes_str(call->path);
    return strcmp(name, "authentication") == 0 ? bytes_str(call->token) : BYTES_NONE;
}

void
grpc_call_trust(struct grpc_call *call, enum grpc_trust trust)
{
    call->trust = trust;
}

enum grpc_trust
grpc_call_trusts(const struct grpc_call *call)
{
    return call->trust;
}

const struct grpc_metadata *
grpc_raw_metadata(const struct grpc_call *call)
{
    return &call->metadata;
}

uint64_t
grpc_raw_deadline_us(const struct grpc_call *call)
{
    (void)call;
    return 0;
}

struct budget *
grpc_raw_budget(const struct grpc_call *call)
{
    return call->budget;
}

void
grpc_raw_credit(struct grpc_call *call, uint64_t n)
{
    call->credited_bytes += n;
}

bool
grpc_raw_takes(const struct grpc_call *call, const struct grpc_metadata *fields)
{
    (void)call;
    (void)fields;
    return true;
}

void
grpc_raw_respond(struct grpc_call *call, const struct grpc_metadata *fields,
                 struct grpc_queue *queue)
{
    (void)fields;
    call->out = queue;
}

void
grpc_raw_wake(struct grpc_call *call)
{
    call->n_resumed++;
}

void
grpc_raw_finish(struct grpc_call *call, int status, const struct grpc_metadata *trailers)
{
    (void)trailers;
    grpc_call_finish(call, (enum grpc_status)status, NULL);
}

void
grpc_raw_reset(struct grpc_call *call, int status)
{
    (void)call;
    (void)status;
    fail();
}

#endif
