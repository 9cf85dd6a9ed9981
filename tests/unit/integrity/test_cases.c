/* The public cases of the rules document that today's rules cover, each with what is expected. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Named as there: P01 is the first. Where the shape is one agent's, it is judged both unidentified
 * and identified. */
#include "integrity/judge_fixture.h"

/* Go's ids hold the milliseconds since 1899-11-30. */
static const char *
go_id(int64_t start_ms)
{
    static char id[80];
    snprintf(id, sizeof(id), "0a1b2c3d4e5f11ee8f000242ac120002.57.%lld",
             (long long)(start_ms + INT64_C(2211753600000)) * 10000 + 1);
    return id;
}

static const char java_id[] = "5c1d2e3f4a5b4c6d8e9fa0b1c2d3e4f5.71.17900000000000003";

static void
add(int32_t id, int32_t parent, int32_t type, int32_t layer, const char *peer)
{
    segment_build_span(&fixture.build, &(struct build_span){.id = id,
                                                            .parent = parent,
                                                            .start = now_ms - 50,
                                                            .end = now_ms - 10,
                                                            .operation = "/op",
                                                            .peer = peer,
                                                            .type = type,
                                                            .layer = layer,
                                                            .component = 1});
}

static void
open_with_refs(const struct build_span *span, const struct build_ref *refs, size_t n)
{
    segment_build_span_open(&fixture.build, span);
    for (size_t i = 0; i < n; i++)
        segment_build_ref(&fixture.build, &refs[i]);
}

/* No finding, not a byte changed, whoever is thought to have sent it. */
static void
expect_healthy(enum agent agent)
{
    expect("", VERDICT_CLEAN);
    assert_true(is_payload_unchanged());
    fixture.agent = agent;
    expect("", VERDICT_CLEAN);
    assert_true(is_payload_unchanged());
}

static void
p01_java_in_finish_order(void **state)
{
    (void)state;
    segment_build_begin(&fixture.build, java_id, java_id);
    add(2, 0, SPAN_EXIT, LAYER_DATABASE, "mysql:3306");
    add(1, 0, SPAN_LOCAL, LAYER_UNKNOWN, "");
    add(0, -1, SPAN_ENTRY, LAYER_HTTP, "");
    end();
    expect_healthy(AGENT_IS_JAVA);
}

static void
p02_java_at_its_limit(void **state)
{
    (void)state;
    segment_build_begin(&fixture.build, java_id, java_id);
    for (int32_t id = 299; id > 0; id--)
        add(id, id % 7 == 0 ? id - 1 : 0, SPAN_LOCAL, LAYER_UNKNOWN, "");
    add(0, -1, SPAN_ENTRY, LAYER_HTTP, "");
    segment_build_end(&fixture.build, "s", "i", true);
    expect_healthy(AGENT_IS_JAVA);
}

static void
p03_java_cross_thread(void **state)
{
    (void)state;
    segment_build_begin(&fixture.build, java_id, java_id);
    add(1, 0, SPAN_EXIT, LAYER_HTTP, "h:80");
    open_with_refs(&(struct build_span){.parent = -1,
                                        .start = now_ms,
                                        .end = now_ms,
                                        .operation = "thread",
                                        .type = SPAN_LOCAL},
                   &(struct build_ref){REF_CROSS_THREAD, java_id, "other", 3, "checkout",
                                       "checkout-1@10.0.0.1", "/op", ""},
                   1);
    segment_build_close(&fixture.build);
    end();
    expect_healthy(AGENT_IS_JAVA);
}

static void
p04_java_batch_consumer(void **state)
{
    (void)state;
    static const char *const traces[] = {java_id, "trace-b", "trace-c"};
    struct build_ref refs[500];
    for (size_t i = 0; i < 500; i++)
        refs[i] = (struct build_ref){REF_CROSS_PROCESS, traces[i % 3], "p", (int32_t)i,
                                     "producer",        "p-1",         "/", "kafka:9092"};
    segment_build_begin(&fixture.build, java_id, java_id);
    open_with_refs(&(struct build_span){.parent = -1,
                                        .start = now_ms,
                                        .end = now_ms,
                                        .operation = "Kafka/t/Consumer",
                                        .type = SPAN_ENTRY,
                                        .layer = LAYER_MQ},
                   refs, 500);
    segment_build_close(&fixture.build);
    end();
    expect_healthy(AGENT_IS_JAVA);
}

