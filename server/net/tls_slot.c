/* The TLS context in use now. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>

#include "base/check.h"
#include "base/mem.h"
#include "net/tls.h"

struct tls_slot {
    pthread_mutex_t lock;
    struct tls_context *context; /* under lock */
};

struct tls_slot *
tls_slot_new(struct tls_context *context)
{
    struct tls_slot *slot = mem_new(struct tls_slot);
    check(pthread_mutex_init(&slot->lock, NULL) == 0);
    slot->context = context;
    return slot;
}

void
tls_slot_free(struct tls_slot **slot)
{
    if (*slot == NULL)
        return;
    tls_context_unref(&(*slot)->context);
    pthread_mutex_destroy(&(*slot)->lock);
    mem_free(*slot);
    *slot = NULL;
}

void
tls_slot_set(struct tls_slot *slot, struct tls_context *context)
{
    pthread_mutex_lock(&slot->lock);
    struct tls_context *before = slot->context;
    slot->context = context;
    pthread_mutex_unlock(&slot->lock);
    tls_context_unref(&before);
}

struct tls_context *
tls_slot_get(struct tls_slot *slot)
{
    pthread_mutex_lock(&slot->lock);
    struct tls_context *context = tls_context_ref(slot->context);
    pthread_mutex_unlock(&slot->lock);
    return context;
}
