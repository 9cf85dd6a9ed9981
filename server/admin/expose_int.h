/* What the system says of this process. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ADMIN_EXPOSE_INT_H
#define ADMIN_EXPOSE_INT_H

#include <stdint.h>

#include "base/log.h"

/* 0 for what cannot be read. */
struct expose_process {
    uint64_t cpu_us;
    uint64_t resident_bytes;
    uint64_t n_open_fds, max_fds;
    uint64_t start_s; /* Unix */
};
void expose_process_read(struct expose_process *out);

#endif
