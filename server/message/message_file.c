/* Tells the forms of captured messages apart, and takes one message after the other. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "message/message_file.h"

#include "base/mem.h"
#include "message/message.h"
#include "message/wire_int.h"

enum { FIXED_BYTES = 4 };

struct message_file {
    struct bytes content;
    enum message_type type;
    enum message_file_form form;
    size_t at;                     /* of what is not yet taken */
    size_t line, line_offset;      /* JSON_LINES: the line that is being read, from 1 */
    size_t n_items;                /* given out */
    struct message_json *document; /* JSON: all of it; JSON_LINES: the line that is being read */
    size_t n_document;             /* messages given out of it */
};

/* The length that stands before a message, and how many bytes it takes; 0 when it is cut off or no
 * length. */
static size_t
read_fixed_length(struct bytes rest, uint64_t *length)
{
    if (rest.n < FIXED_BYTES)
        return 0;
    *length = (uint64_t)rest.p[0] << 24 | (uint64_t)rest.p[1] << 16 | (uint64_t)rest.p[2] << 8 |
              rest.p[3];
    return FIXED_BYTES;
}

static size_t
read_varint_length(struct bytes rest, uint64_t *length)
{
    enum err err = ERR_OK;
    const uint8_t *p = wire_varint(rest.p, wire_end(rest), length, &err);
    return p == NULL ? 0 : (size_t)(p - rest.p);
}

static size_t
read_length(enum message_file_form form, struct bytes rest, uint64_t *length)
{
    return form == MESSAGE_FILE_FIXED ? read_fixed_length(rest, length)
                                      : read_varint_length(rest, length);
}

static struct bytes
behind(struct bytes b, size_t n)
{
    return bytes_of(b.p + n, b.n - n);
}

static bool
is_sound(enum message_type type, struct bytes message, bool known_only)
{
    struct message_facts facts;
    return message_walk(type, message, &facts) == ERR_OK && !(known_only && facts.unknown_field);
}

/* What a list of messages of this form would look like. */
struct guess {
    bool is_exact;  /* the last message ends with the file */
    size_t n_whole; /* messages that are in it whole */
    size_t n_sound; /* of these, not empty and of the type, with known fields only */
};

static struct guess
guess_list(enum message_file_form form, enum message_type type, struct bytes content)
{
    struct guess guess = {false, 0, 0};
    while (content.n > 0) {
        uint64_t length = 0;
        size_t n = read_length(form, content, &length);
        if (n == 0 || length > content.n - n)
            return guess;
        guess.n_whole++;
        guess.n_sound +=
            length > 0 && is_sound(type, bytes_of(content.p + n, (size_t)length), true);
        content = behind(content, n + (size_t)length);
    }
    guess.is_exact = true;
    return guess;
}

/* True with the form set when the content is binary messages. The surest signs come first (4-byte
 * lengths begin with a zero byte, which no message and hardly a varint does); damaged messages
 * among sound ones, and a cut-off end, are to be expected. A list of 10-byte messages can
 * be read as one message of nothing but trace ids: the list is meant. */
static bool
guess_binary(struct bytes content, enum message_type type, enum message_file_form *form)
{
    struct guess fixed = guess_list(MESSAGE_FILE_FIXED, type, content);
    struct guess varint = guess_list(MESSAGE_FILE_VARINT, type, content);
    if (fixed.is_exact || fixed.n_sound > 0)
        *form = MESSAGE_FILE_FIXED;
    else if (varint.is_exact && varint.n_sound == varint.n_whole)
        *form = MESSAGE_FILE_VARINT;
    else if (is_sound(type, content, true))
        *form = MESSAGE_FILE_BARE;
    else if (varint.is_exact && varint.n_sound > 0)
        *form = MESSAGE_FILE_VARINT;
    else if (is_sound(type, content, false))
        *form = MESSAGE_FILE_BARE;
    else if (varint.n_sound > 0)
        *form = MESSAGE_FILE_VARINT;
    else
        return false;
    return true;
}

static bool
is_blank(struct bytes text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] != ' ' && text.p[i] != '\t' && text.p[i] != '\r' && text.p[i] != '\n')
            return false;
    return true;
}

/* The bytes up to the end of the line, and how many to go on with the next one. */
static struct bytes
first_line(struct bytes text, size_t *n_with_end)
{
    const uint8_t *end = text.n > 0 ? memchr(text.p, '\n', text.n) : NULL;
    size_t n = end == NULL ? text.n : (size_t)(end - text.p);
    *n_with_end = end == NULL ? n : n + 1;
    return bytes_of(text.p, n);
}

static bool
begins_as_json(struct bytes text)
{
    size_t i = 0;
    while (i < text.n && is_blank(bytes_of(text.p + i, 1)))
        i++;
    return i < text.n && (text.p[i] == '{' || text.p[i] == '[');
}

