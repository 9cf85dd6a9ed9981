/* Who may call the API: token, Host and Origin. */
/* SPDX-License-Identifier: Apache-2.0 */
/* The rules stand in admin/admin_api.h. */
#ifndef ADMIN_ADMIN_ACCESS_H
#define ADMIN_ADMIN_ACCESS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/text.h"
#include "net/http1.h"
#include "net/net.h"

struct admin_access {
    struct text token;        /* n 0: none */
    struct net_address bound; /* length 0: there is no port */
};

/* Line ends behind the token do not count. file "": no token. why: what is wrong with the file. */
enum err admin_access_init(struct admin_access *, const char *token_file,
                           struct text *why) MUST_CHECK;
void admin_access_fini(struct admin_access *);

/* NULL: it may pass; else why not, in words for its sender. */
const char *admin_access_refusal(const struct admin_access *, const struct http1_request *,
                                 bool is_change);

#endif
