/* The gate for large messages: one per connection, all of them within a quarter of the budget. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Who stands before it keeps what its stream's window lets in and gets no credit; who is inside is
 * credited as its bytes come. */
#include "base/clock.h"
#include "grpc/grpc_server_int.h"

static bool
enter(struct grpc_call *call)
{
    struct grpc_connection *connection = call->connection;
    if (connection->gate_holder != NULL ||
        !budget_gate_enter(call->endpoint->budget, call->gated_bytes))
        return false;
    connection->gate_holder = call;
    call->gate_check_us = clock_mono_us() + GATE_CHECK_US;
    call->gate_seen_bytes = grpc_frame_n_bytes(&call->frame);
    grpc_connection_due(connection, call->gate_check_us);
    return true;
}

static void
leave_queue(struct grpc_call *call)
{
    TAILQ_REMOVE(&call->endpoint->gating, call, gating);
    call->connection->n_waiting--;
    call->gate = GATE_OUTSIDE;
}

bool
grpc_gate_pass(struct grpc_call *call, uint64_t declared_bytes)
{
    if (declared_bytes <= GATE_BYTES)
        return true;
    if (call->gate == GATE_INSIDE) {
        if (declared_bytes <= call->gated_bytes)
            return true;
        /* Inflated it is larger than it was on the wire. */
        grpc_gate_leave(call);
    }
    call->gated_bytes = declared_bytes;
    if (call->gate == GATE_OUTSIDE && enter(call)) {
        call->gate = GATE_INSIDE;
        return true;
    }
    if (call->gate == GATE_OUTSIDE) {
        call->gate = GATE_WAITING;
        call->connection->n_waiting++;
        TAILQ_INSERT_TAIL(&call->endpoint->gating, call, gating);
        grpc_endpoint_poll(call->endpoint);
    }
    return false;
}

void
grpc_gate_leave(struct grpc_call *call)
{
    if (call->gate == GATE_WAITING)
        leave_queue(call);
    if (call->gate != GATE_INSIDE)
        return;
    call->gate = GATE_OUTSIDE;
    call->connection->gate_holder = NULL;
    budget_gate_leave(call->endpoint->budget, call->gated_bytes);
    grpc_endpoint_open_gate(call->endpoint);
}

void
grpc_endpoint_open_gate(struct grpc_endpoint *endpoint)
{
    struct grpc_call *call = TAILQ_FIRST(&endpoint->gating);
    while (call != NULL) {
        struct grpc_call *next = TAILQ_NEXT(call, gating);
        if (enter(call)) {
            leave_queue(call);
            call->gate = GATE_INSIDE;
            if (call->is_waiting)
                grpc_endpoint_resume(endpoint, call);
            else
                grpc_intake_credit_early(call);
        }
        call = next;
    }
}
