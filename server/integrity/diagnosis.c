/* The table of diagnoses as rows. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/diagnosis.h"

#include "base/check.h"

static const struct diagnosis_row rows[DIAGNOSIS_COUNT] = {
#define DIAGNOSIS(token, code, name, confidence, is_error, text, next) \
    {DIAGNOSIS_##token, code, name, CONFIDENCE_##confidence, is_error, text, next},
    DIAGNOSES(DIAGNOSIS)
#undef DIAGNOSIS
};

const struct diagnosis_row *
diagnosis_row(enum diagnosis diagnosis)
{
    check(diagnosis < DIAGNOSIS_COUNT);
    return &rows[diagnosis];
}

const char *
diagnosis_confidence_label(enum diagnosis_confidence confidence)
{
    static const char *const labels[] = {"low", "medium", "high"};
    check(confidence <= CONFIDENCE_HIGH);
    return labels[confidence];
}
