/* The families by instance: whom they show, and names that would break a scrape. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "admin/expose_int.h"
#include "admin/registry.h"

enum { TOP = 2, NOW_MS = 1700000 };

struct page {
    struct instances *instances;
    struct text text;
};

static int
set_up(void **state)
{
    static struct page page;
    page = (struct page){registry_new(), TEXT_EMPTY};
    instances_set_series(page.instances, TOP);
    *state = &page;
    return 0;
}

static int
tear_down(void **state)
{
    struct page *page = *state;
    instances_free(&page->instances);
    text_fini(&page->text);
    return 0;
}

static void
render(struct page *page, bool openmetrics)
{
    text_clear(&page->text);
    text_add(&page->text, "\n");
    expose_instances(page->instances, openmetrics, &page->text);
}

static unsigned
count(const struct page *page, const char *line)
{
    char wanted[600];
    unsigned n = 0;
    snprintf(wanted, sizeof(wanted), "\n%s\n", line);
    for (const char *p = page->text.p; (p = strstr(p, wanted)) != NULL; p++)
        n++;
    return n;
}

static void
assert_line(const struct page *page, const char *line)
{
    if (count(page, line) != 1)
        print_error("%s: %u times in %s\n", line, count(page, line), page->text.p);
    assert_int_equal(count(page, line), 1);
}

static void
see(struct page *page, const char *service, const char *instance, uint32_t n_segments,
    uint32_t n_bad)
{
    registry_see(page->instances, bytes_str(service), bytes_str(instance), LANGUAGE_GO, n_segments,
                 n_bad, NOW_MS);
}

static void
families_are_there_before_any_instance(void **state)
{
    struct page *page = *state;
    struct text without = TEXT_EMPTY;
    render(page, false);
    expose_instances(NULL, false, &without);
    for (uint32_t i = 0; expose_instance_family(i) != NULL; i++) {
        char line[100];
        snprintf(line, sizeof(line), "# TYPE spangate_%s %s\n", expose_instance_family(i)->name,
                 expose_instance_family(i)->type);
        assert_non_null(strstr(page->text.p, line));
        assert_non_null(strstr(without.p, line));
    }
    assert_line(page, "spangate_series_overflow_total{family=\"instance_segments_total\"} 0");
    assert_line(page, "spangate_series_overflow_total{family=\"instance_bad_ratio\"} 0");
    text_fini(&without);
}

static void
an_instance_has_its_counts_and_its_share(void **state)
{
    struct page *page = *state;
    see(page, "shop", "7f3a@10.2.0.17", 8, 1);
    see(page, "shop", "7f3a@10.2.0.17", 8, 0);
    render(page, false);
    static const char labels[] = "{service=\"shop\",service_instance=\"7f3a@10.2.0.17\"}";
    char line[200];
    snprintf(line, sizeof(line), "spangate_instance_segments_total%s 16", labels);
    assert_line(page, line);
    snprintf(line, sizeof(line), "spangate_instance_findings_total%s 1", labels);
    assert_line(page, line);
    snprintf(line, sizeof(line), "spangate_instance_bad_ratio%s 0.0625", labels);
    assert_line(page, line);
}

static void
those_beyond_the_bound_fold(void **state)
{
    struct page *page = *state;
    char name[20];
    for (unsigned i = 0; i < TOP + 3; i++) {
        snprintf(name, sizeof(name), "i%u", i);
        see(page, "shop", name, 10, 0);
    }
    render(page, false);
    assert_line(page, "spangate_instance_segments_total{service=\"__other__\",service_instance=\"__"
                      "other__\"} 30");
    assert_line(page, "spangate_series_overflow_total{family=\"instance_segments_total\"} 3");
    unsigned n = 0;
    for (const char *p = page->text.p; (p = strstr(p, "\nspangate_instance_segments_total{")); p++)
        n++;
    assert_int_equal(n, TOP + 1);
}

/* A scrape with one series twice is refused whole. */
static void
names_that_come_out_the_same_are_one_series(void **state)
{
    struct page *page = *state;
    char first[200], second[200], line[400];
    memset(first, 'a', sizeof(first));
    first[180] = '\0';
    memcpy(second, first, sizeof(second));
    second[179] = 'b';
    see(page, first, "i", 3, 0);
    see(page, second, "i", 4, 2);
    see(page, "__other__", "__other__", 5, 0);
    render(page, false);
    snprintf(line, sizeof(line),
             "spangate_instance_segments_total{service=\"%.128s\",service_instance=\"i\"} 7",
             first);
    assert_line(page, line);
    assert_line(page, "spangate_instance_segments_total{service=\"__other__\",service_instance=\"__"
                      "other__\"} 5");
}

static void
names_cannot_break_out_of_their_label(void **state)
{
    struct page *page = *state;
    see(page, "a\"} 1\nx{y=\"", "b\\\xff\xc3", 1, 0);
    render(page, false);
    assert_null(strstr(page->text.p, "\nx{"));
    assert_non_null(
        strstr(page->text.p, "{service=\"a\\\"} 1\\nx{y=\\\"\",service_instance=\"b\\\\"));
}

static void
openmetrics_names_counters_without_total(void **state)
{
    struct page *page = *state;
    see(page, "shop", "i", 1, 0);
    render(page, true);
    assert_line(page, "# TYPE spangate_instance_segments counter");
    assert_line(page, "# TYPE spangate_instance_bad_ratio gauge");
    assert_line(page, "# TYPE spangate_series_overflow counter");
    assert_line(page,
                "spangate_instance_segments_total{service=\"shop\",service_instance=\"i\"} 1");
}

static void
the_bound_leaves_room_for_all_series(void **state)
{
    (void)state;
    assert_int_equal(expose_instance_limit(200, 5000), 200);
    assert_int_equal(expose_instance_limit(100000, 5000), 1665);
    assert_int_equal(expose_instance_limit(200, 100), 32);
    assert_int_equal(expose_instance_limit(0, 100), 0);
    assert_int_equal(expose_instance_limit(200, 0), 0);
}

#define WITH_PAGE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PAGE(families_are_there_before_any_instance),
        WITH_PAGE(an_instance_has_its_counts_and_its_share),
        WITH_PAGE(those_beyond_the_bound_fold),
        WITH_PAGE(names_that_come_out_the_same_are_one_series),
        WITH_PAGE(names_cannot_break_out_of_their_label),
        WITH_PAGE(openmetrics_names_counters_without_total),
        cmocka_unit_test(the_bound_leaves_room_for_all_series),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
