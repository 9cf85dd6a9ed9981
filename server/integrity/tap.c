/* One ring for each worker, a gate for all of them, and the reader that merges them. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Positions in a ring only grow; their remainder is a place. A record is a header and the segment,
 * in one piece: where the ring's end is too near, a header with SKIP leads back to its start.
 *
 *   | header | segment | pad to 8 | header | segment | pad | SKIP ... |
 *   ^ tail, moved by the reader                      ^ head, moved by the worker
 *
 * The worker publishes head with release after the bytes, the reader gives tail back with release
 * after it has read: each acquires the other's. */
#include "integrity/tap.h"

#include <stdatomic.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/method.h"

enum { TAP_MAGIC = 0x54415021, ALIGN = 8 };

#define SKIP UINT32_MAX
#define NONE UINT32_MAX
static const uint64_t second_ns = UINT64_C(1000000000);

struct header {
    uint32_t n_bytes; /* of the segment; SKIP: go on at the ring's start */
    uint8_t verdict, rule;
    uint64_t rules;
    uint64_t mono_us; /* the order over the rings */
    int64_t received_ms;
};

/* Counted by the worker alone, read by the reader. */
enum count { SEEN, MATCHED, OVER_RATE, NO_ROOM, TOO_LARGE, COUNTS };

struct ring {
    _Atomic(uint8_t *) bytes; /* NULL: not open */
    _Atomic uint64_t head;
    _Atomic uint64_t counts[COUNTS];
    char line[64]; /* the reader's position lies in another line of memory than the worker's */
    _Atomic uint64_t tail;
};

struct tap {
    uint32_t magic;
    struct tap_settings settings;
    _Atomic uint64_t due_ns; /* when the rate would be kept to the last one passed */
    _Atomic bool is_refused;
    struct ring *rings;
    /* The reader's. */
    uint32_t peeked; /* NONE: no item was peeked at */
    uint64_t peeked_end;
};

struct tap *
tap_new(const struct tap_settings *settings)
{
    struct tap *tap = mem_new(struct tap);
    check(settings->rate >= 1 && settings->rate <= TAP_MAX_RATE && settings->n_rings > 0);
    tap->magic = TAP_MAGIC;
    tap->settings = *settings;
    tap->rings = mem_new_n(struct ring, settings->n_rings);
    tap->peeked = NONE;
    return tap;
}

void
tap_free(struct tap **where)
{
    struct tap *tap = *where;
    if (tap == NULL)
        return;
    CHECK_OBJ(tap, TAP_MAGIC);
    for (uint32_t i = 0; i < tap->settings.n_rings; i++)
        check(atomic_load(&tap->rings[i].bytes) == NULL);
    if (tap->settings.filter != NULL)
        filter_free(&tap->settings.filter);
    mem_free(tap->rings);
    tap->magic = 0;
    mem_free(tap);
    *where = NULL;
}

bool
tap_open(struct tap *tap, uint32_t index, struct budget *budget)
{
    CHECK_OBJ(tap, TAP_MAGIC);
    check(index < tap->settings.n_rings);
    bool has_room = budget_take(budget, TAP_RING_BYTES);
    if (has_room && budget_level(budget) >= BUDGET_HOLD) {
        budget_give(budget, TAP_RING_BYTES); /* or agents would stall for an onlooker */
        has_room = false;
    }
    if (!has_room) {
        atomic_store(&tap->is_refused, true);
        return false;
    }
    atomic_store_explicit(&tap->rings[index].bytes, mem_alloc(TAP_RING_BYTES),
                          memory_order_release);
    return true;
}

void
tap_close(struct tap *tap, uint32_t index, struct budget *budget)
{
    CHECK_OBJ(tap, TAP_MAGIC);
    uint8_t *bytes = atomic_exchange(&tap->rings[index].bytes, NULL);
    if (bytes == NULL)
        return;
    mem_free(bytes);
    budget_give(budget, TAP_RING_BYTES);
}

