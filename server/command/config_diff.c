/* "spangate config diff A B": what differs between two files, and what a reload takes up. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "command/command_config.h"

struct diff {
    const struct conf *before, *after;
    bool is_json;
    uint32_t n_live, n_restart;
    struct text out;
};

static void
add_change(void *ctx, const char *path, bool is_live)
{
    struct diff *diff = ctx;
    struct text from = TEXT_EMPTY, to = TEXT_EMPTY;
    const char *taken_up = is_live ? "hot" : "restart";
    conf_add_setting(diff->before, path, &from);
    conf_add_setting(diff->after, path, &to);
    if (diff->is_json) {
        text_addf(&diff->out, "%s\n  {\"key\": \"%s\", \"from\": ",
                  diff->n_live + diff->n_restart > 0 ? "," : "", path);
        text_add_json(&diff->out, text_bytes(&from));
        text_add(&diff->out, ", \"to\": ");
        text_add_json(&diff->out, text_bytes(&to));
        text_addf(&diff->out, ", \"taken_up\": \"%s\"}", taken_up);
    } else {
        text_addf(&diff->out, "%-8s %s: %s -> %s\n", taken_up, path, from.p, to.p);
    }
    diff->n_live += is_live;
    diff->n_restart += !is_live;
    text_fini(&from);
    text_fini(&to);
}

/* Each file alone: variables and --set would hide what differs. A backend that is missing is no
 * matter: parts of a configuration are compared, too. */
static int
load(const struct command_input *in, const char *file, const struct conf **out)
{
    struct command_input alone = *in;
    alone.config_file = file;
    alone.n_sets = 0;
    return command_load_file(&alone, out);
}

static int
print(const struct command_input *in, struct diff *diff)
{
    uint32_t n = diff->n_live + diff->n_restart;
    if (diff->is_json)
        text_add(&diff->out, n > 0 ? "\n]}\n" : "]}\n");
    int result = command_write(&diff->out);
    if (result != COMMAND_OK)
        return result;
    if (!in->quiet && !diff->is_json)
        command_tell(in, "%u differ: %u hot, %u need a restart", n, diff->n_live, diff->n_restart);
    return n > 0 ? COMMAND_FOUND : COMMAND_OK;
}

int
config_diff(const struct command_input *in)
{
    struct diff diff = {.is_json = strcmp(in->format, "json") == 0};
    if (in->n_arguments != 3)
        return command_usage(in, "diff needs two files: spangate config diff A B");
    int result = load(in, in->arguments[1], &diff.before);
    if (result == COMMAND_OK)
        result = load(in, in->arguments[2], &diff.after);
    if (result == COMMAND_OK) {
        if (diff.is_json)
            text_add(&diff.out, "{\"changes\": [");
        conf_each_change(diff.before, diff.after, add_change, &diff);
        result = print(in, &diff);
    }
    conf_unref(&diff.before);
    conf_unref(&diff.after);
    return result;
}
