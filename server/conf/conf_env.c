/* The environment and the flags: ${...} inside the file, SPANGATE_A__B, and --set a.b=c. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>

#include "conf/conf_int.h"

enum { NAME_MAX_CHARACTERS = 200, EXPANDED_MAX_BYTES = 256 * 1024 };

#define PREFIX "SPANGATE_"

/* NULL when not set. An empty value is a value. */
static const char *
find_variable(const struct conf_loading *loading, const char *name, size_t n)
{
    char *const *entry = loading->input->environment;
    for (; entry != NULL && *entry != NULL; entry++)
        if (strncmp(*entry, name, n) == 0 && (*entry)[n] == '=')
            return *entry + n + 1;
    return NULL;
}

static size_t
name_length(const char *p)
{
    size_t n = 0;
    while (isalnum((unsigned char)p[n]) || p[n] == '_')
        n++;
    return isdigit((unsigned char)p[0]) ? 0 : n;
}

/* p stands behind "${"; gives the place behind "}", or NULL when an error was added. */
static const char *
expand_one(struct conf_loading *loading, const struct conf_node *node, const char *p,
           struct text *out)
{
    size_t n = name_length(p);
    const char *end = strchr(p, '}');
    if (n == 0 || end == NULL || (p[n] != '}' && p[n] != ':')) {
        conf_value_wrong(loading, 16, node, NULL,
                         "%s is not well formed; write ${NAME}, "
                         "${NAME:default} or ${NAME:?message}, and $$ for a dollar sign",
                         conf_diag_quote(loading->scratch, node->text));
        return NULL;
    }
    const char *value = find_variable(loading, p, n);
    if (value != NULL) {
        text_add(out, value);
        return end + 1;
    }
    if (p[n] == ':' && p[n + 1] != '?') {
        text_add_bytes(out, bytes_of(p + n + 1, (size_t)(end - p) - n - 1));
        return end + 1;
    }
    if (p[n] == ':') {
        struct text message = TEXT_EMPTY;
        text_add_plain(&message, bytes_of(p + n + 2, (size_t)(end - p) - n - 2), 200);
        conf_value_wrong(loading, 17, node, NULL, "%.*s is not set: %s", (int)n, p, message.p);
        text_fini(&message);
    } else {
        conf_value_wrong(loading, 17, node, NULL,
                         "%.*s is not set; give a default with ${%.*s:...}", (int)n, p, (int)n, p);
    }
    return NULL;
}

static bool
expand_text(struct conf_loading *loading, const struct conf_node *node, struct text *out)
{
    const char *p = node->text;
    while (*p != '\0') {
        const char *dollar = strchr(p, '$');
        size_t n = dollar != NULL ? (size_t)(dollar - p) : strlen(p);
        text_add_bytes(out, bytes_of(p, n));
        p += n;
        if (*p == '\0')
            break;
        if (p[1] == '{') {
            p = expand_one(loading, node, p + 2, out);
            if (p == NULL)
                return false;
        } else {
            text_add(out, "$");
            p += p[1] == '$' ? 2 : 1;
        }
        if (out->n > EXPANDED_MAX_BYTES) {
            conf_value_wrong(loading, 3, node, NULL, "the value is larger than 256 KiB");
            return false;
        }
    }
    return true;
}

static void
expand_scalar(struct conf_loading *loading, struct conf_node *node)
{
    if (strchr(node->text, '$') == NULL)
        return;
    struct text text = TEXT_EMPTY;
    text_add(&text, "");
    if (expand_text(loading, node, &text)) {
        char *kept = arena_alloc(loading->scratch, text.n + 1);
        if (kept == NULL) {
            conf_value_wrong(loading, 3, node, NULL, "the file is too large");
        } else {
            memcpy(kept, text.p, text.n + 1);
            node->is_expanded = true;
            node->text = kept;
        }
    } else {
        node->is_broken = true;
    }
    text_fini(&text);
}

void
conf_env_expand(struct conf_loading *loading, struct conf_node *node)
{
    if (node->kind == CONF_NODE_SCALAR)
        expand_scalar(loading, node);
    for (struct conf_node *child = node->first; child != NULL; child = child->next)
        conf_env_expand(loading, child);
}

/* SPANGATE_BUFFER__MEMORY__MAX to buffer.memory.max; false when it is too long. */
static bool
path_of(const char *name, size_t n, char *out)
{
    size_t at = 0;
    if (n >= NAME_MAX_CHARACTERS)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (name[i] == '_' && i + 1 < n && name[i + 1] == '_') {
            out[at++] = '.';
            i++;
        } else {
            out[at++] = (char)tolower((unsigned char)name[i]);
        }
    }
    out[at] = '\0';
    return true;
}

static void
add_variable_name(struct text *text, const char *path)
{
    text_clear(text);
    text_add(text, PREFIX);
    for (; *path != '\0'; path++) {
        char c = (char)toupper((unsigned char)*path);
        text_add_bytes(text, *path == '.' ? BYTES("__") : bytes_of(&c, 1));
    }
}

