/* How a file looks from outside: whether it was changed or replaced since the last look. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Through symbolic links, so that a mounted directory whose link moves counts as a change. */
#ifndef DAEMON_FILE_STATE_H
#define DAEMON_FILE_STATE_H

#include <stdbool.h>
#include <stdint.h>

/* The time is that of its inode: who may read it counts, too, and who copies a file may keep the
 * other. */
struct file_state {
    uint64_t device, inode, n_bytes;
    int64_t changed_s, changed_ns;
};

/* All zero for a file that is not there, NULL or "". */
void file_state_look(const char *file, struct file_state *out);
bool file_state_is_same(const struct file_state *, const struct file_state *);

#endif
