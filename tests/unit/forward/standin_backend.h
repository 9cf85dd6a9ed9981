/* A backend for tests on the tested loop: answers, refuses, stalls or cuts as it is told. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A record is at least 4 bytes: its number, little endian; a fifth byte 'P' is poison. Counts a
 * record as stored when its call was answered OK. */
#ifndef UNIT_STANDIN_BACKEND_H
#define UNIT_STANDIN_BACKEND_H

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "grpc/grpc_endpoint.h"
#include "net/listener.h"
#include "net/net.h"

enum { STANDIN_RECORDS = 20000, STANDIN_HELD = 64 };

struct standin {
    struct loop *loop;
    struct listener *listener;
    struct grpc_endpoint *endpoint;
    struct budget_pool pool;
    struct budget budget;
    struct metrics *metrics;
    char address[NET_ADDRESS_TEXT];
    /* Orders. */
    int status;          /* answer of every call; 0: OK */
    uint32_t n_fail;     /* only so many calls get status, then OK; 0: all */
    bool knows_sync;     /* collectInSync */
    bool knows_collect;  /* TraceSegmentReportService/collect */
    bool refuses_poison; /* UNKNOWN when a record is poison */
    size_t max_bytes;    /* RESOURCE_EXHAUSTED for a larger message; 0: none */
    bool is_holding;     /* answers when standin_answer_held is called */
    bool is_silent;      /* takes calls, never answers */
    bool cuts_next;      /* closes all connections in the middle of the next call */
    bool must_cut;
    /* What was seen. */
    uint32_t n_calls, n_sync, n_collect, n_unimplemented, n_ok;
    uint16_t stored[STANDIN_RECORDS];
    struct grpc_call *held[STANDIN_HELD];
    uint32_t n_held;
};

struct standin_call {
    struct standin *standin;
    enum method method;
    bool is_poisoned, is_too_large;
    uint32_t n;
    uint32_t numbers[1024];
};

static inline void
standin_record(struct standin_call *call, struct bytes record)
{
    uint32_t number;
    assert_true(record.n >= sizeof(number));
    memcpy(&number, record.p, sizeof(number));
    assert_in_range(number, 0, STANDIN_RECORDS - 1);
    assert_in_range(call->n, 0, 1023);
    call->numbers[call->n++] = number;
    if (record.n > sizeof(number) && record.p[sizeof(number)] == 'P')
        call->is_poisoned = true;
}

/* A SegmentCollection: field 1 only. */
static inline void
standin_collection(struct standin_call *call, struct bytes message)
{
    while (message.n > 0) {
        assert_int_equal(message.p[0], 0x0A);
        size_t at = 1, n = 0;
        for (int shift = 0;; shift += 7) {
            assert_true(at < message.n);
            n |= (size_t)(message.p[at] & 0x7F) << shift;
            if ((message.p[at++] & 0x80) == 0)
                break;
        }
        assert_true(at + n <= message.n);
        standin_record(call, bytes_of(message.p + at, n));
        message = bytes_of(message.p + at + n, message.n - at - n);
    }
}

static inline enum grpc_take
standin_on_message(struct grpc_call *call, struct bytes message, uint64_t credit_bytes)
{
    struct standin_call *mine = grpc_call_user(call);
    if (mine->standin->cuts_next) {
        mine->standin->cuts_next = false;
        mine->standin->must_cut = true;
    }
    if (mine->standin->max_bytes > 0 && message.n > mine->standin->max_bytes)
        mine->is_too_large = true;
    if (mine->method == METHOD_SEGMENT_COLLECT_SYNC)
        standin_collection(mine, message);
    else
        standin_record(mine, message);
    grpc_call_credit(call, credit_bytes);
    return GRPC_TAKEN;
}

static inline void
standin_on_end(struct grpc_call *call)
{
    struct standin_call *mine = grpc_call_user(call);
    struct standin *standin = mine->standin;
    if (standin->is_silent || standin->must_cut)
        return;
    if (standin->is_holding) {
        assert_in_range(standin->n_held, 0, STANDIN_HELD - 1);
        standin->held[standin->n_held++] = call;
        return;
    }
    int status = standin->status;
    if (standin->n_fail > 0 && --standin->n_fail == 0)
        standin->status = 0;
    if (standin->refuses_poison && mine->is_poisoned)
        status = GRPC_UNKNOWN;
    if (mine->is_too_large)
        status = GRPC_RESOURCE_EXHAUSTED;
    if (status != 0) {
        grpc_call_finish(call, (enum grpc_status)status, "told to");
        return;
    }
    for (uint32_t i = 0; i < mine->n; i++)
        standin->stored[mine->numbers[i]]++;
    standin->n_ok++;
    grpc_call_send(call, BYTES_NONE);
    grpc_call_finish(call, GRPC_OK, "");
}

