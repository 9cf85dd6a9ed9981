/* How a connection ended and whose idea a reset was, driven frame by frame over a socket pair. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "grpc/one_peer.h"

static const struct peer_call one_message = {.out = "\0\0\0\0\1a", .n_out = 6};
static const struct peer_call whole_call = {.out = "\0\0\0\0\1a", .n_out = 6, .half_closes = true};

/* The socket goes, as when a process does. */
static void
vanish(void)
{
    close(peer.fd);
    peer.fd = -1;
    peer.is_closed = true;
    for (int i = 0; i < 3; i++)
        loop_run_once(scene.loop, 0);
}

static void
say_goodbye(void)
{
    h2_session_goaway(peer.session, H2_NO_ERROR);
    peer_send(&peer);
    for (int i = 0; i < 3; i++)
        loop_run_once(scene.loop, 0);
}

static void
expect_ended(enum grpc_connection_end how)
{
    assert_int_equal(scene.n_ended, 1);
    assert_int_equal(scene.ended, how);
    assert_int_equal(grpc_endpoint_n_connections(scene.endpoint), 0);
    close_all();
}

static void
test_goodbye_after_all_calls(void **state)
{
    (void)state;
    open_with(NULL);
    peer_start(&peer, &whole_call);
    peer_spin(&peer);
    say_goodbye();
    vanish();
    expect_ended(GRPC_ENDED_ORDERLY);
}

/* The answer is still to come, but the client has said all it had to say. */
static void
test_goodbye_before_the_answer(void **state)
{
    (void)state;
    open_with(NULL);
    scene.answers = false;
    peer_start(&peer, &whole_call);
    peer_spin(&peer);
    say_goodbye();
    assert_int_equal(scene.n_ended, 0);
    vanish();
    expect_ended(GRPC_ENDED_ORDERLY);
}

/* A library that closes its channel cancels what is open, then says GOAWAY. */
static void
test_goodbye_after_cancelling(void **state)
{
    (void)state;
    open_with(NULL);
    struct peer_stream *s = peer_start(&peer, &one_message);
    peer_spin(&peer);
    h2_stream_reset(peer.session, s->id, H2_CANCEL);
    say_goodbye();
    vanish();
    assert_int_equal(scene.n_cancelled, 1);
    expect_ended(GRPC_ENDED_ORDERLY);
}

/* Who says it is alive. */
static void
test_goodbye_inside_a_call(void **state)
{
    (void)state;
    open_with(NULL);
    peer_start(&peer, &one_message);
    peer_spin(&peer);
    say_goodbye();
    assert_int_equal(scene.n_ended, 0);
    vanish();
    expect_ended(GRPC_ENDED_ORDERLY);
}

static void
test_no_goodbye(void **state)
{
    (void)state;
    open_with(NULL);
    peer_start(&peer, &whole_call);
    peer_spin(&peer);
    vanish();
    expect_ended(GRPC_ENDED_SILENTLY);
    open_with(NULL);
    peer_start(&peer, &one_message);
    peer_spin(&peer);
    vanish();
    expect_ended(GRPC_ENDED_IN_CALL);
    /* As gRPC's C core closes a channel: it cancels what is open, and says nothing else. */
    open_with(NULL);
    struct peer_stream *s = peer_start(&peer, &one_message);
    peer_spin(&peer);
    h2_stream_reset(peer.session, s->id, H2_CANCEL);
    peer_send(&peer);
    vanish();
    expect_ended(GRPC_ENDED_SILENTLY);
}

/* We ended the call ourselves: it is not open any more. */
static void
test_call_ended_by_us_is_not_open(void **state)
{
    (void)state;
    open_with(NULL);
    peer_start(&peer, &one_message);
    peer_spin(&peer);
    grpc_call_finish(scene.call, GRPC_UNAVAILABLE, "enough");
    peer_spin(&peer);
    vanish();
    expect_ended(GRPC_ENDED_SILENTLY);
}

static void
test_dead_peer(void **state)
{
    (void)state;
    open_with(NULL);
    peer_start(&peer, &one_message);
    peer_spin(&peer);
    scene_pass(&scene, 61000000); /* a PING leaves, nobody answers */
    scene_pass(&scene, 20200000);
    scene_pass(&scene, 100000);
    expect_ended(GRPC_ENDED_DEAD);
}

static void
test_drain_is_our_doing(void **state)
{
    (void)state;
    open_with(NULL);
    peer_start(&peer, &one_message);
    peer_spin(&peer);
    grpc_endpoint_drain(scene.endpoint);
    peer_spin(&peer);
    vanish(); /* whatever the client does now */
    expect_ended(GRPC_ENDED_BY_US);
}

static void
test_end_of_the_endpoint_is_our_doing(void **state)
{
    (void)state;
    open_with(NULL);
    peer_start(&peer, &one_message);
    peer_spin(&peer);
    peer_close(&peer);
    scene_close(&scene);
    assert_int_equal(scene.n_ended, 1);
    assert_int_equal(scene.ended, GRPC_ENDED_BY_US);
}

