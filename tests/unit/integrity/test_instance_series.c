/* Series by instance: who has one, and that no counter and no sum ever falls. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/instances_fixture.h"

#include <stdio.h>

enum { MAX_SERIES = 64 };

struct shown {
    char names[MAX_SERIES][32];
    uint64_t n_segments[MAX_SERIES], n_findings[MAX_SERIES], n_bad[MAX_SERIES];
    uint32_t n;
    bool is_fold_last;
};

static void
keep_series(void *ctx, const struct instance_series *series)
{
    struct shown *shown = ctx;
    assert_true(shown->n < MAX_SERIES);
    keep_text(shown->names[shown->n], sizeof(shown->names[0]), series->instance);
    shown->n_segments[shown->n] = series->n_segments;
    shown->n_findings[shown->n] = series->n_findings;
    shown->n_bad[shown->n] = series->n_bad;
    shown->is_fold_last = series->is_fold;
    if (series->is_fold)
        assert_true(bytes_equal(series->service, BYTES("__other__")));
    shown->n++;
}

static struct shown
scrape(struct world *w)
{
    struct shown shown = {.n = 0};
    instances_each_series(w->instances, keep_series, &shown);
    assert_true(shown.is_fold_last);
    return shown;
}

/* MAX_SERIES: it has none. */
static uint32_t
find(const struct shown *shown, const char *instance)
{
    for (uint32_t i = 0; i < shown->n; i++)
        if (strcmp(shown->names[i], instance) == 0)
            return i;
    return MAX_SERIES;
}

static bool
has_series(struct world *w, const char *instance)
{
    struct shown shown = scrape(w);
    return find(&shown, instance) < MAX_SERIES;
}

static void
work(struct world *w, const char *instance, uint32_t n_segments, uint32_t n_bad)
{
    struct found found = {RULE_span_id_duplicate, n_bad, 0};
    see_with(w, "s", instance, (struct sighting){.n_segments = n_segments, .n_bad = n_bad}, &found,
             1);
}

static void
without_series_all_is_folded(void **state)
{
    struct world *w = *state;
    work(w, "a", 10, 1);
    struct shown shown = scrape(w);
    assert_int_equal(shown.n, 1);
    assert_int_equal(shown.n_segments[0], 10);
    assert_int_equal(shown.n_findings[0], 1);
    assert_int_equal(shown.n_bad[0], 1);
    assert_int_equal(instances_n_folded(w->instances), 1);
}

static void
the_first_ones_have_series_the_rest_is_folded(void **state)
{
    struct world *w = *state;
    instances_set_series(w->instances, 2);
    for (int i = 0; i < 3; i++) {
        work(w, "a", 1, 0);
        work(w, "b", 2, 0);
        work(w, "c", 4, 0);
        work(w, "d", 8, 0);
    }
    struct shown shown = scrape(w);
    assert_int_equal(shown.n, 3);
    assert_int_equal(shown.n_segments[find(&shown, "a")], 3);
    assert_int_equal(shown.n_segments[find(&shown, "b")], 6);
    assert_int_equal(shown.n_segments[2], 36);
    assert_int_equal(instances_n_folded(w->instances), 2);
}

static void
a_bad_one_takes_the_place_of_a_healthy_one(void **state)
{
    struct world *w = *state;
    instances_set_series(w->instances, 2);
    work(w, "old", 1, 0);
    work(w, "new", 1, 0);
    work(w, "sick", 5, 0);
    assert_false(has_series(w, "sick"));
    work(w, "sick", 7, 2);
    struct shown shown = scrape(w);
    assert_int_equal(find(&shown, "old"), MAX_SERIES);           /* not seen longest */
    assert_int_equal(shown.n_segments[find(&shown, "sick")], 7); /* from then on */
    assert_int_equal(shown.n_bad[find(&shown, "sick")], 2);
    assert_int_equal(shown.n_segments[2], 6); /* the old one's, and what sick had before */
    work(w, "sick2", 1, 1);
    work(w, "sick3", 1, 1);
    assert_true(has_series(w, "sick") && has_series(w, "sick2"));
    assert_false(has_series(w, "sick3")); /* no healthy one is left */
    work(w, "old", 1, 1);
    assert_false(has_series(w, "old"));
}

/* It does not come back at once with smaller numbers than were scraped before. */
static void
one_that_lost_its_series_waits(void **state)
{
    struct world *w = *state;
    instances_set_series(w->instances, 1);
    work(w, "a", 100, 0);
    work(w, "b", 1, 1);
    assert_true(has_series(w, "b"));
    for (int i = 0; i < 11; i++) {
        pass(w, MINUTE);
        work(w, "a", 1, 0);
    }
    assert_false(has_series(w, "b")); /* idle for ten minutes */
    assert_true(has_series(w, "a"));
    struct shown shown = scrape(w);
    assert_int_equal(shown.n_segments[0] + shown.n_segments[1], 112);
}

