/* Whether a span has a tag key twice. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTEGRITY_TAG_REPEAT_H
#define INTEGRITY_TAG_REPEAT_H

#include "integrity/rule.h"

/* Linear in the number of tags; uses context->keys. */
bool tag_repeat_find(const struct rule_context *, uint32_t span);

#endif
