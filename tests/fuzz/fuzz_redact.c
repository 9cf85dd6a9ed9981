/* Any bytes lose the values of chosen tags: lengths and everything else stay, twice is once. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever the bytes, a pair that is well formed from its first byte on and not inside another
 * match must come out as stars: the target appends one of its own. */
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "store/redact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const char *const keys[] = {"token", "a", "db.statement"};
static const uint8_t own[] = "\n\x05token\x12\x06secret";

static void
check_changes(const uint8_t *before, const uint8_t *after, size_t n, uint32_t n_found)
{
    size_t n_changed = 0;
    for (size_t i = 0; i < n; i++) {
        if (before[i] == after[i])
            continue;
        check(after[i] == '*');
        n_changed++;
    }
    check(n_found > 0 || n_changed == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct redact *redact = redact_new(keys, 3);
    size_t n_all = n + sizeof(own) - 1;
    uint8_t *p = mem_alloc(n_all), *once = mem_alloc(n_all), *before = mem_alloc(n_all);
    if (n > 0)
        memcpy(before, data, n);
    memcpy(before + n, own, sizeof(own) - 1);
    memcpy(p, before, n_all);
    /* By itself, so that nothing before it can swallow it. */
    check(redact_apply(redact, p + n, n_all - n) == 1);
    check(memcmp(p + n_all - 6, "******", 6) == 0);
    memcpy(p, before, n_all);
    check_changes(before, p, n_all, redact_apply(redact, p, n_all));
    memcpy(once, p, n_all);
    redact_apply(redact, p, n_all);
    check(memcmp(once, p, n_all) == 0);
    mem_free(p);
    mem_free(once);
    mem_free(before);
    redact_free(&redact);
    return 0;
}
