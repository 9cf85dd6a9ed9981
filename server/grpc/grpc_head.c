/* The request headers of a call: which are read, and which are kept. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/mem.h"
#include "grpc/grpc_meta.h"
#include "grpc/grpc_server_int.h"

struct bytes
grpc_call_header(const struct grpc_call *call, const char *name)
{
    static const char *const names[KEPT_COUNT] = {":path", "authentication", "user-agent",
                                                  "agent-version"};
    for (int i = 0; i < KEPT_COUNT; i++) {
        if (strcmp(names[i], name) == 0 && call->kept[i].n > 0)
            return bytes_of(call->head + call->kept[i].at, call->kept[i].n);
    }
    return BYTES_NONE;
}

static void
keep(struct grpc_call *call, int which, struct bytes value)
{
    /* The header list is bounded to 16 KiB by the session. */
    if (value.n == 0 || call->n_head + value.n > UINT16_MAX)
        return;
    if (call->n_head + value.n > call->head_size) {
        uint32_t size = CALL_HEAD_BYTES;
        while (size < call->n_head + value.n)
            size *= 2;
        if (call->head_size > CALL_HEAD_BYTES)
            budget_give(call->endpoint->budget, call->head_size);
        if (size > CALL_HEAD_BYTES)
            budget_take_always(call->endpoint->budget, size);
        call->head = mem_resize(call->head, size);
        call->head_size = size;
    }
    memcpy(call->head + call->n_head, value.p, value.n);
    call->kept[which] = (struct grpc_kept){(uint16_t)call->n_head, (uint16_t)value.n};
    call->n_head += (uint32_t)value.n;
}

/* The fields that a relayed call keeps all come behind it (RFC 9113 8.3). */
static void
take_path(struct grpc_call *call, struct bytes path)
{
    const struct grpc_service *service = &call->endpoint->service;
    keep(call, KEPT_PATH, path);
    if (service->wants_metadata != NULL && service->wants_metadata(service->ctx, path))
        grpc_raw_start(call);
}

static void
take_timeout(struct grpc_call *call, struct bytes value)
{
    uint64_t timeout_us = 0;
    if (!grpc_meta_timeout(value, &timeout_us)) {
        call->bad_timeout = true;
        return;
    }
    call->deadline_us = clock_mono_us() + timeout_us;
}

static void
take_encoding(struct grpc_call *call, struct bytes value)
{
    call->has_encoding = !bytes_equal(value, BYTES("identity"));
    call->is_gzip = bytes_equal(value, BYTES("gzip"));
    call->bad_encoding = call->has_encoding && !call->is_gzip;
}

void
grpc_head_take(struct grpc_call *call, struct bytes name, struct bytes value)
{
    if (call->has_begun)
        return; /* trailers of a client say nothing */
    if (call->raw != NULL)
        grpc_raw_keep(call, (struct grpc_field){name, value});
    switch (name.n) {
    case 5:
        if (bytes_equal(name, BYTES(":path")))
            take_path(call, value);
        break;
    case 7:
        if (bytes_equal(name, BYTES(":method"))) {
            call->is_post = bytes_equal(value, BYTES("POST"));
            call->is_head = bytes_equal(value, BYTES("HEAD"));
        }
        break;
    case 10:
        if (bytes_equal(name, BYTES("user-agent")))
            keep(call, KEPT_USER_AGENT, value);
        break;
    case 12:
        if (bytes_equal(name, BYTES("content-type")))
            call->is_grpc = grpc_meta_is_grpc(value);
        else if (bytes_equal(name, BYTES("grpc-timeout")))
            take_timeout(call, value);
        break;
    case 13:
        if (bytes_equal(name, BYTES("grpc-encoding")))
            take_encoding(call, value);
        else if (bytes_equal(name, BYTES("agent-version")))
            keep(call, KEPT_AGENT_VERSION, value);
        break;
    case 14:
        if (bytes_equal(name, BYTES("authentication")))
            keep(call, KEPT_AUTHENTICATION, value);
        break;
    default:
        break;
    }
}
