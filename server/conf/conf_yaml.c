/* YAML text to bounded nodes with their places, over libfyaml's events. */
/* SPDX-License-Identifier: Apache-2.0 */
/* Events, not documents: nothing is resolved, so an alias cannot make a small file large. Text that
 * is not clean UTF-8 never reaches the library. */
#include <libfyaml.h>
#include <string.h>

#include "base/utf8.h"
#include "conf/conf_int.h"

struct reader {
    struct fy_parser *parser;
    struct fy_diag *diag;
    struct arena *arena;
    struct conf_diags *diags;
    const char *file;
    uint32_t n_nodes, n_errors_before;
    bool has_failed;
};

static void
fail(struct reader *reader, uint16_t code, const struct conf_place *place, const char *text)
{
    if (!reader->has_failed)
        conf_diag_add(reader->diags, CONF_ERROR, code, place, NULL, "%s", text);
    reader->has_failed = true;
}

static void
fail_too_large(struct reader *reader, const struct conf_place *place, const char *what)
{
    if (!reader->has_failed)
        conf_diag_add(reader->diags, CONF_ERROR, 3, place, NULL,
                      "the file is too large: more than %s", what);
    reader->has_failed = true;
}

static struct conf_place
place_of(const struct reader *reader, struct fy_token *token)
{
    struct conf_place place = {.file = reader->file, .line = 1, .col = 1, .width = 1};
    const struct fy_mark *start = token != NULL ? fy_token_start_mark(token) : NULL;
    const struct fy_mark *end = token != NULL ? fy_token_end_mark(token) : NULL;
    if (start != NULL) {
        place.line = (uint32_t)start->line + 1;
        place.col = (uint32_t)start->column + 1;
    }
    place.end_line = place.line;
    if (start == NULL || end == NULL)
        return place;
    if (end->line == start->line && end->column > start->column)
        place.width = (uint32_t)(end->column - start->column);
    if (end->line > start->line) {
        place.end_line = (uint32_t)end->line + 1;
        place.width = UINT16_MAX; /* to the end of its first line */
    }
    return place;
}

static struct conf_node *
new_node(struct reader *reader, enum conf_node_kind kind, const struct conf_place *place)
{
    struct conf_node *node = arena_zeroed(reader->arena, sizeof(*node));
    if (node == NULL || ++reader->n_nodes > CONF_MAX_NODES) {
        fail_too_large(reader, place, "50000 values");
        return NULL;
    }
    node->kind = kind;
    node->place = *place;
    node->text = "";
    return node;
}

static bool
is_null_word(const char *text, size_t n)
{
    return n == 0 || (n == 1 && text[0] == '~') || (n == 4 && memcmp(text, "null", 4) == 0);
}

/* Byte by byte: the library's own copy (0.7.12) leaks on values with many escapes. It gives bytes
 * as signed char; 0xff, its -1 for the end, occurs in no UTF-8. */
static void
add_token(struct text *out, struct fy_token *token)
{
    size_t n = fy_token_get_text_length(token);
    struct fy_token_iter *iterator = fy_token_iter_create(token);
    for (size_t i = 0; iterator != NULL && i < n; i++) {
        int c = fy_token_iter_getc(iterator);
        char byte = (char)c;
        if (c == -1)
            break;
        text_add_bytes(out, bytes_of(&byte, 1));
    }
    fy_token_iter_destroy(iterator);
}

/* A NUL-terminated copy; NULL when it failed. */
static const char *
keep_text(struct reader *reader, struct fy_token *token, const struct conf_place *place, size_t *n)
{
    struct text text = TEXT_EMPTY;
    char *kept = NULL;
    text_add(&text, "");
    add_token(&text, token);
    *n = text.n;
    if (memchr(text.p, '\0', text.n) != NULL)
        fail(reader, 28, place, "U+0000 in a value");
    else if ((kept = arena_alloc(reader->arena, text.n + 1)) == NULL)
        fail_too_large(reader, place, "32 MiB of values");
    else
        memcpy(kept, text.p, text.n + 1);
    text_fini(&text);
    return kept;
}

static struct conf_node *
read_scalar(struct reader *reader, struct fy_event *event)
{
    struct fy_token *token = event->scalar.value;
    struct conf_place place = place_of(reader, token);
    struct conf_node *node = new_node(reader, CONF_NODE_SCALAR, &place);
    if (node == NULL)
        return NULL;
    size_t n;
    const char *text = keep_text(reader, token, &place, &n);
    if (text == NULL)
        return NULL;
    node->text = text;
    node->is_null = fy_token_scalar_style(token) == FYSS_PLAIN && is_null_word(text, n);
    return node;
}

