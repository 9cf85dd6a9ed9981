/* Growing text and escapes. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/utf8.h"

enum { LABEL_MAX_BYTES = 128, WORD_MAX = 64 };

void
text_fini(struct text *text)
{
    mem_free(text->p);
    *text = TEXT_EMPTY;
}

void
text_clear(struct text *text)
{
    text->n = 0;
    if (text->p != NULL)
        text->p[0] = '\0';
}

static void
reserve(struct text *text, size_t more)
{
    check(more < SIZE_MAX / 4);
    size_t need = text->n + more + 1;
    if (need <= text->size)
        return;
    size_t size = text->size ? text->size : 128;
    while (size < need)
        size *= 2;
    text->p = mem_resize(text->p, size);
    text->size = size;
}

void
text_add_bytes(struct text *text, struct bytes b)
{
    reserve(text, b.n);
    if (b.n > 0)
        memcpy(text->p + text->n, b.p, b.n);
    text->n += b.n;
    text->p[text->n] = '\0';
}

void
text_add(struct text *text, const char *s)
{
    text_add_bytes(text, bytes_str(s));
}

void
text_addv(struct text *text, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    check(n >= 0);
    reserve(text, (size_t)n);
    vsnprintf(text->p + text->n, (size_t)n + 1, format, again);
    va_end(again);
    text->n += (size_t)n;
}

void
text_addf(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    text_addv(text, format, args);
    va_end(args);
}

/* Characters for at most three bytes. */
static void
put_group(struct bytes in, char four[4])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t group = (uint32_t)in.p[0] << 16;
    if (in.n > 1)
        group |= (uint32_t)in.p[1] << 8;
    if (in.n > 2)
        group |= in.p[2];
    four[0] = digits[group >> 18];
    four[1] = digits[group >> 12 & 63];
    four[2] = in.n > 1 ? digits[group >> 6 & 63] : '=';
    four[3] = in.n > 2 ? digits[group & 63] : '=';
}

void
text_add_base64(struct text *out, struct bytes in)
{
    char chunk[4096];
    size_t n = 0;
    for (size_t i = 0; i < in.n; i += 3) {
        put_group(bytes_of(in.p + i, in.n - i < 3 ? in.n - i : 3), chunk + n);
        n += 4;
        if (n < sizeof(chunk) && i + 3 < in.n)
            continue;
        text_add_bytes(out, bytes_of(chunk, n));
        n = 0;
    }
}

struct bytes
text_bytes(const struct text *text)
{
    return bytes_of(text->p, text->n);
}

static void
add_json_run(struct text *text, struct bytes b)
{
    for (size_t i = 0; i < b.n; i++) {
        uint8_t c = b.p[i];
        if (c == '"' || c == '\\')
            text_addf(text, "\\%c", c);
        else if (c == '\n')
            text_add(text, "\\n");
        else if (c < 0x20 || c == 0x7f)
            text_addf(text, "\\u%04x", c);
        else
            text_add_bytes(text, bytes_of(b.p + i, 1));
    }
}

void
text_add_json(struct text *text, struct bytes b)
{
    text_add(text, "\"");
    while (b.n > 0) {
        size_t n = utf8_valid_prefix(b);
        add_json_run(text, bytes_of(b.p, n));
        if (n < b.n) {
            text_add(text, "\xef\xbf\xbd");
            n++;
        }
        b = bytes_of(b.p + n, b.n - n);
    }
    text_add(text, "\"");
}

void
text_add_label(struct text *text, struct bytes b)
{
    if (b.n > LABEL_MAX_BYTES)
        b.n = LABEL_MAX_BYTES;
    b.n = utf8_valid_prefix(b);
    for (size_t i = 0; i < b.n; i++) {
        uint8_t c = b.p[i];
        if (c == '"' || c == '\\')
            text_addf(text, "\\%c", c);
        else if (c == '\n')
            text_add(text, "\\n");
        else if (c != 0)
            text_add_bytes(text, bytes_of(b.p + i, 1));
    }
}

void
text_add_plain(struct text *text, struct bytes b, size_t max)
{
    bool cut = b.n > max;
    if (cut)
        b.n = max;
    while (b.n > 0) {
        size_t n = utf8_valid_prefix(b);
        for (size_t i = 0; i < n; i++) {
            if (b.p[i] < 0x20 || b.p[i] == 0x7f)
                text_addf(text, "\\x%02X", b.p[i]);
            else
                text_add_bytes(text, bytes_of(b.p + i, 1));
        }
        if (n < b.n)
            text_addf(text, "\\x%02X", b.p[n++]);
        b = bytes_of(b.p + n, b.n - n);
    }
    if (cut)
        text_add(text, "...");
}

void
text_add_size(struct text *text, uint64_t n_bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)n_bytes;
    size_t unit = 0;
    while (value >= 1024 && unit < 4) {
        value /= 1024;
        unit++;
    }
    text_addf(text, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
}

static size_t
smallest(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

size_t
text_distance(const char *a, const char *b)
{
    size_t n_a = strlen(a), n_b = strlen(b);
    if (n_a > WORD_MAX || n_b > WORD_MAX)
        return WORD_MAX;
    size_t rows[3][WORD_MAX + 1];
    for (size_t j = 0; j <= n_b; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        size_t *now = rows[i % 3], *before = rows[(i + 2) % 3], *before2 = rows[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
            now[j] = smallest(before[j] + 1, now[j - 1] + 1, before[j - 1] + cost);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before2[j - 2] + 1 < now[j])
                now[j] = before2[j - 2] + 1;
        }
    }
    return rows[n_a % 3][n_b];
}

const char *
text_nearest(const char *word, const char *const *words, size_t n)
{
    const char *best = NULL;
    size_t limit = strlen(word) / 3 + 1;
    size_t least = limit < 3 ? limit + 1 : 4;
    for (size_t i = 0; i < n; i++) {
        size_t distance = text_distance(word, words[i]);
        if (distance < least) {
            least = distance;
            best = words[i];
        }
    }
    return best;
}
