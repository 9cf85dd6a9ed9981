/* What is accepted, and what connections and streams tell of the instances on them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "receive/fake_worker.h"

#define COLLECT "/skywalking.v3.TraceSegmentReportService/collect"
#define COLLECT_IN_SYNC "/skywalking.v3.TraceSegmentReportService/collectInSync"
#define PROPERTIES "/skywalking.v3.ManagementService/reportInstanceProperties"
#define LOGS "/skywalking.v3.LogReportService/collect"
enum { PLENTY = 16 << 20, SCARCE = 600 * 1024 };

static struct fake_worker worker;
static uint32_t n_ids;

/* With the rules that remember. */
static void
open_worker(uint64_t max_bytes)
{
    struct integrity_settings settings;
    worker_init(&worker, max_bytes);
    integrity_settings_default(&settings);
    settings.window_s = 300;
    settings.window_bytes = 1 << 20;
    integrity_set(worker.integrity, &settings);
}

static struct fake_stream
open_stream(const char *path)
{
    return stream_open(&worker, path);
}

/* The stream is gone and settled. */
static void
close_stream(struct fake_stream *stream)
{
    store_turn(worker.store);
    stream_gone(stream, false);
    stream_unref(stream);
    worker_forward(&worker, NULL);
}

/* id 0: one that was not there before. */
static void
make_segment(struct text *out, const char *instance, uint32_t id, size_t n_more)
{
    struct text span = TEXT_EMPTY;
    char name[16];
    uint8_t *more = mem_zeroed(n_more + 1);
    memset(more, 'x', n_more);
    snprintf(name, sizeof(name), "s%u", id != 0 ? id : 1000 + n_ids++);
    add_number(&span, 2, UINT64_MAX);
    add_number(&span, 3, NOW_MS - 10);
    add_number(&span, 4, NOW_MS - 5);
    add_string(&span, 6, bytes_of(more, n_more));
    text_clear(out);
    add_string(out, 1, BYTES("trace"));
    add_string(out, 2, bytes_str(name));
    add_string(out, 3, text_bytes(&span));
    add_string(out, 4, BYTES("shop"));
    add_string(out, 5, bytes_str(instance));
    mem_free(more);
    text_fini(&span);
}

static enum grpc_take
send_segment(struct fake_stream *stream, const char *instance, uint32_t id)
{
    struct text message = TEXT_EMPTY;
    make_segment(&message, instance, id, 8);
    enum grpc_take take = stream_send(stream, text_bytes(&message));
    text_fini(&message);
    return take;
}

/* A whole call with one segment. */
static void
report(const char *instance)
{
    struct fake_stream stream = open_stream(COLLECT);
    assert_int_equal(send_segment(&stream, instance, 0), GRPC_TAKEN);
    stream_end(&stream);
    close_stream(&stream);
}

/* What was seen of an instance since the last look; all of it is taken. */
static struct sighting seen;
static uint32_t seen_findings[RULE_COUNT];

static const struct sighting *
look(const char *instance)
{
    struct sightings *sightings = integrity_take_sightings(worker.integrity);
    uint64_t hash = sighting_hash(BYTES("shop"), bytes_str(instance));
    seen = (struct sighting){.hash = 0};
    memset(seen_findings, 0, sizeof(seen_findings));
    for (uint32_t i = 0; sightings != NULL && i < sightings_n(sightings); i++) {
        const struct sighting *one = sightings_at(sightings, i);
        if (one->hash != hash)
            continue;
        seen = *one;
        if (one->findings != NULL)
            memcpy(seen_findings, one->findings, sizeof(seen_findings));
    }
    sightings_free(&sightings);
    return &seen;
}

static void
an_instance_is_met_once_on_its_connection(void **state)
{
    (void)state;
    open_worker(PLENTY);
    report("a");
    report("a");
    report("b");
    assert_int_equal(look("a")->n_connected, 1);
    report("a");
    assert_int_equal(look("a")->n_connected, 0);
    worker_lose_connection(&worker, GRPC_ENDED_ORDERLY);
    assert_int_equal(look("a")->n_disconnected, 1);
    assert_int_equal(seen.n_abrupt, 0);
    report("a");
    assert_int_equal(look("a")->n_connected, 1);
    worker_fini(&worker);
}

static void
an_abrupt_end_is_told_of_each(void **state)
{
    (void)state;
    static const struct {
        enum grpc_connection_end how;
        uint32_t n_abrupt;
    } ends[] = {{GRPC_ENDED_BY_US, 0},
                {GRPC_ENDED_ORDERLY, 0},
                {GRPC_ENDED_SILENTLY, 0},
                {GRPC_ENDED_IN_CALL, 1},
                {GRPC_ENDED_DEAD, 1}};
    open_worker(PLENTY);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        for (int turn = 0; turn < 2; turn++) {
            report("a");
            report("b");
            worker_lose_connection(&worker, ends[i].how);
            assert_int_equal(look(turn == 0 ? "a" : "b")->n_disconnected, 1);
            assert_int_equal(seen.n_abrupt, ends[i].n_abrupt);
        }
    }
    worker_fini(&worker);
}

