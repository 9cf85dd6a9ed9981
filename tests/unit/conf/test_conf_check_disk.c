/* Settings of spool and quarantine against each other and against the disks of the machine. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "conf_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static void
directories_are_whole_paths(void **state)
{
    (void)state;
    assert_one(BACKEND "buffer: {disk: {path: \"\"}}\n", 43, 2, 24,
               "buffer.disk.path is empty: buffer.mode durable needs a directory", NULL);
    assert_one(BACKEND "buffer: {mode: spill, disk: {path: \"\"}}\n", 43, 2, 37,
               "buffer.disk.path is empty: buffer.mode spill needs a directory", NULL);
    assert_one(BACKEND "buffer: {disk: {path: data/spool}}\n", 43, 2, 23,
               "buffer.disk.path \"data/spool\" is relative: its directory would depend on where "
               "the process is started",
               NULL);
    assert_one(BACKEND "quarantine: {path: ./q}\n", 43, 2, 20,
               "quarantine.path \"./q\" is relative: its directory would depend on where the "
               "process is started",
               NULL);
}

static void
spool_and_quarantine_are_apart(void **state)
{
    (void)state;
    assert_one(BACKEND "buffer: {disk: {path: /var/lib/spangate/quarantine/}}\n", 47, 2, 23,
               "quarantine.path \"/var/lib/spangate/quarantine\" is also buffer.disk.path: each "
               "needs a directory of its own",
               NULL);
    assert_one(BACKEND "quarantine: {path: /var//lib/./spangate/spool/bad}\n", 47, 2, 20,
               "quarantine.path \"/var//lib/./spangate/spool/bad\" lies inside buffer.disk.path "
               "\"/var/lib/spangate/spool\": each needs a directory of its own",
               NULL);
    assert_one(BACKEND "buffer: {disk: {path: /a/b/c}}\nquarantine: {path: /a/b}\n", 47, 3, 20,
               "quarantine.path \"/a/b\" lies around buffer.disk.path \"/a/b/c\": each needs a "
               "directory of its own",
               NULL);
    assert_one(BACKEND "buffer: {disk: {path: /a/spool}}\nquarantine: {path: /}\n", 47, 3, 20,
               "quarantine.path \"/\" lies around buffer.disk.path \"/a/spool\": each needs a "
               "directory of its own",
               NULL);
    struct fixture fixture = load(BACKEND "buffer: {disk: {path: /a/spool}}\n"
                                          "quarantine: {path: /a/spool2}\n");
    assert_clean(&fixture);
    fini(&fixture);
}

static void
quotas_have_room_for_what_they_are_for(void **state)
{
    (void)state;
    assert_one(BACKEND "buffer: {disk: {max: 64MiB}}\n", 44, 2, 22,
               "buffer.disk.max is below buffer.memory.max: that much memory will never be used",
               NULL);
    assert_one(BACKEND "quarantine: {max: 2047KiB}\n", 45, 2, 19,
               "quarantine.max is below two files of 1 MiB: there must be one to write and one to "
               "keep",
               NULL);
}

static void
a_message_fits_the_spool(void **state)
{
    (void)state;
    struct fixture fixture = load(BACKEND "limits: {memory: 1GiB}\n"
                                          "buffer: {memory: {max: 220MiB}, disk: {max: 100MiB}}\n"
                                          "listen: {max_message: 101MiB}\n");
    assert_int_equal(fixture.diags.n_errors, 1);
    assert_int_equal(fixture.diags.n_warnings, 1);
    const struct conf_diag *last = &fixture.diags.items[1];
    assert_int_equal(last->code, 46);
    assert_int_equal(last->line, 4);
    assert_string_equal(last->text, "listen.max_message is above buffer.disk.max: such a message "
                                    "would wait for ever");
    fini(&fixture);
}

static void
an_answer_from_memory_is_told_when_asked_for(void **state)
{
    (void)state;
    assert_one(BACKEND "buffer: {mode: memory, ack: buffered}\n", 48, 2, 29,
               "buffer.ack: buffered with buffer.mode: memory answers once a message is in memory; "
               "what is there is lost when the process dies",
               NULL);
    assert_one(BACKEND "buffer: {mode: spill, ack: buffered}\n", 48, 2, 28,
               "buffer.ack: buffered with buffer.mode: spill answers once a message is in memory; "
               "what is there is lost when the process dies",
               NULL);
}

static void
memory_mode_needs_no_disk(void **state)
{
    (void)state;
    static const char *const fine[] = {
        BACKEND "buffer: {mode: memory}\n",
        BACKEND "buffer: {mode: memory, disk: {path: \"\"}}\n",
        BACKEND "buffer: {mode: memory, disk: {path: q}}\nquarantine: {path: q, max: 64KiB}\n",
    };
    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
        struct fixture fixture = load(fine[i]);
        assert_clean(&fixture);
        fini(&fixture);
    }
}

/* A machine of two volumes: what begins with /tmpfs, and the rest. */
static uint64_t free_bytes, used_bytes;
static uint32_t n_asked;

static bool
find_volume(const char *directory, struct conf_volume *out)
{
    bool is_memory = strncmp(directory, "/tmpfs", 6) == 0;
    n_asked++;
    *out = (struct conf_volume){
        .id = is_memory ? 2 : 1,
        .free_bytes = free_bytes,
        .used_bytes = strstr(directory, "spool") != NULL ? used_bytes : 0,
        .is_memory = is_memory,
    };
    return strstr(directory, "unknown") == NULL;
}

static const struct conf_system with_disks = {.n_cpus = 2, .find_volume = find_volume};