static void
add_unknown_variable(struct conf_loading *loading, const struct conf_place *place, const char *path)
{
    const char *paths[256];
    uint32_t n = 0;
    for (uint32_t i = 0; i < conf_row_count() && n < 256; i++)
        paths[n++] = conf_row_at(i)->path;
    loading->has_unknown_keys = true;
    bool is_section = conf_section_find(path) != NULL;
    const char *nearest =
        is_section || !conf_diag_has_room(loading->diags) ? NULL : text_nearest(path, paths, n);
    struct text suggestion = TEXT_EMPTY;
    if (nearest != NULL)
        add_variable_name(&suggestion, nearest);
    conf_diag_add(loading->diags, CONF_ERROR, 14, place, suggestion.p, "%s",
                  is_section ? "this is a section; set its keys one by one"
                             : "unknown variable of the environment");
    text_fini(&suggestion);
}

static void
add_too_large(struct conf_loading *loading)
{
    conf_diag_add(loading->diags, CONF_ERROR, 3, NULL, NULL,
                  "file, environment and flags are together too large");
}

static void
apply_variable(struct conf_loading *loading, const char *entry)
{
    const char *equals = strchr(entry, '=');
    size_t n_prefix = sizeof(PREFIX) - 1;
    if (equals == NULL || strncmp(entry, PREFIX, n_prefix) != 0)
        return;
    const char *separator = strstr(entry + n_prefix, "__");
    if (separator == NULL || separator >= equals)
        return; /* SPANGATE_PORT: Kubernetes makes such for a service of our name */
    char *name = arena_alloc(loading->scratch, (size_t)(equals - entry) + 1);
    if (name == NULL) {
        add_too_large(loading);
        return;
    }
    memcpy(name, entry, (size_t)(equals - entry));
    name[equals - entry] = '\0';
    struct conf_place place = {.file = name};
    char path[NAME_MAX_CHARACTERS] = "";
    struct conf_node *node = conf_yaml_scalar(loading->scratch, equals + 1, &place);
    if (node == NULL) {
        add_too_large(loading);
        return;
    }
    bool is_path = path_of(name + n_prefix, strlen(name) - n_prefix, path);
    if (!is_path || !conf_loading_apply(loading, path, node))
        add_unknown_variable(loading, &place, path);
}

void
conf_env_apply(struct conf_loading *loading)
{
    loading->origin = CONF_FROM_ENVIRONMENT;
    char *const *entry = loading->input->environment;
    for (; entry != NULL && *entry != NULL; entry++)
        apply_variable(loading, *entry);
}

static void
add_unknown_path(struct conf_loading *loading, const struct conf_place *place, const char *path)
{
    const char *paths[256];
    uint32_t n = 0;
    for (uint32_t i = 0; i < conf_row_count() && n < 256; i++)
        paths[n++] = conf_row_at(i)->path;
    loading->has_unknown_keys = true;
    if (conf_section_find(path) != NULL)
        conf_diag_add(loading->diags, CONF_ERROR, 13, place, NULL,
                      "%s is a section; set its keys one by one", path);
    else
        conf_diag_add(loading->diags, CONF_ERROR, 12, place, text_nearest(path, paths, n),
                      "unknown key %s", conf_diag_quote(loading->scratch, path));
}

/* A secret on the command line is not repeated in messages. */
static const char *
name_of_set(struct conf_loading *loading, const char *set, const char *path)
{
    const struct conf_row *row = conf_row_find(path);
    bool secret = conf_name_is_secret(path) || (row != NULL && conf_type_is_secret(row->type));
    size_t n_path = strlen(path), n_set = strlen(set);
    size_t n = secret ? n_path : n_set < 200 ? n_set : 200;
    char *name = arena_alloc(loading->scratch, n + 8);
    if (name == NULL)
        return "--set";
    memcpy(name, "--set ", 6);
    memcpy(name + 6, set, n);
    name[6 + n] = '\0';
    return name;
}

static void
apply_set(struct conf_loading *loading, const char *set)
{
    const char *equals = strchr(set, '=');
    if (equals == NULL || equals == set) {
        struct conf_place place = {.file = "--set"};
        conf_diag_add(loading->diags, CONF_ERROR, 15, &place, NULL,
                      "%s is no path=value; write --set log.level=debug",
                      conf_diag_quote(loading->scratch, set));
        return;
    }
    char *path = arena_alloc(loading->scratch, (size_t)(equals - set) + 1);
    if (path == NULL) {
        add_too_large(loading);
        return;
    }
    memcpy(path, set, (size_t)(equals - set));
    path[equals - set] = '\0';
    struct conf_place place = {.file = name_of_set(loading, set, path)};
    struct conf_node *node = conf_yaml_scalar(loading->scratch, equals + 1, &place);
    if (node == NULL)
        add_too_large(loading);
    else if (!conf_loading_apply(loading, path, node))
        add_unknown_path(loading, &place, path);
}

void
conf_env_apply_sets(struct conf_loading *loading)
{
    loading->origin = CONF_FROM_FLAG;
    for (uint32_t i = 0; i < loading->input->n_sets; i++)
        apply_set(loading, loading->input->sets[i]);
}
