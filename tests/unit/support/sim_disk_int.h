/* What the two files of the simulated disk share. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPPORT_SIM_DISK_INT_H
#define SUPPORT_SIM_DISK_INT_H

#include "base/text.h"
#include "support/sim_disk.h"

enum { MAX_NODES = 4096, MAX_OPEN = 256, PATH_BYTES = 256, NOWHERE = -1 };

struct image {
    uint8_t *p;
    uint64_t n, size;
};
/* A change that is not durable: bytes at an offset, or a new size. */
struct change {
    struct change *next;
    bool is_size;
    uint64_t offset, n;
    uint8_t *p;
};
struct node {
    bool is_spoiled;
    struct image now, durable;
    struct change *first, **last;
};
struct name {
    char path[PATH_BYTES];
    int now, durable; /* nodes; NOWHERE */
};
struct sim_disk {
    struct disk face;
    struct node *nodes[MAX_NODES];
    int n_nodes;
    struct name names[MAX_NODES];
    int n_names;
    int open[MAX_OPEN]; /* nodes */
    bool is_locked[MAX_OPEN];
    uint64_t n_calls, fail_at, n_fail;
    enum err fail_err;
    bool is_short;
    uint64_t max_bytes;
    struct sim_tally tally;
    bool is_recording;
    struct text history;
};

void sim_image_size(struct image *, uint64_t n);
void sim_image_put(struct image *, uint64_t offset, const uint8_t *, uint64_t n);
void sim_image_copy(struct image *to, const struct image *from);
void sim_forget_changes(struct node *);
void sim_add_change(struct node *, bool is_size, uint64_t offset, const uint8_t *, uint64_t n);
int sim_new_node(struct sim_disk *);
struct name *sim_find_name(struct sim_disk *, const char *path, bool is_made);

#endif
