/* Writes SegmentObjects byte by byte, healthy or broken, as agents' encoders do. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Fields come in the order of their numbers and fields at their default are left out, as in
 * generated code; whatever a test wants otherwise it writes with the small calls. */
#ifndef SUPPORT_SEGMENT_BUILD_H
#define SUPPORT_SEGMENT_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum { SEGMENT_BUILD_DEPTH = 8 };

struct segment_build {
    uint8_t *p;
    size_t n, size;
    size_t open[SEGMENT_BUILD_DEPTH]; /* where the content of each open message begins */
    unsigned depth;
};

struct build_span {
    int32_t id, parent;
    int64_t start, end;
    const char *operation, *peer;
    int32_t type, layer, component;
    bool is_error, skip_analysis;
};

struct build_ref {
    int32_t type;
    const char *trace, *segment;
    int32_t span;
    const char *service, *instance, *endpoint, *address;
};

/* Empty; the memory is kept. */
void segment_build_clear(struct segment_build *);
void segment_build_fini(struct segment_build *);
struct bytes segment_build_bytes(const struct segment_build *);

void segment_build_raw(struct segment_build *, struct bytes);
void segment_build_varint(struct segment_build *, uint32_t field, uint64_t value);
/* NULL and "" are left out. */
void segment_build_string(struct segment_build *, uint32_t field, const char *);
/* Written even when empty. */
void segment_build_field(struct segment_build *, uint32_t field, struct bytes);
/* A nested message, up to the matching close. */
void segment_build_open(struct segment_build *, uint32_t field);
void segment_build_close(struct segment_build *);

/* Clears, then trace id and segment id. */
void segment_build_begin(struct segment_build *, const char *trace_id, const char *segment_id);
void segment_build_end(struct segment_build *, const char *service, const char *instance,
                       bool is_size_limited);
/* Opens a span; refs, tags, logs follow, then segment_build_close. */
void segment_build_span_open(struct segment_build *, const struct build_span *);
void segment_build_span(struct segment_build *, const struct build_span *);
void segment_build_ref(struct segment_build *, const struct build_ref *);
void segment_build_tag(struct segment_build *, const char *key, const char *value);
void segment_build_tag_bytes(struct segment_build *, struct bytes key, struct bytes value);
void segment_build_log(struct segment_build *, int64_t time_ms, const char *key, const char *value);

#endif
