/* Rule exit-peer-empty: an Exit span without a peer. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
judge_peer(int32_t type, const char *peer, const char *findings)
{
    begin();
    segment_build_span(&fixture.build, &(struct build_span){.parent = -1,
                                                            .start = now_ms,
                                                            .end = now_ms,
                                                            .operation = "/op",
                                                            .peer = peer,
                                                            .type = type});
    end();
    expect(findings, findings[0] == '\0' ? VERDICT_CLEAN : VERDICT_OBSERVED);
    assert_true(is_payload_unchanged());
}

static void
it_is_counted(void **state)
{
    (void)state;
    judge_peer(SPAN_EXIT, "", "exit-peer-empty");
    fixture.agent = AGENT_IS_GO;
    judge_peer(SPAN_EXIT, "", "exit-peer-empty");
}

static void
other_types_need_none(void **state)
{
    (void)state;
    judge_peer(SPAN_EXIT, "?", "");
    judge_peer(SPAN_ENTRY, "", "");
    judge_peer(SPAN_LOCAL, "", "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_counted),
        TEST(other_types_need_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
