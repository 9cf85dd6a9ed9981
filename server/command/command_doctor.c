/* The verb doctor: looks at a running service and its host, and says what to do. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timex.h>

#include "base/clock.h"
#include "command/admin_client.h"
#include "command/command.h"
#include "command/online.h"
#include "net/http1.h"

enum {
    CALL_MS = 5000,
    WARN_PERCENT = 80,
    ERROR_PERCENT = 95,
    SPARE_FILES = 200,           /* beside those of agents' connections */
    OLDEST_CLOCK_S = 1700000000, /* before this program was written */
};

struct doctor {
    const struct command_input *in;
    struct admin_client client;
    struct online found;
    struct json_tree *overview, *instances; /* NULL: nobody answers */
    struct text metrics;                    /* of the telemetry port; empty: it does not answer */
};

static uint64_t
percent_of(int64_t part, int64_t whole)
{
    return whole > 0 && part > 0 ? (uint64_t)part * 100 / (uint64_t)whole : 0;
}

/* Fullness as a finding of its own. */
static void
look_at_room(struct doctor *doctor, const char *what, const char *next, int64_t used,
             int64_t capacity)
{
    uint64_t percent = percent_of(used, capacity);
    if (capacity == 0)
        return;
    online_add(&doctor->found,
               percent >= ERROR_PERCENT  ? ONLINE_ERROR
               : percent >= WARN_PERCENT ? ONLINE_WARNING
                                         : ONLINE_OK,
               "room", percent >= WARN_PERCENT ? next : "", "%s is %llu %% full", what,
               (unsigned long long)percent);
}

static void
look_at_readiness(struct doctor *doctor)
{
    const struct json_tree *reasons = json_tree_member(doctor->overview, "not_ready");
    struct text words = TEXT_EMPTY;
    json_tree_write(reasons, &words);
    if (json_tree_is_true(doctor->overview, "ready"))
        online_add(&doctor->found, ONLINE_OK, "service", "", "it runs and is ready");
    else
        online_add(&doctor->found, ONLINE_ERROR, "service",
                   "draining: it ends, or spangate ctl undrain; spool: look at the disk; buffer: "
                   "it is full, look at the backends",
                   "it runs, but is not ready: %s", words.n > 0 ? words.p : "no reason told");
    text_fini(&words);
}

static void
look_at_ledger(struct doctor *doctor)
{
    const struct json_tree *ledger = json_tree_member(doctor->overview, "ledger");
    const struct json_tree *quarantine = json_tree_member(doctor->overview, "quarantine");
    int64_t imbalance = json_tree_number(ledger, "imbalance");
    int64_t n_dropped = json_tree_number(ledger, "dropped");
    struct text reasons = TEXT_EMPTY;
    json_tree_write(json_tree_member(doctor->overview, "dropped"), &reasons);
    online_add(
        &doctor->found, imbalance == 0 ? ONLINE_OK : ONLINE_ERROR, "ledger",
        imbalance == 0 ? "" : "this is a fault of spangate's: report it with its log",
        "imbalance %lld: %lld accepted, %lld forwarded, %lld quarantined, %lld held",
        (long long)imbalance, (long long)json_tree_number(ledger, "accepted"),
        (long long)json_tree_number(ledger, "forwarded"),
        (long long)json_tree_number(ledger, "quarantined"),
        (long long)(json_tree_number(ledger, "queued") + json_tree_number(ledger, "inflight")));
    if (n_dropped > 0)
        online_add(&doctor->found, ONLINE_WARNING, "ledger",
                   "see spangate explain items_dropped_total, and buffer.when_full",
                   "%lld items were dropped: %s", (long long)n_dropped, reasons.p);
    if (json_tree_number(quarantine, "evicted") > 0)
        online_add(&doctor->found, ONLINE_WARNING, "quarantine",
                   "look at it in time: spangate quarantine list; or raise quarantine.max",
                   "%lld items left it unread", (long long)json_tree_number(quarantine, "evicted"));
    else if (json_tree_number(quarantine, "items") > 0)
        online_add(&doctor->found, ONLINE_OK, "quarantine", "see: spangate quarantine stats",
                   "%lld items are set aside", (long long)json_tree_number(quarantine, "items"));
    text_fini(&reasons);
}

