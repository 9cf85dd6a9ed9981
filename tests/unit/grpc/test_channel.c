/* The client side against a hand-driven server: answers, breaks, GOAWAY, deadlines, lent bytes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "grpc/backend.h"

static void
test_request_and_answer(void **state)
{
    (void)state;
    connect_channel();
    start(0, 3000, 20000000);
    spin();
    struct got *got = &t.got[0];
    assert_int_equal(got->n_bytes, 3005);
    assert_true(got->ended);
    assert_string_equal(got->path, "/x/y");
    assert_string_equal(got->timeout, "20S");
    assert_string_equal(got->token, "secret");
    assert_string_equal(got->authority, "oap:11800");
    assert_string_equal(got->te, "trailers");
    assert_string_equal(got->agent, "spangate/" SPANGATE_VERSION);
    answer(0, "\0\0\0\0\3abc", 8, "0");
    assert_int_equal(t.results[0].n_done, 1);
    assert_int_equal(t.results[0].err, ERR_OK);
    assert_int_equal(t.results[0].status, GRPC_OK);
    assert_int_equal(t.results[0].n_message, 3);
    assert_string_equal(t.results[0].text, "why not");
    assert_int_equal(grpc_channel_n_calls(t.channel), 0);
}

static void
test_bad_answers(void **state)
{
    (void)state;
    connect_channel();
    for (int i = 0; i < 6; i++)
        start(i, 10, 0);
    spin();
    assert_int_equal(t.n_got, 6);
    answer(0, "\0\0\0\0\3ab", 7, "0"); /* cut */
    assert_int_equal(t.results[0].err, ERR_GRPC_FRAME);
    answer(1, "", 0, "13");
    assert_int_equal(t.results[1].err, ERR_OK);
    assert_int_equal(t.results[1].status, GRPC_INTERNAL);
    static const struct h2_header unavailable = {":status", "503", 7, 3, true};
    h2_stream_respond(t.session, t.got[2].id, &unavailable, 1, true);
    h2_stream_reset(t.session, t.got[3].id, H2_REFUSED_STREAM);
    h2_stream_reset(t.session, t.got[4].id, H2_ENHANCE_YOUR_CALM);
    spin();
    assert_int_equal(t.results[2].err, ERR_GRPC_FRAME);
    assert_int_equal(t.results[2].status, GRPC_UNAVAILABLE);
    assert_int_equal(t.results[3].err, ERR_STREAM_REFUSED);
    assert_int_equal(t.results[3].status, GRPC_UNAVAILABLE);
    assert_int_equal(t.results[4].err, ERR_STREAM_RESET);
    assert_int_equal(t.results[4].status, GRPC_RESOURCE_EXHAUSTED);
    server_stop();
    spin();
    assert_int_equal(t.results[5].err, ERR_CLOSED);
    for (int i = 0; i < 6; i++)
        assert_int_equal(t.results[i].n_done, 1);
}

/* END_STREAM without a status while slices are still lent: they come back at once, once. */
static void
test_end_without_status_before_all_is_sent(void **state)
{
    (void)state;
    t.credits = false;
    connect_channel();
    start(0, 3 << 20, 0);
    spin();
    static const struct h2_header unavailable = {":status", "503", 7, 3, true};
    h2_stream_respond(t.session, t.got[0].id, &unavailable, 1, true);
    spin();
    assert_int_equal(t.results[0].n_done, 1);
    assert_int_equal(t.results[0].err, ERR_GRPC_FRAME);
    assert_int_equal(t.results[0].status, GRPC_UNAVAILABLE);
    assert_true(t.got[0].closed); /* the rest of the request is given up */
}

