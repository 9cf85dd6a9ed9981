/* One connection of the driver: pre-encoded frames out, answers in. */
/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 9113 for frames, RFC 7541 for the two header blocks: the first call of a connection puts its
 * fields into the table, later ones are seven index bytes, as grpc-java and grpc-go send them.
 * Answers go through nghttp2's inflater, which must see every block. */
#include "driver_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "bench_segment.h"

enum {
    FRAME_HEAD_BYTES = 9,
    OUT_BYTES = 256 * 1024, /* framed and not yet written */
    IN_BYTES = 64 * 1024,
    GRPC_PREFIX_BYTES = 5,
    DEFAULT_WINDOW_BYTES = 65535,
    DEFAULT_FRAME_BYTES = 16384,
    CREDIT_STEP_BYTES = 1 << 20, /* we announce windows of twice this */
};

enum slot_state { SLOT_FREE, SLOT_OPEN, SLOT_WAITING };

struct slot {
    enum slot_state state;
    uint32_t stream_id;
    bool is_ok;
    int64_t window;
    uint8_t *body;
    size_t n_released, n_sent, n_end; /* bytes of the body; n_end: where the call ends */
    int64_t begin_ns, sent_ns;        /* sent: when its last byte was written; 0: not yet */
};

struct link {
    struct load *load;
    int fd;
    bool is_ready, is_lost, has_called;
    bool has_ended; /* the last byte of a call is framed and perhaps not yet written */
    uint32_t next_stream_id, n_streams, max_streams, max_frame, newest;
    int64_t window, initial_window;
    uint32_t n_received; /* DATA bytes since our last WINDOW_UPDATE */
    nghttp2_hd_inflater *inflater;
    struct slot *slots;
    uint8_t *out;
    size_t n_out, out_at;
    uint8_t *in;
    size_t n_in;
};

/* A block of literals that enter the table in this order, so path is entry 66, user-agent 62. */
static uint8_t first_block[256];
static size_t n_first_block;
static const uint8_t later_block[] = {0x83, 0x86, 0xc2, 0xc1, 0xc0, 0xbf, 0xbe};

static int64_t
now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void
put_string(const char *s)
{
    size_t n = strlen(s);
    first_block[n_first_block++] = (uint8_t)n; /* below 127: one byte of length, not Huffman */
    memcpy(first_block + n_first_block, s, n);
    n_first_block += n;
}

/* name_index: in the static table; 0 with a name of its own. */
static void
put_literal(uint8_t name_index, const char *name, const char *value)
{
    first_block[n_first_block++] = 0x40 | name_index;
    if (name_index == 0)
        put_string(name);
    put_string(value);
}

static void
build_first_block(void)
{
    n_first_block = 0;
    first_block[n_first_block++] = 0x83; /* :method POST */
    first_block[n_first_block++] = 0x86; /* :scheme http */
    put_literal(4, NULL, "/skywalking.v3.TraceSegmentReportService/collect");
    put_literal(1, NULL, "127.0.0.1:11800");
    put_literal(0, "te", "trailers");
    put_literal(31, NULL, "application/grpc");
    put_literal(58, NULL, "grpc-java-netty/1.74.0");
}

bool
load_prepare(struct load *load)
{
    struct bench_segment segment;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    if (!bench_segment_build(&segment, load->n_segment_bytes, now_ms))
        return false;
    build_first_block();
    load->counter = (uint64_t)now.tv_nsec / 10; /* no id comes again in another run */
    load->n_message = GRPC_PREFIX_BYTES + segment.n;
    load->n_body = load->n_message * load->n_per_call;
    load->counter_at = GRPC_PREFIX_BYTES + segment.counter_at;
    uint8_t *body = mem_alloc(load->n_body);
    for (uint8_t *p = body; p < body + load->n_body; p += load->n_message) {
        const uint8_t prefix[GRPC_PREFIX_BYTES] = {0, 0, 0, (uint8_t)(segment.n >> 8),
                                                   (uint8_t)segment.n};
        memcpy(p, prefix, sizeof prefix);
        memcpy(p + sizeof prefix, segment.bytes, segment.n);
    }
    load->body = body;
    return true;
}

static uint8_t *
put_u32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
    return p + 4;
}

static uint32_t
get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static size_t
room(const struct link *link)
{
    return OUT_BYTES - link->n_out;
}

/* The caller saw to the room. */
static void
put_frame(struct link *link, uint8_t type, uint8_t flags, uint32_t stream_id, const void *payload,
          size_t n)
{
    uint8_t *p = link->out + link->n_out;
    put_u32(p, (uint32_t)n << 8 | type);
    p[4] = flags;
    put_u32(p + 5, stream_id);
    if (n > 0)
        memcpy(p + FRAME_HEAD_BYTES, payload, n);
    link->n_out += FRAME_HEAD_BYTES + n;
}

