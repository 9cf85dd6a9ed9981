/* Prototypes of all rules, made from the table. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A SEGMENT or SPAN row has rule_<token> in rules/rule_<token>.c. A SPAN row that allows "repair"
 * also has repair_<token> there. */
#ifndef INTEGRITY_RULE_LIST_H
#define INTEGRITY_RULE_LIST_H

#include "integrity/repair.h"
#include "integrity/rule.h"
#include "tables/rules.h"

#define RULE_PROTOTYPE_STREAM(token)
#define RULE_PROTOTYPE_MESSAGE(token)
#define RULE_PROTOTYPE_STORED(token)
#define RULE_PROTOTYPE_STATE(token)
#define RULE_PROTOTYPE_SEGMENT(token) rule_segment_fn rule_##token;
#define RULE_PROTOTYPE_SPAN(token) rule_span_fn rule_##token;
#define RULE(token, name, class, scope, action, allowed, agent, text) RULE_PROTOTYPE_##scope(token)
RULES(RULE)
#undef RULE

rule_repair_fn repair_span_blank;
rule_repair_fn repair_span_id_duplicate;
rule_repair_fn repair_span_end_unset;
rule_repair_fn repair_span_end_before_start;
rule_repair_fn repair_tag_blank;
rule_repair_fn repair_poison_cache_tag_repeat;
rule_repair_fn repair_poison_logic_endpoint;
rule_repair_fn repair_poison_transmission_latency;

#endif
