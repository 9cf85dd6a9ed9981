/* One event, one line, one write to standard error. */
/* SPDX-License-Identifier: Apache-2.0 */
/* "2026-11-23T07:01:02.123Z info net w0 listening address=127.0.0.1:11800". Error: someone must
 * act. Warn: a limit was met. Info: a module's or connection's life. Debug: the rest. What a client
 * does wrong is a counter and a debug line. Any thread. Each call site writes at most 10 lines a
 * second and says how many it swallowed. Network text goes in through LOG_TEXT. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_READABLE, LOG_LOGFMT, LOG_JSON };

struct log_site {
    _Atomic uint64_t second;
    _Atomic uint32_t n_written, n_swallowed;
};

/* Takes effect at once for all threads. */
void log_set_level(enum log_level);
void log_set_format(enum log_format);
/* The worker column of this thread ("w0", "control"); the string must outlive the thread. */
void log_set_thread(const char *name);
bool log_is_on(enum log_level);
/* Lines written so far, by level: for log_messages_total. */
uint64_t log_count(enum log_level);
/* format gives key=value pairs separated by single spaces; "" for none. */
void log_write(enum log_level, struct log_site *, const char *layer, const char *text,
               const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Network bytes as a quoted, escaped, cut value: log_x(..., "peer=%s", LOG_TEXT(bytes)). Valid
 * until the end of the full expression's thread-local ring of 8. */
const char *log_text(struct bytes);
#define LOG_TEXT(b) log_text(b)

#define LOG_AT(level, layer, text, ...)                             \
    do {                                                            \
        static struct log_site log_site_;                           \
        if (log_is_on(level))                                       \
            log_write(level, &log_site_, layer, text, __VA_ARGS__); \
    } while (0)
#define log_error(layer, text, ...) LOG_AT(LOG_ERROR, layer, text, __VA_ARGS__)
#define log_warn(layer, text, ...) LOG_AT(LOG_WARN, layer, text, __VA_ARGS__)
#define log_info(layer, text, ...) LOG_AT(LOG_INFO, layer, text, __VA_ARGS__)
#define log_debug(layer, text, ...) LOG_AT(LOG_DEBUG, layer, text, __VA_ARGS__)

#endif