static void
count(struct ring *ring, enum count which)
{
    uint64_t n = atomic_load_explicit(&ring->counts[which], memory_order_relaxed);
    atomic_store_explicit(&ring->counts[which], n + 1, memory_order_relaxed);
}

/* The rule that decided, else the one found most often. */
static enum rule
top_rule(const struct judgement *judgement)
{
    enum rule top = judgement->reason;
    uint32_t most = 0;
    for (uint64_t rest = judgement->reason == RULE_COUNT ? judgement->rules : 0; rest != 0;
         rest &= rest - 1) {
        enum rule rule = (enum rule)__builtin_ctzll(rest);
        if (judgement->n_counts[rule] > most) {
            most = judgement->n_counts[rule];
            top = rule;
        }
    }
    return top;
}

static bool
matches(const struct tap *tap, struct bytes message, const struct judgement *judgement)
{
    const struct tap_settings *settings = &tap->settings;
    const struct segment_view *segment = judgement->segment;
    if (settings->verdicts != 0 && (settings->verdicts >> judgement->verdict & 1) == 0)
        return false;
    if (settings->filter == NULL)
        return true;
    struct filter_item item = {
        .rules = judgement->rules,
        .verdict = bytes_str(verdict_label(judgement->verdict)),
        .signal = bytes_str(signal_label(SIGNAL_TRACING)),
        .method = bytes_str(method_row(METHOD_SEGMENT_COLLECT)->path),
        .n_bytes = message.n,
        .segment = segment,
    };
    if (judgement->reason != RULE_COUNT)
        item.rule = bytes_str(rule_row(judgement->reason)->name);
    if (segment != NULL) {
        item.service = segment->service;
        item.instance = segment->instance;
        item.trace_id = segment->trace_id;
        item.segment_id = segment->segment_id;
        item.n_spans = segment->n_spans;
    }
    return filter_matches(settings->filter, &item);
}

