/* The self-test of an installation: sends one segment and follows it by the replicas' metrics. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/selftest.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/method.h"
#include "command/loadgen_segment.h"
#include "command/progress.h"
#include "net/http1.h"
#include "net/net.h"

enum { MOST_REPLICAS = 64, CALL_MS = 2000, STEP_MS = 100, HOST_BYTES = 256 };
static const char service[] = "spangate-selftest";

/* What one replica says of segments. */
struct counts {
    uint64_t accepted, forwarded, held;
    bool has_backend;
};

struct replica {
    char address[NET_ADDRESS_TEXT];
    struct counts before;
    bool took;     /* accepted more than before */
    uint64_t goal; /* of forwarded, once it took */
};

struct selftest {
    const struct command_input *in;
    struct replica replicas[MOST_REPLICAS];
    uint32_t n;
};

/* The sum over all lines of this family that hold the label. */
static uint64_t
sum_of(const char *text, const char *family, const char *label)
{
    double sum = 0;
    size_t n = strlen(family);
    for (const char *line = text; line != NULL && *line != '\0';) {
        const char *end = strchr(line, '\n');
        const char *value = end != NULL ? memrchr(line, ' ', (size_t)(end - line)) : NULL;
        const char *found = value != NULL ? strstr(line, label) : NULL;
        if (value != NULL && strncmp(line, family, n) == 0 && (line[n] == '{' || line[n] == ' ') &&
            found != NULL && found < value)
            sum += strtod(value, NULL);
        line = end != NULL ? end + 1 : NULL;
    }
    return (uint64_t)sum;
}

static bool
ask(const struct replica *replica, struct counts *out)
{
    static const char tracing[] = "signal=\"tracing\"";
    struct text body = TEXT_EMPTY;
    int status = 0;
    enum err err = http1_get(replica->address, "/metrics", CALL_MS, &status, &body);
    bool fine = err == ERR_OK && status == 200 && body.n > 0;
    if (fine)
        *out = (struct counts){
            .accepted = sum_of(body.p, "spangate_items_accepted_total", tracing),
            .forwarded = sum_of(body.p, "spangate_items_forwarded_total", tracing),
            .held = sum_of(body.p, "spangate_items_queued", tracing) +
                    sum_of(body.p, "spangate_items_inflight", tracing),
            .has_backend = sum_of(body.p, "spangate_backend_up", "") > 0,
        };
    text_fini(&body);
    return fine;
}

/* Every address of the name. */
static int
find_replicas(struct selftest *selftest)
{
    const char *given = command_value(selftest->in, "telemetry");
    const char *telemetry = given != NULL ? given : "127.0.0.1:1234";
    char host[HOST_BYTES], port_text[8];
    uint16_t port;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    if (!net_split_host_port(telemetry, host, sizeof(host), &port))
        return command_usage(selftest->in, "--telemetry \"%.64s\" is no HOST:PORT", telemetry);
    snprintf(port_text, sizeof(port_text), "%u", port);
    int failed = getaddrinfo(host, port_text, &hints, &list);
    if (failed != 0) {
        command_tell(selftest->in, "--telemetry %s: %s", telemetry, gai_strerror(failed));
        return COMMAND_UNAVAILABLE;
    }
    for (struct addrinfo *at = list; at != NULL && selftest->n < MOST_REPLICAS; at = at->ai_next) {
        struct net_address address = {.length = at->ai_addrlen};
        struct replica *replica = &selftest->replicas[selftest->n];
        memcpy(&address.storage, at->ai_addr, at->ai_addrlen);
        net_address_text(&address, replica->address);
        selftest->n += ask(replica, &replica->before);
    }
    freeaddrinfo(list);
    if (selftest->n > 0)
        return COMMAND_OK;
    command_tell(selftest->in, "no replica answers on %s", telemetry);
    return COMMAND_UNAVAILABLE;
}

