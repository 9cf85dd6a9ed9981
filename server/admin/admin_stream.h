/* Snapshots as they change, for pages and programs that look on: GET /api/v1/stream. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Server-sent events (HTML Living Standard, 9.2), one event a second and topic, named after it; its
 * data is the JSON of the GET of that topic. A client that has not taken the last one misses those
 * in between: it always gets the newest. At most ADMIN_STREAM_CLIENTS, one more is answered by 503.
 * On the control thread. Source: product.md 5. */
#ifndef ADMIN_ADMIN_STREAM_H
#define ADMIN_ADMIN_STREAM_H

#include "admin/admin_api.h"

enum { ADMIN_STREAM_CLIENTS = 32, ADMIN_STREAM_TOPICS = 8 };

/* What a client may ask for by ?topics=NAME,NAME; all of them where it does not say. */
struct admin_topic {
    const char *name;
    void (*write)(void *ctx, struct text *out); /* a JSON value */
    void *ctx;
};

struct admin_stream;

/* topics are copied, at most ADMIN_STREAM_TOPICS. */
struct admin_stream *admin_stream_new(struct loop *, const struct admin_topic *topics, uint32_t n);
/* After the API is closed: no client is left. */
void admin_stream_free(struct admin_stream **);
struct admin_routes admin_stream_routes(struct admin_stream *);

#endif
