/* The registry: what it counts, shows, forgets, and what it costs. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/instances_fixture.h"

#include <malloc.h>
#include <stdio.h>

#include "base/clock.h"

static void
counts_what_all_workers_saw(void **state)
{
    struct world *w = *state;
    struct found found[] = {{RULE_span_blank, 2, 0}, {RULE_segment_multi_root, 1, 4}};
    struct sighting facts = birth(LANGUAGE_JAVA, "web-1");
    facts.n_segments = 10;
    facts.n_spans = 30;
    facts.n_bad = 2;
    see_with(w, "shop", "a", facts, found, 2);
    int64_t first_ms = w->now_ms;
    pass(w, 5 * SECOND);
    see(w, "shop", "a", (struct sighting){.n_segments = 5, .n_spans = 5, .n_connected = 2});
    see(w, "shop", "a", GOODBYE);
    struct wanted got = look(w, "shop", "a");
    assert_true(got.is_there);
    assert_int_equal(got.info.n_segments, 15);
    assert_int_equal(got.info.n_spans, 35);
    assert_int_equal(got.info.n_bad, 2);
    assert_int_equal(got.info.n_connections, 2);
    assert_int_equal(got.info.language, LANGUAGE_JAVA);
    assert_true(bytes_equal(got.info.hostname, BYTES("web-1")));
    assert_int_equal(got.info.first_seen_ms, first_ms);
    assert_int_equal(got.info.last_seen_ms, w->now_ms);
    assert_int_equal(got.findings[RULE_span_blank], 2);
    assert_int_equal(got.findings[RULE_segment_multi_root], 5);
    assert_int_equal(got.info.diagnoses, 0);
    assert_null(got.info.since_ms);
    assert_int_equal(w->language, LANGUAGE_JAVA);
    assert_int_equal(w->n_learned, 1);
    assert_null(look(w, "shop", "b").info.findings);
}

static void
unknown_facts_make_no_record(void **state)
{
    struct world *w = *state;
    struct sightings *sightings = sightings_new();
    sightings_add(sightings, 42)->n_connected = 1;
    sightings_find(sightings, 0, RULE_span_blank, 3, false);
    instances_take(w->instances, sightings, w->now_ms);
    sightings_free(&sightings);
    assert_int_equal(instances_n(w->instances), 0);
}

static bool
note_name(void *ctx, const struct instance_info *info)
{
    struct text *names = ctx;
    text_add_bytes(names, info->instance);
    return names->n < 3;
}

static void
shows_those_seen_last_first(void **state)
{
    struct world *w = *state;
    struct text names = TEXT_EMPTY;
    see(w, "s", "a", (struct sighting){.n_segments = 1});
    see(w, "s", "b", (struct sighting){.n_segments = 1});
    see(w, "s", "c", (struct sighting){.n_segments = 1});
    see(w, "s", "d", (struct sighting){.n_segments = 1});
    see(w, "s", "a", (struct sighting){.n_segments = 1});
    instances_each(w->instances, note_name, &names);
    assert_string_equal(names.p, "adc");
    text_fini(&names);
}

static void
the_one_not_seen_longest_leaves(void **state)
{
    (void)state;
    struct world *w = world_of(3, 300 * SECOND);
    char name[16];
    for (int i = 0; i < 5; i++) {
        snprintf(name, sizeof(name), "i%d", i);
        see(w, "s", name, (struct sighting){.n_segments = 1});
    }
    assert_int_equal(instances_n(w->instances), 3);
    assert_false(look(w, "s", "i1").is_there);
    assert_true(look(w, "s", "i2").is_there);
    void *gone = w;
    tear_down(&gone);
}

/* A diagnosis of one that leaves ends: the event it began must not stay open. */
static void
leaving_ends_its_diagnoses(void **state)
{
    (void)state;
    struct world *w = world_of(2, 300 * SECOND);
    see_found(w, "s", "sick", RULE_poison_cache_tag_repeat, 5);
    pass(w, SECOND);
    see(w, "s", "x", (struct sighting){.n_segments = 1});
    see(w, "s", "y", (struct sighting){.n_segments = 1});
    assert_int_equal(w->n_told, 2);
    assert_true(w->told[0].holds);
    assert_false(w->told[1].holds);
    assert_memory_equal(w->told[0].id, w->told[1].id, 16);
    assert_string_equal(w->told[1].instance, "sick");
    void *gone = w;
    tear_down(&gone);
}

