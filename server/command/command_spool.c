/* The verb spool: what a spool's directory holds, whether it is sound, and its records. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/command_spool.h"

#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "command/progress.h"

enum { SECOND_MS = 1000, MINUTE_S = 60, HOUR_S = 3600, DAY_S = 24 * 3600 };

/* For all three */

static int
exit_of(enum err err)
{
    switch ((int)err) {
    case ERR_OK:
        return COMMAND_OK;
    case ERR_NOT_FOUND:
        return COMMAND_NO_INPUT;
    case ERR_PERMISSION:
        return COMMAND_PERMISSION;
    case ERR_IO:
        return COMMAND_IO;
    default:
        return COMMAND_SYSTEM;
    }
}

/* Any directory can be looked at; one without a trace of a spool is the wrong one. */
static bool
is_spool(const struct spool_summary *s)
{
    return s->n_files > 0 || s->n_corrupt_files > 0 || s->has_uuid || s->has_cursor;
}

struct looking {
    const struct command_input *in;
    spool_look_fn *fn;
    void *ctx;
    unsigned long long n_seen;
};

static bool
on_look(void *ctx, const struct spool_seen *seen)
{
    struct looking *looking = ctx;
    progress_tell(looking->in, "%llu records read, %s", ++looking->n_seen, seen->file);
    return looking->fn(looking->ctx, seen);
}

int
command_spool_look(const struct command_input *in, struct spool_summary *summary, spool_look_fn *fn,
                   void *ctx)
{
    struct text why = TEXT_EMPTY;
    struct stat status;
    const char *directory = in->arguments[1];
    if (stat(directory, &status) == 0 && !S_ISDIR(status.st_mode)) {
        command_tell(in, "%s is no directory", directory);
        return COMMAND_NO_INPUT;
    }
    struct looking looking = {.in = in, .fn = fn, .ctx = ctx};
    int result = exit_of(spool_look(directory, &disk_system, summary, on_look, &looking, &why));
    if (result != COMMAND_OK) {
        command_tell(in, "%s", why.p);
    } else if (!is_spool(summary)) {
        command_tell(in, "%s holds no spool", directory);
        result = COMMAND_NO_INPUT;
    }
    text_fini(&why);
    return result;
}

const char *
command_spool_state(const struct spool_seen *seen)
{
    if (seen->verdict == SPOOL_RECORD_BAD_DATA)
        return "damaged";
    return seen->is_done ? "done" : "held";
}

void
command_spool_add_method(struct text *out, unsigned number)
{
    const struct method_row *row = method_row(number);
    if (row != NULL)
        text_add(out, row->path + 1);
    else
        text_addf(out, "method %u", number);
}

bool
command_spool_is_gone(const struct spool_summary *summary, const struct spool_seen *seen)
{
    return summary->is_locked && seen->err == ERR_NOT_FOUND;
}

/* spool ls */

struct counted {
    uint64_t n_held, n_done, n_damaged;
};
struct row {
    char name[SPOOL_NAME_BYTES];
    uint64_t first, last, n_bytes;
    int64_t oldest_ms, newest_ms; /* arrival of its records */
    struct counted n;
    bool is_closed;
    enum err err;
};
struct list {
    struct spool_summary summary;
    struct row *rows;
    uint32_t n, n_room;
    struct counted total, by_method[METHOD_COUNT]; /* 0: numbers without a name */
    int64_t oldest_held_ms;                        /* 0: nothing is held */
};

static void
begin_row(struct list *list, const struct spool_seen *seen)
{
    if (list->n == list->n_room) {
        list->n_room = list->n_room > 0 ? 2 * list->n_room : 64;
        list->rows = mem_resize(list->rows, list->n_room * sizeof(*list->rows));
    }
    struct row *row = &list->rows[list->n++];
    *row = (struct row){.n_bytes = seen->n_bytes, .is_closed = seen->is_closed};
    snprintf(row->name, sizeof(row->name), "%s", seen->file);
}

static void
count(struct counted *n, const struct spool_seen *seen)
{
    n->n_damaged += seen->verdict == SPOOL_RECORD_BAD_DATA;
    n->n_held += seen->verdict == SPOOL_RECORD_HELD;
    n->n_done += seen->verdict == SPOOL_RECORD_DONE;
}

