/* A whole server connection, from socket to handler, fed with anything. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Input: a byte of script (bit 0: the handler waits first, bit 1: credit is withheld, bit 2: the
 * method is unary, bit 3: the preface and SETTINGS are put in front, bit 4: messages are small),
 * then the client's bytes, written in chunks of the second byte. At the end budget and gate must be
 * empty. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "grpc/grpc_endpoint.h"

enum { WAITS = 1, WITHHOLDS = 2, UNARY = 4, PREFACED = 8, SMALL = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct script {
    uint8_t bits;
    struct grpc_call *waiting;
    uint32_t n_gone, n_calls;
};

static enum grpc_take
on_message(struct grpc_call *call, struct bytes message, uint64_t credit_bytes)
{
    struct script *script = grpc_call_service(call);
    volatile uint8_t last = message.n > 0 ? message.p[message.n - 1] : 0;
    (void)last;
    if ((script->bits & WAITS) && script->waiting == NULL) {
        grpc_call_ref(call);
        script->waiting = call;
        return GRPC_WAIT;
    }
    if (!(script->bits & WITHHOLDS))
        grpc_call_credit(call, credit_bytes);
    return GRPC_TAKEN;
}

static void
on_end(struct grpc_call *call)
{
    grpc_call_send(call, BYTES("fine"));
    grpc_call_finish(call, GRPC_OK, NULL);
}

static void
on_gone(struct grpc_call *call, bool mid_message)
{
    (void)mid_message;
    ((struct script *)grpc_call_service(call))->n_gone++;
}

static void
on_oversize(struct grpc_call *call, struct bytes beginning, uint64_t declared_bytes)
{
    (void)call;
    check(declared_bytes > beginning.n || declared_bytes <= 65536);
}

static const struct grpc_handler handler = {on_message, on_oversize, on_end, on_gone};

static void
on_call(void *ctx, struct grpc_call *call, struct bytes path, struct grpc_route *out)
{
    struct script *script = ctx;
    (void)call;
    if (path.n % 7 == 5) {
        out->text = "no";
        return;
    }
    script->n_calls++;
    out->handler = &handler;
    out->method = method_row(script->bits & UNARY ? METHOD_KEEP_ALIVE : METHOD_SEGMENT_COLLECT);
}

static void
on_drained(void *ctx)
{
    (void)ctx;
}

static void
put(struct loop *loop, int fd, const void *p, size_t n, size_t chunk)
{
    static uint8_t sink[65536];
    const uint8_t *at = p;
    while (n > 0) {
        size_t part = n < chunk ? n : chunk;
        ssize_t done = send(fd, at, part, MSG_NOSIGNAL);
        if (done < 0 && errno != EAGAIN)
            return;
        if (done > 0) {
            at += done;
            n -= (size_t)done;
        }
        loop_run_once(loop, 0);
        while (recv(fd, sink, sizeof(sink), 0) > 0)
            ;
    }
}

static void
play(struct script *script, struct loop *loop, struct grpc_endpoint *endpoint, struct bytes in)
{
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    int pair[2];
    size_t chunk = 1 + (size_t)in.p[1] * 8;
    check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    grpc_endpoint_accept(endpoint, pair[1], NULL);
    if (script->bits & PREFACED)
        put(loop, pair[0], preface, sizeof(preface) - 1, chunk);
    put(loop, pair[0], in.p + 2, in.n - 2, chunk);
    if (script->waiting != NULL)
        grpc_call_resume(script->waiting);
    loop_run_once(loop, 0);
    grpc_endpoint_drain(endpoint);
    for (int i = 1; i <= 4; i++) {
        clock_set(1000000000 + (uint64_t)i * 5100000, 0);
        loop_run_once(loop, 0);
    }
    close(pair[0]);
    loop_run_once(loop, 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct metrics *metrics;
    struct budget_pool pool;
    struct budget budget;
    struct script script = {0};
    if (n < 2)
        return 0;
    if (metrics == NULL)
        metrics = metrics_new();
    clock_set(1000000000, 0);
    script.bits = data[0];
    budget_pool_init(&pool, UINT64_C(64) << 20);
    budget_init(&budget, &pool);
    struct loop *loop = loop_new();
    struct grpc_endpoint_settings settings;
    grpc_endpoint_settings_default(&settings);
    settings.stream_window_bytes = 65536;
    settings.max_message_bytes = script.bits & SMALL ? 32768 : 4 << 20;
    struct grpc_service service = {.ctx = &script, .on_call = on_call, .on_drained = on_drained};
    struct grpc_endpoint *endpoint = grpc_endpoint_new(loop, &settings, &service, &budget, metrics);
    play(&script, loop, endpoint, bytes_of(data, n));
    grpc_endpoint_free(&endpoint);
    grpc_call_unref(&script.waiting);
    loop_free(&loop);
    check(script.n_gone == script.n_calls);
    check(atomic_load(&pool.gated_bytes) == 0);
    check(metric_get(metrics, METRIC_CONNECTIONS, LISTENER_GRPC) == 0);
    check(metric_get(metrics, METRIC_PAUSED, 0) == 0);
    budget_fini(&budget);
    return 0;
}
