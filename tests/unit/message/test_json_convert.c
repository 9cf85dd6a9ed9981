/* JSON from the network: the same messages as message_json reads, and hostile texts. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "message/corpus.h"
#include "message/descriptor_int.h"
#include "message/json_convert.h"
#include "message/message.h"

enum { ARENA_BYTES = 8 << 20, MUTATIONS = 200000 };

struct fixture {
    struct arena *arena;
    struct message_json_error error;
    struct bytes out;
    struct text text, other;
};

static int
set_up(void **state)
{
    struct fixture *f = mem_new(struct fixture);
    f->arena = arena_new(ARENA_BYTES);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    arena_free(&f->arena);
    text_fini(&f->text);
    text_fini(&f->other);
    mem_free(f);
    return 0;
}

static enum err
convert(struct fixture *f, enum message_type type, struct bytes json)
{
    memset(&f->error, 0, sizeof(f->error));
    arena_reset(f->arena);
    return json_convert(type, json, f->arena, &f->out, &f->error);
}

#define CONVERT(type, json) convert(f, MESSAGE_##type, bytes_str(json))

#define expect_out(literal)                               \
    do {                                                  \
        assert_int_equal(f->out.n, sizeof(literal) - 1);  \
        assert_memory_equal(f->out.p, literal, f->out.n); \
    } while (0)

static void
expect_refused(struct fixture *f, enum message_type type, const char *json, const char *why)
{
    assert_int_equal(convert(f, type, bytes_str(json)), ERR_JSON);
    assert_string_equal(f->error.text, why);
}

/* What the reader of trees makes of it, as JSON; false when it refuses. */
static bool
read_tree(struct fixture *f, enum message_type type, struct bytes json, struct text *out)
{
    struct message_json *document = NULL;
    struct message_json_error error;
    struct bytes message;
    text_clear(out);
    if (message_json_open(json, &document, &error) != ERR_OK)
        return false;
    bool is_one = !message_json_is_list(document);
    bool is_read =
        is_one && message_json_read(document, 0, type, f->arena, &message, &error) == ERR_OK;
    message_json_close(&document);
    return is_read && message_json_write(type, message, f->arena, out) == ERR_OK;
}

static void
expect_same(struct fixture *f, enum message_type type, struct bytes json)
{
    if (!read_tree(f, type, json, &f->other))
        return;
    enum err err = convert(f, type, json);
    if (err != ERR_OK)
        fail_msg("%s: %.*s", f->error.text, BYTES_ARG(json));
    text_clear(&f->text);
    assert_int_equal(message_json_write(type, f->out, f->arena, &f->text), ERR_OK);
    assert_string_equal(f->text.p, f->other.p);
}

static const char segment[] =
    "{\"traceId\":\"t\",\"traceSegmentId\":\"s\",\"service\":\"s\\u00e9\\ud83d\\ude00v\","
    "\"serviceInstance\":\"i\",\"isSizeLimited\":true,\"x\":[1,{\"y\":[null,{}]},\"\\n\"],"
    "\"spans\":[{\"spanId\":0,\"parentSpanId\":-1,\"startTime\":1588664577013,"
    "\"endTime\":\"1588664577028\",\"operationName\":\"/in\",\"spanType\":\"Local\","
    "\"spanLayer\":3,\"componentId\":6e3,\"isError\":false,\"peer\":null,"
    "\"tags\":[{\"key\":\"http.method\",\"value\":\"GET\"},{\"key\":\"\",\"value\":\"\"}],"
    "\"logs\":[{\"time\":1,\"data\":[]}],\"refs\":[{\"refType\":\"CrossThread\",\"traceId\":\"t\","
    "\"parentTraceSegmentId\":\"p\",\"parentSpanId\":1,\"networkAddressUsedAtPeer\":\"h:80\"}]}]}";
static const char event[] =
    "{\"uuid\":\"u\",\"source\":{\"service\":\"s\"},\"name\":\"n\",\"type\":\"Error\","
    "\"message\":\"m\",\"parameters\":{\"k\":\"v\",\"e\\\"\":\"\",\"\":\"x\"},\"startTime\":\"1\","
    "\"endTime\":0,\"layer\":\"GENERAL\"}";
static const char log_data[] =
    "{\"timestamp\":\"1588664577013\",\"service\":\"s\",\"body\":{\"type\":\"text\","
    "\"text\":{\"text\":\"line\\twith tab\"}},\"traceContext\":{\"traceId\":\"t\","
    "\"spanId\":\"0\"},\"tags\":{\"data\":[{\"key\":\"level\",\"value\":\"INFO\"}]}}";
static const char vitals[] =
    "{\"service\":\"s\",\"pagePath\":\"/\",\"cls\":\"0.25\",\"fmpTime\":7}";

