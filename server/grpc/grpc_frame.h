/* Cuts a stream of DATA into gRPC messages. */
/* SPDX-License-Identifier: Apache-2.0 */
/*   +------+-----------------+--------+
 *   | flag | length, 4 bytes | body   |   flag 1: the body is compressed
 *   +------+-----------------+--------+
 * Any part may be split anywhere. A message that lies whole in one chunk is lent from it; one in
 * pieces is put together in a buffer that grows with what arrives (five bytes reserve nothing) and
 * is charged to the budget. */
#ifndef GRPC_GRPC_FRAME_H
#define GRPC_GRPC_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/budget.h"
#include "base/bytes.h"

enum {
    FRAME_BUFFER_BYTES = 4096, /* the first buffer of a message, kept for the next one */
    FRAME_SPARES = 8,
    FRAME_SKIP_KEEP = 64 * 1024, /* of a skipped message */
};

/* One per endpoint: where buffers come from. */
struct grpc_frame_pool {
    struct budget *budget;
    uint8_t *spares[FRAME_SPARES];
    uint32_t n_spares;
};
void grpc_frame_pool_init(struct grpc_frame_pool *, struct budget *);
void grpc_frame_pool_fini(struct grpc_frame_pool *);

enum grpc_frame_state { FRAME_PREFIX, FRAME_BODY, FRAME_SKIP, FRAME_WHOLE };

struct grpc_frame {
    uint8_t *buffer;
    uint32_t size;   /* of buffer, charged */
    uint32_t have;   /* body bytes seen; those of FRAME_SKIP beyond FRAME_SKIP_KEEP are not kept */
    uint32_t length; /* declared */
    uint8_t prefix[5];
    uint8_t n_prefix;
    uint8_t state;
};

enum grpc_frame_event {
    FRAME_MORE,    /* everything was used, no message yet */
    FRAME_MESSAGE, /* *out is one; grpc_frame_done before the next */
    FRAME_SKIPPED, /* a message over the limit has passed: *out is its beginning */
    FRAME_BAD,     /* a flag that is neither 0 nor 1 */
};

struct grpc_message {
    struct bytes body;
    uint32_t length; /* declared; body.n unless skipped */
    bool is_compressed;
    bool is_lent; /* body lies in the input */
};

/* Uses up the front of *in. A message that was put together stays in the frame until
 * grpc_frame_done: asked again before, it is given again. */
enum grpc_frame_event grpc_frame_next(struct grpc_frame *, struct grpc_frame_pool *,
                                      struct bytes *in, uint32_t limit, struct grpc_message *out);
void grpc_frame_done(struct grpc_frame *, struct grpc_frame_pool *);
/* Forgets what is there. */
void grpc_frame_reset(struct grpc_frame *, struct grpc_frame_pool *);
/* Wire bytes of the message under way. */
static inline uint64_t
grpc_frame_n_bytes(const struct grpc_frame *frame)
{
    return (uint64_t)frame->n_prefix + frame->have;
}
/* Its length is known and it is not complete. */
static inline bool
grpc_frame_is_in_body(const struct grpc_frame *frame)
{
    return frame->state == FRAME_BODY;
}

#endif
