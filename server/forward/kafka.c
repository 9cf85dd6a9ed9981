/* Batches over Kafka: limits by topic, and what becomes of each record. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "forward/kafka.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "forward/forward_int.h"
#include "forward/kafka_producer.h"
#include "forward/kafka_record.h"
#include "grpc/grpc_call.h"

enum { KEEP_DELIVERIES = 64, SINGLE_BYTES = 64 * 1024 };
static const uint64_t FULL_AGAIN_US = 5000, DOWN_AGAIN_US = 200000;

/* What librdkafka carries beside a record. */
struct mark {
    struct kafka_delivery *delivery;
    enum kafka_outcome outcome;
};

/* A sending's records out at a producer. */
struct kafka_delivery {
    STAILQ_ENTRY(kafka_delivery) link; /* while spare */
    struct kafka *kafka;
    struct sending *sending;
    struct mark *marks; /* one a record */
    uint32_t n_marks;   /* room */
    uint32_t n_left;    /* not reported */
    int status;         /* of the first that failed */
    const char *why;
};
STAILQ_HEAD(delivery_list, kafka_delivery);

struct topic {
    uint32_t weight; /* in flight */
    uint32_t n_missing;
    uint64_t missing_until_us;
    uint64_t committed_us;
};

struct kafka {
    struct forward *forward;
    struct kafka_producer *together, *alone; /* alone: NULL before the first refusal */
    char name[NET_ADDRESS_TEXT];
    uint32_t slot;
    uint32_t weight, limit, topic_limit;
    bool is_up;
    uint64_t success_s;
    struct topic topics[KAFKA_TOPIC_COUNT];
    struct delivery_list spare;
    uint32_t n_spare;
};

static const struct kafka_setup *
setup_of(const struct kafka *kafka)
{
    return kafka->forward->shared->kafka;
}

static struct topic *
topic_of(struct kafka *kafka, enum method method)
{
    return &kafka->topics[kafka_record_topic(method)];
}

static void
on_state(void *ctx)
{
    struct kafka *kafka = ctx;
    struct metrics *metrics = kafka->forward->metrics;
    bool is_up = kafka->together != NULL && kafka_producer_is_up(kafka->together);
    if (kafka->is_up == is_up)
        return;
    kafka->is_up = is_up;
    int change = backend_names_set_up(kafka->forward->shared->names, kafka->slot, is_up);
    if (change > 0)
        metric_add(metrics, METRIC_BACKEND_UP, kafka->slot, 1);
    else if (change < 0)
        metric_sub(metrics, METRIC_BACKEND_UP, kafka->slot, 1);
    if (is_up)
        log_info("forward", "Kafka connected", "brokers=%s", kafka->name);
    else
        log_warn("forward", "no Kafka broker is connected", "brokers=%s", kafka->name);
    forward_wake(kafka->forward);
}

/* The producer that sends each record alone has no say in whether Kafka is up. */
static void
on_alone_state(void *ctx)
{
    (void)ctx;
}

static void settle(struct kafka_delivery *delivery);

static void
note(struct kafka_delivery *delivery, struct mark *mark, const struct kafka_report *report)
{
    mark->outcome = report->outcome;
    if (report->outcome == KAFKA_DELIVERED || delivery->status != GRPC_OK)
        return;
    delivery->status = report->status;
    delivery->why = report->why;
}

static void
on_report(void *ctx, const struct kafka_report *report)
{
    struct mark *mark = report->record;
    struct kafka_delivery *delivery = mark->delivery;
    (void)ctx;
    note(delivery, mark, report);
    check(delivery->n_left > 0);
    if (--delivery->n_left == 0)
        settle(delivery);
}

static struct kafka_producer *
new_producer(struct kafka *kafka, bool is_alone)
{
    struct kafka_producer_settings settings = {
        .loop = kafka->forward->loop,
        .setup = setup_of(kafka),
        .is_alone = is_alone,
        .ctx = kafka,
        .on_report = on_report,
        .on_state = is_alone ? on_alone_state : on_state,
    };
    return kafka_producer_new(&settings);
}

