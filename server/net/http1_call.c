/* A blocking HTTP client, for commands that ask a running service. */
/* SPDX-License-Identifier: Apache-2.0 */
/* It speaks HTTP/1.0, so that the answer ends with the connection and never comes in chunks. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/http1.h"
#include "net/http1_int.h"

enum { HOST_MAX = 256, READ_BYTES = 16 * 1024, ANSWER_MAX_BYTES = 128 * 1024 * 1024 };

/* Waits for one of the events; ERR_TIMEOUT when end_us comes first. */
static enum err
wait_for(int descriptor, short events, uint64_t end_us)
{
    struct pollfd one = {.fd = descriptor, .events = events};
    for (;;) {
        uint64_t now_us = clock_fresh_us();
        if (now_us >= end_us)
            return ERR_TIMEOUT;
        int n = poll(&one, 1, (int)((end_us - now_us) / 1000 + 1));
        if (n > 0)
            return ERR_OK;
        if (n < 0 && errno != EINTR)
            return err_from_errno(errno);
    }
}

static enum err
dial_one(int family, const struct sockaddr *to, socklen_t n, uint64_t end_us, int *out)
{
    int descriptor = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return err_from_errno(errno);
    enum err err = ERR_OK;
    if (connect(descriptor, to, n) != 0) {
        int error_number = errno;
        socklen_t length = sizeof(error_number);
        err = error_number == EINPROGRESS ? wait_for(descriptor, POLLOUT, end_us) : ERR_OK;
        if (err == ERR_OK && error_number == EINPROGRESS)
            getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error_number, &length);
        if (err == ERR_OK)
            err = err_from_errno(error_number);
    }
    if (err == ERR_OK)
        *out = descriptor;
    else
        close(descriptor);
    return err;
}

static enum err
dial_unix(const char *path, uint64_t end_us, int *out)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof(to.sun_path))
        return ERR_NAME;
    memcpy(to.sun_path, path, n);
    return dial_one(AF_UNIX, (const struct sockaddr *)&to, sizeof(to), end_us, out);
}

static enum err
dial_tcp(const char *address, uint64_t end_us, int *out)
{
    char host[HOST_MAX], service[8];
    uint16_t port;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    if (!net_split_host_port(address, host, sizeof(host), &port))
        return ERR_NAME;
    snprintf(service, sizeof(service), "%u", port);
    if (getaddrinfo(host, service, &hints, &list) != 0)
        return ERR_NAME;
    enum err err = ERR_NAME;
    for (struct addrinfo *to = list; to != NULL && err != ERR_OK; to = to->ai_next)
        err = dial_one(to->ai_family, to->ai_addr, to->ai_addrlen, end_us, out);
    freeaddrinfo(list);
    return err;
}

/* What goes into the header Host, and is dialled unless it is a path: without a scheme and what
 * follows the port. A listener on ":port" is on this host too. */
static bool
host_of(const char *address, char *out, size_t size)
{
    static const char scheme[] = "http://";
    if (http1_socket_path(address) != NULL)
        return snprintf(out, size, "localhost") > 0;
    if (strncasecmp(address, scheme, sizeof(scheme) - 1) == 0)
        address += sizeof(scheme) - 1;
    int n = snprintf(out, size, "%s%.*s", address[0] == ':' ? "localhost" : "",
                     (int)strcspn(address, "/"), address);
    return n > 0 && (size_t)n < size;
}

