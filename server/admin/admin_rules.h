/* The catalogue of rules, as JSON. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ADMIN_ADMIN_RULES_H
#define ADMIN_ADMIN_RULES_H

#include "admin/admin_api.h"

/* GET /api/v1/rules: what docs/rules.md says of each, by name. */
struct admin_routes admin_rules_routes(void);

#endif
