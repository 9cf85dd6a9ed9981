/* Binding, accepting, and what happens when descriptors run out. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/listener.h"
#include "support/run_until.h"

enum { MANY = 100 };

struct door {
    struct listener *listener;
    int n_accepted, n_exhausted, descriptors[MANY];
    bool close_on_accept, pause_on_accept;
    char peer[NET_ADDRESS_TEXT];
};

static void
on_accept(void *ctx, int descriptor, const struct net_address *peer)
{
    struct door *door = ctx;
    door->descriptors[door->n_accepted++] = descriptor;
    net_address_text(peer, door->peer);
    if (door->close_on_accept)
        listener_close(&door->listener);
    if (door->pause_on_accept)
        listener_pause(door->listener);
}

static void
on_exhausted(void *ctx)
{
    ((struct door *)ctx)->n_exhausted++;
}

static void
open_door(struct door *door, struct loop *loop, const char *address)
{
    struct listener_callbacks callbacks = {door, on_accept, on_exhausted};
    struct text why = TEXT_EMPTY;
    if (listener_open(loop, address, &callbacks, &why, &door->listener) != ERR_OK)
        fail_msg("%s", why.p);
    assert_null(why.p);
}

static void
close_accepted(struct door *door)
{
    for (int i = 0; i < door->n_accepted; i++)
        close(door->descriptors[i]);
    door->n_accepted = 0;
}

static uint16_t
port_of(const struct net_address *address)
{
    return ntohs(address->storage.ss_family == AF_INET
                     ? ((const struct sockaddr_in *)&address->storage)->sin_port
                     : ((const struct sockaddr_in6 *)&address->storage)->sin6_port);
}

/* A blocking connect: the kernel completes it without the listener's help. */
static int
call(const struct net_address *address)
{
    int descriptor = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(descriptor >= 0);
    assert_int_equal(
        connect(descriptor, (const struct sockaddr *)&address->storage, address->length), 0);
    return descriptor;
}

static bool
has_ipv6(void)
{
    struct net_address address;
    int descriptor = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool works = descriptor >= 0 && net_address_parse("[::1]:0", &address) == ERR_OK &&
                 bind(descriptor, (struct sockaddr *)&address.storage, address.length) == 0;
    if (descriptor >= 0)
        close(descriptor);
    return works;
}

