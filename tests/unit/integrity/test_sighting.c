/* What a worker tells of its instances: every count, names, streams, and odd segments in them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "integrity/judge_fixture.h"
#include "integrity/sighting_int.h"
#include "message/message.h"

#define SERVICE "checkout"
#define INSTANCE "checkout-1@10.0.0.1"

static struct sightings *taken;
static struct metrics *metrics;
static uint32_t n_ids;

static int
set_up_window(void **state)
{
    set_up(state);
    metrics = metrics_new();
    integrity_free(&fixture.engine);
    fixture.settings.window_s = 300;
    fixture.settings.window_bytes = 64 << 20;
    fixture.engine = integrity_new(&fixture.settings, metrics);
    n_ids = 0;
    return 0;
}

static int
tear_down_window(void **state)
{
    sightings_free(&taken);
    tear_down(state);
    metrics_free(&metrics);
    return 0;
}

static void
accept(struct integrity_stream *stream)
{
    judge_bytes(segment_build_bytes(&fixture.build));
    integrity_accept(fixture.engine, stream, MESSAGE_SegmentObject,
                     segment_build_bytes(&fixture.build), &fixture.judgement);
}

static const char *
next_id(void)
{
    static char id[40];
    snprintf(id, sizeof(id), "id-%u", n_ids++);
    return id;
}

/* A healthy segment of the instance. */
static void
send_as(struct integrity_stream *stream, const char *service, const char *instance)
{
    const char *id = next_id();
    segment_build_begin(&fixture.build, id, id);
    add_span(1, 0);
    add_span(0, -1);
    segment_build_end(&fixture.build, service, instance, false);
    accept(stream);
}

static void
take(void)
{
    sightings_free(&taken);
    taken = integrity_take_sightings(fixture.engine);
}

/* Of the hand-over taken last; NULL: not in it. */
static const struct sighting *
seen(const char *service, const char *instance)
{
    uint64_t hash = sighting_hash(bytes_str(service), bytes_str(instance));
    for (uint32_t i = 0; taken != NULL && i < sightings_n(taken); i++)
        if (sightings_at(taken, i)->hash == hash)
            return sightings_at(taken, i);
    return NULL;
}

static void
send_other(struct integrity_stream *stream, enum message_type type, struct bytes message)
{
    integrity_judge_stored(fixture.engine, type, message, true, &fixture.judgement);
    integrity_accept(fixture.engine, stream, type, message, &fixture.judgement);
}

/* A message that only has its names, in these fields. */
static void
send_names(struct integrity_stream *stream, enum message_type type, uint32_t service_field,
           const char *service, const char *instance)
{
    segment_build_clear(&fixture.build);
    segment_build_string(&fixture.build, service_field, service);
    segment_build_string(&fixture.build, service_field + 1, instance);
    send_other(stream, type, segment_build_bytes(&fixture.build));
}

static void
add_property(const char *key, const char *value)
{
    segment_build_open(&fixture.build, 3);
    segment_build_string(&fixture.build, 1, key);
    segment_build_string(&fixture.build, 2, value);
    segment_build_close(&fixture.build);
}

static void
send_properties(const char *language, const char *hostname)
{
    segment_build_clear(&fixture.build);
    segment_build_string(&fixture.build, 1, SERVICE);
    segment_build_string(&fixture.build, 2, INSTANCE);
    add_property("OS Name", "linux");
    add_property("hostname", hostname);
    add_property("language", language);
    add_property("ipv4", "10.0.0.1");
    add_property("ipv4", "172.17.0.1");
    send_other(NULL, MESSAGE_InstanceProperties, segment_build_bytes(&fixture.build));
}

static void
nothing_seen_nothing_handed_over(void **state)
{
    (void)state;
    take();
    assert_null(taken);
    assert_false(integrity_is_full(fixture.engine));
    end(); /* judged, but not taken */
    judge_bytes(segment_build_bytes(&fixture.build));
    take();
    assert_null(taken);
}

static void
segments_and_spans_are_counted_by_instance(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        send_as(NULL, SERVICE, INSTANCE);
    send_as(NULL, SERVICE, "other");
    take();
    assert_int_equal(sightings_n(taken), 2);
    const struct sighting *one = seen(SERVICE, INSTANCE);
    assert_true(one->is_named);
    assert_true(bytes_equal(one->service, BYTES(SERVICE)));
    assert_true(bytes_equal(one->instance, BYTES(INSTANCE)));
    assert_int_equal(one->n_segments, 3);
    assert_int_equal(one->n_spans, 6);
    assert_int_equal(one->n_bad + one->n_others + one->n_orphan_roots + one->n_supersets, 0);
    assert_null(one->findings);
    assert_null(one->hints);
    assert_false(one->is_go);
    assert_int_equal(seen(SERVICE, "other")->n_segments, 1);
    take();
    assert_null(taken);
    send_as(NULL, SERVICE, INSTANCE);
    take();
    assert_int_equal(seen(SERVICE, INSTANCE)->n_segments, 1);
}

