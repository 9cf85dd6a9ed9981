/* The deframer: any bytes in any chunks give the same messages as the bytes in one. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Input: one byte of chunk sizes' seed, then the stream. */
#include <stdlib.h>

#include "base/check.h"
#include "grpc/grpc.h"
#include "grpc/grpc_codec.h"
#include "grpc/grpc_frame.h"

enum { LIMIT = 3000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* What a run saw, folded into one number. */
struct seen {
    uint64_t fold;
    uint32_t n_messages;
    bool is_bad;
};

static void
see(struct seen *seen, const struct grpc_message *message, bool is_skipped)
{
    seen->n_messages++;
    seen->fold = seen->fold * 31 + message->length * 4u + message->is_compressed * 2u + is_skipped;
    for (size_t i = 0; i < message->body.n; i++)
        seen->fold = seen->fold * 131 + message->body.p[i];
    check(is_skipped || message->body.n == message->length);
    check(!is_skipped || message->length > LIMIT);
}

static struct seen
run(struct grpc_frame_pool *pool, struct bytes stream, uint32_t seed)
{
    struct grpc_frame frame = {0};
    struct seen seen = {0};
    uint64_t given = 0, handed = 0;
    while (stream.n > 0 && !seen.is_bad) {
        size_t n = seed == 0 ? stream.n : 1 + (seed = seed * 1103515245 + 12345) / 65536 % 40;
        n = n < stream.n ? n : stream.n;
        struct bytes in = bytes_of(stream.p, n);
        stream = bytes_of(stream.p + n, stream.n - n);
        given += n;
        enum grpc_frame_event event = FRAME_MESSAGE;
        while (event != FRAME_MORE && !seen.is_bad) {
            struct grpc_message message;
            event = grpc_frame_next(&frame, pool, &in, LIMIT, &message);
            seen.is_bad = event == FRAME_BAD;
            if (event == FRAME_MESSAGE || event == FRAME_SKIPPED) {
                see(&seen, &message, event == FRAME_SKIPPED);
                handed += GRPC_PREFIX_BYTES + message.length;
                grpc_frame_done(&frame, pool);
            }
        }
        check(seen.is_bad || (in.n == 0 && given == handed + grpc_frame_n_bytes(&frame)));
        check(pool->budget->used_bytes <= 2 * given + FRAME_BUFFER_BYTES);
    }
    grpc_frame_reset(&frame, pool);
    return seen;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct budget_pool budget_pool;
    struct budget budget;
    struct grpc_frame_pool pool;
    if (n < 1)
        return 0;
    budget_pool_init(&budget_pool, UINT64_C(64) << 20);
    budget_init(&budget, &budget_pool);
    grpc_frame_pool_init(&pool, &budget);
    struct bytes stream = bytes_of(data + 1, n - 1), out;
    struct seen whole = run(&pool, stream, 0), pieces = run(&pool, stream, data[0] + 1u);
    check(whole.fold == pieces.fold && whole.n_messages == pieces.n_messages &&
          whole.is_bad == pieces.is_bad);
    struct grpc_codec *codec = grpc_codec_new(&budget);
    enum err err = grpc_codec_inflate(codec, stream, 20000, &out);
    check(out.n <= 20000 && (err == ERR_OK || err == ERR_GZIP || err == ERR_TOO_LARGE));
    grpc_codec_free(&codec);
    grpc_frame_pool_fini(&pool);
    budget_fini(&budget);
    return 0;
}
