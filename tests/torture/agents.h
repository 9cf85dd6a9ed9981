/* Agents of a test program: calls of numbered messages at a steady rate over a few connections. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Four kinds of call: streams closed after some segments or logs, unary ones, and on each
 * connection one stream that stays open, whose segments count as answered when their bytes are
 * credited. */
#ifndef TORTURE_AGENTS_H
#define TORTURE_AGENTS_H

#include <sys/queue.h>

#include "ids.h"
#include "peer.h"

struct agent_link;

struct agents {
    struct loop *loop;
    struct ids *ids;
    uint64_t random;
    double rate_per_s;
    uint32_t max_calls; /* open at once, of a connection */
    bool mixed;         /* all kinds; else streams of per_call segments alone */
    uint32_t per_call;
    LIST_HEAD(, agent_link) links;
    int64_t begin_us;
    uint64_t n_due, n_begun; /* messages since agents_connect */
    uint64_t n_streamed, n_unary, n_credited, n_failed_calls, n_late;
    int64_t longest_us; /* call to answer */
};

/* n connections; false when one is refused. */
bool agents_connect(struct agents *, uint16_t port, int n);
/* Sends what is due. */
void agents_tick(struct agents *);
/* Ends the open streams; no call is begun after it. */
void agents_finish(struct agents *);
bool agents_have_calls(const struct agents *);
bool agents_are_connected(const struct agents *);
void agents_close(struct agents *);

#endif
