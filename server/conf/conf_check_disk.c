/* What the settings of spool and quarantine must fulfil, and what their disks have to offer. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "conf/conf_int.h"

enum {
    LEAST_FILES = 2,
    LEAST_FILE_BYTES = 1024 * 1024, /* of a spool's file, however small the quota */
    N_PLACES = 2,
};

/* Where records go on disk: the spool, and what is set aside. */
struct place {
    const char *row, *path;
    const char *max_row;
    uint64_t max_bytes;
    bool is_usable; /* nothing is wrong with its path */
    bool has_volume;
    struct conf_volume volume;
};

static const char *
word_of(enum conf_buffer_mode mode)
{
    return mode == CONF_BUFFER_MEMORY ? "memory" : mode == CONF_BUFFER_SPILL ? "spill" : "durable";
}

static void
check_path(struct conf_loading *loading, struct place *place)
{
    struct conf_place at = conf_loading_place(loading, place->row);
    place->is_usable = false;
    if (conf_loading_is_bad(loading, place->row))
        return;
    if (place->path[0] == '\0')
        conf_diag_add(loading->diags, CONF_ERROR, 43, &at, NULL,
                      "%s is empty: buffer.mode %s needs a directory", place->row,
                      word_of(loading->conf->buffer.mode));
    else if (place->path[0] != '/')
        conf_diag_add(loading->diags, CONF_ERROR, 43, &at, NULL,
                      "%s %s is relative: its directory would depend on where the process is "
                      "started",
                      place->row, conf_diag_quote(loading->scratch, place->path));
    else
        place->is_usable = true;
}

/* The next name of a path, without empty ones and "."; BYTES_NONE at the end. */
static struct bytes
next_name(const char **path)
{
    for (;;) {
        *path += strspn(*path, "/");
        size_t n = strcspn(*path, "/");
        struct bytes name = bytes_of(*path, n);
        *path += n;
        if (n == 0)
            return BYTES_NONE;
        if (n != 1 || name.p[0] != '.')
            return name;
    }
}

/* b is a, or lies inside it. ".." is not followed: where it leads is the file system's matter. */
static bool
holds(const char *a, const char *b)
{
    for (;;) {
        struct bytes name = next_name(&a);
        if (name.n == 0)
            return true;
        if (!bytes_equal(name, next_name(&b)))
            return false;
    }
}

static void
check_apart(struct conf_loading *loading, const struct place *spool, const struct place *aside)
{
    if (!spool->is_usable || !aside->is_usable)
        return;
    bool is_inside = holds(spool->path, aside->path), is_around = holds(aside->path, spool->path);
    if (!is_inside && !is_around)
        return;
    struct conf_place at = conf_loading_place(
        loading, conf_loading_is_set(loading, aside->row) ? aside->row : spool->row);
    const char *path = conf_diag_quote(loading->scratch, aside->path);
    if (is_inside && is_around)
        conf_diag_add(loading->diags, CONF_ERROR, 47, &at, NULL,
                      "%s %s is also %s: each needs a directory of its own", aside->row, path,
                      spool->row);
    else
        conf_diag_add(loading->diags, CONF_ERROR, 47, &at, NULL,
                      "%s %s lies %s %s %s: each needs a directory of its own", aside->row, path,
                      is_inside ? "inside" : "around", spool->row,
                      conf_diag_quote(loading->scratch, spool->path));
}

static void
check_quotas(struct conf_loading *loading)
{
    const struct conf *conf = loading->conf;
    const struct conf_place at_disk = conf_loading_place(loading, "buffer.disk.max");
    const struct conf_place at_aside = conf_loading_place(loading, "quarantine.max");
    const struct conf_place at_message = conf_loading_place(loading, "listen.max_message");
    bool is_disk_bad = conf_loading_is_bad(loading, "buffer.disk.max");
    if (!is_disk_bad && !conf_loading_is_bad(loading, "buffer.memory.max") &&
        conf->buffer.disk.max_bytes < conf->buffer.memory.max_bytes)
        conf_diag_add(loading->diags, CONF_WARNING, 44, &at_disk, NULL,
                      "buffer.disk.max is below buffer.memory.max: that much memory will never be "
                      "used");
    if (!is_disk_bad && conf_loading_is_set(loading, "listen.max_message") &&
        !conf_loading_is_bad(loading, "listen.max_message") &&
        conf->listen.max_message_bytes > conf->buffer.disk.max_bytes)
        conf_diag_add(loading->diags, CONF_ERROR, 46, &at_message, NULL,
                      "listen.max_message is above buffer.disk.max: such a message would wait for "
                      "ever");
    if (!conf_loading_is_bad(loading, "quarantine.max") &&
        conf->quarantine.max_bytes < (uint64_t)LEAST_FILES * LEAST_FILE_BYTES)
        conf_diag_add(loading->diags, CONF_ERROR, 45, &at_aside, NULL,
                      "quarantine.max is below two files of 1 MiB: there must be one to write and "
                      "one to keep");
}

