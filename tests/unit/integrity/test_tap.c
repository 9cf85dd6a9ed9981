/* The tap: what is matched, what the rate lets pass, the ring's bounds, and two threads on it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "integrity/tap.h"

enum { START_US = 5000000, PLENTY = 64 << 20, MANY = 20000 };

static struct {
    struct budget_pool pool;
    struct budget budget;
    struct tap *tap;
} site;

static void
open_tap(const char *expression, uint32_t verdicts, uint32_t rate, uint32_t n_rings)
{
    struct tap_settings settings = {.verdicts = verdicts, .rate = rate, .n_rings = n_rings};
    struct filter_error error;
    if (expression != NULL)
        assert_true(filter_parse(bytes_str(expression), &settings.filter, &error));
    clock_set(START_US, now_ms);
    budget_pool_init(&site.pool, PLENTY);
    budget_init(&site.budget, &site.pool);
    site.tap = tap_new(&settings);
    for (uint32_t i = 0; i < n_rings; i++) {
        assert_false(tap_is_open(site.tap));
        assert_true(tap_open(site.tap, i, &site.budget));
    }
    assert_true(tap_is_open(site.tap));
    assert_int_equal(site.budget.used_bytes, n_rings * TAP_RING_BYTES);
}

static void
close_tap(uint32_t n_rings)
{
    for (uint32_t i = 0; i < n_rings; i++)
        tap_close(site.tap, i, &site.budget);
    tap_free(&site.tap);
    assert_int_equal(site.budget.used_bytes, 0);
    budget_fini(&site.budget);
}

static void
offer(uint32_t ring)
{
    struct bytes message = segment_build_bytes(&fixture.build);
    judge_bytes(message);
    tap_offer(site.tap, ring, message, &fixture.judgement);
}

/* Bytes that stand for a segment: the ring does not look into them. */
static void
offer_bytes(uint32_t ring, const uint8_t *p, size_t n)
{
    const struct judgement judgement = {.verdict = VERDICT_CLEAN, .reason = RULE_COUNT};
    tap_offer(site.tap, ring, bytes_of(p, n), &judgement);
}

static struct tap_counts
counts(void)
{
    struct tap_counts out;
    tap_counts(site.tap, &out);
    return out;
}

static uint32_t
take_all(void)
{
    struct tap_item item;
    uint32_t n = 0;
    for (; tap_peek(site.tap, &item); n++)
        tap_take(site.tap);
    return n;
}

static void
build_healthy(void)
{
    begin();
    open_span(0, -1, SPAN_ENTRY, LAYER_UNKNOWN);
    add_tag("http.status_code", "500");
    close_span();
    end();
}

static void
build_torn(void)
{
    begin();
    add_span(0, -1);
    add_span(2, 7);
    end();
}

static void
what_is_copied_is_what_came(void **state)
{
    (void)state;
    struct tap_item item;
    open_tap(NULL, 0, TAP_MAX_RATE, 1);
    assert_false(tap_peek(site.tap, &item));
    build_torn();
    offer(0);
    assert_true(tap_peek(site.tap, &item));
    assert_true(bytes_equal(item.payload, segment_build_bytes(&fixture.build)));
    assert_int_equal(item.verdict, fixture.judgement.verdict);
    assert_int_equal(item.rule, RULE_span_parent_missing);
    assert_int_equal(item.rules, fixture.judgement.rules);
    assert_int_equal(item.received_ms, now_ms);
    tap_take(site.tap);
    assert_false(tap_peek(site.tap, &item));
    close_tap(1);
}

static void
filter_and_verdict_choose(void **state)
{
    (void)state;
    static const struct {
        const char *expression;
        uint32_t verdicts;
        uint32_t n_healthy, n_torn;
    } cases[] = {
        {NULL, 0, 1, 1},
        {"tag.http.status_code=500", 0, 1, 0},
        {"rule=span-parent-missing", 0, 0, 1},
        {"service=checkout and spans>1", 0, 0, 1},
        {"service=nobody*", 0, 0, 0},
        {"verdict=clean", 0, 1, 0},
        {NULL, 1u << VERDICT_CLEAN, 1, 0},
        {"spans>1", 1u << VERDICT_CLEAN, 0, 0},
        {"instance=checkout-1* and trace=trace-1 and method=*collect and signal=tracing", 0, 1, 1},
    };
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        open_tap(cases[i].expression, cases[i].verdicts, TAP_MAX_RATE, 1);
        build_healthy();
        offer(0);
        assert_int_equal(take_all(), cases[i].n_healthy);
        build_torn();
        offer(0);
        assert_int_equal(take_all(), cases[i].n_torn);
        assert_int_equal(counts().n_seen, 2);
        assert_int_equal(counts().n_matched, cases[i].n_healthy + cases[i].n_torn);
        close_tap(1);
    }
}

/* No more than a second's worth at once, then one for each part of a second; over all workers. */
static void
the_rate_is_kept_over_all_workers(void **state)
{
    (void)state;
    open_tap(NULL, 0, 10, 2);
    for (uint32_t i = 0; i < 50; i++)
        offer_bytes(i % 2, (const uint8_t *)"x", 1);
    assert_int_equal(take_all(), 10);
    clock_set(START_US + 99999, now_ms);
    offer_bytes(0, (const uint8_t *)"x", 1);
    assert_int_equal(take_all(), 0);
    clock_set(START_US + 100000, now_ms);
    offer_bytes(1, (const uint8_t *)"x", 1);
    offer_bytes(1, (const uint8_t *)"x", 1);
    assert_int_equal(take_all(), 1);
    clock_set(START_US + 60000000, now_ms);
    for (uint32_t i = 0; i < 50; i++)
        offer_bytes(i % 2, (const uint8_t *)"x", 1);
    assert_int_equal(take_all(), 10);
    assert_int_equal(counts().n_over_rate, 40 + 1 + 1 + 40);
    assert_int_equal(counts().n_matched, 103);
    close_tap(2);
}

