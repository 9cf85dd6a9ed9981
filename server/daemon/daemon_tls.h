/* Certificates in use: read at the start, watched, and replaced without ending a connection. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Control thread. Files are looked at every two seconds, through symbolic links, and read once they
 * have stood still for one look, or at SIGHUP. What cannot be used is told once (log, metric) and
 * changes nothing. */
#ifndef DAEMON_DAEMON_TLS_H
#define DAEMON_DAEMON_TLS_H

#include "base/err.h"
#include "base/metric.h"
#include "base/text.h"
#include "conf/conf.h"
#include "net/loop.h"
#include "net/tls.h"

struct daemon_tls;

/* has_upstream: upstream.addresses are in use, not the built-in sink. conf and metrics outlive it.
 * ERR_TLS_FILE: *why tells which file and what is wrong with it. */
enum err daemon_tls_new(struct loop *, const struct conf *, bool has_upstream, struct metrics *,
                        struct text *why, struct daemon_tls **out) MUST_CHECK;
/* After the workers. */
void daemon_tls_free(struct daemon_tls **);
/* SIGHUP: reads all files now. */
void daemon_tls_reload(struct daemon_tls *);
/* Any thread may take contexts from them; NULL: clear text. */
struct tls_slot *daemon_tls_listen(const struct daemon_tls *);
struct tls_slot *daemon_tls_upstream(const struct daemon_tls *);
/* The label of TLS_LISTEN or TLS_UPSTREAM in the metrics; NULL: not in use. */
const char *daemon_tls_file(const struct daemon_tls *, uint32_t which);

#endif
