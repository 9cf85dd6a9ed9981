/* Writes what the gate reports of itself as agents do: meters, and its instance's properties. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: protocol.md 4.2 and 4.5. Any thread; nothing is kept. The texts are valid UTF-8 without
 * NULs: our own names and labels, which were checked when they came. */
#ifndef MESSAGE_MESSAGE_REPORT_H
#define MESSAGE_MESSAGE_REPORT_H

#include <stdint.h>

#include "base/text.h"

enum { REPORT_LABELS = 4 };

struct report_pair {
    const char *key, *value;
};

struct report_meter {
    const char *name;
    struct report_pair labels[REPORT_LABELS];
    uint32_t n_labels;
    double value;
};

struct report_source {
    const char *service, *instance;
    int64_t at_ms; /* Unix */
};

/* A MeterDataCollection: the first element has service, instance and time for all. n at least 1. */
void message_report_meters(const struct report_source *, const struct report_meter *, uint32_t n,
                           struct text *out);
/* InstanceProperties, of layer GENERAL. */
void message_report_properties(const struct report_source *, const struct report_pair *, uint32_t n,
                               struct text *out);

#endif
