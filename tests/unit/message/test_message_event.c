/* The gate's own events: their bytes, read back. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "event.pb-c.h"
#include "message/message.h"
#include "message/message_event.h"

static struct message_event
sample(void)
{
    return (struct message_event){
        .uuid = "f81d4fae-7dec-41d0-a765-00a0c91e6bf6",
        .service = BYTES("checkout"),
        .instance = BYTES("7f3a@10.2.0.17"),
        .name = "spangate.D1",
        .is_error = true,
        .message = BYTES("memory race: span-id-duplicate 4"),
        .start_ms = INT64_C(1700000000000),
        .layer = "GENERAL",
        .parameters = {{"code", BYTES("D1")}, {"confidence", BYTES("high")}},
        .n_parameters = 2,
    };
}

static void
what_is_written_can_be_read(void **state)
{
    (void)state;
    struct text bytes = TEXT_EMPTY;
    struct message_event from = sample();
    message_event_write(&from, &bytes);
    Skywalking__V3__Event *event =
        skywalking__v3__event__unpack(NULL, bytes.n, (const uint8_t *)bytes.p);
    assert_non_null(event);
    assert_string_equal(event->uuid, from.uuid);
    assert_string_equal(event->source->service, "checkout");
    assert_string_equal(event->source->serviceinstance, "7f3a@10.2.0.17");
    assert_string_equal(event->source->endpoint, "");
    assert_string_equal(event->name, "spangate.D1");
    assert_int_equal(event->type, SKYWALKING__V3__TYPE__Error);
    assert_string_equal(event->message, "memory race: span-id-duplicate 4");
    assert_int_equal(event->starttime, from.start_ms);
    assert_int_equal(event->endtime, 0);
    assert_string_equal(event->layer, "GENERAL");
    assert_int_equal(event->n_parameters, 2);
    assert_string_equal(event->parameters[0]->key, "code");
    assert_string_equal(event->parameters[0]->value, "D1");
    assert_string_equal(event->parameters[1]->key, "confidence");
    skywalking__v3__event__free_unpacked(event, NULL);
    text_fini(&bytes);
}

/* By the rules that agents' events are held to: decodable, UTF-8, no unknown field, a layer. */
static void
it_passes_our_own_rules(void **state)
{
    (void)state;
    enum { LAYER = 9, END_TIME = 8 };
    char odd[5000];
    memset(odd, 0xff, sizeof(odd));
    odd[1] = '\0';
    struct message_event from = sample();
    from.service = bytes_of(odd, sizeof(odd));
    from.instance = BYTES("tab\tand \xc3(");
    from.message = bytes_of(odd, sizeof(odd));
    from.parameters[0].value = bytes_of(odd, sizeof(odd));
    from.is_error = false;
    from.end_ms = from.start_ms + 1;
    struct text text = TEXT_EMPTY;
    message_event_write(&from, &text);
    struct bytes message = text_bytes(&text);
    struct message_facts facts;
    assert_int_equal(message_walk(MESSAGE_Event, message, &facts), ERR_OK);
    assert_false(facts.unknown_field || facts.invalid_utf8 || facts.nul);
    assert_true(bytes_equal(message_string_field(message, LAYER), BYTES("GENERAL")));
    uint64_t end_ms = 0;
    assert_true(message_varint_field(message, END_TIME, &end_ms));
    assert_int_equal(end_ms, from.end_ms);
    assert_true(message.n < 4 * (2 * MESSAGE_EVENT_TEXT_BYTES + MESSAGE_EVENT_NAME_BYTES) + 512);
    text_fini(&text);
}

static void
an_id_becomes_a_uuid(void **state)
{
    (void)state;
    char uuid[MESSAGE_EVENT_UUID_BYTES];
    const uint8_t zero[16] = {0}, ones[16] = {255, 255, 255, 255, 255, 255, 255, 255,
                                              255, 255, 255, 255, 255, 255, 255, 255};
    message_event_uuid(zero, uuid);
    assert_string_equal(uuid, "00000000-0000-4000-8000-000000000000");
    message_event_uuid(ones, uuid);
    assert_string_equal(uuid, "ffffffff-ffff-4fff-bfff-ffffffffffff");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_can_be_read),
        cmocka_unit_test(it_passes_our_own_rules),
        cmocka_unit_test(an_id_becomes_a_uuid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