/* Long names and findings of every kind from all of them: the bytes are bounded too. */
static void
bytes_are_bounded_as_well(void **state)
{
    (void)state;
    enum { N = 4000 };
    struct world *w = world_of(N, 300 * SECOND);
    char service[300], instance[300];
    struct found found[RULE_COUNT];
    memset(service, 's', sizeof(service));
    memset(instance, 'i', sizeof(instance));
    service[sizeof(service) - 1] = instance[sizeof(instance) - 1] = '\0';
    for (uint32_t i = 0; i < RULE_COUNT; i++)
        found[i] = (struct found){(enum rule)i, 1, 0};
    for (int i = 0; i < N; i++) {
        snprintf(instance, 16, "%015d", i);
        instance[15] = 'i';
        see_with(w, service, instance, properties(LANGUAGE_GO, "h"), found, RULE_COUNT);
        if (i % 100 == 0)
            instances_tick(w->instances, w->now_ms);
        w->n_told = 0;
    }
    assert_true(instances_n(w->instances) > N / 10 && instances_n(w->instances) < N);
    assert_true(instances_n_bytes(w->instances) <= N * 448 + 1024 * 1024);
    void *gone = w;
    tear_down(&gone);
}

/* 65,536 instances as agents name them, each with its properties: at most 30 MiB, and the registry
 * knows what it takes. */
static void
a_full_registry_takes_thirty_mebibytes(void **state)
{
    (void)state;
    enum { N = 65536 };
    struct world *w = world_of(N, 300 * SECOND);
    struct mallinfo2 before = mallinfo2();
    for (int i = 0; i < N;) {
        struct sightings *sightings = sightings_new();
        for (int k = 0; k < SIGHTINGS_MAX; k++, i++) {
            char service[64], instance[64], host[64];
            snprintf(service, sizeof(service), "production::service-%03d", i % 500);
            snprintf(instance, sizeof(instance), "%08x%024x@10.1.%d.%d", i, i, i >> 8, i & 255);
            snprintf(host, sizeof(host), "service-%03d-7d9f8c6b5-%05d", i % 500, i);
            struct bytes s = bytes_str(service), n = bytes_str(instance);
            struct sighting *sighting = sightings_add(sightings, sighting_hash(s, n));
            sighting->n_segments = 10;
            sighting->n_connected = sighting->n_properties = 1;
            sighting->language = LANGUAGE_GO;
            sighting->hostname = sightings_keep(sightings, bytes_str(host));
            sighting->ipv4 = sightings_keep(sightings, bytes_of(instance + 33, 4));
            sightings_name(sightings, (uint32_t)k, s, n);
            if (i % 8 == 0)
                sightings_find(sightings, (uint32_t)k, RULE_exit_peer_empty, 1, false);
        }
        instances_take(w->instances, sightings, w->now_ms);
        sightings_free(&sightings);
    }
    struct mallinfo2 after = mallinfo2();
    assert_int_equal(instances_n(w->instances), N);
    uint64_t n_bytes = instances_n_bytes(w->instances);
    uint64_t n_real = (after.uordblks - before.uordblks) + (after.hblkhd - before.hblkhd);
    print_message("%u instances: %llu bytes said, %llu taken\n", N, (unsigned long long)n_bytes,
                  (unsigned long long)n_real);
    assert_true(n_bytes <= 30 * 1024 * 1024);
    if (after.uordblks > before.uordblks) { /* else the sanitizer's allocator counts elsewhere */
        assert_true(n_real <= 31 * 1024 * 1024);
        assert_true(n_bytes > n_real * 9 / 10 && n_bytes < n_real * 11 / 10);
    }
    void *gone = w;
    tear_down(&gone);
}

