/* Draws the totals, the buffer, the backends and the ranking of instances. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/top_view.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/utf8.h"

enum { BAR = 8, SPARKS = 12, HEAD_LINES = 6, SERVICE_WIDTH = 14, INSTANCE_WIDTH = 20 };

static const char red[] = "\033[1;31m", yellow[] = "\033[33m", plain[] = "\033[0m",
                  dim[] = "\033[2m";

struct drawing {
    const struct top *top;
    const struct top_view *view;
    struct text *out;
};

static void
add_color(const struct drawing *drawing, const char *color)
{
    if (drawing->view->color)
        text_add(drawing->out, color);
}

/* "412", "1.9k", "12.4M". */
static void
add_count(struct text *out, double n)
{
    static const char units[] = "\0kMGT";
    size_t unit = 0;
    while (n >= 999.5 && unit + 1 < sizeof(units) - 1) {
        n /= 1000;
        unit++;
    }
    if (unit == 0 || n >= 99.95)
        text_addf(out, n < 9.95 && n > 0 && unit == 0 && n != (double)(int)n ? "%.1f" : "%.0f", n);
    else
        text_addf(out, "%.1f", n);
    if (unit > 0)
        text_add_bytes(out, bytes_of(&units[unit], 1));
}

/* "45s", "12:03", "3d04h". */
static void
add_span(struct text *out, int64_t s)
{
    if (s < 60)
        text_addf(out, "%llds", (long long)s);
    else if (s < 3600)
        text_addf(out, "%02lld:%02lld", (long long)s / 60, (long long)s % 60);
    else if (s < 86400)
        text_addf(out, "%lldh%02lldm", (long long)s / 3600, (long long)s / 60 % 60);
    else
        text_addf(out, "%lldd%02lldh", (long long)s / 86400, (long long)s / 3600 % 24);
}

static void
add_ms(struct text *out, double ms)
{
    if (ms < 1000)
        text_addf(out, ms < 10 ? "%.1fms" : "%.0fms", ms);
    else
        text_addf(out, "%.1fs", ms / 1000);
}

static void
add_head(const struct drawing *drawing)
{
    const struct json_tree *now = drawing->top->now;
    struct text reasons = TEXT_EMPTY;
    bool is_ready = json_tree_is_true(now, "ready");
    text_addf(drawing->out, "spangate %.*s  %s  up ", BYTES_ARG(json_tree_text(now, "version")),
              drawing->view->address);
    add_span(drawing->out, json_tree_number(now, "uptime_s"));
    text_addf(drawing->out, "  %.*s  ", BYTES_ARG(json_tree_text(now, "mode")));
    if (is_ready) {
        text_add(drawing->out, "READY");
    } else {
        json_tree_write(json_tree_member(now, "not_ready"), &reasons);
        add_color(drawing, red);
        text_addf(drawing->out, "NOT READY %s", reasons.n > 0 ? reasons.p : "");
        add_color(drawing, plain);
    }
    if (json_tree_is_true(now, "paused"))
        text_add(drawing->out, "  PAUSED");
    text_add(drawing->out, "\n");
    text_fini(&reasons);
}

