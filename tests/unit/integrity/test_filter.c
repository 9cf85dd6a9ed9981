/* Filter expressions: what they match, and how what cannot be read is told. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rule_table.h"
#include "base/text.h"
#include "integrity/filter.h"

static struct tag_view tags[] = {
    {.key = BYTES("http.status_code"), .value = BYTES("500")},
    {.key = BYTES("url"), .value = BYTES("http://shop/a?b=(c)")},
    {.key = BYTES("size"), .value = BYTES("12 KiB")},
};
static struct span_view spans[] = {
    {.id = 1,
     .operation = BYTES("mysql/SELECT"),
     .peer = BYTES("db:3306"),
     .first_tag = 2,
     .n_tags = 1},
    {.id = 0, .parent_id = -1, .operation = BYTES("POST /checkout"), .is_error = true, .n_tags = 2},
};
static struct segment_view segment = {.n_spans = 2, .spans = spans, .tags = tags, .n_tags = 3};

static struct filter_item
item(void)
{
    return (struct filter_item){
        .service = BYTES("checkout-go"),
        .instance = BYTES("7f3a@10.2.0.17"),
        .rule = BYTES("span-zero-missing"),
        .verdict = BYTES("quarantined"),
        .signal = BYTES("tracing"),
        .method = BYTES("/skywalking.v3.TraceSegmentReportService/collect"),
        .trace_id = BYTES("9d02.1.2"),
        .segment_id = BYTES("5be1.1.3"),
        .n_spans = 2,
        .n_bytes = 65536,
        .age_ms = 301000,
        .segment = &segment,
    };
}

static bool
matches_item(const char *expression, const struct filter_item *asked)
{
    struct filter *filter;
    struct filter_error error;
    if (!filter_parse(bytes_str(expression), &filter, &error))
        fail_msg("%s: column %zu: %s", expression, error.column, error.text);
    bool result = filter_matches(filter, asked);
    filter_free(&filter);
    return result;
}

static bool
matches(const char *expression)
{
    struct filter_item asked = item();
    return matches_item(expression, &asked);
}

static void
text_is_compared_as_file_names_are(void **state)
{
    (void)state;
    assert_true(matches("service=checkout-go"));
    assert_false(matches("service=checkout"));
    assert_true(matches("service=checkout*"));
    assert_true(matches("service=*out*o"));
    assert_false(matches("service=*out*x"));
    assert_true(matches("service=checkout?go"));
    assert_true(matches("service=[a-c]heckout[!a-z]go"));
    assert_false(matches("service=[!a-c]*"));
    assert_true(matches("service=*[]o]"));
    assert_false(matches("service=checkout\\*"));
    assert_true(matches("service!=pay*"));
    assert_false(matches("service!=check*"));
    assert_true(matches("service~kout"));
    assert_false(matches("service~KOUT"));
    assert_true(matches("instance~\"@10.2\""));
    assert_true(matches("trace=9d02.* segment=5be1.1.3"));
    assert_true(matches("method=*Service/collect"));
    assert_true(matches("method=/skywalking.v3.TraceSegmentReportService/collect"));
    assert_true(matches("method=skywalking.v3.*"));
    assert_true(matches("signal=tracing verdict=quarantined"));
    assert_true(matches("service!=\"\""));
    assert_false(matches("service=\"\""));
}

static void
numbers_sizes_and_times_are_compared(void **state)
{
    (void)state;
    assert_true(matches("spans=2 spans>1 spans>=2 spans<3 spans<=2 spans!=3"));
    assert_false(matches("spans>2"));
    assert_false(matches("spans<2"));
    assert_true(matches("spans > 1 and spans  <3"));
    assert_true(matches("bytes=64KiB bytes>1000 bytes<1MiB"));
    assert_true(matches("age>5m age<=301s"));
    assert_false(matches("age>1h"));
}

static void
spans_are_asked_any_of_them(void **state)
{
    (void)state;
    assert_true(matches("tag.http.status_code=500"));
    assert_true(matches("tag.http.status_code=5*"));
    assert_true(matches("tag.http.status_code>=500 tag.http.status_code<501"));
    assert_false(matches("tag.http.status_code>500"));
    assert_false(matches("tag.size>1"));
    assert_true(matches("tag.absent!=1"));
    assert_false(matches("tag.absent=*"));
    assert_true(matches("tag.url~\"b=(c)\""));
    assert_true(matches("operation=mysql/* peer=db:3306"));
    assert_true(matches("operation=\"POST /checkout\""));
    assert_true(matches("error=true"));
    assert_false(matches("error=false"));
    assert_false(matches("error!=true"));
    struct filter_item blind = item();
    blind.segment = NULL;
    assert_false(matches_item("error=true", &blind));
    assert_false(matches_item("error=false", &blind));
    assert_true(matches_item("not error=true", &blind));
    assert_false(matches_item("operation=*", &blind));
    spans[1].is_error = false;
    assert_true(matches("error=false"));
    spans[1].is_error = true;
}

static void
a_rule_is_any_that_was_found(void **state)
{
    (void)state;
    struct filter_item asked = item();
    assert_true(matches("rule=span-zero-missing"));
    assert_true(matches("rule=span-*"));
    assert_false(matches("rule=span-parent-missing"));
    asked.rules = UINT64_C(1) << RULE_span_parent_missing | UINT64_C(1) << RULE_tag_blank;
    assert_true(matches_item("rule=span-parent-missing rule=tag-blank", &asked));
    assert_true(matches_item("rule=span-zero-missing", &asked));
    assert_false(matches_item("rule!=tag-blank", &asked));
    asked.rules = UINT64_MAX;
    assert_true(matches_item("rule=root-not-last", &asked));
}

static void
and_or_not_and_parentheses(void **state)
{
    (void)state;
    assert_true(
        matches("service=checkout* rule=span-zero-missing spans>1 tag.http.status_code=500 and not "
                "error=false"));
    assert_false(matches("spans=9 or spans=8"));
    assert_true(matches("spans=9 or spans=2"));
    assert_true(matches("spans=2 or spans=9 and bytes=1"));
    assert_false(matches("(spans=2 or spans=9) bytes=1"));
    assert_true(matches("not (spans=9 or bytes=1)"));
    assert_true(matches("not spans=9 bytes>1"));
    assert_true(matches("not not spans=2"));
    assert_false(matches("not spans=2 or spans=9"));
    assert_true(matches("((spans=2))and(spans=2)"));
    assert_true(matches("\tspans=2\n"));
}

static void
expect(const char *expression, size_t column, const char *words)
{
    struct filter *filter;
    struct filter_error error;
    assert_false(filter_parse(bytes_str(expression), &filter, &error));
    assert_null(filter);
    assert_string_equal(error.text, words);
    assert_int_equal(error.column, column);
}

static void
what_is_wrong_is_told_with_its_column(void **state)
{
    (void)state;
    expect("", 1, "expected a comparison, as service=checkout*, \"not\" or \"(\"");
    expect("spans>1 sevice=x", 9, "there is no key \"sevice\"; did you mean \"service\"?");
    expect("zzzzzzzz=x", 1, "there is no key \"zzzzzzzz\"");
    expect("tag.=x", 1, "expected tag.KEY, as tag.http.status_code=500");
    expect("rule=span-parent-mising", 6,
           "there is no rule \"span-parent-mising\"; did you mean \"span-parent-missing\"?");
    expect("verdict=cleen", 9, "there is no verdict \"cleen\"; did you mean \"clean\"?");
    expect("signal=tracng", 8, "there is no signal \"tracng\"; did you mean \"tracing\"?");
    expect("service", 8, "expected one of = != ~ > >= < <=");
    expect("service=", 9, "expected a value; \"\" is the empty one");
    expect("service= rule=tag-blank", 10, "expected a value; with signs in it, in quotes");
    expect("service==x", 9, "expected a value; \"\" is the empty one");
    expect("service>a", 8, "text is compared with =, != or ~");
    expect("service!x", 8, "expected one of = != ~ > >= < <=");
    expect("error>true", 6, "error is compared with = or !=");
    expect("error=yes", 7, "expected true or false");
    expect("spans~5", 6, "numbers are compared with = != > >= < <=");
    expect("spans=many", 7, "expected a number");
    expect("spans=-1", 7, "expected a number");
    expect("spans=1.5", 7, "expected a number");
    expect("bytes=1XB", 7, "expected a number of bytes, as 4096 or 64KiB");
    expect("age>5", 5, "expected a time with a unit, as 200ms, 5m or 1h");
    expect("tag.n>x", 7, "expected a number; text is compared with =, != or ~");
    expect("service=\"a", 9, "this quote is not closed");
    expect("service=\"a\\\"", 9, "this quote is not closed");
    expect("service=\"a\"b", 12, "expected a blank behind the quote");
    expect("service=a\"b\"", 10, "quotes and parentheses within a value: put all of it in quotes");
    expect("(spans=1", 1, "this parenthesis is not closed");
    expect("spans=1)", 8, "this parenthesis was not opened");
    expect("spans=1 or", 11, "expected a comparison, as service=checkout*, \"not\" or \"(\"");
    expect("spans=1 and and spans=2", 13,
           "expected a comparison, as service=checkout*, \"not\" or \"(\"");
    expect("service=\xc3\xa9 x\x01=1", 11, "there is no key \"x\\x01\"");
}

static void
repeat(struct text *out, const char *words, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        text_add(out, words);
}

static bool
is_readable(const struct text *expression)
{
    struct filter *filter;
    struct filter_error error;
    bool result = filter_parse(text_bytes(expression), &filter, &error);
    assert_true(result || error.text[0] != '\0');
    filter_free(&filter);
    return result;
}

static void
size_depth_and_work_are_bounded(void **state)
{
    (void)state;
    struct text text = TEXT_EMPTY;
    repeat(&text, "(", 15);
    text_add(&text, "spans=1");
    repeat(&text, ")", 15);
    assert_true(is_readable(&text));
    text_clear(&text);
    repeat(&text, "(", 16);
    text_add(&text, "spans=1");
    repeat(&text, ")", 16);
    assert_false(is_readable(&text));
    text_clear(&text);
    repeat(&text, "spans=1 ", 32); /* 32 and 31 ands */
    assert_true(is_readable(&text));
    text_add(&text, "spans=1");
    assert_false(is_readable(&text));
    text_clear(&text);
    text_add(&text, "service=");
    repeat(&text, "x", FILTER_MAX_BYTES - 8);
    assert_true(is_readable(&text));
    text_add(&text, "x");
    assert_false(is_readable(&text));
    text_clear(&text);
    repeat(&text, "peer~a ", 32); /* each gets two stars */
    assert_true(is_readable(&text));
    text_fini(&text);
}

