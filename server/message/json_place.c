/* The words for a place in a JSON document. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "message/json_place_int.h"

#include "base/utf8.h"

void
json_place_say(struct message_json_error *error, size_t line, size_t column, struct bytes words)
{
    struct text plain = TEXT_EMPTY;
    text_add_plain(&plain, words, sizeof(error->text));
    error->line = line;
    error->column = column;
    struct bytes fits = text_bytes(&plain);
    if (fits.n >= sizeof(error->text))
        fits.n = sizeof(error->text) - 1;
    fits.n = utf8_valid_prefix(fits);
    if (fits.n > 0)
        memcpy(error->text, fits.p, fits.n);
    error->text[fits.n] = '\0';
    text_fini(&plain);
}

static void
add_place(struct text *words, const struct json_place *place)
{
    if (place == NULL)
        return;
    add_place(words, place->parent);
    if (place->name == NULL)
        text_addf(words, "[%zu]", place->index);
    else
        text_addf(words, "%s%.40s", words->n > 0 ? "." : "", place->name); /* a map's key is long */
}

enum err
json_place_refuse(struct message_json_error *error, const struct json_place *place,
                  const char *expected)
{
    struct text words = TEXT_EMPTY;
    add_place(&words, place);
    text_addf(&words, "%s%s", words.n > 0 ? ": " : "", expected);
    json_place_say(error, 0, 0, text_bytes(&words));
    text_fini(&words);
    return ERR_JSON;
}
