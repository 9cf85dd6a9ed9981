/* The server's duties, driven frame by frame over a socket pair with the clock set by hand. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "grpc/one_peer.h"

static void
test_answer(void **state)
{
    (void)state;
    open_with(NULL);
    struct peer_stream *s = peer_start(
        &peer,
        &(struct peer_call){.out = "\0\0\0\0\5hello\0\0\0\0\0", .n_out = 15, .half_closes = true});
    peer_spin(&peer);
    assert_int_equal(scene.n_messages, 2);
    assert_int_equal(scene.n_bytes, 5);
    assert_int_equal(s->http_status, 200);
    assert_int_equal(s->grpc_status, 0);
    assert_int_equal(s->n_data, 5);
    assert_memory_equal(s->data, "\0\0\0\0\0", 5);
    assert_true(s->closed);
    assert_int_equal(s->code, H2_NO_ERROR);
    assert_int_equal(scene.n_gone, 1);
    assert_int_equal(scene.n_cut, 0);
    assert_int_equal(handled(METHOD_SEGMENT_COLLECT, 0), 1);
    close_all();
}

/* An answer in parts, and trailers when there is nothing left to send. */
static void
test_answer_in_parts(void **state)
{
    (void)state;
    open_with(NULL);
    scene.method = method_row(METHOD_HEALTH_WATCH);
    scene.answers = false;
    struct peer_stream *s = peer_start(
        &peer, &(struct peer_call){.out = "\0\0\0\0\1a", .n_out = 6, .half_closes = true});
    peer_spin(&peer);
    grpc_call_send(scene.call, BYTES("one"));
    peer_spin(&peer);
    assert_int_equal(s->n_data, 8);
    grpc_call_send(scene.call, BYTES("a message that is too long to lie inside the call"));
    grpc_call_send(scene.call, BYTES("x"));
    peer_spin(&peer);
    assert_int_equal(s->n_data, 64); /* what the peer keeps */
    assert_false(s->ended);
    grpc_call_finish(scene.call, GRPC_UNAVAILABLE, "later");
    assert_true(grpc_call_is_over(scene.call));
    grpc_call_send(scene.call, BYTES("too late"));
    peer_spin(&peer);
    assert_int_equal(s->grpc_status, GRPC_UNAVAILABLE);
    assert_string_equal(s->text, "later");
    assert_true(s->closed);
    assert_int_equal(s->code, H2_NO_ERROR);
    close_all();
}

static void
test_split_at_every_byte(void **state)
{
    (void)state;
    size_t n;
    uint8_t *out = messages_new(40, 700, &n);
    for (size_t chunk = 1; chunk < 12; chunk += 3) {
        open_with(NULL);
        peer.chunk = chunk;
        struct peer_stream *s =
            peer_start(&peer, &(struct peer_call){.out = out, .n_out = n, .half_closes = true});
        peer_spin(&peer);
        assert_int_equal(scene.n_messages, 40);
        assert_int_equal(scene.n_bytes, 40 * 700);
        assert_int_equal(s->grpc_status, 0);
        close_all();
    }
    mem_free(out);
}

/* Who is no gRPC client reads why, and the stream ends. */
static void
test_refusals_say_why(void **state)
{
    (void)state;
    open_with(NULL);
    struct peer_stream *get =
        peer_start(&peer, &(struct peer_call){.method = "GET", .half_closes = true});
    struct peer_stream *json = peer_start(
        &peer, &(struct peer_call){.content_type = "application/json", .half_closes = true});
    struct peer_stream *head =
        peer_start(&peer, &(struct peer_call){.method = "HEAD", .half_closes = true});
    struct peer_stream *open = peer_start(&peer, &(struct peer_call){.method = "GET"});
    peer_spin(&peer);
    assert_int_equal(get->http_status, 405);
    assert_non_null(strstr((char *)get->data, "the method must be POST"));
    assert_string_equal(get->allow, "POST");
    assert_int_equal(json->http_status, 415);
    assert_non_null(strstr((char *)json->data, "content-type"));
    assert_string_equal(json->allow, "");
    assert_int_equal(head->http_status, 405);
    assert_int_equal(head->n_data, 0);
    const struct peer_stream *ended[] = {get, json, head};
    for (int i = 0; i < 3; i++) {
        assert_true(ended[i]->ended && ended[i]->closed);
        assert_int_equal(ended[i]->code, H2_NO_ERROR);
        assert_int_equal(ended[i]->grpc_status, -1);
    }
    /* One that sends on is let go after some silence. */
    assert_true(open->ended && !open->closed);
    scene_pass(&scene, UINT64_C(2200000));
    peer_spin(&peer);
    assert_true(open->closed && open->reset_by_server);
    assert_int_equal(open->code, H2_NO_ERROR);
    close_all();
}

