/* Messages that are looked at as bytes and stored as they came. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/receive_int.h"

static enum grpc_take
on_message(struct grpc_call *call, struct bytes message, uint64_t credit_bytes)
{
    struct receive_call *rc = receive_call_of(call);
    if (receive_must_wait(rc))
        return GRPC_WAIT;
    struct judgement judgement;
    integrity_judge_stored(rc->receive->parts.integrity, rc->method->message, message, true,
                           &judgement);
    enum err err = receive_put_judged(rc, rc->method->method, message, &judgement, credit_bytes);
    return err == ERR_OK ? GRPC_TAKEN : GRPC_WAIT;
}

const struct grpc_handler receive_stored_handler = {
    .on_message = on_message,
    .on_oversize = receive_on_oversize,
    .on_end = receive_on_end,
    .on_gone = receive_on_gone,
};
