/* Files of server/admin/ as the linker put them into the binary (ld -r -b binary). */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ADMIN_ADMIN_FILES_H
#define ADMIN_ADMIN_FILES_H

#include <stdint.h>

#include "base/bytes.h"

#define UI_FILE(name)                                              \
    extern const uint8_t _binary_server_admin_ui_##name##_start[]; \
    extern const uint8_t _binary_server_admin_ui_##name##_end[]
#define UI_START(name) _binary_server_admin_ui_##name##_start
#define UI_END(name) _binary_server_admin_ui_##name##_end

UI_FILE(index_html);
UI_FILE(app_js);
UI_FILE(views_js);
UI_FILE(live_js);
UI_FILE(app_css);
UI_FILE(icon_svg);

extern const uint8_t _binary_server_admin_openapi_json_start[];
extern const uint8_t _binary_server_admin_openapi_json_end[];
#define OPENAPI_START _binary_server_admin_openapi_json_start
#define OPENAPI_END _binary_server_admin_openapi_json_end

/* Two symbols, one object: the linker laid it between them. */
static inline struct bytes
admin_file(const uint8_t *start, const uint8_t *end)
{
    return bytes_of(start, (size_t)(end - start));
}

#endif
