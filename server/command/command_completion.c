/* The verb completion: what a shell needs to complete our command line, from the tables. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>

#include "base/rule_table.h"
#include "command/command.h"
#include "command/command_flags.h"
#include "command/topics.h"

enum { NAME_BYTES = 64 };

/* One word at a time. */
typedef void add_word_fn(void *ctx, const char *word);

/* "show|example|diff A B": the words in lower case, which choose what a verb does. */
static void
each_choice(const struct command_verb *verb, add_word_fn *add, void *ctx)
{
    if (strchr(verb->arguments, '|') == NULL)
        return;
    for (const char *p = verb->arguments; *p != '\0';) {
        char word[NAME_BYTES];
        size_t n = strcspn(p, "| ");
        if (n > 0 && n < sizeof(word) && islower((unsigned char)*p)) {
            memcpy(word, p, n);
            word[n] = '\0';
            add(ctx, word);
        }
        p += strcspn(p, "|");
        p += *p == '|';
    }
}

/* FILE, DIR and diff's A and B. */
static bool
takes_files(const struct command_verb *verb)
{
    return strstr(verb->arguments, "FILE") != NULL || strstr(verb->arguments, "DIR") != NULL ||
           strcmp(verb->name, "ci") == 0;
}

static void
add_blank(void *ctx, const char *word)
{
    text_addf(ctx, "%s ", word);
}

static void
add_settings(struct text *out)
{
    const char *path;
    for (uint32_t i = 0; (path = conf_setting_at(i)) != NULL; i++)
        text_addf(out, "%s= ", path);
}

static void
add_rules(struct text *out)
{
    for (uint32_t i = 0; i < RULE_COUNT; i++)
        text_addf(out, "%s ", rule_row((enum rule)i)->name);
}

static void
add_verbs(struct text *out)
{
    for (uint32_t i = 0; i < command_count(); i++)
        if (command_at(i)->line != NULL)
            text_addf(out, "%s ", command_at(i)->name);
}

static void
add_topics(struct text *out)
{
    struct topic topic;
    for (uint32_t i = 0; topic_at(i, &topic); i++) {
        text_addf(out, "%s ", topic.name);
        topic_fini(&topic);
    }
}

static void
add_flags(struct text *out, const struct command_verb *verb)
{
    const char *name;
    for (uint32_t i = 0; (name = command_flags_common_at(i)) != NULL; i++)
        if (strcmp(name, "format") != 0 || (verb != NULL && verb->formats != NULL))
            text_addf(out, "--%s ", name);
    for (size_t i = 0; verb != NULL && verb->flags != NULL && verb->flags[i].name != NULL; i++)
        text_addf(out, "--%s ", verb->flags[i].name);
}

static void
add_formats(struct text *out, const struct command_verb *verb)
{
    for (size_t i = 0; verb->formats != NULL && verb->formats[i] != NULL; i++)
        text_addf(out, "%s ", verb->formats[i]);
}

/* What stands where a verb takes an argument. */
static void
add_arguments(struct text *out, const struct command_verb *verb)
{
    each_choice(verb, add_blank, out);
    if (strcmp(verb->name, "help") == 0)
        add_verbs(out);
    else if (strcmp(verb->name, "explain") == 0)
        add_topics(out);
}

/* "'a b c'" behind a variable's name. */
static void
add_list(struct text *out, const char *name, void (*add)(struct text *))
{
    text_addf(out, "%s='", name);
    add(out);
    text_add(out, "'\n");
}

/* Lines "verb) x='...' ;;" of a case over $verb, one per verb for which the list has words. */
static void
add_cases(struct text *out, const char *indent, const char *name,
          void (*add)(struct text *, const struct command_verb *))
{
    for (uint32_t i = 0; i < command_count(); i++) {
        const struct command_verb *verb = command_at(i);
        struct text words = TEXT_EMPTY;
        if (verb->line != NULL)
            add(&words, verb);
        if (words.n > 0)
            text_addf(out, "%s%s) %s='%s' ;;\n", indent, verb->name, name, words.p);
        text_fini(&words);
    }
}

