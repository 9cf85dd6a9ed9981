/* Which records a spool holds at a moment, and in which files: for readers on other threads. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Made on the spool's thread, then whoever has it owns it. What it names may be gone by the time
 * it is read. All bytes up to a file's end are written. */
#ifndef STORE_SPOOL_MAP_H
#define STORE_SPOOL_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "store/spool.h"

struct spool_map_file {
    uint64_t base;
    uint32_t suffix;
    uint64_t n;        /* records */
    uint64_t seed;     /* of its checksums */
    uint64_t end;      /* offset behind the last record */
    int64_t newest_ms; /* latest arrival; INT64_MIN: not known */
    uint64_t *held;    /* a bit per record: durable, not done, not lent */
};

struct spool_map {
    struct spool_map_file *files; /* ascending by base */
    uint32_t n_files;
    uint64_t n_held;
    uint64_t n_bytes; /* of the files */
};

struct spool_map *spool_map_new(const struct spool *);
void spool_map_free(struct spool_map **);
/* The file in which the sequence would stand; NULL: none. */
const struct spool_map_file *spool_map_find(const struct spool_map *, uint64_t sequence);
/* sequence is one of the file's. */
bool spool_map_holds(const struct spool_map_file *, uint64_t sequence);

#endif
