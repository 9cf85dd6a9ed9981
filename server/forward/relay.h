/* Calls that need an OAP's own answer, passed to one of them as they are. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Both directions stream at once and unread; metadata and trailers are kept (docs/relay.md). A
 * byte's credit goes back to its sender when it has left to the receiver, so a call holds at most
 * the window of a stream in each direction. A cancellation goes on in the same turn, either way. On
 * the worker's thread.
 *
 *   relay         the life of one relayed call: what the agent does
 *   relay_answer  what the backend does, and what its end means: pass it on, try again, stand in
 *   relay_fields  which header fields pass
 *   relay_cache   answers to repeated questions for dynamic configuration
 *
 * A question is a unary call of class B (protocol.md 2): it goes out when it is whole, with a
 * deadline of ours, may be asked of a second backend, and is answered with an empty message when
 * nobody can. Everything else is a stream: it goes out at once and has the deadline of its client,
 * if any. */
#ifndef FORWARD_RELAY_H
#define FORWARD_RELAY_H

#include "base/method.h"
#include "forward/forward.h"
#include "grpc/grpc_endpoint.h"

/* In on_call, for a call whose metadata was wanted; method NULL: unknown. Routes it, or refuses. */
void relay_begin(struct forward *, struct grpc_call *, const struct method_row *,
                 struct grpc_route *out);

#endif