static void
add_record(struct list *list, const struct spool_seen *seen)
{
    struct row *row = &list->rows[list->n - 1];
    unsigned method = method_row(seen->head.method) != NULL ? seen->head.method : 0;
    int64_t ms = seen->head.received_ms;
    bool is_first = row->n.n_held + row->n.n_done + row->n.n_damaged == 0;
    if (is_first) {
        row->first = seen->head.sequence;
        row->oldest_ms = row->newest_ms = ms;
    }
    row->last = seen->head.sequence;
    row->oldest_ms = ms < row->oldest_ms ? ms : row->oldest_ms;
    row->newest_ms = ms > row->newest_ms ? ms : row->newest_ms;
    if (seen->verdict == SPOOL_RECORD_HELD &&
        (list->oldest_held_ms == 0 || ms < list->oldest_held_ms))
        list->oldest_held_ms = ms;
    count(&row->n, seen);
    count(&list->total, seen);
    count(&list->by_method[method], seen);
}

static bool
on_seen(void *ctx, const struct spool_seen *seen)
{
    struct list *list = ctx;
    switch (seen->verdict) {
    case SPOOL_FILE_BEGINS:
        begin_row(list, seen);
        break;
    case SPOOL_FILE_UNREAD:
        list->rows[list->n - 1].err = seen->err;
        break;
    case SPOOL_RECORD_HELD:
    case SPOOL_RECORD_DONE:
    case SPOOL_RECORD_BAD_DATA:
        add_record(list, seen);
        break;
    case SPOOL_RECORD_BAD_HEAD:
        list->rows[list->n - 1].n.n_damaged += seen->n_lost;
        list->total.n_damaged += seen->n_lost;
        break;
    case SPOOL_RECORD_TORN:
        break;
    }
    return true;
}

/* "12s", "5m12s", "3h12m", "2d03h" */
static void
add_age(struct text *out, int64_t then_ms)
{
    int64_t age_ms = clock_unix_ms() - then_ms;
    unsigned long long s = age_ms > 0 ? (unsigned long long)age_ms / SECOND_MS : 0;
    if (s < MINUTE_S)
        text_addf(out, "%llus", s);
    else if (s < HOUR_S)
        text_addf(out, "%llum%02llus", s / MINUTE_S, s % MINUTE_S);
    else if (s < DAY_S)
        text_addf(out, "%lluh%02llum", s / HOUR_S, s % HOUR_S / MINUTE_S);
    else
        text_addf(out, "%llud%02lluh", s / DAY_S, s % DAY_S / HOUR_S);
}

static void
add_head(const struct list *list, const char *directory, struct text *out)
{
    const struct spool_summary *s = &list->summary;
    text_addf(out, "%s: %u file%s, ", directory, s->n_files, s->n_files == 1 ? "" : "s");
    text_add_size(out, s->n_bytes);
    if (s->holder > 0)
        text_addf(out, ", open by process %d\n", s->holder);
    else
        text_add(out, s->is_locked ? ", open by another process\n" : ", nobody has it open\n");
    if (s->has_cursor)
        text_addf(out, "cursor: all below %llu done, %llu runs done above it, next %llu\n",
                  (unsigned long long)s->lowest, (unsigned long long)s->n_done_runs,
                  (unsigned long long)s->next);
    else
        text_add(out, "cursor: none, so nothing counts as done\n");
    text_addf(out, "records: %llu held, %llu done, %llu damaged",
              (unsigned long long)list->total.n_held, (unsigned long long)list->total.n_done,
              (unsigned long long)list->total.n_damaged);
    if (list->oldest_held_ms != 0) {
        text_add(out, "; the oldest one held came ");
        add_age(out, list->oldest_held_ms);
        text_add(out, " ago");
    }
    text_add(out, "\n");
    if (s->n_corrupt_files > 0) {
        text_addf(out, "%u *.corrupt file%s kept for a look, ", s->n_corrupt_files,
                  s->n_corrupt_files == 1 ? "" : "s");
        text_add_size(out, s->n_corrupt_bytes);
        text_add(out, "\n");
    }
    if (s->n_unknown_files > 0)
        text_addf(out, "%u file%s of others or of another version, left alone\n",
                  s->n_unknown_files, s->n_unknown_files == 1 ? "" : "s");
}

