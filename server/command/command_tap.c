/* The verb tap: segments of a running service, as they are judged. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "command/admin_client.h"
#include "command/command.h"
#include "command/tap_lines.h"
#include "integrity/tap.h"

enum {
    SILENCE_MS = 10 * 1000,            /* the service says something every second */
    LINE_MAX_BYTES = 16 * 1024 * 1024, /* a segment of TAP_SEGMENT_MAX_BYTES as JSON is less */
    RATE = 100,
};

struct tapping {
    const struct command_input *in;
    struct admin_client client;
    struct aside_judge judge;
    struct tap_lines lines;
    struct text path;
    struct text rest; /* of a line that has not ended */
    struct text out;
    struct json_tree *counts; /* the last; NULL: none came */
    uint64_t rate, limit, n_shown;
    struct text end; /* why the service ended it; empty: it did not */
    int result;
};

static volatile sig_atomic_t is_ended;

static void
on_signal(int number)
{
    (void)number;
    is_ended = 1;
}

/* The second one ends us at once: somebody who reads our output may have stopped. */
static void
take_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_RESETHAND};
    is_ended = 0;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static bool
is_over(void *ctx)
{
    (void)ctx;
    return is_ended != 0;
}

/* False: it is no line of a tap. */
static bool
take_line(struct tapping *tapping, struct bytes line)
{
    struct json_tree *answer = json_tree_read(line);
    const struct json_tree *segment = json_tree_member(answer, "segment");
    struct bytes end = json_tree_text(answer, "end");
    bool is_sound = answer != NULL;
    text_add_bytes(&tapping->end, end);
    if (segment != NULL) {
        is_sound = tap_lines_add(&tapping->lines, segment, &tapping->out);
        tapping->n_shown++;
    } else if (json_tree_member(answer, "counts") != NULL) {
        json_tree_free(&tapping->counts);
        tapping->counts = answer;
        return true;
    }
    json_tree_free(&answer);
    return is_sound;
}

