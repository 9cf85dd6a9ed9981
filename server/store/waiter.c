/* ack: forwarded: who is answered when a backend has taken what he sent. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Each cookie has a queue of waiters, one for each turn in which it put something, told in order:
 * credit of a stream covers all bytes before it. */
#include "base/mem.h"
#include "store/store_int.h"

enum { FIRST_BUCKETS = 64, KEEP = 1024 };

void
waiter_init_all(struct store *store)
{
    TAILQ_INIT(&store->ready_cookies);
    TAILQ_INIT(&store->segments);
    TAILQ_INIT(&store->cookies.free_queues);
    TAILQ_INIT(&store->cookies.free_waiters);
}

/* The table. */

static struct cookie_queue **
bucket_of(const struct cookie_table *table, const void *cookie)
{
    uint64_t mixed = (uint64_t)(uintptr_t)cookie * UINT64_C(0x9e3779b97f4a7c15);
    return &table->buckets[mixed >> 32 & (table->size - 1)];
}

static void
grow(struct cookie_table *table)
{
    struct cookie_table old = *table;
    table->size = old.size > 0 ? old.size * 2 : FIRST_BUCKETS;
    table->buckets = mem_new_n(struct cookie_queue *, table->size);
    for (uint32_t i = 0; i < old.size; i++) {
        struct cookie_queue *queue, *next;
        for (queue = old.buckets[i]; queue != NULL; queue = next) {
            struct cookie_queue **bucket = bucket_of(table, queue->cookie);
            next = queue->next;
            queue->next = *bucket;
            *bucket = queue;
        }
    }
    mem_free(old.buckets);
}

static struct cookie_queue *
new_queue(struct cookie_table *table)
{
    struct cookie_queue *queue = TAILQ_FIRST(&table->free_queues);
    if (queue == NULL)
        return mem_new(struct cookie_queue);
    TAILQ_REMOVE(&table->free_queues, queue, ready_link);
    table->n_free_queues--;
    *queue = (struct cookie_queue){0};
    return queue;
}

static struct cookie_queue *
queue_of(struct cookie_table *table, void *cookie)
{
    struct cookie_queue *queue = table->size > 0 ? *bucket_of(table, cookie) : NULL;
    while (queue != NULL && queue->cookie != cookie)
        queue = queue->next;
    if (queue != NULL)
        return queue;
    if (table->n == table->size)
        grow(table);
    table->n++;
    queue = new_queue(table);
    queue->cookie = cookie;
    TAILQ_INIT(&queue->waiters);
    struct cookie_queue **bucket = bucket_of(table, cookie);
    queue->next = *bucket;
    *bucket = queue;
    return queue;
}

static void
remove_queue(struct cookie_table *table, struct cookie_queue *queue)
{
    struct cookie_queue **at = bucket_of(table, queue->cookie);
    while (*at != queue)
        at = &(*at)->next;
    *at = queue->next;
    table->n--;
    if (table->n_free_queues < KEEP) {
        table->n_free_queues++;
        TAILQ_INSERT_HEAD(&table->free_queues, queue, ready_link);
    } else {
        mem_free(queue);
    }
}

/* Waiters. */

static struct cookie_waiter *
new_waiter(struct cookie_table *table)
{
    struct cookie_waiter *waiter = TAILQ_FIRST(&table->free_waiters);
    if (waiter == NULL)
        return mem_new(struct cookie_waiter);
    TAILQ_REMOVE(&table->free_waiters, waiter, link);
    table->n_free_waiters--;
    *waiter = (struct cookie_waiter){0};
    return waiter;
}

static void
free_waiter(struct cookie_table *table, struct cookie_waiter *waiter)
{
    if (table->n_free_waiters == KEEP) {
        mem_free(waiter);
        return;
    }
    table->n_free_waiters++;
    TAILQ_INSERT_HEAD(&table->free_waiters, waiter, link);
}

/* It is looked at when the turn ends. */
static void
set_ready(struct store *store, struct cookie_queue *queue)
{
    if (queue->is_ready)
        return;
    queue->is_ready = true;
    TAILQ_INSERT_TAIL(&store->ready_cookies, queue, ready_link);
}

struct waiter *
waiter_of(struct store *store, void *cookie, uint64_t credit_bytes)
{
    if (cookie == NULL)
        return NULL;
    struct cookie_queue *queue = queue_of(&store->cookies, cookie);
    struct cookie_waiter *waiter = TAILQ_LAST(&queue->waiters, cookie_waiter_list);
    if (waiter == NULL || waiter->is_sealed) {
        waiter = new_waiter(&store->cookies);
        waiter->queue = queue;
        TAILQ_INSERT_TAIL(&queue->waiters, waiter, link);
    }
    waiter->credit_bytes += credit_bytes;
    waiter->n_records++;
    waiter->waiter.n_open++;
    set_ready(store, queue);
    return &waiter->waiter;
}

