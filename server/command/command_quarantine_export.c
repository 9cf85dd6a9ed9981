/* quarantine export: messages into a file that lint, spool or another program reads. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Table form: segments as they came, each behind its length as 4 bytes, big endian. JSON form: any
 * message that can be decoded, one JSON object a line. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "command/aside_record.h"
#include "command/command_quarantine.h"
#include "command/progress.h"
#include "message/message_json.h"

enum { LENGTH_BYTES = 4 };
/* Only for fields that came in parts. */
static const size_t arena_bytes = (size_t)1 << 30;

struct exporting {
    const struct command_quarantine *q;
    struct aside_judge judge;
    struct arena *arena;
    FILE *file;
    int error_number; /* of writing */
    uint64_t n_written, n_others;
};

static int
open_file(struct exporting *exporting)
{
    const char *name = command_value(exporting->q->in, "output");
    bool is_stdout = name == NULL || strcmp(name, "-") == 0;
    if (is_stdout && !exporting->q->is_json && isatty(STDOUT_FILENO))
        return command_usage(exporting->q->in, "bytes are not for a terminal; give -o FILE");
    exporting->file = is_stdout ? stdout : fopen(name, "wb");
    if (exporting->file != NULL)
        return COMMAND_OK;
    int error_number = errno;
    command_tell(exporting->q->in, "%s: %s", name, strerror(error_number));
    return error_number == EACCES || error_number == EPERM ? COMMAND_PERMISSION : COMMAND_IO;
}

static int
close_file(struct exporting *exporting)
{
    bool is_stdout = exporting->file == stdout;
    if ((is_stdout ? fflush(exporting->file) : fclose(exporting->file)) != 0 &&
        exporting->error_number == 0)
        exporting->error_number = errno;
    if (exporting->error_number == 0)
        return COMMAND_OK;
    command_tell(exporting->q->in, "cannot write: %s", strerror(exporting->error_number));
    return COMMAND_IO;
}

static void
put(struct exporting *exporting, struct bytes bytes)
{
    if (exporting->error_number == 0 && bytes.n > 0 &&
        fwrite(bytes.p, bytes.n, 1, exporting->file) != 1)
        exporting->error_number = errno;
}

static void
write_segment(struct exporting *exporting, const struct aside_record *record)
{
    uint8_t length[LENGTH_BYTES];
    bool is_segment = record->row != NULL && record->row->message == MESSAGE_SegmentObject;
    if (!is_segment || aside_record_is_prefix(record)) {
        exporting->n_others++;
        return;
    }
    for (int i = 0; i < LENGTH_BYTES; i++)
        length[i] = (uint8_t)(record->payload.n >> (8 * (LENGTH_BYTES - 1 - i)));
    put(exporting, bytes_of(length, sizeof(length)));
    put(exporting, record->payload);
    exporting->n_written++;
}

static void
write_json(struct exporting *exporting, const struct aside_record *record)
{
    struct text line = TEXT_EMPTY;
    arena_reset(exporting->arena);
    if (record->is_judged && message_json_write(record->row->message, record->payload,
                                                exporting->arena, &line) == ERR_OK) {
        text_add(&line, "\n");
        put(exporting, text_bytes(&line));
        exporting->n_written++;
    } else {
        exporting->n_others++;
    }
    text_fini(&line);
}

static int
export_one(struct exporting *exporting, const char *id)
{
    struct json_tree *item;
    struct aside_record record;
    int result = command_quarantine_fetch(exporting->q, id, &item);
    if (result != COMMAND_OK)
        return result;
    if (!aside_record_open(&record, item, &exporting->judge, LANGUAGE_NONE)) {
        command_tell(exporting->q->in, "%s: its payload is no base64", id);
        result = COMMAND_DATA;
    } else {
        if (exporting->q->is_json)
            write_json(exporting, &record);
        else
            write_segment(exporting, &record);
        aside_record_close(&record);
    }
    json_tree_free(&item);
    return exporting->error_number != 0 ? COMMAND_IO : result;
}

/* One that went meanwhile is told and passed over; exit 66 in the end where it was given by id. */
static int
export_all(struct exporting *exporting, const struct command_quarantine_ids *ids)
{
    int worst = COMMAND_OK;
    for (uint32_t i = 0; i < ids->n; i++) {
        int result = export_one(exporting, ids->ids[i]);
        progress_tell(exporting->q->in, "%" PRIu32 " of %" PRIu32 " exported", i + 1, ids->n);
        if (result == COMMAND_NO_INPUT && exporting->q->has_choice)
            continue;
        if (result != COMMAND_OK && result != COMMAND_NO_INPUT)
            return result;
        worst = result != COMMAND_OK ? result : worst;
    }
    return worst;
}

static void
tell_summary(const struct exporting *exporting)
{
    const struct command_input *in = exporting->q->in;
    if (exporting->n_others > 0)
        command_tell(in,
                     exporting->q->is_json
                         ? "%" PRIu64 " cannot be read as a message, passed over; show has their "
                           "bytes"
                         : "%" PRIu64 " are no segments or not whole, passed over; --format json "
                           "takes other messages",
                     exporting->n_others);
    if (!in->quiet && exporting->file != stdout)
        command_tell(in, "%" PRIu64 " written to %s", exporting->n_written,
                     command_value(in, "output"));
}

int
command_quarantine_export(const struct command_quarantine *q)
{
    struct exporting exporting = {.q = q};
    struct command_quarantine_ids ids = {.n = 0};
    int result = command_quarantine_pick(q, &ids);
    if (result == COMMAND_OK)
        result = open_file(&exporting);
    if (result == COMMAND_OK) {
        aside_judge_init(&exporting.judge, q->client.conf);
        exporting.arena = arena_new(arena_bytes);
        result = export_all(&exporting, &ids);
        arena_free(&exporting.arena);
        aside_judge_fini(&exporting.judge);
        int closed = close_file(&exporting);
        if (result == COMMAND_OK)
            result = closed;
        if (result == COMMAND_OK || result == COMMAND_NO_INPUT)
            tell_summary(&exporting);
    }
    command_quarantine_ids_fini(&ids);
    return result;
}
