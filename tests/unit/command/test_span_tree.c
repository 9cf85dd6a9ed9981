/* The drawing of a segment: nesting, marks, and shapes that are no tree. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "command/span_tree.h"

enum { N_SPANS = 1000 };

static struct span_view spans[N_SPANS];

static void
set(uint32_t index, int32_t id, int32_t parent, int32_t type, const char *name)
{
    spans[index] = (struct span_view){.id = id,
                                      .parent_id = parent,
                                      .type = type,
                                      .operation = bytes_str(name),
                                      .start_ms = 1000,
                                      .end_ms = 1005};
}

static struct text
draw_with(uint32_t n_spans, const struct finding *findings, uint32_t n_findings,
          const struct span_tree *look)
{
    struct segment_view view = {.n_spans = n_spans, .spans = spans};
    struct judgement judgement = {.segment = &view, .findings = findings, .n_findings = n_findings};
    struct text out = TEXT_EMPTY;
    span_tree_draw(&out, &judgement, look);
    return out;
}

/* With one finding, of the span by its index. */
static struct text
draw(uint32_t n_spans, enum rule rule, uint32_t found)
{
    struct finding finding = {.rule = rule, .span = found};
    return draw_with(
        n_spans, &finding, 1,
        &(struct span_tree){.rules = UINT64_C(1) << rule, .indent = 2, .max_lines = 40});
}

static uint32_t
count_lines(const struct text *text)
{
    uint32_t n = 0;
    for (const char *p = text->p; p != NULL && (p = strchr(p, '\n')) != NULL; p++)
        n++;
    return n;
}

static void
children_stand_below_their_parents(void **state)
{
    (void)state;
    set(0, 3, 0, SPAN_EXIT, "redis");
    set(1, 2, 1, SPAN_EXIT, "mysql");
    set(2, 1, 0, SPAN_LOCAL, "work");
    set(3, 0, -1, SPAN_ENTRY, "/in");
    spans[1].peer = BYTES("db:3306");
    spans[2].is_error = true;
    spans[3].end_ms = 0;
    struct text out = draw(4, RULE_span_id_duplicate, 0);
    assert_string_equal(
        out.p, "  0 Entry /in                                       no end\n"
               "  |- 1 Local work                                      5ms error\n"
               "     |- 2 Exit mysql to db:3306                        5ms\n"
               "  !! 3 Exit redis                                      5ms  [span-id-duplicate]\n");
    text_fini(&out);
}

static void
orphans_stand_below_a_row_for_what_is_missing(void **state)
{
    (void)state;
    set(0, 8, 7, SPAN_LOCAL, "below");
    set(1, 7, 5, 9, "lost");
    set(2, 9, 5, SPAN_EXIT, "also lost");
    set(3, 0, -1, SPAN_ENTRY, "/in");
    struct text out = draw(4, RULE_span_parent_missing, 1);
    assert_string_equal(
        out.p,
        "  0 Entry /in                                          5ms\n"
        "  ?? 5 is not in this segment\n"
        "     !! 7 type 9 lost                                  5ms   parent 5 is not in this "
        "segment  [span-parent-missing]\n"
        "        |- 8 Local below                               5ms\n"
        "     |- 9 Exit also lost                               5ms\n");
    text_fini(&out);
}

static void
all_rules_of_a_span_are_named(void **state)
{
    (void)state;
    struct finding findings[] = {{RULE_tag_blank, 0},
                                 {RULE_span_end_unset, 0},
                                 {RULE_segment_empty, SPAN_NONE},
                                 {RULE_control_in_name, 0}};
    uint64_t rules = UINT64_C(1) << RULE_tag_blank | UINT64_C(1) << RULE_span_end_unset;
    set(0, 0, -1, SPAN_ENTRY, "a\x1b[2J\xff\n");
    struct text out = draw_with(1, findings, 4,
                                &(struct span_tree){.rules = rules, .max_lines = 9, .color = true});
    assert_string_equal(out.p, "\x1b[31m!! 0 Entry a\\x1B[2J\\xFF\\x0A                          "
                               "5ms  [span-end-unset, tag-blank]\x1b[0m\n");
    text_fini(&out);
}

static void
cycles_and_copies_end(void **state)
{
    (void)state;
    set(0, 0, 0, SPAN_ENTRY, "self");
    set(1, 1, 2, SPAN_LOCAL, "one");
    set(2, 2, 1, SPAN_LOCAL, "two");
    set(3, 2, 1, SPAN_LOCAL, "two again");
    set(4, -1, -1, SPAN_LOCAL, "minus");
    struct text out = draw(5, RULE_span_parent_not_earlier, 1);
    assert_int_equal(count_lines(&out), 5);
    assert_non_null(strstr(out.p, "  ?? 0 Entry self   "));
    assert_non_null(strstr(out.p, "  !! 1 Local one   "));
    assert_non_null(strstr(out.p, "   parent 2: a cycle, cut here  [span-parent-not-earlier]\n"));
    assert_non_null(strstr(out.p, "\n     |- 2 Local two   "));
    assert_non_null(strstr(out.p, "\n     |- 2 Local two again   "));
    text_fini(&out);
}

static void
a_large_segment_is_cut(void **state)
{
    (void)state;
    for (int32_t i = 0; i < N_SPANS; i++)
        set((uint32_t)i, i, i - 1, SPAN_LOCAL, "deep");
    struct text out = draw(N_SPANS, RULE_span_blank, SPAN_NONE);
    assert_non_null(strstr(out.p, "39 Local deep"));
    assert_null(strstr(out.p, "40 Local deep"));
    assert_non_null(strstr(out.p, "  and 960 more spans\n"));
    text_fini(&out);
}

static void
what_is_marked_comes_before_the_rest(void **state)
{
    (void)state;
    set(0, 0, -1, SPAN_ENTRY, "root");
    for (int32_t i = 1; i < N_SPANS; i++)
        set((uint32_t)i, i, 0, SPAN_LOCAL, "wide");
    spans[N_SPANS - 2].parent_id = 5000;
    spans[N_SPANS - 1].parent_id = N_SPANS - 3;
    struct finding findings[] = {{RULE_span_parent_missing, N_SPANS - 2},
                                 {RULE_tag_blank, N_SPANS - 1}};
    struct text out =
        draw_with(N_SPANS, findings, 2, &(struct span_tree){.rules = UINT64_MAX, .max_lines = 10});
    assert_int_equal(count_lines(&out), 11);
    assert_non_null(strstr(out.p, "?? 5000 is not in this segment\n   !! 998 Local wide"));
    assert_non_null(strstr(out.p, "|- 997 Local wide"));
    assert_non_null(strstr(out.p, "\n   !! 999 Local wide"));
    assert_non_null(strstr(out.p, "and 991 more spans\n"));
    text_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(children_stand_below_their_parents),
        cmocka_unit_test(orphans_stand_below_a_row_for_what_is_missing),
        cmocka_unit_test(all_rules_of_a_span_are_named),
        cmocka_unit_test(cycles_and_copies_end),
        cmocka_unit_test(a_large_segment_is_cut),
        cmocka_unit_test(what_is_marked_comes_before_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
