/* Headers and trailers of gRPC. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "grpc/grpc_meta.h"

enum { FIELD_OVERHEAD = 32 }; /* RFC 9113 6.5.2 */

bool
grpc_meta_is_grpc(struct bytes content_type)
{
    struct bytes want = BYTES("application/grpc");
    if (!bytes_starts(content_type, want))
        return false;
    if (content_type.n == want.n)
        return true;
    uint8_t next = content_type.p[want.n];
    return next == '+' || next == ';';
}

bool
grpc_meta_timeout(struct bytes value, uint64_t *timeout_us)
{
    if (value.n < 2 || value.n > 9)
        return false;
    uint64_t n = 0;
    for (size_t i = 0; i + 1 < value.n; i++) {
        if (value.p[i] < '0' || value.p[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(value.p[i] - '0');
    }
    switch (value.p[value.n - 1]) {
    case 'H':
        *timeout_us = n * 3600 * 1000000;
        return true;
    case 'M':
        *timeout_us = n * 60 * 1000000;
        return true;
    case 'S':
        *timeout_us = n * 1000000;
        return true;
    case 'm':
        *timeout_us = n * 1000;
        return true;
    case 'u':
        *timeout_us = n;
        return true;
    case 'n':
        *timeout_us = (n + 999) / 1000;
        return true;
    default:
        return false;
    }
}

uint32_t
grpc_meta_format_timeout(uint64_t timeout_us, char *out)
{
    static const struct {
        uint64_t us;
        char unit;
    } units[] = {{1, 'u'}, {1000, 'm'}, {1000000, 'S'}, {60000000, 'M'}, {3600000000, 'H'}};
    size_t unit = 0;
    uint64_t n = timeout_us;
    /* Whole seconds and milliseconds are the usual ones; what has more than 8 digits is rounded. */
    while (unit < 2 && (n > 99999999 || (n > 0 && timeout_us % units[unit + 1].us == 0)))
        n = timeout_us / units[++unit].us;
    while (unit < 4 && n > 99999999)
        n = timeout_us / units[++unit].us;
    if (n > 99999999)
        n = 99999999;
    char digits[GRPC_TIMEOUT_TEXT];
    uint32_t n_digits = 0, length = 0;
    do {
        digits[n_digits++] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    while (n_digits > 0)
        out[length++] = digits[--n_digits];
    out[length++] = units[unit].unit;
    return length;
}

size_t
grpc_meta_encode(struct bytes text, char *out)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (c >= 0x20 && c <= 0x7e && c != '%') {
            out[n++] = (char)c;
        } else {
            out[n++] = '%';
            out[n++] = hex[c >> 4];
            out[n++] = hex[c & 15];
        }
    }
    return n;
}

static int
hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

size_t
grpc_meta_decode(struct bytes text, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        uint8_t c = text.p[i];
        if (c == '%' && i + 2 < text.n) {
            int high = hex_digit(text.p[i + 1]), low = hex_digit(text.p[i + 2]);
            if (high >= 0 && low >= 0) {
                c = (uint8_t)(high << 4 | low);
                i += 2;
            }
        }
        out[n++] = (char)c;
    }
    return n;
}

static bool
is_named(const struct h2_header *field, struct bytes name)
{
    return bytes_equal(bytes_of(field->name, field->n_name), name);
}

static bool
is_needed(const struct h2_header *field)
{
    return field->name[0] == ':' || is_named(field, BYTES("content-type")) ||
           is_named(field, BYTES("grpc-status"));
}

static uint64_t
list_bytes(const struct h2_header *field)
{
    return (uint64_t)field->n_name + field->n_value + FIELD_OVERHEAD;
}

static void
spend(uint64_t *left, uint64_t n)
{
    *left -= n < *left ? n : *left;
}

/* An escaped byte that goes on a character of UTF-8. */
static bool
goes_on(const struct h2_header *text, uint32_t at)
{
    return at + 2 < text->n_value && text->value[at] == '%' &&
           (hex_digit((uint8_t)text->value[at + 1]) & 0xc) == 8;
}

/* Neither inside an escape nor inside a character: Python would show other letters. */
static void
cut_text(struct h2_header *text, uint64_t left)
{
    uint64_t own = (uint64_t)text->n_name + FIELD_OVERHEAD;
    uint32_t room = left > own ? (uint32_t)(left - own) : 0;
    if (text->n_value <= room)
        return;
    for (uint32_t i = 1; i <= 2 && i <= room; i++) {
        if (text->value[room - i] == '%') {
            room -= i;
            break;
        }
    }
    while (room >= 3 && goes_on(text, room))
        room -= 3;
    text->n_value = room;
}

/* Cuts the first grpc-message; returns where it stands, n for nowhere. */
static uint32_t
fit_text(struct h2_header *list, uint32_t n, uint64_t *left)
{
    uint32_t at = 0;
    while (at < n && !is_named(&list[at], BYTES("grpc-message")))
        at++;
    if (at == n)
        return n;
    cut_text(&list[at], *left);
    if (list[at].n_value > 0)
        spend(left, list_bytes(&list[at]));
    return at;
}

static bool
has_room(const struct h2_header *field, uint64_t *left)
{
    if (list_bytes(field) > *left)
        return false;
    spend(left, list_bytes(field));
    return true;
}

uint32_t
grpc_meta_fit(struct h2_header *list, uint32_t n, uint64_t most_bytes)
{
    uint64_t left = most_bytes, all = 0;
    uint32_t n_kept = 0;
    for (uint32_t i = 0; i < n; i++) {
        all += list_bytes(&list[i]);
        if (is_needed(&list[i]))
            spend(&left, list_bytes(&list[i]));
    }
    if (all <= most_bytes)
        return n;
    uint32_t text = fit_text(list, n, &left);
    for (uint32_t i = 0; i < n; i++) {
        bool stays =
            i == text ? list[i].n_value > 0 : is_needed(&list[i]) || has_room(&list[i], &left);
        if (stays)
            list[n_kept++] = list[i];
    }
    return n_kept;
}

int
grpc_meta_status(struct bytes value)
{
    int status = 0;
    if (value.n < 1 || value.n > 2)
        return GRPC_UNKNOWN;
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] < '0' || value.p[i] > '9')
            return GRPC_UNKNOWN;
        status = status * 10 + value.p[i] - '0';
    }
    return status <= 16 ? status : GRPC_UNKNOWN;
}

int
grpc_meta_status_of_reset(uint32_t h2_code)
{
    switch (h2_code) {
    case H2_REFUSED_STREAM:
        return GRPC_UNAVAILABLE;
    case H2_CANCEL:
        return GRPC_CANCELLED;
    case H2_ENHANCE_YOUR_CALM:
        return GRPC_RESOURCE_EXHAUSTED;
    default:
        return GRPC_INTERNAL;
    }
}

int
grpc_meta_status_of_http(int http_status)
{
    switch (http_status) {
    case 400:
        return GRPC_INTERNAL;
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
        return GRPC_PERMISSION_DENIED;
    case 404:
        return GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_UNKNOWN;
    }
}
