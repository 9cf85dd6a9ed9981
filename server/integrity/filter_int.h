/* A parsed filter, for the files that parse and match. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTEGRITY_FILTER_INT_H
#define INTEGRITY_FILTER_INT_H

#include "integrity/filter.h"

enum filter_kind { FILTER_COMPARE, FILTER_AND, FILTER_OR, FILTER_NOT };
enum filter_key {
    FILTER_SERVICE,
    FILTER_INSTANCE,
    FILTER_RULE,
    FILTER_VERDICT,
    FILTER_SIGNAL,
    FILTER_METHOD,
    FILTER_TRACE,
    FILTER_SEGMENT,
    FILTER_SPANS,
    FILTER_BYTES,
    FILTER_AGE,
    FILTER_OPERATION,
    FILTER_PEER,
    FILTER_ERROR,
    FILTER_TAG,
    FILTER_KEYS
};
enum filter_operator {
    FILTER_EQUAL,
    FILTER_CONTAINS, /* the pattern has its stars */
    FILTER_MORE,
    FILTER_AT_LEAST,
    FILTER_LESS,
    FILTER_AT_MOST,
};

struct filter_node {
    enum filter_kind kind;
    uint8_t left, right; /* AND, OR both; NOT left */
    enum filter_key key; /* FILTER_COMPARE */
    enum filter_operator op;
    bool is_negated;      /* != */
    struct bytes tag;     /* FILTER_TAG: its key; in filter.text */
    struct bytes pattern; /* in filter.text */
    uint64_t number;      /* spans, bytes, age in ms; error: 1 for true */
    double real;          /* a tag that is compared as a number */
};

struct filter {
    struct filter_node nodes[FILTER_MAX_NODES];
    uint32_t n_nodes, root;
    /* Two stars more for each pattern. */
    char text[FILTER_MAX_BYTES + 2 * FILTER_MAX_NODES];
    size_t n_text;
};

/* A whole text as a decimal number, no more than 40 bytes of it. */
bool filter_number(struct bytes, double *out);

#endif
