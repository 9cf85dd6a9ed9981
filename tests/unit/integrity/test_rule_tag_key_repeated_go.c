/* Rule tag-key-repeated-go: a key twice on a span of the Go agent. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/judge_fixture.h"

static void
build_tags(const char *first, const char *second)
{
    begin_go();
    open_span(0, -1, SPAN_ENTRY, LAYER_MQ);
    add_tag(first, "1");
    add_tag("other", "1");
    add_tag(second, "2");
    close_span();
    end();
}

static void
it_is_tagged(void **state)
{
    (void)state;
    build_tags("mq.topic", "mq.topic");
    expect("tag-key-repeated-go", VERDICT_TAGGED);
    assert_tagged(0, "tag-key-repeated-go");
    assert_int_equal(decode_payload()->n_tags, 4);
    assert_stable();
}

static void
keys_that_differ_pass(void **state)
{
    (void)state;
    build_tags("mq.topic", "mq.Topic");
    expect("", VERDICT_CLEAN);
}

static void
other_agents_repeat_keys(void **state)
{
    (void)state;
    build_tags("mq.topic", "mq.topic");
    for (enum agent agent = AGENT_UNKNOWN; agent <= AGENT_IS_OTHER; agent++) {
        fixture.agent = agent;
        if (agent != AGENT_IS_GO)
            expect("", VERDICT_CLEAN);
    }
}

static void
one_key_on_two_spans_is_no_repeat(void **state)
{
    (void)state;
    begin_go();
    open_span(1, 0, SPAN_LOCAL, LAYER_UNKNOWN);
    add_tag("k", "1");
    close_span();
    open_span(0, -1, SPAN_ENTRY, LAYER_HTTP);
    add_tag("k", "1");
    close_span();
    end();
    expect("", VERDICT_CLEAN);
}

static void
a_tag_of_ours_on_a_cache_span_is_no_poison(void **state)
{
    (void)state;
    begin_go();
    open_span(0, -1, SPAN_EXIT, LAYER_CACHE);
    add_tag("cache.op", "read");
    add_tag("cache.op", "read");
    close_span();
    end();
    expect("tag-key-repeated-go,poison-cache-tag-repeat", VERDICT_REPAIRED);
    assert_int_equal(decode_payload()->n_tags, 2);
    assert_tagged(0, "tag-key-repeated-go");
    assert_stable();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_tagged),
        TEST(keys_that_differ_pass),
        TEST(other_agents_repeat_keys),
        TEST(one_key_on_two_spans_is_no_repeat),
        TEST(a_tag_of_ours_on_a_cache_span_is_no_poison),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
