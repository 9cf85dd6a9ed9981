/* The command line: verbs, flags, exit codes, and the verbs that need no service. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "command/command.h"

/* What one run wrote. */
static char out[64 * 1024], told[64 * 1024];

static int
redirect(int descriptor, FILE *file)
{
    int kept = dup(descriptor);
    assert_true(kept >= 0);
    assert_true(dup2(fileno(file), descriptor) >= 0);
    return kept;
}

static void
restore(int descriptor, int kept, FILE *file, char *text, size_t size)
{
    assert_true(dup2(kept, descriptor) >= 0);
    close(kept);
    rewind(file);
    size_t n = fread(text, 1, size - 1, file);
    text[n] = '\0';
    fclose(file);
}

/* Runs "spangate LINE", words separated by single spaces. */
static int
spangate(const char *line)
{
    char copy[512], *argv[32] = {(char *)"spangate"}, *rest = copy, *word;
    int argc = 1;
    assert_true(strlen(line) < sizeof(copy));
    memcpy(copy, line, strlen(line) + 1);
    while (rest[0] != '\0' && (word = strsep(&rest, " ")) != NULL) {
        argv[argc++] = word;
        if (rest == NULL)
            break;
    }
    FILE *out_file = tmpfile(), *told_file = tmpfile();
    fflush(stdout);
    fflush(stderr);
    int kept_out = redirect(STDOUT_FILENO, out_file),
        kept_told = redirect(STDERR_FILENO, told_file);
    int result = command_run(argc, argv);
    fflush(stdout);
    fflush(stderr);
    restore(STDOUT_FILENO, kept_out, out_file, out, sizeof(out));
    restore(STDERR_FILENO, kept_told, told_file, told, sizeof(told));
    return result;
}

static void
without_a_verb_it_tells_them(void **state)
{
    (void)state;
    assert_int_equal(spangate(""), COMMAND_OK);
    assert_non_null(strstr(out, "  check-config "));
    assert_null(strstr(out, "  print "));
    assert_int_equal(spangate("--help"), COMMAND_OK);
    assert_non_null(strstr(out, "  check-config "));
    assert_int_equal(spangate("help check-config"), COMMAND_OK);
    assert_memory_equal(out, "usage: spangate check-config [flags]\n", 37);
    char by_help[sizeof(out)];
    snprintf(by_help, sizeof(by_help), "%s", out);
    assert_int_equal(spangate("check-config --help"), COMMAND_OK);
    assert_string_equal(out, by_help);
    assert_int_equal(spangate("help nonsense"), COMMAND_USAGE);
}

static void
every_help_fits_and_ends_in_two_examples(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < command_count(); i++) {
        const struct command_verb *verb = command_at(i);
        struct text text = TEXT_EMPTY;
        command_add_help(&text, verb);
        size_t n_lines = 0;
        for (const char *p = text.p; *p != '\0'; p++)
            n_lines += *p == '\n';
        if (n_lines > 24)
            print_message("%s: %zu lines\n", verb->name, n_lines);
        assert_true(n_lines <= 24);
        if (verb->line != NULL)
            assert_in_range(strlen(verb->line), 1, 33); /* two columns in the list of verbs */
        const char *examples = strstr(text.p, "\nExamples:\n  spangate ");
        assert_non_null(examples);
        n_lines = 0;
        for (const char *p = examples + 1; *p != '\0'; p++)
            n_lines += *p == '\n';
        assert_int_equal(n_lines, 3);
        text_fini(&text);
    }
    struct text text = TEXT_EMPTY;
    size_t n_lines = 0;
    command_add_overview(&text);
    for (const char *p = text.p; *p != '\0'; p++)
        n_lines += *p == '\n';
    assert_true(n_lines <= 24);
    text_fini(&text);
}

