/* When a watched file is taken up: changed, replaced through a link, and only once it stands still.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "daemon/daemon_watch.h"
#include "support/run_until.h"
#include "support/temp_dir.h"

enum { PATH_BYTES = TEMP_DIR_BYTES + 32 };

struct site {
    char directory[TEMP_DIR_BYTES];
    char link[PATH_BYTES]; /* what is watched */
    struct loop *loop;
    struct daemon_watch *watch;
    const char *other; /* watched, too; NULL: none */
    unsigned n_taken;
};

static const char *
other_at(void *ctx, uint32_t i)
{
    return i == 0 ? ((struct site *)ctx)->other : NULL;
}

static void
on_change(void *ctx)
{
    ((struct site *)ctx)->n_taken++;
}

static const char *
path_of(const struct site *site, const char *name)
{
    static char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/%s", site->directory, name);
    return path;
}

static void
write_file(const struct site *site, const char *name, const char *text)
{
    FILE *file = fopen(path_of(site, name), "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void
link_to(const struct site *site, const char *name)
{
    assert_int_equal(symlink(name, path_of(site, "next")), 0);
    char next[PATH_BYTES];
    snprintf(next, sizeof(next), "%s", path_of(site, "next"));
    assert_int_equal(rename(next, site->link), 0);
}

static void
look(struct site *site)
{
    clock_set(clock_mono_us() + 1100 * 1000, 0);
    RUN_TURNS(site->loop, 2);
}

static int
set_up(void **state)
{
    static struct site site;
    site = (struct site){.n_taken = 0};
    clock_set(1000000, 0);
    assert_int_equal(temp_dir_make(site.directory), 0);
    snprintf(site.link, sizeof(site.link), "%s/link", site.directory);
    write_file(&site, "one", "1");
    link_to(&site, "one");
    site.loop = loop_new();
    site.watch = daemon_watch_new(
        site.loop, &(struct daemon_watch_settings){&site, site.link, other_at, on_change});
    *state = &site;
    return 0;
}

static int
tear_down(void **state)
{
    struct site *site = *state;
    daemon_watch_free(&site->watch);
    assert_null(site->watch);
    loop_free(&site->loop);
    return temp_dir_remove(site->directory);
}

static void
what_stays_is_not_taken_up(void **state)
{
    struct site *site = *state;
    for (unsigned i = 0; i < 5; i++)
        look(site);
    assert_int_equal(site->n_taken, 0);
}

/* Sizes differ, so that no clock's grain hides a change. */
static void
a_file_is_read_once_it_stands_still(void **state)
{
    struct site *site = *state;
    write_file(site, "one", "22");
    look(site);
    assert_int_equal(site->n_taken, 0);
    write_file(site, "one", "333");
    look(site);
    assert_int_equal(site->n_taken, 0);
    look(site);
    assert_int_equal(site->n_taken, 1);
    look(site);
    assert_int_equal(site->n_taken, 1);
}

static void
a_link_that_moves_is_a_change(void **state)
{
    struct site *site = *state;
    write_file(site, "two", "1");
    look(site);
    assert_int_equal(site->n_taken, 0);
    link_to(site, "two");
    look(site);
    look(site);
    assert_int_equal(site->n_taken, 1);
}

static void
another_file_counts_too(void **state)
{
    struct site *site = *state;
    char path[PATH_BYTES];
    write_file(site, "secret", "1");
    snprintf(path, sizeof(path), "%s", path_of(site, "secret"));
    site->other = path; /* a reload has found it */
    look(site);
    look(site);
    assert_int_equal(site->n_taken, 1);
    write_file(site, "secret", "22");
    look(site);
    assert_int_equal(site->n_taken, 1);
    look(site);
    assert_int_equal(site->n_taken, 2);
    look(site);
    assert_int_equal(site->n_taken, 2);
}

static void
a_file_that_is_away_is_waited_for(void **state)
{
    struct site *site = *state;
    assert_int_equal(unlink(site->link), 0);
    for (unsigned i = 0; i < 3; i++)
        look(site);
    assert_int_equal(site->n_taken, 0);
    link_to(site, "one");
    look(site);
    look(site);
    assert_int_equal(site->n_taken, 0); /* the same as before */
    write_file(site, "two", "22");
    link_to(site, "two");
    look(site);
    look(site);
    assert_int_equal(site->n_taken, 1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_stays_is_not_taken_up),        TEST(a_file_is_read_once_it_stands_still),
        TEST(a_link_that_moves_is_a_change),     TEST(another_file_counts_too),
        TEST(a_file_that_is_away_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
