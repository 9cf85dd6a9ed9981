/* Segments: one record each, credit and answer when settled, waiting and resuming. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "receive/fake_worker.h"

#define COLLECT "/skywalking.v3.TraceSegmentReportService/collect"
#define COLLECT_IN_SYNC "/skywalking.v3.TraceSegmentReportService/collectInSync"
enum { PLENTY = 16 << 20, SCARCE = 600 * 1024, LARGE_SEGMENT = 50 * 1024 };

/* A segment with one root span, whose tag makes it n_more bytes longer. */
static void
add_segment(struct text *out, const char *id, size_t n_more)
{
    struct text span = TEXT_EMPTY, tag = TEXT_EMPTY;
    uint8_t *more = mem_zeroed(n_more + 1);
    memset(more, 'x', n_more);
    add_number(&span, 2, UINT64_MAX);
    add_number(&span, 3, NOW_MS - 10);
    add_number(&span, 4, NOW_MS - 5);
    add_string(&span, 6, BYTES("/checkout"));
    add_string(&tag, 1, BYTES("more"));
    add_string(&tag, 2, bytes_of(more, n_more));
    add_string(&span, 12, text_bytes(&tag));
    add_string(out, 1, BYTES("trace"));
    add_string(out, 2, bytes_str(id));
    add_string(out, 3, text_bytes(&span));
    add_string(out, 4, BYTES("shop"));
    add_string(out, 5, BYTES("shop-1"));
    mem_free(more);
    text_fini(&span);
    text_fini(&tag);
}

static uint32_t n_seen[64];

/* Segments are numbered by their ids "s00" to "s63". */
static void
see(enum method method, struct bytes payload)
{
    assert_int_equal(method, METHOD_SEGMENT_COLLECT);
    struct bytes id = message_string_field(payload, 2);
    assert_int_equal(id.n, 3);
    n_seen[(id.p[1] - '0') * 10 + (id.p[2] - '0')]++;
}

static void
answer_and_credit_come_when_settled(void **state)
{
    (void)state;
    struct fake_worker worker;
    struct text message = TEXT_EMPTY;
    worker_init(&worker, PLENTY);
    struct fake_stream stream = stream_open(&worker, COLLECT);
    add_segment(&message, "s01", 10);
    assert_int_equal(stream_send(&stream, text_bytes(&message)), GRPC_TAKEN);
    stream_end(&stream);
    assert_int_equal(stream.call->credited_bytes, 0);
    assert_false(stream.call->is_finished);
    store_turn(worker.store);
    assert_int_equal(stream.call->credited_bytes, message.n + 5);
    assert_true(stream.call->is_finished);
    assert_int_equal(stream.call->status, GRPC_OK);
    assert_int_equal(stream.call->n_sent, 1);
    assert_int_equal(stream.call->n_sent_bytes, 0);
    stream_gone(&stream, false);
    assert_int_equal(worker_forward(&worker, NULL), 1);
    stream_unref(&stream);
    text_fini(&message);
    worker_fini(&worker);
}

static void
a_call_outlives_its_stream_until_settled(void **state)
{
    (void)state;
    struct fake_worker worker;
    struct text message = TEXT_EMPTY;
    worker_init(&worker, PLENTY);
    struct fake_stream stream = stream_open(&worker, COLLECT);
    add_segment(&message, "s01", 10);
    assert_int_equal(stream_send(&stream, text_bytes(&message)), GRPC_TAKEN);
    stream_gone(&stream, true);
    stream_unref(&stream);
    assert_int_equal(receive_n_calls(worker.receive), 1);
    store_turn(worker.store);
    assert_int_equal(receive_n_calls(worker.receive), 0);
    assert_int_equal(n_findings(&worker, RULE_conn_lost_mid_message), 1);
    assert_int_equal(n_findings(&worker, RULE_grpc_message_truncated), 0);
    assert_int_equal(worker_forward(&worker, NULL), 1);
    text_fini(&message);
    worker_fini(&worker);
}

static void
poison_is_set_aside_and_empty_is_dropped(void **state)
{
    (void)state;
    struct fake_worker worker;
    worker_init(&worker, PLENTY);
    struct fake_stream stream = stream_open(&worker, COLLECT);
    assert_int_equal(stream_send(&stream, BYTES("\x0a\xff")), GRPC_TAKEN);
    struct text empty = TEXT_EMPTY;
    add_string(&empty, 2, BYTES("s01"));
    assert_int_equal(stream_send(&stream, text_bytes(&empty)), GRPC_TAKEN);
    stream_end(&stream);
    store_turn(worker.store);
    assert_true(stream.call->is_finished);
    assert_int_equal(stream.call->credited_bytes, 2 + 5 + empty.n + 5);
    stream_gone(&stream, false);
    stream_unref(&stream);
    assert_int_equal(worker_forward(&worker, NULL), 0);
    assert_int_equal(count_of(&worker, METRIC_ITEMS_QUARANTINED), 1);
    assert_int_equal(count_of(&worker, METRIC_ITEMS_DROPPED), 1);
    text_fini(&empty);
    worker_fini(&worker);
}

