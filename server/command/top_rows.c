/* Totals and instances of two answers, and what lies between them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/top_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/rule_table.h"
#include "base/text.h"
#include "integrity/diagnosis.h"

enum { DIAGNOSIS_MOST = 60 };

/* One instance's findings, while they are read. */
struct findings {
    struct top_row *row;
    int64_t most;   /* of one rule */
    uint64_t rules; /* bit per rule */
};

static void
keep(char out[TOP_NAME], struct bytes text)
{
    struct text plain = TEXT_EMPTY;
    text_add(&plain, "");
    text_add_plain(&plain, text, TOP_NAME - 16);
    snprintf(out, TOP_NAME, "%s", plain.p);
    text_fini(&plain);
}

static uint64_t
key_of(struct bytes service, struct bytes instance)
{
    struct text both = TEXT_EMPTY;
    text_add_bytes(&both, service);
    text_add_bytes(&both, bytes_of("", 1));
    text_add_bytes(&both, instance);
    uint64_t key = hash_bytes(text_bytes(&both));
    text_fini(&both);
    return key;
}

static struct top_row *
find_row(struct top *top, uint64_t key)
{
    for (uint32_t i = 0; i < top->n_rows; i++)
        if (top->rows[i].key == key)
            return &top->rows[i];
    return NULL;
}

/* Where all are taken, one that was not seen any more gives way; NULL: there is none. */
static struct top_row *
new_row(struct top *top, uint64_t key)
{
    struct top_row *row = NULL;
    if (top->rows == NULL)
        top->rows = mem_new_n(struct top_row, TOP_MOST_ROWS);
    if (top->n_rows < TOP_MOST_ROWS)
        row = &top->rows[top->n_rows++];
    for (uint32_t i = 0; row == NULL && i < top->n_rows; i++)
        if (!top->rows[i].is_seen)
            row = &top->rows[i];
    if (row != NULL)
        *row = (struct top_row){.key = key};
    return row;
}

static bool
note_finding(void *ctx, struct bytes name, const struct json_tree *value)
{
    struct findings *look = ctx;
    char rule[TOP_NAME];
    keep(rule, name);
    const struct rule_row *row = rule_find(rule);
    if (row != NULL)
        look->rules |= UINT64_C(1) << row->rule;
    if (json_tree_value(value) > look->most) {
        look->most = json_tree_value(value);
        memcpy(look->row->finding, rule, sizeof(rule));
    }
    return true;
}

/* The first one: they come by code, and the gravest have the lowest. */
static void
note_diagnosis(struct top_row *row, const struct json_tree *list)
{
    const struct json_tree *one = json_tree_at(list, 0);
    struct text words = TEXT_EMPTY;
    row->diagnosis[0] = '\0';
    row->is_error = false;
    if (one == NULL)
        return;
    text_add_plain(&words, json_tree_text(one, "code"), 8);
    for (uint32_t i = 0; i < DIAGNOSIS_COUNT; i++)
        if (strcmp(diagnosis_row((enum diagnosis)i)->code, words.p) == 0)
            row->is_error = diagnosis_row((enum diagnosis)i)->is_error;
    text_add(&words, " ");
    text_add_plain(&words, json_tree_text(one, "name"), DIAGNOSIS_MOST);
    if (json_tree_n(list) > 1)
        text_addf(&words, " +%zu", json_tree_n(list) - 1);
    keep(row->diagnosis, text_bytes(&words));
    text_fini(&words);
}

/* Instances are counted once a second: over less than two of them a rate would jump. */
static double
newest_rate(const struct top_row *row)
{
    double n = 0, elapsed_s = 0;
    for (uint32_t i = 0; i < row->n_history && i < TOP_HISTORY && elapsed_s < 1.9; i++) {
        uint32_t at = (row->n_history - 1 - i) % TOP_HISTORY;
        n += (double)row->history[at].n_segments;
        elapsed_s += row->history[at].elapsed_s;
    }
    return elapsed_s > 0 ? n / elapsed_s : 0;
}

static void
note_counts(const struct top *top, struct top_row *row, const struct json_tree *one)
{
    uint64_t n_segments = (uint64_t)json_tree_number(one, "segments");
    uint64_t n_bad = (uint64_t)json_tree_number(one, "bad");
    uint64_t sum = 0, bad = 0;
    double elapsed_s = top_elapsed_s(top);
    bool is_known = row->n_segments > 0 && n_segments >= row->n_segments && elapsed_s > 0;
    if (is_known) {
        uint32_t at = row->n_history++ % TOP_HISTORY;
        row->history[at].n_segments = n_segments - row->n_segments;
        row->history[at].n_bad = n_bad >= row->n_bad ? n_bad - row->n_bad : 0;
        row->history[at].elapsed_s = elapsed_s;
        row->segments_per_s = newest_rate(row);
    }
    for (uint32_t i = 0; i < TOP_HISTORY && i < row->n_history; i++) {
        sum += row->history[i].n_segments;
        bad += row->history[i].n_bad;
    }
    row->n_segments = n_segments;
    row->n_bad = n_bad;
    row->n_spans = (uint64_t)json_tree_number(one, "spans");
    if (sum == 0) {
        sum = n_segments;
        bad = n_bad;
    }
    row->bad_share = sum > 0 ? (double)bad / (double)sum : 0;
}

