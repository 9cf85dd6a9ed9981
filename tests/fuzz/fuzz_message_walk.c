/* Fuzzes the generic walk, the repairs, and the JSON written from messages. */
/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses the type, the rest is the message. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/utf8.h"
#include "message/message.h"
#include "message/message_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct arena *arena;

static void
ignore_segment(void *ctx, struct bytes segment)
{
    struct message_facts facts;
    struct bytes *collection = ctx;
    check(segment.n <= collection->n);
    check(message_walk(MESSAGE_SegmentObject, segment, &facts) == ERR_OK);
}

static void
write_and_read_back(enum message_type type, struct bytes message)
{
    struct text text = TEXT_EMPTY;
    struct message_json *document = NULL;
    struct message_json_error error;
    enum err err = message_json_write(type, message, arena, &text);
    check(err == ERR_OK || err == ERR_BUDGET);
    /* A map may hold a key twice, which a reader of JSON refuses. */
    if (err == ERR_OK && type != MESSAGE_Event) {
        struct bytes out;
        check(message_json_open(text_bytes(&text), &document, &error) == ERR_OK);
        err = message_json_read(document, 0, type, arena, &out, &error);
        check(err == ERR_OK || err == ERR_BUDGET);
        message_json_close(&document);
    }
    text_fini(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    if (arena == NULL)
        arena = arena_new(8 << 20);
    arena_reset(arena);
    enum message_type type = (enum message_type)(data[0] % MESSAGE_COUNT);
    struct bytes message = bytes_of(data + 1, n - 1), repaired;
    struct message_facts facts, after;
    if (message_walk(type, message, &facts) != ERR_OK)
        return 0;
    message_string_field(message, 1);
    if (type == MESSAGE_SegmentCollection)
        check(message_each_segment(message, ignore_segment, &message) == ERR_OK);
    bool fix_nul = data[0] & 128;
    check(message_repair(type, message, fix_nul, arena, &repaired) == ERR_OK);
    check(message_walk(type, repaired, &after) == ERR_OK);
    check(!after.invalid_utf8 && after.unknown_field == facts.unknown_field);
    check(after.nul == (facts.nul && !fix_nul));
    if (!facts.invalid_utf8 && !(facts.nul && fix_nul))
        check(bytes_equal(repaired, message));
    if (type != MESSAGE_OPAQUE)
        write_and_read_back(type, repaired);
    return 0;
}
