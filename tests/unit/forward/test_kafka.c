/* From the store to librdkafka's mock cluster: nothing lost, each record under its own key. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <dlfcn.h>
#include <netdb.h>
#include <stdatomic.h>
#include <unistd.h>

#include "forward/kafka_fixture.h"

enum { SILENT_S = 8 };
static atomic_bool is_resolving;

static uint64_t
requests(const struct world *world, int status)
{
    uint64_t n = 0;
    for (uint32_t slot = 0; slot < METRIC_BACKENDS; slot++)
        n += metric_get(world->metrics, METRIC_BACKEND_REQUESTS,
                        slot * METRIC_CODES + (uint32_t)status);
    return n;
}

static void
segments_go_to_their_topic_once(void **state)
{
    (void)state;
    struct cluster cluster;
    struct world world;
    cluster_init(&cluster);
    cluster.settings.name_space = "prod";
    cluster_topic(&cluster, "prod-skywalking-segments");
    cluster_world(&cluster, &world, 0);
    world_put_segments(&world, 0, 250);
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_FORWARDED), 250);
    assert_int_equal(world_sum(&world, METRIC_BACKEND_UP), 1);
    assert_int_equal(forward_n_up(world.forward), 1);
    assert_int_equal(requests(&world, GRPC_OK), 3);
    assert_true(world_sum(&world, METRIC_BACKEND_LAST_SUCCESS) > 0);
    assert_true(forward_is_idle(world.forward));
    WORLD_UNTIL(&world, world.budget.used_bytes == 0);
    char name[64];
    assert_true(forward_shared_name(world.shared, 0, name, sizeof(name)));
    assert_string_equal(name, cluster.brokers[0]);
    struct taken *taken = cluster_read(&cluster, "prod-skywalking-segments", 250);
    assert_int_equal(taken->n, 250);
    assert_int_equal(taken_assert_segments(taken, 250), 1);
    assert_memory_equal(taken->records[0].value, "\x0A\x05trace\x12", 8);
    mem_free(taken);
    world_fini(&world);
    cluster_fini(&cluster);
}

/* One record of each kind that OAP reads from Kafka, and of one that it does not. */
static void
put_every_kind(struct world *world)
{
    struct built instance = {.n = 0}, of_jvm = {.n = 0}, meter = {.n = 0}, meters = {.n = 0};
    struct built snapshot = {.n = 0}, log = {.n = 0};
    built_string(&instance, 1, "service");
    built_string(&instance, 2, "instance");
    built_string(&of_jvm, 2, "service");
    built_string(&of_jvm, 3, "vm");
    built_string(&meter, 3, "service");
    built_string(&meter, 4, "metered");
    built_message(&meters, 1, &meter);
    built_string(&snapshot, 1, "task");
    built_number(&snapshot, 4, 3);
    built_string(&log, 2, "logger");
    world_put_segments(world, 0, 1);
    world_put_built(world, METHOD_INSTANCE_PROPERTIES, NULL, &instance);
    world_put_built(world, METHOD_KEEP_ALIVE, NULL, &instance);
    world_put_built(world, METHOD_JVM_METRICS, NULL, &of_jvm);
    world_put_built(world, METHOD_METER_COLLECT_BATCH, NULL, &meters);
    world_put_built(world, METHOD_PROFILE_SNAPSHOT, NULL, &snapshot);
    world_put_built(world, METHOD_LOG_COLLECT, "logger", &log);
    world_put_built(world, METHOD_EVENT_COLLECT, NULL, &log);
}

static bool
has(const struct taken *taken, const char *topic, const char *key)
{
    for (uint32_t i = 0; i < taken->n; i++)
        if (strcmp(taken->records[i].topic, topic) == 0 && strcmp(taken->records[i].key, key) == 0)
            return true;
    return false;
}

