/* Records of the registry: made at the first sighting, and given up for others. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "integrity/instances_int.h"

static void
set_names(struct instances *instances, struct instance *instance, struct bytes service,
          struct bytes name, struct bytes hostname)
{
    uint8_t *names = mem_alloc(service.n + name.n + hostname.n), *p = names;
    const struct bytes parts[] = {service, name, hostname};
    for (uint32_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i].n > 0)
            memcpy(p, parts[i].p, parts[i].n);
        p += parts[i].n;
    }
    if (instance->names != NULL)
        instances->n_bytes -= mem_bytes(instance->names);
    mem_free(instance->names);
    instance->names = names;
    instance->n_service = (uint16_t)service.n;
    instance->n_instance = (uint16_t)name.n;
    instance->n_hostname = (uint16_t)hostname.n;
    instances->n_bytes += mem_bytes(names);
}

/* Sightings cut names already; this holds whoever made them. */
static struct bytes
cut(struct bytes name)
{
    if (name.n > SIGHTING_NAME_BYTES)
        name.n = SIGHTING_NAME_BYTES;
    return name;
}

void
instances_set_hostname(struct instances *instances, struct instance *instance,
                       struct bytes hostname)
{
    hostname = cut(hostname);
    if (!bytes_equal(instance_hostname(instance), hostname))
        set_names(instances, instance, instance_service(instance), instance_name(instance),
                  hostname);
}

struct instance *
instances_add(struct instances *instances, const struct sighting *sighting)
{
    while (instances->n > 0 && instances->n >= instances->settings.max_instances)
        instances_evict(instances, TAILQ_LAST(&instances->list, instance_list));
    struct instance *instance = mem_new(struct instance);
    instance->hash = sighting->hash;
    instance->first_seen_unix_ms = instances->unix_ms;
    instance->last_seen_unix_ms = instances->unix_ms;
    instance->first_seen_ms = instances->time_ms;
    instances->n_bytes += mem_bytes(instance);
    set_names(instances, instance, cut(sighting->service), cut(sighting->instance), BYTES_NONE);
    hash_index_add(&instances->index, instance->hash, instance);
    TAILQ_INSERT_HEAD(&instances->list, instance, link);
    instances->n++;
    return instance;
}

void
instances_destroy(struct instances *instances, struct instance *instance)
{
    if ((instance->flags & FLAG_WATCHED) != 0)
        TAILQ_REMOVE(&instances->watched, instance, watched);
    instances_free_case(instances, instance);
    evidence_free(instances, instance);
    hash_index_remove(&instances->index, instance->hash);
    TAILQ_REMOVE(&instances->list, instance, link);
    instances->n--;
    instances->n_bytes -= mem_bytes(instance->names) + mem_bytes(instance);
    mem_free(instance->names);
    mem_free(instance);
}

void
instances_evict(struct instances *instances, struct instance *instance)
{
    instances_close_case(instances, instance);
    instances_forget_life(instances, instance);
    series_leave(instances, instance);
    instances_destroy(instances, instance);
}
