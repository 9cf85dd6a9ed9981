/* Calls that need an OAP's own answer: until they are relayed, what keeps every agent going. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A unary call gets OK and an empty message: an agent told UNIMPLEMENTED would stop to ask until
 * its process restarts (protocol.md 13.1). A client stream is read to its end and counted. */
#include "receive/receive_int.h"

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
