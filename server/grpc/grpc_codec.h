/* gzip of single gRPC messages and HTTP bodies; the only home of zlib. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GRPC_GRPC_CODEC_H
#define GRPC_GRPC_CODEC_H

#include <stdint.h>

#include "base/budget.h"
#include "base/bytes.h"
#include "base/err.h"

/* One per endpoint: zlib's state and the output of the last message. */
struct grpc_codec;

struct grpc_codec *grpc_codec_new(struct budget *);
void grpc_codec_free(struct grpc_codec **);
/* What the message says it will inflate to (its last four bytes, RFC 1952 2.3.1): a claim that
 * grpc_codec_inflate holds it to. 0 when it is too short. */
uint32_t grpc_codec_claim(struct bytes message);
/* *out is valid until grpc_codec_release. ERR_TOO_LARGE: the output passes limit, *out is its
 * beginning, limit bytes. ERR_GZIP: broken, or something follows the member. The output grows as it
 * comes, charged to the budget. */
enum err grpc_codec_inflate(struct grpc_codec *, struct bytes message, uint32_t limit,
                            struct bytes *out) MUST_CHECK;
/* As grpc_codec_inflate, for HTTP's "deflate": zlib's form (RFC 9110, 8.4.1.2), or the bare one
 * that some senders mean by that word. */
enum err grpc_codec_inflate_deflate(struct grpc_codec *, struct bytes body, uint32_t limit,
                                    struct bytes *out) MUST_CHECK;
/* Gives large output back. */
void grpc_codec_release(struct grpc_codec *);

#endif