static void
look_at_its_backends(struct doctor *doctor)
{
    bool dials =
        doctor->client.conf->upstream.addresses.n > 0 && !command_has(doctor->in, "no-dial");
    const struct json_tree *list = json_tree_member(doctor->overview, "backends"), *one;
    for (size_t i = 0; (one = json_tree_at(list, i)) != NULL; i++) {
        struct bytes name = json_tree_text(one, "name"), last = json_tree_text(one, "last_success");
        bool is_up = json_tree_is_true(one, "up");
        int64_t n_failed = json_tree_number(one, "answers_failed");
        uint64_t percent = percent_of(n_failed, n_failed + json_tree_number(one, "answers_ok"));
        online_add(&doctor->found,
                   !is_up         ? ONLINE_ERROR
                   : percent >= 5 ? ONLINE_WARNING
                                  : ONLINE_OK,
                   "backend",
                   !is_up && dials
                       ? "data waits in the buffer; see the attempt of this command below"
                   : !is_up       ? "data waits in the buffer; with -c FILE of the service this "
                                    "command tries to reach it, too"
                   : percent >= 5 ? "see spangate_backend_requests_total by code, and OAP's log"
                                  : "",
                   "the service sees %.*s %s, %llu %% of its answers were errors, last fine %.*s",
                   BYTES_ARG(name), is_up ? "up" : "DOWN", (unsigned long long)percent,
                   BYTES_ARG(last.n > 0 ? last : BYTES("never")));
    }
}

static void
look_at_instances(struct doctor *doctor)
{
    const struct json_tree *list = json_tree_member(doctor->instances, "instances"), *one;
    uint64_t n_sick = 0;
    struct text first = TEXT_EMPTY;
    for (size_t i = 0; (one = json_tree_at(list, i)) != NULL; i++) {
        const struct json_tree *diagnosis = json_tree_at(json_tree_member(one, "diagnoses"), 0);
        if (diagnosis == NULL)
            continue;
        if (n_sick++ > 0)
            continue;
        text_add_plain(&first, json_tree_text(one, "service"), 60);
        text_addf(&first, " has %.*s %.*s", BYTES_ARG(json_tree_text(diagnosis, "code")),
                  BYTES_ARG(json_tree_text(diagnosis, "name")));
    }
    if (n_sick > 0)
        online_add(&doctor->found, ONLINE_WARNING, "instances",
                   "see all: spangate top; what a code means: spangate explain D1",
                   "%llu of %lld have a diagnosis: %s%s", (unsigned long long)n_sick,
                   (long long)json_tree_number(doctor->instances, "total"), first.p,
                   n_sick > 1 ? ", ..." : "");
    else
        online_add(&doctor->found, ONLINE_OK, "instances", "", "%lld known, none with a diagnosis",
                   (long long)json_tree_number(doctor->instances, "total"));
    text_fini(&first);
}

static void
look_at_service(struct doctor *doctor)
{
    const struct json_tree *buffer = json_tree_member(doctor->overview, "buffer");
    const struct json_tree *memory = json_tree_member(doctor->overview, "memory");
    if (doctor->overview == NULL) {
        online_add(&doctor->found, ONLINE_ERROR, "service",
                   "start it, or name its admin port with --addr or -c", "%s does not answer",
                   doctor->client.address);
        return;
    }
    look_at_readiness(doctor);
    look_at_ledger(doctor);
    look_at_room(doctor, "the buffer's memory", "the backend is slow or away, see below",
                 json_tree_number(buffer, "memory_bytes"),
                 json_tree_number(buffer, "memory_capacity_bytes"));
    look_at_room(doctor, "the buffer's disk", "the backend is slow or away, see below",
                 json_tree_number(buffer, "disk_bytes"),
                 json_tree_number(buffer, "disk_capacity_bytes"));
    look_at_room(doctor, "limits.memory", "raise limits.memory, or find the agents that flood",
                 json_tree_number(memory, "used_bytes"), json_tree_number(memory, "limit_bytes"));
    look_at_its_backends(doctor);
    look_at_instances(doctor);
}

