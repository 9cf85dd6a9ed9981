/* Fuzzes what agents post: each element becomes one item, and what is forwarded is sound. */
/* SPDX-License-Identifier: Apache-2.0 */
/* The first byte chooses the path, the second encoding and form, the rest is the body. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "message/message.h"
#include "receive/receive_http_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MAX_BODY = 1 << 20, CHOICE_CODING = 3, CHOICE_PROTOBUF = 4 };

static struct budget_pool pool;
static struct budget budget;
static struct block_cache blocks;
static struct metrics *metrics;
static struct receive *receive;
static struct receive_http *http;

static void
on_settled(void *ctx, void *cookie, uint64_t credit_bytes, uint32_t n_records)
{
    (void)ctx;
    receive_on_settled(receive, cookie, credit_bytes, n_records);
}

static void
ignore(void *ctx)
{
    (void)ctx;
}

static void
set_up(void)
{
    struct integrity_settings integrity;
    struct receive_http_settings settings = {.max_body_bytes = MAX_BODY,
                                             .max_message_bytes = MAX_BODY / 2};
    struct store_settings store = {.max_bytes = 64 << 20,
                                   .quarantine_bytes = 1 << 20,
                                   .batch_items = 500,
                                   .batch_bytes = 1 << 20,
                                   .max_age_s = 3600};
    struct store_callbacks callbacks = {
        .on_settled = on_settled, .on_room = ignore, .on_due = ignore};
    hash_init();
    clock_set(1000000, INT64_C(1790000000000));
    budget_pool_init(&pool, 512u << 20);
    budget_init(&budget, &pool);
    block_cache_init(&blocks, &budget, 2);
    metrics = metrics_new();
    integrity_settings_default(&integrity);
    struct receive_parts parts = {
        .budget = &budget, .metrics = metrics, .integrity = integrity_new(&integrity, metrics)};
    receive = receive_new(&parts);
    receive_set_store(receive, store_new(&store, &callbacks, &blocks, metrics));
    http = receive_http_new(receive, &settings);
}

static void
forward_all(enum message_type type)
{
    uint64_t next_us;
    struct store_lane *lane;
    struct message_facts facts;
    while ((lane = store_due(receive->store, clock_mono_us(), true, &next_us)) != NULL) {
        struct store_batch *batch = store_take(receive->store, lane);
        for (uint32_t i = 0; batch != NULL && i < batch->n; i++) {
            struct bytes message = bytes_of(batch->items[i].payload, batch->items[i].n);
            check(message_walk(type, message, &facts) == ERR_OK && !facts.invalid_utf8);
        }
        if (batch != NULL)
            store_ack(receive->store, &batch);
    }
}

static void
check_answer(const struct http_request *request)
{
    struct message_json_error error;
    struct message_json *document = NULL;
    struct text list = TEXT_EMPTY;
    check(request->n_passed == request->n_taken + request->n_refused ||
          (request->n_passed == 0 && request->status != 0));
    text_addf(&list, "[%s]", request->errors.p != NULL ? request->errors.p : "");
    check(message_json_open(text_bytes(&list), &document, &error) == ERR_OK);
    message_json_close(&document);
    text_fini(&list);
}

static uint64_t
n_accepted(void)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < SIGNAL_COUNT; i++)
        n += metric_get(metrics, METRIC_ITEMS_ACCEPTED, i);
    return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2)
        return 0;
    if (http == NULL)
        set_up();
    struct http_request *request = mem_new(struct http_request);
    const struct http_path_row *path = http_path_row((enum http_path)(data[0] % HTTP_PATH_COUNT));
    request->magic = HTTP_REQUEST_MAGIC;
    request->http = http;
    request->ask = (struct http_ask){
        .path = path,
        .form = (data[1] & CHOICE_PROTOBUF) != 0 && !path->is_list ? HTTP_PROTOBUF : HTTP_JSON,
        .coding = (enum http_coding)((data[1] & CHOICE_CODING) % 3)};
    LIST_INSERT_HEAD(&http->all, request, all);
    http->n_requests++;
    uint64_t before = n_accepted();
    check(receive_http_body(request, bytes_of(data + 2, n - 2)) == ERR_OK);
    check(n_accepted() - before == request->n_passed);
    check_answer(request);
    check(receive_http_on_settled(request, 0)); /* nobody waits for an answer */
    store_turn(receive->store);
    check(http->n_requests == 0);
    forward_all(method_row(path->method)->message);
    return 0;
}
