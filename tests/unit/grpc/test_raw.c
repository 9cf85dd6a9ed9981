/* Raw calls and streams back to back: an endpoint and a channel on one loop. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/raw_fixture.h"

static void
test_both_ways(void **state)
{
    (void)state;
    struct grpc_metadata more = {.p = NULL};
    grpc_metadata_add(&more, NULL, field("x-a", "1"));
    grpc_metadata_add(&more, NULL, field("grpc-encoding", "snappy")); /* nobody reads it here */
    grpc_metadata_add(&more, NULL, field("x-a", "2"));
    open_stream("/a/b", &more);
    grpc_metadata_fini(&more, NULL);
    send_chunks(3);
    UNTIL(t.n_server_data == 3 * CHUNK && t.n_sent == 3 * CHUNK);
    uint32_t at = 0;
    struct grpc_field one;
    while (grpc_metadata_next(&t.request, &at, &one) && !bytes_equal(one.name, BYTES("x-a")))
        assert_true(one.name.p[0] != ':');
    assert_true(bytes_equal(one.value, BYTES("1")));
    assert_true(bytes_equal(grpc_metadata_find(&t.request, "content-type"),
                            BYTES("application/grpc+proto")));
    respond();
    UNTIL(t.n_headers == 1);
    assert_true(bytes_equal(grpc_metadata_find(&t.headers, "x-h"), BYTES("1")));
    grpc_queue_put(&t.answer, bytes_of(t.chunk, CHUNK));
    grpc_raw_wake(t.call);
    UNTIL(t.n_data == CHUNK);
    grpc_stream_half_close(t.stream);
    UNTIL(t.n_server_ends == 1);
    grpc_queue_put(&t.answer, bytes_of(t.chunk, CHUNK));
    finish("0");
    UNTIL(t.n_ends == 1);
    assert_int_equal(t.n_data, 2 * CHUNK);
    assert_int_equal(t.n_server_sent, 2 * CHUNK);
    assert_int_equal(t.end.err, ERR_OK);
    assert_int_equal(t.end.status, GRPC_OK);
    assert_int_equal(t.trailers.n, 3);
    UNTIL(t.n_server_gone == 1);
}

/* Without credit each direction stands still at its window, and goes on when there is some. */
static void
test_windows(void **state)
{
    (void)state;
    t.credits = false;
    open_stream("/a/b", NULL);
    send_chunks(250);
    UNTIL(t.n_server_data == GRPC_RAW_WINDOW_BYTES);
    respond();
    for (int i = 0; i < 50; i++)
        grpc_queue_put(&t.answer, bytes_of(t.chunk, CHUNK));
    grpc_raw_wake(t.call);
    UNTIL(t.n_data == GRPC_STREAM_WINDOW_BYTES);
    for (int i = 0; i < 20; i++)
        loop_run_once(t.loop, 2);
    assert_int_equal(t.n_server_data, GRPC_RAW_WINDOW_BYTES);
    assert_int_equal(t.n_data, GRPC_STREAM_WINDOW_BYTES);
    grpc_raw_credit(t.call, GRPC_RAW_WINDOW_BYTES);
    UNTIL(t.n_server_data == 2 * GRPC_RAW_WINDOW_BYTES);
    grpc_stream_credit(t.stream, GRPC_STREAM_WINDOW_BYTES);
    UNTIL(t.n_data == 50 * CHUNK);
    for (int i = 0; i < 20; i++)
        loop_run_once(t.loop, 2);
    assert_int_equal(t.n_server_data, 2 * GRPC_RAW_WINDOW_BYTES);
}

/* Streams that die with bytes nobody took do not eat the connection's window. */
static void
test_dead_streams_keep_the_connection_open(void **state)
{
    (void)state;
    t.credits = false;
    for (int i = 0; i < 20; i++) {
        open_stream("/a/b", NULL);
        send_chunks(26);
        UNTIL(t.call != NULL && t.n_server_data > 0);
        respond();
        for (int j = 0; j < 30; j++)
            grpc_queue_put(&t.answer, bytes_of(t.chunk, CHUNK));
        grpc_raw_wake(t.call);
        UNTIL(t.n_data == GRPC_STREAM_WINDOW_BYTES && t.n_server_data == 26 * CHUNK);
        grpc_stream_cancel(&t.stream);
        UNTIL(t.n_server_gone == (uint32_t)i + 1);
        t.n_data = t.n_server_data = 0;
        grpc_queue_fini(&t.out);
    }
}