static void
long_values_are_looked_at_in_part(void **state)
{
    (void)state;
    struct filter_item asked = item();
    size_t n = FILTER_VALUE_BYTES + 10;
    uint8_t *name = mem_alloc(n);
    memset(name, 'a', n);
    name[FILTER_VALUE_BYTES - 1] = 'b';
    name[n - 1] = 'c';
    asked.service = bytes_of(name, n);
    assert_true(matches_item("service=*ab", &asked));
    assert_false(matches_item("service~c", &asked));
    assert_false(matches_item("service=*a*a*a*a*a*a*a*a*a*c", &asked));
    name[3] = 0;
    assert_true(matches_item("service=aaa?a*", &asked));
    mem_free(name);
}

/* The worst pattern against the worst text is left early, and then nothing matches. */
static void
a_pattern_that_costs_too_much_matches_nothing(void **state)
{
    enum { SPANS = 500, OPERATION = 4000, PATTERN = 900 };
    (void)state;
    static struct span_view many[SPANS];
    struct segment_view view = {.n_spans = SPANS, .spans = many};
    struct filter_item asked = {.n_spans = SPANS, .segment = &view};
    char *operation = mem_alloc(OPERATION);
    struct text contains = TEXT_EMPTY, none = TEXT_EMPTY;
    memset(operation, 'a', OPERATION);
    asked.n_bytes = SPANS * OPERATION;
    for (int i = 0; i < SPANS; i++)
        many[i] = (struct span_view){.id = i, .operation = bytes_of(operation, OPERATION)};
    text_add(&contains, "operation~");
    for (int i = 0; i < PATTERN; i++)
        text_add(&contains, "a");
    assert_true(matches_item(contains.p, &asked));
    text_add(&contains, "b");
    assert_false(matches_item(contains.p, &asked));
    text_addf(&none, "not %s", contains.p);
    assert_false(matches_item(none.p, &asked));
    /* A reasonable one asks all of them. */
    many[SPANS - 1].operation = BYTES("POST /checkout");
    assert_true(
        matches_item("not (operation~x or operation=*y* or peer~z) operation~check", &asked));
    mem_free(operation);
    text_fini(&contains);
    text_fini(&none);
}

