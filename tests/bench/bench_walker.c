/* What looking at a segment costs: the walker, its strings alone, and protobuf-c beside it. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Prints ns per message, of this one thread's CPU, for two made-up 3-span segments and each file of
 * captured segments named on the command line. "strings" is the UTF-8 check of base/utf8.h over
 * every string the walker saw, called one by one: what the check would cost as a second pass.
 * "judge" is the walker and all rules on one message, of one message or of ids that all differ;
 * "memory" is judging and accepting, ids all
 * different, with the rules with memory on, a full table of segment ids and 500 instances.
 * "protobuf-c" unpacks and frees in an arena of its own. The last lines tell the memory that
 * instances, segment ids and a hand-over take. */
#include <protobuf-c/protobuf-c.h>
#include <stdio.h>
#include <time.h>

#include "base/hash.h"
#include "base/utf8.h"
#include "integrity/agent_shape.h"
#include "integrity/integrity.h"
#include "message/message.h"
#include "message/segment.h"
#include "trace.pb-c.h"

#include "message/corpus.h"
#include "message/wire_builder.h"

enum { ROUNDS = 200000, MESSAGES_MAX = 4096, INSTANCES = 500 };

/* A second after the made-up segments began. */
static const int64_t arrival_ms = INT64_C(1724000001000);

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

/* A worker's engine with its share of integrity.window_memory. */
static struct integrity *
new_engine(uint64_t window_bytes) /* 0: no window */
{
    struct integrity_settings settings;
    integrity_settings_default(&settings);
    settings.window_s = window_bytes > 0 ? 300 : 0;
    settings.window_bytes = window_bytes;
    return integrity_new(&settings, NULL);
}

static void
hand_over(struct integrity *engine)
{
    struct sightings *sightings = integrity_take_sightings(engine);
    sightings_free(&sightings);
}

/* A few copies of a segment, so that one is written long before it is judged, as by the network. */
enum { COPIES = 16, AHEAD = 8, ID_DIGITS = 8, INSTANCE_DIGITS = 5 };
struct copies {
    uint8_t *p[COPIES];
    size_t n;
    size_t id_end, instance_end; /* where the numbers go */
    enum agent agent;
};

/* False: this message has no room for numbers. */
static bool
copies_init(struct copies *copies, struct integrity *engine, struct bytes original)
{
    struct judgement judgement;
    integrity_judge_segment(engine, original, 0, AGENT_UNKNOWN, &judgement);
    const struct segment_view *view = judgement.segment;
    if (view == NULL || view->segment_id.n < ID_DIGITS || view->instance.n < INSTANCE_DIGITS)
        return false;
    copies->n = original.n;
    copies->id_end = (size_t)(view->segment_id.p - original.p) + view->segment_id.n;
    copies->instance_end = (size_t)(view->instance.p - original.p) + view->instance.n;
    copies->agent = agent_shape(view->segment_id);
    for (int i = 0; i < COPIES; i++) {
        copies->p[i] = mem_alloc(original.n);
        memcpy(copies->p[i], original.p, original.n);
    }
    return true;
}

static void
copies_fini(struct copies *copies)
{
    for (int i = 0; i < COPIES; i++)
        mem_free(copies->p[i]);
}

static void
put_number(uint8_t *end, uint32_t digits, uint64_t number)
{
    for (uint32_t i = 1; i <= digits; i++, number /= 10)
        end[-(int)i] = (uint8_t)('0' + number % 10);
}

/* The i-th message; number i + AHEAD is written. */
static struct bytes
copies_at(struct copies *copies, uint64_t i, uint32_t n_instances)
{
    uint8_t *next = copies->p[(i + AHEAD) % COPIES];
    put_number(next + copies->id_end, ID_DIGITS, i);
    put_number(next + copies->instance_end, INSTANCE_DIGITS, i % n_instances);
    return bytes_of(copies->p[i % COPIES], copies->n);
}

