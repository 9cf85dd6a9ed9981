/* Walking the bytes of one spool file, over damage too. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Heads are believed when their checksum holds, their sequence is higher than those before and the
 * record ends within the file. After anything else the walk looks for such a head at every
 * multiple of 8, up to the end of the file: pages that a power cut lost read as zeros, with good
 * records behind them. */
#include "store/spool_scan.h"

#include <string.h>

#include "base/mem.h"

enum { WINDOW_BYTES = 1024 * 1024 };

void
spool_scan_init(struct spool_scan *scan, const struct disk *disk, int file, uint64_t seed,
                uint64_t size, uint64_t offset, uint64_t lowest)
{
    *scan = (struct spool_scan){
        .disk = disk,
        .file = file,
        .seed = seed,
        .size = size,
        .offset = offset,
        .at = offset,
        .lowest = lowest,
    };
}

void
spool_scan_fini(struct spool_scan *scan)
{
    mem_free(scan->buffer);
    scan->buffer = NULL;
    scan->record = NULL;
    scan->buffer_used = scan->buffer_size = 0;
}

static bool
has_bytes(const struct spool_scan *scan, uint64_t from, size_t n)
{
    return from >= scan->buffer_offset && from - scan->buffer_offset <= scan->buffer_used &&
           n <= scan->buffer_used - (from - scan->buffer_offset);
}

/* Room for n bytes; what the window held is gone. */
static void
make_room(struct spool_scan *scan, size_t n, uint64_t n_left)
{
    size_t wanted = n_left < WINDOW_BYTES ? (size_t)n_left : WINDOW_BYTES;
    wanted = wanted > n ? wanted : n;
    if (scan->buffer_size >= wanted)
        return;
    mem_free(scan->buffer);
    scan->buffer = mem_alloc(wanted);
    scan->buffer_size = wanted;
}

/* Bytes from .. from + n - 1 into the window, and what fits behind them; false: the file ends
 * before, or cannot be read (scan->err). */
static bool
load(struct spool_scan *scan, uint64_t from, size_t n)
{
    if (has_bytes(scan, from, n))
        return true;
    if (scan->err != ERR_OK || from > scan->size || n > scan->size - from)
        return false;
    uint64_t n_left = scan->size - from;
    scan->buffer_used = 0;
    make_room(scan, n, n_left);
    size_t n_wanted = n_left < scan->buffer_size ? (size_t)n_left : scan->buffer_size, n_read = 0;
    scan->err =
        scan->disk->read(scan->disk->ctx, scan->file, scan->buffer, n_wanted, from, &n_read);
    if (scan->err != ERR_OK)
        return false;
    scan->buffer_offset = from;
    scan->buffer_used = n_read;
    if (n_read < n_wanted)
        scan->size = from + n_read; /* somebody cut it off */
    return n_read >= n;
}

static const uint8_t *
in_window(const struct spool_scan *scan, uint64_t from)
{
    return scan->buffer + (from - scan->buffer_offset);
}

/* A head to believe stands at from; its 48 bytes are in the window. */
static bool
is_head(const struct spool_scan *scan, uint64_t from, struct spool_record_head *head)
{
    enum err err =
        spool_record_look(in_window(scan, from), SPOOL_RECORD_HEAD_BYTES, scan->seed, head);
    if (err != ERR_OK && err != ERR_SPOOL_SHORT)
        return false;
    if (head->sequence < scan->lowest || head->sequence == UINT64_MAX)
        return false;
    return spool_record_bytes(head->key_bytes, head->payload_bytes) <= scan->size - from;
}

/* The first such head from there on, within the window; its end when there is none. */
static uint64_t
find_in_window(const struct spool_scan *scan, uint64_t from, bool *is_found)
{
    uint64_t end = scan->buffer_offset + scan->buffer_used;
    struct spool_record_head head;
    *is_found = false;
    for (; from + SPOOL_RECORD_HEAD_BYTES <= end; from += SPOOL_ALIGN) {
        uint32_t magic;
        memcpy(&magic, in_window(scan, from), sizeof(magic));
        if (magic == SPOOL_RECORD_MAGIC && is_head(scan, from, &head)) {
            *is_found = true;
            break;
        }
    }
    return from;
}

static enum spool_scan_kind
pass_gap(struct spool_scan *scan)
{
    uint64_t from = scan->at + SPOOL_ALIGN;
    bool is_found = false;
    while (!is_found && load(scan, from, SPOOL_RECORD_HEAD_BYTES))
        from = find_in_window(scan, from, &is_found);
    if (!is_found)
        return SPOOL_SCAN_END;
    scan->gap_bytes = from - scan->at;
    scan->at = from;
    return SPOOL_SCAN_GAP;
}

static enum spool_scan_kind
take(struct spool_scan *scan, const struct spool_record_head *head)
{
    size_t n = spool_record_bytes(head->key_bytes, head->payload_bytes);
    if (!load(scan, scan->at, n))
        return SPOOL_SCAN_END;
    scan->head = *head;
    scan->record = in_window(scan, scan->at);
    scan->at += n;
    if ((head->flags & SPOOL_FLAG_FOOTER) != 0)
        return SPOOL_SCAN_FOOTER;
    scan->lowest = head->sequence + 1;
    return SPOOL_SCAN_RECORD;
}

enum spool_scan_kind
spool_scan_next(struct spool_scan *scan)
{
    struct spool_record_head head;
    scan->offset = scan->at;
    scan->record = NULL;
    scan->gap_bytes = 0;
    if ((scan->head.flags & SPOOL_FLAG_FOOTER) != 0)
        return SPOOL_SCAN_END;
    if (!load(scan, scan->at, SPOOL_RECORD_HEAD_BYTES))
        return SPOOL_SCAN_END;
    return is_head(scan, scan->at, &head) ? take(scan, &head) : pass_gap(scan);
}

enum err
spool_scan_footer(const struct disk *disk, int file, uint64_t seed, uint64_t size, uint64_t *next,
                  uint64_t *methods)
{
    uint8_t bytes[SPOOL_RECORD_HEAD_BYTES];
    struct spool_record_head head;
    size_t n_read = 0;
    if (size < SPOOL_FILE_HEAD_BYTES + sizeof(bytes) || size % SPOOL_ALIGN != 0)
        return ERR_SPOOL_HEAD;
    enum err err = disk->read(disk->ctx, file, bytes, sizeof(bytes), size - sizeof(bytes), &n_read);
    if (err != ERR_OK)
        return err;
    err = spool_record_look(bytes, n_read, seed, &head);
    if (err != ERR_OK || (head.flags & SPOOL_FLAG_FOOTER) == 0)
        return ERR_SPOOL_HEAD;
    *next = head.sequence;
    *methods = (uint64_t)head.received_ms;
    return ERR_OK;
}