struct kafka *
kafka_new(struct forward *forward)
{
    struct kafka *kafka = mem_new(struct kafka);
    kafka->forward = forward;
    STAILQ_INIT(&kafka->spare);
    const struct kafka_setup *setup = setup_of(kafka);
    kafka->limit = setup->max_batches * BACKEND_BATCH_WEIGHT;
    kafka->topic_limit = setup->max_batches > 1 ? kafka->limit / 2 : kafka->limit;
    uint64_t stale_s;
    kafka->slot = backend_names_take(forward->shared->names, setup->brokers, &stale_s);
    metric_sub(forward->metrics, METRIC_BACKEND_LAST_SUCCESS, kafka->slot, stale_s);
    (void)backend_names_find(forward->shared->names, kafka->slot, kafka->name, sizeof(kafka->name));
    kafka->together = new_producer(kafka, false);
    return kafka;
}

void
kafka_close(struct kafka *kafka)
{
    kafka_producer_free(&kafka->alone);
    kafka_producer_free(&kafka->together);
    on_state(kafka);
}

static void
free_delivery(struct kafka_delivery *delivery)
{
    mem_free(delivery->marks);
    mem_free(delivery);
}

void
kafka_free(struct kafka **kafka)
{
    if (*kafka == NULL)
        return;
    check((*kafka)->together == NULL && (*kafka)->weight == 0);
    struct kafka_delivery *delivery;
    while ((delivery = STAILQ_FIRST(&(*kafka)->spare)) != NULL) {
        STAILQ_REMOVE_HEAD(&(*kafka)->spare, link);
        free_delivery(delivery);
    }
    backend_names_give((*kafka)->forward->shared->names, (*kafka)->slot);
    mem_free(*kafka);
    *kafka = NULL;
}

bool
kafka_takes(enum method method)
{
    return kafka_record_topic(method) != KAFKA_TOPIC_COUNT;
}

bool
kafka_is_up(const struct kafka *kafka)
{
    return kafka->is_up;
}

bool
kafka_lacks_topic(const struct kafka *kafka, enum method method)
{
    return kafka->topics[kafka_record_topic(method)].missing_until_us > clock_mono_us();
}

bool
kafka_has_room(const struct kafka *kafka, enum method method)
{
    return kafka->is_up && kafka->weight < kafka->limit &&
           kafka->topics[kafka_record_topic(method)].weight < kafka->topic_limit &&
           !kafka_lacks_topic(kafka, method);
}

uint64_t
kafka_ask_again_us(const struct kafka *kafka, enum method method)
{
    uint64_t now_us = clock_mono_us();
    if (kafka_lacks_topic(kafka, method))
        return kafka->topics[kafka_record_topic(method)].missing_until_us;
    return now_us + (kafka->is_up ? FULL_AGAIN_US : DOWN_AGAIN_US);
}

static struct kafka_delivery *
take_delivery(struct kafka *kafka, struct sending *sending)
{
    struct kafka_delivery *delivery = STAILQ_FIRST(&kafka->spare);
    if (delivery != NULL) {
        STAILQ_REMOVE_HEAD(&kafka->spare, link);
        kafka->n_spare--;
    } else {
        delivery = mem_new(struct kafka_delivery);
        delivery->kafka = kafka;
    }
    uint32_t n = sending->batch->n;
    if (delivery->n_marks < n) {
        delivery->marks = mem_resize(delivery->marks, n * sizeof(struct mark));
        delivery->n_marks = n;
    }
    for (uint32_t i = 0; i < n; i++)
        delivery->marks[i] = (struct mark){delivery, KAFKA_UNDECIDED};
    delivery->sending = sending;
    delivery->n_left = 0;
    delivery->status = GRPC_OK;
    delivery->why = "";
    return delivery;
}

/* The batch is in no producer any more. */
static void
let_go(struct kafka_delivery *delivery)
{
    struct kafka *kafka = delivery->kafka;
    struct sending *sending = delivery->sending;
    kafka->weight -= sending->load.weight;
    topic_of(kafka, sending->method)->weight -= sending->load.weight;
    metric_sub(kafka->forward->metrics, METRIC_BACKEND_INFLIGHT, kafka->slot, 1);
    sending->delivery = NULL;
    delivery->sending = NULL;
}

