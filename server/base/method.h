/* The table of gRPC methods as typed rows. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_METHOD_H
#define BASE_METHOD_H

#include <stdint.h>

#include "base/bytes.h"
#include "tables/methods.h"

/* METHOD_NONE = 0 is no method; the others carry the table's fixed numbers. */
enum method {
    METHOD_NONE = 0,
#define METHOD(number, token, path, stream, class, signal, message, age, lane, handler, text) \
    METHOD_##token = (number),
    METHODS(METHOD)
#undef METHOD
};
enum { METHOD_COUNT = 36 }; /* one more than the highest number */

enum method_stream { STREAM_UNARY, STREAM_CLIENT, STREAM_BIDI };
enum method_class { KIND_A, KIND_B, KIND_C, KIND_L /* answered locally */ };
enum method_lane { LANE_NONE, LANE_SERVICE };
enum method_handler {
    HANDLER_SEGMENT,
    HANDLER_SEGMENTS,
    HANDLER_METER,
    HANDLER_LOG,
    HANDLER_EVENT,
    HANDLER_STORED,
    HANDLER_RELAY,
    HANDLER_HEALTH,
};

enum signal {
#define SIGNAL(token, label) SIGNAL_##token,
    SIGNALS(SIGNAL)
#undef SIGNAL
        SIGNAL_COUNT
};

enum drop_reason {
#define DROP_REASON(token, label) DROP_##token,
    DROP_REASONS(DROP_REASON)
#undef DROP_REASON
        DROP_COUNT
};

enum message_type {
#define MESSAGE(name) MESSAGE_##name,
    MESSAGES(MESSAGE)
#undef MESSAGE
        MESSAGE_COUNT
};

struct method_row {
    enum method method;
    const char *path;  /* with the package; the metric label "method" is this without the slash */
    const char *token; /* "SEGMENT_COLLECT" */
    enum method_stream stream;
    enum method_class method_class;
    enum signal signal;
    enum message_type message;
    uint32_t max_age_s;
    enum method_lane lane;
    enum method_handler handler;
    const char *sentence;
};

/* The row of a method's number; NULL for a number the table does not hold. */
const struct method_row *method_row(unsigned number);
/* By path, aliases included; NULL when unknown. No allocation. */
const struct method_row *method_find(struct bytes path);
const char *signal_label(enum signal);
const char *drop_reason_label(enum drop_reason);

#endif
