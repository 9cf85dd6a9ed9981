/* near-known-service: a rare name that runs on behind a known one, or is cut from it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "integrity/instances_fixture.h"

#include <stdio.h>

static void
see_service(struct world *w, const char *service, uint32_t n_segments, bool is_foreign)
{
    see(w, service, "i",
        (struct sighting){.n_segments = n_segments, .is_in_foreign_stream = is_foreign});
}

static uint64_t
n_found(const struct world *w)
{
    return n_counted(w, RULE_near_known_service);
}

static void
a_name_cut_or_run_on_is_found(void **state)
{
    struct world *w = *state;
    see_service(w, "checkout", 100, false);
    see_service(w, "checkout-servi", 1, true);
    see_service(w, "check", 3, true);
    pass(w, 59 * SECOND);
    assert_int_equal(n_found(w), 0); /* it may still become an ordinary one */
    pass(w, 2 * SECOND);
    assert_int_equal(n_found(w), 2);
    assert_int_equal(look(w, "check", "i").findings[RULE_near_known_service], 1);
    pass(w, 5 * MINUTE);
    assert_int_equal(n_found(w), 2);
}

static void
a_management_call_makes_a_name_known(void **state)
{
    struct world *w = *state;
    see(w, "checkout", "i", properties(LANGUAGE_GO, "h"));
    see_service(w, "checko", 1, true);
    pass(w, 2 * MINUTE);
    assert_int_equal(n_found(w), 1);
}

static void
names_that_stay_are_ordinary(void **state)
{
    struct world *w = *state;
    see_service(w, "api", 100, false);
    see_service(w, "api-v2", 1, true);
    pass(w, 10 * SECOND);
    see_service(w, "api-v2", 3, false);
    see_service(w, "api-v3", 1, true);
    pass(w, 10 * SECOND);
    see(w, "api-v3", "i", (struct sighting){.n_keepalives = 1});
    pass(w, 2 * MINUTE);
    assert_int_equal(n_found(w), 0);
}

static void
a_stream_of_its_own_is_no_suspect(void **state)
{
    struct world *w = *state;
    see_service(w, "api", 100, false);
    see_service(w, "api-v2", 1, false);
    pass(w, 2 * MINUTE);
    assert_int_equal(n_found(w), 0);
}

static void
other_names_are_not_near(void **state)
{
    struct world *w = *state;
    see_service(w, "checkout", 99, false); /* not known yet */
    see_service(w, "checko", 1, true);
    see_service(w, "payments", 100, false);
    see_service(w, "paymints", 1, true);
    see_service(w, "", 1, true);
    pass(w, 2 * MINUTE);
    assert_int_equal(n_found(w), 0);
}

static void
names_and_suspects_are_bounded(void **state)
{
    struct world *w = *state;
    char name[32];
    see_service(w, "svc", 100, false);
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "svc-%d", i);
        see_service(w, name, 1, true);
    }
    pass(w, 2 * MINUTE);
    assert_int_equal(n_found(w), 64);
    uint64_t n_bytes = instances_n_bytes(w->instances);
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof(name), "service-%d", i);
        see_service(w, name, 1, true);
    }
    assert_true(instances_n_bytes(w->instances) < n_bytes + 1024 * 1024);
    see_service(w, "sv", 1, true);
    pass(w, 2 * MINUTE);
    assert_int_equal(n_found(w), 64); /* the known name has left by then */
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_name_cut_or_run_on_is_found), TEST(a_management_call_makes_a_name_known),
        TEST(names_that_stay_are_ordinary),  TEST(a_stream_of_its_own_is_no_suspect),
        TEST(other_names_are_not_near),      TEST(names_and_suspects_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
