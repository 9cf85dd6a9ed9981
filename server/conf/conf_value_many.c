/* Lists and mappings into their fields. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/check.h"
#include "conf/conf_int.h"

static bool
wrong_shape(struct conf_loading *loading, const struct conf_row *row, const struct conf_node *node,
            const char *shape)
{
    conf_value_wrong(loading, 13, node, NULL, "%s is a %s", row->path, shape);
    return false;
}

static void *
keep_array(struct conf_loading *loading, size_t n, size_t size)
{
    void *array = arena_zeroed(loading->conf->own->arena, n * size);
    check(array != NULL); /* n is bounded by CONF_MAX_NODES */
    return array;
}

/* "a, b" as a list: blanks around items do not count, empty items neither. */
static struct conf_node *
split_commas(struct conf_loading *loading, const struct conf_node *node)
{
    size_t n = strlen(node->text);
    char *text = arena_alloc(loading->scratch, n + 1);
    struct conf_node *list = conf_yaml_scalar(loading->scratch, "", &node->place);
    if (text == NULL || list == NULL)
        return NULL;
    memcpy(text, node->text, n + 1);
    list->kind = CONF_NODE_LIST;
    char *rest = text, *item;
    while ((item = strsep(&rest, ",")) != NULL) {
        item += strspn(item, " \t");
        size_t end = strlen(item);
        while (end > 0 && (item[end - 1] == ' ' || item[end - 1] == '\t'))
            item[--end] = '\0';
        if (end == 0)
            continue;
        struct conf_node *child = conf_yaml_scalar(loading->scratch, item, &node->place);
        if (child == NULL || list->n >= CONF_MAX_NODES)
            return NULL;
        child->is_expanded = node->is_expanded;
        conf_yaml_append(list, child);
    }
    return list;
}

/* "a=b, c=d" as a mapping. */
static struct conf_node *
split_pairs(struct conf_loading *loading, const struct conf_row *row, const struct conf_node *node)
{
    struct conf_node *map = split_commas(loading, node);
    if (map == NULL)
        return NULL;
    map->kind = CONF_NODE_MAP;
    for (struct conf_node *item = map->first; item != NULL; item = item->next) {
        char *equals = strchr((char *)(uintptr_t)item->text, '=');
        if (equals == NULL) {
            conf_value_wrong(loading, 20, node, NULL, "%s: %s is no name=value", row->path,
                             conf_diag_quote(loading->scratch, item->text));
            return NULL;
        }
        *equals = '\0';
        item->key = item->text;
        item->key_place = item->place;
        item->text = equals + 1;
    }
    return map;
}

/* The places of JSON inside a variable say nothing: all of it stands where the variable does. */
static void
move_all(struct conf_node *node, const struct conf_place *place)
{
    node->place = *place;
    node->key_place = *place;
    for (struct conf_node *child = node->first; child != NULL; child = child->next)
        move_all(child, place);
}

static struct conf_node *
parse_json(struct conf_loading *loading, const struct conf_node *node)
{
    struct conf_diags inner = {0};
    struct conf_node *parsed = conf_yaml_parse(
        loading->scratch, &inner, node->place.file ? node->place.file : "", bytes_str(node->text));
    if (parsed == NULL)
        conf_value_wrong(loading, 2, node, NULL, "%s",
                         inner.n > 0 ? inner.items[0].text : "no valid JSON");
    conf_diags_fini(&inner);
    if (parsed != NULL)
        move_all(parsed, &node->place);
    return parsed;
}

/* JSON, or items separated by commas; NULL when an error was added. */
static struct conf_node *
from_scalar(struct conf_loading *loading, const struct conf_row *row, const struct conf_node *node,
            enum conf_node_kind kind)
{
    static const char nothing[] = "";
    uint32_t n_errors = loading->diags->n_errors;
    struct conf_node scalar = *node, *made;
    scalar.text = node->is_null ? nothing : node->text + strspn(node->text, " \t");
    if (scalar.text[0] == '[' || scalar.text[0] == '{')
        made = parse_json(loading, &scalar);
    else if (kind == CONF_NODE_LIST)
        made = split_commas(loading, &scalar);
    else
        made = split_pairs(loading, row, &scalar);
    if (made == NULL && loading->diags->n_errors == n_errors)
        conf_value_wrong(loading, 3, node, NULL, "%s has too many items", row->path);
    return made;
}

/* The node as the wanted collection; NULL when an error was added. */
static const struct conf_node *
as_collection(struct conf_loading *loading, const struct conf_row *row,
              const struct conf_node *node, enum conf_node_kind kind)
{
    const char *shape = kind == CONF_NODE_LIST ? "list" : "mapping of names to values";
    if (node->kind == CONF_NODE_SCALAR) {
        node = from_scalar(loading, row, node, kind);
        if (node == NULL)
            return NULL;
    }
    if (node->kind == kind)
        return node;
    (void)wrong_shape(loading, row, node, shape);
    return NULL;
}