/* Proof, strong and poison make a segment bad; hints and strangers' text do not. */
static void
findings_are_counted_by_rule(void **state)
{
    (void)state;
    segment_build_begin(&fixture.build, "t", next_id());
    add_span(2, 7);
    add_span(1, 8);
    add_span(0, -1);
    end();
    accept(NULL);
    segment_build_begin(&fixture.build, "", next_id()); /* trace-id-empty, two roots */
    add_span(1, -1);
    add_span(0, -1);
    end();
    accept(NULL);
    take();
    const struct sighting *one = seen(SERVICE, INSTANCE);
    assert_int_equal(one->n_segments, 2);
    assert_int_equal(one->n_bad, 1);
    assert_int_equal(one->findings[RULE_span_parent_missing], 2);
    assert_int_equal(one->findings[RULE_trace_id_empty], 1);
    assert_int_equal(one->findings[RULE_segment_multi_root], 0);
    assert_int_equal(one->hints[RULE_segment_multi_root], 1);
}

static void
a_go_instance_is_known_by_both_witnesses(void **state)
{
    (void)state;
    fixture.agent = AGENT_UNKNOWN;
    for (int i = 0; i < 2; i++) {
        segment_build_begin(&fixture.build, GO_ID, GO_ID);
        open_span(0, -1, SPAN_EXIT, LAYER_HTTP);
        close_span();
        end();
        accept(NULL);
        take();
        assert_int_equal(seen(SERVICE, INSTANCE)->is_go, i == 1);
        assert_int_equal(seen(SERVICE, INSTANCE)->n_orphan_roots, 1);
        send_properties("go", "host-1");
    }
}

static void
orphan_roots_are_one_exit_without_a_reference(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        segment_build_begin(&fixture.build, "t", next_id());
        if (i == 1)
            add_span(1, 0);
        open_span(0, i == 3 ? 5 : -1, i == 2 ? SPAN_LOCAL : SPAN_EXIT, LAYER_HTTP);
        if (i == 0)
            segment_build_ref(&fixture.build, &(struct build_ref){REF_CROSS_PROCESS, "t", "p", 1,
                                                                  "s", "i", "/from", "h:80"});
        close_span();
        end();
        accept(NULL);
    }
    take();
    assert_int_equal(seen(SERVICE, INSTANCE)->n_segments, 4);
    assert_int_equal(seen(SERVICE, INSTANCE)->n_orphan_roots, 0);
}

static void
copies_and_supersets_are_counted(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        segment_build_begin(&fixture.build, "t", PLAIN_ID);
        add_span(0, -1);
        if (i == 2)
            add_span(1, 0);
        end();
        accept(NULL);
    }
    take();
    const struct sighting *one = seen(SERVICE, INSTANCE);
    assert_int_equal(one->n_supersets, 1);
    assert_int_equal(one->findings[RULE_segment_duplicate_identical], 1);
    assert_int_equal(one->findings[RULE_segment_id_reused], 1);
    assert_int_equal(one->n_bad, 0);
}

static void
properties_tell_language_and_host(void **state)
{
    (void)state;
    send_properties("NodeJS", "host-1");
    send_names(NULL, MESSAGE_InstancePingPkg, 1, SERVICE, INSTANCE);
    send_names(NULL, MESSAGE_InstancePingPkg, 1, SERVICE, INSTANCE);
    take();
    const struct sighting *one = seen(SERVICE, INSTANCE);
    assert_true(one->is_named);
    assert_int_equal(one->language, LANGUAGE_NODE);
    assert_true(bytes_equal(one->hostname, BYTES("host-1")));
    assert_true(bytes_equal(one->ipv4, BYTES("10.0.0.1")));
    assert_int_equal(one->n_properties, 1);
    assert_int_equal(one->n_keepalives, 2);
    assert_int_equal(one->n_others, 3);
    assert_int_equal(one->n_segments, 0);
    send_as(NULL, SERVICE, INSTANCE);
    take(); /* no properties came this time */
    assert_int_equal(seen(SERVICE, INSTANCE)->language, LANGUAGE_NONE);
    assert_int_equal(seen(SERVICE, INSTANCE)->hostname.n, 0);
}

