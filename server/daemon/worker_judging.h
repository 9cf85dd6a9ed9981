/* What the configuration means for a worker's engine of rules. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DAEMON_WORKER_JUDGING_H
#define DAEMON_WORKER_JUDGING_H

#include "conf/conf.h"
#include "integrity/integrity.h"

/* Outlives the engine that has the settings, or its next integrity_set. */
struct worker_judging {
    const struct conf *conf;            /* a reference: services' names and tokens are in it */
    struct integrity_service *services; /* integrity.services; NULL: none */
    struct integrity_settings settings;
};

void worker_judging_init(struct worker_judging *, const struct conf *, uint32_t n_workers);
void worker_judging_fini(struct worker_judging *);

#endif
