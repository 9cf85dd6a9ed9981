/* What was wrong with a configuration: kept, sorted and shown with its line and a caret. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "conf/conf_int.h"

enum {
    LINE_SHOWN = 160,
    LINE_BEFORE = 60
}; /* characters of a long line; of them before the caret */

static void
free_string(const char *s)
{
    mem_free((void *)(uintptr_t)s);
}

void
conf_diags_fini(struct conf_diags *diags)
{
    for (uint32_t i = 0; i < diags->n; i++) {
        free_string(diags->items[i].file);
        free_string(diags->items[i].text);
        free_string(diags->items[i].suggestion);
        free_string(diags->items[i].source_line);
    }
    mem_free(diags->items);
    *diags = (struct conf_diags){0};
}

bool
conf_diag_has_room(const struct conf_diags *diags)
{
    return diags->n < CONF_MAX_DIAGS;
}

void
conf_diag_add(struct conf_diags *diags, enum conf_severity severity, uint16_t code,
              const struct conf_place *place, const char *suggestion, const char *format, ...)
{
    if (severity == CONF_ERROR)
        diags->n_errors++;
    else if (severity == CONF_WARNING)
        diags->n_warnings++;
    else
        diags->n_notices++;
    if (!conf_diag_has_room(diags))
        return;
    if (diags->items == NULL)
        diags->items = mem_new_n(struct conf_diag, CONF_MAX_DIAGS);
    struct text text = TEXT_EMPTY;
    va_list args;
    va_start(args, format);
    text_addv(&text, format, args);
    va_end(args);
    diags->items[diags->n++] = (struct conf_diag){
        .severity = severity,
        .code = code,
        .file = mem_string(place != NULL && place->file != NULL ? place->file : ""),
        .line = place != NULL ? place->line : 0,
        .col = place != NULL ? place->col : 0,
        .width = place != NULL ? place->width : 0,
        .text = text.p,
        .suggestion = suggestion != NULL ? mem_string(suggestion) : NULL,
    };
}

const char *
conf_diag_quote(struct arena *arena, const char *value)
{
    struct text text = TEXT_EMPTY;
    text_add(&text, "\"");
    text_add_plain(&text, bytes_str(value), CONF_WORD_MAX);
    text_add(&text, "\"");
    char *kept = arena_alloc(arena, text.n + 1);
    if (kept != NULL)
        memcpy(kept, text.p, text.n + 1);
    text_fini(&text);
    return kept != NULL ? kept : "\"...\"";
}

/* In a file by place; what has no line (environment, flags) behind it in the order it was found. */
static bool
is_before(const struct conf_diag *a, const struct conf_diag *b)
{
    if (a->line == 0 || b->line == 0)
        return a->line != 0 && b->line == 0;
    return a->line != b->line ? a->line < b->line : a->col < b->col;
}

static void
sort(struct conf_diags *diags)
{
    for (uint32_t i = 1; i < diags->n; i++) {
        struct conf_diag moving = diags->items[i];
        uint32_t j = i;
        for (; j > 0 && is_before(&moving, &diags->items[j - 1]); j--)
            diags->items[j] = diags->items[j - 1];
        diags->items[j] = moving;
    }
}

/* The given line, from 1, without its end. */
static struct bytes
find_line(struct bytes yaml, uint32_t line)
{
    const uint8_t *p = yaml.p, *end = yaml.p + yaml.n;
    for (uint32_t i = 1; i < line; i++) {
        const uint8_t *next = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
        if (next == NULL)
            return BYTES_NONE;
        p = next + 1;
    }
    const uint8_t *stop = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
    size_t n = (size_t)((stop != NULL ? stop : end) - p);
    if (n > 0 && p[n - 1] == '\r')
        n--;
    return bytes_of(p, n);
}

static bool
is_masked(const struct conf_secret_place *secrets, uint32_t line, uint32_t col)
{
    for (; secrets != NULL; secrets = secrets->next) {
        const struct conf_place *place = &secrets->place;
        if (line > place->line && line <= place->end_line)
            return true;
        if (line == place->line && col >= place->col && col < place->col + place->width)
            return true;
    }
    return false;
}

static bool
starts_character(uint8_t byte)
{
    return (byte & 0xC0) != 0x80;
}

/* In a file that is no YAML nothing is known of its keys: what looks like a secret counts as one.
 * The column from which the line is masked; UINT32_MAX: none. */
