/* Calls of commands: one channel, run until the answer is there. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/caller.h"

#include <netdb.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "grpc/grpc.h"
#include "grpc/grpc_channel.h"
#include "net/loop.h"

enum {
    CONNECT_US = 3000000,
    READY_US = 5000000, /* for the first connection, and after a lost one */
    CALL_US = 30000000,
    TURN_MS = 50,
    HOST_BYTES = 256,
    SHOWN_WHY = 200,
};

struct caller {
    const struct command_input *in;
    struct caller_settings settings;
    struct loop *loop;
    struct grpc_channel *channel;
    uint64_t start_us, n_called; /* for the rate */
    bool is_done;                /* the call at hand */
    bool is_taken;
    struct text why;
};

static int
resolve(const struct command_input *in, const struct caller_settings *settings,
        struct net_address *out)
{
    char host[HOST_BYTES], service[8];
    uint16_t port;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    if (!net_split_host_port(settings->address, host, sizeof(host), &port))
        return command_usage(in, "%s \"%.64s\" is no HOST:PORT", settings->flag, settings->address);
    snprintf(service, sizeof(service), "%u", port);
    int failed = getaddrinfo(host, service, &hints, &list);
    if (failed != 0 || list == NULL) {
        command_tell(in, "%s %s: %s", settings->flag, settings->address, gai_strerror(failed));
        return COMMAND_UNAVAILABLE;
    }
    *out = (struct net_address){.length = list->ai_addrlen};
    memcpy(&out->storage, list->ai_addr, list->ai_addrlen);
    freeaddrinfo(list);
    return COMMAND_OK;
}

int
caller_open(const struct command_input *in, const struct caller_settings *settings,
            struct caller **out)
{
    struct net_address address;
    *out = NULL;
    int result = resolve(in, settings, &address);
    if (result != COMMAND_OK)
        return result;
    struct grpc_channel_settings channel = {
        .address = address,
        .authority = settings->address,
        .auth_token = settings->token,
        .connect_timeout_us = CONNECT_US,
        .backoff_initial_us = CONNECT_US / 10,
        .backoff_max_us = CONNECT_US / 3,
    };
    struct caller *caller = mem_new(struct caller);
    caller->in = in;
    caller->settings = *settings;
    caller->loop = loop_new();
    caller->channel = grpc_channel_new(caller->loop, &channel);
    caller->start_us = clock_fresh_us();
    *out = caller;
    return COMMAND_OK;
}

void
caller_close(struct caller **caller)
{
    if (*caller == NULL)
        return;
    grpc_channel_free(&(*caller)->channel);
    loop_run_once((*caller)->loop, 0); /* what is freed late */
    loop_free(&(*caller)->loop);
    text_fini(&(*caller)->why);
    mem_free(*caller);
    *caller = NULL;
}

static void
on_done(void *ctx, const struct grpc_answer *answer)
{
    struct caller *caller = ctx;
    caller->is_done = true;
    caller->is_taken = answer->err == ERR_OK && answer->status == GRPC_OK;
    if (caller->is_taken)
        return;
    text_add(&caller->why,
             answer->err != ERR_OK ? err_words(answer->err) : err_status_name(answer->status));
    if (answer->text.n > 0) {
        text_add(&caller->why, " ");
        text_add_plain(&caller->why, answer->text, SHOWN_WHY);
    }
}

static bool
wait_ready(struct caller *caller)
{
    uint64_t end_us = clock_fresh_us() + READY_US;
    while (!grpc_channel_has_room(caller->channel) && clock_fresh_us() < end_us)
        loop_run_once(caller->loop, TURN_MS);
    return grpc_channel_has_room(caller->channel);
}

static void
wait_due(struct caller *caller)
{
    uint64_t rate = caller->settings.rate;
    uint64_t due_us = rate > 0 ? caller->start_us + caller->n_called * 1000000 / rate : 0;
    for (uint64_t now_us; (now_us = clock_fresh_us()) < due_us;)
        loop_run_once(caller->loop, (uint32_t)((due_us - now_us) / 1000 + 1));
}

int
caller_call(struct caller *caller, const char *path, struct bytes message,
            struct caller_answer *answer)
{
    uint8_t prefix[GRPC_PREFIX_BYTES];
    const struct bytes slices[] = {bytes_of(prefix, sizeof(prefix)), message};
    struct grpc_request_settings request = {
        .path = path,
        .slices = slices,
        .n_slices = 2,
        .timeout_us = CALL_US,
        .ctx = caller,
        .on_done = on_done,
    };
    grpc_put_prefix(prefix, (uint32_t)message.n);
    wait_due(caller);
    if (!wait_ready(caller)) {
        command_tell(caller->in, "%s %s does not answer", caller->settings.flag,
                     caller->settings.address);
        return COMMAND_UNAVAILABLE;
    }
    text_clear(&caller->why);
    text_add(&caller->why, "");
    caller->is_done = false;
    caller->n_called++;
    grpc_channel_start(caller->channel, &request);
    while (!caller->is_done)
        loop_run_once(caller->loop, TURN_MS);
    *answer = (struct caller_answer){caller->is_taken, caller->why.p};
    return COMMAND_OK;
}
