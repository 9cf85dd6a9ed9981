/* The spool's thread: carries parcels between the workers' stores and the two spools. */
/* SPDX-License-Identifier: Apache-2.0 */
/* One spool in buffer.disk.path, one for what is set aside in quarantine.path. All that touches the
 * disk runs on this thread; an fdatasync blocks nobody else. What arrives meanwhile is the next
 * group. */
#ifndef DAEMON_SPOOLER_H
#define DAEMON_SPOOLER_H

#include <stdint.h>

#include "base/err.h"
#include "base/metric.h"
#include "base/text.h"
#include "conf/conf.h"
#include "net/loop.h"
#include "store/parcel.h"
#include "store/spool.h"
#include "store/spool_map.h"

struct spooler;

struct spooler_settings {
    const struct conf *conf; /* outlives it */
    struct metrics *metrics; /* its thread's slots; outlive it */
    uint32_t n_workers;
    void *ctx;
    /* On the spooler's thread. Ownership of the parcel passes; worker: as given to spooler_send. */
    void (*on_parcel)(void *worker, struct parcel *);
    /* On the spooler's thread: spooler_state changed. */
    void (*on_state)(void *ctx);
};

/* Opens both spools, recovers, starts the thread. Errors as of spool_open, in words. */
enum err spooler_start(const struct spooler_settings *, struct text *why,
                       struct spooler **out) MUST_CHECK;
/* The seeds of the two spools' checksums. Any thread. */
uint64_t spooler_seed(const struct spooler *);
uint64_t spooler_aside_seed(const struct spooler *);
/* Any thread. Ownership of the parcel passes; the answers go to worker. */
void spooler_send(struct spooler *, void *worker, uint32_t index, struct parcel *);
/* How buffer.disk stands. Any thread. */
enum spool_state spooler_state(const struct spooler *);
/* What quarantine.path holds now, told on home's thread; ownership of the map passes. Any thread.
 * Home outlives the spooler. */
typedef void spooler_map_fn(void *ctx, struct spool_map *);
void spooler_map_aside(struct spooler *, struct loop *home, spooler_map_fn *, void *ctx);
/* These records leave quarantine. Told on home's thread when that is on disk (ERR_OK): which of
 * them were there. Any thread. */
typedef void spooler_removed_fn(void *ctx, const bool *was_there, uint32_t n, enum err);
void spooler_remove_aside(struct spooler *, struct loop *home, const uint64_t *sequences,
                          uint32_t n, spooler_removed_fn *, void *ctx);
/* Waits. From its return on nothing waits for the disk to become well or empty: what cannot be
 * written comes back unsaved, and a worker hears nothing but answers to what it sent. */
void spooler_wind_up(struct spooler *);
/* Takes what was sent so far, closes the spools, joins and frees. No worker is left. */
void spooler_stop(struct spooler **);

#endif
