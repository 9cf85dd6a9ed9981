/* Keeps what the verb ci tells of. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/ci_watch.h"

#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "command/span_tree.h"
#include "message/message.h"

enum {
    MAX_KEPT = 4096, /* instances, and lives */
    SHOWN = 150,
    EXAMPLE_INDENT = 6,
    EXAMPLE_LINES = 40,
    /* InstanceProperties and InstancePingPkg; KeyStringValuePair (protocol.md 4) */
    FIELD_SERVICE = 1,
    FIELD_INSTANCE = 2,
    FIELD_PROPERTIES = 3,
    PAIR_KEY = 1,
    PAIR_VALUE = 2,
};

/* A connection. */
struct ci_peer {
    struct ci_life *life; /* NULL: nobody said yet whose it is */
};

static struct ci_instance *
new_instance(struct ci_watch *watch, struct bytes service, struct bytes name)
{
    struct ci_instance *instance = mem_new(struct ci_instance);
    text_add_plain(&instance->service, service, SHOWN);
    text_add_plain(&instance->instance, name, SHOWN);
    watch->instances =
        mem_resize(watch->instances, (watch->n_instances + 1) * sizeof(*watch->instances));
    watch->instances[watch->n_instances++] = instance;
    return instance;
}

/* Those that come when MAX_KEPT are there are one. */
static struct ci_instance *
instance_of(struct ci_watch *watch, struct bytes service, struct bytes name)
{
    struct text key = TEXT_EMPTY;
    text_addf(&key, "%zu ", service.n);
    text_add_bytes(&key, service);
    text_add_bytes(&key, name);
    struct ci_instance *instance = map_find(watch->by_name, text_bytes(&key));
    if (instance == NULL && watch->n_instances < MAX_KEPT - 1) {
        instance = new_instance(watch, service, name);
        map_put(watch->by_name, text_bytes(&key), instance);
    } else if (instance == NULL) {
        if (!watch->is_full)
            new_instance(watch, BYTES("(others)"), BYTES("(others)"));
        watch->is_full = true;
        instance = watch->instances[MAX_KEPT - 1];
    }
    text_fini(&key);
    return instance;
}

/* Lives and connections. */

static struct ci_peer *
peer_of(struct ci_watch *watch, const char *name)
{
    struct ci_peer *peer = map_find(watch->peers, bytes_str(name));
    if (peer == NULL) {
        peer = mem_new(struct ci_peer);
        map_put(watch->peers, bytes_str(name), peer);
    }
    return peer;
}

static void
leave(struct ci_peer *peer)
{
    struct ci_life *life = peer->life;
    if (life == NULL)
        return;
    peer->life = NULL;
    if (--life->n_connections == 0)
        life->ended_us = clock_fresh_us();
}

static void
enter(struct ci_peer *peer, struct ci_life *life)
{
    if (peer->life == life)
        return;
    leave(peer);
    peer->life = life;
    life->n_connections++;
}

static struct ci_life *
new_life(struct ci_watch *watch, struct ci_instance *instance)
{
    if (watch->n_lives >= MAX_KEPT) {
        watch->has_all_lives = true;
        return watch->lives[MAX_KEPT - 1];
    }
    struct ci_life *life = mem_new(struct ci_life);
    life->instance = instance;
    life->began_us = clock_fresh_us();
    watch->lives = mem_resize(watch->lives, (watch->n_lives + 1) * sizeof(*watch->lives));
    watch->lives[watch->n_lives++] = life;
    return life;
}

/* The newest life of the instance: of this process, or with process empty of any. */
static struct ci_life *
find_life(const struct ci_watch *watch, const struct ci_instance *instance, struct bytes process)
{
    for (uint32_t i = watch->n_lives; i-- > 0;) {
        struct ci_life *life = watch->lives[i];
        if (life->instance == instance &&
            (process.n == 0 || bytes_equal(text_bytes(&life->process), process)))
            return life;
    }
    return NULL;
}

/* A message that does not say which process it is from. */
static void
meet(struct ci_watch *watch, struct ci_peer *peer, struct ci_instance *instance)
{
    if (peer->life != NULL && peer->life->instance == instance)
        return;
    struct ci_life *life = find_life(watch, instance, BYTES_NONE);
    enter(peer, life != NULL ? life : new_life(watch, instance));
}

static bool
is_same_place(const struct ci_instance *a, const struct ci_instance *b)
{
    return bytes_equal(text_bytes(&a->service), text_bytes(&b->service)) &&
           bytes_equal(text_bytes(&a->hostname), text_bytes(&b->hostname));
}

