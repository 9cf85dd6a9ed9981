/* One segment through an installation: taken, and passed on by the replica that took it. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMAND_SELFTEST_H
#define COMMAND_SELFTEST_H

#include "command/caller.h"

/* Looks at the telemetry of every replica (flag telemetry) before and after. A replica has passed
 * it on once it has forwarded as many items as it had forwarded and held when the segment was seen
 * to be taken: with other agents at work it proves that data goes through, not this one alone.
 * COMMAND_OK; COMMAND_FOUND: refused, or not passed on in wait_ms, told with the likely cause;
 * COMMAND_UNAVAILABLE: nobody answers. */
int selftest_run(const struct command_input *, const struct caller_settings *, uint64_t wait_ms);

#endif
