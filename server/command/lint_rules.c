/* The flag --rule. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/lint_rules.h"

#include <string.h>

#include "base/rule_table.h"

enum { RULE_NAME_BYTES = 64 };

static int
unknown_rule(const struct command_input *in, const char *name)
{
    const char *names[RULE_COUNT];
    for (uint32_t i = 0; i < RULE_COUNT; i++)
        names[i] = rule_row((enum rule)i)->name;
    const char *nearest = text_nearest(name, names, RULE_COUNT);
    if (nearest != NULL)
        return command_usage(in, "there is no rule \"%s\"; did you mean \"%s\"?", name, nearest);
    return command_usage(in, "there is no rule \"%s\"; docs/rules.md lists them", name);
}

/* One item of --rule: +name, name or -name. */
static int
add_rule(const struct command_input *in, const char *item, size_t n, uint64_t *plus,
         uint64_t *minus)
{
    char name[RULE_NAME_BYTES];
    bool is_minus = n > 0 && item[0] == '-';
    if (is_minus || (n > 0 && item[0] == '+')) {
        item++;
        n--;
    }
    snprintf(name, sizeof(name), "%.*s", (int)(n < sizeof(name) ? n : sizeof(name) - 1), item);
    const struct rule_row *row = rule_find(name);
    if (row == NULL)
        return unknown_rule(in, name);
    *(is_minus ? minus : plus) |= UINT64_C(1) << row->rule;
    return COMMAND_OK;
}

int
lint_rules_read(const struct command_input *in, uint64_t *rules)
{
    uint64_t plus = 0, minus = 0;
    const char *list;
    for (uint32_t i = 0; (list = command_value_at(in, "rule", i)) != NULL; i++) {
        while (*list != '\0') {
            size_t n = strcspn(list, ",");
            int result = add_rule(in, list, n, &plus, &minus);
            if (result != COMMAND_OK)
                return result;
            list += n + (list[n] == ',');
        }
    }
    *rules = (plus != 0 ? plus : UINT64_MAX) & ~minus;
    return COMMAND_OK;
}
