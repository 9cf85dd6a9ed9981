/* A call's input: DATA becomes messages, messages wait for room, half close ends it. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Every byte of DATA ends in exactly one account: handed out with a message (the handler credits
 * it), or owed by the call itself, which credits it once all earlier messages are settled. */
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "grpc/grpc.h"
#include "grpc/grpc_server_int.h"
#include "h2/h2_stream.h"

static bool
is_unary(const struct grpc_call *call)
{
    return call->method != NULL && call->method->stream == STREAM_UNARY;
}

bool
grpc_intake_is_mid_message(const struct grpc_call *call)
{
    return call->frame.n_prefix > 0;
}

/* The backlog. */

static void
backlog_add(struct grpc_call *call, const void *p, size_t n)
{
    struct grpc_backlog *backlog = &call->backlog;
    if (n == 0)
        return;
    if (backlog->p == NULL)
        backlog->at = backlog->end = BACKLOG_HEADROOM;
    if (backlog->end + n > backlog->size && backlog->at > BACKLOG_HEADROOM) {
        memmove(backlog->p + BACKLOG_HEADROOM, backlog->p + backlog->at,
                backlog->end - backlog->at);
        backlog->end -= backlog->at - BACKLOG_HEADROOM;
        backlog->at = BACKLOG_HEADROOM;
    }
    if (backlog->end + n > backlog->size) {
        size_t size = backlog->size ? backlog->size * 2 : FRAME_BUFFER_BYTES;
        if (size < backlog->end + n)
            size = backlog->end + n;
        budget_take_always(call->endpoint->budget, size - backlog->size);
        backlog->p = mem_resize(backlog->p, size);
        backlog->size = size;
    }
    memcpy(backlog->p + backlog->end, p, n);
    backlog->end += n;
}

static void
backlog_free(struct grpc_call *call)
{
    struct grpc_backlog *backlog = &call->backlog;
    if (backlog->p == NULL)
        return;
    budget_give(call->endpoint->budget, backlog->size);
    mem_free(backlog->p);
    *backlog = (struct grpc_backlog){.p = NULL};
}

static void
begin_waiting(struct grpc_call *call)
{
    if (call->is_waiting)
        return;
    call->is_waiting = true;
    call->refs++;
    call->connection->n_waiting++;
    call->partial_since_us = 0;
    TAILQ_INSERT_TAIL(&call->endpoint->waiting, call, waiting);
}

/* May free the call. */
static void
stop_waiting(struct grpc_call *call)
{
    if (!call->is_waiting)
        return;
    call->is_waiting = false;
    call->connection->n_waiting--;
    TAILQ_REMOVE(&call->endpoint->waiting, call, waiting);
    if (call->will_resume) {
        call->will_resume = false;
        TAILQ_REMOVE(&call->endpoint->resuming, call, resuming);
    }
    grpc_call_unref(&call);
}

/* The message, where it was lent, and what follows it go to the backlog, or stay there. */
static void
hold(struct grpc_call *call, const struct grpc_message *message, struct bytes rest)
{
    struct grpc_backlog *backlog = &call->backlog;
    const uint8_t *from = message->is_lent ? message->body.p : rest.p;
    size_t n = message->is_lent ? message->body.n + rest.n : rest.n;
    bool is_inside = backlog->p != NULL && from >= backlog->p && from <= backlog->p + backlog->end;
    uint8_t prefix[GRPC_PREFIX_BYTES];
    memcpy(prefix, call->frame.prefix, sizeof(prefix));
    if (message->is_lent)
        grpc_frame_done(&call->frame, &call->endpoint->frames);
    begin_waiting(call);
    if (!is_inside) {
        if (message->is_lent)
            backlog_add(call, prefix, sizeof(prefix));
        backlog_add(call, from, n);
        return;
    }
    backlog->at = (size_t)(from - backlog->p);
    if (message->is_lent) {
        backlog->at -= sizeof(prefix);
        memcpy(backlog->p + backlog->at, prefix, sizeof(prefix));
    }
}

void
grpc_intake_hold_back(struct grpc_call *call)
{
    begin_waiting(call);
}

/* Messages. */

static bool
is_long(const struct grpc_call *call)
{
    return (uint64_t)call->frame.length + GRPC_PREFIX_BYTES > grpc_call_half_window(call);
}

void
grpc_intake_credit_early(struct grpc_call *call)
{
    const struct grpc_frame *frame = &call->frame;
    if (call->is_waiting || call->is_over)
        return;
    if (frame->state == FRAME_BODY) {
        if (!is_long(call) || (frame->length > GATE_BYTES && call->gate != GATE_INSIDE))
            return;
    } else if (frame->state != FRAME_SKIP) {
        return;
    }
    uint64_t n = grpc_frame_n_bytes(frame) - call->early_bytes;
    call->early_bytes += n;
    grpc_call_owe(call, n);
}