static void
test_refusals(void **state)
{
    (void)state;
    open_with(NULL);
    expect_end(&(struct peer_call){.content_type = "application/json", .half_closes = true}, 415,
               -1);
    expect_end(&(struct peer_call){.content_type = "application/grpc-web", .half_closes = true},
               415, -1);
    expect_end(&(struct peer_call){.method = "GET", .half_closes = true}, 405, -1);
    expect_end(&(struct peer_call){.content_type = "application/grpc+proto", .half_closes = true},
               200, 0);
    expect_end(&(struct peer_call){.content_type = "application/grpc;x", .half_closes = true}, 200,
               0);
    expect_end(&(struct peer_call){.path = "/unknown", .half_closes = true}, 200,
               GRPC_UNIMPLEMENTED);
    expect_end(&(struct peer_call){.timeout = "soon", .half_closes = true}, 200, GRPC_INTERNAL);
    expect_end(&(struct peer_call){.encoding = "snappy", .half_closes = true}, 200,
               GRPC_UNIMPLEMENTED);
    assert_string_equal(peer.streams[peer.n_streams - 1].accept_encoding, "identity,gzip");
    expect_end(&(struct peer_call){.out = "\1\0\0\0\1x", .n_out = 6, .half_closes = true}, 200,
               GRPC_INTERNAL);
    expect_end(&(struct peer_call){.out = "\7\0\0\0\1x", .n_out = 6, .half_closes = true}, 200,
               GRPC_INTERNAL);
    assert_int_equal(handled(METHOD_NONE, GRPC_UNIMPLEMENTED), 2);
    close_all();
}

static void
test_unary_takes_exactly_one(void **state)
{
    (void)state;
    open_with(NULL);
    scene.method = method_row(METHOD_KEEP_ALIVE);
    expect_end(&(struct peer_call){.half_closes = true}, 200, GRPC_INTERNAL);
    expect_end(
        &(struct peer_call){.out = "\0\0\0\0\1a\0\0\0\0\1b", .n_out = 12, .half_closes = true}, 200,
        GRPC_INTERNAL);
    assert_int_equal(scene.n_messages, 1);
    assert_int_equal(scene.n_ends, 0);
    expect_end(&(struct peer_call){.out = "\0\0\0\0\1a", .n_out = 6, .half_closes = true}, 200, 0);
    assert_int_equal(scene.n_messages, 2);
    assert_int_equal(scene.n_ends, 1);
    close_all();
}

static void
test_half_close_inside_a_message(void **state)
{
    (void)state;
    open_with(NULL);
    expect_end(
        &(struct peer_call){.out = "\0\0\0\0\1a\0\0\0\0\5b", .n_out = 12, .half_closes = true}, 200,
        GRPC_INTERNAL);
    assert_int_equal(scene.n_messages, 1);
    assert_int_equal(scene.n_cut, 1);
    assert_true(grpc_call_is_half_closed(scene.call));
    close_all();
}

static void
test_reset_keeps_earlier_messages(void **state)
{
    (void)state;
    open_with(NULL);
    struct peer_stream *s =
        peer_start(&peer, &(struct peer_call){.out = "\0\0\0\0\1a\0\0\0\0\5b", .n_out = 12});
    peer_spin(&peer);
    h2_stream_reset(peer.session, s->id, H2_CANCEL);
    peer_spin(&peer);
    assert_int_equal(scene.n_messages, 1);
    assert_int_equal(scene.n_gone, 1);
    assert_int_equal(scene.n_cut, 1);
    assert_false(grpc_call_is_half_closed(scene.call));
    assert_true(grpc_call_is_over(scene.call));
    assert_int_equal(handled(METHOD_SEGMENT_COLLECT, GRPC_CANCELLED), 1);
    close_all();
}

/* Window 256 KiB, 100 KB taken and credited, then 170 KB: more than half a window, so it must be
 * credited as it comes or it stalls for ever. */
static void
test_long_message_does_not_stall(void **state)
{
    (void)state;
    struct grpc_endpoint_settings settings;
    grpc_endpoint_settings_default(&settings);
    settings.stream_window_bytes = 256 * 1024;
    open_with(&settings);
    size_t n_first, n_second;
    uint8_t *first = messages_new(100, 1000, &n_first),
            *second = messages_new(1, 170000, &n_second);
    struct peer_stream *s = peer_start(&peer, &(struct peer_call){.out = first, .n_out = n_first});
    peer_spin(&peer);
    assert_int_equal(scene.n_messages, 100);
    peer_more(&peer, s, second, n_second, true);
    peer_spin(&peer);
    assert_int_equal(scene.n_messages, 101);
    assert_int_equal(s->grpc_status, 0);
    mem_free(first);
    mem_free(second);
    close_all();
}