static void
test_answer_before_all_is_sent(void **state)
{
    (void)state;
    t.credits = false;
    connect_channel();
    start(0, 3 << 20, 0);
    spin();
    assert_int_equal(t.got[0].n_bytes, 1 << 20); /* the peer's window is respected */
    answer(0, "", 0, "8");
    assert_int_equal(t.results[0].err, ERR_OK);
    assert_int_equal(t.results[0].status, GRPC_RESOURCE_EXHAUSTED);
    spin();
    assert_true(t.got[0].closed);
    /* The connection goes on. */
    start(1, 100, 0);
    spin();
    answer(1, "", 0, "0");
    assert_int_equal(t.results[1].status, GRPC_OK);
}

static void
test_deadline_is_kept_here(void **state)
{
    (void)state;
    connect_channel();
    start(0, 100, 2000000);
    start(1, 100, 5000000);
    spin();
    pass(1900000);
    assert_int_equal(t.results[0].n_done, 0);
    pass(300000);
    assert_int_equal(t.results[0].n_done, 1);
    assert_int_equal(t.results[0].err, ERR_TIMEOUT);
    assert_int_equal(t.results[0].status, GRPC_DEADLINE_EXCEEDED);
    spin();
    assert_true(t.got[0].closed);
    assert_int_equal(t.got[0].code, H2_CANCEL);
    assert_int_equal(t.results[1].n_done, 0);
    pass(3000000);
    assert_int_equal(t.results[1].err, ERR_TIMEOUT);
}

static void
test_cancel_frees_the_slices_at_once(void **state)
{
    (void)state;
    connect_channel();
    /* Cancelled before it left, while a stream's window is closed, and after all was sent. */
    t.credits = false;
    size_t sizes[] = {100, 3 << 20, 100};
    struct grpc_request *requests[3];
    for (int i = 0; i < 3; i++) {
        requests[i] = start(i, sizes[i], 0);
        if (i > 0)
            spin();
        grpc_request_cancel(&requests[i]);
        assert_null(requests[i]);
        memset(t.results[i].memory, 0xee, sizes[i]);
        mem_free(t.results[i].memory);
        t.results[i].memory = NULL;
        t.results[i].slice = BYTES_NONE;
        spin();
        assert_int_equal(t.results[i].n_done, 0);
    }
    assert_int_equal(grpc_channel_n_calls(t.channel), 0);
}

/* The server does not read: what was gathered is copied, and freed slices do no harm. */
static void
test_blocked_socket(void **state)
{
    (void)state;
    t.window = 8 << 20;
    connect_channel();
    t.is_deaf = true;
    struct grpc_request *requests[90];
    for (int i = 0; i < 90; i++)
        requests[i] = start(i, 400000, 0); /* 36 MB: more than any socket buffer */
    spin();
    for (int i = 0; i < 90; i += 2) {
        grpc_request_cancel(&requests[i]);
        mem_free(t.results[i].memory);
        t.results[i].memory = NULL;
    }
    spin();
    t.is_deaf = false;
    for (int i = 0; i < 100; i++)
        spin();
    uint32_t n_whole = 0;
    for (uint32_t i = 0; i < t.n_got; i++) {
        if (!t.got[i].ended || t.got[i].closed)
            continue;
        assert_int_equal(t.got[i].n_bytes, 400005);
        answer((int)i, "", 0, "0");
        n_whole++;
    }
    assert_true(n_whole >= 45);
    for (int i = 1; i < 90; i += 2) {
        assert_int_equal(t.results[i].n_done, 1);
        assert_int_equal(t.results[i].status, GRPC_OK);
    }
}

static void
test_goaway(void **state)
{
    (void)state;
    connect_channel();
    start(0, 100, 0);
    spin();
    h2_session_goaway(t.session, H2_NO_ERROR);
    start(1, 100, 0); /* crosses the GOAWAY */
    spin();
    assert_int_equal(t.results[1].n_done, 1);
    assert_int_equal(t.results[1].err, ERR_STREAM_REFUSED);
    assert_int_equal(t.results[0].n_done, 0);
    assert_int_equal(grpc_channel_state(t.channel), CHANNEL_DRAINING);
    assert_false(grpc_channel_has_room(t.channel));
    answer(0, "", 0, "0");
    assert_int_equal(t.results[0].status, GRPC_OK);
    for (int i = 0; i < 5; i++)
        pass(400000);
    assert_int_equal(t.n_accepted, 2);
    assert_int_equal(grpc_channel_state(t.channel), CHANNEL_READY);
}

