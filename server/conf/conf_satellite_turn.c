/* What each kind of Satellite's settings is here. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "conf/conf_satellite_int.h"

enum {
    EVENT_BYTES = 4096,    /* what Satellite counts as one event, in bytes */
    MEMORY_MOST_MIB = 200, /* 40 % of the smallest default of limits.memory, 512MiB */
    SPOOL_LEAST_MIB = 64,
    WORD_BYTES = 128,
};

#define MASK "********"

static bool
is_secret(const struct satellite_row *row)
{
    const struct conf_row *ours = conf_row_find(row->setting);
    bool is_path = strstr(row->key, "_file") != NULL || strstr(row->key, "_path") != NULL;
    return (ours != NULL && conf_type_is_secret(ours->type)) ||
           (!is_path &&
            (strstr(row->key, "password") != NULL || strstr(row->key, "token") != NULL));
}

/* text: NULL leaves ours at its default. */
static void
add_to(struct conf_satellite *sat, enum satellite_token token, const char *setting,
       enum conf_satellite_verdict verdict, const char *text, const char *words)
{
    const struct satellite_slot *slot = &sat->slots[token];
    struct conf_satellite_item item = {
        .verdict = verdict,
        .from = slot->from,
        .line = slot->line,
        .value = is_secret(satellite_row_at(token)) ? MASK : slot->value,
        .setting = setting[0] != '\0' ? setting : NULL,
        .text = text != NULL ? conf_satellite_keep(sat, text) : NULL,
        .words = words,
    };
    conf_satellite_add(sat, &item);
}

static void
add(struct conf_satellite *sat, enum satellite_token token, enum conf_satellite_verdict verdict,
    const char *text, const char *words)
{
    add_to(sat, token, satellite_row_at(token)->setting, verdict, text, words);
}

static void
add_taken(struct conf_satellite *sat, enum satellite_token token, const char *text)
{
    const char *words = satellite_row_at(token)->words;
    add(sat, token, words[0] != '\0' ? CONF_SATELLITE_CHANGED : CONF_SATELLITE_MAPPED, text, words);
}

static void
add_bad(struct conf_satellite *sat, enum satellite_token token, const char *words)
{
    add(sat, token, CONF_SATELLITE_UNSUPPORTED, NULL, words);
}

static bool
is_word(const struct conf_satellite *sat, enum satellite_token token, const char *word)
{
    const char *value = sat->slots[token].value;
    return value != NULL && strcasecmp(value, word) == 0;
}

static bool
holds_word(const char *list, const char *word)
{
    size_t n_word = strlen(word);
    for (const char *p = list; p != NULL && *p != '\0';) {
        p += strspn(p, ", ");
        size_t n = strcspn(p, ", ");
        if (n == n_word && strncmp(p, word, n) == 0)
            return true;
        p += n;
    }
    return false;
}

static void
turn_text(struct conf_satellite *sat, enum satellite_token token)
{
    add_taken(sat, token, sat->slots[token].value);
}

static void
turn_flag(struct conf_satellite *sat, enum satellite_token token)
{
    if (is_word(sat, token, "true") || is_word(sat, token, "false"))
        add_taken(sat, token, is_word(sat, token, "true") ? "true" : "false");
    else
        add_bad(sat, token, "neither true nor false");
}

static void
turn_count(struct conf_satellite *sat, enum satellite_token token)
{
    if (sat->slots[token].is_bad)
        add_bad(sat, token, "no whole number");
    else
        add_taken(sat, token, sat->slots[token].value);
}

/* Behind Go's listeners a host may be missing; ours are numeric. */
static void
full_address(const char *address, char out[WORD_BYTES])
{
    const char *host = address[0] == ':' ? "0.0.0.0" : "";
    if (strncmp(address, "localhost:", 10) == 0) {
        host = "127.0.0.1";
        address += 9;
    }
    snprintf(out, WORD_BYTES, "%s%s", host, address);
}

static bool
serves_tls(const struct conf_satellite *sat)
{
    return sat->slots[SATELLITE_LISTEN_CERT].value != NULL &&
           sat->slots[SATELLITE_LISTEN_KEY].value != NULL;
}

