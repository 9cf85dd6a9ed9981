/* Any bytes as the body of a change to quarantine: it is taken or refused with a word. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "admin/admin_quarantine_body.h"
#include "base/check.h"
#include "base/mem.h"
#include "store/spool_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct admin_quarantine_body body;
    const char *why = NULL;
    uint8_t *copy = mem_alloc(n > 0 ? n : 1); /* of this size, so that reading on shows */
    if (n > 0)
        memcpy(copy, data, n);
    if (admin_quarantine_body_parse(bytes_of(copy, n), &body, &why)) {
        check(why == NULL && body.n <= ADMIN_MAX_IDS && body.rate <= ADMIN_MAX_RATE);
        check(body.has_ids || body.n == 0);
        for (uint32_t i = 0; i < body.n; i++)
            check(body.sequences[i] < SPOOL_SEQUENCE_END);
        admin_quarantine_body_fini(&body);
    } else {
        check(why != NULL && body.sequences == NULL);
    }
    mem_free(copy);
    return 0;
}
