/* poison-column: a value too long for its database column costs the batch it is inserted with. */
/* SPDX-License-Identifier: Apache-2.0 */
/* OAP counts UTF-16 units, cuts names, and stores the Base64 of what is left (integrity.md 1.7). */
#include "integrity/rule_list.h"

enum {
    ID_UNITS = 150,     /* columns of trace and segment id */
    SERVICE_UNITS = 70, /* names are cut to this */
    ENDPOINT_UNITS = 150,
    SERVICE_BYTES = 147, /* more than fits a service id of 200 characters */
    ENDPOINT_ID_CHARS = 512,
    ENDPOINT_ID_EXTRA = 3, /* ".1_" between service and endpoint */
};

/* How many bytes of UTF-8 are left of a text cut to so many UTF-16 units. A pair of units cut in
 * the middle leaves one byte, a question mark. Invalid bytes do not get here unrepaired. */
static size_t
cut_units(struct bytes text, size_t max_units)
{
    size_t n = 0, i = 0;
    while (i < text.n) {
        size_t width = text.p[i] >= 0xF0 ? 2 : 1;
        if (n + width > max_units)
            return n < max_units ? i + 1 : i;
        n += width;
        i++;
        while (i < text.n && (text.p[i] & 0xC0) == 0x80)
            i++;
    }
    return i;
}

static bool
is_bad_id(struct bytes id, bool has_nul)
{
    if (id.n > ID_UNITS && cut_units(id, ID_UNITS) < id.n)
        return true;
    return has_nul && id.n > 0 && memchr(id.p, '\0', id.n) != NULL;
}

static size_t
base64_size(size_t n)
{
    return (n + 2) / 3 * 4;
}

/* The endpoints OAP makes an id of: Entry spans, and span 0 whatever it is. */
static bool
has_long_endpoint(const struct segment_view *segment, size_t service_bytes)
{
    size_t room = ENDPOINT_ID_CHARS - ENDPOINT_ID_EXTRA - base64_size(service_bytes);
    size_t max_bytes = room / 4 * 3; /* whose base64 has room */
    for (uint32_t i = 0; i < segment->n_spans; i++) {
        const struct span_view *span = &segment->spans[i];
        if (span->operation.n <= max_bytes || (span->type != SPAN_ENTRY && span->id != 0))
            continue;
        if (cut_units(span->operation, ENDPOINT_UNITS) > max_bytes)
            return true;
    }
    return false;
}

bool
rule_poison_column(const struct rule_context *context)
{
    const struct segment_view *segment = context->segment;
    bool has_nul = (segment->facts & FACT_NUL) != 0;
    if (is_bad_id(segment->trace_id, has_nul) || is_bad_id(segment->segment_id, has_nul))
        return true;
    size_t service_bytes = segment->service.n;
    if (service_bytes > SERVICE_UNITS)
        service_bytes = cut_units(segment->service, SERVICE_UNITS);
    return service_bytes > SERVICE_BYTES || has_long_endpoint(segment, service_bytes);
}
