/* What the machine allows this process: memory of its cgroup, CPUs, space on disk. */
/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup v2 first, v1 where that is mounted. The tightest limit of the group and its parents
 * counts; inside a container the group's own directory is the root. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "conf/conf_int.h"

enum { GROUP_MAX = 512, NO_LIMIT_SHIFT = 60 };

/* The first line of a small file without its end. */
static bool
read_line(const char *path, char *out, size_t size)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return false;
    ssize_t n = read(descriptor, out, size - 1);
    close(descriptor);
    if (n <= 0)
        return false;
    out[n] = '\0';
    out[strcspn(out, "\n")] = '\0';
    return true;
}

static void
lower_memory(struct conf_system *system, const char *path)
{
    char line[64];
    if (!read_line(path, line, sizeof(line)) || strcmp(line, "max") == 0)
        return;
    unsigned long long limit = strtoull(line, NULL, 10);
    if (limit == 0 || limit >> NO_LIMIT_SHIFT != 0) /* v1 writes a huge number for none */
        return;
    if (system->memory_bytes == 0 || limit < system->memory_bytes)
        system->memory_bytes = limit;
}

static void
lower_cpus(struct conf_system *system, long long quota, long long period)
{
    if (quota <= 0 || period <= 0)
        return;
    unsigned long long n = (unsigned long long)((quota + period - 1) / period);
    if (n < system->n_cpus)
        system->n_cpus = (uint32_t)n;
}

static void
read_v2_at(struct conf_system *system, const char *directory)
{
    char path[GROUP_MAX + 32], line[64];
    snprintf(path, sizeof(path), "%s/memory.max", directory);
    lower_memory(system, path);
    snprintf(path, sizeof(path), "%s/cpu.max", directory);
    long long quota, period;
    if (read_line(path, line, sizeof(line)) && sscanf(line, "%lld %lld", &quota, &period) == 2)
        lower_cpus(system, quota, period);
}

/* From the process's group up to the root of the mount. */
static void
read_v2(struct conf_system *system)
{
    static const char root[] = "/sys/fs/cgroup";
    char line[GROUP_MAX / 2], directory[GROUP_MAX];
    if (!read_line("/proc/self/cgroup", line, sizeof(line)) || strncmp(line, "0::", 3) != 0)
        line[0] = '\0';
    snprintf(directory, sizeof(directory), "%s%s", root, line[0] != '\0' ? line + 3 : "");
    for (;;) {
        read_v2_at(system, directory);
        char *slash = strrchr(directory, '/');
        if (slash == NULL || (size_t)(slash - directory) < sizeof(root) - 1)
            break;
        *slash = '\0';
    }
}

static void
read_v1(struct conf_system *system)
{
    char quota[64], period[64];
    lower_memory(system, "/sys/fs/cgroup/memory/memory.limit_in_bytes");
    if (read_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota, sizeof(quota)) &&
        read_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us", period, sizeof(period)))
        lower_cpus(system, strtoll(quota, NULL, 10), strtoll(period, NULL, 10));
}

/* What the files of a directory take; 0 where it cannot be read. */
static uint64_t
used_bytes(const char *directory)
{
    enum { BLOCK_BYTES = 512 }; /* of st_blocks */
    uint64_t n_bytes = 0;
    DIR *dir = opendir(directory);
    if (dir == NULL)
        return 0;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        struct stat status;
        if (fstatat(dirfd(dir), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(status.st_mode))
            n_bytes += (uint64_t)status.st_blocks * BLOCK_BYTES;
    }
    closedir(dir);
    return n_bytes;
}

/* Of the directory, or of the nearest one above it that exists. */
static bool
find_volume(const char *directory, struct conf_volume *out)
{
    char path[PATH_MAX];
    struct statfs volume;
    struct stat status;
    size_t n = strlen(directory);
    if (n == 0 || n >= sizeof(path))
        return false;
    memcpy(path, directory, n + 1);
    while (statfs(path, &volume) != 0 || stat(path, &status) != 0) {
        char *slash = strrchr(path, '/');
        if ((errno != ENOENT && errno != ENOTDIR) || slash == NULL || strcmp(path, "/") == 0)
            return false;
        slash[slash == path] = '\0';
    }
    *out = (struct conf_volume){
        .id = (uint64_t)status.st_dev,
        .free_bytes = (uint64_t)volume.f_bavail * (uint64_t)volume.f_bsize,
        .used_bytes = used_bytes(directory),
        .is_memory = volume.f_type == TMPFS_MAGIC || volume.f_type == RAMFS_MAGIC,
    };
    return true;
}

void
conf_system_read(struct conf_system *system)
{
    cpu_set_t set;
    long n_online = sysconf(_SC_NPROCESSORS_ONLN);
    *system = (struct conf_system){
        .n_cpus = n_online > 0 ? (uint32_t)n_online : 1,
        .find_volume = find_volume,
    };
    if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
        system->n_cpus = (uint32_t)CPU_COUNT(&set);
    read_v2(system);
    read_v1(system);
}
