/* Fills the generated MeterDataCollection and InstanceProperties and has them packed. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "message/message_report.h"

#include "base/check.h"
#include "base/mem.h"
#include "management.pb-c.h"
#include "meter.pb-c.h"

/* One element with room for what it points to. */
struct element {
    Skywalking__V3__MeterData data;
    Skywalking__V3__MeterSingleValue value;
    Skywalking__V3__Label labels[REPORT_LABELS];
    Skywalking__V3__Label *list[REPORT_LABELS];
};

/* The library does not write through them; its types merely are not const. */
static char *
borrow(const char *s)
{
    return (char *)(uintptr_t)s;
}

static void
pack(const ProtobufCMessage *message, struct text *out)
{
    size_t n = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = mem_alloc(n);
    check(protobuf_c_message_pack(message, bytes) == n);
    text_add_bytes(out, bytes_of(bytes, n));
    mem_free(bytes);
}

static void
fill(struct element *element, const struct report_meter *from)
{
    skywalking__v3__meter_data__init(&element->data);
    skywalking__v3__meter_single_value__init(&element->value);
    check(from->n_labels <= REPORT_LABELS);
    for (uint32_t i = 0; i < from->n_labels; i++) {
        skywalking__v3__label__init(&element->labels[i]);
        element->labels[i].name = borrow(from->labels[i].key);
        element->labels[i].value = borrow(from->labels[i].value);
        element->list[i] = &element->labels[i];
    }
    element->value.name = borrow(from->name);
    element->value.value = from->value;
    element->value.n_labels = from->n_labels;
    element->value.labels = element->list;
    element->data.metric_case = SKYWALKING__V3__METER_DATA__METRIC_SINGLE_VALUE;
    element->data.singlevalue = &element->value;
}

void
message_report_meters(const struct report_source *source, const struct report_meter *meters,
                      uint32_t n, struct text *out)
{
    Skywalking__V3__MeterDataCollection all = SKYWALKING__V3__METER_DATA_COLLECTION__INIT;
    struct element *elements = mem_new_n(struct element, n);
    Skywalking__V3__MeterData **list = mem_new_n(Skywalking__V3__MeterData *, n);
    check(n > 0);
    for (uint32_t i = 0; i < n; i++) {
        fill(&elements[i], &meters[i]);
        list[i] = &elements[i].data;
    }
    elements[0].data.service = borrow(source->service);
    elements[0].data.serviceinstance = borrow(source->instance);
    elements[0].data.timestamp = source->at_ms;
    all.n_meterdata = n;
    all.meterdata = list;
    pack(&all.base, out);
    mem_free(list);
    mem_free(elements);
}

void
message_report_properties(const struct report_source *source, const struct report_pair *pairs,
                          uint32_t n, struct text *out)
{
    Skywalking__V3__InstanceProperties message = SKYWALKING__V3__INSTANCE_PROPERTIES__INIT;
    Skywalking__V3__KeyStringValuePair *entries = mem_new_n(Skywalking__V3__KeyStringValuePair, n);
    Skywalking__V3__KeyStringValuePair **list = mem_new_n(Skywalking__V3__KeyStringValuePair *, n);
    for (uint32_t i = 0; i < n; i++) {
        skywalking__v3__key_string_value_pair__init(&entries[i]);
        entries[i].key = borrow(pairs[i].key);
        entries[i].value = borrow(pairs[i].value);
        list[i] = &entries[i];
    }
    message.service = borrow(source->service);
    message.serviceinstance = borrow(source->instance);
    message.layer = borrow("GENERAL");
    message.n_properties = n;
    message.properties = list;
    pack(&message.base, out);
    mem_free(list);
    mem_free(entries);
}
