/* The elements of a JSON document. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "message/json_convert.h"
#include "message/json_place_int.h"
#include "message/json_scan_int.h"

static enum err
refuse(const struct json_cursor *cursor, struct bytes text, const char *why,
       struct message_json_error *error)
{
    size_t line = 1, column = 1;
    for (const uint8_t *p = text.p; p != cursor->p; p++) {
        column = *p == '\n' ? 1 : column + 1;
        line += *p == '\n';
    }
    json_place_say(error, line, column, bytes_str(why));
    return ERR_JSON;
}

/* The cursor stands behind the opening bracket of a list. */
static const char *
count_elements(struct json_cursor *cursor, uint32_t *n)
{
    struct bytes element;
    if (json_scan_take(cursor, ']'))
        return NULL;
    do {
        if (!json_scan_extent(cursor, &element))
            return cursor->wrong;
        if (*n == UINT32_MAX)
            return "too many elements";
        ++*n;
    } while (json_scan_take(cursor, ','));
    return json_scan_take(cursor, ']') ? NULL : "a comma or a closing bracket is expected";
}

enum err
json_list_open(struct bytes text, struct json_list *out, struct message_json_error *error)
{
    struct json_cursor cursor = {.p = text.p, .end = text.n > 0 ? text.p + text.n : text.p};
    struct bytes element;
    const char *why = NULL;
    *out = (struct json_list){.end = cursor.end};
    uint8_t first = json_scan_peek(&cursor);
    if (first != '[' && first != '{')
        return refuse(&cursor, text, "an object or a list is expected", error);
    out->is_list = first == '[';
    cursor.p += out->is_list;
    out->p = cursor.p;
    if (out->is_list) {
        why = count_elements(&cursor, &out->n);
    } else {
        out->n = 1;
        if (!json_scan_extent(&cursor, &element))
            why = cursor.wrong;
    }
    if (why == NULL && (json_scan_peek(&cursor), cursor.p != cursor.end))
        why = "something follows behind the end";
    return why == NULL ? ERR_OK : refuse(&cursor, text, why, error);
}

bool
json_list_next(struct json_list *list, struct bytes *element)
{
    struct json_cursor cursor = {.p = list->p, .end = list->end};
    if (list->next == list->n)
        return false;
    list->next++;
    if (!json_scan_extent(&cursor, element))
        return false; /* json_list_open has seen to it */
    json_scan_take(&cursor, ',');
    list->p = cursor.p;
    return true;
}
