/* Operators' orders: each goes to every worker by mail, the last of them sends it back. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/daemon_control.h"

#include <stdatomic.h>

#include "base/log.h"
#include "base/mem.h"
#include "daemon/daemon_int.h"
#include "daemon/daemon_reload.h"

/* Its way: control thread, all workers, back to the control thread, which frees it. */
struct order {
    struct loop_letter letter;
    struct daemon *daemon;
    enum admin_order what;
    _Atomic uint32_t n_left; /* workers that have not taken it up */
    void (*on_done)(void *ctx);
    void *ctx;
};

static void
on_carried_out(struct loop_letter *base)
{
    struct order *order = (struct order *)base;
    order->on_done(order->ctx);
    mem_free(order);
}

/* The worker's thread. */
static void
carry_out(void *ctx, struct worker *worker)
{
    struct order *order = ctx;
    switch (order->what) {
    case ADMIN_DRAIN:
    case ADMIN_UNDRAIN:
        worker_dismiss(worker, order->what == ADMIN_DRAIN);
        break;
    case ADMIN_PAUSE:
    case ADMIN_RESUME:
        worker_pause(worker, order->what == ADMIN_PAUSE);
        break;
    case ADMIN_BACKEND_DISABLE:
    case ADMIN_BACKEND_ENABLE:
        worker_refresh_backends(worker);
        break;
    }
    if (atomic_fetch_sub(&order->n_left, 1) == 1)
        loop_mail_send(order->daemon->loop, &order->letter);
}

/* What the control thread itself has to do with it; false: no such backend. */
static bool
begin(struct daemon *daemon, enum admin_order what, const char *backend)
{
    switch (what) {
    case ADMIN_DRAIN:
    case ADMIN_UNDRAIN:
        daemon->is_dismissed = what == ADMIN_DRAIN;
        for (uint32_t i = 0; i < daemon->n_workers; i++)
            worker_set_ready(daemon->workers[i].worker, daemon_not_ready(daemon) == 0);
        log_info("daemon", daemon->is_dismissed ? "agents are told to go" : "agents are welcome",
                 "by=operator");
        return true;
    case ADMIN_PAUSE:
    case ADMIN_RESUME:
        daemon->is_paused = what == ADMIN_PAUSE;
        log_info("daemon", daemon->is_paused ? "forwarding is paused" : "forwarding goes on",
                 "by=operator");
        return true;
    case ADMIN_BACKEND_DISABLE:
    case ADMIN_BACKEND_ENABLE:
        if (!forward_shared_set_disabled(daemon->shared, backend, what == ADMIN_BACKEND_DISABLE))
            return false;
        log_info("daemon", what == ADMIN_BACKEND_DISABLE ? "backend disabled" : "backend enabled",
                 "backend=%s by=operator", backend);
        return true;
    }
    return false;
}

static enum admin_order_result
give_order(void *ctx, enum admin_order what, const char *backend, void (*on_done)(void *),
           void *done_ctx)
{
    struct daemon *daemon = ctx;
    if (daemon->state != DAEMON_SERVES)
        return ADMIN_ORDER_ENDING;
    if (!begin(daemon, what, backend))
        return ADMIN_ORDER_NO_BACKEND;
    struct order *order = mem_new(struct order);
    order->letter.on_mail = on_carried_out;
    order->daemon = daemon;
    order->what = what;
    atomic_init(&order->n_left, daemon->n_workers);
    order->on_done = on_done;
    order->ctx = done_ctx;
    for (uint32_t i = 0; i < daemon->n_workers; i++)
        worker_run(daemon->workers[i].worker, carry_out, order);
    return ADMIN_ORDER_GIVEN;
}

static const struct {
    const char *name;
    enum log_level level;
} levels[] = {
    {"error", LOG_ERROR},
    {"warn", LOG_WARN},
    {"info", LOG_INFO},
    {"debug", LOG_DEBUG},
};
enum { N_LEVELS = sizeof(levels) / sizeof(levels[0]) };

static bool
set_log_level(void *ctx, struct bytes name)
{
    (void)ctx;
    for (uint32_t i = 0; i < N_LEVELS; i++) {
        if (!bytes_equal(bytes_str(levels[i].name), name))
            continue;
        log_set_level(levels[i].level);
        return true;
    }
    return false;
}

static void
tell_state(void *ctx, struct admin_control_state *out)
{
    const struct daemon *daemon = ctx;
    uint32_t i = N_LEVELS - 1;
    while (i > 0 && !log_is_on(levels[i].level))
        i--;
    *out = (struct admin_control_state){
        .is_draining = daemon->is_dismissed,
        .is_paused = daemon->is_paused,
        .log_level = levels[i].name,
    };
}

static int
reload(void *ctx, struct text *json, struct text *why)
{
    struct daemon *daemon = ctx;
    if (daemon->state == DAEMON_SERVES)
        return daemon_reload(daemon, json, why) ? 200 : 422;
    text_add(why, "the service is ending");
    return 409;
}

void
daemon_control_init(struct daemon *daemon, const struct expose_source *source,
                    struct admin_control *out)
{
    *out = (struct admin_control){
        .source = source,
        .ctx = daemon,
        .order = give_order,
        .state = tell_state,
        .set_log_level = set_log_level,
        .reload = reload,
    };
}