static bool
is_scalar(struct conf_loading *loading, const struct conf_row *row, const struct conf_node *node)
{
    if (node->is_broken)
        return false;
    if (node->kind == CONF_NODE_SCALAR)
        return true;
    conf_value_wrong(loading, 13, node, NULL, "%s holds single values, not %s", row->path,
                     node->kind == CONF_NODE_LIST ? "lists" : "mappings");
    return false;
}

static bool
is_good_item(struct conf_loading *loading, const struct conf_row *row, const struct conf_node *item)
{
    if (!is_scalar(loading, row, item))
        return false;
    if (item->is_null || item->text[0] == '\0') {
        conf_value_wrong(loading, 20, item, NULL, "%s holds an empty item", row->path);
        return false;
    }
    return conf_value_text_is_fine(loading, row, item) &&
           (row->type != CONF_ADDRESSES || conf_value_backend(loading, row, item));
}

static bool
set_list(struct conf_loading *loading, const struct conf_row *row, const struct conf_node *node)
{
    const struct conf_node *list = as_collection(loading, row, node, CONF_NODE_LIST);
    if (list == NULL)
        return false;
    const char **items = keep_array(loading, list->n, sizeof(*items));
    uint32_t n = 0;
    bool fine = true;
    for (const struct conf_node *item = list->first; item != NULL; item = item->next) {
        bool good = is_good_item(loading, row, item);
        if (good)
            items[n++] = conf_value_keep(loading, item->text);
        fine = fine && good;
    }
    struct conf_list *field = conf_field(loading->conf, row);
    *field = (struct conf_list){items, n};
    if (field == &loading->conf->upstream.addresses)
        loading->addresses = fine ? list : NULL;
    return fine;
}

static bool
set_pairs(struct conf_loading *loading, const struct conf_row *row, const struct conf_node *node)
{
    const struct conf_node *map = as_collection(loading, row, node, CONF_NODE_MAP);
    if (map == NULL)
        return false;
    struct conf_pair *items = keep_array(loading, map->n, sizeof(*items));
    uint32_t n = 0;
    bool fine = true;
    for (const struct conf_node *item = map->first; item != NULL; item = item->next) {
        if (conf_name_is_secret(item->key))
            conf_loading_add_secret(loading, item);
        bool good = is_scalar(loading, row, item) && conf_value_text_is_fine(loading, row, item);
        if (good)
            items[n++] = (struct conf_pair){conf_value_keep(loading, item->key),
                                            conf_value_keep(loading, item->text)};
        fine = fine && good;
    }
    struct conf_pairs *field = conf_field(loading->conf, row);
    *field = (struct conf_pairs){items, n};
    if (field == &loading->conf->upstream.kafka.topics)
        loading->topics = fine ? map : NULL;
    if (field == &loading->conf->upstream.kafka.properties)
        loading->properties = fine ? map : NULL;
    return fine;
}

static const char *
nearest_rule(const char *name)
{
    const char *names[RULE_COUNT];
    for (uint32_t i = 0; i < RULE_COUNT; i++)
        names[i] = rule_row((enum rule)i)->name;
    return text_nearest(name, names, RULE_COUNT);
}

static const char *const action_words[] = {"observe", "tag", "repair", "quarantine", "drop"};
static const enum rule_action action_values[] = {ACTION_OBSERVE, ACTION_TAG, ACTION_REPAIR,
                                                 ACTION_QUARANTINE, ACTION_DROP};
enum { N_ACTIONS = 5 };

/* The words of the actions a rule allows. */
static const char *
allowed_words(struct conf_loading *loading, const struct rule_row *rule)
{
    const char *words[N_ACTIONS];
    uint32_t n = 0;
    for (uint32_t i = 0; i < N_ACTIONS; i++)
        if (rule_allows(rule, action_values[i]))
            words[n++] = action_words[i];
    return conf_value_words(loading, (struct conf_words){words, n});
}

static bool
read_action(struct conf_loading *loading, const struct conf_row *row, const struct rule_row *rule,
            const struct conf_node *item, enum rule_action *out)
{
    for (uint32_t i = 0; i < N_ACTIONS; i++) {
        if (strcmp(action_words[i], item->text) != 0)
            continue;
        *out = action_values[i];
        if (rule_allows(rule, *out))
            return true;
        conf_value_wrong(loading, 27, item, NULL, "%s: %s cannot be \"%s\"; it allows %s",
                         row->path, rule->name, item->text, allowed_words(loading, rule));
        return false;
    }
    conf_value_wrong(loading, 24, item, text_nearest(item->text, action_words, N_ACTIONS),
                     "%s: %s is no action; %s allows %s", row->path,
                     conf_diag_quote(loading->scratch, item->text), rule->name,
                     allowed_words(loading, rule));
    return false;
}

