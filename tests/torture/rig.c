/* Agents, backend and the program under test, all on one thread: what the torture programs share.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { SCRAPE_EVERY_US = 50000 };

void
rig_init(struct rig *rig, const struct rig_plan *plan)
{
    memset(rig, 0, sizeof *rig);
    signal(SIGPIPE, SIG_IGN);
    rig->name = plan->name;
    rig->seed = plan->seed;
    loop_init(&rig->loop);
    ids_init(&rig->ids, plan->pad_least, plan->pad_most);
    sink_open(&rig->sink, &rig->loop, &rig->ids, plan->seed + 1);
    rig->agents = (struct agents){
        .loop = &rig->loop,
        .ids = &rig->ids,
        .random = plan->seed + 2,
        .max_calls = 8,
        .mixed = true,
    };
    LIST_INIT(&rig->agents.links);
    daemon_init(&rig->daemon, &rig->loop, plan->binary);
    daemon_set(&rig->daemon, "upstream.addresses=" PEER_LISTEN ":%u", rig->sink.port);
    daemon_set(&rig->daemon, "buffer.disk.path=%s/spool", plan->directory);
    daemon_set(&rig->daemon, "quarantine.path=%s/quarantine", plan->directory);
    for (int i = 0; i < plan->n_settings; i++)
        daemon_set(&rig->daemon, "%s", plan->settings[i]);
}

void
rig_fini(struct rig *rig)
{
    daemon_fini(&rig->daemon);
    agents_close(&rig->agents);
    sink_close(&rig->sink);
    ids_fini(&rig->ids);
    loop_fini(&rig->loop);
}

bool
rig_fail(const struct rig *rig, const char *what)
{
    fprintf(stderr, "%s: %s (seed %" PRIu64 ")\n--- what the service printed:\n%s\n", rig->name,
            what, rig->seed, rig->daemon.text);
    return false;
}

bool
rig_start(struct rig *rig, int n_links)
{
    if (!daemon_start(&rig->daemon, START_LIMIT_MS))
        return rig_fail(rig, "did not start");
    if (!agents_connect(&rig->agents, rig->daemon.grpc_port, n_links))
        return rig_fail(rig, "refuses connections");
    return true;
}

bool
rig_load_until(struct rig *rig, int64_t end_us)
{
    while (now_us() < end_us) {
        agents_tick(&rig->agents);
        loop_turn(&rig->loop, 1);
        if (!agents_are_connected(&rig->agents))
            return rig_fail(rig, "closed all connections");
    }
    return true;
}

bool
rig_turn_until(struct rig *rig, bool (*is_done)(struct rig *), const char *what)
{
    int64_t limit_us = now_us() + DRAIN_LIMIT_US;
    while (!is_done(rig)) {
        if (now_us() > limit_us)
            return rig_fail(rig, what);
        loop_turn(&rig->loop, 5);
    }
    return true;
}

bool
rig_has_no_calls(struct rig *rig)
{
    return !agents_have_calls(&rig->agents);
}

bool
rig_is_gone(struct rig *rig)
{
    return !agents_are_connected(&rig->agents) && LIST_EMPTY(&rig->sink.links);
}

static bool
buffer_is_empty(struct rig *rig)
{
    if (now_us() < rig->next_scrape_us)
        return false;
    rig->next_scrape_us = now_us() + SCRAPE_EVERY_US;
    return daemon_metric(&rig->daemon, "spangate_buffer_items", "") == 0;
}

static bool
all_arrived(struct rig *rig)
{
    uint64_t missing = ids_missing(&rig->ids);
    ids_settle(&rig->ids);
    if (missing == 0)
        return true;
    fprintf(stderr, "%s: %" PRIu64 " lost\n", rig->name, missing);
    return rig_fail(rig, "messages that were answered did not arrive");
}

bool
rig_drain(struct rig *rig)
{
    sink_set(&rig->sink, SINK_ANSWERS);
    agents_finish(&rig->agents);
    if (!rig_turn_until(rig, rig_has_no_calls, "calls are not answered") ||
        !rig_turn_until(rig, buffer_is_empty, "does not drain"))
        return false;
    if (daemon_metric(&rig->daemon, "spangate_ledger_imbalance_items", "") != 0)
        return rig_fail(rig, "the ledger does not balance");
    if (daemon_metric(&rig->daemon, "spangate_items_dropped_total", "") > 0)
        return rig_fail(rig, "items were dropped");
    agents_close(&rig->agents);
    if (daemon_end(&rig->daemon, START_LIMIT_MS) != 0)
        return rig_fail(rig, "did not end well on SIGTERM");
    if (!strstr(rig->daemon.text, "imbalance 0"))
        return rig_fail(rig, "the ledger at the end does not balance");
    return all_arrived(rig);
}

bool
rig_is_sound(const struct rig *rig)
{
    const struct ids *ids = &rig->ids;
    return ids->n_lost == 0 && ids->n_unknown == 0 && ids->n_altered == 0 &&
           ids->n_settled_again == 0;
}

void
rig_report(const struct rig *rig)
{
    const struct ids *ids = &rig->ids;
    const struct agents *agents = &rig->agents;
    printf("answered OK %" PRIu64 " (streams %" PRIu64 ", unary %" PRIu64 ", credited %" PRIu64
           ") of %" PRIu64 " sent, lost %" PRIu64 ", doubled %" PRIu64
           ", after a drain again %" PRIu64 ", unknown %" PRIu64 ", altered %" PRIu64,
           ids->n_answered, agents->n_streamed, agents->n_unary, agents->n_credited, ids->n_sent,
           ids->n_lost, ids->n_doubled, ids->n_settled_again, ids->n_unknown, ids->n_altered);
}
