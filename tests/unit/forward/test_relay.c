/* A relay between an agent's stream and two scripted backends, all on one loop. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/relay_fixture.h"
#include "grpc/grpc_channel_int.h"
#include "h2/h2_session_int.h"

static void
test_a_question_and_its_answer(void **state)
{
    (void)state;
    struct forward_settings settings = world_settings();
    begin(1, &settings, 100);
    call(ask, 100, true);
    UNTIL(t.n_ends == 1);
    assert_int_equal(t.status, GRPC_OK);
    assert_int_equal(t.n_data, 5);
    assert_int_equal(t.hands[0].n_bytes, 100);
    assert_int_equal(t.hands[0].n_via, 2);
    assert_string_equal(t.hands[0].via[0], "1.1 somebody");
    assert_string_equal(t.hands[0].via[1], t.shared->via);
    assert_int_equal(metric_get(t.metrics, METRIC_BACKEND_REQUESTS, GRPC_OK), 1);
    end();
}

static void
test_a_question_waits_until_it_is_whole(void **state)
{
    (void)state;
    struct forward_settings settings = world_settings();
    begin(1, &settings, 100);
    call(ask, 100, false);
    spin(20);
    assert_int_equal(t.hands[0].n_calls, 0);
    grpc_stream_half_close(t.stream);
    UNTIL(t.n_ends == 1);
    assert_int_equal(t.hands[0].n_calls, 1);
    /* One too large to be kept does not. */
    call(ask, 5 * CHUNK, false);
    UNTIL(t.hands[0].n_bytes == 100 + 5 * CHUNK);
    end();
}

/* All that asked the ill one first ask the other, once; none of two: an empty answer. */
static void
test_questions_go_to_a_second_backend(void **state)
{
    (void)state;
    static const int ill[] = {GRPC_UNAVAILABLE, GRPC_UNIMPLEMENTED};
    for (int i = 0; i < 2; i++) {
        struct forward_settings settings = world_settings();
        begin(2, &settings, 100);
        t.hands[1].status = ill[i];
        for (int j = 0; j < 8; j++) {
            call(ask, 10, true);
            UNTIL(t.n_ends == 1);
            assert_int_equal(t.status, GRPC_OK);
        }
        assert_int_equal(t.hands[0].n_calls, 8);
        t.hands[0].status = ill[i];
        call(ask, 10, true);
        UNTIL(t.n_ends == 1);
        assert_int_equal(t.status, GRPC_OK);
        assert_int_equal(t.n_data, 5);
        /* A stream is told the truth, or what does not silence a Java agent. */
        call(upload, 10, true);
        UNTIL(t.n_ends == 1);
        assert_int_equal(t.status, i == 0 ? GRPC_UNAVAILABLE : GRPC_INTERNAL);
        call(foreign, 10, true);
        UNTIL(t.n_ends == 1);
        assert_int_equal(t.status, ill[i]);
        end();
    }
}

/* Refused, lost before it left, or above a GOAWAY's last stream: it goes out again, once, and
 * nobody notices; not when the agent has seen an answer, or too much was sent to be kept. */
static void
refuse(void)
{
    struct relay *relay = TAILQ_FIRST(&t.forward->relays->all);
    struct grpc_metadata none = {.p = NULL};
    struct grpc_stream_end how = {
        .err = ERR_STREAM_REFUSED, .status = GRPC_UNAVAILABLE, .trailers = &none};
    grpc_stream_cancel(&relay->stream);
    relay_stream_events.on_end(relay, &how);
}

static void
test_a_call_that_nobody_worked_on_is_sent_again(void **state)
{
    (void)state;
    struct forward_settings settings = world_settings();
    begin(1, &settings, 100);
    call(foreign, 3 * CHUNK, false);
    UNTIL(t.hands[0].n_bytes == 3 * CHUNK);
    refuse();
    UNTIL(t.hands[0].n_bytes == 6 * CHUNK);
    grpc_queue_put(&t.out, bytes_of(chunk, 100));
    grpc_stream_half_close(t.stream);
    UNTIL(t.n_ends == 1);
    assert_int_equal(t.status, GRPC_OK);
    assert_int_equal(t.hands[0].n_bytes, 6 * CHUNK + 100);
    /* A second time it is told. */
    call(foreign, 10, false);
    UNTIL(t.hands[0].n_calls == 3);
    refuse();
    UNTIL(t.hands[0].n_calls == 4);
    refuse();
    UNTIL(t.n_ends == 1);
    assert_int_equal(t.status, GRPC_UNAVAILABLE);
    /* Too much to be kept. */
    t.hands[0].n_bytes = 0;
    call(foreign, 5 * CHUNK, false);
    UNTIL(t.hands[0].n_bytes == 5 * CHUNK);
    refuse();
    UNTIL(t.n_ends == 1);
    assert_int_equal(t.status, GRPC_UNAVAILABLE);
    UNTIL(t.hands[0].n_gone == t.hands[0].n_calls);
    end();
}

