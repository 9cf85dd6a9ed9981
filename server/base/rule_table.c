/* Lookups in the table of rules. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rule_table.h"

#include <stddef.h>
#include <string.h>

#include "base/check.h"

static const struct rule_row rows[] = {
#define RULE(token, name, class, scope, action, allowed, agent, text) \
    {RULE_##token,    name,    CLASS_##class, SCOPE_##scope,          \
     ACTION_##action, allowed, AGENT_##agent, text},
    RULES(RULE)
#undef RULE
};

const struct rule_row *
rule_row(enum rule rule)
{
    check(rule < RULE_COUNT);
    return &rows[rule];
}

const struct rule_row *
rule_find(const char *name)
{
    for (size_t i = 0; i < RULE_COUNT; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

const char *
rule_class_label(enum rule_class rule_class)
{
    static const char *const labels[] = {"proof", "strong", "poison", "external", "hint"};
    return labels[rule_class];
}

const char *
rule_action_label(enum rule_action action)
{
    static const char *const labels[] = {"observe", "tag", "repair", "drop", "quarantine"};
    return labels[action];
}

bool
rule_allows(const struct rule_row *row, enum rule_action action)
{
    static const char letters[] = "OTRDQ";
    return strchr(row->allowed, letters[action]) != NULL;
}
