/* Defaults, file, environment and flags into one snapshot; every fault is told, not the first. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "conf/conf_int.h"

enum { PATH_MAX_CHARACTERS = 200, MAX_NEIGHBOURS = 64 };

void
conf_loading_add_secret(struct conf_loading *loading, const struct conf_node *node)
{
    struct conf_secret_place *secret = arena_alloc(loading->scratch, sizeof(*secret));
    if (node->place.line != 0 && node->kind == CONF_NODE_SCALAR && secret != NULL) {
        *secret = (struct conf_secret_place){loading->secrets, node->place};
        loading->secrets = secret;
    }
    for (const struct conf_node *child = node->first; child != NULL; child = child->next)
        conf_loading_add_secret(loading, child);
}

/* The keys and sections that may stand in a section ("" or "buffer.memory."). */
static uint32_t
neighbours(const char *section, const char **names)
{
    uint32_t n = 0;
    size_t n_section = strlen(section);
    for (uint32_t i = 0; i < conf_row_count() && n < MAX_NEIGHBOURS; i++)
        if (strcmp(conf_row_at(i)->section, section) == 0)
            names[n++] = conf_row_at(i)->name;
    const struct conf_section_row *row;
    for (uint32_t i = 0; (row = conf_section_at(i)) != NULL && n < MAX_NEIGHBOURS; i++)
        if (strncmp(row->path, section, n_section) == 0 &&
            strchr(row->path + n_section, '.') == NULL)
            names[n++] = row->path + n_section;
    return n;
}

/* The one path elsewhere that ends in this key; NULL for none or several. */
static const char *
only_home(const char *key)
{
    const char *home = NULL;
    for (uint32_t i = 0; i < conf_row_count(); i++) {
        if (strcmp(conf_row_at(i)->name, key) != 0)
            continue;
        if (home != NULL)
            return NULL;
        home = conf_row_at(i)->path;
    }
    return home;
}

static const char *
suggest(const char *section, const char *key)
{
    const char *names[MAX_NEIGHBOURS];
    uint32_t n = neighbours(section, names);
    const char *nearest = text_nearest(key, names, n);
    return nearest != NULL ? nearest : only_home(key);
}

/* A mistyped secret is a secret. */
static bool
is_secret_like(const char *section, const char *suggestion)
{
    char path[PATH_MAX_CHARACTERS];
    int n = snprintf(path, sizeof(path), "%s%s", section, suggestion);
    const struct conf_row *row = n < (int)sizeof(path) ? conf_row_find(path) : NULL;
    return row != NULL && conf_type_is_secret(row->type);
}

static void
add_unknown(struct conf_loading *loading, const char *section, const struct conf_node *node)
{
    const char *suggestion =
        conf_diag_has_room(loading->diags) ? suggest(section, node->key) : NULL;
    if ((suggestion != NULL && is_secret_like(section, suggestion)) ||
        conf_name_is_secret(node->key))
        conf_loading_add_secret(loading, node);
    size_t n = strlen(section);
    loading->has_unknown_keys = true;
    conf_diag_add(loading->diags, CONF_ERROR, 12, &node->key_place, suggestion,
                  "unknown key %s%s%.*s", conf_diag_quote(loading->scratch, node->key),
                  n > 0 ? " in " : "", n > 0 ? (int)n - 1 : 0, section);
}

/* The row whose _file twin the path names; NULL when none. */
static const struct conf_row *
find_twin(const char *path)
{
    char stem[PATH_MAX_CHARACTERS];
    size_t n = strlen(path);
    if (n < 6 || n >= sizeof(stem) || strcmp(path + n - 5, "_file") != 0)
        return NULL;
    memcpy(stem, path, n - 5);
    stem[n - 5] = '\0';
    const struct conf_row *row = conf_row_find(stem);
    return row != NULL && conf_type_is_secret(row->type) ? row : NULL;
}

bool
conf_loading_apply(struct conf_loading *loading, const char *path, const struct conf_node *node)
{
    const struct conf_row *row = conf_row_find(path);
    const struct conf_row *twin = row == NULL ? find_twin(path) : NULL;
    if (row != NULL)
        conf_value_set(loading, row, node);
    else if (twin != NULL)
        conf_secret_set(loading, twin, node);
    return row != NULL || twin != NULL;
}

static void walk(struct conf_loading *loading, const struct conf_node *map, const char *section);

static void
walk_entry(struct conf_loading *loading, const struct conf_node *node, const char *section)
{
    char path[PATH_MAX_CHARACTERS];
    int n = snprintf(path, sizeof(path), "%s%s", section, node->key);
    if (n >= (int)sizeof(path) - 2 || strchr(node->key, '.') != NULL) {
        add_unknown(loading, section, node);
        return;
    }
    if (conf_loading_apply(loading, path, node))
        return;
    if (conf_section_find(path) == NULL) {
        add_unknown(loading, section, node);
        return;
    }
    if (node->kind == CONF_NODE_SCALAR && node->is_null)
        return; /* a section with all of its keys commented out */
    if (node->kind != CONF_NODE_MAP) {
        conf_value_wrong(loading, 13, node, NULL, "%s is a section with keys of its own", path);
        return;
    }
    path[n] = '.';
    path[n + 1] = '\0';
    walk(loading, node, path);
}

/* As deep as the sections of the table. */
static void
walk(struct conf_loading *loading, const struct conf_node *map, const char *section)
{
    for (const struct conf_node *node = map->first; node != NULL; node = node->next)
        walk_entry(loading, node, section);
}

