/* The verb check-config: every fault of a configuration at once, without touching a service. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "command/command.h"
#include "forward/kafka_setup.h"
#include "net/tls.h"

static void
add_json_diag(struct text *out, const struct conf_diag *diag)
{
    text_addf(out, "{\"severity\": \"%s\", \"code\": \"C%03u\", \"file\": ",
              diag->severity == CONF_ERROR ? "error" : "warning", diag->code);
    text_add_json(out, bytes_str(diag->file));
    text_addf(out, ", \"line\": %u, \"column\": %u, \"text\": ", diag->line, diag->col);
    text_add_json(out, bytes_str(diag->text));
    text_add(out, ", \"suggestion\": ");
    if (diag->suggestion != NULL)
        text_add_json(out, bytes_str(diag->suggestion));
    else
        text_add(out, "null");
    text_add(out, "}");
}

static void
add_json(struct text *out, const struct conf_diags *diags)
{
    text_addf(out, "{\"errors\": %u, \"warnings\": %u, \"diagnostics\": [", diags->n_errors,
              diags->n_warnings);
    for (uint32_t i = 0; i < diags->n; i++) {
        text_add(out, i > 0 ? ",\n " : "\n ");
        add_json_diag(out, &diags->items[i]);
    }
    text_add(out, "]}\n");
}

static void
add_summary(struct text *out, const struct conf_diags *diags)
{
    text_addf(out, "%u error%s, %u warning%s; a running service is not touched.", diags->n_errors,
              diags->n_errors == 1 ? "" : "s", diags->n_warnings,
              diags->n_warnings == 1 ? "" : "s");
    if (diags->n > 0 && command_find("explain") != NULL)
        text_addf(out, " More: spangate explain C%03u", diags->items[0].code);
    text_add(out, "\n");
}

static int
exit_of(const struct command_input *in, enum err err, const struct conf_diags *diags)
{
    if (err == ERR_PERMISSION)
        return COMMAND_PERMISSION;
    if (err == ERR_SYSTEM)
        return COMMAND_NO_INPUT;
    if (err != ERR_OK || (command_has(in, "strict") && diags->n_warnings > 0))
        return COMMAND_CONFIG;
    return COMMAND_OK;
}

static int
run(const struct command_input *in)
{
    if (command_has(in, "online"))
        return command_usage(in, "--online is not built yet; without it everything is checked that "
                                 "needs no network");
    struct conf_input input = {
        .file = in->config_file,
        .environment = environ,
        .sets = in->sets,
        .n_sets = in->n_sets,
        .check_tls = tls_check_files,
        .check_kafka = kafka_setup_check,
    };
    struct conf_diags diags = {0};
    struct text out = TEXT_EMPTY;
    const struct conf *conf = NULL;
    enum err err = conf_load(&input, &diags, &conf);
    if (strcmp(in->format, "json") == 0) {
        add_json(&out, &diags);
    } else if (diags.n > 0 || !in->quiet) {
        conf_diags_print(&diags, in->color, &out);
        add_summary(&out, &diags);
    }
    int result = exit_of(in, err, &diags);
    conf_diags_fini(&diags);
    conf_unref(&conf);
    int written = command_write(&out);
    return result != COMMAND_OK ? result : written;
}

static const char *const formats[] = {"table", "json", NULL};
static const struct command_flag flags[] = {
    {"strict", FLAG_ALONE},
    {"online", FLAG_ALONE},
    {NULL, FLAG_ALONE},
};

const struct command_verb command_check_config_verb = {
    .name = "check-config",
    .run = run,
    .line = "tells every fault of a configuration",
    .arguments = "",
    .formats = formats,
    .flags = flags,
    .help = "Reads the file, the environment and --set as serve would, and tells every fault at\n"
            "once: the place, the line, and what was probably meant. Needs no network, touches no\n"
            "running service. Exit 0 or 78.\n"
            "\n"
            "  -c FILE      the file\n"
            "  --strict     warnings fail, too\n"
            "  --online     not built yet\n"
            "\n"
            "Examples:\n"
            "  spangate check-config -c spangate.yaml\n"
            "  spangate check-config -c spangate.yaml --strict --format json\n",
};
