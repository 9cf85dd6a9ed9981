/* A list of header fields as they came: in order, repeated names too, values opaque. */
/* SPDX-License-Identifier: Apache-2.0 */
/* One block of memory, a field behind the other: 2 bytes length of the name, 2 of the value, both.
 * Values of "-bin" names stay base64 as on the wire (gRPC over HTTP/2, Custom-Metadata). All zero
 * is an empty list. Whoever fills it bounds it: the session's header list is 16 KiB. */
#ifndef GRPC_GRPC_METADATA_H
#define GRPC_GRPC_METADATA_H

#include <stdbool.h>
#include <stdint.h>

#include "base/budget.h"
#include "base/bytes.h"
#include "h2/h2.h"

struct grpc_metadata {
    uint8_t *p;
    uint32_t n_bytes, size;
    uint32_t n; /* fields */
};

struct grpc_field {
    struct bytes name, value;
};

/* Copies. A name or value above 65535 bytes is left out. The budget is charged; NULL: none is. */
void grpc_metadata_add(struct grpc_metadata *, struct budget *, struct grpc_field);
/* The field at *at, which begins at 0; false behind the last one. */
bool grpc_metadata_next(const struct grpc_metadata *, uint32_t *at, struct grpc_field *out);
/* The first value of that name; BYTES_NONE when there is none. */
struct bytes grpc_metadata_find(const struct grpc_metadata *, const char *name);
/* What RFC 9113 6.5.2 counts: names, values and 32 a field. */
uint64_t grpc_metadata_list_bytes(const struct grpc_metadata *);
/* Fills at most room headers to send, which point into the list; their number. */
uint32_t grpc_metadata_to_h2(const struct grpc_metadata *, struct h2_header *out, uint32_t room);
/* Empty again, for the next list. */
void grpc_metadata_clear(struct grpc_metadata *);
void grpc_metadata_fini(struct grpc_metadata *, struct budget *);

#endif
