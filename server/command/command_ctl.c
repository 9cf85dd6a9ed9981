/* The verb ctl: orders to a running service. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "command/admin_client.h"
#include "net/http1.h"

enum { SHOWN_NAME = 64 };

struct ctl {
    const struct command_input *in;
    struct admin_client client;
    bool is_json;
};

/* Writes and frees the answer: as it came, or the words for people. */
static int
finish(const struct ctl *ctl, struct json_tree **answer, const char *words)
{
    struct text out = TEXT_EMPTY;
    if (ctl->is_json) {
        json_tree_write(*answer, &out);
        text_add(&out, "\n");
    } else if (!ctl->in->quiet) {
        text_addf(&out, "%s\n", words);
    }
    json_tree_free(answer);
    return command_write(&out);
}

static int
post(const struct ctl *ctl, const char *path, struct bytes body, const char *words)
{
    struct json_tree *answer;
    struct admin_client_call call = {.method = "POST", .path = path, .body = body};
    int result = admin_client_call(&ctl->client, &call, &answer);
    return result == COMMAND_OK ? finish(ctl, &answer, words) : result;
}

static int
run_drain(const struct ctl *ctl)
{
    return post(ctl, "/api/v1/drain", BYTES_NONE,
                "draining: not ready, agents are told to go, new connections are refused; "
                "\"spangate ctl undrain\" takes it back");
}

static int
run_undrain(const struct ctl *ctl)
{
    return post(ctl, "/api/v1/undrain", BYTES_NONE, "agents are welcome again");
}

static int
run_pause(const struct ctl *ctl)
{
    return post(
        ctl, "/api/v1/pause", BYTES_NONE,
        "paused: nothing is forwarded, what comes is kept; \"spangate ctl resume\" goes on");
}

static int
run_resume(const struct ctl *ctl)
{
    return post(ctl, "/api/v1/resume", BYTES_NONE, "forwarding goes on");
}

/* reload */

static void
add_keys(struct text *out, const char *title, const struct json_tree *answer, const char *name)
{
    const struct json_tree *keys = json_tree_member(answer, name);
    for (size_t i = 0; i < json_tree_n(keys); i++) {
        struct text key = TEXT_EMPTY;
        json_tree_write(json_tree_at(keys, i), &key);
        /* Without its quotes. */
        text_addf(out, "%-9s ", title);
        text_add_plain(out, key.n > 2 ? bytes_of(key.p + 1, key.n - 2) : BYTES_NONE, SHOWN_NAME);
        text_add(out, "\n");
        text_fini(&key);
    }
}

static int
run_reload(const struct ctl *ctl)
{
    struct json_tree *answer;
    struct admin_client_call call = {.method = "POST", .path = "/api/v1/reload"};
    int result = admin_client_call(&ctl->client, &call, &answer);
    if (result != COMMAND_OK)
        return result;
    size_t n_changed = json_tree_n(json_tree_member(answer, "changed"));
    size_t n_waiting = json_tree_n(json_tree_member(answer, "restart"));
    struct text words = TEXT_EMPTY;
    add_keys(&words, "changed", answer, "changed");
    add_keys(&words, "restart", answer, "restart");
    text_addf(&words, "reloaded: %zu changed, %zu wait for a restart", n_changed, n_waiting);
    result = finish(ctl, &answer, words.p);
    text_fini(&words);
    return result;
}

/* backend */

static void
add_text(struct text *out, struct bytes value, int width)
{
    struct text cell = TEXT_EMPTY;
    text_add_plain(&cell, value, SHOWN_NAME);
    text_addf(out, "%-*s ", width, cell.n > 0 ? cell.p : "-");
    text_fini(&cell);
}

static void
add_backend(struct text *out, const struct json_tree *backend)
{
    bool is_up = json_tree_is_true(backend, "up");
    add_text(out, json_tree_text(backend, "name"), 28);
    text_addf(out, "%-6s %-9s %8" PRId64 " %12" PRId64 " %10" PRId64 "  ", is_up ? "up" : "DOWN",
              json_tree_is_true(backend, "enabled") ? "enabled" : "DISABLED",
              json_tree_number(backend, "inflight_batches"),
              json_tree_number(backend, "answers_ok"), json_tree_number(backend, "answers_failed"));
    struct bytes when = json_tree_text(backend, "last_success");
    text_add_plain(out, when.n > 0 ? when : BYTES("never"), SHOWN_NAME);
    text_add(out, "\n");
}

