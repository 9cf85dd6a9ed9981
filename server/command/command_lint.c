/* The verb lint: verdicts on captured segments, offline. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "command/command.h"
#include "command/input_file.h"
#include "command/lint_report.h"
#include "command/lint_rules.h"
#include "command/lint_walk.h"
#include "command/progress.h"
#include "integrity/agent_shape.h"
#include "message/message.h"

enum {
    FLUSH_BYTES = 1 << 16,
    SEGMENT_ID = 2,
};
/* A JSON message may be large; what is not used costs nothing. */
static const size_t arena_bytes = (size_t)1 << 30;

struct lint {
    const struct command_input *in;
    struct integrity *engine;
    struct arena *arena;
    struct lint_report report;
    bool is_by_shape; /* the agent is told from the id */
    enum agent agent;
    int exit; /* the worst so far besides findings */
};

/* What could not be read outranks what was found, and the first of it decides. */
static void
note_exit(struct lint *lint, int code)
{
    if (lint->exit == COMMAND_OK)
        lint->exit = code;
}

static void
judge(struct lint *lint, const char *name, const struct message_file_item *item)
{
    struct judgement judgement;
    enum agent agent = lint->agent;
    if (lint->is_by_shape)
        agent = agent_shape(message_string_field(item->message, SEGMENT_ID));
    integrity_judge_segment(lint->engine, item->message, 0, agent, &judgement);
    lint_report_add(&lint->report, &(struct lint_segment){name, item, &judgement, agent});
    if (lint->report.text.n < FLUSH_BYTES)
        return;
    int written = command_write(&lint->report.text);
    if (written != COMMAND_OK)
        note_exit(lint, written);
}

/* On standard error and in the report. Frees the words. */
static void
tell_unreadable(struct lint *lint, const char *name, int code, struct text *words)
{
    note_exit(lint, code);
    command_tell(lint->in, "%s", words->p);
    lint_report_unreadable(&lint->report, name, words->p);
    text_fini(words);
}

static void
tell_bad_message(struct lint *lint, const char *name, const struct message_file_item *item)
{
    struct text words = TEXT_EMPTY;
    if (item->err == ERR_JSON && item->error.line > 0)
        text_addf(&words, "%s:%zu:%zu: %s", name, item->error.line, item->error.column,
                  item->error.text);
    else if (item->err == ERR_JSON)
        text_addf(&words, "%s: message %zu: %s", name, item->index + 1, item->error.text);
    else if (item->err == ERR_WIRE_LENGTH)
        text_addf(&words, "%s: byte %zu: the file ends within message %zu", name, item->offset,
                  item->index + 1);
    else
        text_addf(&words, "%s: message %zu: %s", name, item->index + 1, err_words(item->err));
    tell_unreadable(lint, name, COMMAND_DATA, &words);
}

static void
lint_content(struct lint *lint, const char *name, struct bytes content)
{
    struct message_file *file = NULL;
    struct message_json_error error = {0};
    enum err err = message_file_open(content, MESSAGE_SegmentObject, &file, &error);
    struct text words = TEXT_EMPTY;
    if (err == ERR_JSON)
        text_addf(&words, "%s:%zu:%zu: %s", name, error.line, error.column, error.text);
    else if (err != ERR_OK)
        text_addf(&words, "%s: %s: %s", name, err_words(err), err_advice(err));
    if (err != ERR_OK) {
        tell_unreadable(lint, name, COMMAND_DATA, &words);
        return;
    }
    if (content.n == 0)
        command_tell(lint->in, "%s: empty", name);
    else if (lint->in->verbose > 0)
        command_tell(lint->in, "%s: %s", name, message_file_form_words(message_file_form(file)));
    struct message_file_item item;
    while (message_file_next(file, lint->arena, &item)) {
        if (item.err == ERR_OK)
            judge(lint, name, &item);
        else
            tell_bad_message(lint, name, &item);
        arena_reset(lint->arena);
        progress_tell(lint->in, "%zu messages judged, %s", item.index + 1, name);
    }
    message_file_close(&file);
}

static void
lint_file(void *ctx, const char *name)
{
    struct lint *lint = ctx;
    struct bytes content;
    int error_number = input_file_read(name, &content);
    const char *shown = strcmp(name, "-") == 0 ? "standard input" : name;
    lint->report.n_files++;
    if (error_number == 0) {
        lint_content(lint, shown, content);
    } else {
        struct text words = TEXT_EMPTY;
        text_addf(&words, "%s: %s", shown, strerror(error_number));
        tell_unreadable(lint, shown, input_file_exit(error_number), &words);
    }
    lint_report_end_file(&lint->report, shown);
    input_file_free(&content);
}

static void
skip_file(void *ctx, const char *name)
{
    const struct lint *lint = ctx;
    if (lint->in->verbose > 0)
        command_tell(lint->in, "%s: holds no segments, passed over", name);
}

/* A directory stands for the files in it. */
static void
lint_argument(struct lint *lint, const char *name)
{
    struct lint_walk walk = {.ctx = lint, .on_file = lint_file, .on_skipped = skip_file};
    int error_number = lint_walk_path(&walk, name);
    if (error_number == 0)
        return;
    struct text words = TEXT_EMPTY;
    text_addf(&words, "%s: %s", name, strerror(error_number));
    tell_unreadable(lint, name, input_file_exit(error_number), &words);
    lint_report_end_file(&lint->report, name);
}