/* A backend that is told to go serves what it has; calls to come get another connection. */
static void
test_a_stream_outlives_the_channel_of_new_calls(void **state)
{
    (void)state;
    struct forward_settings settings = world_settings();
    begin(1, &settings, 100);
    call(foreign, 10, false);
    UNTIL(t.hands[0].n_calls == 1);
    grpc_endpoint_drain(t.hands[0].endpoint);
    UNTIL(forward_n_up(t.forward) == 0);
    assert_int_equal(t.n_ends, 0);
    grpc_stream_half_close(t.stream);
    UNTIL(t.n_ends == 1);
    assert_int_equal(t.status, GRPC_OK);
    end();
}

static void
test_more_streams_than_the_backend_takes(void **state)
{
    (void)state;
    struct forward_settings settings = world_settings();
    begin(1, &settings, 4);
    t.hands[0].status = -1;
    struct grpc_stream *two[2];
    for (int i = 0; i < 2; i++) {
        call(foreign, 10, false);
        UNTIL(t.hands[0].n_calls == (uint32_t)i + 1);
        two[i] = t.stream;
    }
    /* Half are for batches. It waits a little, then is given up; or it gets the place of another.
     */
    call(foreign, 10, true);
    UNTIL(t.n_ends == 1);
    assert_int_equal(t.status, GRPC_UNAVAILABLE);
    t.hands[0].status = GRPC_OK;
    call(foreign, 10, true);
    spin(5);
    assert_int_equal(t.hands[0].n_calls, 2);
    struct grpc_stream *third = t.stream;
    grpc_stream_cancel(&two[0]);
    t.stream = third;
    UNTIL(t.n_ends == 1);
    assert_int_equal(t.status, GRPC_OK);
    t.stream = two[1];
    end();
}

/* While memory is short nobody gets credit, new calls are not taken, and who stands still goes. */
static void
test_short_memory(void **state)
{
    (void)state;
    struct forward_settings settings = world_settings();
    uint64_t now_us = 1000000000;
    clock_set(now_us, 1700000000000);
    begin(1, &settings, 100);
    t.hands[0].status = -1;
    call(foreign, 2 * CHUNK, false);
    UNTIL(t.hands[0].n_bytes == 2 * CHUNK);
    uint64_t fill = (UINT64_C(46) << 20) - t.budget.used_bytes; /* of 64: 72 % */
    budget_take_always(&t.budget, fill);
    struct grpc_stream *first = t.stream;
    for (int i = 0; i < 20; i++)
        grpc_queue_put(&t.out, bytes_of(chunk, CHUNK));
    grpc_stream_wake(first);
    const uint64_t most = 2 * CHUNK + GRPC_RAW_WINDOW_BYTES; /* what was credited, and the window */
    UNTIL(t.hands[0].n_bytes == most);
    spin(10);
    assert_int_equal(t.hands[0].n_bytes, most);
    struct grpc_queue spare = t.out;
    grpc_queue_init(&t.out, &t.budget, false);
    call(ask, 10, true);
    UNTIL(t.n_ends == 1);
    assert_int_equal(t.status, GRPC_OK);
    call(foreign, 10, true);
    UNTIL(t.n_ends == 1);
    assert_int_equal(t.status, GRPC_UNAVAILABLE);
    assert_int_equal(t.hands[0].n_calls, 1);
    grpc_queue_fini(&t.out);
    t.out = spare;
    /* There is room again: credit is given late. */
    budget_give(&t.budget, fill);
    for (int i = 0; i < 3; i++) {
        now_us += 1100000;
        clock_set(now_us, 1700000000000);
        spin(5);
    }
    UNTIL(t.hands[0].n_bytes == 22 * CHUNK);
    /* A backend that takes nothing more, and no room: after 10 s the call is ended. */
    t.hands[0].withholds = true;
    t.stream = first;
    for (int i = 0; i < 40; i++)
        grpc_queue_put(&t.out, bytes_of(chunk, CHUNK));
    grpc_stream_wake(first);
    spin(20);
    fill = (UINT64_C(46) << 20) - t.budget.used_bytes;
    budget_take_always(&t.budget, fill);
    for (int i = 0; i < 9; i++) {
        now_us += 1100000;
        clock_set(now_us, 1700000000000);
        spin(5);
        assert_int_equal(t.n_ends, 1);
    }
    for (int i = 0; i < 3; i++) {
        now_us += 1100000;
        clock_set(now_us, 1700000000000);
        spin(5);
    }
    assert_int_equal(t.n_ends, 2);
    assert_int_equal(t.status, GRPC_RESOURCE_EXHAUSTED);
    budget_give(&t.budget, fill);
    end();
    clock_set(0, 0);
}