static void
accepts_on(const char *listen_on, const char *call_host, const char *peer_start)
{
    struct loop *loop = loop_new();
    struct door door = {0};
    struct net_address bound, to;
    char text[NET_ADDRESS_TEXT];
    open_door(&door, loop, listen_on);
    listener_address(door.listener, &bound);
    assert_int_not_equal(port_of(&bound), 0);
    snprintf(text, sizeof(text), "%s:%u", call_host, port_of(&bound));
    assert_int_equal(net_address_parse(text, &to), ERR_OK);
    int caller = call(&to);
    RUN_UNTIL(loop, door.n_accepted == 1);
    assert_memory_equal(door.peer, peer_start, strlen(peer_start));
    assert_true(fcntl(door.descriptors[0], F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(door.descriptors[0], F_GETFD) & FD_CLOEXEC);
    close_accepted(&door);
    close(caller);
    listener_close(&door.listener);
    loop_free(&loop);
}

static void
listens_on_ipv4_ipv6_and_both(void **state)
{
    (void)state;
    accepts_on("127.0.0.1:0", "127.0.0.1", "127.0.0.1:");
    accepts_on(":0", "127.0.0.1", "127.0.0.1:");
    if (!has_ipv6())
        return;
    accepts_on("[::1]:0", "[::1]", "[::1]:");
    accepts_on(":0", "[::1]", "[::1]:");
}

static void
a_taken_port_names_its_holder(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct door door = {0}, second = {0};
    struct listener_callbacks callbacks = {&second, on_accept, on_exhausted};
    struct net_address bound;
    struct text why = TEXT_EMPTY;
    char text[NET_ADDRESS_TEXT], pid[32];
    open_door(&door, loop, "127.0.0.1:0");
    listener_address(door.listener, &bound);
    net_address_text(&bound, text);
    assert_int_equal(listener_open(loop, text, &callbacks, &why, &second.listener), ERR_IN_USE);
    snprintf(pid, sizeof(pid), "pid %d", (int)getpid());
    assert_non_null(strstr(why.p, text));
    assert_non_null(strstr(why.p, "held by test_listener, pid "));
    assert_non_null(strstr(why.p, pid));
    text_fini(&why);
    listener_close(&door.listener);
    /* The port is free at once, before the loop turns. */
    open_door(&second, loop, text);
    listener_close(&second.listener);
    loop_free(&loop);
}

static void
what_is_no_address_is_told(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct door door = {0};
    struct listener_callbacks callbacks = {&door, on_accept, on_exhausted};
    struct text why = TEXT_EMPTY;
    assert_int_equal(listener_open(loop, "nowhere:1", &callbacks, &why, &door.listener), ERR_NAME);
    assert_non_null(strstr(why.p, "nowhere:1"));
    text_clear(&why);
    /* TEST-NET-1 is nobody's. */
    assert_int_equal(listener_open(loop, "192.0.2.1:0", &callbacks, &why, &door.listener),
                     ERR_UNREACHABLE);
    assert_non_null(strstr(why.p, "192.0.2.1:0"));
    text_fini(&why);
    loop_free(&loop);
}

static void
a_wake_up_accepts_many(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct door door = {0};
    struct net_address bound;
    int callers[MANY], turns = 0;
    open_door(&door, loop, "127.0.0.1:0");
    listener_address(door.listener, &bound);
    for (int i = 0; i < MANY; i++)
        callers[i] = call(&bound);
    while (door.n_accepted < MANY && turns++ < MANY)
        loop_run_once(loop, 1000);
    assert_int_equal(door.n_accepted, MANY);
    assert_in_range(turns, 2, 4);
    for (int i = 0; i < MANY; i++)
        close(callers[i]);
    close_accepted(&door);
    listener_close(&door.listener);
    loop_free(&loop);
}

static void
a_paused_listener_leaves_callers_in_the_queue(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct door door = {.pause_on_accept = true};
    struct net_address bound;
    open_door(&door, loop, "127.0.0.1:0");
    listener_address(door.listener, &bound);
    int callers[] = {call(&bound), call(&bound), call(&bound)};
    RUN_UNTIL(loop, door.n_accepted == 1);
    RUN_TURNS(loop, 5);
    assert_int_equal(door.n_accepted, 1);
    door.pause_on_accept = false;
    listener_resume(door.listener);
    RUN_UNTIL(loop, door.n_accepted == 3);
    for (int i = 0; i < 3; i++)
        close(callers[i]);
    close_accepted(&door);
    listener_close(&door.listener);
    loop_free(&loop);
}

static void
a_listener_may_close_in_its_callback(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct door door = {.close_on_accept = true};
    struct net_address bound;
    open_door(&door, loop, "127.0.0.1:0");
    listener_address(door.listener, &bound);
    int callers[] = {call(&bound), call(&bound)};
    RUN_UNTIL(loop, door.n_accepted == 1);
    RUN_TURNS(loop, 3);
    assert_int_equal(door.n_accepted, 1);
    assert_null(door.listener);
    close(callers[0]);
    close(callers[1]);
    close_accepted(&door);
    loop_free(&loop);
}

/* Lowers the limit so that every number up to the highest in use counts as used. */
static struct rlimit
forbid_descriptors(void)
{
    struct rlimit before, now;
    int highest = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    now = before;
    now.rlim_cur = (rlim_t)highest;
    close(highest);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    return before;
}

static void
out_of_descriptors_closes_one_and_pauses_for_a_second(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct door door = {0};
    struct net_address bound;
    char byte;
    open_door(&door, loop, "127.0.0.1:0");
    listener_address(door.listener, &bound);
    int callers[] = {call(&bound), call(&bound)};
    struct rlimit before = forbid_descriptors();
    RUN_UNTIL(loop, door.n_exhausted == 1);
    RUN_TURNS(loop, 10);
    assert_int_equal(door.n_exhausted, 1);
    assert_int_equal(door.n_accepted, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    /* The first caller was closed politely, the second waits for its turn. */
    assert_int_equal(recv(callers[0], &byte, 1, 0), 0);
    assert_int_equal(recv(callers[1], &byte, 1, MSG_DONTWAIT), -1);
    assert_int_equal(errno, EAGAIN);
    RUN_UNTIL(loop, door.n_accepted == 1);
    close(callers[0]);
    close(callers[1]);
    close_accepted(&door);
    listener_close(&door.listener);
    loop_free(&loop);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listens_on_ipv4_ipv6_and_both),
        cmocka_unit_test(a_taken_port_names_its_holder),
        cmocka_unit_test(what_is_no_address_is_told),
        cmocka_unit_test(a_wake_up_accepts_many),
        cmocka_unit_test(a_paused_listener_leaves_callers_in_the_queue),
        cmocka_unit_test(a_listener_may_close_in_its_callback),
        cmocka_unit_test(out_of_descriptors_closes_one_and_pauses_for_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
