/* Comparing what a stranger shows with what we keep secret. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/secret.h"

static bool
is_equal(struct bytes shown, struct bytes secret)
{
    /* Volatile: the compiler must not leave the loop early. */
    volatile uint8_t differs = shown.n != secret.n || secret.n == 0;
    for (size_t i = 0; i < shown.n && secret.n > 0; i++)
        differs = (uint8_t)(differs | (shown.p[i] ^ secret.p[i < secret.n ? i : 0]));
    return differs == 0;
}

bool
secret_is_one_of(struct bytes shown, const char *const *secrets, uint32_t n)
{
    volatile bool is_found = false;
    for (uint32_t i = 0; i < n; i++)
        is_found = is_found | is_equal(shown, bytes_str(secrets[i]));
    return is_found;
}
