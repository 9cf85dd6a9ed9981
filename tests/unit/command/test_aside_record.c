/* A record of the quarantine as the admin port gives it: its payload, its rule, its judgement. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"
#include "command/aside_record.h"
#include "support/segment_build.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char collect[] = "/skywalking.v3.TraceSegmentReportService/collect";

static struct aside_judge judge;

static void
add_base64(struct text *out, struct bytes in)
{
    for (size_t i = 0; i < in.n; i += 3) {
        uint32_t group = 0;
        for (size_t k = 0; k < 3; k++)
            group = group << 8 | (i + k < in.n ? in.p[i + k] : 0);
        for (size_t k = 0; k < 4; k++)
            text_addf(out, "%c",
                      i + k > in.n ? '=' : alphabet[group >> (18 - 6 * (unsigned)k) & 63]);
    }
}

static struct json_tree *
item(const char *rule, const char *method, const char *payload)
{
    struct text text = TEXT_EMPTY;
    text_addf(&text,
              "{\"id\":\"q-0001\",\"rule\":\"%s\",\"method\":\"%s\",\"received_ms\":1700000000000,"
              "\"payload\":\"%s\"}",
              rule, method, payload);
    struct json_tree *tree = json_tree_read(text_bytes(&text));
    assert_non_null(tree);
    text_fini(&text);
    return tree;
}

static void
payloads_of_every_length_come_back(void **state)
{
    (void)state;
    uint8_t bytes[70];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 37 + 11);
    for (size_t n = 0; n < sizeof(bytes); n++) {
        struct text text = TEXT_EMPTY;
        struct aside_record record;
        add_base64(&text, bytes_of(bytes, n));
        struct json_tree *tree = item("log-nul", "/none", n > 0 ? text.p : "");
        assert_true(aside_record_open(&record, tree, &judge, LANGUAGE_NONE));
        assert_true(bytes_equal(record.payload, bytes_of(bytes, n)));
        assert_null(record.row);
        assert_false(record.is_judged);
        assert_int_equal(record.reason, RULE_log_nul);
        aside_record_close(&record);
        json_tree_free(&tree);
        text_fini(&text);
    }
}

static void
what_is_no_base64_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"A", "AAA", "AA=A", "A===", "AA A", "A\\nAA", "====", "AA-_"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct aside_record record;
        struct json_tree *tree = item("log-nul", collect, bad[i]);
        assert_false(aside_record_open(&record, tree, &judge, LANGUAGE_NONE));
        json_tree_free(&tree);
    }
}

static void
a_segment_is_judged_again(void **state)
{
    (void)state;
    struct segment_build build = {.n = 0};
    segment_build_begin(&build, "trace", "segment");
    segment_build_span(&build, &(struct build_span){.id = 1,
                                                    .parent = -1,
                                                    .start = 1700000000000,
                                                    .end = 1700000000005,
                                                    .operation = "/lost"});
    segment_build_end(&build, "shop", "shop-1", false);
    struct text text = TEXT_EMPTY;
    add_base64(&text, segment_build_bytes(&build));
    struct json_tree *tree = item("span-zero-missing", collect, text.p);
    struct aside_record record;
    assert_true(aside_record_open(&record, tree, &judge, LANGUAGE_NONE));
    assert_non_null(aside_record_segment(&record));
    assert_int_equal(record.judgement.verdict, VERDICT_QUARANTINED);
    struct text tree_text = TEXT_EMPTY;
    aside_record_draw(&tree_text, &record, false);
    assert_memory_equal(tree_text.p, "  1 Entry /lost ", 16);
    text_fini(&tree_text);
    assert_false(aside_record_is_prefix(&record));
    aside_record_close(&record);
    json_tree_free(&tree);
    /* Of a message that was too large only the beginning is there. */
    tree = item("message-oversize", collect, text.p);
    assert_true(aside_record_open(&record, tree, &judge, LANGUAGE_NONE));
    assert_true(aside_record_is_prefix(&record));
    assert_null(aside_record_segment(&record));
    assert_false(record.is_judged);
    aside_record_close(&record);
    json_tree_free(&tree);
    tree = item("rejected-by-backend", collect, text.p);
    assert_true(aside_record_open(&record, tree, &judge, LANGUAGE_NONE));
    assert_int_equal(record.reason, RULE_COUNT);
    aside_record_close(&record);
    json_tree_free(&tree);
    text_fini(&text);
    segment_build_fini(&build);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(payloads_of_every_length_come_back),
        cmocka_unit_test(what_is_no_base64_is_refused),
        cmocka_unit_test(a_segment_is_judged_again),
    };
    const char *const sets[] = {"upstream.kind=discard"};
    struct conf_input input = {.sets = sets, .n_sets = 1};
    struct conf_diags diags = {0};
    const struct conf *conf;
    hash_init();
    if (conf_load(&input, &diags, &conf) != ERR_OK)
        return 1;
    aside_judge_init(&judge, conf);
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    aside_judge_fini(&judge);
    conf_unref(&conf);
    conf_diags_fini(&diags);
    return result;
}
