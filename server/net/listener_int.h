/* Binding, for what else in net/ listens. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_LISTENER_INT_H
#define NET_LISTENER_INT_H

#include "base/err.h"
#include "base/text.h"
#include "net/net.h"

/* A socket that listens on the address, non-blocking and close-on-exec; why as in
 * listener_open. */
enum err listener_bind(const char *address, struct text *why, int *descriptor) MUST_CHECK;
/* What the socket is bound to. */
void listener_bound_address(int descriptor, struct net_address *out);

/* ":port" on a host without IPv6: the port of every IPv4 address. */
struct net_address listener_any_v4(const struct net_address *any_v6);
/* Why a bind failed, with the holder of a port in use; gives the error of that number. */
enum err listener_tell_failure(const char *text, const struct net_address *, int error_number,
                               struct text *why) MUST_CHECK;

#endif
