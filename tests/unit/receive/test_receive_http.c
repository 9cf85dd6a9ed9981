/* Bodies over HTTP: each element is one item, a bad one costs itself, waiting goes on where it was.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <zlib.h>

#pragma GCC diagnostic ignored "-Wunused-function"
#include "receive/fake_worker.h"
#include "receive/receive_http_int.h"

enum { PLENTY = 16 << 20, SCARCE = 600 * 1024, BODY_MAX = 1 << 20, MESSAGE_MAX = 300 * 1024 };

struct bench {
    struct fake_worker worker;
    struct receive_http *http;
};

static void
bench_init(struct bench *bench, uint64_t max_bytes)
{
    const struct receive_http_settings settings = {.max_body_bytes = BODY_MAX,
                                                   .max_message_bytes = MESSAGE_MAX};
    worker_init(&bench->worker, max_bytes);
    bench->http = receive_http_new(bench->worker.receive, &settings);
}

static void
bench_fini(struct bench *bench)
{
    store_turn(bench->worker.store);
    assert_int_equal(receive_http_n_requests(bench->http), 0);
    worker_forward(&bench->worker, NULL);
    receive_http_free(&bench->http);
    worker_fini(&bench->worker);
}

/* A request whose client has gone, so that nobody answers it. */
static struct http_request *
request_new(struct bench *bench, enum http_path path)
{
    struct http_request *request = mem_new(struct http_request);
    request->magic = HTTP_REQUEST_MAGIC;
    request->http = bench->http;
    request->ask.path = http_path_row(path);
    loop_timer_init(&request->patience, bench->worker.loop, NULL, request);
    LIST_INSERT_HEAD(&bench->http->all, request, all);
    bench->http->n_requests++;
    return request;
}

/* It is freed when what it put is settled. */
static void
request_end(struct bench *bench, struct http_request *request)
{
    assert_true(receive_http_on_settled(request, 0));
    store_turn(bench->worker.store);
}

static uint32_t n_forwarded;
static struct text last_payload;

static void
see(enum method method, struct bytes payload)
{
    (void)method;
    n_forwarded++;
    text_clear(&last_payload);
    text_add_bytes(&last_payload, payload);
}

static void
expect_forwarded(struct bench *bench, uint32_t n)
{
    n_forwarded = 0;
    worker_forward(&bench->worker, see);
    assert_int_equal(n_forwarded, n);
}

#define SPAN                                                                         \
    "{\"spanId\":0,\"parentSpanId\":-1,\"startTime\":\"1699999999990\",\"endTime\":" \
    "1699999999995,\"operationName\":\"/in\",\"spanType\":\"Entry\"}"

static void
add_segment(struct text *out, const char *id)
{
    text_addf(out,
              "{\"traceId\":\"t\",\"traceSegmentId\":\"%s\",\"service\":\"shop\","
              "\"serviceInstance\":\"i\",\"spans\":[" SPAN "]}",
              id);
}

static void
a_bad_element_costs_only_itself(void **state)
{
    (void)state;
    struct bench bench;
    struct text body = TEXT_EMPTY;
    bench_init(&bench, PLENTY);
    struct http_request *request = request_new(&bench, HTTP_PATH_SEGMENTS);
    text_add(&body, "[");
    add_segment(&body, "s0");
    text_add(&body, ",{\"spans\":[{\"spanId\":\"x\"}]},tru,");
    add_segment(&body, "s3");
    text_add(&body, ",{\"traceSegmentId\":\"\",\"spans\":[" SPAN "],\"service\":\"s\"}]");
    assert_int_equal(receive_http_body(request, text_bytes(&body)), ERR_OK);
    assert_int_equal(request->n_passed, 5);
    assert_int_equal(request->n_taken, 3);
    assert_int_equal(request->n_refused, 2);
    assert_int_equal(request->n_set_aside, 1);
    assert_non_null(
        strstr(request->errors.p, "{\"index\":1,\"error\":\"spans[0].spanId: a whole number"));
    assert_non_null(strstr(request->errors.p, "{\"index\":2,\"error\":\"an object is expected\"}"));
    assert_non_null(strstr(request->errors.p, "{\"index\":4,\"error\":\"set aside: "));
    assert_int_equal(request->n_unsettled, 5);
    request_end(&bench, request);
    assert_int_equal(count_of(&bench.worker, METRIC_ITEMS_ACCEPTED), 5);
    assert_int_equal(count_of(&bench.worker, METRIC_ITEMS_QUARANTINED), 3);
    assert_int_equal(n_findings(&bench.worker, RULE_proto_undecodable), 2);
    expect_forwarded(&bench, 2);
    text_fini(&body);
    bench_fini(&bench);
}

