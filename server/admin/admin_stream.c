/* Clients of the stream, and the snapshot of each second. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/admin_stream.h"

#include <string.h>
#include <sys/queue.h>

#include "base/check.h"
#include "base/mem.h"

enum { STREAM_MAGIC = 0x73747265, SECOND_US = 1000 * 1000 };

/* Owner: its stream; freed when its client goes. */
struct client {
    LIST_ENTRY(client) link;
    struct admin_stream *stream;
    struct http1_pending *pending;
    uint32_t topics; /* bit per topic */
    bool is_behind;  /* it has not taken everything: it waits for the next second */
};

struct admin_stream {
    uint32_t magic, n_topics, n_clients;
    struct admin_topic topics[ADMIN_STREAM_TOPICS];
    LIST_HEAD(, client) clients;
    struct loop_timer second;
};

static void
on_gone(void *ctx)
{
    struct client *client = ctx;
    struct admin_stream *stream = client->stream;
    CHECK_OBJ(stream, STREAM_MAGIC);
    LIST_REMOVE(client, link);
    if (--stream->n_clients == 0)
        loop_timer_cancel(&stream->second);
    mem_free(client);
}

/* Every line of the data begins with its field's name. */
static void
add_event(struct text *out, const struct admin_topic *topic)
{
    struct text json = TEXT_EMPTY;
    topic->write(topic->ctx, &json);
    text_addf(out, "event: %s\n", topic->name);
    struct bytes rest = text_bytes(&json);
    while (rest.n > 0) {
        const uint8_t *end = memchr(rest.p, '\n', rest.n);
        size_t n = end != NULL ? (size_t)(end - rest.p) : rest.n;
        text_add(out, "data: ");
        text_add_bytes(out, bytes_of(rest.p, n));
        text_add(out, "\n");
        n += end != NULL;
        rest = bytes_of(rest.p + n, rest.n - n);
    }
    text_add(out, "\n");
    text_fini(&json);
}

/* Each topic is written once for all who take it now. */
static void
send_topic(struct admin_stream *stream, uint32_t topic, struct client *only)
{
    struct text event = TEXT_EMPTY;
    struct client *client;
    LIST_FOREACH(client, &stream->clients, link)
    {
        bool is_asked = only == NULL ? !client->is_behind : client == only;
        if (!is_asked || (client->topics >> topic & 1) == 0)
            continue;
        if (event.n == 0)
            add_event(&event, &stream->topics[topic]);
        http1_pending_add(client->pending, text_bytes(&event));
    }
    text_fini(&event);
}

static void
on_second(void *ctx)
{
    struct admin_stream *stream = ctx;
    CHECK_OBJ(stream, STREAM_MAGIC);
    struct client *client;
    LIST_FOREACH(client, &stream->clients, link)
    {
        client->is_behind = http1_pending_unsent(client->pending) > 0;
    }
    for (uint32_t topic = 0; topic < stream->n_topics; topic++)
        send_topic(stream, topic, NULL);
    loop_timer_in(&stream->second, SECOND_US);
}

/* The bits of "overview,instances"; 0: one of them is none. */
static uint32_t
parse_topics(const struct admin_stream *stream, const char *text)
{
    uint32_t bits = 0;
    if (text == NULL)
        return (1u << stream->n_topics) - 1;
    while (*text != '\0') {
        size_t n = strcspn(text, ",");
        uint32_t topic = 0;
        while (topic < stream->n_topics &&
               !bytes_equal(bytes_of(text, n), bytes_str(stream->topics[topic].name)))
            topic++;
        if (topic == stream->n_topics)
            return 0;
        bits |= 1u << topic;
        text += n + (text[n] == ',');
    }
    return bits;
}

static void
refuse_topics(const struct admin_stream *stream, struct http1_request *request)
{
    struct text words = TEXT_EMPTY;
    text_add(&words, "topics is a list of");
    for (uint32_t i = 0; i < stream->n_topics; i++)
        text_addf(&words, " %s", stream->topics[i].name);
    admin_answer_error(request, 400, words.p);
    text_fini(&words);
}

static void
answer_stream(void *ctx, struct http1_request *request, struct bytes element)
{
    (void)element;
    struct admin_stream *stream = ctx;
    uint32_t topics = parse_topics(stream, http1_query(request, "topics"));
    if (topics == 0) {
        refuse_topics(stream, request);
        return;
    }
    if (strcmp(http1_method(request), "HEAD") == 0) {
        http1_answer(request, 200, "text/event-stream", BYTES_NONE);
        return;
    }
    if (stream->n_clients == ADMIN_STREAM_CLIENTS) {
        admin_answer_error(request, 503, "32 others look on already");
        return;
    }
    struct client *client = mem_new(struct client);
    client->stream = stream;
    client->topics = topics;
    LIST_INSERT_HEAD(&stream->clients, client, link);
    client->pending = http1_defer(request, on_gone, client);
    http1_pending_begin(client->pending, 200, "text/event-stream");
    if (stream->n_clients++ == 0)
        loop_timer_in(&stream->second, SECOND_US);
    for (uint32_t topic = 0; topic < stream->n_topics; topic++)
        send_topic(stream, topic, client);
}

struct admin_stream *
admin_stream_new(struct loop *loop, const struct admin_topic *topics, uint32_t n)
{
    struct admin_stream *stream = mem_new(struct admin_stream);
    stream->magic = STREAM_MAGIC;
    check(n > 0 && n <= ADMIN_STREAM_TOPICS);
    memcpy(stream->topics, topics, n * sizeof(*topics));
    stream->n_topics = n;
    LIST_INIT(&stream->clients);
    loop_timer_init(&stream->second, loop, on_second, stream);
    return stream;
}

void
admin_stream_free(struct admin_stream **where)
{
    struct admin_stream *stream = *where;
    if (stream == NULL)
        return;
    check(stream->n_clients == 0);
    loop_timer_cancel(&stream->second);
    stream->magic = 0;
    mem_free(stream);
    *where = NULL;
}

struct admin_routes
admin_stream_routes(struct admin_stream *stream)
{
    static const struct admin_route routes[] = {{"GET", "/api/v1/stream", answer_stream}};
    return (struct admin_routes){routes, 1, stream};
}
