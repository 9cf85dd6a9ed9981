/* Answers of the span index against comparing all pairs. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"
#include "integrity/span_index.h"

static uint64_t seed = 7;

static uint32_t
draw(uint32_t n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % n;
}

static uint32_t
first_with(const struct segment_view *view, int32_t id, uint32_t end)
{
    for (uint32_t i = 0; i < end; i++)
        if (view->spans[i].id == id && view->spans[i].raw.n > 0)
            return i;
    return SPAN_NONE;
}

static int32_t
draw_id(void)
{
    static const int32_t bases[] = {0, 0, 0, 8190, INT32_MAX - 4, INT32_MIN, -3, 1000000};
    uint32_t base = draw(8);
    return bases[base] + (int32_t)draw(base == 4 ? 5 : 12);
}

static void
compare(const struct span_index *index, const struct segment_view *view, uint32_t first_blank)
{
    uint32_t zero = first_with(view, 0, view->n_spans);
    if (zero == SPAN_NONE)
        zero = first_blank;
    assert_int_equal(index->first_zero, zero);
    for (uint32_t i = 0; i < view->n_spans; i++) {
        const struct span_view *span = &view->spans[i];
        uint32_t before = span->raw.n > 0 ? first_with(view, span->id, i) : SPAN_NONE;
        uint32_t parent = first_with(view, span->parent_id, view->n_spans);
        if (span->parent_id == 0)
            parent = zero;
        if (span->parent_id == -1)
            parent = SPAN_NONE;
        assert_int_equal(index->same_id_before[i], before);
        assert_int_equal(index->parent_index[i], parent);
    }
}

static void
it_agrees_with_the_slow_way(void **state)
{
    (void)state;
    struct span_index index;
    struct span_view spans[40];
    span_index_init(&index);
    for (int round = 0; round < 20000; round++) {
        struct segment_view view = {.spans = spans, .n_spans = 1 + draw(40)};
        uint32_t first_blank = SPAN_NONE;
        for (uint32_t i = 0; i < view.n_spans; i++) {
            spans[i] = (struct span_view){.raw = BYTES("x")};
            spans[i].id = draw_id();
            spans[i].parent_id = draw(4) == 0 ? -1 : draw_id();
            if (draw(20) != 0)
                continue;
            spans[i] = (struct span_view){.raw = BYTES_NONE};
            if (first_blank == SPAN_NONE)
                first_blank = i;
        }
        span_index_build(&index, &view);
        compare(&index, &view, first_blank);
    }
    span_index_fini(&index);
}

static void
a_giant_s_memory_goes_with_the_next_segment(void **state)
{
    (void)state;
    enum { MANY = 50000 };
    struct span_index index;
    struct span_view *spans = mem_new_n(struct span_view, MANY);
    for (int32_t i = 0; i < MANY; i++)
        spans[i] = (struct span_view){.raw = BYTES("x"), .id = i, .parent_id = i - 1};
    struct segment_view view = {.spans = spans, .n_spans = MANY};
    span_index_init(&index);
    uint32_t usual = index.cap_spans;
    span_index_build(&index, &view);
    assert_true(index.cap_spans >= MANY);
    assert_int_equal(index.parent_index[MANY - 1], MANY - 2);
    view.n_spans = 3;
    span_index_build(&index, &view);
    assert_int_equal(index.cap_spans, usual);
    assert_int_equal(index.parent_index[2], 1);
    span_index_fini(&index);
    mem_free(spans);
}

static void
the_epoch_may_run_over(void **state)
{
    (void)state;
    struct span_view spans[] = {{.raw = BYTES("x"), .id = 3}, {.raw = BYTES("x"), .id = -9}};
    struct segment_view view = {.spans = spans, .n_spans = 2};
    struct span_index index;
    span_index_init(&index);
    for (uint32_t round = 0; round < 4; round++) {
        if (round == 1)
            index.epoch = UINT32_MAX - 1;
        span_index_build(&index, &view);
        assert_int_equal(index.same_id_before[0], SPAN_NONE);
        assert_int_equal(index.same_id_before[1], SPAN_NONE);
        assert_int_equal(index.parent_index[0], SPAN_NONE);
    }
    assert_true(index.epoch < 4);
    span_index_fini(&index);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_agrees_with_the_slow_way),
        cmocka_unit_test(a_giant_s_memory_goes_with_the_next_segment),
        cmocka_unit_test(the_epoch_may_run_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
