/* Which calls are relayed, which are refused, which are answered here. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "receive/fake_worker.h"

#include "forward/forward.h"
#include "receive/receive_int.h"

#define CONFIGURATIONS "/skywalking.v3.ConfigurationDiscoveryService/fetchConfigurations"
#define PPROF "/skywalking.v10.PprofTask/collect"
#define SEGMENTS "/skywalking.v3.TraceSegmentReportService/collect"
#define FUTURE "/skywalking.v11.Future/call"
#define ACCESS_LOG "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"

enum how { RELAYED, HANDLED, REFUSED };

struct site {
    struct fake_worker worker;
    struct forward_shared *shared;
    struct forward *forward;
    enum grpc_status refuse;
};

static void
site_init(struct site *site, struct receive_relay relay)
{
    struct forward_settings settings;
    forward_settings_default(&settings);
    worker_init(&site->worker, 1 << 20);
    site->shared = forward_shared_of(&settings);
    site->forward = forward_new(site->worker.loop, site->worker.store, site->shared, NULL,
                                site->worker.metrics);
    site->worker.receive->parts.relay = relay;
    receive_set_forward(site->worker.receive, site->forward);
}

static void
site_fini(struct site *site)
{
    forward_free(&site->forward);
    forward_shared_free(&site->shared);
    worker_fini(&site->worker);
}

static enum how
call(struct site *site, const char *path)
{
    const struct grpc_service *service = &site->worker.service;
    struct grpc_call *one = fake_call_new(site->worker.receive);
    struct grpc_route route;
    enum how how = REFUSED;
    one->path = path;
    one->budget = &site->worker.budget;
    service->on_call(service->ctx, one, bytes_str(path), &route);
    one->user = route.user;
    site->refuse = route.refuse;
    bool is_wanted = service->wants_metadata(service->ctx, bytes_str(path));
    assert_int_equal(is_wanted, route.raw != NULL);
    if (route.raw != NULL) {
        how = RELAYED;
        route.raw->on_gone(one);
    } else if (route.handler != NULL) {
        how = HANDLED;
        route.handler->on_gone(one, false);
    }
    grpc_call_unref(&one);
    return how;
}

static void
test_what_is_relayed(void **state)
{
    (void)state;
    struct site site;
    site_init(&site, (struct receive_relay){true, true});
    assert_int_equal(call(&site, CONFIGURATIONS), RELAYED);
    assert_int_equal(call(&site, PPROF), RELAYED);
    assert_int_equal(call(&site, FUTURE), RELAYED);
    assert_int_equal(call(&site, ACCESS_LOG), RELAYED);
    assert_int_equal(call(&site, "/ProfileTask/reportTaskFinish"), RELAYED);
    assert_int_equal(call(&site, SEGMENTS), HANDLED);
    assert_int_equal(call(&site, "/grpc.health.v1.Health/Check"), HANDLED);
    assert_int_equal(call(&site, "/grpc.health.v1.Health/List"), REFUSED);
    assert_int_equal(call(&site, "/RemoteService/call"), REFUSED);
    assert_int_equal(site.refuse, GRPC_UNIMPLEMENTED);
    site_fini(&site);
}

static void
test_unknown_methods_off(void **state)
{
    (void)state;
    struct site site;
    site_init(&site, (struct receive_relay){true, false});
    assert_int_equal(call(&site, CONFIGURATIONS), RELAYED);
    assert_int_equal(call(&site, FUTURE), REFUSED);
    assert_int_equal(site.refuse, GRPC_UNIMPLEMENTED);
    site_fini(&site);
}

static void
test_relay_off(void **state)
{
    (void)state;
    struct site site;
    site_init(&site, (struct receive_relay){false, true});
    assert_int_equal(call(&site, CONFIGURATIONS), HANDLED);
    assert_int_equal(call(&site, PPROF), REFUSED);
    assert_int_equal(site.refuse, GRPC_INTERNAL);
    assert_int_equal(call(&site, ACCESS_LOG), REFUSED);
    assert_int_equal(site.refuse, GRPC_UNIMPLEMENTED);
    site_fini(&site);
}

static void
test_who_may_not_report_may_not_be_relayed(void **state)
{
    (void)state;
    static const char *const tokens[] = {"one"};
    struct site site;
    site_init(&site, (struct receive_relay){true, true});
    site.worker.receive->parts.auth = (struct receive_auth){tokens, 1, false};
    struct grpc_call *one = fake_call_new(site.worker.receive);
    struct grpc_route route;
    site.worker.service.on_call(site.worker.service.ctx, one, BYTES(FUTURE), &route);
    assert_null(route.raw);
    assert_int_equal(route.refuse, GRPC_PERMISSION_DENIED);
    grpc_call_unref(&one);
    site_fini(&site);
}

static void
test_a_call_through_another_relay(void **state)
{
    (void)state;
    struct site site;
    site_init(&site, (struct receive_relay){true, true});
    struct grpc_call *one = fake_call_new(site.worker.receive);
    struct grpc_route route;
    one->path = FUTURE;
    grpc_metadata_add(&one->metadata, NULL,
                      (struct grpc_field){BYTES("via"), BYTES("2 spangate-0000000000000000")});
    one->budget = &site.worker.budget;
    site.worker.service.on_call(site.worker.service.ctx, one, BYTES(FUTURE), &route);
    assert_non_null(route.raw); /* somebody else's */
    one->user = route.user;
    route.raw->on_gone(one);
    grpc_metadata_fini(&one->metadata, NULL);
    grpc_call_unref(&one);
    site_fini(&site);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_relayed),
        cmocka_unit_test(test_unknown_methods_off),
        cmocka_unit_test(test_relay_off),
        cmocka_unit_test(test_who_may_not_report_may_not_be_relayed),
        cmocka_unit_test(test_a_call_through_another_relay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
