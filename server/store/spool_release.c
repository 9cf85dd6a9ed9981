/* Files that are gone by name give their space back in small steps. */
/* SPDX-License-Identifier: Apache-2.0 */
/* To unlink 64 MiB at once takes the kernel 10 to 20 ms, and every fdatasync meanwhile as long. So
 * the file is opened, unlinked, and cut shorter bit by bit between commits. After a crash the file
 * system frees what is left. */
#include <string.h>

#include "store/spool_int.h"

enum { STEP_BYTES = 4 * 1024 * 1024, STEP_US = 2000 };

static void
end_first(struct spool *s)
{
    s->disk->close(s->disk->ctx, s->releases[0].file);
    s->n_releases--;
    memmove(s->releases, s->releases + 1, s->n_releases * sizeof(s->releases[0]));
}

enum err
spool_release_take(struct spool *s, struct spool_file *f, const char *path)
{
    /* A full disk waits for the space. */
    bool is_now = s->n_releases == SPOOL_MAX_RELEASES || s->state == SPOOL_FULL ||
                  spool_files_open(s, f) != ERR_OK;
    enum err err = s->disk->remove(s->disk->ctx, path);
    if (is_now)
        return err;
    if (err != ERR_OK) {
        spool_files_close(s, f);
        return err;
    }
    s->releases[s->n_releases++] = (struct spool_release){.file = f->file, .n_left = f->size};
    f->file = SPOOL_NO_FILE; /* passed on */
    return ERR_OK;
}

uint64_t
spool_release_step(struct spool *s, uint64_t now_us)
{
    if (s->n_releases == 0)
        return UINT64_MAX;
    if (now_us < s->released_us + STEP_US)
        return s->released_us + STEP_US;
    struct spool_release *first = &s->releases[0];
    first->n_left -= first->n_left < STEP_BYTES ? first->n_left : STEP_BYTES;
    enum err err = s->disk->truncate(s->disk->ctx, first->file, first->n_left);
    if (err != ERR_OK || first->n_left == 0)
        end_first(s); /* closing frees the rest */
    s->released_us = now_us;
    return s->n_releases > 0 ? now_us + STEP_US : UINT64_MAX;
}

void
spool_release_all(struct spool *s)
{
    while (s->n_releases > 0)
        end_first(s);
}
