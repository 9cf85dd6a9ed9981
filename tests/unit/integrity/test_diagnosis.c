/* Each diagnosis: what makes it, what nearly does, how long it holds, what it says. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/instances_fixture.h"

#include <stdio.h>
#include <string.h>

static bool
holds(struct world *w, const char *instance, enum diagnosis diagnosis)
{
    return (look(w, "s", instance).info.diagnoses >> diagnosis & 1) != 0;
}

static const char *
words(struct world *w, const char *instance, enum diagnosis diagnosis)
{
    static struct wanted got;
    got = look(w, "s", instance);
    return got.evidence[diagnosis];
}

static void
speak(struct world *w, const char *instance, enum agent_language language)
{
    struct sighting facts = properties(language, "web-1");
    facts.is_go = language == LANGUAGE_GO;
    see(w, "s", instance, facts);
}

static void
rows_are_complete(void **state)
{
    (void)state;
    assert_int_equal(DIAGNOSIS_COUNT, 10);
    for (uint32_t i = 0; i < DIAGNOSIS_COUNT; i++) {
        const struct diagnosis_row *row = diagnosis_row((enum diagnosis)i);
        char code[8];
        snprintf(code, sizeof(code), "D%u", i + 1);
        assert_int_equal(row->diagnosis, i);
        assert_string_equal(row->code, code);
        assert_true(strlen(row->name) > 3 && strlen(row->text) > 40 && strlen(row->next) > 40);
    }
    assert_string_equal(diagnosis_confidence_label(CONFIDENCE_LOW), "low");
    assert_string_equal(diagnosis_confidence_label(CONFIDENCE_HIGH), "high");
}

/* The cure that was published is none for newer agents, and that must be said. */
static void
the_published_cure_is_told_truly(void **state)
{
    (void)state;
    const char *next = diagnosis_row(DIAGNOSIS_race_build_loop)->next;
    assert_non_null(strstr(next, "Go >= 1.23.0"));
    assert_non_null(strstr(next, "<= 0.5.0"));
    assert_non_null(strstr(next, "newproc"));
    assert_non_null(strstr(next, "without -race"));
}

static void
two_kinds_of_damage_are_a_race(void **state)
{
    struct world *w = *state;
    speak(w, "i", LANGUAGE_GO);
    see_found(w, "s", "i", RULE_span_id_duplicate, 2);
    pass(w, SECOND);
    assert_int_equal(w->n_told, 0); /* one kind */
    see_found(w, "s", "i", RULE_span_parent_missing, 1);
    assert_int_equal(w->n_told, 0); /* the tick asks */
    pass(w, SECOND);
    assert_int_equal(w->n_told, 1);
    assert_int_equal(w->told[0].diagnosis, DIAGNOSIS_memory_race);
    assert_true(w->told[0].holds);
    assert_int_equal(w->told[0].since_ms, w->now_ms);
    assert_string_equal(w->told[0].evidence,
                        "span-id-duplicate 2, span-parent-missing 1 within a minute");
    struct wanted got = look(w, "s", "i");
    assert_int_equal(got.info.diagnoses, 1u << DIAGNOSIS_memory_race);
    assert_int_equal(got.info.since_ms[DIAGNOSIS_memory_race], w->told[0].since_ms);
}

static void
one_kind_and_a_torn_peer_are_a_race(void **state)
{
    struct world *w = *state;
    speak(w, "i", LANGUAGE_GO);
    see_found(w, "s", "i", RULE_tear_suspect, 5);
    pass(w, SECOND);
    assert_int_equal(w->n_told, 0); /* a torn peer alone is a guess */
    see_found(w, "s", "i", RULE_proto_undecodable, 1);
    pass(w, SECOND);
    assert_true(holds(w, "i", DIAGNOSIS_memory_race));
}

static void
single_events_and_other_agents_are_no_race(void **state)
{
    struct world *w = *state;
    speak(w, "few", LANGUAGE_GO);
    see_found(w, "s", "few", RULE_span_id_duplicate, 1);
    see_found(w, "s", "few", RULE_span_parent_missing, 1);
    speak(w, "java", LANGUAGE_JAVA);
    see_found(w, "s", "java", RULE_span_id_duplicate, 5);
    see_found(w, "s", "java", RULE_span_parent_missing, 5);
    see(w, "s", "unproven", properties(LANGUAGE_GO, "h")); /* none of its ids is Go's */
    see_found(w, "s", "unproven", RULE_span_id_duplicate, 5);
    see_found(w, "s", "unproven", RULE_span_parent_missing, 5);
    /* Strong rules where the agent was not identified are hints. */
    struct found hints[] = {{RULE_tag_key_repeated_go, 0, 9}, {RULE_id_time_incoherent, 0, 9}};
    speak(w, "hints", LANGUAGE_GO);
    see_with(w, "s", "hints", (struct sighting){.n_segments = 9}, hints, 2);
    pass(w, SECOND);
    assert_int_equal(w->n_told, 0);
}