/* No more than a few milliseconds of the control thread; the bound here is for slow machines. */
static void
a_hand_over_is_taken_quickly(void **state)
{
    (void)state;
    struct world *w = world_of(65536, 300 * SECOND);
    struct sightings *sightings = sightings_new();
    for (uint32_t k = 0; k < SIGHTINGS_MAX; k++) {
        char instance[64];
        snprintf(instance, sizeof(instance), "%032x@10.1.2.3", k);
        struct bytes s = BYTES("service"), n = bytes_str(instance);
        sightings_add(sightings, sighting_hash(s, n))->n_segments = 10;
        sightings_name(sightings, k, s, n);
    }
    instances_take(w->instances, sightings, w->now_ms);
    uint64_t best_us = UINT64_MAX;
    for (int i = 0; i < 5; i++) {
        uint64_t start_us = clock_fresh_us();
        instances_take(w->instances, sightings, w->now_ms);
        uint64_t took_us = clock_fresh_us() - start_us;
        best_us = took_us < best_us ? took_us : best_us;
    }
    print_message("%u sightings: %llu us\n", SIGHTINGS_MAX, (unsigned long long)best_us);
    assert_true(best_us < 200 * 1000);
    sightings_free(&sightings);
    void *gone = w;
    tear_down(&gone);
}

static void
a_clock_set_back_stops_nothing(void **state)
{
    struct world *w = *state;
    see_found(w, "s", "i", RULE_poison_cache_tag_repeat, 5);
    pass(w, SECOND);
    assert_int_equal(w->n_told, 1);
    w->now_ms -= 3 * 60 * MINUTE;
    pass(w, 5 * MINUTE);
    assert_int_equal(w->n_told, 1);
    pass(w, 35 * MINUTE);
    assert_int_equal(w->n_told, 2); /* it ages out all the same */
}

static void
a_language_that_changes_is_a_conflict(void **state)
{
    struct world *w = *state;
    see(w, "s", "i", properties(LANGUAGE_RUBY, "h"));
    see(w, "s", "i", properties(LANGUAGE_RUBY, "h"));
    assert_int_equal(n_counted(w, RULE_language_conflict), 0);
    see(w, "s", "i", properties(LANGUAGE_JAVA, "h"));
    assert_int_equal(n_counted(w, RULE_language_conflict), 1);
    assert_int_equal(look(w, "s", "i").findings[RULE_language_conflict], 1);
    assert_int_equal(w->n_learned, 2);
    assert_int_equal(w->language, LANGUAGE_JAVA);
}

static void
see_go(struct world *w, uint32_t n_segments, uint32_t n_orphans, uint32_t n_resets)
{
    struct sighting facts = properties(LANGUAGE_GO, "h");
    facts.n_segments = n_segments;
    facts.n_orphan_roots = n_orphans;
    facts.n_self_resets = n_resets;
    facts.is_go = n_segments > 0;
    see(w, "s", "i", facts);
}

static void
orphans_are_found_by_their_share(void **state)
{
    struct world *w = *state;
    see_go(w, 49, 49, 0);
    assert_int_equal(n_counted(w, RULE_go_orphan_root_share), 0); /* too few to say */
    see_go(w, 100, 10, 0);
    assert_int_equal(n_counted(w, RULE_go_orphan_root_share), 0); /* 59 of 149 */
    see_go(w, 2, 2, 0);
    assert_int_equal(n_counted(w, RULE_go_orphan_root_share), 1);
    see_go(w, 10, 10, 0);
    assert_int_equal(n_counted(w, RULE_go_orphan_root_share), 1); /* once per half window */
    pass(w, 11 * MINUTE);
    see_go(w, 40, 40, 0);
    assert_int_equal(n_counted(w, RULE_go_orphan_root_share), 1); /* the old ones are gone */
}

