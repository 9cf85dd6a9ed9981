/* What the workers' forwards have in common. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "forward/forward_int.h"
#include "forward/kafka_setup.h"

enum { RETRY_BUDGET = 10 };

void
forward_settings_default(struct forward_settings *settings)
{
    *settings = (struct forward_settings){
        .is_in_sync = true,
        .auth_token = "",
        .connect_timeout_us = 3000000,
        .ack_timeout_us = 20000000,
        .unary_timeout_us = 5000000,
        .retry_initial_us = 200000,
        .retry_max_us = 30000000,
        .retry_multiplier = 2,
        .retry_jitter_percent = 20,
        .retry_budget = RETRY_BUDGET,
        .max_inflight = 32,
        .n_workers = 1,
        .dns_interval_us = 30000000,
    };
}

/* Unlike any other process's. */
static void
name_us(struct forward_shared *shared)
{
    uint64_t seed[] = {clock_fresh_us(), (uint64_t)clock_unix_ms(), (uint64_t)getpid(),
                       (uint64_t)(uintptr_t)shared};
    unsigned long long id = hash_bytes(bytes_of(seed, sizeof(seed)));
    snprintf(shared->via, sizeof(shared->via), "2 spangate-%016llx", id);
}

struct forward_shared *
forward_shared_of(const struct forward_settings *settings)
{
    struct forward_shared *shared = mem_new(struct forward_shared);
    shared->settings = *settings;
    shared->addresses = mem_new_n(char *, settings->n_addresses);
    for (uint32_t i = 0; i < settings->n_addresses; i++)
        shared->addresses[i] = mem_string(settings->addresses[i]);
    shared->auth_token = mem_string(settings->auth_token != NULL ? settings->auth_token : "");
    shared->settings.addresses = (const char *const *)shared->addresses;
    shared->settings.auth_token = shared->auth_token;
    shared->tls_name = mem_string(settings->tls_name != NULL ? settings->tls_name : "");
    shared->settings.tls_name = shared->tls_name;
    if (shared->settings.n_workers == 0)
        shared->settings.n_workers = 1;
    shared->names = backend_names_new();
    name_us(shared);
    shared->settings.kafka = NULL;
    if (settings->kafka != NULL)
        shared->kafka = kafka_setup_new(settings->kafka);
    return shared;
}

static void
kafka_settings_of(const struct conf *conf, struct kafka_settings *out)
{
    uint32_t n_workers = conf->limits.workers > 0 ? conf->limits.workers : 1;
    *out = (struct kafka_settings){
        .brokers = conf->upstream.kafka.brokers,
        .name_space = conf->upstream.kafka.namespace,
        .topics = conf->upstream.kafka.topics,
        .properties = conf->upstream.kafka.properties,
        .timeout_us = conf->upstream.timeout.ack_ms * 1000,
        .max_batches =
            conf->upstream.max_inflight > n_workers ? conf->upstream.max_inflight / n_workers : 1,
        .batch_items = conf->batch.max_items,
        .max_message_bytes = conf->listen.max_message_bytes,
    };
}

struct forward_shared *
forward_shared_new(const struct conf *conf, const char *upstream)
{
    struct forward_settings settings = {
        .is_discard = conf->upstream.kind == CONF_KIND_DISCARD,
        .is_in_sync = conf->upstream.segments == CONF_SEGMENTS_COLLECT_IN_SYNC,
        .addresses = conf->upstream.addresses.items,
        .n_addresses = conf->upstream.addresses.n,
        .auth_token = conf->upstream.auth_token,
        .tls_name = conf->upstream.tls.server_name,
        .connect_timeout_us = conf->upstream.timeout.connect_ms * 1000,
        .ack_timeout_us = conf->upstream.timeout.ack_ms * 1000,
        .unary_timeout_us = conf->upstream.timeout.unary_ms * 1000,
        .cds_cache_us = conf->relay.cds_cache_ms * 1000,
        .retry_initial_us = conf->upstream.retry.initial_ms * 1000,
        .retry_max_us = conf->upstream.retry.max_ms * 1000,
        .retry_multiplier = conf->upstream.retry.multiplier,
        .retry_jitter_percent = conf->upstream.retry.jitter_percent,
        .retry_budget = RETRY_BUDGET,
        .max_inflight = conf->upstream.max_inflight,
        .n_workers = conf->limits.workers,
        .dns_interval_us = conf->upstream.dns_interval_ms * 1000,
    };
    struct kafka_settings kafka;
    kafka_settings_of(conf, &kafka);
    if (upstream == NULL && conf->upstream.kind == CONF_KIND_KAFKA)
        settings.kafka = &kafka;
    if (upstream != NULL) {
        settings.addresses = &upstream;
        settings.n_addresses = 1;
    }
    return forward_shared_of(&settings);
}

void
forward_shared_free(struct forward_shared **shared)
{
    if (*shared == NULL)
        return;
    for (uint32_t i = 0; i < (*shared)->settings.n_addresses; i++)
        mem_free((*shared)->addresses[i]);
    mem_free((*shared)->addresses);
    mem_free((*shared)->auth_token);
    mem_free((*shared)->tls_name);
    kafka_setup_free(&(*shared)->kafka);
    backend_names_free(&(*shared)->names);
    mem_free(*shared);
    *shared = NULL;
}

void
forward_shared_set_tls(struct forward_shared *shared, struct tls_slot *slot)
{
    shared->settings.tls = slot;
}

bool
forward_shared_set_disabled(struct forward_shared *shared, const char *name, bool is_disabled)
{
    return backend_names_set_disabled(shared->names, name, is_disabled);
}

bool
forward_shared_is_disabled(struct forward_shared *shared, uint32_t slot)
{
    return backend_names_is_disabled(shared->names, slot);
}

bool
forward_shared_name(struct forward_shared *shared, uint32_t slot, char *out, size_t size)
{
    return backend_names_find(shared->names, slot, out, size);
}
