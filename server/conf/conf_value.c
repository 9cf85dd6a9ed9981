/* One value of a file, variable or flag into its field, or what is wrong with it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "conf/conf_int.h"

const char *
conf_value_keep(struct conf_loading *loading, const char *text)
{
    size_t n = strlen(text) + 1;
    char *kept = arena_alloc(loading->conf->own->arena, n);
    check(kept != NULL); /* bounded by what was read */
    memcpy(kept, text, n);
    return kept;
}

void
conf_value_wrong(struct conf_loading *loading, uint16_t code, const struct conf_node *node,
                 const char *suggestion, const char *format, ...)
{
    struct text text = TEXT_EMPTY;
    va_list args;
    va_start(args, format);
    text_addv(&text, format, args);
    va_end(args);
    conf_diag_add(loading->diags, CONF_ERROR, code, &node->place, suggestion, "%s", text.p);
    text_fini(&text);
}

const char *
conf_value_quote(struct conf_loading *loading, const struct conf_node *node)
{
    return conf_diag_quote(loading->scratch, node->text);
}

const char *
conf_value_words(struct conf_loading *loading, struct conf_words words)
{
    struct text text = TEXT_EMPTY;
    for (uint32_t i = 0; i < words.n; i++)
        text_addf(&text, "%s%s", i == 0 ? "" : i + 1 < words.n ? ", " : " or ", words.items[i]);
    char *kept = arena_alloc(loading->scratch, text.n + 1);
    if (kept != NULL && text.n > 0)
        memcpy(kept, text.p, text.n);
    if (kept != NULL)
        kept[text.n] = '\0';
    text_fini(&text);
    return kept != NULL ? kept : "...";
}

/* "MiB" where that lies within the bounds, else the unit that does. */
static const char *
likely_unit(const struct conf_row *row, double number)
{
    static const char *const size_units[] = {"MiB", "KiB", "GiB", "B"};
    const char *digits_end = row->value + strspn(row->value, "0123456789.");
    if (row->type == CONF_PERCENT)
        return "%";
    if (row->type == CONF_DURATION)
        return digits_end;
    double least = 0, most = 9e15;
    if (row->least[0] != '\0')
        (void)conf_parse_unit(row->least, row->type, &least);
    if (row->most[0] != '\0')
        (void)conf_parse_unit(row->most, row->type, &most);
    for (size_t i = 0; i < 4; i++) {
        double bytes = 0;
        char one[8] = "1";
        memcpy(one + 1, size_units[i], strlen(size_units[i]) + 1);
        (void)conf_parse_unit(one, CONF_SIZE, &bytes);
        if (number * bytes >= least && number * bytes <= most)
            return size_units[i];
    }
    return "MiB";
}

static bool
wrong_unit(struct conf_loading *loading, const struct conf_row *row, const struct conf_node *node,
           enum conf_parse parse, double number)
{
    size_t n_digits = strspn(node->text, "0123456789. ");
    const char *digits = node->text;
    if (parse == CONF_PARSE_NO_UNIT) {
        size_t n = strcspn(digits, " ");
        conf_value_wrong(loading, 21, node, NULL, "%s %s has no unit; write %.*s%s", row->path,
                         conf_value_quote(loading, node), (int)n, digits, likely_unit(row, number));
        return false;
    }
    if (parse == CONF_PARSE_NUMBER) {
        const char *what = row->type == CONF_DURATION  ? "time, as 200ms"
                           : row->type == CONF_PERCENT ? "percentage, as 20%"
                                                       : "size, as 64MiB";
        conf_value_wrong(loading, 20, node, NULL, "%s %s is no %s", row->path,
                         conf_value_quote(loading, node), what);
        return false;
    }
    const char *meant = conf_parse_nearest_unit(node->text + n_digits, row->type);
    char suggestion[48];
    int n = snprintf(suggestion, sizeof(suggestion), "%.*s%s",
                     (int)strcspn(digits, " abcdefghijklm"
                                          "nopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ%"),
                     digits, meant ? meant : "");
    bool fits = meant != NULL && n < (int)sizeof(suggestion);
    const char *units = row->type == CONF_DURATION  ? "ms, s, m, h or d"
                        : row->type == CONF_PERCENT ? "%"
                                                    : "B, KiB, MiB or GiB";
    conf_value_wrong(loading, 22, node, fits ? suggestion : NULL,
                     "%s %s has an unknown unit; use %s", row->path,
                     conf_value_quote(loading, node), units);
    return false;
}

