/* Healthy agents of every language over hours: whatever they do, nobody gets a diagnosis. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes: integrity.md 3 and the false-positive columns of 2. */
#include "integrity/instances_fixture.h"

#include <stdio.h>

static void
draw(char *name, size_t size, int number)
{
    snprintf(name, size, "%032x@10.0.0.1", number);
}

static void
work(struct world *w, const char *name, uint32_t n_segments, enum agent_language language)
{
    see(w, "s", name,
        (struct sighting){.n_segments = n_segments,
                          .n_spans = 3 * n_segments,
                          .n_keepalives = 1,
                          .n_others = 1,
                          .is_go = language == LANGUAGE_GO});
}

/* New pods have new host names; on one machine the new process overlaps the old one. */
static void
rolling_deployments(void **state)
{
    struct world *w = *state;
    char name[64], host[64], last[64] = "";
    for (int i = 0; i < 40; i++) {
        draw(name, sizeof(name), i);
        snprintf(host, sizeof(host), i < 20 ? "pod-%d" : "machine", i);
        see(w, "s", name, birth(LANGUAGE_GO, host));
        pass(w, 20 * SECOND);
        if (i != 20 && i > 0)
            see(w, "s", last, DEATH); /* Go's normal exit is abrupt */
        work(w, name, 100, LANGUAGE_GO);
        pass(w, MINUTE);
        memcpy(last, name, sizeof(last));
        if (i == 19) /* pods are gone before the machine is used */
            see(w, "s", last, DEATH);
    }
    assert_int_equal(w->n_told, 0);
    assert_int_equal(n_counted(w, RULE_instance_churn), 0);
}

/* A service that is told to go once the new process serves, with a name of its own or a fixed one.
 */
static void
graceful_restarts(void **state)
{
    struct world *w = *state;
    char name[64], last[64] = "";
    for (int i = 0; i < 20; i++) {
        draw(name, sizeof(name), i);
        see(w, "s", name, birth(LANGUAGE_GO, "a"));
        see(w, "s", "fixed", birth(LANGUAGE_GO, "b"));
        pass(w, SECOND);
        if (i > 0) {
            see(w, "s", last, DEATH);
            see(w, "s", "fixed", DEATH);
        }
        pass(w, 20 * SECOND);
        memcpy(last, name, sizeof(last));
    }
    /* All of it within one second. */
    struct sighting both = birth(LANGUAGE_GO, "b");
    both.n_disconnected = both.n_abrupt = 1;
    for (int i = 0; i < 20; i++) {
        both.connected_ms = w->now_ms - 700;
        both.disconnected_ms = w->now_ms - 200;
        see(w, "s", "fixed", both);
        pass(w, 20 * SECOND);
    }
    assert_int_equal(w->n_told, 0);
    assert_int_equal(n_counted(w, RULE_instance_churn), 0);
}

static void
jobs_with_an_orderly_end(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 60; i++) {
        char name[64];
        draw(name, sizeof(name), i);
        see(w, "s", name, birth(LANGUAGE_PYTHON, "batch"));
        pass(w, 5 * SECOND);
        work(w, name, 3, LANGUAGE_PYTHON);
        see(w, "s", name, GOODBYE);
        pass(w, (20 + i) * SECOND);
    }
    assert_int_equal(w->n_told, 0);
}

/* Go ends without a word, whoever starts it; a schedule starts it by the minute. */
static void
jobs_by_the_clock(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 60; i++) {
        char name[64];
        int64_t life_ms = (2 + i % 7) * SECOND;
        draw(name, sizeof(name), i);
        see(w, "s", name, birth(LANGUAGE_GO, "batch"));
        pass(w, life_ms);
        work(w, name, 1, LANGUAGE_GO);
        see(w, "s", name, DEATH);
        pass(w, MINUTE - life_ms);
    }
    assert_int_equal(w->n_told, 0);
}

static void
killed_for_memory_twice(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 3; i++) {
        see(w, "s", "orders-0", birth(LANGUAGE_JAVA, "orders-0"));
        pass(w, 3 * MINUTE);
        work(w, "orders-0", 1000, LANGUAGE_JAVA);
        if (i < 2)
            see(w, "s", "orders-0", DEATH);
        pass(w, 20 * SECOND);
    }
    pass(w, 30 * MINUTE);
    assert_int_equal(w->n_told, 0);
}