/* What an agent does not read, though the backend has long ended the call, gives way as well. */
static void
test_an_unread_answer_and_short_memory(void **state)
{
    (void)state;
    struct forward_settings settings = world_settings();
    uint64_t now_us = 1000000000;
    clock_set(now_us, 1700000000000);
    begin(1, &settings, 100);
    struct hand *hand = &t.hands[0];
    hand->status = -1;
    t.withholds = true;
    call(foreign, 10, true);
    UNTIL(hand->n_ends == 1);
    for (int i = 0; i < 5; i++)
        grpc_queue_put(&hand->answers[0], bytes_of(chunk, CHUNK));
    answer(hand, 0, GRPC_OK);
    UNTIL(hand->n_gone == 1);
    UNTIL(t.n_data == GRPC_STREAM_WINDOW_BYTES);
    spin(10);
    struct relay *relay = TAILQ_FIRST(&t.forward->relays->all);
    assert_int_equal(relay->state, RELAY_ENDED);
    assert_int_equal(grpc_queue_n(&relay->response), CHUNK + 5);
    uint64_t fill = (UINT64_C(46) << 20) - t.budget.used_bytes; /* of 64: 72 % */
    budget_take_always(&t.budget, fill);
    for (int i = 0; i < 12; i++) {
        assert_true(t.n_ends == 0 || i > 8);
        now_us += 1100000;
        clock_set(now_us, 1700000000000);
        spin(5);
    }
    UNTIL(t.n_ends == 1);
    assert_int_equal(t.err, ERR_STREAM_RESET);
    assert_int_equal(t.status, GRPC_CANCELLED);
    assert_true(TAILQ_EMPTY(&t.forward->relays->all));
    budget_give(&t.budget, fill);
    end();
    clock_set(0, 0);
}

/* The smallest piece of credit that there is: nghttp2 alone gives none below half a window. */
static void
trickle(void)
{
    struct h2_session *session = h2_link_session(t.agent->link);
    assert_int_equal(nghttp2_submit_window_update(session->nghttp2, 0, t.stream->stream_id, 1), 0);
    h2_session_note_output(session);
}

/* Who reads a byte now and then holds the rest no longer than who reads nothing. */
static void
test_a_trickle_is_no_reading(void **state)
{
    (void)state;
    struct forward_settings settings = world_settings();
    uint64_t now_us = 1000000000;
    clock_set(now_us, 1700000000000);
    begin(1, &settings, 100);
    struct hand *hand = &t.hands[0];
    hand->status = -1;
    t.withholds = true;
    call(foreign, 10, true);
    UNTIL(hand->n_ends == 1);
    for (int i = 0; i < 5; i++)
        grpc_queue_put(&hand->answers[0], bytes_of(chunk, CHUNK));
    answer(hand, 0, GRPC_OK);
    UNTIL(t.n_data == GRPC_STREAM_WINDOW_BYTES);
    uint64_t fill = (UINT64_C(46) << 20) - t.budget.used_bytes; /* of 64: 72 % */
    budget_take_always(&t.budget, fill);
    for (int i = 0; i < 12 && t.n_ends == 0; i++) {
        trickle();
        now_us += 1100000;
        clock_set(now_us, 1700000000000);
        spin(5);
        assert_true(t.n_ends == 1 || t.n_data == GRPC_STREAM_WINDOW_BYTES + (uint32_t)i + 1);
    }
    assert_int_equal(t.n_ends, 1);
    assert_int_equal(t.err, ERR_STREAM_RESET);
    budget_give(&t.budget, fill);
    end();
    clock_set(0, 0);
}