static void
p05_go_in_racy_order(void **state)
{
    (void)state;
    const char *id = go_id(now_ms - 50);
    segment_build_begin(&fixture.build, id, id);
    add(2, 1, SPAN_EXIT, LAYER_HTTP, "h:80");
    add(3, 1, SPAN_EXIT, LAYER_CACHE, "redis:6379");
    add(1, 0, SPAN_LOCAL, LAYER_UNKNOWN, "");
    add(0, -1, SPAN_ENTRY, LAYER_HTTP, "");
    end();
    expect_healthy(AGENT_IS_GO);
}

static void
p06_go_amqp_in_one_segment(void **state)
{
    (void)state;
    const char *id = go_id(now_ms - 50);
    segment_build_begin(&fixture.build, id, id);
    add(1, 0, SPAN_EXIT, LAYER_MQ, "amqp:5672");
    add(2, 0, SPAN_EXIT, LAYER_MQ, "amqp:5672");
    for (int32_t span = 3; span <= 4; span++) {
        open_with_refs(&(struct build_span){.id = span,
                                            .start = now_ms,
                                            .end = now_ms,
                                            .operation = "AMQP/Consumer",
                                            .type = SPAN_ENTRY,
                                            .layer = LAYER_MQ},
                       &(struct build_ref){REF_CROSS_PROCESS, id, id, span - 2, "checkout",
                                           "checkout-1@10.0.0.1", "/op", "amqp:5672"},
                       1);
        segment_build_close(&fixture.build);
    }
    add(0, -1, SPAN_ENTRY, LAYER_HTTP, "");
    end();
    expect_healthy(AGENT_IS_GO);
}

static void
p07_node_root_first(void **state)
{
    (void)state;
    segment_build_begin(&fixture.build, "t", "5be1f0c2a3b44d5e8f90a1b2c3d4e5f6");
    open_with_refs(&(struct build_span){.parent = -1,
                                        .start = now_ms - 50,
                                        .end = now_ms - 40,
                                        .operation = "/",
                                        .peer = "10.1.1.1:51000",
                                        .type = SPAN_ENTRY},
                   &(struct build_ref){REF_CROSS_PROCESS, "t", "p", 1, "web", "web-1", "", "h:80"},
                   1);
    segment_build_close(&fixture.build);
    segment_build_span(&fixture.build, &(struct build_span){.id = 1,
                                                            .start = now_ms - 45,
                                                            .end = now_ms,
                                                            .operation = "/x",
                                                            .peer = "db:1",
                                                            .type = SPAN_EXIT});
    segment_build_end(&fixture.build, "node", "worker-host", false);
    expect_healthy(AGENT_IS_OTHER);
}

static void
p08_python_continues_itself(void **state)
{
    (void)state;
    segment_build_begin(&fixture.build, "t", "5be1f0c2a3b411ee8f90a1b2c3d4e5f6");
    open_with_refs(&(struct build_span){.parent = -1,
                                        .start = now_ms,
                                        .end = now_ms,
                                        .operation = "thread",
                                        .type = SPAN_LOCAL},
                   &(struct build_ref){REF_CROSS_PROCESS, "t", "p", 0, "py",
                                       "0123456789abcdef0123456789abcdef", "/", ""},
                   1);
    segment_build_close(&fixture.build);
    segment_build_end(&fixture.build, "py", "0123456789abcdef0123456789abcdef", false);
    expect_healthy(AGENT_IS_OTHER);
}

static void
p09_rust_with_two_roots(void **state)
{
    (void)state;
    const char *id = "312345678901234567890123456789012345678";
    segment_build_begin(&fixture.build, id, id);
    add(1, -1, SPAN_EXIT, LAYER_HTTP, "h:80");
    add(0, -1, SPAN_ENTRY, LAYER_HTTP, "");
    end();
    expect("segment-multi-root", VERDICT_OBSERVED);
    assert_int_equal(integrity_class(RULE_segment_multi_root, AGENT_UNKNOWN), CLASS_HINT);
    assert_true(is_payload_unchanged());
}

static void
p10_dotnet_single_exit(void **state)
{
    (void)state;
    const char *id = "9e107d9d372bb6826bd81d3542a419d6.11.17900000000000007";
    segment_build_begin(&fixture.build, id, id);
    open_with_refs(
        &(struct build_span){.parent = -1,
                             .start = now_ms,
                             .end = now_ms,
                             .operation = "/api",
                             .peer = "h:80",
                             .type = SPAN_EXIT},
        &(struct build_ref){REF_CROSS_THREAD, id, "x", 0, "n", "n-1", "/api", "/api/values"}, 1);
    segment_build_close(&fixture.build);
    segment_build_end(&fixture.build, "n", "n-1", false);
    expect_healthy(AGENT_IS_DOTNET);
}