/* It registered now. Two that are open at a time are no restart. */
static void
link_to_previous(const struct ci_watch *watch, struct ci_life *life)
{
    struct ci_life *previous = NULL;
    bool is_alone = true;
    for (uint32_t i = 0; i < watch->n_lives; i++) {
        struct ci_life *other = watch->lives[i];
        if (other == life || !other->is_registered ||
            !is_same_place(other->instance, life->instance))
            continue;
        is_alone = is_alone && other->n_connections == 0;
        previous = other;
    }
    life->is_registered = true;
    life->previous = is_alone ? previous : NULL;
    life->chain = life->previous != NULL ? life->previous->chain + 1 : 1;
}

/* Properties. */

struct properties {
    struct bytes language, process, hostname;
};

static void
read_property(void *ctx, struct bytes pair)
{
    struct properties *properties = ctx;
    struct bytes key = message_string_field(pair, PAIR_KEY);
    struct bytes value = message_string_field(pair, PAIR_VALUE);
    if (bytes_equal(key, BYTES("language")))
        properties->language = value;
    else if (bytes_equal(key, BYTES("Process No.")))
        properties->process = value;
    else if (bytes_equal(key, BYTES("hostname")) || bytes_equal(key, BYTES("HOSTNAME")))
        properties->hostname = value;
}

static void
note_properties(struct ci_watch *watch, struct ci_peer *peer, struct ci_instance *instance,
                struct bytes message)
{
    struct properties properties = {BYTES_NONE, BYTES_NONE, BYTES_NONE};
    if (message_each_field(message, FIELD_PROPERTIES, read_property, &properties) != ERR_OK)
        return; /* judged undecodable already */
    if (properties.language.n > 0)
        instance->language = agent_language_of(properties.language);
    text_clear(&instance->hostname);
    text_add_plain(&instance->hostname, properties.hostname, SHOWN);
    struct text process = TEXT_EMPTY;
    text_add_plain(&process, properties.process, SHOWN);
    meet(watch, peer, instance);
    if (peer->life->process.n == 0 && !peer->life->is_registered) {
        text_add_bytes(&peer->life->process, text_bytes(&process));
    } else if (process.n > 0 &&
               !bytes_equal(text_bytes(&peer->life->process), text_bytes(&process))) {
        struct ci_life *life = find_life(watch, instance, text_bytes(&process));
        if (life == NULL) {
            life = new_life(watch, instance);
            text_clear(&life->process);
            text_add_bytes(&life->process, text_bytes(&process));
        }
        enter(peer, life);
    }
    if (!peer->life->is_registered)
        link_to_previous(watch, peer->life);
    text_fini(&process);
}

/* Findings. */

static bool
is_graver(enum rule_class a, enum rule_class b)
{
    return a < b; /* the enum goes from proof to hint */
}

static void
describe(struct ci_found *found, enum method method, enum rule rule,
         const struct judgement *judgement)
{
    const struct segment_view *view = judgement->segment;
    struct text *out = &found->example;
    if (view == NULL) {
        const struct method_row *row = method_row((unsigned)method);
        text_addf(out, "%*sa message of %zu bytes to %s\n", EXAMPLE_INDENT, "",
                  judgement->payload.n, row != NULL ? row->path : "?");
        return;
    }
    text_addf(out, "%*ssegment ", EXAMPLE_INDENT, "");
    text_add_plain(out, view->segment_id, SHOWN);
    text_add(out, ", trace ");
    text_add_plain(out, view->trace_id, SHOWN);
    text_addf(out, ", %u span%s, %s\n", view->n_spans, view->n_spans == 1 ? "" : "s",
              verdict_label(judgement->verdict));
    span_tree_draw(out, judgement,
                   &(struct span_tree){.rules = UINT64_C(1) << rule,
                                       .indent = EXAMPLE_INDENT + 2,
                                       .max_lines = EXAMPLE_LINES});
    text_add_bytes(&found->segment_id, view->segment_id);
    for (uint32_t i = 0; i < judgement->n_findings && !found->has_span; i++) {
        if (judgement->findings[i].rule != rule || judgement->findings[i].span == SPAN_NONE)
            continue;
        found->has_span = true;
        found->span = view->spans[judgement->findings[i].span].id;
    }
}

static void
note_findings(struct ci_watch *watch, struct ci_instance *instance, enum method method,
              const struct judgement *judgement)
{
    enum agent agent = judgement->segment != NULL
                           ? agent_identify(instance->language, judgement->segment->segment_id)
                           : AGENT_UNKNOWN;
    for (uint64_t rest = judgement->rules & watch->rules; rest != 0; rest &= rest - 1) {
        enum rule rule = (enum rule)__builtin_ctzll(rest);
        enum rule_class rule_class = integrity_found_class(judgement, rule, agent);
        struct ci_found *found = &instance->found[rule];
        if (found->n == 0 || is_graver(rule_class, found->rule_class)) {
            found->rule_class = rule_class;
            text_clear(&found->example);
            text_clear(&found->segment_id);
            found->has_span = false;
            describe(found, method, rule, judgement);
        }
        found->n += judgement->n_counts[rule];
    }
}

/* The gate's threads. */

