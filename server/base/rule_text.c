/* Looks up the catalogue by the rule's name. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rule_text.h"

#include <stddef.h>

#include "tables/rule_texts.h"

struct named_text {
    const char *token;
    struct rule_text text;
};

static const struct named_text texts[] = {
#define RULE_TEXT(token, example, healthy, oap, advice) {#token, {example, healthy, oap, advice}},
    RULE_TEXTS(RULE_TEXT)
#undef RULE_TEXT
};
_Static_assert(sizeof(texts) / sizeof(texts[0]) == RULE_COUNT, "one for each rule");

/* A token has underscores where the name has dashes. */
static bool
is_same(const char *token, const char *name)
{
    for (; *token != '\0' && (*token == *name || (*token == '_' && *name == '-')); token++)
        name++;
    return *token == '\0' && *name == '\0';
}

const struct rule_text *
rule_text(enum rule rule)
{
    const char *name = rule_row(rule)->name;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (is_same(texts[i].token, name))
            return &texts[i].text;
    return NULL;
}
