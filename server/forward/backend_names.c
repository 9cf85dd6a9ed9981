/* Slots of the backend metrics by name. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/backend_names.h"

#include <pthread.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/metric.h"

enum { NAME_BYTES = 64, OTHER = METRIC_BACKENDS - 1 };
static const uint64_t GONE_US = UINT64_C(600) * 1000 * 1000;

struct slot {
    char name[NAME_BYTES]; /* "": never used */
    uint32_t n_users, n_up;
    uint64_t gone_us; /* when the last user went */
    uint64_t success_s;
    bool is_disabled;
};

struct backend_names {
    pthread_mutex_t mutex;
    struct slot slots[METRIC_BACKENDS];
};

struct backend_names *
backend_names_new(void)
{
    struct backend_names *names = mem_new(struct backend_names);
    check(pthread_mutex_init(&names->mutex, NULL) == 0);
    return names;
}

void
backend_names_free(struct backend_names **names)
{
    if (*names == NULL)
        return;
    pthread_mutex_destroy(&(*names)->mutex);
    mem_free(*names);
    *names = NULL;
}

static void
set_name(struct slot *slot, const char *name)
{
    size_t n = strnlen(name, NAME_BYTES - 1);
    memcpy(slot->name, name, n);
    slot->name[n] = '\0';
}

/* The slot with the name, else one never used, else the one gone longest, else OTHER. */
static uint32_t
choose(const struct backend_names *names, const char *name)
{
    uint32_t best = OTHER;
    for (uint32_t i = 0; i < OTHER; i++) {
        const struct slot *slot = &names->slots[i];
        if (strncmp(slot->name, name, NAME_BYTES - 1) == 0)
            return i;
        if (slot->n_users > 0)
            continue;
        if (best == OTHER || slot->gone_us < names->slots[best].gone_us)
            best = i;
    }
    return best;
}

uint32_t
backend_names_take(struct backend_names *names, const char *name, uint64_t *stale_s)
{
    pthread_mutex_lock(&names->mutex);
    uint32_t i = choose(names, name);
    struct slot *slot = &names->slots[i];
    *stale_s = 0;
    if (i == OTHER) {
        set_name(slot, "other");
    } else if (slot->n_users == 0 && strncmp(slot->name, name, NAME_BYTES - 1) != 0) {
        *stale_s = slot->success_s;
        slot->success_s = 0;
        slot->is_disabled = false;
        set_name(slot, name);
    }
    slot->n_users++;
    pthread_mutex_unlock(&names->mutex);
    return i;
}

void
backend_names_give(struct backend_names *names, uint32_t i)
{
    pthread_mutex_lock(&names->mutex);
    struct slot *slot = &names->slots[i];
    check(slot->n_users > 0);
    if (--slot->n_users == 0)
        slot->gone_us = clock_mono_us();
    pthread_mutex_unlock(&names->mutex);
}

int
backend_names_set_up(struct backend_names *names, uint32_t i, bool is_up)
{
    pthread_mutex_lock(&names->mutex);
    struct slot *slot = &names->slots[i];
    bool was_up = slot->n_up > 0;
    check(is_up || slot->n_up > 0);
    slot->n_up = is_up ? slot->n_up + 1 : slot->n_up - 1;
    int change = (int)(slot->n_up > 0) - (int)was_up;
    pthread_mutex_unlock(&names->mutex);
    return change;
}

uint64_t
backend_names_success(struct backend_names *names, uint32_t i, uint64_t unix_s)
{
    pthread_mutex_lock(&names->mutex);
    struct slot *slot = &names->slots[i];
    uint64_t more = unix_s > slot->success_s ? unix_s - slot->success_s : 0;
    slot->success_s += more;
    pthread_mutex_unlock(&names->mutex);
    return more;
}

static bool
stands(const struct slot *slot)
{
    return slot->name[0] != '\0' &&
           (slot->n_users > 0 || clock_mono_us() - slot->gone_us < GONE_US);
}

bool
backend_names_set_disabled(struct backend_names *names, const char *name, bool is_disabled)
{
    bool is_found = false;
    pthread_mutex_lock(&names->mutex);
    for (uint32_t i = 0; i < OTHER && !is_found; i++) {
        struct slot *slot = &names->slots[i];
        is_found = stands(slot) && strcmp(slot->name, name) == 0;
        if (is_found)
            slot->is_disabled = is_disabled;
    }
    pthread_mutex_unlock(&names->mutex);
    return is_found;
}

bool
backend_names_is_disabled(struct backend_names *names, uint32_t i)
{
    pthread_mutex_lock(&names->mutex);
    bool is_disabled = names->slots[i].is_disabled;
    pthread_mutex_unlock(&names->mutex);
    return is_disabled;
}

bool
backend_names_find(struct backend_names *names, uint32_t i, char *out, size_t size)
{
    check(i < METRIC_BACKENDS && size > 0);
    pthread_mutex_lock(&names->mutex);
    const struct slot *slot = &names->slots[i];
    bool is_there = stands(slot);
    size_t n = is_there ? strnlen(slot->name, size - 1) : 0;
    memcpy(out, slot->name, n);
    out[n] = '\0';
    pthread_mutex_unlock(&names->mutex);
    return is_there;
}