static enum err
send_all(int descriptor, struct bytes request, uint64_t end_us)
{
    while (request.n > 0) {
        ssize_t n = send(descriptor, request.p, request.n, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return err_from_errno(errno);
        if (n > 0)
            request = bytes_of(request.p + n, request.n - (size_t)n);
        enum err err = request.n > 0 ? wait_for(descriptor, POLLOUT, end_us) : ERR_OK;
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

/* Until the peer closes. */
static enum err
receive_all(int descriptor, uint64_t end_us, struct text *answer)
{
    char buffer[READ_BYTES];
    while (answer->n < ANSWER_MAX_BYTES) {
        enum err err = wait_for(descriptor, POLLIN, end_us);
        if (err != ERR_OK)
            return err;
        ssize_t n = recv(descriptor, buffer, sizeof(buffer), 0);
        if (n == 0)
            return ERR_OK;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return err_from_errno(errno);
        if (n > 0)
            text_add_bytes(answer, bytes_of(buffer, (size_t)n));
    }
    return ERR_TOO_LARGE;
}

/* True when the head names a body length and it is not n. */
static bool
is_cut(const char *head, const char *head_end, size_t n)
{
    static const char name[] = "\r\nContent-Length:";
    for (const char *at = head; at < head_end; at++)
        if (strncasecmp(at, name, sizeof(name) - 1) == 0)
            return strtoull(at + sizeof(name) - 1, NULL, 10) != n;
    return false;
}

bool
http1_read_head(const struct text *answer, int *status, size_t *n_bytes)
{
    static const char magic[] = "HTTP/1.";
    const char *head_end = answer->n > 0 ? strstr(answer->p, "\r\n\r\n") : NULL;
    if (head_end == NULL || strncmp(answer->p, magic, sizeof(magic) - 1) != 0)
        return false;
    const char *space = memchr(answer->p, ' ', (size_t)(head_end - answer->p));
    long number = space != NULL ? strtol(space, NULL, 10) : 0;
    *status = (int)number;
    *n_bytes = (size_t)(head_end - answer->p) + 4;
    return number >= 100 && number <= 599;
}

static enum err
take_apart(const struct text *answer, int *status, struct text *body)
{
    size_t n_head;
    int number;
    if (!http1_read_head(answer, &number, &n_head) ||
        is_cut(answer->p, answer->p + n_head - 4, answer->n - n_head))
        return ERR_CLOSED;
    *status = number;
    text_add_bytes(body, bytes_of(answer->p + n_head, answer->n - n_head));
    return ERR_OK;
}

/* Nothing that would begin another line or another part of this one. */
static bool
is_word(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text <= ' ' || *text >= 0x7f)
            return false;
    return true;
}

static bool
add_request(struct text *out, const struct http1_call *call, const char *host)
{
    const char *method = call->method != NULL ? call->method : "GET";
    if (!is_word(method) || !is_word(call->path) || !is_word(host) ||
        (call->token != NULL && !is_word(call->token)))
        return false;
    text_addf(out, "%s %s HTTP/1.0\r\nHost: %s\r\nConnection: close\r\n", method, call->path, host);
    if (call->token != NULL)
        text_addf(out, "Authorization: Bearer %s\r\n", call->token);
    if (call->body.n > 0 || strcmp(method, "POST") == 0)
        text_addf(out, "Content-Type: application/json\r\nContent-Length: %zu\r\n", call->body.n);
    text_add(out, "\r\n");
    text_add_bytes(out, call->body);
    return true;
}

enum err
http1_call_begin(const struct http1_call *call, uint64_t end_us, int *descriptor)
{
    const char *path = http1_socket_path(call->address);
    char host[HOST_MAX + 16];
    struct text request = TEXT_EMPTY;
    enum err err = ERR_NAME;
    *descriptor = -1;
    if (host_of(call->address, host, sizeof(host)) && add_request(&request, call, host))
        err =
            path != NULL ? dial_unix(path, end_us, descriptor) : dial_tcp(host, end_us, descriptor);
    if (err == ERR_OK)
        err = send_all(*descriptor, text_bytes(&request), end_us);
    text_fini(&request);
    return err;
}

/* A server that refuses a body may answer and close before it has read it: the answer counts. */
enum err
http1_call(const struct http1_call *call, int *status, struct text *body)
{
    uint64_t end_us = clock_fresh_us() + (uint64_t)call->timeout_ms * 1000;
    struct text answer = TEXT_EMPTY;
    int descriptor;
    enum err sent = http1_call_begin(call, end_us, &descriptor), err = sent;
    if (descriptor >= 0 && sent != ERR_TIMEOUT) {
        err = receive_all(descriptor, end_us, &answer);
        if (err == ERR_OK || (err == ERR_CLOSED && answer.n > 0))
            err = take_apart(&answer, status, body);
    }
    if (descriptor >= 0)
        close(descriptor);
    text_fini(&answer);
    return err != ERR_OK && sent != ERR_OK ? sent : err;
}

enum err
http1_get(const char *address, const char *path, uint32_t timeout_ms, int *status,
          struct text *body)
{
    const struct http1_call call = {.address = address, .path = path, .timeout_ms = timeout_ms};
    return http1_call(&call, status, body);
}

void
http1_add_encoded(struct text *out, const char *value)
{
    static const char kept[] = "-._~"; /* with letters and digits: RFC 3986, 2.3 */
    for (const char *p = value; *p != '\0'; p++) {
        bool is_plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                        (*p >= '0' && *p <= '9') || strchr(kept, *p) != NULL;
        if (is_plain)
            text_add_bytes(out, bytes_of(p, 1));
        else
            text_addf(out, "%%%02X", (unsigned)(unsigned char)*p);
    }
}
