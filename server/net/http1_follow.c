/* A blocking HTTP client for answers that go on: what comes is handed over piece by piece. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/http1_int.h"

enum { PIECE_BYTES = 64 * 1024, HEAD_BYTES = 16 * 1024, REFUSAL_BYTES = 64 * 1024 };

struct following {
    const struct http1_call *call;
    const struct http1_follower *follower;
    int descriptor;
    int *status; /* 0: the head is not all there */
    struct text head;
    struct text *body;
};

/* Until there is something to read, or a signal came and it is over. */
static enum err
wait_for(const struct following *following, bool *is_over)
{
    uint64_t end_us = clock_fresh_us() + (uint64_t)following->call->timeout_ms * 1000;
    struct pollfd one = {.fd = following->descriptor, .events = POLLIN};
    *is_over = false;
    for (uint64_t now_us = clock_fresh_us(); now_us < end_us; now_us = clock_fresh_us()) {
        int n = poll(&one, 1, (int)((end_us - now_us) / 1000 + 1));
        if (n > 0)
            return ERR_OK;
        if (n < 0 && errno != EINTR)
            return err_from_errno(errno);
        if (n < 0 && following->follower->is_over(following->follower->ctx)) {
            *is_over = true;
            return ERR_OK;
        }
    }
    return ERR_TIMEOUT;
}

/* False: no more is wanted. */
static bool
take_body(const struct following *following, struct bytes piece)
{
    if (*following->status / 100 == 2)
        return piece.n == 0 || following->follower->on_bytes(following->follower->ctx, piece);
    text_add_bytes(following->body, piece);
    return following->body->n < REFUSAL_BYTES;
}

static bool
take(struct following *following, struct bytes piece)
{
    size_t n_head;
    if (*following->status != 0)
        return take_body(following, piece);
    text_add_bytes(&following->head, piece);
    if (!http1_read_head(&following->head, following->status, &n_head)) {
        *following->status = 0;
        return following->head.n < HEAD_BYTES;
    }
    return take_body(following, bytes_of(following->head.p + n_head, following->head.n - n_head));
}

static enum err
read_all(struct following *following)
{
    char buffer[PIECE_BYTES];
    bool is_over = false;
    for (;;) {
        enum err err = wait_for(following, &is_over);
        if (err != ERR_OK || is_over)
            return err;
        ssize_t n = recv(following->descriptor, buffer, sizeof(buffer), 0);
        if (n == 0)
            return *following->status != 0 ? ERR_OK : ERR_CLOSED;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return err_from_errno(errno);
        if (n > 0 && !take(following, bytes_of(buffer, (size_t)n)))
            return *following->status != 0 ? ERR_OK : ERR_CLOSED;
    }
}

enum err
http1_follow(const struct http1_call *call, const struct http1_follower *follower, int *status,
             struct text *body)
{
    struct following following = {
        .call = call, .follower = follower, .status = status, .head = TEXT_EMPTY, .body = body};
    uint64_t end_us = clock_fresh_us() + (uint64_t)call->timeout_ms * 1000;
    *status = 0;
    enum err err = http1_call_begin(call, end_us, &following.descriptor);
    if (err == ERR_OK)
        err = read_all(&following);
    if (following.descriptor >= 0)
        close(following.descriptor);
    text_fini(&following.head);
    return err;
}
