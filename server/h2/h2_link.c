/* Links: sessions on sockets, and the hub that flushes those of a loop together. */
/* SPDX-License-Identifier: Apache-2.0 */
/* A hub belongs to a loop and thereby to a thread; it lives as long as links on it do. */
#include "h2/h2_link.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum { LINK_MAGIC = 0x68326c6b, MAX_QUEUED_FRAMES = 1000 };

struct h2_link {
    uint32_t magic;
    enum h2_role role;
    struct h2_hub *hub;
    struct conn *conn;
    struct h2_session *session;
    const struct h2_link_events *events;
    void *ctx;
    uint64_t last_read_us, blocked_since_us;
    uint8_t *overflow; /* output the socket did not take */
    size_t n_overflow, overflow_at;
    uint32_t n_busy; /* own callbacks on the stack: freeing waits for them */
    uint8_t pauses;
    bool is_open, is_dirty, is_dead, is_over, closes_when_flushed;
    bool was_told;   /* how it ended is in what was written: the peer shall read that */
    bool is_blocked; /* until on_writable */
    TAILQ_ENTRY(h2_link) dirty;
};

struct h2_hub {
    struct h2_hub *next;
    struct loop *loop;
    struct loop_turn *turn;
    uint32_t n_links;
    TAILQ_HEAD(, h2_link) dirty;
    struct h2_gather gather;
};

static _Thread_local struct h2_hub *hubs;

static void flush_dirty(void *ctx);

static struct h2_hub *
hub_join(struct loop *loop)
{
    struct h2_hub *hub = hubs;
    while (hub != NULL && hub->loop != loop)
        hub = hub->next;
    if (hub == NULL) {
        hub = mem_new(struct h2_hub);
        hub->loop = loop;
        hub->turn = loop_turn_add(loop, TURN_LINKS, flush_dirty, hub);
        TAILQ_INIT(&hub->dirty);
        hub->next = hubs;
        hubs = hub;
    }
    hub->n_links++;
    return hub;
}

static void
hub_leave(struct h2_hub *hub)
{
    if (--hub->n_links > 0)
        return;
    struct h2_hub **at = &hubs;
    while (*at != hub)
        at = &(*at)->next;
    *at = hub->next;
    loop_turn_remove(&hub->turn);
    mem_free(hub);
}

static void
destroy(struct h2_link *link)
{
    struct h2_hub *hub = link->hub;
    h2_session_free(&link->session);
    mem_free(link->overflow);
    link->magic = 0;
    mem_free(link);
    hub_leave(hub);
}

static void
enter(struct h2_link *link)
{
    link->n_busy++;
}

/* True when the link was freed meanwhile: hands off. */
static bool
leave(struct h2_link *link)
{
    if (--link->n_busy > 0 || !link->is_dead)
        return link->is_dead;
    destroy(link);
    return true;
}

static void
mark_dirty(void *ctx)
{
    struct h2_link *link = ctx;
    CHECK_OBJ(link, LINK_MAGIC);
    if (link->is_dirty || link->is_dead || link->is_over)
        return;
    link->is_dirty = true;
    TAILQ_INSERT_TAIL(&link->hub->dirty, link, dirty);
}

static void
mark_clean(struct h2_link *link)
{
    if (!link->is_dirty)
        return;
    link->is_dirty = false;
    TAILQ_REMOVE(&link->hub->dirty, link, dirty);
}

/* Tells the owner, once. */
static void
end(struct h2_link *link, enum err err)
{
    if (link->is_over || link->is_dead)
        return;
    link->is_over = true;
    link->was_told = err != ERR_H2_FLOOD; /* who floods is not listened to any longer */
    mark_clean(link);
    conn_pause(link->conn);
    h2_session_stop(link->session);
    link->events->on_closed(link->ctx, err);
}

/* Output. */

static void
keep_rest(struct h2_link *link, const struct h2_gather *gather, size_t written)
{
    size_t rest = gather->n_bytes - written;
    link->overflow = mem_resize(link->overflow, rest);
    link->n_overflow = 0;
    link->overflow_at = 0;
    for (int i = 0; i < gather->n; i++) {
        const struct iovec *iov = &gather->iov[i];
        size_t skip = written < iov->iov_len ? written : iov->iov_len;
        written -= skip;
        memcpy(link->overflow + link->n_overflow, (const uint8_t *)iov->iov_base + skip,
               iov->iov_len - skip);
        link->n_overflow += iov->iov_len - skip;
    }
    check(link->n_overflow == rest);
}

