/* The engine's memory over messages, and the rules that ask it while a segment is judged. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Source: integrity.md 2, 2.1. Judging only looks: integrity_accept.c puts in. */
#include "base/hash.h"
#include "integrity/integrity_int.h"
#include "integrity/sighting_int.h"

enum {
    SUPERSET_TRIES = 32, /* spans from each end: more would find one by chance */
    MAX_SIGHTING_BYTES = 2 * 1024 * 1024,
    MIN_SIGHTING_BYTES = 256 * 1024,
};

void
integrity_state_new(struct integrity *integrity)
{
    integrity->instances = instance_table_new();
    integrity->duplicates = duplicate_table_new();
    integrity->peers = peer_table_new();
    integrity->batch = 1;
}

void
integrity_state_free(struct integrity *integrity)
{
    instance_table_free(&integrity->instances);
    duplicate_table_free(&integrity->duplicates);
    peer_table_free(&integrity->peers);
    sightings_free(&integrity->sightings);
}

/* Of a worker's share 3/8 are for segment ids and 1/16 each for instances and for a hand-over; the
 * registry of all instances takes the rest (integrity.md 2.1). */
void
integrity_state_set(struct integrity *integrity)
{
    uint64_t n_bytes = integrity->settings.window_bytes;
    bool is_on = integrity->settings.window_s > 0;
    duplicate_table_set_size(integrity->duplicates, is_on ? n_bytes / 8 * 3 : 0);
    if (!is_on)
        peer_table_clear(integrity->peers);
    instance_table_set_size(integrity->instances, n_bytes / 16);
    uint64_t share = n_bytes == 0 ? MAX_SIGHTING_BYTES : n_bytes / 16;
    if (share < MIN_SIGHTING_BYTES)
        share = MIN_SIGHTING_BYTES;
    integrity->max_sighting_bytes = share < MAX_SIGHTING_BYTES ? share : MAX_SIGHTING_BYTES;
}

void
integrity_know(struct integrity *integrity)
{
    if (integrity->instance_hash != 0)
        return;
    const struct segment_view *view = &integrity->view;
    integrity->instance_hash =
        sighting_hash_parts(view->service, view->instance, &integrity->service_hash);
    integrity->known = instance_table_find(integrity->instances, integrity->instance_hash);
}

static uint64_t
never_zero(uint64_t hash)
{
    return hash != 0 ? hash : 1;
}

uint64_t
integrity_content_hash(struct bytes message)
{
    return never_zero(hash_bytes(message));
}

/* Encoders write the fields in order: traceId, traceSegmentId. A guess; BYTES_NONE where the
 * message begins otherwise. */
static struct bytes
guess_id(struct bytes message)
{
    enum { TAG_TRACE_ID = 0x0A, TAG_SEGMENT_ID = 0x12, MAX_ID = 127 };
    size_t at = 0;
    for (int i = 0; i < 2 && message.n - at > 2; i++) {
        uint8_t tag = message.p[at], n = message.p[at + 1];
        at += 2;
        if (n > MAX_ID || n > message.n - at)
            break;
        if (tag == TAG_SEGMENT_ID)
            return bytes_of(message.p + at, n);
        if (tag != TAG_TRACE_ID)
            break;
        at += n;
    }
    return BYTES_NONE;
}

void
integrity_state_early(struct integrity *integrity, struct bytes message)
{
    if (integrity->settings.window_s == 0)
        return;
    integrity->early_id = guess_id(message);
    if (integrity->early_id.n == 0)
        return;
    integrity->early_hash = never_zero(hash_bytes(integrity->early_id));
    duplicate_table_prefetch(integrity->duplicates, integrity->early_hash);
}

void
integrity_state_begin(struct integrity *integrity, struct judgement *out)
{
    struct bytes id = integrity->view.segment_id;
    if (integrity->settings.window_s == 0)
        return;
    bool is_early = id.n > 0 && id.p == integrity->early_id.p && id.n == integrity->early_id.n;
    out->id_hash = is_early ? integrity->early_hash : never_zero(hash_bytes(id));
}

