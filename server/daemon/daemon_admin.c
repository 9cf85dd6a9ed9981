/* The ports for people and scrapers: telemetry, and the operator's API. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/daemon_admin.h"

#include "admin/admin.h"
#include "admin/admin_api.h"
#include "admin/admin_config.h"
#include "admin/admin_instances.h"
#include "admin/admin_openapi.h"
#include "admin/admin_overview.h"
#include "admin/admin_rules.h"
#include "admin/admin_stream.h"
#include "admin/admin_tap.h"
#include "admin/admin_ui.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/daemon_control.h"
#include "daemon/daemon_int.h"
#include "daemon/daemon_quarantine.h"
#include "daemon/daemon_tap.h"
#include "h2/h2_session.h"

enum {
    ALIVE_US = 10 * 1000 * 1000, /* a loop that did not turn for so long is stuck */
    ROUTE_TABLES = 11,
};

struct daemon_admin {
    struct expose_source source;
    struct admin *telemetry;
    struct admin_overview overview;
    struct admin_config config;
    struct admin_stream *stream;
    struct admin_taps *taps;
    struct admin_control control;
    struct admin_routes routes[ROUTE_TABLES];
    uint32_t n_routes;
    struct admin_api *api;
};

bool
daemon_is_alive(void *ctx)
{
    const struct daemon *daemon = ctx;
    uint64_t now_us = clock_mono_us();
    for (uint32_t i = 0; i < daemon->n_workers; i++) {
        uint64_t beat_us = worker_heartbeat_us(daemon->workers[i].worker);
        if (now_us > beat_us && now_us - beat_us > ALIVE_US)
            return false;
    }
    return true;
}

static bool
backend_name(void *ctx, uint32_t slot, char out[EXPOSE_BACKEND_NAME])
{
    const struct daemon *daemon = ctx;
    return forward_shared_name(daemon->shared, slot, out, EXPOSE_BACKEND_NAME);
}

static bool
backend_disabled(void *ctx, uint32_t slot)
{
    const struct daemon *daemon = ctx;
    return forward_shared_is_disabled(daemon->shared, slot);
}

static bool
is_paused(void *ctx)
{
    const struct daemon *daemon = ctx;
    return daemon->is_paused;
}

static const char *
tls_file(void *ctx, uint32_t use)
{
    const struct daemon *daemon = ctx;
    return daemon_tls_file(daemon->tls, use);
}

static void
add_config_hash(void *ctx, struct text *out)
{
    const struct daemon *daemon = ctx;
    conf_add_hash(daemon->reloaded, out);
}

static const char *
integrity_mode(void *ctx)
{
    static const char *const words[] = {
        [CONF_MODE_OFF] = "off",
        [CONF_MODE_OBSERVE] = "observe",
        [CONF_MODE_ENFORCE] = "enforce",
    };
    const struct daemon *daemon = ctx;
    return words[daemon->reloaded->integrity.mode];
}

static const char *
buffer_mode(const struct conf *conf)
{
    static const char *const words[] = {
        [CONF_BUFFER_DURABLE] = "durable",
        [CONF_BUFFER_SPILL] = "spill",
        [CONF_BUFFER_MEMORY] = "memory",
    };
    return words[conf->buffer.mode];
}

static enum err
open_telemetry(struct daemon *daemon, struct text *why)
{
    struct daemon_admin *admin = daemon->admin;
    struct admin_settings settings = {
        .address = daemon->conf->telemetry.address,
        .source = admin->source,
        .ctx = daemon,
        .is_alive = daemon_is_alive,
    };
    if (settings.address[0] == '\0')
        return ERR_OK;
    enum err err = admin_open(daemon->loop, &settings, why, &admin->telemetry);
    if (err != ERR_OK)
        return err;
    struct net_address bound;
    admin_address(admin->telemetry, &bound);
    net_address_text(&bound, daemon->telemetry_address);
    log_info("daemon", "listening", "kind=telemetry address=%s", daemon->telemetry_address);
    return ERR_OK;
}

static const struct conf *
started_conf(void *ctx)
{
    const struct daemon *daemon = ctx;
    return daemon->conf;
}

static const struct conf *
reloaded_conf(void *ctx)
{
    const struct daemon *daemon = ctx;
    return daemon->reloaded;
}

