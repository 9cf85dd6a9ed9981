/* A call: its headers, its answer, its credit and its life. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/grpc_call.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "grpc/grpc.h"
#include "grpc/grpc_meta.h"
#include "grpc/grpc_server_int.h"
#include "h2/h2_stream.h"

/* The most of a grpc-message that is sent: the text is for people. */
enum { MESSAGE_TEXT_MAX = 1024 };

/* Life. */

static struct grpc_call *
spare_or_new(struct grpc_endpoint *endpoint)
{
    struct grpc_call *call = SLIST_FIRST(&endpoint->spare_calls);
    if (call == NULL)
        return mem_new(struct grpc_call);
    SLIST_REMOVE_HEAD(&endpoint->spare_calls, spare);
    endpoint->n_spare_calls--;
    char *head = call->head;
    uint32_t head_size = call->head_size;
    *call = (struct grpc_call){.head = head, .head_size = head_size};
    return call;
}

struct grpc_call *
grpc_call_new(struct grpc_connection *connection, int32_t stream_id)
{
    struct grpc_endpoint *endpoint = connection->endpoint;
    struct grpc_call *call = spare_or_new(endpoint);
    call->magic = CALL_MAGIC;
    call->refs = 1;
    call->endpoint = endpoint;
    call->connection = connection;
    call->stream_id = stream_id;
    call->out = call->out_inline;
    call->out_size = CALL_OUT_INLINE;
    call->last_data_us = clock_mono_us();
    connection->refs++;
    endpoint->n_calls++;
    LIST_INSERT_HEAD(&connection->calls, call, link);
    return call;
}

static void
release_memory(struct grpc_call *call)
{
    struct budget *budget = call->endpoint->budget;
    grpc_frame_reset(&call->frame, &call->endpoint->frames);
    if (call->out != call->out_inline) {
        budget_give(budget, call->out_size);
        mem_free(call->out);
    }
    if (call->head_size > CALL_HEAD_BYTES) {
        budget_give(budget, call->head_size);
        mem_free(call->head);
        call->head = NULL;
        call->head_size = 0;
    }
    mem_free(call->message_text);
    grpc_raw_stop(call);
    check(call->backlog.p == NULL);
}

static void
recycle(struct grpc_call *call)
{
    struct grpc_endpoint *endpoint = call->endpoint;
    struct grpc_connection *connection = call->connection;
    check(!call->is_waiting && call->gate == GATE_OUTSIDE && !call->will_resume);
    release_memory(call);
    call->magic = 0;
    if (endpoint->n_spare_calls < CALLS_KEPT && !endpoint->is_closed) {
        SLIST_INSERT_HEAD(&endpoint->spare_calls, call, spare);
        endpoint->n_spare_calls++;
    } else {
        mem_free(call->head);
        mem_free(call);
    }
    grpc_connection_unref(connection);
    endpoint->n_calls--;
    grpc_endpoint_unhold(endpoint);
}

void
grpc_call_ref(struct grpc_call *call)
{
    CHECK_OBJ(call, CALL_MAGIC);
    call->refs++;
}

void
grpc_call_unref(struct grpc_call **where)
{
    struct grpc_call *call = *where;
    if (call == NULL)
        return;
    CHECK_OBJ(call, CALL_MAGIC);
    *where = NULL;
    if (--call->refs == 0)
        recycle(call);
}

void
grpc_call_lose(struct grpc_call *call)
{
    call->stream_id = 0;
    LIST_REMOVE(call, link);
    grpc_call_count(call, GRPC_CANCELLED);
    call->is_finished = true;
    if (!call->is_over && !call->is_waiting && grpc_intake_is_mid_message(call))
        call->was_cut = true;
    if (!call->is_waiting)
        grpc_gate_leave(call);
    grpc_intake_gone(call);
    grpc_call_unref(&call);
}

/* What handlers ask. */

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
    return call->endpoint->service.ctx;
}

uint64_t
grpc_call_unsettled_bytes(const struct grpc_call *call)
{
    return call->unsettled_bytes;
}

uint64_t
grpc_call_half_window(const struct grpc_call *call)
{
    return call->endpoint->settings.stream_window_bytes / 2;
}

void
grpc_call_resume(struct grpc_call *call)
{
    CHECK_OBJ(call, CALL_MAGIC);
    if (call->is_waiting)
        grpc_endpoint_resume(call->endpoint, call);
}