static const struct {
    enum message_type type;
    const char *json;
} samples[] = {
    {MESSAGE_SegmentObject, segment},
    {MESSAGE_Event, event},
    {MESSAGE_LogData, log_data},
    {MESSAGE_BrowserWebVitalsPerfData, vitals},
};
enum { N_SAMPLES = sizeof(samples) / sizeof(samples[0]) };

static void
both_readers_make_the_same_message(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < N_SAMPLES; i++) {
        struct bytes json = bytes_str(samples[i].json);
        assert_true(read_tree(f, samples[i].type, json, &f->other));
        expect_same(f, samples[i].type, json);
    }
    assert_int_equal(CONVERT(SegmentObject, segment), ERR_OK);
    assert_true(bytes_equal(message_string_field(f->out, 4), BYTES("s\xc3\xa9\xf0\x9f\x98\x80v")));
}

static void
what_one_reader_takes_the_other_takes_too(void **state)
{
    struct fixture *f = *state;
    static const char letters[] = "{}[]\",:\\u0123456789eE+-.tfn \xc3\xa9\xff";
    char json[sizeof(segment)];
    srandom(1);
    for (int i = 0; i < MUTATIONS; i++) {
        unsigned which = (unsigned)random() % N_SAMPLES;
        size_t n = strlen(samples[which].json);
        memcpy(json, samples[which].json, n);
        for (int k = (int)random() % 3; k >= 0; k--)
            json[(size_t)random() % n] = letters[(size_t)random() % (sizeof(letters) - 1)];
        expect_same(f, samples[which].type, bytes_of(json, n));
    }
}

static void
numbers_come_in_many_clothes(void **state)
{
    struct fixture *f = *state;
    static const char *const fives[] = {"5",     "\"5\"",       "5.0",  "\"5.0\"", "\"5e0\"",
                                        "50e-1", "\"\\u0035\"", "5E+0", "\"+5\"",  "\"05\""};
    for (size_t i = 0; i < sizeof(fives) / sizeof(fives[0]); i++) {
        struct text json = TEXT_EMPTY;
        text_addf(&json, "{\"timestamp\":%s,\"traceContext\":{\"spanId\":%s}}", fives[i], fives[i]);
        assert_int_equal(CONVERT(LogData, json.p), ERR_OK);
        expect_out("\x08\x05\x32\x02\x18\x05");
        text_fini(&json);
    }
    assert_int_equal(CONVERT(LogData, "{\"timestamp\":\"-9223372036854775808\"}"), ERR_OK);
    expect_out("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01");
    assert_int_equal(CONVERT(LogData, "{\"timestamp\":9223372036854775807}"), ERR_OK);
    expect_out("\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f");
    assert_int_equal(CONVERT(BrowserWebVitalsPerfData, "{\"cls\":0.5}"), ERR_OK);
    expect_out("\x31\0\0\0\0\0\0\xe0\x3f");
}

static void
numbers_that_do_not_fit_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char whole[] = "timestamp: a whole number of at most 64 bits is expected";
    static const char *const bad[] = {
        "9223372036854775808",
        "-9223372036854775809",
        "1e19",
        "1e999",
        "\"1e999\"",
        "0.5",
        "\"\"",
        "\"-\"",
        "01",
        "-",
        "1.",
        ".5",
        "+1",
        "0x10",
        "NaN",
        "true",
        "[]",
        "{}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char json[64];
        snprintf(json, sizeof(json), "{\"timestamp\":%s}", bad[i]);
        assert_int_equal(CONVERT(LogData, json), ERR_JSON);
    }
    struct text json = TEXT_EMPTY;
    text_add(&json, "{\"timestamp\":");
    for (int i = 0; i < 100000; i++)
        text_add(&json, "9");
    text_add(&json, "}");
    expect_refused(f, MESSAGE_LogData, json.p, whole);
    text_fini(&json);
    expect_refused(f, MESSAGE_LogData, "{\"traceContext\":{\"spanId\":2147483648}}",
                   "traceContext.spanId: the number does not fit 32 bits");
}

static void
enums_are_names_or_numbers(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(CONVERT(Event, "{\"type\":\"Error\"}"), ERR_OK);
    expect_out("\x20\x01");
    assert_int_equal(CONVERT(Event, "{\"type\":1}"), ERR_OK);
    expect_out("\x20\x01");
    assert_int_equal(CONVERT(Event, "{\"type\":\"7\"}"), ERR_OK);
    expect_out("\x20\x07");
    assert_int_equal(CONVERT(Event, "{\"type\":\"OfTheFuture\"}"), ERR_OK);
    assert_int_equal(f->out.n, 0);
    expect_refused(f, MESSAGE_Event, "{\"type\":{}}", "type: a name or a number is expected");
}