static void
put_credit(struct link *link, uint32_t n)
{
    uint8_t payload[4];
    put_u32(payload, n);
    if (room(link) >= FRAME_HEAD_BYTES + 4)
        put_frame(link, NGHTTP2_WINDOW_UPDATE, 0, 0, payload, 4);
}

static void
put_preface(struct link *link)
{
    static const char magic[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    uint8_t settings[12] = {0, NGHTTP2_SETTINGS_ENABLE_PUSH,        0, 0, 0, 0,
                            0, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE};
    put_u32(settings + 8, 2 * CREDIT_STEP_BYTES);
    memcpy(link->out, magic, sizeof magic - 1);
    link->n_out = sizeof magic - 1;
    put_frame(link, NGHTTP2_SETTINGS, 0, 0, settings, sizeof settings);
    put_credit(link, 2 * CREDIT_STEP_BYTES - DEFAULT_WINDOW_BYTES);
}

static int
connect_to(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        perror("driver: connect");
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

struct link *
link_new(struct load *load)
{
    int fd = connect_to(load->port);
    if (fd < 0)
        return NULL;
    struct link *link = mem_new(struct link);
    link->load = load;
    link->fd = fd;
    link->next_stream_id = 1;
    link->max_streams = UINT32_MAX;
    link->max_frame = DEFAULT_FRAME_BYTES;
    link->window = link->initial_window = DEFAULT_WINDOW_BYTES;
    link->out = mem_alloc(OUT_BYTES);
    link->in = mem_alloc(IN_BYTES);
    link->slots = mem_new_n(struct slot, load->n_slots);
    for (uint32_t i = 0; i < load->n_slots; i++) {
        link->slots[i].body = mem_alloc(load->n_body);
        memcpy(link->slots[i].body, load->body, load->n_body);
    }
    if (nghttp2_hd_inflate_new(&link->inflater) != 0)
        abort();
    put_preface(link);
    return link;
}

int
link_fd(const struct link *link)
{
    return link->fd;
}

bool
link_is_ready(const struct link *link)
{
    return link->is_ready;
}

static struct slot *
find_free(struct link *link)
{
    for (uint32_t i = 0; i < link->load->n_slots; i++) {
        if (link->slots[i].state == SLOT_FREE) {
            link->newest = i;
            return &link->slots[i];
        }
    }
    return NULL;
}

/* At once, not when there is DATA to send: stream ids must reach the server in their order. */
static void
put_head(struct link *link, uint32_t stream_id)
{
    bool first = !link->has_called;
    put_frame(link, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, stream_id,
              first ? first_block : later_block, first ? n_first_block : sizeof later_block);
    link->has_called = true;
}

bool
link_begin(struct link *link, uint32_t n)
{
    struct load *load = link->load;
    if (link->n_streams >= link->max_streams || room(link) < sizeof first_block + FRAME_HEAD_BYTES)
        return false;
    struct slot *slot = find_free(link);
    if (!slot)
        return false;
    put_head(link, link->next_stream_id);
    for (uint32_t i = 0; i < load->n_per_call; i++)
        bench_segment_number(slot->body + i * load->n_message + load->counter_at, ++load->counter);
    slot->state = SLOT_OPEN;
    slot->is_ok = false;
    slot->stream_id = link->next_stream_id;
    slot->window = link->initial_window;
    slot->n_sent = 0;
    slot->n_released = n * load->n_message;
    slot->n_end = load->n_body;
    slot->begin_ns = now_ns();
    slot->sent_ns = 0;
    link->next_stream_id += 2;
    link->n_streams++;
    return true;
}

bool
link_release(struct link *link, uint32_t n)
{
    struct slot *slot = &link->slots[link->newest];
    if (slot->state != SLOT_OPEN || slot->n_released >= slot->n_end)
        return false;
    slot->n_released += n * link->load->n_message;
    return true;
}

void
link_finish(struct link *link)
{
    struct slot *slot = &link->slots[link->newest];
    if (slot->state == SLOT_OPEN)
        slot->n_end = slot->n_released;
    link_flush(link);
}

/* Bytes the next DATA frame of the slot may have; 0 when windows or room forbid more. */
static size_t
frame_size(const struct link *link, const struct slot *slot)
{
    const struct load *load = link->load;
    size_t n = slot->n_released - slot->n_sent;
    size_t most = load->n_frame_bytes;
    if (most == 0)
        most = load->n_message - slot->n_sent % load->n_message;
    n = n < most ? n : most;
    n = n < link->max_frame ? n : link->max_frame;
    int64_t window = link->window < slot->window ? link->window : slot->window;
    if (window <= 0)
        return 0;
    n = n < (size_t)window ? n : (size_t)window;
    return room(link) >= n + FRAME_HEAD_BYTES ? n : 0;
}

static void
set_waiting(struct link *link, struct slot *slot)
{
    slot->state = SLOT_WAITING;
    link->has_ended = true;
}

static void
frame_slot(struct link *link, struct slot *slot)
{
    size_t n;
    while (slot->n_sent < slot->n_released && (n = frame_size(link, slot)) > 0) {
        bool last = slot->n_sent + n == slot->n_end;
        put_frame(link, NGHTTP2_DATA, last ? NGHTTP2_FLAG_END_STREAM : 0, slot->stream_id,
                  slot->body + slot->n_sent, n);
        slot->n_sent += n;
        slot->window -= (int64_t)n;
        link->window -= (int64_t)n;
        if (last)
            set_waiting(link, slot);
    }
    /* Finished early, after its last message had already left. */
    if (slot->state == SLOT_OPEN && slot->n_sent == slot->n_end && room(link) > FRAME_HEAD_BYTES) {
        put_frame(link, NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, slot->stream_id, NULL, 0);
        set_waiting(link, slot);
    }
}

/* Everything framed is written. */
static void
note_sent(struct link *link)
{
    int64_t sent_ns = now_ns();
    for (uint32_t i = 0; i < link->load->n_slots; i++)
        if (link->slots[i].state == SLOT_WAITING && link->slots[i].sent_ns == 0)
            link->slots[i].sent_ns = sent_ns;
    link->has_ended = false;
}

static void
write_out(struct link *link)
{
    while (link->out_at < link->n_out) {
        ssize_t n =
            send(link->fd, link->out + link->out_at, link->n_out - link->out_at, MSG_NOSIGNAL);
        if (n < 0) {
            link->is_lost = link->is_lost || errno != EAGAIN;
            return;
        }
        link->out_at += (size_t)n;
    }
    link->n_out = link->out_at = 0;
    if (link->has_ended)
        note_sent(link);
}

void
link_flush(struct link *link)
{
    write_out(link);
    if (!link->is_ready)
        return;
    while (!link->is_lost && link->n_out == 0) {
        for (uint32_t i = 0; i < link->load->n_slots; i++)
            if (link->slots[i].state == SLOT_OPEN)
                frame_slot(link, &link->slots[i]);
        if (link->n_out == 0)
            return;
        write_out(link);
    }
}

static struct slot *
find_stream(struct link *link, uint32_t stream_id)
{
    for (uint32_t i = 0; i < link->load->n_slots; i++)
        if (link->slots[i].state != SLOT_FREE && link->slots[i].stream_id == stream_id)
            return &link->slots[i];
    return NULL;
}

static void
end_call(struct link *link, struct slot *slot)
{
    struct load *load = link->load;
    uint64_t n = slot->n_end / load->n_message;
    int64_t ended_ns = now_ns(), took_ns = ended_ns - slot->begin_ns;
    if (slot->is_ok && slot->state == SLOT_WAITING)
        load->n_acknowledged += n;
    else
        load->n_failed += n;
    if (slot->sent_ns > 0)
        waits_add(&load->waits, ended_ns - slot->sent_ns);
    load->n_answers++;
    load->sum_call_ns += took_ns;
    load->max_call_ns = took_ns > load->max_call_ns ? took_ns : load->max_call_ns;
    slot->state = SLOT_FREE;
    link->n_streams--;
}

static bool
take_setting(struct link *link, uint16_t id, uint32_t value)
{
    if (id == NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
        link->max_streams = value;
    if (id == NGHTTP2_SETTINGS_MAX_FRAME_SIZE)
        link->max_frame = value;
    if (id == NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE) {
        for (uint32_t i = 0; i < link->load->n_slots; i++)
            link->slots[i].window += (int64_t)value - link->initial_window;
        link->initial_window = value;
    }
    /* Our second block needs the five entries, about 300 bytes of the default 4096. */
    return id != NGHTTP2_SETTINGS_HEADER_TABLE_SIZE || value >= 4096;
}

static bool
take_settings(struct link *link, uint8_t flags, const uint8_t *p, size_t n)
{
    if (flags & NGHTTP2_FLAG_ACK)
        return true;
    for (; n >= 6; p += 6, n -= 6) {
        if (!take_setting(link, (uint16_t)(p[0] << 8 | p[1]), get_u32(p + 2))) {
            fputs("driver: the server's header table is smaller than 4096\n", stderr);
            return false;
        }
    }
    if (room(link) < FRAME_HEAD_BYTES)
        return false;
    put_frame(link, NGHTTP2_SETTINGS, NGHTTP2_FLAG_ACK, 0, NULL, 0);
    link->is_ready = true;
    return true;
}

static void
take_field(struct slot *slot, const nghttp2_nv *field)
{
    if (field->namelen == 11 && memcmp(field->name, "grpc-status", 11) == 0)
        slot->is_ok = field->valuelen == 1 && field->value[0] == '0';
}

/* Every block goes through the inflater; only grpc-status matters. */
static bool
inflate(struct link *link, struct slot *slot, const uint8_t *p, size_t n)
{
    for (;;) {
        nghttp2_nv field;
        int what = 0;
        ssize_t took = nghttp2_hd_inflate_hd2(link->inflater, &field, &what, p, n, 1);
        if (took < 0)
            return false;
        p += took;
        n -= (size_t)took;
        if (slot && what & NGHTTP2_HD_INFLATE_EMIT)
            take_field(slot, &field);
        if (what & NGHTTP2_HD_INFLATE_FINAL)
            break;
    }
    nghttp2_hd_inflate_end_headers(link->inflater);
    return true;
}

static bool
take_head(struct link *link, struct slot *slot, uint8_t flags, const uint8_t *p, size_t n)
{
    if (!(flags & NGHTTP2_FLAG_END_HEADERS) || flags & NGHTTP2_FLAG_PADDED) {
        fputs("driver: a header block in pieces or padded\n", stderr);
        return false;
    }
    size_t n_priority = flags & NGHTTP2_FLAG_PRIORITY && n >= 5 ? 5 : 0;
    return inflate(link, slot, p + n_priority, n - n_priority);
}

static void
take_credit(struct link *link, uint32_t stream_id, uint32_t n)
{
    struct slot *slot = find_stream(link, stream_id);
    if (stream_id == 0)
        link->window += n;
    else if (slot)
        slot->window += n;
}

static void
count_data(struct link *link, size_t n)
{
    link->n_received += (uint32_t)n;
    if (link->n_received >= CREDIT_STEP_BYTES) {
        put_credit(link, link->n_received);
        link->n_received = 0;
    }
}

static bool
take_stream_frame(struct link *link, uint8_t type, uint8_t flags, uint32_t stream_id,
                  const uint8_t *p, size_t n)
{
    struct slot *slot = find_stream(link, stream_id);
    if (type == NGHTTP2_HEADERS && !take_head(link, slot, flags, p, n))
        return false;
    if (type == NGHTTP2_DATA)
        count_data(link, n);
    bool ended = type == NGHTTP2_RST_STREAM || flags & NGHTTP2_FLAG_END_STREAM;
    if (slot && ended)
        end_call(link, slot);
    return true;
}

static bool
take_frame(struct link *link, const uint8_t *head, const uint8_t *p, size_t n)
{
    uint8_t type = head[3], flags = head[4];
    uint32_t stream_id = get_u32(head + 5) & 0x7fffffff;
    switch (type) {
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
    case NGHTTP2_RST_STREAM:
        return take_stream_frame(link, type, flags, stream_id, p, n);
    case NGHTTP2_SETTINGS:
        return take_settings(link, flags, p, n);
    case NGHTTP2_WINDOW_UPDATE:
        take_credit(link, stream_id, get_u32(p) & 0x7fffffff);
        return true;
    case NGHTTP2_PING:
        if (!(flags & NGHTTP2_FLAG_ACK) && room(link) >= FRAME_HEAD_BYTES + 8)
            put_frame(link, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, p, 8);
        return true;
    case NGHTTP2_GOAWAY:
        fprintf(stderr, "driver: GOAWAY code %u\n", n >= 8 ? get_u32(p + 4) : 0);
        return false;
    default:
        return true;
    }
}

static bool
take_frames(struct link *link)
{
    size_t at = 0;
    while (link->n_in - at >= FRAME_HEAD_BYTES) {
        const uint8_t *head = link->in + at;
        size_t n = get_u32(head) >> 8;
        if (n > IN_BYTES - FRAME_HEAD_BYTES)
            return false;
        if (link->n_in - at < FRAME_HEAD_BYTES + n)
            break;
        if (!take_frame(link, head, head + FRAME_HEAD_BYTES, n))
            return false;
        at += FRAME_HEAD_BYTES + n;
    }
    memmove(link->in, link->in + at, link->n_in - at);
    link->n_in -= at;
    return true;
}

bool
link_turn(struct link *link)
{
    for (;;) {
        ssize_t n = recv(link->fd, link->in + link->n_in, IN_BYTES - link->n_in, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN)) {
            fprintf(stderr, "driver: connection lost: %s\n", n == 0 ? "closed" : strerror(errno));
            return false;
        }
        if (n < 0)
            break;
        link->n_in += (size_t)n;
        if (!take_frames(link))
            return false;
    }
    link_flush(link);
    return !link->is_lost;
}