bool
grpc_call_is_over(const struct grpc_call *call)
{
    return call->is_over || call->gone_told || (call->stream_id == 0 && !call->is_waiting);
}

bool
grpc_call_is_half_closed(const struct grpc_call *call)
{
    return call->half_closed;
}

bool
grpc_call_was_cancelled(const struct grpc_call *call)
{
    return call->was_cancelled;
}

void **
grpc_call_connection_user(const struct grpc_call *call)
{
    return call->connection->link != NULL ? &call->connection->user : NULL;
}

const char *
grpc_call_peer(const struct grpc_call *call)
{
    return call->connection->peer;
}

void
grpc_call_trust(struct grpc_call *call, enum grpc_trust trust)
{
    call->connection->trust = (uint8_t)trust;
}

enum grpc_trust
grpc_call_trusts(const struct grpc_call *call)
{
    return (enum grpc_trust)call->connection->trust;
}

/* The answer. */

void
grpc_call_count(struct grpc_call *call, int status)
{
    if (call->is_counted)
        return;
    call->is_counted = true;
    uint32_t method = call->method != NULL ? (uint32_t)call->method->method : 0;
    metric_add(call->endpoint->metrics, METRIC_GRPC_HANDLED,
               method * METRIC_CODES + (uint32_t)status, 1);
}

static struct h2_header
status_header(int status)
{
    static const char *const digits[METRIC_CODES] = {
        "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16"};
    struct h2_header header = H2_HEADER("grpc-status", "0");
    header.value = digits[status];
    header.n_value = status < 10 ? 1 : 2;
    return header;
}

/* grpc-status, grpc-message. */
static uint32_t
fill_trailers(const struct grpc_call *call, struct h2_header *out)
{
    uint32_t n = 0;
    out[n++] = status_header(call->status);
    if (call->message_text != NULL) {
        out[n] = H2_HEADER("grpc-message", "");
        out[n].value = call->message_text;
        out[n].n_value = (uint32_t)strlen(call->message_text);
        out[n++].is_lent = false;
    }
    return n;
}

/* Once the answer is on its way before the client half closed, silence ends the stream. */
static void
watch_silence(struct grpc_call *call)
{
    if (call->half_closed)
        return;
    call->last_data_us = clock_mono_us();
    grpc_connection_due(call->connection, call->last_data_us + SILENCE_US);
}

static void
respond_trailers_only(struct grpc_call *call, struct h2_session *session)
{
    struct h2_header headers[5] = {H2_HEADER(":status", "200"),
                                   H2_HEADER("content-type", "application/grpc")};
    uint32_t n = 2;
    n += fill_trailers(call, headers + n);
    if (call->bad_encoding)
        headers[n++] = H2_HEADER("grpc-accept-encoding", "identity,gzip");
    n = grpc_meta_fit(headers, n, h2_session_peer_header_list_bytes(session));
    call->has_responded = true;
    call->trailers_sent = true;
    h2_stream_respond(session, call->stream_id, headers, n, true);
}

static void
conclude(struct grpc_call *call, enum grpc_status status, const char *text)
{
    struct h2_session *session = grpc_connection_session(call->connection);
    call->is_finished = true;
    call->status = (uint8_t)status;
    grpc_call_count(call, status);
    if (session == NULL || call->stream_id == 0)
        return;
    if (text != NULL && text[0] != '\0') {
        struct bytes plain = bytes_str(text);
        if (plain.n > MESSAGE_TEXT_MAX)
            plain.n = MESSAGE_TEXT_MAX;
        call->message_text = mem_alloc(plain.n * 3 + 1);
        call->message_text[grpc_meta_encode(plain, call->message_text)] = '\0';
    }
    if (!call->has_responded)
        respond_trailers_only(call, session);
    else if (call->is_deferred)
        h2_stream_wake(session, call->stream_id);
    call->is_deferred = false;
    watch_silence(call);
}

void
grpc_call_finish(struct grpc_call *call, enum grpc_status status, const char *text)
{
    CHECK_OBJ(call, CALL_MAGIC);
    if (call->is_over)
        return;
    call->is_over = true;
    if (!call->is_finished)
        conclude(call, status, text);
    if (call->is_running)
        return;
    grpc_call_ref(call);
    grpc_intake_drop(call);
    if (call->stream_id == 0)
        grpc_intake_gone(call);
    grpc_call_unref(&call);
}

