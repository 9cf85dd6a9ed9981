/* What the files of receive/ share: the state of one call. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECEIVE_RECEIVE_INT_H
#define RECEIVE_RECEIVE_INT_H

#include <sys/queue.h>

#include "message/message.h"
#include "receive/receive.h"

enum { RECEIVE_CALL_MAGIC = 0x52435643 };

/* LogData and MeterData fields that are carried over on a stream (protocol.md 4 and 6). */
enum { LOG_TIMESTAMP = 1, LOG_SERVICE = 2 };
enum { METER_SERVICE = 3, METER_INSTANCE = 4, METER_TIMESTAMP = 5 };

/* A string remembered for the life of a stream, charged to the budget. */
struct carried {
    uint8_t *p;
    size_t n;
};

struct log_state {
    struct carried service; /* the first one that was not empty, as OAP does */
};

/* A set of meters: the first element as it came, then the others behind tag and length. */
struct meter_set {
    uint8_t *buffer;
    size_t size, used;
    size_t first_bytes;
    uint32_t n;
    uint64_t credit_bytes;
    struct carried service, instance; /* last seen on the stream */
    uint64_t timestamp;               /* 0: none seen */
    int64_t received_ms;              /* of the first element */
    struct loop_timer silence;
};

/* One call. Owner: itself, as the store's cookie; freed when its stream is gone, nothing of it is
 * unsettled and no set waits for room. */
struct receive_call {
    uint32_t magic;
    struct receive *receive;
    struct grpc_call *call; /* a reference */
    const struct method_row *method;
    struct integrity_stream stream; /* whose messages it carries */
    uint64_t instance;              /* its own, as the connection was told; 0: none yet */
    LIST_ENTRY(receive_call) all;
    TAILQ_ENTRY(receive_call) waiting; /* in receive->waiting while is_waiting */
    LIST_ENTRY(receive_call) watching;
    uint32_t n_unsettled;
    bool is_waiting;
    bool has_waiting_set; /* an ended or silent set found no room */
    bool is_ended;        /* half closed: the answer is due when all is settled */
    bool is_answered;
    bool is_answering; /* on_gone may come from within the answer */
    bool is_gone;
    bool is_watching;
    union {
        uint32_t n_segments_taken; /* SEGMENTS: of the message that waits */
        struct log_state log;
        struct meter_set *meter;
        uint64_t health; /* the status answered last */
    } state;
};
LIST_HEAD(receive_calls, receive_call);
TAILQ_HEAD(receive_waiting, receive_call);

struct receive {
    struct receive_parts parts;
    struct store *store;
    struct forward *forward; /* NULL: nobody relays */
    struct receive_calls all, watching;
    struct receive_waiting waiting;
    struct receive_http *http; /* NULL: no HTTP port */
    bool is_turn_of_http;      /* it asks first when there is room: calls do every other time */
    uint32_t n_calls;
    bool is_ready;
    struct receive_tap {
        struct tap *tap;
        uint32_t ring;
    } taps[TAP_MOST];
    uint32_t n_taps;
};

extern const struct grpc_handler receive_segment_handler;
extern const struct grpc_handler receive_segments_handler;
extern const struct grpc_handler receive_stored_handler;
extern const struct grpc_handler receive_log_handler;
extern const struct grpc_handler receive_meter_handler;
extern const struct grpc_handler receive_relayed_handler;
extern const struct grpc_handler receive_health_handler;

/* Calls of this path are passed to a backend as they are; method NULL: unknown. */
bool receive_relays(const struct receive *, const struct method_row *method, struct bytes path);
/* Why and with which status a call of an unknown path ends that is not relayed. */
void receive_refuse_unknown(struct bytes path, struct grpc_route *out);

/* The token is one of ours, or there are none. Nothing empty is one. */
bool receive_auth_knows(const struct receive *, struct bytes shown);
/* The call shows a token of ours, or needs none; else it was counted. method: NULL when unknown. */
bool receive_auth_passes(struct receive *, struct grpc_call *, const struct method_row *method);

/* The state of a call, checked. */
struct receive_call *receive_call_of(const struct grpc_call *);
/* What every handler's on_oversize, on_end and on_gone do unless they do more. */
void receive_on_oversize(struct grpc_call *, struct bytes prefix, uint64_t declared_bytes);
void receive_on_end(struct grpc_call *);
void receive_on_gone(struct grpc_call *, bool mid_message);

/* True: the store has no room, so a new message waits unjudged until on_room. */
bool receive_must_wait(struct receive_call *);
/* Puts a record of the call and remembers that it waits for its settlement. ERR_WAIT: the call is
 * on the waiting list. */
enum err receive_put(struct receive_call *, const struct store_record *) MUST_CHECK;
/* An item without a record. */
void receive_put_nothing(struct receive_call *, enum method, enum drop_reason,
                         uint64_t credit_bytes);
/* Puts a judged message of one part under the method: as it is, edited, set aside, or nothing; and
 * it is accepted. message: the bytes that were judged. */
enum err receive_put_judged(struct receive_call *, enum method, struct bytes message,
                            const struct judgement *, uint64_t credit_bytes) MUST_CHECK;
/* A judged message was taken and is not judged again: once for each, before the next judgement. */
void receive_accept(struct receive_call *, enum message_type, struct bytes message,
                    const struct judgement *);
/* Why nothing of a message with verdict dropped is forwarded. */
enum drop_reason receive_drop_reason(const struct judgement *);
/* Offers a segment that was taken to every tap: ask n_taps first, nobody looks on as a rule. */
void receive_show_taps(const struct receive *, struct bytes segment, const struct judgement *);
/* Takes the counts of a judgement back: its message found no room and will be judged again. */
void receive_uncount(struct receive_call *, const struct judgement *);
void receive_take_back(struct receive *, const struct judgement *);
/* Answers an ended call once everything of it is settled; frees one that nobody needs. */
void receive_call_step(struct receive_call *);

/* What was accepted is the first of its instance in this call, or shows that the stream is mixed.
 */
void receive_connection_meet(struct receive_call *);
/* A stream of segments was cancelled by its client alone; and one is opened. */
void receive_connection_cut(const struct receive_call *);
void receive_connection_reopen(struct receive *, const struct grpc_call *);
/* connection: what is in the slot; freed. */
struct receive_connection;
void receive_connection_gone(struct receive *, struct receive_connection *,
                             enum grpc_connection_end);

/* True when the set found room now or holds nothing; else it waits (has_waiting_set). */
bool receive_meter_emit(struct receive_call *);
/* Frees what the stream carried over; the set is counted dropped when it holds anything. */
void receive_meter_free(struct receive_call *);
void receive_log_free(struct receive_call *);
void receive_health_tell(struct receive_call *, bool ready);

void carried_set(struct receive *, struct carried *, struct bytes);
void carried_free(struct receive *, struct carried *);

#endif
