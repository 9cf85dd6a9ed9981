/* Header values: parsing never runs over, and what we write reads back. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "grpc/grpc_meta.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct bytes in = bytes_of(data, n);
    uint64_t us = 0, back_us = 0;
    char *out = mem_alloc(3 * n + 1), *back = mem_alloc(3 * n + 1);
    (void)grpc_meta_is_grpc(in);
    int status = grpc_meta_status(in);
    check(status >= 0 && status <= 16);
    if (grpc_meta_timeout(in, &us)) {
        char text[GRPC_TIMEOUT_TEXT];
        uint32_t n_text = grpc_meta_format_timeout(us, text);
        check(n_text <= 9 && grpc_meta_timeout(bytes_of(text, n_text), &back_us));
        check(back_us <= us && (us >= 100000000 || back_us == us));
    }
    size_t n_out = grpc_meta_encode(in, out);
    check(n_out <= 3 * n);
    for (size_t i = 0; i < n_out; i++)
        check(out[i] >= 0x20 && out[i] <= 0x7e);
    check(grpc_meta_decode(bytes_of(out, n_out), back) == n);
    check(bytes_equal(bytes_of(back, n), in));
    check(grpc_meta_decode(in, out) <= n);
    mem_free(out);
    mem_free(back);
    return 0;
}
