/* Strong rules act only where the agent is known by two witnesses. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/instance_table.h"
#include "integrity/judge_fixture.h"
#include "message/message.h"

#define SERVICE "checkout"
#define INSTANCE "checkout-1@10.0.0.1"

/* reportInstanceProperties with some other properties around the language. */
static void
report(const char *service, const char *instance, const char *language)
{
    struct segment_build message = {0};
    const char *const pairs[][2] = {
        {"OS Name", "linux"}, {"language", language}, {"Process No.", "7"}};
    segment_build_string(&message, 1, service);
    segment_build_string(&message, 2, instance);
    for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        segment_build_open(&message, 3);
        segment_build_string(&message, 1, pairs[i][0]);
        segment_build_string(&message, 2, pairs[i][1]);
        segment_build_close(&message);
    }
    integrity_judge_stored(fixture.engine, MESSAGE_InstanceProperties,
                           segment_build_bytes(&message), false, &fixture.judgement);
    assert_int_equal(fixture.judgement.verdict, VERDICT_CLEAN);
    segment_build_fini(&message);
}

/* Two roots: impossible for Go, Java and .NET. */
static bool
is_strong(const char *id)
{
    segment_build_begin(&fixture.build, id, id);
    add_span(1, -1);
    add_span(0, -1);
    end();
    judge_bytes(segment_build_bytes(&fixture.build));
    assert_true((fixture.judgement.rules >> RULE_segment_multi_root & 1) != 0);
    return (fixture.judgement.hints >> RULE_segment_multi_root & 1) == 0;
}

static void
both_witnesses_make_a_rule_strong(void **state)
{
    (void)state;
    assert_false(is_strong(GO_ID)); /* nothing reported yet */
    report(SERVICE, INSTANCE, "go");
    assert_true(is_strong(GO_ID));
    assert_int_equal(fixture.judgement.verdict, VERDICT_TAGGED);
    report(SERVICE, INSTANCE, "java");
    assert_true(is_strong(JAVA_ID));
}

static void
one_witness_is_not_enough(void **state)
{
    (void)state;
    report(SERVICE, INSTANCE, "go");
    assert_false(is_strong(PLAIN_ID));
    assert_false(is_strong(JAVA_ID));
    report(SERVICE, INSTANCE, "python");
    assert_false(is_strong(GO_ID));
}

static void
another_instance_is_another(void **state)
{
    (void)state;
    report(SERVICE, "checkout-2@10.0.0.1", "go");
    report("check", "outcheckout-1@10.0.0.1", "go");
    report("", SERVICE INSTANCE, "go");
    assert_false(is_strong(GO_ID));
}

/* A rule of one agent alone is not asked for others. */
static void
rules_of_go_are_asked_for_go(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        segment_build_begin(&fixture.build, GO_ID, GO_ID);
        open_span(0, -1, SPAN_ENTRY, LAYER_HTTP);
        segment_build_ref(&fixture.build, &(struct build_ref){REF_CROSS_PROCESS, "another trace",
                                                              "p", 1, "s", "i", "/from", "h:80"});
        close_span();
        end();
        judge_bytes(segment_build_bytes(&fixture.build));
        assert_string_equal(found(), i == 0 ? "" : "ref-trace-mismatch-go");
        report(SERVICE, INSTANCE, "go");
    }
}

static void
properties_without_language_or_broken_teach_nothing(void **state)
{
    (void)state;
    static const uint8_t broken[] = {0x0a, 0x08, 'c', 'h'};
    report(SERVICE, INSTANCE, "");
    assert_false(is_strong(GO_ID));
    integrity_judge_stored(fixture.engine, MESSAGE_InstanceProperties,
                           bytes_of(broken, sizeof(broken)), false, &fixture.judgement);
    assert_int_equal(fixture.judgement.verdict, VERDICT_QUARANTINED);
    assert_false(is_strong(GO_ID));
}

static uint64_t
number(uint32_t n)
{
    char text[16];
    return sighting_hash(BYTES("s"), bytes_of(text, (size_t)snprintf(text, 16, "i%u", n)));
}

static enum agent_language
language_of(struct instance_table *table, uint64_t hash)
{
    const struct instance_entry *entry = instance_table_find(table, hash);
    return entry == NULL ? LANGUAGE_NONE : (enum agent_language)entry->language;
}

