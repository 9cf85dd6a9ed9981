/* JSON to protobuf and back. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "message/corpus.h"
#include "message/descriptor_int.h"
#include "message/message.h"
#include "message/message_json.h"
#include "message/segment.h"

struct fixture {
    struct arena *arena;
    struct message_json_error error;
    struct bytes out;
    struct text text;
};

static int
set_up(void **state)
{
    struct fixture *f = mem_new(struct fixture);
    f->arena = arena_new(4 << 20);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    arena_free(&f->arena);
    text_fini(&f->text);
    mem_free(f);
    return 0;
}

static enum err
read_bytes(struct fixture *f, enum message_type type, struct bytes json, size_t index)
{
    struct message_json *document = NULL;
    memset(&f->error, 0, sizeof(f->error));
    enum err err = message_json_open(json, &document, &f->error);
    if (err != ERR_OK)
        return err;
    err = message_json_read(document, index, type, f->arena, &f->out, &f->error);
    message_json_close(&document);
    assert_null(document);
    return err;
}
#define READ(type, json) read_bytes(f, MESSAGE_##type, bytes_str(json), 0)

#define expect_out(literal)                               \
    do {                                                  \
        assert_int_equal(f->out.n, sizeof(literal) - 1);  \
        assert_memory_equal(f->out.p, literal, f->out.n); \
    } while (0)

static const char *
write(struct fixture *f, enum message_type type, struct bytes message)
{
    text_clear(&f->text);
    assert_int_equal(message_json_write(type, message, f->arena, &f->text), ERR_OK);
    return f->text.p;
}

/* The example of protocol.md 7.2. */
static const char example[] =
    "[{\"traceId\":\"t\",\"traceSegmentId\":\"s\",\"service\":\"svc\",\"serviceInstance\":\"i\","
    "\"spans\":[{\"spanId\":0,\"parentSpanId\":-1,\"startTime\":1588664577013,"
    "\"endTime\":\"1588664577028\",\"operationName\":\"/in\",\"spanType\":\"Entry\","
    "\"spanLayer\":\"Http\",\"componentId\":6000,\"isError\":false,"
    "\"tags\":[{\"key\":\"http.method\",\"value\":\"GET\"}],\"refs\":[{"
    "\"refType\":\"CrossProcess\",\"traceId\":\"t\",\"parentTraceSegmentId\":\"p\","
    "\"parentSpanId\":1,\"parentService\":\"a\",\"parentServiceInstance\":\"b\","
    "\"parentEndpoint\":\"/x\",\"networkAddressUsedAtPeer\":\"h:80\"}]}]}]";

static void
the_example_becomes_a_segment(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(READ(SegmentObject, example), ERR_OK);
    struct segment_view view;
    const struct segment_limits limits = {10, 10};
    segment_view_init(&view);
    assert_int_equal(segment_decode(&view, f->out, &limits), ERR_OK);
    assert_int_equal(view.facts, 0);
    assert_true(bytes_equal(view.service, BYTES("svc")));
    assert_int_equal(view.n_spans, 1);
    assert_int_equal(view.spans[0].parent_id, -1);
    assert_true(view.spans[0].start_ms == 1588664577013);
    assert_true(view.spans[0].end_ms == 1588664577028);
    assert_int_equal(view.spans[0].layer, LAYER_HTTP);
    assert_int_equal(view.spans[0].component, 6000);
    assert_true(bytes_equal(view.tags[0].value, BYTES("GET")));
    assert_true(bytes_equal(view.refs[0].address, BYTES("h:80")));
    assert_int_equal(view.refs[0].parent_span_id, 1);
    segment_view_fini(&view);
}

