/* What gRPC says in HTTP/2 headers and trailers. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: gRPC over HTTP/2 text; grpc-and-durability.md 3. Pure functions. */
#ifndef GRPC_GRPC_META_H
#define GRPC_GRPC_META_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "grpc/grpc_call.h"
#include "h2/h2.h"

/* "application/grpc" followed by nothing, '+' or ';'. */
bool grpc_meta_is_grpc(struct bytes content_type);

enum { GRPC_TIMEOUT_TEXT = 16 };
/* 1 to 8 digits and one of H M S m u n; false when malformed. */
bool grpc_meta_timeout(struct bytes value, uint64_t *timeout_us);
/* The coarsest unit that is exact and fits 8 digits; returns the length written into
 * GRPC_TIMEOUT_TEXT bytes. */
uint32_t grpc_meta_format_timeout(uint64_t timeout_us, char *out);

/* grpc-message: everything outside 0x20..0x7E and '%' becomes %XX. Returns the length; out holds
 * 3 * text.n bytes. */
size_t grpc_meta_encode(struct bytes text, char *out);
/* The reverse, in place or not; broken escapes stay as they are. out holds text.n bytes. */
size_t grpc_meta_decode(struct bytes text, char *out);

/* Shortens the list of an answer's end to what its receiver takes (RFC 9113 6.5.2; a longer one may
 * cost the connection): grpc-status stays in any case, grpc-message is cut, then other fields stay
 * in order as far as there is room. Returns how many are left. */
uint32_t grpc_meta_fit(struct h2_header *list, uint32_t n, uint64_t most_bytes);

/* A decimal grpc-status; GRPC_UNKNOWN for anything else than 0..16. */
int grpc_meta_status(struct bytes value);
/* What an RST_STREAM code or an HTTP status without grpc-status stands for. */
int grpc_meta_status_of_reset(uint32_t h2_code);
int grpc_meta_status_of_http(int http_status);

#endif