static void
add_flow(const struct drawing *drawing)
{
    const struct top *top = drawing->top;
    struct text *out = drawing->out;
    double accepted = top_rate(top, "ledger", "accepted");
    double quarantined = top_rate(top, "ledger", "quarantined");
    double dropped = top_rate(top, "ledger", "dropped");
    double p99 = top_p99_ms(top, json_tree_member(top->before, "delivery"),
                            json_tree_member(top->now, "delivery"));
    int64_t imbalance = json_tree_number(json_tree_member(top->now, "ledger"), "imbalance");
    text_add(out, "IN ");
    add_count(out, top_sum_rate(top, "segments"));
    text_add(out, " seg/s ");
    text_add_size(out, (uint64_t)top_rate(top, NULL, "received_bytes"));
    text_addf(out, "/s %lld conn | OUT ", (long long)json_tree_number(top->now, "connections"));
    add_count(out, top_rate(top, "ledger", "forwarded"));
    text_add(out, " items/s");
    if (p99 >= 0) {
        text_add(out, " p99 ");
        add_ms(out, p99);
    }
    text_add(out, " | QUARANTINE ");
    add_count(out, quarantined);
    text_addf(out, "/s (%.2f%%) | ", accepted > 0 ? 100 * quarantined / accepted : 0);
    add_color(drawing, dropped > 0 ? red : "");
    text_add(out, "DROP ");
    add_count(out, dropped);
    text_add(out, "/s");
    add_color(drawing, dropped > 0 ? plain : "");
    text_add(out, " | ");
    add_color(drawing, imbalance != 0 ? red : "");
    text_addf(out, "LEDGER %lld", (long long)imbalance);
    add_color(drawing, imbalance != 0 ? plain : "");
    text_add(out, "\n");
}

static void
add_bar(const struct drawing *drawing, const char *name, int64_t used, int64_t capacity)
{
    int64_t percent = capacity > 0 ? used * 100 / capacity : 0;
    text_addf(drawing->out, "%s ", name);
    if (capacity == 0) {
        text_add(drawing->out, "off");
        return;
    }
    add_color(drawing, percent >= 95 ? red : percent >= 80 ? yellow : "");
    text_add(drawing->out, "[");
    for (int64_t i = 0; i < BAR; i++)
        text_add(drawing->out, i * 100 < percent * BAR ? "#" : ".");
    text_addf(drawing->out, "] %lld%%", (long long)percent);
    add_color(drawing, percent >= 80 ? plain : "");
}

/* Of RFC 3339 in UTC; 0: it is none. */
static int64_t
unix_s_of(struct bytes time)
{
    struct tm when = {.tm_isdst = 0};
    char copy[32] = "";
    if (time.n < 19 || time.n >= sizeof(copy))
        return 0;
    memcpy(copy, time.p, time.n);
    return strptime(copy, "%Y-%m-%dT%H:%M:%S", &when) != NULL ? (int64_t)timegm(&when) : 0;
}

static void
add_backend(const struct drawing *drawing, const struct json_tree *before,
            const struct json_tree *now)
{
    struct text *out = drawing->out;
    bool is_up = json_tree_is_true(now, "up");
    int64_t last_s = unix_s_of(json_tree_text(now, "last_success"));
    double p99 = top_p99_ms(drawing->top, json_tree_member(before, "answers"),
                            json_tree_member(now, "answers"));
    text_add_plain(out, json_tree_text(now, "name"), 40);
    if (!is_up) {
        add_color(drawing, red);
        text_add(out, " DOWN");
        if (last_s > 0) {
            text_add(out, " ");
            add_span(out, clock_unix_ms() / 1000 - last_s);
        }
        add_color(drawing, plain);
        return;
    }
    text_add(out, " up");
    if (p99 >= 0) {
        text_add(out, " p99 ");
        add_ms(out, p99);
    }
}

static void
add_buffer(const struct drawing *drawing)
{
    const struct top *top = drawing->top;
    const struct json_tree *buffer = json_tree_member(top->now, "buffer");
    const struct json_tree *backends = json_tree_member(top->now, "backends"), *one;
    const struct json_tree *before = json_tree_member(top->before, "backends");
    text_add(drawing->out, "BUFFER ");
    add_bar(drawing, "mem", json_tree_number(buffer, "memory_bytes"),
            json_tree_number(buffer, "memory_capacity_bytes"));
    text_add(drawing->out, " oldest ");
    add_ms(drawing->out, (double)json_tree_number(top->now, "oldest_item_age_ms"));
    text_add(drawing->out, "   ");
    add_bar(drawing, "disk", json_tree_number(buffer, "disk_bytes"),
            json_tree_number(buffer, "disk_capacity_bytes"));
    text_add(drawing->out, "    BACKEND ");
    for (size_t i = 0; (one = json_tree_at(backends, i)) != NULL; i++) {
        text_add(drawing->out, i > 0 ? ", " : "");
        add_backend(drawing, json_tree_at(before, i), one);
    }
    if (json_tree_n(backends) == 0)
        text_add(drawing->out, "none");
    text_add(drawing->out, "\n");
}