/* All at once. */
static inline void
standin_answer_held(struct standin *standin)
{
    struct grpc_call *held[STANDIN_HELD];
    uint32_t n = standin->n_held;
    memcpy(held, standin->held, n * sizeof(held[0]));
    standin->n_held = 0;
    standin->is_holding = false;
    for (uint32_t i = 0; i < n; i++)
        standin_on_end(held[i]);
    standin->is_holding = true;
}

static inline void
standin_on_gone(struct grpc_call *call, bool mid_message)
{
    (void)mid_message;
    struct standin_call *mine = grpc_call_user(call);
    struct standin *standin = mine->standin;
    for (uint32_t i = 0; i < standin->n_held; i++)
        if (standin->held[i] == call)
            standin->held[i--] = standin->held[--standin->n_held];
    grpc_call_set_user(call, NULL);
    mem_free(mine);
}

static inline void
standin_on_call(void *ctx, struct grpc_call *call, struct bytes path, struct grpc_route *out)
{
    static const struct grpc_handler handler = {
        .on_message = standin_on_message,
        .on_end = standin_on_end,
        .on_gone = standin_on_gone,
    };
    (void)call;
    struct standin *standin = ctx;
    const struct method_row *row = method_find(path);
    assert_non_null(row);
    standin->n_calls++;
    standin->n_sync += row->method == METHOD_SEGMENT_COLLECT_SYNC;
    standin->n_collect += row->method == METHOD_SEGMENT_COLLECT;
    *out =
        (struct grpc_route){.method = row, .refuse = GRPC_UNIMPLEMENTED, .text = "no such method"};
    if ((row->method == METHOD_SEGMENT_COLLECT_SYNC && !standin->knows_sync) ||
        (row->method == METHOD_SEGMENT_COLLECT && !standin->knows_collect)) {
        standin->n_unimplemented++;
        return;
    }
    struct standin_call *mine = mem_new(struct standin_call);
    mine->standin = standin;
    mine->method = row->method;
    out->handler = &handler;
    out->user = mine;
}

static inline void
standin_on_drained(void *ctx)
{
    (void)ctx;
}

static inline void
standin_on_accept(void *ctx, int descriptor, const struct net_address *peer)
{
    (void)peer;
    struct standin *standin = ctx;
    grpc_endpoint_accept(standin->endpoint, descriptor, NULL);
}

static inline void
standin_open_endpoint(struct standin *standin)
{
    struct grpc_endpoint_settings settings;
    grpc_endpoint_settings_default(&settings);
    struct grpc_service service = {
        .ctx = standin, .on_call = standin_on_call, .on_drained = standin_on_drained};
    standin->endpoint =
        grpc_endpoint_new(standin->loop, &settings, &service, &standin->budget, standin->metrics);
}

static inline void
standin_listen(struct standin *standin, const char *address)
{
    struct listener_callbacks callbacks = {.ctx = standin, .on_accept = standin_on_accept};
    struct text why = TEXT_EMPTY;
    assert_int_equal(listener_open(standin->loop, address, &callbacks, &why, &standin->listener),
                     ERR_OK);
    text_fini(&why);
    struct net_address bound;
    listener_address(standin->listener, &bound);
    net_address_text(&bound, standin->address);
}

static inline struct standin *
standin_new(struct loop *loop)
{
    struct standin *standin = mem_new(struct standin);
    standin->loop = loop;
    standin->knows_sync = standin->knows_collect = true;
    budget_pool_init(&standin->pool, 512u << 20);
    budget_init(&standin->budget, &standin->pool);
    standin->metrics = metrics_new();
    standin_open_endpoint(standin);
    standin_listen(standin, "127.0.0.1:0");
    return standin;
}

/* The process dies: nothing listens, connections are reset. */
static inline void
standin_die(struct standin *standin)
{
    listener_close(&standin->listener);
    grpc_endpoint_free(&standin->endpoint);
}

static inline void
standin_rise(struct standin *standin)
{
    char address[NET_ADDRESS_TEXT];
    memcpy(address, standin->address, sizeof(address));
    standin_open_endpoint(standin);
    standin_listen(standin, address);
}

/* Between turns: carries out a cut that a handler asked for. */
static inline void
standin_turn(struct standin *standin)
{
    if (!standin->must_cut)
        return;
    grpc_endpoint_free(&standin->endpoint);
    standin->must_cut = false;
    standin_open_endpoint(standin);
}

static inline void
standin_free(struct standin **standin)
{
    if ((*standin)->listener != NULL)
        listener_close(&(*standin)->listener);
    if ((*standin)->endpoint != NULL)
        grpc_endpoint_free(&(*standin)->endpoint);
    loop_run_once((*standin)->loop, 0);
    budget_fini(&(*standin)->budget);
    metrics_free(&(*standin)->metrics);
    mem_free(*standin);
    *standin = NULL;
}

#endif