static double
time_copies(struct copies *copies)
{
    double start = cpu_ns();
    for (uint64_t i = 0; i < ROUNDS; i++) {
        struct bytes message = copies_at(copies, i, INSTANCES);
        __asm__ volatile("" ::"r"(message.p) : "memory");
    }
    return cpu_ns() - start;
}

/* Judging, and with a window accepting too, as a worker does at 100,000 segments a second; 0: not
 * with this message. */
static double
time_memory(struct bytes original, bool has_window)
{
    struct integrity *engine = new_engine(has_window ? 32 << 20 : 0);
    struct integrity_stream streams[INSTANCES];
    struct judgement judgement;
    struct copies copies;
    double start = 0, sum = 0;
    memset(streams, 0, sizeof(streams));
    if (copies_init(&copies, engine, original)) {
        for (uint64_t i = 0; i < 5 * ROUNDS; i++) {
            struct bytes message = copies_at(&copies, i, INSTANCES);
            if (i == 4 * ROUNDS)
                start = cpu_ns();
            integrity_judge_segment(engine, message, arrival_ms + (int64_t)i / 100, copies.agent,
                                    &judgement);
            if (has_window)
                integrity_accept(engine, &streams[i % INSTANCES], MESSAGE_SegmentObject, message,
                                 &judgement);
            if (i % 100000 == 0)
                hand_over(engine);
        }
        sum = cpu_ns() - start - time_copies(&copies);
        copies_fini(&copies);
    }
    integrity_free(&engine);
    return sum / ROUNDS;
}

/* What one worker holds after 65,536 instances sent as many segments as it remembers. */
static void
report_memory(struct bytes original, uint64_t window_bytes)
{
    struct integrity *engine = new_engine(window_bytes);
    struct judgement judgement;
    struct copies copies;
    check(copies_init(&copies, engine, original));
    uint64_t n_most = 0, n_hand_overs = 0;
    for (uint64_t i = 0; i < 2 << 20; i++) {
        struct bytes message = copies_at(&copies, i, 65536);
        integrity_judge_segment(engine, message, arrival_ms, copies.agent, &judgement);
        integrity_accept(engine, NULL, MESSAGE_SegmentObject, message, &judgement);
        uint64_t n_bytes = integrity_state_bytes(engine);
        n_most = n_bytes > n_most ? n_bytes : n_most;
        if (integrity_is_full(engine)) {
            hand_over(engine);
            n_hand_overs++;
        }
    }
    printf("memory of a worker's share of %2.0f MiB, 65536 instances: %4.1f MiB, %llu hand-overs\n",
           (double)window_bytes / 1048576, (double)n_most / 1048576,
           (unsigned long long)n_hand_overs);
    copies_fini(&copies);
    integrity_free(&engine);
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
    double fresh = time_memory(messages[0], false), memory = time_memory(messages[0], true);
    double strings = time_strings(messages, n, &view);
    double unpack = time_unpack(messages, n);
    printf("%-34s %6.0f bytes  walker %5.0f ns  judge %5.0f ns  (ids differ %5.0f ns)  memory "
           "%5.0f ns  strings %4.0f ns  "
           "protobuf-c %5.0f "
           "ns  %.1fx\n",
           name, (double)n_bytes / (double)n, walker, judge, fresh, memory, strings, unpack,
           unpack / walker);
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
    hash_init();
    for (int big = 0; big < 2; big++) {
        struct builder segment = made_up(big == 1);
        struct bytes message = builder_bytes(&segment);
        report(big ? "made up, large" : "made up, small", &message, 1);
        builder_fini(&segment);
    }
    for (int i = 1; i < argc; i++)
        report_file(argv[i]);
    struct builder segment = made_up(false);
    for (uint64_t share = 4; share <= 64; share *= 2)
        report_memory(builder_bytes(&segment), share << 20);
    builder_fini(&segment);
    return 0;
}
