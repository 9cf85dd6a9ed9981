/* The server's timers, its drain and its defences, with the clock set by hand. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "grpc/one_peer.h"

static void
test_slow_gate_holder_is_ended(void **state)
{
    (void)state;
    open_with(NULL);
    size_t n;
    uint8_t *out = messages_new(1, 3 << 20, &n);
    struct peer_stream *s = peer_start(&peer, &(struct peer_call){.out = out, .n_out = 100000});
    peer_spin(&peer);
    assert_int_equal(scene.pool.gated_bytes, 3 << 20);
    scene_pass(&scene, 11000000);
    peer_spin(&peer);
    assert_int_equal(s->grpc_status, GRPC_DEADLINE_EXCEEDED);
    assert_int_equal(scene.pool.gated_bytes, 0);
    mem_free(out);
    close_all();
}

static void
test_timeout_resets(void **state)
{
    (void)state;
    open_with(NULL);
    struct peer_stream *s = peer_start(
        &peer, &(struct peer_call){.out = "\0\0\0\0\1a", .n_out = 6, .timeout = "2500m"});
    peer_spin(&peer);
    scene_pass(&scene, 2400000);
    peer_spin(&peer);
    assert_false(s->closed);
    scene_pass(&scene, 300000);
    peer_spin(&peer);
    assert_true(s->closed && s->reset_by_server);
    assert_int_equal(s->code, H2_CANCEL);
    assert_int_equal(scene.n_messages, 1);
    assert_int_equal(scene.n_gone, 1);
    assert_int_equal(handled(METHOD_SEGMENT_COLLECT, GRPC_DEADLINE_EXCEEDED), 1);
    close_all();
}

static void
test_partial_message_times_out(void **state)
{
    (void)state;
    open_with(NULL);
    struct peer_stream *s =
        peer_start(&peer, &(struct peer_call){.out = "\0\0\0\0\2a", .n_out = 6});
    peer_spin(&peer);
    for (int i = 0; i < 58; i++) {
        scene_pass(&scene, 1000000);
        peer_spin(&peer);
    }
    assert_int_equal(s->grpc_status, -1);
    for (int i = 0; i < 4; i++)
        scene_pass(&scene, 1000000);
    peer_spin(&peer);
    assert_int_equal(s->grpc_status, GRPC_DEADLINE_EXCEEDED);
    /* Two seconds of silence later the stream goes. */
    scene_pass(&scene, 2200000);
    peer_spin(&peer);
    assert_true(s->closed);
    assert_int_equal(s->code, H2_NO_ERROR);
    close_all();
}

/* While its credit is withheld nobody blames the client for not going on. */
static void
test_withheld_credit_stops_the_clock(void **state)
{
    (void)state;
    open_with(NULL);
    scene.credits = false;
    struct peer_stream *s =
        peer_start(&peer, &(struct peer_call){.out = "\0\0\0\0\1a\0\0\0\0\2b", .n_out = 12});
    peer_spin(&peer);
    for (int i = 0; i < 200; i++) {
        scene_pass(&scene, 1000000);
        peer_spin(&peer);
    }
    assert_int_equal(s->grpc_status, -1);
    grpc_call_credit(scene.call, 6);
    for (int i = 0; i < 75; i++) {
        scene_pass(&scene, 1000000);
        peer_spin(&peer);
    }
    assert_int_equal(s->grpc_status, GRPC_DEADLINE_EXCEEDED);
    close_all();
}

static void
test_unread_connection_is_not_blamed(void **state)
{
    (void)state;
    open_with(NULL);
    uint64_t all = UINT64_C(256) << 20;
    budget_take_always(&scene.budget, all / 100 * 97);
    struct peer_stream *s =
        peer_start(&peer, &(struct peer_call){.out = "\0\0\0\0\2a", .n_out = 6});
    peer_spin(&peer);
    assert_int_equal(metric_get(scene.metrics, METRIC_PAUSED, 0), 1);
    for (int i = 0; i < 300; i++) {
        scene_pass(&scene, 1000000);
        peer_spin(&peer);
    }
    assert_int_equal(grpc_endpoint_n_connections(scene.endpoint), 1);
    assert_int_equal(s->grpc_status, -1);
    budget_give(&scene.budget, all / 100 * 97);
    scene_pass(&scene, 200000);
    peer_more(&peer, s, "b", 1, true);
    peer_spin(&peer);
    assert_int_equal(s->grpc_status, 0);
    close_all();
}

