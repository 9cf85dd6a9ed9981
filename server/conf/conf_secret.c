/* Secrets that stand in files of their own: the _file twins. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf_int.h"

/* Why the file cannot be taken, or NULL: then *n bytes of it are in text. */
static const char *
read_text(const char *path, char *text, size_t *n, bool *is_public)
{
    struct stat status;
    const char *why = NULL;
    ssize_t got = 0;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return strerror(errno);
    if (fstat(descriptor, &status) != 0)
        why = strerror(errno);
    else if (!S_ISREG(status.st_mode))
        why = "not a file";
    else if (status.st_size > CONF_MAX_SECRET_BYTES)
        why = "larger than 64 KiB";
    else if ((got = read(descriptor, text, CONF_MAX_SECRET_BYTES)) < 0)
        why = strerror(errno);
    close(descriptor);
    *is_public = why == NULL && (status.st_mode & S_IROTH) != 0;
    *n = got > 0 ? (size_t)got : 0;
    return why;
}

/* The secret without the line ends behind it; NULL when something was wrong. */
static char *
read_secret(struct conf_loading *loading, const struct conf_row *row, const struct conf_node *node)
{
    size_t n = 0;
    bool is_public = false;
    char *text = arena_alloc(loading->scratch, CONF_MAX_SECRET_BYTES + 1);
    const char *why =
        text != NULL ? read_text(node->text, text, &n, &is_public) : "too many secrets";
    while (why == NULL && n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        n--;
    if (why == NULL && memchr(text, '\0', n) != NULL)
        why = "not a text";
    if (why != NULL) {
        conf_value_wrong(loading, 18, node, NULL, "%s_file %s: %s", row->path,
                         conf_value_quote(loading, node), why);
        return NULL;
    }
    text[n] = '\0';
    if (is_public)
        conf_diag_add(loading->diags, CONF_WARNING, 35, &node->place, NULL,
                      "%s_file %s can be read by everybody on this machine", row->path,
                      conf_value_quote(loading, node));
    return text;
}

/* Of a list: one a line. */
static struct conf_node *
split_lines(struct conf_loading *loading, char *text, const struct conf_place *place)
{
    struct conf_node *list = conf_yaml_scalar(loading->scratch, "", place);
    if (list == NULL)
        return NULL;
    list->kind = CONF_NODE_LIST;
    char *rest = text, *line;
    while ((line = strsep(&rest, "\r\n")) != NULL) {
        struct conf_node *item =
            line[0] != '\0' ? conf_yaml_scalar(loading->scratch, line, place) : NULL;
        if (item != NULL)
            conf_yaml_append(list, item);
    }
    return list;
}

/* The path is written down; whether the secret stands beside it, too, is wrong. */
static bool
is_usable(struct conf_loading *loading, const struct conf_row *row, const struct conf_node *node)
{
    const struct conf_setting *setting = conf_setting_of(loading->conf, row);
    if (node->kind != CONF_NODE_SCALAR) {
        conf_value_wrong(loading, 13, node, NULL, "%s_file is a single value", row->path);
        return false;
    }
    if (node->is_null || node->is_broken || node->text[0] == '\0')
        return false;
    if (setting->origin != loading->origin || setting->twin_file != NULL)
        return true;
    conf_value_wrong(loading, 19, node, NULL, "%s and %s_file are both set", row->path, row->name);
    return false;
}

static void
set(struct conf_loading *loading, const struct conf_row *row, const struct conf_node *node)
{
    char *text = is_usable(loading, row, node) ? read_secret(loading, row, node) : NULL;
    if (text == NULL)
        return;
    conf_value_note(loading, row, node, node->text);
    if (row->type == CONF_SECRETS) {
        struct conf_node *list = split_lines(loading, text, &node->place);
        if (list != NULL)
            (void)conf_value_many(loading, row, list);
        return;
    }
    struct conf_node scalar = *node;
    scalar.text = text;
    (void)conf_value_set_text(loading, row, &scalar);
}

void
conf_secret_set(struct conf_loading *loading, const struct conf_row *row,
                const struct conf_node *node)
{
    uint32_t n_before = loading->diags->n_errors;
    set(loading, row, node);
    conf_value_note_errors(loading, row, n_before, node->is_broken);
}
