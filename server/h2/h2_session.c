/* nghttp2_session behind our own face. */
/* SPDX-License-Identifier: Apache-2.0 */
/* nghttp2 is entered only by feed and gather; what happens inside is told through struct h2_events.
 * Its callbacks get the session as user data, and each stream carries the user's pointer. */
#include "h2/h2_session.h"

#include "base/check.h"
#include "base/mem.h"
#include "h2/h2_memory.h"
#include "h2/h2_session_int.h"

enum { HEADER_OVERHEAD = 32 };

/* nghttp2's callbacks. */

static int
begin_headers(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *user)
{
    struct h2_session *session = session_of(user);
    session->n_header_bytes = 0;
    if (session->is_stopped)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (session->role == H2_CLIENT || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    int32_t id = frame->hd.stream_id;
    void *stream = session->events->on_open(session->ctx, id);
    if (stream == NULL) {
        (void)nghttp2_submit_rst_stream(nghttp2, NGHTTP2_FLAG_NONE, id, NGHTTP2_REFUSED_STREAM);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    h2_session_forget_cached(session);
    (void)nghttp2_session_set_stream_user_data(nghttp2, id, stream);
    return 0;
}

static int
header(nghttp2_session *nghttp2, const nghttp2_frame *frame, const uint8_t *name, size_t n_name,
       const uint8_t *value, size_t n_value, uint8_t flags, void *user)
{
    (void)nghttp2;
    (void)flags;
    struct h2_session *session = session_of(user);
    if (session->is_stopped)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    session->n_header_bytes += (uint32_t)(n_name + n_value) + HEADER_OVERHEAD;
    if (session->n_header_bytes > session->header_list_bytes) {
        h2_session_add_glitches(session, GUARD_WEIGHT_EMPTY);
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    void *stream = user_of(session, frame->hd.stream_id);
    if (stream != NULL)
        session->events->on_header(session->ctx, stream, bytes_of(name, n_name),
                                   bytes_of(value, n_value));
    return 0;
}

static int
data_chunk(nghttp2_session *nghttp2, uint8_t flags, int32_t stream_id, const uint8_t *p, size_t n,
           void *user)
{
    (void)nghttp2;
    struct h2_session *session = session_of(user);
    if (session->is_stopped)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    session->n_data += n;
    if (flags & NGHTTP2_FLAG_PADDED)
        session->guard.payload_bytes += n;
    void *stream = user_of(session, stream_id);
    if (stream != NULL)
        session->events->on_data(session->ctx, stream, bytes_of(p, n));
    return session->is_stopped ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static void
got_settings(struct h2_session *session, const nghttp2_frame *frame)
{
    if (session->is_ready || (frame->hd.flags & NGHTTP2_FLAG_ACK))
        return;
    session->is_ready = true;
    session->events->on_ready(session->ctx);
}

static uint64_t
ping_payload(const nghttp2_frame *frame)
{
    uint64_t payload = 0;
    for (int i = 0; i < 8; i++)
        payload = payload << 8 | frame->ping.opaque_data[i];
    return payload;
}

static void
got_part(struct h2_session *session, const nghttp2_frame *frame)
{
    bool is_last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (frame->hd.type == NGHTTP2_DATA && !is_last)
        return;
    void *stream = user_of(session, frame->hd.stream_id);
    if (stream == NULL)
        return;
    if (frame->hd.type == NGHTTP2_HEADERS)
        session->events->on_headers(session->ctx, stream, is_last);
    if (!is_last || session->is_stopped)
        return;
    /* on_headers may have unbound it. */
    stream = user_of(session, frame->hd.stream_id);
    if (stream != NULL)
        session->events->on_end(session->ctx, stream);
}

static int
frame_recv(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *user)
{
    (void)nghttp2;
    struct h2_session *session = session_of(user);
    if (session->is_stopped)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    switch (frame->hd.type) {
    case NGHTTP2_DATA:
    case NGHTTP2_HEADERS:
        got_part(session, frame);
        break;
    case NGHTTP2_RST_STREAM:
        session->reset_by_peer_id = frame->hd.stream_id;
        if (user_of(session, frame->hd.stream_id) == NULL)
            h2_session_add_glitches(session, GUARD_WEIGHT_EMPTY);
        break;
    case NGHTTP2_SETTINGS:
        got_settings(session, frame);
        break;
    case NGHTTP2_PING:
        if (frame->hd.flags & NGHTTP2_FLAG_ACK)
            session->events->on_ping_ack(session->ctx, ping_payload(frame));
        break;
    case NGHTTP2_GOAWAY:
        session->events->on_goaway(session->ctx, frame->goaway.last_stream_id,
                                   frame->goaway.error_code);
        break;
    default:
        break;
    }
    return session->is_stopped ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int
invalid_frame(nghttp2_session *nghttp2, const nghttp2_frame *frame, int code, void *user)
{
    (void)nghttp2;
    (void)frame;
    (void)code;
    h2_session_add_glitches(session_of(user), GUARD_WEIGHT_EMPTY);
    return 0;
}

static int
stream_close(nghttp2_session *nghttp2, int32_t stream_id, uint32_t code, void *user)
{
    struct h2_session *session = session_of(user);
    void *stream = nghttp2_session_get_stream_user_data(nghttp2, stream_id);
    h2_session_forget_cached(session);
    if (stream == NULL || session->is_stopped)
        return 0;
    (void)nghttp2_session_set_stream_user_data(nghttp2, stream_id, NULL);
    if (session->unsent_id == stream_id)
        code = NGHTTP2_REFUSED_STREAM;
    bool by_peer = session->reset_by_peer_id == stream_id;
    session->events->on_close(session->ctx, stream, code, by_peer);
    return 0;
}

static int
frame_send(nghttp2_session *nghttp2, const nghttp2_frame *frame, void *user)
{
    (void)nghttp2;
    struct h2_session *session = session_of(user);
    if (frame->hd.type == NGHTTP2_DATA) {
        session->guard.n_data_sent++;
    } else if (frame->hd.type == NGHTTP2_RST_STREAM) {
        if (frame->rst_stream.error_code != NGHTTP2_NO_ERROR)
            h2_session_add_glitches(session, GUARD_WEIGHT_RESET);
    } else if (frame->hd.type == NGHTTP2_GOAWAY) {
        if (frame->goaway.error_code != NGHTTP2_NO_ERROR && !session->told_error &&
            session->events->on_told_to_go != NULL && !session->is_stopped) {
            session->told_error = true;
            session->events->on_told_to_go(session->ctx);
        }
    }
    return 0;
}

/* A request that never left is refused for free: its stream closes right after this. */
static int
frame_not_sent(nghttp2_session *nghttp2, const nghttp2_frame *frame, int code, void *user)
{
    (void)nghttp2;
    (void)code;
    if (frame->hd.type == NGHTTP2_HEADERS)
        session_of(user)->unsent_id = frame->hd.stream_id;
    return 0;
}

static int
send_data(nghttp2_session *nghttp2, nghttp2_frame *frame, const uint8_t *header_bytes, size_t n,
          nghttp2_data_source *source, void *user)
{
    (void)nghttp2;
    (void)source;
    struct h2_session *session = session_of(user);
    if (!h2_gather_has_room(session->gather))
        return NGHTTP2_ERR_WOULDBLOCK;
    void *stream = user_of(session, frame->hd.stream_id);
    if (stream == NULL || session->is_stopped)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    h2_gather_copy(session->gather, header_bytes, 9);
    if (n > 0)
        session->events->on_give(session->ctx, stream, n, session->gather);
    return 0;
}

/* Setting up. */

static void
set_callbacks(nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, frame_recv);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, invalid_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, frame_send);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, frame_not_sent);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data);
}

static void
create(struct h2_session *session, struct budget *budget)
{
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    check(nghttp2_session_callbacks_new(&callbacks) == 0);
    check(nghttp2_option_new(&option) == 0);
    set_callbacks(callbacks);
    nghttp2_option_set_max_outbound_ack(option, 100);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_mem memory = h2_memory(budget), *mem = budget != NULL ? &memory : NULL;
    int failed;
    if (session->role == H2_SERVER) {
        nghttp2_option_set_stream_reset_rate_limit(option, 2000, 200);
        failed = nghttp2_session_server_new3(&session->nghttp2, callbacks, session, option, mem);
    } else {
        failed = nghttp2_session_client_new3(&session->nghttp2, callbacks, session, option, mem);
    }
    check(failed == 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
}

static void
submit_settings(struct h2_session *session, const struct h2_session_settings *settings)
{
    nghttp2_settings_entry entries[5];
    size_t n = 0;
    entries[n++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
                                            settings->stream_window_bytes};
    entries[n++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
                                            settings->header_list_bytes};
    if (session->role == H2_SERVER) {
        entries[n++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
                                                settings->max_streams};
        entries[n++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 4096};
        entries[n++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1};
    } else {
        entries[n++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_ENABLE_PUSH, 0};
    }
    check(nghttp2_submit_settings(session->nghttp2, NGHTTP2_FLAG_NONE, entries, n) == 0);
    check(nghttp2_session_set_local_window_size(session->nghttp2, NGHTTP2_FLAG_NONE, 0,
                                                (int32_t)settings->connection_window_bytes) == 0);
}

struct h2_session *
h2_session_new(const struct h2_session_settings *settings)
{
    struct h2_session *session = mem_new(struct h2_session);
    session->magic = SESSION_MAGIC;
    session->role = settings->role;
    session->events = settings->events;
    session->ctx = settings->ctx;
    session->on_output = settings->on_output;
    session->output_ctx = settings->output_ctx;
    session->header_list_bytes = settings->header_list_bytes;
    h2_guard_init(&session->guard);
    create(session, settings->budget);
    submit_settings(session, settings);
    return session;
}

void
h2_session_stop(struct h2_session *session)
{
    session->is_stopped = true;
}

void
h2_session_free(struct h2_session **session)
{
    if (*session == NULL)
        return;
    (*session)->is_stopped = true;
    nghttp2_session_del((*session)->nghttp2);
    (*session)->magic = 0;
    mem_free(*session);
    *session = NULL;
}

/* Input. */

static enum err
pass_on(struct h2_session *session, struct bytes in)
{
    if (in.n == 0)
        return ERR_OK;
    session->reset_by_peer_id = 0;
    session->n_data = 0;
    ssize_t n = nghttp2_session_mem_recv(session->nghttp2, in.p, in.n);
    if (session->is_stopped)
        return ERR_CLOSED;
    if (n == NGHTTP2_ERR_BAD_CLIENT_MAGIC)
        return ERR_H2_PREFACE;
    if (n == NGHTTP2_ERR_FLOODED)
        return ERR_H2_FLOOD;
    if (n < 0)
        return ERR_H2_PROTOCOL;
    if (session->n_data > 0)
        (void)nghttp2_session_consume_connection(session->nghttp2, session->n_data);
    return ERR_OK;
}

/* What the guard saw; true when the connection ends over it. */
static bool
follow_up(struct h2_session *session, const struct h2_suspect *suspect)
{
    nghttp2_session *nghttp2 = session->nghttp2;
    if (suspect->kind == SUSPECT_NONE)
        return false;
    int32_t id = (int32_t)suspect->stream_id;
    bool is_open = id != 0 && nghttp2_session_find_stream(nghttp2, id) != NULL;
    if (suspect->kind == SUSPECT_STREAM) {
        if (is_open)
            (void)nghttp2_submit_rst_stream(nghttp2, NGHTTP2_FLAG_NONE, id, suspect->code);
        return false;
    }
    if (suspect->kind == SUSPECT_STATE && is_open)
        return false;
    (void)nghttp2_session_terminate_session(nghttp2, suspect->code);
    return true;
}

static enum err
feed_guarded(struct h2_session *session, struct bytes in)
{
    while (in.n > 0 && !session->is_terminated) {
        struct h2_suspect suspect;
        size_t n = h2_guard_scan(&session->guard, in, &suspect);
        enum err err = pass_on(session, bytes_of(in.p, n));
        if (err != ERR_OK)
            return err;
        in = bytes_of(in.p + n, in.n - n);
        session->is_terminated = follow_up(session, &suspect);
    }
    switch (h2_guard_state(&session->guard)) {
    case GUARD_FLOOD:
        return ERR_H2_FLOOD;
    case GUARD_CALM:
        h2_session_goaway(session, H2_ENHANCE_YOUR_CALM);
        break;
    case GUARD_FINE:
        break;
    }
    return ERR_OK;
}

enum err
h2_session_feed(struct h2_session *session, struct bytes in)
{
    check(session->gather == NULL);
    enum err err = session->role == H2_SERVER ? feed_guarded(session, in) : pass_on(session, in);
    if (err == ERR_OK && nghttp2_session_want_write(session->nghttp2))
        h2_session_note_output(session);
    return err;
}

/* Output. */

enum err
h2_session_gather(struct h2_session *session, struct h2_gather *gather, bool *is_all)
{
    enum err err = ERR_OK;
    *is_all = false;
    session->gather = gather;
    while (h2_gather_has_room(gather) && !session->is_stopped) {
        const uint8_t *p = NULL;
        size_t before = gather->n_bytes;
        ssize_t n = nghttp2_session_mem_send(session->nghttp2, &p);
        if (n < 0) {
            err = n == NGHTTP2_ERR_FLOODED ? ERR_H2_FLOOD : ERR_H2_PROTOCOL;
            break;
        }
        if (n == 0 && gather->n_bytes == before) {
            *is_all = true;
            break;
        }
        h2_gather_copy(gather, p, (size_t)n);
    }
    session->gather = NULL;
    return session->is_stopped ? ERR_CLOSED : err;
}

bool
h2_session_is_alive(const struct h2_session *session)
{
    return nghttp2_session_want_read(session->nghttp2) ||
           nghttp2_session_want_write(session->nghttp2);
}

size_t
h2_session_queue_length(const struct h2_session *session)
{
    return nghttp2_session_get_outbound_queue_size(session->nghttp2);
}

bool
h2_session_is_in_headers(const struct h2_session *session)
{
    return session->guard.in_headers;
}

void
h2_session_add_glitches(struct h2_session *session, uint32_t weight)
{
    h2_guard_add(&session->guard, weight);
}

void
h2_session_ping(struct h2_session *session, uint64_t payload)
{
    uint8_t opaque[8];
    for (int i = 0; i < 8; i++)
        opaque[i] = (uint8_t)(payload >> (56 - 8 * i));
    (void)nghttp2_submit_ping(session->nghttp2, NGHTTP2_FLAG_NONE, opaque);
    h2_session_note_output(session);
}

void
h2_session_notice(struct h2_session *session)
{
    (void)nghttp2_submit_shutdown_notice(session->nghttp2);
    h2_session_note_output(session);
}

void
h2_session_goaway(struct h2_session *session, enum h2_code code)
{
    int32_t last = nghttp2_session_get_last_proc_stream_id(session->nghttp2);
    (void)nghttp2_submit_goaway(session->nghttp2, NGHTTP2_FLAG_NONE, last, code, NULL, 0);
    h2_session_note_output(session);
}

const char *
h2_session_version(void)
{
    return nghttp2_version(0)->version_str;
}
