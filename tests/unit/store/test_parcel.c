/* Parcels: runs merge where one continues the other, and empty means nothing to carry. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/parcel.h"

static void
a_new_parcel_is_empty(void **state)
{
    (void)state;
    struct parcel *parcel = parcel_new();
    struct slice slice = {0};
    struct spool_read read = {0};
    assert_true(parcel_is_empty(parcel));
    parcel->has_cold = true;
    assert_false(parcel_is_empty(parcel));
    parcel->has_cold = false;
    STAILQ_INSERT_TAIL(&parcel->slices, &slice, link);
    assert_false(parcel_is_empty(parcel));
    STAILQ_REMOVE_HEAD(&parcel->slices, link);
    STAILQ_INSERT_TAIL(&parcel->reads, &read, link);
    assert_false(parcel_is_empty(parcel));
    STAILQ_REMOVE_HEAD(&parcel->reads, link);
    assert_true(parcel_is_empty(parcel));
    parcel_free(&parcel);
    assert_null(parcel);
    parcel_free(&parcel);
}

static void
runs_merge_where_they_continue(void **state)
{
    (void)state;
    struct parcel *parcel = parcel_new();
    parcel_add_run(parcel, 10, 0, RUN_DONE);
    assert_true(parcel_is_empty(parcel));
    parcel_add_run(parcel, 10, 5, RUN_DONE);
    parcel_add_run(parcel, 15, 5, RUN_DONE);
    assert_int_equal(parcel->n_runs, 1);
    assert_int_equal(parcel->runs[0].first, 10);
    assert_int_equal(parcel->runs[0].n, 10);
    parcel_add_run(parcel, 20, 1, RUN_COLD); /* another end */
    parcel_add_run(parcel, 22, 1, RUN_COLD); /* a hole before it */
    parcel_add_run(parcel, 21, 1, RUN_COLD); /* it does not continue the last one */
    assert_int_equal(parcel->n_runs, 4);
    assert_int_equal(parcel->runs[1].end, RUN_COLD);
    assert_false(parcel_is_empty(parcel));
    parcel_free(&parcel);
}

static void
a_run_never_overflows_its_count(void **state)
{
    (void)state;
    struct parcel *parcel = parcel_new();
    parcel_add_run(parcel, 1, UINT32_MAX, RUN_DONE);
    parcel_add_run(parcel, UINT64_C(1) + UINT32_MAX, 2, RUN_DONE);
    assert_int_equal(parcel->n_runs, 2);
    assert_int_equal(parcel->runs[1].n, 2);
    parcel_free(&parcel);
}

static void
any_number_of_runs_fits(void **state)
{
    (void)state;
    struct parcel *parcel = parcel_new();
    for (uint64_t i = 0; i < 10000; i++)
        parcel_add_run(parcel, i * 3, 2, RUN_UNWANTED);
    assert_int_equal(parcel->n_runs, 10000);
    for (uint64_t i = 0; i < 10000; i++)
        assert_true(parcel->runs[i].first == i * 3 && parcel->runs[i].n == 2);
    parcel_free(&parcel);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_parcel_is_empty),
        cmocka_unit_test(runs_merge_where_they_continue),
        cmocka_unit_test(a_run_never_overflows_its_count),
        cmocka_unit_test(any_number_of_runs_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
