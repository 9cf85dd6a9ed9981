/* The set of backends and the choice among them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/balancer.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "forward/backend_names.h"
#include "forward/forward_int.h"

enum { BALANCER_MAGIC = 0x42414c41, HOST_BYTES = 256 };
static const uint64_t RESOLVE_SOON_US = 2000000, ASK_AGAIN_US = 20000;

TAILQ_HEAD(backend_list, backend);

/* One entry of upstream.addresses. */
struct name {
    struct balancer *balancer;
    char host[HOST_BYTES];
    uint16_t port;
    char authority[HOST_BYTES + 8];
    bool is_numeric;
    struct resolver_query *query; /* NULL: none under way */
    uint32_t n;
    struct net_address addresses[RESOLVER_MAX_ADDRESSES];
};

struct balancer {
    uint32_t magic;
    struct balancer_settings settings;
    struct name *names;
    uint32_t n_names;
    char *auth_token; /* "": none */
    struct backend_list backends, leaving;
    uint32_t n_backends;
    bool was_panicking; /* for the log */
    uint64_t last_id, random, resolved_us;
    struct loop_timer resolve;
};

static void
on_backend_state(void *ctx, struct backend *backend)
{
    struct balancer *balancer = ctx;
    CHECK_OBJ(balancer, BALANCER_MAGIC);
    /* The address may have moved: a connect failure asks again, but not with every attempt. */
    uint64_t now_us = clock_mono_us();
    if (grpc_channel_state(backend->channel) == CHANNEL_BACKOFF &&
        now_us - balancer->resolved_us >= RESOLVE_SOON_US)
        loop_timer_in(&balancer->resolve, 0);
    balancer->settings.on_change(balancer->settings.ctx);
}

static void
add_backend(struct balancer *balancer, const struct name *name, const struct net_address *address)
{
    struct backend_settings settings = {
        .loop = balancer->settings.loop,
        .shared = balancer->settings.shared,
        .metrics = balancer->settings.metrics,
        .address = *address,
        .authority = name->authority,
        .auth_token = balancer->auth_token,
        .id = ++balancer->last_id,
        .ctx = balancer,
        .on_state = on_backend_state,
    };
    struct backend *backend = backend_new(&settings);
    TAILQ_INSERT_TAIL(&balancer->backends, backend, link);
    balancer->n_backends++;
}

static struct backend *
find_backend(const struct balancer *balancer, const struct net_address *address)
{
    struct backend *backend;
    TAILQ_FOREACH(backend, &balancer->backends, link)
    {
        if (net_address_equal(&backend->address, address))
            return backend;
    }
    return NULL;
}

static bool
is_named(const struct balancer *balancer, const struct net_address *address)
{
    for (uint32_t i = 0; i < balancer->n_names; i++)
        for (uint32_t j = 0; j < balancer->names[i].n; j++)
            if (net_address_equal(&balancer->names[i].addresses[j], address))
                return true;
    return false;
}

/* The backends become what the names say now. */
static void
apply(struct balancer *balancer)
{
    struct backend *backend, *next;
    for (backend = TAILQ_FIRST(&balancer->backends); backend != NULL; backend = next) {
        next = TAILQ_NEXT(backend, link);
        if (is_named(balancer, &backend->address))
            continue;
        log_info("forward", "backend's address is gone", "backend=%s", backend->name);
        backend->is_leaving = true;
        TAILQ_REMOVE(&balancer->backends, backend, link);
        TAILQ_INSERT_TAIL(&balancer->leaving, backend, link);
        balancer->n_backends--;
    }
    for (uint32_t i = 0; i < balancer->n_names; i++) {
        const struct name *name = &balancer->names[i];
        for (uint32_t j = 0; j < name->n; j++)
            if (balancer->n_backends < FORWARD_MAX_BACKENDS &&
                find_backend(balancer, &name->addresses[j]) == NULL)
                add_backend(balancer, name, &name->addresses[j]);
    }
}

