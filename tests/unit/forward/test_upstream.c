/* The bytes of a call, made in place. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "forward/upstream.h"

enum { N = 3 };

struct made {
    uint8_t *memory[N];
    struct store_item items[N];
    struct store_batch batch;
    struct bytes slices[N];
};

static void
make(struct made *made, enum method method, const uint32_t *lengths, uint32_t n)
{
    *made = (struct made){.batch = {.method = method, .items = made->items, .n = n}};
    for (uint32_t i = 0; i < n; i++) {
        made->memory[i] = mem_alloc(STORE_HEADROOM + lengths[i]);
        memset(made->memory[i], 0xEE, STORE_HEADROOM);
        made->items[i].payload = made->memory[i] + STORE_HEADROOM;
        made->items[i].n = lengths[i];
        memset(made->items[i].payload, 'a' + (int)i, lengths[i]);
        made->batch.n_bytes += lengths[i];
    }
}

static void
unmake(struct made *made)
{
    for (uint32_t i = 0; i < made->batch.n; i++)
        mem_free(made->memory[i]);
}

static void
collection_is_one_message_of_tagged_records(void **state)
{
    (void)state;
    struct made made;
    make(&made, METHOD_SEGMENT_COLLECT, (const uint32_t[]){3, 300, 0}, 3);
    uint64_t n = upstream_frame(&made.batch, METHOD_SEGMENT_COLLECT_SYNC, made.slices);
    /* 5 + (2 + 3) + (3 + 300) + (2 + 0) */
    assert_int_equal(n, 315);
    const uint8_t first[] = {0, 0, 0, 0x01, 0x36, 0x0A, 3, 'a', 'a', 'a'};
    assert_int_equal(made.slices[0].n, sizeof(first));
    assert_memory_equal(made.slices[0].p, first, sizeof(first));
    const uint8_t second[] = {0x0A, 0xAC, 0x02, 'b'};
    assert_int_equal(made.slices[1].n, 303);
    assert_memory_equal(made.slices[1].p, second, sizeof(second));
    const uint8_t third[] = {0x0A, 0};
    assert_int_equal(made.slices[2].n, 2);
    assert_memory_equal(made.slices[2].p, third, 2);
    unmake(&made);
}

static void
stream_has_a_prefix_per_record(void **state)
{
    (void)state;
    struct made made;
    make(&made, METHOD_SEGMENT_COLLECT, (const uint32_t[]){3, 70000}, 2);
    uint64_t n = upstream_frame(&made.batch, METHOD_SEGMENT_COLLECT, made.slices);
    assert_int_equal(n, 70013);
    const uint8_t first[] = {0, 0, 0, 0, 3, 'a', 'a', 'a'};
    assert_int_equal(made.slices[0].n, sizeof(first));
    assert_memory_equal(made.slices[0].p, first, sizeof(first));
    const uint8_t second[] = {0, 0, 0x01, 0x11, 0x70, 'b'};
    assert_int_equal(made.slices[1].n, 70005);
    assert_memory_equal(made.slices[1].p, second, sizeof(second));
    unmake(&made);
}

static void
framing_may_change_from_try_to_try(void **state)
{
    (void)state;
    struct made made;
    make(&made, METHOD_SEGMENT_COLLECT, (const uint32_t[]){3}, 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(upstream_frame(&made.batch, METHOD_SEGMENT_COLLECT_SYNC, made.slices), 10);
        assert_int_equal(upstream_frame(&made.batch, METHOD_SEGMENT_COLLECT, made.slices), 8);
        assert_memory_equal(made.items[0].payload, "aaa", 3);
    }
    unmake(&made);
}

static void
other_methods_never_become_collections(void **state)
{
    (void)state;
    struct made made;
    make(&made, METHOD_SEGMENT_COLLECT_SYNC, (const uint32_t[]){3}, 1);
    assert_int_equal(upstream_frame(&made.batch, METHOD_SEGMENT_COLLECT_SYNC, made.slices), 8);
    unmake(&made);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(collection_is_one_message_of_tagged_records),
        cmocka_unit_test(stream_has_a_prefix_per_record),
        cmocka_unit_test(framing_may_change_from_try_to_try),
        cmocka_unit_test(other_methods_never_become_collections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