static void
test_connection_that_served_is_replaced_at_once(void **state)
{
    (void)state;
    connect_channel();
    for (int i = 0; i < 3; i++) {
        start(i, 100, 0);
        spin();
        answer(i, "", 0, "0");
        assert_int_equal(t.results[i].status, GRPC_OK);
        server_stop();
        spin();
        spin();
        assert_int_equal(t.n_accepted, i + 2);
        assert_int_equal(grpc_channel_state(t.channel), CHANNEL_READY);
    }
}

static void
test_reconnects_with_backoff(void **state)
{
    (void)state;
    connect_channel();
    assert_int_equal(t.states[0], CHANNEL_READY);
    server_stop();
    spin();
    assert_int_equal(grpc_channel_state(t.channel), CHANNEL_BACKOFF);
    pass(700000); /* 1 s less 20 % has not passed */
    assert_int_equal(t.n_accepted, 1);
    pass(700000);
    assert_int_equal(t.n_accepted, 2);
    assert_int_equal(grpc_channel_state(t.channel), CHANNEL_READY);
    server_stop();
    spin();
    pass(1200000); /* 1.6 s less 20 % */
    assert_int_equal(t.n_accepted, 2);
    pass(900000);
    assert_int_equal(t.n_accepted, 3);
    /* After a good while it comes back at once. */
    pass(5000000);
    server_stop();
    spin();
    spin();
    assert_int_equal(t.n_accepted, 4);
    assert_int_equal(grpc_channel_state(t.channel), CHANNEL_READY);
}

static void
test_silent_server_times_out(void **state)
{
    (void)state;
    t.is_deaf = true;
    struct grpc_channel_settings settings = {
        .address = t.address, .authority = "oap", .connect_timeout_us = 3000000};
    t.channel = grpc_channel_new(t.loop, &settings);
    spin();
    assert_int_equal(grpc_channel_state(t.channel), CHANNEL_CONNECTING);
    pass(3200000);
    assert_int_equal(grpc_channel_state(t.channel), CHANNEL_BACKOFF);
}

static void
test_max_streams(void **state)
{
    (void)state;
    connect_channel();
    int n = 0;
    while (grpc_channel_has_room(t.channel))
        start(n++, 10, 0);
    assert_int_equal(n, 102); /* of 136: a quarter is for streams */
    grpc_channel_free(&t.channel);
    for (int i = 0; i < n; i++) {
        assert_int_equal(t.results[i].n_done, 1);
        assert_int_equal(t.results[i].err, ERR_STREAM_REFUSED); /* none of them had left */
    }
}

static void
test_freed_in_its_own_callback(void **state)
{
    (void)state;
    connect_channel();
    start(0, 10, 0);
    start(1, 10, 0);
    spin();
    t.frees_channel = true;
    answer(0, "", 0, "0");
    assert_null(t.channel);
    assert_int_equal(t.results[0].n_done, 1);
    assert_int_equal(t.results[1].n_done, 1);
    assert_int_equal(t.results[1].err, ERR_CLOSED);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_request_and_answer),
        T(test_bad_answers),
        T(test_end_without_status_before_all_is_sent),
        T(test_answer_before_all_is_sent),
        T(test_deadline_is_kept_here),
        T(test_cancel_frees_the_slices_at_once),
        T(test_blocked_socket),
        T(test_goaway),
        T(test_connection_that_served_is_replaced_at_once),
        T(test_reconnects_with_backoff),
        T(test_silent_server_times_out),
        T(test_max_streams),
        T(test_freed_in_its_own_callback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