/* Who cuts a text in JavaScript may cut a pair in two. */
static void
halves_of_pairs_become_the_replacement_character(void **state)
{
    struct fixture *f = *state;
    static const char *const halves[] = {"\\ud83d", "\\ude00", "\\ud83d\\n", "\\ud83dx",
                                         "\\ud83d\\ud83d\\ude00"};
    static const char *const become[] = {"\xef\xbf\xbd", "\xef\xbf\xbd", "\xef\xbf\xbd\n",
                                         "\xef\xbf\xbdx", "\xef\xbf\xbd\xf0\x9f\x98\x80"};
    for (size_t i = 0; i < sizeof(halves) / sizeof(halves[0]); i++) {
        char json[64];
        snprintf(json, sizeof(json), "{\"service\":\"%s\"}", halves[i]);
        assert_int_equal(CONVERT(LogData, json), ERR_OK);
        assert_true(bytes_equal(message_string_field(f->out, 2), bytes_str(become[i])));
    }
}

static void
bytes_that_are_no_utf8_stay_for_the_judge(void **state)
{
    struct fixture *f = *state;
    struct message_facts facts;
    assert_int_equal(CONVERT(LogData, "{\"service\":\"a\xff\xc3\"}"), ERR_OK);
    assert_int_equal(message_walk(MESSAGE_LogData, f->out, &facts), ERR_OK);
    assert_true(facts.invalid_utf8);
    assert_true(bytes_equal(message_string_field(f->out, 2), BYTES("a\xff\xc3")));
    assert_int_equal(CONVERT(LogData, "{\"service\":\"a\\u0000b\"}"), ERR_OK);
    assert_true(bytes_equal(message_string_field(f->out, 2), bytes_of("a\0b", 3)));
}

