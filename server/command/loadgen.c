/* The load generator's thread. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/loadgen.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/queue.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/method.h"
#include "command/loadgen_segment.h"
#include "grpc/grpc.h"
#include "grpc/grpc_channel.h"
#include "message/message.h"
#include "net/loop.h"

enum {
    LOADGEN_MAGIC = 0x10ad6e11,
    FLAT_OUT_CALLS = 8,
    TICK_US = 5000,
    LAST_ANSWERS_US = 10000000,
    CALL_TIMEOUT_US = 30000000,
    SUB_BUCKETS = 16,
    N_LATENCY = 40 * SUB_BUCKETS,
};

static const char *const services[LOADGEN_COUNT] = {"checkout-go", "pay-java", "cart-python",
                                                    "web-node"};
static const char *const language_names[LOADGEN_COUNT] = {"go", "java", "python", "NodeJS"};

struct call {
    struct loadgen *loadgen;
    STAILQ_ENTRY(call) link; /* among the refused */
    enum method method;
    bool is_again; /* sent for the second time */
    struct text data;
    struct bytes slice;
    uint64_t due_us;
    uint32_t n_segments; /* 0: properties or keep-alive */
    uint32_t n_damaged;
    enum rule damaged[];
};

struct loadgen {
    uint32_t magic;
    struct loadgen_settings settings;
    pthread_t thread;
    struct loop *loop;
    struct loop_alarm *alarm;
    struct grpc_channel **channels;
    struct net_address target;
    uint64_t start_us, end_us;
    bool made_all, is_closing;
    uint64_t n_made;   /* segments put into calls */
    uint32_t n_chores; /* properties and keep-alives sent: two per instance */
    uint32_t n_calls;  /* in flight or refused */
    STAILQ_HEAD(, call) refused;
    uint32_t next_channel;
    uint64_t random;
    struct text segment; /* scratch */
    uint64_t latency[N_LATENCY];
    _Atomic bool cancelled, over;
    struct loadgen_result result;
};

void
loadgen_settings_default(struct loadgen_settings *settings)
{
    *settings = (struct loadgen_settings){
        .rate = 1000,
        .connections = 4,
        .instances = 8,
        .spans_min = 1,
        .spans_max = 8,
        .per_call = 10,
        .duration_us = 10000000,
        .seed = 1,
    };
}

static uint64_t
next_random(struct loadgen *loadgen)
{
    loadgen->random ^= loadgen->random << 13;
    loadgen->random ^= loadgen->random >> 7;
    loadgen->random ^= loadgen->random << 17;
    return loadgen->random;
}

/* Sixteen steps per power of two: 6 % wide. */
static uint32_t
latency_bucket(uint64_t us)
{
    if (us < SUB_BUCKETS)
        return (uint32_t)us;
    uint32_t shift = 63 - (uint32_t)__builtin_clzll(us) - 4;
    uint32_t bucket = (shift + 1) * SUB_BUCKETS + (uint32_t)((us >> shift) & (SUB_BUCKETS - 1));
    return bucket < N_LATENCY ? bucket : N_LATENCY - 1;
}

static uint64_t
bucket_upper_us(uint32_t bucket)
{
    if (bucket < SUB_BUCKETS)
        return bucket;
    uint32_t shift = bucket / SUB_BUCKETS - 1;
    return ((uint64_t)(SUB_BUCKETS + bucket % SUB_BUCKETS) + 1) << shift;
}

static uint64_t
percentile_us(const struct loadgen *loadgen, double share)
{
    uint64_t total = 0, seen = 0;
    for (uint32_t i = 0; i < N_LATENCY; i++)
        total += loadgen->latency[i];
    for (uint32_t i = 0; i < N_LATENCY; i++) {
        seen += loadgen->latency[i];
        if (total > 0 && (double)seen >= share * (double)total) {
            uint64_t upper_us = bucket_upper_us(i), max_us = loadgen->result.max_us;
            return upper_us < max_us ? upper_us : max_us; /* a bucket is wider than what is in it */
        }
    }
    return 0;
}

