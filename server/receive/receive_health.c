/* grpc.health.v1: readiness by Check, and by Watch as a stream. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Asked about "" or one of our services; HealthCheckRequest 1 string service, HealthCheckResponse
 * 1 enum status. */
#include "receive/receive_int.h"

enum { SERVING = 1, NOT_SERVING = 2, SERVICE_UNKNOWN = 3 };
enum { REQUEST_SERVICE = 1 };

/* A service is known when a path "/service/method" of the table begins with it. */
static bool
is_known(struct bytes service)
{
    if (service.n == 0)
        return true;
    for (unsigned i = 1; i < METHOD_COUNT; i++) {
        const struct method_row *row = method_row(i);
        if (row == NULL)
            continue;
        struct bytes path = bytes_str(row->path + 1);
        if (path.n > service.n && path.p[service.n] == '/' && bytes_starts(path, service))
            return true;
    }
    return false;
}

static void
send_status(struct receive_call *rc, uint64_t status)
{
    uint8_t message[2] = {1u << 3, (uint8_t)status};
    rc->state.health = status;
    grpc_call_send(rc->call, bytes_of(message, sizeof(message)));
}

static uint64_t
status_now(const struct receive_call *rc)
{
    return rc->receive->is_ready ? SERVING : NOT_SERVING;
}

static void
watch(struct receive_call *rc, bool known)
{
    if (rc->is_watching)
        return; /* one request a call */
    send_status(rc, known ? status_now(rc) : SERVICE_UNKNOWN);
    rc->is_watching = true;
    LIST_INSERT_HEAD(&rc->receive->watching, rc, watching);
}

static enum grpc_take
on_request(struct grpc_call *call, struct bytes message, uint64_t credit_bytes)
{
    struct receive_call *rc = receive_call_of(call);
    struct message_facts facts;
    grpc_call_credit(call, credit_bytes);
    if (message_walk(MESSAGE_OPAQUE, message, &facts) != ERR_OK) {
        grpc_call_finish(call, GRPC_INTERNAL, "not a HealthCheckRequest");
        return GRPC_TAKEN;
    }
    bool known = is_known(message_string_field(message, REQUEST_SERVICE));
    if (rc->method->method == METHOD_HEALTH_WATCH)
        watch(rc, known);
    else if (known)
        send_status(rc, status_now(rc));
    else
        grpc_call_finish(call, GRPC_NOT_FOUND, "unknown service");
    return GRPC_TAKEN;
}

static void
on_end(struct grpc_call *call)
{
    struct receive_call *rc = receive_call_of(call);
    if (rc->method->method == METHOD_HEALTH_CHECK && !grpc_call_is_over(call))
        grpc_call_finish(call, GRPC_OK, "");
}

static void
on_gone(struct grpc_call *call, bool mid_message)
{
    struct receive_call *rc = receive_call_of(call);
    (void)mid_message;
    rc->is_gone = true;
    receive_call_step(rc);
}

/* Not ready means draining: the watcher is told, and its stream does not hold the drain up. */
void
receive_health_tell(struct receive_call *rc, bool ready)
{
    if (rc->state.health != SERVICE_UNKNOWN)
        send_status(rc, status_now(rc));
    if (!ready)
        grpc_call_finish(rc->call, GRPC_UNAVAILABLE, "spangate is draining");
}

const struct grpc_handler receive_health_handler = {
    .on_message = on_request,
    .on_oversize = NULL,
    .on_end = on_end,
    .on_gone = on_gone,
};
