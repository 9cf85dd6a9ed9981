/* A bare gRPC sink on nghttp2 and epoll: reads, counts messages, answers OK. */
/* SPDX-License-Identifier: Apache-2.0 */
/* One process, one thread, clear text, prior knowledge. It is the floor that servers are compared
 * with: no budget, no limits, no verdict. --walk adds the least that a receiver must do to know a
 * message is sound: every field of every segment, span, reference and tag is stepped over and
 * counted, every string is checked for UTF-8. A path that ends in "InSync"
 * carries one SegmentCollection: its field 1 is counted, the others count as one message each. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/utf8.h"

enum {
    READ_BYTES = 65536,
    WINDOW_BYTES = 1 << 20,
    CONNECTION_WINDOW_BYTES = 16 << 20,
    GRPC_PREFIX_BYTES = 5,
};

struct call {
    uint8_t prefix[GRPC_PREFIX_BYTES];
    uint32_t n_prefix;
    uint32_t n_left; /* of the current message */
    uint32_t n_skip; /* of the current segment of a collection */
    uint64_t varint; /* what is read of a tag or length */
    uint32_t shift;
    bool is_length;
    uint8_t *message; /* with --walk: the message in pieces */
    uint32_t n_message, cap_message;
    bool is_collection, answered;
};

struct peer {
    int fd;
    nghttp2_session *session;
    uint8_t *out; /* what the socket did not take */
    size_t n_out, out_at;
};

static struct {
    bool walk;
    uint64_t n_messages, n_segments, n_spans, n_fields, n_calls, n_bad;
} sink;

static volatile sig_atomic_t stop;

static void
on_signal(int number)
{
    (void)number;
    stop = 1;
}

static bool
take_varint(const uint8_t **p, const uint8_t *end, uint64_t *out)
{
    uint64_t v = 0;
    for (uint32_t shift = 0; shift < 64 && *p < end; shift += 7) {
        uint8_t byte = *(*p)++;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = v;
            return true;
        }
    }
    return false;
}

/* Depth 0 is a segment with its spans, 1 a span with its references, tags and logs. */
static bool
has_fields(int depth, uint64_t field)
{
    if (depth == 0)
        return field == 3;
    return depth == 1 && (field == 5 || field == 12 || field == 13);
}

static bool
walk(const uint8_t *p, const uint8_t *end, int depth)
{
    while (p < end) {
        uint64_t tag, n;
        if (!take_varint(&p, end, &tag) || !take_varint(&p, end, &n))
            return false;
        sink.n_fields++;
        if ((tag & 7) == 0)
            continue;
        if ((tag & 7) != 2 || n > (uint64_t)(end - p))
            return false;
        if (has_fields(depth, tag >> 3)) {
            sink.n_spans += depth == 0;
            if (!walk(p, p + n, depth + 1))
                return false;
        } else if (!utf8_is_valid(bytes_of(p, n))) {
            return false;
        }
        p += n;
    }
    return true;
}

/* A SegmentCollection is tags, lengths and segments in a row: the first two are read, the last
 * stepped over, all in whatever pieces they come; nothing is kept. */
static void
skim_collection(struct call *call, const uint8_t *p, size_t n)
{
    const uint8_t *end = p + n;
    while (p < end) {
        if (call->n_skip > 0) {
            size_t step = call->n_skip < (size_t)(end - p) ? call->n_skip : (size_t)(end - p);
            call->n_skip -= (uint32_t)step;
            p += step;
            continue;
        }
        uint8_t byte = *p++;
        if (call->shift < 64)
            call->varint |= (uint64_t)(byte & 0x7f) << call->shift;
        call->shift += 7;
        if (byte >= 0x80)
            continue;
        if (call->is_length) {
            call->n_skip = (uint32_t)call->varint;
            sink.n_segments++;
        } else if (call->varint != (1 << 3 | 2)) {
            sink.n_bad++;
        }
        call->is_length = !call->is_length;
        call->varint = call->shift = 0;
    }
}

