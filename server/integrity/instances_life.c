/* From connections to lives: when a process begins, is away for a moment, and ends. */
/* SPDX-License-Identifier: Apache-2.0 */
/* An instance whose name is drawn at start is the same process for ever: when it comes back, only
 * its connection was lost. One with a name from the environment may be a new process: it is when
 * the first that it says after an abrupt end is its properties, as agents do at start. */
#include "integrity/instances_int.h"

enum { DRAWN_LEAST = 30 }; /* 32 hex digits; decimal UUIDs have up to 39 */

/* "32hex@ipv4", "32hex", "32hex-child(1)", "decimal@ip", a UUID with dashes. */
static bool
is_drawn(struct bytes name)
{
    uint32_t n = 0;
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = name.p[i];
        bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (!is_hex && c != '-')
            break;
        n += is_hex;
    }
    return n >= DRAWN_LEAST;
}

/* An event of so and so, on the registry's clock. */
static int64_t
on_our_clock(const struct instances *instances, int64_t unix_ms)
{
    int64_t ago_ms = instances->unix_ms - unix_ms;
    if (unix_ms == 0 || ago_ms < 0)
        return instances->time_ms;
    return instances->time_ms - (ago_ms < CHURN_LATE_MS ? ago_ms : CHURN_LATE_MS);
}

static void
begin(struct instances *instances, struct instance *instance, uint64_t key, int64_t at_ms)
{
    instance->life_state = LIFE_LASTS;
    instance->n_life_segments = instance->n_life_keepalives = 0;
    instance->life = churn_begin(instances->churn, key, instance->hash, at_ms);
    uint64_t holder = churn_holder(instances->churn, key);
    struct instance *from =
        holder != instance->hash ? hash_index_find(&instances->index, holder) : NULL;
    if (from != NULL)
        instances_move_loop(instances, from, instance);
}

/* Behind an aggregator nothing is known of its connections: no life lasts or returns. */
static void
on_properties(struct instances *instances, struct instance *instance, const struct sighting *s)
{
    if (s->hostname.n == 0)
        return;
    uint64_t key = churn_key(s->service, s->hostname, s->ipv4);
    int64_t at_ms = on_our_clock(instances, s->connected_ms);
    if (instance->life_state == LIFE_RETURNED) {
        begin(instances, instance, key, at_ms);
    } else if (instance->life_state == LIFE_LASTS) {
        if (instance->life.key == 0) {
            begin(instances, instance, key, at_ms);
        } else if (instance->life.key != key) {
            instances_forget_life(instances, instance); /* several hosts use the name */
        } else if (instance->n_connections > 0 && s->n_connected > 0) {
            instance->reborn_ms = at_ms;
        }
    }
}

static void
on_connected(struct instances *instances, struct instance *instance)
{
    if (instance->life_state == LIFE_NONE) {
        instance->life_state = LIFE_LASTS;
        instance->n_life_segments = instance->n_life_keepalives = 0;
    } else if (instance->life_state == LIFE_LOST) {
        instance->life_state = LIFE_RETURNED;
        if (is_drawn(instance_name(instance))) {
            instance->life_state = LIFE_LASTS;
            churn_resume(instances->churn, instance->life, instance->hash, instances->time_ms);
        }
    }
}

/* Says something else before its properties: the process never was away. */
static void
on_traffic(struct instances *instances, struct instance *instance)
{
    if (instance->life_state != LIFE_RETURNED)
        return;
    instance->life_state = LIFE_LASTS;
    churn_resume(instances->churn, instance->life, instance->hash, instances->time_ms);
}

static void
on_end(struct instances *instances, struct instance *instance, bool is_abrupt, int64_t at_ms)
{
    if (instance->life_state == LIFE_RETURNED) {
        instance->life_state = LIFE_LOST;
        return;
    }
    struct churn_end end = {is_abrupt, instance->n_life_segments, instance->n_life_keepalives};
    bool is_loop = churn_finish(instances->churn, instance->life, instance->hash, &end, at_ms);
    instance->life_state = is_abrupt ? LIFE_LOST : LIFE_NONE;
    if (!is_abrupt)
        instance->life = (struct churn_ticket){0, 0};
    if (is_loop && instances_is_on(instances))
        instances_find(instances, instance, RULE_instance_churn, 1);
}

void
instances_forget_life(struct instances *instances, struct instance *instance)
{
    if (instance->life_state == LIFE_LASTS)
        churn_forget(instances->churn, instance->life, instances->time_ms);
    instance->life = (struct churn_ticket){0, 0};
}

static uint32_t
less(uint32_t *n, uint32_t by)
{
    uint32_t taken = by < *n ? by : *n;
    *n -= taken;
    return taken;
}

/* What it said in this second. */
static void
note_messages(struct instances *instances, struct instance *instance, const struct sighting *s)
{
    if (s->n_properties > 0)
        on_properties(instances, instance, s);
    else if (s->n_segments > 0 || s->n_others > 0)
        on_traffic(instances, instance);
    instance->n_life_segments += s->n_segments;
    instance->n_life_keepalives += s->n_keepalives;
}

/* All that it had ended, and then it began anew. */
static bool
is_restart(const struct instance *instance, const struct sighting *s)
{
    return instance->n_connections > 0 && s->n_connected > 0 &&
           (s->n_disconnected > instance->n_connections ||
            (s->n_disconnected == instance->n_connections &&
             s->disconnected_ms <= s->connected_ms + CHURN_SLACK_MS));
}

/* The end of the old process, heard of after the start of the new one of the same name. */
static bool
is_late_end(const struct instance *instance, int64_t at_ms)
{
    return instance->reborn_ms != 0 && instance->life_state == LIFE_LASTS &&
           instance->life.key != 0 && at_ms <= instance->reborn_ms + CHURN_SLACK_MS &&
           !is_drawn(instance_name(instance));
}

/* Within one second an instance may end and begin, and even end again: counts and times tell. */
void
instances_note_life(struct instances *instances, struct instance *instance,
                    const struct sighting *s)
{
    bool is_abrupt = s->n_abrupt > 0 && s->n_abrupt >= s->n_disconnected;
    uint32_t n_ended = s->n_disconnected;
    int64_t end_ms = on_our_clock(instances, s->disconnected_ms);
    if (is_restart(instance, s)) {
        n_ended -= less(&instance->n_connections, n_ended);
        int64_t start_ms = on_our_clock(instances, s->connected_ms);
        on_end(instances, instance, is_abrupt, end_ms < start_ms ? end_ms : start_ms);
    }
    if (instance->n_connections == 0 && s->n_connected > 0)
        on_connected(instances, instance);
    note_messages(instances, instance, s);
    instance->n_connections += s->n_connected;
    if (less(&instance->n_connections, n_ended) == 0)
        return;
    uint64_t key = instance->life.key;
    if (instance->n_connections == 0) {
        on_end(instances, instance, is_abrupt, end_ms);
    } else if (is_late_end(instance, end_ms)) {
        on_end(instances, instance, is_abrupt, end_ms);
        begin(instances, instance, key, instance->reborn_ms);
    }
    instance->reborn_ms = 0;
}
