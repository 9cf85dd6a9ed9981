/* The JSON Schema of the configuration: a property for every setting, with what it must be. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "command/schema.h"
#include "message/json_tree.h"
#include "tables/options.h"

static const char *const paths[] = {
#define SECTION(path, name, sentence)
#define OPTION(section, name, type, detail, value, least, most, reload, sentence) #section #name,
#define END(name)
    OPTIONS(SECTION, OPTION, END)
#undef SECTION
#undef OPTION
#undef END
};

static struct json_tree *
read_schema(void (*add)(struct text *))
{
    struct text text = TEXT_EMPTY;
    add(&text);
    struct json_tree *tree = json_tree_read(text_bytes(&text));
    assert_non_null(tree);
    text_fini(&text);
    return tree;
}

static const struct json_tree *
property_at(const struct json_tree *tree, const char *path)
{
    char name[64];
    for (;;) {
        size_t n = strcspn(path, ".");
        assert_true(n < sizeof(name));
        memcpy(name, path, n);
        name[n] = '\0';
        tree = json_tree_member(json_tree_member(tree, "properties"), name);
        if (path[n] == '\0')
            return tree;
        path += n + 1;
    }
}

static void
assert_text(const struct json_tree *tree, const char *path, const char *name, const char *expected)
{
    const struct json_tree *property = property_at(tree, path);
    struct text text = TEXT_EMPTY;
    assert_non_null(property);
    json_tree_write(property, &text);
    struct bytes value = json_tree_text(property, name);
    if (value.n != strlen(expected) || memcmp(value.p, expected, value.n) != 0)
        fail_msg("%s: no %s %s in %s", path, name, expected, text.p);
    text_fini(&text);
}

static bool
holds(const struct json_tree *tree, const char *path, const char *part)
{
    struct text text = TEXT_EMPTY;
    const struct json_tree *property = property_at(tree, path);
    assert_non_null(property);
    json_tree_write(property, &text);
    bool found = strstr(text.p, part) != NULL;
    text_fini(&text);
    return found;
}

static void
every_setting_has_its_property(void **state)
{
    (void)state;
    struct json_tree *tree = read_schema(schema_add);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        const struct json_tree *property = property_at(tree, paths[i]);
        if (property == NULL)
            fail_msg("%s has no property", paths[i]);
        assert_true(json_tree_text(property, "description").n > 0);
    }
    assert_null(property_at(tree, "buffer.disk.pth"));
    json_tree_free(&tree);
}

static void
units_words_and_bounds_are_told(void **state)
{
    (void)state;
    struct json_tree *tree = read_schema(schema_add);
    assert_text(tree, "buffer.disk.max", "pattern",
                "^([0-9]+(\\.[0-9]+)? *(B|KiB|MiB|GiB)|.*\\$\\{.*\\}.*)$");
    assert_text(tree, "limits.memory", "default", "auto");
    assert_text(tree, "shutdown.drain", "pattern",
                "^([0-9]+(\\.[0-9]+)? *(ms|s|m|h|d)|.*\\$\\{.*\\}.*)$");
    assert_int_equal(json_tree_number(property_at(tree, "batch.max_items"), "maximum"), 100000);
    assert_true(holds(tree, "buffer.mode", "[\"durable\",\"spill\",\"memory\"]"));
    assert_true(holds(tree, "integrity.actions",
                      "\"segment-empty\":{\"anyOf\":[{\"enum\":"
                      "[\"observe\",\"drop\"]}"));
    assert_true(holds(tree, "upstream", "\"additionalProperties\":false"));
    json_tree_free(&tree);
}

static void
secrets_have_their_twins(void **state)
{
    (void)state;
    struct json_tree *tree = read_schema(schema_add);
    assert_non_null(property_at(tree, "listen.auth.tokens_file"));
    assert_non_null(property_at(tree, "upstream.auth_token_file"));
    json_tree_free(&tree);
}

/* YAML 1.1: off is false. */
static void
false_stands_for_off_in_the_chart_alone(void **state)
{
    (void)state;
    struct json_tree *chart = read_schema(schema_add_chart), *file = read_schema(schema_add);
    assert_true(holds(chart, "integrity.mode", "[\"off\",\"observe\",\"enforce\",false]"));
    assert_true(holds(chart, "integrity.services", "[\"off\",\"observe\",\"enforce\",false]"));
    assert_false(holds(file, "integrity.mode", "false"));
    json_tree_free(&chart);
    json_tree_free(&file);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_setting_has_its_property),
        cmocka_unit_test(units_words_and_bounds_are_told),
        cmocka_unit_test(secrets_have_their_twins),
        cmocka_unit_test(false_stands_for_off_in_the_chart_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