/* The turn of a long message comes when all before it is settled. */
static void
test_long_message_waits_for_its_turn(void **state)
{
    (void)state;
    struct grpc_endpoint_settings settings;
    grpc_endpoint_settings_default(&settings);
    settings.stream_window_bytes = 256 * 1024;
    open_with(&settings);
    scene.credits = false;
    size_t n_first, n_second;
    uint8_t *first = messages_new(100, 1000, &n_first),
            *second = messages_new(1, 250000, &n_second);
    struct peer_stream *s = peer_start(&peer, &(struct peer_call){.out = first, .n_out = n_first});
    peer_spin(&peer);
    peer_more(&peer, s, second, n_second, false);
    peer_spin(&peer);
    assert_int_equal(scene.n_messages, 100);
    assert_true(s->out_at < s->n_out);
    assert_int_equal(grpc_call_unsettled_bytes(scene.call), n_first);
    grpc_call_credit(scene.call, n_first);
    peer_spin(&peer);
    peer_spin(&peer);
    assert_int_equal(scene.n_messages, 101);
    mem_free(first);
    mem_free(second);
    close_all();
}

static void
test_no_credit_no_data(void **state)
{
    (void)state;
    open_with(NULL);
    scene.credits = false;
    size_t n;
    uint8_t *out = messages_new(4000, 1000, &n);
    struct peer_stream *s =
        peer_start(&peer, &(struct peer_call){.out = out, .n_out = n, .half_closes = true});
    peer_spin(&peer);
    assert_int_equal(s->out_at, 1 << 20); /* exactly the stream's window */
    uint32_t before = scene.n_messages;
    /* Less than half a window gives no WINDOW_UPDATE, more does. */
    grpc_call_credit(scene.call, 400 * 1005);
    peer_spin(&peer);
    assert_int_equal(s->out_at, 1 << 20);
    grpc_call_credit(scene.call, 400 * 1005);
    peer_spin(&peer);
    assert_int_equal(s->out_at, (1 << 20) + 800 * 1005);
    assert_true(scene.n_messages > before);
    /* Another stream of the connection is not held up. */
    expect_end(&(struct peer_call){.out = "\0\0\0\0\1a", .n_out = 6, .half_closes = true}, 200, 0);
    mem_free(out);
    close_all();
}

static void
test_connection_window_survives_resets(void **state)
{
    (void)state;
    open_with(NULL);
    scene.credits = false;
    size_t n;
    uint8_t *out = messages_new(900, 1000, &n);
    /* 18 MB through a connection window of 4 MiB, none of it credited. */
    for (int i = 0; i < 20; i++) {
        struct peer_stream *s = peer_start(&peer, &(struct peer_call){.out = out, .n_out = n});
        peer_spin(&peer);
        assert_int_equal(s->out_at, n);
        h2_stream_reset(peer.session, s->id, H2_CANCEL);
        peer_spin(&peer);
    }
    assert_int_equal(scene.n_gone, 20);
    mem_free(out);
    close_all();
}

static void
test_wait_and_resume(void **state)
{
    (void)state;
    for (size_t chunk = 0; chunk < 8; chunk += 7) {
        open_with(NULL);
        peer.chunk = chunk;
        size_t n;
        uint8_t *out = messages_new(60, 1000, &n);
        struct peer_stream *s =
            peer_start(&peer, &(struct peer_call){.out = out, .n_out = n, .half_closes = true});
        scene.take = GRPC_WAIT;
        peer_spin(&peer);
        assert_int_equal(scene.n_messages, 0);
        assert_int_equal(s->out_at, n);
        assert_int_equal(s->grpc_status, -1);
        grpc_call_resume(scene.call);
        peer_spin(&peer);
        assert_int_equal(scene.n_messages, 0);
        scene.take = GRPC_TAKEN;
        grpc_call_resume(scene.call);
        peer_spin(&peer);
        assert_int_equal(scene.n_messages, 60);
        assert_int_equal(scene.n_bytes, 60 * 1000);
        assert_int_equal(s->grpc_status, 0);
        assert_int_equal(scene.n_ends, 1);
        mem_free(out);
        close_all();
    }
}