static void
walk_collection(const uint8_t *p, const uint8_t *end)
{
    while (p < end) {
        uint64_t tag, n;
        if (!take_varint(&p, end, &tag) || !take_varint(&p, end, &n) || tag != (1 << 3 | 2) ||
            n > (uint64_t)(end - p)) {
            sink.n_bad++;
            return;
        }
        sink.n_segments++;
        if (!walk(p, p + n, 0))
            sink.n_bad++;
        p += n;
    }
}

static void
take_message(const struct call *call, const uint8_t *p, size_t n)
{
    sink.n_messages++;
    if (call->is_collection) {
        if (sink.walk)
            walk_collection(p, p + n);
        return;
    }
    sink.n_segments++;
    if (sink.walk && !walk(p, p + n, 0))
        sink.n_bad++;
}

static void
keep_piece(struct call *call, const uint8_t *p, size_t n)
{
    if (call->n_message + n > call->cap_message) {
        call->cap_message = (uint32_t)(call->n_message + n) * 2;
        call->message = mem_resize(call->message, call->cap_message);
    }
    memcpy(call->message + call->n_message, p, n);
    call->n_message += (uint32_t)n;
}

/* A message that lies whole in this piece is lent, one in pieces is put together. */
static size_t
take_body(struct call *call, const uint8_t *p, size_t n)
{
    size_t take = n < call->n_left ? n : call->n_left;
    call->n_left -= (uint32_t)take;
    if (call->is_collection && !sink.walk)
        skim_collection(call, p, take);
    if (call->n_left > 0) {
        if (sink.walk)
            keep_piece(call, p, take);
        return take;
    }
    if (call->n_message > 0) {
        keep_piece(call, p, take);
        take_message(call, call->message, call->n_message);
        call->n_message = 0;
    } else {
        take_message(call, p, take);
    }
    call->n_prefix = 0;
    return take;
}

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *p, size_t n,
        void *user)
{
    (void)flags;
    (void)user;
    struct call *call = nghttp2_session_get_stream_user_data(session, stream_id);
    while (call && n > 0) {
        if (call->n_prefix < GRPC_PREFIX_BYTES) {
            call->prefix[call->n_prefix++] = *p++;
            n--;
            if (call->n_prefix < GRPC_PREFIX_BYTES)
                continue;
            const uint8_t *b = call->prefix + 1;
            call->n_left = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
            if (call->n_left > 0)
                continue;
        }
        size_t took = take_body(call, p, n);
        p += took;
        n -= took;
    }
    return 0;
}

static int
on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    (void)user;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, mem_new(struct call));
    return 0;
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t n_name,
          const uint8_t *value, size_t n_value, uint8_t flags, void *user)
{
    (void)flags;
    (void)user;
    struct call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (call && n_name == 5 && memcmp(name, ":path", 5) == 0)
        call->is_collection = n_value > 6 && memcmp(value + n_value - 6, "InSync", 6) == 0;
    return 0;
}

#define FIELD(name, value)                                                          \
    {                                                                               \
        (uint8_t *)(name), (uint8_t *)(value), sizeof(name) - 1, sizeof(value) - 1, \
            NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE            \
    }

static ssize_t
give_answer(nghttp2_session *session, int32_t stream_id, uint8_t *p, size_t n, uint32_t *flags,
            nghttp2_data_source *source, void *user)
{
    static const nghttp2_nv trailer = FIELD("grpc-status", "0");
    (void)source;
    (void)user;
    if (n < GRPC_PREFIX_BYTES)
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    memset(p, 0, GRPC_PREFIX_BYTES);
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    nghttp2_submit_trailer(session, stream_id, &trailer, 1);
    return GRPC_PREFIX_BYTES;
}

static int
on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    static const nghttp2_nv head[] = {FIELD(":status", "200"),
                                      FIELD("content-type", "application/grpc")};
    (void)user;
    bool is_call = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    if (!is_call || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    struct call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!call || call->answered)
        return 0;
    call->answered = true;
    sink.n_calls++;
    nghttp2_data_provider body = {.read_callback = give_answer};
    return nghttp2_submit_response(session, frame->hd.stream_id, head, 2, &body);
}

static int
on_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *user)
{
    (void)code;
    (void)user;
    struct call *call = nghttp2_session_get_stream_user_data(session, stream_id);
    if (call)
        mem_free(call->message);
    mem_free(call);
    nghttp2_session_set_stream_user_data(session, stream_id, NULL);
    return 0;
}