static int
list_backends(const struct ctl *ctl)
{
    struct json_tree *answer;
    struct admin_client_call call = {.path = "/api/v1/backends"};
    int result = admin_client_call(&ctl->client, &call, &answer);
    if (result != COMMAND_OK)
        return result;
    const struct json_tree *backends = json_tree_member(answer, "backends");
    struct text out = TEXT_EMPTY;
    if (ctl->is_json) {
        json_tree_write(answer, &out);
        text_add(&out, "\n");
    } else if (json_tree_n(backends) > 0) {
        text_addf(&out, "%-28s %-6s %-9s %8s %12s %10s  %s\n", "BACKEND", "STATE", "USE",
                  "INFLIGHT", "OK", "FAILED", "LAST SUCCESS");
    } else {
        command_tell(ctl->in, "there are no backends");
    }
    for (size_t i = 0; i < json_tree_n(backends) && !ctl->is_json; i++)
        add_backend(&out, json_tree_at(backends, i));
    json_tree_free(&answer);
    return command_write(&out);
}

/* what: "disable" or "enable" */
static int
set_backend(const struct ctl *ctl, const char *what)
{
    const char *name = ctl->in->arguments[2];
    struct text path = TEXT_EMPTY, words = TEXT_EMPTY;
    text_add(&path, "/api/v1/backends/");
    http1_add_encoded(&path, name);
    text_addf(&path, "/%s", what);
    text_addf(&words, "%s is %sd%s", name, what,
              strcmp(what, "disable") == 0 ? ": it gets no new calls, also not after a reload"
                                           : "");
    int result = post(ctl, path.p, BYTES_NONE, words.p);
    text_fini(&path);
    text_fini(&words);
    return result;
}

static int
unknown(const struct command_input *in, const char *given, const char *const *names, uint32_t n)
{
    struct text all = TEXT_EMPTY;
    const char *nearest = text_nearest(given, names, n);
    for (uint32_t i = 0; i < n; i++)
        text_addf(&all, "%s%s", i > 0 ? ", " : "", names[i]);
    int result = command_usage(in, "\"%.64s\" is none of %s%s%s%s", given, all.p,
                               nearest != NULL ? "; did you mean \"" : "",
                               nearest != NULL ? nearest : "", nearest != NULL ? "\"?" : "");
    text_fini(&all);
    return result;
}

static const char *const backend_words[] = {"list", "disable", "enable"};
static const char *const level_words[] = {"error", "warn", "info", "debug"};

