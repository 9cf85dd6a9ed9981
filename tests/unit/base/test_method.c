/* The table of methods and its paths. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/method.h"

static const struct {
    const char *path;
    enum method method;
} aliases[] = {
#define ALIAS(path, token) {path, METHOD_##token},
    METHOD_ALIASES(ALIAS)
#undef ALIAS
};
enum { N_ALIASES = sizeof(aliases) / sizeof(aliases[0]) };

static void
every_row_is_found_by_its_number_and_its_path(void **state)
{
    (void)state;
    unsigned n = 0;
    for (unsigned number = 0; number < METHOD_COUNT; number++) {
        const struct method_row *row = method_row(number);
        if (row == NULL)
            continue;
        n++;
        assert_int_equal(row->method, number);
        assert_ptr_equal(method_find(bytes_str(row->path)), row);
        assert_int_equal(row->path[0], '/');
        assert_true(row->sentence[0] != '\0');
    }
#define METHOD(number, ...) -1
    assert_int_equal((int)n METHODS(METHOD), 0);
#undef METHOD
    /* One more than the highest number, which is how slots and files size their tables. */
    assert_non_null(method_row(METHOD_COUNT - 1));
    assert_null(method_row(METHOD_COUNT));
    assert_null(method_row(METHOD_NONE));
    assert_null(method_row(UINT32_MAX));
}

static void
numbers_on_disk_do_not_move(void **state)
{
    (void)state;
    assert_int_equal(METHOD_SEGMENT_COLLECT, 1);
    assert_int_equal(METHOD_SEGMENT_COLLECT_SYNC, 2);
    assert_int_equal(METHOD_KEEP_ALIVE, 5);
    assert_int_equal(METHOD_LOG_COLLECT, 10);
    assert_int_equal(METHOD_HEALTH_WATCH, 35);
}

static void
paths_without_the_package_are_the_same_methods(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_ALIASES; i++) {
        const struct method_row *row = method_find(bytes_str(aliases[i].path));
        assert_non_null(row);
        assert_int_equal(row->method, aliases[i].method);
        /* The alias is the row's own path without "skywalking.v3.". */
        assert_string_equal(row->path + strlen("/skywalking.v3."), aliases[i].path + 1);
    }
}

static void
other_paths_are_not_found(void **state)
{
    (void)state;
    static const char *const strange[] = {
        "",
        "/",
        "/skywalking.v3.TraceSegmentReportService/collec",
        "/skywalking.v3.TraceSegmentReportService/collect/",
        "skywalking.v3.TraceSegmentReportService/collect",
        "/SKYWALKING.v3.TraceSegmentReportService/collect",
        "/RemoteService/call",
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export"};
    for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++)
        assert_null(method_find(bytes_str(strange[i])));
    assert_null(method_find(BYTES("/skywalking.v3.ManagementService/keepAlive\0")));
    assert_null(method_find(BYTES_NONE));
}

static void
what_we_answer_later_has_a_handler_that_stores(void **state)
{
    (void)state;
    for (unsigned number = 1; number < METHOD_COUNT; number++) {
        const struct method_row *row = method_row(number);
        if (row == NULL)
            continue;
        bool relays = row->handler == HANDLER_RELAY, local = row->handler == HANDLER_HEALTH;
        assert_true(relays == (row->method_class == KIND_B || row->method_class == KIND_C));
        assert_true(local == (row->method_class == KIND_L));
        if (row->method_class == KIND_A)
            assert_true(row->stream != STREAM_BIDI);
        if (row->lane == LANE_SERVICE)
            assert_int_equal(row->message, MESSAGE_LogData);
    }
}

static void
labels_are_closed_sets(void **state)
{
    (void)state;
    assert_string_equal(signal_label(SIGNAL_TRACING), "tracing");
    assert_string_equal(signal_label(SIGNAL_OTHER), "other");
    assert_string_equal(signal_label(SIGNAL_COUNT), "other");
    assert_string_equal(drop_reason_label(DROP_BUFFER_FULL), "buffer_full");
    assert_string_equal(drop_reason_label(DROP_REJECTED), "rejected_by_backend");
    for (unsigned i = 0; i < DROP_COUNT; i++)
        for (unsigned j = 0; j < i; j++)
            assert_string_not_equal(drop_reason_label((enum drop_reason)i),
                                    drop_reason_label((enum drop_reason)j));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_found_by_its_number_and_its_path),
        cmocka_unit_test(numbers_on_disk_do_not_move),
        cmocka_unit_test(paths_without_the_package_are_the_same_methods),
        cmocka_unit_test(other_paths_are_not_found),
        cmocka_unit_test(what_we_answer_later_has_a_handler_that_stores),
        cmocka_unit_test(labels_are_closed_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