static void
other_messages_find_their_instance(void **state)
{
    (void)state;
    static const struct {
        enum message_type type;
        uint32_t field;
    } types[] = {{MESSAGE_JVMMetricCollection, 2}, {MESSAGE_CLRMetricCollection, 2},
                 {MESSAGE_MeterData, 3},           {MESSAGE_LogData, 2},
                 {MESSAGE_BrowserPerfData, 1},     {MESSAGE_BrowserErrorLog, 2}};
    for (unsigned i = 0; i < 6; i++)
        send_names(NULL, types[i].type, types[i].field, SERVICE, INSTANCE);
    send_other(NULL, MESSAGE_OPAQUE, BYTES("")); /* of nobody */
    take();
    assert_int_equal(sightings_n(taken), 1);
    assert_int_equal(seen(SERVICE, INSTANCE)->n_others, 6);
}

/* Logs and meters name themselves once on their stream; undecodable bytes never do. */
static void
what_has_no_name_belongs_to_its_stream(void **state)
{
    (void)state;
    struct integrity_stream stream = {0};
    struct bytes broken = BYTES("\x0a\x7f");
    send_other(&stream, MESSAGE_LogData, BYTES(""));
    assert_int_equal(integrity_stream_instance(&stream), 0);
    send_names(&stream, MESSAGE_LogData, 2, SERVICE, INSTANCE);
    assert_int_equal(integrity_stream_instance(&stream),
                     sighting_hash(BYTES(SERVICE), BYTES(INSTANCE)));
    send_other(&stream, MESSAGE_LogData, BYTES(""));
    send_other(&stream, MESSAGE_LogData, broken);
    take();
    assert_int_equal(sightings_n(taken), 1);
    assert_int_equal(seen(SERVICE, INSTANCE)->n_others, 3);
    assert_int_equal(seen(SERVICE, INSTANCE)->n_bad, 0);
    assert_int_equal(seen(SERVICE, INSTANCE)->findings[RULE_proto_undecodable], 1);
}

static void
undecodable_segments_belong_to_their_stream(void **state)
{
    (void)state;
    struct integrity_stream stream = {0};
    struct bytes broken = BYTES("\x0a\x7f");
    judge_bytes(broken);
    integrity_accept(fixture.engine, &stream, MESSAGE_SegmentObject, broken, &fixture.judgement);
    take();
    assert_null(taken);
    send_as(&stream, SERVICE, INSTANCE);
    take();
    judge_bytes(broken);
    integrity_accept(fixture.engine, &stream, MESSAGE_SegmentObject, broken, &fixture.judgement);
    take();
    const struct sighting *one = seen(SERVICE, INSTANCE);
    assert_false(one->is_named); /* the stream knows the hash alone */
    assert_int_equal(one->n_segments, 0);
    assert_int_equal(one->n_others, 1);
    assert_int_equal(one->n_bad, 1);
    assert_int_equal(one->findings[RULE_proto_undecodable], 1);
    /* Nor are names that are no text anybody's. */
    send_as(&stream, "\xff", INSTANCE);
    take();
    assert_int_equal(sightings_n(taken), 1);
    assert_int_equal(seen(SERVICE, INSTANCE)->findings[RULE_string_invalid_utf8_identity], 1);
}

static void
facts_of_a_connection_reach_who_is_known(void **state)
{
    (void)state;
    uint64_t hash = sighting_hash(BYTES(SERVICE), BYTES(INSTANCE));
    integrity_note_instance(fixture.engine, hash, INSTANCE_CONNECTED);
    integrity_note_instance(fixture.engine, 0, INSTANCE_CONNECTED);
    take();
    assert_null(taken);
    integrity_learn_language(fixture.engine, hash, LANGUAGE_GO);
    send_as(NULL, SERVICE, INSTANCE);
    integrity_note_instance(fixture.engine, hash, INSTANCE_CONNECTED);
    take();
    assert_int_equal(seen(SERVICE, INSTANCE)->n_connected, 1);
    integrity_note_instance(fixture.engine, hash, INSTANCE_RESET_ITSELF);
    integrity_note_instance(fixture.engine, hash, INSTANCE_RESET_ITSELF);
    integrity_note_instance(fixture.engine, hash, INSTANCE_ENDED_ABRUPTLY);
    integrity_note_instance(fixture.engine, hash, INSTANCE_DISCONNECTED);
    take();
    const struct sighting *one = seen(SERVICE, INSTANCE);
    assert_false(one->is_named);
    assert_int_equal(one->n_self_resets, 2);
    assert_int_equal(one->n_abrupt, 1);
    assert_int_equal(one->n_disconnected, 1);
    assert_int_equal(one->n_connected, 0);
    integrity_note_instance(fixture.engine, hash, INSTANCE_CONNECTED);
    send_as(NULL, SERVICE, INSTANCE); /* the names come later in the same second */
    take();
    assert_int_equal(sightings_n(taken), 1);
    assert_true(seen(SERVICE, INSTANCE)->is_named);
}