static void
add_row(const struct row *row, struct text *out)
{
    struct text size = TEXT_EMPTY, oldest = TEXT_EMPTY, newest = TEXT_EMPTY, range = TEXT_EMPTY;
    text_add_size(&size, row->n_bytes);
    if (row->n.n_held + row->n.n_done + row->n.n_damaged > 0) {
        text_addf(&range, "%llu-%llu", (unsigned long long)row->first,
                  (unsigned long long)row->last);
        add_age(&oldest, row->oldest_ms);
        add_age(&newest, row->newest_ms);
    }
    text_addf(out, "%-18s %-21s %10s %8s %8s %9llu %9llu %7llu  %s\n", row->name,
              range.n > 0 ? range.p : "-", size.p, oldest.n > 0 ? oldest.p : "-",
              newest.n > 0 ? newest.p : "-", (unsigned long long)row->n.n_held,
              (unsigned long long)row->n.n_done, (unsigned long long)row->n.n_damaged,
              row->err != ERR_OK ? err_words(row->err)
              : row->is_closed   ? "closed"
                                 : "open");
    text_fini(&size);
    text_fini(&oldest);
    text_fini(&newest);
    text_fini(&range);
}

static void
add_table(const struct list *list, const char *directory, struct text *out)
{
    add_head(list, directory, out);
    if (list->n > 0)
        text_addf(out, "\n%-18s %-21s %10s %8s %8s %9s %9s %7s  %s\n", "FILE", "RECORDS", "SIZE",
                  "OLDEST", "NEWEST", "HELD", "DONE", "DAMAGED", "END");
    for (uint32_t i = 0; i < list->n; i++)
        add_row(&list->rows[i], out);
    bool is_first = true;
    for (unsigned i = 0; i < METHOD_COUNT; i++) {
        const struct counted *n = &list->by_method[i];
        if (n->n_held + n->n_done + n->n_damaged == 0)
            continue;
        if (is_first)
            text_addf(out, "\n%9s %9s %7s  METHOD\n", "HELD", "DONE", "DAMAGED");
        is_first = false;
        text_addf(out, "%9llu %9llu %7llu  ", (unsigned long long)n->n_held,
                  (unsigned long long)n->n_done, (unsigned long long)n->n_damaged);
        if (i == 0)
            text_add(out, "unknown to this version");
        else
            command_spool_add_method(out, i);
        text_add(out, "\n");
    }
}

static void
add_json_counted(struct text *out, const struct counted *n)
{
    text_addf(out, "\"held\": %llu, \"done\": %llu, \"damaged\": %llu",
              (unsigned long long)n->n_held, (unsigned long long)n->n_done,
              (unsigned long long)n->n_damaged);
}

static void
add_json_row(const struct row *row, struct text *out)
{
    text_addf(out,
              "{\"name\": \"%s\", \"first\": %llu, \"last\": %llu, \"bytes\": %llu, "
              "\"oldest_ms\": %lld, \"newest_ms\": %lld, ",
              row->name, (unsigned long long)row->first, (unsigned long long)row->last,
              (unsigned long long)row->n_bytes, (long long)row->oldest_ms,
              (long long)row->newest_ms);
    add_json_counted(out, &row->n);
    text_addf(out, ", \"closed\": %s, \"error\": ", row->is_closed ? "true" : "false");
    if (row->err != ERR_OK)
        text_add_json(out, bytes_str(err_words(row->err)));
    else
        text_add(out, "null");
    text_add(out, "}");
}