/* What fills the memory is half a message itself: nobody is read any more, so it could never go on
 * and never go away. Its clock runs, and what it holds comes back. */
static void
test_half_message_cannot_hold_all_memory(void **state)
{
    (void)state;
    open_with(NULL);
    size_t n;
    uint8_t *out = messages_new(1, 900000, &n);
    struct peer_stream *s = peer_start(&peer, &(struct peer_call){.out = out, .n_out = 500000});
    peer_spin(&peer);
    uint64_t all = UINT64_C(256) << 20;
    budget_take_always(&scene.budget, all / 100 * 97);
    peer_more(&peer, s, "x", 1, false);
    for (int i = 0; i < 70; i++) {
        scene_pass(&scene, 1000000);
        peer_spin(&peer);
    }
    assert_int_equal(s->grpc_status, GRPC_DEADLINE_EXCEEDED);
    assert_true(scene.budget.used_bytes <= all / 100 * 97 + CONNECTION_BYTES);
    budget_give(&scene.budget, all / 100 * 97);
    mem_free(out);
    close_all();
}

static void
test_keepalive(void **state)
{
    (void)state;
    open_with(NULL);
    scene_pass(&scene, 61000000);
    peer_spin(&peer); /* answers the PING */
    scene_pass(&scene, 21000000);
    peer_spin(&peer);
    assert_int_equal(grpc_endpoint_n_connections(scene.endpoint), 1);
    scene_pass(&scene, 41000000); /* 62 s after the ack: a PING leaves, nobody answers */
    scene_pass(&scene, 21000000);
    scene_pass(&scene, 100000);
    peer_spin(&peer);
    assert_int_equal(grpc_endpoint_n_connections(scene.endpoint), 0);
    assert_true(peer.is_closed);
    close_all();
}

static void
test_silent_newcomer_is_closed(void **state)
{
    (void)state;
    scene_open(&scene, NULL);
    int fd = scene_connect(&scene);
    scene_write(&scene, fd, "PRI * HT", 8);
    scene_pass(&scene, 9000000);
    assert_int_equal(grpc_endpoint_n_connections(scene.endpoint), 1);
    scene_pass(&scene, 1200000);
    assert_int_equal(grpc_endpoint_n_connections(scene.endpoint), 0);
    close(fd);
    scene_close(&scene);
}

static void
test_slow_header_block_is_closed(void **state)
{
    (void)state;
    open_with(NULL);
    /* HEADERS without END_HEADERS, and its CONTINUATION never comes. */
    scene_write(&scene, peer.fd, "\0\0\1\1\0\0\0\0\1\x82", 10);
    loop_run_once(scene.loop, 0);
    scene_pass(&scene, 11000000);
    assert_int_equal(grpc_endpoint_n_connections(scene.endpoint), 0);
    close_all();
}

static void
test_early_answer_ends_after_silence(void **state)
{
    (void)state;
    open_with(NULL);
    struct peer_stream *s = peer_start(&peer, &(struct peer_call){.path = "/unknown"});
    peer_spin(&peer);
    assert_true(s->ended);
    assert_false(s->closed);
    size_t n;
    uint8_t *out = messages_new(700, 1000, &n); /* three windows: read, credited, dropped */
    peer_more(&peer, s, out, n, false);
    peer_spin(&peer);
    assert_int_equal(s->out_at, n);
    scene_pass(&scene, 1900000);
    peer_spin(&peer);
    assert_false(s->closed);
    scene_pass(&scene, 300000);
    peer_spin(&peer);
    assert_true(s->closed);
    assert_int_equal(s->code, H2_NO_ERROR);
    assert_int_equal(scene.n_messages, 0);
    mem_free(out);
    close_all();
}

