/* The verb quarantine: what was set aside, why, and what becomes of it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/command_quarantine.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rule_table.h"
#include "integrity/filter.h"

enum { DEFAULT_LIMIT = 50, SHOWN_NAME = 40 };

/* The table */

static void
add_cell(struct text *out, struct bytes value, int width)
{
    struct text cell = TEXT_EMPTY;
    text_add_plain(&cell, value, SHOWN_NAME);
    text_addf(out, "%-*s ", width, cell.n > 0 ? cell.p : "-");
    text_fini(&cell);
}

static void
add_head(struct text *out)
{
    text_addf(out, "%-8s %-24s %-28s %-10s %-20s %6s %10s\n", "ID", "RECEIVED", "RULE", "SIGNAL",
              "SERVICE", "SPANS", "SIZE");
}

static void
add_row(struct text *out, const struct json_tree *item)
{
    struct text size = TEXT_EMPTY;
    int64_t n_bytes = json_tree_number(item, "bytes");
    text_add_size(&size, n_bytes > 0 ? (uint64_t)n_bytes : 0);
    add_cell(out, json_tree_text(item, "id"), 8);
    add_cell(out, json_tree_text(item, "received"), 24);
    add_cell(out, json_tree_text(item, "rule"), 28);
    add_cell(out, json_tree_text(item, "signal"), 10);
    add_cell(out, json_tree_text(item, "service"), 20);
    text_addf(out, "%6" PRId64 " %10s\n", json_tree_number(item, "spans"), size.p);
    text_fini(&size);
}

/* list */

struct list {
    const struct command_quarantine *q;
    struct text out;
    uint64_t n;
};

static int
list_item(void *ctx, const struct json_tree *item)
{
    struct list *list = ctx;
    if (list->q->is_json) {
        text_add(&list->out, list->n > 0 ? ",\n  " : "\n  ");
        json_tree_write(item, &list->out);
    } else {
        if (list->n == 0)
            add_head(&list->out);
        add_row(&list->out, item);
    }
    list->n++;
    return COMMAND_OK;
}

static int
list_some(struct list *list, uint64_t limit)
{
    if (list->q->is_json)
        text_add(&list->out, "{\"items\": [");
    int result = command_quarantine_each(list->q, limit, list_item, list);
    if (list->q->is_json)
        text_add(&list->out, list->n > 0 ? "\n]}\n" : "]}\n");
    if (result != COMMAND_OK) {
        text_fini(&list->out);
        return result;
    }
    return command_write(&list->out);
}

static int
run_list(const struct command_quarantine *q)
{
    struct list list = {.q = q};
    uint64_t limit = DEFAULT_LIMIT;
    if (!command_number(q->in, "limit", UINT32_MAX, &limit))
        return COMMAND_USAGE;
    int result = list_some(&list, limit);
    if (result != COMMAND_OK || q->in->quiet)
        return result;
    if (list.n == 0)
        command_tell(q->in,
                     q->has_choice ? "nothing in quarantine matches" : "the quarantine is empty");
    else if (limit > 0 && list.n == limit)
        command_tell(q->in, "the newest %" PRIu64 "; --limit 0 shows all", limit);
    return COMMAND_OK;
}

/* Of the arguments. */
static int
list_given(struct list *list)
{
    struct command_quarantine_ids ids = {.n = 0};
    int result = command_quarantine_pick(list->q, &ids);
    if (list->q->is_json)
        text_add(&list->out, "{\"items\": [");
    for (uint32_t i = 0; i < ids.n && result == COMMAND_OK; i++) {
        struct json_tree *item;
        result = command_quarantine_fetch(list->q, ids.ids[i], &item);
        if (result == COMMAND_OK)
            result = list_item(list, item);
        json_tree_free(&item);
    }
    command_quarantine_ids_fini(&ids);
    if (list->q->is_json)
        text_add(&list->out, "\n]}\n");
    int written = result == COMMAND_OK ? command_write(&list->out) : COMMAND_OK;
    text_fini(&list->out);
    return result != COMMAND_OK ? result : written;
}

