/* One stream of a session: what is submitted on it. */
/* SPDX-License-Identifier: Apache-2.0 */
/* These only queue; h2_session_gather sends. On a stream that is gone they do nothing. */
#ifndef H2_H2_STREAM_H
#define H2_H2_STREAM_H

#include "h2/h2_session.h"

/* Client: the stream's id, always positive; the request's body is asked of on_take. */
int32_t h2_stream_request(struct h2_session *, const struct h2_header *, uint32_t n, void *stream);
/* Server: headers; is_last ends the stream with them, else on_take is asked for DATA. */
void h2_stream_respond(struct h2_session *, int32_t stream_id, const struct h2_header *, uint32_t n,
                       bool is_last);
/* Only from on_take, which then returns H2_TAKE_TRAILERS. */
void h2_stream_trailers(struct h2_session *, int32_t stream_id, const struct h2_header *,
                        uint32_t n);
/* After H2_TAKE_MORE with 0 bytes: ask on_take again. */
void h2_stream_wake(struct h2_session *, int32_t stream_id);
void h2_stream_reset(struct h2_session *, int32_t stream_id, enum h2_code);
/* From now on the stream has no user: no callback comes for it, on_close neither. */
void h2_stream_unbind(struct h2_session *, int32_t stream_id);
/* n bytes of the stream's DATA are done with. */
void h2_stream_credit(struct h2_session *, int32_t stream_id, size_t n);

/* What the peer may send on the stream beyond what is done with: less than the session's window. It
 * takes effect as credit is given; what the peer was told before stands. */
void h2_stream_set_window(struct h2_session *, int32_t stream_id, uint32_t bytes);

#endif
