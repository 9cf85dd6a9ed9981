/* Orders over the API: what is asked of the service, and what is answered when. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "admin/admin_control.h"
#include "base/mem.h"
#include "net/http1.h"

#include <pthread.h>
#include <string.h>

enum { WAIT_MS = 10000 };

/* The API in a thread of its own, before a service that does as it is told. */
struct service {
    struct loop *loop;
    struct admin_control control;
    struct admin_routes routes;
    struct admin_api *api;
    char address[NET_ADDRESS_TEXT];
    pthread_t thread;
    /* Orders taken; read once the call has come back. */
    int n_orders;
    enum admin_order last;
    char backend[32];
    enum admin_order_result result;
    bool reloads;
    struct admin_control_state state;
    struct loop_timer later;
    void (*on_done)(void *);
    void *done_ctx;
    bool is_stopped;
};

static void
on_later(void *ctx)
{
    struct service *service = ctx;
    if (service->on_done != NULL)
        service->on_done(service->done_ctx);
    service->on_done = NULL;
}

static enum admin_order_result
take_order(void *ctx, enum admin_order order, const char *backend, void (*on_done)(void *),
           void *done_ctx)
{
    struct service *service = ctx;
    service->n_orders++;
    service->last = order;
    service->backend[0] = '\0';
    if (backend != NULL)
        strncat(service->backend, backend, sizeof(service->backend) - 1);
    if (service->result != ADMIN_ORDER_GIVEN)
        return service->result;
    service->state.is_draining = order == ADMIN_DRAIN;
    service->state.is_paused = order == ADMIN_PAUSE;
    service->on_done = on_done;
    service->done_ctx = done_ctx;
    loop_timer_in(&service->later, 1000);
    return ADMIN_ORDER_GIVEN;
}

static void
tell_state(void *ctx, struct admin_control_state *out)
{
    *out = ((struct service *)ctx)->state;
}

static bool
set_log_level(void *ctx, struct bytes level)
{
    struct service *service = ctx;
    if (!bytes_equal(level, BYTES("debug")))
        return false;
    service->state.log_level = "debug";
    return true;
}

static int
reload(void *ctx, struct text *json, struct text *why)
{
    text_add(json, "{\"changed\":[\"a.b\"],\"restart\":[]}");
    text_add(why, "line 7 is \"bad\"");
    return ((struct service *)ctx)->reloads ? 200 : 422;
}

static void *
serve(void *ctx)
{
    struct service *service = ctx;
    loop_run(service->loop);
    return NULL;
}

static int
set_up(void **state)
{
    struct service *service = mem_new(struct service);
    struct net_address bound;
    struct text why = TEXT_EMPTY;
    service->loop = loop_new();
    loop_timer_init(&service->later, service->loop, on_later, service);
    service->state.log_level = "info";
    service->control = (struct admin_control){
        .ctx = service,
        .order = take_order,
        .state = tell_state,
        .set_log_level = set_log_level,
        .reload = reload,
    };
    service->routes = admin_control_routes(&service->control);
    struct admin_api_settings settings = {
        .address = "127.0.0.1:0",
        .socket = "",
        .token_file = "",
        .tables = &service->routes,
        .n_tables = 1,
    };
    assert_int_equal(admin_api_open(service->loop, &settings, &why, &service->api), ERR_OK);
    assert_true(admin_api_address(service->api, &bound));
    net_address_text(&bound, service->address);
    assert_int_equal(pthread_create(&service->thread, NULL, serve, service), 0);
    *state = service;
    return 0;
}

static void
stop(struct service *service)
{
    if (service->is_stopped)
        return;
    service->is_stopped = true;
    loop_stop(service->loop);
    pthread_join(service->thread, NULL);
}

static int
tear_down(void **state)
{
    struct service *service = *state;
    stop(service);
    admin_api_close(&service->api);
    service->control = (struct admin_control){.ctx = NULL}; /* goes with the port */
    on_later(service); /* an order whose client has gone meanwhile */
    loop_timer_cancel(&service->later);
    loop_free(&service->loop);
    mem_free(service);
    return 0;
}