static void
the_table_is_bounded_and_keeps_who_is_asked_for(void **state)
{
    (void)state;
    struct instance_table *table = instance_table_new();
    enum { MANY = 10 * INSTANCE_TABLE_MIN };
    uint64_t loyal = sighting_hash(BYTES("s"), BYTES("loyal"));
    uint32_t n_found = 0;
    assert_int_equal(language_of(table, loyal), LANGUAGE_NONE);
    assert_true(instance_table_n_bytes(table) < 100);
    instance_table_put(table, loyal)->language = LANGUAGE_GO;
    for (uint32_t i = 0; i < MANY; i++) {
        instance_table_put(table, number(i))->language = LANGUAGE_JAVA;
        assert_int_equal(language_of(table, loyal), LANGUAGE_GO);
    }
    for (uint32_t i = 0; i < MANY; i++) {
        enum agent_language language = language_of(table, number(i));
        assert_true(language == LANGUAGE_NONE || language == LANGUAGE_JAVA);
        n_found += language == LANGUAGE_JAVA;
    }
    assert_in_range(n_found, INSTANCE_TABLE_MIN / 4 * 3, INSTANCE_TABLE_MIN);
    instance_table_free(&table);
}

static void
the_table_has_the_size_it_may_take(void **state)
{
    (void)state;
    struct instance_table *table = instance_table_new();
    static const uint64_t sizes[][2] = {
        {0, INSTANCE_TABLE_MIN},
        {INSTANCE_TABLE_MIN * 48 - 1, INSTANCE_TABLE_MIN},
        {INSTANCE_TABLE_MIN * 48, INSTANCE_TABLE_MIN * 2},
        {UINT64_C(1) << 40, INSTANCE_TABLE_MAX},
    };
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        instance_table_set_size(table, sizes[i][0]);
        instance_table_put(table, 7);
        assert_in_range(instance_table_n_bytes(table), sizes[i][1] * 24, sizes[i][1] * 24 + 100);
    }
    instance_table_set_size(table, UINT64_C(1) << 40);
    assert_non_null(instance_table_find(table, 7));
    instance_table_free(&table);
}

/* What other workers tell never costs an instance that is here its place. */
static void
hearsay_gives_way(void **state)
{
    (void)state;
    struct instance_table *table = instance_table_new();
    for (uint32_t i = 0; i < INSTANCE_TABLE_MIN / 8; i++)
        instance_table_put(table, number(i));
    uint32_t n_before = 0, n_after = 0;
    for (uint32_t i = 0; i < INSTANCE_TABLE_MIN / 8; i++)
        n_before += instance_table_find(table, number(i)) != NULL;
    for (uint32_t i = 0; i < 10 * INSTANCE_TABLE_MIN; i++)
        instance_table_hear(table, number(1000000 + i), LANGUAGE_RUBY);
    for (uint32_t i = 0; i < INSTANCE_TABLE_MIN / 8; i++)
        n_after += instance_table_find(table, number(i)) != NULL;
    assert_int_equal(n_before, n_after);
    assert_true(n_before > INSTANCE_TABLE_MIN / 8 * 9 / 10);
    instance_table_hear(table, number(0), LANGUAGE_GO); /* one that is here learns */
    assert_int_equal(language_of(table, number(0)), LANGUAGE_GO);
    instance_table_free(&table);
}

/* Another worker heard it: the strong rules hold here, too. */
static void
a_language_may_come_from_another_worker(void **state)
{
    (void)state;
    uint64_t hash = sighting_hash(BYTES(SERVICE), BYTES(INSTANCE));
    integrity_learn_language(fixture.engine, hash, LANGUAGE_GO);
    assert_true(is_strong(GO_ID));
    integrity_learn_language(fixture.engine, hash, LANGUAGE_PYTHON);
    assert_false(is_strong(GO_ID));
}

/* Once it sends here it is no hearsay any more. */
static void
who_is_met_stays(void **state)
{
    (void)state;
    integrity_learn_language(fixture.engine, sighting_hash(BYTES(SERVICE), BYTES(INSTANCE)),
                             LANGUAGE_GO);
    assert_true(is_strong(GO_ID));
    integrity_accept(fixture.engine, NULL, MESSAGE_SegmentObject,
                     segment_build_bytes(&fixture.build), &fixture.judgement);
    for (uint32_t i = 0; i < 10 * INSTANCE_TABLE_MIN; i++)
        integrity_learn_language(fixture.engine, number(i), LANGUAGE_RUBY);
    assert_true(is_strong(GO_ID));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_witnesses_make_a_rule_strong),
        TEST(one_witness_is_not_enough),
        TEST(another_instance_is_another),
        TEST(rules_of_go_are_asked_for_go),
        TEST(properties_without_language_or_broken_teach_nothing),
        TEST(the_table_is_bounded_and_keeps_who_is_asked_for),
        TEST(the_table_has_the_size_it_may_take),
        TEST(hearsay_gives_way),
        TEST(a_language_may_come_from_another_worker),
        TEST(who_is_met_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
