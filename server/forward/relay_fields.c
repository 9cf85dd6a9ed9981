/* Which header fields of a relayed call go on. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/relay_int.h"

/* te and grpc-timeout are made anew on the other side; the rest belongs to a connection or to the
 * framing of a body (RFC 9113 8.2.2), or to the host that was asked. */
static bool
is_of_the_hop(struct bytes name)
{
    static const char *const names[] = {
        "te",         "grpc-timeout",     "host",       "content-length",
        "connection", "proxy-connection", "keep-alive", "transfer-encoding",
        "upgrade",    "http2-settings",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (bytes_equal(name, bytes_str(names[i])))
            return true;
    return false;
}

void
relay_fields_copy(const struct grpc_metadata *in, struct budget *budget, struct grpc_metadata *out)
{
    struct grpc_field field;
    for (uint32_t at = 0; grpc_metadata_next(in, &at, &field);)
        if (!is_of_the_hop(field.name))
            grpc_metadata_add(out, budget, field);
}

bool
relay_fields_is_loop(const struct grpc_metadata *metadata, const char *via)
{
    struct bytes own = bytes_str(via);
    struct grpc_field field;
    for (uint32_t at = 0; grpc_metadata_next(metadata, &at, &field);)
        if (bytes_equal(field.name, BYTES("via")) && field.value.n >= own.n &&
            memmem(field.value.p, field.value.n, own.p, own.n) != NULL)
            return true;
    return false;
}
