/* Streams with state: logs and meters; calls that need an OAP; health; unknown paths. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "receive/fake_worker.h"

#define LOG_COLLECT "/skywalking.v3.LogReportService/collect"
#define METER_COLLECT "/skywalking.v3.MeterReportService/collect"
enum { PLENTY = 16 << 20, SECOND_US = 1000 * 1000, SCARCE = 600 * 1024 };

static struct text record; /* the last one forwarded */
static enum method record_method;

static void
keep(enum method method, struct bytes payload)
{
    record_method = method;
    text_clear(&record);
    text_add_bytes(&record, payload);
}

static void
send_text(struct fake_stream *stream, struct text *message)
{
    assert_int_equal(stream_send(stream, text_bytes(message)), GRPC_TAKEN);
    text_clear(message);
}

static void
close_stream(struct fake_stream *stream)
{
    stream_end(stream);
    store_turn(stream->worker->store);
    assert_true(stream->call->is_finished);
    stream_gone(stream, false);
    stream_unref(stream);
}

static void
a_log_gets_the_first_service_of_its_stream(void **state)
{
    (void)state;
    struct fake_worker worker;
    struct text log = TEXT_EMPTY;
    worker_init(&worker, PLENTY);
    struct fake_stream stream = stream_open(&worker, LOG_COLLECT);
    add_number(&log, 1, 77);
    add_string(&log, 2, BYTES("shop"));
    send_text(&stream, &log);
    assert_int_equal(worker_forward(&worker, keep), 1);
    assert_int_equal(record.n, 3 - 1 + 2 + 4); /* unchanged */
    add_string(&log, 4, BYTES("/buy"));
    send_text(&stream, &log);
    assert_int_equal(worker_forward(&worker, keep), 1);
    assert_true(bytes_equal(message_string_field(text_bytes(&record), 2), BYTES("shop")));
    uint64_t time;
    assert_true(message_varint_field(text_bytes(&record), 1, &time));
    assert_int_equal(time, NOW_MS);
    assert_true(bytes_starts(text_bytes(&record), BYTES("\x22\x04/buy")));
    close_stream(&stream);
    text_fini(&log);
    worker_fini(&worker);
}

static void
a_log_without_any_service_is_set_aside(void **state)
{
    (void)state;
    struct fake_worker worker;
    struct text log = TEXT_EMPTY;
    worker_init(&worker, PLENTY);
    struct fake_stream stream = stream_open(&worker, LOG_COLLECT);
    add_number(&log, 1, 77);
    send_text(&stream, &log);
    close_stream(&stream);
    assert_int_equal(n_findings(&worker, RULE_log_service_missing), 1);
    assert_int_equal(count_of(&worker, METRIC_ITEMS_QUARANTINED), 1);
    assert_int_equal(worker_forward(&worker, keep), 0);
    text_fini(&log);
    worker_fini(&worker);
}

static void
add_meter(struct text *out, const char *name)
{
    struct text value = TEXT_EMPTY;
    add_string(&value, 1, bytes_str(name));
    add_string(out, 1, text_bytes(&value));
    text_fini(&value);
}

static void
add_identity(struct text *out)
{
    add_string(out, 3, BYTES("shop"));
    add_string(out, 4, BYTES("shop-1"));
    add_number(out, 5, 1234);
}

static void
a_meter_stream_is_one_set(void **state)
{
    (void)state;
    struct fake_worker worker;
    struct text meter = TEXT_EMPTY, expected = TEXT_EMPTY;
    worker_init(&worker, PLENTY);
    struct fake_stream stream = stream_open(&worker, METER_COLLECT);
    for (int i = 0; i < 3; i++) {
        add_meter(&meter, "requests");
        if (i == 0)
            add_identity(&meter);
        add_string(&expected, 1, text_bytes(&meter));
        send_text(&stream, &meter);
    }
    assert_int_equal(worker_forward(&worker, keep), 0);
    close_stream(&stream);
    assert_int_equal(worker_forward(&worker, keep), 1);
    assert_int_equal(record_method, METHOD_METER_COLLECT_BATCH);
    assert_true(bytes_equal(text_bytes(&record), text_bytes(&expected)));
    assert_int_equal(count_of(&worker, METRIC_ITEMS_ACCEPTED), 1);
    text_fini(&meter);
    text_fini(&expected);
    worker_fini(&worker);
}

/* The first element's own bytes, from the one record. */
static struct bytes
first_element(void)
{
    assert_int_equal(record.p[0], 0x0a);
    assert_true((uint8_t)record.p[1] < 0x80);
    return bytes_of(record.p + 2, (uint8_t)record.p[1]);
}

