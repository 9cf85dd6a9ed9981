/* The table of HTTP paths: rows, look-up and the metric's labels. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/http_path.h"
#include "base/metric.h"

static void
every_row_is_found_by_its_path(void **state)
{
    (void)state;
    for (unsigned i = 0; i < HTTP_PATH_COUNT; i++) {
        const struct http_path_row *row = http_path_row((enum http_path)i);
        assert_int_equal(row->path, i);
        assert_ptr_equal(http_path_find(row->text), row);
        const struct method_row *method = method_row(row->method);
        assert_non_null(method);
        assert_int_equal(method->method_class, KIND_A);
        assert_int_not_equal(method->message, MESSAGE_OPAQUE); /* it has a JSON form */
    }
    assert_null(http_path_find("/v3/segments/"));
    assert_null(http_path_find("/V3/segments"));
    assert_null(http_path_find(""));
    assert_true(http_path_row(HTTP_PATH_SEGMENTS)->is_list);
    assert_false(http_path_row(HTTP_PATH_SEGMENT)->is_list);
}

static void
each_answer_has_its_labels(void **state)
{
    (void)state;
    uint32_t index = http_path_metric_index(http_path_find("/v3/logs"), 413);
    assert_string_equal(http_path_label(index), "v3/logs");
    assert_string_equal(http_path_status_label(index), "413");
    index = http_path_metric_index(NULL, 404);
    assert_string_equal(http_path_label(index), "unknown");
    assert_string_equal(http_path_status_label(index), "404");
    index = http_path_metric_index(NULL, 599);
    assert_string_equal(http_path_status_label(index), "other");
    assert_int_equal(index, DIMENSION_HTTP_PATH_STATUS - 1);
    assert_int_equal(http_path_metric_index(http_path_row(HTTP_PATH_SEGMENT), 200), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_found_by_its_path),
        cmocka_unit_test(each_answer_has_its_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
