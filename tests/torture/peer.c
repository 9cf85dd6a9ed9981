/* One HTTP/2 connection of a test program, either side. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

enum { READ_BYTES = 256 * 1024, OUT_ENOUGH_BYTES = 512 * 1024 };

static uint8_t input[READ_BYTES]; /* one thread, and nothing stays in it */

static void
gone(struct peer *peer)
{
    if (peer->on_gone)
        peer->on_gone(peer);
    peer_free(peer, false);
}

static void
keep(struct peer *peer, const uint8_t *bytes, size_t n)
{
    if (peer->n_out + n > peer->out_capacity) {
        peer->out_capacity = (peer->n_out + n) * 2;
        peer->out = mem_resize(peer->out, peer->out_capacity);
    }
    memcpy(peer->out + peer->n_out, bytes, n);
    peer->n_out += n;
}

/* False when the connection failed. */
static bool
write_out(struct peer *peer)
{
    while (peer->out_at < peer->n_out) {
        ssize_t n = send(peer->watch->fd, peer->out + peer->out_at, peer->n_out - peer->out_at,
                         MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        peer->out_at += (size_t)n;
    }
    peer->out_at = peer->n_out = 0;
    return true;
}

/* A failed write is told by the read that follows: there may still be answers to be read. */
void
peer_flush(struct peer *peer)
{
    for (;;) {
        const uint8_t *bytes;
        ssize_t n = 0;
        while (peer->n_out < OUT_ENOUGH_BYTES &&
               (n = nghttp2_session_mem_send(peer->session, &bytes)) > 0)
            keep(peer, bytes, (size_t)n);
        if (!write_out(peer)) {
            peer->out_at = peer->n_out = 0;
            return;
        }
        if (n <= 0 || peer->n_out > 0)
            break;
    }
    loop_want_write(peer->loop, peer->watch, peer->n_out > 0);
}

static void
on_ready(void *arg, bool readable, bool writable)
{
    struct peer *peer = arg;
    (void)writable;
    if (readable) {
        ssize_t n = recv(peer->watch->fd, input, sizeof input, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            gone(peer);
            return;
        }
        if (n > 0 && nghttp2_session_mem_recv(peer->session, input, (size_t)n) < 0) {
            gone(peer);
            return;
        }
    }
    peer_flush(peer);
}

struct peer *
peer_new(struct loop *loop, int fd, bool server, const nghttp2_session_callbacks *callbacks,
         uint32_t stream_window, uint32_t connection_window)
{
    struct peer *peer = mem_new(struct peer);
    peer->loop = loop;
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    peer->watch = loop_watch(loop, fd, on_ready, peer);
    if (server)
        nghttp2_session_server_new(&peer->session, callbacks, peer);
    else
        nghttp2_session_client_new(&peer->session, callbacks, peer);
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, stream_window},
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000},
    };
    nghttp2_submit_settings(peer->session, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(peer->session, NGHTTP2_FLAG_NONE, 0,
                                          (int32_t)connection_window);
    return peer;
}

void
peer_free(struct peer *peer, bool reset)
{
    if (reset) {
        struct linger linger = {1, 0};
        setsockopt(peer->watch->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
    loop_close(peer->loop, peer->watch);
    nghttp2_session_del(peer->session);
    mem_free(peer->out);
    mem_free(peer);
}

static struct sockaddr_in
loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr = {htonl(INADDR_LOOPBACK)},
    };
}

int
peer_connect(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = loopback(port);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

int
peer_listen(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = loopback(port);
    address.sin_addr.s_addr = inet_addr(PEER_LISTEN);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 128) == 0)
        return fd;
    close(fd);
    return -1;
}

uint16_t
peer_port(int fd)
{
    struct sockaddr_in address = {0};
    socklen_t n = sizeof address;
    getsockname(fd, (struct sockaddr *)&address, &n);
    return ntohs(address.sin_port);
}
