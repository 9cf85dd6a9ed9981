/* Trace segments: each is judged and becomes one record. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "receive/receive_int.h"

static enum err
put_segment(struct receive_call *rc, struct bytes segment, uint64_t credit_bytes)
{
    struct judgement judgement;
    integrity_judge_segment(rc->receive->parts.integrity, segment, clock_unix_ms(), AGENT_UNKNOWN,
                            &judgement);
    enum err err =
        receive_put_judged(rc, METHOD_SEGMENT_COLLECT, segment, &judgement, credit_bytes);
    if (rc->receive->n_taps > 0 && err == ERR_OK)
        receive_show_taps(rc->receive, segment, &judgement);
    return err;
}

static enum grpc_take
on_segment(struct grpc_call *call, struct bytes message, uint64_t credit_bytes)
{
    struct receive_call *rc = receive_call_of(call);
    if (receive_must_wait(rc) || put_segment(rc, message, credit_bytes) != ERR_OK)
        return GRPC_WAIT;
    return GRPC_TAKEN;
}

static void
on_gone(struct grpc_call *call, bool mid_message)
{
    if (grpc_call_was_cancelled(call))
        receive_connection_cut(receive_call_of(call));
    receive_on_gone(call, mid_message);
}

const struct grpc_handler receive_segment_handler = {
    .on_message = on_segment,
    .on_oversize = receive_on_oversize,
    .on_end = receive_on_end,
    .on_gone = on_gone,
};

/* One pass over a collection. */
struct collection_walk {
    struct receive_call *rc;
    uint32_t n; /* segments passed */
    uint32_t n_all;
    uint64_t credit_bytes; /* of the whole message: given with its last segment */
    bool must_wait;
};

static void
count_segment(void *ctx, struct bytes segment)
{
    struct collection_walk *walk = ctx;
    (void)segment;
    walk->n_all++;
}

/* Segments taken in an earlier round are passed over; after one found no room the rest waits. */
static void
put_next_segment(void *ctx, struct bytes segment)
{
    struct collection_walk *walk = ctx;
    struct receive_call *rc = walk->rc;
    uint32_t index = walk->n++;
    if (walk->must_wait || index < rc->state.n_segments_taken)
        return;
    bool is_last = index + 1 == walk->n_all;
    if (put_segment(rc, segment, is_last ? walk->credit_bytes : 0) != ERR_OK)
        walk->must_wait = true;
    else
        rc->state.n_segments_taken = index + 1;
}

/* The frame itself is broken: nobody can tell where its segments are. */
static enum err
put_broken_collection(struct receive_call *rc, struct bytes message, uint64_t credit_bytes)
{
    struct judgement judgement = {.verdict = VERDICT_QUARANTINED,
                                  .payload = message,
                                  .reason = RULE_proto_undecodable,
                                  .rules = UINT64_C(1) << RULE_proto_undecodable};
    judgement.n_counts[RULE_proto_undecodable] = 1;
    integrity_note(rc->receive->parts.integrity, RULE_proto_undecodable);
    return receive_put_judged(rc, METHOD_SEGMENT_COLLECT_SYNC, message, &judgement, credit_bytes);
}

static enum grpc_take
on_collection(struct grpc_call *call, struct bytes message, uint64_t credit_bytes)
{
    struct receive_call *rc = receive_call_of(call);
    if (receive_must_wait(rc))
        return GRPC_WAIT;
    struct collection_walk walk = {.rc = rc, .credit_bytes = credit_bytes};
    if (message_each_segment(message, count_segment, &walk) != ERR_OK)
        return put_broken_collection(rc, message, credit_bytes) == ERR_OK ? GRPC_TAKEN : GRPC_WAIT;
    if (walk.n_all == 0)
        grpc_call_credit(call, credit_bytes); /* no segment, no item */
    else if (message_each_segment(message, put_next_segment, &walk) != ERR_OK || walk.must_wait)
        return GRPC_WAIT;
    rc->state.n_segments_taken = 0;
    return GRPC_TAKEN;
}

const struct grpc_handler receive_segments_handler = {
    .on_message = on_collection,
    .on_oversize = receive_on_oversize,
    .on_end = receive_on_end,
    .on_gone = receive_on_gone,
};
