/* The parts of http1 that have files of their own. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_HTTP1_INT_H
#define NET_HTTP1_INT_H

#include <sys/stat.h>

#include "base/err.h"
#include "base/text.h"

/* A Unix socket that listens. */
struct http1_socket {
    char *path; /* NULL: it is none */
    dev_t device;
    ino_t inode; /* of the socket's file: another one there is not ours to remove */
};

/* "unix:/path" or "unix:///path": the path; NULL for another address. */
const char *http1_socket_path(const char *address);
/* A listening socket of mode 0600; what nobody listens on any more is replaced. */
enum err http1_socket_bind(const char *path, struct http1_socket *, struct text *why,
                           int *descriptor) MUST_CHECK;
/* Removes its file. */
void http1_socket_fini(struct http1_socket *);

#endif
