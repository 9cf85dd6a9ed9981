/* Finds the files that a path stands for: itself, or all below a directory, in order of name. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMMAND_LINT_WALK_H
#define COMMAND_LINT_WALK_H

typedef void lint_walk_fn(void *ctx, const char *path);

struct lint_walk {
    void *ctx;
    lint_walk_fn *on_file;
    /* What a sink's store holds besides segments (ManagementService.keepAlive.bin). */
    lint_walk_fn *on_skipped;
};

/* Hidden files are left out, links to directories not followed. Gives errno where a directory
 * cannot be read, else 0. A path that is no directory is a file, also where there is none. */
int lint_walk_path(const struct lint_walk *, const char *path);

#endif