static bool
take_lines(struct tapping *tapping)
{
    const char *at = tapping->rest.p, *end = at + tapping->rest.n, *stop;
    bool is_sound = tapping->rest.n < LINE_MAX_BYTES;
    while (is_sound && (stop = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        is_sound = take_line(tapping, bytes_of(at, (size_t)(stop - at)));
        at = stop + 1;
    }
    struct text left = TEXT_EMPTY;
    text_add_bytes(&left, bytes_of(at, (size_t)(end - at)));
    text_fini(&tapping->rest);
    tapping->rest = left;
    return is_sound;
}

static bool
on_bytes(void *ctx, struct bytes piece)
{
    struct tapping *tapping = ctx;
    text_add_bytes(&tapping->rest, piece);
    if (!take_lines(tapping)) {
        command_tell(tapping->in, "%s answers with what is no tap; is it of this version?",
                     tapping->client.address);
        tapping->result = COMMAND_UNAVAILABLE;
    }
    int written = command_write(&tapping->out);
    if (tapping->result == COMMAND_OK)
        tapping->result = written;
    return tapping->result == COMMAND_OK && !is_ended;
}

static void
add_part(struct text *out, const struct json_tree *counts, const char *name, const char *words)
{
    int64_t n = json_tree_number(counts, name);
    if (n > 0)
        text_addf(out, "%s %" PRId64 " %s", out->n > 0 ? "," : "; passed over:", n, words);
}

static void
tell_counts(const struct tapping *tapping)
{
    const struct json_tree *counts = json_tree_member(tapping->counts, "counts");
    struct text parts = TEXT_EMPTY, words = TEXT_EMPTY;
    text_addf(&words, "for --rate %" PRIu64, tapping->rate);
    add_part(&parts, counts, "over_rate", words.p);
    add_part(&parts, counts, "no_room", "for a slow reader");
    add_part(&parts, counts, "too_large", "larger than 256 KiB");
    if (!tapping->in->quiet)
        command_tell(
            tapping->in, "%" PRIu64 " shown of %" PRId64 " judged, %" PRId64 " of which matched%s",
            tapping->n_shown, json_tree_number(counts, "seen"), json_tree_number(counts, "matched"),
            parts.n > 0 ? parts.p : "; none was passed over");
    text_fini(&parts);
    text_fini(&words);
}

/* It ended, or we did. */
static int
judge_end(const struct tapping *tapping)
{
    if (tapping->result != COMMAND_OK)
        return tapping->result;
    if (bytes_equal(text_bytes(&tapping->end), BYTES("memory")))
        command_tell(tapping->in, "the service is short of memory: nothing can be tapped now");
    else if (tapping->end.n == 0 && !is_ended)
        command_tell(tapping->in, "the service has ended");
    else
        return COMMAND_OK;
    return COMMAND_UNAVAILABLE;
}

static int
follow(struct tapping *tapping)
{
    const struct http1_follower follower = {
        .ctx = tapping, .on_bytes = on_bytes, .is_over = is_over};
    take_signals();
    int result = admin_client_follow(&tapping->client, tapping->path.p, SILENCE_MS, &follower);
    if (tapping->counts != NULL || result == COMMAND_OK)
        tell_counts(tapping);
    return result != COMMAND_OK ? result : judge_end(tapping);
}

static void
add_number(struct text *path, const char *name, uint64_t value)
{
    if (value > 0)
        text_addf(path, "&%s=%" PRIu64, name, value);
}

static void
set_path(struct tapping *tapping)
{
    const char *filter = command_value(tapping->in, "filter");
    const char *verdict = command_value(tapping->in, "verdict");
    text_addf(&tapping->path, "/api/v1/tap?content=%s", tap_lines_content(tapping->lines.form));
    add_number(&tapping->path, "rate", tapping->rate);
    add_number(&tapping->path, "limit", tapping->limit);
    if (filter != NULL)
        admin_client_add_query(&tapping->path, "filter", filter);
    if (verdict != NULL)
        admin_client_add_query(&tapping->path, "verdict", verdict);
}

static int
check_filter(const struct command_input *in)
{
    const char *expression = command_value(in, "filter");
    struct filter *filter = NULL;
    struct filter_error error;
    if (expression != NULL && !filter_parse(bytes_str(expression), &filter, &error))
        return command_usage(in, "--filter, column %zu: %s", error.column, error.text);
    if (filter != NULL)
        filter_free(&filter);
    return COMMAND_OK;
}

static int
read_flags(struct tapping *tapping)
{
    static const char *const words[TAP_FORMS] = {"tree", "line", "json", "pb"};
    const struct command_input *in = tapping->in;
    if (!command_number(in, "rate", TAP_MAX_RATE, &tapping->rate) ||
        !command_number(in, "limit", INT64_MAX, &tapping->limit))
        return COMMAND_USAGE;
    if (tapping->rate == 0)
        return command_usage(in, "--rate is at least 1");
    if (command_has(in, "limit") && tapping->limit == 0)
        return command_usage(in, "--limit is at least 1");
    for (int i = 0; i < TAP_FORMS; i++)
        if (strcmp(in->format, words[i]) == 0)
            tapping->lines.form = (enum tap_form)i;
    if (tapping->lines.form == TAP_AS_PB && isatty(STDOUT_FILENO))
        return command_usage(in, "bytes are not for a terminal; write them to a file or a pipe");
    return check_filter(in);
}

static int
run(const struct command_input *in)
{
    struct tapping tapping = {.in = in, .rate = RATE, .lines = {.color = in->color}};
    int result = read_flags(&tapping);
    if (result != COMMAND_OK || (result = admin_client_open(&tapping.client, in)) != COMMAND_OK)
        return result;
    aside_judge_init(&tapping.judge, tapping.client.conf);
    tapping.lines.judge = &tapping.judge;
    set_path(&tapping);
    result = follow(&tapping);
    aside_judge_fini(&tapping.judge);
    admin_client_close(&tapping.client);
    json_tree_free(&tapping.counts);
    text_fini(&tapping.path);
    text_fini(&tapping.rest);
    text_fini(&tapping.out);
    text_fini(&tapping.end);
    return result;
}

static const char *const formats[] = {"tree", "line", "json", "pb", NULL};
static const struct command_flag flags[] = {
    {"filter", FLAG_VALUE}, {"verdict", FLAG_VALUE}, {"limit", FLAG_VALUE},
    {"rate", FLAG_VALUE},   {NULL, FLAG_ALONE},
};

const struct command_verb command_tap_verb = {
    .name = "tap",
    .run = run,
    .line = "live segments and verdicts",
    .arguments = "",
    .formats = formats,
    .flags = flags,
    .help =
        "Shows segments of a running service while they are judged; ends at --limit or ^C. What\n"
        "agents send goes its way untouched: what is too much for the tap is passed over, and the\n"
        "last line tells how many were. Segments as they came, before tags and repairs.\n"
        "\n"
        "  --addr ADDRESS   its admin port, HOST:PORT or unix:PATH; else admin.* of -c FILE\n"
        "  --filter EXPR    as in 'service=checkout* and spans>50' or 'tag.http.status_code=500'\n"
        "  --verdict LIST   clean, observed, tagged, repaired, quarantined, dropped\n"
        "  --limit N        ends after N segments\n"
        "  --rate N         segments a second at most (100)\n"
        "  --format FORM    tree, line, json (one object a line) or pb, as lint reads it\n"
        "\n"
        "Examples:\n"
        "  spangate tap --limit 5 --filter rule=span-parent-missing\n"
        "  spangate tap --format pb --limit 1000 | spangate lint -\n",
};
