/* reload.watch: the configuration's files are looked at, and taken up once one has changed. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/daemon_watch.h"

#include "base/hash.h"
#include "base/mem.h"
#include "daemon/file_state.h"

enum { LOOK_US = 1000 * 1000 };

/* How the files look; the others as one number. */
struct sight {
    struct file_state file;
    uint64_t others;
};

struct daemon_watch {
    struct daemon_watch_settings settings;
    struct loop_timer timer;
    struct sight taken, looked; /* when they were taken up; at the last look */
};

static void
look(const struct daemon_watch *watch, struct sight *out)
{
    const char *other;
    file_state_look(watch->settings.file, &out->file);
    out->others = 0;
    for (uint32_t i = 0; (other = watch->settings.other_at(watch->settings.ctx, i)) != NULL; i++) {
        struct file_state state;
        file_state_look(other, &state);
        out->others = hash_bytes_seeded(bytes_of(&state, sizeof(state)), out->others);
    }
}

static bool
is_same(const struct sight *a, const struct sight *b)
{
    return a->others == b->others && file_state_is_same(&a->file, &b->file);
}

static void
on_look(void *ctx)
{
    struct daemon_watch *watch = ctx;
    struct sight now;
    look(watch, &now);
    bool is_still = is_same(&now, &watch->looked);
    bool is_away = watch->settings.file != NULL && now.file.inode == 0;
    watch->looked = now;
    loop_timer_in(&watch->timer, LOOK_US);
    if (is_away || !is_still || is_same(&now, &watch->taken))
        return;
    watch->taken = now; /* before they are read: what changes meanwhile is seen at the next look */
    watch->settings.on_change(watch->settings.ctx);
}

struct daemon_watch *
daemon_watch_new(struct loop *loop, const struct daemon_watch_settings *settings)
{
    struct daemon_watch *watch = mem_new(struct daemon_watch);
    watch->settings = *settings;
    look(watch, &watch->taken);
    watch->looked = watch->taken;
    loop_timer_init(&watch->timer, loop, on_look, watch);
    loop_timer_in(&watch->timer, LOOK_US);
    return watch;
}

void
daemon_watch_free(struct daemon_watch **watch)
{
    if (*watch == NULL)
        return;
    loop_timer_cancel(&(*watch)->timer);
    mem_free(*watch);
    *watch = NULL;
}
