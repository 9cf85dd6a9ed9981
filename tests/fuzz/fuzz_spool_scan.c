/* Any bytes as a spool file: the walk ends, goes forward only and stays within the file. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Input: one byte of options, then the file from its first record on. Option bit 0: heads get right
 * checksums first, which a fuzzer does not find by itself; bit 1: the second half is unreadable;
 * bit 2: the file is shorter than it was said to be. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "store/spool_scan.h"

enum { SEED = 4711, MEND = 1, UNREADABLE = 2, CUT = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct memory {
    const uint8_t *bytes;
    size_t n, n_readable;
};

static enum err
read_memory(void *ctx, int file, void *out, size_t n, uint64_t offset, size_t *n_read)
{
    const struct memory *memory = ctx;
    (void)file;
    *n_read = 0;
    if (offset >= memory->n)
        return ERR_OK;
    size_t n_there = memory->n - (size_t)offset;
    n = n < n_there ? n : n_there;
    if (offset + n > memory->n_readable)
        return ERR_IO;
    if (n > 0)
        memcpy(out, memory->bytes + offset, n);
    *n_read = n;
    return ERR_OK;
}

static void
mend(uint8_t *bytes, size_t n)
{
    struct spool_record_head head;
    for (size_t at = 0; at + sizeof(head) <= n; at += SPOOL_ALIGN) {
        memcpy(&head, bytes + at, sizeof(head));
        if (head.magic != SPOOL_RECORD_MAGIC)
            continue;
        spool_record_stamp(&head, SEED, head.sequence);
        memcpy(bytes + at, &head, sizeof(head));
    }
}

static void
see(struct spool_scan *scan, enum spool_scan_kind kind, uint64_t *sequence, uint64_t *offset)
{
    check(scan->offset == *offset && scan->at <= scan->size);
    if (kind == SPOOL_SCAN_GAP)
        check(scan->gap_bytes > 0 && scan->at == scan->offset + scan->gap_bytes);
    if (kind == SPOOL_SCAN_RECORD) {
        check(scan->head.sequence >= *sequence);
        *sequence = scan->head.sequence + 1;
        (void)spool_record_is_whole(scan->record, scan->seed);
        size_t n = spool_record_key(scan->record).n + spool_record_payload(scan->record).n;
        check(scan->offset + SPOOL_RECORD_HEAD_BYTES + n <= scan->at);
    }
    check(kind == SPOOL_SCAN_END ? scan->at == *offset : scan->at > *offset);
    *offset = scan->at;
}

static void
walk(const struct disk *disk, uint64_t size)
{
    struct spool_scan scan;
    enum spool_scan_kind kind, before = SPOOL_SCAN_RECORD;
    uint64_t sequence = 1, offset = 0, next, methods;
    spool_scan_init(&scan, disk, 0, SEED, size, 0, sequence);
    do {
        kind = spool_scan_next(&scan);
        see(&scan, kind, &sequence, &offset);
        /* Behind a gap there is a record or a footer, unless it cannot be read. */
        check(before != SPOOL_SCAN_GAP || kind == SPOOL_SCAN_RECORD || kind == SPOOL_SCAN_FOOTER ||
              scan.err != ERR_OK);
        before = kind;
    } while (kind != SPOOL_SCAN_END);
    check(spool_scan_next(&scan) == SPOOL_SCAN_END && scan.at == offset);
    spool_scan_fini(&scan);
    (void)!spool_scan_footer(disk, 0, SEED, size, &next, &methods);
}

static void
look(const uint8_t *bytes, size_t n)
{
    struct spool_file_head head;
    uint64_t base;
    uint32_t suffix;
    char *name = mem_string_n(bytes, n), again[SPOOL_NAME_BYTES];
    if (n >= SPOOL_FILE_HEAD_BYTES)
        (void)!spool_file_head_look(bytes, &head);
    if (spool_name_look(name, &base, &suffix)) {
        spool_name_fill(base, suffix, again);
        check(strcmp(name, again) == 0);
    }
    mem_free(name);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 1)
        return 0;
    size_t size = n - 1;
    uint8_t *bytes = mem_alloc(size);
    if (size > 0)
        memcpy(bytes, data + 1, size);
    if ((data[0] & MEND) != 0)
        mend(bytes, size);
    struct memory memory = {bytes, size, (data[0] & UNREADABLE) != 0 ? size / 2 : size};
    if ((data[0] & CUT) != 0)
        memory.n -= size / 3;
    struct disk disk = {.ctx = &memory, .read = read_memory};
    walk(&disk, size);
    look(bytes, size);
    mem_free(bytes);
    return 0;
}
