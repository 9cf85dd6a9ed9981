/* The verb send: captured messages to any endpoint, or one segment through an installation. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "base/method.h"
#include "command/caller.h"
#include "command/command.h"
#include "command/input_file.h"
#include "command/progress.h"
#include "command/selftest.h"
#include "message/message_file.h"

enum { MOST_RATE = 1000000, NAME_BYTES = 128, MOST_WAIT_MS = 3600 * 1000 };
/* A JSON message may be large; what is not used costs nothing. */
static const size_t arena_bytes = (size_t)1 << 30;

struct sending {
    const struct command_input *in;
    struct caller *caller;
    struct arena *arena;
    uint64_t n_taken, n_refused;
    int exit; /* the first thing that could not be read */
};

/* "ManagementService.keepAlive" of "/skywalking.v3.ManagementService/keepAlive". */
static void
short_name(const char *path, char *out)
{
    const char *slash = strrchr(path, '/'), *service = path;
    for (const char *p = path; p < slash; p++)
        if (*p == '.' || *p == '/')
            service = p + 1;
    snprintf(out, NAME_BYTES, "%.*s.%s", (int)(slash - service), service, slash + 1);
}

/* As a sink's store and the corpus name their files: [AGENT.]Service.method.bin. NULL: not so. */
static const struct method_row *
method_of_file(const char *file)
{
    const char *base = strrchr(file, '/') != NULL ? strrchr(file, '/') + 1 : file;
    for (unsigned number = 1; number < METHOD_COUNT; number++) {
        const struct method_row *row = method_row(number);
        char name[NAME_BYTES];
        if (row == NULL)
            continue;
        short_name(row->path, name);
        const char *at = strstr(base, name);
        if (at != NULL && (at == base || at[-1] == '.') && strcmp(at + strlen(name), ".bin") == 0)
            return row;
    }
    return NULL;
}

/* What --method names, else what the file's name does, else segments. NULL: told. */
static const struct method_row *
find_method(const struct command_input *in, const char *file)
{
    const char *wanted = command_value(in, "method");
    const struct method_row *row;
    if (wanted == NULL) {
        row = method_of_file(file);
        return row != NULL ? row : method_row(METHOD_SEGMENT_COLLECT);
    }
    row = method_find(bytes_str(wanted));
    if (row == NULL)
        command_usage(in, "--method \"%.100s\": no such path; docs/protocol.md lists them", wanted);
    return row;
}

static void
note_exit(struct sending *sending, int code)
{
    if (sending->exit == COMMAND_OK)
        sending->exit = code;
}

static int
send_message(struct sending *sending, const char *file, const struct method_row *row,
             const struct message_file_item *item)
{
    struct caller_answer answer = {.is_taken = false};
    if (item->err != ERR_OK) {
        command_tell(sending->in, "%s: message %zu: %s", file, item->index + 1,
                     item->err == ERR_JSON ? item->error.text : err_words(item->err));
        note_exit(sending, COMMAND_DATA);
        return COMMAND_OK;
    }
    int result = caller_call(sending->caller, row->path, item->message, &answer);
    if (result != COMMAND_OK)
        return result;
    sending->n_taken += answer.is_taken;
    sending->n_refused += !answer.is_taken;
    progress_tell(sending->in, "%" PRIu64 " taken, %" PRIu64 " refused, %s", sending->n_taken,
                  sending->n_refused, file);
    if (!answer.is_taken)
        command_tell(sending->in, "%s: message %zu is refused: %s", file, item->index + 1,
                     answer.why);
    return COMMAND_OK;
}

static int
send_content(struct sending *sending, const char *file, const struct method_row *row,
             struct bytes content)
{
    struct message_file *messages = NULL;
    struct message_json_error error = {0};
    struct message_file_item item;
    int result = COMMAND_OK;
    enum err err = message_file_open(content, row->message, &messages, &error);
    if (err != ERR_OK) {
        command_tell(sending->in, "%s: %s", file, err == ERR_JSON ? error.text : err_words(err));
        note_exit(sending, COMMAND_DATA);
        return COMMAND_OK;
    }
    while (result == COMMAND_OK && message_file_next(messages, sending->arena, &item)) {
        result = send_message(sending, file, row, &item);
        arena_reset(sending->arena);
    }
    message_file_close(&messages);
    return result;
}