/* True when nothing is left over. */
static bool
write_rest(struct h2_link *link)
{
    if (link->n_overflow == 0)
        return true;
    struct iovec iov = {.iov_base = link->overflow + link->overflow_at,
                        .iov_len = link->n_overflow - link->overflow_at};
    size_t written = 0;
    if (conn_write(link->conn, &iov, 1, &written) != ERR_OK)
        return false; /* the conn tells it later */
    if (written > 0)
        link->blocked_since_us = clock_mono_us();
    link->overflow_at += written;
    if (link->overflow_at < link->n_overflow) {
        link->is_blocked = true;
        return false;
    }
    mem_free(link->overflow);
    link->overflow = NULL;
    link->n_overflow = 0;
    return true;
}

/* One gather, one write. True when there may be more to send and the socket takes it. */
static bool
write_some(struct h2_link *link, enum err *err)
{
    struct h2_gather *gather = &link->hub->gather;
    bool is_all = false;
    h2_gather_reset(gather);
    *err = h2_session_gather(link->session, gather, &is_all);
    if (*err != ERR_OK || link->is_dead || gather->n_bytes == 0)
        return false;
    size_t written = 0;
    if (conn_write(link->conn, gather->iov, gather->n, &written) != ERR_OK)
        written = 0; /* the conn tells it later; lent bytes must not stay */
    if (written < gather->n_bytes) {
        keep_rest(link, gather, written);
        link->is_blocked = true;
        return false;
    }
    return !is_all;
}

static void
settle_flush(struct h2_link *link)
{
    if (link->n_overflow > 0) {
        if (link->role == H2_SERVER)
            h2_link_pause(link, H2_PAUSE_OUTPUT);
        if (link->blocked_since_us == 0) {
            link->blocked_since_us = clock_mono_us();
            if (link->events->on_blocked != NULL)
                link->events->on_blocked(link->ctx);
        }
        return;
    }
    link->blocked_since_us = 0;
    h2_link_resume(link, H2_PAUSE_OUTPUT);
    h2_link_resume(link, H2_PAUSE_QUEUE);
    if (link->closes_when_flushed || !h2_session_is_alive(link->session))
        end(link, ERR_CLOSED);
}

static void
flush(struct h2_link *link)
{
    enum err err = ERR_OK;
    mark_clean(link);
    if (!link->is_open || link->is_over || link->is_blocked)
        return;
    enter(link);
    if (write_rest(link)) {
        while (write_some(link, &err))
            ;
    }
    if (!link->is_dead) {
        if (err != ERR_OK)
            end(link, err);
        else
            settle_flush(link);
    }
    (void)leave(link);
}

static void
flush_dirty(void *ctx)
{
    struct h2_hub *hub = ctx;
    /* A flush may end the hub's last link. */
    hub->n_links++;
    struct h2_link *link;
    while ((link = TAILQ_FIRST(&hub->dirty)) != NULL)
        flush(link);
    hub_leave(hub);
}

/* The socket's callbacks. */

static void
on_bytes(void *ctx, struct bytes in)
{
    struct h2_link *link = ctx;
    CHECK_OBJ(link, LINK_MAGIC);
    if (link->is_over)
        return;
    link->last_read_us = clock_mono_us();
    enter(link);
    enum err err = h2_session_feed(link->session, in);
    if (!link->is_dead) {
        if (err != ERR_OK) {
            log_debug("h2", "connection dropped", "peer=%s error=%s", conn_peer(link->conn),
                      err_name(err));
            end(link, err);
        } else {
            if (link->role == H2_SERVER &&
                h2_session_queue_length(link->session) > MAX_QUEUED_FRAMES)
                h2_link_pause(link, H2_PAUSE_QUEUE);
            if (!h2_session_is_alive(link->session))
                mark_dirty(link);
            if (link->events->on_fed != NULL)
                link->events->on_fed(link->ctx);
        }
    }
    (void)leave(link);
}