static void
keep_spare(struct kafka_delivery *delivery)
{
    struct kafka *kafka = delivery->kafka;
    if (kafka->n_spare >= KEEP_DELIVERIES) {
        free_delivery(delivery);
        return;
    }
    STAILQ_INSERT_HEAD(&kafka->spare, delivery, link);
    kafka->n_spare++;
}

void
kafka_cancel(struct sending *sending)
{
    struct kafka_delivery *delivery = sending->delivery;
    let_go(delivery);
    keep_spare(delivery);
}

/* Never at once: a producer that is full or between two would be asked in a circle. */
static void
again(struct sending *sending)
{
    struct forward *forward = sending->forward;
    sending->n_tries++;
    sending_wait(sending, 1 + retry_delay_us(&forward->shared->settings, sending->n_tries,
                                             &forward->random));
}

static void
refused(struct kafka *kafka, struct sending *sending, const char *why)
{
    if (sending->failed_us == 0)
        sending->failed_us = sending->started_us;
    if (!sending->is_alone) {
        sending->is_alone = true;
        sending_wait(sending, 1);
        return;
    }
    if (topic_of(kafka, sending->method)->committed_us <= sending->failed_us) {
        again(sending); /* nothing passes: the topic is ill, not the record */
        return;
    }
    log_warn("forward", "records are set aside: Kafka refuses them alone",
             "topic=%s records=%u bytes=%llu err=%s",
             setup_of(kafka)->topics[kafka_record_topic(sending->method)], sending->batch->n,
             (unsigned long long)sending->batch->n_bytes, why);
    store_set_aside(kafka->forward->store, &sending->batch);
    sending_end(sending);
}

static void
missing(struct kafka *kafka, struct sending *sending)
{
    struct topic *topic = topic_of(kafka, sending->method);
    struct forward *forward = kafka->forward;
    uint64_t now_us = clock_mono_us();
    if (topic->missing_until_us <= now_us)
        topic->missing_until_us =
            now_us + 1 +
            retry_delay_us(&forward->shared->settings, ++topic->n_missing, &forward->random);
    sending_give_back(sending);
}

static void
committed(struct kafka *kafka, struct sending *sending)
{
    struct topic *topic = topic_of(kafka, sending->method);
    topic->committed_us = clock_mono_us();
    topic->n_missing = 0;
    topic->missing_until_us = 0;
    store_ack(kafka->forward->store, &sending->batch);
    sending_end(sending);
}

static void
end_piece(struct kafka *kafka, struct sending *sending, enum kafka_outcome outcome, const char *why)
{
    switch (outcome) {
    case KAFKA_DELIVERED:
        committed(kafka, sending);
        break;
    case KAFKA_NO_TOPIC:
        missing(kafka, sending);
        break;
    case KAFKA_REFUSED:
        refused(kafka, sending, why);
        break;
    case KAFKA_UNDECIDED:
    case KAFKA_LATER:
    case KAFKA_N_OUTCOMES:
        again(sending);
        break;
    }
}

/* Cuts the batch in two until each piece had one outcome: no deeper than the bits of its size. */
static void
settle_piece(struct kafka *kafka, struct sending *sending, const struct mark *marks,
             const char *why)
{
    uint32_t n_same = 1;
    while (n_same < sending->batch->n && marks[n_same].outcome == marks[0].outcome)
        n_same++;
    if (n_same == sending->batch->n) {
        end_piece(kafka, sending, marks[0].outcome, why);
        return;
    }
    struct store_batch *half;
    store_split(kafka->forward->store, sending->batch, &half);
    struct sending *other = sending_new(kafka->forward, half);
    other->n_tries = sending->n_tries;
    other->started_us = sending->started_us;
    other->failed_us = sending->failed_us;
    other->is_alone = sending->is_alone;
    uint32_t n_first = sending->batch->n;
    settle_piece(kafka, sending, marks, why);
    settle_piece(kafka, other, marks + n_first, why);
}

