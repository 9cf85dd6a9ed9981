/* One message of an HTTP request: judged and stored as one that came over gRPC. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/log.h"
#include "receive/receive_http_int.h"

enum { ASIDE_BYTES = 64 * 1024 }; /* kept of what is no message */

void
receive_http_tell(struct http_request *request, const char *prefix, const char *why)
{
    struct text words = TEXT_EMPTY;
    if (request->n_errors++ >= HTTP_ERRORS_SHOWN)
        return;
    text_addf(&words, "%s%s", prefix, why);
    text_addf(&request->errors, "%s{\"index\":%u,\"error\":", request->n_errors > 1 ? "," : "",
              request->n_passed);
    text_add_json(&request->errors, text_bytes(&words));
    text_add(&request->errors, "}");
    text_fini(&words);
}

/* The store's copy, or none where nothing is forwarded. */
static enum err
put_record(struct http_request *request, const struct store_record *record)
{
    if (store_put(request->http->receive->store, record) != ERR_OK)
        return ERR_WAIT;
    request->n_unsettled++;
    return ERR_OK;
}

enum err
receive_http_put_aside(struct http_request *request, struct bytes what, enum rule rule,
                       const char *why)
{
    struct bytes kept = bytes_of(what.p, what.n < ASIDE_BYTES ? what.n : ASIDE_BYTES);
    struct store_record record = {
        .method = request->ask.path->method,
        .flags = STORE_SET_ASIDE,
        .reason = rule,
        .parts = &kept,
        .n_parts = 1,
        .received_ms = clock_unix_ms(),
        .cookie = request,
    };
    if (put_record(request, &record) != ERR_OK)
        return ERR_WAIT;
    log_debug("receive", "no message", "path=%s index=%u why=%s", request->ask.path->text,
              request->n_passed, why);
    integrity_note(request->http->receive->parts.integrity, rule);
    receive_http_tell(request, "", why);
    request->n_refused++;
    request->n_passed++;
    return ERR_OK;
}

static void
judge(struct http_request *request, const struct method_row *row, struct bytes message,
      struct judgement *out)
{
    struct integrity *integrity = request->http->receive->parts.integrity;
    struct message_facts facts;
    bool service_known = true;
    if (row->handler == HANDLER_SEGMENT) {
        integrity_judge_segment(integrity, message, clock_unix_ms(), AGENT_UNKNOWN, out);
        return;
    }
    if (row->handler == HANDLER_LOG && message_walk(row->message, message, &facts) == ERR_OK)
        service_known = message_string_field(message, LOG_SERVICE).n > 0;
    integrity_judge_stored(integrity, row->message, message, service_known, out);
}

/* What OAP answers with 400. */
static bool
is_refused(const struct judgement *judgement)
{
    return judgement->reason == RULE_proto_undecodable ||
           judgement->reason == RULE_event_layer_empty;
}

static void
note_verdict(struct http_request *request, const struct judgement *judgement)
{
    if (judgement->verdict != VERDICT_QUARANTINED) {
        request->n_taken++;
    } else if (is_refused(judgement)) {
        receive_http_tell(request, "", rule_row(judgement->reason)->sentence);
        request->n_refused++;
    } else {
        receive_http_tell(request, "set aside: ", rule_row(judgement->reason)->name);
        request->n_set_aside++;
        request->n_taken++;
    }
    request->n_passed++;
}

/* A log without a time gets that of its arrival, as over gRPC. */
static bool
add_log_time(const struct method_row *row, struct bytes message, uint8_t *raw, struct bytes *out)
{
    uint64_t timestamp;
    if (row->handler != HANDLER_LOG || message_varint_field(message, LOG_TIMESTAMP, &timestamp))
        return false;
    size_t n = wire_put_varint(raw, LOG_TIMESTAMP << 3);
    n += wire_put_varint(raw + n, (uint64_t)clock_unix_ms());
    *out = bytes_of(raw, n);
    return true;
}

static enum err
put_judged(struct http_request *request, const struct method_row *row,
           const struct judgement *judgement)
{
    uint8_t time[2 * WIRE_VARINT_MAX];
    struct bytes parts[2] = {judgement->payload, BYTES_NONE};
    bool is_sick = judgement->verdict == VERDICT_QUARANTINED;
    bool is_longer = !is_sick && add_log_time(row, judgement->payload, time, &parts[1]);
    bool is_edited = judgement->edited || is_longer;
    struct store_record record = {
        .method = row->method,
        .flags = (uint16_t)((is_sick ? STORE_SET_ASIDE : 0) | (is_edited ? STORE_EDITED : 0)),
        .reason = is_sick ? judgement->reason : RULE_COUNT,
        .parts = parts,
        .n_parts = is_longer ? 2 : 1,
        .received_ms = clock_unix_ms(),
        .cookie = request,
    };
    if (row->handler == HANDLER_LOG && !is_sick)
        record.key = message_string_field(judgement->payload, LOG_SERVICE);
    return put_record(request, &record);
}

enum err
receive_http_put(struct http_request *request, struct bytes message)
{
    struct receive *receive = request->http->receive;
    const struct method_row *row = method_row(request->ask.path->method);
    struct judgement judgement;
    judge(request, row, message, &judgement);
    if (judgement.verdict == VERDICT_DROPPED) {
        store_put_nothing(receive->store, row->method, receive_drop_reason(&judgement), request, 0);
        request->n_unsettled++;
    } else if (put_judged(request, row, &judgement) != ERR_OK) {
        receive_take_back(receive, &judgement);
        return ERR_WAIT;
    }
    /* A request is no stream of one instance. */
    integrity_accept(receive->parts.integrity, NULL, row->message, message, &judgement);
    if (receive->n_taps > 0 && row->handler == HANDLER_SEGMENT)
        receive_show_taps(receive, message, &judgement);
    note_verdict(request, &judgement);
    return ERR_OK;
}
