/* What looking at a segment costs: the walker, its strings alone, and protobuf-c beside it. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Prints ns per message, of this one thread's CPU, for two made-up 3-span segments and each file of
 * captured segments named on the command line. "strings" is the UTF-8 check of base/utf8.h over
 * every string the walker saw, called one by one: what the check would cost as a second pass.
 * "judge" is the walker and all rules. "protobuf-c" unpacks and frees in an arena of its own. */
#include <protobuf-c/protobuf-c.h>
#include <stdio.h>
#include <time.h>

#include "base/utf8.h"
#include "integrity/agent_shape.h"
#include "integrity/integrity.h"
#include "message/segment.h"
#include "trace.pb-c.h"

#include "message/corpus.h"
#include "message/wire_builder.h"

enum { ROUNDS = 200000, MESSAGES_MAX = 4096 };

static double
cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* A bump allocator that forgets all between messages, as an arena would. */
struct bump {
    size_t used;
    uint8_t data[1 << 20];
};

static void *
bump_alloc(void *ctx, size_t n)
{
    struct bump *bump = ctx;
    check(bump->used + n + 16 <= sizeof(bump->data));
    void *p = bump->data + bump->used;
    bump->used += (n + 15) & ~(size_t)15;
    return p;
}

static void
bump_free(void *ctx, void *p)
{
    (void)ctx;
    (void)p;
}

static struct bump bump;

static size_t
check_strings(const struct segment_view *view)
{
    size_t good = utf8_is_valid(view->trace_id) + utf8_is_valid(view->segment_id) +
                  utf8_is_valid(view->service) + utf8_is_valid(view->instance);
    for (uint32_t i = 0; i < view->n_spans; i++)
        good += utf8_is_valid(view->spans[i].operation) + utf8_is_valid(view->spans[i].peer);
    for (uint32_t i = 0; i < view->n_tags; i++)
        good += utf8_is_valid(view->tags[i].key) + utf8_is_valid(view->tags[i].value);
    for (uint32_t i = 0; i < view->n_refs; i++) {
        const struct ref_view *ref = &view->refs[i];
        good += utf8_is_valid(ref->trace_id) + utf8_is_valid(ref->parent_segment_id) +
                utf8_is_valid(ref->parent_service) + utf8_is_valid(ref->parent_instance) +
                utf8_is_valid(ref->parent_endpoint) + utf8_is_valid(ref->address);
    }
    return good;
}

static double
time_walker(const struct bytes *messages, size_t n, struct segment_view *view)
{
    const struct segment_limits limits = {100000, 1000000};
    size_t rounds = ROUNDS / n + 1, failed = 0;
    double start = cpu_ns();
    for (size_t r = 0; r < rounds; r++)
        for (size_t i = 0; i < n; i++)
            failed += segment_decode(view, messages[i], &limits) != ERR_OK;
    double ns = (cpu_ns() - start) / (double)(rounds * n);
    if (failed > 0)
        printf("  (%zu not decodable)", failed / rounds);
    return ns;
}

static double
time_strings(const struct bytes *messages, size_t n, struct segment_view *view)
{
    const struct segment_limits limits = {100000, 1000000};
    size_t rounds = ROUNDS / n + 1, good = 0;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (segment_decode(view, messages[i], &limits) != ERR_OK)
            continue;
        double start = cpu_ns();
        for (size_t r = 0; r < rounds; r++)
            good += check_strings(view);
        sum += (cpu_ns() - start) / (double)(rounds * n);
    }
    check(good > 0);
    return sum;
}

/* Walker and rules, as if the agent were identified by the id's shape. */
static double
time_judge(const struct bytes *messages, size_t n)
{
    struct integrity_settings settings;
    struct judgement judgement;
    integrity_settings_default(&settings);
    struct integrity *engine = integrity_new(&settings, NULL);
    size_t rounds = ROUNDS / n + 1, n_sick = 0;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        integrity_judge_segment(engine, messages[i], 0, AGENT_UNKNOWN, &judgement);
        if (judgement.segment == NULL)
            continue;
        enum agent agent = agent_shape(judgement.segment->segment_id);
        double start = cpu_ns();
        for (size_t r = 0; r < rounds; r++) {
            integrity_judge_segment(engine, messages[i], 0, agent, &judgement);
            n_sick += judgement.verdict > VERDICT_OBSERVED;
        }
        sum += (cpu_ns() - start) / (double)(rounds * n);
    }
    if (n_sick > 0)
        printf("  (%zu with an action)", n_sick / rounds);
    integrity_free(&engine);
    return sum;
}