static bool
is_within(struct conf_loading *loading, const struct conf_row *row, const struct conf_node *node,
          double value)
{
    double least = 0, most = 0;
    enum conf_type type =
        row->type == CONF_INT || row->type == CONF_INT_AUTO ? CONF_FACTOR : row->type;
    bool has_least =
        row->least[0] != '\0' && conf_parse_unit(row->least, type, &least) == CONF_PARSE_OK;
    bool has_most =
        row->most[0] != '\0' && conf_parse_unit(row->most, type, &most) == CONF_PARSE_OK;
    if (has_least && value < least) {
        conf_value_wrong(loading, 23, node, NULL, "%s %s is below %s", row->path,
                         conf_value_quote(loading, node), row->least);
        return false;
    }
    if ((has_most && value > most) || value > 9e15) {
        conf_value_wrong(loading, 23, node, NULL, "%s %s is above %s", row->path,
                         conf_value_quote(loading, node), has_most ? row->most : "all bounds");
        return false;
    }
    return true;
}

/* With a unit, in whole base units. */
static bool
read_measure(struct conf_loading *loading, const struct conf_row *row, const struct conf_node *node,
             double *out)
{
    enum conf_parse parse = conf_parse_unit(node->text, row->type, out);
    if (parse != CONF_PARSE_OK)
        return wrong_unit(loading, row, node, parse, *out);
    if (!is_within(loading, row, node, *out))
        return false;
    double rest = *out - (double)(uint64_t)*out;
    if (rest > 0) {
        conf_value_wrong(loading, 20, node, NULL, "%s %s is no whole number of %s", row->path,
                         conf_value_quote(loading, node),
                         row->type == CONF_DURATION  ? "milliseconds"
                         : row->type == CONF_PERCENT ? "percents"
                                                     : "bytes");
        return false;
    }
    return true;
}

static bool
read_int(struct conf_loading *loading, const struct conf_row *row, const struct conf_node *node,
         uint32_t *out)
{
    const char *text = node->text;
    size_t n = strspn(text, "0123456789");
    if (n == 0 || n > 15 || text[n] != '\0') {
        conf_value_wrong(loading, 20, node, NULL, "%s %s is no whole number", row->path,
                         conf_value_quote(loading, node));
        return false;
    }
    double value = 0;
    for (size_t i = 0; i < n; i++)
        value = value * 10 + (text[i] - '0');
    if (!is_within(loading, row, node, value))
        return false;
    *out = (uint32_t)value;
    return true;
}

static bool
read_factor(struct conf_loading *loading, const struct conf_row *row, const struct conf_node *node,
            double *out)
{
    double value;
    if (conf_parse_unit(node->text, CONF_FACTOR, &value) != CONF_PARSE_OK) {
        conf_value_wrong(loading, 20, node, NULL, "%s %s is no number", row->path,
                         conf_value_quote(loading, node));
        return false;
    }
    if (!is_within(loading, row, node, value))
        return false;
    *out = value;
    return true;
}

static bool
read_bool(struct conf_loading *loading, const struct conf_row *row, const struct conf_node *node,
          bool *out)
{
    static const char *const yes[] = {"yes", "on", "1", "True", "TRUE", "Yes", "On"};
    static const char *const no[] = {"no", "off", "0", "False", "FALSE", "No", "Off"};
    const char *meant = NULL;
    *out = strcmp(node->text, "true") == 0;
    if (*out || strcmp(node->text, "false") == 0)
        return true;
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (strcmp(node->text, yes[i]) == 0)
            meant = "true";
        if (strcmp(node->text, no[i]) == 0)
            meant = "false";
    }
    conf_value_wrong(loading, 20, node, meant, "%s %s is neither true nor false", row->path,
                     conf_value_quote(loading, node));
    return false;
}

static bool
read_enum(struct conf_loading *loading, const struct conf_row *row, const struct conf_node *node,
          uint32_t *out)
{
    for (uint32_t i = 0; i < row->words.n; i++) {
        if (strcmp(row->words.items[i], node->text) == 0) {
            *out = i;
            return true;
        }
    }
    conf_value_wrong(loading, 24, node, text_nearest(node->text, row->words.items, row->words.n),
                     "%s %s is not %s", row->path, conf_value_quote(loading, node),
                     conf_value_words(loading, row->words));
    return false;
}