/* All workers of a host are one instance; they come and go, each with the same properties. */
static void
node_workers_share_their_host(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 4; i++)
        see(w, "s", "web-1", birth(LANGUAGE_NODE, "web-1"));
    for (int i = 0; i < 60; i++) {
        see(w, "s", "web-1", DEATH);
        work(w, "web-1", 50, LANGUAGE_NODE);
        pass(w, 3 * SECOND);
        see(w, "s", "web-1", birth(LANGUAGE_NODE, "web-1"));
        pass(w, 30 * SECOND);
    }
    assert_int_equal(look(w, "s", "web-1").info.n_connections, 4);
    assert_int_equal(w->n_told, 0);
}

/* One name for all workers; on demand they all go and come again. */
static void
php_pools_come_and_go(void **state)
{
    struct world *w = *state;
    const char *name = "318374638469327436947923874692384762983@10.0.0.1";
    for (int i = 0; i < 40; i++) {
        see(w, "s", name, birth(LANGUAGE_PHP, "php-1"));
        see(w, "s", name, birth(LANGUAGE_PHP, "php-1"));
        work(w, name, 20, LANGUAGE_PHP);
        pass(w, 20 * SECOND);
        see(w, "s", name, (struct sighting){.n_disconnected = 2, .n_abrupt = 2});
        pass(w, 10 * SECOND);
    }
    assert_int_equal(w->n_told, 0);
}

/* Python's and Ruby's pre-forked workers: each its own instance on one host, recycled in turn. */
static void
preforked_workers_are_recycled(void **state)
{
    struct world *w = *state;
    char name[64];
    for (int i = 0; i < 8; i++) {
        draw(name, sizeof(name), i);
        see(w, "s", name, birth(LANGUAGE_PYTHON, "gunicorn"));
    }
    for (int i = 0; i < 100; i++) {
        pass(w, 20 * SECOND);
        draw(name, sizeof(name), i);
        work(w, name, 500, LANGUAGE_PYTHON);
        see(w, "s", name, DEATH);
        draw(name, sizeof(name), i + 8);
        see(w, "s", name, birth(LANGUAGE_PYTHON, "gunicorn"));
    }
    assert_int_equal(w->n_told, 0);
}

/* A balancer between cuts the connection every few minutes. */
static void
connections_that_are_cut(void **state)
{
    struct world *w = *state;
    const char *names[] = {"checkout-0", "0123456789abcdef0123456789abcdef@10.0.0.1"};
    for (int k = 0; k < 2; k++) {
        see(w, "s", names[k], birth(LANGUAGE_GO, k == 0 ? "a" : "b"));
        for (int i = 0; i < 40; i++) {
            pass(w, 4 * MINUTE + 20 * SECOND);
            see(w, "s", names[k], DEATH);
            pass(w, 2 * SECOND);
            see(w, "s", names[k], (struct sighting){.n_connected = 1, .n_segments = 3});
            pass(w, 5 * SECOND);
            see(w, "s", names[k], properties(LANGUAGE_GO, k == 0 ? "a" : "b"));
        }
    }
    assert_int_equal(w->n_told, 0);
    assert_int_equal(n_counted(w, RULE_instance_churn), 0);
}

/* Everybody behind an aggregator, whose connection is all there is. */
static void
agents_behind_an_aggregator(void **state)
{
    struct world *w = *state;
    char name[64];
    for (int i = 0; i < 200; i++) {
        draw(name, sizeof(name), i);
        see(w, "s", name, properties(LANGUAGE_GO, "host"));
        work(w, name, 5, LANGUAGE_GO);
        pass(w, 10 * SECOND);
    }
    assert_int_equal(w->n_told, 0);
}

/* A fixed name that several hosts use at once: Ruby's default, one variable for a whole deployment.
 */
static void
one_name_on_several_hosts(void **state)
{
    struct world *w = *state;
    char host[16];
    for (int i = 0; i < 60; i++) {
        snprintf(host, sizeof(host), "pod-%d", i);
        see(w, "s", "Your_InstanceName", birth(LANGUAGE_RUBY, host));
        pass(w, 10 * SECOND);
        work(w, "Your_InstanceName", 10, LANGUAGE_RUBY);
        if (i > 0)
            see(w, "s", "Your_InstanceName", DEATH);
        pass(w, 20 * SECOND);
    }
    see(w, "s", "Your_InstanceName", DEATH);
    /* Two hosts of one deployment, stopped together. */
    for (int i = 0; i < 10; i++) {
        see(w, "s", "Your_InstanceName", birth(LANGUAGE_RUBY, "pod-a"));
        see(w, "s", "Your_InstanceName", birth(LANGUAGE_RUBY, "pod-b"));
        see(w, "s", "Your_InstanceName", properties(LANGUAGE_RUBY, "pod-a"));
        pass(w, 40 * SECOND);
        see(w, "s", "Your_InstanceName", (struct sighting){.n_disconnected = 2, .n_abrupt = 2});
        pass(w, 11 * SECOND);
    }
    assert_int_equal(w->n_told, 0);
}

