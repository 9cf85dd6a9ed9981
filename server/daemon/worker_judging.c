/* What the configuration means for a worker's engine of rules. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/worker_judging.h"

#include "base/mem.h"

static enum integrity_mode
mode_of(enum conf_mode mode)
{
    static const enum integrity_mode modes[] = {
        [CONF_MODE_OFF] = INTEGRITY_OFF,
        [CONF_MODE_OBSERVE] = INTEGRITY_OBSERVE,
        [CONF_MODE_ENFORCE] = INTEGRITY_ENFORCE,
    };
    return modes[mode];
}

void
worker_judging_init(struct worker_judging *judging, const struct conf *conf, uint32_t n_workers)
{
    const struct conf_services *services = &conf->integrity.services;
    struct integrity_settings *settings = &judging->settings;
    *judging = (struct worker_judging){.conf = conf_ref(conf)};
    integrity_settings_default(settings);
    settings->mode = mode_of(conf->integrity.mode);
    settings->max_spans = conf->integrity.max_spans;
    settings->storage_jdbc = conf->upstream.storage == CONF_STORAGE_JDBC;
    settings->window_s = (uint32_t)(conf->integrity.window_ms / 1000);
    settings->window_bytes = conf->integrity.window_memory_bytes / n_workers;
    for (unsigned rule = 0; rule < RULE_COUNT; rule++)
        settings->actions[rule] = conf->integrity.actions.of[rule];
    if (services->n > 0)
        judging->services = mem_new_n(struct integrity_service, services->n);
    for (uint32_t i = 0; i < services->n; i++)
        judging->services[i] =
            (struct integrity_service){services->items[i].match, mode_of(services->items[i].mode)};
    settings->services = judging->services;
    settings->n_services = services->n;
}

void
worker_judging_fini(struct worker_judging *judging)
{
    mem_free(judging->services);
    conf_unref(&judging->conf);
    judging->services = NULL;
}
