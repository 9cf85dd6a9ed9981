/* One socket: readiness in, bytes up; gathered writes down. */
/* SPDX-License-Identifier: Apache-2.0 */
/* connecting -> shaking (with TLS) -> open -> failing -> closed; any -> freed. Failing: an error is
 * known and on_closed will tell it from the loop; closed: it was told. Memory lives until the end
 * of the turn. */
#include "net/conn.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/conn_linger_int.h"
#include "net/loop_int.h"
#include "net/tls_int.h"

enum {
    CONN_MAGIC = 0x636f6e6e,
    TURN_BYTES = 256 * 1024, /* one busy peer does not starve the others */
    USER_TIMEOUT_MS = 30 * 1000,
    /* Three questions within the same time, for Linux takes the user timeout for their end, too. */
    KEEPALIVE_IDLE_S = 15,
    KEEPALIVE_INTERVAL_S = 5,
    KEEPALIVE_PROBES = 3,
};

enum conn_state {
    CONN_CONNECTING,
    CONN_SHAKING,
    CONN_OPEN,
    CONN_FAILING,
    CONN_CLOSED,
    CONN_FREED,
};

struct conn {
    uint32_t magic;
    int descriptor; /* -1: no socket could be had, or freed */
    enum conn_state state;
    enum err failure; /* while failing */
    bool is_paused, wants_write;
    struct loop *loop;
    struct conn_callbacks callbacks;
    struct event read_event, write_event;
    struct event more_event;         /* TLS: reading goes on in the next turn */
    struct loop_timer connect_timer; /* of the handshake, too */
    struct tls_session *tls;         /* NULL: clear text */
    uint64_t handshake_us;           /* its limit */
    char peer[NET_ADDRESS_TEXT];
};

static void
set_state(struct conn *conn, enum conn_state state)
{
    /* Moves go one way only. */
    check(state > conn->state);
    conn->state = state;
}

static void
stop_reading(struct conn *conn)
{
    event_del(&conn->read_event);
    event_del(&conn->more_event);
}

static void
stop_events(struct conn *conn)
{
    stop_reading(conn);
    event_del(&conn->write_event);
    loop_timer_cancel(&conn->connect_timer);
}

/* The last callback: nothing may be touched after it. */
static void
tell_closed(struct conn *conn, enum err err)
{
    stop_events(conn);
    set_state(conn, CONN_CLOSED);
    conn->callbacks.on_closed(conn->callbacks.ctx, err);
}

/* What an agent does wrong is a debug line; a backend is the operator's own. */
static void
log_tls_failure(const struct conn *conn, const char *why)
{
    if (tls_session_is_server(conn->tls))
        log_debug("net", "TLS failed", "peer=%s why=%s", conn->peer, LOG_TEXT(bytes_str(why)));
    else
        log_warn("net", "TLS failed", "peer=%s why=%s", conn->peer, LOG_TEXT(bytes_str(why)));
}

/* For errors met outside the loop's callbacks. */
static void
fail_later(struct conn *conn, enum err err)
{
    set_state(conn, CONN_FAILING);
    conn->failure = err;
    event_active(&conn->write_event, EV_WRITE, 0);
}

/* The socket may tell nothing any more of what OpenSSL has read of it already. event_active would
 * have it run in this very turn, and the socket's own event as well as ours would read twice. */
static void
read_in_next_turn(struct conn *conn)
{
    static const struct timeval at_once = {0, 0};
    event_del(&conn->read_event);
    check(event_add(&conn->more_event, &at_once) == 0);
}

static void
start_reading(struct conn *conn)
{
    if (conn->tls != NULL)
        read_in_next_turn(conn);
    else
        check(event_add(&conn->read_event, NULL) == 0);
}

static bool
may_read(const struct conn *conn)
{
    return conn->state < CONN_CLOSED && !conn->is_paused;
}

