/* A table of keys by hash, in order of use, each with its last lives. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/churn.h"

#include <string.h>
#include <sys/queue.h>

#include "base/hash.h"
#include "base/mem.h"
#include "integrity/hash_index.h"

/* A schedule begins its runs so near to whole minutes of each other; a loop drifts by its lives and
 * by the pauses that grow. */
enum { SCHEDULE_MS = 60 * 1000, SCHEDULE_SLACK_MS = 3000 };

struct life {
    uint64_t instance;
    int64_t start_ms, end_ms; /* end 0: it lasts */
    uint32_t n_segments, n_keepalives;
};

struct key {
    uint64_t hash;
    uint64_t holder;
    TAILQ_ENTRY(key) link; /* used last first */
    uint32_t generation;
    uint32_t n_alive;   /* lives that last, those without a slot included */
    int64_t crowded_ms; /* since when there are two or more of them; 0: there are not */
    uint32_t n_lives;
    struct life lives[CHURN_LIVES]; /* in order of start */
};

TAILQ_HEAD(key_list, key);

struct churn {
    struct hash_index index;
    struct key_list keys;
    uint32_t n_keys, generation;
};

struct churn *
churn_new(void)
{
    struct churn *churn = mem_new(struct churn);
    TAILQ_INIT(&churn->keys);
    return churn;
}

void
churn_free(struct churn **churn)
{
    if (*churn == NULL)
        return;
    struct key *key;
    while ((key = TAILQ_FIRST(&(*churn)->keys)) != NULL) {
        TAILQ_REMOVE(&(*churn)->keys, key, link);
        mem_free(key);
    }
    hash_index_fini(&(*churn)->index);
    mem_free(*churn);
    *churn = NULL;
}

uint64_t
churn_n_bytes(const struct churn *churn)
{
    return sizeof(*churn) + hash_index_n_bytes(&churn->index) +
           (uint64_t)churn->n_keys * sizeof(struct key);
}

uint64_t
churn_key(struct bytes service, struct bytes hostname, struct bytes ipv4)
{
    uint64_t hash = hash_bytes_seeded(hostname, hash_bytes(service));
    hash = hash_bytes_seeded(ipv4, hash);
    return hash != 0 ? hash : 1;
}

static void
drop_life(struct key *key, uint32_t i)
{
    key->n_lives--;
    memmove(&key->lives[i], &key->lives[i + 1], (key->n_lives - i) * sizeof(key->lives[0]));
}

/* Lives of long ago leave. */
static void
settle(struct key *key, int64_t now_ms)
{
    while (key->n_lives > 0 && key->lives[0].end_ms != 0 &&
           now_ms - key->lives[0].start_ms > CHURN_WINDOW_MS)
        drop_life(key, 0);
}

static struct key *
find(struct churn *churn, uint64_t hash, int64_t now_ms)
{
    struct key *key = hash_index_find(&churn->index, hash);
    if (key != NULL)
        settle(key, now_ms);
    return key;
}

static struct key *
find_ticket(struct churn *churn, struct churn_ticket ticket, int64_t now_ms)
{
    struct key *key = ticket.key != 0 ? find(churn, ticket.key, now_ms) : NULL;
    return key != NULL && key->generation == ticket.generation ? key : NULL;
}

static void
evict(struct churn *churn)
{
    struct key *key = TAILQ_LAST(&churn->keys, key_list);
    TAILQ_REMOVE(&churn->keys, key, link);
    hash_index_remove(&churn->index, key->hash);
    mem_free(key);
    churn->n_keys--;
}

static struct key *
find_or_add(struct churn *churn, uint64_t hash, int64_t now_ms)
{
    struct key *key = find(churn, hash, now_ms);
    if (key != NULL) {
        TAILQ_REMOVE(&churn->keys, key, link);
    } else {
        if (churn->n_keys == CHURN_KEYS)
            evict(churn);
        key = mem_new(struct key);
        key->hash = hash;
        if (++churn->generation == 0)
            churn->generation = 1;
        key->generation = churn->generation;
        hash_index_add(&churn->index, hash, key);
        churn->n_keys++;
    }
    TAILQ_INSERT_HEAD(&churn->keys, key, link);
    return key;
}

static void
add_alive(struct key *key, int64_t now_ms)
{
    if (++key->n_alive == 2)
        key->crowded_ms = now_ms;
}

static void
remove_alive(struct key *key)
{
    if (key->n_alive > 0)
        key->n_alive--;
    if (key->n_alive < 2)
        key->crowded_ms = 0;
}

/* The instance's last life; CHURN_LIVES: none. */
static uint32_t
find_life(const struct key *key, uint64_t instance)
{
    for (uint32_t i = key->n_lives; i-- > 0;)
        if (key->lives[i].instance == instance)
            return i;
    return CHURN_LIVES;
}

