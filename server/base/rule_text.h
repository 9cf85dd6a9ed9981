/* The catalogue of rules: explanations for the operator, by rule. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_RULE_TEXT_H
#define BASE_RULE_TEXT_H

#include "base/rule_table.h"

struct rule_text {
    const char *example; /* lines; spans as a tree */
    const char *healthy; /* why no healthy agent does it, or why one may */
    const char *oap;     /* what OAP would do without the gate */
    const char *advice;  /* what to do */
};

/* NULL when the catalogue lacks the rule. */
const struct rule_text *rule_text(enum rule);

#endif
