/* A client and a server session back to back in memory. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "h2/h2_session.h"
#include "h2/h2_stream.h"

enum { WINDOW = 65536, PIECE = 1000 };

/* A stream of either side. */
struct line {
    int32_t id;
    uint64_t n_data;
    uint32_t n_headers, n_ends, n_closes;
    uint32_t code;
    bool by_peer, headers_last;
    uint64_t to_send; /* client */
    char path[32];
};

struct side {
    struct h2_session *session;
    struct line lines[200];
    uint32_t n_lines, n_outputs, n_goaways;
    bool is_ready, refuses, lends, credits;
    uint64_t ping_payload;
    int32_t goaway_id;
    uint32_t goaway_code;
};

static struct side client, server;
static struct h2_gather *gather;
static uint8_t body[PIECE];

static void *
on_open(void *ctx, int32_t stream_id)
{
    struct side *side = ctx;
    if (side->refuses)
        return NULL;
    side->lines[side->n_lines] = (struct line){.id = stream_id};
    return &side->lines[side->n_lines++];
}

static void
on_header(void *ctx, void *stream, struct bytes name, struct bytes value)
{
    (void)ctx;
    struct line *line = stream;
    if (bytes_equal(name, BYTES(":path")) && value.n < sizeof(line->path))
        memcpy(line->path, value.p, value.n);
}

static void
on_headers(void *ctx, void *stream, bool is_last)
{
    (void)ctx;
    ((struct line *)stream)->n_headers++;
    ((struct line *)stream)->headers_last = is_last;
}

static void
on_data(void *ctx, void *stream, struct bytes in)
{
    struct side *side = ctx;
    struct line *line = stream;
    line->n_data += in.n;
    if (side->credits)
        h2_stream_credit(side->session, line->id, in.n);
}

static void
on_end(void *ctx, void *stream)
{
    (void)ctx;
    ((struct line *)stream)->n_ends++;
}

static void
on_close(void *ctx, void *stream, uint32_t code, bool by_peer)
{
    (void)ctx;
    struct line *line = stream;
    line->n_closes++;
    line->code = code;
    line->by_peer = by_peer;
}

static size_t
on_take(void *ctx, void *stream, size_t room, enum h2_take *how)
{
    (void)ctx;
    struct line *line = stream;
    *how = line->to_send <= room ? H2_TAKE_LAST : H2_TAKE_MORE;
    return line->to_send <= room ? (size_t)line->to_send : room;
}

static void
on_give(void *ctx, void *stream, size_t n, struct h2_gather *out)
{
    struct side *side = ctx;
    ((struct line *)stream)->to_send -= n;
    while (n > 0) {
        size_t part = n < PIECE ? n : PIECE;
        if (side->lends)
            h2_gather_lend(out, body, part);
        else
            h2_gather_copy(out, body, part);
        n -= part;
    }
}

static void
on_ready(void *ctx)
{
    ((struct side *)ctx)->is_ready = true;
}

static void
on_ping_ack(void *ctx, uint64_t payload)
{
    ((struct side *)ctx)->ping_payload = payload;
}

static void
on_goaway(void *ctx, int32_t last_id, uint32_t code)
{
    struct side *side = ctx;
    side->n_goaways++;
    side->goaway_id = last_id;
    side->goaway_code = code;
}

static const struct h2_events events = {
    .on_open = on_open,
    .on_header = on_header,
    .on_headers = on_headers,
    .on_data = on_data,
    .on_end = on_end,
    .on_close = on_close,
    .on_take = on_take,
    .on_give = on_give,
    .on_ready = on_ready,
    .on_ping_ack = on_ping_ack,
    .on_goaway = on_goaway,
};

static void
on_output(void *ctx)
{
    ((struct side *)ctx)->n_outputs++;
}

static void
open_side(struct side *side, enum h2_role role)
{
    memset(side, 0, sizeof(*side));
    side->credits = true;
    side->lends = true;
    struct h2_session_settings settings = {
        .role = role,
        .max_streams = 100,
        .stream_window_bytes = WINDOW,
        .connection_window_bytes = 2 * WINDOW,
        .header_list_bytes = 2048,
        .events = &events,
        .ctx = side,
        .on_output = on_output,
        .output_ctx = side,
    };
    side->session = h2_session_new(&settings);
}

