/* What is submitted on one stream. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "h2/h2_stream.h"

#include "h2/h2_session_int.h"

/* Submitting. nghttp2 fails here only for want of memory or on a connection that is ending; in the
 * latter case the stream's close or the connection's end tells the user. */

static void
fill(nghttp2_nv *out, const struct h2_header *headers, uint32_t n)
{
    check(n <= H2_MAX_HEADERS);
    for (uint32_t i = 0; i < n; i++) {
        union {
            const char *in;
            uint8_t *out;
        } name = {.in = headers[i].name}, value = {.in = headers[i].value};
        out[i] = (nghttp2_nv){
            .name = name.out,
            .value = value.out,
            .namelen = headers[i].n_name,
            .valuelen = headers[i].n_value,
            .flags = headers[i].is_lent
                         ? NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE
                         : 0,
        };
    }
}

static ssize_t
read_body(nghttp2_session *nghttp2, int32_t stream_id, uint8_t *out, size_t room, uint32_t *flags,
          nghttp2_data_source *source, void *user)
{
    (void)nghttp2;
    (void)out;
    (void)source;
    struct h2_session *session = session_of(user);
    void *stream = user_of(session, stream_id);
    if (stream == NULL || session->is_stopped)
        return NGHTTP2_ERR_DEFERRED;
    enum h2_take how = H2_TAKE_MORE;
    size_t n = session->events->on_take(session->ctx, stream, room, &how);
    check(n <= room);
    if (n == 0 && how == H2_TAKE_MORE)
        return NGHTTP2_ERR_DEFERRED;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (how != H2_TAKE_MORE)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (how == H2_TAKE_TRAILERS)
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    return (ssize_t)n;
}

static const nghttp2_data_provider provider = {.read_callback = read_body};

int32_t
h2_stream_request(struct h2_session *session, const struct h2_header *headers, uint32_t n,
                  void *stream)
{
    nghttp2_nv nv[H2_MAX_HEADERS];
    fill(nv, headers, n);
    int32_t id = nghttp2_submit_request(session->nghttp2, NULL, nv, n, &provider, stream);
    h2_session_note_output(session);
    return id;
}

uint32_t
h2_session_peer_max_streams(const struct h2_session *session)
{
    return nghttp2_session_get_remote_settings(session->nghttp2,
                                               NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

void
h2_stream_respond(struct h2_session *session, int32_t stream_id, const struct h2_header *headers,
                  uint32_t n, bool is_last)
{
    nghttp2_nv nv[H2_MAX_HEADERS];
    fill(nv, headers, n);
    (void)nghttp2_submit_response(session->nghttp2, stream_id, nv, n, is_last ? NULL : &provider);
    h2_session_note_output(session);
}

void
h2_stream_trailers(struct h2_session *session, int32_t stream_id, const struct h2_header *headers,
                   uint32_t n)
{
    nghttp2_nv nv[H2_MAX_HEADERS];
    fill(nv, headers, n);
    (void)nghttp2_submit_trailer(session->nghttp2, stream_id, nv, n);
}

void
h2_stream_wake(struct h2_session *session, int32_t stream_id)
{
    (void)nghttp2_session_resume_data(session->nghttp2, stream_id);
    h2_session_note_output(session);
}

void
h2_stream_reset(struct h2_session *session, int32_t stream_id, enum h2_code code)
{
    (void)nghttp2_submit_rst_stream(session->nghttp2, NGHTTP2_FLAG_NONE, stream_id, code);
    h2_session_note_output(session);
}

void
h2_stream_unbind(struct h2_session *session, int32_t stream_id)
{
    h2_session_forget_cached(session);
    (void)nghttp2_session_set_stream_user_data(session->nghttp2, stream_id, NULL);
}

void
h2_stream_credit(struct h2_session *session, int32_t stream_id, size_t n)
{
    (void)nghttp2_session_consume_stream(session->nghttp2, stream_id, n);
    if (nghttp2_session_want_write(session->nghttp2))
        h2_session_note_output(session);
}

void
h2_stream_set_window(struct h2_session *session, int32_t stream_id, uint32_t bytes)
{
    (void)nghttp2_session_set_local_window_size(session->nghttp2, NGHTTP2_FLAG_NONE, stream_id,
                                                (int32_t)bytes);
}

uint32_t
h2_session_peer_header_list_bytes(const struct h2_session *session)
{
    return nghttp2_session_get_remote_settings(session->nghttp2,
                                               NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE);
}
