/* The frame-header scanner: every split, suspects, header blocks, the glitch budget. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "h2/h2_guard.h"

#define START_US UINT64_C(1000000000)

static struct h2_guard guard;
static uint8_t wire[4096];
static size_t n_wire;
static struct h2_suspect last_suspect;

static void
add_frame(uint32_t length, uint8_t type, uint8_t flags, uint32_t id)
{
    uint8_t *h = wire + n_wire;
    h[0] = (uint8_t)(length >> 16);
    h[1] = (uint8_t)(length >> 8);
    h[2] = (uint8_t)length;
    h[3] = type;
    h[4] = flags;
    h[5] = (uint8_t)(id >> 24);
    h[6] = (uint8_t)(id >> 16);
    h[7] = (uint8_t)(id >> 8);
    h[8] = (uint8_t)id;
    memset(h + 9, 0x55, length);
    n_wire += 9 + length;
}

static int
set_up(void **state)
{
    (void)state;
    clock_set(START_US, 0);
    h2_guard_init(&guard);
    memcpy(wire, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    n_wire = 24;
    return 0;
}

/* Scans everything in chunks; gives the number of suspects. */
static int
scan(size_t chunk)
{
    int n_suspects = 0;
    for (size_t at = 0; at < n_wire;) {
        size_t n = n_wire - at < chunk ? n_wire - at : chunk;
        struct bytes in = bytes_of(wire + at, n);
        struct h2_suspect suspect = {.kind = SUSPECT_STATE};
        while (suspect.kind != SUSPECT_NONE) {
            /* After a suspect the rest, its header included, comes again. */
            size_t used = h2_guard_scan(&guard, in, &suspect);
            in = bytes_of(in.p + used, in.n - used);
            n_suspects += suspect.kind != SUSPECT_NONE;
            if (suspect.kind != SUSPECT_NONE)
                last_suspect = suspect;
            assert_true(suspect.kind != SUSPECT_NONE || in.n == 0);
        }
        at += n;
    }
    n_wire = 0;
    return n_suspects;
}

static void
test_counts_in_any_chunks(void **state)
{
    for (size_t chunk = 1; chunk <= 300; chunk += 7) {
        set_up(state);
        add_frame(0, 4, 0, 0);
        add_frame(20, 1, 4, 1);
        add_frame(100, 0, 0, 1);
        add_frame(0, 0, 1, 1);
        add_frame(4, 8, 0, 0);
        add_frame(5, 2, 0, 3);
        add_frame(7, 0xaa, 0, 0);
        add_frame(30, 1, 0, 7);
        add_frame(8, 9, 4, 7);
        size_t all = n_wire;
        assert_int_equal(scan(chunk), 0);
        assert_int_equal(guard.n_frames[0], 2);
        assert_int_equal(guard.n_frames[1], 2);
        assert_int_equal(guard.n_frames[2], 1);
        assert_int_equal(guard.n_frames[9], 1);
        assert_int_equal(guard.n_frames[10], 1);
        assert_int_equal(guard.highest_id, 7);
        assert_int_equal(guard.n_streams, 2);
        assert_int_equal(guard.total_bytes, all);
        assert_int_equal(guard.payload_bytes, 100);
        assert_int_equal(guard.n_glitches, 2); /* PRIORITY, unknown type */
        assert_false(guard.in_headers);
    }
}

static void
test_suspects_in_any_chunks(void **state)
{
    for (size_t chunk = 1; chunk <= 100; chunk++) {
        set_up(state);
        add_frame(3, 1, 4, 5);
        add_frame(3, 1, 5, 5); /* trailers: fine */
        add_frame(4, 8, 0, 5); /* WINDOW_UPDATE after the end: fine */
        add_frame(4, 3, 0, 5); /* and RST_STREAM */
        add_frame(3, 1, 4, 7);
        add_frame(10, 0, 0, 7);
        assert_int_equal(scan(chunk), 0);
        add_frame(3, 1, 4, 3); /* skipped */
        assert_int_equal(scan(chunk), 1);
        assert_int_equal(last_suspect.stream_id, 3);
        assert_int_equal(last_suspect.code, H2_PROTOCOL_ERROR);
        add_frame(3, 0, 0, 5); /* ended */
        add_frame(3, 1, 4, 5);
        assert_int_equal(scan(chunk), 2);
        assert_int_equal(last_suspect.stream_id, 5);
        assert_int_equal(last_suspect.code, H2_STREAM_CLOSED);
        assert_int_equal(guard.highest_id, 7);
    }
}

static void
test_memory_of_streams_moves_on(void **state)
{
    (void)state;
    for (uint32_t id = 1; id < 8 * GUARD_STREAMS; id += 2) {
        add_frame(1, 1, 5, id);
        assert_int_equal(scan(4096), 0);
        if (id > 3 && id % 6 == 1) {
            add_frame(1, 0, 0, id - 2);
            assert_int_equal(scan(4096), 1);
        }
    }
    /* A long stream of the beginning is not remembered, so nothing is held against it. */
    add_frame(1, 0, 0, 1);
    assert_int_equal(scan(4096), 0);
    /* A jump forgets everything at once. */
    add_frame(1, 1, 4, 0x7fffffff);
    add_frame(1, 0, 0, 0x7fffffff);
    assert_int_equal(scan(4096), 0);
    add_frame(1, 1, 4, 0x7fffffff - 2 * GUARD_STREAMS + 2);
    assert_int_equal(scan(4096), 1);
    assert_int_equal(last_suspect.code, H2_PROTOCOL_ERROR);
}

static void
add_priority(uint32_t id, uint32_t dependency)
{
    add_frame(5, 2, 0, id);
    uint8_t *payload = wire + n_wire - 5;
    for (int i = 0; i < 4; i++)
        payload[i] = (uint8_t)(dependency >> (24 - 8 * i));
}