static void
add_file_verbs(struct text *out)
{
    const char *bar = "";
    for (uint32_t i = 0; i < command_count(); i++) {
        const struct command_verb *verb = command_at(i);
        if (verb->line == NULL || !takes_files(verb))
            continue;
        text_addf(out, "%s%s", bar, verb->name);
        bar = "|";
    }
}

/* Lines "verb/word) choice='...' ;;". */
static void
add_following(struct text *out)
{
    for (uint32_t i = 0; i < command_count(); i++)
        for (const struct command_following *next = command_at(i)->following;
             next != NULL && next->word != NULL; next++)
            text_addf(out, "    %s/%s) choice='%s' ;;\n", command_at(i)->name, next->word,
                      next->words);
}

/* What bash and zsh share: choices in variables, chosen by case; both read this sh. */
static void
add_choice(struct text *out)
{
    text_add(out, "    case $prev in\n"
                  "    -c|--config|--junit|--sarif|--output|--store) files=1; return ;;\n"
                  "    --set) choice=$settings; return ;;\n"
                  "    --color) choice='auto always never'; return ;;\n"
                  "    --rule|--corrupt) choice=$rules; return ;;\n"
                  "    --from) choice=satellite; return ;;\n"
                  "    --verdict) choice='clean observed tagged repaired quarantined dropped'; "
                  "return ;;\n"
                  "    --fail-on) choice='corrupt any'; return ;;\n"
                  "    --format)\n"
                  "        choice='table json'\n"
                  "        case $verb in\n");
    add_cases(out, "        ", "choice", add_formats);
    text_add(out, "        esac\n"
                  "        return ;;\n"
                  "    esac\n"
                  "    case $cur in\n"
                  "    -*)\n"
                  "        choice=$flags\n"
                  "        case $verb in\n");
    add_cases(out, "        ", "choice", add_flags);
    text_add(out, "        esac\n"
                  "        return ;;\n"
                  "    esac\n"
                  "    case $verb in\n"
                  "    '') choice=$verbs ;;\n");
    add_cases(out, "    ", "choice", add_arguments);
    text_add(out, "    esac\n"
                  "    [[ -z $behind ]] || choice=''\n"
                  "    case $verb/$behind in\n");
    add_following(out);
    text_add(out, "    esac\n"
                  "    case $verb in\n"
                  "    ");
    add_file_verbs(out);
    text_add(out, ") files=1 ;;\n"
                  "    esac\n");
}

static void
add_common_flags(struct text *out)
{
    add_flags(out, NULL);
}

/* The function that fills choice and files out of cur, prev, verb and the words behind it. */
static void
add_chooser(struct text *out)
{
    text_add(out, "_spangate_choose() {\n    local verbs settings rules flags\n");
    text_add(out, "    ");
    add_list(out, "verbs", add_verbs);
    text_add(out, "    ");
    add_list(out, "settings", add_settings);
    text_add(out, "    ");
    add_list(out, "rules", add_rules);
    text_add(out, "    ");
    add_list(out, "flags", add_common_flags);
    add_choice(out);
    text_add(out, "}\n\n");
}

