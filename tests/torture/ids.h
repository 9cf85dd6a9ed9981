/* Numbered messages: their bytes follow from their number, and what became of each is kept. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A message is answered when its call ended OK or its bytes were credited, delivered when the sink
 * answered the call that carried it OK. */
#ifndef TORTURE_IDS_H
#define TORTURE_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum id_kind { KIND_SEGMENT, KIND_LOG, KIND_KEEP_ALIVE, KIND_JVM, N_KINDS };

enum { MESSAGE_MAX_BYTES = 8192 };

/* When a message was delivered last: the life of the service, and milliseconds into the test. */
struct id_delivery {
    uint32_t life, at_ms;
};

struct ids {
    uint64_t first, next; /* those below first are settled: none may come again */
    uint8_t *state;       /* kind, answered, delivered; of first .. next */
    struct id_delivery *deliveries;
    size_t capacity;
    int64_t started_ms; /* Unix; the time in every message */
    uint32_t pad_least, pad_most;
    int64_t begin_us, now_us; /* the sink keeps now up to date */
    uint32_t *lives_end_ms;   /* of each life that ended */
    uint32_t n_lives, lives_capacity;
    uint32_t
        oldest_doubled_ms; /* of what came twice: how long before its life's end it came first */
    uint64_t n_sent, n_answered, n_delivered, n_lost;
    uint64_t n_doubled, n_settled_again, n_unknown, n_altered;
};

void ids_init(struct ids *, uint32_t pad_least, uint32_t pad_most);
void ids_fini(struct ids *);
uint64_t ids_send(struct ids *, enum id_kind);
void ids_answer(struct ids *, uint64_t id);
/* The service died just now. */
void ids_end_life(struct ids *);
/* A message as it reached the sink: finds its number and compares every byte. */
void ids_deliver(struct ids *, enum id_kind, const uint8_t *message, size_t n);
/* Answered and not delivered, so far. */
uint64_t ids_missing(const struct ids *);
/* What is missing now is lost, and nothing of what was sent may come again. */
void ids_settle(struct ids *);
/* Into a buffer of MESSAGE_MAX_BYTES; its length. */
size_t ids_write(const struct ids *, enum id_kind, uint64_t id, uint8_t *out);

uint64_t random_next(uint64_t *state);
/* least .. most, both included. */
uint32_t random_between(uint64_t *state, uint32_t least, uint32_t most);

#endif