/* RFC 9113 6.3: PRIORITY on no stream; RFC 7540 5.3.1: a stream that depends on itself. */
static void
test_bad_priorities_in_any_chunks(void **state)
{
    for (size_t chunk = 1; chunk <= 100; chunk++) {
        set_up(state);
        add_frame(3, 1, 4, 5);
        add_priority(5, 3);
        add_priority(7, 0x80000005); /* exclusive */
        add_frame(4, 2, 0, 5);       /* too short: nghttp2 says so */
        memcpy(wire + n_wire - 4, "\0\0\0\7", 4);
        add_frame(1, 0, 0, 5);
        assert_int_equal(scan(chunk), 0);
        add_priority(5, 0x80000005);
        add_frame(1, 0, 0, 5);
        assert_int_equal(scan(chunk), 1);
        assert_int_equal(last_suspect.kind, SUSPECT_STREAM);
        assert_int_equal(last_suspect.stream_id, 5);
        assert_int_equal(last_suspect.code, H2_PROTOCOL_ERROR);
        assert_int_equal(guard.n_frames[0], 2); /* what follows is still read */
        add_priority(9, 9);                     /* idle: nothing that could be reset */
        assert_int_equal(scan(chunk), 1);
        assert_int_equal(last_suspect.kind, SUSPECT_CONNECTION);
        add_priority(2, 2);
        assert_int_equal(scan(chunk), 1);
        assert_int_equal(last_suspect.kind, SUSPECT_CONNECTION);
        add_priority(0, 1);
        assert_int_equal(scan(chunk), 1);
        assert_int_equal(last_suspect.kind, SUSPECT_CONNECTION);
        assert_int_equal(last_suspect.code, H2_PROTOCOL_ERROR);
    }
}

static void
test_header_block(void **state)
{
    (void)state;
    add_frame(3, 1, 0, 1);
    scan(1000);
    assert_true(guard.in_headers);
    add_frame(3, 9, 0, 1);
    scan(1000);
    assert_true(guard.in_headers);
    add_frame(3, 9, 4, 1);
    n_wire--;
    scan(1000);
    assert_true(guard.in_headers);
    wire[0] = 0;
    n_wire = 1;
    scan(1);
    assert_false(guard.in_headers);
}

static void
test_budget_and_forgiveness(void **state)
{
    (void)state;
    h2_guard_add(&guard, 7499);
    assert_int_equal(h2_guard_state(&guard), GUARD_FINE);
    h2_guard_add(&guard, 1);
    assert_int_equal(h2_guard_state(&guard), GUARD_CALM);
    assert_int_equal(h2_guard_state(&guard), GUARD_FINE); /* told once */
    clock_set(START_US + 10 * 1000000, 0);
    h2_guard_add(&guard, 0);
    assert_int_equal(guard.n_glitches, 7500 - 3300);
    h2_guard_add(&guard, 6000);
    assert_int_equal(h2_guard_state(&guard), GUARD_FLOOD);
}

static void
test_slow_glitches_are_forgiven(void **state)
{
    (void)state;
    /* 300 a second for ten minutes, in ticks that forgive a fraction each. */
    uint64_t now = START_US;
    for (int i = 0; i < 180000; i++) {
        now += 3333;
        clock_set(now, 0);
        h2_guard_add(&guard, 1);
    }
    assert_int_equal(h2_guard_state(&guard), GUARD_FINE);
    assert_true(guard.n_glitches < 10);
}

static void
test_pings(void **state)
{
    (void)state;
    n_wire = 24;
    for (int i = 0; i < 100; i++)
        add_frame(8, 6, 0, 0);
    scan(4096);
    assert_int_equal(guard.n_glitches, 0);
    add_frame(8, 6, 0, 0);
    scan(4096);
    assert_int_equal(guard.n_glitches, 1);
    guard.n_data_sent = 200; /* answers excuse bandwidth probes */
    add_frame(8, 6, 0, 0);
    scan(4096);
    assert_int_equal(guard.n_glitches, 1);
}

static void
test_window_updates(void **state)
{
    (void)state;
    add_frame(0, 1, 4, 1);
    for (int i = 0; i < 3; i++)
        add_frame(4, 8, 0, 0);
    scan(4096);
    assert_int_equal(guard.n_glitches, 0);
    add_frame(4, 8, 0, 0);
    scan(4096);
    assert_int_equal(guard.n_glitches, 1);
}

static void
test_backstop(void **state)
{
    (void)state;
    guard.total_bytes = 8 * (UINT64_C(1) << 20) + 7;
    assert_int_equal(h2_guard_state(&guard), GUARD_FINE);
    guard.total_bytes++;
    guard.total_bytes += 8;
    assert_int_equal(h2_guard_state(&guard), GUARD_FLOOD);
    guard.payload_bytes = 100;
    assert_int_equal(h2_guard_state(&guard), GUARD_FINE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_counts_in_any_chunks, set_up),
        cmocka_unit_test_setup(test_suspects_in_any_chunks, set_up),
        cmocka_unit_test_setup(test_memory_of_streams_moves_on, set_up),
        cmocka_unit_test_setup(test_bad_priorities_in_any_chunks, set_up),
        cmocka_unit_test_setup(test_header_block, set_up),
        cmocka_unit_test_setup(test_budget_and_forgiveness, set_up),
        cmocka_unit_test_setup(test_slow_glitches_are_forgiven, set_up),
        cmocka_unit_test_setup(test_pings, set_up),
        cmocka_unit_test_setup(test_window_updates, set_up),
        cmocka_unit_test_setup(test_backstop, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