/* As read_clear; what OpenSSL still holds when the turn's share is used up comes in the next. */
static enum err
read_tls(struct conn *conn)
{
    uint8_t *buffer = loop_read_buffer(conn->loop);
    size_t total = 0;
    while (total < TURN_BYTES && may_read(conn)) {
        size_t n = 0, room = TURN_BYTES - total;
        bool is_dry = false;
        if (room > LOOP_READ_BUFFER_BYTES)
            room = LOOP_READ_BUFFER_BYTES;
        enum err err = tls_session_read(conn->tls, buffer, room, &n, &is_dry);
        if (err == ERR_TLS)
            log_tls_failure(conn, tls_session_why(conn->tls));
        if (err != ERR_OK)
            return err;
        total += n;
        if (n > 0)
            conn->callbacks.on_bytes(conn->callbacks.ctx, bytes_of(buffer, n));
        if (is_dry)
            break;
    }
    if (conn->state != CONN_OPEN)
        return ERR_OK;
    if (tls_session_has_output(conn->tls)) /* answers to the peer's key updates */
        check(event_add(&conn->write_event, NULL) == 0);
    if (total >= TURN_BYTES && !conn->is_paused)
        read_in_next_turn(conn);
    return ERR_OK;
}

/* The bytes that came before the end; returns the reason of the end, ERR_OK when it is not there
 * yet. */
static enum err
read_clear(struct conn *conn)
{
    uint8_t *buffer = loop_read_buffer(conn->loop);
    size_t total = 0;
    while (total < TURN_BYTES && may_read(conn)) {
        ssize_t n = recv(conn->descriptor, buffer, LOOP_READ_BUFFER_BYTES, 0);
        if (n == 0)
            return ERR_CLOSED;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? ERR_OK : err_from_errno(errno);
        total += (size_t)n;
        conn->callbacks.on_bytes(conn->callbacks.ctx, bytes_of(buffer, (size_t)n));
        /* A short read emptied the socket: asking again would only cost a call. */
        if (n < LOOP_READ_BUFFER_BYTES)
            return ERR_OK;
    }
    return ERR_OK;
}

static enum err
read_some(struct conn *conn)
{
    return conn->tls != NULL ? read_tls(conn) : read_clear(conn);
}

/* The connection stands: up to here nothing was told. */
static void
open_up(struct conn *conn)
{
    loop_timer_cancel(&conn->connect_timer);
    set_state(conn, CONN_OPEN);
    event_del(&conn->read_event);
    if (!conn->is_paused) /* what follows may have come with the last of the handshake */
        start_reading(conn);
    if (conn->wants_write)
        check(event_add(&conn->write_event, NULL) == 0);
    if (conn->callbacks.on_open != NULL)
        conn->callbacks.on_open(conn->callbacks.ctx);
}

static void
shake(struct conn *conn)
{
    bool is_done = false;
    enum err err = tls_session_shake(conn->tls, &is_done);
    if (err != ERR_OK) {
        log_tls_failure(conn, err == ERR_TLS ? tls_session_why(conn->tls) : err_words(err));
        tell_closed(conn, err);
        return;
    }
    if (tls_session_has_output(conn->tls))
        check(event_add(&conn->write_event, NULL) == 0);
    if (is_done)
        open_up(conn);
}

static void
start_shaking(struct conn *conn)
{
    set_state(conn, CONN_SHAKING);
    loop_timer_in(&conn->connect_timer, conn->handshake_us);
    check(event_add(&conn->read_event, NULL) == 0);
}

static void
on_readable(evutil_socket_t descriptor, short what, void *ctx)
{
    (void)descriptor;
    (void)what;
    struct conn *conn = ctx;
    CHECK_OBJ(conn, CONN_MAGIC);
    loop_enter(conn->loop);
    if (conn->state == CONN_SHAKING) {
        shake(conn);
        return;
    }
    if (conn->state != CONN_OPEN || conn->is_paused)
        return;
    enum err err = read_some(conn);
    if (err != ERR_OK && conn->state < CONN_CLOSED)
        tell_closed(conn, err);
}

static void
on_more(evutil_socket_t descriptor, short what, void *ctx)
{
    struct conn *conn = ctx;
    CHECK_OBJ(conn, CONN_MAGIC);
    check(event_add(&conn->read_event, NULL) == 0);
    on_readable(descriptor, what, conn);
}

static void
finish_connect(struct conn *conn)
{
    int error_number = 0;
    socklen_t length = sizeof(error_number);
    if (getsockopt(conn->descriptor, SOL_SOCKET, SO_ERROR, &error_number, &length) != 0)
        error_number = errno;
    if (error_number != 0) {
        tell_closed(conn, err_from_errno(error_number));
        return;
    }
    if (conn->tls == NULL) {
        open_up(conn);
        return;
    }
    start_shaking(conn);
    shake(conn);
}

