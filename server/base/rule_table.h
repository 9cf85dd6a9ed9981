/* The table of integrity rules as typed rows: configuration, metrics and the engine read it. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_RULE_TABLE_H
#define BASE_RULE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "tables/rules.h"

enum rule {
#define RULE(token, name, class, scope, action, allowed, agent, text) RULE_##token,
    RULES(RULE)
#undef RULE
        RULE_COUNT
};
_Static_assert(RULE_COUNT <= 64, "a span's findings are one 64-bit mask");

enum rule_class { CLASS_PROOF, CLASS_STRONG, CLASS_POISON, CLASS_EXTERNAL, CLASS_HINT };
enum rule_scope {
    SCOPE_STREAM,
    SCOPE_MESSAGE,
    SCOPE_SEGMENT,
    SCOPE_SPAN,
    SCOPE_STORED,
    SCOPE_STATE
};
/* In rising order of consequence. */
enum rule_action { ACTION_OBSERVE, ACTION_TAG, ACTION_REPAIR, ACTION_DROP, ACTION_QUARANTINE };
enum rule_agent { AGENT_ANY, AGENT_GO, AGENT_GO_JAVA, AGENT_GO_JAVA_DOTNET };

struct rule_row {
    enum rule rule;
    const char *name; /* "span-parent-missing" */
    enum rule_class rule_class;
    enum rule_scope scope;
    enum rule_action action;
    const char *allowed; /* letters of "OTRQD" */
    enum rule_agent agent;
    const char *sentence;
};

const struct rule_row *rule_row(enum rule);
/* By name; NULL when unknown. */
const struct rule_row *rule_find(const char *name);
/* "proof" "strong" "poison" "external" "hint" */
const char *rule_class_label(enum rule_class);
/* "observe" "tag" "repair" "quarantine" "drop" */
const char *rule_action_label(enum rule_action);
bool rule_allows(const struct rule_row *, enum rule_action);

#endif
