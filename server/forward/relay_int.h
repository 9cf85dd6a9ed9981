/* What the files of the relay share: one relayed call, and all of a worker. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FORWARD_RELAY_INT_H
#define FORWARD_RELAY_INT_H

#include <sys/queue.h>

#include "forward/forward_int.h"
#include "forward/relay.h"
#include "forward/relay_cache.h"
#include "grpc/grpc_raw.h"
#include "grpc/grpc_stream.h"

enum { RELAY_MAGIC = 0x52454c59 };
/* Of a request that is kept whole, for a second try; and no more of a question can be gathered. */
enum { RELAY_KEEP_BYTES = GRPC_RAW_WINDOW_BYTES };

/* GATHERS: a question is not whole yet. WAITS: for a backend. FLOWS: a stream to one is open.
 * ENDED: the status is known. From each state to a later one, and back from FLOWS to WAITS. */
enum relay_state { RELAY_GATHERS, RELAY_WAITS, RELAY_FLOWS, RELAY_ENDED };

/* Owner: its call, whose on_gone frees it. */
struct relay {
    uint32_t magic;
    enum relay_state state;
    struct forward *forward;
    struct budget *budget;
    struct grpc_call *call;
    const struct method_row *method; /* NULL: unknown */
    struct grpc_stream *stream;      /* while FLOWS */
    struct backend *backend;         /* while FLOWS */
    struct grpc_queue request, response;
    struct grpc_metadata headers;            /* of a question's answer, until its first byte */
    uint64_t n_received, n_sent, n_credited; /* bytes of the request; sent: of this try */
    uint64_t owed_request, owed_response;    /* credit held back while memory is short */
    uint64_t held_us;                        /* since when bytes wait here, while is_holding */
    uint64_t started_us;                     /* this try */
    uint64_t deadline_us;   /* the client's, of a question not above ours; 0: none */
    uint64_t wait_until_us; /* for a backend */
    uint64_t last_us;       /* draining: when it ends in any case; 0: not draining */
    uint64_t avoid;         /* the backend that failed it; 0: none */
    uint32_t n_tries;
    bool is_question;
    bool deadline_is_ours; /* the agent gave none, or a later one */
    bool is_holding;       /* bytes that have not left, either way */
    bool is_half_closed;   /* by the agent */
    bool has_headers;      /* the backend's answer has begun */
    bool has_responded;    /* and the agent has seen of it */
    struct loop_timer timer;
    TAILQ_ENTRY(relay) all;
    TAILQ_ENTRY(relay) waiting; /* while WAITS */
    TAILQ_ENTRY(relay) holding; /* while is_holding */
};
TAILQ_HEAD(relay_list, relay);

/* Of one worker. */
struct relays {
    struct relay_list all, waiting;
    struct relay_list holding; /* who has held bytes for longest comes first */
    uint64_t short_us;         /* memory has been short since then; 0: it is not */
    struct loop_timer sweep;   /* while there is any */
    struct relay_cache *cache; /* NULL: off */
};

/* From forward. */
struct relays *relays_new(struct forward *);
/* No relayed call is left. */
void relays_free(struct relays **);
/* Once a turn: who waits for a backend. */
void relays_turn(struct forward *);

/* relay */
void relay_set_state(struct relay *, enum relay_state);
/* Nobody can be asked: a question gets an empty message, a stream a status. */
void relay_give_up(struct relay *, const char *why);
/* Ends it with a status of our own making. */
void relay_fail(struct relay *, enum grpc_status, const char *text);
/* Its deadline has passed. A question whose agent would have waited longer is answered as if there
 * was no backend. */
void relay_time_out(struct relay *);
/* OK and an empty message. */
void relay_answer_empty(struct relay *);
/* OK and this message, framed. */
void relay_answer_with(struct relay *, struct bytes framed);
/* Something was put into a queue of it, or left. */
void relay_note_held(struct relay *);
/* Something was put into a queue: when memory is full, who has held bytes for longest gives way. */
void relay_make_room(struct relay *);
/* Resets the stream to the backend, if there is one. */
void relay_cut_off(struct relay *);
/* The request's path begins with a SkyWalking service's: Java agents watch its status. */
bool relay_is_skywalking(const struct relay *);

/* relay_answer */
extern const struct grpc_stream_events relay_stream_events;
/* The backend learns how the call went and is let go. */
void relay_tell_backend(struct relay *, const struct grpc_stream_end *);

/* relay_fields */
/* Copies what goes on: not what belongs to the connection or is made anew. */
void relay_fields_copy(const struct grpc_metadata *in, struct budget *, struct grpc_metadata *out);
/* A "via" field names us: the call came back (RFC 9110 7.6.3). */
bool relay_fields_is_loop(const struct grpc_metadata *, const char *via);

#endif