static void
idle_ones_are_folded(void **state)
{
    struct world *w = *state;
    instances_set_series(w->instances, 5);
    work(w, "a", 100, 0);
    work(w, "b", 100, 3);
    pass(w, 9 * MINUTE);
    work(w, "a", 1, 0);
    assert_int_equal(scrape(w).n, 3);
    pass(w, 2 * MINUTE);
    struct shown shown = scrape(w);
    assert_int_equal(shown.n, 2);
    assert_int_equal(shown.n_segments[find(&shown, "a")], 101);
    assert_int_equal(shown.n_bad[1], 3);
}

static void
one_that_leaves_the_registry_is_folded(void **state)
{
    (void)state;
    struct world *w = world_of(2, 300 * SECOND);
    instances_set_series(w->instances, 2);
    work(w, "a", 1, 0);
    work(w, "b", 2, 0);
    work(w, "c", 4, 0);
    struct shown shown = scrape(w);
    assert_int_equal(shown.n, 2);
    assert_int_equal(find(&shown, "a"), MAX_SERIES);
    assert_int_equal(shown.n_segments[1], 5); /* "c" might be "a" come back: not yet */
    pass(w, 9 * MINUTE);
    work(w, "b", 1, 0);
    pass(w, 2 * MINUTE);
    work(w, "c", 8, 0);
    shown = scrape(w);
    assert_int_equal(shown.n, 3);
    assert_int_equal(shown.n_segments[find(&shown, "c")], 8);
    void *gone = w;
    tear_down(&gone);
}

static void
their_number_may_change(void **state)
{
    struct world *w = *state;
    const char *names[] = {"a", "b", "c", "d"};
    instances_set_series(w->instances, 4);
    for (uint32_t i = 0; i < 4; i++)
        work(w, names[i], 10, i == 1);
    instances_set_series(w->instances, 2);
    struct shown shown = scrape(w);
    assert_int_equal(shown.n, 3);
    assert_int_equal(shown.n_segments[find(&shown, "b")], 10); /* with a bad segment */
    assert_int_equal(shown.n_segments[find(&shown, "d")], 10); /* seen last */
    assert_int_equal(shown.n_segments[2], 20);
    instances_set_series(w->instances, 10);
    work(w, "e", 1, 0);
    assert_true(has_series(w, "b") && has_series(w, "d") && has_series(w, "e"));
    instances_set_series(w->instances, 0);
    shown = scrape(w);
    assert_int_equal(shown.n, 1);
    assert_int_equal(shown.n_segments[0], 41);
}

static void
findings_of_the_registry_count_too(void **state)
{
    struct world *w = *state;
    instances_set_series(w->instances, 1);
    see(w, "s", "a", properties(LANGUAGE_RUBY, "h"));
    see(w, "s", "a", properties(LANGUAGE_JAVA, "h"));
    assert_int_equal(scrape(w).n_findings[0], 1);
}

/* An hour of comings, goings, sickness, evictions and reloads, scraped every fifteen seconds. */
static void
nothing_ever_falls(void **state)
{
    (void)state;
    struct world *w = world_of(30, 300 * SECOND);
    struct shown last = {.n = 0}, shown;
    uint64_t n_segments = 0, n_findings = 0, n_bad = 0;
    uint32_t random = 1;
    instances_set_series(w->instances, 8);
    for (int turn = 0; turn < 1500; turn++) {
        for (int i = 0; i < 10; i++) {
            char name[16];
            random = random * 1664525 + 1013904223;
            uint32_t who = (random >> 8) % 50, n = (random >> 16) % 20;
            uint32_t sick = who % 7 == 0 && n > 10 ? 2 : 0;
            snprintf(name, sizeof(name), "i%u", who);
            if (turn / 100 % 5 == 4 && who < 25)
                continue; /* half of them sleep for a while */
            work(w, name, n, sick);
            n_segments += n;
            n_findings += sick;
            n_bad += sick;
        }
        pass(w, 15 * SECOND);
        if (turn % 400 == 399)
            instances_set_series(w->instances, turn % 800 == 799 ? 12 : 4);
        shown = scrape(w);
        uint64_t sums[3] = {0};
        for (uint32_t i = 0; i < shown.n; i++) {
            uint32_t before = find(&last, shown.names[i]);
            sums[0] += shown.n_segments[i];
            sums[1] += shown.n_findings[i];
            sums[2] += shown.n_bad[i];
            if (before == MAX_SERIES)
                continue;
            assert_true(shown.n_segments[i] >= last.n_segments[before]);
            assert_true(shown.n_findings[i] >= last.n_findings[before]);
            assert_true(shown.n_bad[i] >= last.n_bad[before]);
        }
        assert_int_equal(sums[0], n_segments);
        assert_int_equal(sums[1], n_findings);
        assert_int_equal(sums[2], n_bad);
        last = shown;
    }
    void *gone = w;
    tear_down(&gone);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(without_series_all_is_folded),
        TEST(the_first_ones_have_series_the_rest_is_folded),
        TEST(a_bad_one_takes_the_place_of_a_healthy_one),
        TEST(one_that_lost_its_series_waits),
        TEST(idle_ones_are_folded),
        cmocka_unit_test(one_that_leaves_the_registry_is_folded),
        TEST(their_number_may_change),
        TEST(findings_of_the_registry_count_too),
        cmocka_unit_test(nothing_ever_falls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
