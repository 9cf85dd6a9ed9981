/* Clients of the tap: what they ask for, and what they get, ten times a second. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "admin/admin_tap.h"

#include <string.h>
#include <sys/queue.h>

#include "admin/admin_tap_line.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"

enum {
    TAPS_MAGIC = 0x74617073,
    LOOK_US = 100 * 1000,
    COUNTS_US = 1000 * 1000,
    LOOK_BYTES = 1024 * 1024,  /* of segments, for a client and look: this thread has other work */
    UNSENT_BYTES = 512 * 1024, /* who has not taken so much is behind */
    RATE = 100,
};

/* Owner: its taps; freed when its client goes, or it has all it wanted. */
struct client {
    LIST_ENTRY(client) link;
    struct admin_taps *taps;
    struct http1_pending *pending;
    struct tap *tap;
    enum tap_content content;
    uint64_t limit; /* 0: none */
    uint64_t n_sent, n_behind;
    uint64_t counts_due_us; /* 0: it has not heard that the workers offer */
    uint64_t n_seen;        /* as it was told last */
};

struct admin_taps {
    uint32_t magic, n_clients;
    struct admin_tap_source source;
    struct tap_line line;
    LIST_HEAD(, client) clients;
    struct loop_timer look;
};

static void
client_free(struct client *client)
{
    struct admin_taps *taps = client->taps;
    CHECK_OBJ(taps, TAPS_MAGIC);
    LIST_REMOVE(client, link);
    if (--taps->n_clients == 0)
        loop_timer_cancel(&taps->look);
    metric_set(taps->source.metrics, METRIC_TAP_CLIENTS, 0, taps->n_clients);
    taps->source.close(taps->source.ctx, client->tap);
    mem_free(client);
}

static void
on_gone(void *ctx)
{
    client_free(ctx);
}

static void
send_counts(struct client *client, const char *end)
{
    struct tap_counts counts;
    struct text out = TEXT_EMPTY;
    tap_counts(client->tap, &counts);
    client->n_seen = counts.n_seen;
    text_add(&out, "{");
    if (end != NULL)
        text_addf(&out, "\"end\":\"%s\",", end);
    text_addf(&out,
              "\"counts\":{\"seen\":%llu,\"matched\":%llu,\"sent\":%llu,\"over_rate\":%llu,"
              "\"no_room\":%llu,\"too_large\":%llu}}\n",
              (unsigned long long)counts.n_seen, (unsigned long long)counts.n_matched,
              (unsigned long long)client->n_sent, (unsigned long long)counts.n_over_rate,
              (unsigned long long)(counts.n_no_room + client->n_behind),
              (unsigned long long)counts.n_too_large);
    http1_pending_add(client->pending, text_bytes(&out));
    text_fini(&out);
}

static bool
has_enough(const struct client *client)
{
    return client->limit > 0 && client->n_sent == client->limit;
}

static void
send_segments(struct client *client)
{
    struct tap_item item;
    struct text out = TEXT_EMPTY;
    for (size_t n = 0; n < LOOK_BYTES && !has_enough(client) && tap_peek(client->tap, &item);) {
        tap_line_add(&client->taps->line, &item, client->content, &out);
        n += item.payload.n;
        tap_take(client->tap);
        client->n_sent++;
    }
    if (out.n > 0)
        http1_pending_add(client->pending, text_bytes(&out));
    text_fini(&out);
}

/* What is old when it can be read is of no use to who looks on live. */
static void
pass_over(struct client *client)
{
    struct tap_item item;
    while (tap_peek(client->tap, &item)) {
        tap_take(client->tap);
        client->n_behind++;
    }
}

static void
finish(struct client *client, const char *end)
{
    send_counts(client, end);
    http1_pending_end(&client->pending);
    client_free(client);
}

/* Behind what they count; every second too, so that both sides see that the other is there. */
static void
send_counts_in_time(struct client *client)
{
    struct tap_counts counts;
    uint64_t now_us = clock_mono_us();
    if (client->counts_due_us == 0 && !tap_is_open(client->tap))
        return;
    tap_counts(client->tap, &counts);
    if (counts.n_seen == client->n_seen && now_us < client->counts_due_us)
        return;
    send_counts(client, NULL);
    client->counts_due_us = now_us + COUNTS_US;
}

static void
look(struct client *client)
{
    if (tap_is_refused(client->tap)) {
        finish(client, "memory");
        return;
    }
    if (http1_pending_unsent(client->pending) > UNSENT_BYTES) {
        pass_over(client);
        return;
    }
    send_segments(client);
    if (has_enough(client))
        finish(client, "limit");
    else
        send_counts_in_time(client);
}

