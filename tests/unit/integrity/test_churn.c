/* Lives one after another: what is a loop, and what only looks like one. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "integrity/churn.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND };

struct fixture {
    struct churn *churn;
    int64_t now_ms;
    uint64_t key, n_instances;
};

static int
set_up(void **state)
{
    struct fixture *f = mem_new(struct fixture);
    f->churn = churn_new();
    f->now_ms = 1000;
    f->key = churn_key(BYTES("checkout"), BYTES("web-1"), BYTES("10.0.0.1"));
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    churn_free(&f->churn);
    mem_free(f);
    return 0;
}

static bool
end(struct fixture *f, struct churn_ticket ticket, uint64_t instance, bool is_abrupt)
{
    struct churn_end facts = {is_abrupt, 1, 2};
    return churn_finish(f->churn, ticket, instance, &facts, f->now_ms);
}

/* A process that lives so long; then a pause. */
static bool
live(struct fixture *f, int64_t life_ms, int64_t pause_ms, bool is_abrupt)
{
    uint64_t instance = ++f->n_instances;
    struct churn_ticket ticket = churn_begin(f->churn, f->key, instance, f->now_ms);
    f->now_ms += life_ms;
    bool is_loop = end(f, ticket, instance, is_abrupt);
    f->now_ms += pause_ms;
    return is_loop;
}

static void
the_fourth_abrupt_life_is_a_loop(void **state)
{
    struct fixture *f = *state;
    struct churn_story story;
    assert_false(live(f, 5 * SECOND, 10 * SECOND, true));
    assert_false(live(f, 7 * SECOND, 20 * SECOND, true));
    assert_false(live(f, 5 * SECOND, 40 * SECOND, true));
    assert_true(live(f, 5 * SECOND, 80 * SECOND, true));
    assert_true(live(f, 5 * SECOND, 160 * SECOND, true));
    assert_true(churn_look(f->churn, f->key, f->now_ms, &story));
    assert_int_equal(story.n_lives, 5);
    assert_int_equal(story.longest_ms, 7 * SECOND);
    assert_int_equal(story.span_ms, 177 * SECOND);
    assert_int_equal(story.most_segments, 1);
    assert_int_equal(story.most_keepalives, 2);
}

static void
back_off_of_five_minutes_stays_a_loop(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++)
        assert_false(live(f, 20 * SECOND, 5 * MINUTE, true));
    for (int i = 0; i < 20; i++)
        assert_true(live(f, 20 * SECOND, 5 * MINUTE, true));
}

static void
restarts_after_half_an_hour_are_none(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 20; i++)
        assert_false(live(f, 30 * SECOND, 10 * MINUTE, true));
}

static void
long_lives_are_none(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++)
        assert_false(live(f, 5 * SECOND, 5 * SECOND, true));
    assert_false(live(f, 11 * MINUTE, 5 * SECOND, true));
    for (int i = 0; i < 3; i++)
        assert_false(live(f, 5 * SECOND, 5 * SECOND, true)); /* begins anew */
    assert_true(live(f, 5 * SECOND, 5 * SECOND, true));
}

static void
an_orderly_end_forgets_all(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 30; i++)
        assert_false(live(f, 5 * SECOND, 5 * SECOND, i % 4 != 3));
}

/* The new one begins before the old one ends. */
static void
rolling_deployments_overlap(void **state)
{
    struct fixture *f = *state;
    struct churn_ticket old = churn_begin(f->churn, f->key, 1, f->now_ms);
    for (uint64_t i = 2; i < 30; i++) {
        f->now_ms += MINUTE;
        struct churn_ticket ticket = churn_begin(f->churn, f->key, i, f->now_ms);
        f->now_ms += 10 * SECOND;
        assert_false(end(f, old, i - 1, true));
        old = ticket;
    }
}

