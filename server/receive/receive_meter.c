/* Meters: the elements of one stream are collected and leave as one MeterDataCollection. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A set ends at half close, at the end of the stream however it comes, after a second of silence,
 * or at half a window (no handler may hold more unaccepted). Its first element gets what it lacks
 * of the identity last seen on the stream; all others stay as they came (protocol.md 6). Elements
 * are bounded by the stream's window, so charging them to the budget cannot fail. */
#include "base/clock.h"
#include "base/mem.h"
#include "receive/receive_int.h"

enum { SILENCE_US = 1000 * 1000, FIRST_BUFFER_BYTES = 4096, COLLECTION_ELEMENT = 1 };

static void
on_silence(void *ctx)
{
    struct receive_call *rc = ctx;
    receive_meter_emit(rc);
    receive_call_step(rc);
}

static struct meter_set *
set_of(struct receive_call *rc)
{
    if (rc->state.meter == NULL) {
        rc->state.meter = mem_new(struct meter_set);
        loop_timer_init(&rc->state.meter->silence, rc->receive->parts.loop, on_silence, rc);
    }
    return rc->state.meter;
}

/* Room for n more bytes. */
static uint8_t *
grow(struct receive_call *rc, struct meter_set *set, size_t n)
{
    size_t size = set->size > 0 ? set->size : FIRST_BUFFER_BYTES;
    while (size < set->used + n)
        size *= 2;
    if (size > set->size) {
        budget_take_always(rc->receive->parts.budget, size - set->size);
        set->buffer = mem_resize(set->buffer, size);
        set->size = size;
    }
    return set->buffer + set->used;
}

static void
drop_buffer(struct receive_call *rc, struct meter_set *set)
{
    budget_give(rc->receive->parts.budget, set->size);
    mem_free(set->buffer);
    set->buffer = NULL;
    set->size = set->used = set->first_bytes = 0;
    set->n = 0;
    set->credit_bytes = 0;
}

/* What is appended to the first element: fields 3 to 5 as far as it has none itself. */
struct completion {
    struct bytes parts[5];
    uint32_t n_parts;
    size_t n_bytes;
    uint8_t service_head[2 * WIRE_VARINT_MAX];
    uint8_t instance_head[2 * WIRE_VARINT_MAX];
    uint8_t time[2 * WIRE_VARINT_MAX];
};

static void
add_part(struct completion *completion, const void *p, size_t n)
{
    completion->parts[completion->n_parts++] = bytes_of(p, n);
    completion->n_bytes += n;
}

static void
add_string(struct completion *completion, uint8_t *head, uint32_t field,
           const struct carried *carried, struct bytes first)
{
    if (carried->n == 0 || message_string_field(first, field).n > 0)
        return;
    add_part(completion, head, wire_put_length(head, field, carried->n));
    add_part(completion, carried->p, carried->n);
}

static void
complete(const struct meter_set *set, struct bytes first, struct completion *completion)
{
    add_string(completion, completion->service_head, METER_SERVICE, &set->service, first);
    add_string(completion, completion->instance_head, METER_INSTANCE, &set->instance, first);
    uint64_t own;
    if (set->timestamp != 0 && !message_varint_field(first, METER_TIMESTAMP, &own)) {
        size_t n = wire_put_varint(completion->time, METER_TIMESTAMP << 3);
        n += wire_put_varint(completion->time + n, set->timestamp);
        add_part(completion, completion->time, n);
    }
}

bool
receive_meter_emit(struct receive_call *rc)
{
    struct meter_set *set = rc->state.meter;
    if (set == NULL || set->n == 0)
        return true;
    struct bytes first = bytes_of(set->buffer, set->first_bytes);
    struct completion completion = {.n_parts = 0};
    complete(set, first, &completion);
    uint8_t head[2 * WIRE_VARINT_MAX];
    struct bytes parts[8];
    uint32_t n = 0;
    parts[n++] =
        bytes_of(head, wire_put_length(head, COLLECTION_ELEMENT, first.n + completion.n_bytes));
    parts[n++] = first;
    for (uint32_t i = 0; i < completion.n_parts; i++)
        parts[n++] = completion.parts[i];
    parts[n++] = bytes_of(set->buffer + set->first_bytes, set->used - set->first_bytes);
    struct store_record record = {
        .method = METHOD_METER_COLLECT_BATCH,
        .flags = completion.n_parts > 0 ? STORE_EDITED : 0,
        .reason = RULE_COUNT,
        .parts = parts,
        .n_parts = n,
        .received_ms = set->received_ms,
        .cookie = rc,
        .credit_bytes = set->credit_bytes,
    };
    rc->has_waiting_set = receive_put(rc, &record) != ERR_OK;
    if (rc->has_waiting_set)
        return false;
    loop_timer_cancel(&set->silence);
    drop_buffer(rc, set);
    return true;
}

