/* What is left of a connection that was closed in order: a socket and its last second. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "net/conn_linger_int.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "net/loop_int.h"

struct conn_linger {
    struct loop *loop;
    int descriptor;
    uint32_t left_bytes;
    struct event event;
    struct loop_timer timer;
    LIST_ENTRY(conn_linger) link;
};

static void
finish(struct conn_linger *linger)
{
    event_del(&linger->event);
    loop_timer_cancel(&linger->timer);
    close(linger->descriptor);
    LIST_REMOVE(linger, link);
    linger->loop->n_lingering--;
    mem_free(linger);
}

static void
on_readable(evutil_socket_t descriptor, short what, void *ctx)
{
    (void)what;
    struct conn_linger *linger = ctx;
    loop_enter(linger->loop);
    ssize_t n = recv(descriptor, loop_read_buffer(linger->loop), LOOP_READ_BUFFER_BYTES, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || (size_t)n >= linger->left_bytes)
        finish(linger);
    else
        linger->left_bytes -= (uint32_t)n;
}

static void
on_time(void *ctx)
{
    finish(ctx);
}

void
conn_linger_start(struct loop *loop, int descriptor)
{
    if (loop->n_lingering >= CONN_LINGER_MAX || shutdown(descriptor, SHUT_WR) != 0) {
        close(descriptor);
        return;
    }
    struct conn_linger *linger = mem_new(struct conn_linger);
    linger->loop = loop;
    linger->descriptor = descriptor;
    linger->left_bytes = CONN_LINGER_BYTES;
    LIST_INSERT_HEAD(&loop->lingering, linger, link);
    loop->n_lingering++;
    loop_timer_init(&linger->timer, loop, on_time, linger);
    loop_timer_in(&linger->timer, CONN_LINGER_US);
    check(event_assign(&linger->event, loop_base(loop), descriptor, EV_READ | EV_PERSIST,
                       on_readable, linger) == 0);
    check(event_add(&linger->event, NULL) == 0);
}

void
conn_linger_close_all(struct loop *loop)
{
    while (!LIST_EMPTY(&loop->lingering))
        finish(LIST_FIRST(&loop->lingering));
}