/* Workers of one pool are recycled while others live. */
static void
a_pool_is_no_loop(void **state)
{
    struct fixture *f = *state;
    enum { POOL = 20 };
    struct churn_ticket tickets[POOL];
    for (uint64_t i = 0; i < POOL; i++)
        tickets[i] = churn_begin(f->churn, f->key, i + 1, f->now_ms);
    for (uint64_t i = 0; i < 200; i++) {
        f->now_ms += 7 * SECOND;
        uint64_t slot = i % POOL;
        assert_false(end(f, tickets[slot], slot + 1, true));
        f->now_ms += SECOND;
        tickets[slot] = churn_begin(f->churn, f->key, slot + 1, f->now_ms);
    }
}

/* Two workers mail once a second each: the end of a life may be heard after the next one's start.
 */
static void
mail_that_crosses_is_no_overlap(void **state)
{
    struct fixture *f = *state;
    struct churn_ticket old = churn_begin(f->churn, f->key, 1, f->now_ms);
    bool is_loop = false;
    for (uint64_t i = 2; i < 7; i++) {
        f->now_ms += 5 * SECOND;
        struct churn_ticket ticket = churn_begin(f->churn, f->key, i, f->now_ms);
        f->now_ms -= 20;
        is_loop = end(f, old, i - 1, true);
        f->now_ms += SECOND;
        old = ticket;
    }
    assert_true(is_loop);
}

/* The new one serves before the old one is told to go. */
static void
a_short_overlap_is_one(void **state)
{
    struct fixture *f = *state;
    struct churn_ticket old = churn_begin(f->churn, f->key, 1, f->now_ms);
    for (uint64_t i = 2; i < 20; i++) {
        f->now_ms += 5 * SECOND;
        struct churn_ticket ticket = churn_begin(f->churn, f->key, i, f->now_ms);
        f->now_ms += 400;
        assert_false(end(f, old, i - 1, true));
        old = ticket;
    }
}

static void
a_connection_lost_is_no_end(void **state)
{
    struct fixture *f = *state;
    struct churn_ticket ticket = churn_begin(f->churn, f->key, 1, f->now_ms);
    for (int i = 0; i < 20; i++) {
        f->now_ms += 30 * SECOND;
        assert_false(end(f, ticket, 1, true));
        f->now_ms += SECOND;
        churn_resume(f->churn, ticket, 1, f->now_ms);
    }
}

/* Several processes whose connections are cut in turn: each was there while the others began. */
static void
one_that_comes_back_was_there_all_along(void **state)
{
    struct fixture *f = *state;
    struct churn_ticket tickets[6];
    for (uint64_t i = 0; i < 6; i++) {
        tickets[i] = churn_begin(f->churn, f->key, i + 1, f->now_ms);
        f->now_ms += 5 * SECOND;
        bool is_loop = end(f, tickets[i], i + 1, true);
        assert_false(is_loop);
        f->now_ms += 6 * SECOND;
        if (i > 0)
            churn_resume(f->churn, tickets[i - 1], i, f->now_ms);
    }
}

/* cron: every minute, every five minutes, to the second or nearly so. */
static void
jobs_by_the_clock_are_no_loop(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 30; i++)
        assert_false(
            live(f, (3 + i % 5) * SECOND, MINUTE - (3 + i % 5) * SECOND + i % 3 * 10, true));
    f->key++;
    for (int i = 0; i < 30; i++)
        assert_false(live(f, 40 * SECOND, 5 * MINUTE - 40 * SECOND, true));
}

static void
hosts_and_services_are_kept_apart(void **state)
{
    struct fixture *f = *state;
    uint64_t keys[] = {
        churn_key(BYTES("a"), BYTES("h"), BYTES("1")),
        churn_key(BYTES("b"), BYTES("h"), BYTES("1")),
        churn_key(BYTES("a"), BYTES("i"), BYTES("1")),
        churn_key(BYTES("a"), BYTES("h"), BYTES("2")),
    };
    for (int i = 0; i < 12; i++) {
        f->key = keys[i % 4];
        assert_false(live(f, 5 * SECOND, 6 * SECOND, true));
    }
}

static void
it_is_over_when_a_life_lasts(void **state)
{
    struct fixture *f = *state;
    struct churn_story story;
    for (int i = 0; i < 5; i++)
        live(f, 5 * SECOND, 6 * SECOND, true);
    churn_begin(f->churn, f->key, 99, f->now_ms);
    f->now_ms += 9 * MINUTE;
    assert_true(churn_look(f->churn, f->key, f->now_ms, &story));
    f->now_ms += 2 * MINUTE;
    assert_false(churn_look(f->churn, f->key, f->now_ms, &story));
}

