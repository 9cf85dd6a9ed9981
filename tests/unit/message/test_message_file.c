/* Forms of captured files: told apart, split, and honest about what is broken. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "message/corpus.h"
#include "message/message.h"
#include "message/message_file.h"
#include "message/wire_builder.h"

struct fixture {
    struct arena *arena;
    struct builder content;
    struct message_file *file;
    struct message_file_item item;
    struct message_json_error error;
};

static int
set_up(void **state)
{
    struct fixture *f = mem_new(struct fixture);
    f->arena = arena_new(1 << 20);
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    message_file_close(&f->file);
    builder_fini(&f->content);
    arena_free(&f->arena);
    mem_free(f);
    return 0;
}

static enum err
open_bytes(struct fixture *f, struct bytes content)
{
    message_file_close(&f->file);
    return message_file_open(content, MESSAGE_SegmentObject, &f->file, &f->error);
}
#define OPEN(literal) open_bytes(f, BYTES(literal))

static void
expect_form(struct fixture *f, enum message_file_form form)
{
    assert_non_null(f->file);
    assert_int_equal(message_file_form(f->file), form);
}

static bool
next(struct fixture *f)
{
    return message_file_next(f->file, f->arena, &f->item);
}

static void
expect_message(struct fixture *f, const char *service, size_t offset, size_t line)
{
    assert_true(next(f));
    assert_int_equal(f->item.err, ERR_OK);
    assert_true(bytes_equal(message_string_field(f->item.message, 4), bytes_str(service)));
    assert_int_equal(f->item.offset, offset);
    assert_int_equal(f->item.line, line);
}

static void
put_framed(struct fixture *f, bool is_fixed, struct bytes message)
{
    uint8_t head[WIRE_VARINT_MAX] = {0};
    head[3] = (uint8_t)message.n;
    put_raw(&f->content, bytes_of(head, is_fixed ? 4 : wire_put_varint(head, message.n)));
    put_raw(&f->content, message);
}

#define SEGMENT_A             \
    BYTES("\x0a\x01t\x22\x01" \
          "a\x1a\x02\x08\x01")
#define SEGMENT_B             \
    BYTES("\x0a\x01t\x22\x01" \
          "b")

static void
both_delimited_forms_are_split(void **state)
{
    struct fixture *f = *state;
    for (int is_fixed = 0; is_fixed < 2; is_fixed++) {
        builder_fini(&f->content);
        put_framed(f, is_fixed, SEGMENT_A);
        put_framed(f, is_fixed, SEGMENT_B);
        assert_int_equal(open_bytes(f, builder_bytes(&f->content)), ERR_OK);
        expect_form(f, is_fixed ? MESSAGE_FILE_FIXED : MESSAGE_FILE_VARINT);
        expect_message(f, "a", is_fixed ? 4 : 1, 0);
        assert_int_equal(f->item.index, 0);
        expect_message(f, "b", is_fixed ? 18 : 12, 0);
        assert_int_equal(f->item.index, 1);
        assert_false(next(f));
    }
}

static void
a_cut_off_end_is_told(void **state)
{
    struct fixture *f = *state;
    for (int is_fixed = 0; is_fixed < 2; is_fixed++) {
        builder_fini(&f->content);
        put_framed(f, is_fixed, SEGMENT_A);
        put_framed(f, is_fixed, SEGMENT_A);
        f->content.n -= 3;
        assert_int_equal(open_bytes(f, builder_bytes(&f->content)), ERR_OK);
        expect_form(f, is_fixed ? MESSAGE_FILE_FIXED : MESSAGE_FILE_VARINT);
        expect_message(f, "a", is_fixed ? 4 : 1, 0);
        assert_true(next(f));
        assert_int_equal(f->item.err, ERR_WIRE_LENGTH);
        assert_int_equal(f->item.message.n, SEGMENT_A.n - 3);
        assert_false(next(f));
    }
    put_framed(f, true, SEGMENT_A);
    builder_fini(&f->content);
    put_framed(f, true, SEGMENT_A);
    put_raw(&f->content, BYTES("\0\0"));
    assert_int_equal(open_bytes(f, builder_bytes(&f->content)), ERR_OK);
    expect_message(f, "a", 4, 0);
    assert_true(next(f));
    assert_int_equal(f->item.err, ERR_WIRE_LENGTH);
    assert_false(next(f));
}

static void
damaged_messages_are_given_out_too(void **state)
{
    struct fixture *f = *state;
    put_framed(f, true, SEGMENT_A);
    put_framed(f, true, BYTES("\x0b\xff"));
    put_framed(f, true, BYTES_NONE);
    put_framed(f, true, SEGMENT_B);
    assert_int_equal(open_bytes(f, builder_bytes(&f->content)), ERR_OK);
    expect_message(f, "a", 4, 0);
    assert_true(next(f) && f->item.err == ERR_OK && f->item.message.n == 2);
    assert_true(next(f) && f->item.err == ERR_OK && f->item.message.n == 0);
    assert_true(next(f) && f->item.err == ERR_OK && f->item.index == 3);
    assert_false(next(f));
}

static void
one_bare_segment_is_one(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(open_bytes(f, SEGMENT_A), ERR_OK);
    expect_form(f, MESSAGE_FILE_BARE);
    expect_message(f, "a", 0, 0);
    assert_false(next(f));
    /* With a field of the future. */
    assert_int_equal(OPEN("\x22\x01"
                          "a\x7a\x01x"),
                     ERR_OK);
    expect_form(f, MESSAGE_FILE_BARE);
}

