/* Who may report: tokens, and those who show none. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "receive/fake_call.h"
#include "receive/receive_int.h"

#define DATA "/skywalking.v3.TraceSegmentReportService/collect"
#define KEEP_ALIVE "/skywalking.v3.ManagementService/keepAlive"
#define CONFIGURATIONS "/skywalking.v3.ConfigurationDiscoveryService/fetchConfigurations"
#define PPROF "/skywalking.v10.PprofTask/getPprofTaskCommands"
#define HEALTH "/grpc.health.v1.Health/Check"

static const char *const tokens[] = {"one", "two"};

/* No message is sent: neither store nor engine is needed. */
struct gate {
    struct metrics *metrics;
    struct receive *receive;
    struct grpc_service service;
};

static struct gate
open_gate(uint32_t n_tokens, bool exempts)
{
    struct gate gate = {.metrics = metrics_new()};
    struct receive_parts parts = {.metrics = gate.metrics, .auth = {tokens, n_tokens, exempts}};
    gate.receive = receive_new(&parts);
    receive_service(gate.receive, &gate.service);
    return gate;
}

static void
close_gate(struct gate *gate)
{
    assert_int_equal(receive_n_calls(gate->receive), 0);
    receive_free(&gate->receive);
    metrics_free(&gate->metrics);
}

/* One call after the other on a connection that was thought of so far as trust says. */
static bool
passes(struct gate *gate, const char *path, const char *token, enum grpc_trust *trust)
{
    struct grpc_call *call = fake_call_new(gate->receive);
    struct grpc_route route;
    call->token = token;
    call->trust = *trust;
    gate->service.on_call(gate->service.ctx, call, bytes_str(path), &route);
    *trust = call->trust;
    bool is_in = route.refuse != GRPC_PERMISSION_DENIED;
    if (route.handler != NULL) {
        call->user = route.user;
        route.handler->on_gone(call, false);
    }
    grpc_call_unref(&call);
    return is_in;
}

static bool
passes_alone(struct gate *gate, const char *path, const char *token)
{
    enum grpc_trust trust = GRPC_STRANGER;
    return passes(gate, path, token, &trust);
}

static uint64_t
n_refused(const struct gate *gate)
{
    return metric_get(gate->metrics, METRIC_CONNECTIONS_REFUSED, REFUSED_AUTH);
}

static void
any_of_the_tokens_passes(void **state)
{
    struct gate gate = open_gate(2, true);
    (void)state;
    assert_true(passes_alone(&gate, DATA, "one"));
    assert_true(passes_alone(&gate, DATA, "two"));
    assert_int_equal(n_refused(&gate), 0);
    assert_false(passes_alone(&gate, DATA, "three"));
    assert_false(passes_alone(&gate, DATA, NULL));
    assert_false(passes_alone(&gate, DATA, ""));
    assert_false(passes_alone(&gate, KEEP_ALIVE, NULL));
    assert_false(passes_alone(&gate, "/unknown.Service/Call", NULL));
    assert_int_equal(n_refused(&gate), 5);
    close_gate(&gate);
}

static void
without_tokens_everybody_passes(void **state)
{
    struct gate gate = open_gate(0, true);
    (void)state;
    assert_true(passes_alone(&gate, DATA, NULL));
    assert_true(passes_alone(&gate, DATA, "whatever"));
    close_gate(&gate);
}

static void
a_go_agent_asks_without_a_token(void **state)
{
    struct gate gate = open_gate(2, true);
    enum grpc_trust trust = GRPC_STRANGER;
    (void)state;
    /* Before anything else, and empty as absent. */
    assert_true(passes(&gate, CONFIGURATIONS, NULL, &trust));
    assert_true(passes(&gate, PPROF, "", &trust));
    assert_int_equal(trust, GRPC_STRANGER);
    /* But not with a wrong one. */
    assert_false(passes(&gate, CONFIGURATIONS, "three", &trust));
    close_gate(&gate);
}

static void
without_the_exemption_the_connection_must_have_shown_one(void **state)
{
    struct gate gate = open_gate(2, false);
    enum grpc_trust trust = GRPC_STRANGER;
    (void)state;
    assert_false(passes(&gate, CONFIGURATIONS, NULL, &trust));
    assert_int_equal(trust, GRPC_DENIED);
    assert_false(passes(&gate, CONFIGURATIONS, NULL, &trust));
    assert_int_equal(n_refused(&gate), 1); /* connections, not calls */
    assert_true(passes(&gate, DATA, "one", &trust));
    assert_int_equal(trust, GRPC_TRUSTED);
    assert_true(passes(&gate, CONFIGURATIONS, NULL, &trust));
    assert_true(passes(&gate, KEEP_ALIVE, "", &trust));
    assert_false(passes(&gate, KEEP_ALIVE, "three", &trust));
    assert_int_equal(n_refused(&gate), 1);
    close_gate(&gate);
}

static void
probes_need_none(void **state)
{
    struct gate gate = open_gate(2, false);
    (void)state;
    assert_true(passes_alone(&gate, HEALTH, NULL));
    close_gate(&gate);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_of_the_tokens_passes),
        cmocka_unit_test(without_tokens_everybody_passes),
        cmocka_unit_test(a_go_agent_asks_without_a_token),
        cmocka_unit_test(without_the_exemption_the_connection_must_have_shown_one),
        cmocka_unit_test(probes_need_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
