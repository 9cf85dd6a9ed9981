/* The generic walk, its repair, and single fields of messages. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "message/corpus.h"
#include "message/message.h"
#include "message/wire_builder.h"

static struct message_facts facts;

#define WALK(type, literal) message_walk(MESSAGE_##type, BYTES(literal), &facts)

static void
expect_facts(bool unknown_field, bool invalid_utf8, bool nul)
{
    assert_int_equal(facts.unknown_field, unknown_field);
    assert_int_equal(facts.invalid_utf8, invalid_utf8);
    assert_int_equal(facts.nul, nul);
}

static void
sound_messages_have_no_facts(void **state)
{
    (void)state;
    assert_int_equal(message_walk(MESSAGE_LogData, BYTES_NONE, &facts), ERR_OK);
    expect_facts(false, false, false);
    assert_int_equal(WALK(LogData, "\x08\x01\x12\x01s\x2a\x05\x12\x03\x0a\x01t"), ERR_OK);
    expect_facts(false, false, false);
    assert_int_equal(WALK(MeterData, "\x0a\x0c\x0a\x01m\x19\x01\x02\x03\x04\x05\x06\x07\x08"),
                     ERR_OK);
    expect_facts(false, false, false);
}

static void
strings_are_checked_at_every_level(void **state)
{
    (void)state;
    assert_int_equal(WALK(LogData, "\x2a\x05\x12\x03\x0a\x01\xff"), ERR_OK);
    expect_facts(false, true, false);
    assert_int_equal(WALK(LogData, "\x2a\x05\x12\x03\x0a\x01\x00"), ERR_OK);
    expect_facts(false, false, true);
    assert_int_equal(WALK(Event, "\x32\x06\x0a\x01k\x12\x01\xff"), ERR_OK); /* in the map */
    expect_facts(false, true, false);
    assert_int_equal(WALK(ThreadSnapshot, "\x2a\x03\x0a\x01\xff"), ERR_OK); /* repeated */
    expect_facts(false, true, false);
    /* What we do not know is no string to us. */
    assert_int_equal(WALK(LogData, "\x7a\x02\xff\x00"), ERR_OK);
    expect_facts(true, false, false);
}

static void
unknown_fields_and_types_are_a_fact(void **state)
{
    (void)state;
    assert_int_equal(WALK(LogData, "\x0a\x01x"), ERR_OK); /* timestamp as a string */
    expect_facts(true, false, false);
    assert_int_equal(WALK(LogData, "\x2a\x04\x12\x02\x10\x01"), ERR_OK);
    expect_facts(true, false, false);
}