static void
a_document_without_an_end_is_one_item(void **state)
{
    (void)state;
    static const char *const broken[] = {"[{},{}", "{}", "5", "[{}]]", "[{\"a\":\"]"};
    struct bench bench;
    bench_init(&bench, PLENTY);
    for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        struct http_request *request = request_new(&bench, HTTP_PATH_LOGS);
        assert_int_equal(receive_http_body(request, bytes_str(broken[i])), ERR_OK);
        assert_int_equal(request->status, 400);
        assert_int_equal(request->n_refused, 1);
        request_end(&bench, request);
        assert_int_equal(count_of(&bench.worker, METRIC_ITEMS_QUARANTINED), i + 1);
    }
    struct http_request *request = request_new(&bench, HTTP_PATH_LOGS);
    assert_int_equal(receive_http_body(request, BYTES_NONE), ERR_OK);
    assert_int_equal(request->status, 400);
    assert_int_equal(request->n_unsettled, 0);
    request_end(&bench, request);
    request = request_new(&bench, HTTP_PATH_LOGS);
    assert_int_equal(receive_http_body(request, BYTES("[]")), ERR_OK);
    assert_int_equal(request->status, 0);
    assert_int_equal(request->n_refused, 0);
    request_end(&bench, request);
    bench_fini(&bench);
}

/* What was put before the shortage is not put again, and what found no room counts once. */
static void
a_list_goes_on_where_there_was_no_room(void **state)
{
    (void)state;
    enum { N = 40, EACH = 40 * 1024 };
    struct bench bench;
    struct text body = TEXT_EMPTY;
    char *more = mem_zeroed(EACH + 1);
    memset(more, 'x', EACH);
    bench_init(&bench, SCARCE);
    struct http_request *request = request_new(&bench, HTTP_PATH_LOGS);
    for (int i = 0; i < N / 2; i++)
        text_addf(&body,
                  "%c{\"service\":\"s\",\"timestamp\":1,\"body\":{\"text\":{\"text\":\"%s\"}}}",
                  i > 0 ? ',' : '[', more);
    text_add(&body, "]");
    uint32_t n_rounds = 1, n = 0;
    request->n_unsettled = 1; /* as if somebody waited for the answer */
    while (receive_http_body(request, text_bytes(&body)) == ERR_WAIT) {
        n_rounds++;
        assert_in_range(n_rounds, 1, N);
        assert_true(request->n_passed < N / 2);
        store_turn(bench.worker.store);
        n += worker_forward(&bench.worker, NULL);
    }
    assert_in_range(n_rounds, 2, N);
    assert_int_equal(request->n_taken, N / 2);
    request->n_unsettled--;
    request_end(&bench, request);
    n += worker_forward(&bench.worker, NULL);
    assert_int_equal(n, N / 2);
    assert_int_equal(count_of(&bench.worker, METRIC_ITEMS_ACCEPTED), N / 2);
    mem_free(more);
    text_fini(&body);
    bench_fini(&bench);
}

static void
a_log_gets_a_time_and_needs_a_service(void **state)
{
    (void)state;
    struct bench bench;
    uint64_t time;
    bench_init(&bench, PLENTY);
    struct http_request *request = request_new(&bench, HTTP_PATH_LOGS);
    assert_int_equal(receive_http_body(
                         request, BYTES("[{\"service\":\"s\",\"body\":{\"text\":{\"text\":\"a\"}}},"
                                        "{\"body\":{\"text\":{\"text\":\"b\"}}}]")),
                     ERR_OK);
    assert_int_equal(request->n_set_aside, 1);
    assert_int_equal(n_findings(&bench.worker, RULE_log_service_missing), 1);
    request_end(&bench, request);
    expect_forwarded(&bench, 1);
    assert_true(message_varint_field(text_bytes(&last_payload), LOG_TIMESTAMP, &time));
    assert_int_equal(time, NOW_MS);
    bench_fini(&bench);
}

