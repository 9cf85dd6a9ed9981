/* spool dump: the records of a spool's directory as JSON lines, or its segments as lint reads them.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/arena.h"
#include "command/command_spool.h"
#include "message/message.h"
#include "message/message_json.h"

enum { FLUSH_BYTES = 1 << 16, LENGTH_BYTES = 4 };
/* Only for fields that came in parts. */
static const size_t arena_bytes = (size_t)1 << 30;

struct dump {
    const struct command_input *in;
    struct spool_summary summary;
    struct arena *arena;
    struct text out;
    FILE *file; /* of --segments; NULL: JSON lines */
    bool is_all;
    uint64_t n_written, n_damaged, n_others, n_unread;
    int error_number; /* of writing */
};

/* JSON lines */

static void
add_hex(struct text *out, struct bytes data)
{
    static const char digits[] = "0123456789abcdef";
    char pair[3] = "";
    for (size_t i = 0; i < data.n; i++) {
        pair[0] = digits[data.p[i] >> 4];
        pair[1] = digits[data.p[i] & 15];
        text_add(out, pair);
    }
}

/* What the message says, or its bytes where they say nothing. */
static void
add_message(struct dump *d, const struct spool_seen *seen)
{
    const struct method_row *row = method_row(seen->head.method);
    if (row != NULL && row->message != MESSAGE_OPAQUE && seen->verdict != SPOOL_RECORD_BAD_DATA) {
        struct text message = TEXT_EMPTY;
        enum err err = message_json_write(row->message, seen->payload, d->arena, &message);
        arena_reset(d->arena);
        if (err == ERR_OK) {
            text_add(&d->out, ", \"message\": ");
            text_add_bytes(&d->out, text_bytes(&message));
        }
        text_fini(&message);
        if (err == ERR_OK)
            return;
    }
    text_add(&d->out, ", \"hex\": \"");
    add_hex(&d->out, seen->payload);
    text_add(&d->out, "\"");
}

static void
add_line(struct dump *d, const struct spool_seen *seen)
{
    text_addf(&d->out,
              "{\"sequence\": %llu, \"file\": \"%s\", \"offset\": %llu, \"state\": \"%s\", "
              "\"method\": \"",
              (unsigned long long)seen->head.sequence, seen->file, (unsigned long long)seen->offset,
              command_spool_state(seen));
    command_spool_add_method(&d->out, seen->head.method);
    text_addf(&d->out, "\", \"received_ms\": %lld, \"set_aside\": %s, \"edited\": %s, \"key\": ",
              (long long)seen->head.received_ms,
              (seen->head.flags & SPOOL_FLAG_SET_ASIDE) != 0 ? "true" : "false",
              (seen->head.flags & SPOOL_FLAG_EDITED) != 0 ? "true" : "false");
    text_add_json(&d->out, seen->key);
    text_addf(&d->out, ", \"bytes\": %u", seen->head.payload_bytes);
    add_message(d, seen);
    text_add(&d->out, "}\n");
    d->n_written++;
    if (d->out.n >= FLUSH_BYTES && command_write(&d->out) != COMMAND_OK)
        d->error_number = EIO; /* told already */
}

/* Segments */

static void
write_segment(void *ctx, struct bytes segment)
{
    struct dump *d = ctx;
    uint8_t length[LENGTH_BYTES];
    for (int i = 0; i < LENGTH_BYTES; i++)
        length[i] = (uint8_t)(segment.n >> (8 * (LENGTH_BYTES - 1 - i)));
    if (d->error_number == 0 && (fwrite(length, sizeof(length), 1, d->file) != 1 ||
                                 (segment.n > 0 && fwrite(segment.p, segment.n, 1, d->file) != 1)))
        d->error_number = errno;
    d->n_written++;
}

static void
write_segments(struct dump *d, const struct spool_seen *seen)
{
    const struct method_row *row = method_row(seen->head.method);
    enum message_type type = row != NULL ? row->message : MESSAGE_OPAQUE;
    if (seen->verdict == SPOOL_RECORD_BAD_DATA)
        return;
    if (type == MESSAGE_SegmentObject)
        write_segment(d, seen->payload);
    else if (type != MESSAGE_SegmentCollection ||
             message_each_segment(seen->payload, write_segment, d) != ERR_OK)
        d->n_others++;
}

/* Both */

static bool
on_seen(void *ctx, const struct spool_seen *seen)
{
    struct dump *d = ctx;
    switch (seen->verdict) {
    case SPOOL_FILE_BEGINS:
    case SPOOL_RECORD_TORN:
        return true;
    case SPOOL_FILE_UNREAD:
        if (command_spool_is_gone(&d->summary, seen))
            return true;
        d->n_unread += seen->err != ERR_SPOOL_VERSION;
        command_tell(d->in, "%s: byte %llu: not read: %s", seen->file,
                     (unsigned long long)seen->offset, err_words(seen->err));
        return true;
    case SPOOL_RECORD_BAD_HEAD:
        d->n_damaged += seen->n_lost;
        return true;
    case SPOOL_RECORD_BAD_DATA:
        d->n_damaged++;
        break;
    case SPOOL_RECORD_HELD:
    case SPOOL_RECORD_DONE:
        break;
    }
    if (seen->is_done && !d->is_all)
        return true;
    if (d->file != NULL)
        write_segments(d, seen);
    else
        add_line(d, seen);
    return d->error_number == 0;
}

static int
open_segments(struct dump *d)
{
    const char *name = command_value(d->in, "segments");
    if (name == NULL)
        return COMMAND_OK;
    d->file = strcmp(name, "-") == 0 ? stdout : fopen(name, "wb");
    if (d->file != NULL)
        return COMMAND_OK;
    int error_number = errno;
    command_tell(d->in, "%s: %s", name, strerror(error_number));
    return error_number == EACCES || error_number == EPERM ? COMMAND_PERMISSION : COMMAND_IO;
}

static int
close_segments(struct dump *d)
{
    if (d->file == NULL)
        return command_write(&d->out);
    bool is_stdout = d->file == stdout;
    if ((is_stdout ? fflush(d->file) : fclose(d->file)) != 0 && d->error_number == 0)
        d->error_number = errno;
    if (d->error_number == 0)
        return COMMAND_OK;
    command_tell(d->in, "cannot write: %s", strerror(d->error_number));
    return COMMAND_IO;
}

static void
tell_summary(const struct dump *d)
{
    if (d->n_others > 0)
        command_tell(d->in, "%llu record%s no segments, passed over",
                     (unsigned long long)d->n_others, d->n_others == 1 ? " holds" : "s hold");
    if (d->n_damaged > 0)
        command_tell(d->in, "%llu record%s damaged; see: spangate spool verify %s",
                     (unsigned long long)d->n_damaged, d->n_damaged == 1 ? " is" : "s are",
                     d->in->arguments[1]);
}

int
command_spool_dump(const struct command_input *in)
{
    struct dump d = {.in = in, .is_all = command_has(in, "all")};
    int result = open_segments(&d);
    if (result != COMMAND_OK)
        return result;
    d.arena = arena_new(arena_bytes);
    result = command_spool_look(in, &d.summary, on_seen, &d);
    int written = close_segments(&d);
    arena_free(&d.arena);
    tell_summary(&d);
    if (result != COMMAND_OK)
        return result;
    if (written != COMMAND_OK || d.error_number != 0 || d.n_unread > 0)
        return COMMAND_IO;
    return d.n_damaged > 0 ? COMMAND_FOUND : COMMAND_OK;
}