/* True when nothing waits for the socket any more. */
static bool
flush_tls(struct conn *conn)
{
    if (conn->tls == NULL || !tls_session_has_output(conn->tls))
        return true;
    enum err err = tls_session_flush(conn->tls);
    if (err != ERR_OK) {
        tell_closed(conn, err);
        return false;
    }
    if (tls_session_has_output(conn->tls))
        check(event_add(&conn->write_event, NULL) == 0);
    return !tls_session_has_output(conn->tls);
}

static void
on_open_writable(struct conn *conn)
{
    if (!flush_tls(conn) || !conn->wants_write)
        return;
    conn->wants_write = false;
    if (conn->callbacks.on_writable != NULL)
        conn->callbacks.on_writable(conn->callbacks.ctx);
}

static void
on_writable(evutil_socket_t descriptor, short what, void *ctx)
{
    (void)descriptor;
    (void)what;
    struct conn *conn = ctx;
    CHECK_OBJ(conn, CONN_MAGIC);
    loop_enter(conn->loop);
    if (conn->state == CONN_CONNECTING) {
        finish_connect(conn);
    } else if (conn->state == CONN_SHAKING) {
        shake(conn);
    } else if (conn->state == CONN_OPEN) {
        on_open_writable(conn);
    } else if (conn->state == CONN_FAILING) {
        /* What the peer said before it hung up still counts. */
        if (conn->descriptor >= 0)
            read_some(conn);
        if (conn->state == CONN_FAILING)
            tell_closed(conn, conn->failure);
    }
}

static void
on_connect_timeout(void *ctx)
{
    struct conn *conn = ctx;
    CHECK_OBJ(conn, CONN_MAGIC);
    if (conn->state == CONN_SHAKING)
        log_tls_failure(conn, "the handshake is not over in time");
    if (conn->state < CONN_OPEN)
        tell_closed(conn, ERR_TIMEOUT);
}

static void
set_options(int descriptor)
{
    int on = 1, timeout_ms = USER_TIMEOUT_MS;
    /* Fails on what is no TCP socket, which then needs neither. */
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
}

/* For whom we connect to: HTTP/2's PING would be held against us (grpc-java's too_many_pings). */
static void
set_keepalive(int descriptor)
{
    int on = 1, idle_s = KEEPALIVE_IDLE_S, interval_s = KEEPALIVE_INTERVAL_S;
    int n_probes = KEEPALIVE_PROBES;
    setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
    setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
    setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPCNT, &n_probes, sizeof(n_probes));
}

static struct conn *
new_conn(struct loop *loop, int descriptor, enum conn_state state, const struct net_address *peer,
         const struct conn_callbacks *callbacks)
{
    loop_assert_here(loop);
    struct conn *conn = mem_new(struct conn);
    conn->magic = CONN_MAGIC;
    conn->descriptor = descriptor;
    conn->state = state;
    conn->loop = loop;
    conn->callbacks = *callbacks;
    loop_timer_init(&conn->connect_timer, loop, on_connect_timeout, conn);
    check(event_assign(&conn->read_event, loop_base(loop), descriptor, EV_READ | EV_PERSIST,
                       on_readable, conn) == 0);
    check(event_assign(&conn->write_event, loop_base(loop), descriptor, EV_WRITE, on_writable,
                       conn) == 0);
    check(event_assign(&conn->more_event, loop_base(loop), -1, 0, on_more, conn) == 0);
    if (descriptor >= 0)
        set_options(descriptor);
    net_address_text(peer, conn->peer);
    return conn;
}

static void
put_tls(struct conn *conn, const struct conn_tls *tls)
{
    if (tls == NULL || conn->descriptor < 0)
        return;
    conn->tls = tls_session_new(tls->context, conn->descriptor, tls->name);
    conn->handshake_us = tls->timeout_us;
}

struct conn *
conn_accepted(struct loop *loop, int descriptor, const struct conn_tls *tls,
              const struct conn_callbacks *callbacks)
{
    struct net_address peer = {.length = sizeof(peer.storage)};
    if (getpeername(descriptor, (struct sockaddr *)&peer.storage, &peer.length) != 0)
        peer = (struct net_address){.length = 0}; /* gone already: reading tells it */
    enum conn_state state = tls != NULL ? CONN_CONNECTING : CONN_OPEN;
    struct conn *conn = new_conn(loop, descriptor, state, &peer, callbacks);
    put_tls(conn, tls);
    if (conn->tls != NULL)
        start_shaking(conn);
    else
        check(event_add(&conn->read_event, NULL) == 0);
    return conn;
}