static void
add_bash(struct text *out)
{
    text_add(out, "# Completion of spangate for bash, made by: spangate completion bash\n"
                  "# Put it where bash-completion looks, as /etc/bash_completion.d/spangate.\n");
    add_chooser(out);
    text_add(out, "_spangate() {\n"
                  "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                  "    local verb='' behind='' choice='' files='' i\n"
                  "    # bash makes words of their own of \"=\"\n"
                  "    if [[ $cur == = ]]; then cur=''; elif [[ $prev == = ]]; then "
                  "prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
                  "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                  "        case ${COMP_WORDS[i]} in\n"
                  "        -c|--config|--set|--addr|--color|--format)\n"
                  "            ((i++))\n"
                  "            while [[ ${COMP_WORDS[i]} == = || ${COMP_WORDS[i+1]} == = ]]; do "
                  "((i++)); done ;;\n"
                  "        -*|=) ;;\n"
                  "        *) if [[ -z $verb ]]; then verb=${COMP_WORDS[i]}; "
                  "else behind+=${behind:+ }${COMP_WORDS[i]}; fi ;;\n"
                  "        esac\n"
                  "    done\n"
                  "    _spangate_choose\n"
                  "    COMPREPLY=($(compgen -W \"$choice\" -- \"$cur\"))\n"
                  "    if [[ -n $files ]]; then\n"
                  "        compopt -o filenames\n"
                  "        COMPREPLY+=($(compgen -f -- \"$cur\"))\n"
                  "    fi\n"
                  "    if [[ ${COMPREPLY[0]} == *= ]]; then compopt -o nospace; fi\n"
                  "}\n"
                  "complete -F _spangate spangate\n");
}

/* Words by ${=...}: zsh does not split by itself. */
static void
add_zsh(struct text *out)
{
    text_add(out, "#compdef spangate\n"
                  "# Completion of spangate for zsh, made by: spangate completion zsh\n"
                  "# Put it into a directory of $fpath, as _spangate.\n");
    add_chooser(out);
    text_add(out, "_spangate() {\n"
                  "    local cur=$PREFIX prev=${words[CURRENT-1]} verb='' behind='' files='' i\n"
                  "    local -a line=(\"${words[@]}\") verb_lines\n"
                  "    for ((i = 2; i < CURRENT; i++)); do\n"
                  "        case ${line[i]} in\n"
                  "        -c|--config|--set|--addr|--color|--format) ((i++)) ;;\n"
                  "        -*) ;;\n"
                  "        *) if [[ -z $verb ]]; then verb=${line[i]}; "
                  "else behind+=${behind:+ }${line[i]}; fi ;;\n"
                  "        esac\n"
                  "    done\n"
                  "    local choice=''\n"
                  "    _spangate_choose\n"
                  "    if [[ -z $verb && $cur != -* && $prev != -* ]]; then\n"
                  "        verb_lines=(\n");
    for (uint32_t i = 0; i < command_count(); i++)
        if (command_at(i)->line != NULL)
            text_addf(out, "            \"%s:%s\"\n", command_at(i)->name, command_at(i)->line);
    text_add(out, "        )\n"
                  "        _describe verb verb_lines\n"
                  "        return\n"
                  "    fi\n"
                  "    local -a found=(${=choice})\n"
                  "    if [[ ${found[1]} == *= ]]; then\n"
                  "        compadd -S '' -a found\n"
                  "    else\n"
                  "        compadd -a found\n"
                  "    fi\n"
                  "    if [[ -n $files ]]; then _files; fi\n"
                  "}\n"
                  "if [[ ${funcstack[1]} == _spangate ]]; then _spangate \"$@\"; "
                  "else compdef _spangate spangate; fi\n");
}

static void
add_fish_flag(struct text *out, const char *verb, const struct command_flag *flag)
{
    text_addf(out, "complete -c spangate -n '__fish_seen_subcommand_from %s' -l %s%s", verb,
              flag->name, flag->argument == FLAG_VALUE ? " -r" : "");
    if (strcmp(flag->name, "rule") == 0) {
        text_add(out, " -f -a '");
        add_rules(out);
        text_add(out, "'");
    }
    text_add(out, "\n");
}

