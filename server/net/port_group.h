/* Sockets bound to one address, among which the kernel shares out new connections. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_PORT_GROUP_H
#define NET_PORT_GROUP_H

#include "base/err.h"
#include "base/text.h"
#include "net/net.h"

/* n sockets, bound and not listening yet; with port 0 all have the port that the first one got.
 * An address on which another process listens is refused, also when that one would share it; why as
 * in listener_open. The caller closes them. */
enum err port_group_bind(const char *address, uint32_t n, struct text *why,
                         int *descriptors) MUST_CHECK;
void port_group_address(int descriptor, struct net_address *out);
/* From here on connections come. */
enum err port_group_listen(int descriptor) MUST_CHECK;

#endif