static void
orphans_of_other_agents_are_none(void **state)
{
    struct world *w = *state;
    struct sighting facts = properties(LANGUAGE_PYTHON, "h");
    facts.n_segments = facts.n_orphan_roots = 1000;
    see(w, "s", "i", facts);
    assert_int_equal(n_counted(w, RULE_go_orphan_root_share), 0);
}

static void
three_resets_within_a_minute_are_found(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 20; i++) {
        see_go(w, 1, 0, 1);
        pass(w, 31 * SECOND);
    }
    assert_int_equal(n_counted(w, RULE_stream_self_reset), 0);
    pass(w, 2 * MINUTE);
    see_go(w, 1, 0, 2);
    see_go(w, 1, 0, 1);
    assert_int_equal(n_counted(w, RULE_stream_self_reset), 1);
    see_go(w, 1, 0, 2);
    assert_int_equal(n_counted(w, RULE_stream_self_reset), 1); /* counted anew */
    see_go(w, 1, 0, 1);
    assert_int_equal(n_counted(w, RULE_stream_self_reset), 2);
}

static void
without_a_window_nothing_is_remembered(void **state)
{
    (void)state;
    struct world *w = world_of(100, 0);
    see(w, "s", "i", properties(LANGUAGE_JAVA, "h"));
    see_go(w, 500, 500, 5);
    see_found(w, "s", "i", RULE_poison_cache_tag_repeat, 50);
    for (int i = 0; i < 6; i++) {
        see(w, "s", "loop", birth(LANGUAGE_GO, "h"));
        pass(w, 5 * SECOND);
        see(w, "s", "loop", DEATH);
        pass(w, 10 * SECOND);
    }
    assert_int_equal(w->n_told, 0);
    assert_int_equal(w->n_learned, 3); /* the agents are identified all the same */
    for (uint32_t i = 0; i < RULE_COUNT; i++)
        if (rule_row((enum rule)i)->scope == SCOPE_STATE)
            assert_int_equal(n_counted(w, (enum rule)i), 0);
    void *gone = w;
    tear_down(&gone);
}

static void
a_window_set_to_nothing_ends_what_holds(void **state)
{
    struct world *w = *state;
    see_found(w, "s", "i", RULE_poison_cache_tag_repeat, 50);
    pass(w, SECOND);
    assert_int_equal(w->n_told, 1);
    instances_set_window(w->instances, 0);
    pass(w, SECOND);
    assert_int_equal(w->n_told, 2);
    assert_false(w->told[1].holds);
}

/* By the generator of Numerical Recipes; the upper half is good enough. */
static uint32_t
draw(uint64_t *random, uint32_t below)
{
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*random >> 33) % below;
}

static void
see_anything(struct world *w, uint64_t *random)
{
    char service[16], instance[48], host[16];
    struct found found[4];
    uint32_t who = draw(random, 60);
    snprintf(service, sizeof(service), "s%u", who % 4);
    snprintf(instance, sizeof(instance), who % 2 == 0 ? "i%u" : "%032x@10.0.0.1", who);
    snprintf(host, sizeof(host), "h%u", draw(random, 3));
    for (uint32_t i = 0; i < 4; i++)
        found[i] =
            (struct found){(enum rule)draw(random, RULE_COUNT), draw(random, 4), draw(random, 2)};
    struct sighting facts = {
        .n_segments = draw(random, 20),
        .n_bad = draw(random, 2),
        .n_orphan_roots = draw(random, 9),
        .n_supersets = draw(random, 2),
        .n_self_resets = draw(random, 3),
        .n_keepalives = draw(random, 2),
        .n_connected = draw(random, 2),
        .n_disconnected = draw(random, 3),
        .is_in_foreign_stream = draw(random, 2),
        .is_go = draw(random, 2),
    };
    facts.n_abrupt = draw(random, facts.n_disconnected + 1);
    if (draw(random, 3) == 0) {
        facts.n_properties = 1;
        facts.hostname = bytes_str(host);
        facts.ipv4 = BYTES("10.0.0.1");
        facts.language = (enum agent_language)draw(random, LANGUAGE_COUNT);
    }
    see_with(w, service, instance, facts, found, draw(random, 5));
}