static void
note_success(struct loadgen *loadgen, const struct call *call)
{
    if (call->n_segments == 0) {
        loadgen->result.n_other++;
        return;
    }
    uint64_t us = clock_mono_us() - call->due_us;
    loadgen->latency[latency_bucket(us)]++;
    if (us > loadgen->result.max_us)
        loadgen->result.max_us = us;
    loadgen->result.n_acknowledged += call->n_segments;
    for (uint32_t i = 0; i < call->n_damaged; i++)
        loadgen->result.injected[call->damaged[i]]++;
}

static void
end_call(struct call *call)
{
    text_fini(&call->data);
    mem_free(call);
}

static void
on_done(void *ctx, const struct grpc_answer *answer)
{
    struct call *call = ctx;
    struct loadgen *loadgen = call->loadgen;
    CHECK_OBJ(loadgen, LOADGEN_MAGIC);
    /* As gRPC's libraries: what nobody has begun to work on goes out once more. */
    if (answer->err == ERR_STREAM_REFUSED && !call->is_again && !loadgen->is_closing) {
        STAILQ_INSERT_TAIL(&loadgen->refused, call, link);
        return;
    }
    loadgen->n_calls--;
    if (answer->err == ERR_OK && answer->status == GRPC_OK) {
        note_success(loadgen, call);
    } else {
        loadgen->result.n_failed += call->n_segments;
        snprintf(loadgen->result.last_error, sizeof(loadgen->result.last_error), "%s (%s) %.*s",
                 err_words(answer->err), err_status_name(answer->status), BYTES_ARG(answer->text));
    }
    end_call(call);
}

static void
add_message(struct call *call, struct bytes message)
{
    uint8_t prefix[GRPC_PREFIX_BYTES];
    grpc_put_prefix(prefix, (uint32_t)message.n);
    text_add_bytes(&call->data, bytes_of(prefix, sizeof(prefix)));
    text_add_bytes(&call->data, message);
}

/* The next channel that takes a call, round robin; NULL when none does. */
static struct grpc_channel *
find_channel(struct loadgen *loadgen)
{
    for (uint32_t i = 0; i < loadgen->settings.connections; i++) {
        struct grpc_channel *channel =
            loadgen->channels[loadgen->next_channel++ % loadgen->settings.connections];
        bool busy = loadgen->settings.rate == 0 && grpc_channel_n_calls(channel) >= FLAT_OUT_CALLS;
        if (!busy && grpc_channel_has_room(channel))
            return channel;
    }
    return NULL;
}

static void
send_call(struct grpc_channel *channel, struct call *call)
{
    call->slice = text_bytes(&call->data);
    struct grpc_request_settings request = {
        .path = method_row(call->method)->path,
        .slices = &call->slice,
        .n_slices = 1,
        .timeout_us = CALL_TIMEOUT_US,
        .ctx = call,
        .on_done = on_done,
    };
    grpc_channel_start(channel, &request);
}

static void
start_call(struct loadgen *loadgen, struct grpc_channel *channel, struct call *call,
           enum method method)
{
    call->method = method;
    loadgen->n_calls++;
    send_call(channel, call);
}

static void
send_refused(struct loadgen *loadgen)
{
    struct call *call;
    struct grpc_channel *channel;
    while ((call = STAILQ_FIRST(&loadgen->refused)) != NULL &&
           (channel = find_channel(loadgen)) != NULL) {
        STAILQ_REMOVE_HEAD(&loadgen->refused, link);
        call->is_again = true;
        send_call(channel, call);
    }
}

static enum rule
pick_damage(struct loadgen *loadgen)
{
    double dice = (double)(next_random(loadgen) >> 11) / (double)(UINT64_C(1) << 53);
    for (enum rule rule = 0; rule < RULE_COUNT; rule++) {
        if (dice < loadgen->settings.corrupt[rule])
            return rule;
        dice -= loadgen->settings.corrupt[rule];
    }
    return RULE_COUNT;
}

static void
name_instance(uint32_t index, char *out, size_t size)
{
    snprintf(out, size, "%08x%024x@127.0.0.%u", index * 2654435761u, index, index % 250 + 1);
}

