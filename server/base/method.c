/* Lookups in the table of methods. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/method.h"

#include <stddef.h>

static const struct method_row rows[METHOD_COUNT] = {
#define METHOD(number, token, path, stream, class, signal, message, age, lane, handler, text)   \
    [number] = {                                                                                \
        METHOD_##token,    path, #token,      STREAM_##stream,   KIND_##class, SIGNAL_##signal, \
        MESSAGE_##message, age,  LANE_##lane, HANDLER_##handler, text},
    METHODS(METHOD)
#undef METHOD
};

struct path_row {
    struct bytes path;
    enum method method;
};

static const struct path_row paths[] = {
#define METHOD(number, token, path, stream, class, signal, message, age, lane, handler, text) \
    {{(const uint8_t *)path, sizeof(path) - 1}, METHOD_##token},
    METHODS(METHOD)
#undef METHOD
#define ALIAS(path, token) {{(const uint8_t *)path, sizeof(path) - 1}, METHOD_##token},
        METHOD_ALIASES(ALIAS)
#undef ALIAS
};

const struct method_row *
method_row(unsigned number)
{
    if (number >= METHOD_COUNT || rows[number].path == NULL)
        return NULL;
    return &rows[number];
}

const struct method_row *
method_find(struct bytes path)
{
    /* Lengths differ so much that nearly every row is refused without looking at its bytes. */
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        if (bytes_equal(paths[i].path, path))
            return &rows[paths[i].method];
    return NULL;
}

const char *
signal_label(enum signal signal)
{
    static const char *const labels[] = {
#define SIGNAL(token, label) label,
        SIGNALS(SIGNAL)
#undef SIGNAL
    };
    return signal < SIGNAL_COUNT ? labels[signal] : "other";
}

const char *
drop_reason_label(enum drop_reason reason)
{
    static const char *const labels[] = {
#define DROP_REASON(token, label) label,
        DROP_REASONS(DROP_REASON)
#undef DROP_REASON
    };
    return reason < DROP_COUNT ? labels[reason] : "";
}