static void
test_trailers_only(void **state)
{
    (void)state;
    open_stream("/a/b", NULL);
    UNTIL(t.call != NULL);
    finish("9");
    UNTIL(t.n_ends == 1);
    assert_int_equal(t.n_headers, 0);
    assert_int_equal(t.end.status, 9);
    assert_int_equal(t.trailers.n, 3);
    assert_int_equal(metric_get(t.metrics, METRIC_GRPC_HANDLED, 9), 1); /* unknown method */
}

static void
test_own_status_before_and_after_headers(void **state)
{
    (void)state;
    open_stream("/a/b", NULL);
    UNTIL(t.call != NULL);
    grpc_call_finish(t.call, GRPC_INTERNAL, "100%");
    UNTIL(t.n_ends == 1);
    assert_true(bytes_equal(grpc_metadata_find(&t.trailers, "grpc-message"), BYTES("100%25")));
    UNTIL(t.n_server_gone == 1);
    open_stream("/a/b", NULL);
    UNTIL(t.call != NULL);
    respond();
    grpc_call_finish(t.call, GRPC_UNAVAILABLE, "gone");
    UNTIL(t.n_ends == 2);
    assert_int_equal(t.n_headers, 1);
    assert_int_equal(t.end.status, GRPC_UNAVAILABLE);
}

static void
test_refused_and_unwanted(void **state)
{
    (void)state;
    open_stream("/is/refused", NULL);
    UNTIL(t.n_ends == 1);
    assert_int_equal(t.end.status, GRPC_PERMISSION_DENIED);
    assert_null(t.call);
}

static void
test_reset_by_either_side(void **state)
{
    (void)state;
    open_stream("/a/b", NULL);
    UNTIL(t.call != NULL);
    grpc_stream_cancel(&t.stream);
    UNTIL(t.n_server_gone == 1);
    assert_int_equal(t.n_ends, 0);
    assert_int_equal(grpc_channel_n_streams(t.channel), 0);
    /* The server's connection goes away. */
    open_stream("/a/b", NULL);
    UNTIL(t.call != NULL);
    grpc_endpoint_free(&t.endpoint);
    assert_int_equal(t.n_server_gone, 2);
    UNTIL(t.n_ends == 1);
    assert_int_equal(t.end.err, ERR_CLOSED);
}

/* A server may reset behind its whole answer while our end is still on its way out. */
static void
test_a_reset_behind_the_answer(void **state)
{
    (void)state;
    open_stream("/a/b", NULL);
    grpc_stream_half_close(t.stream);
    UNTIL(t.n_server_ends == 1);
    struct grpc_stream *stream = t.stream;
    struct h2_session *session = h2_link_session(t.channel->link);
    h2_stream_reset(session, stream->stream_id, H2_CANCEL);
    h2_stream_unbind(session, stream->stream_id);
    grpc_channel_events.on_header(t.channel, stream, BYTES("grpc-status"), BYTES("5"));
    grpc_channel_events.on_headers(t.channel, stream, true);
    grpc_channel_events.on_end(t.channel, stream);
    assert_int_equal(t.n_ends, 0);
    grpc_channel_events.on_close(t.channel, stream, H2_NO_ERROR, true);
    assert_int_equal(t.n_ends, 1);
    assert_int_equal(t.end.err, ERR_OK);
    assert_int_equal(t.end.status, GRPC_NOT_FOUND);
    UNTIL(t.n_server_gone == 1);
}

/* A stream that is opened, fed less than a message and reset is how floods are made
 * (CVE-2023-44487).
 */
static void
test_a_reset_before_a_message_is_a_glitch(void **state)
{
    (void)state;
    static const struct {
        const char *sent;
        uint32_t n, n_glitches;
    } cases[] = {
        {"", 0, 10},
        {"\0", 1, 10},
        {"\0\0\0\0", 4, 10},
        {"\0\0\0\0\2a", 6, 10},
        {"\0\0\0\0\2ab", 7, 0},
        {"\0\0\0\0\0", 5, 0},
        {"\0\0\0\0\1a\0", 7, 0},
        {"\1\0\1\0\0a", 6, 10},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (uint32_t step = 1; step <= 2; step++) { /* whole, and byte by byte */
            open_stream("/a/b", NULL);
            UNTIL(t.call != NULL);
            uint64_t from = t.n_server_data;
            struct h2_guard *guard = &h2_link_session(t.call->connection->link)->guard;
            for (uint32_t at = 0, n = step == 1 ? cases[i].n : 1; at < cases[i].n; at += n) {
                grpc_queue_put(&t.out, bytes_of(cases[i].sent + at, n));
                grpc_stream_wake(t.stream);
                UNTIL(t.n_server_data == from + at + n);
            }
            guard->n_glitches = 0;
            grpc_stream_cancel(&t.stream);
            UNTIL(t.call == NULL);
            assert_int_equal(guard->n_glitches, cases[i].n_glitches);
        }
    }
}

