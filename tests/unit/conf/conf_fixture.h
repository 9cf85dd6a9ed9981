/* Loads a configuration from text and asks what was said about it. */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONF_FIXTURE_H
#define CONF_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "conf/conf.h"

#define FILE_NAME "spangate.yaml"
/* Enough for a configuration without errors. */
#define BACKEND "upstream: {addresses: [\"oap:11800\"]}\n"

struct fixture {
    const struct conf *conf;
    struct conf_diags diags;
    enum err err;
};

static const struct conf_system small_machine = {.memory_bytes = 0, .n_cpus = 2};

static inline struct fixture
load_all(const char *yaml, char *const *environment, const char *const *sets, uint32_t n_sets,
         const struct conf_system *system)
{
    struct fixture fixture = {.conf = NULL};
    struct bytes bytes = bytes_str(yaml);
    struct conf_input input = {
        .file = yaml != NULL ? FILE_NAME : NULL,
        .yaml = yaml != NULL ? &bytes : NULL,
        .environment = environment,
        .sets = sets,
        .n_sets = n_sets,
        .system = system,
    };
    fixture.err = conf_load(&input, &fixture.diags, &fixture.conf);
    assert_true((fixture.err == ERR_OK) == (fixture.conf != NULL));
    return fixture;
}

static inline struct fixture
load(const char *yaml)
{
    return load_all(yaml, NULL, NULL, 0, &small_machine);
}

static inline void
fini(struct fixture *fixture)
{
    conf_unref(&fixture->conf);
    conf_diags_fini(&fixture->diags);
}

static inline void
assert_clean(const struct fixture *fixture)
{
    for (uint32_t i = 0; i < fixture->diags.n; i++)
        print_message("unexpected: %u:%u C%03u %s\n", fixture->diags.items[i].line,
                      fixture->diags.items[i].col, fixture->diags.items[i].code,
                      fixture->diags.items[i].text);
    assert_int_equal(fixture->diags.n, 0);
    assert_int_equal(fixture->err, ERR_OK);
}

/* The file says exactly one thing: code at line:col, in these words, with this suggestion. */
static inline void
assert_one(const char *yaml, uint16_t code, uint32_t line, uint32_t col, const char *text,
           const char *suggestion)
{
    struct fixture fixture = load(yaml);
    if (fixture.diags.n != 1 || fixture.diags.items[0].code != code ||
        strcmp(fixture.diags.items[0].text, text) != 0) {
        struct text out = TEXT_EMPTY;
        conf_diags_print(&fixture.diags, false, &out);
        print_message("for:\n%s\nsaid:\n%s", yaml, out.p != NULL ? out.p : "nothing\n");
        text_fini(&out);
    }
    assert_int_equal(fixture.diags.n, 1);
    const struct conf_diag *diag = &fixture.diags.items[0];
    assert_int_equal(diag->code, code);
    assert_string_equal(diag->text, text);
    assert_int_equal(diag->line, line);
    assert_int_equal(diag->col, col);
    assert_string_equal(diag->file, FILE_NAME);
    if (suggestion == NULL)
        assert_null(diag->suggestion);
    else
        assert_string_equal(diag->suggestion, suggestion);
    assert_int_equal(fixture.err, diag->severity == CONF_ERROR ? ERR_CONFIG : ERR_OK);
    fini(&fixture);
}

#endif