void
grpc_call_answer(struct grpc_call *call)
{
    if (call->is_finished || call->stream_id == 0 || call->answers_when_settled)
        return;
    if (call->unsettled_bytes > 0) {
        call->answers_when_settled = true;
        grpc_intake_hold_back(call);
        return;
    }
    if (!call->has_responded)
        grpc_call_send(call, BYTES_NONE);
    conclude(call, GRPC_OK, NULL);
}

void
grpc_call_hang_up(struct grpc_call *call)
{
    struct h2_session *session = grpc_connection_session(call->connection);
    if (call->reset_sent || session == NULL)
        return;
    call->reset_sent = true;
    h2_stream_reset(session, call->stream_id, H2_NO_ERROR);
}

void
grpc_call_cut(struct grpc_call *call, int status)
{
    struct h2_session *session = grpc_connection_session(call->connection);
    grpc_call_count(call, status);
    call->is_finished = true;
    call->reset_sent = true;
    if (session != NULL)
        h2_stream_reset(session, call->stream_id, H2_CANCEL);
}

static void
add_out(struct grpc_call *call, const void *p, size_t n)
{
    if (n == 0)
        return;
    if (call->n_out + n > call->out_size) {
        uint32_t size = call->out_size;
        while (size < call->n_out + n)
            size *= 2;
        bool is_inline = call->out == call->out_inline;
        budget_take_always(call->endpoint->budget, size - (is_inline ? 0 : call->out_size));
        uint8_t *more = mem_resize(is_inline ? NULL : call->out, size);
        if (is_inline)
            memcpy(more, call->out_inline, call->n_out);
        call->out = more;
        call->out_size = size;
    }
    memcpy(call->out + call->n_out, p, n);
    call->n_out += (uint32_t)n;
}

/* What is no gRPC call at all: an HTTP status, and words for people (RFC 9110 15: an error says
 * why; 15.5.6: 405 names what is allowed). */
static void
respond_http(struct grpc_call *call, bool is_method)
{
    struct h2_session *session = grpc_connection_session(call->connection);
    struct h2_header headers[3] = {H2_HEADER(":status", "415"),
                                   H2_HEADER("content-type", "text/plain")};
    uint32_t n = 2;
    struct bytes why = BYTES("this port takes gRPC: content-type must be application/grpc\n");
    if (is_method) {
        headers[0] = H2_HEADER(":status", "405");
        headers[n++] = H2_HEADER("allow", "POST");
        why = BYTES("this port takes gRPC: the method must be POST\n");
    }
    call->is_over = true;
    call->is_finished = true;
    call->has_responded = true;
    call->is_plain = true;
    grpc_call_count(call, GRPC_UNKNOWN);
    /* HEAD gets no body (RFC 9110 9.3.2). */
    call->trailers_sent = call->is_head;
    if (!call->is_head)
        add_out(call, why.p, why.n);
    if (session != NULL && call->stream_id != 0)
        h2_stream_respond(session, call->stream_id, headers, n, call->is_head);
    watch_silence(call);
}

void
grpc_call_send(struct grpc_call *call, struct bytes message)
{
    CHECK_OBJ(call, CALL_MAGIC);
    struct h2_session *session = grpc_connection_session(call->connection);
    if (session == NULL || call->stream_id == 0 || call->is_finished || call->reset_sent)
        return;
    uint8_t prefix[GRPC_PREFIX_BYTES];
    grpc_put_prefix(prefix, (uint32_t)message.n);
    add_out(call, prefix, sizeof(prefix));
    add_out(call, message.p, message.n);
    if (!call->has_responded) {
        static const struct h2_header headers[] = {
            {":status", "200", 7, 3, true}, {"content-type", "application/grpc", 12, 16, true}};
        call->has_responded = true;
        h2_stream_respond(session, call->stream_id, headers, 2, false);
    } else if (call->is_deferred) {
        call->is_deferred = false;
        h2_stream_wake(session, call->stream_id);
    }
}