static void
it_is_over_when_nobody_starts_any_more(void **state)
{
    struct fixture *f = *state;
    struct churn_story story;
    for (int i = 0; i < 5; i++)
        live(f, 5 * SECOND, 6 * SECOND, true);
    f->now_ms += 25 * MINUTE;
    assert_true(churn_look(f->churn, f->key, f->now_ms, &story));
    f->now_ms += 6 * MINUTE;
    assert_false(churn_look(f->churn, f->key, f->now_ms, &story));
}

/* A key that left and came again knows nothing of the lives it had. */
static void
the_table_is_bounded(void **state)
{
    struct fixture *f = *state;
    struct churn_ticket old = churn_begin(f->churn, f->key, 1, f->now_ms);
    for (uint64_t i = 1; i <= CHURN_KEYS; i++)
        churn_begin(f->churn, f->key + i, i, f->now_ms);
    uint64_t n_bytes = churn_n_bytes(f->churn);
    assert_true(n_bytes < 4 * 1024 * 1024);
    struct churn_ticket anew = churn_begin(f->churn, f->key, 2, f->now_ms);
    assert_int_not_equal(old.generation, anew.generation);
    assert_int_equal(churn_n_bytes(f->churn), n_bytes);
    f->now_ms += 5 * SECOND;
    assert_false(end(f, old, 1, true));
    assert_false(end(f, anew, 2, true));
    for (int i = 0; i < 2; i++)
        assert_false(live(f, 5 * SECOND, 6 * SECOND, true));
    assert_true(live(f, 5 * SECOND, 6 * SECOND, true));
}

/* The ends of lives from before the key left are none of those that overlap now. */
static void
old_tickets_end_nothing(void **state)
{
    struct fixture *f = *state;
    struct churn_ticket stale[20], old;
    for (uint64_t i = 0; i < 20; i++)
        stale[i] = churn_begin(f->churn, f->key, 100 + i, f->now_ms);
    for (uint64_t i = 1; i <= CHURN_KEYS; i++)
        churn_begin(f->churn, f->key + i, i, f->now_ms);
    old = churn_begin(f->churn, f->key, 1, f->now_ms);
    for (uint64_t i = 2; i < 20; i++) {
        f->now_ms += 5 * SECOND;
        struct churn_ticket ticket = churn_begin(f->churn, f->key, i, f->now_ms);
        f->now_ms += 400;
        assert_false(end(f, stale[i], 100 + i, true));
        assert_false(end(f, old, i - 1, true));
        old = ticket;
    }
}

static void
a_life_that_is_forgotten_tells_nothing(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 30; i++) {
        if (i % 3 == 2) {
            struct churn_ticket ticket = churn_begin(f->churn, f->key, 1000, f->now_ms);
            churn_forget(f->churn, ticket, f->now_ms);
        }
        assert_false(live(f, 5 * SECOND, 6 * SECOND, true));
    }
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_fourth_abrupt_life_is_a_loop),
        TEST(back_off_of_five_minutes_stays_a_loop),
        TEST(restarts_after_half_an_hour_are_none),
        TEST(long_lives_are_none),
        TEST(an_orderly_end_forgets_all),
        TEST(rolling_deployments_overlap),
        TEST(a_pool_is_no_loop),
        TEST(mail_that_crosses_is_no_overlap),
        TEST(a_short_overlap_is_one),
        TEST(a_connection_lost_is_no_end),
        TEST(one_that_comes_back_was_there_all_along),
        TEST(jobs_by_the_clock_are_no_loop),
        TEST(hosts_and_services_are_kept_apart),
        TEST(it_is_over_when_a_life_lasts),
        TEST(it_is_over_when_nobody_starts_any_more),
        TEST(the_table_is_bounded),
        TEST(old_tickets_end_nothing),
        TEST(a_life_that_is_forgotten_tells_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
