/* The kernel's disk calls, in a directory made for the test. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "store/disk.h"

static const struct disk *const disk = &disk_system;
static char directory[64];

/* A path in the directory; good until the call after the next. */
static const char *
path_of(const char *name)
{
    static char paths[2][128];
    static int turn;
    turn ^= 1;
    (void)snprintf(paths[turn], sizeof(paths[turn]), "%s/%s", directory, name);
    return paths[turn];
}

static int
open_file(const char *name, enum disk_how how)
{
    int file = -1;
    assert_int_equal(disk->open(NULL, path_of(name), how, &file), ERR_OK);
    return file;
}

static void
write_text(int file, const char *text, uint64_t offset)
{
    struct iovec vector = {(void *)(uintptr_t)text, strlen(text)};
    size_t n = 0;
    assert_int_equal(disk->write(NULL, file, &vector, 1, offset, &n), ERR_OK);
    assert_int_equal(n, strlen(text));
}

static int
setup(void **state)
{
    (void)state;
    (void)snprintf(directory, sizeof(directory), "/tmp/test_disk_system.XXXXXX");
    return mkdtemp(directory) == NULL;
}

static void
remove_one(void *ctx, const char *name)
{
    (void)ctx;
    if (disk->remove(NULL, path_of(name)) != ERR_OK)
        (void)rmdir(path_of(name));
}

static int
teardown(void **state)
{
    (void)state;
    return disk->list(NULL, directory, remove_one, NULL) != ERR_OK || rmdir(directory) != 0;
}

static void
opening_makes_or_finds(void **state)
{
    (void)state;
    struct stat stat;
    int file = -1;
    assert_int_equal(disk->open(NULL, path_of("a"), DISK_LOOK, &file), ERR_NOT_FOUND);
    file = open_file("a", DISK_CREATE);
    assert_int_equal(fstat(file, &stat), 0);
    assert_int_equal(stat.st_mode & 0777, 0600);
    assert_true((fcntl(file, F_GETFD) & FD_CLOEXEC) != 0);
    disk->close(NULL, file);
    assert_int_equal(disk->open(NULL, path_of("a"), DISK_CREATE, &file), ERR_SYSTEM);
    file = open_file("a", DISK_UPDATE);
    write_text(file, "kept", 0);
    disk->close(NULL, file);
    file = open_file("a", DISK_LOOK);
    struct iovec vector = {(void *)(uintptr_t) "x", 1};
    size_t n = 7;
    assert_int_not_equal(disk->write(NULL, file, &vector, 1, 0, &n), ERR_OK);
    assert_int_equal(n, 0);
    disk->close(NULL, file);
}

static void
many_vectors_are_written_in_order(void **state)
{
    (void)state;
    enum { N = 1500 };
    struct iovec *vectors = mem_new_n(struct iovec, N);
    uint32_t *numbers = mem_new_n(uint32_t, N), *back = mem_new_n(uint32_t, N);
    size_t n = 0;
    for (uint32_t i = 0; i < N; i++) {
        numbers[i] = i * 2654435761u;
        vectors[i] = (struct iovec){&numbers[i], i % 5 == 0 ? 0 : sizeof(numbers[i])};
    }
    int file = open_file("vectors", DISK_CREATE);
    assert_int_equal(disk->write(NULL, file, vectors, N, 100, &n), ERR_OK);
    assert_int_equal(n, N / 5 * 4 * sizeof(numbers[0]));
    assert_int_equal(disk->read(NULL, file, back, N * sizeof(back[0]), 100, &n), ERR_OK);
    assert_int_equal(n, N / 5 * 4 * sizeof(numbers[0]));
    for (uint32_t i = 0, at = 0; i < N; i++)
        if (i % 5 != 0)
            assert_int_equal(back[at++], numbers[i]);
    assert_int_equal(disk->sync(NULL, file), ERR_OK);
    disk->close(NULL, file);
    mem_free(vectors);
    mem_free(numbers);
    mem_free(back);
}

static void
reading_ends_where_the_file_ends(void **state)
{
    (void)state;
    char text[16];
    size_t n = 99;
    int file = open_file("short", DISK_CREATE);
    write_text(file, "hello", 0);
    assert_int_equal(disk->read(NULL, file, text, sizeof(text), 1, &n), ERR_OK);
    assert_true(bytes_equal(bytes_of(text, n), BYTES("ello")));
    assert_int_equal(disk->read(NULL, file, text, sizeof(text), 5, &n), ERR_OK);
    assert_int_equal(n, 0);
    disk->close(NULL, file);
    assert_int_equal(disk->read(NULL, -1, text, sizeof(text), 0, &n), ERR_SYSTEM);
    assert_int_equal(disk->sync(NULL, -1), ERR_SYSTEM);
}

