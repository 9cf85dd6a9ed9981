/* Finds the listening socket's inode, then the process that has it open. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "net/port_holder.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TCP_STATE_LISTEN = 0x0A, PROC_PATH = 300, LINK_TEXT = 64 };

/* The inode of the socket that listens on the port; 0 when the table does not tell. */
static unsigned long
find_inode(const char *table_path, uint16_t port)
{
    FILE *table = fopen(table_path, "re");
    char line[512];
    unsigned long found = 0;
    if (table == NULL)
        return 0;
    while (found == 0 && fgets(line, sizeof(line), table) != NULL) {
        /* sl local:port remote:port state tx:rx timer:when retransmits uid timeout inode */
        unsigned local_port, state;
        unsigned long inode;
        if (sscanf(line, " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*d %*d %lu",
                   &local_port, &state, &inode) == 3 &&
            local_port == port && state == TCP_STATE_LISTEN)
            found = inode;
    }
    fclose(table);
    return found;
}

static bool
has_open(const char *pid, const char *wanted)
{
    char path[PROC_PATH], target[LINK_TEXT];
    snprintf(path, sizeof(path), "/proc/%s/fd", pid);
    DIR *descriptors = opendir(path);
    bool found = false;
    struct dirent *entry;
    while (descriptors != NULL && !found && (entry = readdir(descriptors)) != NULL) {
        ssize_t n = readlinkat(dirfd(descriptors), entry->d_name, target, sizeof(target) - 1);
        if (n <= 0)
            continue;
        target[n] = '\0';
        found = strcmp(target, wanted) == 0;
    }
    if (descriptors != NULL)
        closedir(descriptors);
    return found;
}

static void
add_process(struct text *text, const char *pid)
{
    char path[PROC_PATH], name[64] = "";
    snprintf(path, sizeof(path), "/proc/%s/comm", pid);
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fgets(name, sizeof(name), file) == NULL)
            name[0] = '\0';
        fclose(file);
    }
    name[strcspn(name, "\n")] = '\0';
    text_add(text, "held by ");
    text_add_plain(text, bytes_str(name[0] != '\0' ? name : "a process"), sizeof(name));
    text_addf(text, ", pid %s", pid);
}

bool
port_holder_add(struct text *text, uint16_t port)
{
    char wanted[LINK_TEXT];
    bool found = false;
    struct dirent *entry;
    unsigned long inode = find_inode("/proc/self/net/tcp", port);
    if (inode == 0)
        inode = find_inode("/proc/self/net/tcp6", port);
    if (inode == 0)
        return false;
    snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
    DIR *processes = opendir("/proc");
    while (processes != NULL && !found && (entry = readdir(processes)) != NULL) {
        const char *pid = entry->d_name;
        found = pid[0] >= '1' && pid[0] <= '9' && has_open(pid, wanted);
        if (found)
            add_process(text, pid);
    }
    if (processes != NULL)
        closedir(processes);
    return found;
}
