/* One gRPC call after another to an endpoint, each waited for: for commands. */
/* SPDX-License-Identifier: Apache-2.0 */
/* One message a call, so that what an endpoint refuses costs nothing else. Clear text. */
#ifndef COMMAND_CALLER_H
#define COMMAND_CALLER_H

#include "command/command.h"

struct caller;

struct caller_settings {
    const char *flag;    /* that named the address: "--to"; for messages */
    const char *address; /* HOST:PORT; a name is looked up here, which may wait */
    const char *token;   /* shown on every call; "": none */
    uint64_t rate;       /* calls a second at most; 0: no bound */
};

/* COMMAND_OK and *out, or told: COMMAND_USAGE for no address, COMMAND_UNAVAILABLE for an unknown
 * name. The strings outlive the caller. */
int caller_open(const struct command_input *, const struct caller_settings *, struct caller **out);
void caller_close(struct caller **);

struct caller_answer {
    bool is_taken;
    const char *why; /* until the next call; "" when taken */
};
/* COMMAND_OK: there is an answer. COMMAND_UNAVAILABLE: nobody answers; told. */
int caller_call(struct caller *, const char *path, struct bytes message,
                struct caller_answer *answer);

#endif
