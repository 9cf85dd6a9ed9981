/* Variables of SkyWalking Satellite at start: taken over, one notice each. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <fnmatch.h>
#include <string.h>

#include "conf/conf_satellite_int.h"

#define PREFIX "SATELLITE_"
enum { NAME_BYTES = 128 };

/* SATELLITE_PORT, SATELLITE_SERVICE_HOST, SATELLITE_PORT_11800_TCP_ADDR: Kubernetes makes such for
 * a service of that name. */
static bool
is_service_link(const char *name)
{
    const char *rest = name + sizeof(PREFIX) - 1;
    const char *port = strstr(rest, "PORT");
    return strstr(rest, "SERVICE_HOST") != NULL || strstr(rest, "SERVICE_PORT") != NULL ||
           (port != NULL &&
            (port[4] == '\0' || (port[4] == '_' && isdigit((unsigned char)port[5]))));
}

static enum satellite_token
find_token(const char *name)
{
    unsigned token = 0;
    for (; token < SATELLITE_COUNT; token++) {
        const char *variable = satellite_row_at(token)->variable;
        if (variable[0] != '\0' && fnmatch(variable, name, 0) == 0)
            break;
    }
    return token;
}

static void
take_variable(struct conf_loading *loading, struct conf_satellite *sat, const char *entry)
{
    char name[NAME_BYTES];
    const char *equals = strchr(entry, '=');
    size_t n = equals != NULL ? (size_t)(equals - entry) : sizeof(name);
    if (n >= sizeof(name) || strncmp(entry, PREFIX, sizeof(PREFIX) - 1) != 0)
        return;
    memcpy(name, entry, n);
    name[n] = '\0';
    enum satellite_token token = find_token(name);
    if (token < SATELLITE_COUNT) {
        conf_satellite_take(sat, token, name, 0, equals + 1);
        return;
    }
    struct conf_place place = {.file = name};
    if (!is_service_link(name))
        conf_diag_add(loading->diags, CONF_WARNING, 71, &place, NULL,
                      "not a variable of Satellite's own file; nothing is done with it");
}

static void
apply_item(struct conf_loading *loading, const struct conf_satellite_item *item)
{
    struct conf_place place = {.file = conf_value_keep(loading, item->from)};
    bool has_effect =
        item->text != NULL && item->setting != NULL && item->verdict != CONF_SATELLITE_UNSUPPORTED;
    if (!has_effect && item->words[0] != '\0')
        conf_diag_add(loading->diags, CONF_WARNING, 71, &place, NULL, "has no effect: %s",
                      item->words);
    if (!has_effect)
        return;
    const char *text = conf_value_keep(loading, item->text);
    struct conf_node *node = conf_yaml_scalar(loading->scratch, text, &place);
    if (node == NULL || !conf_loading_apply(loading, item->setting, node))
        return;
    bool is_secret = conf_type_is_secret(conf_row_find(item->setting)->type);
    conf_diag_add(loading->diags, CONF_NOTICE, 70, &place, NULL, "taken over as %s=%s%s%s",
                  item->setting, is_secret ? "********" : text, item->words[0] != '\0' ? ": " : "",
                  item->words);
}

void
conf_satellite_apply(struct conf_loading *loading)
{
    struct conf_satellite *sat = NULL;
    char *const *entry = loading->input->environment;
    const struct conf_satellite_item *item;
    for (; entry != NULL && *entry != NULL; entry++) {
        if (strncmp(*entry, PREFIX, sizeof(PREFIX) - 1) != 0)
            continue;
        if (sat == NULL)
            sat = conf_satellite_new();
        take_variable(loading, sat, *entry);
    }
    if (sat == NULL)
        return;
    loading->origin = CONF_FROM_SATELLITE;
    conf_satellite_conclude(sat);
    for (uint32_t i = 0; (item = conf_satellite_item_at(sat, i)) != NULL; i++)
        apply_item(loading, item);
    conf_satellite_free(&sat);
}