static void
add_json(const struct list *list, const char *directory, struct text *out)
{
    const struct spool_summary *s = &list->summary;
    text_add(out, "{\"directory\": ");
    text_add_json(out, bytes_str(directory));
    text_addf(out, ", \"bytes\": %llu, \"open\": %s, \"pid\": %d,\n \"cursor\": ",
              (unsigned long long)s->n_bytes, s->is_locked ? "true" : "false", s->holder);
    if (s->has_cursor)
        text_addf(out, "{\"lowest\": %llu, \"next\": %llu, \"runs\": %llu}",
                  (unsigned long long)s->lowest, (unsigned long long)s->next,
                  (unsigned long long)s->n_done_runs);
    else
        text_add(out, "null");
    text_add(out, ",\n \"records\": {");
    add_json_counted(out, &list->total);
    text_addf(out,
              ", \"oldest_held_ms\": %lld},\n \"corrupt_files\": %u, \"unknown_files\": %u,\n "
              "\"files\": [",
              (long long)list->oldest_held_ms, s->n_corrupt_files, s->n_unknown_files);
    for (uint32_t i = 0; i < list->n; i++) {
        text_add(out, i > 0 ? ",\n  " : "\n  ");
        add_json_row(&list->rows[i], out);
    }
    text_add(out, "],\n \"methods\": {");
    const char *separator = "\n  ";
    for (unsigned i = 0; i < METHOD_COUNT; i++) {
        const struct counted *n = &list->by_method[i];
        if (n->n_held + n->n_done + n->n_damaged == 0)
            continue;
        text_addf(out, "%s\"", separator);
        if (i == 0)
            text_add(out, "unknown");
        else
            command_spool_add_method(out, i);
        text_add(out, "\": {");
        add_json_counted(out, n);
        text_add(out, "}");
        separator = ",\n  ";
    }
    text_add(out, "}}\n");
}

static int
run_ls(const struct command_input *in)
{
    struct list list = {.n = 0};
    struct text out = TEXT_EMPTY;
    clock_refresh();
    int result = command_spool_look(in, &list.summary, on_seen, &list);
    if (result == COMMAND_OK && strcmp(in->format, "json") == 0)
        add_json(&list, in->arguments[1], &out);
    else if (result == COMMAND_OK)
        add_table(&list, in->arguments[1], &out);
    mem_free(list.rows);
    int written = command_write(&out);
    return result != COMMAND_OK ? result : written;
}

static int
run(const struct command_input *in)
{
    static const char *const words[] = {"ls", "verify", "dump"};
    const char *what = in->arguments[0];
    bool is_dump = strcmp(what, "dump") == 0;
    if (!is_dump && (command_has(in, "all") || command_has(in, "segments")))
        return command_usage(in, "--all and --segments are for spool dump");
    if (is_dump)
        return command_spool_dump(in);
    if (strcmp(what, "ls") == 0)
        return run_ls(in);
    if (strcmp(what, "verify") == 0)
        return command_spool_verify(in);
    const char *nearest = text_nearest(what, words, 3);
    return command_usage(in, "\"%.64s\" is neither ls nor verify nor dump%s%s%s", what,
                         nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "",
                         nearest != NULL ? "\"?" : "");
}

static const char *const formats[] = {"table", "json", NULL};
static const struct command_flag flags[] = {
    {"all", FLAG_ALONE},
    {"segments", FLAG_VALUE},
    {NULL, FLAG_ALONE},
};

const struct command_verb command_spool_verb = {
    .name = "spool",
    .run = run,
    .line = "what a spool's directory holds",
    .arguments = "ls|verify|dump DIR",
    .least = 2,
    .most = 2,
    .formats = formats,
    .flags = flags,
    .help =
        "Reads a directory of buffer.disk.path or quarantine.path and changes nothing; a service\n"
        "may have it open.\n"
        "\n"
        "ls        files, ranges, ages, records held and done by method, cursor, who has it open\n"
        "verify    every checksum; exit 1 for damage, told with file and byte\n"
        "dump      the records held, one JSON object a line; exit 1 when some are damaged\n"
        "\n"
        "  --all            dump: records that are done, too\n"
        "  --segments FILE  dump: segments as lint reads them into FILE, or - for standard output\n"
        "  --format F       ls, verify: table (default) or json\n"
        "  -q               verify: no summary\n"
        "\n"
        "Examples:\n"
        "  spangate spool verify /var/lib/spangate/spool\n"
        "  spangate spool dump --segments - /var/lib/spangate/quarantine | spangate lint -\n",
};