static struct fixture
load_with(const char *yaml, uint64_t n_free, uint64_t n_used)
{
    free_bytes = n_free;
    used_bytes = n_used;
    n_asked = 0;
    return load_all(yaml, NULL, NULL, 0, &with_disks);
}

static void
assert_warned(const char *yaml, uint64_t n_free, uint64_t n_used, uint16_t code, const char *text)
{
    struct fixture fixture = load_with(yaml, n_free, n_used);
    assert_int_equal(fixture.diags.n, 1);
    assert_int_equal(fixture.diags.n_warnings, 1);
    assert_int_equal(fixture.err, ERR_OK);
    assert_string_equal(fixture.diags.items[0].text, text);
    assert_int_equal(fixture.diags.items[0].code, code);
    fini(&fixture);
}

static void
too_little_space_is_told_in_numbers(void **state)
{
    (void)state;
    /* 4 GiB + 1 GiB + 512 MiB */
    struct fixture fixture = load_with(BACKEND, 5 * GIB + 512 * MIB, 0);
    assert_clean(&fixture);
    assert_int_equal(n_asked, 2);
    fini(&fixture);
    assert_warned(BACKEND, 5 * GIB + 511 * MIB, 0, 50,
                  "buffer.disk.path \"/var/lib/spangate/spool\": 5.5 GiB are free, but "
                  "buffer.disk.max 4.0 GiB, quarantine.max 1.0 GiB and buffer.disk.min_free 512.0 "
                  "MiB need 5.5 GiB");
    assert_warned(BACKEND "buffer: {disk: {min_free: 1GiB}}\n", 3 * GIB, 2 * GIB, 50,
                  "buffer.disk.path \"/var/lib/spangate/spool\": 3.0 GiB are free, but "
                  "buffer.disk.max 4.0 GiB, quarantine.max 1.0 GiB and buffer.disk.min_free 1.0 "
                  "GiB need 4.0 GiB beyond the 2.0 GiB in use");
    /* What the spool holds already is its own, however much. */
    fixture = load_with(BACKEND, 1 * GIB + 512 * MIB, 9 * GIB);
    assert_clean(&fixture);
    fini(&fixture);
    assert_warned(BACKEND "quarantine: {path: /unknown}\n", 4 * GIB, 0, 50,
                  "buffer.disk.path \"/var/lib/spangate/spool\": 4.0 GiB are free, but "
                  "buffer.disk.max 4.0 GiB and buffer.disk.min_free 512.0 MiB need 4.5 GiB");
}

static void
a_tmpfs_is_told(void **state)
{
    (void)state;
    assert_warned(BACKEND "buffer: {disk: {path: /tmpfs/spool}}\n", 8 * GIB, 0, 49,
                  "buffer.disk.path \"/tmpfs/spool\" is on a tmpfs: what it holds is memory and "
                  "does not survive a restart of the machine");
    assert_warned(BACKEND "quarantine: {path: /tmpfs/q}\n", 8 * GIB, 0, 49,
                  "quarantine.path \"/tmpfs/q\" is on a tmpfs: what it holds is memory and does "
                  "not survive a restart of the machine");
    /* Two volumes, each with its own need. */
    struct fixture fixture = load_with(BACKEND "quarantine: {path: /tmpfs/q}\n", GIB, 0);
    assert_int_equal(fixture.diags.n_warnings, 3);
    fini(&fixture);
}

static void
disks_that_are_not_used_are_not_looked_at(void **state)
{
    (void)state;
    struct fixture fixture = load_with(BACKEND "buffer: {mode: memory}\n", 0, 0);
    assert_clean(&fixture);
    assert_int_equal(n_asked, 0);
    fini(&fixture);
    fixture = load_with(BACKEND "buffer: {disk: {path: spool}}\n", 9 * GIB, 0);
    assert_int_equal(fixture.diags.n, 1);
    assert_int_equal(n_asked, 1);
    fini(&fixture);
}

static void
the_real_machine_answers(void **state)
{
    (void)state;
    char directory[] = "/tmp/spangate-conf-XXXXXX", path[128];
    struct conf_system system;
    struct conf_volume volume, above;
    conf_system_read(&system);
    assert_non_null(mkdtemp(directory));
    assert_true(system.find_volume(directory, &volume));
    assert_int_equal(volume.used_bytes, 0);
    snprintf(path, sizeof(path), "%s/file", directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 64 * 1024; i++)
        assert_int_equal(fputc('x', file), 'x');
    assert_int_equal(fflush(file), 0);
    assert_int_equal(fsync(fileno(file)), 0);
    assert_int_equal(fclose(file), 0);
    assert_true(system.find_volume(directory, &volume));
    assert_in_range(volume.used_bytes, 64 * 1024, 1024 * 1024);
    snprintf(path, sizeof(path), "%s/not/there/", directory);
    assert_true(system.find_volume(path, &above));
    assert_int_equal(above.id, volume.id);
    assert_int_equal(above.used_bytes, 0);
    snprintf(path, sizeof(path), "%s/file", directory);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
    assert_true(system.find_volume("/", &volume));
    assert_false(system.find_volume("", &volume));
    assert_false(system.find_volume("not/there", &volume));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(directories_are_whole_paths),
        cmocka_unit_test(spool_and_quarantine_are_apart),
        cmocka_unit_test(quotas_have_room_for_what_they_are_for),
        cmocka_unit_test(a_message_fits_the_spool),
        cmocka_unit_test(an_answer_from_memory_is_told_when_asked_for),
        cmocka_unit_test(memory_mode_needs_no_disk),
        cmocka_unit_test(too_little_space_is_told_in_numbers),
        cmocka_unit_test(a_tmpfs_is_told),
        cmocka_unit_test(disks_that_are_not_used_are_not_looked_at),
        cmocka_unit_test(the_real_machine_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
