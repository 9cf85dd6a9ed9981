/* "spangate config convert --from satellite FILE": our file out of another's, and what became of
 * each of its settings. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command/command_config.h"
#include "conf/conf_satellite.h"

enum { FILE_BYTES = 1024 * 1024 };

static const char *const verdict_words[] = {
    [CONF_SATELLITE_MAPPED] = "mapped",
    [CONF_SATELLITE_CHANGED] = "changed",
    [CONF_SATELLITE_LEFT_OUT] = "left out",
    [CONF_SATELLITE_UNSUPPORTED] = "unsupported",
};

static int
exit_of_errno(const struct command_input *in, const char *path, int error_number)
{
    command_tell(in, "%s: %s", path, strerror(error_number));
    return error_number == EACCES ? COMMAND_PERMISSION : COMMAND_NO_INPUT;
}

static int
read_all(const struct command_input *in, const char *path, struct text *out)
{
    char bytes[16 * 1024];
    bool is_input = strcmp(path, "-") == 0;
    FILE *file = is_input ? stdin : fopen(path, "rb");
    int result = COMMAND_OK;
    size_t n;
    if (file == NULL)
        return exit_of_errno(in, path, errno);
    while ((n = fread(bytes, 1, sizeof(bytes), file)) > 0 && out->n <= FILE_BYTES)
        text_add_bytes(out, bytes_of(bytes, n));
    if (ferror(file))
        result = exit_of_errno(in, path, errno);
    else if (out->n > FILE_BYTES) {
        command_tell(in, "%s is larger than 1 MiB", path);
        result = COMMAND_DATA;
    }
    if (!is_input)
        fclose(file);
    return result;
}

static uint32_t
count(const struct conf_satellite *sat, enum conf_satellite_verdict verdict)
{
    const struct conf_satellite_item *item;
    uint32_t n = 0;
    for (uint32_t i = 0; (item = conf_satellite_item_at(sat, i)) != NULL; i++)
        n += item->verdict == verdict;
    return n;
}

static void
add_item(struct text *out, const struct conf_satellite_item *item)
{
    text_add(out, "  ");
    text_add_plain(out, bytes_str(item->from), 200);
    text_add(out, " = ");
    text_add_plain(out, bytes_str(item->value), 80);
    if (item->setting != NULL) {
        text_addf(out, " -> %s", item->setting);
        if (item->text != NULL) {
            text_add(out, "=");
            text_add_plain(out, bytes_str(item->text), 120);
        }
    }
    text_addf(out, "%s%s\n", item->words[0] != '\0' ? ": " : "", item->words);
}

/* For people: what somebody must decide stands last, where it is seen. */
static void
tell_all(const struct command_input *in, const struct conf_satellite *sat)
{
    struct text out = TEXT_EMPTY;
    const struct conf_satellite_item *item;
    for (int verdict = CONF_SATELLITE_MAPPED; verdict <= CONF_SATELLITE_UNSUPPORTED; verdict++) {
        uint32_t n = count(sat, verdict);
        if (n == 0 || (in->quiet && verdict != CONF_SATELLITE_UNSUPPORTED))
            continue;
        text_addf(&out, "%s (%u):\n", verdict_words[verdict], n);
        for (uint32_t i = 0; (item = conf_satellite_item_at(sat, i)) != NULL; i++)
            if ((int)item->verdict == verdict)
                add_item(&out, item);
    }
    if (out.n > 0)
        fputs(out.p, stderr);
    text_fini(&out);
}

static void
add_json_text(struct text *out, const char *name, const char *value)
{
    text_addf(out, ", \"%s\": ", name);
    if (value != NULL)
        text_add_json(out, bytes_str(value));
    else
        text_add(out, "null");
}

static void
add_json(struct text *out, const struct conf_satellite *sat, const struct text *yaml)
{
    const struct conf_satellite_item *item;
    text_add(out, "{\"items\": [");
    for (uint32_t i = 0; (item = conf_satellite_item_at(sat, i)) != NULL; i++) {
        text_addf(out, "%s\n  {\"verdict\": \"%s\", \"line\": %u", i > 0 ? "," : "",
                  item->verdict == CONF_SATELLITE_LEFT_OUT ? "left_out"
                                                           : verdict_words[item->verdict],
                  item->line);
        add_json_text(out, "from", item->from);
        add_json_text(out, "value", item->value);
        add_json_text(out, "setting", item->setting);
        add_json_text(out, "text", item->text);
        add_json_text(out, "words", item->words);
        text_add(out, "}");
    }
    text_add(out, "\n], \"yaml\": ");
    text_add_json(out, text_bytes(yaml));
    text_add(out, "}\n");
}

/* As check-config would, without certificates: they lie on another machine. */
static bool
is_accepted(const struct command_input *in, const struct text *yaml)
{
    struct bytes bytes = text_bytes(yaml);
    struct conf_input input = {.file = "spangate.yaml", .yaml = &bytes};
    struct conf_diags diags = {0};
    struct text out = TEXT_EMPTY;
    const struct conf *conf = NULL;
    bool is_fine = conf_load(&input, &diags, &conf) == ERR_OK;
    conf_diags_print(&diags, in->color_error, &out);
    if (out.n > 0)
        fputs(out.p, stderr);
    text_fini(&out);
    conf_diags_fini(&diags);
    conf_unref(&conf);
    return is_fine;
}

static int
print(const struct command_input *in, const struct conf_satellite *sat)
{
    struct text out = TEXT_EMPTY, yaml = TEXT_EMPTY;
    uint32_t n_unsupported = count(sat, CONF_SATELLITE_UNSUPPORTED);
    bool is_json = strcmp(in->format, "json") == 0;
    conf_satellite_print(sat, &yaml);
    bool is_fine = is_accepted(in, &yaml);
    if (is_json)
        add_json(&out, sat, &yaml);
    else
        text_add_bytes(&out, text_bytes(&yaml));
    text_fini(&yaml);
    int result = command_write(&out);
    if (!is_json)
        tell_all(in, sat);
    if (n_unsupported > 0)
        command_tell(in, "%u of them cannot be taken over as they are", n_unsupported);
    if (result != COMMAND_OK)
        return result;
    return n_unsupported > 0 || !is_fine ? COMMAND_FOUND : COMMAND_OK;
}

int
config_convert(const struct command_input *in)
{
    const char *from = command_value(in, "from");
    struct conf_diags diags = {0};
    struct text file = TEXT_EMPTY, told = TEXT_EMPTY;
    if (from == NULL || strcmp(from, "satellite") != 0)
        return command_usage(in, "convert needs --from satellite");
    if (in->n_arguments != 2)
        return command_usage(in, "convert needs one file: spangate config convert --from satellite "
                                 "satellite_config.yaml");
    int result = read_all(in, in->arguments[1], &file);
    if (result == COMMAND_OK) {
        struct conf_satellite *sat =
            conf_satellite_read(in->arguments[1], text_bytes(&file), environ, &diags);
        conf_diags_print(&diags, in->color_error, &told);
        if (told.n > 0)
            fputs(told.p, stderr);
        result = sat != NULL ? print(in, sat) : COMMAND_DATA;
        conf_satellite_free(&sat);
    }
    text_fini(&told);
    text_fini(&file);
    conf_diags_fini(&diags);
    return result;
}
