/* A worker's share of the HTTP port. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_WORKER_HTTP_H
#define DAEMON_WORKER_HTTP_H

#include "daemon/worker.h"
#include "net/loop.h"

/* On the worker's thread; NULL in every call below: there is no HTTP port. */
struct worker_http;

/* From here on connections come. NULL when the worker has no descriptor of it, which is taken
 * over. */
struct worker_http *worker_http_new(const struct worker_settings *, struct loop *, struct receive *,
                                    struct budget *);
/* Open now. Any thread. */
uint32_t worker_http_n_connections(const struct worker_http *);
void worker_http_drain(struct worker_http *);
/* Each answer ends its connection, or not any more. */
void worker_http_dismiss(struct worker_http *, bool is_dismissed);
/* Nobody is connected, and nothing that was asked is unsettled. */
bool worker_http_is_drained(const struct worker_http *);
/* Closes the port and what is connected. */
void worker_http_close(struct worker_http *);
/* After the store's last settlement, before receive_free. */
void worker_http_free(struct worker_http **);

#endif