static void
integers_come_in_many_clothes(void **state)
{
    struct fixture *f = *state;
    static const char *const fives[] = {"5", "\"5\"", "5.0", "\"5.0\"", "\"5e0\"", "50e-1"};
    for (size_t i = 0; i < sizeof(fives) / sizeof(fives[0]); i++) {
        struct text json = TEXT_EMPTY;
        text_addf(&json, "{\"timestamp\":%s,\"traceContext\":{\"spanId\":%s}}", fives[i], fives[i]);
        assert_int_equal(READ(LogData, json.p), ERR_OK);
        expect_out("\x08\x05\x32\x02\x18\x05");
        text_fini(&json);
    }
    assert_int_equal(READ(LogData, "{\"timestamp\":\"-9223372036854775808\"}"), ERR_OK);
    expect_out("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01");
    assert_int_equal(READ(LogData, "{\"traceContext\":{\"spanId\":-2147483648}}"), ERR_OK);
    static const char *const bad[] = {
        "5.5",
        "\"\"",
        "\" 5\"",
        "\"5 \"",
        "\"0x5\"",
        "\"+\"",
        "true",
        "[5]",
        "{}",
        "1e30",
        "\"1e30\"",
        "\"nan\"",
        "\"Infinity\"",
        "\"5\\u0000\"",
        "9223372036854775808",
        "\"9223372036854775808\"",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct text json = TEXT_EMPTY;
        text_addf(&json, "{\"timestamp\":%s}", bad[i]);
        assert_int_equal(READ(LogData, json.p), ERR_JSON);
        assert_true(strlen(f->error.text) > 0);
        text_fini(&json);
    }
    assert_int_equal(READ(LogData, "{\"traceContext\":{\"spanId\":2147483648}}"), ERR_JSON);
    assert_string_equal(f->error.text, "traceContext.spanId: the number does not fit 32 bits");
}

static void
enums_are_names_or_numbers(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(READ(Event, "{\"type\":\"Error\"}"), ERR_OK);
    expect_out("\x20\x01");
    assert_int_equal(READ(Event, "{\"type\":1}"), ERR_OK);
    expect_out("\x20\x01");
    assert_int_equal(READ(Event, "{\"type\":\"Normal\"}"), ERR_OK);
    expect_out("");
    assert_int_equal(READ(Event, "{\"type\":77}"), ERR_OK); /* open */
    expect_out("\x20\x4d");
    assert_int_equal(READ(Event, "{\"type\":\"Future\"}"), ERR_OK);
    expect_out("");
    assert_int_equal(READ(Event, "{\"type\":[]}"), ERR_JSON);
    assert_int_equal(READ(Event, "{\"type\":4294967296}"), ERR_JSON);
}

static void
doubles_know_more_than_numbers(void **state)
{
    struct fixture *f = *state;
#define VALUE(text) "{\"singleValue\":{\"value\":" text "}}"
    assert_int_equal(READ(MeterData, VALUE("1.5")), ERR_OK);
    expect_out("\x0a\x09\x19\x00\x00\x00\x00\x00\x00\xf8\x3f");
    assert_int_equal(READ(MeterData, VALUE("\"1.5\"")), ERR_OK);
    expect_out("\x0a\x09\x19\x00\x00\x00\x00\x00\x00\xf8\x3f");
    assert_string_equal(write(f, MESSAGE_MeterData, f->out), VALUE("1.5"));
    static const char *const odd[] = {VALUE("\"NaN\""), VALUE("\"Infinity\""),
                                      VALUE("\"-Infinity\"")};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(READ(MeterData, odd[i]), ERR_OK);
        assert_string_equal(write(f, MESSAGE_MeterData, f->out), odd[i]);
    }
    assert_int_equal(READ(MeterData, VALUE("\"1.5x\"")), ERR_JSON);
    assert_int_equal(READ(MeterData, VALUE("false")), ERR_JSON);
    assert_string_equal(f->error.text, "singleValue.value: a number is expected");
#undef VALUE
}