/* The sum of a metric's samples; -1: there is none. */
static double
sample(const struct doctor *doctor, const char *name)
{
    double sum = -1;
    size_t n = strlen(name);
    for (const char *line = doctor->metrics.n > 0 ? doctor->metrics.p : ""; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        if (strncmp(line, name, n) == 0 && (line[n] == ' ' || line[n] == '{')) {
            const char *value = line + n + (line[n] == '{' ? strcspn(line + n, "}") + 1 : 0);
            sum = (sum < 0 ? 0 : sum) + strtod(value, NULL);
        }
        line += length + (line[length] == '\n');
    }
    return sum;
}

static void
look_at_metrics(struct doctor *doctor)
{
    static const struct {
        const char *name;
        bool is_bad_at_zero; /* else bad above it */
        const char *text, *next;
    } rows[] = {
        {"spangate_config_last_reload_successful", true,
         "the last reload was refused: old settings "
         "stay",
         "run: spangate check-config -c FILE"},
        {"spangate_spool_errors_total", false, "calls to the disk failed",
         "look at the kernel's log "
         "and the volume"},
        {"spangate_spool_corrupt_records_total", false, "records on disk were damaged",
         "look at the disk; see: spangate spool verify DIR"},
        {"spangate_series_overflow_total", false, "instances count in __other__",
         "raise telemetry.top_instances"},
    };
    if (doctor->metrics.n == 0)
        return;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double value = sample(doctor, rows[i].name);
        if (value >= 0 && (rows[i].is_bad_at_zero ? value < 1 : value > 0))
            online_add(&doctor->found, ONLINE_WARNING, "service", rows[i].next, "%s (%s %.0f)",
                       rows[i].text, rows[i].name, value);
    }
}

/* Of the service where it runs, else of whoever runs this. */
static void
look_at_files(struct doctor *doctor)
{
    struct rlimit limit = {.rlim_cur = 0};
    double most = sample(doctor, "process_max_fds"), open = sample(doctor, "process_open_fds");
    uint64_t wanted = doctor->client.conf->limits.max_connections + SPARE_FILES;
    if (most < 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0)
        most = (double)limit.rlim_cur;
    bool is_low = most < (double)wanted;
    online_add(&doctor->found, is_low ? ONLINE_WARNING : ONLINE_OK, "limits",
               is_low ? "raise it: LimitNOFILE= of the unit, or ulimit -n; or lower "
                        "limits.max_connections"
                      : "",
               "%.0f open files are allowed%s, limits.max_connections %u needs %llu", most,
               open < 0 ? " here" : "", doctor->client.conf->limits.max_connections,
               (unsigned long long)wanted);
}

static void
look_at_memory(struct doctor *doctor)
{
    struct conf_system system;
    struct text words = TEXT_EMPTY;
    conf_system_read(&system);
    if (system.memory_bytes == 0)
        return;
    uint64_t percent =
        percent_of((int64_t)doctor->client.conf->limits.memory_bytes, (int64_t)system.memory_bytes);
    text_add_size(&words, doctor->client.conf->limits.memory_bytes);
    text_add(&words, " of the ");
    text_add_size(&words, system.memory_bytes);
    online_add(&doctor->found, percent > WARN_PERCENT ? ONLINE_WARNING : ONLINE_OK, "limits",
               percent > WARN_PERCENT ? "leave a fifth to the rest of the process: lower "
                                        "limits.memory or raise the limit of the container"
                                      : "",
               "limits.memory is %s that this container or host allows", words.p);
    text_fini(&words);
}

static void
look_at_clock(struct doctor *doctor)
{
    struct timex state = {.modes = 0};
    int result = adjtimex(&state);
    if (clock_unix_ms() / 1000 < OLDEST_CLOCK_S)
        online_add(&doctor->found, ONLINE_ERROR, "clock", "set it, and let NTP keep it",
                   "the host's clock is years behind");
    else if (result == TIME_ERROR || (state.status & STA_UNSYNC) != 0)
        online_add(&doctor->found, ONLINE_WARNING, "clock",
                   "let NTP or chrony keep it: agents' and OAP's times are compared with it",
                   "the host's clock is not synchronised");
    else if (result >= 0)
        online_add(&doctor->found, ONLINE_OK, "clock", "", "the host's clock is synchronised");
}

