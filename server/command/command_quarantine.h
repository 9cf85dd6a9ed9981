/* What the parts of the verb quarantine share. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMAND_COMMAND_QUARANTINE_H
#define COMMAND_COMMAND_QUARANTINE_H

#include "command/admin_client.h"
#include "store/quarantine_id.h"

struct command_quarantine {
    const struct command_input *in;
    struct admin_client client;
    bool is_json;
    bool has_choice;    /* --filter, --rule, --service or --since was given */
    int64_t since_ms;   /* of --since; 0: not given */
    struct text filter; /* --filter and --service as one expression; empty: neither was given */
};

/* Calls fn for what --filter, --rule, --service and --since choose, newest first, at most limit
 * (0: all). The item lives during the call. fn gives a code for exit, COMMAND_OK to go on. */
typedef int command_quarantine_item_fn(void *ctx, const struct json_tree *item);
int command_quarantine_each(const struct command_quarantine *, uint64_t limit,
                            command_quarantine_item_fn *, void *ctx);

/* Ids in the one form they are written in. All zeros at first; owner frees. */
struct command_quarantine_ids {
    char (*ids)[QUARANTINE_ID_BYTES];
    uint32_t n, size;
};
/* Those of the arguments, or of what is chosen. Told and COMMAND_USAGE when there are neither or
 * both. */
int command_quarantine_pick(const struct command_quarantine *, struct command_quarantine_ids *);
/* False: it is no id. */
bool command_quarantine_add_id(struct command_quarantine_ids *, struct bytes id);
void command_quarantine_ids_fini(struct command_quarantine_ids *);
/* The item with its payload; owner frees it. COMMAND_NO_INPUT: it is not there, told. */
int command_quarantine_fetch(const struct command_quarantine *, const char *id,
                             struct json_tree **out);

/* What would be replayed or removed, as list shows it. */
int command_quarantine_dry_run(const struct command_quarantine *, const char *what);

/* The words, one function each; all give the code for exit. */
int command_quarantine_show(const struct command_quarantine *);
int command_quarantine_explain(const struct command_quarantine *);
int command_quarantine_replay(const struct command_quarantine *);
int command_quarantine_send(const struct command_quarantine *); /* replay --to */
int command_quarantine_remove(const struct command_quarantine *);
int command_quarantine_export(const struct command_quarantine *);

#endif