/* The chunk is used up; a message may be under way. */
static void
note_partial(struct grpc_call *call)
{
    if (call->frame.n_prefix == 0)
        return;
    if (call->partial_since_us == 0) {
        call->partial_since_us = call->last_data_us;
        grpc_connection_due(call->connection, call->last_data_us + PARTIAL_US);
    }
    if (grpc_frame_is_in_body(&call->frame))
        (void)grpc_gate_pass(call, call->frame.length);
    grpc_intake_credit_early(call);
}

static void
tell_oversize(struct grpc_call *call, struct bytes beginning, uint64_t declared_bytes)
{
    if (beginning.n > FRAME_SKIP_KEEP)
        beginning.n = FRAME_SKIP_KEEP;
    if (call->handler->on_oversize != NULL)
        call->handler->on_oversize(call, beginning, declared_bytes);
    if (is_unary(call))
        grpc_call_finish(call, GRPC_RESOURCE_EXHAUSTED, "the message is larger than the limit");
}

/* False: there is no message to offer, the call was told why. */
static bool
inflate_message(struct grpc_call *call, struct bytes *body)
{
    struct grpc_codec *codec = call->endpoint->codec;
    uint64_t limit = call->endpoint->settings.max_message_bytes;
    uint32_t claim = grpc_codec_claim(*body);
    struct bytes plain;
    if (!call->has_encoding) {
        grpc_call_finish(call, GRPC_INTERNAL, "a compressed message without grpc-encoding");
        return false;
    }
    bool is_oversize = claim > limit;
    enum err err = grpc_codec_inflate(codec, *body, is_oversize ? FRAME_SKIP_KEEP : claim, &plain);
    if (is_oversize && err == ERR_TOO_LARGE) {
        tell_oversize(call, plain, claim);
        return false;
    }
    if (err != ERR_OK || plain.n != claim) {
        grpc_call_finish(call, GRPC_INTERNAL, "the gzip data is broken");
        return false;
    }
    *body = plain;
    return true;
}

/* What a message needs room for: its size, or what it says it inflates to. */
static uint64_t
gated_size(const struct grpc_call *call, const struct grpc_message *message)
{
    if (!message->is_compressed)
        return message->length;
    uint32_t claim = grpc_codec_claim(message->body);
    if (claim > call->endpoint->settings.max_message_bytes || claim < message->length)
        return message->length;
    return claim;
}

/* False: it waits. */
static bool
hand_out(struct grpc_call *call, struct bytes body, uint64_t wire_bytes)
{
    call->unsettled_bytes += wire_bytes;
    if (call->handler->on_message(call, body, wire_bytes) == GRPC_TAKEN)
        return true;
    call->unsettled_bytes -= wire_bytes;
    if (!call->is_over)
        return false;
    grpc_call_owe(call, wire_bytes);
    return true;
}

/* False: it waits. */
static bool
offer(struct grpc_call *call, const struct grpc_message *message)
{
    struct bytes body = message->body;
    uint64_t wire_bytes = GRPC_PREFIX_BYTES + (uint64_t)message->length - call->early_bytes;
    if (is_unary(call) && call->n_messages > 0) {
        grpc_call_finish(call, GRPC_INTERNAL, "more than one message in a unary call");
        grpc_call_owe(call, wire_bytes);
    } else {
        if (!grpc_gate_pass(call, gated_size(call, message)))
            return false;
        bool is_plain = !message->is_compressed || inflate_message(call, &body);
        bool is_taken = true;
        if (is_plain)
            is_taken = hand_out(call, body, wire_bytes);
        else
            grpc_call_owe(call, wire_bytes);
        if (message->is_compressed)
            grpc_codec_release(call->endpoint->codec);
        if (!is_taken)
            return false;
    }
    call->n_messages++;
    call->early_bytes = 0;
    call->partial_since_us = 0;
    grpc_gate_leave(call);
    return true;
}

/* Offers what *in holds. False: something waits, from the message on. */
static bool
run(struct grpc_call *call, struct bytes *in)
{
    struct grpc_frame_pool *pool = &call->endpoint->frames;
    uint32_t limit = (uint32_t)call->endpoint->settings.max_message_bytes;
    struct grpc_message message;
    while (!call->is_over) {
        switch (grpc_frame_next(&call->frame, pool, in, limit, &message)) {
        case FRAME_MORE:
            note_partial(call);
            return true;
        case FRAME_BAD:
            grpc_call_finish(call, GRPC_INTERNAL, "a message flag that is neither 0 nor 1");
            break;
        case FRAME_SKIPPED:
            grpc_call_owe(call, GRPC_PREFIX_BYTES + (uint64_t)message.length - call->early_bytes);
            call->early_bytes = 0;
            call->partial_since_us = 0;
            tell_oversize(call, message.body, message.length);
            grpc_frame_done(&call->frame, pool);
            break;
        case FRAME_MESSAGE:
            if (!offer(call, &message)) {
                hold(call, &message, *in);
                return false;
            }
            grpc_frame_done(&call->frame, pool);
            break;
        }
    }
    return true;
}