int
command_quarantine_dry_run(const struct command_quarantine *q, const char *what)
{
    struct list list = {.q = q};
    int result = q->has_choice ? list_some(&list, 0) : list_given(&list);
    if (result == COMMAND_OK)
        command_tell(q->in, "%" PRIu64 " would be %s", list.n, what);
    return result;
}

/* stats */

enum { MAX_COUNTED = 4096, SHOWN_COUNTED = 20 };

struct counted {
    struct bytes name;
    int64_t n;
};

struct counts {
    struct counted all[MAX_COUNTED];
    size_t n;
};

static bool
count_one(void *ctx, struct bytes name, const struct json_tree *value)
{
    struct counts *counts = ctx;
    counts->all[counts->n++] = (struct counted){name, json_tree_value(value)};
    return counts->n < MAX_COUNTED;
}

static int
most_first(const void *a, const void *b)
{
    const struct counted *x = a, *y = b;
    return (x->n < y->n) - (x->n > y->n);
}

static void
add_counts(struct text *out, const char *title, const struct json_tree *object)
{
    struct counts *counts = mem_new(struct counts);
    json_tree_each(object, count_one, counts);
    qsort(counts->all, counts->n, sizeof(counts->all[0]), most_first);
    if (counts->n > 0)
        text_addf(out, "\n%10s  %s\n", "ITEMS", title);
    for (size_t i = 0; i < counts->n && i < SHOWN_COUNTED; i++) {
        text_addf(out, "%10" PRId64 "  ", counts->all[i].n);
        text_add_plain(out, counts->all[i].name.n > 0 ? counts->all[i].name : BYTES("(none)"), 80);
        text_add(out, "\n");
    }
    if (counts->n > SHOWN_COUNTED)
        text_addf(out, "%10s  and %zu more\n", "", counts->n - SHOWN_COUNTED);
    mem_free(counts);
}

static void
add_stats(struct text *out, const struct json_tree *stats)
{
    int64_t n_bytes = json_tree_number(stats, "bytes"),
            capacity = json_tree_number(stats, "capacity_bytes");
    text_addf(out, "items   %" PRId64 "\nsize    ", json_tree_number(stats, "items"));
    text_add_size(out, n_bytes > 0 ? (uint64_t)n_bytes : 0);
    text_add(out, " of ");
    text_add_size(out, capacity > 0 ? (uint64_t)capacity : 0);
    if (capacity > 0)
        text_addf(out, " (%.1f %%)", 100.0 * (double)n_bytes / (double)capacity);
    static const char *const ends[] = {"oldest", "newest"};
    for (int i = 0; i < 2; i++) {
        text_addf(out, "\n%s  ", ends[i]);
        struct bytes when = json_tree_text(stats, ends[i]);
        text_add_plain(out, when.n > 0 ? when : BYTES("-"), SHOWN_NAME);
    }
    text_add(out, "\n");
    add_counts(out, "RULE", json_tree_member(stats, "by_rule"));
    add_counts(out, "SERVICE", json_tree_member(stats, "by_service"));
}

static int
run_stats(const struct command_quarantine *q)
{
    struct json_tree *stats;
    struct text out = TEXT_EMPTY;
    int result = admin_client_call(
        &q->client, &(struct admin_client_call){.path = "/api/v1/quarantine/stats"}, &stats);
    if (result != COMMAND_OK)
        return result;
    if (q->is_json) {
        json_tree_write(stats, &out);
        text_add(&out, "\n");
    } else {
        add_stats(&out, stats);
    }
    json_tree_free(&stats);
    return command_write(&out);
}

/* The verb */