static struct ci_instance *
whose(struct ci_watch *watch, struct ci_peer *peer, enum method method,
      const struct judgement *judgement)
{
    struct bytes message = judgement->payload;
    struct ci_instance *instance;
    if (judgement->segment != NULL) {
        instance = instance_of(watch, judgement->segment->service, judgement->segment->instance);
        meet(watch, peer, instance);
        return instance;
    }
    if ((method == METHOD_INSTANCE_PROPERTIES || method == METHOD_KEEP_ALIVE) &&
        judgement->verdict != VERDICT_QUARANTINED) {
        instance = instance_of(watch, message_string_field(message, FIELD_SERVICE),
                               message_string_field(message, FIELD_INSTANCE));
        if (method == METHOD_INSTANCE_PROPERTIES)
            note_properties(watch, peer, instance, message);
        meet(watch, peer, instance);
        peer->life->n_keepalives += method == METHOD_KEEP_ALIVE;
        return instance;
    }
    if (peer->life != NULL)
        return peer->life->instance;
    return judgement->rules == 0 ? NULL
                                 : instance_of(watch, BYTES("(unknown)"), BYTES("(unknown)"));
}

static void
on_judged(void *ctx, const char *peer_name, enum method method, const struct judgement *judgement)
{
    struct ci_watch *watch = ctx;
    pthread_mutex_lock(&watch->lock);
    watch->n_messages++;
    struct ci_peer *peer = peer_of(watch, peer_name);
    struct ci_instance *instance = whose(watch, peer, method, judgement);
    if (judgement->segment != NULL) {
        watch->n_segments++;
        watch->n_spans += judgement->segment->n_spans;
        instance->n_segments++;
        instance->n_spans += judgement->segment->n_spans;
        peer->life->n_segments++;
    } else if (instance != NULL) {
        instance->n_others++;
    }
    if (instance != NULL)
        note_findings(watch, instance, method, judgement);
    pthread_mutex_unlock(&watch->lock);
}

static void
on_noted(void *ctx, const char *peer_name, enum rule rule)
{
    struct ci_watch *watch = ctx;
    if ((watch->rules >> rule & 1) == 0)
        return;
    pthread_mutex_lock(&watch->lock);
    struct ci_peer *peer = peer_of(watch, peer_name);
    struct ci_instance *instance = peer->life != NULL
                                       ? peer->life->instance
                                       : instance_of(watch, BYTES("(unknown)"), BYTES("(unknown)"));
    struct ci_found *found = &instance->found[rule];
    if (found->n++ == 0) {
        found->rule_class = integrity_class(rule, AGENT_UNKNOWN);
        text_addf(&found->example, "%*son the connection from %s\n", EXAMPLE_INDENT, "", peer_name);
    }
    pthread_mutex_unlock(&watch->lock);
}

static void
on_connection_gone(void *ctx, const char *peer_name)
{
    struct ci_watch *watch = ctx;
    pthread_mutex_lock(&watch->lock);
    struct ci_peer *peer = map_remove(watch->peers, bytes_str(peer_name));
    if (peer != NULL)
        leave(peer);
    mem_free(peer);
    pthread_mutex_unlock(&watch->lock);
}

void
ci_watch_init(struct ci_watch *watch, uint64_t rules)
{
    *watch = (struct ci_watch){
        .watch = {.ctx = watch,
                  .on_judged = on_judged,
                  .on_noted = on_noted,
                  .on_connection_gone = on_connection_gone},
        .rules = rules,
        .by_name = map_new(),
        .peers = map_new(),
    };
    check(pthread_mutex_init(&watch->lock, NULL) == 0);
}

static void
free_peer(void *ctx, struct bytes name, void *peer)
{
    (void)ctx;
    (void)name;
    mem_free(peer);
}

static void
free_instance(struct ci_instance *instance)
{
    for (uint32_t i = 0; i < RULE_COUNT; i++) {
        text_fini(&instance->found[i].example);
        text_fini(&instance->found[i].segment_id);
    }
    text_fini(&instance->service);
    text_fini(&instance->instance);
    text_fini(&instance->hostname);
    mem_free(instance);
}

void
ci_watch_fini(struct ci_watch *watch)
{
    map_each(watch->peers, free_peer, NULL);
    map_free(&watch->peers);
    map_free(&watch->by_name);
    for (uint32_t i = 0; i < watch->n_instances; i++)
        free_instance(watch->instances[i]);
    for (uint32_t i = 0; i < watch->n_lives; i++) {
        text_fini(&watch->lives[i]->process);
        mem_free(watch->lives[i]);
    }
    mem_free(watch->instances);
    mem_free(watch->lives);
    pthread_mutex_destroy(&watch->lock);
}

uint64_t
ci_watch_n_messages(struct ci_watch *watch)
{
    pthread_mutex_lock(&watch->lock);
    uint64_t n = watch->n_messages;
    pthread_mutex_unlock(&watch->lock);
    return n;
}
