/* Walking a spool file: whole, torn, damaged, closed in order, unreadable. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "store/spool_scan.h"

enum { SEED = 4711, FILE_BYTES = 4 * 1024 * 1024, START = SPOOL_FILE_HEAD_BYTES };

/* A file in memory. */
struct memory {
    uint8_t *bytes;
    uint64_t size, n_read_bytes;
    uint64_t bad_from; /* reading beyond it fails */
};

static enum err
read_memory(void *ctx, int file, void *out, size_t n, uint64_t offset, size_t *n_read)
{
    struct memory *memory = ctx;
    (void)file;
    *n_read = 0;
    if (offset + n > memory->bad_from)
        return ERR_IO;
    if (offset < memory->size)
        *n_read = n < memory->size - offset ? n : (size_t)(memory->size - offset);
    memcpy(out, memory->bytes + offset, *n_read);
    memory->n_read_bytes += *n_read;
    return ERR_OK;
}

struct fixture {
    struct memory memory;
    struct disk disk;
    struct spool_scan scan;
    uint64_t end;
};

static struct fixture *
fixture_new(void)
{
    struct fixture *f = mem_new(struct fixture);
    f->memory.bytes = mem_zeroed(FILE_BYTES);
    f->memory.size = FILE_BYTES;
    f->memory.bad_from = UINT64_MAX;
    f->disk.ctx = &f->memory;
    f->disk.read = read_memory;
    f->end = START;
    return f;
}

static void
fixture_free(struct fixture *f)
{
    spool_scan_fini(&f->scan);
    mem_free(f->memory.bytes);
    mem_free(f);
}

/* Returns where it stands. */
static uint64_t
add(struct fixture *f, uint64_t sequence, uint32_t payload_bytes, uint16_t flags)
{
    struct spool_record_head *head = (struct spool_record_head *)(void *)(f->memory.bytes + f->end);
    uint64_t at = f->end;
    head->method = flags == SPOOL_FLAG_FOOTER ? 0 : 1;
    head->flags = flags;
    head->payload_bytes = payload_bytes;
    memset(head + 1, (int)('a' + sequence % 26), payload_bytes);
    spool_record_fill(head, SEED);
    spool_record_stamp(head, SEED, sequence);
    f->end += spool_record_bytes(0, payload_bytes);
    return at;
}

static void
begin(struct fixture *f, uint64_t lowest)
{
    spool_scan_fini(&f->scan);
    spool_scan_init(&f->scan, &f->disk, 0, SEED, f->memory.size, START, lowest);
}

static void
expect_record(struct fixture *f, uint64_t sequence, uint64_t at)
{
    assert_int_equal(spool_scan_next(&f->scan), SPOOL_SCAN_RECORD);
    assert_int_equal(f->scan.head.sequence, sequence);
    assert_int_equal(f->scan.offset, at);
    assert_true(spool_record_is_whole(f->scan.record, SEED));
}

static void
expect_end(struct fixture *f, uint64_t at)
{
    for (int i = 0; i < 2; i++) {
        assert_int_equal(spool_scan_next(&f->scan), SPOOL_SCAN_END);
        assert_int_equal(f->scan.offset, at);
        assert_int_equal(f->scan.err, ERR_OK);
    }
}

static void
records_come_in_order_across_windows(void **state)
{
    (void)state;
    enum { N = 300 };
    uint64_t at[N];
    struct fixture *f = fixture_new();
    for (uint32_t i = 0; i < N; i++)
        at[i] = add(f, 1000 + i, i * 37 % 9001, 0);
    begin(f, 1000);
    for (uint32_t i = 0; i < N; i++)
        expect_record(f, 1000 + i, at[i]);
    expect_end(f, f->end);
    fixture_free(f);
}

static void
a_record_larger_than_the_window_is_one(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    uint64_t one = add(f, 1, 100, 0), two = add(f, 2, 3000000, 0), three = add(f, 3, 1, 0);
    begin(f, 1);
    expect_record(f, 1, one);
    expect_record(f, 2, two);
    assert_int_equal(spool_record_payload(f->scan.record).n, 3000000);
    expect_record(f, 3, three);
    expect_end(f, f->end);
    fixture_free(f);
}

static void
a_torn_tail_is_the_end(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    uint64_t one = add(f, 1, 100, 0), two = add(f, 2, 100, 0);
    for (f->memory.size = two; f->memory.size < f->end; f->memory.size++) {
        begin(f, 1);
        expect_record(f, 1, one);
        expect_end(f, two);
    }
    f->memory.size = FILE_BYTES;
    f->memory.bytes[two + 20] ^= 1;
    begin(f, 1);
    expect_record(f, 1, one);
    expect_end(f, two);
    fixture_free(f);
}

