/* Turns a loop until something has happened, or fails the test. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Include after cmocka.h. A header only: unit tests of layers below net/ do not link a loop. */
#ifndef SUPPORT_RUN_UNTIL_H
#define SUPPORT_RUN_UNTIL_H

#include "net/loop.h"

enum { RUN_UNTIL_TURNS = 5000, RUN_UNTIL_WAIT_MS = 5 };

/* The condition is looked at before every turn. */
#define RUN_UNTIL(loop, condition)                                               \
    do {                                                                         \
        for (int turns_ = 0; !(condition) && turns_ < RUN_UNTIL_TURNS; turns_++) \
            loop_run_once((loop), RUN_UNTIL_WAIT_MS);                            \
        assert_true(condition);                                                  \
    } while (0)

/* For what must not happen: everything that is ready has been looked at. */
#define RUN_TURNS(loop, n)                           \
    do {                                             \
        for (int turns_ = 0; turns_ < (n); turns_++) \
            loop_run_once((loop), 0);                \
    } while (0)

#endif