static void
turn_listen(struct conf_satellite *sat, enum satellite_token token)
{
    char address[WORD_BYTES];
    full_address(sat->slots[token].value, address);
    if (token != SATELLITE_LISTEN || !serves_tls(sat)) {
        add_taken(sat, token, address);
        return;
    }
    add_to(sat, token, "listen.grpc_tls.address", CONF_SATELLITE_MAPPED, address, "");
    add(sat, token, CONF_SATELLITE_CHANGED, "", "with a certificate the port speaks TLS alone");
}

/* ["a:1", "b:2"] of "a:1,b:2". */
static void
add_list(struct text *out, const char *list)
{
    const char *comma = "";
    text_add(out, "[");
    for (const char *p = list; *p != '\0';) {
        p += strspn(p, ", ");
        size_t n = strcspn(p, ", ");
        if (n == 0)
            break;
        text_add(out, comma);
        text_add_json(out, bytes_of(p, n));
        comma = ", ";
        p += n;
    }
    text_add(out, "]");
}

/* Satellite's own file names itself as its backend until somebody sets one. */
static bool
is_own_address(const struct conf_satellite *sat)
{
    const char *backend = sat->slots[SATELLITE_BACKENDS].value;
    const char *listen = sat->slots[SATELLITE_LISTEN].value;
    const char *port = listen != NULL ? strrchr(listen, ':') : NULL;
    size_t n_host = strcspn(backend, ":");
    bool is_here = (n_host == 9 && strncmp(backend, "127.0.0.1", 9) == 0) ||
                   (n_host == 9 && strncmp(backend, "localhost", 9) == 0);
    return is_here && port != NULL && strcmp(backend + n_host, port) == 0;
}

static void
turn_backends(struct conf_satellite *sat, enum satellite_token token)
{
    struct text list = TEXT_EMPTY;
    if (is_word(sat, SATELLITE_FINDER, "kubernetes")) {
        add_to(sat, token, "", CONF_SATELLITE_LEFT_OUT, NULL,
               "does not count with the finder kubernetes");
        return;
    }
    add_list(&list, sat->slots[token].value);
    if (is_own_address(sat))
        add(sat, token, CONF_SATELLITE_UNSUPPORTED, "[\"oap:11800\"]",
            "this is the listener's own port; set upstream.addresses to your OAP");
    else
        add_taken(sat, token, list.p);
    text_fini(&list);
}

static void
turn_brokers(struct conf_satellite *sat, enum satellite_token token)
{
    struct text list = TEXT_EMPTY;
    if (sat->slots[SATELLITE_BACKENDS].value != NULL) {
        add_bad(sat, token, "there is one kind of backend: everything goes to OAP or to Kafka");
        return;
    }
    add_list(&list, sat->slots[token].value);
    add_to(sat, token, "upstream.kind", CONF_SATELLITE_MAPPED, "kafka", "");
    add_taken(sat, token, list.p);
    text_fini(&list);
}

/* Whole units of so many milliseconds, as a time of ours. */
static void
take_time(struct conf_satellite *sat, enum satellite_token token, uint64_t number, uint64_t unit_ms)
{
    struct text text = TEXT_EMPTY;
    if (sat->slots[token].is_bad) {
        add_bad(sat, token, "no whole number");
        return;
    }
    conf_add_duration(&text, number * unit_ms);
    add_taken(sat, token, text.p);
    text_fini(&text);
}

static void
turn_seconds(struct conf_satellite *sat, enum satellite_token token)
{
    take_time(sat, token, sat->slots[token].least, 1000);
}

static void
turn_millis(struct conf_satellite *sat, enum satellite_token token)
{
    take_time(sat, token, sat->slots[token].least, 1);
}

static void
turn_most(struct conf_satellite *sat, enum satellite_token token)
{
    char number[24];
    if (sat->slots[token].is_bad) {
        add_bad(sat, token, "no whole number");
        return;
    }
    snprintf(number, sizeof(number), "%llu", (unsigned long long)sat->slots[token].most);
    add_taken(sat, token, number);
}

static void
turn_span(struct conf_satellite *sat, enum satellite_token token)
{
    struct text text = TEXT_EMPTY;
    uint64_t ms = 0;
    if (!conf_satellite_span(sat->slots[token].value, &ms)) {
        add_bad(sat, token, "no time with a unit, as 5s");
        return;
    }
    conf_add_duration(&text, ms);
    add_taken(sat, token, text.p);
    text_fini(&text);
}

