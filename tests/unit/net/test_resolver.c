/* Names to addresses, answered by mail. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "net/resolver.h"
#include "support/run_until.h"

struct asker {
    int n;
    struct resolver_answer answer;
};

static void
on_answer(void *ctx, const struct resolver_answer *answer)
{
    struct asker *asker = ctx;
    asker->n++;
    asker->answer = *answer;
}

static void
a_numeric_host_is_answered_late(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct resolver *resolver = resolver_new();
    struct asker v4 = {0}, v6 = {0};
    char text[NET_ADDRESS_TEXT];
    assert_non_null(resolver_ask(resolver, loop, "10.1.2.3", 11800, on_answer, &v4));
    assert_non_null(resolver_ask(resolver, loop, "fd00::7", 11800, on_answer, &v6));
    assert_int_equal(v4.n + v6.n, 0);
    RUN_UNTIL(loop, v4.n == 1 && v6.n == 1);
    assert_int_equal(v4.answer.err, ERR_OK);
    assert_int_equal(v4.answer.n, 1);
    net_address_text(&v4.answer.addresses[0], text);
    assert_string_equal(text, "10.1.2.3:11800");
    net_address_text(&v6.answer.addresses[0], text);
    assert_string_equal(text, "[fd00::7]:11800");
    resolver_free(&resolver);
    loop_free(&loop);
}

static void
a_name_is_looked_up_by_the_thread(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct resolver *resolver = resolver_new();
    struct asker asker = {0};
    struct net_address loopback;
    bool found = false;
    assert_int_equal(net_address_parse("127.0.0.1:443", &loopback), ERR_OK);
    assert_non_null(resolver_ask(resolver, loop, "localhost", 443, on_answer, &asker));
    RUN_UNTIL(loop, asker.n == 1);
    assert_int_equal(asker.answer.err, ERR_OK);
    for (uint32_t i = 0; i < asker.answer.n; i++)
        found |= net_address_equal(&asker.answer.addresses[i], &loopback);
    assert_true(found);
    resolver_free(&resolver);
    loop_free(&loop);
}

/* Labels end at 63 bytes, so that no name server is asked. */
static void
what_does_not_resolve_is_an_error(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct resolver *resolver = resolver_new();
    struct asker asker = {0};
    char host[100];
    memset(host, 'a', sizeof(host) - 1);
    host[sizeof(host) - 1] = '\0';
    assert_non_null(resolver_ask(resolver, loop, host, 80, on_answer, &asker));
    RUN_UNTIL(loop, asker.n == 1);
    assert_int_equal(asker.answer.err, ERR_NAME);
    assert_int_equal(asker.answer.n, 0);
    resolver_free(&resolver);
    loop_free(&loop);
}

static void
a_cancelled_query_is_never_answered(void **state)
{
    (void)state;
    enum { QUERIES = 50 };
    struct loop *loop = loop_new();
    struct resolver *resolver = resolver_new();
    struct asker asker = {0}, last = {0};
    struct resolver_query *queries[QUERIES];
    for (int i = 0; i < QUERIES; i++)
        queries[i] =
            resolver_ask(resolver, loop, i % 2 ? "localhost" : "127.0.0.1", 80, on_answer, &asker);
    for (int i = 0; i < QUERIES; i++) {
        resolver_cancel(&queries[i]);
        assert_null(queries[i]);
    }
    resolver_cancel(&queries[0]);
    assert_non_null(resolver_ask(resolver, loop, "localhost", 80, on_answer, &last));
    RUN_UNTIL(loop, last.n == 1);
    assert_int_equal(asker.n, 0);
    resolver_free(&resolver);
    loop_free(&loop);
}

/* Both orders of taking down: the loop first, with its queries cancelled; the resolver first. */
static void
the_loop_may_go_before_the_resolver(void **state)
{
    (void)state;
    enum { QUERIES = 20 };
    struct resolver *resolver = resolver_new();
    for (int round = 0; round < QUERIES; round++) {
        struct loop *loop = loop_new();
        struct asker asker = {0};
        struct resolver_query *queries[QUERIES];
        for (int i = 0; i < QUERIES; i++)
            queries[i] = resolver_ask(resolver, loop, "localhost", 80, on_answer, &asker);
        for (int i = 0; i < QUERIES; i++)
            resolver_cancel(&queries[i]);
        loop_free(&loop);
        assert_int_equal(asker.n, 0);
    }
    resolver_free(&resolver);
}

static void
the_resolver_may_go_before_its_queries(void **state)
{
    (void)state;
    enum { QUERIES = 50 };
    struct loop *loop = loop_new();
    struct resolver *resolver = resolver_new();
    struct asker asker = {0};
    struct resolver_query *queries[QUERIES];
    for (int i = 0; i < QUERIES; i++)
        queries[i] = resolver_ask(resolver, loop, "localhost", 80, on_answer, &asker);
    resolver_free(&resolver);
    assert_null(resolver);
    for (int i = 0; i < QUERIES; i++)
        resolver_cancel(&queries[i]);
    RUN_TURNS(loop, 3);
    assert_int_equal(asker.n, 0);
    loop_free(&loop);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_numeric_host_is_answered_late),
        cmocka_unit_test(a_name_is_looked_up_by_the_thread),
        cmocka_unit_test(what_does_not_resolve_is_an_error),
        cmocka_unit_test(a_cancelled_query_is_never_answered),
        cmocka_unit_test(the_loop_may_go_before_the_resolver),
        cmocka_unit_test(the_resolver_may_go_before_its_queries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