static void
test_drain(void **state)
{
    (void)state;
    open_with(NULL);
    struct peer_stream *s =
        peer_start(&peer, &(struct peer_call){.out = "\0\0\0\0\1a", .n_out = 6});
    peer_spin(&peer);
    grpc_endpoint_drain(scene.endpoint);
    peer_spin(&peer);
    assert_int_equal(peer.n_goaways, 2);
    assert_int_equal(peer.goaway_id, s->id);
    assert_int_equal(peer.goaway_code, H2_NO_ERROR);
    /* Still served. */
    peer_more(&peer, s, "\0\0\0\0\1b", 6, false);
    peer_spin(&peer);
    assert_int_equal(scene.n_messages, 2);
    assert_int_equal(s->grpc_status, -1);
    scene_pass(&scene, 10200000);
    peer_spin(&peer);
    assert_int_equal(s->grpc_status, 0);
    assert_int_equal(s->n_data, 5);
    /* What was on its way is still taken on. */
    peer_more(&peer, s, "\0\0\0\0\1c", 6, false);
    peer_spin(&peer);
    assert_int_equal(scene.n_messages, 3);
    assert_false(scene.drained);
    scene_pass(&scene, 2200000);
    peer_spin(&peer);
    assert_true(s->closed);
    assert_int_equal(s->code, H2_NO_ERROR);
    assert_true(peer.is_closed);
    scene_pass(&scene, 200000);
    assert_true(scene.drained);
    assert_int_equal(metric_get(scene.metrics, METRIC_GOAWAYS, GOAWAY_DRAIN), 1);
    assert_int_equal(handled(METHOD_SEGMENT_COLLECT, 0), 1);
    close_all();
}

static void
test_drain_ends_watchers_and_refuses_newcomers(void **state)
{
    (void)state;
    open_with(NULL);
    scene.method = method_row(METHOD_HEALTH_WATCH);
    struct peer_stream *s = peer_start(&peer, &(struct peer_call){.out = "\0\0\0\0\0", .n_out = 5});
    peer_spin(&peer);
    grpc_call_send(scene.call, BYTES("\10\1"));
    grpc_endpoint_drain(scene.endpoint);
    peer_spin(&peer);
    int fd = scene_connect(&scene);
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
    assert_int_equal(metric_get(scene.metrics, METRIC_CONNECTIONS_REFUSED, REFUSED_DRAINING), 1);
    scene_pass(&scene, 10200000);
    peer_spin(&peer);
    assert_int_equal(s->grpc_status, GRPC_UNAVAILABLE);
    close_all();
}

static void
test_drain_answers_after_settling(void **state)
{
    (void)state;
    open_with(NULL);
    scene.credits = false;
    struct peer_stream *s =
        peer_start(&peer, &(struct peer_call){.out = "\0\0\0\0\1a", .n_out = 6});
    peer_spin(&peer);
    grpc_endpoint_drain(scene.endpoint);
    peer_spin(&peer);
    scene_pass(&scene, 10200000);
    peer_more(&peer, s, "\0\0\0\0\1b", 6, false);
    peer_spin(&peer);
    assert_int_equal(s->grpc_status, -1);
    assert_int_equal(scene.n_messages, 1);
    grpc_call_credit(scene.call, 6);
    peer_spin(&peer);
    assert_int_equal(s->grpc_status, 0);
    assert_int_equal(scene.n_messages, 2);
    scene_pass(&scene, 9700000);
    scene_pass(&scene, 200000);
    assert_true(scene.drained);
    close_all();
}

static void
test_drain_without_ack_and_without_calls(void **state)
{
    (void)state;
    open_with(NULL);
    peer.is_deaf = true;
    grpc_endpoint_drain(scene.endpoint);
    loop_run_once(scene.loop, 0);
    scene_pass(&scene, 2200000);
    loop_run_once(scene.loop, 0);
    scene_pass(&scene, 200000);
    assert_true(scene.drained);
    close_all();
}

/* Dismissed: told to go like in a drain, newcomers refused; but nothing ends, and later all are
 * welcome again. */
static void
test_dismissed_and_welcome_again(void **state)
{
    (void)state;
    open_with(NULL);
    struct peer_stream *s =
        peer_start(&peer, &(struct peer_call){.out = "\0\0\0\0\1a", .n_out = 6});
    peer_spin(&peer);
    grpc_endpoint_dismiss(scene.endpoint);
    grpc_endpoint_dismiss(scene.endpoint);
    peer_spin(&peer);
    assert_int_equal(peer.n_goaways, 2);
    assert_int_equal(peer.goaway_id, s->id);
    int fd = scene_connect(&scene);
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
    assert_int_equal(metric_get(scene.metrics, METRIC_CONNECTIONS_REFUSED, REFUSED_DRAINING), 1);
    scene_pass(&scene, 5000000);
    grpc_endpoint_welcome(scene.endpoint);
    fd = scene_connect(&scene);
    loop_run_once(scene.loop, 0);
    assert_int_equal(grpc_endpoint_n_connections(scene.endpoint), 2);
    close(fd);
    /* The call that was open all the time may stay. */
    for (int i = 0; i < 10; i++) {
        scene_pass(&scene, 5000000);
        peer_spin(&peer);
    }
    assert_int_equal(s->grpc_status, -1);
    peer_more(&peer, s, "\0\0\0\0\1b", 6, true);
    peer_spin(&peer);
    assert_int_equal(s->grpc_status, 0);
    assert_int_equal(scene.n_messages, 2);
    assert_false(scene.drained);
    assert_int_equal(metric_get(scene.metrics, METRIC_GOAWAYS, GOAWAY_DRAIN), 1);
    close_all();
}

