/* Filter expressions, the same everywhere: which items a command, a request or a tap means. */
/* SPDX-License-Identifier: Apache-2.0 */
/* service=checkout* rule=span-parent-missing spans>50 tag.http.status_code=500 and not error=true
 *
 *   or    := and { "or" and }
 *   and   := unary { ["and"] unary }
 *   unary := "not" unary | "(" or ")" | KEY OPERATOR VALUE
 *
 * KEY is service, instance, rule, verdict, signal, method, trace, segment (text), spans, bytes
 * (numbers), age (a time with a unit), operation, peer, tag.KEY (of any span), error (true: of any
 * span). OPERATOR is = or !=, ~ (contains) for text, > >= < <= for numbers, age and tags.
 * VALUE is bare or in double quotes; in text *, ? and [a-z] stand for what they do in file names,
 * a backslash takes that from them. a!=b is not a=b.
 *
 * A filter is read-only once parsed: any thread may match with it. */
#ifndef INTEGRITY_FILTER_H
#define INTEGRITY_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "message/segment.h"

enum {
    FILTER_MAX_BYTES = 1000,   /* of an expression */
    FILTER_MAX_DEPTH = 16,     /* of parentheses and nots */
    FILTER_MAX_NODES = 64,     /* comparisons, ands, ors, nots */
    FILTER_VALUE_BYTES = 4096, /* so much of an item's text is looked at */
};

/* What is asked about; fields that are not known stay empty. */
struct filter_item {
    struct bytes service, instance;
    struct bytes rule; /* the name of the one that decided */
    uint64_t rules;    /* bit per rule that was found; 0: not known, rule alone counts */
    struct bytes verdict, signal;
    struct bytes method; /* gRPC path */
    struct bytes trace_id, segment_id;
    uint64_t n_spans, n_bytes;
    int64_t age_ms;
    const struct segment_view *segment; /* NULL: keys that ask spans find nothing */
};

struct filter;

struct filter_error {
    size_t column;  /* from 1, in characters */
    char text[200]; /* what was expected there; the given is escaped */
};

/* False: error says why and *out is NULL. An expression without a word is an error too. */
bool filter_parse(struct bytes expression, struct filter **out, struct filter_error *) MUST_CHECK;
void filter_free(struct filter **);
/* Bounded by some 32 steps for each byte of the item, whatever the filter; one that needs more
 * does not match. */
bool filter_matches(const struct filter *, const struct filter_item *);
/* It asks for spans: without them decoding an item's segment is not needed. */
bool filter_needs_segment(const struct filter *);

#endif