static void
json_is_one_message_or_a_list(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(OPEN(" \n{\"service\":\n\"a\"}\n"), ERR_OK);
    expect_form(f, MESSAGE_FILE_JSON);
    expect_message(f, "a", 0, 0);
    assert_false(next(f));
    assert_int_equal(OPEN("\xef\xbb\xbf[{\"service\":\"a\"},{\"service\":1},{\"service\":\"b\"}]"),
                     ERR_OK);
    expect_message(f, "a", 0, 0);
    assert_true(next(f));
    assert_int_equal(f->item.err, ERR_JSON);
    assert_string_equal(f->item.error.text, "[1].service: a string is expected");
    expect_message(f, "b", 0, 0);
    assert_int_equal(f->item.index, 2);
    assert_false(next(f));
    assert_int_equal(OPEN("[]"), ERR_OK);
    assert_false(next(f));
}

static void
json_lines_go_on_after_a_broken_line(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(OPEN("\n{\"service\":\"a\"}\r\n\n{\"service\":}\n{\"service\":1}\n[]\n"
                          "[{\"service\":\"b\"},{\"service\":\"c\"}]\n{\"service\":\"d\"}"),
                     ERR_OK);
    expect_form(f, MESSAGE_FILE_JSON_LINES);
    expect_message(f, "a", 1, 2);
    assert_true(next(f));
    assert_int_equal(f->item.err, ERR_JSON);
    assert_int_equal(f->item.line, 4);
    assert_int_equal(f->item.error.line, 4);
    assert_true(next(f));
    assert_int_equal(f->item.err, ERR_JSON);
    assert_int_equal(f->item.line, 5);
    expect_message(f, "b", 49, 7);
    expect_message(f, "c", 49, 7);
    expect_message(f, "d", 83, 8);
    assert_int_equal(f->item.index, 5);
    assert_false(next(f));
}

static void
what_is_none_of_them_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(OPEN("hello, world"), ERR_FORMAT);
    assert_int_equal(OPEN("\x0a\x05t"), ERR_FORMAT);
    assert_int_equal(OPEN("\xff"), ERR_FORMAT);
    assert_int_equal(OPEN("{\"service\":\n oops}"), ERR_JSON);
    assert_int_equal(f->error.line, 2);
    assert_null(f->file);
}

static void
nothing_holds_no_message(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(open_bytes(f, BYTES_NONE), ERR_OK);
    assert_false(next(f));
}

static void
a_used_up_arena_is_told(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(OPEN("[{\"service\":\"a\"}]"), ERR_OK);
    arena_set_limit(f->arena, 0);
    assert_true(next(f));
    assert_int_equal(f->item.err, ERR_BUDGET);
    assert_false(next(f));
}

/* Every captured file as it is, and written again in the varint form. */
static void
captured_files_are_split(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"go",     "java",          "node",
                                        "python", "go-race-clean", "go-race-corrupt"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[128];
        snprintf(path, sizeof(path), "tests/corpus/%s.bin", names[i]);
        struct bytes content = corpus_read(path), list = content, message;
        struct builder varints = {NULL, 0, 0};
        assert_int_equal(open_bytes(f, content), ERR_OK);
        expect_form(f, MESSAGE_FILE_FIXED);
        while (corpus_next(&list, &message)) {
            assert_true(next(f));
            assert_int_equal(f->item.err, ERR_OK);
            assert_true(bytes_equal(f->item.message, message));
            uint8_t head[WIRE_VARINT_MAX];
            put_raw(&varints, bytes_of(head, wire_put_varint(head, message.n)));
            put_raw(&varints, message);
        }
        assert_false(next(f));
        size_t n = f->item.index;
        assert_int_equal(open_bytes(f, builder_bytes(&varints)), ERR_OK);
        expect_form(f, MESSAGE_FILE_VARINT);
        while (next(f))
            assert_int_equal(f->item.err, ERR_OK);
        assert_int_equal(f->item.index, n);
        message_file_close(&f->file);
        builder_fini(&varints);
        mem_free((void *)(uintptr_t)content.p);
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_delimited_forms_are_split),
        TEST(a_cut_off_end_is_told),
        TEST(damaged_messages_are_given_out_too),
        TEST(one_bare_segment_is_one),
        TEST(json_is_one_message_or_a_list),
        TEST(json_lines_go_on_after_a_broken_line),
        TEST(what_is_none_of_them_is_refused),
        TEST(nothing_holds_no_message),
        TEST(a_used_up_arena_is_told),
        TEST(captured_files_are_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