/* A handler that takes a few at a time from a stream that goes on: order kept, memory bounded. */
static void
test_waiting_in_rounds(void **state)
{
    (void)state;
    open_with(NULL);
    size_t n;
    uint8_t *out = messages_new(8000, 997, &n);
    struct peer_stream *s =
        peer_start(&peer, &(struct peer_call){.out = out, .n_out = n, .half_closes = true});
    peer.chunk = 3001;
    for (int i = 0; i < 2000 && s->grpc_status < 0; i++) {
        scene.n_portion = 7 + (uint32_t)i % 11;
        scene.take = GRPC_TAKEN;
        if (scene.call != NULL)
            grpc_call_resume(scene.call);
        peer_spin(&peer);
        assert_true(scene.budget.used_bytes <= 3 << 20);
    }
    assert_int_equal(scene.n_messages, 8000);
    assert_int_equal(scene.n_disorder, 0);
    assert_int_equal(s->grpc_status, 0);
    mem_free(out);
    close_all();
}

static void
test_finished_while_it_waits(void **state)
{
    (void)state;
    open_with(NULL);
    size_t n;
    uint8_t *out = messages_new(2000, 1000, &n);
    struct peer_stream *s = peer_start(&peer, &(struct peer_call){.out = out, .n_out = n});
    scene.take = GRPC_WAIT;
    peer_spin(&peer);
    assert_int_equal(s->out_at, 1 << 20);
    grpc_call_resume(scene.call);
    grpc_call_finish(scene.call, GRPC_ABORTED, NULL);
    peer_spin(&peer);
    assert_int_equal(s->grpc_status, GRPC_ABORTED);
    assert_int_equal(s->out_at, n); /* all of it was credited and dropped */
    assert_true(scene.budget.used_bytes <= CONNECTION_BYTES);
    /* And one that waits when its stream is long gone. */
    grpc_call_unref(&scene.call);
    s = peer_start(&peer, &(struct peer_call){.out = out, .n_out = 5000});
    peer_spin(&peer);
    h2_stream_reset(peer.session, s->id, H2_CANCEL);
    peer_spin(&peer);
    uint32_t n_gone = scene.n_gone;
    grpc_call_finish(scene.call, GRPC_ABORTED, NULL);
    assert_int_equal(scene.n_gone, n_gone + 1);
    mem_free(out);
    close_all();
}

static void
test_waiting_messages_outlive_their_stream(void **state)
{
    (void)state;
    open_with(NULL);
    size_t n;
    uint8_t *out = messages_new(30, 1000, &n);
    struct peer_stream *s = peer_start(&peer, &(struct peer_call){.out = out, .n_out = n - 10});
    scene.take = GRPC_WAIT;
    peer_spin(&peer);
    h2_stream_reset(peer.session, s->id, H2_CANCEL);
    peer_spin(&peer);
    assert_int_equal(scene.n_gone, 0);
    scene.take = GRPC_TAKEN;
    grpc_call_resume(scene.call);
    peer_spin(&peer);
    assert_int_equal(scene.n_messages, 29);
    assert_int_equal(scene.n_gone, 1);
    assert_int_equal(scene.n_cut, 1);
    mem_free(out);
    close_all();
}

static void
test_waiting_at_the_end_of_the_endpoint(void **state)
{
    (void)state;
    open_with(NULL);
    peer_start(&peer, &(struct peer_call){.out = "\0\0\0\0\1a", .n_out = 6});
    scene.take = GRPC_WAIT;
    peer_spin(&peer);
    peer_close(&peer);
    loop_run_once(scene.loop, 0);
    loop_run_once(scene.loop, 0);
    assert_int_equal(grpc_endpoint_n_connections(scene.endpoint), 0);
    assert_int_equal(scene.n_gone, 0);
    scene_close(&scene);
    assert_int_equal(scene.n_gone, 1);
}

static void
test_oversize_is_skipped(void **state)
{
    (void)state;
    struct grpc_endpoint_settings settings;
    grpc_endpoint_settings_default(&settings);
    settings.max_message_bytes = 3 << 20;
    open_with(&settings);
    size_t n_big, n_all;
    uint8_t *big = messages_new(1, 5 << 20, &n_big);
    n_all = 6 + n_big + 6;
    uint8_t *out = mem_alloc(n_all);
    memcpy(out, "\0\0\0\0\1a", 6);
    memcpy(out + 6, big, n_big);
    memcpy(out + 6 + n_big, "\0\0\0\0\1z", 6);
    struct peer_stream *s =
        peer_start(&peer, &(struct peer_call){.out = out, .n_out = n_all, .half_closes = true});
    for (int i = 0; i < 10; i++)
        peer_spin(&peer);
    assert_int_equal(scene.n_messages, 2);
    assert_string_equal(scene.last_message, "z");
    assert_int_equal(scene.n_oversize, 1);
    assert_int_equal(scene.oversize_declared, 5 << 20);
    assert_int_equal(scene.oversize_prefix, 64 * 1024);
    assert_int_equal(s->grpc_status, 0);
    scene.method = method_row(METHOD_KEEP_ALIVE);
    s = peer_start(&peer, &(struct peer_call){.out = big, .n_out = n_big, .half_closes = true});
    for (int i = 0; i < 10; i++)
        peer_spin(&peer);
    assert_int_equal(s->grpc_status, GRPC_RESOURCE_EXHAUSTED);
    mem_free(out);
    mem_free(big);
    close_all();
}

