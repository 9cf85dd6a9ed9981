/* Reads Satellite's file and writes ours. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "conf/conf_satellite_int.h"

enum { KEY_BYTES = 200, PATTERN_BYTES = 80, COMMENT_COLUMN = 44 };

/* Queues of one pipe. */
struct pipe {
    uint64_t n_events, n_partitions, segment_bytes, n_segments;
    bool is_memory, is_disk;
};

struct reader {
    struct conf_satellite *sat;
    char *const *environment;
    struct pipe pipe;
};

static void walk(struct reader *, const struct conf_node *, const char *key);

static const char *
find_variable(const struct reader *reader, const char *name, size_t n)
{
    char *const *entry = reader->environment;
    for (; entry != NULL && *entry != NULL; entry++)
        if (strncmp(*entry, name, n) == 0 && (*entry)[n] == '=' && (*entry)[n + 1] != '\0')
            return *entry + n + 1;
    return NULL;
}

/* "${NAME:default}" and quotes around it, as Satellite reads them. */
static const char *
resolve(struct reader *reader, const char *text, bool *is_variable)
{
    size_t n = strlen(text);
    const char *colon = strchr(text, ':');
    *is_variable = false;
    if (n < 4 || strncmp(text, "${", 2) != 0 || text[n - 1] != '}' || colon == NULL)
        return text;
    const char *value = find_variable(reader, text + 2, (size_t)(colon - text) - 2);
    *is_variable = value != NULL;
    struct text out = TEXT_EMPTY;
    text_add(&out, "");
    if (value != NULL)
        text_add(&out, value);
    else
        text_add_bytes(&out, bytes_of(colon + 1, n - (size_t)(colon - text) - 2));
    if (out.n >= 2 && out.p[0] == '"' && out.p[out.n - 1] == '"') {
        out.p[out.n - 1] = '\0';
        value = conf_satellite_keep(reader->sat, out.p + 1);
    } else {
        value = conf_satellite_keep(reader->sat, out.p);
    }
    text_fini(&out);
    return value;
}

static enum satellite_token
find_token(const char *key)
{
    unsigned token = 0;
    while (token < SATELLITE_COUNT && fnmatch(satellite_row_at(token)->key, key, 0) != 0)
        token++;
    return token;
}

static void
add_unsupported(struct reader *reader, const struct conf_node *node, const char *key,
                const char *words)
{
    struct conf_satellite_item item = {
        .verdict = CONF_SATELLITE_UNSUPPORTED,
        .from = conf_satellite_keep(reader->sat, key),
        .line = node->place.line,
        .value = node->kind != CONF_NODE_SCALAR ? "..."
                 : conf_name_is_secret(node->key != NULL ? node->key : key)
                     ? "********"
                     : conf_satellite_keep(reader->sat, node->text),
        .words = words,
    };
    conf_satellite_add(reader->sat, &item);
}

/* One of the patterns, blanks between them. */
static bool
is_known_part(const char *patterns, const char *name)
{
    while (*patterns != '\0') {
        char pattern[PATTERN_BYTES];
        size_t n = strcspn(patterns, " ");
        check(n < sizeof(pattern));
        memcpy(pattern, patterns, n);
        pattern[n] = '\0';
        if (fnmatch(pattern, name, 0) == 0)
            return true;
        patterns += n + (patterns[n] == ' ');
    }
    return false;
}

static void
note_pipe(struct reader *reader, enum satellite_token token, const char *value)
{
    struct pipe *pipe = &reader->pipe;
    uint64_t number = 0;
    if (token == SATELLITE_QUEUE_NAME) {
        pipe->is_memory = strcmp(value, "memory-queue") == 0;
        pipe->is_disk = strcmp(value, "mmap-queue") == 0;
    }
    if (!conf_satellite_number(value, &number))
        return;
    if (token == SATELLITE_QUEUE)
        pipe->n_events = number;
    else if (token == SATELLITE_PARTITION)
        pipe->n_partitions = number;
    else if (token == SATELLITE_SEGMENT)
        pipe->segment_bytes = number;
    else if (token == SATELLITE_SEGMENTS)
        pipe->n_segments = number;
}

static bool
is_once(const char *key)
{
    return strncmp(key, "pipes.", 6) != 0;
}

static bool
is_secret_row(const struct satellite_row *row)
{
    const struct conf_row *ours = conf_row_find(row->setting);
    return ours != NULL && conf_type_is_secret(ours->type);
}