/* A file that cannot be read keeps no other from being sent. */
static int
send_file(struct sending *sending, const char *name)
{
    const struct method_row *row = find_method(sending->in, name);
    struct bytes content;
    if (row == NULL)
        return COMMAND_USAGE;
    int error_number = input_file_read(name, &content), result = COMMAND_OK;
    if (error_number == 0) {
        result = send_content(sending, name, row, content);
    } else {
        command_tell(sending->in, "%s: %s", name, strerror(error_number));
        note_exit(sending, input_file_exit(error_number));
    }
    input_file_free(&content);
    return result;
}

static int
send_files(const struct command_input *in, const struct caller_settings *settings)
{
    struct sending sending = {.in = in, .exit = COMMAND_OK};
    struct text out = TEXT_EMPTY;
    int result = caller_open(in, settings, &sending.caller);
    if (result != COMMAND_OK)
        return result;
    sending.arena = arena_new(arena_bytes);
    for (uint32_t i = 0; i < in->n_arguments && result == COMMAND_OK; i++)
        result = send_file(&sending, in->arguments[i]);
    arena_free(&sending.arena);
    caller_close(&sending.caller);
    text_addf(&out, "%" PRIu64 " taken by %s, %" PRIu64 " refused\n", sending.n_taken,
              settings->address, sending.n_refused);
    int written = command_write(&out);
    if (result != COMMAND_OK || written != COMMAND_OK)
        return result != COMMAND_OK ? result : written;
    if (sending.exit != COMMAND_OK)
        return sending.exit;
    return sending.n_refused > 0 ? COMMAND_FOUND : COMMAND_OK;
}

/* The first line of --token-file. */
static int
read_token(const struct command_input *in, struct text *token)
{
    const char *file = command_value(in, "token-file");
    struct bytes content;
    text_add(token, "");
    if (file == NULL)
        return COMMAND_OK;
    int error_number = input_file_read(file, &content);
    if (error_number != 0)
        command_tell(in, "--token-file %s: %s", file, strerror(error_number));
    else
        for (size_t n = 0; n < content.n && content.p[n] > ' '; n++)
            text_add_bytes(token, bytes_of(content.p + n, 1));
    input_file_free(&content);
    return error_number != 0 ? (int)input_file_exit(error_number) : COMMAND_OK;
}

static int
run(const struct command_input *in)
{
    bool is_selftest = command_has(in, "selftest");
    struct text token = TEXT_EMPTY;
    struct caller_settings settings = {
        .flag = "--addr", .address = in->address != NULL ? in->address : "127.0.0.1:11800"};
    uint64_t wait_ms = 30000;
    if (!command_number(in, "rate", MOST_RATE, &settings.rate) ||
        !command_duration(in, "wait", &wait_ms))
        return COMMAND_USAGE;
    if (is_selftest != (in->n_arguments == 0))
        return command_usage(in, "name either files or --selftest");
    if (wait_ms > MOST_WAIT_MS)
        return command_usage(in, "--wait is at most 1h");
    int result = read_token(in, &token);
    settings.token = token.p;
    if (result == COMMAND_OK && is_selftest)
        result = selftest_run(in, &settings, wait_ms);
    else if (result == COMMAND_OK)
        result = send_files(in, &settings);
    text_fini(&token);
    return result;
}

static const struct command_flag flags[] = {
    {"selftest", FLAG_ALONE},   {"telemetry", FLAG_VALUE}, {"wait", FLAG_VALUE},
    {"token-file", FLAG_VALUE}, {"method", FLAG_VALUE},    {"rate", FLAG_VALUE},
    {NULL, FLAG_ALONE},
};

const struct command_verb command_send_verb = {
    .name = "send",
    .run = run,
    .line = "captured messages to an endpoint",
    .arguments = "[FILE|-]...",
    .most = 100000,
    .flags = flags,
    .help = "Sends messages of files, in any form \"spangate lint\" reads, one call each. Exit 1\n"
            "when one is refused.\n"
            "\n"
            "  --addr HOST:PORT   where to, gRPC in clear text (default 127.0.0.1:11800)\n"
            "  --method PATH      what they are; without it a file's name tells\n"
            "                     (Service.method.bin, as a sink stores), else segments\n"
            "  --rate N           calls a second at most\n"
            "  --token-file FILE  its first line is shown on every call\n"
            "  --selftest         sends one segment of service spangate-selftest, and waits until\n"
            "                     a backend has what was taken with it; exit 1 when none has\n"
            "  --telemetry H:P    where the selftest looks; a name stands for all its addresses\n"
            "                     (default 127.0.0.1:1234)\n"
            "  --wait TIME        how long the selftest waits (30s)\n"
            "\n"
            "Examples:\n"
            "  spangate send --addr oap:11800 captured/*.bin\n"
            "  spangate send --selftest --addr gate:11800 --telemetry gate:1234\n",
};
