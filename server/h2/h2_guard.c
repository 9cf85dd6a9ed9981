/* The frame-header scanner and its glitch budget. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "h2/h2_guard.h"

#include "base/clock.h"

enum { PREFACE_BYTES = 24, FRAME_HEADER = 9, UNKNOWN_TYPE = 10, DEPENDENCY_BYTES = 4 };
#define ID_MASK UINT32_C(0x7fffffff) /* the highest bit of an id is reserved */
enum {
    DATA = 0,
    HEADERS = 1,
    PRIORITY = 2,
    RST_STREAM = 3,
    SETTINGS = 4,
    PING = 6,
    WINDOW_UPDATE = 8
};
enum { CONTINUATION = 9 };
enum { END_STREAM = 0x1, END_HEADERS = 0x4, PADDED = 0x8 };

void
h2_guard_init(struct h2_guard *guard)
{
    *guard = (struct h2_guard){.n_preface = PREFACE_BYTES, .glitch_us = clock_mono_us()};
    guard->ping_us = guard->glitch_us;
}

void
h2_guard_add(struct h2_guard *guard, uint32_t weight)
{
    uint64_t now = clock_mono_us();
    uint64_t forgiven = (now - guard->glitch_us) * GUARD_PER_SECOND / 1000000;
    if (forgiven > 0) {
        guard->n_glitches =
            forgiven < guard->n_glitches ? guard->n_glitches - (uint32_t)forgiven : 0;
        guard->glitch_us = now;
    }
    if (guard->n_glitches < GUARD_BUDGET)
        guard->n_glitches += weight;
}

enum h2_guard_state
h2_guard_state(struct h2_guard *guard)
{
    if (guard->n_glitches >= GUARD_BUDGET ||
        guard->total_bytes / 8 > guard->payload_bytes + GUARD_FREE_BYTES)
        return GUARD_FLOOD;
    if (guard->was_calmed || guard->n_glitches < GUARD_BUDGET / 100 * GUARD_CALM_PERCENT)
        return GUARD_FINE;
    guard->was_calmed = true;
    return GUARD_CALM;
}

/* gRPC clients ping to measure the path whenever data comes (bandwidth-delay probes), so every DATA
 * frame we sent excuses one PING beside those of the clock. */
static void
count_ping(struct h2_guard *guard)
{
    uint64_t now = clock_mono_us();
    uint64_t seconds = (now - guard->ping_us) / 1000000;
    if (seconds > 0) {
        guard->n_pings = seconds < guard->n_pings ? guard->n_pings - (uint32_t)seconds : 0;
        guard->ping_us += seconds * 1000000;
    }
    if (guard->n_frames[PING] <= guard->n_data_sent)
        return;
    if (guard->n_pings < GUARD_PINGS)
        guard->n_pings++;
    else
        h2_guard_add(guard, GUARD_WEIGHT_EMPTY);
}

static void
count_window_update(struct h2_guard *guard)
{
    guard->n_window_updates++;
    if (guard->n_window_updates > 1 + 2 * (guard->n_streams + 10 * guard->n_data_sent))
        h2_guard_add(guard, GUARD_WEIGHT_EMPTY);
}

static void
count_data(struct h2_guard *guard, uint32_t length, uint8_t flags)
{
    /* How much of a padded frame is padding stands inside it: it does not count as payload. */
    if (!(flags & PADDED))
        guard->payload_bytes += length;
    if (length == 0 && !(flags & END_STREAM))
        h2_guard_add(guard, GUARD_WEIGHT_EMPTY);
}

/* Everything but HEADERS. */
static void
count_frame(struct h2_guard *guard, uint8_t type, uint8_t flags, uint32_t length)
{
    guard->n_frames[type < UNKNOWN_TYPE ? type : UNKNOWN_TYPE]++;
    switch (type) {
    case DATA:
        count_data(guard, length, flags);
        break;
    case SETTINGS:
    case PING:
        count_ping(guard);
        break;
    case WINDOW_UPDATE:
        count_window_update(guard);
        break;
    case PRIORITY:
        h2_guard_add(guard, GUARD_WEIGHT_EMPTY);
        break;
    default:
        if (type >= UNKNOWN_TYPE)
            h2_guard_add(guard, GUARD_WEIGHT_EMPTY);
        break;
    }
}