/* Not for secrecy, only to tell spans apart; the odd constants are the golden ratio's and kin. */
static uint16_t
mix_span(const struct span_view *span)
{
    uint64_t x = (uint64_t)(uint32_t)span->id * UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (uint64_t)span->start_ms) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ x >> 29 ^ (uint64_t)span->end_ms) * UINT64_C(0x94D049BB133111EB);
    x = (x ^ x >> 32 ^ (uint64_t)span->raw.n) * UINT64_C(0x9E3779B97F4A7C15);
    return (uint16_t)(x >> 48);
}

uint16_t
integrity_sum_spans(const struct segment_view *view)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < view->n_spans; i++)
        sum += mix_span(&view->spans[i]);
    return (uint16_t)sum;
}

/* Are the spans summed up in old all of these but one, or the first or last few of them? */
static bool
is_superset(const struct segment_view *view, uint16_t old)
{
    uint16_t all = integrity_sum_spans(view), before = 0;
    for (uint32_t i = 0; i < view->n_spans; i++) {
        uint16_t span = mix_span(&view->spans[i]);
        bool is_near_end = i < SUPERSET_TRIES || view->n_spans - i <= SUPERSET_TRIES;
        if (is_near_end && ((uint16_t)(all - span) == old ||
                            (i > 0 && (before == old || (uint16_t)(all - before) == old))))
            return true;
        before = (uint16_t)(before + span);
    }
    return false;
}

/* One earlier segment with this id: what does it make of the segment in view? */
static void
compare(struct integrity *integrity, const struct duplicate_entry *entry, struct judgement *out,
        uint64_t *rules)
{
    bool is_same = ((entry->owner ^ duplicate_owner(integrity->instance_hash)) &
                    (uint16_t)~OWNER_SET_ASIDE) == 0;
    *rules |= is_same ? RULE_BIT(segment_id_reused) : RULE_BIT(segment_id_two_instances);
    if (is_same && is_superset(&integrity->view, entry->spans))
        out->is_superset = true;
    if (integrity->settings.storage_jdbc && (entry->owner & OWNER_SET_ASIDE) == 0)
        *rules |= RULE_BIT(poison_id_again);
}

void
integrity_ask_state(struct integrity *integrity, struct bytes message, struct judgement *out)
{
    const uint64_t no_id = RULE_BIT(segment_id_malformed) | RULE_BIT(string_invalid_utf8_identity);
    const struct duplicate_entry *entries[DUPLICATE_WAYS];
    if ((out->rules & no_id) != 0) {
        out->id_hash = 0;
        return;
    }
    uint32_t n = duplicate_table_find(integrity->duplicates, out->id_hash, integrity->arrival_s,
                                      integrity->settings.window_s, entries);
    if (n == 0)
        return;
    integrity_know(integrity);
    out->content_hash = integrity_content_hash(message);
    uint64_t rules = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (entries[i]->content_hash != out->content_hash) {
            compare(integrity, entries[i], out, &rules);
            continue;
        }
        rules = RULE_BIT(segment_duplicate_identical);
        out->is_superset = false;
        /* One that goes on all the same costs a database its batch. */
        if (integrity->settings.storage_jdbc && (entries[i]->owner & OWNER_SET_ASIDE) == 0 &&
            integrity_action(integrity, RULE_segment_duplicate_identical) != ACTION_DROP)
            rules |= RULE_BIT(poison_id_again);
        break;
    }
    for (; rules != 0; rules &= rules - 1)
        integrity_find(integrity, (enum rule)__builtin_ctzll(rules), SPAN_NONE, out);
}

uint64_t
integrity_state_bytes(const struct integrity *integrity)
{
    return duplicate_table_n_bytes(integrity->duplicates) +
           instance_table_n_bytes(integrity->instances) + peer_table_n_bytes(integrity->peers) +
           (integrity->sightings == NULL ? 0 : sightings_n_bytes(integrity->sightings));
}
