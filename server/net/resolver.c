/* The resolver's thread and its queue. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A query lies in the queue, then with the thread, then in the loop's mail. Its asker may cancel it
 * at any point, even after the resolver has gone; a loop whose queries are answered or cancelled is
 * not touched any more. */
#include "net/resolver.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"

enum { RESOLVER_MAGIC = 0x7265736f, QUERY_MAGIC = 0x71756572 };

enum query_state {
    QUERY_QUEUED,
    QUERY_TAKEN,   /* by the thread */
    QUERY_DROPPED, /* cancelled meanwhile: the thread frees it */
    QUERY_MAILED,  /* the letter frees it */
    QUERY_LEFT,    /* the resolver went first: cancelling frees it */
};

/* One for all queues: it outlives every resolver. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct resolver_query {
    struct loop_letter letter; /* first: it travels as this */
    uint32_t magic;
    uint16_t port;
    bool is_cancelled;         /* once mailed; the asking loop's */
    enum query_state state;    /* under the lock */
    struct resolver *resolver; /* alive while queued */
    struct loop *loop;
    STAILQ_ENTRY(resolver_query) link;
    void (*on_answer)(void *ctx, const struct resolver_answer *);
    void *ctx;
    char *host;
    struct resolver_answer answer;
};

struct resolver {
    uint32_t magic;
    pthread_t thread;
    pthread_cond_t has_work;
    /* Under the lock. */
    STAILQ_HEAD(, resolver_query) queue;
    bool is_stopping;
};

static void
free_query(struct resolver_query *query)
{
    query->magic = 0;
    mem_free(query->host);
    mem_free(query);
}

static void
deliver(struct loop_letter *letter)
{
    struct resolver_query *query = (struct resolver_query *)letter;
    CHECK_OBJ(query, QUERY_MAGIC);
    if (!query->is_cancelled)
        query->on_answer(query->ctx, &query->answer);
    free_query(query);
}

static void
take_answers(struct resolver_answer *answer, const struct addrinfo *list)
{
    for (; list != NULL && answer->n < RESOLVER_MAX_ADDRESSES; list = list->ai_next) {
        struct net_address *address = &answer->addresses[answer->n];
        if (list->ai_addrlen > sizeof(address->storage))
            continue;
        memcpy(&address->storage, list->ai_addr, list->ai_addrlen);
        address->length = list->ai_addrlen;
        answer->n++;
    }
}

/* flags: AI_NUMERICHOST asks nobody. */
static void
resolve(struct resolver_query *query, int flags)
{
    /* Without AI_ADDRCONFIG: it hides loopback on a host that has no other interface. */
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    char port[8];
    snprintf(port, sizeof(port), "%u", query->port);
    if (getaddrinfo(query->host, port, &hints, &list) == 0) {
        take_answers(&query->answer, list);
        freeaddrinfo(list);
    }
    query->answer.err = query->answer.n > 0 ? ERR_OK : ERR_NAME;
}

/* Under the lock: once cancelled, the query must not find its way to a loop that is gone. */
static void
hand_over(struct resolver_query *query)
{
    if (query->state == QUERY_DROPPED) {
        free_query(query);
        return;
    }
    query->state = QUERY_MAILED;
    loop_mail_send(query->loop, &query->letter);
}

static void *
run(void *ctx)
{
    struct resolver *resolver = ctx;
    CHECK_OBJ(resolver, RESOLVER_MAGIC);
    log_set_thread("resolver");
    pthread_mutex_lock(&lock);
    while (!resolver->is_stopping) {
        struct resolver_query *query = STAILQ_FIRST(&resolver->queue);
        if (query == NULL) {
            pthread_cond_wait(&resolver->has_work, &lock);
            continue;
        }
        STAILQ_REMOVE_HEAD(&resolver->queue, link);
        query->state = QUERY_TAKEN;
        pthread_mutex_unlock(&lock);
        resolve(query, 0);
        pthread_mutex_lock(&lock);
        hand_over(query);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* Signals are the control thread's. */
static void
start_thread(struct resolver *resolver)
{
    sigset_t all, before;
    sigfillset(&all);
    check(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    check(pthread_create(&resolver->thread, NULL, run, resolver) == 0);
    check(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
}

struct resolver *
resolver_new(void)
{
    struct resolver *resolver = mem_new(struct resolver);
    resolver->magic = RESOLVER_MAGIC;
    STAILQ_INIT(&resolver->queue);
    check(pthread_cond_init(&resolver->has_work, NULL) == 0);
    start_thread(resolver);
    return resolver;
}

void
resolver_free(struct resolver **where)
{
    struct resolver *resolver = *where;
    struct resolver_query *query;
    if (resolver == NULL)
        return;
    CHECK_OBJ(resolver, RESOLVER_MAGIC);
    pthread_mutex_lock(&lock);
    resolver->is_stopping = true;
    pthread_cond_signal(&resolver->has_work);
    /* Those who asked still hold these: resolver_cancel frees them. */
    STAILQ_FOREACH(query, &resolver->queue, link)
    query->state = QUERY_LEFT;
    STAILQ_INIT(&resolver->queue);
    pthread_mutex_unlock(&lock);
    check(pthread_join(resolver->thread, NULL) == 0);
    pthread_cond_destroy(&resolver->has_work);
    resolver->magic = 0;
    mem_free(resolver);
    *where = NULL;
}

struct resolver_query *
resolver_ask(struct resolver *resolver, struct loop *loop, const char *host, uint16_t port,
             void (*on_answer)(void *ctx, const struct resolver_answer *), void *ctx)
{
    CHECK_OBJ(resolver, RESOLVER_MAGIC);
    struct resolver_query *query = mem_new(struct resolver_query);
    query->magic = QUERY_MAGIC;
    query->letter.on_mail = deliver;
    query->resolver = resolver;
    query->loop = loop;
    query->host = mem_string(host);
    query->port = port;
    query->on_answer = on_answer;
    query->ctx = ctx;
    resolve(query, AI_NUMERICHOST);
    if (query->answer.err == ERR_OK) {
        query->state = QUERY_MAILED;
        loop_mail_send(loop, &query->letter);
        return query;
    }
    pthread_mutex_lock(&lock);
    STAILQ_INSERT_TAIL(&resolver->queue, query, link);
    pthread_cond_signal(&resolver->has_work);
    pthread_mutex_unlock(&lock);
    return query;
}

void
resolver_cancel(struct resolver_query **where)
{
    struct resolver_query *query = *where;
    if (query == NULL)
        return;
    *where = NULL;
    CHECK_OBJ(query, QUERY_MAGIC);
    bool is_ours = false;
    pthread_mutex_lock(&lock);
    if (query->state == QUERY_QUEUED)
        STAILQ_REMOVE(&query->resolver->queue, query, resolver_query, link);
    if (query->state == QUERY_QUEUED || query->state == QUERY_LEFT)
        is_ours = true;
    else if (query->state == QUERY_TAKEN)
        query->state = QUERY_DROPPED;
    else
        query->is_cancelled = true;
    pthread_mutex_unlock(&lock);
    if (is_ours)
        free_query(query);
}