static void
add_segment(struct loadgen *loadgen, struct call *call)
{
    const struct loadgen_settings *settings = &loadgen->settings;
    uint32_t index = (uint32_t)(next_random(loadgen) % settings->instances);
    char instance[80];
    name_instance(index, instance, sizeof(instance));
    struct loadgen_shape shape = {
        .language = index % LOADGEN_COUNT,
        .service = services[index % LOADGEN_COUNT],
        .instance = instance,
        .n_spans =
            settings->spans_min +
            (uint32_t)(next_random(loadgen) % (settings->spans_max - settings->spans_min + 1)),
        .number = loadgen->settings.seed * UINT64_C(1000000007) + loadgen->n_made++,
        .now_ms = clock_unix_ms(),
        .damage = pick_damage(loadgen),
    };
    loadgen_segment_build(&loadgen->segment, &shape);
    add_message(call, text_bytes(&loadgen->segment));
    if (shape.damage != RULE_COUNT)
        call->damaged[call->n_damaged++] = shape.damage;
}

static void
put_string(struct text *out, uint32_t field, struct bytes value)
{
    uint8_t head[2 * WIRE_VARINT_MAX];
    text_add_bytes(out, bytes_of(head, wire_put_length(head, field, value.n)));
    text_add_bytes(out, value);
}

/* Every instance says once who it is and that it lives, as agents do at their start. */
static void
start_chore(struct loadgen *loadgen, struct grpc_channel *channel)
{
    uint32_t index = loadgen->n_chores / 2, language = index % LOADGEN_COUNT;
    bool properties = loadgen->n_chores++ % 2 == 0;
    struct call *call = mem_new(struct call);
    struct text message = TEXT_EMPTY, property = TEXT_EMPTY;
    char instance[80];
    name_instance(index, instance, sizeof(instance));
    put_string(&message, 1, bytes_str(services[language]));
    put_string(&message, 2, bytes_str(instance));
    if (properties) {
        put_string(&property, 1, BYTES("language"));
        put_string(&property, 2, bytes_str(language_names[language]));
        put_string(&message, 3, text_bytes(&property));
    }
    call->loadgen = loadgen;
    add_message(call, text_bytes(&message));
    start_call(loadgen, channel, call, properties ? METHOD_INSTANCE_PROPERTIES : METHOD_KEEP_ALIVE);
    text_fini(&message);
    text_fini(&property);
}

static void
start_segments(struct loadgen *loadgen, struct grpc_channel *channel, uint64_t due_us)
{
    uint32_t n = loadgen->settings.per_call;
    struct call *call = mem_zeroed(sizeof(*call) + n * sizeof(call->damaged[0]));
    call->loadgen = loadgen;
    call->due_us = due_us;
    call->n_segments = n;
    for (uint32_t i = 0; i < n; i++)
        add_segment(loadgen, call);
    loadgen->result.n_sent += n;
    start_call(loadgen, channel, call, METHOD_SEGMENT_COLLECT);
}

/* When the next call is due; flat out: now. */
static uint64_t
next_due_us(const struct loadgen *loadgen, uint64_t now_us)
{
    if (loadgen->settings.rate == 0)
        return now_us;
    return loadgen->start_us + loadgen->n_made * 1000000 / loadgen->settings.rate;
}

static void
finish(struct loadgen *loadgen, uint64_t now_us)
{
    if (loadgen->settings.rate > 0 && loadgen->start_us > 0 && now_us > loadgen->start_us) {
        uint64_t until_us = now_us < loadgen->end_us ? now_us : loadgen->end_us;
        uint64_t due = (until_us - loadgen->start_us) * loadgen->settings.rate / 1000000;
        if (due > loadgen->n_made + loadgen->settings.per_call)
            loadgen->result.n_unsent = due - loadgen->n_made;
    }
    loadgen->result.elapsed_us = now_us - loadgen->start_us;
    loop_stop(loadgen->loop);
}

static void
make_calls(struct loadgen *loadgen, uint64_t now_us)
{
    struct grpc_channel *channel;
    while (loadgen->n_chores < 2 * loadgen->settings.instances &&
           (channel = find_channel(loadgen)) != NULL)
        start_chore(loadgen, channel);
    uint64_t due_us;
    uint32_t n = 0;
    while ((due_us = next_due_us(loadgen, now_us)) <= now_us && due_us < loadgen->end_us &&
           n++ < 1000 && (channel = find_channel(loadgen)) != NULL)
        start_segments(loadgen, channel, due_us);
}

