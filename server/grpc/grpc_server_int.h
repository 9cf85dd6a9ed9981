/* The server side's own structures: endpoint, connection, call. */
/* SPDX-License-Identifier: Apache-2.0 */
/* grpc_endpoint    all connections of a worker, the pools, the gate's queue, drain
 * grpc_connection  one agent's connection: a link, its calls, its timers
 * grpc_call        one call: answer, credit, life
 * grpc_head        a call's request headers
 * grpc_intake      a call's input: messages, waiting, half close
 * grpc_gate        the queue of large messages
 * grpc_raw         what a call has instead of messages when it is relayed
 * A connection lives while its link or a call does; an endpoint while it is open or a call lives.
 */
#ifndef GRPC_GRPC_SERVER_INT_H
#define GRPC_GRPC_SERVER_INT_H

#include <sys/queue.h>

#include "grpc/grpc_codec.h"
#include "grpc/grpc_endpoint.h"
#include "grpc/grpc_frame.h"
#include "grpc/grpc_raw.h"
#include "h2/h2_link.h"
#include "net/loop.h"

enum {
    CALL_MAGIC = 0x63616c6c,
    CONNECTION_MAGIC = 0x636f6e65,
    ENDPOINT_MAGIC = 0x656e6470,
    CALL_OUT_INLINE = 24,
    CALL_HEAD_BYTES = 256, /* of kept headers, without a charge */
    CALLS_KEPT = 512,      /* on the free list */
    GATE_BYTES = 1 << 20,  /* a longer message passes the gate */
    TLS_BYTES = 42 * 1024, /* OpenSSL: 9 KiB idle, and 32 KiB while half a record is there */
    BACKLOG_HEADROOM = 8,  /* so that a split prefix fits before its body again */
};

/* Times, in microseconds. */
#define SHAKE_US UINT64_C(10000000) /* TLS handshake; or the keepalive's timeout when shorter */
#define SETUP_US UINT64_C(10000000) /* preface and SETTINGS */
#define HEADER_BLOCK_US UINT64_C(10000000) /* from its first byte to its last */
#define PARTIAL_US UINT64_C(60000000)      /* a message that does not go on */
#define STALLED_US UINT64_C(30000000)      /* output that nobody takes */
#define SILENCE_US UINT64_C(2000000)       /* after an early end, until RST_STREAM */
#define GOAWAY_ACK_US UINT64_C(2000000)
#define DRAIN_MARGIN_US UINT64_C(200000) /* timers are up to 100 ms late */
#define GATE_CHECK_US UINT64_C(10000000)
#define HOLDER_LEAST_BYTES 4096 /* half a message that holds memory worth having back */
#define GATE_LEAST_BYTES (UINT64_C(64) * 1024 * 10) /* between two checks */

/* A header kept: where it stands in the call's head. */
struct grpc_kept {
    uint16_t at, n;
};
enum { KEPT_PATH, KEPT_AUTHENTICATION, KEPT_USER_AGENT, KEPT_AGENT_VERSION, KEPT_COUNT };

/* Bytes of a stream that wait behind a message nobody had room for; charged. */
struct grpc_backlog {
    uint8_t *p;
    size_t at, end, size;
};

/* Of a call whose metadata is wanted. */
struct grpc_raw {
    const struct grpc_raw_handler *handler; /* NULL: not routed so, or not yet */
    struct grpc_metadata metadata, trailers;
    struct grpc_queue *out; /* lent by the handler; NULL before its answer */
    uint8_t prefix[5];      /* of the first message ... */
    uint8_t n_prefix;
    uint32_t body_left; /* ... and of its body, what has not come */
    bool has_trailers;
};

enum grpc_gate_state { GATE_OUTSIDE, GATE_WAITING, GATE_INSIDE };

struct grpc_call {
    uint32_t magic;
    uint32_t refs;
    struct grpc_endpoint *endpoint;
    struct grpc_connection *connection;
    int32_t stream_id; /* 0: the stream is gone */
    const struct grpc_handler *handler;
    const struct method_row *method;
    void *user;
    struct grpc_raw *raw; /* NULL: an ordinary call */

    /* Input. */
    struct grpc_frame frame;
    struct grpc_backlog backlog;
    uint64_t unsettled_bytes; /* handed out, not credited by the handler yet */
    uint64_t owed_bytes;      /* to be credited by the call itself once nothing is unsettled */
    uint64_t early_bytes;     /* of the message under way: credited or owed as they came */
    uint32_t n_early_data;    /* bytes that came while the window is the first one */
    uint64_t last_data_us;
    uint64_t partial_since_us; /* a message is under way; 0: none, or nobody may send */
    uint64_t gated_bytes;      /* with which it is in the gate, or would be */
    uint64_t gate_check_us, gate_seen_bytes;
    uint32_t n_messages;
    uint8_t gate;

