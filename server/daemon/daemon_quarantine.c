/* What the operator's port asks about quarantine, answered by spooler and workers. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/daemon_quarantine.h"

#include "admin/admin_quarantine.h"
#include "base/mem.h"
#include "daemon/daemon_int.h"
#include "daemon/daemon_replay.h"

struct daemon_quarantine {
    struct daemon *daemon;
    struct daemon_replay *replay; /* NULL: no quarantine on disk */
    struct admin_quarantine *admin;
};

static void
ask_map(void *ctx, admin_map_fn *fn, void *map_ctx)
{
    struct daemon_quarantine *quarantine = ctx;
    spooler_map_aside(quarantine->daemon->spooler, quarantine->daemon->loop, fn, map_ctx);
}

static void
remove_some(void *ctx, const uint64_t *sequences, uint32_t n, admin_removed_fn *fn,
            void *removed_ctx)
{
    struct daemon_quarantine *quarantine = ctx;
    spooler_remove_aside(quarantine->daemon->spooler, quarantine->daemon->loop, sequences, n, fn,
                         removed_ctx);
}

static bool
replay_some(void *ctx, struct admin_replay *request)
{
    struct daemon_quarantine *quarantine = ctx;
    return daemon_replay_start(quarantine->replay, request);
}

struct daemon_quarantine *
daemon_quarantine_new(struct daemon *daemon)
{
    struct daemon_quarantine *quarantine = mem_new(struct daemon_quarantine);
    struct admin_quarantine_source source = {
        .ctx = quarantine,
        .path = daemon->conf->quarantine.path,
        .capacity_bytes = daemon->conf->quarantine.max_bytes,
        .map = ask_map,
        .remove = remove_some,
        .replay = replay_some,
    };
    quarantine->daemon = daemon;
    if (daemon->spooler != NULL)
        quarantine->replay = daemon_replay_new(daemon);
    else
        source.why_not = "with buffer.mode: memory nothing is set aside on disk; set buffer.mode: "
                         "durable or spill";
    quarantine->admin = admin_quarantine_new(daemon->loop, &source);
    return quarantine;
}

const struct admin_routes *
daemon_quarantine_routes(const struct daemon_quarantine *quarantine)
{
    return admin_quarantine_routes(quarantine->admin);
}

void
daemon_quarantine_close(struct daemon_quarantine *quarantine)
{
    if (quarantine != NULL && quarantine->replay != NULL)
        daemon_replay_close(quarantine->replay);
}

void
daemon_quarantine_free(struct daemon_quarantine **quarantine)
{
    if (*quarantine == NULL)
        return;
    daemon_replay_free(&(*quarantine)->replay);
    admin_quarantine_free(&(*quarantine)->admin);
    mem_free(*quarantine);
    *quarantine = NULL;
}
