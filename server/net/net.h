/* The face of net/: byte streams on one event loop. */
/* SPDX-License-Identifier: Apache-2.0 */
/* loop      one event loop per thread: readiness, timers, mail from other threads, end-of-turn work
 * conn      one non-blocking socket: reads into the loop's shared buffer, gathered writes
 * listener  a bound address: accepts and hands descriptors on
 * resolver  one thread for getaddrinfo; answers come by mail
 * http1     evhttp for the telemetry and admin ports (its bodies lie outside the budget)
 * libevent and OpenSSL stay behind these headers. */
#ifndef NET_NET_H
#define NET_NET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"

struct net_address {
    struct sockaddr_storage storage;
    socklen_t length;
};

enum { NET_ADDRESS_TEXT = 64 };

/* Numeric "host:port", "[v6]:port", ":port" (any address). ERR_NAME when host is a name. */
enum err net_address_parse(const char *text, struct net_address *out) MUST_CHECK;
/* "127.0.0.1:11800" into NET_ADDRESS_TEXT bytes. */
void net_address_text(const struct net_address *, char *out);
bool net_address_equal(const struct net_address *, const struct net_address *);
/* Splits "host:port" or "dns:///host:port" or "[v6]:port"; false when there is no port 1..65535. */
bool net_split_host_port(const char *text, char *host, size_t host_size, uint16_t *port);

#endif
