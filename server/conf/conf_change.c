/* What differs between two snapshots, and a hash that tells them apart: for a reload. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/hash.h"
#include "conf/conf_int.h"

static bool
is_same_list(const struct conf_list *a, const struct conf_list *b)
{
    bool is_same = a->n == b->n;
    for (uint32_t i = 0; is_same && i < a->n; i++)
        is_same = strcmp(a->items[i], b->items[i]) == 0;
    return is_same;
}

static bool
is_same_pairs(const struct conf_pairs *a, const struct conf_pairs *b)
{
    bool is_same = a->n == b->n;
    for (uint32_t i = 0; is_same && i < a->n; i++)
        is_same = strcmp(a->items[i].key, b->items[i].key) == 0 &&
                  strcmp(a->items[i].value, b->items[i].value) == 0;
    return is_same;
}

/* As printed; what is masked there is compared as it is. */
static bool
is_same(const struct conf *a, const struct conf *b, const struct conf_row *row)
{
    const void *field_a = conf_field_of(a, row), *field_b = conf_field_of(b, row);
    if (row->type == CONF_SECRET)
        return strcmp(*(const char *const *)field_a, *(const char *const *)field_b) == 0;
    if (row->type == CONF_SECRETS)
        return is_same_list(field_a, field_b);
    if (row->type == CONF_PAIRS)
        return is_same_pairs(field_a, field_b);
    struct text text_a = TEXT_EMPTY, text_b = TEXT_EMPTY;
    conf_add_value(a, row, &text_a);
    conf_add_value(b, row, &text_b);
    bool same = bytes_equal(text_bytes(&text_a), text_bytes(&text_b));
    text_fini(&text_a);
    text_fini(&text_b);
    return same;
}

void
conf_each_change(const struct conf *before, const struct conf *after, conf_change_fn *on_change,
                 void *ctx)
{
    for (uint32_t i = 0; i < conf_row_count(); i++)
        if (!is_same(before, after, conf_row_at(i)))
            on_change(ctx, conf_row_at(i)->path, conf_row_at(i)->is_live);
}

void
conf_add_hash(const struct conf *conf, struct text *out)
{
    struct text all = TEXT_EMPTY;
    for (uint32_t i = 0; i < conf_row_count(); i++) {
        const struct conf_row *row = conf_row_at(i);
        text_addf(&all, "%s=", row->path);
        if (conf_setting_of(conf, row)->is_auto)
            text_add(&all, "auto");
        else
            conf_add_value(conf, row, &all);
        text_add(&all, "\n");
    }
    text_addf(out, "%016llx", (unsigned long long)hash_bytes_seeded(text_bytes(&all), 0));
    text_fini(&all);
}
