/* The ports agents connect to. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/daemon_listeners.h"

#include <errno.h>
#include <sys/resource.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/listener.h"

enum { LISTENERS_MAGIC = 0x646c7374, N_PORTS = 2 }; /* LISTENER_GRPC, LISTENER_GRPC_TLS */

struct port {
    struct daemon_listeners *owner;
    uint32_t which;
    struct listener *listener; /* NULL: off, or shut */
    char address[NET_ADDRESS_TEXT];
};

struct daemon_listeners {
    uint32_t magic;
    daemon_listeners_fn *on_connection;
    void *ctx;
    struct port ports[N_PORTS];
};

static void
on_accept(void *ctx, int descriptor, const struct net_address *peer)
{
    const struct port *port = ctx;
    const struct daemon_listeners *listeners = port->owner;
    CHECK_OBJ(listeners, LISTENERS_MAGIC);
    (void)peer;
    listeners->on_connection(listeners->ctx, descriptor, port->which);
}

static void
on_exhausted(void *ctx)
{
    (void)ctx;
    log_error("daemon", "out of file descriptors: accepting pauses", "code=%d", ERR_DESCRIPTORS);
}

/* One descriptor per agent: the soft limit is only a default for programs that use select. */
void
daemon_listeners_raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_warn("daemon", "the limit of open files stays as it is", "error=%s",
                 err_name(err_from_errno(errno)));
}

static enum err
open_port(struct port *port, struct loop *loop, const char *address, struct text *why)
{
    static const char *const kinds[N_PORTS] = {"grpc", "grpc_tls"};
    struct listener_callbacks callbacks = {
        .ctx = port, .on_accept = on_accept, .on_exhausted = on_exhausted};
    if (address[0] == '\0')
        return ERR_OK;
    enum err err = listener_open(loop, address, &callbacks, why, &port->listener);
    if (err != ERR_OK)
        return err;
    struct net_address bound;
    listener_address(port->listener, &bound);
    net_address_text(&bound, port->address);
    log_info("daemon", "listening", "kind=%s address=%s", kinds[port->which], port->address);
    return ERR_OK;
}

enum err
daemon_listeners_open(struct loop *loop, const struct conf *conf,
                      daemon_listeners_fn *on_connection, void *ctx, struct text *why,
                      struct daemon_listeners **out)
{
    const char *const addresses[N_PORTS] = {conf->listen.grpc.address,
                                            conf->listen.grpc_tls.address};
    struct daemon_listeners *listeners = mem_new(struct daemon_listeners);
    enum err err = ERR_OK;
    listeners->magic = LISTENERS_MAGIC;
    listeners->on_connection = on_connection;
    listeners->ctx = ctx;
    for (uint32_t i = 0; i < N_PORTS && err == ERR_OK; i++) {
        listeners->ports[i].owner = listeners;
        listeners->ports[i].which = i;
        err = open_port(&listeners->ports[i], loop, addresses[i], why);
    }
    if (err != ERR_OK)
        daemon_listeners_shut(listeners);
    *out = listeners;
    return err;
}

void
daemon_listeners_shut(struct daemon_listeners *listeners)
{
    for (uint32_t i = 0; listeners != NULL && i < N_PORTS; i++)
        listener_close(&listeners->ports[i].listener);
}

void
daemon_listeners_free(struct daemon_listeners **where)
{
    struct daemon_listeners *listeners = *where;
    if (listeners == NULL)
        return;
    CHECK_OBJ(listeners, LISTENERS_MAGIC);
    daemon_listeners_shut(listeners);
    listeners->magic = 0;
    mem_free(listeners);
    *where = NULL;
}

void
daemon_listeners_pause(struct daemon_listeners *listeners, bool is_paused)
{
    for (uint32_t i = 0; i < N_PORTS; i++) {
        struct listener *listener = listeners->ports[i].listener;
        if (listener != NULL && is_paused)
            listener_pause(listener);
        else if (listener != NULL)
            listener_resume(listener);
    }
}

const char *
daemon_listeners_address(const struct daemon_listeners *listeners, uint32_t listener)
{
    return listeners->ports[listener].address;
}