static bool
is_one_of(const char *word, const char *const *words, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

static int
run_backend(const struct ctl *ctl)
{
    const char *what = ctl->in->arguments[1];
    return strcmp(what, "list") == 0 ? list_backends(ctl) : set_backend(ctl, what);
}

static int
check_backend(const struct command_input *in)
{
    const char *what = in->n_arguments > 1 ? in->arguments[1] : NULL;
    if (what == NULL)
        return command_usage(in, "backend list, backend disable ADDRESS or backend enable ADDRESS");
    if (!is_one_of(what, backend_words, 3))
        return unknown(in, what, backend_words, 3);
    bool is_list = strcmp(what, "list") == 0;
    if (!is_list && in->n_arguments < 3)
        return command_usage(in, "backend %s takes the address that \"backend list\" shows", what);
    if (in->n_arguments > (is_list ? 2 : 3))
        return command_usage(in, "unexpected argument \"%.64s\"", in->arguments[is_list ? 2 : 3]);
    return COMMAND_OK;
}

/* log-level */

static int
check_level(const struct command_input *in)
{
    if (in->n_arguments < 2)
        return command_usage(in, "log-level takes one of error, warn, info, debug");
    if (in->n_arguments > 2)
        return command_usage(in, "unexpected argument \"%.64s\"", in->arguments[2]);
    return is_one_of(in->arguments[1], level_words, 4)
               ? COMMAND_OK
               : unknown(in, in->arguments[1], level_words, 4);
}

static int
run_log_level(const struct ctl *ctl)
{
    struct text body = TEXT_EMPTY, words = TEXT_EMPTY;
    text_addf(&body, "{\"level\":\"%s\"}", ctl->in->arguments[1]);
    text_addf(&words, "log level is %s until the next reload or restart", ctl->in->arguments[1]);
    int result = post(ctl, "/api/v1/log-level", text_bytes(&body), words.p);
    text_fini(&body);
    text_fini(&words);
    return result;
}

/* snapshot */

static int
write_to(const struct command_input *in, const char *path, struct text *out)
{
    FILE *file = path != NULL ? fopen(path, "wb") : NULL;
    if (path == NULL)
        return command_write(out);
    bool fine = file != NULL && fwrite(out->p, out->n, 1, file) == 1;
    int error_number = errno;
    fine = file != NULL && fclose(file) == 0 && fine;
    text_fini(out);
    if (fine)
        return COMMAND_OK;
    command_tell(in, "%s: %s", path, strerror(error_number));
    return COMMAND_IO;
}

static int
run_snapshot(const struct ctl *ctl)
{
    static const char *const parts[] = {"overview", "backends", "instances",
                                        "control",  "config",   "metrics"};
    struct text out = TEXT_EMPTY;
    for (uint32_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        struct text path = TEXT_EMPTY;
        struct json_tree *answer;
        text_addf(&path, "/api/v1/%s", parts[i]);
        struct admin_client_call call = {.path = path.p, .is_missing_quiet = true};
        int result = admin_client_call(&ctl->client, &call, &answer);
        text_fini(&path);
        if (result != COMMAND_OK && result != COMMAND_NO_INPUT) {
            text_fini(&out);
            return result;
        }
        text_addf(&out, "%s\"%s\":", i > 0 ? ",\n" : "{", parts[i]);
        if (answer != NULL)
            json_tree_write(answer, &out);
        else
            text_add(&out, "null"); /* a service of another version */
        json_tree_free(&answer);
    }
    text_add(&out, "}\n");
    return write_to(ctl->in, command_value(ctl->in, "output"), &out);
}

/* The verb */

static const struct {
    const char *name;
    int (*run)(const struct ctl *);
    int (*check)(const struct command_input *); /* NULL: it takes nothing more */
} words[] = {
    {"drain", run_drain, NULL},
    {"undrain", run_undrain, NULL},
    {"pause", run_pause, NULL},
    {"resume", run_resume, NULL},
    {"reload", run_reload, NULL},
    {"backend", run_backend, check_backend},
    {"log-level", run_log_level, check_level},
    {"snapshot", run_snapshot, NULL},
};
enum { N_WORDS = sizeof(words) / sizeof(words[0]) };

/* What cannot be right is told before anybody is asked. */
static int
check_line(const struct command_input *in, size_t *word)
{
    const char *names[N_WORDS];
    size_t i = 0;
    for (size_t k = 0; k < N_WORDS; k++)
        names[k] = words[k].name;
    while (i < N_WORDS && strcmp(names[i], in->arguments[0]) != 0)
        i++;
    *word = i;
    if (i == N_WORDS)
        return unknown(in, in->arguments[0], names, N_WORDS);
    if (command_has(in, "output") && words[i].run != run_snapshot)
        return command_usage(in, "--output is for snapshot");
    if (words[i].check != NULL)
        return words[i].check(in);
    return in->n_arguments == 1
               ? COMMAND_OK
               : command_usage(in, "unexpected argument \"%.64s\"", in->arguments[1]);
}

static int
run(const struct command_input *in)
{
    struct ctl ctl = {.in = in, .is_json = strcmp(in->format, "json") == 0};
    size_t word;
    int result = check_line(in, &word);
    if (result == COMMAND_OK)
        result = admin_client_open(&ctl.client, in);
    if (result == COMMAND_OK) {
        result = words[word].run(&ctl);
        admin_client_close(&ctl.client);
    }
    return result;
}

static const char *const formats[] = {"table", "json", NULL};
static const struct command_following following[] = {
    {"backend", "list disable enable"}, {"log-level", "error warn info debug"}, {NULL, NULL}};
static const struct command_flag flags[] = {{"output", FLAG_VALUE}, {NULL, FLAG_ALONE}};

const struct command_verb command_ctl_verb = {
    .name = "ctl",
    .run = run,
    .line = "drain, pause, reload, backends",
    .arguments = "drain|undrain|pause|resume|reload|backend|log-level|snapshot [...]",
    .least = 1,
    .most = UINT32_MAX,
    .following = following,
    .formats = formats,
    .flags = flags,
    .letter = {'o', "output"},
    .help = "Asks the admin port of a running service; returns once the order is carried out.\n"
            "\n"
            "drain, undrain   not ready: agents are told to go, new ones are refused; back again\n"
            "pause, resume    forward nothing, keep what comes; go on\n"
            "reload           as SIGHUP: says what changed and what needs a restart; exit 78 when\n"
            "                 the configuration is bad, then every setting stays\n"
            "backend list|disable ADDRESS|enable ADDRESS\n"
            "                 which there are; no new calls on one; use it again\n"
            "log-level LEVEL  error, warn, info or debug, until the next reload\n"
            "snapshot         overview, backends, instances, settings without secrets and metrics\n"
            "                 as one JSON document, for a bug report\n"
            "\n"
            "  -o, --output FILE  snapshot: where to (default standard output)\n"
            "  --format F         table (default) or json      --addr A, -c FILE  which service\n"
            "\n"
            "Examples:\n"
            "  spangate ctl drain\n"
            "  spangate ctl backend disable 10.0.0.7:11800 -c spangate.yaml\n",
};
