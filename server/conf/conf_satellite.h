/* What the settings of SkyWalking Satellite are here: from its file, or from its variables. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Made from tables/satellite.h. Everything that was found is told, item by item: what it became,
 * what is different, or that there is nothing like it. One thread; owner frees. */
#ifndef CONF_CONF_SATELLITE_H
#define CONF_CONF_SATELLITE_H

#include "conf/conf.h"

enum conf_satellite_verdict {
    CONF_SATELLITE_MAPPED,      /* means the same here */
    CONF_SATELLITE_CHANGED,     /* taken over, and words tell what is different */
    CONF_SATELLITE_LEFT_OUT,    /* not needed here; words tell why */
    CONF_SATELLITE_UNSUPPORTED, /* somebody must decide; words tell what */
};
struct conf_satellite_item {
    enum conf_satellite_verdict verdict;
    const char *from;    /* the key in the file, or the variable */
    uint32_t line;       /* in the file; 0: none */
    const char *value;   /* theirs; masked when it is a secret */
    const char *setting; /* ours; NULL: none */
    const char *text;    /* its value, as --set takes it; NULL: left at its default */
    const char *words;   /* "" none */
};

struct conf_satellite;

/* Reads Satellite's file; ${NAME:default} is answered from the environment (as environ; NULL:
 * empty). NULL: it is no YAML, or its places cannot be told; faults are added. */
struct conf_satellite *conf_satellite_read(const char *file, struct bytes yaml,
                                           char *const *environment, struct conf_diags *);
void conf_satellite_free(struct conf_satellite **);
/* In the order of tables/satellite.h, unknown keys behind; NULL beyond the last. */
const struct conf_satellite_item *conf_satellite_item_at(const struct conf_satellite *, uint32_t i);
/* Our file: sections, values, and behind each where it came from. */
void conf_satellite_print(const struct conf_satellite *, struct text *);

#endif