/* What one has to say goes to the other, in chunks; true when there was anything. */
static bool
carry(struct side *from, struct side *to, size_t chunk, enum err *err)
{
    bool is_all = false;
    h2_gather_reset(gather);
    assert_int_equal(h2_session_gather(from->session, gather, &is_all), ERR_OK);
    *err = ERR_OK;
    for (int i = 0; i < gather->n && *err == ERR_OK; i++) {
        const uint8_t *p = gather->iov[i].iov_base;
        for (size_t at = 0; at < gather->iov[i].iov_len && *err == ERR_OK; at += chunk) {
            size_t left = gather->iov[i].iov_len - at;
            *err = h2_session_feed(to->session, bytes_of(p + at, left < chunk ? left : chunk));
        }
    }
    return gather->n > 0;
}

static void
settle(size_t chunk)
{
    enum err err;
    bool more = true;
    while (more) {
        more = carry(&client, &server, chunk, &err);
        assert_int_equal(err, ERR_OK);
        more = carry(&server, &client, chunk, &err) || more;
        assert_int_equal(err, ERR_OK);
    }
}

static int
set_up(void **state)
{
    (void)state;
    clock_set(1000000000, 0);
    gather = mem_new(struct h2_gather);
    open_side(&client, H2_CLIENT);
    open_side(&server, H2_SERVER);
    settle(100000);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    h2_session_free(&client.session);
    h2_session_free(&server.session);
    mem_free(gather);
    return 0;
}

static struct line *
request(uint64_t n_body)
{
    static const struct h2_header headers[] = {{":method", "POST", 7, 4, true},
                                               {":scheme", "http", 7, 4, true},
                                               {":path", "/p", 5, 2, true},
                                               {":authority", "a", 10, 1, true}};
    struct line *line = &client.lines[client.n_lines++];
    *line = (struct line){.to_send = n_body};
    line->id = h2_stream_request(client.session, headers, 4, line);
    return line;
}

static void
test_ready(void **state)
{
    (void)state;
    assert_true(client.is_ready && server.is_ready);
    assert_int_equal(h2_session_peer_max_streams(client.session), 100);
}

static void
test_exchange(void **state)
{
    (void)state;
    static const struct h2_header ok = {":status", "200", 7, 3, true};
    size_t chunks[] = {1, 9, 1000, 100000};
    for (size_t i = 0; i < 4; i++) {
        struct line *line = request(200000);
        settle(chunks[i]);
        struct line *got = &server.lines[server.n_lines - 1];
        assert_string_equal(got->path, "/p");
        assert_int_equal(got->n_data, 200000);
        assert_int_equal(got->n_ends, 1);
        got->to_send = 70000;
        h2_stream_respond(server.session, got->id, &ok, 1, false);
        settle(chunks[i]);
        assert_int_equal(line->n_data, 70000);
        assert_int_equal(line->n_ends, 1);
        assert_int_equal(line->n_closes, 1);
        assert_int_equal(line->code, H2_NO_ERROR);
        assert_int_equal(got->n_closes, 1);
    }
}

static void
test_stream_credit_is_the_users(void **state)
{
    (void)state;
    server.credits = false;
    struct line *line = request(200000);
    settle(5000);
    struct line *got = &server.lines[0];
    assert_int_equal(got->n_data, WINDOW);
    h2_stream_credit(server.session, got->id, WINDOW / 2 - 1);
    settle(5000);
    assert_int_equal(got->n_data, WINDOW); /* lumps of half a window */
    h2_stream_credit(server.session, got->id, 1);
    settle(5000);
    assert_int_equal(got->n_data, WINDOW + WINDOW / 2);
    (void)line;
    /* The connection's window came back on receipt: others go on. */
    for (int i = 0; i < 5; i++)
        request(WINDOW);
    settle(5000);
    for (int i = 1; i < 6; i++)
        assert_int_equal(server.lines[i].n_data, WINDOW);
}

