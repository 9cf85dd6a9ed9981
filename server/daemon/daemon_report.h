/* telemetry.oap: our own metrics as meters to OAP, through our own buffer. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Control thread. Each interval the samples of the metrics page become one MeterDataCollection, and
 * each minute InstanceProperties say what runs. They are items like any other from the store on;
 * for which there is no room are left out: the next ones follow soon. Left out always: buckets, and
 * what has a series for each method, path or agent. */
#ifndef DAEMON_DAEMON_REPORT_H
#define DAEMON_DAEMON_REPORT_H

#include "daemon/daemon.h"

struct daemon_report;

/* NULL: telemetry.oap.enabled is false. */
struct daemon_report *daemon_report_new(struct daemon *);
void daemon_report_free(struct daemon_report **);

#endif