/* Of several connections the first begins it and the last ends it. */
static void
connections_have_their_times(void **state)
{
    (void)state;
    uint64_t hash = sighting_hash(BYTES(SERVICE), BYTES(INSTANCE));
    send_as(NULL, SERVICE, INSTANCE);
    static const enum instance_fact facts[] = {INSTANCE_CONNECTED, INSTANCE_CONNECTED,
                                               INSTANCE_DISCONNECTED, INSTANCE_DISCONNECTED};
    for (int i = 0; i < 4; i++) {
        clock_set(1000000 + (uint64_t)i, now_ms + i);
        integrity_note_instance(fixture.engine, hash, facts[i]);
    }
    take();
    assert_true(seen(SERVICE, INSTANCE)->connected_ms == now_ms);
    assert_true(seen(SERVICE, INSTANCE)->disconnected_ms == now_ms + 3);
}

static void
send_many(struct integrity_stream *stream, uint32_t n, const char *instance)
{
    for (uint32_t i = 0; i < n; i++)
        send_as(stream, SERVICE, instance);
}

static uint64_t
n_flips(void)
{
    return metric_get(metrics, METRIC_FINDINGS, RULE_identity_flip);
}

static void
one_odd_segment_in_a_long_stream_is_a_flip(void **state)
{
    (void)state;
    struct integrity_stream stream = {0};
    send_many(&stream, 50, "a");
    send_many(&stream, 1, "b");
    send_many(&stream, 49, "a");
    assert_int_equal(n_flips(), 0);
    send_many(&stream, 1, "a");
    assert_int_equal(n_flips(), 1);
    take();
    assert_int_equal(seen(SERVICE, "a")->findings[RULE_identity_flip], 1);
    assert_null(seen(SERVICE, "b")->findings);
    send_many(&stream, 500, "a"); /* told once */
    assert_int_equal(n_flips(), 1);
    send_many(&stream, 1, "c");
    send_many(&stream, 50, "a");
    assert_int_equal(n_flips(), 2);
}

/* Satellite, PHP's worker and others put many instances into one stream. */
static void
an_aggregator_is_no_flip(void **state)
{
    (void)state;
    struct integrity_stream streams[6] = {{.n_identities = 0}};
    send_many(&streams[0], 49, "a"); /* too short */
    send_many(&streams[0], 1, "b");
    send_many(&streams[0], 200, "a");
    send_many(&streams[1], 100, "a"); /* comes again */
    send_many(&streams[1], 2, "b");
    send_many(&streams[1], 200, "a");
    send_many(&streams[2], 100, "a"); /* another one comes as well */
    send_many(&streams[2], 1, "b");
    send_many(&streams[2], 10, "a");
    send_many(&streams[2], 1, "c");
    send_many(&streams[2], 200, "a");
    send_many(&streams[3], 1, "b"); /* b's stream: a is mixed in at once */
    send_many(&streams[3], 200, "a");
    for (int i = 0; i < 100; i++) /* in turns */
        for (int k = 0; k < 7; k++)
            send_as(&streams[4], SERVICE, (const char *[]){"a", "b", "c", "d", "e", "f", "g"}[k]);
    send_many(&streams[4], 200, "a");
    send_many(&streams[5], 100, "a"); /* never comes back */
    send_many(&streams[5], 1, "b");
    assert_int_equal(n_flips(), 0);
    assert_true(streams[1].is_mixed && streams[2].is_mixed && streams[4].is_mixed);
}

static void
no_window_no_flip(void **state)
{
    (void)state;
    struct integrity_stream stream = {0};
    fixture.settings.window_s = 0;
    integrity_set(fixture.engine, &fixture.settings);
    send_many(&stream, 50, "a");
    send_many(&stream, 1, "b");
    send_many(&stream, 50, "a");
    assert_int_equal(n_flips(), 0);
    take();
    assert_int_equal(seen(SERVICE, "a")->n_segments, 100);
}

