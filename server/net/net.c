/* Addresses and their text. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "net/net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { HOST_MAX = 256 };

/* The digits of a port from 0 to 65535 and nothing else. */
static bool
parse_port(const char *text, uint16_t *port)
{
    uint32_t value = 0;
    size_t n = strlen(text);
    if (n == 0 || n > 5)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (uint32_t)(text[i] - '0');
    }
    *port = (uint16_t)value;
    return value <= UINT16_MAX;
}

/* The host may come out empty, and bare (without its brackets). */
static bool
split(const char *text, char *host, size_t host_size, uint16_t *port)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || !parse_port(colon + 1, port))
        return false;
    size_t n = (size_t)(colon - text);
    if (text[0] == '[') {
        if (n < 3 || text[n - 1] != ']')
            return false;
        text++;
        n -= 2;
    } else if (memchr(text, ':', n) != NULL) {
        return false; /* IPv6 without brackets: the port is anybody's guess */
    }
    if (n >= host_size)
        return false;
    memcpy(host, text, n);
    host[n] = '\0';
    return true;
}

static void
set_v6(struct net_address *out, const struct in6_addr *host, uint16_t port)
{
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out->storage;
    v6->sin6_family = AF_INET6;
    v6->sin6_addr = *host;
    v6->sin6_port = htons(port);
    out->length = sizeof(*v6);
}

static void
set_v4(struct net_address *out, const struct in_addr *host, uint16_t port)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&out->storage;
    v4->sin_family = AF_INET;
    v4->sin_addr = *host;
    v4->sin_port = htons(port);
    out->length = sizeof(*v4);
}

enum err
net_address_parse(const char *text, struct net_address *out)
{
    char host[HOST_MAX];
    uint16_t port;
    struct in_addr v4;
    struct in6_addr v6;
    memset(out, 0, sizeof(*out));
    if (!split(text, host, sizeof(host), &port))
        return ERR_NAME;
    if (host[0] == '\0')
        set_v6(out, &in6addr_any, port);
    else if (text[0] != '[' && inet_pton(AF_INET, host, &v4) == 1)
        set_v4(out, &v4, port);
    else if (inet_pton(AF_INET6, host, &v6) == 1)
        set_v6(out, &v6, port);
    else
        return ERR_NAME;
    return ERR_OK;
}

void
net_address_text(const struct net_address *address, char *out)
{
    char host[INET6_ADDRSTRLEN];
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address->storage;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address->storage;
    if (address->storage.ss_family == AF_INET) {
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
        snprintf(out, NET_ADDRESS_TEXT, "%s:%u", host, ntohs(v4->sin_port));
    } else if (address->storage.ss_family != AF_INET6) {
        snprintf(out, NET_ADDRESS_TEXT, "local");
    } else if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        /* An IPv4 peer of a dual-stack listener. */
        inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], host, sizeof(host));
        snprintf(out, NET_ADDRESS_TEXT, "%s:%u", host, ntohs(v6->sin6_port));
    } else {
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
        snprintf(out, NET_ADDRESS_TEXT, "[%s]:%u", host, ntohs(v6->sin6_port));
    }
}

bool
net_address_equal(const struct net_address *a, const struct net_address *b)
{
    if (a->storage.ss_family != b->storage.ss_family)
        return false;
    if (a->storage.ss_family == AF_INET) {
        const struct sockaddr_in *x = (const struct sockaddr_in *)&a->storage;
        const struct sockaddr_in *y = (const struct sockaddr_in *)&b->storage;
        return x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr;
    }
    if (a->storage.ss_family == AF_INET6) {
        const struct sockaddr_in6 *x = (const struct sockaddr_in6 *)&a->storage;
        const struct sockaddr_in6 *y = (const struct sockaddr_in6 *)&b->storage;
        return x->sin6_port == y->sin6_port && x->sin6_scope_id == y->sin6_scope_id &&
               IN6_ARE_ADDR_EQUAL(&x->sin6_addr, &y->sin6_addr);
    }
    return a->length == b->length && memcmp(&a->storage, &b->storage, a->length) == 0;
}

bool
net_split_host_port(const char *text, char *host, size_t host_size, uint16_t *port)
{
    static const char scheme[] = "dns:///";
    if (strncmp(text, scheme, sizeof(scheme) - 1) == 0)
        text += sizeof(scheme) - 1;
    return split(text, host, host_size, port) && host[0] != '\0' && *port != 0;
}