/* Neither flaps nor stays for ever: it holds while its evidence is within 15 to 30 minutes. */
static void
it_holds_as_long_as_its_evidence(void **state)
{
    struct world *w = *state;
    speak(w, "i", LANGUAGE_GO);
    see_found(w, "s", "i", RULE_span_id_duplicate, 2);
    see_found(w, "s", "i", RULE_span_parent_missing, 2);
    for (int i = 0; i < 12; i++) { /* two hours with one finding every ten minutes */
        pass(w, 10 * MINUTE);
        see_found(w, "s", "i", RULE_span_id_duplicate, 1);
    }
    assert_int_equal(w->n_told, 1);
    pass(w, 14 * MINUTE);
    assert_int_equal(w->n_told, 1);
    pass(w, 17 * MINUTE);
    assert_int_equal(w->n_told, 2);
    assert_false(w->told[1].holds);
    assert_memory_equal(w->told[0].id, w->told[1].id, 16);
    assert_int_equal(w->told[0].since_ms, w->told[1].since_ms);
    /* The words are those of the last evidence. */
    assert_non_null(strstr(w->told[0].evidence, "span-parent-missing"));
    assert_non_null(strstr(w->told[1].evidence, "span-id-duplicate"));
    assert_null(strstr(w->told[1].evidence, "span-parent-missing"));
    see_found(w, "s", "i", RULE_span_id_duplicate, 2);
    see_found(w, "s", "i", RULE_span_parent_missing, 2);
    pass(w, SECOND);
    assert_int_equal(w->n_told, 3);
    assert_memory_not_equal(w->told[0].id, w->told[2].id, 16);
}

struct loop {
    enum agent_language language;
    const char *name; /* NULL: a new one for each life */
    uint32_t n_segments, n_keepalives;
    int64_t life_ms, pause_ms;
};

static void
run_life(struct world *w, const struct loop *loop, int number)
{
    char drawn[64];
    snprintf(drawn, sizeof(drawn), "%032x@10.0.0.1", number);
    const char *name = loop->name != NULL ? loop->name : drawn;
    struct sighting work = {.n_segments = loop->n_segments,
                            .n_keepalives = loop->n_keepalives,
                            .n_others = loop->n_keepalives,
                            .is_go = loop->language == LANGUAGE_GO && loop->n_segments > 0};
    see(w, "s", name, birth(loop->language, "web-1"));
    pass(w, loop->life_ms);
    see(w, "s", name, work);
    see(w, "s", name, DEATH);
    pass(w, loop->pause_ms);
}

static void
run_loop(struct world *w, const struct loop *loop, int n)
{
    for (int i = 0; i < n; i++)
        run_life(w, loop, i);
}

static void
a_race_build_dies_at_its_first_requests(void **state)
{
    struct world *w = *state;
    struct loop loop = {LANGUAGE_GO, NULL, 1, 1, 14 * SECOND, 20 * SECOND};
    run_loop(w, &loop, 3);
    assert_int_equal(w->n_told, 0);
    run_loop(w, &loop, 4); /* the first three come again: their names are drawn at start */
    assert_int_equal(n_told(w, DIAGNOSIS_race_build_loop, true), 0);
    for (int i = 10; i < 20; i++)
        run_life(w, &loop, i);
    assert_int_equal(w->n_told, 1);
    assert_int_equal(w->told[0].diagnosis, DIAGNOSIS_race_build_loop);
    assert_non_null(strstr(w->told[0].evidence, "lives of host web-1 within"));
    assert_non_null(strstr(w->told[0].evidence, "ended abruptly after at most 14 s"));
    assert_non_null(strstr(w->told[0].evidence, "1 to 1 segments and at most 1 keep-alives"));
    assert_true(n_counted(w, RULE_instance_churn) >= 6);
}