static void
p11_cpp_root_first_and_its_path(void **state)
{
    (void)state;
    const struct method_row *row = method_find(BYTES("/TraceSegmentReportService/collect"));
    assert_non_null(row);
    assert_int_equal(row->method, METHOD_SEGMENT_COLLECT);
    segment_build_begin(&fixture.build, PLAIN_ID, PLAIN_ID);
    segment_build_span(&fixture.build, &(struct build_span){.parent = -1,
                                                            .start = now_ms,
                                                            .end = now_ms,
                                                            .operation = "/",
                                                            .type = SPAN_ENTRY,
                                                            .layer = LAYER_HTTP,
                                                            .component = 9000,
                                                            .skip_analysis = true});
    add(1, 0, SPAN_EXIT, LAYER_HTTP, "cluster");
    end();
    expect_healthy(AGENT_IS_OTHER);
}

static void
p12_the_clock_was_set_back(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        begin();
        segment_build_span(&fixture.build, &(struct build_span){.parent = -1,
                                                                .start = now_ms - i,
                                                                .end = now_ms - i - 3000,
                                                                .operation = "/op"});
        end();
        expect("span-end-before-start", VERDICT_OBSERVED);
        assert_int_equal(integrity_class(RULE_span_end_before_start, AGENT_IS_GO), CLASS_HINT);
        assert_true(is_payload_unchanged());
    }
}

static void
p13_newer_layer_and_field(void **state)
{
    (void)state;
    begin();
    open_span(0, -1, SPAN_ENTRY, 7);
    segment_build_varint(&fixture.build, 15, 1);
    close_span();
    end();
    expect("proto-unknown-field", VERDICT_OBSERVED);
    assert_true(is_payload_unchanged());
}

static void
p14_zero_spans(void **state)
{
    (void)state;
    begin();
    end();
    expect("segment-empty", VERDICT_DROPPED);
}

static void
p15_java_mq_repeats_a_key(void **state)
{
    (void)state;
    segment_build_begin(&fixture.build, java_id, java_id);
    open_span(0, -1, SPAN_ENTRY, LAYER_MQ);
    add_tag("mq.topic", "a");
    add_tag("mq.topic", "b");
    add_tag("mq.broker", "");
    close_span();
    end();
    expect_healthy(AGENT_IS_JAVA);
}

static void
p16_go_two_spans_with_one_id(void **state)
{
    (void)state;
    const char *id = go_id(now_ms - 50);
    fixture.agent = AGENT_IS_GO;
    segment_build_begin(&fixture.build, id, id);
    add(2, 0, SPAN_EXIT, LAYER_HTTP, "h:80");
    add(2, 0, SPAN_EXIT, LAYER_CACHE, "redis:6379");
    add(1, 0, SPAN_LOCAL, LAYER_UNKNOWN, "");
    add(0, -1, SPAN_ENTRY, LAYER_HTTP, "");
    end();
    expect("span-id-duplicate", VERDICT_TAGGED);
    assert_int_equal(decode_payload()->n_spans, 4);
    assert_tagged(1, "span-id-duplicate");
}

static void
p17_same_span_twice(void **state)
{
    (void)state;
    begin();
    add(1, 0, SPAN_EXIT, LAYER_HTTP, "h:80");
    add(1, 0, SPAN_EXIT, LAYER_HTTP, "h:80");
    add(0, -1, SPAN_ENTRY, LAYER_HTTP, "");
    end();
    expect("span-id-duplicate", VERDICT_REPAIRED);
    assert_int_equal(decode_payload()->n_spans, 2);
    assert_stable();
}

static void
p18_parent_absent(void **state)
{
    (void)state;
    for (int is_limited = 0; is_limited < 2; is_limited++) {
        begin();
        add(1, 7, SPAN_EXIT, LAYER_HTTP, "h:80");
        add(0, -1, SPAN_ENTRY, LAYER_HTTP, "");
        segment_build_end(&fixture.build, "s", "i", is_limited);
        if (is_limited)
            expect("", VERDICT_CLEAN);
        else
            expect("span-parent-missing", VERDICT_TAGGED);
    }
}

static void
p19_parents_not_earlier(void **state)
{
    (void)state;
    begin();
    add(3, 3, SPAN_LOCAL, LAYER_UNKNOWN, "");
    add(2, 5, SPAN_LOCAL, LAYER_UNKNOWN, "");
    add(5, 0, SPAN_LOCAL, LAYER_UNKNOWN, "");
    add(0, -1, SPAN_ENTRY, LAYER_HTTP, "");
    end();
    expect("span-parent-not-earlier*2", VERDICT_TAGGED);
}

