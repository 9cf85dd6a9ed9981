/* The metrics page: sums over threads, labels, cumulative buckets, both formats. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "admin/expose.h"
#include "admin/registry.h"

static bool ready;

static uint32_t
not_ready(void *ctx)
{
    (void)ctx;
    return ready ? 0 : NOT_READY_DRAINING;
}

static bool
backend_name(void *ctx, uint32_t slot, char out[EXPOSE_BACKEND_NAME])
{
    (void)ctx;
    snprintf(out, EXPOSE_BACKEND_NAME, "oap\"%u:11800", slot);
    return slot == 1;
}

struct page {
    struct metrics *metrics[2];
    struct text text;
    struct instances *instances; /* NULL: none */
};

static void
page_init(struct page *page)
{
    *page = (struct page){{metrics_new(), metrics_new()}, TEXT_EMPTY, NULL};
}

static void
page_render(struct page *page, bool openmetrics)
{
    struct expose_source source = {.metrics = page->metrics,
                                   .n_metrics = 2,
                                   .n_loops = 2,
                                   .version = "1.2.3",
                                   .revision = "abc",
                                   .nghttp2 = "1.52.0",
                                   .instances = page->instances,
                                   .not_ready = not_ready,
                                   .backend_name = backend_name};
    for (unsigned i = 0; i < 2; i++)
        metrics_publish(page->metrics[i]);
    text_clear(&page->text);
    expose_text(&source, openmetrics, &page->text);
}

static void
page_fini(struct page *page)
{
    metrics_free(&page->metrics[0]);
    metrics_free(&page->metrics[1]);
    text_fini(&page->text);
}

/* The whole line stands there, once. */
static void
assert_line(const struct page *page, const char *line)
{
    char wanted[400];
    snprintf(wanted, sizeof(wanted), "\n%s\n", line);
    const char *found = strstr(page->text.p, wanted);
    if (found == NULL)
        print_error("missing: %s\n", line);
    assert_non_null(found);
    assert_null(strstr(found + 1, wanted));
}

static void
threads_are_added_up(void **state)
{
    (void)state;
    struct page page;
    page_init(&page);
    metric_add(page.metrics[0], METRIC_ITEMS_ACCEPTED, SIGNAL_LOG, 3);
    metric_add(page.metrics[1], METRIC_ITEMS_ACCEPTED, SIGNAL_LOG, 4);
    metric_add(page.metrics[0], METRIC_ITEMS_DROPPED, SIGNAL_JVM * DROP_COUNT + DROP_EXPIRED, 2);
    metric_add(page.metrics[1], METRIC_ITEMS_QUEUED, SIGNAL_LOG, 5);
    page_render(&page, false);
    assert_line(&page, "spangate_items_accepted_total{signal=\"log\"} 7");
    assert_line(&page, "spangate_items_accepted_total{signal=\"tracing\"} 0");
    assert_line(&page, "spangate_items_dropped_total{signal=\"jvm\",reason=\"expired\"} 2");
    assert_line(&page, "spangate_ledger_imbalance_items 0");
    assert_line(&page, "spangate_buffer_items{signal=\"log\"} 5");
    page_fini(&page);
}

static void
the_ledger_may_be_negative(void **state)
{
    (void)state;
    struct page page;
    page_init(&page);
    metric_add(page.metrics[0], METRIC_ITEMS_FORWARDED, SIGNAL_LOG, 3);
    page_render(&page, false);
    assert_line(&page, "spangate_ledger_imbalance_items -3");
    page_fini(&page);
}

static void
buckets_are_cumulative_and_in_seconds(void **state)
{
    (void)state;
    struct page page;
    page_init(&page);
    metric_observe_us(page.metrics[0], METRIC_LOOP_LAG, LOOP_CONTROL, 20);
    metric_observe_us(page.metrics[1], METRIC_LOOP_LAG, LOOP_CONTROL, 700000);
    metric_observe_us(page.metrics[1], METRIC_LOOP_LAG, LOOP_CONTROL, 40000000);
    page_render(&page, false);
    assert_line(&page,
                "spangate_event_loop_lag_seconds_bucket{loop=\"control\",le=\"0.000005\"} 0");
    assert_line(&page,
                "spangate_event_loop_lag_seconds_bucket{loop=\"control\",le=\"0.000025\"} 1");
    assert_line(&page, "spangate_event_loop_lag_seconds_bucket{loop=\"control\",le=\"0.5\"} 1");
    assert_line(&page, "spangate_event_loop_lag_seconds_bucket{loop=\"control\",le=\"1\"} 2");
    assert_line(&page, "spangate_event_loop_lag_seconds_bucket{loop=\"control\",le=\"30\"} 2");
    assert_line(&page, "spangate_event_loop_lag_seconds_bucket{loop=\"control\",le=\"+Inf\"} 3");
    assert_line(&page, "spangate_event_loop_lag_seconds_sum{loop=\"control\"} 40.70002");
    assert_line(&page, "spangate_event_loop_lag_seconds_count{loop=\"control\"} 3");
    page_fini(&page);
}

