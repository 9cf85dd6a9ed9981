/* Logs: each record gets the service that its stream named before, and a time of its own. */
/* SPDX-License-Identifier: Apache-2.0 */
/* In proto3 the last value of a field wins, so what is missing is appended (protocol.md 6). */
#include "base/clock.h"
#include "receive/receive_int.h"

/* A log as it is stored. */
struct log_record {
    struct bytes parts[4];
    uint32_t n_parts;
    uint8_t service_head[2 * WIRE_VARINT_MAX];
    uint8_t time[2 * WIRE_VARINT_MAX];
    struct bytes service;
};

static void
add_part(struct log_record *record, struct bytes part)
{
    record->parts[record->n_parts++] = part;
}

static struct bytes
carried_bytes(const struct carried *carried)
{
    return bytes_of(carried->p, carried->n);
}

/* The payload was walked: it is sound protobuf. */
static void
complete(const struct receive_call *rc, struct bytes payload, int64_t now_ms,
         struct log_record *record)
{
    add_part(record, payload);
    record->service = message_string_field(payload, LOG_SERVICE);
    if (record->service.n == 0 && rc->state.log.service.n > 0) {
        record->service = carried_bytes(&rc->state.log.service);
        size_t n = wire_put_length(record->service_head, LOG_SERVICE, record->service.n);
        add_part(record, bytes_of(record->service_head, n));
        add_part(record, record->service);
    }
    uint64_t timestamp;
    if (!message_varint_field(payload, LOG_TIMESTAMP, &timestamp)) {
        size_t n = wire_put_varint(record->time, LOG_TIMESTAMP << 3);
        n += wire_put_varint(record->time + n, (uint64_t)now_ms);
        add_part(record, bytes_of(record->time, n));
    }
}

static enum err
put_log(struct receive_call *rc, struct bytes message, const struct judgement *judgement,
        uint64_t credit_bytes)
{
    struct log_record log = {.n_parts = 0};
    int64_t now_ms = clock_unix_ms();
    complete(rc, judgement->payload, now_ms, &log);
    struct store_record record = {
        .method = rc->method->method,
        .flags = judgement->edited || log.n_parts > 1 ? STORE_EDITED : 0,
        .reason = RULE_COUNT,
        .key = log.service,
        .parts = log.parts,
        .n_parts = log.n_parts,
        .received_ms = now_ms,
        .cookie = rc,
        .credit_bytes = credit_bytes,
    };
    enum err err = receive_put(rc, &record);
    if (err != ERR_OK) {
        receive_uncount(rc, judgement);
        return err;
    }
    receive_accept(rc, rc->method->message, message, judgement);
    if (rc->state.log.service.n == 0)
        carried_set(rc->receive, &rc->state.log.service, log.service);
    return ERR_OK;
}

static enum grpc_take
on_log(struct grpc_call *call, struct bytes message, uint64_t credit_bytes)
{
    struct receive_call *rc = receive_call_of(call);
    if (receive_must_wait(rc))
        return GRPC_WAIT;
    bool service_known = rc->state.log.service.n > 0;
    struct message_facts facts;
    if (!service_known && message_walk(MESSAGE_LogData, message, &facts) == ERR_OK)
        service_known = message_string_field(message, LOG_SERVICE).n > 0;
    struct judgement judgement;
    integrity_judge_stored(rc->receive->parts.integrity, rc->method->message, message,
                           service_known, &judgement);
    enum err err;
    if (judgement.verdict == VERDICT_QUARANTINED || judgement.verdict == VERDICT_DROPPED)
        err = receive_put_judged(rc, rc->method->method, message, &judgement, credit_bytes);
    else
        err = put_log(rc, message, &judgement, credit_bytes);
    return err == ERR_OK ? GRPC_TAKEN : GRPC_WAIT;
}

void
receive_log_free(struct receive_call *rc)
{
    carried_free(rc->receive, &rc->state.log.service);
}

const struct grpc_handler receive_log_handler = {
    .on_message = on_log,
    .on_oversize = receive_on_oversize,
    .on_end = receive_on_end,
    .on_gone = receive_on_gone,
};
