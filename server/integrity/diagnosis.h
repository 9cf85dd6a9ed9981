/* The diagnoses of an instance: what its findings together mean, in plain words. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Words: tables/diagnoses.h. Source: integrity.md 4. */
#ifndef INTEGRITY_DIAGNOSIS_H
#define INTEGRITY_DIAGNOSIS_H

#include <stdbool.h>
#include <stdint.h>

#include "tables/diagnoses.h"

enum diagnosis {
#define DIAGNOSIS(token, code, name, confidence, is_error, text, next) DIAGNOSIS_##token,
    DIAGNOSES(DIAGNOSIS)
#undef DIAGNOSIS
        DIAGNOSIS_COUNT
};

enum diagnosis_confidence { CONFIDENCE_LOW, CONFIDENCE_MEDIUM, CONFIDENCE_HIGH };

struct diagnosis_row {
    enum diagnosis diagnosis;
    const char *code; /* "D1" */
    const char *name; /* "memory race" */
    enum diagnosis_confidence confidence;
    bool is_error;    /* the event's type; else Normal */
    const char *text; /* what it means */
    const char *next; /* what to do */
};
const struct diagnosis_row *diagnosis_row(enum diagnosis);
const char *diagnosis_confidence_label(enum diagnosis_confidence); /* "low" "medium" "high" */

#endif
