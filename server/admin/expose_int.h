/* What the files of expose share. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ADMIN_EXPOSE_INT_H
#define ADMIN_EXPOSE_INT_H

#include <stdbool.h>
#include <stdint.h>

#include "admin/expose.h"
#include "base/log.h"
#include "base/text.h"

/* HELP and TYPE of a family; in OpenMetrics a counter's goes without "_total". */
void expose_add_header(struct text *, bool openmetrics, const char *prefix, const char *name,
                       const char *type, const char *help);
/* All threads added up: metric_n_slots of them, for mem_free. */
uint64_t *expose_collect(const struct expose_source *);
/* The families of INSTANCE_METRICS; instances may be NULL. */
void expose_instances(struct instances *, bool openmetrics, struct text *out);

/* A metric over all its labels. */
uint64_t expose_total(const uint64_t *sums, enum metric);

/* What the system says of this process; 0 for what cannot be read. */
struct expose_process {
    uint64_t cpu_us;
    uint64_t resident_bytes;
    uint64_t n_open_fds, max_fds;
    uint64_t start_s; /* Unix */
};
void expose_process_read(struct expose_process *out);

#endif