/* Each diagnosis that begins ends once at most, and the last word about it is its end. */
static void
check_told(const struct world *w)
{
    for (uint32_t i = 0; i < w->n_told; i++)
        for (uint32_t k = 0; k < i; k++) {
            if (memcmp(w->told[i].id, w->told[k].id, 16) != 0)
                continue;
            assert_true(w->told[k].holds && !w->told[i].holds);
            assert_int_equal(w->told[i].diagnosis, w->told[k].diagnosis);
            assert_int_equal(w->told[i].since_ms, w->told[k].since_ms);
        }
}

static bool
count_open(void *ctx, const struct instance_info *info)
{
    uint32_t *n_open = ctx;
    for (uint32_t i = 0; i < DIAGNOSIS_COUNT; i++)
        if ((info->diagnoses >> i & 1) != 0) {
            assert_true(info->evidence[i]->n > 0);
            assert_true(info->since_ms[i] > 0);
            ++*n_open;
        }
    return true;
}

/* Whatever comes: what was told, what is shown and what is said of memory agree. */
static void
any_facts_leave_the_books_in_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct world *w = world_of(seed % 3 == 0 ? 1000 : 40, 300 * SECOND);
        uint64_t random = seed;
        uint32_t n_open = 0, n_balance = 0;
        instances_set_series(w->instances, (uint32_t)seed % 9);
        for (int i = 0; i < 400 && w->n_told < MAX_TOLD - 60; i++) {
            see_anything(w, &random);
            if (draw(&random, 3) == 0)
                pass(w, draw(&random, 30) * SECOND);
            if (draw(&random, 50) == 0)
                pass(w, 5 * MINUTE);
        }
        check_told(w);
        for (uint32_t i = 0; i < w->n_told; i++)
            n_balance += w->told[i].holds ? 1u : -1u;
        instances_each(w->instances, count_open, &n_open);
        assert_int_equal(n_open, n_balance);
        assert_true(instances_n_bytes(w->instances) < 2 * 1024 * 1024);
        instances_set_window(w->instances, 0);
        w->n_told = 0;
        pass(w, SECOND);
        assert_int_equal(w->n_told, n_open);
        void *gone = w;
        tear_down(&gone);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(counts_what_all_workers_saw, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unknown_facts_make_no_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(shows_those_seen_last_first, set_up, tear_down),
        cmocka_unit_test(the_one_not_seen_longest_leaves),
        cmocka_unit_test(leaving_ends_its_diagnoses),
        cmocka_unit_test(bytes_are_bounded_as_well),
        cmocka_unit_test(a_full_registry_takes_thirty_mebibytes),
        cmocka_unit_test(a_hand_over_is_taken_quickly),
        cmocka_unit_test_setup_teardown(a_clock_set_back_stops_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_language_that_changes_is_a_conflict, set_up, tear_down),
        cmocka_unit_test_setup_teardown(orphans_are_found_by_their_share, set_up, tear_down),
        cmocka_unit_test_setup_teardown(orphans_of_other_agents_are_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(three_resets_within_a_minute_are_found, set_up, tear_down),
        cmocka_unit_test(any_facts_leave_the_books_in_order),
        cmocka_unit_test(without_a_window_nothing_is_remembered),
        cmocka_unit_test_setup_teardown(a_window_set_to_nothing_ends_what_holds, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