static int
read_agent(const struct command_input *in, struct lint *lint)
{
    static const struct {
        const char *name;
        enum agent agent;
    } agents[] = {{"go", AGENT_IS_GO},
                  {"java", AGENT_IS_JAVA},
                  {"dotnet", AGENT_IS_DOTNET},
                  {"other", AGENT_IS_OTHER}};
    const char *name = command_value(in, "agent");
    lint->is_by_shape = name == NULL || strcmp(name, "auto") == 0;
    if (lint->is_by_shape)
        return COMMAND_OK;
    for (size_t i = 0; i < sizeof(agents) / sizeof(agents[0]); i++) {
        if (strcmp(agents[i].name, name) != 0)
            continue;
        lint->agent = agents[i].agent;
        return COMMAND_OK;
    }
    return command_usage(in, "--agent %.32s: write auto, go, java, dotnet or other", name);
}

static int
read_fail_on(const struct command_input *in, bool *is_any)
{
    const char *name = command_value(in, "fail-on");
    *is_any = name != NULL && strcmp(name, "any") == 0;
    if (name == NULL || *is_any || strcmp(name, "corrupt") == 0)
        return COMMAND_OK;
    return command_usage(in, "--fail-on %.32s: write corrupt or any", name);
}

/* Rules that are not to be told of must not decide a verdict either. */
static struct integrity *
new_engine(uint64_t rules)
{
    struct integrity_settings settings;
    integrity_settings_default(&settings);
    for (uint32_t i = 0; i < RULE_COUNT; i++)
        if ((rules >> i & 1) == 0 && rule_allows(rule_row((enum rule)i), ACTION_OBSERVE))
            settings.actions[i] = ACTION_OBSERVE;
    return integrity_new(&settings, NULL);
}

/* In the order of enum lint_format. */
static const char *const formats[] = {"text", "json", "sarif", "junit", NULL};

static enum lint_format
read_format(const struct command_input *in)
{
    uint32_t i = 0;
    while (formats[i + 1] != NULL && strcmp(formats[i], in->format) != 0)
        i++;
    return (enum lint_format)i;
}

static int
run(const struct command_input *in)
{
    struct lint lint = {.in = in, .agent = AGENT_UNKNOWN, .exit = COMMAND_OK};
    bool is_any;
    int result = lint_rules_read(in, &lint.report.rules);
    if (result == COMMAND_OK)
        result = read_agent(in, &lint);
    if (result == COMMAND_OK)
        result = read_fail_on(in, &is_any);
    if (result != COMMAND_OK)
        return result;
    lint.report.format = read_format(in);
    lint.report.fails_on_any = is_any;
    lint.report.is_quiet = in->quiet;
    lint.report.is_verbose = in->verbose > 0;
    lint.engine = new_engine(lint.report.rules);
    lint.arena = arena_new(arena_bytes);
    lint_report_begin(&lint.report);
    if (in->n_arguments == 0)
        lint_file(&lint, "-");
    for (uint32_t i = 0; i < in->n_arguments; i++)
        lint_argument(&lint, in->arguments[i]);
    lint_report_end(&lint.report);
    result = command_write(&lint.report.text);
    arena_free(&lint.arena);
    integrity_free(&lint.engine);
    if (result != COMMAND_OK || lint.exit != COMMAND_OK)
        return lint.exit != COMMAND_OK ? lint.exit : result;
    return (is_any ? lint.report.n_sick : lint.report.n_corrupt) > 0 ? COMMAND_FOUND : COMMAND_OK;
}

static const struct command_flag flags[] = {
    {"rule", FLAG_VALUE}, {"fail-on", FLAG_VALUE}, {"agent", FLAG_VALUE}, {NULL, FLAG_ALONE}};
const struct command_verb command_lint_verb = {
    .name = "lint",
    .run = run,
    .line = "judges captured segments offline",
    .arguments = "[FILE|DIR|-]...",
    .least = 0,
    .most = UINT32_MAX,
    .formats = formats,
    .flags = flags,
    .help =
        "Reads SegmentObjects: protobuf behind lengths (4 bytes or varints), one bare message,\n"
        "JSON or JSON lines, whichever it is. Says what spangate would do with each.\n"
        "A directory stands for all files below it.\n"
        "Exit 0: nothing that counts; 1: findings; 65: a file or message cannot be read.\n"
        "\n"
        "  --format F      text (default), json, sarif (2.1.0) or junit\n"
        "  --rule LIST     +x,+y: only these rules; -x: all but this one\n"
        "  --fail-on WHAT  corrupt (default): findings of class proof or strong; any\n"
        "  --agent A       go, java, dotnet, other; auto (default): by the shape of the id\n"
        "  -q, -v          no summary; healthy segments too, and spans as trees\n"
        "\n"
        "Examples:\n"
        "  spangate lint capture.bin\n"
        "  spangate lint --format sarif --fail-on any captured/ > lint.sarif\n",
};
