/* What each diagnosis asks for before it is made: for docs/diagnoses.md. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: integrity.md 4. Every row of tables/diagnoses.h has one here. Words only; the counts are
 * those of integrity/instances_diagnose.c.
 *
 * DIAGNOSIS_TEXT(token, evidence)
 */
#ifndef TABLES_DIAGNOSIS_TEXTS_H
#define TABLES_DIAGNOSIS_TEXTS_H

/* clang-format off */
#define DIAGNOSIS_TEXTS(DIAGNOSIS_TEXT) \
    DIAGNOSIS_TEXT(memory_race, \
        "A Go agent, told by its language and the shape of its ids; three findings or more, of two kinds at least, among `proto-undecodable`, `tag-blank`, `tag-key-repeated-go`, `span-id-duplicate`, `span-parent-missing`, `span-end-unset`, `id-time-incoherent` (not while the host's clock steps) and `tear-suspect`.") \
    DIAGNOSIS_TEXT(race_build_loop, \
        "`instance-churn` of a Go program of which no life reported more than a few segments and keep-alives.") \
    DIAGNOSIS_TEXT(crash_loop, \
        "`instance-churn` otherwise: another language, or lives that reported more.") \
    DIAGNOSIS_TEXT(context_lost, \
        "A Go agent with `go-orphan-root-share` over ten minutes, some segments that are no orphans, and no corruption.") \
    DIAGNOSIS_TEXT(unsendable_text, \
        "`stream-self-reset` at least three times within a minute, and nothing of D1.") \
    DIAGNOSIS_TEXT(clock_step, \
        "`span-end-before-start` at several instances of one host within minutes.") \
    DIAGNOSIS_TEXT(reentry, \
        "Python, Node or Ruby; `span-id-duplicate`, or `segment-id-reused` by segments that hold all spans of the earlier one: three together.") \
    DIAGNOSIS_TEXT(broken_caller, \
        "Twenty findings of class external, and none of class proof, strong or poison.") \
    DIAGNOSIS_TEXT(name_clash, \
        "`language-conflict` or `identity-flip`, with `go-impossible-flag`: three together.") \
    DIAGNOSIS_TEXT(backend_poison, \
        "Three findings of class poison; those that only harm a database count with `upstream.storage: jdbc`.")
/* clang-format on */

#endif
