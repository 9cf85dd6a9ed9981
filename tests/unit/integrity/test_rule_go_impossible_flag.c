/* Rule go-impossible-flag: a Go id with what the Go agent never sets. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
add_ref(int32_t type, const char *trace, const char *segment, int32_t span, const char *service,
        const char *instance)
{
    segment_build_ref(&fixture.build, &(struct build_ref){type, trace, segment, span, service,
                                                          instance, "/from", "h:80"});
}

enum flag { NO_FLAG, SKIP, THREAD, LIMITED };

static void
build_flag(const char *id, enum flag flag)
{
    segment_build_begin(&fixture.build, id, id);
    segment_build_span_open(&fixture.build, &(struct build_span){.parent = -1,
                                                                 .start = now_ms,
                                                                 .end = now_ms,
                                                                 .operation = "/op",
                                                                 .skip_analysis = flag == SKIP});
    add_ref(flag == THREAD ? REF_CROSS_THREAD : REF_CROSS_PROCESS, id, "p", 1, "s", "i");
    close_span();
    segment_build_end(&fixture.build, "s", "i", flag == LIMITED);
}

static void
each_is_counted_by_the_id_s_shape_alone(void **state)
{
    (void)state;
    for (enum flag flag = SKIP; flag <= LIMITED; flag++) {
        build_flag(GO_ID, flag);
        fixture.agent = AGENT_UNKNOWN;
        expect("go-impossible-flag", VERDICT_OBSERVED);
        fixture.agent = AGENT_IS_GO;
        expect("go-impossible-flag", VERDICT_OBSERVED);
        assert_true(is_payload_unchanged());
    }
}

static void
without_a_flag_it_is_silent(void **state)
{
    (void)state;
    build_flag(GO_ID, NO_FLAG);
    expect("", VERDICT_CLEAN);
}

static void
other_shapes_may_set_them(void **state)
{
    (void)state;
    for (enum flag flag = SKIP; flag <= LIMITED; flag++) {
        build_flag(JAVA_ID, flag);
        expect("", VERDICT_CLEAN);
        build_flag(PLAIN_ID, flag);
        expect("", VERDICT_CLEAN);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_is_counted_by_the_id_s_shape_alone),
        TEST(without_a_flag_it_is_silent),
        TEST(other_shapes_may_set_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