/* From nothing bad to half of all. */
static char
spark_of(uint64_t n_segments, uint64_t n_bad)
{
    static const double steps[] = {0, 0.001, 0.005, 0.01, 0.03, 0.1, 0.25, 0.5};
    static const char marks[] = ".:-=+*#%@";
    size_t i = 0;
    if (n_segments == 0)
        return ' ';
    double share = (double)n_bad / (double)n_segments;
    while (i < sizeof(steps) / sizeof(steps[0]) && share > steps[i])
        i++;
    return marks[i];
}

/* The last 60 intervals, the newest at the right; each mark is five of them. */
static void
add_sparks(struct text *out, const struct top_row *row)
{
    const uint32_t step = TOP_HISTORY / SPARKS;
    for (uint32_t spark = SPARKS; spark-- > 0;) {
        uint64_t n_segments = 0, n_bad = 0;
        for (uint32_t i = spark * step; i < (spark + 1) * step; i++) {
            if (i >= row->n_history)
                break;
            uint32_t at = (row->n_history - 1 - i) % TOP_HISTORY;
            n_segments += row->history[at].n_segments;
            n_bad += row->history[at].n_bad;
        }
        char mark = spark_of(n_segments, n_bad);
        text_add_bytes(out, bytes_of(&mark, 1));
    }
}

/* At most width characters, padded; a longer one keeps its beginning. */
static void
add_name(struct text *out, const char *name, size_t width)
{
    size_t n = 0, n_shown = 0;
    for (; name[n] != '\0' && n_shown < width; n_shown++)
        for (n++; (name[n] & 0xC0) == 0x80; n++)
            continue;
    text_add_bytes(out, bytes_of(name, n));
    text_addf(out, "%*s", (int)(width - n_shown) + 1, "");
}

static void
add_row(const struct drawing *drawing, const struct top_row *row)
{
    struct text *out = drawing->out, rate = TEXT_EMPTY;
    bool is_known = top_elapsed_s(drawing->top) > 0;
    add_name(out, row->service, SERVICE_WIDTH);
    add_name(out, row->instance, INSTANCE_WIDTH);
    if (is_known)
        add_count(&rate, row->segments_per_s);
    text_addf(out, "%6s  ", rate.n > 0 ? rate.p : "-");
    add_color(drawing, row->bad_share > 0.05 ? red : row->bad_share > 0 ? yellow : "");
    text_addf(out, "%5.2f", 100 * row->bad_share);
    add_color(drawing, row->bad_share > 0 ? plain : "");
    text_add(out, "  ");
    add_sparks(out, row);
    text_add(out, "  ");
    add_name(out, row->finding[0] != '\0' ? row->finding : "-", 20);
    text_add(out, " ");
    add_color(drawing, row->is_error ? red : "");
    text_add(out, row->diagnosis[0] != '\0' ? row->diagnosis
                  : row->bad_share > 0      ? "-"
                                            : "healthy");
    text_add(out, "\n");
    text_fini(&rate);
}