static void
test_small_pieces_fill_the_gather(void **state)
{
    (void)state;
    /* More than one gather holds: the rest follows in the next one. */
    for (int i = 0; i < 10; i++)
        request(WINDOW);
    bool is_all = true;
    h2_gather_reset(gather);
    assert_int_equal(h2_session_gather(client.session, gather, &is_all), ERR_OK);
    assert_true(gather->n_bytes <= GATHER_BYTES + 2 * H2_FRAME_BYTES);
    for (int i = 0; i < gather->n; i++)
        assert_int_equal(h2_session_feed(server.session,
                                         bytes_of(gather->iov[i].iov_base, gather->iov[i].iov_len)),
                         ERR_OK);
    settle(100000);
    for (int i = 0; i < 10; i++)
        assert_int_equal(server.lines[i].n_data, WINDOW);
}

static void
test_reset_by_either_side(void **state)
{
    (void)state;
    struct line *a = request(WINDOW * 3), *b = request(WINDOW * 3);
    server.credits = false;
    settle(100000);
    h2_stream_reset(client.session, a->id, H2_CANCEL);
    h2_stream_reset(server.session, b->id, H2_REFUSED_STREAM);
    settle(100000);
    assert_int_equal(server.lines[0].n_closes, 1);
    assert_true(server.lines[0].by_peer);
    assert_int_equal(server.lines[0].code, H2_CANCEL);
    assert_int_equal(b->n_closes, 1);
    assert_true(b->by_peer);
    assert_int_equal(b->code, H2_REFUSED_STREAM);
    assert_false(server.lines[1].by_peer);
}

static void
test_refused_at_the_door(void **state)
{
    (void)state;
    server.refuses = true;
    struct line *line = request(10);
    settle(100000);
    assert_int_equal(line->n_closes, 1);
    assert_int_equal(line->code, H2_REFUSED_STREAM);
    server.refuses = false;
    request(10);
    settle(100000);
    assert_int_equal(server.lines[0].n_data, 10);
}

static void
test_unbound_streams_are_silent(void **state)
{
    (void)state;
    struct line *line = request(WINDOW * 2);
    server.credits = false;
    settle(100000);
    h2_stream_unbind(client.session, line->id);
    h2_stream_unbind(server.session, server.lines[0].id);
    h2_stream_reset(client.session, line->id, H2_CANCEL);
    settle(100000);
    assert_int_equal(line->n_closes, 0);
    assert_int_equal(server.lines[0].n_closes, 0);
}

static void
test_ping_and_goaway(void **state)
{
    (void)state;
    h2_session_ping(server.session, UINT64_C(0x0123456789abcdef));
    request(10);
    settle(100000);
    assert_int_equal(server.ping_payload, UINT64_C(0x0123456789abcdef));
    h2_session_notice(server.session);
    settle(100000);
    assert_int_equal(client.goaway_id, H2_MAX_STREAM_ID);
    h2_session_goaway(server.session, H2_NO_ERROR);
    settle(100000);
    assert_int_equal(client.n_goaways, 2);
    assert_int_equal(client.goaway_id, 1);
    assert_true(h2_session_is_alive(server.session)); /* a stream is open */
    h2_stream_reset(server.session, 1, H2_NO_ERROR);
    settle(100000);
    assert_false(h2_session_is_alive(server.session));
    assert_false(h2_session_is_alive(client.session));
}

/* A PRIORITY frame at the server, in two pieces. */
static void
feed_priority(uint8_t id, uint8_t dependency)
{
    const uint8_t frame[14] = {0, 0, 5, 2, 0, 0, 0, 0, id, 0, 0, 0, dependency, 16};
    assert_int_equal(h2_session_feed(server.session, bytes_of(frame, 12)), ERR_OK);
    assert_int_equal(h2_session_feed(server.session, bytes_of(frame + 12, 2)), ERR_OK);
    settle(100000);
}