/* Anchors, aliases and tags are refused where they stand. */
static bool
is_plain_event(struct reader *reader, struct fy_event *event)
{
    struct fy_token *bad = NULL;
    if (event->type == FYET_ALIAS)
        bad = event->alias.anchor;
    else if (event->type == FYET_SCALAR)
        bad = event->scalar.anchor != NULL ? event->scalar.anchor : event->scalar.tag;
    else if (event->type == FYET_MAPPING_START)
        bad = event->mapping_start.anchor != NULL ? event->mapping_start.anchor
                                                  : event->mapping_start.tag;
    else if (event->type == FYET_SEQUENCE_START)
        bad = event->sequence_start.anchor != NULL ? event->sequence_start.anchor
                                                   : event->sequence_start.tag;
    if (bad == NULL && event->type != FYET_ALIAS)
        return true;
    struct conf_place place = place_of(reader, bad);
    fail(reader, 4, &place,
         "anchors, aliases and tags are not supported; write the value out, or use ${VAR}");
    return false;
}

static struct conf_node *read_node(struct reader *, struct fy_event *, uint32_t depth);

void
conf_yaml_append(struct conf_node *parent, struct conf_node *child)
{
    if (parent->last != NULL)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->n++;
}

/* The next event's node; *ended at the collection's end. */
static struct conf_node *
read_next(struct reader *reader, enum fy_event_type end, uint32_t depth, bool *ended)
{
    struct fy_event *event = fy_parser_parse(reader->parser);
    *ended = event == NULL || event->type == end;
    struct conf_node *node = NULL;
    if (event == NULL)
        reader->has_failed = true;
    else if (!*ended)
        node = read_node(reader, event, depth);
    if (event != NULL)
        fy_parser_event_free(reader->parser, event);
    return node;
}

static void
read_list(struct reader *reader, struct conf_node *list, uint32_t depth)
{
    while (!reader->has_failed) {
        bool ended;
        struct conf_node *item = read_next(reader, FYET_SEQUENCE_END, depth + 1, &ended);
        if (ended)
            return;
        if (item != NULL)
            conf_yaml_append(list, item);
    }
}

static const struct conf_node *
find_key(const struct conf_node *map, const char *key)
{
    for (const struct conf_node *node = map->first; node != NULL; node = node->next)
        if (strcmp(node->key, key) == 0)
            return node;
    return NULL;
}

static void
append_entry(struct reader *reader, struct conf_node *map, const struct conf_node *key,
             struct conf_node *value)
{
    value->key = key->text;
    value->key_place = key->place;
    if (value->is_null)
        value->place = key->place; /* nothing there to point at */
    const struct conf_node *same = find_key(map, key->text);
    if (same != NULL) {
        conf_diag_add(reader->diags, CONF_ERROR, 11, &key->place, NULL,
                      "key %s stands twice; it is in line %u already",
                      conf_diag_quote(reader->arena, key->text), same->key_place.line);
        return;
    }
    conf_yaml_append(map, value);
}

static void
read_map(struct reader *reader, struct conf_node *map, uint32_t depth)
{
    while (!reader->has_failed) {
        bool ended;
        struct conf_node *key = read_next(reader, FYET_MAPPING_END, depth + 1, &ended);
        if (ended || key == NULL)
            return;
        if (key->kind != CONF_NODE_SCALAR) {
            fail(reader, 13, &key->place, "a key must be a word");
            return;
        }
        if (strcmp(key->text, "<<") == 0) {
            fail(reader, 4, &key->place, "merge keys are not supported; write the values out");
            return;
        }
        struct conf_node *value = read_next(reader, FYET_MAPPING_END, depth + 1, &ended);
        if (ended || value == NULL)
            return;
        append_entry(reader, map, key, value);
        if (map->n >= CONF_MAX_ENTRIES)
            fail_too_large(reader, &key->place, "1000 keys in one mapping");
    }
}

/* Recursion is bounded by CONF_MAX_DEPTH. */
static struct conf_node *
read_node(struct reader *reader, struct fy_event *event, uint32_t depth)
{
    if (!is_plain_event(reader, event))
        return NULL;
    if (event->type == FYET_SCALAR)
        return read_scalar(reader, event);
    bool is_map = event->type == FYET_MAPPING_START;
    if (!is_map && event->type != FYET_SEQUENCE_START) {
        fail(reader, 2, NULL, "unexpected end");
        return NULL;
    }
    struct conf_place place = place_of(reader, is_map ? event->mapping_start.mapping_start
                                                      : event->sequence_start.sequence_start);
    if (depth > CONF_MAX_DEPTH) {
        fail(reader, 3, &place, "more than 16 levels deep");
        return NULL;
    }
    struct conf_node *node = new_node(reader, is_map ? CONF_NODE_MAP : CONF_NODE_LIST, &place);
    if (node == NULL)
        return NULL;
    if (is_map)
        read_map(reader, node, depth);
    else
        read_list(reader, node, depth);
    return node;
}