static bool
set_actions(struct conf_loading *loading, const struct conf_row *row, const struct conf_node *node)
{
    const struct conf_node *map = as_collection(loading, row, node, CONF_NODE_MAP);
    if (map == NULL)
        return false;
    struct conf_actions actions = {.set = 0};
    for (uint32_t i = 0; i < RULE_COUNT; i++)
        actions.of[i] = rule_row((enum rule)i)->action;
    bool fine = true;
    for (const struct conf_node *item = map->first; item != NULL; item = item->next) {
        const struct rule_row *rule = rule_find(item->key);
        if (rule == NULL) {
            const char *meant = conf_diag_has_room(loading->diags) ? nearest_rule(item->key) : NULL;
            conf_diag_add(loading->diags, CONF_ERROR, 26, &item->key_place, meant,
                          "%s: there is no rule %s", row->path,
                          conf_diag_quote(loading->scratch, item->key));
            fine = false;
            continue;
        }
        if (!is_scalar(loading, row, item) ||
            !read_action(loading, row, rule, item, &actions.of[rule->rule])) {
            fine = false;
            continue;
        }
        actions.set |= UINT64_C(1) << rule->rule;
    }
    struct conf_actions *field = conf_field(loading->conf, row);
    *field = actions;
    return fine;
}

static bool
read_service_mode(struct conf_loading *loading, const struct conf_row *row,
                  const struct conf_node *node, enum conf_mode *out)
{
    struct conf_words words = conf_mode_words();
    for (uint32_t i = 0; i < words.n; i++) {
        if (strcmp(words.items[i], node->text) == 0) {
            *out = (enum conf_mode)i;
            return true;
        }
    }
    conf_value_wrong(
        loading, 24, node, text_nearest(node->text, words.items, words.n), "%s: mode %s is not %s",
        row->path, conf_diag_quote(loading->scratch, node->text), conf_value_words(loading, words));
    return false;
}

static bool
read_service_key(struct conf_loading *loading, const struct conf_row *row,
                 const struct conf_node *node, struct conf_service *out, bool *has_mode)
{
    static const char *const keys[] = {"match", "mode"};
    if (strcmp(node->key, "match") == 0) {
        if (!is_scalar(loading, row, node) || !conf_value_text_is_fine(loading, row, node))
            return false;
        out->match = conf_value_keep(loading, node->text);
        return true;
    }
    if (strcmp(node->key, "mode") == 0) {
        *has_mode = true;
        return is_scalar(loading, row, node) && read_service_mode(loading, row, node, &out->mode);
    }
    conf_diag_add(loading->diags, CONF_ERROR, 12, &node->key_place,
                  text_nearest(node->key, keys, 2), "unknown key %s in %s",
                  conf_diag_quote(loading->scratch, node->key), row->path);
    return false;
}

static bool
read_service(struct conf_loading *loading, const struct conf_row *row, const struct conf_node *item,
             struct conf_service *out)
{
    bool has_mode = false, fine = true;
    if (item->kind != CONF_NODE_MAP)
        return wrong_shape(loading, row, item, "list of {match: ..., mode: ...}");
    for (const struct conf_node *node = item->first; node != NULL; node = node->next)
        fine = read_service_key(loading, row, node, out, &has_mode) && fine;
    if (fine && (!has_mode || out->match == NULL || out->match[0] == '\0')) {
        conf_value_wrong(loading, 20, item, NULL, "%s: each item needs match and mode", row->path);
        fine = false;
    }
    return fine;
}

static bool
set_services(struct conf_loading *loading, const struct conf_row *row, const struct conf_node *node)
{
    const struct conf_node *list = as_collection(loading, row, node, CONF_NODE_LIST);
    if (list == NULL)
        return false;
    struct conf_service *items = keep_array(loading, list->n, sizeof(*items));
    uint32_t n = 0;
    bool fine = true;
    for (const struct conf_node *item = list->first; item != NULL; item = item->next) {
        if (read_service(loading, row, item, &items[n]))
            n++;
        else
            fine = false;
    }
    struct conf_services *field = conf_field(loading->conf, row);
    *field = (struct conf_services){items, n};
    return fine;
}

bool
conf_value_many(struct conf_loading *loading, const struct conf_row *row,
                const struct conf_node *node)
{
    if (row->type == CONF_PAIRS)
        return set_pairs(loading, row, node);
    if (row->type == CONF_ACTIONS)
        return set_actions(loading, row, node);
    if (row->type == CONF_SERVICES)
        return set_services(loading, row, node);
    return set_list(loading, row, node);
}
