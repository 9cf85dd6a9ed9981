/* A descriptor of somebody else's that the loop watches: readable means there is work. */
/* SPDX-License-Identifier: Apache-2.0 */
/* The loop's thread. The descriptor stays its owner's, outlives the watch and is read empty by
 * on_readable, which is called again as long as it is not. */
#ifndef NET_LOOP_WATCH_H
#define NET_LOOP_WATCH_H

#include "net/loop.h"

struct loop_watch;

struct loop_watch *loop_watch_new(struct loop *, int descriptor, void (*on_readable)(void *ctx),
                                  void *ctx);
/* Not inside its own callback. */
void loop_watch_free(struct loop_watch **);

#endif