/* A stream that depends on itself is reset (RFC 7540 5.3.1); others go on. */
static void
test_self_dependency_costs_the_stream(void **state)
{
    (void)state;
    struct line *a = request(WINDOW * 2), *b = request(WINDOW * 2);
    server.credits = false;
    settle(100000);
    feed_priority(1, 3);
    assert_int_equal(a->n_closes, 0);
    feed_priority(1, 1);
    assert_int_equal(a->n_closes, 1);
    assert_true(a->by_peer);
    assert_int_equal(a->code, H2_PROTOCOL_ERROR);
    feed_priority(1, 1); /* closed: it may still be on its way (5.1) */
    assert_int_equal(client.n_goaways, 0);
    assert_int_equal(b->n_closes, 0);
}

/* RFC 9113 6.3; and 6.4: an idle stream cannot be reset. */
static void
test_priority_that_ends_the_connection(void **state)
{
    for (uint8_t id = 0; id <= 5; id += 5) {
        if (id > 0) {
            tear_down(state);
            set_up(state);
        }
        request(10);
        settle(100000);
        feed_priority(id, id);
        assert_int_equal(client.n_goaways, 1);
        assert_int_equal(client.goaway_code, H2_PROTOCOL_ERROR);
        assert_false(h2_session_is_alive(server.session));
    }
}

static void
test_long_header_list(void **state)
{
    (void)state;
    char value[2100];
    memset(value, 'v', sizeof(value));
    struct h2_header headers[] = {H2_HEADER(":method", "POST"), H2_HEADER(":scheme", "http"),
                                  H2_HEADER(":path", "/p"), H2_HEADER("x", "")};
    headers[3].value = value;
    headers[3].n_value = sizeof(value);
    headers[3].is_lent = false;
    struct line *line = &client.lines[client.n_lines++];
    line->id = h2_stream_request(client.session, headers, 4, line);
    settle(100000);
    assert_int_equal(line->n_closes, 1);
    assert_int_equal(server.lines[0].n_headers, 0);
    assert_int_equal(server.lines[0].n_closes, 1);
    /* The table of header compression is still in step. */
    request(10);
    settle(100000);
    assert_string_equal(server.lines[1].path, "/p");
}

static void
test_not_http2(void **state)
{
    (void)state;
    struct side other;
    open_side(&other, H2_SERVER);
    assert_int_equal(h2_session_feed(other.session, BYTES("GET / HTTP/1.1\r\n\r\n")),
                     ERR_H2_PREFACE);
    h2_session_free(&other.session);
}

static void
test_reset_flood(void **state)
{
    (void)state;
    /* WINDOW_UPDATE that overflows a stream's window: nghttp2 resets the stream and goes on. */
    enum err err = ERR_OK;
    int n = 0;
    while (err == ERR_OK && h2_session_is_alive(server.session) && n < 100000) {
        struct line *line = &client.lines[0];
        *line = (struct line){0};
        client.n_lines = 0;
        server.n_lines = 0;
        line = request(WINDOW * 2);
        server.credits = false;
        (void)carry(&client, &server, 100000, &err);
        if (err != ERR_OK)
            break;
        uint8_t frame[13] = {0, 0, 4, 8, 0};
        frame[7] = (uint8_t)(line->id >> 8);
        frame[6] = (uint8_t)(line->id >> 16);
        frame[8] = (uint8_t)line->id;
        frame[9] = 0x7f;
        frame[10] = frame[11] = frame[12] = 0xff;
        err = h2_session_feed(server.session, bytes_of(frame, sizeof(frame)));
        n++;
        enum err ignored;
        (void)carry(&server, &client, 100000, &ignored);
    }
    assert_in_range(n, 600, 1100);
    assert_int_equal(client.goaway_code, H2_ENHANCE_YOUR_CALM);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_ready),
        T(test_exchange),
        T(test_stream_credit_is_the_users),
        T(test_small_pieces_fill_the_gather),
        T(test_reset_by_either_side),
        T(test_refused_at_the_door),
        T(test_unbound_streams_are_silent),
        T(test_ping_and_goaway),
        T(test_self_dependency_costs_the_stream),
        T(test_priority_that_ends_the_connection),
        T(test_long_header_list),
        T(test_not_http2),
        T(test_reset_flood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
