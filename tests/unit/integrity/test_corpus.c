/* Real agents' messages: healthy ones get nothing above a hint, damaged ones what is known of them.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/agent_shape.h"
#include "integrity/judge_fixture.h"

struct corpus {
    uint8_t *p;
    size_t n, at;
};

static struct corpus
load(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "tests/corpus/%s.bin", name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    struct corpus corpus = {.n = (size_t)ftell(file)};
    rewind(file);
    corpus.p = mem_alloc(corpus.n);
    assert_int_equal(fread(corpus.p, 1, corpus.n, file), corpus.n);
    fclose(file);
    return corpus;
}

/* Each message stands behind its length as four bytes, big endian. */
static bool
next(struct corpus *corpus, struct bytes *out)
{
    if (corpus->at == corpus->n)
        return false;
    const uint8_t *p = corpus->p + corpus->at;
    size_t n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
    assert_true(corpus->at + 4 + n <= corpus->n);
    *out = bytes_of(p + 4, n);
    corpus->at += 4 + n;
    return true;
}

static void
assert_nothing_above_hint(struct bytes message)
{
    for (uint32_t rule = 0; rule < RULE_COUNT; rule++)
        if ((fixture.judgement.rules >> rule & 1) != 0)
            assert_int_equal(integrity_class((enum rule)rule, fixture.agent), CLASS_HINT);
    assert_true(fixture.judgement.verdict <= VERDICT_OBSERVED);
    assert_true(bytes_equal(fixture.judgement.payload, message));
}

static void
judge_at(struct bytes message, int64_t arrival_ms, enum agent agent)
{
    fixture.agent = agent;
    integrity_judge_segment(fixture.engine, message, arrival_ms, agent, &fixture.judgement);
    assert_nothing_above_hint(message);
}

static void
judge_healthy(const char *name, uint32_t n_wanted, enum agent shape)
{
    struct corpus corpus = load(name);
    struct bytes message;
    uint32_t n = 0;
    for (; next(&corpus, &message); n++) {
        judge_at(message, 0, AGENT_UNKNOWN);
        assert_string_equal(found(), "");
        const struct segment_view *view = fixture.judgement.segment;
        int64_t arrival_ms = view->spans[view->n_spans - 1].end_ms + 1000;
        assert_int_equal(agent_shape(view->segment_id), shape);
        judge_at(message, arrival_ms, shape);
        assert_string_equal(found(), "");
    }
    assert_int_equal(n, n_wanted);
    mem_free(corpus.p);
}

static void
healthy_segments_of_four_agents(void **state)
{
    (void)state;
    judge_healthy("go", 12, AGENT_IS_GO);
    judge_healthy("java", 20, AGENT_IS_JAVA);
    judge_healthy("node", 14, AGENT_UNKNOWN);
    judge_healthy("python", 9, AGENT_UNKNOWN);
}

static void
a_race_that_damaged_nothing(void **state)
{
    (void)state;
    judge_healthy("go-race-clean", 500, AGENT_IS_GO);
}

/* The labels in go-race-corrupt.json, and what else today's rules find there. */
static void
damage_of_a_race(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        "proto-undecodable",
        "proto-undecodable",
        "tag-blank",
        "tag-blank",
        "proto-undecodable",
        "tag-blank,tag-key-repeated-go",
        "tag-blank,tag-key-repeated-go",
    };
    struct corpus corpus = load("go-race-corrupt");
    struct bytes message;
    size_t n = 0;
    for (; next(&corpus, &message); n++) {
        assert_in_range(n, 0, 6);
        fixture.agent = AGENT_IS_GO;
        integrity_judge_segment(fixture.engine, message, 0, AGENT_IS_GO, &fixture.judgement);
        assert_string_equal(found(), wanted[n]);
        assert_int_equal(fixture.judgement.verdict,
                         n == 0 || n == 1 || n == 4 ? VERDICT_QUARANTINED : VERDICT_REPAIRED);
    }
    assert_int_equal(n, 7);
    mem_free(corpus.p);
}

static void
judge_stored_file(const char *name, enum message_type type)
{
    struct corpus corpus = load(name);
    struct bytes message;
    bool service_known = false;
    while (next(&corpus, &message)) {
        service_known = service_known || type != MESSAGE_LogData || message.n > 0;
        integrity_judge_stored(fixture.engine, type, message, service_known, &fixture.judgement);
        assert_nothing_above_hint(message);
        assert_string_equal(found(), "");
    }
    mem_free(corpus.p);
}

static void
healthy_messages_of_other_methods(void **state)
{
    (void)state;
    judge_stored_file("go.ManagementService.keepAlive", MESSAGE_InstancePingPkg);
    judge_stored_file("go.ManagementService.reportInstanceProperties", MESSAGE_InstanceProperties);
    judge_stored_file("go.MeterReportService.collectBatch", MESSAGE_MeterDataCollection);
    judge_stored_file("go.ConfigurationDiscoveryService.fetchConfigurations", MESSAGE_OPAQUE);
    judge_stored_file("java.JVMMetricReportService.collect", MESSAGE_JVMMetricCollection);
    judge_stored_file("java.ManagementService.keepAlive", MESSAGE_InstancePingPkg);
    judge_stored_file("node.ManagementService.keepAlive", MESSAGE_InstancePingPkg);
    judge_stored_file("node.ManagementService.reportInstanceProperties",
                      MESSAGE_InstanceProperties);
    judge_stored_file("python.LogReportService.collect", MESSAGE_LogData);
    judge_stored_file("python.MeterReportService.collect", MESSAGE_MeterData);
    judge_stored_file("python.ManagementService.keepAlive", MESSAGE_InstancePingPkg);
    judge_stored_file("python.ManagementService.reportInstanceProperties",
                      MESSAGE_InstanceProperties);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(healthy_segments_of_four_agents),
        TEST(a_race_that_damaged_nothing),
        TEST(damage_of_a_race),
        TEST(healthy_messages_of_other_methods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
