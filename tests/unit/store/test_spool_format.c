/* The bytes of a spool: what was filled is found again, what was changed is not. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/mem.h"
#include "store/spool_format.h"

enum { SEED = 4711 };

/* A record of key "svc" and payload "0123456789"; 64 bytes. */
union record {
    struct spool_record_head head;
    uint8_t bytes[64];
};

static union record
record_of(uint64_t sequence)
{
    union record record;
    memset(&record, 0xff, sizeof(record));
    record.head.method = 7;
    record.head.flags = SPOOL_FLAG_EDITED;
    record.head.key_bytes = 3;
    record.head.payload_bytes = 10;
    record.head.received_ms = 1700000000123;
    memcpy(record.bytes + SPOOL_RECORD_HEAD_BYTES, "svc0123456789", 13);
    spool_record_fill(&record.head, SEED);
    spool_record_stamp(&record.head, SEED, sequence);
    return record;
}

static void
a_record_is_found_as_it_was_filled(void **state)
{
    (void)state;
    union record record = record_of(1000);
    struct spool_record_head head;
    assert_int_equal(spool_record_bytes(3, 10), 64);
    assert_int_equal(spool_record_bytes(0, 0), 48);
    assert_int_equal(spool_record_bytes(0, 8), 56);
    assert_int_equal(spool_record_bytes(1, 8), 64);
    assert_int_equal(spool_record_look(record.bytes, 64, SEED, &head), ERR_OK);
    assert_memory_equal(record.bytes, "SPGR", 4);
    assert_int_equal(head.sequence, 1000);
    assert_int_equal(head.method, 7);
    assert_int_equal(head.flags, SPOOL_FLAG_EDITED);
    assert_true(head.received_ms == 1700000000123);
    assert_true(bytes_equal(spool_record_key(record.bytes), BYTES("svc")));
    assert_true(bytes_equal(spool_record_payload(record.bytes), BYTES("0123456789")));
    assert_memory_equal(record.bytes + 61, "\0\0\0", 3);
    assert_true(spool_record_is_whole(record.bytes, SEED));
}

static void
each_changed_bit_of_a_record_is_noticed(void **state)
{
    (void)state;
    struct spool_record_head head;
    for (size_t i = 0; i < 61 * 8; i++) {
        union record record = record_of(5);
        record.bytes[i / 8] ^= (uint8_t)(1u << i % 8);
        enum err err = spool_record_look(record.bytes, 64, SEED, &head);
        assert_int_equal(err, i / 8 < SPOOL_RECORD_HEAD_BYTES ? ERR_SPOOL_HEAD : ERR_OK);
        if (err == ERR_OK)
            assert_false(spool_record_is_whole(record.bytes, SEED));
    }
}

static void
a_strangers_seed_makes_no_record(void **state)
{
    (void)state;
    union record record = record_of(5);
    struct spool_record_head head;
    uint8_t one[SPOOL_UUID_BYTES] = {1}, two[SPOOL_UUID_BYTES] = {2};
    assert_int_equal(spool_record_look(record.bytes, 64, SEED + 1, &head), ERR_SPOOL_HEAD);
    assert_false(spool_record_is_whole(record.bytes, SEED + 1));
    assert_true(spool_seed(one) == spool_seed(one));
    assert_true(spool_seed(one) != spool_seed(two));
}

static void
a_record_that_ends_too_late_is_short(void **state)
{
    (void)state;
    union record record = record_of(5);
    struct spool_record_head head;
    for (size_t n = 0; n < 64; n++)
        assert_int_equal(spool_record_look(record.bytes, n, SEED, &head),
                         n < SPOOL_RECORD_HEAD_BYTES ? ERR_SPOOL_HEAD : ERR_SPOOL_SHORT);
}

static void
sizes_and_footers_that_nobody_writes_are_no_heads(void **state)
{
    (void)state;
    union record record = record_of(5);
    struct spool_record_head head;
    record.head.key_bytes = record.head.payload_bytes = UINT32_MAX;
    spool_record_stamp(&record.head, SEED, 5);
    assert_int_equal(spool_record_look(record.bytes, 64, SEED, &head), ERR_SPOOL_HEAD);
    record = record_of(5);
    record.head.flags |= SPOOL_FLAG_FOOTER;
    spool_record_stamp(&record.head, SEED, 5);
    assert_int_equal(spool_record_look(record.bytes, 64, SEED, &head), ERR_SPOOL_HEAD);
    record.head.method = 0;
    record.head.key_bytes = record.head.payload_bytes = 0;
    spool_record_fill(&record.head, SEED);
    spool_record_stamp(&record.head, SEED, 5);
    assert_int_equal(spool_record_look(record.bytes, 48, SEED, &head), ERR_OK);
    assert_true((head.flags & SPOOL_FLAG_FOOTER) != 0);
}