static void
mistyped_verbs_and_flags_are_told(void **state)
{
    (void)state;
    assert_int_equal(spangate("chek-config"), COMMAND_USAGE);
    assert_string_equal(told, "spangate: unknown verb \"chek-config\"; did you mean "
                              "\"check-config\"?\nSee: spangate help\n");
    assert_int_equal(spangate("elephant"), COMMAND_USAGE);
    assert_null(strstr(told, "did you mean"));
    assert_int_equal(spangate("check-config --strct"), COMMAND_USAGE);
    assert_string_equal(told, "spangate check-config: unknown flag \"--strct\"; did you mean "
                              "\"--strict\"?\n");
    assert_int_equal(spangate("--colr never version"), COMMAND_USAGE);
    assert_non_null(strstr(told, "did you mean \"--color\"?"));
    assert_int_equal(spangate("check-config -x"), COMMAND_USAGE);
    assert_non_null(strstr(told, "unknown flag \"-x\""));
    assert_int_equal(spangate("check-config --strict=1"), COMMAND_USAGE);
    assert_non_null(strstr(told, "--strict takes no value"));
    assert_int_equal(spangate("check-config --config"), COMMAND_USAGE);
    assert_non_null(strstr(told, "--config needs a value"));
    assert_int_equal(spangate("check-config extra"), COMMAND_USAGE);
    assert_non_null(strstr(told, "unexpected argument \"extra\""));
    assert_int_equal(spangate("config"), COMMAND_USAGE);
    assert_non_null(strstr(told, "needs show|example"));
    assert_int_equal(spangate("config sow"), COMMAND_USAGE);
    assert_non_null(strstr(told, "did you mean \"show\"?"));
    assert_int_equal(spangate("config show --format xml"), COMMAND_USAGE);
    assert_non_null(strstr(told, "--format is one of table, json"));
    assert_int_equal(spangate("health --format json"), COMMAND_USAGE);
    assert_int_equal(spangate("version --color blue"), COMMAND_USAGE);
}

static const char *
config_file(const char *content)
{
    static char path[] = "/tmp/test_command_XXXXXX";
    memcpy(path, "/tmp/test_command_XXXXXX", sizeof(path));
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, content, strlen(content)), (ssize_t)strlen(content));
    close(descriptor);
    return path;
}

static int
check_file(const char *flags, const char *content)
{
    char line[256];
    const char *path = config_file(content);
    snprintf(line, sizeof(line), "check-config -c %s%s", path, flags);
    int result = spangate(line);
    unlink(path);
    return result;
}

static void
check_config_answers_by_exit_code(void **state)
{
    (void)state;
    const char *good = "upstream: {addresses: [\"oap:11800\"]}\nbuffer: {mode: memory}\n";
    const char *warned = "upstream: {addresses: [\"oap:11800\"]}\n"
                         "buffer: {mode: memory, ack: buffered}\n";
    assert_int_equal(check_file("", good), COMMAND_OK);
    assert_string_equal(out, "0 errors, 0 warnings; a running service is not touched.\n");
    assert_int_equal(check_file("", warned), COMMAND_OK);
    assert_non_null(strstr(out, "\n0 errors, 1 warning; a running service is not touched."));
    assert_int_equal(check_file(" --strict", warned), COMMAND_CONFIG);
    assert_int_equal(check_file("", "log: {level: loud}\nzebra: 1\nbuffer: {mode: memory}\n"),
                     COMMAND_CONFIG);
    assert_non_null(strstr(out, ":1:14: error C024: log.level \"loud\" is not error, warn, info or "
                                "debug\nlog: {level: loud}\n             ^~~~\n"));
    assert_non_null(strstr(out, "\n2 errors, 0 warnings;"));
    assert_null(strstr(out, "\033["));
    assert_int_equal(check_file(" --color always", "zebra: 1\n"), COMMAND_CONFIG);
    assert_non_null(strstr(out, "\033[1;31merror\033[0m C012"));
    assert_int_equal(check_file(" --format json", "zebra: 1\nbuffer: {mode: memory}\n"),
                     COMMAND_CONFIG);
    assert_non_null(strstr(out, "{\"errors\": 1, \"warnings\": 0, \"diagnostics\": [\n "
                                "{\"severity\": \"error\", \"code\": \"C012\", \"file\": "));
    assert_int_equal(spangate("check-config -c /nonexistent"), COMMAND_NO_INPUT);
    assert_int_equal(spangate("check-config --set upstream.kind=sink --set buffer.mode=memory -q"),
                     COMMAND_OK);
    assert_string_equal(out, "");
}

static void
config_shows_what_flags_in_front_and_behind_say(void **state)
{
    (void)state;
    assert_int_equal(spangate("--set upstream.kind=discard config show --set batch.max_items=7"),
                     COMMAND_OK);
    assert_non_null(strstr(out, "batch.max_items                      7 "));
    assert_int_equal(spangate("config show --format json --set upstream.kind=discard"), COMMAND_OK);
    assert_int_equal(out[0], '{');
    assert_int_equal(spangate("config show"), COMMAND_CONFIG);
    assert_string_equal(out, "");
    assert_non_null(strstr(told, "serve --sink"));
    assert_int_equal(spangate("config example"), COMMAND_OK);
    assert_non_null(strstr(out, "\nupstream:"));
}

