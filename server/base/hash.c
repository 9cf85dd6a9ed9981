/* XXH3 with the process's secret. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <stdbool.h>
#include <string.h>
#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/check.h"
#include "base/hash_int.h"

enum { SHORT_BYTES = 240 }; /* up to here XXH3 uses no vectors */

/* A seed would be worked into the algorithm's own secret again for every input longer than 240
 * bytes, which costs a third of a hash of 500: what is drawn is the secret itself. */
static union {
    uint8_t bytes[XXH_SECRET_DEFAULT_SIZE];
    uint64_t align;
} process_secret;
static bool is_drawn, has_avx2;

void
hash_init(void)
{
    if (is_drawn)
        return; /* tables may be in use already */
    check(getrandom(process_secret.bytes, sizeof(process_secret.bytes), 0) ==
          (ssize_t)sizeof(process_secret.bytes));
    has_avx2 = hash_avx2_is_there();
    is_drawn = true;
}

uint64_t
hash_bytes_seeded(struct bytes b, uint64_t seed)
{
    return XXH3_64bits_withSeed(b.p, b.n, seed);
}

uint64_t
hash_bytes(struct bytes b)
{
    if (__builtin_expect(!is_drawn, 0))
        return hash_bytes_seeded(b, 0);
    if (b.n > SHORT_BYTES && has_avx2)
        return hash_avx2(b, process_secret.bytes, sizeof(process_secret.bytes));
    return XXH3_64bits_withSecret(b.p, b.n, process_secret.bytes, sizeof(process_secret.bytes));
}

void
hash_bytes_wide(struct bytes b, uint8_t out[HASH_WIDE_BYTES])
{
    XXH128_hash_t hash = is_drawn ? XXH3_128bits_withSecret(b.p, b.n, process_secret.bytes,
                                                            sizeof(process_secret.bytes))
                                  : XXH3_128bits(b.p, b.n);
    memcpy(out, &hash, HASH_WIDE_BYTES);
}
