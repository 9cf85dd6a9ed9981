/* SIGHUP, or an order: takes up what can change while running, and says what cannot. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/daemon_reload.h"

#include "base/clock.h"
#include "base/log.h"
#include "daemon/daemon_int.h"
#include "daemon/daemon_notify.h"

struct changes {
    uint32_t n_live, n_waiting;
    struct text live, waiting; /* as lists of JSON strings */
};

static void
add_key(struct text *list, const char *path)
{
    text_add(list, list->n > 0 ? "," : "");
    text_add_json(list, bytes_str(path));
}

/* Since the last reload. */
static void
on_live_change(void *ctx, const char *path, bool is_live)
{
    struct changes *changes = ctx;
    if (!is_live)
        return;
    changes->n_live++;
    add_key(&changes->live, path);
    log_info("daemon", "setting changed", "key=%s", path);
}

/* Since the start: told until a restart or the old value. */
static void
on_waiting_change(void *ctx, const char *path, bool is_live)
{
    struct changes *changes = ctx;
    if (is_live)
        return;
    changes->n_waiting++;
    add_key(&changes->waiting, path);
    log_warn("daemon", "this setting changes with a restart only", "key=%s", path);
}

/* The worker's thread. */
static void
take_up_there(void *ctx, struct worker *worker)
{
    const struct conf *conf = ctx;
    worker_take_up(worker, conf);
    conf_unref(&conf);
}

/* What stands as LIVE in tables/options.h. */
static void
take_up(struct daemon *daemon, const struct conf *conf)
{
    for (uint32_t i = 0; i < daemon->n_workers; i++)
        worker_run(daemon->workers[i].worker, take_up_there, (void *)conf_ref(conf));
    instances_set_window(daemon->instances, (int64_t)conf->integrity.window_ms);
    instances_set_storage(daemon->instances, conf->upstream.storage == CONF_STORAGE_JDBC);
    daemon_set_log(conf);
    conf_unref(&daemon->reloaded);
    daemon->reloaded = conf_ref(conf);
}

/* The new configuration, or NULL and why in words. */
static const struct conf *
read_anew(struct daemon *daemon, struct text *why)
{
    if (daemon->reload == NULL) {
        log_info("daemon", "nothing to reload from", "%s", "");
        text_add(why, "this service has no configuration to reload");
        return NULL;
    }
    const struct conf *conf = daemon->reload(daemon->reload_ctx, why);
    metric_set(daemon_own_metrics(daemon), METRIC_RELOAD_SUCCESSFUL, 0, conf != NULL);
    if (conf == NULL)
        log_error("daemon", "reload failed, every setting stays as it is", "%s", "");
    return conf;
}

static void
report(const struct changes *changes, struct text *json)
{
    log_info("daemon", "reloaded", "changed=%u need_restart=%u", changes->n_live,
             changes->n_waiting);
    if (json != NULL)
        text_addf(json, "{\"changed\":[%s],\"restart\":[%s]}\n",
                  changes->n_live > 0 ? changes->live.p : "",
                  changes->n_waiting > 0 ? changes->waiting.p : "");
}

static bool
reload_settings(struct daemon *daemon, struct text *json, struct text *why)
{
    struct text own_why = TEXT_EMPTY;
    const struct conf *conf = read_anew(daemon, why != NULL ? why : &own_why);
    text_fini(&own_why);
    if (conf == NULL)
        return false;
    struct changes changes = {.n_live = 0};
    conf_each_change(daemon->reloaded, conf, on_live_change, &changes);
    conf_each_change(daemon->conf, conf, on_waiting_change, &changes);
    take_up(daemon, conf);
    metric_set(daemon_own_metrics(daemon), METRIC_RELOAD_TIMESTAMP, 0,
               (uint64_t)clock_unix_ms() / 1000);
    report(&changes, json);
    text_fini(&changes.live);
    text_fini(&changes.waiting);
    conf_unref(&conf);
    return true;
}

bool
daemon_reload(struct daemon *daemon, struct text *json, struct text *why)
{
    daemon_notify_reloading(daemon);
    daemon_tls_reload(daemon->tls);
    bool is_done = reload_settings(daemon, json, why);
    daemon_notify_reloaded(daemon);
    return is_done;
}

const char *
daemon_reload_secret_file_at(void *ctx, uint32_t i)
{
    const struct daemon *daemon = ctx;
    return conf_secret_file_at(daemon->reloaded, i);
}
