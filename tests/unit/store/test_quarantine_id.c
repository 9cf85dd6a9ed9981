/* Names of quarantined records: written, read in any case, bounded. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "store/quarantine_id.h"
#include "store/spool_format.h"

static void
expect(uint64_t sequence, const char *id)
{
    char out[QUARANTINE_ID_BYTES];
    uint64_t back = UINT64_MAX;
    quarantine_id_fill(sequence, out);
    assert_string_equal(out, id);
    assert_true(quarantine_id_parse(bytes_str(id), &back));
    assert_true(back == sequence);
}

static void
ids_are_crockford_base_32(void **state)
{
    (void)state;
    expect(0, "q-0000");
    expect(1, "q-0001");
    expect(31, "q-000Z");
    expect(32, "q-0010");
    expect(1024 * 1024 - 1, "q-ZZZZ");
    expect(1024 * 1024, "q-10000");
    expect(SPOOL_SEQUENCE_END - 1, "q-3ZZZZZZZZZZZZ");
}

static void
case_and_look_alikes_do_not_matter(void **state)
{
    (void)state;
    uint64_t a, b;
    assert_true(quarantine_id_parse(BYTES("Q-1o0l"), &a));
    assert_true(quarantine_id_parse(BYTES("q-1001"), &b));
    assert_true(a == b);
    assert_true(quarantine_id_parse(BYTES("q-I"), &a));
    assert_int_equal(a, 1);
    assert_true(quarantine_id_parse(BYTES("q-zzzz"), &a));
    assert_int_equal(a, 1024 * 1024 - 1);
}

static void
what_is_no_id_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "q",
                                        "q-",
                                        "q0000",
                                        "x-0000",
                                        "q-00u0",
                                        "q-00 0",
                                        "q-0-0",
                                        " q-0000",
                                        "q-0000 ",
                                        "0000",
                                        "q-FZZZZZZZZZZZZ",
                                        "q-00000000000000",
                                        "q-4000000000000",
                                        "q-\x80"};
    uint64_t sequence;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(quarantine_id_parse(bytes_str(wrong[i]), &sequence));
    assert_false(quarantine_id_parse(bytes_of("q-00\0"
                                              "0",
                                              6),
                                     &sequence));
}

static void
every_id_comes_back(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 62; i++)
        for (int64_t d = -2; d <= 2; d++) {
            uint64_t sequence = (UINT64_C(1) << i) + (uint64_t)d, back;
            char out[QUARANTINE_ID_BYTES];
            if (sequence >= SPOOL_SEQUENCE_END)
                continue;
            quarantine_id_fill(sequence, out);
            assert_true(quarantine_id_parse(bytes_str(out), &back));
            assert_true(back == sequence);
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_crockford_base_32),
        cmocka_unit_test(case_and_look_alikes_do_not_matter),
        cmocka_unit_test(what_is_no_id_is_refused),
        cmocka_unit_test(every_id_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
