/* SO_REUSEPORT. */
/* SPDX-License-Identifier: Apache-2.0 */
/* The first socket is bound without it, so that the kernel refuses an address in use; it joins the
 * group afterwards. Nobody of another user can join then (socket(7)). */
#include "net/port_group.h"

#include <errno.h>
#include <netinet/in.h>
#include <unistd.h>

#include "net/listener_int.h"

enum { BACKLOG = 1024 };

static int
set_option(int descriptor, int level, int option, int value)
{
    return setsockopt(descriptor, level, option, &value, sizeof(value)) == 0 ? 0 : errno;
}

/* 0 or errno. */
static int
bind_one(const struct net_address *address, bool is_first, int *out)
{
    int family = address->storage.ss_family;
    int descriptor = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return errno;
    int error_number = set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
    if (error_number == 0 && family == AF_INET6) /* "::" takes IPv4 too */
        error_number = set_option(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (error_number == 0 && !is_first)
        error_number = set_option(descriptor, SOL_SOCKET, SO_REUSEPORT, 1);
    if (error_number == 0 &&
        bind(descriptor, (const struct sockaddr *)&address->storage, address->length) != 0)
        error_number = errno;
    if (error_number == 0 && is_first)
        error_number = set_option(descriptor, SOL_SOCKET, SO_REUSEPORT, 1);
    if (error_number == 0)
        *out = descriptor;
    else
        close(descriptor);
    return error_number;
}

static int
bind_all(struct net_address *address, uint32_t n, int *descriptors)
{
    int error_number = bind_one(address, true, &descriptors[0]);
    if (error_number != 0)
        return error_number;
    listener_bound_address(descriptors[0], address);
    for (uint32_t i = 1; i < n && error_number == 0; i++)
        error_number = bind_one(address, false, &descriptors[i]);
    return error_number;
}

enum err
port_group_bind(const char *text, uint32_t n, struct text *why, int *descriptors)
{
    struct net_address address;
    for (uint32_t i = 0; i < n; i++)
        descriptors[i] = -1;
    enum err err = net_address_parse(text, &address);
    if (err != ERR_OK) {
        text_addf(why, "cannot listen on %s: not a numeric address and port, such as 0.0.0.0:12800",
                  text);
        return err;
    }
    struct net_address wanted = address;
    int error_number = bind_all(&address, n, descriptors);
    if (text[0] == ':' && (error_number == EAFNOSUPPORT || error_number == EADDRNOTAVAIL)) {
        address = listener_any_v4(&wanted);
        error_number = bind_all(&address, n, descriptors);
    }
    if (error_number == 0)
        return ERR_OK;
    for (uint32_t i = 0; i < n; i++)
        if (descriptors[i] >= 0)
            close(descriptors[i]);
    return listener_tell_failure(text, &address, error_number, why);
}

void
port_group_address(int descriptor, struct net_address *out)
{
    listener_bound_address(descriptor, out);
}

enum err
port_group_listen(int descriptor)
{
    return listen(descriptor, BACKLOG) == 0 ? ERR_OK : err_from_errno(errno);
}