static void
test_broken_protocol_is_ended_by_us(void **state)
{
    (void)state;
    open_with(NULL);
    peer_start(&peer, &one_message);
    peer_spin(&peer);
    /* DATA on stream 0: nghttp2 tells it to go, and it goes. */
    scene_write(&scene, peer.fd, "\0\0\1\0\0\0\0\0\0x", 10);
    for (int i = 0; i < 3; i++)
        loop_run_once(scene.loop, 0);
    vanish();
    expect_ended(GRPC_ENDED_BY_US);
    open_with(NULL);
    int fd = scene_connect(&scene);
    scene_write(&scene, fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
    for (int i = 0; i < 3; i++)
        loop_run_once(scene.loop, 0);
    assert_int_equal(scene.n_ended, 1);
    assert_int_equal(scene.ended, GRPC_ENDED_BY_US);
    close(fd);
    close_all();
}

/* The service's slot is one for all calls of a connection, and closed with it. */
static void
test_slot_of_the_service(void **state)
{
    (void)state;
    open_with(NULL);
    int mine = 0;
    peer_start(&peer, &whole_call);
    peer_spin(&peer);
    assert_null(*grpc_call_connection_user(scene.call));
    *grpc_call_connection_user(scene.call) = &mine;
    scene.take = GRPC_WAIT;
    peer_start(&peer, &whole_call);
    peer_spin(&peer);
    assert_ptr_equal(*grpc_call_connection_user(scene.call), &mine);
    vanish();
    assert_int_equal(scene.n_ended, 1);
    assert_ptr_equal(scene.ended_user, &mine);
    assert_int_equal(scene.n_gone, 1); /* what waits outlives the connection */
    assert_null(grpc_call_connection_user(scene.call));
    scene.take = GRPC_TAKEN;
    grpc_call_resume(scene.call);
    for (int i = 0; i < 3; i++)
        loop_run_once(scene.loop, 0);
    assert_int_equal(scene.n_gone, 2);
    close_all();
}

/* n of one more call that ends in RST_STREAM with this code. */
static uint32_t
n_cancelled_by(const struct peer_call *call, enum h2_code code)
{
    uint32_t before = scene.n_cancelled, n_gone = scene.n_gone;
    struct peer_stream *s = peer_start(&peer, call);
    peer_spin(&peer);
    h2_stream_reset(peer.session, s->id, code);
    peer_spin(&peer);
    assert_int_equal(scene.n_gone, n_gone + 1);
    return scene.n_cancelled - before;
}

static void
test_cancelled_by_the_client_alone(void **state)
{
    (void)state;
    open_with(NULL);
    scene.answers = false;
    assert_int_equal(n_cancelled_by(&one_message, H2_CANCEL), 1);
    assert_int_equal(n_cancelled_by(&one_message, H2_NO_ERROR), 0);
    assert_int_equal(n_cancelled_by(&one_message, H2_INTERNAL_ERROR), 0);
    assert_int_equal(n_cancelled_by(&whole_call, H2_CANCEL), 0); /* waited for its answer */
    struct peer_call with_deadline = one_message;
    with_deadline.timeout = "30S";
    assert_int_equal(n_cancelled_by(&with_deadline, H2_CANCEL), 0);
    /* Half a message, then nothing: what a library does that cannot encode the next one. */
    assert_int_equal(
        n_cancelled_by(&(struct peer_call){.out = "\0\0\0\0\5a", .n_out = 6}, H2_CANCEL), 1);
    close_all();
}

static void
test_not_cancelled_when_we_had_a_part_in_it(void **state)
{
    (void)state;
    open_with(NULL);
    struct peer_stream *s = peer_start(&peer, &one_message);
    peer_spin(&peer);
    grpc_call_finish(scene.call, GRPC_UNAVAILABLE, "enough");
    peer_spin(&peer);
    h2_stream_reset(peer.session, s->id, H2_CANCEL);
    peer_spin(&peer);
    assert_int_equal(scene.n_gone, 1);
    assert_int_equal(scene.n_cancelled, 0);
    s = peer_start(&peer, &one_message);
    peer_spin(&peer);
    grpc_endpoint_drain(scene.endpoint);
    peer_spin(&peer);
    h2_stream_reset(peer.session, s->id, H2_CANCEL);
    peer_spin(&peer);
    assert_int_equal(scene.n_gone, 2);
    assert_int_equal(scene.n_cancelled, 0);
    /* And one whose connection was lost. */
    close_all();
    open_with(NULL);
    peer_start(&peer, &one_message);
    peer_spin(&peer);
    vanish();
    assert_int_equal(scene.n_gone, 1);
    assert_int_equal(scene.n_cancelled, 0);
    close_all();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goodbye_after_all_calls),
        cmocka_unit_test(test_goodbye_before_the_answer),
        cmocka_unit_test(test_goodbye_after_cancelling),
        cmocka_unit_test(test_goodbye_inside_a_call),
        cmocka_unit_test(test_no_goodbye),
        cmocka_unit_test(test_call_ended_by_us_is_not_open),
        cmocka_unit_test(test_dead_peer),
        cmocka_unit_test(test_drain_is_our_doing),
        cmocka_unit_test(test_end_of_the_endpoint_is_our_doing),
        cmocka_unit_test(test_broken_protocol_is_ended_by_us),
        cmocka_unit_test(test_slot_of_the_service),
        cmocka_unit_test(test_cancelled_by_the_client_alone),
        cmocka_unit_test(test_not_cancelled_when_we_had_a_part_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