static void
apply_defaults(struct conf_loading *loading)
{
    uint32_t n_errors = loading->diags->n_errors;
    static const struct conf_place nowhere = {NULL, 0, 0, 0, 0};
    loading->origin = CONF_FROM_DEFAULT;
    for (uint32_t i = 0; i < conf_row_count(); i++) {
        const struct conf_row *row = conf_row_at(i);
        struct conf_node *node = conf_yaml_scalar(loading->scratch, row->value, &nowhere);
        check(node != NULL);
        conf_value_set(loading, row, node);
    }
    check(loading->diags->n_errors == n_errors);
}

static void
apply_yaml(struct conf_loading *loading, struct bytes yaml)
{
    loading->origin = CONF_FROM_FILE;
    struct conf_node *top =
        conf_yaml_parse(loading->scratch, loading->diags, loading->input->file, yaml);
    if (top == NULL)
        loading->has_unknown_keys = true;
    if (top == NULL || (top->kind == CONF_NODE_SCALAR && top->is_null))
        return;
    if (top->kind != CONF_NODE_MAP) {
        loading->has_unknown_keys = true;
        conf_value_wrong(loading, 5, top, NULL,
                         "the file is no mapping of keys; it starts with "
                         "version: 1");
        return;
    }
    conf_env_expand(loading, top);
    walk(loading, top, "");
}

/* Reads until the end: the file may be a pipe. */
static enum err
read_descriptor(int descriptor, struct text *out, bool *too_large)
{
    char buffer[16 * 1024];
    for (;;) {
        ssize_t n = read(descriptor, buffer, sizeof(buffer));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_from_errno(errno);
        if (n == 0)
            return ERR_OK;
        text_add_bytes(out, bytes_of(buffer, (size_t)n));
        *too_large = out->n > CONF_MAX_FILE_BYTES;
        if (*too_large)
            return ERR_TOO_LARGE;
    }
}

static enum err
read_file(struct conf_loading *loading, struct text *out)
{
    const char *file = loading->input->file;
    struct conf_place place = {.file = file};
    bool too_large = false;
    int descriptor = open(file, O_RDONLY | O_CLOEXEC);
    enum err err =
        descriptor < 0 ? err_from_errno(errno) : read_descriptor(descriptor, out, &too_large);
    int error_number = errno;
    struct stat status;
    if (descriptor >= 0 && fstat(descriptor, &status) == 0)
        loading->file_is_public = S_ISREG(status.st_mode) && (status.st_mode & S_IROTH) != 0;
    if (descriptor >= 0)
        close(descriptor);
    if (err == ERR_OK)
        return ERR_OK;
    loading->has_unknown_keys = true;
    if (too_large)
        conf_diag_add(loading->diags, CONF_ERROR, 3, &place, NULL, "the file is larger than 1 MiB");
    else
        conf_diag_add(loading->diags, CONF_ERROR, 1, &place, NULL, "cannot be read: %s",
                      strerror(error_number));
    return too_large ? ERR_CONFIG : err == ERR_PERMISSION ? ERR_PERMISSION : ERR_SYSTEM;
}

static const struct conf_setting *
setting_of(const struct conf_loading *loading, const char *path)
{
    const struct conf_row *row = conf_row_find(path);
    check(row != NULL);
    return conf_setting_of(loading->conf, row);
}

bool
conf_loading_is_set(const struct conf_loading *loading, const char *path)
{
    return setting_of(loading, path)->origin != CONF_FROM_DEFAULT;
}

bool
conf_loading_is_bad(const struct conf_loading *loading, const char *path)
{
    return setting_of(loading, path)->is_bad;
}

struct conf_place
conf_loading_place(const struct conf_loading *loading, const char *path)
{
    struct conf_place place = setting_of(loading, path)->place;
    if (place.file == NULL)
        place.file = loading->input->file;
    return place;
}

static struct conf *
new_conf(const char *file)
{
    struct conf *conf = mem_new(struct conf);
    conf->own = mem_new(struct conf_own);
    atomic_init(&conf->own->n_refs, 1);
    conf->own->arena = arena_new(SIZE_MAX / 2); /* what goes in was bounded when it was read */
    conf->own->settings = mem_new_n(struct conf_setting, conf_row_count());
    if (file != NULL) {
        size_t n = strlen(file) + 1;
        char *kept = arena_alloc(conf->own->arena, n);
        check(kept != NULL);
        memcpy(kept, file, n);
        conf->own->file = kept;
    }
    return conf;
}

enum err
conf_load(const struct conf_input *input, struct conf_diags *diags, const struct conf **out)
{
    uint32_t n_errors = diags->n_errors;
    struct text file = TEXT_EMPTY;
    struct bytes yaml = BYTES_NONE;
    enum err err = ERR_OK;
    struct conf_loading loading = {.conf = new_conf(input->file), .input = input, .diags = diags};
    loading.scratch = arena_new(CONF_MAX_SCRATCH_BYTES);
    *out = NULL;
    apply_defaults(&loading);
    if (input->yaml != NULL)
        yaml = *input->yaml;
    else if (input->file != NULL)
        err = read_file(&loading, &file);
    if (input->yaml == NULL && err == ERR_OK)
        yaml = text_bytes(&file);
    if (input->file != NULL && err == ERR_OK)
        apply_yaml(&loading, yaml);
    conf_satellite_apply(&loading);
    conf_env_apply(&loading);
    conf_env_apply_sets(&loading);
    conf_check(&loading);
    conf_diag_finish(diags, input->file != NULL ? input->file : "", yaml, loading.secrets);
    arena_free(&loading.scratch);
    text_fini(&file);
    if (err == ERR_OK && diags->n_errors > n_errors)
        err = ERR_CONFIG;
    *out = loading.conf;
    if (err != ERR_OK)
        conf_unref(out);
    return err;
}
