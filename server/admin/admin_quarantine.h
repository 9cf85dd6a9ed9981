/* What is set aside, for operators: list, look, replay, delete. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Routes below /api/v1/quarantine. All answers come late: quarantine is read in steps, and what is
 * removed leaves the disk on another thread. Source: product.md 5. */
#ifndef ADMIN_ADMIN_QUARANTINE_H
#define ADMIN_ADMIN_QUARANTINE_H

#include <stdbool.h>
#include <stdint.h>

#include "admin/admin_api.h"
#include "admin/admin_reading.h"

enum admin_replay_result {
    ADMIN_REPLAYED,
    ADMIN_REPAIRED,
    ADMIN_GONE,
    ADMIN_REFUSED,
    ADMIN_BUSY,
};
struct admin_replay_item {
    uint64_t sequence;
    enum admin_replay_result result;
    const char *why; /* a literal; NULL: nothing to say */
};
/* Owner: who asks, until on_end. */
struct admin_replay {
    struct admin_replay_item *items;
    uint32_t n;
    bool is_repair;
    uint32_t rate;     /* items per second; 0: no limit */
    bool is_cancelled; /* no further item begins; on_end comes all the same */
    void (*on_end)(void *ctx);
    void *ctx;
};

typedef void admin_removed_fn(void *ctx, const bool *was_there, uint32_t n, enum err);

/* What stands behind the routes. Late, on this thread. */
struct admin_quarantine_source {
    void *ctx;
    const char *why_not; /* words for 503: there is no quarantine on disk; NULL: there is */
    const char *path;
    uint64_t capacity_bytes;
    void (*map)(void *ctx, admin_map_fn *, void *map_ctx);
    void (*remove)(void *ctx, const uint64_t *sequences, uint32_t n, admin_removed_fn *,
                   void *removed_ctx);
    /* False: another replay is under way. */
    bool (*replay)(void *ctx, struct admin_replay *);
};

struct admin_quarantine;

struct admin_quarantine *admin_quarantine_new(struct loop *,
                                              const struct admin_quarantine_source *);
/* For admin_api_open; outlives the port. */
const struct admin_routes *admin_quarantine_routes(const struct admin_quarantine *);
/* The port is closed and nothing will come from the source any more. */
void admin_quarantine_free(struct admin_quarantine **);

#endif
