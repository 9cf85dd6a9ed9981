/* What the gate made of the demo's instances: asked as an operator would, by the API. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/demo_diagnoses.h"

#include <time.h>

#include "base/clock.h"
#include "integrity/diagnosis.h"
#include "message/json_tree.h"
#include "net/http1.h"

enum { PATIENCE_US = 3000 * 1000, STEP_MS = 20, CALL_MS = 2000 };

static struct json_tree *
ask(const char *address)
{
    struct http1_call call = {
        .address = address, .path = "/api/v1/instances", .timeout_ms = CALL_MS};
    struct text body = TEXT_EMPTY;
    int status = 0;
    enum err err = http1_call(&call, &status, &body);
    struct json_tree *tree =
        err == ERR_OK && status == 200 ? json_tree_read(text_bytes(&body)) : NULL;
    text_fini(&body);
    return tree;
}

static uint64_t
n_segments_of(const struct json_tree *list)
{
    uint64_t n = 0;
    for (size_t i = 0; i < json_tree_n(list); i++)
        n += (uint64_t)json_tree_number(json_tree_at(list, i), "segments");
    return n;
}

/* Workers tell what they saw once a second. */
static struct json_tree *
ask_until_all_are_told(const char *address, uint64_t n_segments)
{
    struct timespec step = {0, STEP_MS * 1000000L};
    uint64_t end_us = clock_fresh_us() + PATIENCE_US;
    for (;;) {
        struct json_tree *tree = ask(address);
        if (tree == NULL || clock_fresh_us() > end_us ||
            n_segments_of(json_tree_member(tree, "instances")) >= n_segments)
            return tree;
        json_tree_free(&tree);
        nanosleep(&step, NULL);
    }
}

static bool
has(const struct json_tree *instance, const char *code)
{
    const struct json_tree *list = json_tree_member(instance, "diagnoses");
    for (size_t i = 0; i < json_tree_n(list); i++)
        if (bytes_equal(json_tree_text(json_tree_at(list, i), "code"), bytes_str(code)))
            return true;
    return false;
}

/* How many of its service, where the i-th is the first of them. */
static uint32_t
n_of_service(const struct json_tree *list, size_t i, const char *code)
{
    struct bytes service = json_tree_text(json_tree_at(list, i), "service");
    uint32_t n = 0;
    if (!has(json_tree_at(list, i), code))
        return 0;
    for (size_t k = 0; k < json_tree_n(list); k++) {
        const struct json_tree *other = json_tree_at(list, k);
        if (!bytes_equal(json_tree_text(other, "service"), service) || !has(other, code))
            continue;
        if (k < i)
            return 0;
        n++;
    }
    return n;
}

static void
add_row(const struct json_tree *list, const struct diagnosis_row *row, struct text *out)
{
    const char *comma = "";
    for (size_t i = 0; i < json_tree_n(list); i++) {
        uint32_t n = n_of_service(list, i, row->code);
        if (n == 0)
            continue;
        if (comma[0] == '\0')
            text_addf(out, "%-9s %s: ", row->code, row->name);
        text_add(out, comma);
        text_add_plain(out, json_tree_text(json_tree_at(list, i), "service"), 64);
        text_addf(out, " (%u instance%s)", n, n == 1 ? "" : "s");
        comma = ", ";
    }
    if (comma[0] != '\0')
        text_add(out, "\n");
}

void
demo_diagnoses_add(const char *admin_address, uint64_t n_segments, struct text *out)
{
    if (admin_address[0] == '\0')
        return;
    struct json_tree *tree = ask_until_all_are_told(admin_address, n_segments);
    const struct json_tree *list = json_tree_member(tree, "instances");
    for (unsigned i = 0; i < DIAGNOSIS_COUNT; i++)
        add_row(list, diagnosis_row((enum diagnosis)i), out);
    json_tree_free(&tree);
}
