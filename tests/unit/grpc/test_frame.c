/* The deframer: every split, lending, skipping, growth within what arrived. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "grpc/grpc.h"
#include "grpc/grpc_frame.h"

enum { LIMIT = 100000 };

static struct budget_pool budget_pool;
static struct budget budget;
static struct grpc_frame_pool pool;
static struct grpc_frame frame;

static int
set_up(void **state)
{
    (void)state;
    budget_pool_init(&budget_pool, UINT64_C(64) << 20);
    budget_init(&budget, &budget_pool);
    grpc_frame_pool_init(&pool, &budget);
    frame = (struct grpc_frame){0};
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    grpc_frame_reset(&frame, &pool);
    grpc_frame_pool_fini(&pool);
    assert_int_equal(budget.used_bytes, 0);
    budget_fini(&budget);
    return 0;
}

static const uint8_t three[] = "\0\0\0\0\5hello\0\0\0\0\0\1\0\0\0\3abc";
enum { THREE = 10 + 5 + 8 };

/* Feeds p in two parts and checks the three messages. */
static void
feed_split(const uint8_t *p, size_t n, size_t split)
{
    static const char *const bodies[] = {"hello", "", "abc"};
    struct bytes parts[2] = {bytes_of(p, split), bytes_of(p + split, n - split)};
    struct grpc_message message;
    int n_messages = 0;
    for (int i = 0; i < 2; i++) {
        while (grpc_frame_next(&frame, &pool, &parts[i], LIMIT, &message) == FRAME_MESSAGE) {
            assert_true(n_messages < 3);
            assert_int_equal(message.body.n, strlen(bodies[n_messages]));
            assert_memory_equal(message.body.p, bodies[n_messages], message.body.n);
            assert_int_equal(message.is_compressed, n_messages == 2);
            grpc_frame_done(&frame, &pool);
            n_messages++;
        }
        assert_int_equal(parts[i].n, 0);
    }
    assert_int_equal(n_messages, 3);
    assert_int_equal(grpc_frame_n_bytes(&frame), 0);
}

static void
test_every_split(void **state)
{
    (void)state;
    for (size_t split = 0; split <= THREE; split++)
        feed_split(three, THREE, split);
}

static void
test_byte_by_byte(void **state)
{
    (void)state;
    struct grpc_message message;
    int n_messages = 0;
    for (size_t i = 0; i < THREE; i++) {
        struct bytes in = bytes_of(three + i, 1);
        while (grpc_frame_next(&frame, &pool, &in, LIMIT, &message) == FRAME_MESSAGE) {
            grpc_frame_done(&frame, &pool);
            n_messages++;
        }
    }
    assert_int_equal(n_messages, 3);
}

static void
test_whole_messages_are_lent(void **state)
{
    (void)state;
    struct bytes in = bytes_of(three, THREE);
    struct grpc_message message;
    assert_int_equal(grpc_frame_next(&frame, &pool, &in, LIMIT, &message), FRAME_MESSAGE);
    assert_true(message.is_lent);
    assert_ptr_equal(message.body.p, three + 5);
    assert_int_equal(budget.used_bytes, 0);
}

static void
test_assembled_message_is_given_again(void **state)
{
    (void)state;
    struct grpc_message message;
    struct bytes in = bytes_of(three, 7);
    assert_int_equal(grpc_frame_next(&frame, &pool, &in, LIMIT, &message), FRAME_MORE);
    in = bytes_of(three + 7, 3);
    assert_int_equal(grpc_frame_next(&frame, &pool, &in, LIMIT, &message), FRAME_MESSAGE);
    assert_false(message.is_lent);
    in = BYTES_NONE;
    assert_int_equal(grpc_frame_next(&frame, &pool, &in, LIMIT, &message), FRAME_MESSAGE);
    assert_memory_equal(message.body.p, "hello", 5);
}

static void
test_bad_flag(void **state)
{
    (void)state;
    struct grpc_message message;
    struct bytes in = BYTES("\2\0\0\0\0");
    assert_int_equal(grpc_frame_next(&frame, &pool, &in, LIMIT, &message), FRAME_BAD);
}

static void
test_growth_follows_what_arrives(void **state)
{
    (void)state;
    uint8_t chunk[1000] = {0};
    struct grpc_message message;
    grpc_put_prefix(chunk, LIMIT);
    struct bytes in = bytes_of(chunk, GRPC_PREFIX_BYTES);
    assert_int_equal(grpc_frame_next(&frame, &pool, &in, LIMIT, &message), FRAME_MORE);
    assert_int_equal(budget.used_bytes, 0);
    enum grpc_frame_event event = FRAME_MORE;
    uint64_t arrived = 0;
    while (event == FRAME_MORE) {
        in = bytes_of(chunk, sizeof(chunk));
        event = grpc_frame_next(&frame, &pool, &in, LIMIT, &message);
        arrived += sizeof(chunk);
        assert_true(budget.used_bytes <= 2 * arrived + FRAME_BUFFER_BYTES);
    }
    assert_int_equal(event, FRAME_MESSAGE);
    assert_int_equal(arrived, LIMIT);
    assert_true(budget.used_bytes >= LIMIT);
}

static void
test_skip_keeps_the_beginning(void **state)
{
    (void)state;
    uint8_t prefix[GRPC_PREFIX_BYTES], chunk[5000];
    struct grpc_message message;
    uint32_t length = 300000;
    grpc_put_prefix(prefix, length);
    struct bytes in = bytes_of(prefix, sizeof(prefix));
    assert_int_equal(grpc_frame_next(&frame, &pool, &in, LIMIT, &message), FRAME_MORE);
    for (uint32_t at = 0; at < length; at += sizeof(chunk)) {
        memset(chunk, (int)(at / sizeof(chunk)), sizeof(chunk));
        in = bytes_of(chunk, sizeof(chunk));
        enum grpc_frame_event event = grpc_frame_next(&frame, &pool, &in, LIMIT, &message);
        assert_int_equal(event, at + sizeof(chunk) == length ? FRAME_SKIPPED : FRAME_MORE);
        assert_true(budget.used_bytes <= FRAME_SKIP_KEEP);
    }
    assert_int_equal(message.length, length);
    assert_int_equal(message.body.n, FRAME_SKIP_KEEP);
    for (uint32_t at = 0; at < FRAME_SKIP_KEEP; at++)
        assert_int_equal(message.body.p[at], at / sizeof(chunk));
    grpc_frame_done(&frame, &pool);
    feed_split(three, THREE, THREE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_split, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_byte_by_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_whole_messages_are_lent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_assembled_message_is_given_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_flag, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_growth_follows_what_arrives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_skip_keeps_the_beginning, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
