/* The end of the road for a failed assertion. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void
check_failed(const char *file, int line, const char *text)
{
    fprintf(stderr, "spangate: bug: %s:%d: %s does not hold\n", file, line, text);
    abort();
}