static void
add_routes(struct daemon_admin *admin, struct admin_routes routes)
{
    check(admin->n_routes < ROUTE_TABLES);
    admin->routes[admin->n_routes++] = routes;
}

/* What the API serves. */
static void
set_routes(struct daemon *daemon)
{
    struct daemon_admin *admin = daemon->admin;
    const struct admin_topic topics[] = {
        {"overview", admin_overview_write, &admin->overview},
        {"instances", admin_instances_write, daemon->instances},
    };
    admin->overview = (struct admin_overview){
        .source = &admin->source,
        .started_ms = clock_unix_ms(),
        .mode = integrity_mode,
        .buffer_mode = buffer_mode(daemon->conf),
        .is_paused = is_paused,
    };
    daemon_control_init(daemon, &admin->source, &admin->control);
    admin->config = (struct admin_config){daemon, started_conf, reloaded_conf};
    struct admin_tap_source tap_source;
    daemon_tap_init(daemon, &tap_source);
    admin->taps = admin_taps_new(daemon->loop, &tap_source);
    admin->stream = admin_stream_new(daemon->loop, topics, sizeof(topics) / sizeof(topics[0]));
    add_routes(admin, admin_overview_routes(&admin->overview));
    add_routes(admin, admin_instances_routes(daemon->instances));
    add_routes(admin, *daemon_quarantine_routes(daemon->quarantine));
    add_routes(admin, admin_control_routes(&admin->control));
    add_routes(admin, admin_config_routes(&admin->config));
    add_routes(admin, admin_rules_routes());
    add_routes(admin, admin_openapi_routes());
    add_routes(admin, admin_stream_routes(admin->stream));
    add_routes(admin, admin_taps_routes(admin->taps));
    if (daemon->conf->admin.ui)
        add_routes(admin, admin_ui_routes());
    if (daemon->routes != NULL)
        add_routes(admin, *daemon->routes);
}

static enum err
open_api(struct daemon *daemon, struct text *why)
{
    struct daemon_admin *admin = daemon->admin;
    const struct conf *conf = daemon->conf;
    if (conf->admin.address[0] == '\0' && conf->admin.socket[0] == '\0')
        return ERR_OK;
    set_routes(daemon);
    struct admin_api_settings settings = {
        .address = conf->admin.address,
        .socket = conf->admin.socket,
        .token_file = conf->admin.token_file,
        .tables = admin->routes,
        .n_tables = admin->n_routes,
    };
    enum err err = admin_api_open(daemon->loop, &settings, why, &admin->api);
    if (err != ERR_OK)
        return err;
    struct net_address bound;
    if (admin_api_address(admin->api, &bound)) {
        net_address_text(&bound, daemon->admin_address);
        log_info("daemon", "listening", "kind=admin address=%s", daemon->admin_address);
    }
    if (conf->admin.socket[0] != '\0')
        log_info("daemon", "listening", "kind=admin socket=%s", conf->admin.socket);
    return ERR_OK;
}

enum err
daemon_admin_open(struct daemon *daemon, const char *revision, struct text *why)
{
    struct daemon_admin *admin = mem_new(struct daemon_admin);
    daemon->admin = admin;
    admin->source = (struct expose_source){
        .metrics = daemon->metrics,
        .n_metrics = daemon->n_metrics,
        .n_loops = 1 + daemon->n_workers,
        .version = SPANGATE_VERSION,
        .revision = revision,
        .nghttp2 = h2_session_version(),
        .openssl = tls_version(),
        .started_ms = clock_unix_ms(),
        .ctx = daemon,
        .not_ready = daemon_not_ready,
        .backend_name = backend_name,
        .backend_disabled = backend_disabled,
        .tls_file = tls_file,
        .add_config_hash = add_config_hash,
        .instances = daemon->instances,
    };
    enum err err = open_telemetry(daemon, why);
    return err == ERR_OK ? open_api(daemon, why) : err;
}

void
daemon_admin_expose(struct daemon *daemon, struct text *out)
{
    expose_text(&daemon->admin->source, false, out);
}

void
daemon_admin_close(struct daemon_admin **admin)
{
    if (*admin == NULL)
        return;
    admin_api_close(&(*admin)->api);
    admin_stream_free(&(*admin)->stream);
    admin_taps_free(&(*admin)->taps);
    admin_close(&(*admin)->telemetry);
    mem_free(*admin);
    *admin = NULL;
}
