/* XXH3 of long inputs for processors that have AVX2: half the instructions, the same value. */
/* SPDX-License-Identifier: Apache-2.0 */
/* The binary runs on every x86-64; this file alone is compiled for more, and only called where
 * hash_avx2_is_there. Elsewhere it is the ordinary code. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("avx2")
#define HAS_AVX2_CODE
#endif

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/hash_int.h"

bool
hash_avx2_is_there(void)
{
#ifdef HAS_AVX2_CODE
    return __builtin_cpu_supports("avx2") != 0;
#else
    return false;
#endif
}

uint64_t
hash_avx2(struct bytes b, const void *secret, size_t n_secret)
{
    return XXH3_64bits_withSecret(b.p, b.n, secret, n_secret);
}
