/* What the configuration means for a worker's store. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/worker_store.h"

enum {
    UNDURABLE_BYTES = 32 * 1024 * 1024,
    UNDURABLE_LEAST_BYTES = 512 * 1024,
};

static enum store_mode
mode_of(const struct worker_settings *worker)
{
    if (worker->spooler == NULL)
        return STORE_MEMORY;
    return worker->conf->buffer.mode == CONF_BUFFER_SPILL ? STORE_SPILL : STORE_DURABLE;
}

static enum store_ack
ack_of(const struct conf *conf)
{
    switch (conf->buffer.ack) {
    case CONF_ACK_RECEIVED:
        return STORE_ACK_RECEIVED;
    case CONF_ACK_FORWARDED:
        return STORE_ACK_FORWARDED;
    case CONF_ACK_BUFFERED:
        break;
    }
    return STORE_ACK_BUFFERED;
}

/* All workers' records on their way to the disk: 32 MiB, at most half the memory's share. */
static uint64_t
undurable_bytes(const struct worker_settings *worker)
{
    uint64_t n = UNDURABLE_BYTES / worker->n_workers;
    uint64_t half = worker->conf->buffer.memory.max_bytes / worker->n_workers / 2;
    n = n < half ? n : half;
    return n > UNDURABLE_LEAST_BYTES ? n : UNDURABLE_LEAST_BYTES;
}

void
worker_store_settings(const struct worker_settings *worker, struct store_settings *out)
{
    const struct conf *conf = worker->conf;
    struct spooler *spooler = worker->spooler;
    *out = (struct store_settings){
        .mode = mode_of(worker),
        .ack = ack_of(conf),
        .worker = worker->index,
        .seed = spooler != NULL ? spooler_seed(spooler) : 0,
        .aside_seed = spooler != NULL ? spooler_aside_seed(spooler) : 0,
        .undurable_bytes = undurable_bytes(worker),
        .max_bytes = conf->buffer.memory.max_bytes / worker->n_workers,
        .quarantine_bytes = conf_quarantine_bytes(conf) / worker->n_workers,
        .batch_items = conf->batch.max_items,
        .batch_bytes = (uint32_t)conf->batch.max_size_bytes,
        .batch_delay_ms = (uint32_t)conf->batch.max_delay_ms,
        .max_age_s = (uint32_t)(conf->buffer.disk.max_age_ms / 1000),
        .redact_tags = conf->quarantine.redact_tags.items,
        .n_redact_tags = conf->quarantine.redact_tags.n,
    };
    switch (conf->buffer.when_full) {
    case CONF_FULL_BACKPRESSURE:
        out->when_full = STORE_BACKPRESSURE;
        break;
    case CONF_FULL_DROP_OLDEST:
        out->when_full = STORE_DROP_OLDEST;
        break;
    case CONF_FULL_DROP_NEWEST:
        out->when_full = STORE_DROP_NEWEST;
        break;
    }
}
