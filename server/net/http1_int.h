/* The parts of http1 that have files of their own. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_HTTP1_INT_H
#define NET_HTTP1_INT_H

#include <event2/bufferevent.h>
#include <event2/http.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "net/http1.h"

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

/* One of the clients. */
struct http1_connection {
    TAILQ_ENTRY(http1_connection) link; /* in fresh while stream is held, else in connections */
    struct http1 *http;
    struct bufferevent *stream;       /* held until its evhttp_connection is known; then NULL */
    struct evhttp_connection *evhttp; /* NULL: not known yet */
    struct http1_pending *pending;    /* NULL: no answer is owed */
    uint64_t asked_us;                /* the last request */
    uint64_t received_bytes;          /* of the request that arrives or is answered */
    uint64_t began_us;                /* when its first byte came */
    uint64_t heard_us;                /* when bytes came last */
    bool is_marked;                   /* http1_mark */
    bool is_refused;                  /* one too many: closed as soon as evhttp has it */
};
TAILQ_HEAD(http1_connections, http1_connection);

/* An answer that is owed. Owner: itself, until it is given or its client has gone. */
struct http1_pending {
    struct http1_connection *connection;
    struct evhttp_request *request;
    void (*on_gone)(void *ctx);
    void *ctx;
};

/* What has come of requests, over all connections. */
struct http1_intake {
    uint64_t received_bytes;
    bool is_full; /* only first is read */
    struct http1_connection *first;
};

struct http1 {
    uint32_t magic;
    bool in_handler, is_closed, is_answering, is_draining, is_dismissed;
    struct loop *loop;
    struct http1_service service;
    struct evhttp *server;
    struct evhttp_bound_socket *socket; /* NULL: closed */
    struct http1_socket unix_socket;
    struct http1_connections connections; /* that which is quiet longest comes first */
    struct http1_connections fresh;
    struct http1_connection *reading; /* whose bytes came or were taken last */
    uint32_t n_connections;
    struct http1_intake intake;
    uint64_t drain_us; /* when draining began */
    struct loop_turn *turn;
    struct loop_timer tick;
};

/* The headers of every answer. */
void http1_add_answer_headers(struct http1 *, struct evhttp_request *, const char *content_type);

/* Dials and sends the request of a blocking call; *descriptor is -1 where nobody was reached. The
 * caller closes it, after an error too: an answer may have come before all of a body was taken. */
enum err http1_call_begin(const struct http1_call *, uint64_t end_us, int *descriptor) MUST_CHECK;
/* "HTTP/1.1 200 OK", headers, an empty line: the status and how long all that is. False: it is not
 * all there, or no head. */
bool http1_read_head(const struct text *answer, int *status, size_t *n_bytes);

/* Counts and charges what comes in on a new connection's stream. */
void http1_intake_watch(struct http1_connection *);
/* The answer is sent, or the connection ends: what came of the request is gone. */
void http1_intake_release(struct http1_connection *, bool is_end);
/* At the end of a turn: reads from everybody, or from one. */
void http1_intake_turn(struct http1 *);
/* True: its request takes too long to arrive. */
bool http1_intake_is_slow(struct http1_connection *);

#endif