static void
end_of_frame(struct h2_guard *guard)
{
    if (guard->frame_is_headers && guard->frame_ends_headers)
        guard->in_headers = false;
}

/* The past of the streams the peer opened. Even ids are nghttp2's business. */

static bool
is_remembered(const struct h2_guard *guard, uint32_t id)
{
    return id % 2 == 1 && id <= guard->highest_id && guard->highest_id - id < 2 * GUARD_STREAMS;
}

static void
put_bit(uint64_t *bits, uint32_t id, bool is_set)
{
    uint32_t at = id / 2 % GUARD_STREAMS;
    bits[at / 64] &= ~(UINT64_C(1) << at % 64);
    bits[at / 64] |= (uint64_t)is_set << at % 64;
}

static bool
get_bit(const uint64_t *bits, uint32_t id)
{
    uint32_t at = id / 2 % GUARD_STREAMS;
    return bits[at / 64] >> at % 64 & 1;
}

static void
remember_new(struct h2_guard *guard, uint32_t id)
{
    /* What lies between was skipped: closed without ever being used. */
    uint32_t from = guard->highest_id + 1;
    if (id - guard->highest_id > 2 * GUARD_STREAMS)
        from = id - 2 * GUARD_STREAMS;
    for (uint32_t skipped = from | 1; skipped <= id; skipped += 2) {
        put_bit(guard->opened, skipped, skipped == id);
        put_bit(guard->ended, skipped, false);
    }
    guard->highest_id = id;
    guard->n_streams++;
}

static struct h2_suspect
judge(struct h2_guard *guard, uint8_t type, uint8_t flags, uint32_t id)
{
    bool carries = type == HEADERS || type == DATA;
    bool is_new = type == HEADERS && id > guard->highest_id;
    if (is_new)
        remember_new(guard, id);
    if (!is_remembered(guard, id))
        return (struct h2_suspect){0};
    if (type == HEADERS && !get_bit(guard->opened, id))
        return (struct h2_suspect){SUSPECT_STATE, id, H2_PROTOCOL_ERROR};
    if (carries && get_bit(guard->ended, id))
        return (struct h2_suspect){SUSPECT_STATE, id, H2_STREAM_CLOSED};
    if (type == RST_STREAM || (carries && (flags & END_STREAM)))
        put_bit(guard->ended, id, true);
    return (struct h2_suspect){0};
}

static struct h2_suspect
begin_frame(struct h2_guard *guard, const uint8_t *h)
{
    uint32_t length = (uint32_t)h[0] << 16 | (uint32_t)h[1] << 8 | h[2];
    uint32_t id =
        ((uint32_t)h[5] << 24 | (uint32_t)h[6] << 16 | (uint32_t)h[7] << 8 | h[8]) & ID_MASK;
    uint8_t type = h[3], flags = h[4];
    guard->frame_left = length;
    guard->frame_id = id;
    guard->frame_is_priority = type == PRIORITY;
    guard->dependency = 0;
    guard->n_dependency = 0;
    guard->frame_is_headers = type == HEADERS || type == CONTINUATION;
    guard->frame_ends_headers = (flags & END_HEADERS) != 0;
    if (guard->frame_is_headers)
        guard->in_headers = true;
    count_frame(guard, type, flags, length);
    if (length == 0)
        end_of_frame(guard);
    if (type == PRIORITY && id == 0)
        return (struct h2_suspect){SUSPECT_CONNECTION, 0, H2_PROTOCOL_ERROR};
    return judge(guard, type, flags, id);
}

