/* From an item of the tap to what people or programs read. */
/* SPDX-License-Identifier: Apache-2.0 */
/*   12:03:58.114Z  shop 7f3a@10.2.0.17    4 spans  tagged  span-parent-missing  POST /cart  error
 */
#include "command/tap_lines.h"

#include <inttypes.h>
#include <string.h>

enum { SHOWN_NAME = 60, OWNER_COLUMNS = 40, LENGTH_BYTES = 4 };

const char *
tap_lines_content(enum tap_form form)
{
    static const char *const words[TAP_FORMS] = {
        [TAP_AS_TREE] = "payload",
        [TAP_AS_LINE] = "none",
        [TAP_AS_JSON] = "message",
        [TAP_AS_PB] = "payload",
    };
    return words[form];
}

/* The time of the day, in UTC. */
static void
add_time(struct text *out, struct bytes received)
{
    const uint8_t *t = received.n > 0 ? memchr(received.p, 'T', received.n) : NULL;
    size_t n = t != NULL ? (size_t)(t + 1 - received.p) : 0;
    text_add_bytes(out, bytes_of(received.p + n, received.n - n));
}

static void
add_name(struct text *out, struct bytes name)
{
    if (name.n == 0)
        text_add(out, "-");
    else
        text_add_plain(out, name, SHOWN_NAME);
}

/* Service and instance; blanks keep what follows in its column. */
static void
add_owner(struct text *out, const struct json_tree *segment)
{
    size_t before = out->n;
    add_name(out, json_tree_text(segment, "service"));
    text_add(out, " ");
    add_name(out, json_tree_text(segment, "service_instance"));
    size_t n = out->n - before;
    text_addf(out, "%*s", n < OWNER_COLUMNS ? (int)(OWNER_COLUMNS - n) : 0, "");
}

static void
add_line(struct text *out, const struct json_tree *segment, bool color)
{
    struct bytes verdict = json_tree_text(segment, "verdict");
    bool is_clean = bytes_equal(verdict, BYTES("clean"));
    int64_t n_spans = json_tree_number(segment, "spans");
    add_time(out, json_tree_text(segment, "received"));
    text_add(out, "  ");
    add_owner(out, segment);
    text_addf(out, "  %3" PRId64 " %s  %s", n_spans, n_spans == 1 ? "span " : "spans",
              color && !is_clean ? "\x1b[33m" : "");
    add_name(out, verdict);
    text_add(out, "  ");
    add_name(out, json_tree_text(segment, "rule"));
    text_addf(out, "%s  ", color && !is_clean ? "\x1b[0m" : "");
    add_name(out, json_tree_text(segment, "operation"));
    if (json_tree_number(segment, "errors") > 0)
        text_add(out, "  error");
    text_add(out, "\n");
}

static bool
add_tree(const struct tap_lines *lines, const struct json_tree *segment, struct text *out)
{
    struct aside_record record;
    if (!aside_record_open(&record, segment, lines->judge, LANGUAGE_NONE))
        return false;
    add_line(out, segment, lines->color);
    if (aside_record_segment(&record) != NULL)
        aside_record_draw(out, &record, lines->color);
    else
        text_addf(out, "  %zu bytes that do not decode\n", record.payload.n);
    text_add(out, "\n");
    aside_record_close(&record);
    return true;
}

static bool
add_bytes(const struct tap_lines *lines, const struct json_tree *segment, struct text *out)
{
    struct aside_record record;
    uint8_t length[LENGTH_BYTES];
    if (!aside_record_open(&record, segment, lines->judge, LANGUAGE_NONE))
        return false;
    for (int i = 0; i < LENGTH_BYTES; i++)
        length[i] = (uint8_t)(record.payload.n >> (8 * (LENGTH_BYTES - 1 - i)));
    text_add_bytes(out, bytes_of(length, sizeof(length)));
    text_add_bytes(out, record.payload);
    aside_record_close(&record);
    return true;
}

bool
tap_lines_add(const struct tap_lines *lines, const struct json_tree *segment, struct text *out)
{
    switch (lines->form) {
    case TAP_AS_TREE:
        return add_tree(lines, segment, out);
    case TAP_AS_PB:
        return add_bytes(lines, segment, out);
    case TAP_AS_JSON:
        json_tree_write(segment, out);
        text_add(out, "\n");
        return true;
    case TAP_AS_LINE:
    case TAP_FORMS:
    default:
        add_line(out, segment, lines->color);
        return true;
    }
}
