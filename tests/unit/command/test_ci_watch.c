/* Lives and restarts as the verb ci sees them, and whose a finding is. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "command/ci_report.h"
#include "message/message.h"

static const struct judgement clean = {.verdict = VERDICT_CLEAN, .reason = RULE_COUNT};

static void
add_string(struct text *out, uint32_t field, const char *value)
{
    uint8_t head[2 * WIRE_VARINT_MAX];
    size_t n = strlen(value);
    text_add_bytes(out, bytes_of(head, wire_put_length(head, field, n)));
    text_add_bytes(out, bytes_of((const uint8_t *)value, n));
}

static void
add_property(struct text *out, const char *key, const char *value)
{
    struct text pair = TEXT_EMPTY;
    add_string(&pair, 1, key);
    add_string(&pair, 2, value);
    add_string(out, 3, pair.p);
    text_fini(&pair);
}

static void
report_properties(struct ci_watch *watch, const char *peer, const char *instance,
                  const char *process)
{
    struct text message = TEXT_EMPTY;
    struct judgement judgement = clean;
    add_string(&message, 1, "shop");
    add_string(&message, 2, instance);
    add_property(&message, "language", "go");
    add_property(&message, "hostname", "builder");
    add_property(&message, "Process No.", process);
    judgement.payload = text_bytes(&message);
    watch->watch.on_judged(watch, peer, METHOD_INSTANCE_PROPERTIES, &judgement);
    text_fini(&message);
}

static void
report_segment(struct ci_watch *watch, const char *peer, const char *instance)
{
    struct segment_view view = {.service = BYTES("shop"),
                                .instance = bytes_str(instance),
                                .segment_id = BYTES("id"),
                                .trace_id = BYTES("trace")};
    struct judgement judgement = clean;
    judgement.segment = &view;
    watch->watch.on_judged(watch, peer, METHOD_SEGMENT_COLLECT, &judgement);
}

static void
hang_up(struct ci_watch *watch, const char *peer)
{
    watch->watch.on_connection_gone(watch, peer);
}

static struct ci_verdict
judge(const struct ci_watch *watch, uint64_t max_restarts)
{
    struct ci_child child = {.is_over = true};
    struct ci_run run = {.watch = watch, .child = &child, .max_restarts = max_restarts};
    struct ci_verdict verdict;
    ci_report_judge(&run, &verdict);
    return verdict;
}

static void
lives_one_after_another_are_a_row(void **state)
{
    (void)state;
    struct ci_watch watch;
    ci_watch_init(&watch, UINT64_MAX);
    static const char *const instances[] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++) {
        report_properties(&watch, "peer", instances[i], "1");
        report_segment(&watch, "peer", instances[i]);
        assert_int_equal(judge(&watch, 3).restarts.n, i + 1);
        assert_true((judge(&watch, 3).loop.last != NULL) == (i == 3));
        hang_up(&watch, "peer");
    }
    struct ci_verdict verdict = judge(&watch, 3);
    assert_int_equal(verdict.loop.n, 4);
    assert_int_equal(verdict.loop.most_segments, 1);
    assert_true(verdict.is_race);
    assert_int_equal(verdict.code, 1);
    assert_null(judge(&watch, 4).loop.last);
    assert_null(judge(&watch, 0).loop.last);
    ci_watch_fini(&watch);
}

static void
a_life_that_reports_ends_the_row(void **state)
{
    (void)state;
    struct ci_watch watch;
    ci_watch_init(&watch, UINT64_MAX);
    static const char *const instances[] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < 5; i++) {
        report_properties(&watch, "peer", instances[i], "1");
        for (int n = 0; n < (i == 2 ? 4 : 3); n++)
            report_segment(&watch, "peer", instances[i]);
        hang_up(&watch, "peer");
    }
    assert_int_equal(judge(&watch, 1).loop.n, 2);
    assert_int_equal(judge(&watch, 1).restarts.n, 5);
    assert_null(judge(&watch, 2).loop.last);
    ci_watch_fini(&watch);
}

static void
side_by_side_is_no_restart(void **state)
{
    (void)state;
    struct ci_watch watch;
    ci_watch_init(&watch, UINT64_MAX);
    report_properties(&watch, "p1", "a", "1");
    report_properties(&watch, "p2", "b", "2");
    hang_up(&watch, "p1");
    report_properties(&watch, "p3", "c", "3"); /* b is still there */
    hang_up(&watch, "p2");
    hang_up(&watch, "p3");
    assert_int_equal(judge(&watch, 1).restarts.n, 1);
    report_properties(&watch, "p4", "d", "4");
    assert_int_equal(judge(&watch, 1).restarts.n, 2);
    ci_watch_fini(&watch);
}

