/* XXH3 with the process's seed. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <string.h>
#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/check.h"

static uint64_t process_seed;

void
hash_init(void)
{
    if (process_seed != 0)
        return; /* tables may be in use already */
    check(getrandom(&process_seed, sizeof(process_seed), 0) == (ssize_t)sizeof(process_seed));
}

uint64_t
hash_bytes_seeded(struct bytes b, uint64_t seed)
{
    return XXH3_64bits_withSeed(b.p, b.n, seed);
}

uint64_t
hash_bytes(struct bytes b)
{
    return hash_bytes_seeded(b, process_seed);
}

void
hash_bytes_wide(struct bytes b, uint8_t out[HASH_WIDE_BYTES])
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(b.p, b.n, process_seed);
    memcpy(out, &hash, HASH_WIDE_BYTES);
}
