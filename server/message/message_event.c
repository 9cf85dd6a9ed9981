/* Fills the generated Event and has it packed. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "message/message_event.h"

#include "base/check.h"
#include "base/mem.h"
#include "event.pb-c.h"

enum { N_TEXTS = 3 + MESSAGE_EVENT_PARAMETERS };

/* protobuf-c takes strings that end at a NUL: the texts live here until the event is packed. */
struct writer {
    struct text texts[N_TEXTS];
    uint32_t n_texts;
};

static char *
keep(struct writer *writer, struct bytes b, size_t max)
{
    struct text *text = &writer->texts[writer->n_texts++];
    text_add(text, "");
    text_add_plain(text, b, max);
    return text->p;
}

/* The library does not write through them; its types merely are not const. */
static char *
borrow(const char *s)
{
    return (char *)(uintptr_t)s;
}

static void
pack(const Skywalking__V3__Event *event, struct text *out)
{
    size_t n = skywalking__v3__event__get_packed_size(event);
    uint8_t *bytes = mem_alloc(n);
    check(skywalking__v3__event__pack(event, bytes) == n);
    text_add_bytes(out, bytes_of(bytes, n));
    mem_free(bytes);
}

void
message_event_write(const struct message_event *from, struct text *out)
{
    struct writer writer = {.n_texts = 0};
    Skywalking__V3__Source source = SKYWALKING__V3__SOURCE__INIT;
    Skywalking__V3__Event event = SKYWALKING__V3__EVENT__INIT;
    Skywalking__V3__Event__ParametersEntry entries[MESSAGE_EVENT_PARAMETERS];
    Skywalking__V3__Event__ParametersEntry *list[MESSAGE_EVENT_PARAMETERS];
    check(from->layer != NULL && from->layer[0] != '\0');
    check(from->n_parameters <= MESSAGE_EVENT_PARAMETERS);
    source.service = keep(&writer, from->service, MESSAGE_EVENT_NAME_BYTES);
    source.serviceinstance = keep(&writer, from->instance, MESSAGE_EVENT_NAME_BYTES);
    event.uuid = borrow(from->uuid);
    event.source = &source;
    event.name = borrow(from->name);
    event.type = from->is_error ? SKYWALKING__V3__TYPE__Error : SKYWALKING__V3__TYPE__Normal;
    event.message = keep(&writer, from->message, MESSAGE_EVENT_TEXT_BYTES);
    event.starttime = from->start_ms;
    event.endtime = from->end_ms;
    event.layer = borrow(from->layer);
    for (uint32_t i = 0; i < from->n_parameters; i++) {
        skywalking__v3__event__parameters_entry__init(&entries[i]);
        entries[i].key = borrow(from->parameters[i].key);
        entries[i].value = keep(&writer, from->parameters[i].value, MESSAGE_EVENT_TEXT_BYTES);
        list[i] = &entries[i];
    }
    event.n_parameters = from->n_parameters;
    event.parameters = list;
    pack(&event, out);
    for (uint32_t i = 0; i < writer.n_texts; i++)
        text_fini(&writer.texts[i]);
}

void
message_event_uuid(const uint8_t id[16], char out[MESSAGE_EVENT_UUID_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    char *p = out;
    for (uint32_t i = 0; i < 16; i++) {
        uint8_t byte = id[i];
        if (i == 6)
            byte = (uint8_t)(0x40 | (byte & 0x0f)); /* RFC 4122, 4.4: version ... */
        if (i == 8)
            byte = (uint8_t)(0x80 | (byte & 0x3f)); /* ... and variant */
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = digits[byte >> 4];
        *p++ = digits[byte & 15];
    }
    *p = '\0';
}
