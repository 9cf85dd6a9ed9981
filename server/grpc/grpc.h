/* The face of grpc/: gRPC calls over HTTP/2, both roles, and nothing about SkyWalking. */
/* SPDX-License-Identifier: Apache-2.0 */
/* grpc_endpoint  server: an agent's connections, each call a grpc_call with a handler
 * grpc_channel   client: one connection to a backend, complete short calls
 * grpc_frame     5-byte message prefix: cuts a stream of DATA into messages
 * grpc_meta      headers and trailers: content-type, grpc-timeout, percent-encoding, status mapping
 * grpc_codec     gzip of single messages (zlib lives here only) */
#ifndef GRPC_GRPC_H
#define GRPC_GRPC_H

#include <stdint.h>

enum { GRPC_PREFIX_BYTES = 5 };

/* Flag 0 and a big-endian length. */
static inline void
grpc_put_prefix(uint8_t *out, uint32_t length)
{
    out[0] = 0;
    out[1] = (uint8_t)(length >> 24);
    out[2] = (uint8_t)(length >> 16);
    out[3] = (uint8_t)(length >> 8);
    out[4] = (uint8_t)length;
}

#endif