static void
it_says_whether_it_asks_for_spans(void **state)
{
    (void)state;
    static const struct {
        const char *expression;
        bool needs;
    } cases[] = {{"service=a spans>3", false},
                 {"service=a or not peer=b", true},
                 {"tag.x=1", true},
                 {"error=true", true},
                 {"operation~x", true},
                 {"age>1s bytes>1 rule=*", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct filter *filter;
        struct filter_error error;
        assert_true(filter_parse(bytes_str(cases[i].expression), &filter, &error));
        assert_int_equal(filter_needs_segment(filter), cases[i].needs);
        filter_free(&filter);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_compared_as_file_names_are),
        cmocka_unit_test(numbers_sizes_and_times_are_compared),
        cmocka_unit_test(spans_are_asked_any_of_them),
        cmocka_unit_test(a_rule_is_any_that_was_found),
        cmocka_unit_test(and_or_not_and_parentheses),
        cmocka_unit_test(what_is_wrong_is_told_with_its_column),
        cmocka_unit_test(size_depth_and_work_are_bounded),
        cmocka_unit_test(long_values_are_looked_at_in_part),
        cmocka_unit_test(a_pattern_that_costs_too_much_matches_nothing),
        cmocka_unit_test(it_says_whether_it_asks_for_spans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
