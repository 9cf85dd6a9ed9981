/* Reads /proc/self for the process_* metrics. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "admin/expose_int.h"

/* The start of a small file of /proc, NUL-terminated; empty when it cannot be read. */
static void
read_file(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "re");
    size_t n = file != NULL ? fread(out, 1, size - 1, file) : 0;
    out[n] = '\0';
    if (file != NULL)
        fclose(file);
}

static uint64_t
resident_bytes(void)
{
    char text[128];
    read_file("/proc/self/statm", text, sizeof(text));
    const char *second = strchr(text, ' ');
    return second != NULL ? strtoull(second, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static uint64_t
count_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL)
        return 0;
    uint64_t n = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;)
        n += entry->d_name[0] != '.';
    closedir(directory);
    return n - 1; /* the one that reads */
}

static uint64_t
to_us(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000u + (uint64_t)time.tv_usec;
}

void
expose_process_read(struct expose_process *out)
{
    struct rusage usage = {.ru_nswap = 0};
    struct rlimit limit = {.rlim_cur = 0};
    getrusage(RUSAGE_SELF, &usage);
    getrlimit(RLIMIT_NOFILE, &limit);
    *out = (struct expose_process){
        .cpu_us = to_us(usage.ru_utime) + to_us(usage.ru_stime),
        .resident_bytes = resident_bytes(),
        .n_open_fds = count_descriptors(),
        .max_fds = limit.rlim_cur,
    };
}
