/* The varint reader against a plain loop, every cut at the end of readable memory. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "message/message.h"
#include "message/wire_int.h"

enum { LONGEST = 12 };

static uint64_t state_of_draw = 20240229;

static uint64_t
draw(void)
{
    state_of_draw ^= state_of_draw << 13;
    state_of_draw ^= state_of_draw >> 7;
    state_of_draw ^= state_of_draw << 17;
    return state_of_draw;
}

/* As protobuf's documentation says it: seven bits a byte, the lowest first, at most ten bytes. */
static size_t
expected(const uint8_t *p, size_t n, uint64_t *value, enum err *err)
{
    *value = 0;
    for (size_t i = 0; i < n && i < 10; i++) {
        *value |= (uint64_t)(p[i] & 0x7f) << (7 * i);
        if (p[i] < 0x80)
            return i + 1;
    }
    *err = n < 10 ? ERR_WIRE_LENGTH : ERR_WIRE_VARINT;
    return 0;
}

/* The page behind the returned place may not be read. */
static uint8_t *
end_of_memory(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(p != MAP_FAILED);
    assert_int_equal(mprotect(p + page, page, PROT_NONE), 0);
    return p + page;
}

static void
check_one(uint8_t *limit, const uint8_t *bytes, size_t n)
{
    uint8_t *p = limit - n;
    memcpy(p, bytes, n);
    uint64_t value = 0, want = 0;
    enum err err = ERR_OK, want_err = ERR_OK;
    size_t want_n = expected(bytes, n, &want, &want_err);
    const uint8_t *behind = wire_varint(p, limit, &value, &err);
    assert_int_equal(err, want_err);
    if (want_n == 0) {
        assert_null(behind);
        return;
    }
    assert_ptr_equal(behind, p + want_n);
    assert_true(value == want);
}

/* Each way of continuing bytes, each cut. */
static void
it_reads_as_a_loop_does_and_no_further(void **state)
{
    (void)state;
    uint8_t *limit = end_of_memory();
    for (uint32_t round = 0; round < 64; round++)
        for (uint32_t more = 0; more < 1u << LONGEST; more++) {
            uint8_t bytes[LONGEST];
            for (uint32_t i = 0; i < LONGEST; i++) {
                uint8_t low = round == 0 ? 0x7f : round == 1 ? 0 : (uint8_t)(draw() >> 40 & 0x7f);
                bytes[i] = (uint8_t)(low | (more >> i & 1) << 7);
            }
            for (size_t n = 0; n <= LONGEST; n++)
                check_one(limit, bytes, n);
        }
}

static void
ten_bytes_are_the_most(void **state)
{
    (void)state;
    static const uint8_t minus_one[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
    static const uint8_t eleven[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
                                     0x80, 0x80, 0x80, 0x80, 0x00};
    uint64_t value = 0;
    enum err err = ERR_OK;
    assert_ptr_equal(wire_varint(minus_one, minus_one + 10, &value, &err), minus_one + 10);
    assert_true(value == UINT64_MAX);
    assert_null(wire_varint(minus_one, minus_one + 9, &value, &err));
    assert_int_equal(err, ERR_WIRE_LENGTH);
    assert_null(wire_varint(eleven, eleven + sizeof(eleven), &value, &err));
    assert_int_equal(err, ERR_WIRE_VARINT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_reads_as_a_loop_does_and_no_further),
        cmocka_unit_test(ten_bytes_are_the_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