/* Most calls are over before; the sender has as much again to send until it hears of it. Who counts
 * credit as a receipt leaves out this one. */
static void
open_window(struct grpc_call *call, size_t n)
{
    struct h2_session *session = grpc_connection_session(call->connection);
    if (call->has_window || session == NULL || call->stream_id == 0)
        return;
    call->n_early_data += (uint32_t)n;
    if (call->n_early_data < GRPC_RAW_WINDOW_BYTES / 2)
        return;
    call->has_window = true;
    if (call->endpoint->settings.stream_window_bytes > GRPC_RAW_WINDOW_BYTES)
        h2_stream_set_window(session, call->stream_id,
                             call->endpoint->settings.stream_window_bytes);
}

void
grpc_intake_data(struct grpc_call *call, struct bytes in)
{
    call->last_data_us = clock_mono_us();
    if (call->is_over) {
        grpc_call_owe(call, in.n);
        return;
    }
    if (grpc_raw_is_routed(call)) {
        grpc_raw_note(call, in);
        call->raw->handler->on_data(call, in);
        return;
    }
    open_window(call, in.n);
    if (call->is_waiting) {
        backlog_add(call, in.p, in.n);
        return;
    }
    call->is_running = true;
    bool is_done = run(call, &in);
    call->is_running = false;
    if (call->is_over) {
        grpc_intake_drop(call);
        if (is_done)
            grpc_call_owe(call, in.n);
    }
}

/* Ends. */

static void
end_input(struct grpc_call *call)
{
    if (call->is_over || call->end_told)
        return;
    if (grpc_raw_is_routed(call)) {
        call->end_told = true;
        call->raw->handler->on_end(call);
    } else if (grpc_intake_is_mid_message(call)) {
        call->was_cut = true;
        grpc_call_finish(call, GRPC_INTERNAL, "half closed inside a message");
    } else if (is_unary(call) && call->n_messages == 0) {
        grpc_call_finish(call, GRPC_INTERNAL, "no message in a unary call");
    } else {
        call->end_told = true;
        call->handler->on_end(call);
    }
}

void
grpc_intake_half_close(struct grpc_call *call)
{
    call->half_closed = true;
    if (call->has_begun && !call->is_waiting)
        end_input(call);
}

void
grpc_intake_resume(struct grpc_call *call)
{
    if (!call->is_waiting || call->answers_when_settled)
        return;
    struct bytes in = BYTES_NONE;
    if (call->backlog.p != NULL)
        in = bytes_of(call->backlog.p + call->backlog.at, call->backlog.end - call->backlog.at);
    grpc_call_ref(call);
    call->is_running = true;
    bool is_done = run(call, &in);
    call->is_running = false;
    if (call->is_over) {
        call->backlog.at = call->backlog.end - in.n;
        grpc_intake_drop(call);
    } else if (is_done) {
        backlog_free(call);
        stop_waiting(call);
        if (call->half_closed)
            end_input(call);
        if (call->stream_id == 0) {
            if (!call->is_over && grpc_intake_is_mid_message(call))
                call->was_cut = true;
            grpc_gate_leave(call);
        }
    }
    if (call->stream_id == 0)
        grpc_intake_gone(call);
    grpc_call_unref(&call);
}

void
grpc_intake_drop(struct grpc_call *call)
{
    uint64_t n = grpc_frame_n_bytes(&call->frame) - call->early_bytes;
    n += call->backlog.end - call->backlog.at;
    call->early_bytes = 0;
    call->partial_since_us = 0;
    grpc_frame_reset(&call->frame, &call->endpoint->frames);
    backlog_free(call);
    grpc_gate_leave(call);
    if (n > 0)
        grpc_call_owe(call, n);
    stop_waiting(call);
}

void
grpc_intake_gone(struct grpc_call *call)
{
    if (call->gone_told || (call->is_waiting && !call->is_over))
        return;
    call->gone_told = true;
    grpc_call_ref(call);
    grpc_intake_drop(call);
    call->is_over = true;
    if (grpc_raw_is_routed(call))
        call->raw->handler->on_gone(call);
    else if (call->handler != NULL && call->handler->on_gone != NULL)
        call->handler->on_gone(call, call->was_cut);
    grpc_call_unref(&call);
}