static void
remember(struct receive_call *rc, struct meter_set *set, struct bytes element)
{
    struct bytes service = message_string_field(element, METER_SERVICE);
    struct bytes instance = message_string_field(element, METER_INSTANCE);
    if (service.n > 0)
        carried_set(rc->receive, &set->service, service);
    if (instance.n > 0)
        carried_set(rc->receive, &set->instance, instance);
    uint64_t timestamp;
    if (message_varint_field(element, METER_TIMESTAMP, &timestamp))
        set->timestamp = timestamp;
}

static void
collect(struct receive_call *rc, struct meter_set *set, struct bytes element, uint64_t credit_bytes)
{
    uint8_t *out = grow(rc, set, element.n + 2 * WIRE_VARINT_MAX);
    size_t head = set->n > 0 ? wire_put_length(out, COLLECTION_ELEMENT, element.n) : 0;
    if (element.n > 0)
        memcpy(out + head, element.p, element.n);
    set->used += head + element.n;
    if (set->n++ == 0) {
        set->first_bytes = element.n;
        set->received_ms = clock_unix_ms();
    }
    set->credit_bytes += credit_bytes;
    remember(rc, set, element);
    loop_timer_in(&set->silence, SILENCE_US);
}

static enum grpc_take
on_element(struct grpc_call *call, struct bytes message, uint64_t credit_bytes)
{
    struct receive_call *rc = receive_call_of(call);
    struct meter_set *set = set_of(rc);
    uint64_t half = grpc_call_half_window(call);
    if (receive_must_wait(rc))
        return GRPC_WAIT;
    if (set->n > 0 && set->used + message.n > half && !receive_meter_emit(rc))
        return GRPC_WAIT;
    struct judgement judgement;
    integrity_judge_stored(rc->receive->parts.integrity, MESSAGE_MeterData, message, true,
                           &judgement);
    if (judgement.verdict == VERDICT_QUARANTINED || judgement.verdict == VERDICT_DROPPED) {
        enum err err =
            receive_put_judged(rc, METHOD_METER_COLLECT, message, &judgement, credit_bytes);
        return err == ERR_OK ? GRPC_TAKEN : GRPC_WAIT;
    }
    receive_accept(rc, MESSAGE_MeterData, message, &judgement);
    collect(rc, set, judgement.payload, credit_bytes);
    if (set->used >= half)
        receive_meter_emit(rc);
    return GRPC_TAKEN;
}

static void
on_end(struct grpc_call *call)
{
    struct receive_call *rc = receive_call_of(call);
    rc->is_ended = true;
    receive_meter_emit(rc);
    receive_call_step(rc);
}

static void
on_gone(struct grpc_call *call, bool mid_message)
{
    struct receive_call *rc = receive_call_of(call);
    receive_meter_emit(rc);
    receive_on_gone(call, mid_message);
}

void
receive_meter_free(struct receive_call *rc)
{
    struct meter_set *set = rc->state.meter;
    if (set == NULL)
        return;
    if (set->n > 0 && rc->receive->store != NULL)
        store_put_nothing(rc->receive->store, METHOD_METER_COLLECT_BATCH, DROP_SHUTDOWN, NULL, 0);
    loop_timer_cancel(&set->silence);
    drop_buffer(rc, set);
    carried_free(rc->receive, &set->service);
    carried_free(rc->receive, &set->instance);
    mem_free(set);
    rc->state.meter = NULL;
}

const struct grpc_handler receive_meter_handler = {
    .on_message = on_element,
    .on_oversize = receive_on_oversize,
    .on_end = on_end,
    .on_gone = on_gone,
};
