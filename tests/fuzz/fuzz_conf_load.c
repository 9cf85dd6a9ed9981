/* Any bytes as a configuration file: told or taken, never a crash; also what is said about them. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"

static void
print_all(const struct conf_diags *diags, const struct conf *conf)
{
    struct text out = TEXT_EMPTY;
    conf_diags_print(diags, true, &out);
    if (conf != NULL) {
        conf_print_show(conf, false, &out);
        conf_print_show(conf, true, &out);
    }
    text_fini(&out);
}

/* Secrets would name files of this machine; everything else is loaded as it comes. */
static int
names_files(const uint8_t *data, size_t n)
{
    return n >= 5 && memmem(data, n, "_file", 5) != NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const struct conf_system system = {.memory_bytes = 1u << 30, .n_cpus = 3};
    static char *const environment[] = {
        (char *)"A=one", (char *)"EMPTY=", (char *)"SPANGATE_LOG__LEVEL=debug", NULL};
    if (names_files(data, n))
        return 0;
    struct bytes yaml = {data, n};
    struct conf_diags diags = {0};
    const struct conf *conf = NULL;
    struct conf_input input = {
        .file = "fuzz.yaml", .yaml = &yaml, .environment = environment, .system = &system};
    enum err err = conf_load(&input, &diags, &conf);
    if ((err == ERR_OK) != (conf != NULL) || (err == ERR_OK) != (diags.n_errors == 0))
        abort();
    print_all(&diags, conf);
    conf_diags_fini(&diags);
    conf_unref(&conf);
    return 0;
}
