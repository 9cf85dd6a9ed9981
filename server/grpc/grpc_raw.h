/* A call whose bytes pass through unread: the server's side of a relayed call. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A route with a struct grpc_raw_handler in place of a grpc_handler: no message is cut out, none is
 * inflated or limited, and every header field of the request is kept. Like grpc_call: the worker's
 * thread only, functions on a call that is over do nothing.
 *
 * Flow control. The client may send what its stream's window lets in, GRPC_RAW_WINDOW_BYTES: every
 * stream begins with that, and only those of other calls get more. The stream's credit comes back
 * by grpc_raw_credit alone, when the bytes have left on the other side. */
#ifndef GRPC_GRPC_RAW_H
#define GRPC_GRPC_RAW_H

#include "grpc/grpc_call.h"
#include "grpc/grpc_metadata.h"
#include "grpc/grpc_queue.h"

enum { GRPC_RAW_WINDOW_BYTES = 256 * 1024 };

/* All on the worker's thread. The call may be finished in any of them. */
struct grpc_raw_handler {
    /* A piece of what the client sends, at once; void after the call. */
    void (*on_data)(struct grpc_call *, struct bytes);
    /* The client half closed. */
    void (*on_end)(struct grpc_call *);
    /* So many bytes of the queue left, at once. */
    void (*on_sent)(struct grpc_call *, size_t n);
    /* Half of the grace period of a drain is over: bring the call to its end within left_us. */
    void (*on_drain)(struct grpc_call *, uint64_t left_us);
    /* The stream is gone (answered, reset, deadline, connection lost). Last callback. */
    void (*on_gone)(struct grpc_call *);
};

/* In on_call or after it: the request's fields in order, without those that begin with ':'. */
const struct grpc_metadata *grpc_raw_metadata(const struct grpc_call *);
/* The time of grpc-timeout ends then (clock_mono_us); 0: the client gave none. */
uint64_t grpc_raw_deadline_us(const struct grpc_call *);
/* What the memory of the call is charged to. */
struct budget *grpc_raw_budget(const struct grpc_call *);

/* n bytes of on_data have left: the client may send as many more. */
void grpc_raw_credit(struct grpc_call *, uint64_t n);
/* The client's SETTINGS_MAX_HEADER_LIST_SIZE takes headers with these fields. Trailers need not be
 * asked about: they are shortened. */
bool grpc_raw_takes(const struct grpc_call *, const struct grpc_metadata *);
/* Headers with :status 200 and these fields, which are copied and which the client takes. The DATA
 * is then taken from the queue, which stays the handler's and lives until on_gone. */
void grpc_raw_respond(struct grpc_call *, const struct grpc_metadata *, struct grpc_queue *);
/* Something was put into the queue. */
void grpc_raw_wake(struct grpc_call *);
/* Ends the call with these trailers, copied, once the queue is empty; trailers alone when there was
 * no grpc_raw_respond. They hold the grpc-status; status is for the count. grpc_call_finish ends it
 * with a status of our own. */
void grpc_raw_finish(struct grpc_call *, int status, const struct grpc_metadata *trailers);
/* RST_STREAM(CANCEL), also after grpc_raw_finish: what the client does not take is let go of.
 * status is for the count, if there was none. on_gone follows. */
void grpc_raw_reset(struct grpc_call *, int status);

#endif
