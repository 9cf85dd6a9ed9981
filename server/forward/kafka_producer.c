/* librdkafka's producer: records in, reports out, a new one after a fatal error. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/kafka_producer.h"

#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "forward/kafka_int.h"
#include "grpc/grpc_call.h"
#include "net/loop_watch.h"

enum {
    PRODUCER_MAGIC = 0x4b41464b,
    EVENTS_PER_TURN = 256,
    LAST_REPORTS_US = 1000 * 1000,
    POLL_MS = 50,
    END_US = 2 * 1000 * 1000,
    END_STEP_NS = 5 * 1000 * 1000,
    LOOK_US = 100 * 1000,   /* should a wake-up be lost all the same */
    AGAIN_US = 1000 * 1000, /* before a new producer follows one that failed for good */
};
static const uint64_t ONE = 1; /* what the descriptor is written */

struct kafka_producer {
    uint32_t magic;
    struct kafka_producer_settings settings;
    int descriptor;
    struct loop_watch *watch;
    struct loop_timer again, look;
    rd_kafka_t *handle; /* NULL: between two */
    rd_kafka_queue_t *queue;
    rd_kafka_topic_t *topics[KAFKA_TOPIC_COUNT];
    uint64_t n_out; /* taken and not reported */
    bool is_up, is_failed;
    pthread_t grave; /* the thread that ends the failed one */
    bool has_grave;
};

static void
set_up(struct kafka_producer *producer, bool is_up)
{
    if (producer->is_up == is_up)
        return;
    producer->is_up = is_up;
    producer->settings.on_state(producer->settings.ctx);
}

static struct kafka_report
report_of(rd_kafka_resp_err_t err, void *record)
{
    struct kafka_report report = {record, KAFKA_LATER, GRPC_UNAVAILABLE, rd_kafka_err2name(err)};
    /* Everything librdkafka could not deliver and that is not named here: later. */
    switch ((int)err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        report.outcome = KAFKA_DELIVERED;
        report.status = GRPC_OK;
        break;
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
        report.status = GRPC_DEADLINE_EXCEEDED;
        break;
    case RD_KAFKA_RESP_ERR__QUEUE_FULL:
        report.status = GRPC_RESOURCE_EXHAUSTED;
        break;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
        report.outcome = KAFKA_NO_TOPIC;
        report.status = GRPC_NOT_FOUND;
        break;
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        report.outcome = KAFKA_NO_TOPIC;
        report.status = GRPC_PERMISSION_DENIED;
        break;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE:
    case RD_KAFKA_RESP_ERR__BAD_COMPRESSION:
        report.outcome = KAFKA_REFUSED;
        report.status = GRPC_INVALID_ARGUMENT;
        break;
    default:
        break;
    }
    return report;
}

static void
on_delivery(struct kafka_producer *producer, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *message;
    while ((message = rd_kafka_event_message_next(event)) != NULL) {
        struct kafka_report report = report_of(message->err, message->_private);
        check(producer->n_out > 0);
        producer->n_out--;
        if (report.outcome == KAFKA_DELIVERED)
            set_up(producer, true);
        producer->settings.on_report(producer->settings.ctx, &report);
    }
}

/* Its threads write as they please: one call site of ours, so at most ten lines a second. */
static void
on_log(rd_kafka_event_t *event)
{
    const char *facility, *text;
    int level;
    if (rd_kafka_event_log(event, &facility, &text, &level) != 0)
        return;
    if (level <= 4)
        log_warn("forward", "librdkafka", "facility=%s text=%s", facility,
                 LOG_TEXT(bytes_str(text)));
    else
        log_debug("forward", "librdkafka", "facility=%s text=%s", facility,
                  LOG_TEXT(bytes_str(text)));
}

/* False: it goes on. */
static bool
look_whether_failed(struct kafka_producer *producer)
{
    char why[KAFKA_WHY_BYTES] = "";
    rd_kafka_resp_err_t err = rd_kafka_fatal_error(producer->handle, why, sizeof(why));
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    if (!producer->is_failed)
        log_error("forward", "the Kafka producer failed for good, a new one follows",
                  "err=%s text=%s", rd_kafka_err2name(err), LOG_TEXT(bytes_str(why)));
    producer->is_failed = true;
    return true;
}

static void
on_error(struct kafka_producer *producer, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t err = rd_kafka_event_error(event);
    if (look_whether_failed(producer))
        return;
    if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        set_up(producer, false);
    log_warn("forward", "Kafka", "err=%s text=%s", rd_kafka_err2name(err),
             LOG_TEXT(bytes_str(rd_kafka_event_error_string(event))));
}