static void
an_event_without_a_layer_is_refused(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, PLENTY);
    struct http_request *request = request_new(&bench, HTTP_PATH_EVENTS);
    assert_int_equal(receive_http_body(request, BYTES("[{\"uuid\":\"a\"}]")), ERR_OK);
    assert_int_equal(request->n_refused, 1);
    assert_int_equal(request->n_taken, 0);
    request_end(&bench, request);
    assert_int_equal(count_of(&bench.worker, METRIC_ITEMS_QUARANTINED), 1);
    bench_fini(&bench);
}

/* As on every other way in: invalid UTF-8 is repaired, not refused. */
static void
invalid_utf8_is_judged_as_over_grpc(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, PLENTY);
    struct http_request *request = request_new(&bench, HTTP_PATH_KEEP_ALIVE);
    assert_int_equal(receive_http_body(request, BYTES("{\"service\":\"a\xff\"}")), ERR_OK);
    assert_int_equal(request->n_taken, 1);
    request_end(&bench, request);
    assert_int_equal(n_findings(&bench.worker, RULE_string_invalid_utf8), 1);
    expect_forwarded(&bench, 1);
    assert_string_equal(last_payload.p, "\x0a\x05"
                                        "a\\xFF");
    bench_fini(&bench);
}

static void
one_protobuf_message_is_taken_as_it_is(void **state)
{
    (void)state;
    struct bench bench;
    struct text message = TEXT_EMPTY;
    bench_init(&bench, PLENTY);
    add_string(&message, 1, BYTES("s"));
    add_string(&message, 2, BYTES("i"));
    struct http_request *request = request_new(&bench, HTTP_PATH_KEEP_ALIVE);
    request->ask.form = HTTP_PROTOBUF;
    assert_int_equal(receive_http_body(request, text_bytes(&message)), ERR_OK);
    request_end(&bench, request);
    expect_forwarded(&bench, 1);
    assert_true(bytes_equal(text_bytes(&last_payload), text_bytes(&message)));
    request = request_new(&bench, HTTP_PATH_KEEP_ALIVE);
    request->ask.form = HTTP_PROTOBUF;
    assert_int_equal(receive_http_body(request, BYTES("{}")), ERR_OK);
    assert_int_equal(request->n_refused, 1);
    request_end(&bench, request);
    text_fini(&message);
    bench_fini(&bench);
}