static void
damage_before_a_record_is_a_gap(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    uint64_t one = add(f, 1, 100, 0), two = add(f, 2, 500, 0), three = add(f, 3, 100, 0);
    f->memory.bytes[two + 8] ^= 1;
    begin(f, 1);
    expect_record(f, 1, one);
    assert_int_equal(spool_scan_next(&f->scan), SPOOL_SCAN_GAP);
    assert_int_equal(f->scan.offset, two);
    assert_int_equal(f->scan.gap_bytes, three - two);
    expect_record(f, 3, three);
    expect_end(f, f->end);
    memset(f->memory.bytes + one, 0, three - one); /* lost pages read as zeros */
    begin(f, 1);
    assert_int_equal(spool_scan_next(&f->scan), SPOOL_SCAN_GAP);
    assert_int_equal(f->scan.gap_bytes, three - one);
    expect_record(f, 3, three);
    fixture_free(f);
}

static void
a_gap_spans_windows(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    uint64_t one = add(f, 1, 2500000, 0), two = add(f, 2, 100, 0);
    memset(f->memory.bytes + one, 0x53, 2000000);
    begin(f, 1);
    assert_int_equal(spool_scan_next(&f->scan), SPOOL_SCAN_GAP);
    assert_int_equal(f->scan.gap_bytes, two - one);
    expect_record(f, 2, two);
    assert_true(f->memory.n_read_bytes < 2 * (uint64_t)FILE_BYTES);
    fixture_free(f);
}

static void
older_sequences_and_strangers_are_no_records(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    uint64_t five = add(f, 5, 10, 0), four = add(f, 4, 10, 0);
    begin(f, 1);
    expect_record(f, 5, five);
    expect_end(f, four);
    begin(f, 6);
    expect_end(f, five);
    begin(f, 1);
    f->scan.seed = SEED + 1;
    expect_end(f, five);
    uint64_t six = add(f, 6, 10, 0);
    begin(f, 1);
    expect_record(f, 5, five);
    assert_int_equal(spool_scan_next(&f->scan), SPOOL_SCAN_GAP);
    assert_int_equal(f->scan.offset, four);
    expect_record(f, 6, six);
    fixture_free(f);
}

static void
a_footer_ends_the_file_and_is_found_from_behind(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    uint64_t next = 0, one = add(f, 1, 10, 0), footer = add(f, 2, 0, SPOOL_FLAG_FOOTER);
    f->memory.size = f->end;
    assert_int_equal(spool_scan_footer(&f->disk, 0, SEED, f->end, &next, &(uint64_t){0}), ERR_OK);
    assert_int_equal(next, 2);
    assert_int_equal(spool_scan_footer(&f->disk, 0, SEED + 1, f->end, &next, &(uint64_t){0}),
                     ERR_SPOOL_HEAD);
    assert_int_equal(spool_scan_footer(&f->disk, 0, SEED, footer, &next, &(uint64_t){0}),
                     ERR_SPOOL_HEAD);
    assert_int_equal(spool_scan_footer(&f->disk, 0, SEED, f->end - 1, &next, &(uint64_t){0}),
                     ERR_SPOOL_HEAD);
    assert_int_equal(spool_scan_footer(&f->disk, 0, SEED, START, &next, &(uint64_t){0}),
                     ERR_SPOOL_HEAD);
    (void)add(f, 3, 10, 0); /* behind a footer nothing counts */
    f->memory.size = FILE_BYTES;
    begin(f, 1);
    expect_record(f, 1, one);
    assert_int_equal(spool_scan_next(&f->scan), SPOOL_SCAN_FOOTER);
    assert_int_equal(f->scan.offset, footer);
    assert_int_equal(f->scan.head.sequence, 2);
    expect_end(f, footer + SPOOL_RECORD_HEAD_BYTES);
    f->memory.bad_from = START;
    assert_int_equal(spool_scan_footer(&f->disk, 0, SEED, f->end, &next, &(uint64_t){0}), ERR_IO);
    fixture_free(f);
}

static void
a_failed_read_is_told(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    uint64_t one = add(f, 1, 900000, 0), two = add(f, 2, 900000, 0);
    f->memory.bad_from = 1024 * 1024 + START;
    begin(f, 1);
    expect_record(f, 1, one);
    assert_int_equal(spool_scan_next(&f->scan), SPOOL_SCAN_END);
    assert_int_equal(f->scan.offset, two);
    assert_int_equal(f->scan.err, ERR_IO);
    fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_in_order_across_windows),
        cmocka_unit_test(a_record_larger_than_the_window_is_one),
        cmocka_unit_test(a_torn_tail_is_the_end),
        cmocka_unit_test(damage_before_a_record_is_a_gap),
        cmocka_unit_test(a_gap_spans_windows),
        cmocka_unit_test(older_sequences_and_strangers_are_no_records),
        cmocka_unit_test(a_footer_ends_the_file_and_is_found_from_behind),
        cmocka_unit_test(a_failed_read_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
