/* The loop's turns, what runs at their end, mail and signals, over libevent. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "net/loop.h"

#include <event2/event.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/conn_linger_int.h"
#include "net/loop_int.h"

enum { TURN_MAGIC = 0x7475726e, SIGNAL_MAGIC = 0x7369676e };

struct loop_turn {
    TAILQ_ENTRY(loop_turn) link;
    uint32_t magic;
    int order;
    bool is_removed;
    void (*on_turn)(void *ctx);
    void *ctx;
    struct loop *loop;
};

struct loop_signal {
    uint32_t magic;
    struct loop *loop;
    struct event *event;
    void (*on_signal)(void *ctx);
    void *ctx;
};

/* The loop that this thread is running. */
static _Thread_local const struct loop *loop_here;

static void
run_deferred(void *ctx)
{
    struct loop *loop = ctx;
    /* What is freed may defer more. */
    for (uint32_t i = 0; i < loop->n_deferred; i++) {
        struct loop_deferred deferred = loop->deferred[i];
        deferred.free_it(deferred.object);
    }
    loop->n_deferred = 0;
}

void
loop_free_later(struct loop *loop, void (*free_it)(void *object), void *object)
{
    loop_assert_here(loop);
    if (loop->n_deferred == loop->deferred_size) {
        loop->deferred_size = loop->deferred_size ? loop->deferred_size * 2 : 64;
        loop->deferred =
            mem_resize(loop->deferred, loop->deferred_size * sizeof(loop->deferred[0]));
    }
    loop->deferred[loop->n_deferred++] = (struct loop_deferred){free_it, object};
}

static void
deliver_mail(struct loop *loop)
{
    struct loop_letter_list letters = STAILQ_HEAD_INITIALIZER(letters);
    pthread_mutex_lock(&loop->mail_lock);
    STAILQ_CONCAT(&letters, &loop->mail);
    pthread_mutex_unlock(&loop->mail_lock);
    while (!STAILQ_EMPTY(&letters)) {
        struct loop_letter *letter = STAILQ_FIRST(&letters);
        STAILQ_REMOVE_HEAD(&letters, link);
        letter->on_mail(letter);
    }
}

static void
on_mail_ready(evutil_socket_t descriptor, short what, void *ctx)
{
    (void)what;
    struct loop *loop = ctx;
    CHECK_OBJ(loop, LOOP_MAGIC);
    loop_enter(loop);
    uint64_t n;
    ssize_t got = read(descriptor, &n, sizeof(n));
    (void)got; /* EAGAIN: the queue is looked at all the same */
    deliver_mail(loop);
}

static void
ring(struct loop *loop)
{
    uint64_t one = 1;
    ssize_t put = write(loop->mail_descriptor, &one, sizeof(one));
    (void)put; /* fails only when the counter is full, and then the loop wakes up anyway */
}

void
loop_mail_send(struct loop *loop, struct loop_letter *letter)
{
    pthread_mutex_lock(&loop->mail_lock);
    bool was_empty = STAILQ_EMPTY(&loop->mail);
    STAILQ_INSERT_TAIL(&loop->mail, letter, link);
    pthread_mutex_unlock(&loop->mail_lock);
    if (was_empty)
        ring(loop);
}

static void
on_patience(evutil_socket_t descriptor, short what, void *ctx)
{
    (void)descriptor;
    (void)what;
    (void)ctx;
}

static struct event_base *
new_base(void)
{
    struct event_config *config = event_config_new();
    check(config != NULL);
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    check(base != NULL);
    return base;
}

struct loop *
loop_new(void)
{
    struct loop *loop = mem_new(struct loop);
    loop->magic = LOOP_MAGIC;
    loop->base = new_base();
    loop->read_buffer = mem_alloc(LOOP_READ_BUFFER_BYTES);
    TAILQ_INIT(&loop->turns);
    LIST_INIT(&loop->alarms);
    LIST_INIT(&loop->lingering);
    STAILQ_INIT(&loop->mail);
    atomic_init(&loop->is_stopped, false);
    atomic_init(&loop->is_running, false);
    check(pthread_mutex_init(&loop->mail_lock, NULL) == 0);
    loop->mail_descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    check(loop->mail_descriptor >= 0);
    loop->mail_event =
        event_new(loop->base, loop->mail_descriptor, EV_READ | EV_PERSIST, on_mail_ready, loop);
    check(loop->mail_event != NULL && event_add(loop->mail_event, NULL) == 0);
    loop->patience = event_new(loop->base, -1, 0, on_patience, NULL);
    check(loop->patience != NULL);
    loop_wheel_init(loop);
    loop->free_turn = loop_turn_add(loop, TURN_FREE, run_deferred, loop);
    return loop;
}

void
loop_free(struct loop **where)
{
    struct loop *loop = *where;
    if (loop == NULL)
        return;
    CHECK_OBJ(loop, LOOP_MAGIC);
    check(!atomic_load(&loop->is_running));
    do {
        deliver_mail(loop);
        run_deferred(loop);
    } while (!STAILQ_EMPTY(&loop->mail));
    conn_linger_close_all(loop);
    loop_turn_remove(&loop->free_turn);
    check(TAILQ_EMPTY(&loop->turns) && LIST_EMPTY(&loop->alarms) && loop->wheel.n_armed == 0);
    loop_wheel_fini(loop);
    event_free(loop->patience);
    event_free(loop->mail_event);
    event_base_free(loop->base);
    close(loop->mail_descriptor);
    pthread_mutex_destroy(&loop->mail_lock);
    mem_free(loop->deferred);
    mem_free(loop->read_buffer);
    loop->magic = 0;
    mem_free(loop);
    *where = NULL;
}