static void
add_rows(const struct drawing *drawing)
{
    const struct top *top = drawing->top;
    uint32_t n = top->n_seen, room = drawing->view->n_lines;
    uint32_t n_fixed = HEAD_LINES + (drawing->view->note != NULL ? 1 : 0);
    if (room > 0 && n + n_fixed > room)
        n = room > n_fixed ? room - n_fixed : 0;
    add_color(drawing, dim);
    text_addf(drawing->out, "%-*s %-*s%6s  %5s  %-12s  %-20s  %s", SERVICE_WIDTH, "SERVICE",
              INSTANCE_WIDTH, "INSTANCE", " SEG/S", "BAD%", "60s", "TOP FINDING", "DIAGNOSIS");
    add_color(drawing, plain);
    text_add(drawing->out, "\n");
    for (uint32_t i = 0; i < n; i++)
        add_row(drawing, &top->rows[i]);
    if (n < top->n_seen || (int64_t)top->n_seen < top->n_instances)
        text_addf(drawing->out, "%u shown of %lld instances\n", n, (long long)top->n_instances);
}

/* Escapes take no column; a cut line ends its colours. */
static void
add_cut(struct text *out, const char *line, size_t n, uint32_t n_columns)
{
    uint32_t column = 0;
    bool is_cut = false;
    for (size_t i = 0; i < n;) {
        size_t step = 1;
        if (line[i] == '\033') {
            while (i + step < n && line[i + step - 1] != 'm')
                step++;
        } else {
            while (i + step < n && (line[i + step] & 0xC0) == 0x80)
                step++;
            is_cut = ++column > n_columns;
        }
        if (!is_cut)
            text_add_bytes(out, bytes_of(line + i, step));
        i += step;
    }
    text_add(out, is_cut ? "\033[0m\n" : "\n");
}

void
top_view_add(const struct top *top, const struct top_view *view, struct text *out)
{
    struct text lines = TEXT_EMPTY;
    const struct drawing drawing = {top, view, &lines};
    add_head(&drawing);
    add_flow(&drawing);
    add_buffer(&drawing);
    add_rows(&drawing);
    if (view->note != NULL)
        text_addf(&lines, "%s\n", view->note);
    for (const char *line = lines.p; *line != '\0';) {
        size_t n = strcspn(line, "\n");
        if (view->n_columns > 0)
            add_cut(out, line, n, view->n_columns);
        else
            text_add_bytes(out, bytes_of(line, n + 1));
        line += n + 1;
    }
    text_fini(&lines);
}

static void
add_json_row(struct text *out, const struct top_row *row)
{
    text_add(out, "{\"service\":");
    text_add_json(out, bytes_str(row->service));
    text_add(out, ",\"service_instance\":");
    text_add_json(out, bytes_str(row->instance));
    text_addf(out, ",\"segments_per_s\":%.6g,\"bad_ratio\":%.6g,\"segments\":%llu,\"bad\":%llu",
              row->segments_per_s, row->bad_share, (unsigned long long)row->n_segments,
              (unsigned long long)row->n_bad);
    text_add(out, ",\"finding\":");
    text_add_json(out, bytes_str(row->finding));
    text_add(out, ",\"diagnosis\":");
    text_add_json(out, bytes_str(row->diagnosis));
    text_add(out, "}");
}

void
top_view_add_json(const struct top *top, struct text *out)
{
    text_addf(out,
              "{\"seconds\":%.3f,\"segments_per_s\":%.6g,\"received_bytes_per_s\":%.6g,"
              "\"forwarded_per_s\":%.6g,\"quarantined_per_s\":%.6g,\"dropped_per_s\":%.6g,"
              "\"overview\":",
              top_elapsed_s(top), top_sum_rate(top, "segments"),
              top_rate(top, NULL, "received_bytes"), top_rate(top, "ledger", "forwarded"),
              top_rate(top, "ledger", "quarantined"), top_rate(top, "ledger", "dropped"));
    json_tree_write(top->now, out);
    text_addf(out, ",\"total\":%lld,\"instances\":[", (long long)top->n_instances);
    for (uint32_t i = 0; i < top->n_seen; i++) {
        text_add(out, i > 0 ? "," : "");
        add_json_row(out, &top->rows[i]);
    }
    text_add(out, "]}\n");
}