/* What nobody reads may fill memory, up to a point: there each piece that comes drives out the call
 * which has held its own for longest. */
static void
test_full_memory_drives_out_the_oldest(void **state)
{
    (void)state;
    enum { N = 4 };
    struct forward_settings settings = world_settings();
    uint64_t now_us = 1000000000;
    clock_set(now_us, 1700000000000);
    begin(1, &settings, 100);
    struct hand *hand = &t.hands[0];
    hand->status = -1;
    t.withholds = true;
    struct grpc_stream *streams[N];
    struct relay *relays[N];
    call(ask, 10, false); /* never whole */
    UNTIL(!TAILQ_EMPTY(&t.forward->relays->holding));
    now_us += 1000;
    clock_set(now_us, 1700000000000);
    for (uint32_t i = 0; i < N; i++) {
        call(foreign, 10, true);
        UNTIL(hand->n_ends == i + 1);
        streams[i] = t.stream;
        relays[i] = TAILQ_LAST(&t.forward->relays->all, relay_list);
        for (int k = 0; k < 5; k++)
            grpc_queue_put(&hand->answers[i], bytes_of(chunk, CHUNK));
        struct grpc_metadata list = {.p = NULL};
        grpc_metadata_add(&list, NULL,
                          (struct grpc_field){BYTES("content-type"), BYTES("application/grpc")});
        grpc_raw_respond(hand->calls[i], &list, &hand->answers[i]);
        grpc_metadata_fini(&list, NULL);
        UNTIL(t.n_data == GRPC_STREAM_WINDOW_BYTES);
        spin(5);
        assert_int_equal(grpc_queue_n(&relays[i]->response), CHUNK);
        now_us += 1000;
        clock_set(now_us, 1700000000000);
    }
    uint64_t fill = (UINT64_C(61) << 20) - t.budget.used_bytes + 1; /* of 64: 96 % */
    budget_take_always(&t.budget, fill);
    t.n_ends = 0;
    struct grpc_queue *last = &hand->answers[N - 1];
    grpc_queue_put(last, bytes_of(chunk, 100));
    grpc_raw_wake(hand->calls[N - 1]);
    UNTIL(t.n_ends == 1);
    assert_int_equal(t.err, ERR_OK);
    assert_int_equal(t.status, GRPC_OK);
    assert_ptr_equal(TAILQ_FIRST(&t.forward->relays->holding), relays[0]);
    grpc_queue_put(last, bytes_of(chunk, 100));
    grpc_raw_wake(hand->calls[N - 1]);
    UNTIL(t.n_ends == 2);
    assert_int_equal(t.err, ERR_STREAM_RESET);
    assert_ptr_equal(TAILQ_FIRST(&t.forward->relays->all), relays[1]);
    assert_ptr_equal(TAILQ_FIRST(&t.forward->relays->holding), relays[1]);
    assert_int_equal(grpc_queue_n(&relays[N - 1]->response), CHUNK + 200);
    budget_give(&t.budget, fill);
    clock_set(now_us + 200000, 1700000000000); /* the agent's connection is read again */
    for (uint32_t i = 1; i < N; i++)
        grpc_stream_cancel(&streams[i]);
    t.stream = NULL;
    UNTIL(TAILQ_EMPTY(&t.forward->relays->all));
    assert_true(TAILQ_EMPTY(&t.forward->relays->holding));
    end();
    clock_set(0, 0);
}

static void
end_by(enum err err, int status, uint64_t left_us)
{
    struct relay *relay = TAILQ_FIRST(&t.forward->relays->all);
    struct grpc_metadata none = {.p = NULL};
    struct grpc_stream_end how = {.err = err, .status = status, .trailers = &none};
    if (left_us > 0)
        relay->deadline_us = clock_mono_us() + left_us;
    grpc_stream_cancel(&relay->stream);
    relay_stream_events.on_end(relay, &how);
    UNTIL(t.n_ends == 1);
}