static void
version_and_documents(void **state)
{
    (void)state;
    assert_int_equal(spangate("version"), COMMAND_OK);
    assert_memory_equal(out, "spangate " SPANGATE_VERSION " (", 11);
    assert_int_equal(spangate("version --json"), COMMAND_OK);
    assert_memory_equal(out, "{\"version\": \"" SPANGATE_VERSION "\"", 19);
    assert_int_equal(spangate("--version"), COMMAND_OK);
    static const char *const documents[][2] = {
        {"print options", "| `log.level` |"},
        {"print metrics", "| `spangate_items_accepted_total` | counter | signal |"},
        {"print metrics", "| `spangate_ledger_imbalance_items` | gauge | - | "},
        {"print metrics",
         "| `spangate_build_info` | gauge | version, revision, openssl, nghttp2 | "},
        {"print rules", "span-parent-missing"},
        {"print errors", "| E101 | BUDGET |"},
        {"print methods", "| `/ManagementService/keepAlive` |"},
        {"print diagnoses", "| D1 | memory race | high | Error |"},
        {"print diagnoses", "## D10 "},
    };
    for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
        assert_int_equal(spangate(documents[i][0]), COMMAND_OK);
        assert_non_null(strstr(out, documents[i][1]));
    }
    assert_int_equal(spangate("print option"), COMMAND_USAGE);
    assert_non_null(strstr(told, "did you mean \"options\"?"));
}

static int
flag_probe(const struct command_input *in)
{
    uint64_t number = 5, ms = 6, bytes = 7;
    double share = 0.5;
    bool fine = command_number(in, "n", 100, &number) && command_duration(in, "t", &ms) &&
                command_size(in, "b", &bytes) && command_percent(in, "p", &share);
    printf("%d %d %d %d.%04d %s %s %u", (int)number, (int)ms, (int)bytes, (int)share,
           (int)(share * 10000) % 10000, command_has(in, "opt") ? "opt" : "-",
           command_value(in, "opt") != NULL ? command_value(in, "opt") : "-", in->n_arguments);
    for (uint32_t i = 0; command_value_at(in, "n", i) != NULL; i++)
        printf(" %s", command_value_at(in, "n", i));
    return fine ? COMMAND_OK : COMMAND_USAGE;
}

static int
probe(const char *name, const char *value)
{
    struct command_given given[] = {{"n", "1"}, {name, value}};
    struct command_verb verb = {.name = "probe"};
    struct command_input in = {.verb = &verb, .given = given, .n_given = 2};
    return flag_probe(&in);
}

static void
values_of_flags(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    int kept = redirect(STDOUT_FILENO, file);
    FILE *errors = tmpfile();
    int kept_errors = redirect(STDERR_FILENO, errors);
    int results[] = {probe("n", "7"),   probe("n", "101"),  probe("n", "x"),
                     probe("t", "15s"), probe("t", "15"),   probe("b", "1KiB"),
                     probe("p", "5%"),  probe("p", "101%"), probe("opt", NULL)};
    fflush(stdout);
    restore(STDERR_FILENO, kept_errors, errors, told, sizeof(told));
    restore(STDOUT_FILENO, kept, file, out, sizeof(out));
    static const int expected[] = {0, 64, 64, 0, 64, 0, 0, 64, 0};
    assert_memory_equal(results, expected, sizeof(expected));
    assert_non_null(strstr(out, "7 6 7 0.5000 - - 0 1 7"));
    assert_non_null(strstr(out, "1 15000 7 "));
    assert_non_null(strstr(out, "1 6 1024 "));
    assert_non_null(strstr(out, "1 6 7 0.0500"));
    assert_non_null(strstr(out, " opt - 0 1"));
}

