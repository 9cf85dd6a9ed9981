/* The bytes of a spool: heads of files and records, footers, the cursor; docs/spool-format.md. */
/* SPDX-License-Identifier: Apache-2.0 */
/* All numbers are little endian. Checksums are XXH3-64 seeded with the spool's uuid, so bytes that
 * a stranger sent never pass for a record. No I/O here: pure functions, fuzzed directly.
 *
 *   file    FILE_HEAD, records, and when it was closed in order a footer record
 *   record  RECORD_HEAD, key, payload, zeros up to a multiple of 8
 *
 * The same bytes stand in a worker's block (store.h): the worker fills all but sequence and
 * head_sum, the spool stamps those two. */
#ifndef STORE_SPOOL_FORMAT_H
#define STORE_SPOOL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

enum {
    SPOOL_VERSION = 1,
    SPOOL_FILE_HEAD_BYTES = 64,
    SPOOL_RECORD_HEAD_BYTES = 48,
    SPOOL_ALIGN = 8,
    SPOOL_UUID_BYTES = 16,
    SPOOL_CURSOR_SLOT_BYTES = 64 * 1024, /* two of them */
    SPOOL_CURSOR_MAX_RUNS = 4000,
};

/* No sequence is as high: a number from damaged or foreign bytes must not let the next one wrap. */
#define SPOOL_SEQUENCE_END (UINT64_C(1) << 62)

/* "SPGR" and so on, as the bytes stand in the file. */
#define SPOOL_RECORD_MAGIC UINT32_C(0x52475053)
#define SPOOL_FILE_MAGIC UINT64_C(0x4c4f4f5053475053)   /* "SPGSPOOL" */
#define SPOOL_CURSOR_MAGIC UINT64_C(0x525355435f475053) /* "SPG_CUSR" */

/* Record flags; bits 0 and 1 as in store.h. */
enum {
    SPOOL_FLAG_SET_ASIDE = 1u << 0, /* key: the rule's name */
    SPOOL_FLAG_EDITED = 1u << 1,
    SPOOL_FLAG_FOOTER = 1u << 14, /* the file ends here; sequence: one past its last record */
    SPOOL_FLAG_SKIP = 1u << 15,   /* in memory only: a record of a read block that is not lent */
};

struct spool_record_head {
    uint32_t magic;
    uint16_t method; /* tables/methods.h */
    uint16_t flags;
    uint32_t payload_bytes;
    uint32_t key_bytes;
    uint64_t sequence;
    int64_t received_ms; /* Unix */
    uint64_t data_sum;   /* of key and payload */
    uint64_t head_sum;   /* of the 40 bytes before it */
};
_Static_assert(sizeof(struct spool_record_head) == SPOOL_RECORD_HEAD_BYTES, "as on disk");

struct spool_file_head {
    uint64_t magic;
    uint32_t version;
    uint32_t flags;                 /* 0 */
    uint8_t uuid[SPOOL_UUID_BYTES]; /* of the spool: the seed of every checksum */
    uint64_t base;                  /* sequence of the first record */
    int64_t created_ms;
    uint64_t reserved; /* 0 */
    uint64_t sum;      /* of the 56 bytes before it, seed 0 */
};
_Static_assert(sizeof(struct spool_file_head) == SPOOL_FILE_HEAD_BYTES, "as on disk");

/* A run of records that are done. */
struct spool_run {
    uint64_t first;
    uint64_t n;
};

/* One cursor slot. */
struct spool_cursor {
    uint64_t epoch;                               /* the higher one counts */
    uint64_t lowest;                              /* the lowest sequence that is not done */
    uint64_t next;                                /* the sequence after the last one stamped */
    uint32_t n_runs;                              /* done above it */
    struct spool_run runs[SPOOL_CURSOR_MAX_RUNS]; /* ascending, apart from one another */
};

/* The seed of a spool's checksums. */
uint64_t spool_seed(const uint8_t uuid[SPOOL_UUID_BYTES]);

/* Key, payload and padding behind the head. */
size_t spool_record_bytes(uint32_t key_bytes, size_t payload_bytes);
/* Fills the head in place but for sequence and head_sum; key and payload stand behind it and the
 * padding is zeroed here. head is 8-byte aligned. */
void spool_record_fill(struct spool_record_head *head, uint64_t seed);
/* Sets sequence and head_sum. */
void spool_record_stamp(struct spool_record_head *head, uint64_t seed, uint64_t sequence);
/* The head at p, of which n bytes are there. ERR_OK; ERR_SPOOL_HEAD: no head (magic, sum, sizes);
 * ERR_SPOOL_SHORT: a valid head whose record does not end within n bytes. */
enum err spool_record_look(const uint8_t *p, size_t n, uint64_t seed,
                           struct spool_record_head *out) MUST_CHECK;
/* The payload's checksum holds; p and n as above, after ERR_OK. */
bool spool_record_is_whole(const uint8_t *p, uint64_t seed);
/* Key and payload of a record that stands at p. */
struct bytes spool_record_key(const uint8_t *p);
struct bytes spool_record_payload(const uint8_t *p);

void spool_file_head_fill(struct spool_file_head *, const uint8_t uuid[SPOOL_UUID_BYTES],
                          uint64_t base, int64_t created_ms);
/* ERR_SPOOL_HEAD: not ours; ERR_SPOOL_VERSION: ours, of a format this program does not know. */
enum err spool_file_head_look(const uint8_t p[SPOOL_FILE_HEAD_BYTES],
                              struct spool_file_head *out) MUST_CHECK;

/* A cursor slot as bytes; slot has SPOOL_CURSOR_SLOT_BYTES. Returns how many are in use. */
size_t spool_cursor_fill(const struct spool_cursor *, uint64_t seed, uint8_t *slot);
enum err spool_cursor_look(const uint8_t *slot, uint64_t seed, struct spool_cursor *out) MUST_CHECK;

/* "00000000000003e8" or "00000000000003e8-1"; false for any other name. */
bool spool_name_look(const char *name, uint64_t *base, uint32_t *suffix);
enum { SPOOL_NAME_BYTES = 32 };
#define SPOOL_CORRUPT_SUFFIX ".corrupt"
/* "*.corrupt": a file that is kept for a look. */
bool spool_name_is_corrupt(const char *name);
void spool_name_fill(uint64_t base, uint32_t suffix, char out[SPOOL_NAME_BYTES]);

#endif