/* The statistics are JSON of librdkafka's own making; only brokers of a producer have these. */
static void
on_statistics(struct kafka_producer *producer, rd_kafka_event_t *event)
{
    const char *json = rd_kafka_event_stats(event);
    bool is_up =
        strstr(json, "\"state\":\"UP\"") != NULL || strstr(json, "\"state\":\"UPDATE\"") != NULL;
    set_up(producer, is_up);
}

static void
on_queue_event(struct kafka_producer *producer, rd_kafka_event_t *event)
{
    rd_kafka_event_type_t type = rd_kafka_event_type(event);
    if (type == RD_KAFKA_EVENT_DR)
        on_delivery(producer, event);
    else if (type == RD_KAFKA_EVENT_LOG)
        on_log(event);
    else if (type == RD_KAFKA_EVENT_ERROR)
        on_error(producer, event);
    else if (type == RD_KAFKA_EVENT_STATS)
        on_statistics(producer, event);
}

/* False: there was nothing within wait_ms. */
static bool
serve_one(struct kafka_producer *producer, int wait_ms)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(producer->queue, wait_ms);
    if (event == NULL)
        return false;
    on_queue_event(producer, event);
    rd_kafka_event_destroy(event);
    return true;
}

static void
wake(struct kafka_producer *producer)
{
    ssize_t n = write(producer->descriptor, &ONE, sizeof(ONE));
    (void)n; /* a full counter wakes as well */
}

static void
start(struct kafka_producer *producer)
{
    const struct kafka_setup *setup = producer->settings.setup;
    char why[KAFKA_WHY_BYTES] = "";
    rd_kafka_conf_t *conf = kafka_conf_new(setup, setup->brokers, producer->settings.is_alone, why);
    producer->handle =
        conf != NULL ? rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why)) : NULL;
    if (producer->handle == NULL) {
        /* Checked with the configuration: a certificate may be gone since, or threads run out. */
        log_error("forward", "no Kafka producer", "text=%s", LOG_TEXT(bytes_str(why)));
        if (conf != NULL)
            rd_kafka_conf_destroy(conf);
        loop_timer_in(&producer->again, AGAIN_US);
        return;
    }
    check(rd_kafka_set_log_queue(producer->handle, NULL) == RD_KAFKA_RESP_ERR_NO_ERROR);
    producer->queue = rd_kafka_queue_get_main(producer->handle);
    rd_kafka_queue_io_event_enable(producer->queue, producer->descriptor, &ONE, sizeof(ONE));
    wake(producer); /* librdkafka writes when the queue fills: what is in it already never would */
    for (int i = 0; i < KAFKA_TOPIC_COUNT; i++) {
        producer->topics[i] = rd_kafka_topic_new(producer->handle, setup->topics[i], NULL);
        check(producer->topics[i] != NULL);
    }
}

/* Everything of the handle but itself. */
static void
let_go(struct kafka_producer *producer)
{
    if (producer->handle == NULL)
        return;
    for (int i = 0; i < KAFKA_TOPIC_COUNT; i++)
        rd_kafka_topic_destroy(producer->topics[i]);
    rd_kafka_queue_io_event_enable(producer->queue, -1, NULL, 0);
    rd_kafka_queue_destroy(producer->queue);
    producer->queue = NULL;
}

static void *
bury(void *handle)
{
    rd_kafka_destroy(handle);
    return NULL;
}

static void
start_grave(struct kafka_producer *producer)
{
    producer->has_grave = pthread_create(&producer->grave, NULL, bury, producer->handle) == 0;
    if (!producer->has_grave)
        (void)bury(producer->handle); /* no thread to be had: better late than gone */
}

/* The failed one holds nothing of ours any more: ending its threads can wait for a name server, so
 * a thread of its own does it. */
static void
replace(struct kafka_producer *producer)
{
    let_go(producer);
    start_grave(producer);
    producer->handle = NULL;
    producer->is_failed = false;
    loop_timer_in(&producer->again, AGAIN_US);
}

/* Two at a time would pile up where each fails at once. */
static void
on_again(void *ctx)
{
    struct kafka_producer *producer = ctx;
    CHECK_OBJ(producer, PRODUCER_MAGIC);
    if (producer->has_grave && pthread_tryjoin_np(producer->grave, NULL) != 0) {
        loop_timer_in(&producer->again, AGAIN_US);
        return;
    }
    producer->has_grave = false;
    start(producer);
}

