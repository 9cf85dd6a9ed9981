/* Hosts by hash in order of use, each with its last witnesses. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/clock_steps.h"

#include <sys/queue.h>

#include "base/hash.h"
#include "base/mem.h"
#include "integrity/hash_index.h"

/* One burst of one instance. */
struct witness {
    uint64_t instance; /* 0: free */
    int64_t first_ms, last_ms;
    uint32_t n_spans;
    bool is_new; /* known and silent for long before the burst */
};

struct host {
    TAILQ_ENTRY(host) link; /* touched last first */
    uint64_t hash;
    int64_t stepped_ms;     /* when there were enough witnesses last; 0: never */
    struct clock_step step; /* as it was then */
    struct witness witnesses[CLOCK_STEPS_WITNESSES];
};

TAILQ_HEAD(host_list, host);

struct clock_steps {
    struct hash_index index;
    struct host_list hosts;
    uint32_t n_hosts;
};

struct clock_steps *
clock_steps_new(void)
{
    struct clock_steps *steps = mem_new(struct clock_steps);
    TAILQ_INIT(&steps->hosts);
    return steps;
}

static void
drop(struct clock_steps *steps, struct host *host)
{
    TAILQ_REMOVE(&steps->hosts, host, link);
    hash_index_remove(&steps->index, host->hash);
    steps->n_hosts--;
    mem_free(host);
}

void
clock_steps_free(struct clock_steps **steps)
{
    if (*steps == NULL)
        return;
    struct host *host;
    while ((host = TAILQ_FIRST(&(*steps)->hosts)) != NULL)
        drop(*steps, host);
    hash_index_fini(&(*steps)->index);
    mem_free(*steps);
    *steps = NULL;
}

uint64_t
clock_steps_n_bytes(const struct clock_steps *steps)
{
    return sizeof(*steps) + (uint64_t)steps->n_hosts * sizeof(struct host) +
           hash_index_n_bytes(&steps->index);
}

static uint64_t
hash_of(struct bytes hostname)
{
    uint64_t hash = hash_bytes(hostname);
    return hash != 0 ? hash : 1;
}

static struct host *
touch(struct clock_steps *steps, uint64_t hash)
{
    struct host *host = hash_index_find(&steps->index, hash);
    if (host != NULL) {
        TAILQ_REMOVE(&steps->hosts, host, link);
    } else {
        if (steps->n_hosts == CLOCK_STEPS_HOSTS)
            drop(steps, TAILQ_LAST(&steps->hosts, host_list));
        host = mem_new(struct host);
        host->hash = hash;
        hash_index_add(&steps->index, hash, host);
        steps->n_hosts++;
    }
    TAILQ_INSERT_HEAD(&steps->hosts, host, link);
    return host;
}

/* The instance's own, else a free one, else the one that was silent longest. */
static struct witness *
witness_of(struct host *host, uint64_t instance)
{
    struct witness *found = &host->witnesses[0];
    for (uint32_t i = 0; i < CLOCK_STEPS_WITNESSES; i++) {
        struct witness *witness = &host->witnesses[i];
        if (witness->instance == instance)
            return witness;
        if (witness->last_ms < found->last_ms)
            found = witness;
    }
    *found = (struct witness){0};
    return found;
}

static void
count(struct host *host, int64_t now_ms)
{
    struct clock_step step = {.n_witnesses = 0};
    for (uint32_t i = 0; i < CLOCK_STEPS_WITNESSES; i++) {
        const struct witness *witness = &host->witnesses[i];
        if (!witness->is_new || witness->n_spans < CLOCK_STEPS_LEAST_EACH ||
            now_ms - witness->first_ms > CLOCK_STEPS_BURST_MS)
            continue;
        step.witnesses[step.n_witnesses++] = witness->instance;
        step.n_spans += witness->n_spans;
    }
    if (step.n_witnesses < CLOCK_STEPS_LEAST_WITNESSES || step.n_spans < CLOCK_STEPS_LEAST_SPANS)
        return;
    host->step = step;
    host->stepped_ms = now_ms;
}

void
clock_steps_note(struct clock_steps *steps, struct bytes hostname, uint64_t instance,
                 uint32_t n_spans, int64_t silent_since_ms, int64_t now_ms)
{
    struct host *host = touch(steps, hash_of(hostname));
    struct witness *witness = witness_of(host, instance);
    bool was_silent = now_ms - silent_since_ms >= CLOCK_STEPS_QUIET_MS;
    if (witness->instance == 0 || was_silent)
        *witness = (struct witness){.instance = instance, .first_ms = now_ms, .is_new = was_silent};
    witness->n_spans += n_spans;
    witness->last_ms = now_ms;
    count(host, now_ms);
}

bool
clock_steps_look(struct clock_steps *steps, struct bytes hostname, int64_t now_ms,
                 struct clock_step *out)
{
    const struct host *host = hash_index_find(&steps->index, hash_of(hostname));
    if (host == NULL || host->stepped_ms == 0 || now_ms - host->stepped_ms > CLOCK_STEPS_HOLD_MS)
        return false;
    if (out != NULL)
        *out = host->step;
    return true;
}
