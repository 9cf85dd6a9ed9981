/* The body of a change to quarantine: what it may hold, and every word it is refused with. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "admin/admin_quarantine_body.h"
#include "base/text.h"

static void
good_bodies_are_taken(void **state)
{
    (void)state;
    struct admin_quarantine_body body;
    const char *why;
    assert_true(admin_quarantine_body_parse(
        BYTES(" {\"rate\": 7 ,\n\"ids\":[\"q-0001\" , \"q-00ZZ\"],\t\"mode\":\"repair\"} \r\n"),
        &body, &why));
    assert_int_equal(body.n, 2);
    assert_int_equal(body.sequences[1], 1023);
    assert_int_equal(body.rate, 7);
    assert_int_equal(body.mode, ADMIN_MODE_REPAIR);
    admin_quarantine_body_fini(&body);
    static const char *const empty[] = {"", "  ", "{}", "{ }", "{\"ids\":[]}", "{\"rate\":10000}"};
    for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
        assert_true(admin_quarantine_body_parse(bytes_str(empty[i]), &body, &why));
        assert_int_equal(body.n, 0);
        assert_int_equal(body.has_ids, strstr(empty[i], "ids") != NULL);
        admin_quarantine_body_fini(&body);
    }
}

static void
wrong_bodies_are_refused_in_words(void **state)
{
    (void)state;
    static const struct {
        const char *body, *why;
    } wrong[] = {
        {"[]", "the body is a JSON object"},
        {"{", "a string was expected in the body"},
        {"{\"ids\"}", "a colon was expected in the body"},
        {"{\"ids\":\"q-0001\"}", "ids is an array of strings"},
        {"{\"ids\":[\"q-0001\"", "ids is an array of strings"},
        {"{\"ids\":[\"q-0001\",]}", "a string was expected in the body"},
        {"{\"ids\":[7]}", "a string was expected in the body"},
        {"{\"ids\":[\"0001\"]}", "an id looks like q-001A"},
        {"{\"ids\":[],\"ids\":[]}", "ids stands twice in the body"},
        {"{\"mode\":\"as-is\",\"mode\":\"as-is\"}", "mode stands twice in the body"},
        {"{\"mode\":\"fix\"}", "mode is as-is or repair"},
        {"{\"rate\":10001}", "rate is a whole number from 0 to 10000"},
        {"{\"rate\":-1}", "rate is a whole number from 0 to 10000"},
        {"{\"rate\":1.5}", "the body is no JSON object"},
        {"{\"rate\":99999999999999999999}", "rate is a whole number from 0 to 10000"},
        {"{\"rate\":1,\"rate\":1}", "rate stands twice in the body"},
        {"{\"other\":1}", "the body has ids, mode and rate, nothing else"},
        {"{}{}", "something follows the object in the body"},
        {"{\"ids\":[\"q-0\\u0030\"]}",
         "strings of the body have no escapes and no control characters"},
        {"{\"ids\":[\"q-", "the body ends within a string"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct admin_quarantine_body body;
        const char *why = NULL;
        assert_false(admin_quarantine_body_parse(bytes_str(wrong[i].body), &body, &why));
        assert_string_equal(why, wrong[i].why);
        assert_null(body.sequences);
    }
}

static void
a_thousand_ids_and_no_more(void **state)
{
    (void)state;
    struct text text = TEXT_EMPTY;
    struct admin_quarantine_body body;
    const char *why;
    text_add(&text, "{\"ids\":[\"q-0000\"");
    for (int i = 1; i < 1000; i++)
        text_add(&text, ",\"q-0001\"");
    size_t n = text.n;
    text_add(&text, "]}");
    assert_true(admin_quarantine_body_parse(text_bytes(&text), &body, &why));
    assert_int_equal(body.n, ADMIN_MAX_IDS);
    admin_quarantine_body_fini(&body);
    text.n = n;
    text_add(&text, ",\"q-0001\"]}");
    assert_false(admin_quarantine_body_parse(text_bytes(&text), &body, &why));
    assert_string_equal(why, "at most 1000 ids at once");
    text_fini(&text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_bodies_are_taken),
        cmocka_unit_test(wrong_bodies_are_refused_in_words),
        cmocka_unit_test(a_thousand_ids_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