static void
p20_no_span_0(void **state)
{
    (void)state;
    begin();
    add(2, 1, SPAN_LOCAL, LAYER_UNKNOWN, "");
    add(1, -1, SPAN_ENTRY, LAYER_HTTP, "");
    end();
    expect("span-zero-missing", VERDICT_QUARANTINED);
    assert_true(is_payload_unchanged());
}

static void
p21_go_s_zero_time(void **state)
{
    (void)state;
    const char *id = go_id(now_ms - 50);
    fixture.agent = AGENT_IS_GO;
    segment_build_begin(&fixture.build, id, id);
    segment_build_span(&fixture.build, &(struct build_span){.parent = -1,
                                                            .start = now_ms - 50,
                                                            .end = INT64_C(-6795364578871),
                                                            .operation = "/op",
                                                            .component = 5006});
    end();
    expect("span-end-unset", VERDICT_REPAIRED);
    const struct span_view *span = &decode_payload()->spans[0];
    assert_true(span->skip_analysis);
    assert_int_equal(span->start_ms, now_ms - 50);
    assert_int_equal(span->end_ms, INT64_C(-6795364578871));
    assert_int_equal(span->component, 5006);
    assert_tagged(0, "span-end-unset");
    fixture.agent = AGENT_UNKNOWN;
    assert_stable();
}

static void
p22_bytes_that_are_no_text(void **state)
{
    (void)state;
    begin();
    open_span(0, -1, SPAN_ENTRY, LAYER_HTTP);
    segment_build_tag_bytes(&fixture.build, BYTES("k"), BYTES("\xC3\x28"));
    close_span();
    end();
    expect("string-invalid-utf8", VERDICT_REPAIRED);
    assert_bytes(tag_of(decode_payload(), 0, "k"), "\\xC3(");
    segment_build_begin(&fixture.build, "t", "\xC3\x28");
    add(0, -1, SPAN_ENTRY, LAYER_HTTP, "");
    end();
    judge_bytes(segment_build_bytes(&fixture.build));
    assert_int_equal(fixture.judgement.verdict, VERDICT_QUARANTINED);
    assert_int_equal(fixture.judgement.reason, RULE_string_invalid_utf8_identity);
}

/* The stream's part is receive's; here: a bad message leaves nothing behind for the next one. */
static void
p23_good_undecodable_good(void **state)
{
    (void)state;
    begin();
    add(0, -1, SPAN_ENTRY, LAYER_HTTP, "");
    end();
    expect("", VERDICT_CLEAN);
    segment_build_raw(&fixture.build, BYTES("\x1a\x7f"));
    expect("proto-undecodable", VERDICT_QUARANTINED);
    begin();
    add(0, -1, SPAN_ENTRY, LAYER_HTTP, "");
    end();
    expect("", VERDICT_CLEAN);
}

static void
p24_cache_key_twice(void **state)
{
    (void)state;
    begin();
    open_span(0, -1, SPAN_EXIT, LAYER_CACHE);
    add_tag("cache.op", "read");
    add_tag("cache.op", "write");
    close_span();
    end();
    expect("poison-cache-tag-repeat", VERDICT_REPAIRED);
    assert_bytes(tag_of(decode_payload(), 0, "cache.op"), "read");
    assert_bytes(tag_of(decode_payload(), 0, "cache.op#2"), "write");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(p01_java_in_finish_order),
        TEST(p02_java_at_its_limit),
        TEST(p03_java_cross_thread),
        TEST(p04_java_batch_consumer),
        TEST(p05_go_in_racy_order),
        TEST(p06_go_amqp_in_one_segment),
        TEST(p07_node_root_first),
        TEST(p08_python_continues_itself),
        TEST(p09_rust_with_two_roots),
        TEST(p10_dotnet_single_exit),
        TEST(p11_cpp_root_first_and_its_path),
        TEST(p12_the_clock_was_set_back),
        TEST(p13_newer_layer_and_field),
        TEST(p14_zero_spans),
        TEST(p15_java_mq_repeats_a_key),
        TEST(p16_go_two_spans_with_one_id),
        TEST(p17_same_span_twice),
        TEST(p18_parent_absent),
        TEST(p19_parents_not_earlier),
        TEST(p20_no_span_0),
        TEST(p21_go_s_zero_time),
        TEST(p22_bytes_that_are_no_text),
        TEST(p23_good_undecodable_good),
        TEST(p24_cache_key_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
