/* The verb explain: what a code, a rule, a diagnosis, a metric or a setting means, and what to do.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "command/command.h"
#include "command/topics.h"

enum { INDENT = 6 };

/* "why   ..." paragraph by paragraph. */
static void
add_part(struct text *out, const char *label, const struct text *words)
{
    for (const char *line = words->n > 0 ? words->p : ""; *line != '\0';) {
        size_t n = strcspn(line, "\n");
        text_addf(out, "%-*s", INDENT, label);
        command_add_wrapped(out, bytes_of(line, n), INDENT, INDENT);
        label = "";
        line += n + (line[n] == '\n');
    }
}

static void
add_topic(struct text *out, const struct topic *topic)
{
    text_addf(out, "%s (%s)\n", topic->name, topic->kind);
    add_part(out, "what", &topic->title);
    add_part(out, "more", &topic->body);
    add_part(out, "next", &topic->next);
}

static void
add_member(struct text *out, const char *name, const struct text *value)
{
    text_addf(out, ", \"%s\": ", name);
    text_add_json(out, value->n > 0 ? text_bytes(value) : BYTES(""));
}

static void
add_json(struct text *out, const struct topic *topic)
{
    text_addf(out, "{\"name\": \"%s\", \"kind\": \"%s\"", topic->name, topic->kind);
    add_member(out, "what", &topic->title);
    add_member(out, "more", &topic->body);
    add_member(out, "next", &topic->next);
    text_add(out, "}\n");
}

static int
list(const struct command_input *in, bool is_json)
{
    struct text out = TEXT_EMPTY;
    struct topic topic;
    (void)in;
    for (uint32_t i = 0; topic_at(i, &topic); i++) {
        if (is_json)
            add_json(&out, &topic);
        else
            text_addf(&out, "%-40s %s\n", topic.name, topic.title.p);
        topic_fini(&topic);
    }
    return command_write(&out);
}

static int
run(const struct command_input *in)
{
    bool is_json = strcmp(in->format, "json") == 0;
    char nearest[TOPIC_NAME];
    struct topic topic;
    struct text out = TEXT_EMPTY;
    if (in->n_arguments == 0)
        return list(in, is_json);
    if (strncmp(in->arguments[0], "Spangate", 8) == 0) {
        command_tell(in, "%.64s is an alert: runbooks.md has a section of this name",
                     in->arguments[0]);
        return COMMAND_NO_INPUT;
    }
    if (!topic_find(in->arguments[0], &topic, nearest)) {
        command_tell(in, "nothing is called \"%.64s\"%s%s%s; spangate explain lists all",
                     in->arguments[0], nearest[0] != '\0' ? "; did you mean \"" : "", nearest,
                     nearest[0] != '\0' ? "\"?" : "");
        return COMMAND_NO_INPUT;
    }
    if (is_json)
        add_json(&out, &topic);
    else
        add_topic(&out, &topic);
    topic_fini(&topic);
    return command_write(&out);
}

static const char *const formats[] = {"table", "json", NULL};

const struct command_verb command_explain_verb = {
    .name = "explain",
    .run = run,
    .line = "what a code or a name means",
    .arguments = "[CODE]",
    .most = 1,
    .formats = formats,
    .help = "Tells what something is and what to do about it; without CODE it lists all there is:\n"
            "\n"
            "  C012                   a fault of the configuration, from check-config\n"
            "  E101, BUDGET           an error in the log, by number or name\n"
            "  D1                     a diagnosis of an instance\n"
            "  span-parent-missing    an integrity rule\n"
            "  spangate_ready         a metric, with or without spangate_\n"
            "  buffer.disk.max        a setting\n"
            "  78                     an exit code\n"
            "\n"
            "Exit 66 when there is no such thing. With --format json each is one line.\n"
            "\n"
            "Examples:\n"
            "  spangate explain C012\n"
            "  spangate explain span-parent-missing\n",
};