static void
take_scalar(struct reader *reader, const struct conf_node *node, const char *key)
{
    bool is_variable;
    enum satellite_token token = find_token(key);
    const char *value = resolve(reader, node->text, &is_variable);
    if (node->is_null || value[0] == '\0')
        return;
    if (token == SATELLITE_COUNT) {
        add_unsupported(reader, node, key, "Satellite's own files have no such key");
        return;
    }
    const struct satellite_row *row = satellite_row_at(token);
    if (row->how == SATELLITE_HOW_PLUGIN) {
        note_pipe(reader, token, value);
        if (!is_known_part(row->words, value))
            add_unsupported(reader, node, key, "there is no such part here");
        return;
    }
    if (is_once(key) && reader->sat->slots[token].n > 0) {
        add_unsupported(reader, node, key, "stands twice; there is one here");
        return;
    }
    note_pipe(reader, token, value);
    if (is_variable && is_secret_row(row)) {
        struct conf_satellite_item item = {
            .verdict = CONF_SATELLITE_MAPPED,
            .from = conf_satellite_keep(reader->sat, key),
            .line = node->place.line,
            .value = "********",
            .setting = row->setting,
            .words = "not written here: the variable itself is honoured at start",
        };
        conf_satellite_add(reader->sat, &item);
        return;
    }
    conf_satellite_take(reader->sat, token, key, node->place.line, value);
}

static void
begin_pipe(struct reader *reader)
{
    reader->pipe = (struct pipe){
        .n_events = SATELLITE_QUEUE_EVENTS,
        .n_partitions = 1,
        .segment_bytes = SATELLITE_SEGMENT_BYTES,
        .n_segments = SATELLITE_SEGMENT_COUNT,
    };
}

/* a * b, at most 2^60. */
static uint64_t
times(uint64_t a, uint64_t b)
{
    const uint64_t most = UINT64_C(1) << 60;
    return b != 0 && a > most / b ? most : a * b;
}

static void
end_pipe(struct reader *reader)
{
    const struct pipe *pipe = &reader->pipe;
    struct conf_satellite *sat = reader->sat;
    if (pipe->is_memory)
        sat->n_events += times(pipe->n_events, pipe->n_partitions);
    if (pipe->is_disk)
        sat->n_spool_bytes +=
            times(times(pipe->segment_bytes, pipe->n_segments), pipe->n_partitions);
}

/* An item of sharing.* goes by its plugin_name. */
static const char *
name_of(const struct conf_node *item)
{
    if (item->kind != CONF_NODE_MAP)
        return ""; /* the items of a list have no keys */
    for (const struct conf_node *node = item->first; node != NULL; node = node->next)
        if (strcmp(node->key, "plugin_name") == 0 && node->kind == CONF_NODE_SCALAR)
            return node->text;
    return "";
}

static void
walk_list(struct reader *reader, const struct conf_node *list, const char *key)
{
    bool is_shared = strcmp(key, "sharing.clients") == 0 || strcmp(key, "sharing.servers") == 0;
    bool is_pipes = strcmp(key, "pipes") == 0;
    for (const struct conf_node *item = list->first; item != NULL; item = item->next) {
        char name[KEY_BYTES];
        snprintf(name, sizeof(name), "%s%s%s", key, is_shared ? "." : "",
                 is_shared ? name_of(item) : "");
        if (is_pipes)
            begin_pipe(reader);
        walk(reader, item, name);
        if (is_pipes)
            end_pipe(reader);
    }
}

/* As deep as the file, which conf_yaml_parse bounds. */
static void
walk(struct reader *reader, const struct conf_node *node, const char *key)
{
    if (node->kind == CONF_NODE_SCALAR) {
        take_scalar(reader, node, key);
        return;
    }
    if (node->kind == CONF_NODE_LIST) {
        walk_list(reader, node, key);
        return;
    }
    for (const struct conf_node *child = node->first; child != NULL; child = child->next) {
        char name[KEY_BYTES];
        int n = snprintf(name, sizeof(name), "%s%s%s", key, key[0] != '\0' ? "." : "", child->key);
        if (n >= (int)sizeof(name))
            add_unsupported(reader, child, key, "a key below it is too long");
        else
            walk(reader, child, name);
    }
}

