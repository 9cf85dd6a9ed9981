/* Binds the HTTP port before there are workers, so that a port in use is known at start. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/daemon_http.h"

#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/port_group.h"

enum err
daemon_http_open(struct daemon_http *http, const struct conf *conf, uint32_t n, struct text *why)
{
    const char *address = conf->listen.http.address;
    if (address[0] == '\0')
        return ERR_OK;
    int *descriptors = mem_new_n(int, n);
    enum err err = port_group_bind(address, n, why, descriptors);
    if (err != ERR_OK) {
        mem_free(descriptors);
        return err;
    }
    http->descriptors = descriptors;
    http->n = n;
    struct net_address bound;
    port_group_address(descriptors[0], &bound);
    net_address_text(&bound, http->address);
    log_info("daemon", "listening", "kind=http address=%s", http->address);
    return ERR_OK;
}

int
daemon_http_take(struct daemon_http *http, uint32_t worker)
{
    if (http->descriptors == NULL)
        return -1;
    int descriptor = http->descriptors[worker];
    http->descriptors[worker] = -1;
    return descriptor;
}

void
daemon_http_fini(struct daemon_http *http)
{
    for (uint32_t i = 0; i < http->n; i++)
        if (http->descriptors[i] >= 0)
            close(http->descriptors[i]);
    mem_free(http->descriptors);
    *http = (struct daemon_http){.n = 0};
}