/* A backend keeps the deadline too and may be the first to notice; it can only say CANCEL. */
static void
test_a_reset_at_the_deadline_is_the_deadline(void **state)
{
    (void)state;
    static const struct {
        int status, wanted;
        uint64_t left_us;
    } cases[] = {
        {GRPC_CANCELLED, GRPC_DEADLINE_EXCEEDED, 5000},
        {GRPC_CANCELLED, GRPC_CANCELLED, 60000000},
        {GRPC_CANCELLED, GRPC_CANCELLED, 0}, /* none */
        {GRPC_INTERNAL, GRPC_INTERNAL, 5000},
    };
    static const struct {
        enum err err;
        int status;
    } late[] = {{ERR_STREAM_RESET, GRPC_CANCELLED}, {ERR_OK, GRPC_DEADLINE_EXCEEDED}};
    struct forward_settings settings = world_settings();
    begin(1, &settings, 100);
    t.hands[0].status = -1;
    for (uint32_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        call(foreign, 10, true);
        UNTIL(t.hands[0].n_calls == i + 1);
        end_by(ERR_STREAM_RESET, cases[i].status, cases[i].left_us);
        assert_int_equal(t.err, ERR_OK);
        assert_int_equal(t.status, cases[i].wanted);
    }
    /* A question that would have waited longer: nobody is there to answer it. */
    for (uint32_t i = 0; i < 2; i++) {
        call(ask, 10, true);
        UNTIL(t.hands[0].n_calls == 5 + i);
        end_by(late[i].err, late[i].status, 5000);
        assert_int_equal(t.status, GRPC_OK);
        assert_int_equal(t.n_data, 5);
    }
    UNTIL(t.hands[0].n_gone == t.hands[0].n_calls);
    end();
}

/* 404 of something that is no OAP: an agent told UNIMPLEMENTED would never ask again. */
static void
test_a_page_in_place_of_an_answer(void **state)
{
    (void)state;
    struct forward_settings settings = world_settings();
    begin(1, &settings, 100);
    t.hands[0].status = -1;
    call(ask, 10, true);
    UNTIL(t.hands[0].n_calls == 1);
    end_by(ERR_GRPC_FRAME, GRPC_UNIMPLEMENTED, 0);
    assert_int_equal(t.status, GRPC_INTERNAL);
    call(foreign, 10, true);
    UNTIL(t.hands[0].n_calls == 2);
    end_by(ERR_GRPC_FRAME, GRPC_UNIMPLEMENTED, 0);
    assert_int_equal(t.status, GRPC_UNIMPLEMENTED);
    UNTIL(t.hands[0].n_gone == 2);
    end();
}

static void
test_fields_of_the_hop_stay_here(void **state)
{
    (void)state;
    static const char *const names[] = {"te",      "grpc-timeout",   "connection", "x-a",
                                        "upgrade", "content-length", "via",        "grpc-encoding"};
    struct grpc_metadata in = {.p = NULL}, out = {.p = NULL};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        grpc_metadata_add(&in, NULL,
                          (struct grpc_field){bytes_str(names[i]), BYTES("2 me-1, 2 you")});
    relay_fields_copy(&in, NULL, &out);
    assert_int_equal(out.n, 3);
    assert_int_equal(grpc_metadata_find(&out, "x-a").n, 13);
    assert_int_equal(grpc_metadata_find(&out, "grpc-encoding").n, 13);
    assert_true(relay_fields_is_loop(&in, "2 me-1"));
    assert_true(relay_fields_is_loop(&in, "2 you"));
    assert_false(relay_fields_is_loop(&in, "2 me-2"));
    grpc_metadata_fini(&in, NULL);
    grpc_metadata_fini(&out, NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_question_and_its_answer),
        cmocka_unit_test(test_a_question_waits_until_it_is_whole),
        cmocka_unit_test(test_questions_go_to_a_second_backend),
        cmocka_unit_test(test_a_call_that_nobody_worked_on_is_sent_again),
        cmocka_unit_test(test_a_stream_outlives_the_channel_of_new_calls),
        cmocka_unit_test(test_more_streams_than_the_backend_takes),
        cmocka_unit_test(test_short_memory),
        cmocka_unit_test(test_an_unread_answer_and_short_memory),
        cmocka_unit_test(test_a_trickle_is_no_reading),
        cmocka_unit_test(test_full_memory_drives_out_the_oldest),
        cmocka_unit_test(test_a_reset_at_the_deadline_is_the_deadline),
        cmocka_unit_test(test_a_page_in_place_of_an_answer),
        cmocka_unit_test(test_fields_of_the_hop_stay_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