struct churn_ticket
churn_begin(struct churn *churn, uint64_t hash, uint64_t instance, int64_t at_ms)
{
    struct key *key = find_or_add(churn, hash, at_ms);
    add_alive(key, at_ms);
    if (key->n_lives == CHURN_LIVES)
        drop_life(key, 0);
    key->lives[key->n_lives++] = (struct life){.instance = instance, .start_ms = at_ms};
    return (struct churn_ticket){hash, key->generation};
}

void
churn_resume(struct churn *churn, struct churn_ticket ticket, uint64_t instance, int64_t now_ms)
{
    struct key *key = find_ticket(churn, ticket, now_ms);
    if (key == NULL)
        return;
    add_alive(key, now_ms);
    uint32_t i = find_life(key, instance);
    if (i < CHURN_LIVES && i + 1 < key->n_lives)
        key->n_lives = 0; /* others began while it lived: not one after another */
    else if (i < CHURN_LIVES)
        key->lives[i].end_ms = 0;
}

void
churn_forget(struct churn *churn, struct churn_ticket ticket, int64_t now_ms)
{
    struct key *key = find_ticket(churn, ticket, now_ms);
    if (key == NULL)
        return;
    key->n_lives = 0; /* whether it overlaps the next one nobody knows */
    remove_alive(key);
}

/* A job that a clock starts every minute, every five minutes: no loop. */
static bool
is_scheduled(const struct key *key)
{
    for (uint32_t i = 1; i < key->n_lives; i++) {
        int64_t after_ms = key->lives[i].start_ms - key->lives[0].start_ms;
        int64_t gap_ms = key->lives[i].start_ms - key->lives[i - 1].start_ms;
        int64_t off_ms = (after_ms + SCHEDULE_SLACK_MS) % SCHEDULE_MS;
        if (gap_ms < SCHEDULE_MS - SCHEDULE_SLACK_MS || off_ms > 2 * SCHEDULE_SLACK_MS)
            return false;
    }
    return true;
}

static bool
is_loop(const struct key *key)
{
    uint32_t n_ended = 0;
    for (uint32_t i = 0; i < key->n_lives; i++)
        n_ended += key->lives[i].end_ms != 0;
    return n_ended >= CHURN_LEAST_LIVES && !is_scheduled(key);
}

bool
churn_finish(struct churn *churn, struct churn_ticket ticket, uint64_t instance,
             const struct churn_end *end, int64_t at_ms)
{
    struct key *key = find_ticket(churn, ticket, at_ms);
    if (key == NULL)
        return false;
    if (key->crowded_ms != 0 && at_ms - key->crowded_ms > CHURN_SLACK_MS)
        key->n_lives = 0;
    remove_alive(key);
    uint32_t i = find_life(key, instance);
    if (i == CHURN_LIVES || key->lives[i].end_ms != 0)
        return false;
    struct life *life = &key->lives[i];
    if (!end->is_abrupt || at_ms - life->start_ms >= CHURN_LONG_LIFE_MS) {
        key->n_lives = 0;
        return false;
    }
    life->end_ms = at_ms;
    life->n_segments = end->n_segments;
    life->n_keepalives = end->n_keepalives;
    return is_loop(key);
}

static void
tell(struct churn_story *story, const struct key *key)
{
    int64_t first_ms = 0;
    for (uint32_t i = 0; i < key->n_lives; i++) {
        const struct life *life = &key->lives[i];
        if (life->end_ms == 0)
            continue;
        if (story->n_lives++ == 0) {
            first_ms = life->start_ms;
            story->least_segments = life->n_segments;
        }
        int64_t lasted_ms = life->end_ms - life->start_ms;
        story->span_ms = life->end_ms - first_ms;
        if (lasted_ms > story->longest_ms)
            story->longest_ms = lasted_ms;
        if (life->n_segments < story->least_segments)
            story->least_segments = life->n_segments;
        if (life->n_segments > story->most_segments)
            story->most_segments = life->n_segments;
        if (life->n_keepalives > story->most_keepalives)
            story->most_keepalives = life->n_keepalives;
    }
}

bool
churn_look(struct churn *churn, uint64_t hash, int64_t now_ms, struct churn_story *out)
{
    struct key *key = find(churn, hash, now_ms);
    *out = (struct churn_story){0};
    if (key == NULL)
        return false;
    tell(out, key);
    const struct life *last = key->n_lives > 0 ? &key->lives[key->n_lives - 1] : NULL;
    return key->n_lives >= 2 && (last->end_ms != 0 || now_ms - last->start_ms < CHURN_LONG_LIFE_MS);
}

uint64_t
churn_holder(struct churn *churn, uint64_t hash)
{
    const struct key *key = hash_index_find(&churn->index, hash);
    return key != NULL ? key->holder : 0;
}

void
churn_set_holder(struct churn *churn, uint64_t hash, uint64_t instance)
{
    struct key *key = hash_index_find(&churn->index, hash);
    if (key != NULL)
        key->holder = instance;
}
