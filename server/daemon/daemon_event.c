/* Diagnoses as SkyWalking events: built on the control thread, put into a worker's store. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/daemon_event.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/daemon_int.h"
#include "message/message_event.h"
#include "store/store.h"

enum { MAX_WAITING = 256 };

/* Its way: control thread, worker, and back where there was no room. */
struct event_letter {
    struct loop_letter letter;
    TAILQ_ENTRY(event_letter) link;
    struct daemon *daemon;
    struct text payload;
};

static void
letter_free(struct event_letter *event)
{
    text_fini(&event->payload);
    mem_free(event);
}

/* The control thread. */
static void
on_refused(struct loop_letter *base)
{
    struct event_letter *event = (struct event_letter *)base;
    struct daemon *daemon = event->daemon;
    CHECK_OBJ(daemon, DAEMON_MAGIC);
    if (daemon->n_events >= MAX_WAITING) {
        log_warn("daemon", "event left out: the buffer has no room", "waiting=%u",
                 daemon->n_events);
        letter_free(event);
        return;
    }
    TAILQ_INSERT_TAIL(&daemon->events, event, link);
    daemon->n_events++;
}

/* The worker's thread. */
static void
put(void *ctx, struct worker *worker)
{
    struct event_letter *event = ctx;
    struct store *store = worker_store(worker);
    struct bytes payload = text_bytes(&event->payload);
    struct store_record record = {
        .method = METHOD_EVENT_COLLECT,
        .reason = RULE_COUNT,
        .parts = &payload,
        .n_parts = 1,
        .received_ms = clock_unix_ms(),
    };
    if (store != NULL && store_put(store, &record) == ERR_OK) {
        letter_free(event);
        return;
    }
    event->letter.on_mail = on_refused;
    loop_mail_send(event->daemon->loop, &event->letter);
}

void
daemon_event_send(struct daemon *daemon, const struct daemon_event *about)
{
    const struct diagnosis_row *row = about->diagnosis;
    const char *confidence = diagnosis_confidence_label(row->confidence);
    char uuid[MESSAGE_EVENT_UUID_BYTES];
    struct text name = TEXT_EMPTY, words = TEXT_EMPTY;
    message_event_uuid(about->id, uuid);
    text_addf(&name, "spangate-%s", row->code);
    text_addf(&words, "%s: %s Next: %s", row->name, row->text, row->next);
    struct message_event event = {
        .uuid = uuid,
        .service = about->service,
        .instance = about->instance,
        .name = name.p,
        .is_error = row->is_error,
        .message = text_bytes(&words),
        .start_ms = about->start_ms,
        .end_ms = about->end_ms,
        .layer = "GENERAL",
        .parameters = {{"code", bytes_str(row->code)},
                       {"confidence", bytes_str(confidence)},
                       {"evidence", bytes_str(about->evidence)}},
        .n_parameters = 3,
    };
    struct event_letter *letter = mem_new(struct event_letter);
    letter->daemon = daemon;
    message_event_write(&event, &letter->payload);
    text_fini(&name);
    text_fini(&words);
    worker_run(daemon_pick_worker(daemon), put, letter);
}

void
daemon_event_retry(struct daemon *daemon)
{
    struct event_letter *event;
    while ((event = TAILQ_FIRST(&daemon->events)) != NULL) {
        TAILQ_REMOVE(&daemon->events, event, link);
        daemon->n_events--;
        worker_run(daemon_pick_worker(daemon), put, event);
    }
}

void
daemon_event_fini(struct daemon *daemon)
{
    struct event_letter *event;
    while ((event = TAILQ_FIRST(&daemon->events)) != NULL) {
        TAILQ_REMOVE(&daemon->events, event, link);
        letter_free(event);
    }
    daemon->n_events = 0;
}