static void
an_oversized_message_leaves_its_prefix(void **state)
{
    (void)state;
    struct fake_worker worker;
    worker_init(&worker, PLENTY);
    struct fake_stream stream = stream_open(&worker, COLLECT);
    stream.route.handler->on_oversize(stream.call, BYTES("prefix"), 1 << 30);
    stream_end(&stream);
    store_turn(worker.store);
    assert_true(stream.call->is_finished);
    assert_int_equal(count_of(&worker, METRIC_ITEMS_QUARANTINED), 1);
    assert_int_equal(n_findings(&worker, RULE_message_oversize), 1);
    stream_gone(&stream, false);
    stream_unref(&stream);
    worker_fini(&worker);
}

/* Sends again what waits, as the endpoint does at the end of the turn after a resume. */
static uint32_t
send_until_taken(struct fake_worker *worker, struct fake_stream *stream, struct bytes message)
{
    uint32_t n_rounds = 0, n_resumed = 0;
    while (stream_send(stream, message) == GRPC_WAIT) {
        assert_true(++n_rounds < 100);
        assert_int_equal(stream_send(stream, message), GRPC_WAIT); /* nothing is judged twice */
        worker_forward(worker, see);
        store_turn(worker->store);
        assert_int_equal(stream->call->n_resumed, ++n_resumed);
    }
    return n_rounds;
}

static void
add_collection(struct text *out, int n)
{
    for (int i = 0; i < n; i++) {
        struct text segment = TEXT_EMPTY;
        char id[4] = {'s', (char)('0' + i / 10), (char)('0' + i % 10), 0};
        add_segment(&segment, id, LARGE_SEGMENT);
        add_string(out, 1, text_bytes(&segment));
        text_fini(&segment);
    }
}

static void
a_collection_goes_on_where_it_waited(void **state)
{
    (void)state;
    enum { N = 40 };
    struct fake_worker worker;
    struct text collection = TEXT_EMPTY;
    worker_init(&worker, SCARCE);
    memset(n_seen, 0, sizeof(n_seen));
    add_collection(&collection, N);
    struct fake_stream stream = stream_open(&worker, COLLECT_IN_SYNC);
    assert_true(send_until_taken(&worker, &stream, text_bytes(&collection)) > 1);
    stream_end(&stream);
    store_turn(worker.store);
    assert_true(stream.call->is_finished);
    assert_int_equal(stream.call->credited_bytes, collection.n + 5);
    stream_gone(&stream, false);
    stream_unref(&stream);
    worker_forward(&worker, see);
    for (int i = 0; i < N; i++)
        assert_int_equal(n_seen[i], 1);
    assert_int_equal(count_of(&worker, METRIC_ITEMS_ACCEPTED), N);
    assert_int_equal(count_of(&worker, METRIC_SEGMENTS), N);
    assert_int_equal(count_of(&worker, METRIC_SPANS), N);
    text_fini(&collection);
    worker_fini(&worker);
}

/* Once, when it was taken: not while it waits, and not when it is judged again. */
static void
who_taps_is_offered_each_segment_once(void **state)
{
    (void)state;
    enum { N = 40 };
    struct fake_worker worker;
    struct text collection = TEXT_EMPTY;
    const struct tap_settings settings = {.rate = TAP_MAX_RATE, .n_rings = 1};
    struct tap *tap = tap_new(&settings);
    struct tap_item item;
    int n = 0;
    worker_init(&worker, SCARCE);
    add_collection(&collection, N);
    assert_true(tap_open(tap, 0, &worker.budget));
    receive_add_tap(worker.receive, tap, 0);
    struct fake_stream stream = stream_open(&worker, COLLECT_IN_SYNC);
    while (stream_send(&stream, text_bytes(&collection)) == GRPC_WAIT) {
        for (; tap_peek(tap, &item); n++) {
            assert_int_equal(message_string_field(item.payload, 2).p[1], '0' + n / 10);
            assert_int_equal(message_string_field(item.payload, 2).p[2], '0' + n % 10);
            tap_take(tap);
        }
        worker_forward(&worker, NULL);
        store_turn(worker.store);
    }
    for (; tap_peek(tap, &item); n++)
        tap_take(tap);
    assert_int_equal(n, N);
    receive_remove_tap(worker.receive, tap);
    stream_end(&stream);
    stream_gone(&stream, false);
    stream_unref(&stream);
    worker_forward(&worker, NULL);
    tap_close(tap, 0, &worker.budget);
    tap_free(&tap);
    text_fini(&collection);
    worker_fini(&worker);
}

