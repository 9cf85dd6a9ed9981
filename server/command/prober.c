/* A gRPC client that waits: for commands. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/prober.h"

#include <inttypes.h>
#include <netdb.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "command/progress.h"
#include "grpc/grpc.h"
#include "grpc/grpc_channel.h"
#include "net/conn.h"
#include "net/loop.h"

enum {
    TURN_MS = 20,
    BACKOFF_US = 200000,
    HOST_BYTES = 256,
    SHOWN_WHY = 200,
};

struct prober {
    struct prober_settings settings;
    struct loop *loop;
    struct tls_slot *slot; /* NULL: clear text */
    struct grpc_channel *channel;
    struct prober_answer *answer; /* of the call at hand */
    bool is_done;
};

/* One socket that is tried before anything is spoken on it. */
struct trial {
    bool is_open, is_closed;
    enum err err;
};

struct wait {
    uint64_t start_us, end_us;
};

uint32_t
prober_resolve(const char *backend, struct net_address *out, struct text *why)
{
    char host[HOST_BYTES], service[8];
    uint16_t port;
    uint32_t n = 0;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    if (!net_split_host_port(backend, host, sizeof(host), &port)) {
        text_add(why, "no HOST:PORT");
        return 0;
    }
    snprintf(service, sizeof(service), "%u", port);
    int failed = getaddrinfo(host, service, &hints, &list);
    if (failed != 0) {
        text_addf(why, "the name does not resolve: %s", gai_strerror(failed));
        return 0;
    }
    for (const struct addrinfo *one = list; one != NULL && n < PROBER_MAX_ADDRESSES;
         one = one->ai_next) {
        out[n] = (struct net_address){.length = one->ai_addrlen};
        memcpy(&out[n++].storage, one->ai_addr, one->ai_addrlen);
    }
    freeaddrinfo(list);
    return n;
}

static struct wait
wait_begin(uint64_t timeout_us)
{
    uint64_t now_us = clock_fresh_us();
    return (struct wait){now_us, now_us + timeout_us};
}

/* One turn of the loop; false when the time is over. */
static bool
wait_turn(const struct prober *prober, struct wait *wait)
{
    uint64_t now_us = clock_fresh_us();
    if (now_us >= wait->end_us)
        return false;
    progress_tell(prober->settings.in, "waiting for %s, %" PRIu64 " s so far",
                  prober->settings.authority, (now_us - wait->start_us) / 1000000);
    loop_run_once(prober->loop, TURN_MS);
    return true;
}

static void
on_bytes(void *ctx, struct bytes bytes)
{
    (void)ctx; /* a server that speaks first: what it says is no matter here */
    (void)bytes;
}

static void
on_open(void *ctx)
{
    ((struct trial *)ctx)->is_open = true;
}

static void
on_writable(void *ctx)
{
    (void)ctx;
}

static void
on_closed(void *ctx, enum err err)
{
    struct trial *trial = ctx;
    trial->is_closed = true;
    trial->err = err;
}

/* A connection of its own, so that it can be told where it ends. */
static enum err
try(struct prober *prober, const struct conn_tls *tls)
{
    struct trial trial = {.is_open = false};
    const struct conn_callbacks callbacks = {&trial, on_bytes, on_open, on_writable, on_closed};
    struct wait wait = wait_begin(prober->settings.timeout_us);
    struct conn *conn = conn_connect(prober->loop, &prober->settings.address,
                                     prober->settings.timeout_us, tls, &callbacks);
    while (!trial.is_open && !trial.is_closed && wait_turn(prober, &wait))
        continue;
    conn_free(&conn);
    loop_run_once(prober->loop, 0); /* what is freed late */
    if (trial.is_open)
        return ERR_OK;
    return trial.is_closed ? trial.err : ERR_TIMEOUT;
}