static void
turn_level(struct conf_satellite *sat, enum satellite_token token)
{
    static const char *const levels[][2] = {
        {"trace", "debug"},  {"debug", "debug"}, {"info", "info"},   {"warn", "warn"},
        {"warning", "warn"}, {"error", "error"}, {"fatal", "error"}, {"panic", "error"},
    };
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (!is_word(sat, token, levels[i][0]))
            continue;
        bool is_same = strncmp(levels[i][0], levels[i][1], strlen(levels[i][1])) == 0;
        add(sat, token, is_same ? CONF_SATELLITE_MAPPED : CONF_SATELLITE_CHANGED, levels[i][1],
            is_same ? "" : "the nearest of error, warn, info and debug");
        return;
    }
    add_bad(sat, token, "none of error, warn, info and debug");
}

static void
turn_tls_client(struct conf_satellite *sat, enum satellite_token token)
{
    bool is_unneeded = token == SATELLITE_TLS_CA && sat->slots[SATELLITE_TLS_CA_SIC].value != NULL;
    if (!is_word(sat, SATELLITE_TLS, "true") || is_unneeded)
        add_to(sat, token, "", CONF_SATELLITE_LEFT_OUT, NULL,
               is_unneeded ? "SATELLITE_grpc_CA_PEM_PATH is what counts" : "TLS is off");
    else if (token == SATELLITE_TLS_INSECURE)
        turn_flag(sat, token);
    else
        turn_text(sat, token);
}

static void
turn_tls_server(struct conf_satellite *sat, enum satellite_token token)
{
    if (!serves_tls(sat))
        add_bad(sat, token, "a certificate without its key, or the other way round");
    else
        turn_text(sat, token);
}

static void
turn_export(struct conf_satellite *sat, enum satellite_token token)
{
    const char *types = sat->slots[token].value;
    if (holds_word(types, "metrics_service"))
        add_taken(sat, token, "true");
    if (!holds_word(types, "prometheus"))
        add_to(sat, token, "telemetry.address", CONF_SATELLITE_CHANGED, NULL,
               "the port stays open: it answers the probes; \"\" closes it");
    else
        add_to(sat, token, "telemetry.address", CONF_SATELLITE_MAPPED, NULL, "");
    if (holds_word(types, "pprof"))
        add_to(sat, token, "", CONF_SATELLITE_LEFT_OUT, NULL,
               "pprof profiles Go programs; use perf here");
}

static void
turn_oap(struct conf_satellite *sat, enum satellite_token token)
{
    const char *types = sat->slots[SATELLITE_EXPORT].value;
    if (types == NULL || !holds_word(types, "metrics_service"))
        add_to(sat, token, "", CONF_SATELLITE_LEFT_OUT, NULL,
               "counts only with the exporter metrics_service");
    else if (satellite_row_at(token)->how == SATELLITE_HOW_OAP_SECONDS)
        turn_seconds(sat, token);
    else
        turn_text(sat, token);
}

static void
turn_finder(struct conf_satellite *sat, enum satellite_token token)
{
    const char *namespace = sat->slots[SATELLITE_K8S_NAMESPACE].value;
    const char *port = sat->slots[SATELLITE_K8S_PORT].value;
    struct text text = TEXT_EMPTY, list = TEXT_EMPTY;
    if (is_word(sat, token, "static")) {
        add(sat, token, CONF_SATELLITE_MAPPED, NULL, "");
        return;
    }
    if (!is_word(sat, token, "kubernetes")) {
        add_bad(sat, token, "neither static nor kubernetes");
        return;
    }
    text_addf(&text, "dns:///oap-headless.%s.svc:%s", namespace != NULL ? namespace : "default",
              port != NULL ? port : "11800");
    add_list(&list, text.p);
    add(sat, token, CONF_SATELLITE_UNSUPPORTED, list.p,
        "make a headless Service (clusterIP: None) with this selector and name it in "
        "upstream.addresses; no rights at the API server are needed");
    text_fini(&text);
    text_fini(&list);
}

static void
turn_kubernetes(struct conf_satellite *sat, enum satellite_token token)
{
    if (!is_word(sat, SATELLITE_FINDER, "kubernetes"))
        add_to(sat, token, "", CONF_SATELLITE_LEFT_OUT, NULL,
               "counts only with the finder kubernetes");
    else
        add_to(sat, token, "", CONF_SATELLITE_CHANGED, NULL,
               "belongs into the headless Service that upstream.addresses names");
}