/* A bucket that holds a second's worth, as one number: the time at which it would be full again. */
static bool
passes_rate(struct tap *tap)
{
    uint64_t now_ns = clock_mono_us() * 1000, step_ns = second_ns / tap->settings.rate;
    uint64_t due_ns = atomic_load_explicit(&tap->due_ns, memory_order_relaxed), next_ns;
    do {
        next_ns = (due_ns > now_ns ? due_ns : now_ns) + step_ns;
        if (next_ns > now_ns + second_ns)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&tap->due_ns, &due_ns, next_ns,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

/* Room for so many bytes in one piece; *at is their position. False: the reader is too slow. */
static bool
reserve(struct ring *ring, uint8_t *bytes, uint64_t n, uint64_t *at)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    uint64_t to_end = TAP_RING_BYTES - head % TAP_RING_BYTES;
    uint64_t skipped = to_end < n ? to_end : 0;
    if (head + skipped + n - tail > TAP_RING_BYTES)
        return false;
    if (skipped > 0)
        memcpy(bytes + head % TAP_RING_BYTES, &(uint32_t){SKIP}, sizeof(uint32_t));
    *at = head + skipped;
    return true;
}

static uint64_t
record_bytes(uint32_t n_bytes)
{
    return (sizeof(struct header) + n_bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static bool
put(struct ring *ring, struct bytes message, const struct judgement *judgement)
{
    struct header header = {
        .n_bytes = (uint32_t)message.n,
        .verdict = (uint8_t)judgement->verdict,
        .rule = (uint8_t)top_rule(judgement),
        .rules = judgement->rules,
        .mono_us = clock_mono_us(),
        .received_ms = clock_unix_ms(),
    };
    uint8_t *bytes = atomic_load_explicit(&ring->bytes, memory_order_relaxed);
    uint64_t at, n = record_bytes(header.n_bytes);
    if (!reserve(ring, bytes, n, &at))
        return false;
    memcpy(bytes + at % TAP_RING_BYTES, &header, sizeof(header));
    if (message.n > 0)
        memcpy(bytes + at % TAP_RING_BYTES + sizeof(header), message.p, message.n);
    atomic_store_explicit(&ring->head, at + n, memory_order_release);
    return true;
}

void
tap_offer(struct tap *tap, uint32_t index, struct bytes message, const struct judgement *judgement)
{
    struct ring *ring = &tap->rings[index];
    count(ring, SEEN);
    if (!matches(tap, message, judgement))
        return;
    count(ring, MATCHED);
    if (message.n > TAP_SEGMENT_MAX_BYTES)
        count(ring, TOO_LARGE);
    else if (!passes_rate(tap))
        count(ring, OVER_RATE);
    else if (!put(ring, message, judgement))
        count(ring, NO_ROOM);
}

/* The oldest record of one ring; its end is where the next one begins. */
static const uint8_t *
first_of(struct ring *ring, struct header *header, uint64_t *end)
{
    const uint8_t *bytes = atomic_load_explicit(&ring->bytes, memory_order_acquire);
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    if (bytes == NULL || atomic_load_explicit(&ring->head, memory_order_acquire) == tail)
        return NULL;
    uint32_t n_bytes;
    memcpy(&n_bytes, bytes + tail % TAP_RING_BYTES, sizeof(n_bytes));
    if (n_bytes == SKIP)
        tail += TAP_RING_BYTES - tail % TAP_RING_BYTES;
    memcpy(header, bytes + tail % TAP_RING_BYTES, sizeof(*header));
    *end = tail + record_bytes(header->n_bytes);
    return bytes + tail % TAP_RING_BYTES + sizeof(*header);
}

bool
tap_peek(struct tap *tap, struct tap_item *out)
{
    uint64_t oldest_us = UINT64_MAX;
    CHECK_OBJ(tap, TAP_MAGIC);
    tap->peeked = NONE;
    for (uint32_t i = 0; i < tap->settings.n_rings; i++) {
        struct header header;
        uint64_t end;
        const uint8_t *payload = first_of(&tap->rings[i], &header, &end);
        if (payload == NULL || header.mono_us >= oldest_us)
            continue;
        oldest_us = header.mono_us;
        tap->peeked = i;
        tap->peeked_end = end;
        *out = (struct tap_item){
            .received_ms = header.received_ms,
            .verdict = (enum verdict)header.verdict,
            .rule = (enum rule)header.rule,
            .rules = header.rules,
            .payload = bytes_of(payload, header.n_bytes),
        };
    }
    return tap->peeked != NONE;
}

void
tap_take(struct tap *tap)
{
    check(tap->peeked != NONE);
    atomic_store_explicit(&tap->rings[tap->peeked].tail, tap->peeked_end, memory_order_release);
    tap->peeked = NONE;
}

bool
tap_is_refused(const struct tap *tap)
{
    return atomic_load_explicit(&tap->is_refused, memory_order_relaxed);
}

bool
tap_is_open(const struct tap *tap)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < tap->settings.n_rings; i++)
        n += atomic_load_explicit(&tap->rings[i].bytes, memory_order_relaxed) != NULL;
    return n == tap->settings.n_rings;
}

void
tap_counts(const struct tap *tap, struct tap_counts *out)
{
    uint64_t sums[COUNTS] = {0};
    for (uint32_t i = 0; i < tap->settings.n_rings; i++)
        for (uint32_t k = 0; k < COUNTS; k++)
            sums[k] += atomic_load_explicit(&tap->rings[i].counts[k], memory_order_relaxed);
    *out = (struct tap_counts){
        .n_seen = sums[SEEN],
        .n_matched = sums[MATCHED],
        .n_over_rate = sums[OVER_RATE],
        .n_no_room = sums[NO_ROOM],
        .n_too_large = sums[TOO_LARGE],
    };
}