/* A verb's first word is offered until one stands that has words of its own. */
static void
add_fish_words(struct text *out, const struct command_verb *verb, const char *words)
{
    const struct command_following *next = verb->following;
    text_addf(out, "complete -c spangate %s-n '__fish_seen_subcommand_from %s",
              takes_files(verb) ? "" : "-f ", verb->name);
    if (next != NULL)
        text_add(out, "; and not __fish_seen_subcommand_from");
    for (size_t i = 0; next != NULL && next[i].word != NULL; i++)
        text_addf(out, " %s", next[i].word);
    text_addf(out, "' -a '%s'\n", words);
    for (; next != NULL && next->word != NULL; next++)
        text_addf(out,
                  "complete -c spangate -f -n '__fish_seen_subcommand_from %s; and "
                  "__fish_seen_subcommand_from %s' -a '%s'\n",
                  verb->name, next->word, next->words);
}

static void
add_fish_verb(struct text *out, const struct command_verb *verb)
{
    struct text words = TEXT_EMPTY;
    text_addf(out, "complete -c spangate -f -n __fish_use_subcommand -a %s -d \"%s\"\n", verb->name,
              verb->line);
    add_arguments(&words, verb);
    if (words.n > 0)
        add_fish_words(out, verb, words.p);
    else if (!takes_files(verb))
        text_addf(out, "complete -c spangate -f -n '__fish_seen_subcommand_from %s'\n", verb->name);
    text_clear(&words);
    add_formats(&words, verb);
    if (words.n > 0)
        text_addf(out,
                  "complete -c spangate -n '__fish_seen_subcommand_from %s' -l format -x -a '%s'\n",
                  verb->name, words.p);
    for (size_t i = 0; verb->flags != NULL && verb->flags[i].name != NULL; i++)
        add_fish_flag(out, verb->name, &verb->flags[i]);
    text_fini(&words);
}

static void
add_fish(struct text *out)
{
    text_add(out, "# Completion of spangate for fish, made by: spangate completion fish\n"
                  "# Put it into ~/.config/fish/completions/spangate.fish.\n"
                  "complete -c spangate -l config -s c -r -d 'settings'\n"
                  "complete -c spangate -l addr -x -d 'of a service'\n"
                  "complete -c spangate -l color -x -a 'auto always never'\n"
                  "complete -c spangate -l help -s h\n"
                  "complete -c spangate -l quiet -s q\n"
                  "complete -c spangate -l verbose -s v\n"
                  "complete -c spangate -l set -x -a '");
    add_settings(out);
    text_add(out, "'\n");
    for (uint32_t i = 0; i < command_count(); i++)
        if (command_at(i)->line != NULL)
            add_fish_verb(out, command_at(i));
}

static int
run(const struct command_input *in)
{
    static const struct {
        const char *name;
        void (*add)(struct text *);
    } shells[] = {{"bash", add_bash}, {"zsh", add_zsh}, {"fish", add_fish}};
    enum { N_SHELLS = sizeof(shells) / sizeof(shells[0]) };
    const char *names[N_SHELLS];
    for (size_t i = 0; i < N_SHELLS; i++) {
        names[i] = shells[i].name;
        if (strcmp(names[i], in->arguments[0]) != 0)
            continue;
        struct text out = TEXT_EMPTY;
        shells[i].add(&out);
        return command_write(&out);
    }
    const char *nearest = text_nearest(in->arguments[0], names, N_SHELLS);
    return command_usage(in, "\"%.64s\" is none of bash, zsh and fish%s%s%s", in->arguments[0],
                         nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "",
                         nearest != NULL ? "\"?" : "");
}

const struct command_verb command_completion_verb = {
    .name = "completion",
    .run = run,
    .line = "what a shell needs to complete",
    .arguments = "bash|zsh|fish",
    .least = 1,
    .most = 1,
    .help =
        "Prints a script that completes verbs, flags, settings, rules and codes. Where it goes\n"
        "stands in its first lines; for one session:\n"
        "\n"
        "  . <(spangate completion bash)\n"
        "\n"
        "Examples:\n"
        "  spangate completion bash > /etc/bash_completion.d/spangate\n"
        "  spangate completion fish > ~/.config/fish/completions/spangate.fish\n",
};
