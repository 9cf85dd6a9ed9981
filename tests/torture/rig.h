/* Agents, backend and the program under test, all on one thread: what the torture programs share.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TORTURE_RIG_H
#define TORTURE_RIG_H

#include "agents.h"
#include "daemon.h"
#include "ids.h"
#include "sink.h"

enum { START_LIMIT_MS = 10000, DRAIN_LIMIT_US = 180 * 1000000 };

struct rig {
    const char *name; /* of the program */
    uint64_t seed;
    struct loop loop;
    struct ids ids;
    struct sink sink;
    struct agents agents;
    struct daemon daemon;
    int64_t next_scrape_us;
};

struct rig_plan {
    const char *name, *binary, *directory; /* the spool is made in it */
    uint64_t seed;
    uint32_t pad_least, pad_most;
    char **settings; /* KEY=VALUE, behind the rig's own */
    int n_settings;
};

void rig_init(struct rig *, const struct rig_plan *);
void rig_fini(struct rig *);
/* Tells what failed and what the service printed; false. */
bool rig_fail(const struct rig *, const char *what);
/* Starts the service and connects the agents. */
bool rig_start(struct rig *, int n_links);
bool rig_load_until(struct rig *, int64_t end_us);
bool rig_turn_until(struct rig *, bool (*is_done)(struct rig *), const char *what);
bool rig_has_no_calls(struct rig *);
bool rig_is_gone(struct rig *);
/* Ends the load, waits until the buffer is empty, ends the service; then all that was answered must
 * have been delivered. */
bool rig_drain(struct rig *);
/* Nothing was lost, altered or made up, nothing settled came again. */
bool rig_is_sound(const struct rig *);
void rig_report(const struct rig *);

#endif
