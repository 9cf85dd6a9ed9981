/* Turns, hooks, deferred frees, mail and signals. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/loop.h"
#include "support/run_until.h"

/* What happened, one letter each. */
static char trace[64];

static void
note(const char *letter)
{
    strncat(trace, letter, sizeof(trace) - strlen(trace) - 1);
}

static void
note_it(void *letter)
{
    note(letter);
}

static int
start_trace(void **state)
{
    (void)state;
    trace[0] = '\0';
    return 0;
}

static void
hooks_run_by_order_at_the_end_of_a_turn(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct loop_turn *metrics = loop_turn_add(loop, TURN_METRICS, note_it, "m");
    struct loop_turn *forward = loop_turn_add(loop, TURN_FORWARD, note_it, "f");
    struct loop_turn *links = loop_turn_add(loop, TURN_LINKS, note_it, "l");
    struct loop_turn *links2 = loop_turn_add(loop, TURN_LINKS, note_it, "L");
    loop_free_later(loop, note_it, "x");
    loop_run_once(loop, 0);
    assert_string_equal(trace, "flLxm");
    loop_turn_remove(&links);
    assert_null(links);
    loop_run_once(loop, 0);
    assert_string_equal(trace, "flLxmfLm");
    loop_turn_remove(&metrics);
    loop_turn_remove(&forward);
    loop_turn_remove(&links2);
    loop_free(&loop);
    assert_null(loop);
}

struct self_changing {
    struct loop *loop;
    struct loop_turn *self, *victim, *added;
};

static void
change_hooks(void *ctx)
{
    struct self_changing *it = ctx;
    note("c");
    loop_turn_remove(&it->victim);
    it->added = loop_turn_add(it->loop, TURN_LINKS, note_it, "a");
    loop_turn_remove(&it->self);
}

static void
a_hook_may_add_and_remove_hooks(void **state)
{
    (void)state;
    struct self_changing it = {.loop = loop_new()};
    it.self = loop_turn_add(it.loop, TURN_STORE, change_hooks, &it);
    it.victim = loop_turn_add(it.loop, TURN_LINKS, note_it, "v");
    RUN_TURNS(it.loop, 2);
    assert_string_equal(trace, "caa");
    loop_turn_remove(&it.added);
    loop_free(&it.loop);
}

struct nested {
    struct loop *loop;
    int depth;
};

static void
defer_again(void *object)
{
    struct nested *nested = object;
    if (++nested->depth < 200)
        loop_free_later(nested->loop, defer_again, nested);
}

static void
a_deferred_free_may_defer_more(void **state)
{
    (void)state;
    struct nested nested = {.loop = loop_new()};
    loop_free_later(nested.loop, defer_again, &nested);
    loop_run_once(nested.loop, 0);
    assert_int_equal(nested.depth, 200);
    loop_free(&nested.loop);
}

static void
what_is_deferred_does_not_wait_for_an_event(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    uint64_t start_us = clock_fresh_us();
    loop_free_later(loop, note_it, "x");
    loop_run_once(loop, 60 * 1000);
    assert_string_equal(trace, "x");
    assert_true(clock_fresh_us() - start_us < 30 * 1000 * 1000);
    loop_free(&loop);
}

enum { SENDERS = 4, LETTERS_EACH = 2000 };

struct numbered {
    struct loop_letter letter;
    struct inbox *inbox;
    int sender, number;
};

struct inbox {
    struct loop *loop;
    int next[SENDERS], n, n_out_of_order;
};

static void
take_numbered(struct loop_letter *letter)
{
    struct numbered *numbered = (struct numbered *)letter;
    struct inbox *inbox = numbered->inbox;
    if (numbered->number != inbox->next[numbered->sender]++)
        inbox->n_out_of_order++;
    inbox->n++;
    mem_free(numbered);
}

static void
send_numbered(struct inbox *inbox, int sender, int number)
{
    struct numbered *numbered = mem_new(struct numbered);
    *numbered = (struct numbered){
        .letter.on_mail = take_numbered, .inbox = inbox, .sender = sender, .number = number};
    loop_mail_send(inbox->loop, &numbered->letter);
}

struct sender {
    struct inbox *inbox;
    int number;
};

static void *
send_all(void *ctx)
{
    struct sender *sender = ctx;
    for (int i = 0; i < LETTERS_EACH; i++)
        send_numbered(sender->inbox, sender->number, i);
    return NULL;
}

static void
mail_of_many_threads_arrives_once_and_in_order(void **state)
{
    (void)state;
    struct inbox inbox = {.loop = loop_new()};
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS];
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){&inbox, i};
        assert_int_equal(pthread_create(&threads[i], NULL, send_all, &senders[i]), 0);
    }
    RUN_UNTIL(inbox.loop, inbox.n == SENDERS * LETTERS_EACH);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    RUN_TURNS(inbox.loop, 3);
    assert_int_equal(inbox.n, SENDERS * LETTERS_EACH);
    assert_int_equal(inbox.n_out_of_order, 0);
    loop_free(&inbox.loop);
}

static void
mail_is_late_and_left_mail_is_delivered_at_the_end(void **state)
{
    (void)state;
    struct inbox inbox = {.loop = loop_new()};
    send_numbered(&inbox, 0, 0);
    assert_int_equal(inbox.n, 0);
    loop_free(&inbox.loop);
    assert_int_equal(inbox.n, 1);
}

static void *
run_loop(void *ctx)
{
    loop_run(ctx);
    return NULL;
}

static void
stop_ends_a_loop_that_sleeps_on_another_thread(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, run_loop, loop), 0);
        loop_stop(loop);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    loop_free(&loop);
}

static void
a_signal_becomes_a_callback(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct loop_signal *usr1 = loop_signal_new(loop, SIGUSR1, note_it, "s");
    assert_int_equal(raise(SIGUSR1), 0);
    assert_string_equal(trace, "");
    RUN_UNTIL(loop, trace[0] != '\0');
    assert_string_equal(trace, "s");
    loop_signal_free(&usr1);
    assert_null(usr1);
    loop_free(&loop);
}

static void
look_at_lag(void *ctx)
{
    struct loop *loop = ctx;
    uint64_t start_us = clock_fresh_us();
    while (clock_fresh_us() - start_us < 2000)
        continue;
    assert_true(loop_turn_us(loop) >= 2000);
    note("t");
}

static void
a_turn_knows_how_long_it_took(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct loop_turn *turn = loop_turn_add(loop, TURN_METRICS, look_at_lag, loop);
    loop_run_once(loop, 0);
    assert_string_equal(trace, "t");
    loop_turn_remove(&turn);
    loop_free(&loop);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(hooks_run_by_order_at_the_end_of_a_turn, start_trace),
        cmocka_unit_test_setup(a_hook_may_add_and_remove_hooks, start_trace),
        cmocka_unit_test(a_deferred_free_may_defer_more),
        cmocka_unit_test_setup(what_is_deferred_does_not_wait_for_an_event, start_trace),
        cmocka_unit_test(mail_of_many_threads_arrives_once_and_in_order),
        cmocka_unit_test(mail_is_late_and_left_mail_is_delivered_at_the_end),
        cmocka_unit_test(stop_ends_a_loop_that_sleeps_on_another_thread),
        cmocka_unit_test_setup(a_signal_becomes_a_callback, start_trace),
        cmocka_unit_test_setup(a_turn_knows_how_long_it_took, start_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
