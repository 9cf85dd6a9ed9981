/* Descriptors of others on the loop. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "net/loop_watch.h"

#include <event2/event.h>

#include "base/check.h"
#include "base/mem.h"
#include "net/loop_int.h"

enum { WATCH_MAGIC = 0x77617463 };

struct loop_watch {
    uint32_t magic;
    struct loop *loop;
    struct event *event;
    void (*on_readable)(void *ctx);
    void *ctx;
};

static void
on_event(evutil_socket_t descriptor, short what, void *ctx)
{
    struct loop_watch *watch = ctx;
    (void)descriptor;
    (void)what;
    CHECK_OBJ(watch, WATCH_MAGIC);
    loop_enter(watch->loop);
    watch->on_readable(watch->ctx);
}

struct loop_watch *
loop_watch_new(struct loop *loop, int descriptor, void (*on_readable)(void *ctx), void *ctx)
{
    struct loop_watch *watch = mem_new(struct loop_watch);
    watch->magic = WATCH_MAGIC;
    watch->loop = loop;
    watch->on_readable = on_readable;
    watch->ctx = ctx;
    watch->event = event_new(loop_base(loop), descriptor, EV_READ | EV_PERSIST, on_event, watch);
    check(watch->event != NULL && event_add(watch->event, NULL) == 0);
    return watch;
}

void
loop_watch_free(struct loop_watch **watch)
{
    if (*watch == NULL)
        return;
    CHECK_OBJ(*watch, WATCH_MAGIC);
    event_free((*watch)->event);
    (*watch)->magic = 0;
    mem_free(*watch);
    *watch = NULL;
}
