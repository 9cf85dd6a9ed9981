/* The program under test as a child: start, kill, what it prints and what it tells of itself. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TORTURE_DAEMON_H
#define TORTURE_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "loop.h"

enum { DAEMON_ARGS = 96, DAEMON_TEXT_BYTES = 64 * 1024 };

struct daemon {
    struct loop *loop;
    const char *binary;
    char *args[DAEMON_ARGS]; /* "serve" and its settings, for every start */
    int n_args;
    pid_t pid; /* 0: does not run */
    struct watch *output;
    char text[DAEMON_TEXT_BYTES]; /* the newest of what it printed since its start */
    uint32_t n_text;
    uint16_t grpc_port, telemetry_port;
};

void daemon_init(struct daemon *, struct loop *, const char *binary);
void daemon_fini(struct daemon *);
/* "key=value" for each start. */
void daemon_set(struct daemon *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Returns when it listens; false when it ended or took longer than the limit. */
bool daemon_start(struct daemon *, int limit_ms);
/* SIGKILL, and gone. */
void daemon_kill(struct daemon *);
/* SIGTERM; the loop turns until it is gone, limit_ms at most. Its exit status, -1 for any other
 * end. */
int daemon_end(struct daemon *, int limit_ms);
/* The sum over a family's samples whose labels contain the text ("" for all); -1 when the scrape
 * failed. */
double daemon_metric(const struct daemon *, const char *family, const char *labels);
/* Bytes of a line of /proc/PID/status, as VmHWM. */
uint64_t daemon_memory(const struct daemon *, const char *key);

#endif