static uint32_t
first_secret_col(struct bytes line)
{
    static const struct bytes words[] = {{(const uint8_t *)"token", 5},
                                         {(const uint8_t *)"password", 8},
                                         {(const uint8_t *)"secret", 6}};
    uint32_t first = UINT32_MAX;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        const uint8_t *p = line.n > 0 ? memmem(line.p, line.n, words[i].p, words[i].n) : NULL;
        uint32_t col = 1;
        for (const uint8_t *q = line.p; p != NULL && q < p + words[i].n; q++)
            col += starts_character(*q);
        if (p != NULL && col < first)
            first = col;
    }
    return first;
}

/* Copies the characters first to last of the line, secrets masked. */
static void
add_part(struct text *out, struct bytes line, uint32_t line_number, uint32_t first,
         const struct conf_secret_place *secrets)
{
    uint32_t col = 0;
    bool masked = false;
    for (size_t i = 0; i < line.n && col < first + LINE_SHOWN; i++) {
        bool starts = starts_character(line.p[i]);
        if (starts)
            masked = is_masked(secrets, line_number, ++col);
        if (col < first || col >= first + LINE_SHOWN || (masked && !starts))
            continue;
        char c = masked ? '*' : (char)line.p[i];
        if ((uint8_t)c < 0x20 || c == 0x7f)
            c = ' ';
        text_add_bytes(out, bytes_of(&c, 1));
    }
}

/* The line as it can be shown; a long one is cut and the caret moves along. */
static char *
shown_line(struct bytes line, struct conf_diag *diag, const struct conf_secret_place *secrets)
{
    uint32_t first = diag->col > LINE_SHOWN - LINE_BEFORE ? diag->col - LINE_BEFORE : 1;
    struct text text = TEXT_EMPTY, safe = TEXT_EMPTY;
    diag->shown_col = diag->col - (first - 1);
    uint32_t secret_col = diag->code == 2 ? first_secret_col(line) : UINT32_MAX;
    const struct conf_secret_place likely = {
        .next = (struct conf_secret_place *)(uintptr_t)secrets,
        .place = {.line = diag->line, .col = secret_col, .width = UINT16_MAX},
    };
    add_part(&text, line, diag->line, first, secret_col != UINT32_MAX ? &likely : secrets);
    text_add(&safe, "");
    text_add_plain(&safe, text_bytes(&text), text.n);
    text_fini(&text);
    return safe.p;
}

void
conf_diag_finish(struct conf_diags *diags, const char *file, struct bytes yaml,
                 const struct conf_secret_place *secrets)
{
    sort(diags);
    for (uint32_t i = 0; i < diags->n; i++) {
        struct conf_diag *diag = &diags->items[i];
        if (diag->line == 0 || diag->source_line != NULL || strcmp(diag->file, file) != 0)
            continue;
        diag->source_line = shown_line(find_line(yaml, diag->line), diag, secrets);
    }
}

static void
add_caret(const struct conf_diag *diag, struct text *out)
{
    text_addf(out, "\n%s\n%*s^", diag->source_line, (int)diag->shown_col - 1, "");
    size_t room = strlen(diag->source_line);
    for (uint32_t i = 1; i < diag->width && diag->shown_col + i <= room; i++)
        text_add(out, "~");
    if (diag->suggestion != NULL)
        text_addf(out, "  did you mean \"%s\"?", diag->suggestion);
}

const char *
conf_severity_word(enum conf_severity severity)
{
    static const char *const words[] = {"notice", "warning", "error"};
    return words[severity];
}

static void
add_diag(const struct conf_diag *diag, bool color, struct text *out)
{
    static const char *const colors[] = {"\033[1m", "\033[1;33m", "\033[1;31m"};
    if (diag->file[0] != '\0') {
        text_add_plain(out, bytes_str(diag->file), 256);
        if (diag->line > 0)
            text_addf(out, ":%u:%u", diag->line, diag->col);
        text_add(out, ": ");
    }
    if (color)
        text_add(out, colors[diag->severity]);
    text_add(out, conf_severity_word(diag->severity));
    if (color)
        text_add(out, "\033[0m");
    text_addf(out, " C%03u: %s", diag->code, diag->text);
    if (diag->source_line != NULL)
        add_caret(diag, out);
    else if (diag->suggestion != NULL)
        text_addf(out, "; did you mean \"%s\"?", diag->suggestion);
    text_add(out, "\n");
}

void
conf_diags_print(const struct conf_diags *diags, bool color, struct text *out)
{
    for (uint32_t i = 0; i < diags->n; i++)
        add_diag(&diags->items[i], color, out);
    uint32_t n_all = diags->n_errors + diags->n_warnings + diags->n_notices;
    if (n_all > diags->n)
        text_addf(out, "and %u more\n", n_all - diags->n);
}