/* It goes with the newest life, without a word, and ends once. */
static void
a_loop_is_told_once_and_shown_at_its_newest_life(void **state)
{
    struct world *w = *state;
    struct loop loop = {LANGUAGE_GO, NULL, 0, 0, 5 * SECOND, 11 * SECOND};
    char newest[64];
    run_loop(w, &loop, 12);
    assert_int_equal(w->n_told, 1);
    snprintf(newest, sizeof(newest), "%032x@10.0.0.1", 11);
    assert_true(holds(w, newest, DIAGNOSIS_race_build_loop));
    assert_non_null(strstr(words(w, newest, DIAGNOSIS_race_build_loop), "8 lives"));
    snprintf(newest, sizeof(newest), "%032x@10.0.0.1", 10);
    assert_false(holds(w, newest, DIAGNOSIS_race_build_loop));
    pass(w, 40 * MINUTE); /* scaled down to nothing */
    assert_int_equal(w->n_told, 2);
    assert_false(w->told[1].holds);
    assert_memory_equal(w->told[0].id, w->told[1].id, 16);
}

static void
a_loop_ends_when_a_life_lasts(void **state)
{
    struct world *w = *state;
    struct loop loop = {LANGUAGE_GO, "checkout-0", 0, 0, 5 * SECOND, 11 * SECOND};
    run_loop(w, &loop, 6);
    assert_int_equal(w->n_told, 1);
    assert_string_equal(w->told[0].instance, "checkout-0");
    see(w, "s", "checkout-0", birth(LANGUAGE_GO, "web-1"));
    pass(w, 9 * MINUTE);
    assert_int_equal(w->n_told, 1);
    pass(w, 2 * MINUTE);
    assert_int_equal(w->n_told, 2);
    assert_false(w->told[1].holds);
}

/* Ended orderly, or two processes at once: the loop is over, and another one can be told. */
static void
a_loop_ends_with_an_orderly_end_and_may_begin_anew(void **state)
{
    struct world *w = *state;
    struct loop loop = {LANGUAGE_GO, NULL, 0, 0, 5 * SECOND, 11 * SECOND};
    run_loop(w, &loop, 6);
    see(w, "s", "orderly", birth(LANGUAGE_GO, "web-1"));
    pass(w, 5 * SECOND);
    see(w, "s", "orderly", GOODBYE);
    pass(w, 5 * SECOND);
    assert_int_equal(n_told(w, DIAGNOSIS_race_build_loop, false), 1);
    for (int i = 100; i < 106; i++)
        run_life(w, &loop, i);
    assert_int_equal(n_told(w, DIAGNOSIS_race_build_loop, true), 2);
    assert_int_equal(n_told(w, DIAGNOSIS_race_build_loop, false), 1);
}

static void
other_loops_are_told_apart(void **state)
{
    struct world *w = *state;
    struct loop busy = {LANGUAGE_GO, NULL, 500, 3, 60 * SECOND, 20 * SECOND};
    run_loop(w, &busy, 5);
    assert_int_equal(w->n_told, 1);
    assert_int_equal(w->told[0].diagnosis, DIAGNOSIS_crash_loop);
    struct loop java = {LANGUAGE_JAVA, "orders-0", 0, 0, 20 * SECOND, 31 * SECOND};
    void *other = world_of(100, 300 * SECOND);
    run_loop(other, &java, 5);
    assert_int_equal(((struct world *)other)->n_told, 1);
    assert_int_equal(((struct world *)other)->told[0].diagnosis, DIAGNOSIS_crash_loop);
    tear_down(&other);
}

/* Within the second of one hand-over: born, dead, and born again. */
static void
lives_shorter_than_a_second_are_seen(void **state)
{
    struct world *w = *state;
    struct sighting life = birth(LANGUAGE_GO, "web-1");
    life.n_disconnected = life.n_abrupt = 1;
    for (int i = 0; i < 5; i++) {
        see(w, "s", "checkout-0", life);
        pass(w, 2 * SECOND);
    }
    assert_int_equal(n_told(w, DIAGNOSIS_race_build_loop, true), 1);
    struct sighting again = birth(LANGUAGE_GO, "web-2");
    for (int i = 0; i < 6; i++) { /* the old one's end and the new one's start in one second */
        see(w, "s", "checkout-1", again);
        again.n_disconnected = again.n_abrupt = 1;
        pass(w, 2 * SECOND);
    }
    assert_int_equal(n_told(w, DIAGNOSIS_race_build_loop, true), 2);
}

/* Two workers: the new process is heard of before the end of the old one of the same name. */
static void
mail_that_crosses_hides_no_life(void **state)
{
    struct world *w = *state;
    see(w, "s", "checkout-0", birth(LANGUAGE_GO, "web-1"));
    for (int i = 0; i < 6; i++) {
        pass(w, 7 * SECOND);
        struct sighting next = birth(LANGUAGE_GO, "web-1"), end = DEATH;
        end.disconnected_ms = w->now_ms - 700;
        next.connected_ms = w->now_ms - 300;
        see(w, "s", "checkout-0", next);
        pass(w, SECOND);
        see(w, "s", "checkout-0", end);
    }
    assert_int_equal(n_told(w, DIAGNOSIS_race_build_loop, true), 1);
    assert_int_equal(look(w, "s", "checkout-0").info.n_connections, 1);
}

