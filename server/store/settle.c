/* Tells once per turn whose records are safe now. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A connection's messages of one stream arrive in a row, so looking back over a few entries merges
 * nearly all of them. */
#include "base/mem.h"
#include "store/store_int.h"

enum { LOOK_BACK = 4, FIRST_SIZE = 64 };

void
settle_add(struct settle *settle, void *cookie, uint64_t credit_bytes)
{
    if (cookie == NULL)
        return;
    for (uint32_t i = settle->n; i > settle->n_done && settle->n - i < LOOK_BACK; i--) {
        struct settle_entry *entry = &settle->entries[i - 1];
        if (entry->cookie == cookie) {
            entry->credit_bytes += credit_bytes;
            entry->n_records++;
            return;
        }
    }
    if (settle->n == settle->size) {
        settle->size = settle->size > 0 ? settle->size * 2 : FIRST_SIZE;
        settle->entries = mem_resize(settle->entries, settle->size * sizeof(*settle->entries));
    }
    settle->entries[settle->n++] = (struct settle_entry){cookie, credit_bytes, 1};
}

/* The callback may put more records: they are told in the same round. */
void
settle_tell(struct store *store, struct settle *settle)
{
    while (settle->n_done < settle->n) {
        struct settle_entry entry = settle->entries[settle->n_done++];
        store->callbacks.on_settled(store->callbacks.ctx, entry.cookie, entry.credit_bytes,
                                    entry.n_records);
    }
    settle->n = settle->n_done = 0;
}

void
settle_fini(struct settle *settle)
{
    mem_free(settle->entries);
    *settle = (struct settle){0};
}