static void
test_five_bytes_reserve_nothing(void **state)
{
    (void)state;
    open_with(NULL);
    for (int i = 0; i < 100; i++)
        peer_start(&peer, &(struct peer_call){.out = "\0\3\0\0\0x", .n_out = 6});
    peer_spin(&peer);
    assert_true(scene.budget.used_bytes <= 100 * (4096 + STREAM_BYTES) + CONNECTION_BYTES);
    close_all();
}

static void
test_gate_lets_one_in(void **state)
{
    (void)state;
    open_with(NULL);
    size_t n;
    uint8_t *out = messages_new(1, 3 << 20, &n);
    struct peer_stream *a = peer_start(&peer, &(struct peer_call){.out = out, .n_out = n - 1});
    for (int i = 0; i < 5; i++)
        peer_spin(&peer);
    struct peer_stream *b =
        peer_start(&peer, &(struct peer_call){.out = out, .n_out = n, .half_closes = true});
    for (int i = 0; i < 5; i++)
        peer_spin(&peer);
    assert_int_equal(a->out_at, n - 1);
    assert_int_equal(b->out_at, 1 << 20);
    assert_int_equal(scene.pool.gated_bytes, 3 << 20);
    assert_int_equal(scene.n_messages, 0);
    peer_more(&peer, a, out + n - 1, 1, true);
    for (int i = 0; i < 10; i++)
        peer_spin(&peer);
    assert_int_equal(scene.n_messages, 2);
    assert_int_equal(a->grpc_status, 0);
    assert_int_equal(b->grpc_status, 0);
    assert_int_equal(scene.pool.gated_bytes, 0);
    mem_free(out);
    close_all();
}

static void
test_budget_levels_stop_reading(void **state)
{
    (void)state;
    open_with(NULL);
    uint64_t all = UINT64_C(256) << 20;
    budget_take_always(&scene.budget, all / 100 * 97);
    struct peer_stream *s = peer_start(
        &peer, &(struct peer_call){.out = "\0\0\0\0\1a", .n_out = 6, .half_closes = true});
    peer_spin(&peer);
    assert_int_equal(s->grpc_status, 0); /* the chunk that showed it was taken */
    assert_int_equal(metric_get(scene.metrics, METRIC_PAUSED, 0), 1);
    s = peer_start(&peer,
                   &(struct peer_call){.out = "\0\0\0\0\1a", .n_out = 6, .half_closes = true});
    peer_spin(&peer);
    assert_int_equal(s->grpc_status, -1);
    budget_give(&scene.budget, all / 100 * 97);
    scene_pass(&scene, 200000);
    peer_spin(&peer);
    assert_int_equal(s->grpc_status, 0);
    close_all();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer),
        cmocka_unit_test(test_answer_in_parts),
        cmocka_unit_test(test_split_at_every_byte),
        cmocka_unit_test(test_refusals_say_why),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_unary_takes_exactly_one),
        cmocka_unit_test(test_half_close_inside_a_message),
        cmocka_unit_test(test_reset_keeps_earlier_messages),
        cmocka_unit_test(test_long_message_does_not_stall),
        cmocka_unit_test(test_long_message_waits_for_its_turn),
        cmocka_unit_test(test_no_credit_no_data),
        cmocka_unit_test(test_connection_window_survives_resets),
        cmocka_unit_test(test_wait_and_resume),
        cmocka_unit_test(test_waiting_in_rounds),
        cmocka_unit_test(test_finished_while_it_waits),
        cmocka_unit_test(test_waiting_messages_outlive_their_stream),
        cmocka_unit_test(test_waiting_at_the_end_of_the_endpoint),
        cmocka_unit_test(test_oversize_is_skipped),
        cmocka_unit_test(test_five_bytes_reserve_nothing),
        cmocka_unit_test(test_gate_lets_one_in),
        cmocka_unit_test(test_budget_levels_stop_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
