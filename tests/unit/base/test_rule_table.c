/* The table of rules. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <string.h>

#include "base/rule_table.h"
#include "base/rule_text.h"

static void
every_rule_is_found_by_its_name(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RULE_COUNT; i++) {
        const struct rule_row *row = rule_row((enum rule)i);
        assert_int_equal(row->rule, i);
        assert_ptr_equal(rule_find(row->name), row);
        assert_true(row->sentence[0] != '\0');
    }
    assert_null(rule_find("span-parent-missin"));
    assert_null(rule_find("span_parent_missing"));
    assert_null(rule_find(""));
}

static const char *const tokens[] = {
#define RULE(token, name, class, scope, action, allowed, agent, text) #token,
    RULES(RULE)
#undef RULE
};

static void
name_and_token_differ_in_the_dash_only(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RULE_COUNT; i++) {
        const char *name = rule_row((enum rule)i)->name;
        assert_int_equal(strlen(name), strlen(tokens[i]));
        for (size_t at = 0; name[at] != '\0'; at++)
            assert_int_equal(name[at] == '-' ? '_' : name[at], tokens[i][at]);
    }
}

static void
the_default_action_is_allowed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RULE_COUNT; i++) {
        const struct rule_row *row = rule_row((enum rule)i);
        assert_true(rule_allows(row, row->action));
        assert_int_equal(strspn(row->allowed, "OTRQD"), strlen(row->allowed));
    }
}

/* The same letters mean the same actions, whatever order the enum has. */
static void
letters_and_labels_name_the_actions(void **state)
{
    (void)state;
    static const struct {
        enum rule_action action;
        char letter;
        const char *label;
    } rows[] = {{ACTION_OBSERVE, 'O', "observe"},
                {ACTION_TAG, 'T', "tag"},
                {ACTION_REPAIR, 'R', "repair"},
                {ACTION_DROP, 'D', "drop"},
                {ACTION_QUARANTINE, 'Q', "quarantine"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_string_equal(rule_action_label(rows[i].action), rows[i].label);
        assert_int_equal(toupper(rows[i].label[0]), rows[i].letter);
        for (unsigned rule = 0; rule < RULE_COUNT; rule++) {
            const struct rule_row *row = rule_row((enum rule)rule);
            assert_true(rule_allows(row, rows[i].action) ==
                        (strchr(row->allowed, rows[i].letter) != NULL));
        }
    }
}

/* What only hints takes no action by itself, except to drop what OAP ignores and what is a copy, to
 * remove what says nothing and to set aside what does not fit. */
static void
hints_count_only(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RULE_COUNT; i++) {
        const struct rule_row *row = rule_row((enum rule)i);
        if (row->rule_class == CLASS_HINT && row->rule != RULE_segment_empty &&
            row->rule != RULE_segment_duplicate_identical && row->rule != RULE_tag_blank &&
            row->rule != RULE_message_oversize)
            assert_int_equal(row->action, ACTION_OBSERVE);
        if (row->rule_class == CLASS_STRONG)
            assert_true(row->agent != AGENT_ANY);
    }
    assert_string_equal(rule_class_label(CLASS_PROOF), "proof");
    assert_string_equal(rule_class_label(CLASS_STRONG), "strong");
    assert_string_equal(rule_class_label(CLASS_POISON), "poison");
    assert_string_equal(rule_class_label(CLASS_EXTERNAL), "external");
    assert_string_equal(rule_class_label(CLASS_HINT), "hint");
}

/* Nobody should meet a finding that the catalogue does not explain. */
static void
every_rule_is_explained(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RULE_COUNT; i++) {
        const struct rule_text *text = rule_text((enum rule)i);
        if (text == NULL)
            fail_msg("%s has no row in tables/rule_texts.h", rule_row((enum rule)i)->name);
        assert_true(text->example[0] != '\0' && text->healthy[0] != '\0');
        assert_true(text->oap[0] != '\0' && text->advice[0] != '\0');
    }
    assert_ptr_not_equal(rule_text(RULE_span_blank), rule_text(RULE_span_id_negative));
    assert_non_null(strstr(rule_text(RULE_tag_blank)->example, "tags"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_is_found_by_its_name),
        cmocka_unit_test(name_and_token_differ_in_the_dash_only),
        cmocka_unit_test(the_default_action_is_allowed),
        cmocka_unit_test(letters_and_labels_name_the_actions),
        cmocka_unit_test(hints_count_only),
        cmocka_unit_test(every_rule_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