static enum prober_step
try_steps(struct prober *prober, struct text *why)
{
    const struct prober_settings *settings = &prober->settings;
    enum err err = try(prober, NULL);
    if (err != ERR_OK) {
        text_addf(why, "%s", err_words(err));
        return PROBER_NOT_TCP;
    }
    if (settings->tls == NULL)
        return PROBER_OPEN;
    char host[HOST_BYTES] = "";
    uint16_t port;
    (void)net_split_host_port(settings->authority, host, sizeof(host), &port);
    const struct conn_tls tls = {
        .context = settings->tls,
        .name = settings->tls_name[0] != '\0' ? settings->tls_name : host,
        .timeout_us = settings->timeout_us,
    };
    err = try(prober, &tls);
    if (err == ERR_OK)
        return PROBER_OPEN;
    text_addf(why, "it takes connections, but TLS fails: %s", err_words(err));
    return PROBER_NOT_TLS;
}

static bool
wait_room(struct prober *prober)
{
    struct wait wait = wait_begin(prober->settings.timeout_us);
    while (!grpc_channel_has_room(prober->channel) && wait_turn(prober, &wait))
        continue;
    return grpc_channel_has_room(prober->channel);
}

static void
open_channel(struct prober *prober)
{
    const struct prober_settings *settings = &prober->settings;
    if (settings->tls != NULL)
        prober->slot = tls_slot_new(tls_context_ref(settings->tls));
    struct grpc_channel_settings channel = {
        .address = settings->address,
        .authority = settings->authority,
        .auth_token = settings->token,
        .tls = prober->slot,
        .tls_name = settings->tls_name,
        .connect_timeout_us = settings->timeout_us,
        .backoff_initial_us = BACKOFF_US,
        .backoff_max_us = 5 * BACKOFF_US,
    };
    prober->channel = grpc_channel_new(prober->loop, &channel);
}

enum prober_step
prober_open(const struct prober_settings *settings, struct text *why, struct prober **out)
{
    struct prober *prober = mem_new(struct prober);
    prober->settings = *settings;
    prober->loop = loop_new();
    enum prober_step step = try_steps(prober, why);
    if (step == PROBER_OPEN) {
        open_channel(prober);
        if (!wait_room(prober)) {
            text_add(why, "it takes connections, but speaks no HTTP/2 there");
            step = PROBER_NOT_HTTP2;
        }
    }
    if (step != PROBER_OPEN)
        prober_close(&prober);
    *out = prober;
    return step;
}

void
prober_close(struct prober **prober)
{
    struct prober *old = *prober;
    *prober = NULL;
    if (old == NULL)
        return;
    if (old->channel != NULL)
        grpc_channel_free(&old->channel);
    loop_run_once(old->loop, 0); /* what is freed late */
    if (old->slot != NULL)
        tls_slot_free(&old->slot);
    loop_free(&old->loop);
    mem_free(old);
}

static void
on_done(void *ctx, const struct grpc_answer *answer)
{
    struct prober *prober = ctx;
    prober->is_done = true;
    prober->answer->err = answer->err;
    prober->answer->status = answer->status;
    text_add_plain(&prober->answer->text, answer->text, SHOWN_WHY);
}

void
prober_call(struct prober *prober, const char *path, struct bytes message, uint64_t timeout_us,
            struct prober_answer *answer)
{
    uint8_t prefix[GRPC_PREFIX_BYTES];
    const struct bytes slices[] = {bytes_of(prefix, sizeof(prefix)), message};
    struct grpc_request_settings request = {
        .path = path,
        .slices = slices,
        .n_slices = message.n > 0 ? 2 : 1,
        .timeout_us = timeout_us,
        .ctx = prober,
        .on_done = on_done,
    };
    grpc_put_prefix(prefix, (uint32_t)message.n);
    *answer = (struct prober_answer){.err = ERR_TIMEOUT, .status = GRPC_UNAVAILABLE};
    if (!wait_room(prober))
        return;
    prober->answer = answer;
    prober->is_done = false;
    grpc_channel_start(prober->channel, &request);
    /* The channel keeps the deadline; twice of it is a bound on our own faults. */
    struct wait wait = wait_begin(2 * timeout_us);
    while (!prober->is_done && wait_turn(prober, &wait))
        continue;
    check(prober->is_done);
}

void
prober_add_answer(struct text *out, const struct prober_answer *answer)
{
    if (answer->err != ERR_OK)
        text_add(out, err_words(answer->err));
    else
        text_add(out, err_status_name(answer->status));
    if (answer->text.n > 0)
        text_addf(out, " %s", answer->text.p);
}
