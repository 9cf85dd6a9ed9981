/* Files and the ring of newest segments. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/standin_store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/mem.h"
#include "message/message.h"
#include "message/message_json.h"

enum { QUERY_ARENA_BYTES = 64 * 1024 * 1024 };

struct kept {
    uint8_t *p;
    size_t n;
};

struct standin_store {
    char *dir;
    FILE *files[METHOD_COUNT];
    bool dirty[METHOD_COUNT];
    struct kept *ring;
    uint32_t n_ring, at; /* at: where the next one goes */
};

enum err
standin_store_open(const char *dir, uint32_t keep, struct text *why, struct standin_store **out)
{
    if (dir != NULL && mkdir(dir, 0700) != 0 && errno != EEXIST) {
        enum err err = err_from_errno(errno);
        text_addf(why, "cannot create %s: %s", dir, strerror(errno));
        return err;
    }
    struct standin_store *store = mem_new(struct standin_store);
    store->dir = dir != NULL ? mem_string(dir) : NULL;
    store->n_ring = keep;
    store->ring = mem_new_n(struct kept, keep);
    *out = store;
    return ERR_OK;
}

void
standin_store_close(struct standin_store **out)
{
    struct standin_store *store = *out;
    if (store == NULL)
        return;
    for (unsigned i = 0; i < METHOD_COUNT; i++)
        if (store->files[i] != NULL)
            fclose(store->files[i]);
    for (uint32_t i = 0; i < store->n_ring; i++)
        mem_free(store->ring[i].p);
    mem_free(store->ring);
    mem_free(store->dir);
    mem_free(store);
    *out = NULL;
}

/* "/skywalking.v3.LogReportService/collect" gives "LogReportService.collect". */
static FILE *
open_file(const struct standin_store *store, enum method method)
{
    const char *path = method_row(method)->path;
    const char *slash = strrchr(path, '/');
    const char *service = slash;
    while (service > path && service[-1] != '.' && service[-1] != '/')
        service--;
    struct text name = TEXT_EMPTY;
    text_addf(&name, "%s/%.*s.%s.bin", store->dir, (int)(slash - service), service, slash + 1);
    FILE *file = fopen(name.p, "ab");
    text_fini(&name);
    return file;
}

static void
keep_segment(struct standin_store *store, struct bytes message)
{
    if (store->n_ring == 0)
        return;
    struct kept *slot = &store->ring[store->at];
    store->at = (store->at + 1) % store->n_ring;
    mem_free(slot->p);
    slot->p = mem_alloc(message.n);
    if (message.n > 0)
        memcpy(slot->p, message.p, message.n);
    slot->n = message.n;
}

void
standin_store_add(struct standin_store *store, enum method method, struct bytes message)
{
    if (method == METHOD_SEGMENT_COLLECT)
        keep_segment(store, message);
    if (store->dir == NULL)
        return;
    if (store->files[method] == NULL)
        store->files[method] = open_file(store, method);
    FILE *file = store->files[method];
    if (file == NULL) {
        log_error("sink", "a message is not stored: its file cannot be opened", "dir=%s",
                  store->dir);
        return;
    }
    uint8_t length[4] = {(uint8_t)(message.n >> 24), (uint8_t)(message.n >> 16),
                         (uint8_t)(message.n >> 8), (uint8_t)message.n};
    if (fwrite(length, 1, sizeof(length), file) != sizeof(length) ||
        fwrite(message.p, 1, message.n, file) != message.n)
        log_error("sink", "a message is not stored: its file does not take it", "dir=%s",
                  store->dir);
    store->dirty[method] = true;
}

void
standin_store_flush(struct standin_store *store)
{
    for (unsigned i = 0; i < METHOD_COUNT; i++) {
        if (!store->dirty[i])
            continue;
        fflush(store->files[i]);
        store->dirty[i] = false;
    }
}

void
standin_store_query(const struct standin_store *store, uint32_t limit, const char *trace_id,
                    struct text *out)
{
    uint32_t n = 0;
    struct arena *arena = arena_new(QUERY_ARENA_BYTES);
    text_add(out, "[");
    for (uint32_t i = 0; i < store->n_ring && n < limit; i++) {
        const struct kept *kept = &store->ring[(store->at + store->n_ring - 1 - i) % store->n_ring];
        struct bytes message = bytes_of(kept->p, kept->n);
        if (kept->p == NULL || (trace_id != NULL && !bytes_equal(message_string_field(message, 1),
                                                                 bytes_str(trace_id))))
            continue;
        text_add(out, n++ > 0 ? ",\n" : "");
        arena_reset(arena);
        if (message_json_write(MESSAGE_SegmentObject, message, arena, out) != ERR_OK)
            text_add(out, "null");
    }
    arena_free(&arena);
    text_add(out, "]\n");
}