static void
see_calls(struct world *w, uint32_t n_segments, uint32_t n_orphans)
{
    see(w, "s", "i",
        (struct sighting){.n_segments = n_segments, .n_orphan_roots = n_orphans, .is_go = true});
}

static void
lost_context_is_seen_by_its_orphans(void **state)
{
    struct world *w = *state;
    speak(w, "i", LANGUAGE_GO);
    see_calls(w, 100, 60);
    pass(w, SECOND);
    assert_int_equal(w->n_told, 0); /* perhaps only now */
    pass(w, 6 * MINUTE);
    see_calls(w, 100, 60);
    pass(w, SECOND);
    assert_true(holds(w, "i", DIAGNOSIS_context_lost));
    assert_non_null(strstr(words(w, "i", DIAGNOSIS_context_lost), "60 % of the segments"));
    see_found(w, "s", "i", RULE_span_id_duplicate, 1);
    pass(w, SECOND);
    assert_false(holds(w, "i", DIAGNOSIS_context_lost)); /* damage: something else is wrong */
}

/* A poller has no requests whose calls could be lost. */
static void
a_program_of_background_jobs_lost_nothing(void **state)
{
    struct world *w = *state;
    speak(w, "i", LANGUAGE_GO);
    for (int i = 0; i < 60; i++) {
        see_calls(w, 100, 99);
        pass(w, MINUTE);
    }
    assert_true(n_counted(w, RULE_go_orphan_root_share) > 5);
    assert_int_equal(w->n_told, 0);
}

static void
resets_without_damage_are_unsendable_text(void **state)
{
    struct world *w = *state;
    speak(w, "i", LANGUAGE_GO);
    see(w, "s", "i", (struct sighting){.n_segments = 1, .n_self_resets = 3});
    pass(w, SECOND);
    assert_true(holds(w, "i", DIAGNOSIS_unsendable_text));
    see_found(w, "s", "i", RULE_span_id_duplicate, 2);
    see_found(w, "s", "i", RULE_tag_blank, 2);
    pass(w, SECOND);
    assert_false(holds(w, "i", DIAGNOSIS_unsendable_text));
    assert_true(holds(w, "i", DIAGNOSIS_memory_race));
    see(w, "s", "i", (struct sighting){.n_segments = 1, .n_self_resets = 3});
    pass(w, SECOND);
    assert_false(holds(w, "i", DIAGNOSIS_unsendable_text));
}

static void
a_clock_step_shows_on_several_instances_of_a_host(void **state)
{
    struct world *w = *state;
    const char *names[] = {"a", "b", "c"};
    for (int i = 0; i < 3; i++)
        speak(w, names[i], LANGUAGE_GO);
    see(w, "s", "far", properties(LANGUAGE_GO, "web-2"));
    pass(w, 20 * MINUTE);
    see_found(w, "s", "a", RULE_span_end_before_start, 50);
    see_found(w, "s", "far", RULE_span_end_before_start, 50);
    pass(w, SECOND);
    assert_int_equal(w->n_told, 0); /* one instance of each host */
    see_found(w, "s", "b", RULE_span_end_before_start, 5);
    see_found(w, "s", "c", RULE_span_end_before_start, 1);
    pass(w, SECOND);
    assert_int_equal(n_told(w, DIAGNOSIS_clock_step, true), 2);
    assert_true(holds(w, "a", DIAGNOSIS_clock_step));
    assert_true(holds(w, "b", DIAGNOSIS_clock_step));
    assert_false(holds(w, "c", DIAGNOSIS_clock_step));
    assert_string_equal(words(w, "a", DIAGNOSIS_clock_step),
                        "55 spans of 2 instances of host web-1 ended before they started within 5 "
                        "minutes");
    pass(w, 16 * MINUTE);
    assert_int_equal(n_told(w, DIAGNOSIS_clock_step, false), 2);
    assert_int_equal(w->n_told, 4);
}

