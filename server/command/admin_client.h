/* Asks a running service's admin port, and tells in plain words what went wrong. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMAND_ADMIN_CLIENT_H
#define COMMAND_ADMIN_CLIENT_H

#include "command/command.h"
#include "message/json_tree.h"
#include "net/http1.h"

enum { ADMIN_CLIENT_ADDRESS = 300, ADMIN_CLIENT_TIMEOUT_MS = 60000 };

struct admin_client {
    const struct command_input *in;
    const struct conf *conf;
    char address[ADMIN_CLIENT_ADDRESS]; /* as http1_call takes it */
    struct text token;                  /* empty: none */
};

/* --addr, else admin.socket or admin.address of the configuration; the token is always the
 * configuration's (admin.token_file). COMMAND_OK, or what went wrong was told. */
int admin_client_open(struct admin_client *, const struct command_input *);
void admin_client_close(struct admin_client *);

struct admin_client_call {
    const char *method; /* NULL: GET */
    const char *path;   /* with its query */
    struct bytes body;
    uint32_t timeout_ms;   /* 0: ADMIN_CLIENT_TIMEOUT_MS */
    bool is_quiet;         /* nothing is told: the exit code is all */
    bool is_missing_quiet; /* 404 is not told: the caller knows better words */
};
/* COMMAND_OK and the answer (owner frees), or what went wrong was told: COMMAND_UNAVAILABLE nobody
 * answers or the service cannot (503), COMMAND_NO_INPUT 404, COMMAND_PERMISSION 401 or 403,
 * COMMAND_USAGE 400 or 413, COMMAND_CONFIG 422. */
int admin_client_call(const struct admin_client *, const struct admin_client_call *,
                      struct json_tree **out);
/* A GET whose answer goes on (net/http1.h); timeout_ms is the longest silence. COMMAND_OK: it
 * ended, or the follower did; else as admin_client_call. */
int admin_client_follow(const struct admin_client *, const char *path, uint32_t timeout_ms,
                        const struct http1_follower *);
/* "&name=value", percent-encoded. */
void admin_client_add_query(struct text *path, const char *name, const char *value);

#endif
