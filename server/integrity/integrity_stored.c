/* Judges every other stored message: bytes, UTF-8, and what OAP would end its stream over. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/integrity_int.h"
#include "message/message.h"

enum { EVENT_LAYER = 9 };
/* Of InstanceProperties and KeyStringValuePair. */
enum {
    PROPERTIES_SERVICE = 1,
    PROPERTIES_INSTANCE = 2,
    PROPERTIES = 3,
    PAIR_KEY = 1,
    PAIR_VALUE = 2
};

static void
ask(struct integrity *integrity, enum message_type type, struct bytes message, bool service_known,
    const struct message_facts *facts, struct judgement *out)
{
    bool is_off = integrity->mode == INTEGRITY_OFF;
    if (facts->unknown_field && !is_off)
        integrity_find(integrity, RULE_proto_unknown_field, SPAN_NONE, out);
    if (facts->invalid_utf8)
        integrity_find(integrity, RULE_string_invalid_utf8, SPAN_NONE, out);
    if (type == MESSAGE_Event && message_string_field(message, EVENT_LAYER).n == 0)
        integrity_find(integrity, RULE_event_layer_empty, SPAN_NONE, out);
    if (type == MESSAGE_LogData && !service_known && !is_off)
        integrity_find(integrity, RULE_log_service_missing, SPAN_NONE, out);
    if (type == MESSAGE_LogData && facts->nul && !is_off)
        integrity_find(integrity, RULE_log_nul, SPAN_NONE, out);
}

static void
on_property(void *ctx, struct bytes property)
{
    struct instance_properties *properties = ctx;
    struct bytes key = message_string_field(property, PAIR_KEY);
    struct bytes value = message_string_field(property, PAIR_VALUE);
    if (bytes_equal(key, BYTES("language")))
        properties->language = value;
    else if (bytes_equal(key, BYTES("hostname")))
        properties->hostname = value;
    else if (bytes_equal(key, BYTES("ipv4")) && properties->ipv4.n == 0)
        properties->ipv4 = value; /* the first of several */
}

void
integrity_read_properties(struct bytes message, struct instance_properties *out)
{
    *out = (struct instance_properties){BYTES_NONE, BYTES_NONE, BYTES_NONE};
    if (message_each_field(message, PROPERTIES, on_property, out) != ERR_OK)
        *out = (struct instance_properties){BYTES_NONE, BYTES_NONE, BYTES_NONE};
}

void
integrity_learn(struct integrity *integrity, struct bytes message)
{
    struct instance_properties properties;
    integrity_read_properties(message, &properties);
    if (properties.language.n == 0)
        return;
    uint64_t hash = sighting_hash(message_string_field(message, PROPERTIES_SERVICE),
                                  message_string_field(message, PROPERTIES_INSTANCE));
    struct instance_entry *entry = instance_table_put(integrity->instances, hash);
    entry->language = (uint8_t)agent_language_of(properties.language);
}

static bool
is_to_repair(const struct integrity *integrity, enum rule rule, const struct judgement *judgement)
{
    return (judgement->rules >> rule & 1) != 0 &&
           integrity_action(integrity, rule) == ACTION_REPAIR;
}

static void
settle(struct integrity *integrity, enum message_type type, struct bytes message,
       struct judgement *out)
{
    enum rule reason;
    enum rule_action strongest = integrity_strongest(integrity, out->rules, &reason);
    if (strongest >= ACTION_DROP) {
        integrity_reject(out, strongest, reason, message);
        return;
    }
    if (out->rules != 0)
        out->verdict = VERDICT_OBSERVED;
    if (strongest != ACTION_REPAIR)
        return;
    bool fix_nul = is_to_repair(integrity, RULE_log_nul, out);
    arena_set_limit(integrity->arena,
                    8 * message.n < MAX_EDITED_BYTES ? 8 * message.n : MAX_EDITED_BYTES);
    if (message_repair(type, message, fix_nul, integrity->arena, &out->payload) != ERR_OK) {
        integrity_reject(out, ACTION_QUARANTINE, reason, message);
        return;
    }
    out->edited = true;
    out->verdict = VERDICT_REPAIRED;
}

void
integrity_judge_stored(struct integrity *integrity, enum message_type type, struct bytes message,
                       bool service_known, struct judgement *out)
{
    struct message_facts facts;
    uint64_t start_us = integrity_clock_start(integrity);
    integrity_begin(integrity, message, out);
    integrity->agent = AGENT_UNKNOWN;
    if (message_walk(type, message, &facts) != ERR_OK)
        integrity_find(integrity, RULE_proto_undecodable, SPAN_NONE, out);
    else
        ask(integrity, type, message, service_known, &facts, out);
    if (type == MESSAGE_InstanceProperties && (out->rules & RULE_BIT(proto_undecodable)) == 0)
        integrity_learn(integrity, message);
    if (out->rules != 0)
        settle(integrity, type, message, out);
    integrity_count(integrity, out);
    integrity_clock_stop(integrity, start_us);
}