static void
broken_texts_are_refused_with_the_place(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *json, *why;
    } cases[] = {
        {"", "an object is expected"},
        {"5", "an object is expected"},
        {"{", "the name of a member is expected"},
        {"{}x", "something follows behind the end"},
        {"{\"service\"}", "a colon is expected"},
        {"{\"service\":}", "service: a string is expected"},
        {"{\"service\":\"a}", "service: a string does not end"},
        {"{\"service\":\"a\nb\"}", "service: a control character in a string is not escaped"},
        {"{\"service\":\"\\x\"}", "service: an unknown escape in a string"},
        {"{\"service\":\"\\u12g4\"}", "service: an unknown escape in a string"},
        {"{\"service\":\"\\u12", "service: an unknown escape in a string"},
        {"{\"service\":\"a\",}", "the name of a member is expected"},
        {"{\"service\":\"a\" \"b\"}", "a comma or a closing bracket is expected"},
        {"{\"service\":\"a\",\"service\":\"b\"}", "service: given twice"},
        {"{\"service\":null,\"servic\\u0065\":\"b\"}", "service: given twice"},
        {"{\"service\":nul}", "service: a value is expected"},
        {"{\"unknown\":[1,]}", "a value is expected"},
        {"{\"unknown\":{\"a\":1,}}", "a string is expected"},
        {"{\"unknown\":tru}", "a value is expected"},
        {"{\"tags\":{\"data\":[{},5]}}", "tags.data[1]: an object is expected"},
        {"{\"tags\":{\"data\":{}}}", "tags.data: a list is expected"},
        {"{\"body\":{\"text\":{},\"json\":{}}}",
         "body.json: another member of its oneof is set too"},
        {"{\"body\":[]}", "body: an object is expected"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_refused(f, MESSAGE_LogData, cases[i].json, cases[i].why);
    assert_int_equal(CONVERT(LogData, "{\"body\":{\"text\":null,\"json\":{\"json\":\"x\"}}}"),
                     ERR_OK);
    expect_refused(f, MESSAGE_OPAQUE, "{}", "no JSON form for this type");
}

static void
nesting_ends_somewhere(void **state)
{
    struct fixture *f = *state;
    struct text json = TEXT_EMPTY;
    for (int depth = 2048; depth <= 2049; depth++) {
        text_clear(&json);
        text_add(&json, "{\"unknown\":");
        for (int i = 0; i < depth; i++)
            text_add(&json, i % 2 == 0 ? "[" : "{\"a\":");
        text_add(&json, "0");
        for (int i = depth - 1; i >= 0; i--)
            text_add(&json, i % 2 == 0 ? "]" : "}");
        text_add(&json, "}");
        assert_int_equal(CONVERT(LogData, json.p), depth == 2048 ? ERR_OK : ERR_JSON);
    }
    assert_string_equal(f->error.text, "nested too deep");
    text_fini(&json);
}

/* json_convert_bytes is enough for the messages that grow most. */
static void
no_text_grows_beyond_the_bound(void **state)
{
    struct fixture *f = *state;
    struct arena *small = arena_new(1);
    struct text json = TEXT_EMPTY;
    static const struct {
        enum message_type type;
        const char *head, *element, *tail;
    } cases[] = {
        {MESSAGE_BrowserErrorLog, "{\"col\":-1,\"line\":-1", "", "}"},
        {MESSAGE_SegmentObject, "{\"spans\":[{}", ",{\"spanId\":-1}", "]}"},
        {MESSAGE_SegmentObject, "{\"spans\":[{\"logs\":[{}", ",{\"time\":-1}", "]}]}"},
        {MESSAGE_SegmentObject, "{\"spans\":[{\"refs\":[{}", ",{\"parentSpanId\":-1}", "]}]}"},
        {MESSAGE_Event, "{\"parameters\":{\"\":\"\"", ",\"\":\"\"", "}}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int n = 0; n < 300; n++) {
            text_clear(&json);
            text_add(&json, cases[i].head);
            for (int k = 0; k < n; k++)
                text_add(&json, cases[i].element);
            text_add(&json, cases[i].tail);
            arena_reset(small);
            arena_set_limit(small, json_convert_bytes(json.n));
            assert_int_equal(
                json_convert(cases[i].type, text_bytes(&json), small, &f->out, &f->error), ERR_OK);
        }
    }
    text_fini(&json);
    arena_free(&small);
}

/* What the converter takes for granted. */
static void
every_message_fits_the_converter(void **state)
{
    (void)state;
    for (int type = MESSAGE_OPAQUE + 1; type < MESSAGE_COUNT; type++) {
        const ProtobufCMessageDescriptor *message = descriptor_of((enum message_type)type);
        assert_in_range(message->n_fields, 1, 64);
        for (unsigned i = 0; i < message->n_fields; i++)
            assert_in_range(strlen(message->fields[i].name), 1, 63);
    }
}

static void
expect_elements(const char *json, const char *expected)
{
    struct message_json_error error;
    struct json_list list;
    struct bytes element;
    struct text found = TEXT_EMPTY;
    uint32_t n = 0;
    assert_int_equal(json_list_open(bytes_str(json), &list, &error), ERR_OK);
    while (json_list_next(&list, &element)) {
        text_addf(&found, "%.*s|", BYTES_ARG(element));
        n++;
    }
    assert_int_equal(n, list.n);
    assert_string_equal(found.p != NULL ? found.p : "", expected);
    text_fini(&found);
}

static void
a_list_falls_into_its_elements(void **state)
{
    (void)state;
    expect_elements("{}", "{}|");
    expect_elements(" [ ] ", "");
    expect_elements("[{},{\"a\":[1,2]} , {\"b\":\"],}\\\"\"}]\n",
                    "{}|{\"a\":[1,2]} |{\"b\":\"],}\\\"\"}|");
    expect_elements("[{\"a\":tru},5,,\"x\"]", "{\"a\":tru}|5||\"x\"|");
    expect_elements("[,]", "||");
    expect_elements("{} {}", "{} {}|"); /* json_convert refuses it */
}

static void
a_list_without_its_end_is_refused(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *json, *why;
        size_t line, column;
    } cases[] = {
        {"", "an object or a list is expected", 1, 1},
        {"\n 5", "an object or a list is expected", 2, 2},
        {"[{}", "a comma or a closing bracket is expected", 1, 4},
        {"[{]", "a comma or a closing bracket is expected", 1, 4},
        {"[{\"a\":\"]}", "closing brackets are missing", 1, 10},
        {"[{}}]", "a comma or a closing bracket is expected", 1, 4},
        {"[{}]x", "something follows behind the end", 1, 5},
        {"{},{}", "something follows behind the end", 1, 3},
        {"{\"a\":\"\\", "closing brackets are missing", 1, 8},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct json_list list;
        assert_int_equal(json_list_open(bytes_str(cases[i].json), &list, &f->error), ERR_JSON);
        assert_string_equal(f->error.text, cases[i].why);
        assert_int_equal(f->error.line, cases[i].line);
        assert_int_equal(f->error.column, cases[i].column);
    }
    struct json_list list;
    assert_int_equal(json_list_open(BYTES_NONE, &list, &f->error), ERR_JSON);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_readers_make_the_same_message),
        TEST(what_one_reader_takes_the_other_takes_too),
        TEST(numbers_come_in_many_clothes),
        TEST(numbers_that_do_not_fit_are_refused),
        TEST(enums_are_names_or_numbers),
        TEST(halves_of_pairs_become_the_replacement_character),
        TEST(bytes_that_are_no_utf8_stay_for_the_judge),
        TEST(broken_texts_are_refused_with_the_place),
        TEST(nesting_ends_somewhere),
        TEST(no_text_grows_beyond_the_bound),
        TEST(every_message_fits_the_converter),
        TEST(a_list_falls_into_its_elements),
        TEST(a_list_without_its_end_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
