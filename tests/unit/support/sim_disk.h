/* A disk in memory that forgets, tears and reorders what was not synced, and fails chosen calls. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes are durable after sync of their file, names after sync_directory of their directory. A sync
 * that fails forgets what it should have written, as the kernel does. */
#ifndef SUPPORT_SIM_DISK_H
#define SUPPORT_SIM_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "store/disk.h"

struct sim_disk;

struct sim_disk *sim_disk_new(void);
void sim_disk_free(struct sim_disk **);
/* A new disk with all that is visible on this one, durable. */
struct sim_disk *sim_disk_clone(const struct sim_disk *);
const struct disk *sim_disk_face(const struct sim_disk *);

/* The same with what is not durable. Nothing is open. */
struct sim_disk *sim_disk_fork(const struct sim_disk *);
/* What crashes did so far, to this disk and those it was forked from. */
struct sim_tally {
    uint64_t n_lost, n_torn_512, n_torn_4096, n_reordered; /* changes of files */
    uint64_t n_names_lost;                                 /* new, removed or renamed */
};
struct sim_tally sim_disk_tally(const struct sim_disk *);

/* Numbers from a seed, the same on every machine. */
uint64_t sim_random(uint64_t *state);

/* Calls so far that can fail. */
uint64_t sim_disk_calls(const struct sim_disk *);
/* The call with number `at` (from 0) and n - 1 after it fail; writes with is_short do half. */
void sim_disk_fail(struct sim_disk *, uint64_t at, uint64_t n, enum err, bool is_short);
/* Room for so many bytes in all, of reserved space too. ERR_NO_SPACE beyond; UINT64_MAX at first.
 */
void sim_disk_limit(struct sim_disk *, uint64_t n_bytes);
/* Every fault is over. */
void sim_disk_heal(struct sim_disk *);
/* The process ends: descriptors and locks are gone, all bytes stay. */
void sim_disk_kill(struct sim_disk *);
/* The power fails: one of the states the disk may then be in. */
void sim_disk_crash(struct sim_disk *, uint64_t seed);
/* One random bit of one file, larger files more often. False: there is no byte. */
bool sim_disk_flip(struct sim_disk *, uint64_t seed);
/* Names in use. */
uint32_t sim_disk_n_names(const struct sim_disk *);
/* The i-th of them, whole path; NULL at the end. */
const char *sim_disk_name(const struct sim_disk *, uint32_t i);
/* A whole file's bytes, durable; NULL: no such file. Valid until it changes. */
uint8_t *sim_disk_bytes(struct sim_disk *, const char *path, uint64_t *n);
/* Makes or replaces a file. */
void sim_disk_put(struct sim_disk *, const char *path, const void *, uint64_t n);
/* Reads of the file fail from here on, until heal. */
void sim_disk_spoil(struct sim_disk *, const char *path);
/* What was called last, newest at the end: "sync LOCK\n" and so on, when it was switched on. */
void sim_disk_record(struct sim_disk *, bool is_on);
const char *sim_disk_history(const struct sim_disk *);

#endif
