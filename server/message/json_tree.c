/* Jansson's values behind a face of our own. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "message/json_tree.h"

#include <jansson.h>

/* A tree is jansson's value itself. Its own functions take no const, and change nothing here. */
static json_t *
json_of(const struct json_tree *tree)
{
    return (json_t *)(uintptr_t)tree;
}

static const struct json_tree *
tree_of(const json_t *json)
{
    return (const struct json_tree *)json;
}

struct json_tree *
json_tree_read(struct bytes text)
{
    json_error_t why;
    return (struct json_tree *)json_loadb((const char *)text.p, text.n,
                                          JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
}

void
json_tree_free(struct json_tree **tree)
{
    json_decref(json_of(*tree));
    *tree = NULL;
}

const struct json_tree *
json_tree_member(const struct json_tree *tree, const char *name)
{
    return tree_of(json_object_get(json_of(tree), name));
}

size_t
json_tree_n(const struct json_tree *tree)
{
    return json_array_size(json_of(tree));
}

const struct json_tree *
json_tree_at(const struct json_tree *tree, size_t i)
{
    return tree_of(json_array_get(json_of(tree), i));
}

struct bytes
json_tree_text(const struct json_tree *tree, const char *name)
{
    const json_t *value = json_object_get(json_of(tree), name);
    if (!json_is_string(value))
        return BYTES_NONE;
    return bytes_of(json_string_value(value), json_string_length(value));
}

/* A real beyond what 64 bits hold is no count of anything. */
static int64_t
whole(const json_t *value)
{
    if (json_is_integer(value))
        return json_integer_value(value);
    double real = json_real_value(value);
    return real > -9e18 && real < 9e18 ? (int64_t)real : 0;
}

int64_t
json_tree_number(const struct json_tree *tree, const char *name)
{
    return whole(json_object_get(json_of(tree), name));
}

double
json_tree_real(const struct json_tree *tree, const char *name)
{
    return json_number_value(json_object_get(json_of(tree), name));
}

bool
json_tree_is_true(const struct json_tree *tree, const char *name)
{
    return json_is_true(json_object_get(json_of(tree), name));
}

int64_t
json_tree_value(const struct json_tree *tree)
{
    return whole(json_of(tree));
}

void
json_tree_each(const struct json_tree *tree, json_tree_fn *fn, void *ctx)
{
    json_t *object = json_of(tree);
    for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at))
        if (!fn(ctx, bytes_str(json_object_iter_key(at)), tree_of(json_object_iter_value(at))))
            return;
}

static int
add_piece(const char *piece, size_t n, void *ctx)
{
    text_add_bytes(ctx, bytes_of(piece, n));
    return 0;
}

void
json_tree_write(const struct json_tree *tree, struct text *out)
{
    (void)json_dump_callback(json_of(tree), add_piece, out,
                             JSON_COMPACT | JSON_ENCODE_ANY | JSON_PRESERVE_ORDER);
}
