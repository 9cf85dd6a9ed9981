/* Torn peers are told; what healthy services call never is. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"
#include "integrity/peer_table.h"
#include "message/message.h"

enum { WINDOW_S = 300, T0 = 1790000000, MANY = 100, SERVICE = 77, INSTANCE = 88 };

static struct peer_table *table;
static uint32_t now;

static int
set_up_table(void **state)
{
    (void)state;
    table = peer_table_new();
    now = T0;
    return 0;
}

static int
tear_down_table(void **state)
{
    (void)state;
    peer_table_free(&table);
    return 0;
}

static void
see_n(const char *peer, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        peer_table_see(table, SERVICE, INSTANCE, bytes_str(peer), now, WINDOW_S);
}

/* Peers told torn once the window is over; the well-known ones stay in use. */
static uint32_t
n_torn(void)
{
    uint64_t instance;
    uint32_t n = 0;
    assert_false(peer_table_take_torn(table, now + WINDOW_S, WINDOW_S, &instance));
    now += WINDOW_S + 1;
    while (peer_table_take_torn(table, now, WINDOW_S, &instance)) {
        assert_int_equal(instance, INSTANCE);
        n++;
    }
    return n;
}

/* Told when it comes once beside the two, MANY times each. */
static uint32_t
n_torn_beside(const char *a, const char *b, const char *once)
{
    peer_table_clear(table);
    now += 1000;
    see_n(a, MANY);
    see_n(b, MANY);
    see_n(once, 1);
    return n_torn();
}

/* The pointer of one with the length of the other: the text of the shorter and what lies behind it
 * in memory, or the longer one cut. */
static void
torn_peers_are_told(void **state)
{
    (void)state;
    assert_int_equal(n_torn_beside("d:1", "inventory.shop.svc.cluster.lan:8080",
                                   "d:1kidurlEOFfinptrmapnilobj()\ngc gp"),
                     1); /* the sample of E3 */
    assert_int_equal(n_torn_beside("orders:8080", "payments.shop:8080", "orders:8080gc gp()"), 1);
    assert_int_equal(n_torn_beside("orders:8080", "payments.shop:8080", "payments.sh"), 1);
    assert_int_equal(n_torn_beside("redis:6379", "redis-master:6379", "redis-mast"), 1);
    assert_int_equal(n_torn_beside("redis:6379", "redis-master:6379", "redis:6379\x01stacks"), 1);
}

/* Each differs from a torn one in one thing. */
static void
what_lacks_one_sign_is_silent(void **state)
{
    (void)state;
    static const char *const a = "orders:8080", *const b = "payments.shop:8080";
    assert_int_equal(n_torn_beside(a, b, "orders:8080gc gp("), 0);  /* as long as nobody */
    assert_int_equal(n_torn_beside(a, b, "orders:8080gcxgp()"), 0); /* no blank */
    assert_int_equal(n_torn_beside(a, b, "order5:8080gc gp()"), 0); /* not from the front */
    assert_int_equal(n_torn_beside(a, b, "payments.s"), 0);         /* as long as nobody */
    assert_int_equal(n_torn_beside(a, b, "payment5.sh"), 0);        /* not from the front */
    assert_int_equal(n_torn_beside(a, "payments.sh:8080", "payments.sh"), 0); /* the whole host */
    assert_int_equal(n_torn_beside(a, b, "orders:8080"), 0);
    assert_int_equal(n_torn_beside(a, b, ""), 0);
    assert_int_equal(n_torn_beside("orders-8080", b, "payments.sh"), 0); /* a has no port to lose */
    assert_int_equal(n_torn_beside(a, "payments.shop/8080", "payments.sh"), 0);
}

static void
lists_and_labels_are_silent(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "kafka:9092, k2:9092", "kafka:9092,k2:9092 ", "kafka:9092 k2:9092 ", "kafka:9092; k2:9092",
        "kafka:9092 (leader)", "kafka:90923 replica", "kafka:9092/a b c d ", "kafka:9092\tk2:9092"};
    for (unsigned i = 0; i < sizeof(broken) / sizeof(*broken); i++)
        assert_int_equal(n_torn_beside("kafka:9092", "zookeeper.prod:2181", broken[i]), 0);
    assert_int_equal(n_torn_beside("k3:9092", "k1:9092,k2:9092", "k1:9092"), 0);
    assert_int_equal(n_torn_beside("kk-3:65535", "k1:9092,k2:9092", "k1:9092,k2"), 0);
}