static void
on_open(void *ctx)
{
    struct h2_link *link = ctx;
    CHECK_OBJ(link, LINK_MAGIC);
    link->is_open = true;
    link->last_read_us = clock_mono_us();
    mark_dirty(link);
    enter(link);
    if (link->events->on_open != NULL)
        link->events->on_open(link->ctx);
    (void)leave(link);
}

static void
on_writable(void *ctx)
{
    struct h2_link *link = ctx;
    CHECK_OBJ(link, LINK_MAGIC);
    link->is_blocked = false;
    mark_dirty(link);
}

static void
on_closed(void *ctx, enum err err)
{
    struct h2_link *link = ctx;
    CHECK_OBJ(link, LINK_MAGIC);
    enter(link);
    end(link, err);
    (void)leave(link);
}

/* Life. */

static struct h2_link *
create(struct loop *loop, const struct h2_session_settings *settings,
       const struct h2_link_events *events, void *ctx)
{
    struct h2_link *link = mem_new(struct h2_link);
    link->magic = LINK_MAGIC;
    link->role = settings->role;
    link->hub = hub_join(loop);
    link->events = events;
    link->ctx = ctx;
    link->last_read_us = clock_mono_us();
    struct h2_session_settings own = *settings;
    own.on_output = mark_dirty;
    own.output_ctx = link;
    link->session = h2_session_new(&own);
    return link;
}

static struct conn_callbacks
callbacks_of(struct h2_link *link)
{
    return (struct conn_callbacks){.ctx = link,
                                   .on_bytes = on_bytes,
                                   .on_open = on_open,
                                   .on_writable = on_writable,
                                   .on_closed = on_closed};
}

struct h2_link *
h2_link_accept(struct loop *loop, int descriptor, const struct conn_tls *tls,
               const struct h2_session_settings *settings, const struct h2_link_events *events,
               void *ctx)
{
    struct h2_link *link = create(loop, settings, events, ctx);
    struct conn_callbacks callbacks = callbacks_of(link);
    link->is_open = tls == NULL; /* else on_open tells */
    link->conn = conn_accepted(loop, descriptor, tls, &callbacks);
    mark_dirty(link);
    return link;
}

struct h2_link *
h2_link_connect(struct loop *loop, const struct net_address *address, uint64_t timeout_us,
                const struct conn_tls *tls, const struct h2_session_settings *settings,
                const struct h2_link_events *events, void *ctx)
{
    struct h2_link *link = create(loop, settings, events, ctx);
    struct conn_callbacks callbacks = callbacks_of(link);
    link->conn = conn_connect(loop, address, timeout_us, tls, &callbacks);
    return link;
}

void
h2_link_free(struct h2_link **link_)
{
    struct h2_link *link = *link_;
    if (link == NULL)
        return;
    *link_ = NULL;
    mark_clean(link);
    link->is_dead = true;
    h2_session_stop(link->session);
    if (link->was_told)
        conn_finish(&link->conn);
    else
        conn_free(&link->conn);
    if (link->n_busy == 0)
        destroy(link);
}

void
h2_link_close_when_flushed(struct h2_link *link)
{
    link->closes_when_flushed = true;
    mark_dirty(link);
}

struct h2_session *
h2_link_session(struct h2_link *link)
{
    return link->session;
}

void
h2_link_pause(struct h2_link *link, enum h2_pause why)
{
    if (link->pauses == 0)
        conn_pause(link->conn);
    link->pauses |= (uint8_t)why;
}

void
h2_link_resume(struct h2_link *link, enum h2_pause why)
{
    if (link->pauses == 0)
        return;
    link->pauses &= (uint8_t) ~(unsigned)why;
    if (link->pauses == 0 && !link->is_over) {
        link->last_read_us = clock_mono_us(); /* the peer's silence begins now */
        conn_resume(link->conn);
    }
}

bool
h2_link_is_paused(const struct h2_link *link)
{
    return link->pauses != 0;
}

uint64_t
h2_link_last_read_us(const struct h2_link *link)
{
    return link->last_read_us;
}

uint64_t
h2_link_blocked_since_us(const struct h2_link *link)
{
    return link->blocked_since_us;
}

const char *
h2_link_peer(const struct h2_link *link)
{
    return conn_peer(link->conn);
}
