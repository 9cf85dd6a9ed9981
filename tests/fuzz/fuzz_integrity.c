/* Fuzzes the rules, tags and repairs: what they let pass must be sound and stay as it is. */
/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses mode, agent, storage and kind of message, the rest is the message. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/mem.h"
#include "integrity/integrity.h"
#include "message/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { CHOICE_MODE = 3, CHOICE_AGENT = 12, CHOICE_JDBC = 16, CHOICE_STORED = 32, CHOICE_LOG = 64 };

static const int64_t arrival_ms = INT64_C(1790000000000);

static struct integrity *engine;

static enum message_type
type_of(uint8_t choice)
{
    if ((choice & CHOICE_STORED) == 0)
        return MESSAGE_SegmentObject;
    return (choice & CHOICE_LOG) != 0 ? MESSAGE_LogData : MESSAGE_Event;
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
    if (engine == NULL)
        engine = integrity_new(&settings, NULL);
    integrity_set(engine, &settings);
    struct bytes message = bytes_of(data + 1, n - 1);
    judge(data[0], message, &judgement);
    if (judgement.verdict <= VERDICT_REPAIRED)
        check_passed(data[0], message, &judgement);
    else
        check(!judgement.edited && judgement.payload.p == message.p);
    return 0;
}
