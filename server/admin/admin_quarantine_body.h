/* What a request about several quarantined items says in its body. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ADMIN_ADMIN_QUARANTINE_BODY_H
#define ADMIN_ADMIN_QUARANTINE_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum { ADMIN_MAX_IDS = 1000, ADMIN_MAX_RATE = 10000 };

enum admin_body_mode { ADMIN_MODE_NONE, ADMIN_MODE_AS_IS, ADMIN_MODE_REPAIR };

struct admin_quarantine_body {
    uint64_t *sequences; /* owned */
    uint32_t n;
    enum admin_body_mode mode;
    uint32_t rate; /* 0: none */
    bool has_ids, has_rate;
};

/* {"ids":["q-0001"],"mode":"as-is","rate":10}: members in any order, each at most once, none needed
 * here; white space alone is an empty object. False: *why is a literal that says what is wrong. */
bool admin_quarantine_body_parse(struct bytes, struct admin_quarantine_body *, const char **why);
void admin_quarantine_body_fini(struct admin_quarantine_body *);

#endif