static void
a_reconnect_is_the_same_life(void **state)
{
    (void)state;
    struct ci_watch watch;
    ci_watch_init(&watch, UINT64_MAX);
    for (int i = 0; i < 6; i++) {
        report_properties(&watch, "peer", "a", "77");
        report_properties(&watch, "peer", "a", "77"); /* agents repeat them */
        hang_up(&watch, "peer");
    }
    assert_int_equal(watch.n_lives, 1);
    assert_int_equal(judge(&watch, 1).restarts.n, 1);
    ci_watch_fini(&watch);
}

static void
another_process_of_one_name_is_another_life(void **state)
{
    (void)state;
    struct ci_watch watch;
    ci_watch_init(&watch, UINT64_MAX);
    static const char *const processes[] = {"10", "11", "12"};
    for (int i = 0; i < 3; i++) {
        report_segment(&watch, "peer", "a"); /* before its properties */
        report_properties(&watch, "peer", "a", processes[i]);
        hang_up(&watch, "peer");
    }
    assert_int_equal(watch.n_instances, 1);
    assert_int_equal(watch.n_lives, 3);
    assert_int_equal(judge(&watch, 2).loop.n, 3);
    ci_watch_fini(&watch);
}

static void
many_instances_are_folded(void **state)
{
    (void)state;
    struct ci_watch watch;
    char name[32];
    ci_watch_init(&watch, UINT64_MAX);
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof(name), "i%d", i);
        report_properties(&watch, "peer", name, name);
        report_segment(&watch, "peer", name);
        hang_up(&watch, "peer");
    }
    assert_true(watch.is_full);
    assert_int_equal(watch.n_instances, 4096);
    assert_int_equal(watch.n_lives, 4096);
    assert_int_equal(watch.n_segments, 5000);
    assert_int_equal(watch.instances[4095]->n_segments, 5000 - 4095);
    assert_string_equal(watch.instances[4095]->instance.p, "(others)");
    ci_watch_fini(&watch);
}

static void
bytes_without_a_name_belong_to_their_connection(void **state)
{
    (void)state;
    struct ci_watch watch;
    struct judgement bad = {.verdict = VERDICT_QUARANTINED,
                            .payload = BYTES("\x0a\x7f"),
                            .reason = RULE_proto_undecodable,
                            .rules = UINT64_C(1) << RULE_proto_undecodable};
    bad.n_counts[RULE_proto_undecodable] = 1;
    ci_watch_init(&watch, UINT64_MAX);
    report_properties(&watch, "p1", "a", "1");
    watch.watch.on_judged(&watch, "p1", METHOD_SEGMENT_COLLECT, &bad);
    watch.watch.on_judged(&watch, "p2", METHOD_SEGMENT_COLLECT, &bad);
    watch.watch.on_noted(&watch, "p1", RULE_grpc_message_truncated);
    assert_int_equal(watch.n_instances, 2);
    assert_int_equal(watch.instances[0]->found[RULE_proto_undecodable].n, 1);
    assert_int_equal(watch.instances[0]->found[RULE_grpc_message_truncated].n, 1);
    assert_string_equal(watch.instances[1]->service.p, "(unknown)");
    assert_int_equal(watch.instances[1]->found[RULE_proto_undecodable].n, 1);
    assert_int_equal(judge(&watch, 0).n_failing, 3);
    ci_watch_fini(&watch);
}

static void
rules_that_do_not_count_are_not_kept(void **state)
{
    (void)state;
    struct ci_watch watch;
    ci_watch_init(&watch, ~(UINT64_C(1) << RULE_grpc_message_truncated));
    watch.watch.on_noted(&watch, "p1", RULE_grpc_message_truncated);
    assert_int_equal(watch.n_instances, 0);
    watch.watch.on_noted(&watch, "p1", RULE_message_oversize);
    assert_int_equal(judge(&watch, 0).n_others, 1);
    ci_watch_fini(&watch);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lives_one_after_another_are_a_row),
        cmocka_unit_test(a_life_that_reports_ends_the_row),
        cmocka_unit_test(side_by_side_is_no_restart),
        cmocka_unit_test(a_reconnect_is_the_same_life),
        cmocka_unit_test(another_process_of_one_name_is_another_life),
        cmocka_unit_test(many_instances_are_folded),
        cmocka_unit_test(bytes_without_a_name_belong_to_their_connection),
        cmocka_unit_test(rules_that_do_not_count_are_not_kept),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
