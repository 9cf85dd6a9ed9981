/* The sockets of the HTTP port, one for each worker. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_DAEMON_HTTP_H
#define DAEMON_DAEMON_HTTP_H

#include "base/text.h"
#include "conf/conf.h"
#include "net/net.h"

/* All zeros: there is no HTTP port. */
struct daemon_http {
    int *descriptors; /* -1: handed over */
    uint32_t n;
    char address[NET_ADDRESS_TEXT];
};

/* Binds listen.http.address, unless it is empty, for n workers; why as in listener_open. */
enum err daemon_http_open(struct daemon_http *, const struct conf *, uint32_t n,
                          struct text *why) MUST_CHECK;
/* The worker's socket, which listens from its first use on; -1: none. */
int daemon_http_take(struct daemon_http *, uint32_t worker);
/* Closes what was not taken. */
void daemon_http_fini(struct daemon_http *);

#endif