static void
on_answer(void *ctx, const struct resolver_answer *answer)
{
    struct name *name = ctx;
    struct balancer *balancer = name->balancer;
    CHECK_OBJ(balancer, BALANCER_MAGIC);
    name->query = NULL;
    if (answer->err != ERR_OK || answer->n == 0) {
        log_warn("forward", "backend's name does not resolve", "name=%s", name->authority);
        if (name->n == 0)
            loop_timer_in(&balancer->resolve, RESOLVE_SOON_US);
        return;
    }
    name->n = answer->n;
    memcpy(name->addresses, answer->addresses, answer->n * sizeof(answer->addresses[0]));
    apply(balancer);
    balancer->settings.on_change(balancer->settings.ctx);
}

static void
on_resolve(void *ctx)
{
    struct balancer *balancer = ctx;
    CHECK_OBJ(balancer, BALANCER_MAGIC);
    bool any = false;
    for (uint32_t i = 0; i < balancer->n_names; i++) {
        struct name *name = &balancer->names[i];
        if (name->is_numeric)
            continue;
        any = true;
        if (name->query == NULL)
            name->query = resolver_ask(balancer->settings.resolver, balancer->settings.loop,
                                       name->host, name->port, on_answer, name);
    }
    balancer->resolved_us = clock_mono_us();
    if (any)
        loop_timer_in(&balancer->resolve, balancer->settings.shared->settings.dns_interval_us);
}

static void
init_name(struct balancer *balancer, struct name *name, const char *text)
{
    name->balancer = balancer;
    if (!net_split_host_port(text, name->host, sizeof(name->host), &name->port)) {
        log_error("forward", "no backend address", "text=%s", text);
        name->is_numeric = true;
        return;
    }
    bool is_v6 = strchr(name->host, ':') != NULL;
    snprintf(name->authority, sizeof(name->authority), is_v6 ? "[%s]:%u" : "%s:%u", name->host,
             (unsigned)name->port);
    if (net_address_parse(name->authority, &name->addresses[0]) == ERR_OK) {
        name->is_numeric = true;
        name->n = 1;
    } else {
        check(balancer->settings.resolver != NULL);
    }
}

struct balancer *
balancer_new(const struct balancer_settings *settings)
{
    const struct forward_settings *conf = &settings->shared->settings;
    struct balancer *balancer = mem_new(struct balancer);
    balancer->magic = BALANCER_MAGIC;
    balancer->settings = *settings;
    TAILQ_INIT(&balancer->backends);
    TAILQ_INIT(&balancer->leaving);
    uint64_t seed = clock_mono_us() ^ (uint64_t)(uintptr_t)balancer;
    balancer->random = hash_bytes(bytes_of(&seed, sizeof(seed))) | 1;
    loop_timer_init(&balancer->resolve, settings->loop, on_resolve, balancer);
    balancer->auth_token = mem_string(conf->auth_token);
    balancer->n_names = conf->is_discard ? 0 : conf->n_addresses;
    balancer->names = mem_new_n(struct name, balancer->n_names);
    for (uint32_t i = 0; i < balancer->n_names; i++)
        init_name(balancer, &balancer->names[i], conf->addresses[i]);
    apply(balancer);
    on_resolve(balancer);
    return balancer;
}

void
balancer_free(struct balancer **balancer)
{
    if (*balancer == NULL)
        return;
    loop_timer_cancel(&(*balancer)->resolve);
    for (uint32_t i = 0; i < (*balancer)->n_names; i++)
        if ((*balancer)->names[i].query != NULL)
            resolver_cancel(&(*balancer)->names[i].query);
    struct backend *backend;
    TAILQ_CONCAT(&(*balancer)->leaving, &(*balancer)->backends, link);
    while ((backend = TAILQ_FIRST(&(*balancer)->leaving)) != NULL) {
        TAILQ_REMOVE(&(*balancer)->leaving, backend, link);
        backend_free(&backend);
    }
    mem_free((*balancer)->names);
    mem_free((*balancer)->auth_token);
    (*balancer)->magic = 0;
    mem_free(*balancer);
    *balancer = NULL;
}

