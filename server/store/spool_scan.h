/* Walking the bytes of one spool file, for recovery, reading and looking. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Bounded: a window of 1 MiB on the file, larger only for a larger record whose head is valid. The
 * spool's thread only. */
#ifndef STORE_SPOOL_SCAN_H
#define STORE_SPOOL_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "store/disk.h"
#include "store/spool_format.h"

enum spool_scan_kind {
    SPOOL_SCAN_RECORD, /* valid head, whole record (its data is not checked) */
    SPOOL_SCAN_GAP,    /* invalid bytes with a valid later record of a higher sequence */
    SPOOL_SCAN_FOOTER,
    SPOOL_SCAN_END, /* nothing valid follows */
};
struct spool_scan {
    const struct disk *disk;
    int file;
    uint64_t seed;
    uint64_t size;   /* of the file */
    uint64_t offset; /* of what was found last */
    uint64_t at;     /* of what comes next */
    uint64_t lowest; /* sequences below it are no records of this file */
    uint8_t *buffer; /* a window on the file */
    uint64_t buffer_offset;
    size_t buffer_used, buffer_size;
    struct spool_record_head head; /* of RECORD and FOOTER */
    const uint8_t *record;         /* RECORD: head, key, payload in memory until the next call */
    uint64_t gap_bytes;            /* GAP */
    enum err err;                  /* a read failed: END, and this says why */
};
void spool_scan_init(struct spool_scan *, const struct disk *, int file, uint64_t seed,
                     uint64_t size, uint64_t offset, uint64_t lowest);
enum spool_scan_kind spool_scan_next(struct spool_scan *);
void spool_scan_fini(struct spool_scan *);
/* The footer of a file that was closed in order, by its last bytes: the sequence after its last
 * record and the set of its methods (0: not told). ERR_SPOOL_HEAD: there is none, so the file must
 * be scanned. */
enum err spool_scan_footer(const struct disk *, int file, uint64_t seed, uint64_t size,
                           uint64_t *next, uint64_t *methods) MUST_CHECK;

#endif