static void
look_at_failure(struct kafka_producer *producer)
{
    if (!producer->is_failed)
        return;
    if (producer->n_out == 0) {
        set_up(producer, false);
        replace(producer);
        return;
    }
    rd_kafka_purge(producer->handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                         RD_KAFKA_PURGE_F_NON_BLOCKING);
    set_up(producer, false);
}

static void
serve(struct kafka_producer *producer)
{
    uint32_t i = 0;
    while (producer->handle != NULL && i < EVENTS_PER_TURN && serve_one(producer, 0))
        i++;
    if (i == EVENTS_PER_TURN)
        wake(producer);
    if (producer->handle != NULL)
        look_at_failure(producer);
}

static void
on_readable(void *ctx)
{
    struct kafka_producer *producer = ctx;
    uint64_t count;
    CHECK_OBJ(producer, PRODUCER_MAGIC);
    ssize_t n = read(producer->descriptor, &count, sizeof(count));
    (void)n; /* empty: nothing was lost by it */
    serve(producer);
}

/* A queue was once seen with 600 events and no wake-up: records must not hang on those. */
static void
on_look(void *ctx)
{
    struct kafka_producer *producer = ctx;
    CHECK_OBJ(producer, PRODUCER_MAGIC);
    serve(producer);
    loop_timer_in(&producer->look, LOOK_US);
}

struct kafka_producer *
kafka_producer_new(const struct kafka_producer_settings *settings)
{
    struct kafka_producer *producer = mem_new(struct kafka_producer);
    producer->magic = PRODUCER_MAGIC;
    producer->settings = *settings;
    producer->descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    check(producer->descriptor >= 0);
    producer->watch = loop_watch_new(settings->loop, producer->descriptor, on_readable, producer);
    loop_timer_init(&producer->again, settings->loop, on_again, producer);
    loop_timer_init(&producer->look, settings->loop, on_look, producer);
    loop_timer_in(&producer->look, LOOK_US);
    start(producer);
    return producer;
}

/* What still holds payloads is waited for. Else a name server that is silent keeps its threads:
 * they end later, or with the process. */
static void
end(struct kafka_producer *producer)
{
    if (producer->handle != NULL && producer->n_out > 0)
        rd_kafka_destroy(producer->handle);
    else if (producer->handle != NULL)
        start_grave(producer);
    const struct timespec step = {0, END_STEP_NS};
    uint64_t end_us = clock_fresh_us() + END_US;
    while (producer->has_grave && pthread_tryjoin_np(producer->grave, NULL) != 0) {
        if (clock_fresh_us() >= end_us) {
            pthread_detach(producer->grave);
            return;
        }
        nanosleep(&step, NULL);
    }
}

void
kafka_producer_free(struct kafka_producer **where)
{
    struct kafka_producer *producer = *where;
    if (producer == NULL)
        return;
    uint64_t end_us = clock_fresh_us() + LAST_REPORTS_US;
    if (producer->handle != NULL && producer->n_out > 0)
        rd_kafka_purge(producer->handle, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                             RD_KAFKA_PURGE_F_NON_BLOCKING);
    while (producer->handle != NULL && producer->n_out > 0 && clock_fresh_us() < end_us)
        (void)serve_one(producer, POLL_MS);
    loop_timer_cancel(&producer->again);
    loop_timer_cancel(&producer->look);
    let_go(producer);
    end(producer);
    loop_watch_free(&producer->watch);
    close(producer->descriptor);
    producer->magic = 0;
    mem_free(producer);
    *where = NULL;
}

bool
kafka_producer_is_up(const struct kafka_producer *producer)
{
    return producer->is_up && producer->handle != NULL && !producer->is_failed;
}

enum kafka_outcome
kafka_producer_put(struct kafka_producer *producer, const struct kafka_put *put,
                   struct kafka_report *report)
{
    if (producer->handle == NULL) {
        *report = report_of(RD_KAFKA_RESP_ERR__STATE, put->record);
        return report->outcome;
    }
    if (rd_kafka_produce(producer->topics[put->topic], RD_KAFKA_PARTITION_UA, 0,
                         (void *)(uintptr_t)put->payload.p, put->payload.n, put->key.p, put->key.n,
                         put->record) == 0) {
        producer->n_out++;
        return KAFKA_UNDECIDED;
    }
    *report = report_of(rd_kafka_last_error(), put->record);
    return report->outcome;
}