enum {
    LIST = 1,
    SHOW = 2,
    EXPLAIN = 4,
    REPLAY = 8,
    EXPORT = 16,
    REMOVE = 32,
    STATS = 64,
    CHOOSING = LIST | REPLAY | EXPORT | REMOVE,
};

static const struct {
    const char *name;
    unsigned word;
    int (*run)(const struct command_quarantine *);
} words[] = {
    {"list", LIST, run_list},
    {"show", SHOW, command_quarantine_show},
    {"explain", EXPLAIN, command_quarantine_explain},
    {"replay", REPLAY, command_quarantine_replay},
    {"export", EXPORT, command_quarantine_export},
    {"remove", REMOVE, command_quarantine_remove},
    {"stats", STATS, run_stats},
};
enum { N_WORDS = sizeof(words) / sizeof(words[0]) };

static const struct {
    const char *flag;
    unsigned words; /* that take it */
} uses[] = {
    {"since", CHOOSING}, {"rule", CHOOSING}, {"service", CHOOSING}, {"filter", CHOOSING},
    {"limit", LIST},     {"to", REPLAY},     {"as-is", REPLAY},     {"repair", REPLAY},
    {"rate", REPLAY},    {"output", EXPORT}, {"yes", REMOVE},       {"dry-run", REPLAY | REMOVE},
};

static int
check_flags(const struct command_input *in, unsigned word)
{
    for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
        if ((uses[i].words & word) != 0 || !command_has(in, uses[i].flag))
            continue;
        struct text takers = TEXT_EMPTY;
        for (size_t k = 0; k < N_WORDS; k++)
            if ((uses[i].words & words[k].word) != 0)
                text_addf(&takers, "%s%s", takers.n > 0 ? ", " : "", words[k].name);
        int result = command_usage(in, "--%s is for %s", uses[i].flag, takers.p);
        text_fini(&takers);
        return result;
    }
    if ((word & (LIST | STATS)) != 0 && in->n_arguments > 1)
        return command_usage(in, "unexpected argument \"%.64s\"", in->arguments[1]);
    return COMMAND_OK;
}

static int
check_rule(const struct command_input *in)
{
    const char *rule = command_value(in, "rule");
    if (rule == NULL || rule_find(rule) != NULL || strcmp(rule, "rejected-by-backend") == 0)
        return COMMAND_OK;
    const char *names[RULE_COUNT];
    for (uint32_t i = 0; i < RULE_COUNT; i++)
        names[i] = rule_row((enum rule)i)->name;
    const char *nearest = text_nearest(rule, names, RULE_COUNT);
    return command_usage(in, "--rule: there is no rule \"%.64s\"%s%s%s", rule,
                         nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "",
                         nearest != NULL ? "\"?" : "");
}

/* What cannot be right is told before anybody is asked. Names of services may hold stars: they are
 * a part of the filter. */
static int
read_filter(struct command_quarantine *q)
{
    const char *expression = command_value(q->in, "filter"),
               *service = command_value(q->in, "service");
    struct filter *filter = NULL;
    struct filter_error error;
    if (expression != NULL && !filter_parse(bytes_str(expression), &filter, &error))
        return command_usage(q->in, "--filter, column %zu: %s", error.column, error.text);
    filter_free(&filter);
    if (expression != NULL)
        text_addf(&q->filter, service != NULL ? "(%s) " : "%s", expression);
    if (service == NULL)
        return COMMAND_OK;
    text_add(&q->filter, "service=\"");
    for (; *service != '\0'; service++)
        text_addf(&q->filter, *service == '"' ? "\\%c" : "%c", *service);
    text_add(&q->filter, "\"");
    if (!filter_parse(text_bytes(&q->filter), &filter, &error))
        return command_usage(q->in, "--service: %s", error.text);
    filter_free(&filter);
    return COMMAND_OK;
}