/* The whole stream: one document with one node. NULL and no failure: an empty file. */
static struct conf_node *
read_stream(struct reader *reader)
{
    struct conf_node *top = NULL;
    uint32_t n_documents = 0;
    for (bool going = true; going && !reader->has_failed;) {
        struct fy_event *event = fy_parser_parse(reader->parser);
        if (event == NULL)
            break;
        going = event->type != FYET_STREAM_END;
        if (event->type == FYET_DOCUMENT_START) {
            struct conf_place place = place_of(reader, event->document_start.document_start);
            if (++n_documents > 1)
                fail(reader, 5, &place, "a second document; a configuration is one");
        } else if (going && event->type != FYET_STREAM_START && event->type != FYET_DOCUMENT_END) {
            top = read_node(reader, event, 1);
        }
        fy_parser_event_free(reader->parser, event);
    }
    return top;
}

/* What the library found goes to our list. A key that stands twice has failed nothing: the rest of
 * the file is still worth reading. */
static void
take_errors(struct reader *reader)
{
    void *iterator = NULL;
    struct fy_diag_error *error;
    bool told = false;
    while ((error = fy_diag_errors_iterate(reader->diag, &iterator)) != NULL) {
        if (error->type < FYET_ERROR)
            continue;
        struct conf_place place = {.file = reader->file, .width = 1};
        place.line = error->line > 0 ? (uint32_t)error->line : 1;
        place.col = error->column > 0 ? (uint32_t)error->column : 1;
        conf_diag_add(reader->diags, CONF_ERROR, 2, &place, NULL, "no valid YAML: %s",
                      error->msg != NULL ? error->msg : "unknown fault");
        told = true;
        reader->has_failed = true;
        break; /* what follows the first is its consequence */
    }
    if (!told && (fy_parser_get_stream_error(reader->parser) || reader->has_failed) &&
        reader->diags->n_errors == reader->n_errors_before) {
        reader->has_failed = true;
        struct conf_place place = {.file = reader->file};
        conf_diag_add(reader->diags, CONF_ERROR, 2, &place, NULL, "no valid YAML");
    }
}

static struct conf_place
place_of_byte(const char *file, struct bytes yaml, size_t at)
{
    struct conf_place place = {.file = file, .line = 1, .col = 1, .width = 1};
    for (size_t i = 0; i < at; i++) {
        if (yaml.p[i] == '\n') {
            place.line++;
            place.col = 1;
        } else if ((yaml.p[i] & 0xC0) != 0x80) {
            place.col++;
        }
    }
    return place;
}

static bool
is_clean(struct conf_diags *diags, const char *file, struct bytes yaml)
{
    size_t n = utf8_valid_prefix(yaml);
    const char *what = "a byte that is not UTF-8";
    for (size_t i = 0; i < n; i++) {
        uint8_t c = yaml.p[i];
        if ((c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7f) {
            n = i;
            what = "a control character";
        }
    }
    if (n == yaml.n)
        return true;
    struct conf_place place = place_of_byte(file, yaml, n);
    conf_diag_add(diags, CONF_ERROR, 2, &place, NULL, "%s", what);
    return false;
}

struct conf_node *
conf_yaml_scalar(struct arena *arena, const char *text, const struct conf_place *place)
{
    struct conf_node *node = arena_zeroed(arena, sizeof(*node));
    if (node != NULL) {
        node->text = text;
        node->place = *place;
    }
    return node;
}

struct conf_node *
conf_yaml_parse(struct arena *arena, struct conf_diags *diags, const char *file, struct bytes yaml)
{
    if (!is_clean(diags, file, yaml))
        return NULL;
    struct fy_diag_cfg diag_cfg;
    fy_diag_cfg_default(&diag_cfg);
    diag_cfg.fp = NULL;
    struct reader reader = {
        .arena = arena, .diags = diags, .file = file, .n_errors_before = diags->n_errors};
    reader.diag = fy_diag_create(&diag_cfg);
    fy_diag_set_collect_errors(reader.diag, true);
    struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG, .diag = reader.diag};
    reader.parser = fy_parser_create(&cfg);
    struct conf_node *top = NULL;
    if (reader.parser != NULL && yaml.n > 0 &&
        fy_parser_set_string(reader.parser, (const char *)yaml.p, yaml.n) == 0)
        top = read_stream(&reader);
    if (reader.parser != NULL && yaml.n > 0)
        take_errors(&reader);
    if (reader.parser != NULL)
        fy_parser_destroy(reader.parser);
    fy_diag_destroy(reader.diag);
    if (reader.has_failed || reader.parser == NULL)
        return NULL;
    if (top == NULL) {
        struct conf_place place = {.file = file, .line = 1, .col = 1, .width = 1, .end_line = 1};
        top = conf_yaml_scalar(arena, "", &place);
        if (top != NULL)
            top->is_null = true;
    }
    return top;
}