static int
send_segment(struct selftest *selftest, const struct caller_settings *settings)
{
    struct caller *caller;
    struct caller_answer answer = {.is_taken = false};
    struct text segment = TEXT_EMPTY, instance = TEXT_EMPTY;
    int result = caller_open(selftest->in, settings, &caller);
    if (result != COMMAND_OK)
        return result;
    text_addf(&instance, "selftest-%llx", (unsigned long long)clock_unix_ms());
    struct loadgen_shape shape = {
        .language = LOADGEN_GO,
        .service = service,
        .instance = instance.p,
        .n_spans = 2,
        .number = (uint64_t)clock_unix_ms(),
        .now_ms = clock_unix_ms(),
        .damage = RULE_COUNT,
    };
    loadgen_segment_build(&segment, &shape);
    result = caller_call(caller, method_row(METHOD_SEGMENT_COLLECT)->path, text_bytes(&segment),
                         &answer);
    if (result == COMMAND_OK && !answer.is_taken) {
        command_tell(selftest->in, "%s refuses the segment: %s", settings->address, answer.why);
        result = COMMAND_FOUND;
    }
    caller_close(&caller);
    text_fini(&segment);
    text_fini(&instance);
    return result;
}

/* True: one that took something has passed it on, and so has each other that did. */
static bool
look(struct selftest *selftest, bool *is_taken, bool *has_backend)
{
    uint32_t n_took = 0, n_done = 0;
    *has_backend = true;
    for (uint32_t i = 0; i < selftest->n; i++) {
        struct replica *replica = &selftest->replicas[i];
        struct counts now;
        if (!ask(replica, &now))
            continue;
        if (!replica->took && now.accepted > replica->before.accepted) {
            replica->took = true;
            replica->goal = now.forwarded + now.held;
        }
        n_took += replica->took;
        n_done += replica->took && now.forwarded >= replica->goal &&
                  now.forwarded > replica->before.forwarded;
        *has_backend = *has_backend && (now.has_backend || !replica->took);
    }
    *is_taken = n_took > 0;
    return n_took > 0 && n_done == n_took;
}

static int
follow(struct selftest *selftest, uint64_t wait_ms)
{
    struct timespec step = {0, STEP_MS * 1000000L};
    uint64_t start_us = clock_fresh_us(), end_us = start_us + wait_ms * 1000;
    bool is_taken = false, has_backend = true;
    struct text out = TEXT_EMPTY;
    while (!look(selftest, &is_taken, &has_backend)) {
        if (clock_fresh_us() > end_us) {
            command_tell(selftest->in, "after %.1f s: %s", (double)wait_ms / 1000,
                         !is_taken      ? "answered OK, but no replica counts it; does --telemetry "
                                          "name the same installation?"
                         : !has_backend ? "taken and kept, but no backend answers: see "
                                          "upstream.addresses and the log"
                                        : "taken and kept, but not passed on yet: the backlog is "
                                          "long, or the backend slow");
            return COMMAND_FOUND;
        }
        progress_tell(selftest->in, "waiting for the segment to be passed on, %.0f of %.0f s",
                      (double)(clock_fresh_us() - start_us) / 1e6, (double)wait_ms / 1000);
        nanosleep(&step, NULL);
    }
    for (uint32_t i = 0; i < selftest->n; i++)
        if (selftest->replicas[i].took)
            text_addf(&out, "passed on by %s after %.1f s\n", selftest->replicas[i].address,
                      (double)(clock_fresh_us() - start_us) / 1e6);
    return command_write(&out);
}

int
selftest_run(const struct command_input *in, const struct caller_settings *settings,
             uint64_t wait_ms)
{
    struct selftest selftest = {.in = in};
    int result = find_replicas(&selftest);
    if (result == COMMAND_OK)
        result = send_segment(&selftest, settings);
    if (result != COMMAND_OK)
        return result;
    struct text out = TEXT_EMPTY;
    text_addf(&out, "taken by %s, %u replica%s\n", settings->address, selftest.n,
              selftest.n == 1 ? "" : "s");
    result = command_write(&out);
    return result == COMMAND_OK ? follow(&selftest, wait_ms) : result;
}
