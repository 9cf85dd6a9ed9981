/* The document docs/rules.md, made from the table of rules. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>

#include "base/rule_table.h"
#include "base/rule_text.h"
#include "command/command.h"

static const char *
action_words(char letter)
{
    switch (letter) {
    case 'O':
        return "observe";
    case 'T':
        return "tag";
    case 'R':
        return "repair";
    case 'Q':
        return "quarantine";
    case 'D':
        return "drop";
    default:
        return "";
    }
}

static const char *
agent_words(enum rule_agent agent)
{
    switch (agent) {
    case AGENT_GO:
        return " (Go)";
    case AGENT_GO_JAVA:
        return " (Go, Java)";
    case AGENT_GO_JAVA_DOTNET:
        return " (Go, Java, .NET)";
    case AGENT_ANY:
    default:
        return "";
    }
}

static const char *
scope_words(enum rule_scope scope)
{
    static const char *const words[] = {
        [SCOPE_STREAM] = "stream", [SCOPE_MESSAGE] = "message",      [SCOPE_SEGMENT] = "segment",
        [SCOPE_SPAN] = "span",     [SCOPE_STORED] = "other message", [SCOPE_STATE] = "memory",
    };
    return words[scope];
}

static void
add_rule(struct text *out, const struct rule_row *row)
{
    text_addf(out, "| `%s` | %s%s | %s | %s | ", row->name, rule_class_label(row->rule_class),
              agent_words(row->agent), scope_words(row->scope), rule_action_label(row->action));
    for (const char *letter = row->allowed; *letter != '\0'; letter++)
        text_addf(out, "%s%s", letter == row->allowed ? "" : ", ", action_words(*letter));
    text_addf(out, " | %s |\n", row->sentence);
}

static void
add_entry(struct text *out, const struct rule_row *row)
{
    const struct rule_text *text = rule_text(row->rule);
    if (text == NULL)
        return;
    text_addf(out, "\n### %s\n\n%c%s.\n\n```\n%s\n```\n\n", row->name,
              toupper((unsigned char)row->sentence[0]), row->sentence + 1, text->example);
    text_addf(out, "- Agents: %s\n- OAP without the gate: %s\n- What to do: %s\n", text->healthy,
              text->oap, text->advice);
}

void
command_print_rules(struct text *out)
{
    text_add(
        out,
        "# Integrity rules\n\nMade by `spangate print rules` from `server/tables/rules.h` and "
        "`rule_texts.h`.\n\n"
        "| class | what a finding means |\n|---|---|\n"
        "| proof | no healthy agent can produce it |\n"
        "| strong | impossible for the agents named, once identified; else only a hint |\n"
        "| poison | lawful on the wire, but OAP would lose data over it |\n"
        "| external | bytes of a stranger: a caller, a browser, a user |\n"
        "| hint | worth counting; healthy agents do it |\n\n"
        "| action | what is done |\n|---|---|\n"
        "| observe | counted |\n"
        "| tag | the span gets the tag `sw.proxy.integrity` with the names of the rules |\n"
        "| repair | a loss-free edit; where none fits, the span is tagged |\n"
        "| quarantine | the message is set aside as it came |\n"
        "| drop | the message is not forwarded, and nothing is lost by that |\n\n"
        "`integrity.actions` changes the action of a rule within what the last but one\n"
        "column allows.\n\n"
        "| rule | class | found on | action | allowed | meaning |\n|---|---|---|---|---|---|\n");
    for (uint32_t i = 0; i < RULE_COUNT; i++)
        add_rule(out, rule_row((enum rule)i));
    text_add(out,
             "\n## Catalogue\n\nIn the examples a line is a span: id, type, name; `+` hangs on "
             "the line above, `?` hangs\nnowhere. What is quarantined is kept as it came.\n");
    for (uint32_t i = 0; i < RULE_COUNT; i++)
        add_entry(out, rule_row((enum rule)i));
}