struct conn *
conn_connect(struct loop *loop, const struct net_address *address, uint64_t timeout_us,
             const struct conn_tls *tls, const struct conn_callbacks *callbacks)
{
    int family = address->storage.ss_family;
    int descriptor = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error_number = descriptor < 0 ? errno : 0;
    struct conn *conn = new_conn(loop, descriptor, CONN_CONNECTING, address, callbacks);
    put_tls(conn, tls);
    if (descriptor >= 0)
        set_keepalive(descriptor);
    if (descriptor >= 0 &&
        connect(descriptor, (const struct sockaddr *)&address->storage, address->length) != 0)
        error_number = errno;
    if (error_number != 0 && error_number != EINPROGRESS) {
        fail_later(conn, err_from_errno(error_number));
        return conn;
    }
    loop_timer_in(&conn->connect_timer, timeout_us);
    check(event_add(&conn->write_event, NULL) == 0);
    return conn;
}

static void
destroy(void *object)
{
    struct conn *conn = object;
    conn->magic = 0;
    mem_free(conn);
}

static void
let_go(struct conn **where, bool may_linger)
{
    struct conn *conn = *where;
    if (conn == NULL)
        return;
    CHECK_OBJ(conn, CONN_MAGIC);
    loop_assert_here(conn->loop);
    stop_events(conn);
    bool lingers = may_linger && conn->state == CONN_OPEN;
    set_state(conn, CONN_FREED);
    tls_session_free(&conn->tls);
    if (lingers)
        conn_linger_start(conn->loop, conn->descriptor);
    else if (conn->descriptor >= 0)
        close(conn->descriptor);
    conn->descriptor = -1;
    loop_free_later(conn->loop, destroy, conn);
    *where = NULL;
}

void
conn_free(struct conn **where)
{
    let_go(where, false);
}

void
conn_finish(struct conn **where)
{
    let_go(where, true);
}

/* Nothing is taken now: on_writable tells when, which waits for on_open where need be. */
static void
want_write(struct conn *conn)
{
    conn->wants_write = true;
    if (conn->state == CONN_OPEN)
        check(event_add(&conn->write_event, NULL) == 0);
}

static size_t
sum(const struct iovec *parts, int n)
{
    size_t total = 0;
    for (int i = 0; i < n; i++)
        total += parts[i].iov_len;
    return total;
}

static enum err
send_parts(struct conn *conn, const struct iovec *parts, int n, size_t *written)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts,
                             .msg_iovlen = (size_t)(n < IOV_MAX ? n : IOV_MAX)};
    ssize_t sent;
    do {
        sent = sendmsg(conn->descriptor, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno != EAGAIN)
        return err_from_errno(errno);
    *written = sent > 0 ? (size_t)sent : 0;
    return ERR_OK;
}

enum err
conn_write(struct conn *conn, const struct iovec *parts, int n, size_t *written)
{
    *written = 0;
    if (conn->state > CONN_OPEN)
        return conn->state == CONN_FAILING ? conn->failure : ERR_CLOSED;
    if (conn->state < CONN_OPEN) {
        want_write(conn);
        return ERR_OK;
    }
    enum err err = conn->tls != NULL ? tls_session_write(conn->tls, parts, n, written)
                                     : send_parts(conn, parts, n, written);
    if (err != ERR_OK) {
        *written = 0;
        fail_later(conn, err);
        return err;
    }
    if (*written < sum(parts, n))
        want_write(conn);
    return ERR_OK;
}

void
conn_pause(struct conn *conn)
{
    if (conn->is_paused)
        return;
    conn->is_paused = true;
    if (conn->state != CONN_SHAKING) /* the handshake goes on */
        stop_reading(conn);
}

void
conn_resume(struct conn *conn)
{
    if (!conn->is_paused)
        return;
    conn->is_paused = false;
    if (conn->state != CONN_OPEN)
        return;
    start_reading(conn);
}

bool
conn_is_paused(const struct conn *conn)
{
    return conn->is_paused;
}

const char *
conn_peer(const struct conn *conn)
{
    return conn->peer;
}