static void
turn_fixed(struct conf_satellite *sat, enum satellite_token token)
{
    const char *only = satellite_row_at(token)->words;
    if (strcmp(sat->slots[token].value, only) == 0)
        add(sat, token, CONF_SATELLITE_MAPPED, NULL, "");
    else if (only[0] != '\0')
        add_bad(sat, token, "it is always /metrics here");
    else
        add_bad(sat, token, "there are no filters here; integrity.actions judges segments");
}

static void
turn_queue(struct conf_satellite *sat, enum satellite_token token)
{
    const struct satellite_slot *partition = &sat->slots[SATELLITE_PARTITION];
    struct text size = TEXT_EMPTY;
    uint64_t n_events = sat->n_events;
    if (sat->slots[token].is_bad || partition->is_bad) {
        add_bad(sat, token, "no whole number");
        return;
    }
    if (!sat->is_file)
        n_events = sat->slots[token].most * SATELLITE_QUEUE_PIPES *
                   (partition->n > 0 ? partition->most : SATELLITE_QUEUE_PARTITIONS);
    uint64_t n_mib = n_events * EVENT_BYTES >> 20;
    bool is_small = n_events < UINT64_MAX / EVENT_BYTES && n_mib <= MEMORY_MOST_MIB;
    text_addf(&size, "%lluMiB", (unsigned long long)(n_mib > 0 ? n_mib : 1));
    add(sat, token, CONF_SATELLITE_CHANGED, is_small ? size.p : NULL,
        is_small ? "events of 4 KiB, times partitions and pipes; bytes are counted here"
                 : "left at its share of limits.memory: bytes are counted here, and what is beyond "
                   "waits on disk");
    text_fini(&size);
}

static void
turn_partition(struct conf_satellite *sat, enum satellite_token token)
{
    if (sat->slots[SATELLITE_QUEUE].value == NULL && !sat->is_file)
        add(sat, token, CONF_SATELLITE_CHANGED, NULL,
            "left at its share of limits.memory: bytes are counted here, all pipes together");
    else
        add(sat, token, CONF_SATELLITE_CHANGED, NULL, "counts in the size of the queues");
}

static void
turn_segments(struct conf_satellite *sat, enum satellite_token token)
{
    struct text size = TEXT_EMPTY;
    uint64_t n_mib = sat->n_spool_bytes >> 20;
    if (sat->slots[token].is_bad) {
        add_bad(sat, token, "no whole number");
        return;
    }
    text_addf(&size, "%lluMiB",
              (unsigned long long)(n_mib > SPOOL_LEAST_MIB ? n_mib : SPOOL_LEAST_MIB));
    add(sat, token, CONF_SATELLITE_CHANGED, size.p, "one spool takes what all queues took");
    text_fini(&size);
}

static void
turn_directory(struct conf_satellite *sat, enum satellite_token token)
{
    if (sat->slots[token].value[0] == '/' && sat->slots[token].n == 1)
        turn_text(sat, token);
    else
        add(sat, token, CONF_SATELLITE_CHANGED, NULL,
            "one spool for all, with a whole path; what lies in the old one is not read");
}

static void
turn_flush(struct conf_satellite *sat, enum satellite_token token)
{
    add(sat, token, CONF_SATELLITE_CHANGED, "interval",
        "once a second; group, our default, answers an agent when its data is on disk");
}

static void
add_pair(struct text *pairs, const char *name, const char *value)
{
    text_add(pairs, pairs->n > 0 ? ", " : "");
    text_add_json(pairs, bytes_str(name));
    text_add(pairs, ": ");
    text_add_json(pairs, bytes_str(value));
}

static void
take_property(struct conf_satellite *sat, enum satellite_token token, const char *value)
{
    add_pair(&sat->properties, strchr(satellite_row_at(token)->setting, ':') + 1, value);
    add_to(sat, token, "upstream.kafka.properties", CONF_SATELLITE_MAPPED, NULL, "");
}

static void
turn_property(struct conf_satellite *sat, enum satellite_token token)
{
    take_property(sat, token, sat->slots[token].value);
}

static void
turn_acks(struct conf_satellite *sat, enum satellite_token token)
{
    take_property(sat, token, is_word(sat, token, "-1") ? "all" : sat->slots[token].value);
}