static int
read_flags(struct command_quarantine *q)
{
    const struct command_input *in = q->in;
    uint64_t since_ms = 0;
    int result = check_rule(in);
    if (result == COMMAND_OK)
        result = read_filter(q);
    if (result != COMMAND_OK)
        return result;
    if (!command_duration(in, "since", &since_ms))
        return COMMAND_USAGE;
    clock_refresh();
    if (command_has(in, "since"))
        q->since_ms = clock_unix_ms() - (int64_t)since_ms;
    q->is_json = strcmp(in->format, "json") == 0;
    q->has_choice = command_has(in, "since") || command_has(in, "rule") ||
                    command_has(in, "service") || command_has(in, "filter");
    return COMMAND_OK;
}

static int
unknown_word(const struct command_input *in)
{
    const char *names[N_WORDS];
    for (size_t i = 0; i < N_WORDS; i++)
        names[i] = words[i].name;
    const char *nearest = text_nearest(in->arguments[0], names, N_WORDS);
    return command_usage(in,
                         "\"%.64s\" is none of list, show, explain, replay, export, remove, "
                         "stats%s%s%s",
                         in->arguments[0], nearest != NULL ? "; did you mean \"" : "",
                         nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
}

static int
run(const struct command_input *in)
{
    struct command_quarantine q = {.in = in};
    size_t i = 0;
    while (i < N_WORDS && strcmp(words[i].name, in->arguments[0]) != 0)
        i++;
    if (i == N_WORDS)
        return unknown_word(in);
    int result = check_flags(in, words[i].word);
    if (result == COMMAND_OK)
        result = read_flags(&q);
    if (result == COMMAND_OK)
        result = admin_client_open(&q.client, in);
    if (result == COMMAND_OK) {
        result = words[i].run(&q);
        admin_client_close(&q.client);
    }
    text_fini(&q.filter);
    return result;
}

static const char *const formats[] = {"table", "json", NULL};
static const struct command_flag flags[] = {
    {"since", FLAG_VALUE}, {"rule", FLAG_VALUE},    {"service", FLAG_VALUE}, {"filter", FLAG_VALUE},
    {"limit", FLAG_VALUE}, {"to", FLAG_VALUE},      {"as-is", FLAG_ALONE},   {"repair", FLAG_ALONE},
    {"rate", FLAG_VALUE},  {"dry-run", FLAG_ALONE}, {"output", FLAG_VALUE},  {"yes", FLAG_ALONE},
    {NULL, FLAG_ALONE},
};

const struct command_verb command_quarantine_verb = {
    .name = "quarantine",
    .run = run,
    .line = "what was set aside; replay",
    .arguments = "list|show|explain|replay|export|remove|stats [ID...]",
    .least = 1,
    .most = UINT32_MAX,
    .formats = formats,
    .flags = flags,
    .letter = {'o', "output"},
    .help =
        "Asks the admin port of a running service. In place of IDs stands what the flags choose.\n"
        "\n"
        "list, stats    what there is, newest first; how much, by rule and by service\n"
        "show, explain  one message as a tree, the broken parts marked; why, and what to do\n"
        "replay         sends it on after all: judged and repaired again, or as it is\n"
        "export         segments into a file that lint reads\n"
        "remove         for good; with flags in place of IDs, --yes is asked for\n"
        "\n"
        "  --since 1h  --rule R  --service S  --filter EXPR     choose (S may hold *)\n"
        "  --limit N          list: the newest N (default 50; 0: all)\n"
        "  --repair, --as-is  replay: how (default --repair)   --rate N  messages a second\n"
        "  --to HOST:PORT     replay: to this endpoint instead; they stay in quarantine\n"
        "  --dry-run          replay, remove: only say what would be done\n"
        "  -o, --output FILE  export: where to (default standard output)\n"
        "  --format F         table (default) or json      --addr A, -c FILE  which service\n"
        "\n"
        "Examples:\n"
        "  spangate quarantine explain q-001A\n"
        "  spangate quarantine replay --filter 'rule=span-zero-missing age<1h' --rate 100\n",
};
