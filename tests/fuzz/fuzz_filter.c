/* Filter expressions: reading and asking never run over, and a filter means the same twice. */
/* SPDX-License-Identifier: Apache-2.0 */
/* The expression, then behind the first U+0000 the value of every text of the item. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "integrity/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool
ask(const struct filter *filter, struct bytes value)
{
    struct tag_view tag = {.key = BYTES("k"), .value = value};
    struct span_view span = {
        .operation = value, .peer = value, .n_tags = 1, .is_error = value.n % 2 == 0};
    struct segment_view segment = {.n_spans = 1, .spans = &span, .n_tags = 1, .tags = &tag};
    struct filter_item item = {
        .service = value,
        .instance = value,
        .rule = value,
        .rules = value.n,
        .verdict = value,
        .signal = value,
        .method = value,
        .trace_id = value,
        .segment_id = value,
        .n_spans = value.n,
        .n_bytes = value.n * 1024,
        .age_ms = (int64_t)value.n * 1000,
        .segment = value.n % 3 == 0 ? NULL : &segment,
    };
    return filter_matches(filter, &item);
}

/* Both ways, where it still fits: "not (...)" is the opposite. */
static void
check_opposite(struct bytes expression, struct bytes value, bool found)
{
    char text[FILTER_MAX_BYTES + 8];
    struct filter *filter;
    struct filter_error error;
    if (expression.n > FILTER_MAX_BYTES - 6)
        return;
    memcpy(text, "not (", 5);
    memcpy(text + 5, expression.p, expression.n);
    text[5 + expression.n] = ')';
    if (!filter_parse(bytes_of(text, expression.n + 6), &filter, &error))
        return; /* too deep or too much */
    check(ask(filter, value) != found);
    filter_free(&filter);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const uint8_t *end = n > 0 ? memchr(data, 0, n) : NULL;
    size_t n_expression = end != NULL ? (size_t)(end - data) : n;
    struct bytes expression = bytes_of(data, n_expression),
                 value = end != NULL ? bytes_of(end + 1, n - n_expression - 1) : expression;
    struct filter *filter;
    struct filter_error error;
    if (!filter_parse(expression, &filter, &error)) {
        check(filter == NULL && error.text[0] != '\0');
        check(error.column >= 1 && error.column <= n_expression + 1);
        return 0;
    }
    check(n_expression > 0);
    (void)filter_needs_segment(filter);
    check_opposite(expression, value, ask(filter, value));
    filter_free(&filter);
    return 0;
}