/* What the command line takes has no key in the file. */
static void
take_variables(struct reader *reader)
{
    static const enum satellite_token tokens[] = {SATELLITE_TLS_CA_SIC, SATELLITE_SHUTDOWN};
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        const char *name = satellite_row_at(tokens[i])->variable;
        const char *value = find_variable(reader, name, strlen(name));
        if (value != NULL && tokens[i] == SATELLITE_SHUTDOWN)
            conf_satellite_take(reader->sat, tokens[i], name, 0, value);
    }
}

struct conf_satellite *
conf_satellite_read(const char *file, struct bytes yaml, char *const *environment,
                    struct conf_diags *diags)
{
    struct conf_satellite *sat = conf_satellite_new();
    struct reader reader = {.sat = sat, .environment = environment};
    struct arena *scratch = arena_new(CONF_MAX_SCRATCH_BYTES);
    struct conf_node *top = conf_yaml_parse(scratch, diags, file, yaml);
    sat->is_file = true;
    if (top != NULL && top->kind == CONF_NODE_MAP) {
        walk(&reader, top, "");
        take_variables(&reader);
        conf_satellite_conclude(sat);
    } else if (top != NULL) {
        conf_diag_add(diags, CONF_ERROR, 5, &top->place, NULL,
                      "this is no file of Satellite: it has no sections");
    }
    if (sat->has_no_room)
        conf_diag_add(diags, CONF_ERROR, 3, NULL, NULL, "the file is too large");
    conf_diag_finish(diags, file, yaml, NULL);
    arena_free(&scratch);
    if (diags->n_errors > 0)
        conf_satellite_free(&sat);
    return sat;
}

/* The last one wins, as a variable over the file. */
static const struct conf_satellite_item *
find_item(const struct conf_satellite *sat, const char *path)
{
    const struct conf_satellite_item *found = NULL;
    for (uint32_t i = 0; i < sat->n_items; i++)
        if (sat->items[i].setting != NULL && sat->items[i].text != NULL &&
            strcmp(sat->items[i].setting, path) == 0)
            found = &sat->items[i];
    return found;
}

/* The headings that path needs and before did not. */
static void
add_headings(struct text *out, const char *before, const char *path)
{
    int depth = 0;
    bool is_same = true;
    for (const char *p = path, *dot; (dot = strchr(p, '.')) != NULL; p = dot + 1, depth++) {
        size_t n = (size_t)(dot + 1 - path);
        is_same = is_same && strncmp(before, path, n) == 0;
        if (!is_same)
            text_addf(out, "%s%*s%.*s:\n", depth == 0 ? "\n" : "", 2 * depth, "", (int)(dot - p),
                      p);
    }
}

/* As it stands in a file: "$" would begin a variable there. */
static void
add_text(struct text *out, const struct conf_row *row, const char *value)
{
    struct text quoted = TEXT_EMPTY;
    bool is_text = row->type == CONF_STRING || row->type == CONF_PATH ||
                   row->type == CONF_ADDRESS || row->type == CONF_SECRET;
    if (is_text)
        text_add_json(&quoted, bytes_str(value));
    else
        text_add(&quoted, value);
    for (const char *p = quoted.p; *p != '\0'; p++)
        text_add(out, *p == '$' ? "$$" : (char[]){*p, '\0'});
    text_fini(&quoted);
}

static void
add_setting(struct text *out, const struct conf_row *row, const struct conf_satellite_item *item)
{
    struct text line = TEXT_EMPTY;
    int depth = 0;
    for (const char *p = row->path; *p != '\0'; p++)
        depth += *p == '.';
    text_addf(&line, "%*s%s: ", 2 * depth, "", row->name);
    add_text(&line, row, item->text);
    text_addf(out, "%-*s # %s", COMMENT_COLUMN, line.p, item->from);
    if (item->line > 0)
        text_addf(out, ", line %u", item->line);
    if (item->verdict == CONF_SATELLITE_UNSUPPORTED)
        text_add(out, ": CHANGE THIS");
    if (item->words[0] != '\0')
        text_addf(out, ": %s", item->words);
    text_add(out, "\n");
    text_fini(&line);
}

void
conf_satellite_print(const struct conf_satellite *sat, struct text *out)
{
    const char *before = "";
    text_add(out, "# spangate.yaml, made from a file of SkyWalking Satellite by spangate config "
                  "convert.\nversion: 1\n");
    for (uint32_t i = 0; i < conf_row_count(); i++) {
        const struct conf_row *row = conf_row_at(i);
        const struct conf_satellite_item *item = find_item(sat, row->path);
        if (item == NULL)
            continue;
        add_headings(out, before, row->path);
        add_setting(out, row, item);
        before = row->path;
    }
}
