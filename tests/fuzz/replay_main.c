/* Feeds the files of the folders or files given to a fuzz target, one after the other. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Stands in for libFuzzer's main, so that a corpus can be replayed with any compiler. Prints
 * "ok NAME" behind each file; a target that finds something aborts. Each input is an allocation of
 * its exact size, so that the address sanitizer sees a read beyond it. */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Optional in a target, as libFuzzer has it. */
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

static bool
replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat about;
    if (!file || fstat(fileno(file), &about) != 0) {
        perror(path);
        return false;
    }
    size_t n = (size_t)about.st_size;
    uint8_t *data = malloc(n > 0 ? n : 1);
    bool ok = data && fread(data, 1, n, file) == n;
    fclose(file);
    if (ok) {
        LLVMFuzzerTestOneInput(data, n);
        printf("ok %s\n", path);
        fflush(stdout);
    }
    free(data);
    return ok;
}

static int
is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static bool
replay_folder(const char *path)
{
    struct dirent **entries;
    int n = scandir(path, &entries, is_visible, alphasort);
    bool ok = n > 0;
    if (n <= 0)
        fprintf(stderr, "%s: no file\n", path);
    for (int i = 0; i < n; i++) {
        char file[4096];
        snprintf(file, sizeof file, "%s/%s", path, entries[i]->d_name);
        ok = replay_file(file) && ok;
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
    return ok;
}

int
main(int argc, char **argv)
{
    bool ok = argc > 1;
    if (LLVMFuzzerInitialize)
        LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++) {
        struct stat about;
        bool is_folder = stat(argv[i], &about) == 0 && S_ISDIR(about.st_mode);
        ok = (is_folder ? replay_folder(argv[i]) : replay_file(argv[i])) && ok;
    }
    return ok ? 0 : 1;
}
