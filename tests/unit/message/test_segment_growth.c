/* The segment walker's arrays, when they grow in the middle of a message. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "message/segment.h"
#include "message/wire_builder.h"

enum { SPANS = 2000, PARTS = 12 };

static const struct segment_limits roomy = {100000, 1000000};

/* Spans whose id and name stand behind their parts. */
static void
put_spans(struct builder *message, void (*put_part)(struct builder *))
{
    for (uint32_t i = 0; i < SPANS; i++) {
        struct builder span = {NULL, 0, 0};
        for (int part = 0; part < PARTS; part++)
            put_part(&span);
        put_varint(&span, 1, i);
        put_text(&span, 6, "/operation");
        put_inner(message, 3, &span);
    }
}

static void
put_tag(struct builder *span)
{
    put_pair(span, 12, "key", "value");
}

static void
put_ref(struct builder *span)
{
    struct builder ref = {NULL, 0, 0};
    put_text(&ref, 2, "trace");
    put_inner(span, 5, &ref);
}

/* Tags or refs are used up in the middle of a span, while there is still room for spans. */
static void
parts_may_run_out_before_spans(void **state)
{
    (void)state;
    struct segment_view view;
    segment_view_init(&view);
    for (int is_ref = 0; is_ref < 2; is_ref++) {
        struct builder message = {NULL, 0, 0};
        put_spans(&message, is_ref ? put_ref : put_tag);
        assert_int_equal(segment_decode(&view, builder_bytes(&message), &roomy), ERR_OK);
        assert_int_equal(view.facts, 0);
        assert_int_equal(view.n_spans, SPANS);
        assert_int_equal(is_ref ? view.n_refs : view.n_tags, SPANS * PARTS);
        for (uint32_t i = 0; i < SPANS; i++) {
            const struct span_view *span = &view.spans[i];
            assert_int_equal(span->id, i);
            assert_int_equal(span->n_tags + span->n_refs, PARTS);
            assert_true(bytes_equal(span->operation, BYTES("/operation")));
        }
        builder_fini(&message);
    }
    segment_view_fini(&view);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(parts_may_run_out_before_spans)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