/* A connection on which nobody was met. */
static void
an_unknown_connection_tells_nothing(void **state)
{
    (void)state;
    open_worker(PLENTY);
    struct fake_stream stream = open_stream(COLLECT);
    close_stream(&stream);
    assert_null(worker.connection_user);
    worker_lose_connection(&worker, GRPC_ENDED_IN_CALL);
    assert_null(integrity_take_sightings(worker.integrity));
    worker_fini(&worker);
}

static void
the_connection_of_an_aggregator_is_left_out(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    for (int turn = 0; turn < 5; turn++) {
        open_worker(PLENTY);
        for (int i = 0; i < 5; i++)
            report(names[i]);
        report("e");
        worker_lose_connection(&worker, GRPC_ENDED_IN_CALL);
        assert_int_equal(look(names[turn])->n_segments, turn < 4 ? 1 : 2);
        assert_int_equal(seen.n_connected, turn < 4);
        assert_int_equal(seen.n_disconnected, turn < 4);
        assert_int_equal(seen.n_abrupt, 0);
        worker_fini(&worker);
    }
}

static void
a_mixed_stream_shows_an_aggregator(void **state)
{
    (void)state;
    open_worker(PLENTY);
    struct fake_stream stream = open_stream(COLLECT);
    for (int i = 0; i < 4; i++)
        send_segment(&stream, i % 2 == 0 ? "a" : "b", 0);
    close_stream(&stream);
    worker_lose_connection(&worker, GRPC_ENDED_IN_CALL);
    assert_int_equal(look("a")->n_connected, 1);
    assert_int_equal(seen.n_disconnected, 1);
    assert_int_equal(seen.n_abrupt, 0);
    worker_fini(&worker);
}

/* What still waits when its connection is gone is nobody's connection. */
static void
a_message_after_its_connection_meets_nobody(void **state)
{
    (void)state;
    open_worker(PLENTY);
    struct fake_stream stream = open_stream(COLLECT);
    stream.call->connection_user = NULL;
    assert_int_equal(send_segment(&stream, "a", 0), GRPC_TAKEN);
    close_stream(&stream);
    assert_int_equal(look("a")->n_segments, 1);
    assert_int_equal(seen.n_connected, 0);
    assert_null(worker.connection_user);
    worker_fini(&worker);
}

/* A stream that carried so many segments of "a" is cancelled; another opens that much later. */
static uint32_t
n_self_resets(uint32_t n_segments, bool was_cancelled, uint64_t later_us, const char *path)
{
    open_worker(PLENTY);
    report("a");
    struct fake_stream stream = open_stream(COLLECT);
    for (uint32_t i = 0; i < n_segments; i++)
        send_segment(&stream, "a", 0);
    stream.call->was_cancelled = was_cancelled;
    close_stream(&stream);
    clock_set(1000000 + later_us, NOW_MS + (int64_t)later_us / 1000);
    stream = open_stream(path);
    close_stream(&stream);
    stream = open_stream(COLLECT); /* one reset counts once */
    close_stream(&stream);
    uint32_t n = look("a")->n_self_resets;
    worker_fini(&worker);
    return n;
}

static void
a_stream_cancelled_and_opened_again(void **state)
{
    (void)state;
    assert_int_equal(n_self_resets(1, true, 1000, COLLECT), 1);
    assert_int_equal(n_self_resets(1, true, 2000000, COLLECT), 1);
    assert_int_equal(n_self_resets(1, true, 2100000, COLLECT), 0);
    assert_int_equal(n_self_resets(1, false, 1000, COLLECT), 0);
    assert_int_equal(n_self_resets(0, true, 1000, COLLECT), 1); /* the only instance there */
    assert_int_equal(n_self_resets(1, true, 1000, LOGS), 1);    /* opened after another call */
}

static void
an_empty_stream_of_two_instances_is_nobodys(void **state)
{
    (void)state;
    open_worker(PLENTY);
    report("a");
    report("b");
    struct fake_stream stream = open_stream(COLLECT);
    stream.call->was_cancelled = true;
    close_stream(&stream);
    stream = open_stream(COLLECT);
    close_stream(&stream);
    assert_int_equal(look("a")->n_self_resets, 0);
    worker_fini(&worker);
}

static void
a_copy_is_dropped_as_such(void **state)
{
    (void)state;
    open_worker(PLENTY);
    struct fake_stream stream = open_stream(COLLECT);
    for (int i = 0; i < 3; i++)
        assert_int_equal(send_segment(&stream, "a", 7), GRPC_TAKEN);
    store_turn(worker.store);
    assert_int_equal(worker_forward(&worker, NULL), 1);
    assert_int_equal(
        metric_get(worker.metrics, METRIC_ITEMS_DROPPED, SIGNAL_TRACING * DROP_COUNT + DROP_COPY),
        2);
    assert_int_equal(count_of(&worker, METRIC_ITEMS_DROPPED), 2);
    assert_int_equal(n_findings(&worker, RULE_segment_duplicate_identical), 2);
    close_stream(&stream);
    worker_fini(&worker);
}