/* Only where it was asked for: the start line says the same of every configuration. */
static void
check_answer(struct conf_loading *loading)
{
    const struct conf *conf = loading->conf;
    if (conf->buffer.mode == CONF_BUFFER_DURABLE || conf->buffer.ack != CONF_ACK_BUFFERED ||
        !conf_loading_is_set(loading, "buffer.ack") || conf_loading_is_bad(loading, "buffer.ack"))
        return;
    struct conf_place at = conf_loading_place(loading, "buffer.ack");
    conf_diag_add(loading->diags, CONF_WARNING, 48, &at, NULL,
                  "buffer.ack: buffered with buffer.mode: %s answers once a message is in memory; "
                  "what is there is lost when the process dies",
                  word_of(conf->buffer.mode));
}

static void
check_memory_disk(struct conf_loading *loading, const struct place *place)
{
    struct conf_place at = conf_loading_place(loading, place->row);
    if (place->has_volume && place->volume.is_memory)
        conf_diag_add(loading->diags, CONF_WARNING, 49, &at, NULL,
                      "%s %s is on a tmpfs: what it holds is memory and does not survive a restart "
                      "of the machine",
                      place->row, conf_diag_quote(loading->scratch, place->path));
}

static uint64_t
still_wanted(const struct place *place)
{
    return place->max_bytes > place->volume.used_bytes ? place->max_bytes - place->volume.used_bytes
                                                       : 0;
}

/* second: on the same volume, or NULL. */
static void
check_space(struct conf_loading *loading, const struct place *first, const struct place *second)
{
    uint64_t min_free = loading->conf->buffer.disk.min_free_bytes;
    uint64_t wanted = still_wanted(first), used = first->volume.used_bytes;
    if (second != NULL) {
        wanted += still_wanted(second);
        used += second->volume.used_bytes;
    }
    if (first->volume.free_bytes >= wanted && first->volume.free_bytes - wanted >= min_free)
        return;
    struct text text = TEXT_EMPTY;
    struct conf_place at = conf_loading_place(loading, first->row);
    text_addf(&text, "%s %s: ", first->row, conf_diag_quote(loading->scratch, first->path));
    text_add_size(&text, first->volume.free_bytes);
    text_addf(&text, " are free, but %s ", first->max_row);
    text_add_size(&text, first->max_bytes);
    if (second != NULL) {
        text_addf(&text, ", %s ", second->max_row);
        text_add_size(&text, second->max_bytes);
    }
    text_add(&text, " and buffer.disk.min_free ");
    text_add_size(&text, min_free);
    text_add(&text, " need ");
    text_add_size(&text, wanted + min_free);
    if (used > 0) {
        text_add(&text, " beyond the ");
        text_add_size(&text, used);
        text_add(&text, " in use");
    }
    conf_diag_add(loading->diags, CONF_WARNING, 50, &at, NULL, "%s", text.p);
    text_fini(&text);
}

static void
check_volumes(struct conf_loading *loading, const struct conf_system *system,
              struct place places[N_PLACES])
{
    struct place *spool = &places[0], *aside = &places[1];
    for (uint32_t i = 0; system->find_volume != NULL && i < N_PLACES; i++) {
        places[i].has_volume =
            places[i].is_usable && system->find_volume(places[i].path, &places[i].volume);
        check_memory_disk(loading, &places[i]);
    }
    bool is_one = spool->has_volume && aside->has_volume && spool->volume.id == aside->volume.id;
    if (spool->has_volume)
        check_space(loading, spool, is_one ? aside : NULL);
    if (aside->has_volume && !is_one)
        check_space(loading, aside, NULL);
}

void
conf_check_disk(struct conf_loading *loading, const struct conf_system *system)
{
    const struct conf *conf = loading->conf;
    if (conf_loading_is_bad(loading, "buffer.mode"))
        return;
    check_answer(loading);
    if (conf->buffer.mode == CONF_BUFFER_MEMORY)
        return;
    struct place places[N_PLACES] = {
        {.row = "buffer.disk.path",
         .path = conf->buffer.disk.path,
         .max_row = "buffer.disk.max",
         .max_bytes = conf->buffer.disk.max_bytes},
        {.row = "quarantine.path",
         .path = conf->quarantine.path,
         .max_row = "quarantine.max",
         .max_bytes = conf->quarantine.max_bytes},
    };
    for (uint32_t i = 0; i < N_PLACES; i++)
        check_path(loading, &places[i]);
    check_apart(loading, &places[0], &places[1]);
    check_quotas(loading);
    check_volumes(loading, system, places);
}