/* JSON lines: the first line that is not blank is a document of its own, and there are more. */
static bool
is_json_lines(struct bytes content)
{
    struct message_json_error error;
    struct message_json *document = NULL;
    size_t n = 0;
    struct bytes line = first_line(content, &n);
    while (is_blank(line) && n < content.n) {
        content = behind(content, n);
        line = first_line(content, &n);
    }
    bool is_document = message_json_open(line, &document, &error) == ERR_OK;
    message_json_close(&document);
    return is_document && !is_blank(behind(content, n));
}

static enum err
find_form(struct message_file *file, struct message_json_error *error)
{
    bool maybe_json = begins_as_json(file->content);
    if (maybe_json) {
        if (message_json_open(file->content, &file->document, error) == ERR_OK) {
            file->form = MESSAGE_FILE_JSON;
            return ERR_OK;
        }
        if (is_json_lines(file->content)) {
            file->form = MESSAGE_FILE_JSON_LINES;
            return ERR_OK;
        }
    }
    if (guess_binary(file->content, file->type, &file->form))
        return ERR_OK;
    return maybe_json ? ERR_JSON : ERR_FORMAT;
}

enum err
message_file_open(struct bytes content, enum message_type type, struct message_file **out,
                  struct message_json_error *error)
{
    struct message_file *file = mem_new(struct message_file);
    file->type = type;
    if (bytes_starts(content, BYTES("\xef\xbb\xbf{")) ||
        bytes_starts(content, BYTES("\xef\xbb\xbf[")))
        content = behind(content, 3); /* a byte order mark */
    file->content = content;
    enum err err = content.n == 0 ? ERR_OK : find_form(file, error);
    if (err != ERR_OK)
        message_file_close(&file);
    else
        *out = file;
    return err;
}

void
message_file_close(struct message_file **file)
{
    if (*file == NULL)
        return;
    message_json_close(&(*file)->document);
    mem_free(*file);
    *file = NULL;
}

enum message_file_form
message_file_form(const struct message_file *file)
{
    return file->form;
}

const char *
message_file_form_words(enum message_file_form form)
{
    switch (form) {
    case MESSAGE_FILE_FIXED:
        return "length-delimited (4 bytes)";
    case MESSAGE_FILE_VARINT:
        return "length-delimited (varint)";
    case MESSAGE_FILE_BARE:
        return "one bare message";
    case MESSAGE_FILE_JSON:
        return "JSON";
    case MESSAGE_FILE_JSON_LINES:
    default:
        return "JSON lines";
    }
}

static void
take_delimited(struct message_file *file, struct message_file_item *out)
{
    struct bytes rest = behind(file->content, file->at);
    uint64_t length = 0;
    size_t n = file->form == MESSAGE_FILE_BARE ? 0 : read_length(file->form, rest, &length);
    bool is_cut = file->form != MESSAGE_FILE_BARE && (n == 0 || length > rest.n - n);
    size_t take = is_cut || file->form == MESSAGE_FILE_BARE ? rest.n - n : (size_t)length;
    out->err = is_cut ? ERR_WIRE_LENGTH : ERR_OK;
    out->message = bytes_of(rest.p + n, take);
    out->offset = file->at + n;
    file->at += n + take;
}

static void
take_json(struct message_file *file, struct arena *arena, struct message_file_item *out)
{
    out->err = message_json_read(file->document, file->n_document++, file->type, arena,
                                 &out->message, &out->error);
}

/* Opens the next line that is not blank; *err tells whether it is JSON. False at the end. */
static bool
open_line(struct message_file *file, enum err *err, struct message_json_error *error)
{
    struct bytes line = BYTES_NONE;
    message_json_close(&file->document);
    file->n_document = 0;
    do {
        if (file->at == file->content.n)
            return false;
        size_t n = 0;
        line = first_line(behind(file->content, file->at), &n);
        file->line_offset = file->at;
        file->line++;
        file->at += n;
    } while (is_blank(line));
    *err = message_json_open(line, &file->document, error);
    if (*err == ERR_JSON)
        error->line = file->line;
    return true;
}

static bool
has_more_json(const struct message_file *file)
{
    return file->document != NULL && file->n_document < message_json_count(file->document);
}

static bool
take_json_line(struct message_file *file, struct arena *arena, struct message_file_item *out)
{
    while (!has_more_json(file)) {
        if (!open_line(file, &out->err, &out->error))
            return false;
        if (out->err != ERR_OK)
            break;
    }
    out->offset = file->line_offset;
    out->line = file->line;
    if (out->err == ERR_OK)
        take_json(file, arena, out);
    return true;
}

bool
message_file_next(struct message_file *file, struct arena *arena, struct message_file_item *out)
{
    *out = (struct message_file_item){.err = ERR_OK, .index = file->n_items};
    switch (file->form) {
    case MESSAGE_FILE_FIXED:
    case MESSAGE_FILE_VARINT:
    case MESSAGE_FILE_BARE:
        if (file->at == file->content.n)
            return false;
        take_delimited(file, out);
        break;
    case MESSAGE_FILE_JSON:
        if (!has_more_json(file))
            return false;
        take_json(file, arena, out);
        break;
    case MESSAGE_FILE_JSON_LINES:
    default:
        if (!take_json_line(file, arena, out))
            return false;
        break;
    }
    file->n_items++;
    return true;
}
