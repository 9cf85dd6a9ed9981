/* Says on the terminal how far a job is that takes longer than two seconds. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

/* LINE: no terminal is narrower, so that the line is written over whole. */
enum { FIRST_US = 2000000, AGAIN_US = 250000, LINE = 79 };

static struct {
    bool is_known, is_on, is_shown;
    uint64_t due_us;
} state;

static bool
is_on(const struct command_input *in)
{
    const char *terminal = getenv("TERM");
    return !in->quiet && isatty(STDERR_FILENO) != 0 && terminal != NULL &&
           strcmp(terminal, "dumb") != 0;
}

/* Asked at every step: without a terminal it costs nothing. */
static bool
is_due(const struct command_input *in)
{
    if (!state.is_known) {
        state.is_known = true;
        state.is_on = is_on(in);
    }
    return state.is_on && clock_fresh_us() >= state.due_us;
}

void
progress_start(void)
{
    state.due_us = clock_fresh_us() + FIRST_US;
}

void
progress_tell(const struct command_input *in, const char *format, ...)
{
    struct text line = TEXT_EMPTY, shown = TEXT_EMPTY;
    va_list args;
    if (!is_due(in))
        return;
    va_start(args, format);
    text_addv(&line, format, args);
    va_end(args);
    text_add_plain(&shown, text_bytes(&line), LINE);
    fprintf(stderr, "\r%s\033[K", shown.n > 0 ? shown.p : "");
    fflush(stderr);
    state.is_shown = true;
    state.due_us = clock_fresh_us() + AGAIN_US;
    text_fini(&shown);
    text_fini(&line);
}

void
progress_clear(void)
{
    if (!state.is_shown)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    state.is_shown = false;
}