/* Java's queue plugins set a start anew; consumers on one host do it all day, from the first. */
static void
java_queue_consumers(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 3 * 60; i++) {
        see_found(w, "s", "a", RULE_span_end_before_start, 20);
        see_found(w, "s", "b", RULE_span_end_before_start, 20);
        see_found(w, "s", "a", RULE_exit_peer_empty, 20);
        see(w, "s", "a", properties(LANGUAGE_JAVA, "kafka"));
        see(w, "s", "b", properties(LANGUAGE_JAVA, "kafka"));
        pass(w, MINUTE);
    }
    assert_int_equal(w->n_told, 0);
}

/* A clock that is set is told as that, and as nothing else. */
static void
a_clock_that_is_set(void **state)
{
    struct world *w = *state;
    for (int k = 0; k < 2; k++)
        see(w, "s", k == 0 ? "a" : "b", properties(LANGUAGE_GO, "vm"));
    pass(w, 30 * MINUTE);
    for (int k = 0; k < 2; k++) {
        struct found found[] = {{RULE_span_end_before_start, 200, 0},
                                {RULE_id_time_incoherent, 5, 0},
                                {RULE_span_parent_missing, 1, 0}};
        see_with(w, "s", k == 0 ? "a" : "b", (struct sighting){.n_segments = 200, .is_go = true},
                 found, 3);
    }
    pass(w, 60 * MINUTE);
    assert_int_equal(n_told(w, DIAGNOSIS_clock_step, true), 2);
    assert_int_equal(n_told(w, DIAGNOSIS_clock_step, false), 2);
    assert_int_equal(w->n_told, 4);
}

static void
odd_browsers_and_known_habits(void **state)
{
    struct world *w = *state;
    const struct {
        enum agent_language language;
        struct found found[3];
        uint32_t n_supersets;
    } habits[] = {
        {LANGUAGE_LUA, {{RULE_control_in_name, 1, 0}, {RULE_ref_malformed, 1, 0}}, 0},
        {LANGUAGE_DOTNET, {{RULE_segment_id_reused, 50, 0}, {RULE_poison_id_again, 50, 0}}, 0},
        {LANGUAGE_GO, {{RULE_segment_id_reused, 50, 0}, {RULE_trace_id_stale, 500, 0}}, 0},
        {LANGUAGE_PYTHON,
         {{RULE_segment_id_two_instances, 9, 0}, {RULE_segment_id_reused, 9, 0}},
         0},
        {LANGUAGE_RUST, {{RULE_segment_multi_root, 0, 900}, {RULE_segment_empty, 9, 0}}, 0},
        {LANGUAGE_NODE, {{RULE_root_not_last, 0, 900}, {RULE_exit_peer_empty, 50, 0}}, 0},
        {LANGUAGE_JAVA, {{RULE_tag_blank, 50, 0}, {RULE_operation_empty, 9, 0}}, 0},
        {LANGUAGE_NONE,
         {{RULE_segment_duplicate_identical, 99, 0}, {RULE_instance_empty, 9, 0}},
         0},
    };
    for (int i = 0; i < 30; i++) {
        for (uint32_t k = 0; k < sizeof(habits) / sizeof(habits[0]); k++) {
            char name[16];
            snprintf(name, sizeof(name), "i%u", k);
            struct sighting facts = properties(habits[k].language, "h");
            facts.n_segments = 1000;
            see_with(w, "s", name, facts, habits[k].found, 3);
        }
        pass(w, 5 * MINUTE);
    }
    assert_int_equal(w->n_told, 0);
}

/* Scanners and odd browsers are everywhere; of very many requests a few are theirs. */
static void
a_busy_public_service(void **state)
{
    struct world *w = *state;
    for (int i = 0; i < 60; i++) {
        struct found found = {RULE_control_in_name, 20, 0};
        see_with(w, "s", "i", (struct sighting){.n_segments = 30000}, &found, 1);
        pass(w, MINUTE);
    }
    assert_int_equal(w->n_told, 0);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(rolling_deployments),           TEST(graceful_restarts),
        TEST(jobs_with_an_orderly_end),      TEST(jobs_by_the_clock),
        TEST(killed_for_memory_twice),       TEST(node_workers_share_their_host),
        TEST(php_pools_come_and_go),         TEST(preforked_workers_are_recycled),
        TEST(connections_that_are_cut),      TEST(agents_behind_an_aggregator),
        TEST(one_name_on_several_hosts),     TEST(java_queue_consumers),
        TEST(a_clock_that_is_set),           TEST(a_busy_public_service),
        TEST(odd_browsers_and_known_habits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