static void
two_sightings_are_no_tear(void **state)
{
    (void)state;
    see_n("orders:8080", MANY);
    see_n("payments.shop:8080", MANY);
    see_n("payments.sh", 1);
    now += WINDOW_S;
    see_n("payments.sh", 1);
    assert_int_equal(n_torn(), 0);
}

/* The host with its port is known, but not well: it is still no cut name. */
static void
a_known_host_is_no_tear(void **state)
{
    (void)state;
    see_n("orders:8080", MANY);
    see_n("payments.shop:8080", MANY);
    see_n("payments.sh:9090", 1);
    see_n("payments.sh", 1);
    assert_int_equal(n_torn(), 0);
}

static void
little_known_peers_prove_nothing(void **state)
{
    (void)state;
    see_n("orders:8080", MANY - 1);
    see_n("payments.shop:8080", MANY);
    see_n("payments.sh", 1);
    assert_int_equal(n_torn(), 0);
    see_n("orders:8080", 1);
    see_n("payments.s", 1);
    see_n("payments.shoq", 1);
    assert_int_equal(n_torn(), 0);
}

/* Two processes cannot tear each other's strings. */
static void
another_service_proves_nothing(void **state)
{
    (void)state;
    see_n("orders:8080", MANY);
    for (int i = 0; i < MANY; i++)
        peer_table_see(table, SERVICE + 1, INSTANCE, BYTES("payments.shop:8080"), now, WINDOW_S);
    see_n("payments.sh", 1);
    assert_int_equal(n_torn(), 0);
}

static uint32_t
draw(uint32_t n)
{
    static uint64_t seed = 42;
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 32) % n;
}

/* Names that are prefixes of each other, with and without ports, lists, sockets, addresses: each
 * comes twice or more within the window, well known or not. */
static void
healthy_peers_are_silent(void **state)
{
    (void)state;
    static const char *const stems[] = {"redis",    "redis-master", "db",  "db-prod",
                                        "10.0.0.1", "10.0.0.12",    "api", "api-v2",
                                        "[::1]",    "kafka"};
    static const char *const tails[] = {
        "",       ":80",           ":8080",      ":6379",       ".svc:8080",
        "2:8080", ":9092,k2:9092", "/v1/orders", "-0.shop:443", ", k2:1"};
    uint64_t instance;
    for (uint32_t second = 0; second < 3000; second++, now++) {
        for (uint32_t i = 0; i < 40; i++) {
            char peer[80];
            uint32_t stem = draw(10), tail = draw(10);
            snprintf(peer, sizeof(peer), "%s%s", stems[stem], tails[tail]);
            see_n(peer, 1);
        }
        assert_false(peer_table_take_torn(table, now, WINDOW_S, &instance));
    }
}

/* Hosts that are each called once, beside ones that are called all the time. */
static void
hosts_called_once_are_silent(void **state)
{
    (void)state;
    uint64_t instance;
    for (uint32_t i = 0; i < 60000; i++, now += i % 8 == 0) {
        char peer[80];
        snprintf(peer, sizeof(peer), "shop-%u.pods.local:%u", i, 8000 + i % 10);
        see_n(peer, 1);
        snprintf(peer, sizeof(peer), "https://shop-%u/cart", i);
        see_n(peer, 1);
        snprintf(peer, sizeof(peer), "shop-%u:8080", i % 50);
        see_n(peer, 1);
        assert_false(peer_table_take_torn(table, now, WINDOW_S, &instance));
    }
}

static void
its_memory_is_bounded(void **state)
{
    (void)state;
    char peer[200];
    assert_true(peer_table_n_bytes(table) < 1024);
    for (uint32_t i = 0; i < 20000; i++) {
        snprintf(peer, sizeof(peer), "host-%u", i);
        see_n(peer, 1);
    }
    memset(peer, 'x', sizeof(peer));
    peer[sizeof(peer) - 1] = '\0';
    see_n(peer, 1);
    assert_in_range(peer_table_n_bytes(table), 1, PEER_TABLE_MAX * 128 + 1024);
    peer_table_clear(table);
    assert_true(peer_table_n_bytes(table) < 1024);
}

/* Suspects are few, and looking for them costs only so much a second. */
static void
a_flood_of_suspects_is_bounded(void **state)
{
    (void)state;
    see_n("a:1", MANY);
    for (uint32_t i = 0; i < 100; i++, now++) {
        char peer[40];
        see_n("longname:80", MANY);
        snprintf(peer, sizeof(peer), "a:1x %06u", i);
        see_n(peer, 1);
        see_n(peer, i == 99); /* the last one twice */
    }
    uint64_t instance;
    uint32_t n = 0;
    for (now += WINDOW_S; peer_table_take_torn(table, now, WINDOW_S, &instance);)
        n++;
    assert_int_equal(n, PEER_SUSPECTS);
}

