/* The dashboard: the page, its script and its style, from inside the binary. */
/* SPDX-License-Identifier: Apache-2.0 */
/* The files of server/admin/ui/ as they are; they ask nothing but this API and load nothing from
 * elsewhere (Content-Security-Policy). */
#ifndef ADMIN_ADMIN_UI_H
#define ADMIN_ADMIN_UI_H

#include "admin/admin_api.h"

/* GET /, /ui and what belongs to it. */
struct admin_routes admin_ui_routes(void);

#endif
