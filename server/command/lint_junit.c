/* The JUnit writer. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/lint_junit.h"

#include <stdbool.h>
#include <string.h>

enum { LINE_BYTES = 4096 };

/* U+FFFE and U+FFFF are no characters in XML 1.0. */
static bool
is_noncharacter(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    return u[0] == 0xEF && u[1] == 0xBF && (u[2] == 0xBE || u[2] == 0xBF);
}

/* One line, its control and invalid bytes made visible. */
static void
add_line(struct text *out, struct bytes line)
{
    struct text plain = TEXT_EMPTY;
    text_add_plain(&plain, line, LINE_BYTES);
    for (const char *p = plain.p; p != NULL && *p != '\0'; p++) {
        if (*p == '&')
            text_add(out, "&amp;");
        else if (*p == '<')
            text_add(out, "&lt;");
        else if (*p == '>')
            text_add(out, "&gt;");
        else if (*p == '"')
            text_add(out, "&quot;");
        else if (is_noncharacter(p))
            p += 2;
        else
            text_add_bytes(out, bytes_of((const uint8_t *)p, 1));
    }
    text_fini(&plain);
}

static void
add_attribute(struct text *out, const char *name, const char *value)
{
    text_addf(out, " %s=\"", name);
    add_line(out, bytes_str(value));
    text_add(out, "\"");
}

static void
add_lines(struct text *out, const char *lines)
{
    while (lines != NULL && *lines != '\0') {
        size_t n = strcspn(lines, "\n");
        add_line(out, bytes_of((const uint8_t *)lines, n));
        if (lines[n] == '\n')
            text_add(out, "\n");
        lines += n + (lines[n] == '\n');
    }
}

static void
add_inside(struct text *out, const struct lint_junit_case *one)
{
    static const char *const elements[] = {
        [JUNIT_PASSED] = "system-out",
        [JUNIT_FAILED] = "failure",
        [JUNIT_ERROR] = "error",
        [JUNIT_SKIPPED] = "skipped",
    };
    const char *element = elements[one->outcome];
    text_addf(out, ">\n   <%s", element);
    if (one->outcome != JUNIT_PASSED && one->message != NULL)
        add_attribute(out, "message", one->message);
    if (one->outcome == JUNIT_FAILED || one->outcome == JUNIT_ERROR)
        add_attribute(out, "type", one->name);
    text_add(out, ">");
    add_lines(out, one->text);
    text_addf(out, "</%s>\n  </testcase>\n", element);
}

void
lint_junit_add(struct lint_junit *junit, const struct lint_junit_case *one)
{
    struct text *out = &junit->cases;
    junit->suite.n_tests++;
    junit->suite.n_failed += one->outcome == JUNIT_FAILED;
    junit->suite.n_errors += one->outcome == JUNIT_ERROR;
    junit->suite.n_skipped += one->outcome == JUNIT_SKIPPED;
    text_add(out, "  <testcase");
    add_attribute(out, "classname", one->suite);
    add_attribute(out, "name", one->name);
    text_add(out, " time=\"0\"");
    if (one->outcome == JUNIT_PASSED && one->text == NULL)
        text_add(out, "/>\n");
    else
        add_inside(out, one);
}

static void
add_sums(struct text *out, const struct lint_junit_sums *sums)
{
    text_addf(out, " tests=\"%u\" failures=\"%u\" errors=\"%u\" skipped=\"%u\" time=\"0\">\n",
              sums->n_tests, sums->n_failed, sums->n_errors, sums->n_skipped);
}

void
lint_junit_end_suite(struct lint_junit *junit, const char *name)
{
    struct text *out = &junit->suites;
    text_add(out, " <testsuite");
    add_attribute(out, "name", name);
    add_sums(out, &junit->suite);
    text_add_bytes(out, text_bytes(&junit->cases));
    text_add(out, " </testsuite>\n");
    text_fini(&junit->cases);
    junit->cases = TEXT_EMPTY;
    junit->all.n_tests += junit->suite.n_tests;
    junit->all.n_failed += junit->suite.n_failed;
    junit->all.n_errors += junit->suite.n_errors;
    junit->all.n_skipped += junit->suite.n_skipped;
    junit->suite = (struct lint_junit_sums){0};
}

void
lint_junit_end(struct lint_junit *junit, struct text *out)
{
    text_add(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"spangate\"");
    add_sums(out, &junit->all);
    text_add_bytes(out, text_bytes(&junit->suites));
    text_add(out, "</testsuites>\n");
    text_fini(&junit->suites);
}