static void
reentry_is_of_some_agents_only(void **state)
{
    struct world *w = *state;
    const enum agent_language languages[] = {LANGUAGE_PYTHON, LANGUAGE_NODE, LANGUAGE_RUBY,
                                             LANGUAGE_JAVA, LANGUAGE_DOTNET};
    for (uint32_t i = 0; i < 5; i++) {
        char name[8];
        snprintf(name, sizeof(name), "i%u", i);
        struct sighting facts = properties(languages[i], "h");
        facts.n_segments = facts.n_supersets = 2;
        see(w, "s", name, facts);
        pass(w, SECOND);
        assert_false(holds(w, name, DIAGNOSIS_reentry));
        see_found(w, "s", name, RULE_span_id_duplicate, 1);
        pass(w, SECOND);
        assert_int_equal(holds(w, name, DIAGNOSIS_reentry), i < 3);
    }
    assert_string_equal(
        words(w, "i0", DIAGNOSIS_reentry),
        "span-id-duplicate 1, 2 segments came again with more spans within a minute");
    pass(w, 31 * MINUTE);
    assert_int_equal(n_told(w, DIAGNOSIS_reentry, false), 3);
}

static void
a_broken_caller_sends_what_is_external(void **state)
{
    struct world *w = *state;
    see_found(w, "s", "i", RULE_ref_malformed, 15);
    pass(w, SECOND);
    assert_int_equal(w->n_told, 0);
    see_found(w, "s", "i", RULE_control_in_name, 5);
    pass(w, SECOND);
    assert_true(holds(w, "i", DIAGNOSIS_broken_caller));
    see_found(w, "s", "j", RULE_ref_malformed, 50);
    see_found(w, "s", "j", RULE_span_parent_missing, 1); /* not only external */
    pass(w, SECOND);
    assert_false(holds(w, "j", DIAGNOSIS_broken_caller));
}

static void
two_programs_under_one_name_clash(void **state)
{
    struct world *w = *state;
    speak(w, "i", LANGUAGE_JAVA);
    speak(w, "i", LANGUAGE_PYTHON);
    pass(w, SECOND);
    assert_int_equal(w->n_told, 0); /* rewritten in another language */
    speak(w, "i", LANGUAGE_JAVA);
    speak(w, "i", LANGUAGE_PYTHON);
    pass(w, SECOND);
    assert_true(holds(w, "i", DIAGNOSIS_name_clash));
    see_found(w, "s", "flip", RULE_identity_flip, 3);
    speak(w, "flags", LANGUAGE_JAVA);
    see_found(w, "s", "flags", RULE_go_impossible_flag, 3);
    speak(w, "newer", LANGUAGE_GO); /* an agent that learned to set the flag */
    see_found(w, "s", "newer", RULE_go_impossible_flag, 1000);
    pass(w, SECOND);
    assert_true(holds(w, "flip", DIAGNOSIS_name_clash));
    assert_true(holds(w, "flags", DIAGNOSIS_name_clash));
    assert_false(holds(w, "newer", DIAGNOSIS_name_clash));
}

static void
poison_is_told_where_the_backend_suffers(void **state)
{
    struct world *w = *state;
    see_found(w, "s", "i", RULE_poison_logic_endpoint, 2);
    see_found(w, "s", "db", RULE_poison_column, 10);
    see_found(w, "s", "db", RULE_poison_id_again, 10);
    pass(w, SECOND);
    assert_int_equal(w->n_told, 0);
    see_found(w, "s", "i", RULE_poison_cache_tag_repeat, 1);
    pass(w, SECOND);
    assert_true(holds(w, "i", DIAGNOSIS_backend_poison));
    assert_int_equal(w->n_told, 1);
    instances_set_storage(w->instances, true);
    see_found(w, "s", "db", RULE_poison_column, 1);
    pass(w, SECOND);
    assert_true(holds(w, "db", DIAGNOSIS_backend_poison));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(rows_are_complete),
        TEST(the_published_cure_is_told_truly),
        TEST(two_kinds_of_damage_are_a_race),
        TEST(one_kind_and_a_torn_peer_are_a_race),
        TEST(single_events_and_other_agents_are_no_race),
        TEST(it_holds_as_long_as_its_evidence),
        TEST(a_race_build_dies_at_its_first_requests),
        TEST(a_loop_is_told_once_and_shown_at_its_newest_life),
        TEST(a_loop_ends_when_a_life_lasts),
        TEST(a_loop_ends_with_an_orderly_end_and_may_begin_anew),
        TEST(other_loops_are_told_apart),
        TEST(lives_shorter_than_a_second_are_seen),
        TEST(mail_that_crosses_hides_no_life),
        TEST(lost_context_is_seen_by_its_orphans),
        TEST(a_program_of_background_jobs_lost_nothing),
        TEST(resets_without_damage_are_unsendable_text),
        TEST(a_clock_step_shows_on_several_instances_of_a_host),
        TEST(reentry_is_of_some_agents_only),
        TEST(a_broken_caller_sends_what_is_external),
        TEST(two_programs_under_one_name_clash),
        TEST(poison_is_told_where_the_backend_suffers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
