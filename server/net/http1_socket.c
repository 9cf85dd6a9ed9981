/* A Unix socket to listen on, for its owner alone. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "net/http1_int.h"

enum { BACKLOG = 64 };

const char *
http1_socket_path(const char *address)
{
    static const char scheme[] = "unix:";
    if (strncmp(address, scheme, sizeof(scheme) - 1) != 0)
        return NULL;
    address += sizeof(scheme) - 1;
    return strncmp(address, "///", 3) == 0 ? address + 2 : address;
}

/* True when the path is a socket's and a connection to it is refused. */
static bool
is_left_behind(const struct sockaddr_un *address)
{
    struct stat status;
    if (lstat(address->sun_path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return false;
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return false;
    bool refused = connect(descriptor, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
                   errno == ECONNREFUSED;
    close(descriptor);
    return refused;
}

/* 0 or errno. The mode is that of the socket itself: there is no moment with another one. */
static int
bind_and_listen(int descriptor, const struct sockaddr_un *address)
{
    const struct sockaddr *to = (const struct sockaddr *)address;
    if (fchmod(descriptor, 0600) != 0)
        return errno;
    if (bind(descriptor, to, sizeof(*address)) != 0) {
        int error_number = errno;
        if (error_number != EADDRINUSE || !is_left_behind(address))
            return error_number;
        if (unlink(address->sun_path) != 0 || bind(descriptor, to, sizeof(*address)) != 0)
            return errno;
    }
    return listen(descriptor, BACKLOG) == 0 ? 0 : errno;
}

static enum err
tell(struct text *why, const char *path, int error_number)
{
    enum err err = err_from_errno(error_number);
    struct stat status;
    text_addf(why, "cannot listen on unix:%s: ", path);
    if (err == ERR_IN_USE && lstat(path, &status) == 0 && !S_ISSOCK(status.st_mode)) {
        text_add(why, "there is something else than a socket of that name");
        return ERR_NOT_DIRECTORY; /* for its advice: check the path */
    }
    if (err == ERR_IN_USE)
        text_add(why, "another process listens there");
    else
        text_add(why, err == ERR_SYSTEM ? strerror(error_number) : err_words(err));
    return err;
}

enum err
http1_socket_bind(const char *path, struct http1_socket *out, struct text *why, int *descriptor)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (path[0] != '/' || n >= sizeof(address.sun_path)) {
        text_addf(why, "cannot listen on unix:%s: %s", path,
                  path[0] != '/' ? "write the path from / on"
                                 : "the path of a socket has at most 107 bytes");
        return ERR_NOT_DIRECTORY;
    }
    memcpy(address.sun_path, path, n);
    int socket_descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (socket_descriptor < 0)
        return tell(why, path, errno);
    struct stat status = {.st_ino = 0};
    int error_number = bind_and_listen(socket_descriptor, &address);
    if (error_number == 0 && lstat(path, &status) != 0)
        error_number = errno;
    if (error_number != 0) {
        close(socket_descriptor);
        return tell(why, path, error_number);
    }
    *out = (struct http1_socket){mem_string(path), status.st_dev, status.st_ino};
    *descriptor = socket_descriptor;
    return ERR_OK;
}

void
http1_socket_fini(struct http1_socket *own)
{
    struct stat status;
    if (own->path == NULL)
        return;
    if (lstat(own->path, &status) == 0 && status.st_dev == own->device &&
        status.st_ino == own->inode)
        unlink(own->path);
    mem_free(own->path);
    own->path = NULL;
}