void
loop_enter(struct loop *loop)
{
    if (loop->turn_begun)
        return;
    loop->turn_begun = true;
    loop->turn_started_us = clock_fresh_us();
}

struct event_base *
loop_base(const struct loop *loop)
{
    return loop->base;
}

static void
sweep_hooks(struct loop *loop)
{
    struct loop_turn *turn = TAILQ_FIRST(&loop->turns);
    while (turn != NULL) {
        struct loop_turn *next = TAILQ_NEXT(turn, link);
        if (turn->is_removed) {
            TAILQ_REMOVE(&loop->turns, turn, link);
            mem_free(turn);
        }
        turn = next;
    }
    loop->hooks_removed = false;
}

static void
run_hooks(struct loop *loop)
{
    struct loop_turn *turn;
    loop->in_hooks = true;
    TAILQ_FOREACH(turn, &loop->turns, link)
    {
        CHECK_OBJ(turn, TURN_MAGIC);
        if (!turn->is_removed)
            turn->on_turn(turn->ctx);
    }
    loop->in_hooks = false;
    if (loop->hooks_removed)
        sweep_hooks(loop);
}

static void
run_turn(struct loop *loop, int flags)
{
    loop->turn_begun = false;
    if (loop->n_deferred > 0)
        flags = EVLOOP_NONBLOCK;
    check(event_base_loop(loop->base, flags) >= 0);
    loop_enter(loop);
    loop_wheel_catch_up(loop);
    run_hooks(loop);
}

static const struct loop *
enter(struct loop *loop)
{
    const struct loop *outer = loop_here;
    check(!atomic_exchange(&loop->is_running, true));
    loop_here = loop;
    return outer;
}

static void
leave(struct loop *loop, const struct loop *outer)
{
    loop_here = outer;
    atomic_store(&loop->is_running, false);
}

void
loop_run(struct loop *loop)
{
    CHECK_OBJ(loop, LOOP_MAGIC);
    const struct loop *outer = enter(loop);
    while (!atomic_exchange(&loop->is_stopped, false))
        run_turn(loop, EVLOOP_ONCE);
    leave(loop, outer);
}

void
loop_run_once(struct loop *loop, uint32_t max_wait_ms)
{
    CHECK_OBJ(loop, LOOP_MAGIC);
    const struct loop *outer = enter(loop);
    struct timeval wait = {max_wait_ms / 1000, max_wait_ms % 1000 * 1000};
    if (max_wait_ms > 0)
        check(event_add(loop->patience, &wait) == 0);
    clock_refresh();
    loop_alarm_catch_up(loop);
    run_turn(loop, max_wait_ms > 0 ? EVLOOP_ONCE : EVLOOP_NONBLOCK);
    event_del(loop->patience);
    leave(loop, outer);
}

void
loop_stop(struct loop *loop)
{
    /* Under the lock, which loop_free takes as well: a loop that sees the flag at once, ends and is
     * freed by its own thread must not go before its bell was rung. */
    pthread_mutex_lock(&loop->mail_lock);
    atomic_store(&loop->is_stopped, true);
    ring(loop);
    pthread_mutex_unlock(&loop->mail_lock);
}

void
loop_assert_here(const struct loop *loop)
{
    /* Before and after the runs it belongs to whoever builds it up and takes it down. */
    check_slow(loop_here == loop || !atomic_load(&loop->is_running));
    (void)loop;
}

uint8_t *
loop_read_buffer(struct loop *loop)
{
    return loop->read_buffer;
}

uint64_t
loop_turn_us(const struct loop *loop)
{
    return clock_fresh_us() - loop->turn_started_us;
}

struct loop_turn *
loop_turn_add(struct loop *loop, int order, void (*on_turn)(void *ctx), void *ctx)
{
    struct loop_turn *turn = mem_new(struct loop_turn), *other;
    turn->magic = TURN_MAGIC;
    turn->order = order;
    turn->on_turn = on_turn;
    turn->ctx = ctx;
    turn->loop = loop;
    TAILQ_FOREACH(other, &loop->turns, link)
    {
        if (other->order > order) {
            TAILQ_INSERT_BEFORE(other, turn, link);
            return turn;
        }
    }
    TAILQ_INSERT_TAIL(&loop->turns, turn, link);
    return turn;
}

void
loop_turn_remove(struct loop_turn **where)
{
    struct loop_turn *turn = *where;
    if (turn == NULL)
        return;
    CHECK_OBJ(turn, TURN_MAGIC);
    turn->is_removed = true;
    turn->loop->hooks_removed = true;
    if (!turn->loop->in_hooks)
        sweep_hooks(turn->loop);
    *where = NULL;
}

static void
on_signal_raised(evutil_socket_t number, short what, void *ctx)
{
    (void)number;
    (void)what;
    struct loop_signal *raised = ctx;
    CHECK_OBJ(raised, SIGNAL_MAGIC);
    loop_enter(raised->loop);
    raised->on_signal(raised->ctx);
}

struct loop_signal *
loop_signal_new(struct loop *loop, int number, void (*on_signal)(void *), void *ctx)
{
    struct loop_signal *made = mem_new(struct loop_signal);
    made->magic = SIGNAL_MAGIC;
    made->loop = loop;
    made->on_signal = on_signal;
    made->ctx = ctx;
    made->event = evsignal_new(loop->base, number, on_signal_raised, made);
    check(made->event != NULL && event_add(made->event, NULL) == 0);
    return made;
}

void
loop_signal_free(struct loop_signal **where)
{
    if (*where == NULL)
        return;
    event_free((*where)->event);
    mem_free(*where);
    *where = NULL;
}