static void
ask(struct doctor *doctor)
{
    struct admin_client_call overview = {.path = "/api/v1/overview", .timeout_ms = CALL_MS};
    struct admin_client_call instances = {.path = "/api/v1/instances", .timeout_ms = CALL_MS};
    char address[ADMIN_CLIENT_ADDRESS];
    const char *telemetry = doctor->client.conf->telemetry.address;
    int status = 0;
    if (admin_client_call(&doctor->client, &overview, &doctor->overview) != COMMAND_OK ||
        admin_client_call(&doctor->client, &instances, &doctor->instances) != COMMAND_OK)
        return;
    if (command_value(doctor->in, "telemetry") != NULL)
        telemetry = command_value(doctor->in, "telemetry");
    if (telemetry[0] == '\0' || !command_reachable(telemetry, address, sizeof(address)))
        return;
    if (http1_get(address, "/metrics", CALL_MS, &status, &doctor->metrics) != ERR_OK ||
        status != 200) {
        text_clear(&doctor->metrics);
        online_add(&doctor->found, ONLINE_WARNING, "service", "see telemetry.address",
                   "the telemetry port %s does not answer", address);
    }
}

static void
look(struct doctor *doctor)
{
    const struct conf *conf = doctor->client.conf;
    ask(doctor);
    look_at_service(doctor);
    look_at_metrics(doctor);
    look_at_files(doctor);
    look_at_memory(doctor);
    look_at_clock(doctor);
    if (doctor->overview == NULL)
        online_ports(&doctor->found, conf);
    online_disk(&doctor->found, conf);
    online_certificates(&doctor->found, conf);
    if (!command_has(doctor->in, "no-dial"))
        online_backends(&doctor->found, doctor->in, conf);
}

static int
print(struct doctor *doctor)
{
    struct text out = TEXT_EMPTY;
    const struct online *found = &doctor->found;
    if (strcmp(doctor->in->format, "json") == 0) {
        text_addf(&out, "{\"errors\": %u, \"warnings\": %u, \"findings\": ", found->n_errors,
                  found->n_warnings);
        online_print_json(found, &out);
        text_add(&out, "}\n");
    } else {
        online_print(found, doctor->in->color, doctor->in->quiet, &out);
        text_addf(&out, "%u error%s, %u warning%s\n", found->n_errors,
                  found->n_errors == 1 ? "" : "s", found->n_warnings,
                  found->n_warnings == 1 ? "" : "s");
    }
    int result = found->n_errors > 0 ? COMMAND_FOUND : COMMAND_OK;
    int written = command_write(&out);
    return written != COMMAND_OK ? written : result;
}

static int
run(const struct command_input *in)
{
    struct doctor doctor = {.in = in};
    int result = admin_client_open(&doctor.client, in);
    if (result != COMMAND_OK)
        return result;
    look(&doctor);
    result = print(&doctor);
    json_tree_free(&doctor.overview);
    json_tree_free(&doctor.instances);
    text_fini(&doctor.metrics);
    online_fini(&doctor.found);
    admin_client_close(&doctor.client);
    return result;
}

static const char *const formats[] = {"table", "json", NULL};
static const struct command_flag flags[] = {
    {"telemetry", FLAG_VALUE}, {"no-dial", FLAG_ALONE}, {NULL, FLAG_ALONE}};

const struct command_verb command_doctor_verb = {
    .name = "doctor",
    .run = run,
    .line = "what is wrong here; what to do",
    .arguments = "",
    .formats = formats,
    .flags = flags,
    .help =
        "Looks at a running service through its admin and telemetry ports, and at this host as\n"
        "its configuration needs it: readiness, ledger, room, backends, diagnoses, the last\n"
        "reload, open files, memory, clock, disk, certificates. Each finding says what to do.\n"
        "Exit 1 when something is wrong; warnings alone are 0.\n"
        "\n"
        "  -c FILE            the service's settings; their warnings are told, too\n"
        "  --addr ADDRESS     its admin port, where the settings do not say\n"
        "  --telemetry H:P    its telemetry port, likewise\n"
        "  --no-dial          does not call the backends itself\n"
        "  -q                 only what is not as it should be\n"
        "\n"
        "Examples:\n"
        "  spangate doctor -c spangate.yaml\n"
        "  spangate doctor --addr 127.0.0.1:11880 --format json\n",
};
