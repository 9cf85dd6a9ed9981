/* One epoll loop of a test program: descriptors, turns, the time. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "loop.h"

#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

int64_t
now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void
loop_init(struct loop *loop)
{
    loop->poll = epoll_create1(EPOLL_CLOEXEC);
    loop->dead = NULL;
}

static void
free_dead(struct loop *loop)
{
    while (loop->dead) {
        struct watch *next = loop->dead->next_dead;
        mem_free(loop->dead);
        loop->dead = next;
    }
}

void
loop_fini(struct loop *loop)
{
    free_dead(loop);
    close(loop->poll);
}

struct watch *
loop_watch(struct loop *loop, int fd, watch_fn fn, void *arg)
{
    struct watch *watch = mem_new(struct watch);
    watch->fd = fd;
    watch->fn = fn;
    watch->arg = arg;
    struct epoll_event event = {EPOLLIN, {.ptr = watch}};
    epoll_ctl(loop->poll, EPOLL_CTL_ADD, fd, &event);
    return watch;
}

void
loop_want_write(struct loop *loop, struct watch *watch, bool want)
{
    struct epoll_event event = {EPOLLIN | (want ? EPOLLOUT : 0u), {.ptr = watch}};
    epoll_ctl(loop->poll, EPOLL_CTL_MOD, watch->fd, &event);
}

void
loop_close(struct loop *loop, struct watch *watch)
{
    close(watch->fd);
    watch->fn = NULL;
    watch->next_dead = loop->dead;
    loop->dead = watch;
}

void
loop_turn(struct loop *loop, int timeout_ms)
{
    struct epoll_event events[64];
    int n = epoll_wait(loop->poll, events, 64, timeout_ms);
    for (int i = 0; i < n; i++) {
        struct watch *watch = events[i].data.ptr;
        bool failed = events[i].events & (EPOLLERR | EPOLLHUP);
        if (watch->fn)
            watch->fn(watch->arg, failed || events[i].events & EPOLLIN,
                      failed || events[i].events & EPOLLOUT);
    }
    free_dead(loop);
}