/* Who stays dismissed is ended as in a drain, and a drain after it needs no second GOAWAY. */
static void
test_dismissed_until_the_end(void **state)
{
    (void)state;
    open_with(NULL);
    struct peer_stream *s =
        peer_start(&peer, &(struct peer_call){.out = "\0\0\0\0\1a", .n_out = 6});
    peer_spin(&peer);
    grpc_endpoint_dismiss(scene.endpoint);
    peer_spin(&peer);
    scene_pass(&scene, 10200000);
    peer_spin(&peer);
    assert_int_equal(s->grpc_status, 0);
    scene_pass(&scene, 2200000);
    peer_spin(&peer);
    assert_true(peer.is_closed);
    scene_pass(&scene, 20000000);
    assert_false(scene.drained);
    grpc_endpoint_drain(scene.endpoint);
    scene_pass(&scene, 200000);
    assert_true(scene.drained);
    assert_int_equal(metric_get(scene.metrics, METRIC_GOAWAYS, GOAWAY_DRAIN), 1);
    close_all();
}

/* listen.max_connection_age, 100 s: told to go between 90 and 110 s, then drained in 20 s. */
static void
test_old_connections_are_told_to_go(void **state)
{
    (void)state;
    struct grpc_endpoint_settings settings;
    grpc_endpoint_settings_default(&settings);
    settings.max_connection_age_us = UINT64_C(100000000);
    open_with(&settings);
    struct peer_stream *s =
        peer_start(&peer, &(struct peer_call){.out = "\0\0\0\0\1a", .n_out = 6});
    peer_spin(&peer);
    uint64_t told_us = 0;
    while (told_us < UINT64_C(120000000) && peer.n_goaways == 0) {
        assert_int_equal(metric_get(scene.metrics, METRIC_GOAWAYS, GOAWAY_AGE), 0);
        scene_pass(&scene, 1000000);
        told_us += 1000000;
        peer_spin(&peer);
    }
    assert_in_range(told_us, 90000000, 111000000);
    assert_int_equal(metric_get(scene.metrics, METRIC_GOAWAYS, GOAWAY_AGE), 1);
    assert_int_equal(metric_get(scene.metrics, METRIC_GOAWAYS, GOAWAY_DRAIN), 0);
    peer_more(&peer, s, "\0\0\0\0\1b", 6, false);
    peer_spin(&peer);
    assert_int_equal(scene.n_messages, 2);
    assert_int_equal(s->grpc_status, -1);
    scene_pass(&scene, 10200000);
    peer_spin(&peer);
    assert_int_equal(s->grpc_status, 0);
    scene_pass(&scene, 2200000);
    peer_spin(&peer);
    assert_true(peer.is_closed);
    assert_int_equal(s->code, H2_NO_ERROR);
    assert_int_equal(scene.ended, GRPC_ENDED_BY_US);
    close_all();
}