bool
conf_value_text_is_fine(struct conf_loading *loading, const struct conf_row *row,
                        const struct conf_node *node)
{
    bool secret = conf_type_is_secret(row->type);
    for (const char *p = node->text; *p != '\0'; p++) {
        uint8_t c = (uint8_t)*p;
        if (c >= 0x20 && c != 0x7f && (!secret || c < 0x7f))
            continue;
        conf_value_wrong(loading, 28, node, NULL, "%s holds %s", row->path,
                         secret ? "what is no printable ASCII" : "a control character");
        return false;
    }
    return true;
}

static bool
is_numeric_host(const struct conf_host_port *address)
{
    struct in_addr v4;
    return address->is_v6 || address->host[0] == '\0' ||
           inet_pton(AF_INET, address->host, &v4) == 1;
}

/* Of a listener: numeric, empty = off. */
static bool
is_listener(struct conf_loading *loading, const struct conf_row *row, const struct conf_node *node)
{
    struct conf_host_port address;
    char suggestion[320];
    const char *text = node->text, *meant = NULL;
    if (text[0] == '\0')
        return true;
    if (conf_parse_host_port(text, &address)) {
        if (is_numeric_host(&address))
            return true;
        if (strcmp(address.host, "localhost") == 0 || strcmp(address.host, "*") == 0) {
            snprintf(suggestion, sizeof(suggestion), "%s:%u",
                     address.host[0] == '*' ? "0.0.0.0" : "127.0.0.1", address.port);
            meant = suggestion;
        }
        conf_value_wrong(loading, 25, node, meant, "%s %s: a listener needs a numeric address",
                         row->path, conf_value_quote(loading, node));
        return false;
    }
    if (strspn(text, "0123456789") == strlen(text) && strlen(text) <= 5) {
        snprintf(suggestion, sizeof(suggestion), "0.0.0.0:%s", text);
        meant = suggestion;
    }
    conf_value_wrong(loading, 25, node, meant, "%s %s is no address with a port, as 0.0.0.0:11800",
                     row->path, conf_value_quote(loading, node));
    return false;
}

static bool
is_backend_host(const char *host)
{
    size_t n = strlen(host);
    return n > 0 && n <= 253 &&
           strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == n;
}

bool
conf_value_backend(struct conf_loading *loading, const struct conf_row *row,
                   const struct conf_node *node)
{
    struct conf_host_port address;
    const char *text = node->text;
    char suggestion[320];
    bool is_dns = strncmp(text, "dns:///", 7) == 0;
    const char *rest = is_dns ? text + 7 : text;
    if (conf_parse_host_port(rest, &address) && address.port != 0 &&
        (address.is_v6 ? !is_dns : is_backend_host(address.host)))
        return true;
    const char *meant = NULL;
    if (is_backend_host(rest) && strlen(rest) < 250) {
        const char *port = row->path[9] == 'k' ? "9092" : "11800";
        snprintf(suggestion, sizeof(suggestion), "%s:%s", text, port);
        meant = suggestion;
    } else if (strncmp(text, "http://", 7) == 0 && strlen(text) < 300) {
        snprintf(suggestion, sizeof(suggestion), "%.*s", (int)strcspn(text + 7, "/"), text + 7);
        meant = suggestion;
    }
    conf_value_wrong(loading, 25, node, meant,
                     "%s %s is no address with a port, as oap:11800 or dns:///oap:11800", row->path,
                     conf_value_quote(loading, node));
    return false;
}

static bool
set_auto(struct conf_loading *loading, const struct conf_row *row, const struct conf_node *node)
{
    if (strcmp(node->text, "auto") != 0)
        return false;
    loading->conf->own->settings[conf_row_index(row)].is_auto = true;
    return true;
}

bool
conf_value_set_text(struct conf_loading *loading, const struct conf_row *row,
                    const struct conf_node *node)
{
    if (!conf_value_text_is_fine(loading, row, node))
        return false;
    if (row->type == CONF_ADDRESS && !is_listener(loading, row, node))
        return false;
    const char **field = conf_field(loading->conf, row);
    *field = conf_value_keep(loading, node->text);
    return true;
}