static void
broken_bytes_are_refused_at_every_level(void **state)
{
    (void)state;
    assert_int_equal(WALK(LogData, "\x2a\x05\x12\x03\x0a\x02t"), ERR_WIRE_LENGTH);
    assert_int_equal(WALK(LogData, "\x2a\x01\x00"), ERR_WIRE_FIELD);
    assert_int_equal(WALK(LogData, "\x2a\x02\x0b\x0c"), ERR_WIRE_TYPE);
    assert_int_equal(WALK(Event, "\x38\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
                     ERR_WIRE_VARINT);
    assert_int_equal(WALK(MeterData, "\x0a\x02\x19\x01"), ERR_WIRE_LENGTH);
}

static void
opaque_messages_are_walked_at_the_top(void **state)
{
    (void)state;
    assert_int_equal(WALK(OPAQUE, "\x0a\x02\x00\xff"), ERR_OK);
    expect_facts(false, false, false);
    assert_int_equal(WALK(OPAQUE, "\x0a\x03\x00"), ERR_WIRE_LENGTH);
    assert_int_equal(WALK(OPAQUE, "\x0b\x0c"), ERR_WIRE_TYPE);
}

static void
expect_repair(enum message_type type, struct bytes in, bool fix_nul, struct bytes expected)
{
    struct arena *arena = arena_new(1 << 20);
    struct bytes out;
    assert_int_equal(message_repair(type, in, fix_nul, arena, &out), ERR_OK);
    assert_int_equal(out.n, expected.n);
    assert_memory_equal(out.p, expected.p, out.n);
    assert_int_equal(message_walk(type, out, &facts), ERR_OK);
    assert_false(facts.invalid_utf8);
    if (fix_nul)
        assert_false(facts.nul);
    arena_free(&arena);
}

static void
repair_escapes_and_keeps_the_rest(void **state)
{
    (void)state;
    expect_repair(MESSAGE_LogData,
                  BYTES("\x08\x81\x00\x2a\x07\x12\x05\x0a\x03"
                        "a\xff"
                        "b\x12\x01s"),
                  false,
                  BYTES("\x08\x81\x00\x2a\x0a\x12\x08\x0a\x06"
                        "a\\xFFb\x12\x01s"));
    expect_repair(MESSAGE_LogData, BYTES("\x12\x03\x00\xffz"), true, BYTES("\x12\x09\\x00\\xFFz"));
    expect_repair(MESSAGE_LogData, BYTES("\x12\x03\x00\xffz"), false, BYTES("\x12\x06\x00\\xFFz"));
    expect_repair(MESSAGE_Event, BYTES("\x32\x06\x0a\x01k\x12\x01\xff\x3a\x80\x00"), false,
                  BYTES("\x32\x09\x0a\x01k\x12\x04\\xFF\x3a\x80\x00"));
    /* U+D800 as CESU writes it, an overlong slash, U+110000. */
    expect_repair(MESSAGE_LogData, BYTES("\x12\x03\xed\xa0\x80"), false,
                  BYTES("\x12\x0c\\xED\\xA0\\x80"));
    expect_repair(MESSAGE_LogData, BYTES("\x12\x02\xc0\xaf"), false, BYTES("\x12\x08\\xC0\\xAF"));
    expect_repair(MESSAGE_LogData, BYTES("\x12\x04\xf4\x90\x80\x80"), false,
                  BYTES("\x12\x10\\xF4\\x90\\x80\\x80"));
}

/* Lengths that pass 127 on the way, on two levels. */
static void
repair_lengthens_lengths(void **state)
{
    (void)state;
    uint8_t text[100];
    memset(text, 0xff, sizeof(text));
    struct builder inner = {NULL, 0, 0}, body = {NULL, 0, 0}, log = {NULL, 0, 0};
    put_string(&inner, 1, bytes_of(text, sizeof(text)));
    put_inner(&body, 2, &inner);
    put_inner(&log, 5, &body);
    put_text(&log, 2, "service");
    struct arena *arena = arena_new(1 << 20);
    struct bytes out;
    assert_int_equal(message_repair(MESSAGE_LogData, builder_bytes(&log), false, arena, &out),
                     ERR_OK);
    assert_int_equal(message_walk(MESSAGE_LogData, out, &facts), ERR_OK);
    expect_facts(false, false, false);
    struct bytes text_log = message_string_field(message_string_field(out, 5), 2);
    assert_int_equal(message_string_field(text_log, 1).n, 400);
    assert_int_equal(message_string_field(out, 2).n, 7);
    arena_free(&arena);
    arena = arena_new(64);
    assert_int_equal(message_repair(MESSAGE_LogData, builder_bytes(&log), false, arena, &out),
                     ERR_BUDGET);
    arena_free(&arena);
    builder_fini(&log);
}

static void
single_fields_are_found(void **state)
{
    (void)state;
    struct bytes message = BYTES("\x12\x01\x61\x12\x02\x62\x63\x10\x05\x08\x07\x18\x00");
    struct bytes last = message_string_field(message, 2);
    assert_int_equal(last.n, 2);
    assert_memory_equal(last.p, "bc", 2);
    assert_null(message_string_field(message, 3).p);
    uint64_t value;
    assert_true(message_varint_field(message, 1, &value));
    assert_int_equal(value, 7);
    assert_false(message_varint_field(message, 3, &value));
    assert_false(message_varint_field(message, 4, &value));
    assert_false(message_varint_field(BYTES_NONE, 4, &value));
}

struct seen {
    size_t n, n_bytes;
};

static void
see(void *ctx, struct bytes segment)
{
    struct seen *seen = ctx;
    seen->n++;
    seen->n_bytes += segment.n;
}

static void
collections_are_split(void **state)
{
    (void)state;
    struct seen seen = {0, 0};
    assert_int_equal(
        message_each_segment(BYTES("\x0a\x01x\x12\x01u\x0a\x00\x0a\x02yy"), see, &seen), ERR_OK);
    assert_int_equal(seen.n, 3);
    assert_int_equal(seen.n_bytes, 3);
    assert_int_equal(message_each_segment(BYTES("\x0a\x01x\x0a\x03yy"), see, &seen),
                     ERR_WIRE_LENGTH);
    assert_int_equal(seen.n, 4);
    assert_int_equal(message_each_segment(BYTES_NONE, see, &seen), ERR_OK);
}

static void
varints_are_written_shortest(void **state)
{
    (void)state;
    uint8_t out[2 * WIRE_VARINT_MAX];
    assert_int_equal(wire_put_varint(out, 0), 1);
    assert_int_equal(wire_put_varint(out, 127), 1);
    assert_int_equal(wire_put_varint(out, 128), 2);
    assert_memory_equal(out, "\x80\x01", 2);
    assert_int_equal(wire_put_varint(out, UINT64_MAX), 10);
    assert_int_equal(out[9], 1);
    assert_int_equal(wire_put_length(out, 16, 300), 4);
    assert_memory_equal(out, "\x82\x01\xac\x02", 4);
    assert_int_equal(wire_put_length(out, UINT32_C(536870911), UINT64_MAX), 15);
}

static void
walk_file(const char *name, enum message_type type)
{
    char path[128];
    snprintf(path, sizeof(path), "tests/corpus/%s.bin", name);
    struct bytes file = corpus_read(path), list = file, message;
    size_t n = 0;
    for (; corpus_next(&list, &message); n++) {
        assert_int_equal(message_walk(type, message, &facts), ERR_OK);
        expect_facts(false, false, false);
    }
    assert_true(n > 0);
    mem_free((void *)(uintptr_t)file.p);
}

static void
captured_messages_are_sound(void **state)
{
    (void)state;
    walk_file("go", MESSAGE_SegmentObject);
    walk_file("java", MESSAGE_SegmentObject);
    walk_file("node", MESSAGE_SegmentObject);
    walk_file("python", MESSAGE_SegmentObject);
    walk_file("go-race-clean", MESSAGE_SegmentObject);
    static const char *const agents[] = {"go", "node", "python"};
    for (size_t i = 0; i < sizeof(agents) / sizeof(agents[0]); i++) {
        char name[64];
        snprintf(name, sizeof(name), "%s.ManagementService.keepAlive", agents[i]);
        walk_file(name, MESSAGE_InstancePingPkg);
        snprintf(name, sizeof(name), "%s.ManagementService.reportInstanceProperties", agents[i]);
        walk_file(name, MESSAGE_InstanceProperties);
    }
    walk_file("java.ManagementService.keepAlive", MESSAGE_InstancePingPkg);
    walk_file("java.JVMMetricReportService.collect", MESSAGE_JVMMetricCollection);
    walk_file("go.MeterReportService.collectBatch", MESSAGE_MeterDataCollection);
    walk_file("python.MeterReportService.collect", MESSAGE_MeterData);
    walk_file("python.LogReportService.collect", MESSAGE_LogData);
    walk_file("go.ProfileTask.getProfileTaskCommands", MESSAGE_OPAQUE);
    walk_file("go.PprofTask.getPprofTaskCommands", MESSAGE_OPAQUE);
    walk_file("go.ConfigurationDiscoveryService.fetchConfigurations", MESSAGE_OPAQUE);
    walk_file("python.ProfileTask.getProfileTaskCommands", MESSAGE_OPAQUE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_messages_have_no_facts),
        cmocka_unit_test(strings_are_checked_at_every_level),
        cmocka_unit_test(unknown_fields_and_types_are_a_fact),
        cmocka_unit_test(broken_bytes_are_refused_at_every_level),
        cmocka_unit_test(opaque_messages_are_walked_at_the_top),
        cmocka_unit_test(repair_escapes_and_keeps_the_rest),
        cmocka_unit_test(repair_lengthens_lengths),
        cmocka_unit_test(single_fields_are_found),
        cmocka_unit_test(collections_are_split),
        cmocka_unit_test(varints_are_written_shortest),
        cmocka_unit_test(captured_messages_are_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