/* A rare segment among many others, whose filter would find nothing were it asked after the rate.
 */
static void
the_filter_comes_before_the_rate(void **state)
{
    (void)state;
    open_tap("spans>1", 0, 1, 1);
    build_healthy();
    for (uint32_t i = 0; i < 1000; i++)
        offer(0);
    build_torn();
    offer(0);
    assert_int_equal(take_all(), 1);
    assert_int_equal(counts().n_over_rate, 0);
    close_tap(1);
}

static void
a_full_ring_and_large_segments_are_counted(void **state)
{
    (void)state;
    uint8_t *large = mem_zeroed(TAP_SEGMENT_MAX_BYTES + 1);
    open_tap(NULL, 0, TAP_MAX_RATE, 1);
    offer_bytes(0, large, TAP_SEGMENT_MAX_BYTES + 1);
    assert_int_equal(counts().n_too_large, 1);
    for (uint32_t i = 0; i < 5; i++)
        offer_bytes(0, large, TAP_SEGMENT_MAX_BYTES);
    assert_int_equal(counts().n_no_room, 2);
    offer_bytes(0, large, 100); /* a small one still fits */
    assert_int_equal(take_all(), 4);
    offer_bytes(0, large, TAP_SEGMENT_MAX_BYTES);
    assert_int_equal(take_all(), 1);
    assert_int_equal(counts().n_no_room, 2);
    close_tap(1);
    mem_free(large);
}

static void
the_oldest_comes_first(void **state)
{
    (void)state;
    struct tap_item item;
    open_tap(NULL, 0, TAP_MAX_RATE, 3);
    for (uint8_t i = 0; i < 30; i++) {
        clock_set(START_US + i, now_ms);
        offer_bytes((uint32_t)(i * 7) % 3, &i, 1);
    }
    for (uint8_t i = 0; i < 30; i++) {
        assert_true(tap_peek(site.tap, &item));
        assert_int_equal(item.payload.p[0], i);
        tap_take(site.tap);
    }
    close_tap(3);
}

static void
expect_refusal(uint64_t limit_bytes, uint64_t used_bytes)
{
    struct budget_pool pool;
    struct budget budget;
    const struct tap_settings settings = {.rate = 1, .n_rings = 1};
    budget_pool_init(&pool, limit_bytes);
    budget_init(&budget, &pool);
    assert_true(budget_take(&budget, used_bytes));
    struct tap *tap = tap_new(&settings);
    assert_false(tap_open(tap, 0, &budget));
    assert_true(tap_is_refused(tap));
    assert_false(tap_is_open(tap));
    tap_close(tap, 0, &budget);
    tap_free(&tap);
    assert_int_equal(budget.used_bytes, used_bytes);
    budget_give(&budget, used_bytes);
    budget_fini(&budget);
}

/* Neither beyond the limit, nor where new messages would be held for it. */
static void
no_memory_refuses(void **state)
{
    (void)state;
    expect_refusal(BUDGET_STEP_BYTES, 10);
    expect_refusal(10 * BUDGET_STEP_BYTES, 6 * BUDGET_STEP_BYTES);
}

/* A worker that offers segments of many sizes, each full of one byte, its number. */
static _Atomic bool is_done;

static void *
offer_many(void *ctx)
{
    static uint8_t bytes[60000];
    (void)ctx;
    for (uint32_t i = 0; i < MANY; i++) {
        size_t n = 1 + (i * UINT32_C(2654435761)) % sizeof(bytes);
        clock_set(START_US + (uint64_t)i * 1000, now_ms);
        memset(bytes, (int)(i & 0xff), n);
        offer_bytes(0, bytes, n);
    }
    atomic_store(&is_done, true);
    return NULL;
}

static void
assert_is_whole(const struct tap_item *item)
{
    for (size_t i = 1; i < item->payload.n; i += 97)
        assert_int_equal(item->payload.p[i], item->payload.p[0]);
    assert_int_equal(item->payload.p[item->payload.n - 1], item->payload.p[0]);
}

static void
a_reader_in_another_thread_finds_each_whole(void **state)
{
    (void)state;
    pthread_t thread;
    struct tap_item item;
    uint64_t n = 0;
    open_tap(NULL, 0, TAP_MAX_RATE, 1);
    atomic_store(&is_done, false);
    assert_int_equal(pthread_create(&thread, NULL, offer_many, NULL), 0);
    for (bool was_done = false; !was_done;) {
        was_done = atomic_load(&is_done);
        for (; tap_peek(site.tap, &item); n++) {
            assert_is_whole(&item);
            tap_take(site.tap);
        }
    }
    pthread_join(thread, NULL);
    assert_int_equal(counts().n_seen, MANY);
    assert_int_equal(counts().n_over_rate, 0);
    assert_int_equal(n + counts().n_no_room, MANY);
    assert_true(n > 0);
    close_tap(1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_copied_is_what_came),
        TEST(filter_and_verdict_choose),
        TEST(the_rate_is_kept_over_all_workers),
        TEST(the_filter_comes_before_the_rate),
        TEST(a_full_ring_and_large_segments_are_counted),
        TEST(the_oldest_comes_first),
        TEST(no_memory_refuses),
        TEST(a_reader_in_another_thread_finds_each_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
