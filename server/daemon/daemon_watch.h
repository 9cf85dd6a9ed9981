/* reload.watch: the configuration's files are looked at, and taken up once one has changed. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Control thread. Looked at each second, through symbolic links, as a ConfigMap's mount moves them;
 * taken up when all have stood still for one look, so that a half-written file is not read. While
 * the first is not there nothing happens. */
#ifndef DAEMON_DAEMON_WATCH_H
#define DAEMON_DAEMON_WATCH_H

#include "net/loop.h"

struct daemon_watch;

struct daemon_watch_settings {
    void *ctx;
    const char *file; /* outlives the watch; NULL: none */
    /* At each look: the others, NULL behind the last. Those of secrets change with a reload. */
    const char *(*other_at)(void *ctx, uint32_t i);
    void (*on_change)(void *ctx); /* late, on the loop's thread */
};
struct daemon_watch *daemon_watch_new(struct loop *, const struct daemon_watch_settings *);
void daemon_watch_free(struct daemon_watch **);

#endif