static void
silence_cuts_a_set_and_the_identity_goes_on(void **state)
{
    (void)state;
    struct fake_worker worker;
    struct text meter = TEXT_EMPTY;
    worker_init(&worker, PLENTY);
    struct fake_stream stream = stream_open(&worker, METER_COLLECT);
    add_meter(&meter, "a");
    add_identity(&meter);
    send_text(&stream, &meter);
    clock_set(1000000 + 2 * SECOND_US, NOW_MS + 2000);
    loop_run_once(worker.loop, 0);
    assert_int_equal(worker_forward(&worker, keep), 1);
    store_turn(worker.store);
    assert_true(stream.call->credited_bytes > 0);
    add_meter(&meter, "b");
    send_text(&stream, &meter);
    close_stream(&stream);
    assert_int_equal(worker_forward(&worker, keep), 1);
    uint64_t time;
    assert_true(bytes_equal(message_string_field(first_element(), 3), BYTES("shop")));
    assert_true(bytes_equal(message_string_field(first_element(), 4), BYTES("shop-1")));
    assert_true(message_varint_field(first_element(), 5, &time));
    assert_int_equal(time, 1234);
    text_fini(&meter);
    worker_fini(&worker);
}

static void
a_set_is_cut_at_half_a_window(void **state)
{
    (void)state;
    struct fake_worker worker;
    struct text meter = TEXT_EMPTY;
    char name[4001];
    worker_init(&worker, PLENTY);
    memset(name, 'm', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    struct fake_stream stream = stream_open(&worker, METER_COLLECT);
    for (int i = 0; i < 40; i++) {
        add_meter(&meter, name);
        send_text(&stream, &meter);
    }
    assert_int_equal(worker_forward(&worker, keep), 2);
    assert_true(record.n <= FAKE_HALF_WINDOW);
    stream_gone(&stream, false); /* a reset: what is there goes out */
    assert_int_equal(worker_forward(&worker, keep), 1);
    stream_unref(&stream);
    store_turn(worker.store);
    text_fini(&meter);
    worker_fini(&worker);
}

/* Until not even one byte more finds room. */
static void
fill_store(struct fake_worker *worker)
{
    static const uint8_t zeros[1000];
    for (size_t n = sizeof(zeros); n > 0; n = n > 1 ? 1 : 0) {
        struct bytes part = bytes_of(zeros, n);
        struct store_record filler = {.method = METHOD_METER_COLLECT_BATCH,
                                      .reason = RULE_COUNT,
                                      .parts = &part,
                                      .n_parts = 1,
                                      .received_ms = NOW_MS};
        while (store_put(worker->store, &filler) == ERR_OK)
            ;
    }
}

static void
a_set_without_room_waits_and_is_answered_later(void **state)
{
    (void)state;
    struct fake_worker worker;
    struct text meter = TEXT_EMPTY;
    worker_init(&worker, SCARCE);
    struct fake_stream stream = stream_open(&worker, METER_COLLECT);
    add_meter(&meter, "a");
    send_text(&stream, &meter);
    fill_store(&worker);
    stream_end(&stream);
    store_turn(worker.store);
    assert_false(stream.call->is_finished);
    worker_forward(&worker, NULL);
    store_turn(worker.store); /* room, and the set finds it */
    store_turn(worker.store);
    assert_true(stream.call->is_finished);
    assert_true(stream.call->credited_bytes > 0);
    stream_gone(&stream, false);
    assert_int_equal(worker_forward(&worker, keep), 1);
    stream_unref(&stream);
    text_fini(&meter);
    worker_fini(&worker);
}

static void
a_set_that_never_finds_room_is_counted_at_the_end(void **state)
{
    (void)state;
    struct fake_worker worker;
    struct text meter = TEXT_EMPTY;
    worker_init(&worker, SCARCE);
    struct fake_stream stream = stream_open(&worker, METER_COLLECT);
    add_meter(&meter, "a");
    send_text(&stream, &meter);
    fill_store(&worker);
    uint64_t accepted = count_of(&worker, METRIC_ITEMS_ACCEPTED);
    stream_gone(&stream, false);
    stream_unref(&stream);
    assert_int_equal(receive_n_calls(worker.receive), 1);
    receive_free(&worker.receive);
    assert_int_equal(count_of(&worker, METRIC_ITEMS_ACCEPTED), accepted + 1);
    assert_int_equal(count_of(&worker, METRIC_ITEMS_DROPPED), 1);
    store_free(&worker.store);
    integrity_free(&worker.integrity);
    loop_free(&worker.loop);
    block_cache_fini(&worker.blocks);
    budget_fini(&worker.budget);
    metrics_free(&worker.metrics);
    text_fini(&meter);
}

static void
calls_that_need_an_oap_do_not_fail(void **state)
{
    (void)state;
    struct fake_worker worker;
    worker_init(&worker, PLENTY);
    struct fake_stream unary =
        stream_open(&worker, "/skywalking.v3.ProfileTask/getProfileTaskCommands");
    assert_int_equal(stream_send(&unary, BYTES("whatever")), GRPC_TAKEN);
    assert_int_equal(unary.call->credited_bytes, 13);
    close_stream(&unary);
    assert_int_equal(count_of(&worker, METRIC_ITEMS_ACCEPTED), 0);
    struct fake_stream client = stream_open(&worker, "/skywalking.v3.ProfileTask/goProfileReport");
    assert_int_equal(stream_send(&client, BYTES("chunk")), GRPC_TAKEN);
    assert_int_equal(stream_send(&client, BYTES("chunk")), GRPC_TAKEN);
    close_stream(&client);
    assert_int_equal(
        metric_get(worker.metrics, METRIC_ITEMS_DROPPED, SIGNAL_PROFILE * DROP_COUNT + DROP_POLICY),
        2);
    struct fake_stream both = stream_open(&worker, "/skywalking.v10.PprofTask/collect");
    assert_null(both.route.handler);
    assert_int_equal(both.route.refuse, GRPC_INTERNAL);
    stream_unref(&both);
    worker_fini(&worker);
}

static void
unknown_paths_are_unimplemented(void **state)
{
    (void)state;
    struct fake_worker worker;
    worker_init(&worker, PLENTY);
    const char *const paths[] = {"/RemoteService/call", "/", "",
                                 "/skywalking.v3.TraceSegmentReportService/collec"};
    for (unsigned i = 0; i < 4; i++) {
        struct fake_stream stream = stream_open(&worker, paths[i]);
        assert_null(stream.route.handler);
        assert_int_equal(stream.route.refuse, GRPC_UNIMPLEMENTED);
        stream_unref(&stream);
    }
    worker_fini(&worker);
}

static void
health_is_readiness(void **state)
{
    (void)state;
    struct fake_worker worker;
    worker_init(&worker, PLENTY);
    struct fake_stream watch = stream_open(&worker, "/grpc.health.v1.Health/Watch");
    assert_int_equal(stream_send(&watch, BYTES_NONE), GRPC_TAKEN);
    stream_end(&watch);
    assert_int_equal(watch.call->sent[1], 1);
    assert_false(watch.call->is_finished);
    receive_set_ready(worker.receive, false);
    assert_int_equal(watch.call->n_sent, 2);
    assert_int_equal(watch.call->sent[1], 2);
    assert_true(watch.call->is_finished);
    stream_gone(&watch, false);
    struct fake_stream check = stream_open(&worker, "/grpc.health.v1.Health/Check");
    assert_int_equal(stream_send(&check, BYTES("\x0a\x27skywalking.v3.TraceSegmentReportService")),
                     GRPC_TAKEN);
    stream_end(&check);
    assert_int_equal(check.call->sent[1], 2);
    assert_int_equal(check.call->status, GRPC_OK);
    stream_gone(&check, false);
    struct fake_stream other = stream_open(&worker, "/grpc.health.v1.Health/Check");
    assert_int_equal(stream_send(&other, BYTES("\x0a\x05skywa")), GRPC_TAKEN);
    assert_int_equal(other.call->status, GRPC_NOT_FOUND);
    stream_gone(&other, false);
    stream_unref(&watch);
    stream_unref(&check);
    stream_unref(&other);
    worker_fini(&worker);
}

static int
forget(void **state)
{
    (void)state;
    text_fini(&record);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_gets_the_first_service_of_its_stream),
        cmocka_unit_test(a_log_without_any_service_is_set_aside),
        cmocka_unit_test(a_meter_stream_is_one_set),
        cmocka_unit_test(silence_cuts_a_set_and_the_identity_goes_on),
        cmocka_unit_test(a_set_is_cut_at_half_a_window),
        cmocka_unit_test(a_set_without_room_waits_and_is_answered_later),
        cmocka_unit_test(a_set_that_never_finds_room_is_counted_at_the_end),
        cmocka_unit_test(calls_that_need_an_oap_do_not_fail),
        cmocka_unit_test(unknown_paths_are_unimplemented),
        cmocka_unit_test(health_is_readiness),
    };
    return cmocka_run_group_tests(tests, NULL, forget);
}
