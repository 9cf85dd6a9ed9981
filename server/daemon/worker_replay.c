/* A quarantined message on its way through a worker: judged again, then stored. */
/* SPDX-License-Identifier: Apache-2.0 */
/* What its stream or its set told about it is gone: a log gets the time of its arrival where it has
 * none, a meter becomes a set of one (protocol.md 6). */
#include "daemon/worker_replay.h"

#include "base/check.h"
#include "base/clock.h"
#include "message/message.h"
#include "store/store.h"

enum { LOG_TIMESTAMP = 1, LOG_SERVICE = 2, COLLECTION_ELEMENT = 1 };

/* OAP ends the whole stream over these, whoever else is on it. */
static const uint64_t stream_ending =
    UINT64_C(1) << RULE_proto_undecodable | UINT64_C(1) << RULE_string_invalid_utf8_identity |
    UINT64_C(1) << RULE_string_invalid_utf8 | UINT64_C(1) << RULE_event_layer_empty;

static void
on_home(struct loop_letter *base)
{
    struct replay_item *item = (struct replay_item *)base;
    item->on_done(item->ctx, item);
}

static void
send_home(struct replay_item *item, enum replay_outcome outcome, const char *why)
{
    item->outcome = outcome;
    item->why = why;
    item->letter.on_mail = on_home;
    loop_mail_send(item->home, &item->letter);
}

/* Whose segment it is, the worker knows best: instances told it their language. */
static void
judge_segment(struct worker *worker, struct replay_item *item, struct judgement *out)
{
    struct bytes message = bytes_of(item->payload, item->n);
    integrity_judge_again(worker_integrity(worker), message, item->received_ms, AGENT_UNKNOWN, out);
    enum agent agent = out->agent;
    integrity_judge_again(item->engine, message, item->received_ms, agent, out);
}

static void
judge(struct worker *worker, struct replay_item *item, const struct method_row *method,
      struct judgement *out)
{
    struct bytes message = bytes_of(item->payload, item->n);
    if (method->message == MESSAGE_SegmentObject) {
        judge_segment(worker, item, out);
        return;
    }
    struct message_facts facts;
    bool service_known = method->message != MESSAGE_LogData ||
                         (message_walk(MESSAGE_LogData, message, &facts) == ERR_OK &&
                          message_string_field(message, LOG_SERVICE).n > 0);
    integrity_judge_stored(item->engine, method->message, message, service_known, out);
}

static const char *
sentence_of(uint64_t rules)
{
    return rule_row((enum rule)__builtin_ctzll(rules))->sentence;
}

/* NULL: it may go; payload says what. */
static const char *
why_refused(struct replay_item *item, const struct judgement *judgement, struct bytes *payload)
{
    *payload = bytes_of(item->payload, item->n);
    if (item->mode == REPLAY_AS_IS)
        return (judgement->rules & stream_ending) != 0
                   ? sentence_of(judgement->rules & stream_ending)
                   : NULL;
    if (item->is_known) /* memory over messages is not asked */
        return rule_row(RULE_poison_id_again)->sentence;
    if (judgement->verdict == VERDICT_DROPPED)
        return "there is nothing in it to store";
    if (judgement->verdict == VERDICT_QUARANTINED)
        return sentence_of(UINT64_C(1) << judgement->reason);
    *payload = judgement->payload;
    return NULL;
}

/* The record and the bytes it is made of. */
struct parts {
    struct bytes of[3];
    uint8_t head[2 * WIRE_VARINT_MAX];
    struct store_record record;
};

static void
complete(const struct replay_item *item, struct bytes payload, struct parts *parts)
{
    struct store_record *record = &parts->record;
    uint64_t timestamp;
    if (record->method == METHOD_METER_COLLECT) {
        record->method = METHOD_METER_COLLECT_BATCH;
        parts->of[record->n_parts++] =
            bytes_of(parts->head, wire_put_length(parts->head, COLLECTION_ELEMENT, payload.n));
    }
    parts->of[record->n_parts++] = payload;
    if (record->method != METHOD_LOG_COLLECT)
        return;
    record->key = message_string_field(payload, LOG_SERVICE);
    if (!message_varint_field(payload, LOG_TIMESTAMP, &timestamp)) {
        size_t n = wire_put_varint(parts->head, LOG_TIMESTAMP << 3);
        n += wire_put_varint(parts->head + n, (uint64_t)item->received_ms);
        parts->of[record->n_parts++] = bytes_of(parts->head, n);
    }
}

static enum err
store(struct worker *worker, struct replay_item *item, struct bytes payload, bool is_edited)
{
    struct parts parts = {.record = {
                              .method = (enum method)item->method,
                              .reason = RULE_COUNT,
                              .received_ms = clock_unix_ms(), /* or it would be too old at once */
                              .cookie = item,
                          }};
    complete(item, payload, &parts);
    parts.record.parts = parts.of;
    if (is_edited || parts.record.n_parts > 1 || (item->flags & STORE_EDITED) != 0)
        parts.record.flags = STORE_EDITED;
    item->outcome = is_edited ? REPLAY_REPAIRED : REPLAY_DONE;
    return store_restore(worker_store(worker), &parts.record,
                         is_edited ? REPLAYED_REPAIRED : REPLAYED_AS_IS);
}

void
worker_replay(void *ctx, struct worker *worker)
{
    struct replay_item *item = ctx;
    const struct method_row *method = item->method < METHOD_COUNT ? method_row(item->method) : NULL;
    struct judgement judgement = {0};
    struct bytes payload;
    if (worker_store(worker) == NULL || worker_integrity(worker) == NULL) {
        send_home(item, REPLAY_BUSY, "spangate is ending");
        return;
    }
    if (method == NULL || method->method_class != KIND_A || item->is_prefix) {
        send_home(item, REPLAY_REFUSED,
                  item->is_prefix ? "only its first 64 KiB are here"
                                  : "this version does not know its method");
        return;
    }
    judge(worker, item, method, &judgement);
    const char *why = why_refused(item, &judgement, &payload);
    if (why != NULL) {
        send_home(item, REPLAY_REFUSED, why);
        return;
    }
    bool is_edited = item->mode == REPLAY_REPAIR && judgement.edited;
    if (store(worker, item, payload, is_edited) != ERR_OK)
        send_home(item, REPLAY_BUSY, "the buffer is full");
}

void
worker_replay_on_restored(void *ctx, void *cookie, bool is_kept)
{
    struct replay_item *item = cookie;
    (void)ctx;
    if (is_kept)
        send_home(item, item->outcome, NULL);
    else
        send_home(item, REPLAY_BUSY, "the disk takes nothing");
}