static void
null_is_absent_and_unknown_members_are_ignored(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(READ(LogData, "{\"service\":null,\"tags\":null,\"future\":{\"a\":[1,{}]},"
                                   "\"endpoint\":\"e\",\"body\":{\"text\":null,\"zzz\":1}}"),
                     ERR_OK);
    expect_out("\x22\x01"
               "e\x2a\x00");
    assert_int_equal(READ(LogData, "{}"), ERR_OK);
    expect_out("");
    assert_int_equal(READ(SegmentObject, "{\"spans\":[null]}"), ERR_JSON);
    assert_string_equal(f->error.text, "spans[0]: an object is expected");
}

static void
one_member_of_a_oneof(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(READ(LogData, "{\"body\":{\"text\":{\"text\":\"t\"},\"json\":null}}"), ERR_OK);
    expect_out("\x2a\x05\x12\x03\x0a\x01t");
    assert_int_equal(READ(LogData, "{\"body\":{\"text\":{},\"json\":{}}}"), ERR_JSON);
    assert_string_equal(f->error.text, "body.text: another member of its oneof is set too");
    /* On the wire the last one counts. */
    assert_string_equal(write(f, MESSAGE_LogData, BYTES("\x2a\x07\x1a\x03\x0a\x01j\x12\x00")),
                        "{\"body\":{\"text\":{}}}");
}

static void
maps_are_objects(void **state)
{
    struct fixture *f = *state;
    const char *json = "{\"parameters\":{\"a\":\"1\",\"\":\"\"},\"layer\":\"GENERAL\"}";
    assert_int_equal(READ(Event, json), ERR_OK);
    expect_out("\x32\x06\x0a\x01"
               "a\x12\x01"
               "1\x32\x02\x0a\x00\x4a\x07GENERAL");
    assert_string_equal(write(f, MESSAGE_Event, f->out), json);
    assert_int_equal(READ(Event, "{\"parameters\":{\"a\":1}}"), ERR_JSON);
    assert_string_equal(f->error.text, "parameters.a: a string is expected");
    assert_int_equal(READ(Event, "{\"parameters\":[]}"), ERR_JSON);
}

static void
strings_keep_all_characters(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(READ(LogData, "{\"service\":\"a\\u0000\\ud83d\\ude00\\\"\\n\"}"), ERR_OK);
    expect_out("\x12\x08"
               "a\0\xf0\x9f\x98\x80\"\n");
    assert_string_equal(write(f, MESSAGE_LogData, f->out),
                        "{\"service\":\"a\\u0000\xf0\x9f\x98\x80\\\"\\n\"}");
    assert_string_equal(write(f, MESSAGE_LogData, BYTES("\x12\x02\xff.")),
                        "{\"service\":\"\xef\xbf\xbd.\"}");
    assert_int_equal(READ(LogData, "{\"service\":\"\\ud83d\"}"), ERR_JSON);
    assert_int_equal(READ(LogData, "{\"service\":\"\xff\"}"), ERR_JSON);
    assert_int_equal(READ(LogData, "{\"service\":5}"), ERR_JSON);
}

