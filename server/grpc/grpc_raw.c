/* Calls whose bytes pass through: metadata kept, DATA out of a queue, trailers as given. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/grpc_raw.h"

#include "base/check.h"
#include "base/mem.h"
#include "grpc/grpc.h"
#include "grpc/grpc_meta.h"
#include "grpc/grpc_server_int.h"
#include "h2/h2_stream.h"

enum { STATUS_LIST_BYTES = 42 }; /* of ":status: 200" (RFC 9113 6.5.2) */

void
grpc_raw_start(struct grpc_call *call)
{
    if (call->raw != NULL)
        return;
    call->raw = mem_new(struct grpc_raw);
}

void
grpc_raw_route(struct grpc_call *call, const struct grpc_raw_handler *handler)
{
    if (call->raw != NULL)
        call->raw->handler = handler;
}

uint32_t
grpc_raw_window(const struct grpc_endpoint *endpoint)
{
    uint32_t whole = endpoint->settings.stream_window_bytes;
    return whole < GRPC_RAW_WINDOW_BYTES ? whole : GRPC_RAW_WINDOW_BYTES;
}

void
grpc_raw_keep(struct grpc_call *call, struct grpc_field field)
{
    if (field.name.n > 0 && field.name.p[0] != ':')
        grpc_metadata_add(&call->raw->metadata, call->endpoint->budget, field);
}

void
grpc_raw_note(struct grpc_call *call, struct bytes in)
{
    struct grpc_raw *raw = call->raw;
    if (call->n_messages > 0)
        return;
    while (raw->n_prefix < GRPC_PREFIX_BYTES && in.n > 0) {
        raw->prefix[raw->n_prefix++] = in.p[0];
        in = bytes_of(in.p + 1, in.n - 1);
        if (raw->n_prefix == GRPC_PREFIX_BYTES)
            raw->body_left = (uint32_t)raw->prefix[1] << 24 | (uint32_t)raw->prefix[2] << 16 |
                             (uint32_t)raw->prefix[3] << 8 | raw->prefix[4];
    }
    raw->body_left -= in.n < raw->body_left ? (uint32_t)in.n : raw->body_left;
    call->n_messages = raw->n_prefix == GRPC_PREFIX_BYTES && raw->body_left == 0;
}

void
grpc_raw_stop(struct grpc_call *call)
{
    if (call->raw == NULL)
        return;
    grpc_metadata_fini(&call->raw->metadata, call->endpoint->budget);
    grpc_metadata_fini(&call->raw->trailers, call->endpoint->budget);
    mem_free(call->raw);
    call->raw = NULL;
}

const struct grpc_metadata *
grpc_raw_metadata(const struct grpc_call *call)
{
    CHECK_OBJ(call, CALL_MAGIC);
    return &call->raw->metadata;
}

uint64_t
grpc_raw_deadline_us(const struct grpc_call *call)
{
    return call->deadline_us;
}

struct budget *
grpc_raw_budget(const struct grpc_call *call)
{
    return call->endpoint->budget;
}

void
grpc_raw_credit(struct grpc_call *call, uint64_t n)
{
    CHECK_OBJ(call, CALL_MAGIC);
    grpc_call_credit_stream(call, n);
}

size_t
grpc_raw_n(const struct grpc_call *call)
{
    return call->raw->out != NULL ? grpc_queue_n(call->raw->out) : 0;
}

void
grpc_raw_give(struct grpc_call *call, size_t n, struct h2_gather *gather)
{
    grpc_queue_give(call->raw->out, n, gather);
    call->raw->handler->on_sent(call, n);
}

/* Headers, or trailers alone. */
static void
respond(struct grpc_call *call, struct h2_session *session, const struct grpc_metadata *fields,
        bool is_last)
{
    struct h2_header headers[H2_MAX_HEADERS];
    headers[0] = H2_HEADER(":status", "200");
    uint32_t n = 1 + grpc_metadata_to_h2(fields, headers + 1, H2_MAX_HEADERS - 1);
    if (is_last)
        n = grpc_meta_fit(headers, n, h2_session_peer_header_list_bytes(session));
    call->has_responded = true;
    h2_stream_respond(session, call->stream_id, headers, n, is_last);
}

bool
grpc_raw_takes(const struct grpc_call *call, const struct grpc_metadata *fields)
{
    const struct h2_session *session = grpc_connection_session(call->connection);
    return session == NULL || grpc_metadata_list_bytes(fields) + STATUS_LIST_BYTES <=
                                  h2_session_peer_header_list_bytes(session);
}

void
grpc_raw_respond(struct grpc_call *call, const struct grpc_metadata *fields,
                 struct grpc_queue *queue)
{
    CHECK_OBJ(call, CALL_MAGIC);
    struct h2_session *session = grpc_connection_session(call->connection);
    if (session == NULL || call->stream_id == 0 || call->is_finished || call->reset_sent)
        return;
    call->raw->out = queue;
    respond(call, session, fields, false);
}

void
grpc_raw_wake(struct grpc_call *call)
{
    CHECK_OBJ(call, CALL_MAGIC);
    struct h2_session *session = grpc_connection_session(call->connection);
    if (session == NULL || call->stream_id == 0 || !call->is_deferred)
        return;
    call->is_deferred = false;
    h2_stream_wake(session, call->stream_id);
}

void
grpc_raw_finish(struct grpc_call *call, int status, const struct grpc_metadata *trailers)
{
    CHECK_OBJ(call, CALL_MAGIC);
    struct h2_session *session = grpc_connection_session(call->connection);
    if (call->is_over || call->is_finished)
        return;
    if (session != NULL && call->stream_id != 0 && !call->has_responded) {
        respond(call, session, trailers, true);
        call->trailers_sent = true;
    } else {
        struct grpc_field field;
        for (uint32_t at = 0; grpc_metadata_next(trailers, &at, &field);)
            grpc_metadata_add(&call->raw->trailers, call->endpoint->budget, field);
        call->raw->has_trailers = true;
    }
    grpc_call_finish(call, (enum grpc_status)status, NULL);
}

void
grpc_raw_reset(struct grpc_call *call, int status)
{
    CHECK_OBJ(call, CALL_MAGIC);
    if (call->stream_id != 0 && !call->reset_sent)
        grpc_call_cut(call, status);
}
