/* Any bytes as a spool's directory: it opens, is read to its end, takes a record, and opens again.
 */
/* SPDX-License-Identifier: Apache-2.0 */
/* Input: options, bases of the two files (2 bytes), lengths of LOCK, cursor and first file (2 bytes
 * each), then their bytes and those of the second file. Options: bit 0 mends checksums, which a
 * fuzzer does not find by itself; bit 1 makes the cursor a valid one from its bytes; bit 2 makes
 * LOCK valid; bit 3 gives both files the same base; bit 4 leaves the second one out. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"
#include "store/spool.h"
#include "support/sim_disk.h"

enum {
    MEND = 1,
    CURSOR = 2,
    LOCK = 4,
    SAME_BASE = 8,
    ONE_FILE = 16,
    HEAD_BYTES = 9,
    READ_BYTES = 4096,
    MOST_READS = 100000,
    BAD_DATA = 1u << 13,
    NOW_MS = 1000000,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const uint8_t uuid[SPOOL_UUID_BYTES] = "a spool's uuid..";

struct input {
    const uint8_t *p;
    size_t n;
};

static struct bytes
take(struct input *input, size_t n)
{
    n = n < input->n ? n : input->n;
    struct bytes part = bytes_of(input->p, n);
    input->p += n;
    input->n -= n;
    return part;
}

static void
mend(uint8_t *bytes, size_t n, uint64_t base)
{
    uint64_t seed = spool_seed(uuid);
    struct spool_file_head file;
    struct spool_record_head head;
    if (n >= sizeof(file)) {
        spool_file_head_fill(&file, uuid, base, NOW_MS);
        memcpy(bytes, &file, sizeof(file));
    }
    for (size_t at = sizeof(file); at + sizeof(head) <= n; at += SPOOL_ALIGN) {
        memcpy(&head, bytes + at, sizeof(head));
        if (head.magic != SPOOL_RECORD_MAGIC)
            continue;
        head.method %= METHOD_COUNT; /* unknown ones stay on disk */
        memcpy(bytes + at, &head, sizeof(head));
        /* Those with bit 13 keep a bad payload. */
        bool is_whole = spool_record_bytes(head.key_bytes, head.payload_bytes) <= n - at;
        if (is_whole && (head.flags & BAD_DATA) == 0)
            spool_record_fill((struct spool_record_head *)(void *)(bytes + at), seed);
        memcpy(&head, bytes + at, sizeof(head));
        spool_record_stamp(&head, seed, head.sequence);
        memcpy(bytes + at, &head, sizeof(head));
    }
}

static void
put_file(struct sim_disk *disk, struct bytes content, uint64_t base, uint32_t suffix,
         bool is_mended)
{
    char name[SPOOL_NAME_BYTES], path[SPOOL_NAME_BYTES + 8] = "/spool/";
    uint8_t *bytes = mem_alloc(content.n + 1);
    if (content.n > 0)
        memcpy(bytes, content.p, content.n);
    if (is_mended)
        mend(bytes, content.n, base);
    spool_name_fill(base, suffix, name);
    memcpy(path + strlen("/spool/"), name, strlen(name) + 1);
    sim_disk_put(disk, path, bytes, content.n);
    mem_free(bytes);
}

static void
put_lock(struct sim_disk *disk, struct bytes content, bool is_valid)
{
    uint8_t p[40] = "SPGLOCK1";
    memcpy(p + 8, uuid, sizeof(uuid));
    uint64_t sum = hash_bytes_seeded(bytes_of(p, 24), 0);
    memcpy(p + 24, &sum, sizeof(sum));
    if (is_valid)
        sim_disk_put(disk, "/spool/LOCK", p, 32);
    else
        sim_disk_put(disk, "/spool/LOCK", content.p, content.n);
}

