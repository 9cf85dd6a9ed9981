/* Log lines. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

enum { LINES_PER_SECOND = 10, TEXT_MAX = 256, TEXT_RING = 8 };

static _Atomic int level_now = LOG_INFO;
static _Atomic int format_now = LOG_READABLE;
static _Atomic uint64_t counts[LOG_DEBUG + 1];
static _Thread_local const char *thread_name = "main";

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void
log_set_level(enum log_level level)
{
    atomic_store(&level_now, (int)level);
}

void
log_set_format(enum log_format format)
{
    atomic_store(&format_now, (int)format);
}

void
log_set_thread(const char *name)
{
    thread_name = name;
}

bool
log_is_on(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&level_now, memory_order_relaxed);
}

uint64_t
log_count(enum log_level level)
{
    return atomic_load_explicit(&counts[level], memory_order_relaxed);
}

/* Sets how many lines were swallowed in the second before; false when this one is one too many. */
static bool
admit(struct log_site *site, uint32_t *swallowed)
{
    uint64_t second = clock_mono_us() / 1000000u + 1;
    uint64_t before = atomic_load_explicit(&site->second, memory_order_relaxed);
    *swallowed = 0;
    if (before != second && atomic_compare_exchange_strong(&site->second, &before, second)) {
        atomic_store(&site->n_written, 0);
        *swallowed = atomic_exchange(&site->n_swallowed, 0);
    }
    if (atomic_fetch_add(&site->n_written, 1) < LINES_PER_SECOND)
        return true;
    atomic_fetch_add(&site->n_swallowed, 1);
    return false;
}

static void
add_time(struct text *line)
{
    int64_t now_ms = clock_unix_ms();
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    text_addf(line, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900, utc.tm_mon + 1,
              utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, (int)(now_ms % 1000));
}

static void
add_json_line(struct text *line, enum log_level level, const char *layer, const char *text,
              const struct text *pairs)
{
    text_add(line, "{\"ts\":\"");
    add_time(line);
    text_addf(line, "\",\"level\":\"%s\",\"layer\":\"%s\",\"worker\":\"%s\",\"text\":",
              level_names[level], layer, thread_name);
    text_add_json(line, bytes_str(text));
    text_add(line, ",\"fields\":");
    text_add_json(line, text_bytes(pairs));
    text_add(line, "}\n");
}

static void
add_text_line(struct text *line, enum log_level level, const char *layer, const char *text,
              const struct text *pairs)
{
    bool logfmt = atomic_load(&format_now) == LOG_LOGFMT;
    if (logfmt)
        text_add(line, "ts=");
    add_time(line);
    text_addf(line, logfmt ? " level=%s layer=%s worker=%s text=\"%s\"" : " %-5s %-9s %-7s %s",
              level_names[level], layer, thread_name, text);
    if (pairs->n > 0)
        text_addf(line, " %s", pairs->p);
    text_add(line, "\n");
}

void
log_write(enum log_level level, struct log_site *site, const char *layer, const char *text,
          const char *format, ...)
{
    uint32_t swallowed;
    if (!admit(site, &swallowed))
        return;
    struct text pairs = TEXT_EMPTY, line = TEXT_EMPTY;
    va_list args;
    va_start(args, format);
    text_addv(&pairs, format, args);
    va_end(args);
    if (swallowed > 0)
        text_addf(&pairs, "%sswallowed=%u", pairs.n > 0 ? " " : "", swallowed);
    if (atomic_load(&format_now) == LOG_JSON)
        add_json_line(&line, level, layer, text, &pairs);
    else
        add_text_line(&line, level, layer, text, &pairs);
    atomic_fetch_add_explicit(&counts[level], 1, memory_order_relaxed);
    ssize_t ignored = write(STDERR_FILENO, line.p, line.n);
    (void)ignored;
    text_fini(&line);
    text_fini(&pairs);
}

/* A quote must not end the value early, nor a backslash pretend to be one of our escapes. */
static void
add_quotable(struct text *text, struct bytes b)
{
    bool cut = b.n > TEXT_MAX;
    if (cut)
        b.n = TEXT_MAX;
    while (b.n > 0) {
        size_t n = 0;
        while (n < b.n && b.p[n] != '"' && b.p[n] != '\\')
            n++;
        text_add_plain(text, bytes_of(b.p, n), n);
        if (n < b.n)
            text_addf(text, "\\%c", b.p[n++]);
        b = bytes_of(b.p + n, b.n - n);
    }
    if (cut)
        text_add(text, "...");
}

const char *
log_text(struct bytes b)
{
    static _Thread_local char ring[TEXT_RING][TEXT_MAX * 4 + 8];
    static _Thread_local unsigned at;
    char *slot = ring[at++ % TEXT_RING];
    struct text text = TEXT_EMPTY;
    add_quotable(&text, b);
    snprintf(slot, sizeof(ring[0]), "\"%s\"", text.p != NULL ? text.p : "");
    text_fini(&text);
    return slot;
}
