/* A quarantined record as people see it: whose it is, and as JSON. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/admin_quarantine_item.h"

#include "admin/admin_api.h"
#include "base/method.h"
#include "message/message.h"
#include "store/quarantine_id.h"
#include "store/store.h"

enum { MAX_SPANS = 100000, MAX_PARTS = 400000 };

/* Field numbers of the names in a message; 0: it has none. inner: of the field in which service and
 * instance (or, for a reference, trace and segment) stand. */
static const struct identity {
    uint8_t service, instance, inner;
    uint8_t reference, trace, segment;
} identities[MESSAGE_COUNT] = {
    [MESSAGE_SpanAttachedEvent] = {.reference = 6, .trace = 2, .segment = 3},
    [MESSAGE_InstanceProperties] = {.service = 1, .instance = 2},
    [MESSAGE_InstancePingPkg] = {.service = 1, .instance = 2},
    [MESSAGE_JVMMetricCollection] = {.service = 2, .instance = 3},
    [MESSAGE_CLRMetricCollection] = {.service = 2, .instance = 3},
    [MESSAGE_MeterData] = {.service = 3, .instance = 4},
    [MESSAGE_MeterDataCollection] = {.service = 3, .instance = 4, .inner = 1},
    [MESSAGE_LogData] = {.service = 2, .instance = 3, .reference = 6, .trace = 1, .segment = 2},
    [MESSAGE_Event] = {.service = 1, .instance = 2, .inner = 2},
    [MESSAGE_ThreadSnapshot] = {.segment = 2},
    [MESSAGE_BrowserPerfData] = {.service = 1, .instance = 2},
    [MESSAGE_BrowserWebVitalsPerfData] = {.service = 1, .instance = 2},
    [MESSAGE_BrowserResourcePerfData] = {.service = 1, .instance = 2},
    [MESSAGE_BrowserWebInteractionsPerfData] = {.service = 1, .instance = 2},
    [MESSAGE_BrowserErrorLog] = {.service = 2, .instance = 3},
};

static void
keep_first(void *ctx, struct bytes payload)
{
    struct bytes *first = ctx;
    if (first->p == NULL)
        *first = payload;
}

static struct bytes
inner_of(struct bytes message, uint8_t field)
{
    struct bytes first = BYTES_NONE;
    if (field == 0)
        return message;
    return message_each_field(message, field, keep_first, &first) == ERR_OK ? first : BYTES_NONE;
}

static struct bytes
string_of(struct bytes message, uint8_t field)
{
    return field == 0 || message.n == 0 ? BYTES_NONE : message_string_field(message, field);
}

static void
read_stored(struct admin_quarantine_item *item, enum message_type type)
{
    struct message_facts facts;
    struct bytes message = item->record->payload;
    const struct identity *of = &identities[type];
    if (message_walk(type, message, &facts) != ERR_OK)
        return;
    struct bytes owner = inner_of(message, of->inner);
    item->service = string_of(owner, of->service);
    item->instance = string_of(owner, of->instance);
    struct bytes reference = inner_of(message, of->reference);
    item->trace_id = string_of(reference, of->trace);
    item->segment_id = string_of(reference, of->segment);
}

static void
read_segment(struct admin_quarantine_item *item, struct segment_view *view)
{
    static const struct segment_limits limits = {MAX_SPANS, MAX_PARTS};
    if (segment_decode(view, item->record->payload, &limits) != ERR_OK)
        return;
    item->service = view->service;
    item->instance = view->instance;
    item->trace_id = view->trace_id;
    item->segment_id = view->segment_id;
    item->n_spans = view->n_spans;
    item->segment = view;
}

void
admin_quarantine_item_read(struct admin_quarantine_item *item,
                           const struct quarantine_record *record, struct segment_view *view)
{
    *item = (struct admin_quarantine_item){.record = record};
    const struct method_row *row = method_row(record->method);
    if (row == NULL)
        return;
    item->method = bytes_str(row->path);
    item->signal = bytes_str(signal_label(row->signal));
    if (row->message == MESSAGE_SegmentObject)
        read_segment(item, view);
    else
        read_stored(item, row->message);
}

void
admin_quarantine_item_ask(const struct admin_quarantine_item *item, int64_t now_ms,
                          struct filter_item *out)
{
    *out = (struct filter_item){
        .service = item->service,
        .instance = item->instance,
        .rule = item->record->rule,
        .verdict = BYTES("quarantined"),
        .signal = item->signal,
        .method = item->method,
        .trace_id = item->trace_id,
        .segment_id = item->segment_id,
        .n_spans = item->n_spans,
        .n_bytes = item->record->payload.n,
        .age_ms = now_ms - item->record->received_ms,
        .segment = item->segment,
    };
}

void
admin_quarantine_item_add(const struct admin_quarantine_item *item, struct text *out)
{
    const struct quarantine_record *record = item->record;
    char id[QUARANTINE_ID_BYTES];
    quarantine_id_fill(record->sequence, id);
    text_addf(out, "\"id\":\"%s\",\"received\":", id);
    admin_add_time(out, record->received_ms);
    text_addf(out, ",\"received_ms\":%lld", (long long)record->received_ms);
    admin_add_string(out, "rule", record->rule);
    admin_add_string(out, "signal", item->signal);
    admin_add_string(out, "method", item->method);
    text_addf(out, ",\"bytes\":%zu", record->payload.n);
    admin_add_string(out, "service", item->service);
    admin_add_string(out, "service_instance", item->instance);
    admin_add_string(out, "segment_id", item->segment_id);
    admin_add_string(out, "trace_id", item->trace_id);
    text_addf(out, ",\"spans\":%u,\"edited\":%s", item->n_spans,
              (record->flags & STORE_EDITED) != 0 ? "true" : "false");
}
