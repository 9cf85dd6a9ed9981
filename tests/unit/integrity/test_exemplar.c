/* Which trace a hand-over gives as an example of a finding. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"
#include "integrity/sighting_int.h"
#include "message/message.h"

/* The first of a hand-over; one too long to be shown whole is none. */
static void
findings_have_a_trace_for_an_example(void **state)
{
    (void)state;
    static const char *const ids[] = {"trace-of-the-first", "trace-of-the-second"};
    char longer[EXEMPLAR_BYTES + 2];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    const char *const sent[] = {longer, ids[0], ids[1]};
    for (unsigned i = 0; i < sizeof(sent) / sizeof(sent[0]); i++) {
        segment_build_begin(&fixture.build, sent[i], "id");
        add_span(1, 5); /* its parent is not there */
        add_span(0, -1);
        segment_build_end(&fixture.build, "checkout", "checkout-1@10.0.0.1", false);
        judge_bytes(segment_build_bytes(&fixture.build));
        integrity_accept(fixture.engine, NULL, MESSAGE_SegmentObject,
                         segment_build_bytes(&fixture.build), &fixture.judgement);
    }
    struct sightings *taken = integrity_take_sightings(fixture.engine);
    assert_int_equal(sightings_at(taken, 0)->findings[RULE_span_parent_missing], 3);
    struct bytes example = sightings_exemplar(taken, RULE_span_parent_missing);
    assert_true(bytes_equal(example, bytes_str(ids[0])));
    assert_int_equal(sightings_exemplar(taken, RULE_span_blank).n, 0);
    sightings_free(&taken);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(findings_have_a_trace_for_an_example, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