void
waiter_keep_order(struct store *store, struct waiter *face)
{
    struct cookie_waiter *waiter = (struct cookie_waiter *)face;
    if (waiter == NULL || waiter->is_in_order)
        return;
    waiter->is_in_order = true;
    TAILQ_INSERT_TAIL(&store->segments, waiter, in_order);
}

struct waiter *
waiter_of_copy(struct store *store, void *cookie, uint64_t credit_bytes)
{
    if (cookie == NULL)
        return NULL;
    struct cookie_waiter *last =
        TAILQ_LAST(&queue_of(&store->cookies, cookie)->waiters, cookie_waiter_list);
    if (last != NULL && last != TAILQ_LAST(&store->segments, cookie_waiter_list))
        last->is_sealed = true; /* the original may stand between */
    struct waiter *waiter = waiter_of(store, cookie, credit_bytes);
    waiter_keep_order(store, waiter);
    ((struct cookie_waiter *)waiter)->is_copy = true;
    return waiter;
}

void
waiter_end(struct store *store, struct waiter *waiter)
{
    check(waiter->n_open > 0);
    if (--waiter->n_open > 0 || waiter->is_group)
        return; /* groups are looked at in order, once a turn */
    set_ready(store, ((struct cookie_waiter *)waiter)->queue);
}

void
waiter_end_of_group(struct store *store, struct store_item *item)
{
    if (item->waiter == NULL || !item->waiter->is_group)
        return;
    waiter_end(store, item->waiter);
    item->waiter = NULL;
}

static bool
is_behind(const struct store *store, const struct cookie_waiter *waiter)
{
    return waiter->is_copy && waiter != TAILQ_FIRST(&store->segments);
}

/* A copy that has nobody before it any more is looked at. */
static void
leave_order(struct store *store, struct cookie_waiter *waiter)
{
    if (!waiter->is_in_order)
        return;
    TAILQ_REMOVE(&store->segments, waiter, in_order);
    struct cookie_waiter *first = TAILQ_FIRST(&store->segments);
    if (first != NULL && first->is_copy)
        set_ready(store, first->queue);
}

/* The next waiter that is through, out of its queue; NULL: the queue may be gone. */
static struct cookie_waiter *
next_ended(struct store *store, struct cookie_queue *queue)
{
    struct cookie_waiter *waiter = TAILQ_FIRST(&queue->waiters);
    if (waiter == NULL && !queue->is_ready)
        remove_queue(&store->cookies, queue);
    if (waiter == NULL || waiter->waiter.n_open > 0 || is_behind(store, waiter))
        return NULL;
    TAILQ_REMOVE(&queue->waiters, waiter, link);
    leave_order(store, waiter);
    return waiter;
}

static void
tell_queue(struct store *store, struct cookie_queue *queue)
{
    struct cookie_waiter *waiter = TAILQ_LAST(&queue->waiters, cookie_waiter_list);
    if (waiter != NULL) /* those before it are */
        waiter->is_sealed = true;
    while ((waiter = next_ended(store, queue)) != NULL) {
        store->callbacks.on_settled(store->callbacks.ctx, queue->cookie, waiter->credit_bytes,
                                    waiter->n_records);
        free_waiter(&store->cookies, waiter);
    }
}

void
waiter_tell(struct store *store)
{
    struct cookie_queue *queue;
    while ((queue = TAILQ_FIRST(&store->ready_cookies)) != NULL) {
        TAILQ_REMOVE(&store->ready_cookies, queue, ready_link);
        queue->is_ready = false;
        tell_queue(store, queue);
    }
}

void
waiter_fini_all(struct store *store)
{
    struct cookie_table *table = &store->cookies;
    struct cookie_queue *queue;
    struct cookie_waiter *waiter;
    while ((queue = TAILQ_FIRST(&store->ready_cookies)) != NULL) {
        TAILQ_REMOVE(&store->ready_cookies, queue, ready_link);
        queue->is_ready = false;
        while ((waiter = next_ended(store, queue)) != NULL)
            free_waiter(table, waiter);
    }
    check(table->n == 0);
    while ((queue = TAILQ_FIRST(&table->free_queues)) != NULL) {
        TAILQ_REMOVE(&table->free_queues, queue, ready_link);
        mem_free(queue);
    }
    while ((waiter = TAILQ_FIRST(&table->free_waiters)) != NULL) {
        TAILQ_REMOVE(&table->free_waiters, waiter, link);
        mem_free(waiter);
    }
    mem_free(table->buckets);
}
