/* Growing text, and the escapes that keep strangers' bytes harmless in logs, JSON and metrics. */
/* SPDX-License-Identifier: Apache-2.0 */
/* For what people and scrapers read, not for the data path. Bounded by what is put in. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* Owner frees with text_fini. p is always NUL-terminated once something was added. */
struct text {
    char *p;
    size_t n, size;
};

#define TEXT_EMPTY ((struct text){NULL, 0, 0})

void text_fini(struct text *);
void text_clear(struct text *);
void text_add(struct text *, const char *s);
void text_add_bytes(struct text *, struct bytes);
void text_addf(struct text *, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_addv(struct text *, const char *format, va_list);
/* With quotes; invalid UTF-8 becomes U+FFFD. */
void text_add_json(struct text *, struct bytes);
/* RFC 4648 section 4, with padding, without quotes. */
void text_add_base64(struct text *, struct bytes);
/* A Prometheus label value without quotes: backslash, quote and newline escaped, at most 128 bytes
 * of valid UTF-8. */
void text_add_label(struct text *, struct bytes);
/* One line for people: control and invalid bytes as \xHH, cut after max bytes with "...". */
void text_add_plain(struct text *, struct bytes, size_t max);
/* "12.4 MiB" */
void text_add_size(struct text *, uint64_t n_bytes);
struct bytes text_bytes(const struct text *);
/* Edits (insert, delete, replace, swap neighbours) between two words, for did-you-mean. */
size_t text_distance(const char *a, const char *b);
/* The nearest of n words when it is near enough to be meant (a third of the length, at most 3);
 * else NULL. */
const char *text_nearest(const char *word, const char *const *words, size_t n);

#endif
