/* The verb top: rates, buffer, backends and the sickest instances, again and again. */
/* SPDX-License-Identifier: Apache-2.0 */
/* On a terminal one write draws a whole screen over the one before, so nothing flickers; the
 * terminal is given back as it was, whatever signal ends us. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "command/admin_client.h"
#include "command/command.h"
#include "command/top_view.h"

enum { LEAST_INTERVAL_MS = 100, DEFAULT_INTERVAL_MS = 1000, CALL_MS = 5000, FIRST_LOOK_MS = 100 };

static const char enter[] = "\033[?1049h\033[?25l\033[H", leave[] = "\033[?25h\033[?1049l";
static const char *const sort_words[] = {"bad", "rate", "spans", "service"};

struct screen {
    const struct command_input *in;
    struct admin_client client;
    struct top top;
    struct filter *filter; /* NULL: all */
    enum top_sort sort;
    uint64_t interval_ms;
    bool is_json, is_once, is_terminal;
    bool has_keys; /* the terminal's lines and echo are off */
    struct termios before;
};

/* Set by signals, looked at between two draws; all are blocked elsewhere. */
static volatile sig_atomic_t ended_by, stopped;

static void
on_signal(int number)
{
    if (number == SIGTSTP)
        stopped = 1;
    else if (number != SIGWINCH)
        ended_by = number;
}

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH};

/* *open: the mask of the wait, in which they come. */
static void
take_signals(sigset_t *open)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t blocked;
    sigemptyset(&blocked);
    ended_by = stopped = 0;
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        sigaddset(&blocked, signals[i]);
        sigaction(signals[i], &action, NULL);
    }
    sigprocmask(SIG_BLOCK, &blocked, open);
}

static void
put(const char *s)
{
    for (size_t n = strlen(s); n > 0;) {
        ssize_t done = write(STDOUT_FILENO, s, n);
        if (done < 0 && errno != EINTR)
            return;
        s += done > 0 ? done : 0;
        n -= done > 0 ? (size_t)done : 0;
    }
}

static void
enter_terminal(struct screen *screen)
{
    if (!screen->is_terminal)
        return;
    screen->has_keys = isatty(STDIN_FILENO) != 0 && tcgetattr(STDIN_FILENO, &screen->before) == 0;
    if (screen->has_keys) {
        struct termios raw = screen->before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    put(enter);
}

static void
leave_terminal(struct screen *screen)
{
    if (!screen->is_terminal)
        return;
    put(leave);
    if (screen->has_keys)
        tcsetattr(STDIN_FILENO, TCSANOW, &screen->before);
}

/* After ^Z: as the shell expects it, and back again. */
static void
stop(struct screen *screen)
{
    stopped = 0;
    leave_terminal(screen);
    raise(SIGSTOP);
    enter_terminal(screen);
}

static int
ask(struct screen *screen, bool is_quiet)
{
    struct admin_client_call call = {
        .path = "/api/v1/overview", .timeout_ms = CALL_MS, .is_quiet = is_quiet};
    struct json_tree *overview = NULL, *instances = NULL;
    int result = admin_client_call(&screen->client, &call, &overview);
    uint64_t now_us = clock_fresh_us();
    call.path = screen->sort == TOP_BY_BAD ? "/api/v1/instances?limit=5000&sort=bad"
                                           : "/api/v1/instances?limit=5000";
    if (result == COMMAND_OK)
        result = admin_client_call(&screen->client, &call, &instances);
    if (result == COMMAND_OK) {
        top_take(&screen->top, overview, instances, now_us, screen->filter);
        top_order(&screen->top, screen->sort);
    } else {
        json_tree_free(&overview);
    }
    return result;
}

static void
draw_terminal(const struct text *lines)
{
    struct text out = TEXT_EMPTY;
    text_add(&out, "\033[H");
    for (const char *line = lines->p; *line != '\0';) {
        size_t n = strcspn(line, "\n");
        text_add_bytes(&out, bytes_of(line, n));
        text_add(&out, line[n + 1] != '\0' ? "\033[K\n" : "\033[K");
        line += n + 1;
    }
    text_add(&out, "\033[J");
    put(out.p);
    text_fini(&out);
}

static int
draw(struct screen *screen, const char *note)
{
    struct top_view view = {
        .address = screen->client.address, .note = note, .color = screen->in->color};
    struct winsize size = {0};
    struct text out = TEXT_EMPTY;
    int result = COMMAND_OK;
    if (screen->is_terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        view.n_columns = size.ws_col;
        view.n_lines = size.ws_row;
    }
    if (screen->is_json)
        top_view_add_json(&screen->top, &out);
    else
        top_view_add(&screen->top, &view, &out);
    if (screen->is_terminal)
        draw_terminal(&out);
    else
        result = command_write(&out);
    text_fini(&out);
    return result;
}

/* Keys, the end of the interval, or a signal. False: it is over. */
static bool
wait_for(struct screen *screen, uint64_t ms, const sigset_t *open)
{
    struct timespec left = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};
    struct pollfd keys = {.fd = STDIN_FILENO, .events = POLLIN};
    char key = 0;
    int n = ppoll(&keys, screen->is_terminal && screen->has_keys ? 1 : 0, &left, open);
    if (n > 0 && read(STDIN_FILENO, &key, 1) != 1)
        screen->has_keys = false;
    if (key == 's') {
        screen->sort = (screen->sort + 1) % TOP_SORT_COUNT;
        top_order(&screen->top, screen->sort);
    }
    if (stopped)
        stop(screen);
    return !ended_by && key != 'q';
}