static void
reserved_space_is_size_and_is_given_back(void **state)
{
    (void)state;
    uint64_t size = 0;
    int file = open_file("reserved", DISK_CREATE);
    write_text(file, "hello", 0);
    assert_int_equal(disk->reserve(NULL, file, 0), ERR_OK);
    assert_int_equal(disk->reserve(NULL, file, 65536), ERR_OK);
    assert_int_equal(disk->size(NULL, file, &size), ERR_OK);
    assert_int_equal(size, 65536);
    assert_int_equal(disk->reserve(NULL, file, 3), ERR_OK);
    assert_int_equal(disk->size(NULL, file, &size), ERR_OK);
    assert_int_equal(size, 65536);
    assert_int_equal(disk->truncate(NULL, file, 5), ERR_OK);
    assert_int_equal(disk->size(NULL, file, &size), ERR_OK);
    assert_int_equal(size, 5);
    disk->close(NULL, file);
}

static void
a_lock_names_its_holder_until_it_is_closed(void **state)
{
    (void)state;
    static const char head[] = "SPGLOCK1 the uuid of 16.sumsum12";
    int holder = -1, one = open_file("lock", DISK_UPDATE), two = open_file("lock", DISK_UPDATE);
    assert_int_equal(disk->lock(NULL, one, &holder), ERR_OK);
    assert_int_equal(holder, 0);
    assert_int_equal(disk->lock(NULL, two, &holder), ERR_LOCKED);
    assert_int_equal(holder, 0); /* nothing written yet */
    write_text(one, head, 0);
    write_text(one, "4711\n", strlen(head));
    assert_int_equal(disk->lock(NULL, two, &holder), ERR_LOCKED);
    assert_int_equal(holder, 4711);
    write_text(one, "999999999999\n", strlen(head));
    assert_int_equal(disk->lock(NULL, two, &holder), ERR_LOCKED);
    assert_int_equal(holder, 0);
    disk->close(NULL, one);
    assert_int_equal(disk->lock(NULL, two, &holder), ERR_OK);
    disk->close(NULL, two);
}

struct seen {
    int n, n_renamed;
};

static void
see(void *ctx, const char *name)
{
    struct seen *seen = ctx;
    seen->n++;
    seen->n_renamed += strcmp(name, "renamed") == 0;
}

static void
directories_are_made_listed_and_synced(void **state)
{
    (void)state;
    struct seen seen = {0};
    uint64_t n = 0;
    char inner[80];
    (void)snprintf(inner, sizeof(inner), "%s/inner", directory);
    assert_int_equal(disk->make_directory(NULL, inner), ERR_OK);
    assert_int_equal(disk->make_directory(NULL, inner), ERR_OK);
    disk->close(NULL, open_file("inner/x", DISK_CREATE));
    disk->close(NULL, open_file("inner/y", DISK_CREATE));
    assert_int_equal(disk->make_directory(NULL, path_of("inner/x")), ERR_NOT_DIRECTORY);
    assert_int_equal(disk->make_directory(NULL, path_of("inner/x/y")), ERR_NOT_DIRECTORY);
    assert_int_equal(disk->rename(NULL, path_of("inner/x"), path_of("inner/renamed")), ERR_OK);
    assert_int_equal(disk->sync_directory(NULL, inner), ERR_OK);
    assert_int_equal(disk->list(NULL, inner, see, &seen), ERR_OK);
    assert_int_equal(seen.n, 2);
    assert_int_equal(seen.n_renamed, 1);
    assert_int_equal(disk->remove(NULL, path_of("inner/renamed")), ERR_OK);
    assert_int_equal(disk->remove(NULL, path_of("inner/renamed")), ERR_NOT_FOUND);
    assert_int_equal(disk->remove(NULL, path_of("inner/y")), ERR_OK);
    assert_int_equal(disk->list(NULL, path_of("none"), see, &seen), ERR_NOT_FOUND);
    assert_int_equal(disk->sync_directory(NULL, path_of("none")), ERR_NOT_FOUND);
    assert_int_equal(disk->free_bytes(NULL, inner, &n), ERR_OK);
    assert_true(n > 0);
    assert_int_equal(disk->free_bytes(NULL, path_of("none"), &n), ERR_NOT_FOUND);
}

static void
a_full_device_has_its_own_error(void **state)
{
    (void)state;
    int file = -1;
    size_t n = 0;
    struct iovec vector = {(void *)(uintptr_t) "x", 1};
    if (disk->open(NULL, "/dev/full", DISK_UPDATE, &file) != ERR_OK)
        skip();
    assert_int_equal(disk->write(NULL, file, &vector, 1, 0, &n), ERR_NO_SPACE);
    assert_int_equal(n, 0);
    disk->close(NULL, file);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_makes_or_finds),
        cmocka_unit_test(many_vectors_are_written_in_order),
        cmocka_unit_test(reading_ends_where_the_file_ends),
        cmocka_unit_test(reserved_space_is_size_and_is_given_back),
        cmocka_unit_test(a_lock_names_its_holder_until_it_is_closed),
        cmocka_unit_test(directories_are_made_listed_and_synced),
        cmocka_unit_test(a_full_device_has_its_own_error),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
