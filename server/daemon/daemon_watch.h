/* reload.watch: the configuration's file is looked at, and taken up once it has changed. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Control thread. Looked at each second, through symbolic links, as a ConfigMap's mount moves them;
 * taken up when it has stood still for one look, so that a half-written file is not read. While it
 * is not there nothing happens. */
#ifndef DAEMON_DAEMON_WATCH_H
#define DAEMON_DAEMON_WATCH_H

#include "net/loop.h"

struct daemon_watch;

/* file: outlives the watch. on_change is called late, on the loop's thread. */
struct daemon_watch *daemon_watch_new(struct loop *, const char *file, void (*on_change)(void *ctx),
                                      void *ctx);
void daemon_watch_free(struct daemon_watch **);

#endif