static void
a_new_service_in_an_established_stream_is_foreign(void **state)
{
    (void)state;
    struct integrity_stream stream = {0}, mixed = {0};
    send_many(&stream, 49, "a");
    send_as(&stream, "checkoutxy", "a");
    take();
    assert_false(seen("checkoutxy", "a")->is_in_foreign_stream);
    assert_false(seen(SERVICE, "a")->is_in_foreign_stream);
    send_many(&stream, 1, "a");
    send_as(&stream, "check", "a");
    send_as(&stream, SERVICE, "b"); /* the same service */
    take();
    assert_true(seen("check", "a")->is_in_foreign_stream);
    assert_false(seen(SERVICE, "b")->is_in_foreign_stream);
    send_many(&mixed, 50, "a");
    send_many(&mixed, 2, "b");
    send_as(&mixed, "che", "a");
    take();
    assert_false(seen("che", "a")->is_in_foreign_stream);
}

/* 8,192 at most; what comes beyond before the hand-over is taken is not counted. */
static void
a_hand_over_is_bounded(void **state)
{
    (void)state;
    char instance[600];
    memset(instance, 'x', sizeof(instance));
    instance[sizeof(instance) - 1] = '\0';
    for (uint32_t i = 0; i < SIGHTINGS_MAX + 10; i++) {
        snprintf(instance, 8, "%07u", i);
        instance[7] = 'x';
        send_as(NULL, SERVICE, instance);
        if (i == 100)
            assert_false(integrity_is_full(fixture.engine));
    }
    assert_true(integrity_is_full(fixture.engine));
    take();
    assert_int_equal(sightings_n(taken), SIGHTINGS_MAX);
    assert_int_equal(sightings_at(taken, 0)->instance.n, SIGHTING_NAME_BYTES);
    assert_true(sightings_n_bytes(taken) < 6 << 20);
    send_as(NULL, SERVICE, "late");
    take();
    assert_int_equal(seen(SERVICE, "late")->n_segments, 1);
}

/* Whoever changes its host with every message leaves room for the names of others. */
static void
changing_properties_take_no_room_without_end(void **state)
{
    (void)state;
    char hostname[240];
    memset(hostname, 'h', sizeof(hostname));
    hostname[sizeof(hostname) - 1] = '\0';
    for (uint32_t i = 0; i < 80000; i++) {
        snprintf(hostname, 8, "%07u", i);
        hostname[7] = 'h';
        send_properties("go", hostname);
    }
    assert_true(integrity_is_full(fixture.engine));
    send_as(NULL, SERVICE, "late");
    take();
    assert_true(sightings_n_bytes(taken) < 3 << 20);
    assert_int_equal(seen(SERVICE, INSTANCE)->n_properties, 80000);
    assert_true(bytes_equal(seen(SERVICE, "late")->instance, BYTES("late")));
}

static void
names_are_cut_between_characters(void **state)
{
    (void)state;
    struct sightings *sightings = sightings_new();
    char text[SIGHTING_NAME_BYTES + 8];
    memset(text, 'x', sizeof(text));
    memcpy(text + SIGHTING_NAME_BYTES - 2, "\xe4\xb8\xad", 3);
    assert_non_null(sightings_add(sightings, 5));
    sightings_name(sightings, 0, bytes_of(text, sizeof(text)), BYTES("i"));
    assert_int_equal(sightings_at(sightings, 0)->service.n, SIGHTING_NAME_BYTES - 2);
    assert_int_equal(sightings_at(sightings, 0)->hash, 5);
    sightings_find(sightings, 0, RULE_span_blank, 3, false);
    sightings_find(sightings, 0, RULE_span_blank, 2, false);
    sightings_find(sightings, 0, RULE_segment_multi_root, 2, true);
    assert_int_equal(sightings_at(sightings, 0)->findings[RULE_span_blank], 5);
    assert_int_equal(sightings_at(sightings, 0)->hints[RULE_segment_multi_root], 2);
    sightings_free(&sightings);
    assert_null(sightings);
}

#undef TEST
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up_window, tear_down_window)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_seen_nothing_handed_over),
        TEST(segments_and_spans_are_counted_by_instance),
        TEST(findings_are_counted_by_rule),
        TEST(a_go_instance_is_known_by_both_witnesses),
        TEST(orphan_roots_are_one_exit_without_a_reference),
        TEST(copies_and_supersets_are_counted),
        TEST(properties_tell_language_and_host),
        TEST(other_messages_find_their_instance),
        TEST(what_has_no_name_belongs_to_its_stream),
        TEST(undecodable_segments_belong_to_their_stream),
        TEST(facts_of_a_connection_reach_who_is_known),
        TEST(connections_have_their_times),
        TEST(one_odd_segment_in_a_long_stream_is_a_flip),
        TEST(an_aggregator_is_no_flip),
        TEST(no_window_no_flip),
        TEST(a_new_service_in_an_established_stream_is_foreign),
        TEST(a_hand_over_is_bounded),
        TEST(changing_properties_take_no_room_without_end),
        TEST(names_are_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
