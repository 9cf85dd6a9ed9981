/* The verb health: asks a running service whether it lives or is ready; the exec probe. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "command/command.h"
#include "net/http1.h"

enum { TIMEOUT_MS = 2000, ADDRESS_MAX = 300 };

/* telemetry.address of the same configuration; a missing backend is no matter here. */
static int
address_of_conf(const struct command_input *in, char *out)
{
    const struct conf *conf = NULL;
    int result = command_load_part(in, &conf);
    if (result != COMMAND_OK)
        return result;
    if (conf->telemetry.address[0] == '\0')
        result = command_usage(in, "telemetry.address is off: there is nobody to ask");
    else if (!command_reachable(conf->telemetry.address, out, ADDRESS_MAX))
        result = COMMAND_BUG;
    conf_unref(&conf);
    return result;
}

static int
find_address(const struct command_input *in, char *out)
{
    if (in->address == NULL)
        return address_of_conf(in, out);
    if (strncmp(in->address, "unix:", 5) == 0)
        return command_usage(in, "the telemetry port, which tells health, has no socket; give its "
                                 "address as host:port");
    if (!command_reachable(in->address, out, ADDRESS_MAX))
        return command_usage(in, "--addr is too long");
    return COMMAND_OK;
}

static int
run(const struct command_input *in)
{
    char address[ADDRESS_MAX] = "";
    const char *path = command_has(in, "ready") ? "/readyz" : "/livez";
    struct text body = TEXT_EMPTY;
    int status = 0, result = find_address(in, address);
    if (result != COMMAND_OK)
        return result;
    enum err err = http1_get(address, path, TIMEOUT_MS, &status, &body);
    if (err != ERR_OK) {
        command_tell(in, "%s does not answer: %s", address, err_words(err));
        text_fini(&body);
        return COMMAND_UNAVAILABLE;
    }
    if (body.n == 0)
        text_addf(&body, "%d", status);
    if (body.p[body.n - 1] != '\n')
        text_add(&body, "\n");
    if (in->quiet)
        text_clear(&body);
    result = command_write(&body);
    return status == 200 ? result : COMMAND_FOUND;
}

static const struct command_flag flags[] = {{"ready", FLAG_ALONE}, {NULL, FLAG_ALONE}};

const struct command_verb command_health_verb = {
    .name = "health",
    .run = run,
    .line = "alive? ready? the exec probe",
    .arguments = "",
    .flags = flags,
    .help = "Asks the telemetry port. Exit 0: yes; 1: no; 69: it does not answer within 2 s.\n"
            "\n"
            "  --ready         ready to take agents' data, not only alive\n"
            "  --addr ADDRESS  host:port of the telemetry port; without it telemetry.address of\n"
            "                  -c FILE, the environment or the default\n"
            "\n"
            "Examples:\n"
            "  spangate health\n"
            "  spangate health --ready --addr 127.0.0.1:1234\n",
};