static void
count(struct kafka *kafka, const struct kafka_delivery *delivery)
{
    struct metrics *metrics = kafka->forward->metrics;
    const struct sending *sending = delivery->sending;
    metric_add(metrics, METRIC_BACKEND_REQUESTS,
               kafka->slot * METRIC_CODES + (uint32_t)delivery->status, 1);
    metric_observe_us(metrics, METRIC_BACKEND_DURATION, kafka->slot,
                      clock_mono_us() - sending->started_us);
    if (delivery->status != GRPC_OK) {
        uint32_t reason = delivery->status == GRPC_DEADLINE_EXCEEDED ? RETRY_TIMEOUT
                          : delivery->status == GRPC_UNAVAILABLE     ? RETRY_CONNECTION
                                                                     : RETRY_STATUS;
        metric_add(metrics, METRIC_BACKEND_RETRIES, kafka->slot * 3 + reason, 1);
        log_warn("forward", "Kafka did not take a batch", "topic=%s records=%u err=%s",
                 setup_of(kafka)->topics[kafka_record_topic(sending->method)], sending->batch->n,
                 delivery->why);
        return;
    }
    uint64_t now_s = (uint64_t)clock_unix_ms() / 1000;
    if (now_s == kafka->success_s)
        return;
    kafka->success_s = now_s;
    metric_add(metrics, METRIC_BACKEND_LAST_SUCCESS, kafka->slot,
               backend_names_success(kafka->forward->shared->names, kafka->slot, now_s));
}

static void
settle(struct kafka_delivery *delivery)
{
    struct kafka *kafka = delivery->kafka;
    struct sending *sending = delivery->sending;
    count(kafka, delivery);
    let_go(delivery);
    settle_piece(kafka, sending, delivery->marks, delivery->why);
    keep_spare(delivery);
    forward_wake(kafka->forward);
}

/* What the producer does not take now, the rest of the batch included, comes again. */
static void
put_all(struct kafka_producer *producer, struct kafka_delivery *delivery)
{
    const struct store_batch *batch = delivery->sending->batch;
    char key[KAFKA_KEY_MAX];
    bool takes = true;
    for (uint32_t i = 0; i < batch->n; i++) {
        struct bytes payload = bytes_of(batch->items[i].payload, batch->items[i].n);
        struct kafka_put put = {
            .topic = kafka_record_topic(batch->method),
            .payload = payload,
            .record = &delivery->marks[i],
        };
        struct kafka_report report;
        if (!takes) {
            delivery->marks[i].outcome = KAFKA_LATER;
            continue;
        }
        put.key = kafka_record_key(batch->method, batch->key, payload, key);
        if (kafka_producer_put(producer, &put, &report) == KAFKA_UNDECIDED) {
            delivery->n_left++;
            continue;
        }
        note(delivery, &delivery->marks[i], &report);
        takes = report.outcome != KAFKA_LATER;
    }
}

void
kafka_start(struct kafka *kafka, struct sending *sending)
{
    struct kafka_delivery *delivery = take_delivery(kafka, sending);
    const struct store_batch *batch = sending->batch;
    sending->load.n_bytes = batch->n_bytes;
    sending->load.weight = batch->n == 1 && batch->n_bytes < SINGLE_BYTES ? BACKEND_SINGLE_WEIGHT
                                                                          : BACKEND_BATCH_WEIGHT;
    sending->started_us = clock_mono_us();
    sending->delivery = delivery;
    kafka->weight += sending->load.weight;
    topic_of(kafka, sending->method)->weight += sending->load.weight;
    metric_add(kafka->forward->metrics, METRIC_BACKEND_INFLIGHT, kafka->slot, 1);
    sending_set_state(sending, SENDING_FLYING);
    if (sending->is_alone && kafka->alone == NULL)
        kafka->alone = new_producer(kafka, true);
    put_all(sending->is_alone ? kafka->alone : kafka->together, delivery);
    if (delivery->n_left == 0)
        settle(delivery);
}
