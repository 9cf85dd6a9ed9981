/* Turns findings into edits: repairs and tags, span by span, applied once. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/integrity_int.h"
#include "integrity/rule_list.h"

enum { BYTES_PER_TAG = 256, BYTES_PER_FLAG = 1024, BYTES_EXTRA = 4096 };

/* By rule; NULL where the table allows no repair, or the walker does it. */
static rule_repair_fn *const repairs[RULE_COUNT] = {
    [RULE_span_blank] = repair_span_blank,
    [RULE_span_id_duplicate] = repair_span_id_duplicate,
    [RULE_span_end_unset] = repair_span_end_unset,
    [RULE_span_end_before_start] = repair_span_end_before_start,
    [RULE_tag_blank] = repair_tag_blank,
    [RULE_poison_cache_tag_repeat] = repair_poison_cache_tag_repeat,
    [RULE_poison_logic_endpoint] = repair_poison_logic_endpoint,
    [RULE_poison_transmission_latency] = repair_poison_transmission_latency,
};

/* Repairs what can be repaired on one span and gives the rules to tag it with. */
static uint64_t
repair_span(const struct integrity *integrity, struct repair *repair,
            const struct flagged_span *flagged)
{
    uint64_t to_tag = 0;
    for (uint64_t rest = flagged->rules; rest != 0; rest &= rest - 1) {
        enum rule rule = (enum rule)__builtin_ctzll(rest);
        enum rule_action action = integrity_action(integrity, rule);
        bool is_repaired = action == ACTION_REPAIR && repairs[rule] != NULL &&
                           repairs[rule](repair, flagged->span);
        if (repair_is_removed(repair, flagged->span))
            return 0;
        if (action >= ACTION_TAG && !is_repaired)
            to_tag |= UINT64_C(1) << rule;
    }
    return to_tag;
}

static uint64_t
rules_to_tag(const struct integrity *integrity, uint64_t rules)
{
    uint64_t to_tag = 0;
    for (; rules != 0; rules &= rules - 1)
        if (integrity_action(integrity, (enum rule)__builtin_ctzll(rules)) == ACTION_TAG)
            to_tag |= rules & -rules;
    return to_tag;
}

/* Repairs first, since what is removed is not tagged; then one tag a span. */
static uint64_t
plan(struct integrity *integrity, struct repair *repair, uint64_t of_segment)
{
    uint64_t all = 0;
    of_segment = rules_to_tag(integrity, of_segment);
    for (uint32_t i = 0; i < integrity->n_flagged; i++) {
        struct flagged_span *flagged = &integrity->flagged[i];
        flagged->rules = repair_span(integrity, repair, flagged);
        /* A blank span is no place for a tag of its own: the segment gets it. */
        of_segment |= flagged->rules & RULE_BIT(span_blank);
        flagged->rules &= ~RULE_BIT(span_blank);
        all |= flagged->rules;
    }
    uint32_t of_all = repair_segment_span(repair);
    for (uint32_t i = 0; i < integrity->n_flagged; i++) {
        struct flagged_span *flagged = &integrity->flagged[i];
        bool is_target = flagged->span == of_all;
        repair_add_tag(repair, flagged->span, flagged->rules | (is_target ? of_segment : 0));
        if (is_target) {
            all |= of_segment;
            of_segment = 0;
        }
    }
    repair_add_tag(repair, of_all, of_segment);
    return all | of_segment;
}

/* Room for the result, the flags by span and tag, and the names and edits of what is flagged. */
static void
make_room(struct integrity *integrity, const struct segment_view *view)
{
    size_t room = 4 * view->raw.n + 2 * (size_t)view->n_spans +
                  BYTES_PER_TAG * (size_t)view->n_tags +
                  BYTES_PER_FLAG * ((size_t)integrity->n_flagged + 1) + BYTES_EXTRA;
    arena_set_limit(integrity->arena, arena_used_bytes(integrity->arena) + room);
}

void
integrity_edit(struct integrity *integrity, const struct rule_context *context,
               uint64_t segment_rules, struct judgement *out)
{
    struct repair repair;
    struct bytes edited;
    make_room(integrity, context->segment);
    repair_init(&repair, integrity->arena, context, &integrity->keys, &integrity->copies);
    uint64_t tagged = plan(integrity, &repair, segment_rules);
    if (repair_apply(&repair, &edited) != ERR_OK || edited.n > MAX_EDITED_BYTES) {
        enum rule reason;
        integrity_strongest(integrity, out->rules, &reason);
        if (repair.n_repairs > 0)
            integrity_reject(out, ACTION_QUARANTINE, reason, out->payload);
        return;
    }
    out->payload = edited;
    if (out->edited || repair.n_repairs > 0)
        out->verdict = VERDICT_REPAIRED;
    else if (tagged != 0)
        out->verdict = VERDICT_TAGGED;
    out->edited = out->edited || repair.n_repairs + repair.n_tags > 0;
}
