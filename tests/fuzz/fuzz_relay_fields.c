/* Header fields on their way through the relay: what must pass does, in order; nothing else. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Input: a field per length byte of its name and length byte of its value. */
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "forward/relay_int.h"
#include "grpc/grpc_meta.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool
take(struct bytes *in, size_t n, struct bytes *out)
{
    if (in->n < n)
        return false;
    *out = bytes_of(in->p, n);
    *in = bytes_of(in->p + n, in->n - n);
    return true;
}

static void
read_fields(struct bytes in, struct grpc_metadata *out, uint64_t *list_bytes)
{
    while (in.n >= 2) {
        size_t n_name = in.p[0], n_value = in.p[1];
        struct grpc_field field;
        in = bytes_of(in.p + 2, in.n - 2);
        if (!take(&in, n_name, &field.name) || !take(&in, n_value, &field.value))
            return;
        if (n_name > 0)
            *list_bytes += n_name + n_value + 32;
        grpc_metadata_add(out, NULL, field);
    }
}

static bool
passes(struct bytes name)
{
    static const char *const hop[] = {"te",
                                      "grpc-timeout",
                                      "host",
                                      "connection",
                                      "proxy-connection",
                                      "content-length",
                                      "keep-alive",
                                      "transfer-encoding",
                                      "upgrade",
                                      "http2-settings"};
    for (size_t i = 0; i < sizeof(hop) / sizeof(hop[0]); i++)
        if (bytes_equal(name, bytes_str(hop[i])))
            return false;
    return true;
}

static uint64_t
bytes_of_list(const struct h2_header *list, uint32_t n)
{
    uint64_t all = 0;
    for (uint32_t i = 0; i < n; i++)
        all += (uint64_t)list[i].n_name + list[i].n_value + 32;
    return all;
}

/* Shortened to any length it still has its status, keeps its order, and is no longer than allowed.
 */
static void
fit(const struct grpc_metadata *fields, uint64_t most)
{
    enum { ROOM = 16 };
    struct h2_header list[ROOM + 1], status = H2_HEADER("grpc-status", "13");
    list[0] = status;
    uint32_t n = 1 + grpc_metadata_to_h2(fields, list + 1, ROOM);
    uint64_t all = bytes_of_list(list, n);
    uint32_t n_left = grpc_meta_fit(list, n, most);
    check(n_left >= 1 && n_left <= n && (all > most || n_left == n));
    check(list[0].name == status.name && list[0].n_value == 2);
    uint64_t needed = 0;
    for (uint32_t i = 0; i < n_left; i++) {
        bool is_needed =
            list[i].name[0] == ':' ||
            bytes_equal(bytes_of(list[i].name, list[i].n_name), BYTES("grpc-status")) ||
            bytes_equal(bytes_of(list[i].name, list[i].n_name), BYTES("content-type"));
        needed += is_needed ? bytes_of_list(&list[i], 1) : 0;
        check(i < 2 || list[i].name > list[i - 1].name);
    }
    uint64_t left = bytes_of_list(list, n_left);
    check(left <= most || left == needed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct grpc_metadata in = {.p = NULL}, out = {.p = NULL};
    uint64_t list_bytes = 0;
    read_fields(bytes_of(data, n), &in, &list_bytes);
    check(grpc_metadata_list_bytes(&in) == list_bytes);
    relay_fields_copy(&in, NULL, &out);
    struct grpc_field a, b;
    uint32_t at_in = 0, at_out = 0, n_passed = 0;
    bool has_us = false;
    while (grpc_metadata_next(&in, &at_in, &a)) {
        has_us |= bytes_equal(a.name, BYTES("via")) && bytes_equal(a.value, BYTES("2 us"));
        if (!passes(a.name))
            continue;
        check(grpc_metadata_next(&out, &at_out, &b));
        check(bytes_equal(a.name, b.name) && bytes_equal(a.value, b.value));
        n_passed++;
    }
    check(out.n == n_passed && !grpc_metadata_next(&out, &at_out, &b));
    check(!has_us || relay_fields_is_loop(&in, "2 us"));
    struct h2_header headers[16];
    check(grpc_metadata_to_h2(&out, headers, 16) == (out.n < 16 ? out.n : 16));
    fit(&in, n > 0 ? data[n - 1] * UINT64_C(4) : 0);
    grpc_metadata_fini(&in, NULL);
    grpc_metadata_fini(&out, NULL);
    return 0;
}