/* Where the flags of quarantine are wrong, nobody is asked. */
static void
a_letter_stands_for_its_flag(void **state)
{
    (void)state;
    assert_int_equal(spangate("quarantine list -o file"), COMMAND_USAGE);
    assert_non_null(strstr(told, "--output is for export"));
    assert_int_equal(spangate("quarantine -o"), COMMAND_USAGE);
    assert_non_null(strstr(told, "-o needs a value"));
    assert_int_equal(spangate("lint -o file"), COMMAND_USAGE);
    assert_non_null(strstr(told, "unknown flag \"-o\""));
    assert_int_equal(spangate("quarantine remove q-1 -o file --addr 127.0.0.1:1"), COMMAND_USAGE);
    assert_int_equal(spangate("quarantine remove q-1 --addr 127.0.0.1:1"), COMMAND_UNAVAILABLE);
}

static void
words_are_wrapped(void **state)
{
    (void)state;
    struct text text = TEXT_EMPTY;
    char word[200];
    memset(word, 'x', sizeof(word));
    command_add_wrapped(&text, bytes_of(word, 10), 0, 2);
    text_add_bytes(&text, bytes_of(word, 3));
    text_add(&text, " ");
    size_t begin = text.n;
    struct text words = TEXT_EMPTY;
    for (int i = 0; i < 30; i++)
        text_add(&words, i == 0 ? "word" : " word");
    text_add(&words, " ");
    text_add_bytes(&words, bytes_of(word, 150));
    command_add_wrapped(&text, text_bytes(&words), 4, 2);
    assert_memory_equal(text.p, "xxxxxxxxxx\nxxx word", 19);
    for (char *line = text.p + begin, *end; (end = strchr(line, '\n')) != NULL; line = end + 1)
        assert_true(end - line <= 96 || (line[0] == ' ' && line[2] == 'x'));
    assert_non_null(strstr(text.p, "word\n  word"));
    text_fini(&words);
    text_fini(&text);
}

/* Answers one request with the status it was given. */
struct answerer {
    int listener;
    const char *answer;
};

static void *
answer_one(void *arg)
{
    const struct answerer *answerer = arg;
    char request[1024];
    int peer = accept(answerer->listener, NULL, NULL);
    if (peer >= 0 && read(peer, request, sizeof(request)) > 0 &&
        write(peer, answerer->answer, strlen(answerer->answer)) < 0)
        perror("write");
    if (peer >= 0)
        close(peer);
    return NULL;
}

static int
ask_health(const char *flags, const char *answer)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t n = sizeof(address);
    struct answerer answerer = {socket(AF_INET, SOCK_STREAM, 0), answer};
    char line[128];
    pthread_t thread;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(answerer.listener, (struct sockaddr *)&address, n), 0);
    assert_int_equal(listen(answerer.listener, 1), 0);
    assert_int_equal(getsockname(answerer.listener, (struct sockaddr *)&address, &n), 0);
    assert_int_equal(pthread_create(&thread, NULL, answer_one, &answerer), 0);
    snprintf(line, sizeof(line), "health --addr http://localhost:%u%s", ntohs(address.sin_port),
             flags);
    int result = spangate(line);
    pthread_join(thread, NULL);
    close(answerer.listener);
    return result;
}

static void
health_asks_the_service(void **state)
{
    (void)state;
    const char *good = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlive\n";
    const char *bad = "HTTP/1.1 503 No\r\nContent-Length: 8\r\nConnection: close\r\n\r\ndraining";
    assert_int_equal(ask_health("", good), COMMAND_OK);
    assert_string_equal(out, "live\n");
    assert_int_equal(ask_health(" --ready", bad), COMMAND_FOUND);
    assert_string_equal(out, "draining\n");
    assert_int_equal(spangate("health --addr 127.0.0.1:1"), COMMAND_UNAVAILABLE);
    assert_non_null(strstr(told, "127.0.0.1:1 does not answer: "));
    assert_int_equal(spangate("health --set telemetry.address="), COMMAND_USAGE);
    assert_int_equal(spangate("health --addr unix:/x"), COMMAND_USAGE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_verb_it_tells_them),
        cmocka_unit_test(every_help_fits_and_ends_in_two_examples),
        cmocka_unit_test(mistyped_verbs_and_flags_are_told),
        cmocka_unit_test(check_config_answers_by_exit_code),
        cmocka_unit_test(config_shows_what_flags_in_front_and_behind_say),
        cmocka_unit_test(version_and_documents),
        cmocka_unit_test(values_of_flags),
        cmocka_unit_test(a_letter_stands_for_its_flag),
        cmocka_unit_test(words_are_wrapped),
        cmocka_unit_test(health_asks_the_service),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