static void
expect(struct service *service, const char *method, const char *path, const char *body, int status,
       const char *words)
{
    struct http1_call call = {
        .address = service->address,
        .method = method,
        .path = path,
        .body = bytes_str(body),
        .timeout_ms = WAIT_MS,
    };
    struct text answer = TEXT_EMPTY;
    int got = 0;
    assert_int_equal(http1_call(&call, &got, &answer), ERR_OK);
    assert_int_equal(got, status);
    if (strstr(answer.p, words) == NULL)
        fail_msg("%s %s: %s", method, path, answer.p);
    text_fini(&answer);
}

static void
orders_are_answered_once_carried_out(void **state)
{
    struct service *service = *state;
    expect(service, "POST", "/api/v1/drain", NULL, 200, "\"draining\":true,\"paused\":false");
    assert_int_equal(service->last, ADMIN_DRAIN);
    expect(service, "POST", "/api/v1/undrain", NULL, 200, "\"draining\":false");
    assert_int_equal(service->last, ADMIN_UNDRAIN);
    expect(service, "POST", "/api/v1/pause", NULL, 200, "\"paused\":true");
    assert_int_equal(service->last, ADMIN_PAUSE);
    expect(service, "GET", "/api/v1/control", NULL, 200, "\"paused\":true,\"log_level\":\"info\"");
    expect(service, "POST", "/api/v1/resume", NULL, 200, "\"paused\":false");
    assert_int_equal(service->last, ADMIN_RESUME);
    expect(service, "POST", "/api/v1/backends/%5B::1%5D:11800/disable", NULL, 200, "log_level");
    assert_int_equal(service->last, ADMIN_BACKEND_DISABLE);
    assert_string_equal(service->backend, "[::1]:11800");
    expect(service, "POST", "/api/v1/backends/10.0.0.7:11800/enable", NULL, 200, "log_level");
    assert_int_equal(service->last, ADMIN_BACKEND_ENABLE);
    assert_int_equal(service->n_orders, 6);
    expect(service, "GET", "/api/v1/drain", NULL, 405, "error");
    assert_int_equal(service->n_orders, 6);
}

static void
orders_that_cannot_be(void **state)
{
    struct service *service = *state;
    service->result = ADMIN_ORDER_ENDING;
    expect(service, "POST", "/api/v1/drain", NULL, 409, "the service is ending");
    service->result = ADMIN_ORDER_NO_BACKEND;
    expect(service, "POST", "/api/v1/backends/x%22y/disable", NULL, 404,
           "there is no backend x\\\"y");
}

static void
levels_and_reloads(void **state)
{
    struct service *service = *state;
    expect(service, "POST", "/api/v1/log-level", "{\"level\":\"debug\"}", 200, "\"debug\"");
    static const char *const bad[] = {"{\"level\":\"loud\"}", "{\"level\":7}", "{}", "[", NULL};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        expect(service, "POST", "/api/v1/log-level", bad[i], 400, "level is error, warn");
    expect(service, "POST", "/api/v1/reload", NULL, 422, "line 7 is \\\"bad\\\"");
    service->reloads = true;
    expect(service, "POST", "/api/v1/reload", NULL, 200, "\"changed\":[\"a.b\"]");
}

/* The client is gone before the order is carried out: nobody is answered, nothing leaks. */
static void
a_client_that_goes_first(void **state)
{
    struct service *service = *state;
    expect(service, "POST", "/api/v1/pause", NULL, 200, "paused");
    stop(service);
    struct http1_call call = {
        .address = service->address, .method = "POST", .path = "/api/v1/drain", .timeout_ms = 100};
    struct text answer = TEXT_EMPTY;
    int status = 0;
    assert_int_not_equal(http1_call(&call, &status, &answer), ERR_OK);
    text_fini(&answer);
    for (int i = 0; i < 100 && service->last != ADMIN_DRAIN; i++)
        loop_run_once(service->loop, 1);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(orders_are_answered_once_carried_out),
        T(orders_that_cannot_be),
        T(levels_and_reloads),
        T(a_client_that_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