static void
take_instance(struct top *top, const struct json_tree *one, const struct filter *filter)
{
    struct bytes service = json_tree_text(one, "service");
    struct bytes instance = json_tree_text(one, "service_instance");
    uint64_t key = key_of(service, instance);
    struct top_row *row = find_row(top, key);
    if (row == NULL && (row = new_row(top, key)) == NULL)
        return;
    struct findings look = {.row = row};
    keep(row->service, service);
    keep(row->instance, instance);
    row->finding[0] = '\0';
    json_tree_each(json_tree_member(one, "findings"), note_finding, &look);
    note_diagnosis(row, json_tree_member(one, "diagnoses"));
    note_counts(top, row, one);
    const struct filter_item item = {
        .service = service,
        .instance = instance,
        .rule = bytes_str(row->finding),
        .rules = look.rules,
        .signal = BYTES("tracing"),
        .n_spans = row->n_spans,
    };
    row->is_seen = filter == NULL || filter_matches(filter, &item);
    top->n_seen += row->is_seen;
}

void
top_take(struct top *top, struct json_tree *overview, struct json_tree *instances, uint64_t now_us,
         const struct filter *filter)
{
    const struct json_tree *list = json_tree_member(instances, "instances"), *one;
    json_tree_free(&top->before);
    top->before = top->now;
    top->before_us = top->now_us;
    top->now = overview;
    top->now_us = now_us;
    top->n_seen = 0;
    top->n_instances = json_tree_number(instances, "total");
    for (uint32_t i = 0; i < top->n_rows; i++)
        top->rows[i].is_seen = false;
    for (size_t i = 0; (one = json_tree_at(list, i)) != NULL; i++)
        take_instance(top, one, filter);
    json_tree_free(&instances);
}

void
top_fini(struct top *top)
{
    json_tree_free(&top->before);
    json_tree_free(&top->now);
    mem_free(top->rows);
    *top = (struct top){.rows = NULL};
}

static int
by_name(const struct top_row *a, const struct top_row *b)
{
    int order = strcmp(a->service, b->service);
    return order != 0 ? order : strcmp(a->instance, b->instance);
}

static int
falling(double a, double b)
{
    return a > b ? -1 : a < b;
}

/* Whoever is equal stands by name, so that nothing jumps. */
static int
compare(const struct top_row *a, const struct top_row *b, enum top_sort sort)
{
    int order = (int)b->is_seen - (int)a->is_seen;
    if (order == 0 && sort == TOP_BY_BAD) {
        order = falling(a->bad_share, b->bad_share);
        if (order == 0)
            order = (b->diagnosis[0] != '\0') - (a->diagnosis[0] != '\0');
    }
    if (order == 0 && sort == TOP_BY_RATE)
        order = falling(a->segments_per_s, b->segments_per_s);
    if (order == 0 && sort == TOP_BY_SPANS)
        order = falling((double)a->n_spans, (double)b->n_spans);
    return order != 0 ? order : by_name(a, b);
}

static int
compare_in_order(const void *a, const void *b, void *sort)
{
    return compare(a, b, *(const enum top_sort *)sort);
}

void
top_order(struct top *top, enum top_sort sort)
{
    if (top->n_rows > 1)
        qsort_r(top->rows, top->n_rows, sizeof(*top->rows), compare_in_order, &sort);
}

double
top_elapsed_s(const struct top *top)
{
    return top->before != NULL && top->now_us > top->before_us
               ? (double)(top->now_us - top->before_us) / 1e6
               : 0;
}

static const struct json_tree *
section_of(const struct json_tree *overview, const char *section)
{
    return section != NULL ? json_tree_member(overview, section) : overview;
}

/* A service that began anew counts from 0: no rate, rather than a wrong one. */
static double
rate(const struct top *top, int64_t before, int64_t now)
{
    double elapsed_s = top_elapsed_s(top);
    return elapsed_s > 0 && now > before ? (double)(now - before) / elapsed_s : 0;
}

double
top_rate(const struct top *top, const char *section, const char *member)
{
    return rate(top, json_tree_number(section_of(top->before, section), member),
                json_tree_number(section_of(top->now, section), member));
}

static bool
add_value(void *ctx, struct bytes name, const struct json_tree *value)
{
    (void)name;
    *(int64_t *)ctx += json_tree_value(value);
    return true;
}

double
top_sum_rate(const struct top *top, const char *section)
{
    int64_t before = 0, now = 0;
    json_tree_each(json_tree_member(top->before, section), add_value, &before);
    json_tree_each(json_tree_member(top->now, section), add_value, &now);
    return rate(top, before, now);
}

static double
p99_ms(const struct json_tree *bounds, const struct json_tree *before, const struct json_tree *now)
{
    int64_t total = 0, seen = 0;
    size_t n = json_tree_n(now);
    for (size_t i = 0; i < n; i++)
        total += json_tree_value(json_tree_at(now, i)) - json_tree_value(json_tree_at(before, i));
    for (size_t i = 0; i < n && total > 0; i++) {
        seen += json_tree_value(json_tree_at(now, i)) - json_tree_value(json_tree_at(before, i));
        if (seen * 100 >= total * 99) {
            /* the last bucket has no bound: at least that of the one before */
            size_t bound = i + 1 < n ? i : i - (i > 0);
            return (double)json_tree_value(json_tree_at(bounds, bound)) / 1000;
        }
    }
    return -1;
}

double
top_p99_ms(const struct top *top, const struct json_tree *before, const struct json_tree *now)
{
    const struct json_tree *bounds = json_tree_member(top->now, "le_us");
    double between = before != NULL ? p99_ms(bounds, before, now) : -1;
    return between >= 0 ? between : p99_ms(bounds, NULL, now);
}