static double
time_unpack(const struct bytes *messages, size_t n)
{
    ProtobufCAllocator allocator = {bump_alloc, bump_free, &bump};
    size_t rounds = ROUNDS / n / 4 + 1;
    double start = cpu_ns();
    for (size_t r = 0; r < rounds; r++)
        for (size_t i = 0; i < n; i++) {
            bump.used = 0;
            skywalking__v3__segment_object__unpack(&allocator, messages[i].n, messages[i].p);
        }
    return (cpu_ns() - start) / (double)(rounds * n);
}

static void
report(const char *name, const struct bytes *messages, size_t n)
{
    struct segment_view view;
    segment_view_init(&view);
    size_t n_bytes = 0;
    for (size_t i = 0; i < n; i++)
        n_bytes += messages[i].n;
    double walker = time_walker(messages, n, &view);
    double judge = time_judge(messages, n);
    double strings = time_strings(messages, n, &view);
    double unpack = time_unpack(messages, n);
    printf("%-34s %6.0f bytes  walker %5.0f ns  judge %5.0f ns  strings %4.0f ns  protobuf-c %5.0f "
           "ns  %.1fx\n",
           name, (double)n_bytes / (double)n, walker, judge, strings, unpack, unpack / walker);
    segment_view_fini(&view);
}

static void
put_span(struct builder *segment, int id, bool is_big)
{
    struct builder span = {NULL, 0, 0};
    if (id > 0)
        put_varint(&span, 1, (uint64_t)id);
    if (id != 1)
        put_varint(&span, 2, (uint64_t)(int64_t)(id - 1));
    put_varint(&span, 3, 1724000000123);
    put_varint(&span, 4, 1724000000456);
    if (id == 0 && is_big) {
        struct builder ref = {NULL, 0, 0};
        put_text(&ref, 2, "5b1f0c2d9e8a4f6bb7c1d2e3f4a5b6c7.62.17240000001230000");
        put_text(&ref, 3, "5b1f0c2d9e8a4f6bb7c1d2e3f4a5b6c7.61.17240000001220001");
        put_varint(&ref, 4, 1);
        put_text(&ref, 5, "gateway");
        put_text(&ref, 6, "9f8e7d6c5b4a@10.0.0.1");
        put_text(&ref, 7, "/api/orders/{id}");
        put_text(&ref, 8, "orders.shop.svc:8080");
        put_inner(&span, 5, &ref);
    }
    put_text(&span, 6,
             id == 0 ? "GET:/api/orders/{id}" : "Mysql/JDBI/PreparedStatement/executeQuery");
    if (id > 0)
        put_text(&span, 7, "mysql.shop.svc:3306");
    if (id > 0)
        put_varint(&span, 8, 1);
    put_varint(&span, 9, id == 0 ? 3 : 1);
    put_varint(&span, 10, 33);
    static const char *const keys[] = {"url",         "http.method",      "db.type",
                                       "db.instance", "http.status_code", "db.statement"};
    static const char *const values[] = {
        "http://orders.shop.svc:8080/api/orders/42",          "GET", "Mysql", "orders", "200",
        "SELECT id, customer, state FROM orders WHERE id = ?"};
    for (int i = 0; i < (is_big ? 6 : 0); i++)
        put_pair(&span, 12, keys[i], values[i]);
    put_inner(segment, 3, &span);
}

static struct builder
made_up(bool is_big)
{
    struct builder segment = {NULL, 0, 0};
    put_text(&segment, 1, "5b1f0c2d9e8a4f6bb7c1d2e3f4a5b6c7.62.17240000001230000");
    put_text(&segment, 2, "5b1f0c2d9e8a4f6bb7c1d2e3f4a5b6c7.63.17240000001230002");
    for (int id = 2; id >= 0; id--)
        put_span(&segment, id, is_big);
    put_text(&segment, 4, "shop::orders-of-customers|prod|");
    put_text(&segment, 5, "5f0c1d2e3b4a59687766554433221100@10.0.0.2");
    return segment;
}

static void
report_file(const char *path)
{
    static struct bytes messages[MESSAGES_MAX];
    struct bytes file = corpus_read(path), list = file;
    size_t n = 0;
    while (n < MESSAGES_MAX && corpus_next(&list, &messages[n]))
        n++;
    if (n > 0)
        report(path, messages, n);
    mem_free((void *)(uintptr_t)file.p);
}

int
main(int argc, char **argv)
{
    for (int big = 0; big < 2; big++) {
        struct builder segment = made_up(big == 1);
        struct bytes message = builder_bytes(&segment);
        report(big ? "made up, large" : "made up, small", &message, 1);
        builder_fini(&segment);
    }
    for (int i = 1; i < argc; i++)
        report_file(argv[i]);
    return 0;
}
