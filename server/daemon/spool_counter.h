/* What a spool counts, as metrics and in the ledger. */
/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger: a restored record is held under the signal "other" until its kind is known, that is
 * until it is lent or dropped; one that ends in the spool leaves what is held. */
#ifndef DAEMON_SPOOL_COUNTER_H
#define DAEMON_SPOOL_COUNTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/metric.h"
#include "conf/conf.h"
#include "store/spool.h"

struct spool_counter {
    struct spool *spool;
    struct metrics *metrics;
    const char *path;
    struct spool_counts seen; /* told so far */
    uint64_t looked_us;       /* last look at free space and the oldest record */
    bool is_aside;            /* quarantine: its records have left the ledger */
};

/* The spool's thread only. */
void spool_counter_init(struct spool_counter *, struct spool *, struct metrics *,
                        const struct conf *, bool is_aside);
void spool_counter_update(struct spool_counter *);

#endif