static bool
set_measure(struct conf_loading *loading, const struct conf_row *row, const struct conf_node *node)
{
    double value = 0;
    void *field = conf_field(loading->conf, row);
    if (row->type == CONF_SIZE_AUTO && set_auto(loading, row, node))
        return true;
    if (!read_measure(loading, row, node, &value))
        return false;
    if (row->type == CONF_PERCENT)
        *(uint32_t *)field = (uint32_t)value;
    else
        *(uint64_t *)field = (uint64_t)value;
    return true;
}

static bool
set_scalar(struct conf_loading *loading, const struct conf_row *row, const struct conf_node *node)
{
    void *field = conf_field(loading->conf, row);
    loading->conf->own->settings[conf_row_index(row)].is_auto = false;
    if (row->type == CONF_BOOL)
        return read_bool(loading, row, node, field);
    if (row->type == CONF_INT_AUTO && set_auto(loading, row, node))
        return true;
    if (row->type == CONF_INT || row->type == CONF_INT_AUTO)
        return read_int(loading, row, node, field);
    if (row->type == CONF_FACTOR)
        return read_factor(loading, row, node, field);
    if (row->type == CONF_ENUM)
        return read_enum(loading, row, node, field);
    if (row->type == CONF_STRING || row->type == CONF_PATH || row->type == CONF_ADDRESS ||
        row->type == CONF_SECRET)
        return conf_value_set_text(loading, row, node);
    return set_measure(loading, row, node);
}

static bool
is_text(enum conf_type type)
{
    return type == CONF_STRING || type == CONF_PATH || type == CONF_ADDRESS || type == CONF_SECRET;
}

void
conf_value_note(struct conf_loading *loading, const struct conf_row *row,
                const struct conf_node *node, const char *twin_file)
{
    struct conf_setting *setting = &loading->conf->own->settings[conf_row_index(row)];
    setting->origin = loading->origin;
    setting->place = node->place;
    if (node->place.file != NULL)
        setting->place.file = conf_value_keep(loading, node->place.file);
    setting->is_expanded = node->is_expanded;
    setting->twin_file = twin_file != NULL ? conf_value_keep(loading, twin_file) : NULL;
}

/* Not beside its _file twin; and its line is not shown. */
static bool
is_alone(struct conf_loading *loading, const struct conf_row *row, const struct conf_node *node)
{
    const struct conf_setting *setting = conf_setting_of(loading->conf, row);
    conf_loading_add_secret(loading, node);
    if (setting->origin != loading->origin || setting->twin_file == NULL)
        return true;
    conf_value_wrong(loading, 19, node, NULL, "%s and %s_file are both set", row->path, row->name);
    return false;
}

void
conf_value_note_errors(struct conf_loading *loading, const struct conf_row *row, uint32_t n_before,
                       bool broken)
{
    if (broken || loading->diags->n_errors > n_before)
        loading->conf->own->settings[conf_row_index(row)].is_bad = true;
}

static void
set(struct conf_loading *loading, const struct conf_row *row, const struct conf_node *node)
{
    if (conf_type_is_secret(row->type) && !is_alone(loading, row, node))
        return;
    conf_value_note(loading, row, node, NULL);
    if (conf_type_is_many(row->type)) {
        if (!conf_value_many(loading, row, node))
            conf_value_note_errors(loading, row, 0, true);
        return;
    }
    if (node->kind != CONF_NODE_SCALAR) {
        conf_value_wrong(loading, 13, node, NULL, "%s is a single value, not a %s", row->path,
                         node->kind == CONF_NODE_LIST ? "list" : "section");
        return;
    }
    if (node->is_null && !is_text(row->type)) {
        conf_value_wrong(loading, 20, node, NULL, "%s has no value", row->path);
        return;
    }
    struct conf_node empty = *node;
    if (node->is_null)
        empty.text = "";
    (void)set_scalar(loading, row, &empty);
}

void
conf_value_set(struct conf_loading *loading, const struct conf_row *row,
               const struct conf_node *node)
{
    uint32_t n_before = loading->diags->n_errors;
    if (!node->is_broken)
        set(loading, row, node);
    conf_value_note_errors(loading, row, n_before, node->is_broken);
}