static void
broken_documents_are_told_with_their_place(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(READ(LogData, "{\"a\":1,\n \"b\" 2}"), ERR_JSON);
    assert_int_equal(f->error.line, 2);
    assert_true(f->error.column > 1);
    assert_non_null(strstr(f->error.text, "':' expected"));
    static const char *const bad[] = {"", "5", "\"x\"", "{", "{}x", "{\"a\":1,\"a\":2}", "[1,]"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(READ(LogData, bad[i]), ERR_JSON);
    assert_int_equal(READ(LogData, "[5]"), ERR_JSON);
    assert_string_equal(f->error.text, "[0]: an object is expected");
}

static void
the_error_is_valid_and_bounded(void **state)
{
    struct fixture *f = *state;
    struct text json = TEXT_EMPTY;
    text_add(&json, "{\"parameters\":{\"\\u0001");
    for (int i = 0; i < 300; i++)
        text_add(&json, "\xe8\xae\xa2");
    text_add(&json, "\":1}}");
    assert_int_equal(READ(Event, json.p), ERR_JSON);
    assert_true(strlen(f->error.text) < sizeof(f->error.text));
    assert_non_null(strstr(f->error.text, ": a string is expected"));
    assert_null(strchr(f->error.text, 1));
    text_fini(&json);
}

static void
deep_documents_are_refused(void **state)
{
    struct fixture *f = *state;
    struct text json = TEXT_EMPTY;
    for (int i = 0; i < 100000; i++)
        text_add(&json, "[");
    assert_int_equal(READ(LogData, json.p), ERR_JSON);
    assert_non_null(strstr(f->error.text, "depth"));
    text_fini(&json);
}

static void
lists_are_read_by_index(void **state)
{
    struct fixture *f = *state;
    struct message_json *document = NULL;
    assert_int_equal(
        message_json_open(BYTES("[{\"service\":\"a\"},{\"service\":\"b\"},{\"service\":1}]"),
                          &document, &f->error),
        ERR_OK);
    assert_true(message_json_is_list(document));
    assert_int_equal(message_json_count(document), 3);
    assert_int_equal(message_json_read(document, 1, MESSAGE_LogData, f->arena, &f->out, &f->error),
                     ERR_OK);
    expect_out("\x12\x01"
               "b");
    assert_int_equal(message_json_read(document, 2, MESSAGE_LogData, f->arena, &f->out, &f->error),
                     ERR_JSON);
    assert_string_equal(f->error.text, "[2].service: a string is expected");
    message_json_close(&document);
}

static void
a_used_up_arena_is_told(void **state)
{
    struct fixture *f = *state;
    arena_set_limit(f->arena, 16);
    assert_int_equal(READ(LogData, "{\"service\":\"0123456789abcdef\"}"), ERR_BUDGET);
    arena_set_limit(f->arena, 0);
    struct bytes parts = BYTES("\x3a\x04\x0a\x02\x0a\x00\x3a\x00");
    text_add(&f->text, "before");
    assert_int_equal(message_json_write(MESSAGE_LogData, parts, f->arena, &f->text), ERR_BUDGET);
    assert_string_equal(f->text.p, "before");
}

static void
parts_of_a_message_are_joined(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(write(f, MESSAGE_LogData, BYTES("\x32\x03\x0a\x01t\x32\x02\x18\x07")),
                        "{\"traceContext\":{\"traceId\":\"t\",\"spanId\":7}}");
}

static void
written_numbers_have_their_forms(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(READ(SegmentObject,
                          "{\"spans\":[{\"spanId\":3,\"parentSpanId\":-1,\"startTime\":5,"
                          "\"spanLayer\":\"GenAI\",\"spanType\":9,\"isError\":\"true\"}]}"),
                     ERR_OK);
    assert_string_equal(write(f, MESSAGE_SegmentObject, f->out),
                        "{\"spans\":[{\"spanId\":3,\"parentSpanId\":-1,\"startTime\":\"5\","
                        "\"spanType\":9,\"spanLayer\":\"GenAI\",\"isError\":true}]}");
}

static void
undecodable_messages_are_not_written(void **state)
{
    struct fixture *f = *state;
    text_add(&f->text, "before");
    assert_int_equal(message_json_write(MESSAGE_LogData, BYTES("\x12\x05x"), f->arena, &f->text),
                     ERR_WIRE_LENGTH);
    assert_int_equal(message_json_write(MESSAGE_OPAQUE, BYTES("\x12\x01x"), f->arena, &f->text),
                     ERR_JSON);
    assert_string_equal(f->text.p, "before");
}

/* message -> JSON -> message -> JSON: the two texts are the same. */
static void
round_trip(struct fixture *f, const char *name, enum message_type type)
{
    char path[128];
    snprintf(path, sizeof(path), "tests/corpus/%s.bin", name);
    struct bytes file = corpus_read(path), list = file, message;
    size_t n = 0;
    for (; corpus_next(&list, &message); n++) {
        arena_reset(f->arena);
        char *first = mem_string(write(f, type, message));
        assert_int_equal(read_bytes(f, type, bytes_str(first), 0), ERR_OK);
        assert_string_equal(write(f, type, f->out), first);
        mem_free(first);
    }
    assert_true(n > 0);
    mem_free((void *)(uintptr_t)file.p);
}

static void
captured_messages_survive_the_round_trip(void **state)
{
    struct fixture *f = *state;
    round_trip(f, "go", MESSAGE_SegmentObject);
    round_trip(f, "java", MESSAGE_SegmentObject);
    round_trip(f, "node", MESSAGE_SegmentObject);
    round_trip(f, "python", MESSAGE_SegmentObject);
    round_trip(f, "go-race-clean", MESSAGE_SegmentObject);
    round_trip(f, "python.LogReportService.collect", MESSAGE_LogData);
    round_trip(f, "python.MeterReportService.collect", MESSAGE_MeterData);
    round_trip(f, "go.MeterReportService.collectBatch", MESSAGE_MeterDataCollection);
    round_trip(f, "java.JVMMetricReportService.collect", MESSAGE_JVMMetricCollection);
    round_trip(f, "node.ManagementService.reportInstanceProperties", MESSAGE_InstanceProperties);
}

static void
check_types(const ProtobufCMessageDescriptor *descriptor, int depth)
{
    assert_true(depth < 10);
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        bool is_scalar =
            field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_MESSAGE;
        bool is_known =
            field->type == PROTOBUF_C_TYPE_INT32 || field->type == PROTOBUF_C_TYPE_INT64 ||
            field->type == PROTOBUF_C_TYPE_ENUM || field->type == PROTOBUF_C_TYPE_BOOL ||
            field->type == PROTOBUF_C_TYPE_DOUBLE;
        assert_true(!is_scalar || is_known);
        assert_false(is_scalar && field->label == PROTOBUF_C_LABEL_REPEATED);
        assert_false(is_scalar && (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0);
        if (field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        assert_int_equal(descriptor_is_map(descriptor, field),
                         strcmp(field->name, "parameters") == 0);
        check_types(descriptor_submessage(field), depth + 1);
    }
}

/* The code knows the types that occur, no packed lists, and no recursive messages. */
static void
every_message_holds_known_types_only(void **state)
{
    (void)state;
    assert_null(descriptor_of(MESSAGE_OPAQUE));
    assert_null(descriptor_of(MESSAGE_COUNT));
    for (int type = MESSAGE_OPAQUE + 1; type < MESSAGE_COUNT; type++) {
        static const char *const names[] = {
#define MESSAGE(name) "skywalking.v3." #name,
            MESSAGES(MESSAGE)
#undef MESSAGE
        };
        const ProtobufCMessageDescriptor *descriptor = descriptor_of((enum message_type)type);
        assert_non_null(descriptor);
        assert_string_equal(descriptor->name, names[type]);
        check_types(descriptor, 0);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_example_becomes_a_segment),
        TEST(integers_come_in_many_clothes),
        TEST(enums_are_names_or_numbers),
        TEST(doubles_know_more_than_numbers),
        TEST(null_is_absent_and_unknown_members_are_ignored),
        TEST(one_member_of_a_oneof),
        TEST(maps_are_objects),
        TEST(strings_keep_all_characters),
        TEST(broken_documents_are_told_with_their_place),
        TEST(the_error_is_valid_and_bounded),
        TEST(deep_documents_are_refused),
        TEST(lists_are_read_by_index),
        TEST(a_used_up_arena_is_told),
        TEST(parts_of_a_message_are_joined),
        TEST(written_numbers_have_their_forms),
        TEST(undecodable_messages_are_not_written),
        TEST(captured_messages_survive_the_round_trip),
        TEST(every_message_holds_known_types_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