/* OpenMetrics alone has a place for it. */
static void
findings_have_a_trace_to_look_at(void **state)
{
    (void)state;
    struct page page;
    page_init(&page);
    page.instances = registry_new();
    metric_add(page.metrics[0], METRIC_FINDINGS, RULE_span_parent_missing, 3);
    page_render(&page, true);
    assert_line(&page, "spangate_integrity_findings_total{rule=\"span-parent-missing\","
                       "class=\"proof\"} 3");
    registry_see(page.instances, BYTES("shop"), BYTES("i-1"), LANGUAGE_GO, 9, 3, 1700000000250);
    page_render(&page, true);
    assert_line(&page, "spangate_integrity_findings_total{rule=\"span-parent-missing\","
                       "class=\"proof\"} 3 # {trace_id=\"trace\\\"1\"} 1 1700000000.25");
    page_render(&page, false);
    assert_line(&page, "spangate_integrity_findings_total{rule=\"span-parent-missing\","
                       "class=\"proof\"} 3");
    instances_free(&page.instances);
    page_fini(&page);
}

/* More workers than loops have names. */
static void
each_loop_has_its_name(void **state)
{
    (void)state;
    struct page page;
    page_init(&page);
    assert_int_equal(metric_loop(0), LOOP_WORKER);
    assert_int_equal(metric_loop(61), METRIC_LOOPS - 2);
    assert_int_equal(metric_loop(62), METRIC_LOOPS - 1);
    assert_int_equal(metric_loop(255), METRIC_LOOPS - 1);
    metric_observe_us(page.metrics[1], METRIC_LOOP_LAG, metric_loop(0), 20);
    page_render(&page, false);
    assert_line(&page, "spangate_event_loop_lag_seconds_count{loop=\"control\"} 0");
    assert_line(&page, "spangate_event_loop_lag_seconds_count{loop=\"w0\"} 1");
    assert_null(strstr(page.text.p, "loop=\"w1\""));
    page_fini(&page);
}

static void
wide_label_sets_show_what_is_known(void **state)
{
    (void)state;
    struct page page;
    page_init(&page);
    uint32_t keep_alive = METHOD_KEEP_ALIVE * METRIC_CODES;
    metric_add(page.metrics[0], METRIC_GRPC_HANDLED, keep_alive + 13, 1);
    metric_add(page.metrics[0], METRIC_BACKEND_REQUESTS, METRIC_CODES + 14, 2);
    metric_add(page.metrics[0], METRIC_BACKEND_REQUESTS, 14, 9); /* slot 0 is free */
    page_render(&page, false);
    assert_line(&page, "spangate_grpc_server_handled_total{method="
                       "\"skywalking.v3.ManagementService/keepAlive\",code=\"INTERNAL\"} 1");
    assert_line(&page, "spangate_grpc_server_handled_total{method="
                       "\"skywalking.v3.ManagementService/keepAlive\",code=\"OK\"} 0");
    assert_line(&page,
                "spangate_grpc_server_handled_total{method=\"unknown\",code=\"UNIMPLEMENTED\"} 0");
    assert_line(
        &page,
        "spangate_backend_requests_total{backend=\"oap\\\"1:11800\",code=\"UNAVAILABLE\"} 2");
    assert_null(strstr(page.text.p, "oap\\\"0"));
    assert_line(&page, "# TYPE spangate_backend_up gauge");
    page_fini(&page);
}

static void
openmetrics_names_counters_without_total(void **state)
{
    (void)state;
    struct page page;
    page_init(&page);
    page_render(&page, true);
    assert_line(&page, "# TYPE spangate_items_forwarded counter");
    assert_line(&page, "spangate_items_forwarded_total{signal=\"log\"} 0");
    assert_line(&page, "spangate_event_loop_lag_seconds_bucket{loop=\"control\",le=\"1.0\"} 0");
    assert_line(&page, "# TYPE process_cpu_seconds counter");
    assert_true(page.text.n > 6);
    assert_string_equal(page.text.p + page.text.n - 6, "# EOF\n");
    page_fini(&page);
}

static void
readiness_and_its_reason(void **state)
{
    (void)state;
    struct page page;
    page_init(&page);
    ready = false;
    page_render(&page, false);
    assert_line(&page, "spangate_ready 0");
    assert_line(&page, "spangate_not_ready_reason{reason=\"draining\"} 1");
    ready = true;
    page_render(&page, false);
    assert_line(&page, "spangate_ready 1");
    assert_line(&page, "spangate_not_ready_reason{reason=\"draining\"} 0");
    page_fini(&page);
}

static void
every_family_has_help_and_type(void **state)
{
    (void)state;
    struct page page;
    page_init(&page);
    page_render(&page, false);
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        char line[200];
        snprintf(line, sizeof(line), "# HELP spangate_%s ", metric_row((enum metric)i)->name);
        assert_non_null(strstr(page.text.p, line));
        snprintf(line, sizeof(line), "# TYPE spangate_%s ", metric_row((enum metric)i)->name);
        assert_non_null(strstr(page.text.p, line));
    }
    assert_line(&page, "spangate_build_info{version=\"1.2.3\",revision=\"abc\",openssl=\"\","
                       "nghttp2=\"1.52.0\"} 1");
    page_fini(&page);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_are_added_up),
        cmocka_unit_test(the_ledger_may_be_negative),
        cmocka_unit_test(buckets_are_cumulative_and_in_seconds),
        cmocka_unit_test(findings_have_a_trace_to_look_at),
        cmocka_unit_test(each_loop_has_its_name),
        cmocka_unit_test(wide_label_sets_show_what_is_known),
        cmocka_unit_test(openmetrics_names_counters_without_total),
        cmocka_unit_test(readiness_and_its_reason),
        cmocka_unit_test(every_family_has_help_and_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