static struct metrics *metrics;

static int
set_up_engine(void **state)
{
    set_up(state);
    metrics = metrics_new();
    integrity_free(&fixture.engine);
    fixture.settings.window_s = WINDOW_S;
    fixture.settings.window_bytes = 8 << 20;
    fixture.engine = integrity_new(&fixture.settings, metrics);
    now = T0;
    return 0;
}

static int
tear_down_engine(void **state)
{
    tear_down(state);
    metrics_free(&metrics);
    return 0;
}

/* A Go segment with one Exit span to each of the two peers. */
static void
call(enum agent agent, const char *peer, const char *other)
{
    static uint32_t n;
    char id[80];
    const char *const peers[] = {peer, other};
    snprintf(id, sizeof(id), "0123456789ab1def0123456789abcdef.%u.40017535999800001", n++);
    segment_build_begin(&fixture.build, id, id);
    for (int32_t i = 2; i >= 0; i--)
        segment_build_span(&fixture.build, &(struct build_span){
                                               .id = i,
                                               .parent = i > 0 ? 0 : -1,
                                               .start = now_ms,
                                               .end = now_ms + 1,
                                               .operation = "/x",
                                               .peer = i > 0 ? peers[i - 1] : "",
                                               .type = i > 0 ? SPAN_EXIT : SPAN_ENTRY,
                                           });
    end();
    struct bytes message = segment_build_bytes(&fixture.build);
    integrity_judge_segment(fixture.engine, message, now * INT64_C(1000), agent,
                            &fixture.judgement);
    integrity_accept(fixture.engine, NULL, MESSAGE_SegmentObject, message, &fixture.judgement);
}

/* The n-th round: well-known peers, a torn one, the window, and the next segment. */
static uint64_t
n_told(enum agent agent)
{
    for (int i = 0; i < MANY; i++)
        call(agent, "orders:8080", "payments.shop:8080");
    call(agent, "orders:8080gc gp()", "payments.sh");
    now += WINDOW_S + 1;
    call(agent, "orders:8080", "payments.shop:8080");
    return metric_get(metrics, METRIC_FINDINGS, RULE_tear_suspect);
}

static void
a_go_instance_is_told_of(void **state)
{
    (void)state;
    struct sightings *sightings;
    assert_int_equal(n_told(AGENT_IS_GO), 2);
    sightings = integrity_take_sightings(fixture.engine);
    assert_int_equal(sightings_n(sightings), 1);
    assert_int_equal(sightings_at(sightings, 0)->findings[RULE_tear_suspect], 2);
    assert_int_equal(sightings_at(sightings, 0)->n_bad, 0);
    sightings_free(&sightings);
}

static void
other_agents_cannot_tear(void **state)
{
    (void)state;
    assert_int_equal(n_told(AGENT_IS_JAVA), 0);
    assert_int_equal(n_told(AGENT_IS_OTHER), 0);
}

static void
off_is_off(void **state)
{
    (void)state;
    use_mode(INTEGRITY_OFF);
    assert_int_equal(n_told(AGENT_IS_GO), 0);
    use_mode(INTEGRITY_OBSERVE);
    fixture.settings.window_s = 0;
    integrity_set(fixture.engine, &fixture.settings);
    assert_int_equal(n_told(AGENT_IS_GO), 0);
}

#define ON_TABLE(function) cmocka_unit_test_setup_teardown(function, set_up_table, tear_down_table)
#define ON_ENGINE(function) \
    cmocka_unit_test_setup_teardown(function, set_up_engine, tear_down_engine)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        ON_TABLE(torn_peers_are_told),
        ON_TABLE(what_lacks_one_sign_is_silent),
        ON_TABLE(lists_and_labels_are_silent),
        ON_TABLE(two_sightings_are_no_tear),
        ON_TABLE(a_known_host_is_no_tear),
        ON_TABLE(little_known_peers_prove_nothing),
        ON_TABLE(another_service_proves_nothing),
        ON_TABLE(healthy_peers_are_silent),
        ON_TABLE(hosts_called_once_are_silent),
        ON_TABLE(its_memory_is_bounded),
        ON_TABLE(a_flood_of_suspects_is_bounded),
        ON_ENGINE(a_go_instance_is_told_of),
        ON_ENGINE(other_agents_cannot_tear),
        ON_ENGINE(off_is_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
