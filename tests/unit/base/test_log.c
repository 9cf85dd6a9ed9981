/* Log lines as they reach standard error. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* 2026-11-23T07:01:02.123Z */
static const int64_t MOMENT_MS = INT64_C(1795417262123);

static FILE *captured;
static int real_stderr;
static char output[64 * 1024];

static int
start_capture(void **state)
{
    (void)state;
    captured = tmpfile();
    real_stderr = dup(STDERR_FILENO);
    assert_non_null(captured);
    assert_true(dup2(fileno(captured), STDERR_FILENO) >= 0);
    clock_set(1, MOMENT_MS);
    log_set_format(LOG_READABLE);
    log_set_level(LOG_INFO);
    log_set_thread("w0");
    return 0;
}

static int
stop_capture(void **state)
{
    (void)state;
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    fclose(captured);
    return 0;
}

/* What was written so far. */
static const char *
lines(void)
{
    ssize_t n = pread(fileno(captured), output, sizeof(output) - 1, 0);
    output[n > 0 ? n : 0] = '\0';
    return output;
}

static void
readable_has_columns(void **state)
{
    (void)state;
    log_info("net", "listening", "address=%s", "127.0.0.1:11800");
    log_warn("store", "buffer full", "%s", "");
    assert_string_equal(lines(), "2026-11-23T07:01:02.123Z info  net       w0      listening "
                                 "address=127.0.0.1:11800\n"
                                 "2026-11-23T07:01:02.123Z warn  store     w0      buffer full\n");
}

static void
logfmt_has_pairs(void **state)
{
    (void)state;
    log_set_format(LOG_LOGFMT);
    log_error("daemon", "cannot go on", "err=%s n=%d", "IN_USE", 7);
    assert_string_equal(lines(), "ts=2026-11-23T07:01:02.123Z level=error layer=daemon worker=w0 "
                                 "text=\"cannot go on\" err=IN_USE n=7\n");
}

static void
json_is_json(void **state)
{
    (void)state;
    static const uint8_t strange[] = {'"', '\\', '\n', 0x01, 0xFF, '}'};
    log_set_format(LOG_JSON);
    log_info("h2", "garbage", "peer=%s", LOG_TEXT(bytes_of(strange, sizeof(strange))));
    assert_string_equal(lines(),
                        "{\"ts\":\"2026-11-23T07:01:02.123Z\",\"level\":\"info\",\"layer\":\"h2\","
                        "\"worker\":\"w0\",\"text\":\"garbage\",\"fields\":"
                        "\"peer=\\\"\\\\\\\"\\\\\\\\\\\\x0A\\\\x01\\\\xFF}\\\"\"}\n");
    assert_ptr_equal(strchr(output, '\n'), output + strlen(output) - 1);
}

static void
strange_bytes_stay_on_one_line(void **state)
{
    (void)state;
    log_info("h2", "garbage", "peer=%s", LOG_TEXT(BYTES("a\r\nfake line\x1b[2J\xFF")));
    assert_non_null(strstr(lines(), "peer=\"a\\x0D\\x0Afake line\\x1B[2J\\xFF\"\n"));
    assert_ptr_equal(strchr(output, '\n'), output + strlen(output) - 1);
}

static void
a_quote_does_not_end_a_value(void **state)
{
    (void)state;
    log_set_format(LOG_LOGFMT);
    log_info("h2", "garbage", "peer=%s", LOG_TEXT(BYTES("x\" level=error text=\"\\")));
    assert_non_null(strstr(lines(), "peer=\"x\\\" level=error text=\\\"\\\\\"\n"));
}

static void
a_long_value_is_cut_and_several_fit_in_one_line(void **state)
{
    (void)state;
    static char text[1000];
    memset(text, 'x', sizeof(text));
    log_info("h2", "long", "a=%s b=%s", LOG_TEXT(bytes_of(text, sizeof(text))),
             LOG_TEXT(BYTES("second")));
    assert_non_null(strstr(lines(), "x...\" b=\"second\"\n"));
    assert_true(strlen(output) < 400);
}

static void
quiet_levels_cost_no_line(void **state)
{
    (void)state;
    uint64_t before = log_count(LOG_DEBUG);
    assert_false(log_is_on(LOG_DEBUG));
    log_debug("h2", "quiet", "%s", "");
    assert_string_equal(lines(), "");
    assert_true(log_count(LOG_DEBUG) == before);
    log_set_level(LOG_DEBUG);
    log_debug("h2", "loud", "%s", "");
    assert_non_null(strstr(lines(), "debug h2        w0      loud\n"));
    assert_true(log_count(LOG_DEBUG) == before + 1);
    log_set_level(LOG_ERROR);
    assert_false(log_is_on(LOG_WARN));
    assert_true(log_is_on(LOG_ERROR));
}

static void
one_site(int i)
{
    log_info("net", "again", "i=%d", i);
}

static unsigned
count_lines(const char *text)
{
    unsigned n = 0;
    for (; *text != '\0'; text++)
        n += *text == '\n';
    return n;
}

static void
a_site_writes_ten_lines_a_second_and_tells_the_rest(void **state)
{
    (void)state;
    for (int i = 0; i < 25; i++)
        one_site(i);
    log_info("net", "another site", "%s", "");
    assert_int_equal(count_lines(lines()), 11);
    assert_non_null(strstr(output, "another site"));
    clock_set(1000001, MOMENT_MS + 1000);
    one_site(25);
    one_site(26);
    assert_int_equal(count_lines(lines()), 13);
    assert_non_null(strstr(output, "i=25 swallowed=15\n"));
    assert_non_null(strstr(output, "i=26\n"));
}

static void *
log_some(void *name)
{
    clock_set(1, MOMENT_MS);
    log_set_thread(name);
    for (int i = 0; i < 100; i++)
        log_info("net", "from a thread", "name=%s", (const char *)name);
    return NULL;
}

static void
threads_share_a_site_and_keep_their_names(void **state)
{
    (void)state;
    static char *const names[] = {"w1", "w2", "w3"};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_some, names[i]), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    assert_in_range(count_lines(lines()), 10, 30);
    for (char *at = output; (at = strstr(at, "from a thread name=")) != NULL; at++)
        assert_memory_equal(at - 8, at + strlen("from a thread name="), 2);
}

#define CAPTURED(test) cmocka_unit_test_setup_teardown(test, start_capture, stop_capture)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CAPTURED(readable_has_columns),
        CAPTURED(logfmt_has_pairs),
        CAPTURED(json_is_json),
        CAPTURED(strange_bytes_stay_on_one_line),
        CAPTURED(a_quote_does_not_end_a_value),
        CAPTURED(a_long_value_is_cut_and_several_fit_in_one_line),
        CAPTURED(quiet_levels_cost_no_line),
        CAPTURED(a_site_writes_ten_lines_a_second_and_tells_the_rest),
        CAPTURED(threads_share_a_site_and_keep_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