static void
turn_codec(struct conf_satellite *sat, enum satellite_token token)
{
    static const char *const codecs[] = {"none", "gzip", "snappy", "lz4", "zstd"};
    const struct satellite_slot *slot = &sat->slots[token];
    if (slot->is_bad || slot->most >= sizeof(codecs) / sizeof(codecs[0]))
        add_bad(sat, token, "no codec from 0 to 4");
    else
        take_property(sat, token, codecs[slot->most]);
}

static void
turn_minutes(struct conf_satellite *sat, enum satellite_token token)
{
    char ms[32];
    snprintf(ms, sizeof(ms), "%llu", (unsigned long long)sat->slots[token].most * 60000);
    if (sat->slots[token].is_bad)
        add_bad(sat, token, "no whole number");
    else
        take_property(sat, token, ms);
}

static void
turn_tls_kafka(struct conf_satellite *sat, enum satellite_token token)
{
    if (!is_word(sat, SATELLITE_KAFKA_TLS, "true"))
        add_to(sat, token, "", CONF_SATELLITE_LEFT_OUT, NULL, "TLS is off");
    else if (token == SATELLITE_KAFKA_TLS)
        take_property(sat, token, "ssl");
    else if (token == SATELLITE_KAFKA_INSECURE)
        take_property(sat, token, is_word(sat, token, "true") ? "false" : "true");
    else
        turn_property(sat, token);
}

static void
turn_topic(struct conf_satellite *sat, enum satellite_token token)
{
    add_pair(&sat->topics, "log", sat->slots[token].value);
    add(sat, token, CONF_SATELLITE_MAPPED, NULL, "");
}

static void
turn_plugin(struct conf_satellite *sat, enum satellite_token token)
{
    (void)sat; /* only known ones come here */
    (void)token;
}

static void
turn_none(struct conf_satellite *sat, enum satellite_token token)
{
    add(sat, token, CONF_SATELLITE_LEFT_OUT, NULL, satellite_row_at(token)->words);
}

static void (*const turns[])(struct conf_satellite *, enum satellite_token) = {
    [SATELLITE_HOW_TEXT] = turn_text,
    [SATELLITE_HOW_FLAG] = turn_flag,
    [SATELLITE_HOW_COUNT] = turn_count,
    [SATELLITE_HOW_LISTEN] = turn_listen,
    [SATELLITE_HOW_BACKENDS] = turn_backends,
    [SATELLITE_HOW_BROKERS] = turn_brokers,
    [SATELLITE_HOW_SECONDS] = turn_seconds,
    [SATELLITE_HOW_SPAN] = turn_span,
    [SATELLITE_HOW_LEVEL] = turn_level,
    [SATELLITE_HOW_TLS_CLIENT] = turn_tls_client,
    [SATELLITE_HOW_TLS_KAFKA] = turn_tls_kafka,
    [SATELLITE_HOW_TLS_SERVER] = turn_tls_server,
    [SATELLITE_HOW_EXPORT] = turn_export,
    [SATELLITE_HOW_OAP] = turn_oap,
    [SATELLITE_HOW_OAP_SECONDS] = turn_oap,
    [SATELLITE_HOW_FINDER] = turn_finder,
    [SATELLITE_HOW_KUBERNETES] = turn_kubernetes,
    [SATELLITE_HOW_FIXED] = turn_fixed,
    [SATELLITE_HOW_QUEUE] = turn_queue,
    [SATELLITE_HOW_PARTITION] = turn_partition,
    [SATELLITE_HOW_SEGMENT] = turn_segments,
    [SATELLITE_HOW_SEGMENTS] = turn_segments,
    [SATELLITE_HOW_DIRECTORY] = turn_directory,
    [SATELLITE_HOW_FLUSH] = turn_flush,
    [SATELLITE_HOW_MOST] = turn_most,
    [SATELLITE_HOW_LEAST_MILLIS] = turn_millis,
    [SATELLITE_HOW_PROPERTY] = turn_property,
    [SATELLITE_HOW_ACKS] = turn_acks,
    [SATELLITE_HOW_CODEC] = turn_codec,
    [SATELLITE_HOW_MINUTES] = turn_minutes,
    [SATELLITE_HOW_TOPIC] = turn_topic,
    [SATELLITE_HOW_PLUGIN] = turn_plugin,
    [SATELLITE_HOW_SILENT] = turn_plugin,
    [SATELLITE_HOW_NONE] = turn_none,
};

void
conf_satellite_turn(struct conf_satellite *sat, enum satellite_token token)
{
    turns[satellite_row_at(token)->how](sat, token);
}
