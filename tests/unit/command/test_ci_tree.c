/* The drawing of a segment: nesting, marks, and shapes that are no tree. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "command/ci_tree.h"

enum { N_SPANS = 64 };

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

/* With one finding, of the span by its index. */
static struct text
draw(uint32_t n_spans, enum rule rule, uint32_t found)
{
    struct segment_view view = {.n_spans = n_spans, .spans = spans};
    struct finding finding = {.rule = rule, .span = found};
    struct judgement judgement = {.segment = &view, .findings = &finding, .n_findings = 1};
    struct text out = TEXT_EMPTY;
    ci_tree_draw(&out, &judgement, rule, 2);
    return out;
}

static void
children_stand_below_their_parents(void **state)
{
    (void)state;
    set(0, 2, 1, SPAN_EXIT, "mysql");
    set(1, 1, 0, SPAN_LOCAL, "work");
    set(2, 3, 0, SPAN_EXIT, "redis");
    set(3, 0, -1, SPAN_ENTRY, "/in");
    spans[0].peer = BYTES("db:3306");
    struct text out = draw(4, RULE_span_id_duplicate, 2);
    assert_string_equal(out.p, "  0 Entry /in  5ms\n"
                               "  |- 1 Local work  5ms\n"
                               "     |- 2 Exit mysql to db:3306  5ms\n"
                               "  !! 3 Exit redis  5ms   parent 0  [span-id-duplicate]\n");
    text_fini(&out);
}

static void
orphans_come_last_with_what_is_below_them(void **state)
{
    (void)state;
    set(0, 8, 7, SPAN_LOCAL, "below");
    set(1, 7, 5, 9, "lost");
    set(2, 0, -1, SPAN_ENTRY, "/in");
    struct text out = draw(3, RULE_span_parent_missing, 1);
    assert_string_equal(out.p, "  0 Entry /in  5ms\n"
                               "  |- 8 Local below  5ms\n"
                               "  !! 7 ? lost  5ms   parent 5  [span-parent-missing]\n");
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
    struct text out = draw(4, RULE_span_parent_not_earlier, SPAN_NONE);
    uint32_t n_lines = 0;
    for (const char *p = out.p; (p = strchr(p, '\n')) != NULL; p++)
        n_lines++;
    assert_int_equal(n_lines, 4);
    assert_non_null(strstr(out.p, "two again"));
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
    assert_non_null(strstr(out.p, "  and 24 more spans\n"));
    text_fini(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(children_stand_below_their_parents),
        cmocka_unit_test(orphans_come_last_with_what_is_below_them),
        cmocka_unit_test(cycles_and_copies_end),
        cmocka_unit_test(a_large_segment_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
