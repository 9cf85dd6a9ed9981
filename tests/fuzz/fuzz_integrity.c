/* Fuzzes the rules, tags and repairs: what they let pass must be sound and stay as it is. */
/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses mode, agent, storage, kind of message and whether there is a memory, the
 * rest is the message. With a memory it is accepted and comes a second time. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/mem.h"
#include "integrity/integrity.h"
#include "message/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum {
    CHOICE_MODE = 3,
    CHOICE_AGENT = 12,
    CHOICE_JDBC = 16,
    CHOICE_STORED = 32,
    CHOICE_LOG = 64,
    CHOICE_MEMORY = 128
};

static const int64_t arrival_ms = INT64_C(1790000000000);

static struct integrity *engine;

static enum message_type
type_of(uint8_t choice)
{
    bool is_log = (choice & CHOICE_LOG) != 0;
    if ((choice & CHOICE_STORED) == 0)
        return MESSAGE_SegmentObject;
    if ((choice & CHOICE_MEMORY) != 0)
        return is_log ? MESSAGE_InstanceProperties : MESSAGE_MeterData;
    return is_log ? MESSAGE_LogData : MESSAGE_Event;
}

static void
judge(uint8_t choice, struct bytes message, struct judgement *out)
{
    if (type_of(choice) == MESSAGE_SegmentObject)
        integrity_judge_segment(engine, message, arrival_ms,
                                (enum agent)((choice & CHOICE_AGENT) >> 2), out);
    else
        integrity_judge_stored(engine, type_of(choice), message, true, out);
}

/* What passes is a message OAP can parse, and a second gate would leave it alone. */
static void
check_passed(uint8_t choice, struct bytes message, const struct judgement *judgement)
{
    struct message_facts facts;
    struct judgement again;
    check(judgement->edited || judgement->payload.p == message.p);
    check(message_walk(type_of(choice), judgement->payload, &facts) == ERR_OK);
    check(!facts.invalid_utf8);
    size_t n = judgement->payload.n;
    uint8_t *copy = mem_alloc(n + 1);
    if (n > 0)
        memcpy(copy, judgement->payload.p, n);
    judge(choice, bytes_of(copy, n), &again);
    check(!again.edited && again.verdict <= VERDICT_TAGGED);
    mem_free(copy);
}

static bool
is_rule(const struct judgement *judgement, enum rule rule)
{
    return (judgement->rules >> rule & 1) != 0;
}

/* A copy is told as one and as nothing else that asks the memory; what asked it once asks again. */
static void
check_copy(uint8_t choice, struct integrity_stream *stream, struct bytes message, bool was_asked,
           struct judgement *judgement)
{
    judge(choice, message, judgement);
    if (type_of(choice) != MESSAGE_SegmentObject)
        return;
    check(is_rule(judgement, RULE_segment_duplicate_identical) == was_asked);
    check(!is_rule(judgement, RULE_segment_id_reused));
    check(!is_rule(judgement, RULE_segment_id_two_instances));
    if (was_asked && (choice & CHOICE_MODE) % 3 == INTEGRITY_ENFORCE)
        check(judgement->verdict == VERDICT_DROPPED);
    integrity_accept(engine, stream, MESSAGE_SegmentObject, message, judgement);
}

static void
accept(uint8_t choice, struct bytes message, struct judgement *judgement)
{
    static struct integrity_stream stream;
    bool was_asked = judgement->id_hash != 0;
    integrity_accept(engine, &stream, type_of(choice), message, judgement);
    check_copy(choice, &stream, message, was_asked, judgement);
    check(integrity_state_bytes(engine) < 16 << 20);
    struct sightings *sightings = integrity_take_sightings(engine);
    for (uint32_t i = 0; sightings != NULL && i < sightings_n(sightings); i++) {
        check(sightings_at(sightings, i)->hash != 0);
        check(sightings_at(sightings, i)->service.n <= SIGHTING_NAME_BYTES);
    }
    sightings_free(&sightings);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct integrity_settings settings;
    struct judgement judgement;
    if (n == 0)
        return 0;
    integrity_settings_default(&settings);
    settings.mode = (enum integrity_mode)((data[0] & CHOICE_MODE) % 3);
    settings.storage_jdbc = (data[0] & CHOICE_JDBC) != 0;
    settings.max_spans = 64;
    settings.window_s = (data[0] & CHOICE_MEMORY) != 0 ? 300 : 0;
    settings.window_bytes = 1 << 20;
    if (engine == NULL)
        engine = integrity_new(&settings, NULL);
    integrity_set(engine, &settings);
    struct bytes message = bytes_of(data + 1, n - 1);
    judge(data[0], message, &judgement);
    if (judgement.verdict > VERDICT_REPAIRED)
        check(!judgement.edited && judgement.payload.p == message.p);
    else if (settings.window_s == 0)
        check_passed(data[0], message, &judgement);
    if (settings.window_s > 0)
        accept(data[0], message, &judgement);
    return 0;
}