    bool has_encoding, is_gzip; /* grpc-encoding: any, and not identity */
    bool is_head, is_post, is_grpc, bad_timeout, bad_encoding; /* of the headers */
    bool has_begun;                                            /* headers are complete */
    bool has_window;                                           /* all of it */
    bool is_running;                                           /* grpc_intake_run is on the stack */
    bool is_waiting;           /* the handler or the gate said wait; holds a reference */
    bool will_resume;          /* on the endpoint's list */
    bool answers_when_settled; /* draining: waits for what it handed out */
    bool half_closed;          /* by the client */
    bool end_told;             /* on_end was called */
    bool gone_told;            /* on_gone was called, or must not be */
    bool is_over;              /* nothing is offered any more */
    bool was_cut;              /* the client half closed, or was lost, inside a message */
    bool was_cancelled;        /* by the client, for no reason of ours */
    bool is_counted;           /* in grpc_server_handled_total */

    /* Output. */
    bool has_responded; /* headers submitted */
    bool is_finished;   /* the status is known: trailers follow the messages */
    bool is_plain;      /* no gRPC: an HTTP status and words, no trailers */
    bool trailers_sent; /* or the last of the words */
    bool reset_sent;
    bool is_deferred; /* nghttp2 waits for h2_stream_wake */
    uint8_t status;
    char *message_text; /* grpc-message, encoded; NULL for none */
    uint64_t deadline_us;
    uint8_t *out; /* out_inline or its own */
    uint32_t n_out, out_at, out_size;
    uint8_t out_inline[CALL_OUT_INLINE];

    char *head;
    uint32_t n_head, head_size;
    struct grpc_kept kept[KEPT_COUNT];

    LIST_ENTRY(grpc_call) link;      /* in the connection, while the stream lives */
    TAILQ_ENTRY(grpc_call) resuming; /* while will_resume */
    TAILQ_ENTRY(grpc_call) gating;   /* while GATE_WAITING */
    TAILQ_ENTRY(grpc_call) waiting;  /* while is_waiting */
    SLIST_ENTRY(grpc_call) spare;
};

enum grpc_drain_step { DRAIN_NONE, DRAIN_NOTICE, DRAIN_SERVING, DRAIN_ENDING };

struct grpc_connection {
    uint32_t magic;
    uint32_t refs; /* the endpoint's, and each call's */
    struct grpc_endpoint *endpoint;
    struct h2_link *link; /* NULL: closed */
    LIST_HEAD(, grpc_call) calls;
    struct loop_timer timer; /* one for all that may fall due */
    uint64_t accepted_us, in_headers_since_us, ping_sent_us, notice_us; /* 0: not so */
    uint64_t age_due_us;       /* told to go by then, because of its age; 0: never */
    uint64_t drain_started_us; /* its grace period runs since then; 0: it does not */
    bool is_shaking;           /* the TLS handshake is not over */
    struct grpc_call *gate_holder;
    uint32_t n_waiting; /* calls that wait or stand before the gate */
    uint8_t drain;
    uint8_t trust;    /* enum grpc_trust, the service's */
    uint8_t listener; /* of the metrics: LISTENER_GRPC, LISTENER_GRPC_TLS */
    bool is_ready, goaway_counted, is_starved;
    bool told_to_go;   /* by us, over an error */
    bool said_goodbye; /* the peer's GOAWAY */
    void *user;        /* the service's */
    TAILQ_ENTRY(grpc_connection) all;
    TAILQ_ENTRY(grpc_connection) starved; /* while is_starved */
    char peer[NET_ADDRESS_TEXT];
};

struct grpc_endpoint {
    uint32_t magic;
    struct loop *loop;
    struct grpc_endpoint_settings settings;
    struct grpc_service service;
    struct budget *budget;
    struct metrics *metrics;
    struct grpc_frame_pool frames;
    struct grpc_codec *codec;
    TAILQ_HEAD(, grpc_connection) connections;
    TAILQ_HEAD(, grpc_connection) starved;
    TAILQ_HEAD(, grpc_call) resuming;
    TAILQ_HEAD(, grpc_call) gating;
    TAILQ_HEAD(, grpc_call) waiting;
    SLIST_HEAD(, grpc_call) spare_calls;
    struct loop_alarm *resume_alarm;
    struct loop_timer poll_timer; /* while anything is starved or before the gate */
    struct loop_timer drain_timer;
    uint64_t drain_started_us; /* 0: not draining */
    uint32_t n_connections, n_spare_calls, n_calls;
    bool is_closed, drained_told;
    bool is_dismissed; /* everyone is told to go, for now */
};

/* grpc_endpoint */
void grpc_endpoint_forget(struct grpc_endpoint *, struct grpc_connection *,
                          enum grpc_connection_end);
