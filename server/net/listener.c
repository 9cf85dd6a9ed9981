/* Binding and accepting. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "net/listener.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "net/listener_int.h"
#include "net/loop_int.h"
#include "net/port_holder.h"

enum {
    LISTENER_MAGIC = 0x6c73746e,
    BACKLOG = 1024,
    ACCEPTS_PER_TURN = 64,
    EXHAUSTED_US = 1000 * 1000,
};

struct listener {
    uint32_t magic;
    int descriptor;
    int spare; /* given up for a moment when descriptors run out */
    bool is_paused, is_closed;
    struct loop *loop;
    struct listener_callbacks callbacks;
    struct event *event;
    struct loop_timer exhausted_timer;
};

static bool
is_any_v6(const struct net_address *address)
{
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->storage;
    return address->storage.ss_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr);
}

static uint16_t
port_of(const struct net_address *address)
{
    if (address->storage.ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)&address->storage)->sin_port);
    return ntohs(((const struct sockaddr_in6 *)&address->storage)->sin6_port);
}

/* A listening socket, or -1 and errno. */
static int
listen_at(const struct net_address *address)
{
    int on = 1, off = 0, family = address->storage.ss_family;
    int descriptor = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return -1;
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (is_any_v6(address)) /* IPv4 comes in by it too */
        setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(descriptor, (const struct sockaddr *)&address->storage, address->length) == 0 &&
        listen(descriptor, BACKLOG) == 0)
        return descriptor;
    int error_number = errno;
    close(descriptor);
    errno = error_number;
    return -1;
}

struct net_address
listener_any_v4(const struct net_address *any_v6)
{
    struct net_address address = {.length = sizeof(struct sockaddr_in)};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&address.storage;
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port_of(any_v6));
    return address;
}

enum err
listener_tell_failure(const char *text, const struct net_address *address, int error_number,
                      struct text *why)
{
    enum err err = err_from_errno(error_number);
    text_addf(why, "cannot listen on %s: %s", text,
              err == ERR_SYSTEM ? strerror(error_number) : err_words(err));
    if (err == ERR_IN_USE) {
        text_add(why, ", ");
        if (!port_holder_add(why, port_of(address)))
            text_add(why, "held by a process that is not to be seen from here");
    }
    return err;
}

enum err
listener_bind(const char *text, struct text *why, int *descriptor)
{
    struct net_address address;
    enum err err = net_address_parse(text, &address);
    if (err != ERR_OK) {
        text_addf(why, "cannot listen on %s: not a numeric address and port, such as 0.0.0.0:11800",
                  text);
        return err;
    }
    *descriptor = listen_at(&address);
    if (*descriptor < 0 && text[0] == ':' && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
        address = listener_any_v4(&address);
        *descriptor = listen_at(&address);
    }
    return *descriptor >= 0 ? ERR_OK : listener_tell_failure(text, &address, errno, why);
}

void
listener_bound_address(int descriptor, struct net_address *out)
{
    *out = (struct net_address){.length = sizeof(out->storage)};
    check(getsockname(descriptor, (struct sockaddr *)&out->storage, &out->length) == 0);
}

static int
open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void
update(struct listener *listener)
{
    bool wanted = !listener->is_closed && !listener->is_paused &&
                  !loop_timer_is_armed(&listener->exhausted_timer);
    if (wanted)
        check(event_add(listener->event, NULL) == 0);
    else
        event_del(listener->event);
}

static void
on_exhausted_over(void *ctx)
{
    struct listener *listener = ctx;
    CHECK_OBJ(listener, LISTENER_MAGIC);
    if (listener->spare < 0)
        listener->spare = open_spare();
    update(listener);
}

/* One waiting peer learns by a close that nobody will serve it. */
static void
on_exhausted(struct listener *listener)
{
    if (listener->spare >= 0) {
        close(listener->spare);
        int descriptor = accept4(listener->descriptor, NULL, NULL, SOCK_CLOEXEC);
        if (descriptor >= 0)
            close(descriptor);
        listener->spare = open_spare();
    }
    loop_timer_in(&listener->exhausted_timer, EXHAUSTED_US);
    update(listener);
    if (listener->callbacks.on_exhausted != NULL)
        listener->callbacks.on_exhausted(listener->callbacks.ctx);
}

/* False when there is nothing more to accept now. */
static bool
accept_one(struct listener *listener)
{
    struct net_address peer = {.length = sizeof(peer.storage)};
    int accepted = accept4(listener->descriptor, (struct sockaddr *)&peer.storage, &peer.length,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted >= 0) {
        listener->callbacks.on_accept(listener->callbacks.ctx, accepted, &peer);
        return true;
    }
    switch (errno) {
    case EAGAIN:
        return false;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        on_exhausted(listener);
        return false;
    default: /* the peer's own trouble (accept(2) lists them): the next one may be well */
        return true;
    }
}

static void
on_ready(evutil_socket_t descriptor, short what, void *ctx)
{
    (void)descriptor;
    (void)what;
    struct listener *listener = ctx;
    CHECK_OBJ(listener, LISTENER_MAGIC);
    loop_enter(listener->loop);
    for (int i = 0; i < ACCEPTS_PER_TURN; i++)
        if (listener->is_paused || listener->is_closed || !accept_one(listener))
            return;
}

enum err
listener_open(struct loop *loop, const char *address, const struct listener_callbacks *callbacks,
              struct text *why, struct listener **out)
{
    int descriptor = -1;
    enum err err = listener_bind(address, why, &descriptor);
    if (err != ERR_OK)
        return err;
    struct listener *listener = mem_new(struct listener);
    listener->magic = LISTENER_MAGIC;
    listener->descriptor = descriptor;
    listener->spare = open_spare();
    listener->loop = loop;
    listener->callbacks = *callbacks;
    loop_timer_init(&listener->exhausted_timer, loop, on_exhausted_over, listener);
    listener->event =
        event_new(loop_base(loop), descriptor, EV_READ | EV_PERSIST, on_ready, listener);
    check(listener->event != NULL);
    update(listener);
    *out = listener;
    return ERR_OK;
}

static void
destroy(void *object)
{
    struct listener *listener = object;
    event_free(listener->event);
    listener->magic = 0;
    mem_free(listener);
}

void
listener_close(struct listener **where)
{
    struct listener *listener = *where;
    if (listener == NULL)
        return;
    CHECK_OBJ(listener, LISTENER_MAGIC);
    listener->is_closed = true;
    loop_timer_cancel(&listener->exhausted_timer);
    update(listener);
    close(listener->descriptor);
    if (listener->spare >= 0)
        close(listener->spare);
    loop_free_later(listener->loop, destroy, listener);
    *where = NULL;
}

void
listener_address(const struct listener *listener, struct net_address *out)
{
    listener_bound_address(listener->descriptor, out);
}

void
listener_pause(struct listener *listener)
{
    listener->is_paused = true;
    update(listener);
}

void
listener_resume(struct listener *listener)
{
    listener->is_paused = false;
    update(listener);
}