static void
every_kind_has_its_topic_and_key(void **state)
{
    (void)state;
    struct cluster cluster;
    struct world world;
    const char *topics[KAFKA_TOPIC_COUNT];
    cluster_init(&cluster);
    for (int i = 0; i < KAFKA_TOPIC_COUNT; i++) {
        topics[i] = kafka_topic_name((enum kafka_topic)i);
        cluster_topic(&cluster, topics[i]);
    }
    cluster_world(&cluster, &world, 0);
    put_every_kind(&world);
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_FORWARDED), 7);
    /* OAP reads no topic of events, and there is no OAP to call. */
    assert_int_equal(
        metric_get(world.metrics, METRIC_ITEMS_DROPPED, SIGNAL_EVENT * DROP_COUNT + DROP_POLICY),
        1);
    struct taken *taken = cluster_read_all(&cluster, topics, KAFKA_TOPIC_COUNT, 7);
    assert_int_equal(taken->n, 7);
    assert_true(has(taken, "skywalking-segments", "s0"));
    assert_true(has(taken, "skywalking-managements", "register-instance"));
    assert_true(has(taken, "skywalking-managements", "instance"));
    assert_true(has(taken, "skywalking-metrics", "vm"));
    assert_true(has(taken, "skywalking-meters", "metered"));
    assert_true(has(taken, "skywalking-profilings", "task3"));
    assert_true(has(taken, "skywalking-logs", "logger"));
    mem_free(taken);
    world_fini(&world);
    cluster_fini(&cluster);
}

static void
what_has_no_topic_goes_by_grpc_where_there_is_an_oap(void **state)
{
    (void)state;
    struct cluster cluster;
    struct world world;
    cluster_init(&cluster);
    cluster_world(&cluster, &world, 1);
    world_put(&world, METHOD_EVENT_COLLECT, 1);
    world_put_segments(&world, 0, 7);
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_FORWARDED), 8);
    assert_int_equal(world.backends[0]->n_calls, 1);
    world_fini(&world);
    cluster_fini(&cluster);
}

/* What librdkafka tries again by itself, and what comes back to us: each record arrives once. */
static void
passing_errors_cost_nothing(void **state)
{
    (void)state;
    struct cluster cluster;
    struct world world;
    cluster_init(&cluster);
    cluster_topic(&cluster, "skywalking-segments");
    cluster_world(&cluster, &world, 0);
    CLUSTER_ERRORS(&cluster, 4, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
                   RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
                   RD_KAFKA_RESP_ERR__TRANSPORT);
    world_put_segments(&world, 0, 40);
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_FORWARDED), 40);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_QUARANTINED), 0);
    struct taken *taken = cluster_read(&cluster, "skywalking-segments", 40);
    assert_int_equal(taken_assert_segments(taken, 40), 1);
    mem_free(taken);
    world_fini(&world);
    cluster_fini(&cluster);
}

static void
an_outage_ends_by_itself(void **state)
{
    (void)state;
    struct cluster cluster;
    struct world world;
    cluster_init(&cluster);
    cluster.settings.timeout_us = 1000000; /* records come back while the broker is away */
    cluster_topic(&cluster, "skywalking-segments");
    cluster_world(&cluster, &world, 0);
    world_put_segments(&world, 0, 20);
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(rd_kafka_mock_broker_set_down(cluster.mock, 1), 0);
    world_put_segments(&world, 20, 30);
    WORLD_UNTIL(&world, forward_n_up(world.forward) == 0);
    world_put_segments(&world, 50, 50);
    uint64_t end_us = clock_fresh_us() + 1800000;
    WORLD_UNTIL(&world, clock_fresh_us() > end_us);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_FORWARDED), 20);
    assert_int_equal(store_n_held(world.store), 80);
    assert_int_equal(world_sum(&world, METRIC_BACKEND_UP), 0);
    assert_false(forward_has_calls(world.forward)); /* all of it came back */
    assert_int_equal(rd_kafka_mock_broker_set_up(cluster.mock, 1), 0);
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_FORWARDED), 100);
    struct taken *taken = cluster_read(&cluster, "skywalking-segments", 100);
    (void)taken_assert_segments(taken, 100);
    mem_free(taken);
    world_fini(&world);
    cluster_fini(&cluster);
}

