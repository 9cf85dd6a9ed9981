/* Reads what the quarantine's spool holds, newest first, in small steps, while it is written to. */
/* SPDX-License-Identifier: Apache-2.0 */
/* One thread, not the spool's: what is held is told by a map (store/spool_map.h) made there. A step
 * reads about 1 MiB of disk, or one record when that is larger. Records whose bytes are damaged,
 * and files that went meanwhile, are passed over. */
#ifndef STORE_QUARANTINE_READER_H
#define STORE_QUARANTINE_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "store/disk.h"
#include "store/spool_map.h"

struct quarantine_record {
    uint64_t sequence;
    int64_t received_ms;
    uint16_t method; /* a newer version may have written a number that is not known here */
    uint16_t flags;
    struct bytes rule; /* name of the one that decided; "rejected-by-backend" */
    struct bytes payload;
};
/* The views are void after the call; false ends the walk. */
typedef bool quarantine_record_fn(void *ctx, const struct quarantine_record *);

/* Knows where records stand in the files it has met: 16 bytes for each 256 KiB of them. */
struct quarantine_reader;
struct quarantine_reader *quarantine_reader_new(const struct disk *, const char *path);
/* No walk is left. */
void quarantine_reader_free(struct quarantine_reader **);

struct quarantine_range {
    uint64_t from, before; /* sequences */
    int64_t since_ms;      /* files whose newest record is older are passed over */
};
struct quarantine_walk;
/* Takes the map over. */
struct quarantine_walk *quarantine_walk_new(struct quarantine_reader *, struct spool_map **,
                                            struct quarantine_range, quarantine_record_fn *,
                                            void *ctx);
/* False: it is over. */
bool quarantine_walk_step(struct quarantine_walk *);
/* Another range of the same map, from its end on. */
void quarantine_walk_again(struct quarantine_walk *, struct quarantine_range);
const struct spool_map *quarantine_walk_map(const struct quarantine_walk *);
void quarantine_walk_free(struct quarantine_walk **);

#endif
