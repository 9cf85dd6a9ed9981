/* Names by hash in order of use, and a short list of suspects. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/service_names.h"

#include <sys/queue.h>

#include "base/hash.h"
#include "base/mem.h"
#include "integrity/hash_index.h"

struct name {
    TAILQ_ENTRY(name) link; /* seen last first */
    uint64_t hash;
    uint32_t n_segments; /* stays at the most */
    bool is_managed;
    uint16_t n;
    uint8_t p[];
};

struct suspect {
    uint64_t service, instance;
    int64_t since_ms;
};

TAILQ_HEAD(name_list, name);

struct service_names {
    struct hash_index index;
    struct name_list names;
    uint32_t n_names;
    uint64_t n_bytes; /* of the names */
    uint32_t n_suspects;
    struct suspect suspects[SERVICE_NAMES_SUSPECTS]; /* in order of time */
};

struct service_names *
service_names_new(void)
{
    struct service_names *names = mem_new(struct service_names);
    TAILQ_INIT(&names->names);
    return names;
}

static void
drop(struct service_names *names, struct name *name)
{
    TAILQ_REMOVE(&names->names, name, link);
    hash_index_remove(&names->index, name->hash);
    names->n_bytes -= mem_bytes(name);
    names->n_names--;
    mem_free(name);
}

void
service_names_free(struct service_names **names)
{
    if (*names == NULL)
        return;
    struct name *name;
    while ((name = TAILQ_FIRST(&(*names)->names)) != NULL)
        drop(*names, name);
    hash_index_fini(&(*names)->index);
    mem_free(*names);
    *names = NULL;
}

uint64_t
service_names_n_bytes(const struct service_names *names)
{
    return sizeof(*names) + names->n_bytes + hash_index_n_bytes(&names->index);
}

static struct name *
add(struct service_names *names, struct bytes service, uint64_t hash)
{
    if (names->n_names == SERVICE_NAMES)
        drop(names, TAILQ_LAST(&names->names, name_list));
    struct name *name = mem_zeroed(sizeof(*name) + service.n);
    name->hash = hash;
    name->n = (uint16_t)service.n;
    if (service.n > 0)
        memcpy(name->p, service.p, service.n);
    hash_index_add(&names->index, hash, name);
    TAILQ_INSERT_HEAD(&names->names, name, link);
    names->n_names++;
    names->n_bytes += mem_bytes(name);
    return name;
}

static bool
is_rare(const struct name *name)
{
    return !name->is_managed && name->n_segments <= SERVICE_NAMES_RARE_SEGMENTS;
}

static bool
is_known(const struct name *name)
{
    return name->is_managed || name->n_segments >= SERVICE_NAMES_KNOWN_SEGMENTS;
}

static uint32_t
add_up(uint32_t a, uint32_t b)
{
    return b < UINT32_MAX - a ? a + b : UINT32_MAX;
}

void
service_names_see(struct service_names *names, struct bytes service, uint32_t n_segments,
                  bool is_managed, bool is_foreign, uint64_t instance, int64_t now_ms)
{
    if (service.n == 0 || service.n > UINT16_MAX)
        return; /* the empty name is near every other: rule service-empty */
    uint64_t hash = hash_bytes(service);
    hash += hash == 0;
    struct name *name = hash_index_find(&names->index, hash);
    bool is_new = name == NULL;
    if (is_new) {
        name = add(names, service, hash);
    } else if (name != TAILQ_FIRST(&names->names)) {
        TAILQ_REMOVE(&names->names, name, link);
        TAILQ_INSERT_HEAD(&names->names, name, link);
    }
    name->n_segments = add_up(name->n_segments, n_segments);
    name->is_managed |= is_managed;
    if (is_new && is_foreign && is_rare(name) && names->n_suspects < SERVICE_NAMES_SUSPECTS)
        names->suspects[names->n_suspects++] = (struct suspect){hash, instance, now_ms};
}

static bool
is_near(struct bytes a, struct bytes b)
{
    return a.n != b.n && (bytes_starts(a, b) || bytes_starts(b, a));
}

static bool
is_near_known(const struct service_names *names, const struct name *suspect)
{
    struct bytes its = bytes_of(suspect->p, suspect->n);
    const struct name *name;
    TAILQ_FOREACH(name, &names->names, link)
    {
        if (is_known(name) && is_near(its, bytes_of(name->p, name->n)))
            return true;
    }
    return false;
}

void
service_names_judge(struct service_names *names, int64_t now_ms, service_names_fn *fn, void *ctx)
{
    uint32_t n = 0;
    for (; n < names->n_suspects; n++) {
        const struct suspect *suspect = &names->suspects[n];
        if (now_ms - suspect->since_ms < SERVICE_NAMES_WAIT_MS)
            break;
        const struct name *name = hash_index_find(&names->index, suspect->service);
        if (name != NULL && is_rare(name) && is_near_known(names, name))
            fn(ctx, suspect->instance);
    }
    names->n_suspects -= n;
    memmove(names->suspects, names->suspects + n, names->n_suspects * sizeof(names->suspects[0]));
}
