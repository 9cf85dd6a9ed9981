/* Records that end because somebody says so: quarantined ones, replayed or deleted. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "store/spool_int.h"

#include "base/check.h"

/* A file that holds nothing any more goes although it is not full. */
static void
close_empty(struct spool *s)
{
    struct spool_file *f = spool_files_newest(s);
    if (f != NULL && !f->is_closed && !f->is_unsynced && f->n > 0 && f->n_done == f->n &&
        STAILQ_EMPTY(&s->written))
        spool_close_in_order(s, f);
}

enum err
spool_remove(struct spool *s, const uint64_t *sequences, uint32_t n, uint64_t now_us,
             bool *was_there)
{
    CHECK_OBJ(s, SPOOL_MAGIC);
    bool is_any = false;
    for (uint32_t i = 0; i < n; i++) {
        struct spool_file *f = spool_files_find(s, sequences[i]);
        was_there[i] = f != NULL && spool_files_kind(f, sequences[i]) == SPOOL_COLD;
        if (was_there[i])
            spool_files_set(s, f, sequences[i], SPOOL_DONE);
        is_any |= was_there[i];
    }
    if (!is_any)
        return ERR_OK;
    enum err err = spool_removed_note(s, sequences, n, was_there);
    if (err == ERR_OK)
        err = spool_cursor_step(s, now_us, true);
    else
        s->counts.n_errors++;
    close_empty(s);
    return err;
}