/* A closed endpoint goes with its last call. */
void grpc_endpoint_unhold(struct grpc_endpoint *);
/* The call's intake goes on in the next turn. */
void grpc_endpoint_resume(struct grpc_endpoint *, struct grpc_call *);
/* Looks at starved connections and the gate's queue every 100 ms. */
void grpc_endpoint_poll(struct grpc_endpoint *);
/* Somebody left the gate. */
void grpc_endpoint_open_gate(struct grpc_endpoint *);

/* grpc_connection */
/* tls: NULL for clear text. */
struct grpc_connection *grpc_connection_new(struct grpc_endpoint *, int descriptor,
                                            struct tls_context *tls);
/* Closes the socket; its calls end. */
void grpc_connection_close(struct grpc_connection *, enum grpc_connection_end);
void grpc_connection_unref(struct grpc_connection *);
/* The session, NULL when closed. */
struct h2_session *grpc_connection_session(struct grpc_connection *);
/* Something falls due then. */
void grpc_connection_due(struct grpc_connection *, uint64_t due_us);
/* Not read until the budget has room again. */
void grpc_connection_starve(struct grpc_connection *, bool is_starved);
/* GOAWAY in two steps, if not yet told so; from now on its grace period runs. why: GOAWAY_*. */
void grpc_connection_start_drain(struct grpc_connection *, uint32_t why);
/* What is still open on it may stay. */
void grpc_connection_stop_drain(struct grpc_connection *);
/* Half of the grace period is over: open calls are answered. */
void grpc_connection_end_calls(struct grpc_connection *);

/* grpc_call */
struct grpc_call *grpc_call_new(struct grpc_connection *, int32_t stream_id);
/* The request headers are complete. */
void grpc_call_begin(struct grpc_call *);
/* The stream is gone. */
void grpc_call_lose(struct grpc_call *);
/* RST_STREAM(CANCEL), counted as this. */
void grpc_call_cut(struct grpc_call *, int status);
/* Draining: an empty message and OK before the client half closed, once what was handed out is
 * settled. It takes nothing away: what the client still sends is taken on. */
void grpc_call_answer(struct grpc_call *);
/* The client is silent after the answer: RST_STREAM(NO_ERROR). */
void grpc_call_hang_up(struct grpc_call *);
void grpc_call_count(struct grpc_call *, int status);
size_t grpc_call_take(struct grpc_call *, size_t room, enum h2_take *how);
void grpc_call_give(struct grpc_call *, size_t n, struct h2_gather *);
/* Credit of the call's own, in its turn. */
void grpc_call_owe(struct grpc_call *, uint64_t bytes);
/* Credit at once. */
void grpc_call_credit_stream(struct grpc_call *, uint64_t bytes);

/* grpc_raw */
/* From now on every field of the request is kept. */
void grpc_raw_start(struct grpc_call *);
void grpc_raw_keep(struct grpc_call *, struct grpc_field);
/* Looks for the end of the first message: before it a reset counts as a flood's. */
void grpc_raw_note(struct grpc_call *, struct bytes);
/* handler NULL: nothing changes. */
void grpc_raw_route(struct grpc_call *, const struct grpc_raw_handler *);
void grpc_raw_stop(struct grpc_call *);
static inline bool
grpc_raw_is_routed(const struct grpc_call *call)
{
    return call->raw != NULL && call->raw->handler != NULL;
}
/* With which every stream begins: what is relayed waits here in no larger one. */
uint32_t grpc_raw_window(const struct grpc_endpoint *);
/* Bytes that wait to be sent. */
size_t grpc_raw_n(const struct grpc_call *);
void grpc_raw_give(struct grpc_call *, size_t n, struct h2_gather *);

/* grpc_head */
void grpc_head_take(struct grpc_call *, struct bytes name, struct bytes value);

/* grpc_intake */
void grpc_intake_data(struct grpc_call *, struct bytes);
void grpc_intake_half_close(struct grpc_call *);
/* What waits is offered again. */
void grpc_intake_resume(struct grpc_call *);
/* Nothing is offered any more: what is held is dropped and credited. */
void grpc_intake_drop(struct grpc_call *);
/* From now on what comes waits. */
void grpc_intake_hold_back(struct grpc_call *);
/* on_gone, once, when nothing waits any more. */
void grpc_intake_gone(struct grpc_call *);
bool grpc_intake_is_mid_message(const struct grpc_call *);
/* In the gate, or let in now; else it waits in the endpoint's queue. */
bool grpc_gate_pass(struct grpc_call *, uint64_t declared_bytes);
void grpc_gate_leave(struct grpc_call *);
/* Bytes of the message under way may be credited as they come. */
void grpc_intake_credit_early(struct grpc_call *);

#endif
