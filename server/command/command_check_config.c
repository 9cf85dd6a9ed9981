/* The verb check-config: every fault of a configuration at once, without touching a service. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "command/command.h"
#include "command/online.h"
#include "forward/kafka_setup.h"
#include "net/tls.h"

static void
add_json_diag(struct text *out, const struct conf_diag *diag)
{
    text_addf(out, "{\"severity\": \"%s\", \"code\": \"C%03u\", \"file\": ",
              conf_severity_word(diag->severity), diag->code);
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
add_json(struct text *out, const struct conf_diags *diags, const struct online *online)
{
    text_addf(out, "{\"errors\": %u, \"warnings\": %u, \"diagnostics\": [",
              diags->n_errors + online->n_errors, diags->n_warnings + online->n_warnings);
    for (uint32_t i = 0; i < diags->n; i++) {
        text_add(out, i > 0 ? ",\n " : "\n ");
        add_json_diag(out, &diags->items[i]);
    }
    text_add(out, "], \"online\": ");
    online_print_json(online, out);
    text_add(out, "}\n");
}

static void
add_summary(struct text *out, const struct conf_diags *diags, const struct online *online)
{
    uint32_t n_errors = diags->n_errors + online->n_errors;
    uint32_t n_warnings = diags->n_warnings + online->n_warnings;
    text_addf(out, "%u error%s, %u warning%s; a running service is not touched.", n_errors,
              n_errors == 1 ? "" : "s", n_warnings, n_warnings == 1 ? "" : "s");
    if (diags->n > 0)
        text_addf(out, " More: spangate explain C%03u", diags->items[0].code);
    text_add(out, "\n");
}

static int
exit_of(const struct command_input *in, enum err err, const struct conf_diags *diags,
        const struct online *online)
{
    if (err == ERR_PERMISSION)
        return COMMAND_PERMISSION;
    if (err == ERR_SYSTEM)
        return COMMAND_NO_INPUT;
    if (err != ERR_OK)
        return COMMAND_CONFIG;
    if (online->is_unreachable)
        return COMMAND_UNAVAILABLE;
    bool is_strict = command_has(in, "strict") && diags->n_warnings + online->n_warnings > 0;
    return is_strict || online->n_errors > 0 ? COMMAND_CONFIG : COMMAND_OK;
}

/* Only a file without errors says what to look at. */
static void
look_around(const struct command_input *in, const struct conf *conf, struct online *online)
{
    if (conf == NULL || !command_has(in, "online"))
        return;
    online_certificates(online, conf);
    online_ports(online, conf);
    online_disk(online, conf);
    online_backends(online, in, conf);
}

static int
run(const struct command_input *in)
{
    struct conf_input input = {
        .file = in->config_file,
        .environment = environ,
        .sets = in->sets,
        .n_sets = in->n_sets,
        .check_tls = tls_check_files,
        .check_kafka = kafka_setup_check,
    };
    struct conf_diags diags = {0};
    struct online online = {.n = 0};
    struct text out = TEXT_EMPTY;
    const struct conf *conf = NULL;
    enum err err = conf_load(&input, &diags, &conf);
    look_around(in, conf, &online);
    if (strcmp(in->format, "json") == 0) {
        add_json(&out, &diags, &online);
    } else {
        conf_diags_print(&diags, in->color, &out);
        online_print(&online, in->color, in->quiet, &out);
        if (out.n > 0 || !in->quiet)
            add_summary(&out, &diags, &online);
    }
    int result = exit_of(in, err, &diags, &online);
    conf_diags_fini(&diags);
    online_fini(&online);
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
    .line = "every fault of a configuration",
    .arguments = "",
    .formats = formats,
    .flags = flags,
    .help = "Reads the file, the environment and --set as serve would, and tells every fault at\n"
            "once: the place, the line, and what was probably meant. Touches no running service.\n"
            "Exit 0, 78 for faults, or with --online 69 when a backend cannot be reached.\n"
            "\n"
            "  -c FILE      the file\n"
            "  --strict     warnings fail, too\n"
            "  --online     looks at the world, too: calls each backend (TCP, TLS, HTTP/2, gRPC),\n"
            "               certificates and their last day, ports, rights and room on disk\n"
            "\n"
            "Examples:\n"
            "  spangate check-config -c spangate.yaml\n"
            "  spangate check-config -c spangate.yaml --strict --online\n",
};
