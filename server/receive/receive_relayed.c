/* Which calls are relayed, and where none is, what keeps every agent going. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Relayed are the rows with handler RELAY and paths the table does not know
 * (relay.unknown_methods). Never: what OAPs say to each other, and a service that is answered here.
 *
 * Not relayed, a unary call gets OK and an empty message: an agent told UNIMPLEMENTED would stop to
 * ask until its process restarts (protocol.md 13.1). A client stream is read to its end and
 * counted. */
#include "receive/receive_int.h"

bool
receive_relays(const struct receive *receive, const struct method_row *method, struct bytes path)
{
    const struct receive_relay *relay = &receive->parts.relay;
    if (receive->forward == NULL || !relay->is_enabled)
        return false;
    if (method != NULL)
        return method->handler == HANDLER_RELAY;
    return relay->takes_unknown && !bytes_starts(path, BYTES("/RemoteService/")) &&
           !bytes_starts(path, BYTES("/grpc.health.v1.Health/"));
}

void
receive_refuse_unknown(struct bytes path, struct grpc_route *out)
{
    out->refuse = GRPC_UNIMPLEMENTED;
    out->text = bytes_starts(path, BYTES("/RemoteService/"))
                    ? "what OAPs say to each other is not relayed"
                    : "spangate does not know this method";
}

static enum grpc_take
on_message(struct grpc_call *call, struct bytes message, uint64_t credit_bytes)
{
    struct receive_call *rc = receive_call_of(call);
    (void)message;
    if (rc->method->stream == STREAM_UNARY)
        grpc_call_credit(call, credit_bytes);
    else
        receive_put_nothing(rc, rc->method->method, DROP_POLICY, credit_bytes);
    return GRPC_TAKEN;
}

static void
on_oversize(struct grpc_call *call, struct bytes prefix, uint64_t declared_bytes)
{
    (void)prefix;
    (void)declared_bytes;
    integrity_note(receive_call_of(call)->receive->parts.integrity, RULE_message_oversize);
}

const struct grpc_handler receive_relayed_handler = {
    .on_message = on_message,
    .on_oversize = on_oversize,
    .on_end = receive_on_end,
    .on_gone = receive_on_gone,
};