static void
on_look(void *ctx)
{
    struct admin_taps *taps = ctx;
    CHECK_OBJ(taps, TAPS_MAGIC);
    struct client *client, *next;
    for (client = LIST_FIRST(&taps->clients); client != NULL; client = next) {
        next = LIST_NEXT(client, link);
        look(client);
    }
    if (taps->n_clients > 0)
        loop_timer_in(&taps->look, LOOK_US);
}

/* What a request asks for; false: 400 is answered. The filter is owned by the caller then. */
struct wish {
    struct tap_settings settings;
    enum tap_content content;
    uint64_t limit;
};

static bool
read_verdicts(struct http1_request *request, uint32_t *out)
{
    const char *text = http1_query(request, "verdict");
    *out = 0;
    while (text != NULL && *text != '\0') {
        size_t n = strcspn(text, ",");
        uint32_t verdict = 0;
        while (verdict <= VERDICT_DROPPED &&
               !bytes_equal(bytes_of(text, n), bytes_str(verdict_label((enum verdict)verdict))))
            verdict++;
        if (verdict > VERDICT_DROPPED) {
            admin_answer_error(request, 400,
                               "verdict is a list of clean, observed, tagged, repaired, "
                               "quarantined, dropped");
            return false;
        }
        *out |= 1u << verdict;
        text += n + (text[n] == ',');
    }
    return true;
}

static bool
read_content(struct http1_request *request, enum tap_content *out)
{
    static const char *const words[] = {"none", "payload", "message"};
    const char *text = http1_query(request, "content");
    for (uint32_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text != NULL ? text : "payload", words[i]) != 0)
            continue;
        *out = (enum tap_content)i;
        return true;
    }
    admin_answer_error(request, 400, "content is none, payload or message");
    return false;
}

static bool
read_wish(struct http1_request *request, struct wish *wish)
{
    uint64_t rate;
    *wish = (struct wish){.limit = 0};
    if (!admin_query_number(request, "rate", 1, TAP_MAX_RATE, RATE, &rate) ||
        !admin_query_number(request, "limit", 1, INT64_MAX, 0, &wish->limit) ||
        !read_verdicts(request, &wish->settings.verdicts) ||
        !read_content(request, &wish->content) ||
        !admin_query_filter(request, &wish->settings.filter))
        return false;
    wish->settings.rate = (uint32_t)rate;
    return true;
}

static void
begin(struct admin_taps *taps, struct http1_request *request, const struct wish *wish)
{
    struct client *client = mem_new(struct client);
    client->taps = taps;
    client->content = wish->content;
    client->limit = wish->limit;
    client->tap = tap_new(&wish->settings);
    LIST_INSERT_HEAD(&taps->clients, client, link);
    client->pending = http1_defer(request, on_gone, client);
    http1_pending_begin(client->pending, 200, ADMIN_JSON_LINES);
    if (taps->n_clients++ == 0)
        loop_timer_in(&taps->look, LOOK_US);
    metric_set(taps->source.metrics, METRIC_TAP_CLIENTS, 0, taps->n_clients);
    taps->source.open(taps->source.ctx, client->tap);
}

static void
answer_tap(void *ctx, struct http1_request *request, struct bytes element)
{
    (void)element;
    struct admin_taps *taps = ctx;
    CHECK_OBJ(taps, TAPS_MAGIC);
    struct wish wish;
    if (taps->n_clients == TAP_MOST) {
        admin_answer_error(request, 503, "4 others tap already: end one of them first");
        return;
    }
    if (!read_wish(request, &wish))
        return;
    wish.settings.n_rings = taps->source.n_workers;
    if (strcmp(http1_method(request), "HEAD") != 0) {
        begin(taps, request, &wish);
        return;
    }
    http1_answer(request, 200, ADMIN_JSON_LINES, BYTES_NONE);
    if (wish.settings.filter != NULL)
        filter_free(&wish.settings.filter);
}

struct admin_taps *
admin_taps_new(struct loop *loop, const struct admin_tap_source *source)
{
    struct admin_taps *taps = mem_new(struct admin_taps);
    taps->magic = TAPS_MAGIC;
    taps->source = *source;
    LIST_INIT(&taps->clients);
    tap_line_init(&taps->line);
    loop_timer_init(&taps->look, loop, on_look, taps);
    return taps;
}

void
admin_taps_free(struct admin_taps **where)
{
    struct admin_taps *taps = *where;
    if (taps == NULL)
        return;
    check(taps->n_clients == 0);
    loop_timer_cancel(&taps->look);
    tap_line_fini(&taps->line);
    taps->magic = 0;
    mem_free(taps);
    *where = NULL;
}

struct admin_routes
admin_taps_routes(struct admin_taps *taps)
{
    static const struct admin_route routes[] = {{"GET", "/api/v1/tap", answer_tap}};
    return (struct admin_routes){routes, 1, taps};
}