static int
watch(struct screen *screen, const sigset_t *open)
{
    const char *note = NULL;
    uint64_t due_us = clock_fresh_us();
    int result = draw(screen, NULL);
    for (;;) {
        uint64_t now_us = clock_fresh_us();
        due_us = now_us >= due_us + screen->interval_ms * 1000
                     ? now_us
                     : due_us + screen->interval_ms * 1000;
        do {
            uint64_t left_us = due_us > now_us ? due_us - now_us : 0;
            if (result != COMMAND_OK || !wait_for(screen, left_us / 1000, open))
                return result;
            if ((now_us = clock_fresh_us()) / 1000 < due_us / 1000)
                result = screen->is_terminal ? draw(screen, note) : COMMAND_OK;
        } while (now_us / 1000 < due_us / 1000);
        int asked = ask(screen, screen->is_terminal);
        note = asked == COMMAND_OK ? NULL : "the service does not answer; what stands here is old";
        if (asked == COMMAND_OK || screen->is_terminal)
            result = draw(screen, note);
    }
}

static int
run_screen(struct screen *screen)
{
    sigset_t open;
    int result = ask(screen, false);
    if (result != COMMAND_OK)
        return result;
    take_signals(&open);
    bool goes_on = wait_for(screen, screen->is_once ? screen->interval_ms : FIRST_LOOK_MS, &open);
    if (goes_on)
        result = ask(screen, false);
    if (goes_on && result == COMMAND_OK && screen->is_once) {
        result = draw(screen, NULL);
    } else if (goes_on && result == COMMAND_OK) {
        enter_terminal(screen);
        result = watch(screen, &open);
        leave_terminal(screen);
    }
    sigprocmask(SIG_SETMASK, &open, NULL);
    return result;
}

static int
read_sort(struct screen *screen)
{
    const char *word = command_value(screen->in, "sort");
    for (int i = 0; word != NULL && i < TOP_SORT_COUNT; i++)
        if (strcmp(word, sort_words[i]) == 0) {
            screen->sort = (enum top_sort)i;
            return COMMAND_OK;
        }
    return word == NULL ? COMMAND_OK
                        : command_usage(screen->in, "--sort is bad, rate, spans or service");
}

static int
read_flags(struct screen *screen)
{
    const struct command_input *in = screen->in;
    const char *expression = command_value(in, "filter");
    struct filter_error error;
    if (!command_duration(in, "interval", &screen->interval_ms))
        return COMMAND_USAGE;
    if (screen->interval_ms < LEAST_INTERVAL_MS)
        return command_usage(in, "--interval is at least 100ms");
    if (expression != NULL && !filter_parse(bytes_str(expression), &screen->filter, &error))
        return command_usage(in, "--filter, column %zu: %s", error.column, error.text);
    return read_sort(screen);
}

static int
run(const struct command_input *in)
{
    struct screen screen = {
        .in = in,
        .interval_ms = DEFAULT_INTERVAL_MS,
        .is_json = command_has(in, "json") || strcmp(in->format, "json") == 0,
        .is_once = command_has(in, "once"),
    };
    screen.is_terminal = !screen.is_json && !screen.is_once && isatty(STDOUT_FILENO) != 0;
    int result = read_flags(&screen);
    if (result == COMMAND_OK && (result = admin_client_open(&screen.client, in)) == COMMAND_OK) {
        result = run_screen(&screen);
        admin_client_close(&screen.client);
    }
    top_fini(&screen.top);
    if (screen.filter != NULL)
        filter_free(&screen.filter);
    return result;
}

static const char *const formats[] = {"table", "json", NULL};
static const struct command_flag flags[] = {
    {"once", FLAG_ALONE},     {"json", FLAG_ALONE},   {"sort", FLAG_VALUE},
    {"interval", FLAG_VALUE}, {"filter", FLAG_VALUE}, {NULL, FLAG_ALONE},
};

const struct command_verb command_top_verb = {
    .name = "top",
    .run = run,
    .line = "rates, backends, sick instances",
    .arguments = "",
    .formats = formats,
    .flags = flags,
    .help =
        "Shows what a running service does, drawn anew every second; on a terminal s sorts\n"
        "otherwise and q ends it. BAD% is the share of segments with a sure finding in the last\n"
        "60 intervals (of all, where nothing came in); the marks go from . (none) to @ (half).\n"
        "\n"
        "  --addr ADDRESS    its admin port, HOST:PORT or unix:PATH; else admin.* of -c FILE\n"
        "  --once            two looks, one interval apart, and the end\n"
        "  --interval TIME   between two looks (1s)\n"
        "  --sort WORD       bad, rate, spans or service\n"
        "  --filter EXPR     instances, as in 'service=checkout* and not rule=tag-blank'\n"
        "  --json            one object a line, also as --format json\n"
        "\n"
        "Examples:\n"
        "  spangate top\n"
        "  spangate top --once --sort rate --filter 'service=checkout*'\n",
};