/* It is judged in each round and accepted in the last one: in a collection, too, no segment of an
 * earlier round is a copy of itself. */
static void
what_waits_is_accepted_once(void **state)
{
    (void)state;
    static const char *const paths[] = {COLLECT, COLLECT_IN_SYNC};
    for (int way = 0; way < 2; way++) {
        open_worker(SCARCE);
        struct fake_stream stream = open_stream(paths[way]);
        struct text segment = TEXT_EMPTY, message = TEXT_EMPTY;
        enum { N = 30, LARGE = 50 * 1024 };
        uint32_t n_rounds = 0;
        for (uint32_t i = 0; i < N; i++) {
            make_segment(&segment, "a", i + 1, LARGE);
            if (way == 1) {
                add_string(&message, 1, text_bytes(&segment));
                if (i + 1 < N)
                    continue;
            }
            struct bytes bytes = text_bytes(way == 1 ? &message : &segment);
            while (stream_send(&stream, bytes) == GRPC_WAIT) {
                assert_true(++n_rounds < 100);
                worker_forward(&worker, NULL);
                store_turn(worker.store);
            }
        }
        assert_true(n_rounds > 0);
        close_stream(&stream);
        assert_int_equal(look("a")->n_segments, N);
        assert_int_equal(seen.n_connected, 1);
        assert_int_equal(n_findings(&worker, RULE_segment_duplicate_identical), 0);
        assert_int_equal(count_of(&worker, METRIC_ITEMS_DROPPED), 0);
        text_fini(&segment);
        text_fini(&message);
        worker_fini(&worker);
    }
}

static void
what_nobody_can_read_is_of_its_stream(void **state)
{
    (void)state;
    open_worker(PLENTY);
    struct fake_stream stream = open_stream(COLLECT);
    send_segment(&stream, "a", 0);
    assert_int_equal(stream_send(&stream, BYTES("\x0a\xff")), GRPC_TAKEN);
    stream.route.handler->on_oversize(stream.call, BYTES("\x0a\xff"), 1 << 30);
    close_stream(&stream);
    assert_int_equal(look("a")->n_segments, 1);
    assert_int_equal(seen.n_others, 2);
    assert_int_equal(seen_findings[RULE_proto_undecodable], 1);
    assert_int_equal(seen_findings[RULE_message_oversize], 1);
    assert_int_equal(n_findings(&worker, RULE_proto_undecodable), 1);
    assert_int_equal(n_findings(&worker, RULE_message_oversize), 1);
    /* A collection that is broken has a call of its own, in which nobody is known. */
    stream = open_stream(COLLECT_IN_SYNC);
    assert_int_equal(stream_send(&stream, BYTES("\x0a\xff")), GRPC_TAKEN);
    close_stream(&stream);
    assert_int_equal(n_findings(&worker, RULE_proto_undecodable), 2);
    worker_fini(&worker);
}

/* Whatever a connection carries first, it is its instance's. */
static void
other_messages_meet_as_well(void **state)
{
    (void)state;
    open_worker(PLENTY);
    struct text message = TEXT_EMPTY;
    struct fake_stream stream = open_stream(PROPERTIES);
    add_string(&message, 1, BYTES("shop"));
    add_string(&message, 2, BYTES("a"));
    assert_int_equal(stream_send(&stream, text_bytes(&message)), GRPC_TAKEN);
    close_stream(&stream);
    worker_lose_connection(&worker, GRPC_ENDED_DEAD);
    assert_int_equal(look("a")->n_properties, 1);
    assert_int_equal(seen.n_connected, 1);
    assert_int_equal(seen.n_disconnected, 1);
    assert_int_equal(seen.n_abrupt, 1);
    text_fini(&message);
    worker_fini(&worker);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_instance_is_met_once_on_its_connection),
        cmocka_unit_test(an_abrupt_end_is_told_of_each),
        cmocka_unit_test(an_unknown_connection_tells_nothing),
        cmocka_unit_test(the_connection_of_an_aggregator_is_left_out),
        cmocka_unit_test(a_mixed_stream_shows_an_aggregator),
        cmocka_unit_test(a_message_after_its_connection_meets_nobody),
        cmocka_unit_test(a_stream_cancelled_and_opened_again),
        cmocka_unit_test(an_empty_stream_of_two_instances_is_nobodys),
        cmocka_unit_test(a_copy_is_dropped_as_such),
        cmocka_unit_test(what_waits_is_accepted_once),
        cmocka_unit_test(what_nobody_can_read_is_of_its_stream),
        cmocka_unit_test(other_messages_meet_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
