/* Diagnoses as SkyWalking events: built on the control thread, put into a worker's store. */
/* SPDX-License-Identifier: Apache-2.0 */
/* An event that finds no room is tried again each second; at most 256 wait, then the newest is
 * logged and left out. It is an item like any other from the store on. */
#ifndef DAEMON_DAEMON_EVENT_H
#define DAEMON_DAEMON_EVENT_H

#include <stdint.h>

#include "base/bytes.h"
#include "daemon/daemon.h"
#include "integrity/diagnosis.h"

struct daemon_event {
    struct bytes service, instance;
    const struct diagnosis_row *diagnosis;
    const char *evidence;
    int64_t start_ms, end_ms; /* end 0: it holds */
    const uint8_t *id;        /* 16 bytes, the same at start and end */
};

/* Control thread. */
void daemon_event_send(struct daemon *, const struct daemon_event *);
void daemon_event_retry(struct daemon *);
void daemon_event_fini(struct daemon *);

#endif