void
balancer_set_token(struct balancer *balancer, const char *auth_token)
{
    char *before = balancer->auth_token;
    struct backend *backend;
    balancer->auth_token = mem_string(auth_token);
    TAILQ_FOREACH(backend, &balancer->backends, link)
    backend_set_token(backend, balancer->auth_token);
    /* They get no calls, but may connect again. */
    TAILQ_FOREACH(backend, &balancer->leaving, link)
    backend_set_token(backend, balancer->auth_token);
    mem_free(before);
}

void
balancer_sweep(struct balancer *balancer)
{
    struct backend *backend, *next;
    for (backend = TAILQ_FIRST(&balancer->leaving); backend != NULL; backend = next) {
        next = TAILQ_NEXT(backend, link);
        if (backend->n_inflight > 0 || backend->n_relayed > 0)
            continue;
        TAILQ_REMOVE(&balancer->leaving, backend, link);
        backend_free(&backend);
    }
}

void
balancer_refresh(struct balancer *balancer)
{
    struct backend *backend;
    TAILQ_FOREACH(backend, &balancer->backends, link)
    backend->is_disabled = backend_names_is_disabled(backend->shared->names, backend->slot);
}

bool
balancer_is_panicking(const struct balancer *balancer)
{
    uint64_t now_us = clock_mono_us();
    uint32_t n_out = 0, n_left = 0, n_all = 0;
    const struct backend *backend;
    TAILQ_FOREACH(backend, &balancer->backends, link)
    {
        if (backend->is_disabled)
            continue;
        n_all++;
        bool is_out = outlier_is_out(&backend->outlier, now_us);
        n_out += is_out;
        n_left += !is_out && backend->is_up;
    }
    return n_out > 0 && (n_out * 2 > n_all || n_left == 0);
}

bool
balancer_has_room(const struct balancer *balancer)
{
    uint64_t now_us = clock_mono_us();
    bool takes_all = balancer_is_panicking(balancer);
    const struct backend *backend;
    TAILQ_FOREACH(backend, &balancer->backends, link)
    {
        if ((takes_all || !outlier_is_out(&backend->outlier, now_us)) && backend_has_room(backend))
            return true;
    }
    return false;
}

uint32_t
balancer_n_up(const struct balancer *balancer)
{
    uint32_t n = 0;
    const struct backend *backend;
    TAILQ_FOREACH(backend, &balancer->backends, link) n += backend->is_up && !backend->is_disabled;
    return n;
}

uint32_t
balancer_max_batches(const struct balancer *balancer)
{
    uint32_t n = 0;
    const struct backend *backend;
    TAILQ_FOREACH(backend, &balancer->backends, link) n += backend->max_limit;
    return n;
}

/* A batch or a stream. */
struct wanted {
    enum method method;
    uint64_t avoid;
    bool is_stream;
};

/* Those that are not ejected alone compete, even when they are full; of them, those that are not to
 * be avoided. In panic, or when no other knows the method, everyone competes. */
static uint32_t
candidates(const struct balancer *balancer, const struct wanted *wanted, struct backend **out)
{
    uint64_t now_us = clock_mono_us();
    bool takes_all =
        balancer_is_panicking(balancer) || !balancer_has_other(balancer, wanted->method, 0);
    uint32_t n = 0;
    int best = -1;
    struct backend *backend;
    TAILQ_FOREACH(backend, &balancer->backends, link)
    {
        if (!takes_all && outlier_is_out(&backend->outlier, now_us))
            continue;
        bool has_room =
            wanted->is_stream ? backend_has_stream_room(backend) : backend_has_room(backend);
        if (!has_room || !backend_knows(backend, wanted->method, now_us))
            continue;
        int mine = backend->id != wanted->avoid;
        if (mine < best)
            continue;
        n = mine > best ? 0 : n;
        best = mine;
        out[n++] = backend;
    }
    return n;
}

static uint64_t
load_of(const struct backend *backend, bool is_stream)
{
    return is_stream ? backend->n_relayed : backend->outstanding_bytes;
}