static void
submit_trailers(struct grpc_call *call)
{
    struct h2_header trailers[H2_MAX_HEADERS];
    uint32_t n = call->raw != NULL && call->raw->has_trailers
                     ? grpc_metadata_to_h2(&call->raw->trailers, trailers, H2_MAX_HEADERS)
                     : fill_trailers(call, trailers);
    struct h2_session *session = grpc_connection_session(call->connection);
    n = grpc_meta_fit(trailers, n, h2_session_peer_header_list_bytes(session));
    h2_stream_trailers(session, call->stream_id, trailers, n);
    call->trailers_sent = true;
}

size_t
grpc_call_take(struct grpc_call *call, size_t room, enum h2_take *how)
{
    size_t n = grpc_raw_is_routed(call) ? grpc_raw_n(call) : call->n_out - call->out_at;
    *how = H2_TAKE_MORE;
    if (n > room)
        return room;
    if (call->is_plain) {
        call->trailers_sent = true;
        *how = H2_TAKE_LAST;
    } else if (call->is_finished) {
        submit_trailers(call);
        *how = H2_TAKE_TRAILERS;
    } else if (n == 0) {
        call->is_deferred = true;
    }
    return n;
}

void
grpc_call_give(struct grpc_call *call, size_t n, struct h2_gather *gather)
{
    if (grpc_raw_is_routed(call)) {
        grpc_raw_give(call, n, gather);
        return;
    }
    check(n <= call->n_out - call->out_at);
    h2_gather_copy(gather, call->out + call->out_at, n);
    call->out_at += (uint32_t)n;
    if (call->out_at == call->n_out) {
        call->n_out = 0;
        call->out_at = 0;
    }
}

/* Credit. */

void
grpc_call_credit_stream(struct grpc_call *call, uint64_t bytes)
{
    struct h2_session *session = grpc_connection_session(call->connection);
    /* Nobody sends on a stream that the client half closed. */
    if (bytes > 0 && session != NULL && call->stream_id != 0 && !call->half_closed)
        h2_stream_credit(session, call->stream_id, bytes);
}

static void
release_owed(struct grpc_call *call)
{
    uint64_t owed = call->owed_bytes;
    if (call->unsettled_bytes > 0 || owed == 0)
        return;
    call->owed_bytes = 0;
    grpc_call_credit_stream(call, owed);
}

void
grpc_call_owe(struct grpc_call *call, uint64_t bytes)
{
    call->owed_bytes += bytes;
    release_owed(call);
}

void
grpc_call_credit(struct grpc_call *call, uint64_t bytes)
{
    CHECK_OBJ(call, CALL_MAGIC);
    check(bytes <= call->unsettled_bytes);
    call->unsettled_bytes -= bytes;
    grpc_call_credit_stream(call, bytes);
    if (call->unsettled_bytes > 0)
        return;
    if (call->partial_since_us != 0)
        call->partial_since_us = clock_mono_us(); /* the client may go on only now */
    grpc_intake_credit_early(call);
    release_owed(call);
    if (call->answers_when_settled) {
        call->answers_when_settled = false;
        grpc_call_answer(call);
        grpc_endpoint_resume(call->endpoint, call);
    }
}

/* Requests begin. */

void
grpc_call_begin(struct grpc_call *call)
{
    struct grpc_endpoint *endpoint = call->endpoint;
    struct bytes path = grpc_call_header(call, ":path");
    struct grpc_route route = {.refuse = GRPC_UNIMPLEMENTED};
    call->has_begun = true;
    if (!call->is_post) {
        respond_http(call, true);
        return;
    }
    if (!call->is_grpc) {
        respond_http(call, false);
        return;
    }
    if (call->bad_timeout) {
        grpc_call_finish(call, GRPC_INTERNAL, "malformed grpc-timeout");
        return;
    }
    if (call->bad_encoding && call->raw == NULL) {
        grpc_call_finish(call, GRPC_UNIMPLEMENTED, "grpc-encoding is not supported");
        return;
    }
    endpoint->service.on_call(endpoint->service.ctx, call, path, &route);
    call->method = route.method;
    call->user = route.user != NULL ? route.user : call->user;
    grpc_raw_route(call, route.raw);
    if (route.handler == NULL && !grpc_raw_is_routed(call)) {
        grpc_call_finish(call, route.refuse, route.text);
        return;
    }
    call->handler = route.handler;
    if (call->deadline_us != 0)
        grpc_connection_due(call->connection, call->deadline_us);
}
