/* The mail of sightings to the control thread: bounded while nobody reads it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/daemon_instances.h"
#include "daemon/daemon_int.h"
#include "integrity/sighting_int.h"

static void
workers_keep_what_is_not_read(void **state)
{
    (void)state;
    /* Mail that comes at the end is only freed: nothing else of a daemon is needed. */
    struct daemon daemon = {
        .magic = DAEMON_MAGIC, .n_workers = 2, .state = DAEMON_STOPS, .loop = loop_new()};
    for (int round = 0; round < 3; round++) {
        uint32_t n = 0;
        while (daemon_instances_may_send(&daemon)) {
            daemon_instances_send(&daemon, sightings_new());
            assert_true(++n <= 8);
        }
        assert_true(n >= daemon.n_workers);
        loop_run_once(daemon.loop, 0);
    }
    assert_true(daemon_instances_may_send(&daemon));
    loop_free(&daemon.loop);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(workers_keep_what_is_not_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
