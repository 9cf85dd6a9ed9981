/* From base64 to a judgement. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/aside_record.h"

#include "base/mem.h"
#include "command/span_tree.h"
#include "integrity/agent_shape.h"
#include "message/message.h"

enum { NO_DIGIT = 64, DIGIT_BITS = 6, SEGMENT_ID = 2 };

void
aside_judge_init(struct aside_judge *judge, const struct conf *conf)
{
    worker_judging_init(&judge->judging, conf, 1);
    judge->judging.settings.mode = INTEGRITY_ENFORCE;
    judge->judging.settings.window_s = 0;
    judge->judging.settings.n_services = 0;
    judge->engine = integrity_new(&judge->judging.settings, NULL);
}

void
aside_judge_fini(struct aside_judge *judge)
{
    integrity_free(&judge->engine);
    worker_judging_fini(&judge->judging);
}

static uint32_t
digit_of(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return 26 + (uint32_t)(c - 'a');
    if (c >= '0' && c <= '9')
        return 52 + (uint32_t)(c - '0');
    return c == '+' ? 62 : c == '/' ? 63 : NO_DIGIT;
}

/* RFC 4648 section 4, with its padding. out has room for 3 bytes of each 4 characters. */
static bool
decode(struct bytes text, uint8_t *out, size_t *n)
{
    uint32_t bits = 0, n_bits = 0;
    *n = 0;
    if (text.n % 4 != 0)
        return false;
    for (int i = 0; i < 2 && text.n > 0 && text.p[text.n - 1] == '='; i++)
        text.n--;
    for (size_t i = 0; i < text.n; i++) {
        uint32_t digit = digit_of(text.p[i]);
        if (digit == NO_DIGIT)
            return false;
        bits = bits << DIGIT_BITS | digit;
        n_bits += DIGIT_BITS;
        if (n_bits < 8)
            continue;
        n_bits -= 8;
        out[(*n)++] = (uint8_t)(bits >> n_bits);
    }
    return true;
}

static void
judge(struct aside_record *record, struct aside_judge *judge_, enum agent_language language)
{
    struct bytes payload = record->payload;
    int64_t arrival_ms = json_tree_number(record->item, "received_ms");
    if (record->row == NULL || record->row->message == MESSAGE_OPAQUE)
        return;
    record->is_judged = true;
    if (record->row->message == MESSAGE_SegmentObject) {
        struct message_facts facts;
        enum agent agent = AGENT_UNKNOWN;
        if (message_walk(MESSAGE_SegmentObject, payload, &facts) == ERR_OK) {
            struct bytes id = message_string_field(payload, SEGMENT_ID);
            agent = language == LANGUAGE_NONE ? agent_shape(id) : agent_identify(language, id);
        }
        integrity_judge_segment(judge_->engine, payload, arrival_ms, agent, &record->judgement);
    } else {
        integrity_judge_stored(judge_->engine, record->row->message, payload, false,
                               &record->judgement);
    }
}

bool
aside_record_open(struct aside_record *record, const struct json_tree *item,
                  struct aside_judge *judge_, enum agent_language language)
{
    struct bytes text = json_tree_text(item, "payload"), rule = json_tree_text(item, "rule");
    size_t n = 0;
    *record = (struct aside_record){.item = item, .reason = RULE_COUNT};
    record->bytes = mem_alloc(text.n / 4 * 3 + 1);
    bool is_sound = decode(text, record->bytes, &n);
    record->payload = bytes_of(record->bytes, n);
    record->row = method_find(json_tree_text(item, "method"));
    for (uint32_t i = 0; i < RULE_COUNT; i++)
        if (bytes_equal(rule, bytes_str(rule_row((enum rule)i)->name)))
            record->reason = (enum rule)i;
    if (is_sound && !aside_record_is_prefix(record))
        judge(record, judge_, language);
    else if (!is_sound)
        aside_record_close(record);
    return is_sound;
}

void
aside_record_close(struct aside_record *record)
{
    mem_free(record->bytes);
    *record = (struct aside_record){.reason = RULE_COUNT};
}

const struct segment_view *
aside_record_segment(const struct aside_record *record)
{
    return record->is_judged ? record->judgement.segment : NULL;
}

void
aside_record_draw(struct text *out, const struct aside_record *record, bool color)
{
    struct span_tree look = {.indent = 2, .max_lines = SPAN_TREE_LINES, .color = color};
    if (aside_record_segment(record) == NULL)
        return;
    look.rules = span_tree_marks(&record->judgement);
    if (record->reason != RULE_COUNT)
        look.rules |= UINT64_C(1) << record->reason;
    span_tree_draw(out, &record->judgement, &look);
}

bool
aside_record_is_prefix(const struct aside_record *record)
{
    return record->reason == RULE_message_oversize;
}
