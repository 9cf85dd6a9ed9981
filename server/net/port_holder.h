/* Who listens on a port, as far as /proc lets us see. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_PORT_HOLDER_H
#define NET_PORT_HOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

/* Adds "held by nginx, pid 123"; false when the holder is not to be seen (another user's, or
 * another namespace's). Reads many small files: for start-up only. */
bool port_holder_add(struct text *, uint16_t port);

#endif