static nghttp2_session *
open_session(struct peer *peer)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *session = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) != 0)
        abort();
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    if (nghttp2_session_server_new(&session, callbacks, peer) != 0)
        abort();
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1024},
    };
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW_BYTES);
    return session;
}

static void
close_peer(struct peer *peer)
{
    nghttp2_session_del(peer->session);
    close(peer->fd);
    mem_free(peer->out);
    mem_free(peer);
}

/* False when the connection is gone. */
static bool
write_out(struct peer *peer)
{
    while (peer->out_at < peer->n_out) {
        ssize_t n =
            send(peer->fd, peer->out + peer->out_at, peer->n_out - peer->out_at, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN;
        peer->out_at += (size_t)n;
    }
    peer->n_out = peer->out_at = 0;
    return true;
}

/* Gathers what the session has to say and writes it in one call. */
static bool
flush_session(struct peer *peer)
{
    const uint8_t *p;
    ssize_t n;
    if (peer->out_at < peer->n_out)
        return write_out(peer);
    while ((n = nghttp2_session_mem_send(peer->session, &p)) > 0) {
        if (peer->n_out + (size_t)n > READ_BYTES && !write_out(peer))
            return false;
        peer->out = peer->out ? peer->out : mem_alloc(READ_BYTES * 2);
        if (peer->n_out + (size_t)n > READ_BYTES * 2)
            return false;
        memcpy(peer->out + peer->n_out, p, (size_t)n);
        peer->n_out += (size_t)n;
    }
    return n == 0 && write_out(peer);
}

static bool
read_in(struct peer *peer)
{
    static uint8_t buffer[READ_BYTES];
    ssize_t n;
    do {
        n = recv(peer->fd, buffer, sizeof buffer, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return false;
        if (n > 0 && nghttp2_session_mem_recv(peer->session, buffer, (size_t)n) < 0)
            return false;
    } while (n == (ssize_t)sizeof buffer);
    return true;
}

static void
accept_all(int listener, int poll)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct peer *peer = mem_new(struct peer);
        peer->fd = fd;
        peer->session = open_session(peer);
        struct epoll_event event = {EPOLLIN | EPOLLOUT | EPOLLET, {.ptr = peer}};
        epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
        if (!flush_session(peer))
            close_peer(peer);
    }
}

static int
open_listener(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof address;
    if (bind(fd, (struct sockaddr *)&address, n) < 0 || listen(fd, 4096) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &n) < 0) {
        perror("null_sink");
        exit(71);
    }
    printf("listening %u\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static void
serve(int listener)
{
    int poll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {EPOLLIN, {.ptr = NULL}};
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    while (!stop) {
        struct epoll_event events[64];
        int n = epoll_wait(poll, events, 64, -1);
        for (int i = 0; i < n; i++) {
            struct peer *peer = events[i].data.ptr;
            if (!peer)
                accept_all(listener, poll);
            else if (!read_in(peer) || !flush_session(peer))
                close_peer(peer);
        }
    }
    close(poll);
}

int
main(int argc, char **argv)
{
    static const struct option options[] = {{"port", required_argument, NULL, 'p'},
                                            {"walk", no_argument, NULL, 'w'},
                                            {NULL, 0, NULL, 0}};
    uint16_t port = 0;
    int c;
    while ((c = getopt_long(argc, argv, "p:w", options, NULL)) != -1) {
        if (c == 'p')
            port = (uint16_t)strtoul(optarg, NULL, 10);
        else if (c == 'w')
            sink.walk = true;
        else
            return 64;
    }
    struct rlimit files = {65536, 65536};
    setrlimit(RLIMIT_NOFILE, &files);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    int listener = open_listener(port);
    serve(listener);
    printf("{\"calls\": %llu, \"segments\": %llu, \"spans\": %llu, \"bad\": %llu}\n",
           (unsigned long long)sink.n_calls, (unsigned long long)sink.n_segments,
           (unsigned long long)sink.n_spans, (unsigned long long)sink.n_bad);
    return 0;
}
