/* reload.watch: the configuration's file is looked at, and taken up once it has changed. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/daemon_watch.h"

#include "base/mem.h"
#include "daemon/file_state.h"

enum { LOOK_US = 1000 * 1000 };

struct daemon_watch {
    const char *file;
    void (*on_change)(void *ctx);
    void *ctx;
    struct loop_timer timer;
    struct file_state taken, looked; /* when it was taken up; at the last look */
};

static void
on_look(void *ctx)
{
    struct daemon_watch *watch = ctx;
    struct file_state now;
    file_state_look(watch->file, &now);
    bool is_still = file_state_is_same(&now, &watch->looked);
    watch->looked = now;
    loop_timer_in(&watch->timer, LOOK_US);
    if (now.inode == 0 || !is_still || file_state_is_same(&now, &watch->taken))
        return;
    watch->taken = now; /* before it is read: what changes meanwhile is seen at the next look */
    watch->on_change(watch->ctx);
}

struct daemon_watch *
daemon_watch_new(struct loop *loop, const char *file, void (*on_change)(void *ctx), void *ctx)
{
    struct daemon_watch *watch = mem_new(struct daemon_watch);
    watch->file = file;
    watch->on_change = on_change;
    watch->ctx = ctx;
    file_state_look(file, &watch->taken);
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