static void
a_file_head_is_ours_damaged_or_newer(void **state)
{
    (void)state;
    uint8_t uuid[SPOOL_UUID_BYTES] = "0123456789abcde", bytes[SPOOL_FILE_HEAD_BYTES];
    struct spool_file_head head, found;
    spool_file_head_fill(&head, uuid, 1000, 1700000000123);
    memcpy(bytes, &head, sizeof(bytes));
    assert_memory_equal(bytes, "SPGSPOOL", 8);
    assert_int_equal(spool_file_head_look(bytes, &found), ERR_OK);
    assert_int_equal(found.base, 1000);
    assert_true(found.created_ms == 1700000000123);
    assert_memory_equal(found.uuid, uuid, sizeof(uuid));
    for (size_t i = 0; i < sizeof(bytes) * 8; i++) {
        bytes[i / 8] ^= (uint8_t)(1u << i % 8);
        assert_int_equal(spool_file_head_look(bytes, &found), ERR_SPOOL_HEAD);
        bytes[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    /* As written by a version 2: the checksum of XXH3 with seed 0 at its place. */
    head.version = 2;
    head.sum = hash_bytes_seeded(bytes_of(&head, 56), 0);
    memcpy(bytes, &head, sizeof(bytes));
    assert_int_equal(spool_file_head_look(bytes, &found), ERR_SPOOL_VERSION);
}

static struct spool_cursor *
cursor_of(uint32_t n_runs)
{
    struct spool_cursor *cursor = mem_new(struct spool_cursor);
    cursor->epoch = 9;
    cursor->lowest = 100;
    cursor->next = 1000000;
    cursor->n_runs = n_runs;
    for (uint32_t i = 0; i < n_runs; i++)
        cursor->runs[i] = (struct spool_run){110 + i * 10, 5};
    return cursor;
}

static void
a_cursor_is_found_as_it_was_filled(void **state)
{
    (void)state;
    static const uint32_t counts[] = {0, 1, SPOOL_CURSOR_MAX_RUNS};
    uint8_t *slot = mem_alloc(SPOOL_CURSOR_SLOT_BYTES);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct spool_cursor *cursor = cursor_of(counts[i]), *found = mem_new(struct spool_cursor);
        size_t n = spool_cursor_fill(cursor, SEED, slot);
        assert_int_equal(n, 48 + counts[i] * 16);
        assert_int_equal(spool_cursor_look(slot, SEED, found), ERR_OK);
        assert_memory_equal(cursor, found, sizeof(*found));
        assert_int_equal(spool_cursor_look(slot, SEED + 1, found), ERR_SPOOL_HEAD);
        for (size_t at = 0; at < n; at += 1 + n / 97) {
            slot[at] ^= 4;
            assert_int_equal(spool_cursor_look(slot, SEED, found), ERR_SPOOL_HEAD);
            slot[at] ^= 4;
        }
        mem_free(cursor);
        mem_free(found);
    }
    mem_free(slot);
}

static void
runs_that_cannot_be_are_no_cursor(void **state)
{
    (void)state;
    static const struct spool_run bad[] = {{99, 5}, {112, 5}, {200, 0}, {UINT64_MAX - 3, 5}};
    uint8_t *slot = mem_alloc(SPOOL_CURSOR_SLOT_BYTES);
    struct spool_cursor *cursor = cursor_of(2), *found = mem_new(struct spool_cursor);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cursor->runs[1] = bad[i];
        (void)spool_cursor_fill(cursor, SEED, slot);
        assert_int_equal(spool_cursor_look(slot, SEED, found), ERR_SPOOL_HEAD);
    }
    memset(slot, 0, SPOOL_CURSOR_SLOT_BYTES);
    assert_int_equal(spool_cursor_look(slot, SEED, found), ERR_SPOOL_HEAD);
    mem_free(cursor);
    mem_free(found);
    mem_free(slot);
}

static void
names_are_read_as_they_are_written(void **state)
{
    (void)state;
    static const struct {
        uint64_t base;
        uint32_t suffix;
        const char *name;
    } rows[] = {{0, 0, "0000000000000000"},
                {1000, 0, "00000000000003e8"},
                {1000, 1, "00000000000003e8-1"},
                {UINT64_MAX, UINT32_MAX, "ffffffffffffffff-4294967295"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char name[SPOOL_NAME_BYTES];
        uint64_t base;
        uint32_t suffix;
        spool_name_fill(rows[i].base, rows[i].suffix, name);
        assert_string_equal(name, rows[i].name);
        assert_true(spool_name_look(name, &base, &suffix));
        assert_true(base == rows[i].base && suffix == rows[i].suffix);
    }
}

static void
other_names_are_not_ours(void **state)
{
    (void)state;
    static const char *const names[] = {"",
                                        "LOCK",
                                        "cursor",
                                        "00000000000003e",
                                        "00000000000003e80",
                                        "00000000000003E8",
                                        "00000000000003e8-",
                                        "00000000000003e8-0",
                                        "00000000000003e8-01",
                                        "00000000000003e8-1x",
                                        "00000000000003e8-4294967296",
                                        "00000000000003e8-99999999999999999999",
                                        "00000000000003e8.corrupt",
                                        "00000000000003g8",
                                        " 0000000000003e8"};
    uint64_t base;
    uint32_t suffix;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (spool_name_look(names[i], &base, &suffix))
            fail_msg("taken for a spool file: %s", names[i]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_found_as_it_was_filled),
        cmocka_unit_test(each_changed_bit_of_a_record_is_noticed),
        cmocka_unit_test(a_strangers_seed_makes_no_record),
        cmocka_unit_test(a_record_that_ends_too_late_is_short),
        cmocka_unit_test(sizes_and_footers_that_nobody_writes_are_no_heads),
        cmocka_unit_test(a_file_head_is_ours_damaged_or_newer),
        cmocka_unit_test(a_cursor_is_found_as_it_was_filled),
        cmocka_unit_test(runs_that_cannot_be_are_no_cursor),
        cmocka_unit_test(names_are_read_as_they_are_written),
        cmocka_unit_test(other_names_are_not_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
