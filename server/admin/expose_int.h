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

/* The families that come neither from slots nor from the registry. */
void expose_facts(const struct expose_source *, const uint64_t *sums, bool openmetrics,
                  struct text *out);
/* Seconds, exactly, without trailing zeros. */
void expose_add_seconds(struct text *, uint64_t us, bool with_point);

/* A metric over all its labels. */
uint64_t expose_total(const uint64_t *sums, enum metric);

/* What the system says of this process; 0 for what cannot be read. */
struct expose_process {
    uint64_t cpu_us;
    uint64_t resident_bytes;
    uint64_t n_open_fds, max_fds;
};
void expose_process_read(struct expose_process *out);

#endif
