/* A tap's way: to every worker by mail, and back once the last of them has let go of it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/daemon_tap.h"

#include <stdatomic.h>

#include "base/mem.h"
#include "daemon/daemon_int.h"

/* Its way: control thread, all workers, back to the control thread, which frees it and the tap. */
struct closing {
    struct loop_letter letter;
    struct daemon *daemon;
    struct tap *tap;
    _Atomic uint32_t n_left; /* workers that have not let go of it */
};

static void
on_closed(struct loop_letter *base)
{
    struct closing *closing = (struct closing *)base;
    tap_free(&closing->tap);
    mem_free(closing);
}

/* The worker's thread. */
static void
begin(void *ctx, struct worker *worker)
{
    worker_open_tap(worker, ctx);
}

/* The worker's thread. */
static void
end(void *ctx, struct worker *worker)
{
    struct closing *closing = ctx;
    worker_close_tap(worker, closing->tap);
    if (atomic_fetch_sub(&closing->n_left, 1) == 1)
        loop_mail_send(closing->daemon->loop, &closing->letter);
}

static void
open_tap(void *ctx, struct tap *tap)
{
    struct daemon *daemon = ctx;
    for (uint32_t i = 0; i < daemon->n_workers; i++)
        worker_run(daemon->workers[i].worker, begin, tap);
}

static void
close_tap(void *ctx, struct tap *tap)
{
    struct daemon *daemon = ctx;
    struct closing *closing = mem_new(struct closing);
    closing->letter.on_mail = on_closed;
    closing->daemon = daemon;
    closing->tap = tap;
    atomic_init(&closing->n_left, daemon->n_workers);
    for (uint32_t i = 0; i < daemon->n_workers; i++)
        worker_run(daemon->workers[i].worker, end, closing);
}

void
daemon_tap_init(struct daemon *daemon, struct admin_tap_source *out)
{
    *out = (struct admin_tap_source){
        .ctx = daemon,
        .n_workers = daemon->n_workers,
        .metrics = daemon_own_metrics(daemon),
        .open = open_tap,
        .close = close_tap,
    };
}