/* A slot whose numbers are small: they meet the files'. */
static void
put_cursor(struct sim_disk *disk, struct bytes content, bool is_valid)
{
    if (!is_valid || content.n < 3) {
        sim_disk_put(disk, "/spool/cursor", content.p, content.n);
        return;
    }
    struct spool_cursor *cursor = mem_new(struct spool_cursor);
    uint8_t *slot = mem_zeroed(SPOOL_CURSOR_SLOT_BYTES);
    uint64_t at = cursor->lowest = content.p[1];
    cursor->epoch = content.p[0];
    cursor->next = content.p[2] | (uint64_t)(content.p[0] & 1) << 61;
    for (size_t i = 3; i + 2 <= content.n && cursor->n_runs < SPOOL_CURSOR_MAX_RUNS; i += 2) {
        uint64_t first = at + 1 + content.p[i], n_records = 1 + (uint64_t)content.p[i + 1];
        cursor->runs[cursor->n_runs++] = (struct spool_run){first, n_records};
        at = first + n_records;
    }
    (void)spool_cursor_fill(cursor, spool_seed(uuid), slot);
    sim_disk_put(disk, "/spool/cursor", slot, SPOOL_CURSOR_SLOT_BYTES);
    mem_free(slot);
    mem_free(cursor);
}

static void
fill_directory(struct sim_disk *disk, struct input *input)
{
    struct bytes head = take(input, HEAD_BYTES);
    const uint8_t *p = head.p;
    bool is_mended = (p[0] & MEND) != 0, is_same = (p[0] & SAME_BASE) != 0;
    put_lock(disk, take(input, (size_t)(p[3] | p[4] << 8)), (p[0] & LOCK) != 0);
    put_cursor(disk, take(input, (size_t)(p[5] | p[6] << 8)), (p[0] & CURSOR) != 0);
    put_file(disk, take(input, (size_t)(p[7] | p[8] << 8)), p[1], 0, is_mended);
    if ((p[0] & ONE_FILE) == 0)
        put_file(disk, take(input, input->n), is_same ? p[1] : p[2], is_same || p[1] == p[2],
                 is_mended);
}

static struct spool *
open_spool(const struct sim_disk *disk)
{
    struct spool_settings settings = {
        .path = "/spool", .max_bytes = 1 << 24, .file_bytes = 1 << 16, .max_age_ms = 1};
    struct text why = TEXT_EMPTY;
    struct spool *spool = NULL;
    enum err err = spool_open(&settings, sim_disk_face(disk), NOW_MS, &why, &spool);
    check(err == ERR_OK);
    text_fini(&why);
    return spool;
}

/* Everything comes, and ends. */
static void
read_all(struct spool *spool)
{
    struct spool_read read = {.size = READ_BYTES};
    uint32_t n_reads = 0;
    do {
        uint8_t *data = mem_alloc(read.size);
        uint32_t at = 0;
        read.data = data;
        spool_fill_read(spool, &read);
        for (uint32_t i = 0; i < read.n_records; i++) {
            const struct spool_record_head *head = (const void *)(data + at);
            struct parcel_run run = {head->sequence, 1, RUN_DONE};
            at += (uint32_t)spool_record_bytes(head->key_bytes, head->payload_bytes);
            spool_end_run(spool, &run);
        }
        check(at == read.n_bytes);
        mem_free(data);
        read.size = read.n_needed > READ_BYTES ? read.n_needed : READ_BYTES;
        check(n_reads++ < MOST_READS);
    } while (read.n_bytes > 0 || read.is_unfinished || read.n_needed > 0);
    check(spool_n_cold(spool) == 0);
}

static void
append_one(struct spool *spool)
{
    uint64_t bytes[SPOOL_RECORD_HEAD_BYTES / 8 + 1] = {0};
    struct spool_record_head *head = (void *)bytes;
    struct slice slice = {.data = (uint8_t *)bytes, .n_bytes = sizeof(bytes), .n_records = 1};
    struct slice_list ended = STAILQ_HEAD_INITIALIZER(ended);
    head->payload_bytes = 8;
    head->received_ms = NOW_MS;
    spool_record_fill(head, spool_seed_of(spool));
    spool_append(spool, &slice);
    (void)spool_step(spool, 1000000, NOW_MS, &ended);
    check(STAILQ_FIRST(&ended) == &slice && slice.end == SLICE_DURABLE);
    struct parcel_run run = {slice.first, 1, RUN_COLD};
    spool_end_run(spool, &run);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct input input = {data, n};
    if (n < HEAD_BYTES)
        return 0;
    struct sim_disk *disk = sim_disk_new();
    fill_directory(disk, &input);
    struct spool *spool = open_spool(disk);
    read_all(spool);
    append_one(spool);
    spool_close(&spool);
    spool = open_spool(disk);
    check(spool_n_cold(spool) == 1); /* all else was done */
    read_all(spool);
    spool_close(&spool);
    sim_disk_free(&disk);
    return 0;
}
