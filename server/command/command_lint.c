/* The verb lint: verdicts on captured segments, offline. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/mem.h"
#include "command/command.h"
#include "command/lint_report.h"
#include "integrity/agent_shape.h"
#include "message/message.h"

enum {
    READ_BYTES = 1 << 16,
    FLUSH_BYTES = 1 << 16,
    SEGMENT_ID = 2,
    RULE_NAME_BYTES = 64,
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

static int
exit_of_errno(int error_number)
{
    if (error_number == ENOENT || error_number == ENOTDIR || error_number == EISDIR)
        return COMMAND_NO_INPUT;
    return error_number == EACCES || error_number == EPERM ? COMMAND_PERMISSION : COMMAND_IO;
}

/* The whole file; "-" is standard input. Owner frees p. */
static int
read_file(const struct command_input *in, const char *name, struct bytes *out)
{
    bool is_stdin = strcmp(name, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(name, "rb");
    size_t n = 0, size = READ_BYTES;
    uint8_t *p = mem_alloc(size);
    *out = bytes_of(p, 0);
    if (file == NULL) {
        int error_number = errno;
        command_tell(in, "%s: %s", name, strerror(error_number));
        return exit_of_errno(error_number);
    }
    for (size_t got; (got = fread(p + n, 1, size - n, file)) > 0;) {
        n += got;
        if (n == size)
            p = mem_resize(p, size *= 2);
    }
    int error_number = ferror(file) ? errno : 0;
    if (!is_stdin)
        fclose(file);
    *out = bytes_of(p, n);
    if (error_number == 0)
        return COMMAND_OK;
    command_tell(in, "%s: %s", name, strerror(error_number));
    return exit_of_errno(error_number);
}

static void
judge(struct lint *lint, const char *name, const struct message_file_item *item)
{
    struct judgement judgement;
    enum agent agent = lint->agent;
    if (lint->is_by_shape)
        agent = agent_shape(message_string_field(item->message, SEGMENT_ID));
    integrity_judge_segment(lint->engine, item->message, clock_unix_ms(), agent, &judgement);
    lint_report_add(&lint->report, &(struct lint_segment){name, item, &judgement, agent});
    if (lint->report.text.n < FLUSH_BYTES)
        return;
    int written = command_write(&lint->report.text);
    if (written != COMMAND_OK)
        note_exit(lint, written);
}

static void
tell_unreadable(struct lint *lint, const char *name, const struct message_file_item *item)
{
    lint->report.n_unreadable++;
    note_exit(lint, COMMAND_DATA);
    if (item->err == ERR_JSON && item->error.line > 0)
        command_tell(lint->in, "%s:%zu:%zu: %s", name, item->error.line, item->error.column,
                     item->error.text);
    else if (item->err == ERR_JSON)
        command_tell(lint->in, "%s: message %zu: %s", name, item->index + 1, item->error.text);
    else if (item->err == ERR_WIRE_LENGTH)
        command_tell(lint->in, "%s: byte %zu: the file ends within message %zu", name, item->offset,
                     item->index + 1);
    else
        command_tell(lint->in, "%s: message %zu: %s", name, item->index + 1, err_words(item->err));
}

static void
lint_content(struct lint *lint, const char *name, struct bytes content)
{
    struct message_file *file = NULL;
    struct message_json_error error = {0};
    enum err err = message_file_open(content, MESSAGE_SegmentObject, &file, &error);
    if (err == ERR_JSON)
        command_tell(lint->in, "%s:%zu:%zu: %s", name, error.line, error.column, error.text);
    else if (err != ERR_OK)
        command_tell(lint->in, "%s: %s: %s", name, err_words(err), err_advice(err));
    if (err != ERR_OK) {
        lint->report.n_unreadable++;
        note_exit(lint, COMMAND_DATA);
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
            tell_unreadable(lint, name, &item);
        arena_reset(lint->arena);
    }
    message_file_close(&file);
}

static void
lint_file(struct lint *lint, const char *name)
{
    struct bytes content;
    int result = read_file(lint->in, name, &content);
    lint->report.n_files++;
    if (result == COMMAND_OK) {
        lint_content(lint, strcmp(name, "-") == 0 ? "standard input" : name, content);
    } else {
        lint->report.n_unreadable++;
        note_exit(lint, result);
    }
    mem_free((void *)(uintptr_t)content.p);
}

static int
unknown_rule(const struct command_input *in, const char *name)
{
    const char *names[RULE_COUNT];
    for (uint32_t i = 0; i < RULE_COUNT; i++)
        names[i] = rule_row((enum rule)i)->name;
    const char *nearest = text_nearest(name, names, RULE_COUNT);
    if (nearest != NULL)
        return command_usage(in, "there is no rule \"%s\"; did you mean \"%s\"?", name, nearest);
    return command_usage(in, "there is no rule \"%s\"; docs/rules.md lists them", name);
}

/* One item of --rule: +name, name or -name. */
static int
add_rule(const struct command_input *in, const char *item, size_t n, uint64_t *plus,
         uint64_t *minus)
{
    char name[RULE_NAME_BYTES];
    bool is_minus = n > 0 && item[0] == '-';
    if (is_minus || (n > 0 && item[0] == '+')) {
        item++;
        n--;
    }
    snprintf(name, sizeof(name), "%.*s", (int)(n < sizeof(name) ? n : sizeof(name) - 1), item);
    const struct rule_row *row = rule_find(name);
    if (row == NULL)
        return unknown_rule(in, name);
    *(is_minus ? minus : plus) |= UINT64_C(1) << row->rule;
    return COMMAND_OK;
}

/* With any +name only these count, and -name never does. */
static int
read_rules(const struct command_input *in, uint64_t *rules)
{
    uint64_t plus = 0, minus = 0;
    const char *list;
    for (uint32_t i = 0; (list = command_value_at(in, "rule", i)) != NULL; i++) {
        while (*list != '\0') {
            size_t n = strcspn(list, ",");
            int result = add_rule(in, list, n, &plus, &minus);
            if (result != COMMAND_OK)
                return result;
            list += n + (list[n] == ',');
        }
    }
    *rules = (plus != 0 ? plus : UINT64_MAX) & ~minus;
    return COMMAND_OK;
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

static int
run(const struct command_input *in)
{
    struct lint lint = {.in = in, .agent = AGENT_UNKNOWN, .exit = COMMAND_OK};
    bool is_any;
    int result = read_rules(in, &lint.report.rules);
    if (result == COMMAND_OK)
        result = read_agent(in, &lint);
    if (result == COMMAND_OK)
        result = read_fail_on(in, &is_any);
    if (result != COMMAND_OK)
        return result;
    lint.report.is_json = strcmp(in->format, "json") == 0;
    lint.report.is_quiet = in->quiet;
    lint.report.is_verbose = in->verbose > 0;
    lint.engine = new_engine(lint.report.rules);
    lint.arena = arena_new(arena_bytes);
    lint_report_begin(&lint.report);
    if (in->n_arguments == 0)
        lint_file(&lint, "-");
    for (uint32_t i = 0; i < in->n_arguments; i++)
        lint_file(&lint, in->arguments[i]);
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
static const char *const formats[] = {"text", "json", NULL};

const struct command_verb command_lint_verb = {
    .name = "lint",
    .run = run,
    .line = "verdicts on captured segments in files, offline",
    .arguments = "[FILE|-]...",
    .least = 0,
    .most = UINT32_MAX,
    .formats = formats,
    .flags = flags,
    .help =
        "Reads SegmentObjects: protobuf behind lengths (4 bytes or varints), one bare message,\n"
        "JSON or JSON lines, whichever it is. Says what spangate would do with each.\n"
        "Exit 0: nothing that counts; 1: findings; 65: a file or message cannot be read.\n"
        "\n"
        "  --format F      text (default) or json\n"
        "  --rule LIST     +x,+y: only these rules; -x: all but this one\n"
        "  --fail-on WHAT  corrupt (default): findings of class proof or strong; any\n"
        "  --agent A       go, java, dotnet, other; auto (default): by the shape of the id\n"
        "  -q, -v          no summary; healthy segments too\n"
        "\n"
        "Examples:\n"
        "  spangate lint capture.bin\n"
        "  spangate lint --format json --fail-on any - < segments.json\n",
};
