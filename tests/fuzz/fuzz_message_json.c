/* Fuzzes the JSON reader, and the reader of captured files, which leads to it. */
/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses the type, the rest is a file. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/utf8.h"
#include "message/message.h"
#include "message/message_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct arena *arena;

/* What was read is a sound message, and its JSON is read as the same. */
static void
check_message(enum message_type type, struct bytes message)
{
    struct message_facts facts;
    struct text first = TEXT_EMPTY, second = TEXT_EMPTY;
    struct message_json *document = NULL;
    struct message_json_error error;
    struct bytes again;
    check(message_walk(type, message, &facts) == ERR_OK);
    check(!facts.unknown_field && !facts.invalid_utf8);
    check(message_json_write(type, message, arena, &first) == ERR_OK);
    check(message_json_open(text_bytes(&first), &document, &error) == ERR_OK);
    if (message_json_read(document, 0, type, arena, &again, &error) == ERR_OK) {
        check(message_json_write(type, again, arena, &second) == ERR_OK);
        check(bytes_equal(text_bytes(&first), text_bytes(&second)));
    }
    message_json_close(&document);
    text_fini(&first);
    text_fini(&second);
}

static void
check_item(const struct message_file_item *item, bool is_json, enum message_type type)
{
    if (item->err == ERR_JSON) {
        struct bytes text = bytes_str(item->error.text);
        check(text.n > 0 && text.n < sizeof(item->error.text) && utf8_is_valid(text));
    } else if (item->err == ERR_OK && is_json) {
        check_message(type, item->message);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    if (arena == NULL)
        arena = arena_new(8 << 20);
    enum message_type type = (enum message_type)(1 + data[0] % (MESSAGE_COUNT - 1));
    struct message_file *file = NULL;
    struct message_file_item item;
    struct message_json_error error;
    enum err err = message_file_open(bytes_of(data + 1, n - 1), type, &file, &error);
    check(err == ERR_OK || err == ERR_JSON || err == ERR_FORMAT);
    if (err != ERR_OK)
        return 0;
    bool is_json = message_file_form(file) >= MESSAGE_FILE_JSON;
    for (arena_reset(arena); message_file_next(file, arena, &item); arena_reset(arena))
        check_item(&item, is_json, type);
    message_file_close(&file);
    return 0;
}