/* The broker refuses a request of many for its size; alone they all pass. */
static void
a_refused_request_is_sent_record_by_record(void **state)
{
    (void)state;
    struct cluster cluster;
    struct world world;
    cluster_init(&cluster);
    cluster_topic(&cluster, "skywalking-logs");
    cluster_world(&cluster, &world, 0);
    CLUSTER_ERRORS(&cluster, 1, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    struct built log = {.n = 0};
    built_string(&log, 2, "service");
    for (int i = 0; i < 30; i++)
        world_put_built(&world, METHOD_LOG_COLLECT, "service", &log);
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_FORWARDED), 30);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_QUARANTINED), 0);
    struct taken *taken = cluster_read(&cluster, "skywalking-logs", 30);
    assert_int_equal(taken->n, 30);
    mem_free(taken);
    world_fini(&world);
    cluster_fini(&cluster);
}

/* Refused, refused alone, and refused alone again when others had passed meanwhile. */
static void
a_record_refused_alone_is_set_aside(void **state)
{
    (void)state;
    struct cluster cluster;
    struct world world;
    cluster_init(&cluster);
    cluster_topic(&cluster, "skywalking-logs");
    cluster_world(&cluster, &world, 0);
    const rd_kafka_resp_err_t bad = RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    CLUSTER_ERRORS(&cluster, 6, bad, bad, RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_RESP_ERR_NO_ERROR,
                   bad, bad);
    struct built log = {.n = 0};
    built_string(&log, 2, "service");
    for (int i = 0; i < 3; i++)
        world_put_built(&world, METHOD_LOG_COLLECT, "service", &log);
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_FORWARDED), 2);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_QUARANTINED), 1);
    struct taken *taken = cluster_read(&cluster, "skywalking-logs", 2);
    assert_int_equal(taken->n, 2);
    mem_free(taken);
    world_fini(&world);
    cluster_fini(&cluster);
}

/* Nothing of the topic passes: then it is ill, and nothing ends in quarantine. */
static void
an_ill_topic_puts_nothing_into_quarantine(void **state)
{
    (void)state;
    struct cluster cluster;
    struct world world;
    cluster_init(&cluster);
    cluster_topic(&cluster, "skywalking-segments");
    cluster_world(&cluster, &world, 0);
    rd_kafka_mock_topic_set_error(cluster.mock, "skywalking-segments",
                                  RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    struct built of_jvm = {.n = 0};
    built_string(&of_jvm, 3, "vm");
    world_put_segments(&world, 0, 50);
    for (int i = 0; i < 20; i++)
        world_put_built(&world, METHOD_JVM_METRICS, NULL, &of_jvm);
    WORLD_UNTIL(&world, world_sum(&world, METRIC_ITEMS_FORWARDED) == 20);
    assert_int_equal(store_n_held(world.store), 50);
    rd_kafka_mock_topic_set_error(cluster.mock, "skywalking-segments", RD_KAFKA_RESP_ERR_NO_ERROR);
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_FORWARDED), 70);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_QUARANTINED), 0);
    world_fini(&world);
    cluster_fini(&cluster);
}

/* An idempotent producer that lost its sequence cannot go on; another one does. */
static void
a_failed_producer_is_replaced(void **state)
{
    (void)state;
    struct cluster cluster;
    struct world world;
    cluster_init(&cluster);
    cluster_topic(&cluster, "skywalking-segments");
    cluster_world(&cluster, &world, 0);
    CLUSTER_ERRORS(&cluster, 1, RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    world_put_segments(&world, 0, 40);
    WORLD_UNTIL(&world, world_sum(&world, METRIC_BACKEND_RETRIES) > 0);
    WORLD_UNTIL_EMPTY(&world);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_FORWARDED), 40);
    struct taken *taken = cluster_read(&cluster, "skywalking-segments", 40);
    (void)taken_assert_segments(taken, 40);
    mem_free(taken);
    world_fini(&world);
    cluster_fini(&cluster);
}

