/* The document docs/diagnoses.md, made from the table of diagnoses. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/command.h"
#include "integrity/diagnosis.h"
#include "tables/diagnosis_texts.h"

static const char *const evidence[] = {
#define DIAGNOSIS_TEXT(token, evidence) [DIAGNOSIS_##token] = evidence,
    DIAGNOSIS_TEXTS(DIAGNOSIS_TEXT)
#undef DIAGNOSIS_TEXT
};
_Static_assert(sizeof(evidence) / sizeof(evidence[0]) == DIAGNOSIS_COUNT, "a row for each");

void
command_print_diagnoses(struct text *out)
{
    text_add(out,
             "# Diagnoses\n\nMade by `spangate print diagnoses` from `server/tables/diagnoses.h` "
             "and `diagnosis_texts.h`.\n\n"
             "A diagnosis is what the findings of one instance amount to over 10 to 30 minutes. "
             "One event is none. It is\nshown by `GET /api/v1/instances` and `spangate quarantine "
             "explain`, logged once when it begins, and sent to OAP\nas an event when it begins "
             "and when it ends. The rules are in [rules.md](rules.md).\n\n"
             "| code | name | confidence | event |\n|---|---|---|---|\n");
    for (uint32_t i = 0; i < DIAGNOSIS_COUNT; i++) {
        const struct diagnosis_row *row = diagnosis_row((enum diagnosis)i);
        text_addf(out, "| %s | %s | %s | %s |\n", row->code, row->name,
                  diagnosis_confidence_label(row->confidence), row->is_error ? "Error" : "Normal");
    }
    for (uint32_t i = 0; i < DIAGNOSIS_COUNT; i++) {
        const struct diagnosis_row *row = diagnosis_row((enum diagnosis)i);
        text_addf(out, "\n## %s %s\n\n%s\n\n- Evidence: %s\n- What to do: %s\n", row->code,
                  row->name, row->text, evidence[i], row->next);
    }
}
