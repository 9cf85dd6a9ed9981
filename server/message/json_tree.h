/* A JSON document as a tree to look around in: for commands that read another program's answers. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Not for the data path: the tree lies on the heap, some 30 times its text. What is asked of a
 * wrong kind, or of NULL, is absent, so that a whole path needs one check at its end. */
#ifndef MESSAGE_JSON_TREE_H
#define MESSAGE_JSON_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/text.h"

struct json_tree;

/* NULL: it is no JSON object or list. Owner frees the root, and nothing else. */
struct json_tree *json_tree_read(struct bytes);
void json_tree_free(struct json_tree **);

/* A member of an object, or NULL. */
const struct json_tree *json_tree_member(const struct json_tree *, const char *name);
/* Of a list: how many, and one of them, NULL behind the last. */
size_t json_tree_n(const struct json_tree *);
const struct json_tree *json_tree_at(const struct json_tree *, size_t i);
/* A member that is a string; it lives as long as the root. BYTES_NONE: there is none. */
struct bytes json_tree_text(const struct json_tree *, const char *name);
/* A member that is a number, cut to whole ones; 0: there is none. */
int64_t json_tree_number(const struct json_tree *, const char *name);
/* The same with its fraction. */
double json_tree_real(const struct json_tree *, const char *name);
/* A member that is true. */
bool json_tree_is_true(const struct json_tree *, const char *name);

/* Members of an object in their order; false from fn stops. */
typedef bool json_tree_fn(void *ctx, struct bytes name, const struct json_tree *value);
void json_tree_each(const struct json_tree *, json_tree_fn *, void *ctx);
/* The value itself, where it is a number. */
int64_t json_tree_value(const struct json_tree *);

/* Adds it as text without blanks, members in their order. */
void json_tree_write(const struct json_tree *, struct text *out);

#endif