/* window: as zlib wants it, which says the form too. */
static struct bytes
pack(struct bytes plain, int window, uint8_t *out, size_t size)
{
    z_stream zlib = {0};
    assert_int_equal(deflateInit2(&zlib, 9, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
    union {
        const uint8_t *in;
        uint8_t *out;
    } lent = {.in = plain.p};
    zlib.next_in = lent.out;
    zlib.avail_in = (uInt)plain.n;
    zlib.next_out = out;
    zlib.avail_out = (uInt)size;
    assert_int_equal(deflate(&zlib, Z_FINISH), Z_STREAM_END);
    deflateEnd(&zlib);
    return bytes_of(out, zlib.total_out);
}

static void
packed_bodies_are_unpacked_within_the_bound(void **state)
{
    (void)state;
    static const struct {
        enum http_coding coding;
        int window;
    } forms[] = {{HTTP_GZIP, 31}, {HTTP_DEFLATE, 15}, {HTTP_DEFLATE, -15}};
    static uint8_t packed[64 * 1024];
    struct bench bench;
    char *blank = mem_alloc(BODY_MAX + 3);
    memset(blank, ' ', BODY_MAX + 3);
    bench_init(&bench, PLENTY);
    for (size_t i = 0; i < 3; i++) {
        struct http_request *request = request_new(&bench, HTTP_PATH_KEEP_ALIVE);
        request->ask.coding = forms[i].coding;
        struct bytes plain = BYTES("{\"service\":\"s\",\"serviceInstance\":\"i\"}");
        assert_int_equal(
            receive_http_body(request, pack(plain, forms[i].window, packed, sizeof(packed))),
            ERR_OK);
        assert_int_equal(request->n_taken, 1);
        request_end(&bench, request);
        for (size_t n = BODY_MAX; n <= BODY_MAX + 1; n++) {
            request = request_new(&bench, HTTP_PATH_LOGS);
            request->ask.coding = forms[i].coding;
            blank[0] = '[';
            blank[n - 1] = ']';
            assert_int_equal(receive_http_body(request, pack(bytes_of(blank, n), forms[i].window,
                                                             packed, sizeof(packed))),
                             ERR_OK);
            blank[n - 1] = ' ';
            assert_int_equal(request->status, n == BODY_MAX ? 0 : 413);
            assert_int_equal(request->n_refused, n == BODY_MAX ? 0 : 1);
            request_end(&bench, request);
        }
        request = request_new(&bench, HTTP_PATH_LOGS);
        request->ask.coding = forms[i].coding;
        assert_int_equal(receive_http_body(request, BYTES("[]")), ERR_OK);
        assert_int_equal(request->status, 400);
        request_end(&bench, request);
    }
    assert_int_equal(n_findings(&bench.worker, RULE_message_oversize), 3);
    mem_free(blank);
    bench_fini(&bench);
}

static void
an_element_over_the_message_limit_is_set_aside(void **state)
{
    (void)state;
    struct bench bench;
    struct text body = TEXT_EMPTY;
    bench_init(&bench, PLENTY);
    struct http_request *request = request_new(&bench, HTTP_PATH_LOGS);
    text_add(&body, "[{\"service\":\"s\"},{\"service\":\"");
    for (int i = 0; i < MESSAGE_MAX; i++)
        text_add(&body, "x");
    text_add(&body, "\"},{\"service\":\"s\"}]");
    assert_int_equal(receive_http_body(request, text_bytes(&body)), ERR_OK);
    assert_int_equal(request->n_taken, 2);
    assert_int_equal(request->n_refused, 1);
    request_end(&bench, request);
    assert_int_equal(n_findings(&bench.worker, RULE_message_oversize), 1);
    text_fini(&body);
    bench_fini(&bench);
}

static void
the_answer_names_so_many_errors_and_no_more(void **state)
{
    (void)state;
    struct bench bench;
    struct text body = TEXT_EMPTY;
    bench_init(&bench, PLENTY);
    struct http_request *request = request_new(&bench, HTTP_PATH_LOGS);
    for (int i = 0; i < 1000; i++)
        text_addf(&body, "%c5", i > 0 ? ',' : '[');
    text_add(&body, "]");
    assert_int_equal(receive_http_body(request, text_bytes(&body)), ERR_OK);
    assert_int_equal(request->n_refused, 1000);
    assert_non_null(strstr(request->errors.p, "\"index\":19,"));
    assert_null(strstr(request->errors.p, "\"index\":20,"));
    request_end(&bench, request);
    text_fini(&body);
    bench_fini(&bench);
}

/* Commas alone would be an item each, ten million of them in 10 KiB of gzip. */
static void
a_list_of_nothing_is_one_item(void **state)
{
    (void)state;
    struct bench bench;
    bench_init(&bench, PLENTY);
    char *commas = mem_zeroed(BODY_MAX);
    memset(commas, ',', BODY_MAX);
    commas[0] = '[';
    commas[BODY_MAX - 1] = ']';
    struct http_request *request = request_new(&bench, HTTP_PATH_SEGMENTS);
    assert_int_equal(receive_http_body(request, bytes_of(commas, BODY_MAX)), ERR_OK);
    assert_int_equal(request->status, 400);
    assert_int_equal(request->n_refused, 1);
    assert_int_equal(request->n_unsettled, 1);
    request_end(&bench, request);
    assert_int_equal(n_findings(&bench.worker, RULE_proto_undecodable), 1);
    mem_free(commas);
    bench_fini(&bench);
}

static int
forget_payload(void **state)
{
    (void)state;
    text_fini(&last_payload);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bad_element_costs_only_itself),
        cmocka_unit_test(a_document_without_an_end_is_one_item),
        cmocka_unit_test(a_list_goes_on_where_there_was_no_room),
        cmocka_unit_test(a_log_gets_a_time_and_needs_a_service),
        cmocka_unit_test(an_event_without_a_layer_is_refused),
        cmocka_unit_test(invalid_utf8_is_judged_as_over_grpc),
        cmocka_unit_test(one_protobuf_message_is_taken_as_it_is),
        cmocka_unit_test(packed_bodies_are_unpacked_within_the_bound),
        cmocka_unit_test(an_element_over_the_message_limit_is_set_aside),
        cmocka_unit_test(the_answer_names_so_many_errors_and_no_more),
        cmocka_unit_test(a_list_of_nothing_is_one_item),
    };
    return cmocka_run_group_tests(tests, NULL, forget_payload);
}
