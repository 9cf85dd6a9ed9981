/* What the service manager hears, on a socket of our own in its place. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "daemon/service_manager.h"
#include "support/run_until.h"
#include "support/temp_dir.h"

static const uint64_t start_us = 5000 * 1000000ull;

struct site {
    char directory[TEMP_DIR_BYTES];
    int socket; /* the manager's */
    struct loop *loop;
    struct service_manager *manager;
    bool is_alive;
    char heard[512];
};

static bool
is_alive(void *ctx)
{
    return ((struct site *)ctx)->is_alive;
}

static void
add_status(void *ctx, struct text *out)
{
    (void)ctx;
    text_add(out, "fine");
}

static void
bind_to(struct site *site, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t n = strlen(name);
    memcpy(address.sun_path, name, n);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    site->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(site->socket, (struct sockaddr *)&address,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
                     0);
    setenv("NOTIFY_SOCKET", name, 1);
}

/* watchdog: as in the environment; NULL: none. */
static void
open_site(struct site *site, const char *watchdog)
{
    char name[TEMP_DIR_BYTES + 8];
    *site = (struct site){.is_alive = true};
    clock_set(start_us, 0);
    assert_int_equal(temp_dir_make(site->directory), 0);
    snprintf(name, sizeof(name), "%s/notify", site->directory);
    bind_to(site, name);
    unsetenv("WATCHDOG_PID");
    unsetenv("WATCHDOG_USEC");
    if (watchdog != NULL)
        setenv("WATCHDOG_USEC", watchdog, 1);
    site->loop = loop_new();
}

static void
make_manager(struct site *site)
{
    const struct service_manager_settings settings = {
        .loop = site->loop, .ctx = site, .is_alive = is_alive, .add_status = add_status};
    site->manager = service_manager_new(&settings);
}

static void
close_site(struct site *site)
{
    service_manager_free(&site->manager);
    assert_null(site->manager);
    loop_free(&site->loop);
    close(site->socket);
    assert_int_equal(temp_dir_remove(site->directory), 0);
    unsetenv("NOTIFY_SOCKET");
}

/* The next datagram; "" when there is none. */
static const char *
hear(struct site *site)
{
    ssize_t n = recv(site->socket, site->heard, sizeof(site->heard) - 1, 0);
    site->heard[n > 0 ? n : 0] = '\0';
    return site->heard;
}

static void
pass(struct site *site, uint64_t ms)
{
    clock_set(clock_mono_us() + ms * 1000, 0);
    RUN_TURNS(site->loop, 2);
}

static void
without_a_manager_nothing_is_said(void **state)
{
    (void)state;
    struct site site;
    open_site(&site, NULL);
    unsetenv("NOTIFY_SOCKET");
    make_manager(&site);
    assert_null(site.manager);
    service_manager_ready(NULL);
    service_manager_reloading(NULL);
    service_manager_stopping(NULL, 1);
    assert_string_equal(hear(&site), "");
    close_site(&site);
}

static void
a_name_that_is_no_socket_is_left_alone(void **state)
{
    (void)state;
    struct site site;
    char longer[200];
    open_site(&site, NULL);
    memset(longer, 'a', sizeof(longer));
    longer[0] = '/';
    longer[sizeof(longer) - 1] = '\0';
    const char *const names[] = {"", "relative", "vsock:2:1", "@", longer};
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        make_manager(&site);
        assert_null(site.manager);
    }
    setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1);
    make_manager(&site); /* the manager may be restarting */
    service_manager_ready(site.manager);
    close_site(&site);
}

static void
ready_reloading_stopping(void **state)
{
    (void)state;
    struct site site;
    open_site(&site, NULL);
    make_manager(&site);
    assert_string_equal(hear(&site), ""); /* not before it is told */
    service_manager_ready(site.manager);
    assert_string_equal(hear(&site), "READY=1\nSTATUS=fine\n");
    service_manager_reloading(site.manager);
    assert_string_equal(hear(&site), "RELOADING=1\nMONOTONIC_USEC=5000000000\nSTATUS=reloading\n");
    service_manager_ready(site.manager);
    assert_string_equal(hear(&site), "READY=1\nSTATUS=fine\n");
    service_manager_stopping(site.manager, 20000000);
    assert_string_equal(hear(&site), "STOPPING=1\nEXTEND_TIMEOUT_USEC=20000000\nSTATUS=fine\n");
    close_site(&site);
}

static void
an_abstract_name_works(void **state)
{
    (void)state;
    struct site site;
    char name[64];
    open_site(&site, NULL);
    close(site.socket);
    snprintf(name, sizeof(name), "@spangate-test-%d", (int)getpid());
    bind_to(&site, name);
    make_manager(&site);
    service_manager_ready(site.manager);
    assert_string_equal(hear(&site), "READY=1\nSTATUS=fine\n");
    close_site(&site);
}

/* 8 s: a sign each 4 s, none while a loop is stuck, and again once it turns. */
static void
the_watchdog_hears_only_of_the_living(void **state)
{
    (void)state;
    struct site site;
    open_site(&site, "8000000");
    make_manager(&site);
    service_manager_ready(site.manager);
    hear(&site);
    pass(&site, 3800);
    assert_string_equal(hear(&site), "");
    pass(&site, 300);
    assert_string_equal(hear(&site), "WATCHDOG=1\nSTATUS=fine\n");
    site.is_alive = false;
    for (unsigned i = 0; i < 3; i++) {
        pass(&site, 4100);
        assert_string_equal(hear(&site), "STATUS=fine\n");
    }
    site.is_alive = true;
    pass(&site, 4100);
    assert_string_equal(hear(&site), "WATCHDOG=1\nSTATUS=fine\n");
    close_site(&site);
}

static void
without_a_watchdog_only_the_state_is_told(void **state)
{
    (void)state;
    struct site site;
    open_site(&site, "8000000");
    setenv("WATCHDOG_PID", "1", 1); /* another process */
    make_manager(&site);
    service_manager_ready(site.manager);
    hear(&site);
    pass(&site, 10100);
    assert_string_equal(hear(&site), "STATUS=fine\n");
    close_site(&site);
}

/* Nobody reads: what finds no room is lost, and nothing waits. */
static void
a_manager_that_does_not_read_blocks_nothing(void **state)
{
    (void)state;
    struct site site;
    open_site(&site, NULL);
    make_manager(&site);
    for (unsigned i = 0; i < 10000; i++)
        service_manager_ready(site.manager);
    assert_string_equal(hear(&site), "READY=1\nSTATUS=fine\n");
    close_site(&site);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_manager_nothing_is_said),
        cmocka_unit_test(a_name_that_is_no_socket_is_left_alone),
        cmocka_unit_test(ready_reloading_stopping),
        cmocka_unit_test(an_abstract_name_works),
        cmocka_unit_test(the_watchdog_hears_only_of_the_living),
        cmocka_unit_test(without_a_watchdog_only_the_state_is_told),
        cmocka_unit_test(a_manager_that_does_not_read_blocks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