static struct backend *
pick(struct balancer *balancer, const struct wanted *wanted)
{
    struct backend *of[FORWARD_MAX_BACKENDS];
    uint32_t n = candidates(balancer, wanted, of);
    if (n <= 1)
        return n == 1 ? of[0] : NULL;
    uint64_t random = retry_random(&balancer->random);
    uint32_t first = (uint32_t)(random >> 32) % n;
    uint32_t second = (first + 1 + (uint32_t)random % (n - 1)) % n;
    bool is_first = load_of(of[first], wanted->is_stream) <= load_of(of[second], wanted->is_stream);
    return is_first ? of[first] : of[second];
}

struct backend *
balancer_pick(struct balancer *balancer, enum method method, uint64_t avoid)
{
    return pick(balancer, &(struct wanted){.method = method, .avoid = avoid});
}

struct backend *
balancer_pick_stream(struct balancer *balancer, enum method method, uint64_t avoid)
{
    return pick(balancer, &(struct wanted){.method = method, .avoid = avoid, .is_stream = true});
}

bool
balancer_may_take_stream(const struct balancer *balancer, enum method method)
{
    uint64_t now_us = clock_mono_us();
    const struct backend *backend;
    TAILQ_FOREACH(backend, &balancer->backends, link)
    {
        if (!backend->is_disabled && grpc_channel_state(backend->channel) != CHANNEL_BACKOFF &&
            backend_knows(backend, method, now_us))
            return true;
    }
    for (uint32_t i = 0; i < balancer->n_names; i++)
        if (balancer->names[i].n == 0 && balancer->names[i].query != NULL)
            return true;
    return false;
}

bool
balancer_has_other(const struct balancer *balancer, enum method method, uint64_t id)
{
    uint64_t now_us = clock_mono_us();
    const struct backend *backend;
    TAILQ_FOREACH(backend, &balancer->backends, link)
    {
        if (backend->id != id && backend->is_up && !backend->is_disabled &&
            !outlier_is_out(&backend->outlier, now_us) && backend_knows(backend, method, now_us))
            return true;
    }
    return false;
}

bool
balancer_knows(const struct balancer *balancer, enum method method)
{
    uint64_t now_us = clock_mono_us();
    const struct backend *backend;
    TAILQ_FOREACH(backend, &balancer->backends, link)
    {
        if (backend->is_up && !backend->is_disabled &&
            backend_wire(backend, method, now_us) != METHOD_NONE)
            return true;
    }
    return false;
}

uint64_t
balancer_ask_again_us(const struct balancer *balancer, enum method method)
{
    uint64_t now_us = clock_mono_us(), again_us = UINT64_MAX;
    const struct backend *backend;
    TAILQ_FOREACH(backend, &balancer->backends, link)
    {
        if (!backend->is_up || backend->is_disabled)
            continue;
        /* It knows the method but is full at the moment. */
        uint64_t mine_us = backend_wire(backend, method, now_us) != METHOD_NONE
                               ? now_us + ASK_AGAIN_US
                               : backend_unknown_until_us(backend, method);
        again_us = mine_us < again_us ? mine_us : again_us;
    }
    return again_us != UINT64_MAX ? again_us : now_us + ASK_AGAIN_US;
}

void
balancer_judge(struct balancer *balancer, struct backend *backend)
{
    uint64_t now_us = clock_mono_us();
    if (!outlier_is_due(&backend->outlier, now_us))
        return;
    outlier_eject(&backend->outlier, now_us);
    log_warn("forward", "backend ejected, it fails too often", "backend=%s seconds=%llu",
             backend->name, (unsigned long long)((backend->outlier.until_us - now_us) / 1000000));
    bool is_panicking = balancer_is_panicking(balancer);
    if (is_panicking && !balancer->was_panicking && balancer->n_backends > 1)
        log_warn("forward", "too many backends are ejected, all stay in use", "backends=%u",
                 balancer->n_backends);
    balancer->was_panicking = is_panicking;
}