static void
a_waiting_message_may_outlive_its_stream(void **state)
{
    (void)state;
    struct fake_worker worker;
    struct text message = TEXT_EMPTY;
    worker_init(&worker, SCARCE);
    add_segment(&message, "s01", LARGE_SEGMENT);
    struct fake_stream stream = stream_open(&worker, COLLECT);
    while (stream_send(&stream, text_bytes(&message)) == GRPC_TAKEN)
        ;
    uint64_t accepted = count_of(&worker, METRIC_ITEMS_ACCEPTED);
    worker_forward(&worker, NULL);
    store_turn(worker.store);
    assert_int_equal(stream.call->n_resumed, 1);
    assert_int_equal(stream_send(&stream, text_bytes(&message)), GRPC_TAKEN);
    stream_gone(&stream, false);
    stream_unref(&stream);
    store_turn(worker.store);
    assert_int_equal(count_of(&worker, METRIC_ITEMS_ACCEPTED), accepted + 1);
    worker_forward(&worker, NULL);
    text_fini(&message);
    worker_fini(&worker);
}

static void
a_broken_collection_is_one_item(void **state)
{
    (void)state;
    struct fake_worker worker;
    struct text collection = TEXT_EMPTY;
    worker_init(&worker, PLENTY);
    add_segment(&collection, "s01", 10);
    text_add_bytes(&collection, BYTES("\x0a\x7f"));
    struct fake_stream stream = stream_open(&worker, COLLECT_IN_SYNC);
    assert_int_equal(stream_send(&stream, text_bytes(&collection)), GRPC_TAKEN);
    stream_end(&stream);
    store_turn(worker.store);
    assert_true(stream.call->is_finished);
    assert_int_equal(count_of(&worker, METRIC_ITEMS_ACCEPTED), 1);
    assert_int_equal(count_of(&worker, METRIC_ITEMS_QUARANTINED), 1);
    assert_int_equal(n_findings(&worker, RULE_proto_undecodable), 1);
    stream_gone(&stream, false);
    stream_unref(&stream);
    text_fini(&collection);
    worker_fini(&worker);
}

static void
an_empty_collection_is_no_item(void **state)
{
    (void)state;
    struct fake_worker worker;
    worker_init(&worker, PLENTY);
    struct fake_stream stream = stream_open(&worker, COLLECT_IN_SYNC);
    assert_int_equal(stream_send(&stream, BYTES_NONE), GRPC_TAKEN);
    stream_end(&stream);
    assert_true(stream.call->is_finished);
    assert_int_equal(stream.call->credited_bytes, 5);
    assert_int_equal(count_of(&worker, METRIC_ITEMS_ACCEPTED), 0);
    stream_gone(&stream, false);
    stream_unref(&stream);
    worker_fini(&worker);
}

/* A message that waited may be the last thing that kept a lost call from being told so. */
static void
an_answer_may_end_a_lost_call(void **state)
{
    (void)state;
    struct fake_worker worker;
    worker_init(&worker, PLENTY);
    struct fake_stream stream = stream_open(&worker, COLLECT_IN_SYNC);
    assert_int_equal(stream_send(&stream, BYTES_NONE), GRPC_TAKEN);
    stream.call->lost = stream.route.handler;
    stream_end(&stream);
    assert_true(stream.call->is_finished);
    assert_int_equal(receive_n_calls(worker.receive), 0);
    stream_unref(&stream);
    worker_fini(&worker);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answer_and_credit_come_when_settled),
        cmocka_unit_test(a_call_outlives_its_stream_until_settled),
        cmocka_unit_test(poison_is_set_aside_and_empty_is_dropped),
        cmocka_unit_test(an_oversized_message_leaves_its_prefix),
        cmocka_unit_test(a_collection_goes_on_where_it_waited),
        cmocka_unit_test(who_taps_is_offered_each_segment_once),
        cmocka_unit_test(a_waiting_message_may_outlive_its_stream),
        cmocka_unit_test(a_broken_collection_is_one_item),
        cmocka_unit_test(an_empty_collection_is_no_item),
        cmocka_unit_test(an_answer_may_end_a_lost_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