/* The first four bytes of PRIORITY: an exclusive bit and the id of the stream it depends on. */
static struct h2_suspect
read_dependency(struct h2_guard *guard, struct bytes payload)
{
    const uint32_t id = guard->frame_id;
    for (size_t i = 0; i < payload.n && guard->n_dependency < DEPENDENCY_BYTES; i++) {
        guard->dependency = guard->dependency << 8 | payload.p[i];
        guard->n_dependency++;
    }
    if (guard->n_dependency < DEPENDENCY_BYTES)
        return (struct h2_suspect){0};
    guard->frame_is_priority = false;
    if ((guard->dependency & ID_MASK) != id)
        return (struct h2_suspect){0};
    /* An idle stream cannot be reset (RFC 9113 6.4); even ids are ours, and we open none. */
    bool is_idle = id % 2 == 0 || id > guard->highest_id;
    return (struct h2_suspect){is_idle ? SUSPECT_CONNECTION : SUSPECT_STREAM, id,
                               H2_PROTOCOL_ERROR};
}

/* Passes over the preface and payloads; true when a frame header stands at *at. */
static bool
skip(struct h2_guard *guard, struct bytes in, size_t *at, struct h2_suspect *suspect)
{
    size_t left = in.n - *at;
    if (guard->n_preface > 0) {
        size_t step = left < guard->n_preface ? left : guard->n_preface;
        guard->n_preface -= (uint8_t)step;
        *at += step;
    } else if (guard->frame_left > 0) {
        size_t step = left < guard->frame_left ? left : guard->frame_left;
        if (guard->frame_is_priority)
            *suspect = read_dependency(guard, bytes_of(in.p + *at, step));
        guard->frame_left -= (uint32_t)step;
        *at += step;
        if (guard->frame_left == 0)
            end_of_frame(guard);
    } else {
        return true;
    }
    return false;
}

/* Most frames by far are DATA of the newest streams, neither ended nor padded, with their header in
 * one piece: nothing is asked of them but their length. True when one began at in.p[*at]. */
static bool
begin_plain_data(struct h2_guard *guard, struct bytes in, size_t *at)
{
    const uint8_t *h = in.p + *at;
    if ((guard->n_preface | guard->frame_left | guard->n_header) != 0 || in.n - *at < FRAME_HEADER)
        return false;
    uint32_t length = (uint32_t)h[0] << 16 | (uint32_t)h[1] << 8 | h[2];
    if ((h[3] | h[4]) != 0 || length == 0) /* type DATA and no flag */
        return false;
    uint32_t id = ((uint32_t)h[5] << 24 | (uint32_t)h[6] << 16 | (uint32_t)h[7] << 8 | h[8]);
    if (!is_remembered(guard, id) || get_bit(guard->ended, id))
        return false;
    guard->frame_is_priority = guard->frame_is_headers = false;
    guard->n_frames[DATA]++;
    guard->payload_bytes += length;
    size_t left = in.n - *at - FRAME_HEADER;
    size_t step = left < length ? left : length;
    guard->frame_left = length - (uint32_t)step;
    *at += FRAME_HEADER + step;
    return true;
}

size_t
h2_guard_scan(struct h2_guard *guard, struct bytes in, struct h2_suspect *suspect)
{
    size_t at = guard->n_seen;
    guard->n_seen = 0;
    *suspect = (struct h2_suspect){0};
    while (at < in.n && suspect->kind == SUSPECT_NONE) {
        if (begin_plain_data(guard, in, &at) || !skip(guard, in, &at, suspect))
            continue;
        const uint8_t *h = in.p + at;
        size_t here = at;
        if (guard->n_header == 0 && in.n - at >= FRAME_HEADER) {
            at += FRAME_HEADER;
        } else {
            size_t want = (size_t)FRAME_HEADER - guard->n_header;
            size_t step = in.n - at < want ? in.n - at : want;
            memcpy(guard->header + guard->n_header, in.p + at, step);
            guard->n_header += (uint8_t)step;
            at += step;
            if (guard->n_header < FRAME_HEADER)
                break;
            guard->n_header = 0;
            h = guard->header;
        }
        *suspect = begin_frame(guard, h);
        if (suspect->kind != SUSPECT_NONE) {
            guard->n_seen = (uint8_t)(at - here);
            guard->total_bytes += here;
            return here;
        }
    }
    guard->total_bytes += at;
    return at;
}
