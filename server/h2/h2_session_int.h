/* The inside of a session, for h2/ only. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef H2_H2_SESSION_INT_H
#define H2_H2_SESSION_INT_H

#include <nghttp2/nghttp2.h>

#include "base/check.h"
#include "h2/h2_guard.h"
#include "h2/h2_session.h"

enum { SESSION_MAGIC = 0x68327373 };

struct h2_session {
    uint32_t magic;
    enum h2_role role;
    nghttp2_session *nghttp2;
    const struct h2_events *events;
    void *ctx;
    void (*on_output)(void *);
    void *output_ctx;
    uint32_t header_list_bytes;
    uint32_t n_header_bytes; /* of the header block being read (RFC 9113 6.5.2) */
    bool is_stopped;
    bool is_ready;      /* the peer's SETTINGS came */
    bool is_terminated; /* GOAWAY over a suspect: reads nothing more */
    bool told_error;
    int32_t cached_id; /* the stream of the last DATA */
    void *cached_user;
    int32_t reset_by_peer_id, unsent_id;
    size_t n_data; /* DATA bytes of this feed, to be returned to the connection's window */
    struct h2_gather *gather; /* during h2_session_gather */
    struct h2_guard guard;    /* server only */
};

static inline struct h2_session *
session_of(void *user)
{
    struct h2_session *session = user;
    CHECK_OBJ(session, SESSION_MAGIC);
    return session;
}

/* The stream's user; NULL when it has none any more. */
static inline void *
user_of(struct h2_session *session, int32_t stream_id)
{
    if (session->cached_id != stream_id) {
        session->cached_user = nghttp2_session_get_stream_user_data(session->nghttp2, stream_id);
        session->cached_id = stream_id;
    }
    return session->cached_user;
}

static inline void
h2_session_forget_cached(struct h2_session *session)
{
    session->cached_id = 0;
    session->cached_user = NULL;
}

static inline void
h2_session_note_output(struct h2_session *session)
{
    if (session->on_output != NULL && !session->is_stopped)
        session->on_output(session->output_ctx);
}

#endif