static void
test_deaf_client_is_closed(void **state)
{
    (void)state;
    open_with(NULL);
    int small = 4096;
    setsockopt(peer.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    peer.is_deaf = true;
    /* PINGs whose answers it never reads, until the server's socket is full and it stops reading.
     */
    uint8_t pings[17 * 50];
    for (int i = 0; i < 50; i++)
        memcpy(pings + 17 * i, "\0\0\10\6\0\0\0\0\0abcdefgh", 17);
    bool is_stuck = false;
    for (int i = 0; i < 200000 && !is_stuck; i++) {
        is_stuck = send(peer.fd, pings, sizeof(pings), MSG_NOSIGNAL) < 0;
        loop_run_once(scene.loop, 0);
        if (i % 10 == 0) /* slow enough for the budget of PINGs */
            scene_pass(&scene, 1500000);
        if (grpc_endpoint_n_connections(scene.endpoint) == 0)
            break;
    }
    scene_pass(&scene, 31000000);
    assert_int_equal(grpc_endpoint_n_connections(scene.endpoint), 0);
    close_all();
}

static void
test_empty_data_flood(void **state)
{
    (void)state;
    open_with(NULL);
    struct peer_stream *s = peer_start(&peer, &(struct peer_call){.path = "/a"});
    peer_spin(&peer);
    uint8_t frames[9 * 1000];
    for (int i = 0; i < 1000; i++)
        memcpy(frames + 9 * i, "\0\0\0\0\0\0\0\0\1", 9);
    (void)s;
    for (int i = 0; i < 8; i++)
        scene_write(&scene, peer.fd, frames, sizeof(frames));
    peer_receive(&peer);
    assert_int_equal(peer.goaway_code, H2_ENHANCE_YOUR_CALM);
    assert_int_equal(grpc_endpoint_n_connections(scene.endpoint), 1);
    for (int i = 0; i < 4; i++)
        scene_write(&scene, peer.fd, frames, sizeof(frames));
    loop_run_once(scene.loop, 0);
    assert_int_equal(grpc_endpoint_n_connections(scene.endpoint), 0);
    assert_int_equal(metric_get(scene.metrics, METRIC_GOAWAYS, GOAWAY_ERROR), 1);
    close_all();
}

static void
test_lower_stream_id(void **state)
{
    (void)state;
    open_with(NULL);
    /* Stream 5, then 3: a HEADERS block of static entries (POST, http, /). */
    scene_write(&scene, peer.fd, "\0\0\3\1\4\0\0\0\5\x83\x86\x84", 12);
    scene_write(&scene, peer.fd, "\0\0\3\1\4\0\0\0\3\x83\x86\x84", 12);
    loop_run_once(scene.loop, 0);
    assert_int_equal(peer_raw_goaway(&peer), H2_PROTOCOL_ERROR);
    close_all();
}

static void
test_garbage_closes(void **state)
{
    (void)state;
    scene_open(&scene, NULL);
    int fd = scene_connect(&scene);
    scene_write(&scene, fd, "GET / HTTP/1.1\r\nHost: here\r\n\r\n", 30);
    loop_run_once(scene.loop, 0);
    assert_int_equal(grpc_endpoint_n_connections(scene.endpoint), 0);
    close(fd);
    scene_close(&scene);
}

static void
test_header_list_limit(void **state)
{
    (void)state;
    open_with(NULL);
    char *long_path = mem_alloc(17000);
    memset(long_path, 'p', 16999);
    long_path[0] = '/';
    long_path[16999] = 0;
    struct peer_stream *s = peer_start(&peer, &(struct peer_call){.path = long_path});
    peer_spin(&peer);
    assert_true(s->closed && s->reset_by_server);
    expect_end(&(struct peer_call){.half_closes = true}, 200, 0);
    mem_free(long_path);
    close_all();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_gate_holder_is_ended),
        cmocka_unit_test(test_timeout_resets),
        cmocka_unit_test(test_partial_message_times_out),
        cmocka_unit_test(test_withheld_credit_stops_the_clock),
        cmocka_unit_test(test_unread_connection_is_not_blamed),
        cmocka_unit_test(test_half_message_cannot_hold_all_memory),
        cmocka_unit_test(test_keepalive),
        cmocka_unit_test(test_silent_newcomer_is_closed),
        cmocka_unit_test(test_slow_header_block_is_closed),
        cmocka_unit_test(test_early_answer_ends_after_silence),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_drain_ends_watchers_and_refuses_newcomers),
        cmocka_unit_test(test_drain_answers_after_settling),
        cmocka_unit_test(test_drain_without_ack_and_without_calls),
        cmocka_unit_test(test_dismissed_and_welcome_again),
        cmocka_unit_test(test_dismissed_until_the_end),
        cmocka_unit_test(test_old_connections_are_told_to_go),
        cmocka_unit_test(test_deaf_client_is_closed),
        cmocka_unit_test(test_empty_data_flood),
        cmocka_unit_test(test_lower_stream_id),
        cmocka_unit_test(test_garbage_closes),
        cmocka_unit_test(test_header_list_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