/* What is out at the end comes back to the store, and nobody waits for a broker that is silent. */
static void
the_end_gives_everything_back(void **state)
{
    (void)state;
    struct cluster cluster;
    struct world world;
    cluster_init(&cluster);
    cluster_topic(&cluster, "skywalking-segments");
    cluster_world(&cluster, &world, 0);
    WORLD_UNTIL(&world, forward_n_up(world.forward) == 1);
    assert_int_equal(rd_kafka_mock_broker_set_rtt(cluster.mock, 1, 10000), 0);
    world_put_segments(&world, 0, 300);
    WORLD_UNTIL(&world, forward_has_calls(world.forward));
    uint64_t start_us = clock_fresh_us();
    forward_free(&world.forward);
    assert_true(clock_fresh_us() - start_us < 5000000);
    assert_int_equal(world_sum(&world, METRIC_ITEMS_FORWARDED), 0);
    assert_int_equal(store_n_held(world.store), 300);
    world_fini(&world);
    cluster_fini(&cluster);
}

/* Stands before the system's: a name server that says nothing for a while. */
int
getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
            struct addrinfo **out)
{
    int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
    if (name == NULL || strcmp(name, "silent.invalid") != 0)
        return next(name, service, hints, out);
    atomic_store(&is_resolving, true);
    sleep(SILENT_S);
    return EAI_AGAIN;
}

static void
a_silent_name_server_does_not_hold_up_the_end(void **state)
{
    (void)state;
    struct cluster cluster;
    struct world world;
    cluster_init(&cluster);
    cluster.brokers[0] = "silent.invalid:9092";
    cluster_world(&cluster, &world, 0);
    WORLD_UNTIL(&world, atomic_load(&is_resolving));
    uint64_t start_us = clock_fresh_us();
    forward_free(&world.forward);
    assert_true(clock_fresh_us() - start_us < 5000000);
    world_fini(&world);
    cluster_fini(&cluster);
}

/* More than fits at once: bounded in flight, and all of it arrives. */
static void
much_goes_through_little_room(void **state)
{
    (void)state;
    struct cluster cluster;
    struct world world;
    cluster_init(&cluster);
    cluster.settings.max_batches = 2;
    cluster_topic(&cluster, "skywalking-segments");
    cluster_world(&cluster, &world, 0);
    world_put_segments(&world, 0, 1500);
    uint64_t most = 0;
    while (store_n_held(world.store) > 0) {
        world_turn(&world);
        uint64_t now = world_sum(&world, METRIC_BACKEND_INFLIGHT);
        most = now > most ? now : most;
    }
    assert_true(most <= 2);
    struct taken *taken = cluster_read(&cluster, "skywalking-segments", 1500);
    assert_int_equal(taken_assert_segments(taken, 1500), 1);
    mem_free(taken);
    world_fini(&world);
    cluster_fini(&cluster);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_go_to_their_topic_once),
        cmocka_unit_test(every_kind_has_its_topic_and_key),
        cmocka_unit_test(what_has_no_topic_goes_by_grpc_where_there_is_an_oap),
        cmocka_unit_test(passing_errors_cost_nothing),
        cmocka_unit_test(an_outage_ends_by_itself),
        cmocka_unit_test(a_refused_request_is_sent_record_by_record),
        cmocka_unit_test(a_record_refused_alone_is_set_aside),
        cmocka_unit_test(an_ill_topic_puts_nothing_into_quarantine),
        cmocka_unit_test(a_failed_producer_is_replaced),
        cmocka_unit_test(the_end_gives_everything_back),
        cmocka_unit_test(a_silent_name_server_does_not_hold_up_the_end),
        cmocka_unit_test(much_goes_through_little_room),
    };
    return KAFKA_CAN_RUN ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}