static void
on_alarm(void *ctx)
{
    struct loadgen *loadgen = ctx;
    CHECK_OBJ(loadgen, LOADGEN_MAGIC);
    uint64_t now_us = clock_mono_us();
    if (now_us < loadgen->end_us && atomic_load(&loadgen->cancelled))
        loadgen->end_us = now_us;
    /* One round after the end, too: what fell due since the round before. */
    bool is_past = now_us >= loadgen->end_us;
    send_refused(loadgen);
    if (!loadgen->made_all)
        make_calls(loadgen, now_us);
    loadgen->made_all = is_past;
    if (is_past && (loadgen->n_calls == 0 || now_us > loadgen->end_us + LAST_ANSWERS_US)) {
        finish(loadgen, now_us);
        return;
    }
    loop_alarm_at(loadgen->alarm, now_us + (loadgen->settings.rate == 0 ? 1000 : TICK_US));
}

static void
open_channels(struct loadgen *loadgen)
{
    struct grpc_channel_settings channel = {
        .address = loadgen->target,
        .authority = loadgen->settings.address,
        .auth_token = "",
        .connect_timeout_us = 3000000,
        .backoff_initial_us = 100000,
        .backoff_max_us = 1000000,
    };
    loadgen->channels = mem_new_n(struct grpc_channel *, loadgen->settings.connections);
    for (uint32_t i = 0; i < loadgen->settings.connections; i++)
        loadgen->channels[i] = grpc_channel_new(loadgen->loop, &channel);
}

/* By the thread that opened them. */
static void
close_channels(struct loadgen *loadgen)
{
    struct call *call;
    loadgen->is_closing = true;
    while ((call = STAILQ_FIRST(&loadgen->refused)) != NULL) {
        STAILQ_REMOVE_HEAD(&loadgen->refused, link);
        loadgen->result.n_failed += call->n_segments;
        end_call(call);
    }
    for (uint32_t i = 0; i < loadgen->settings.connections; i++)
        grpc_channel_free(&loadgen->channels[i]);
    mem_free(loadgen->channels);
    loop_run_once(loadgen->loop, 0); /* what was freed late */
}

static void *
run(void *ctx)
{
    struct loadgen *loadgen = ctx;
    log_set_thread("load");
    clock_refresh();
    open_channels(loadgen);
    loadgen->start_us = clock_mono_us();
    loadgen->end_us = loadgen->start_us + loadgen->settings.duration_us;
    loop_alarm_at(loadgen->alarm, loadgen->start_us);
    loop_run(loadgen->loop);
    close_channels(loadgen);
    atomic_store(&loadgen->over, true);
    return NULL;
}

enum err
loadgen_start(const struct loadgen_settings *settings, struct loadgen **out)
{
    struct net_address address;
    enum err err = net_address_parse(settings->address, &address);
    if (err != ERR_OK)
        return err;
    struct loadgen *loadgen = mem_new(struct loadgen);
    loadgen->magic = LOADGEN_MAGIC;
    loadgen->settings = *settings;
    STAILQ_INIT(&loadgen->refused);
    loadgen->random = settings->seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    loadgen->loop = loop_new();
    loadgen->alarm = loop_alarm_new(loadgen->loop, on_alarm, loadgen);
    loadgen->target = address;
    check(pthread_create(&loadgen->thread, NULL, run, loadgen) == 0);
    *out = loadgen;
    return ERR_OK;
}

void
loadgen_cancel(struct loadgen *loadgen)
{
    atomic_store(&loadgen->cancelled, true);
}

bool
loadgen_is_over(struct loadgen *loadgen)
{
    return atomic_load(&loadgen->over);
}

void
loadgen_finish(struct loadgen **out, struct loadgen_result *result)
{
    struct loadgen *loadgen = *out;
    check(pthread_join(loadgen->thread, NULL) == 0);
    loop_alarm_free(&loadgen->alarm);
    loop_free(&loadgen->loop);
    text_fini(&loadgen->segment);
    *result = loadgen->result;
    result->p50_us = percentile_us(loadgen, 0.50);
    result->p90_us = percentile_us(loadgen, 0.90);
    result->p99_us = percentile_us(loadgen, 0.99);
    mem_free(loadgen);
    *out = NULL;
}