static void
test_lost_before_it_left(void **state)
{
    (void)state;
    open_stream("/a/b", NULL);
    grpc_channel_free(&t.channel);
    assert_int_equal(t.n_ends, 1);
    assert_int_equal(t.end.err, ERR_STREAM_REFUSED);
}

/* A call's deadline resets it, whatever the stream's owner does. */
static void
test_deadline(void **state)
{
    (void)state;
    struct grpc_metadata list = {.p = NULL};
    grpc_metadata_add(&list, NULL, field("content-type", "application/grpc"));
    struct grpc_stream_settings settings = {.path = BYTES("/a/b"),
                                            .metadata = &list,
                                            .timeout_us = 50000,
                                            .out = &t.out,
                                            .budget = &t.budget,
                                            .events = &events};
    t.stream = grpc_stream_open(t.channel, &settings);
    grpc_metadata_fini(&list, NULL);
    UNTIL(t.n_ends == 1);
    assert_int_equal(t.end.err, ERR_STREAM_RESET);
    assert_int_equal(t.end.status, GRPC_CANCELLED);
    assert_int_equal(t.n_server_gone, 1);
}

/* A drained server's channel is retired with its stream on it, and goes when that has ended. */
static void
test_drain_and_retire(void **state)
{
    (void)state;
    open_stream("/a/b", NULL);
    UNTIL(t.call != NULL);
    grpc_endpoint_drain(t.endpoint);
    UNTIL(grpc_channel_state(t.channel) == CHANNEL_DRAINING);
    assert_false(grpc_channel_has_stream_room(t.channel));
    grpc_channel_retire(&t.channel);
    assert_null(t.channel);
    assert_int_equal(t.n_drains, 0);
    UNTIL(t.n_ends == 1); /* the leak checker sees whether it is gone */
    assert_int_equal(t.n_drains, 1);
    assert_int_equal(t.end.status, GRPC_UNAVAILABLE);
}

static void
test_metadata_beyond_the_peers_limit(void **state)
{
    (void)state;
    struct grpc_metadata list = {.p = NULL};
    char value[1001];
    memset(value, 'v', 1000);
    value[1000] = '\0';
    uint32_t n = 0;
    while (grpc_channel_takes_metadata(t.channel, BYTES("/a/b"), &list)) {
        grpc_metadata_add(&list, NULL, field("x-long", value));
        n++;
    }
    assert_in_range(n, 14, 16); /* of 16 KiB */
    grpc_metadata_fini(&list, NULL);
}

/* A client drops an answer whose trailers are longer than it said it takes, status and all. */
static void
test_trailers_beyond_the_clients_limit(void **state)
{
    (void)state;
    char value[6001];
    memset(value, 'v', 6000);
    value[6000] = '\0';
    for (int has_headers = 0; has_headers < 2; has_headers++) {
        t.n_ends = 0;
        open_stream("/a/b", NULL);
        UNTIL(t.call != NULL);
        struct grpc_metadata list = {.p = NULL};
        for (int i = 0; i < 3; i++)
            grpc_metadata_add(&list, NULL, field("x-long", value));
        assert_false(grpc_raw_takes(t.call, &list));
        grpc_metadata_add(&list, NULL, field("content-type", "application/grpc"));
        grpc_metadata_add(&list, NULL, field("grpc-status", "9"));
        grpc_metadata_add(&list, NULL, field("grpc-message", value));
        if (has_headers)
            respond();
        grpc_raw_finish(t.call, GRPC_FAILED_PRECONDITION, &list);
        UNTIL(t.n_ends == 1);
        assert_int_equal(t.end.err, ERR_OK);
        assert_int_equal(t.end.status, GRPC_FAILED_PRECONDITION);
        assert_int_equal(grpc_metadata_find(&t.trailers, "grpc-message").n, 6000);
        assert_int_equal(grpc_metadata_find(&t.trailers, "x-long").n, 6000);
        assert_int_equal(t.trailers.n, 4);
        grpc_metadata_fini(&list, NULL);
        UNTIL(t.call == NULL);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_both_ways),
        T(test_windows),
        T(test_dead_streams_keep_the_connection_open),
        T(test_trailers_only),
        T(test_own_status_before_and_after_headers),
        T(test_refused_and_unwanted),
        T(test_reset_by_either_side),
        T(test_a_reset_behind_the_answer),
        T(test_a_reset_before_a_message_is_a_glitch),
        T(test_lost_before_it_left),
        T(test_deadline),
        T(test_drain_and_retire),
        T(test_metadata_beyond_the_peers_limit),
        T(test_trailers_beyond_the_clients_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
