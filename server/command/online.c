/* Looks at what a configuration needs of the world around it. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "command/online.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "command/prober.h"
#include "grpc/grpc_call.h"

enum { CALL_US = 3000000, PATH_BYTES = 4096, DAY_S = 24 * 3600, SOON_DAYS = 21, MAX_ITEMS = 500 };

/* Asks for nothing and changes nothing; whoever lacks it says so, and that is an answer, too. */
static const char health_path[] = "/grpc.health.v1.Health/Check";

void
online_fini(struct online *online)
{
    for (uint32_t i = 0; i < online->n; i++)
        mem_free(online->items[i].text);
    mem_free(online->items);
    *online = (struct online){.n = 0};
}

void
online_add(struct online *online, enum online_verdict verdict, const char *what, const char *next,
           const char *format, ...)
{
    struct text text = TEXT_EMPTY;
    va_list args;
    online->n_errors += verdict == ONLINE_ERROR;
    online->n_warnings += verdict == ONLINE_WARNING;
    if (online->n == MAX_ITEMS)
        return;
    if (online->items == NULL)
        online->items = mem_new_n(struct online_finding, MAX_ITEMS);
    va_start(args, format);
    text_addv(&text, format, args);
    va_end(args);
    online->items[online->n++] = (struct online_finding){verdict, what, text.p, next};
}

static void
add_step(struct online *online, enum prober_step step, const char *backend, const char *address,
         const char *why)
{
    static const char *const next[] = {
        [PROBER_NOT_TCP] = "check address, network policies and whether OAP runs there",
        [PROBER_NOT_TLS] = "compare upstream.tls.* with what OAP serves: trusted certificates, "
                           "names, whether it speaks TLS at all",
        [PROBER_NOT_HTTP2] = "gRPC is on OAP's port 11800; with TLS there, set "
                             "upstream.tls.enabled",
        [PROBER_OPEN] = "",
    };
    online->is_unreachable = true;
    online_add(online, ONLINE_ERROR, "backend", next[step], "%s (%s): %s", backend, address, why);
}

static void
add_answer(struct online *online, const char *backend, const char *address,
           const struct prober_answer *answer, uint64_t took_ms)
{
    struct text words = TEXT_EMPTY;
    bool is_denied = answer->err == ERR_OK && (answer->status == GRPC_UNAUTHENTICATED ||
                                               answer->status == GRPC_PERMISSION_DENIED);
    prober_add_answer(&words, answer);
    if (answer->err != ERR_OK) {
        online->is_unreachable = true;
        online_add(online, ONLINE_ERROR, "backend", "look at OAP's log and load",
                   "%s (%s): connected, but no answer: %s", backend, address, words.p);
    } else if (is_denied) {
        online_add(online, ONLINE_ERROR, "backend",
                   "set upstream.auth_token to OAP's receiver-sharing-server token",
                   "%s (%s): it denies us: %s", backend, address, words.p);
    } else {
        online_add(online, ONLINE_OK, "backend", "", "%s (%s): speaks gRPC, %llu ms", backend,
                   address, (unsigned long long)took_ms);
    }
    text_fini(&words);
}

static void
look_at_address(struct online *online, const struct prober_settings *settings)
{
    struct prober *prober;
    struct prober_answer answer;
    struct text why = TEXT_EMPTY;
    char address[NET_ADDRESS_TEXT];
    uint64_t start_us = clock_fresh_us();
    net_address_text(&settings->address, address);
    enum prober_step step = prober_open(settings, &why, &prober);
    if (step != PROBER_OPEN) {
        add_step(online, step, settings->authority, address, why.p);
    } else {
        prober_call(prober, health_path, BYTES_NONE, CALL_US, &answer);
        add_answer(online, settings->authority, address, &answer,
                   (clock_fresh_us() - start_us) / 1000);
        text_fini(&answer.text);
    }
    prober_close(&prober);
    text_fini(&why);
}

/* NULL: clear text, or told. */
static struct tls_context *
client_context(struct online *online, const struct conf *conf, bool *is_fine)
{
    const struct tls_settings settings = {
        .role = TLS_CLIENT,
        .cert_file = conf->upstream.tls.cert_file,
        .key_file = conf->upstream.tls.key_file,
        .ca_file = conf->upstream.tls.ca_file,
        .is_unverified = conf->upstream.tls.insecure_skip_verify,
    };
    struct tls_context *context = NULL;
    struct text why = TEXT_EMPTY;
    *is_fine = !conf->upstream.tls.enabled || tls_context_new(&settings, &why, &context) == ERR_OK;
    if (!*is_fine)
        online_add(online, ONLINE_ERROR, "certificate", "see upstream.tls.*", "%s", why.p);
    text_fini(&why);
    return context;
}

void
online_backends(struct online *online, const struct command_input *in, const struct conf *conf)
{
    bool is_fine;
    if (conf->upstream.kind != CONF_KIND_OAP)
        return;
    struct tls_context *tls = client_context(online, conf, &is_fine);
    for (uint32_t i = 0; is_fine && i < conf->upstream.addresses.n; i++) {
        const char *backend = conf->upstream.addresses.items[i];
        struct net_address addresses[PROBER_MAX_ADDRESSES];
        struct text why = TEXT_EMPTY;
        uint32_t n = prober_resolve(backend, addresses, &why);
        if (n == 0) {
            online->is_unreachable = true;
            online_add(online, ONLINE_ERROR, "backend", "check the spelling and the name server",
                       "%s: %s", backend, why.p != NULL ? why.p : "no address");
        }
        for (uint32_t j = 0; j < n; j++) {
            struct prober_settings settings = {
                .in = in,
                .address = addresses[j],
                .authority = strncmp(backend, "dns:///", 7) == 0 ? backend + 7 : backend,
                .token = conf->upstream.auth_token,
                .tls = tls,
                .tls_name = conf->upstream.tls.server_name,
                .timeout_us = conf->upstream.timeout.connect_ms * 1000,
            };
            look_at_address(online, &settings);
        }
        text_fini(&why);
    }
    if (tls != NULL)
        tls_context_unref(&tls);
}

static void
look_at_port(struct online *online, const char *name, const char *address)
{
    struct net_address parsed;
    const int on = 1;
    if (address[0] == '\0' || net_address_parse(address, &parsed) != ERR_OK)
        return;
    int descriptor = socket(parsed.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return;
    (void)setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    bool is_free = bind(descriptor, (const struct sockaddr *)&parsed.storage, parsed.length) == 0;
    int error_number = errno;
    close(descriptor);
    if (is_free)
        online_add(online, ONLINE_OK, "port", "", "%s %s is free", name, address);
    else if (error_number == EADDRINUSE)
        online_add(online, ONLINE_WARNING, "port",
                   "as it should be while spangate runs here; else find who holds it: ss -ltnp",
                   "%s %s is in use", name, address);
    else
        online_add(online, ONLINE_ERROR, "port",
                   "choose an address of this machine; ports below "
                   "1024 need rights",
                   "%s %s cannot be opened: %s", name, address, strerror(error_number));
}

void
online_ports(struct online *online, const struct conf *conf)
{
    look_at_port(online, "listen.grpc.address", conf->listen.grpc.address);
    look_at_port(online, "listen.grpc_tls.address", conf->listen.grpc_tls.address);
    look_at_port(online, "listen.http.address", conf->listen.http.address);
    look_at_port(online, "telemetry.address", conf->telemetry.address);
    look_at_port(online, "admin.address", conf->admin.address);
}

/* The directory, or the nearest one above it that is there. */
static bool
nearest_directory(const char *path, char out[PATH_BYTES])
{
    struct stat status;
    size_t n = strlen(path);
    if (n >= PATH_BYTES || path[0] != '/')
        return false;
    memcpy(out, path, n + 1);
    while (stat(out, &status) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
        char *slash = strrchr(out, '/');
        slash[slash == out ? 1 : 0] = '\0';
        if (strcmp(out, "/") == 0)
            break;
    }
    return true;
}

static void
look_at_directory(struct online *online, const char *name, const char *path, uint64_t max_bytes)
{
    char nearest[PATH_BYTES];
    struct conf_system system;
    struct conf_volume volume;
    struct text size = TEXT_EMPTY;
    if (!nearest_directory(path, nearest))
        return;
    if (access(nearest, W_OK | X_OK) != 0) {
        online_add(online, ONLINE_ERROR, "disk",
                   "give the directory to the user that runs spangate, or choose another",
                   "%s %s: %s: %s", name, path, nearest, strerror(errno));
        return;
    }
    conf_system_read(&system);
    if (system.find_volume == NULL || !system.find_volume(path, &volume))
        return;
    bool is_short = volume.free_bytes + volume.used_bytes < max_bytes;
    text_add_size(&size, volume.free_bytes);
    text_add(&size, " free, up to ");
    text_add_size(&size, max_bytes);
    online_add(online, is_short ? ONLINE_WARNING : ONLINE_OK, "disk",
               is_short ? "free space, or lower the limit" : "", "%s %s: may be written, %s used",
               name, path, size.p);
    text_fini(&size);
}

void
online_disk(struct online *online, const struct conf *conf)
{
    if (conf->buffer.mode == CONF_BUFFER_MEMORY)
        return;
    look_at_directory(online, "buffer.disk.path", conf->buffer.disk.path,
                      conf->buffer.disk.max_bytes);
    look_at_directory(online, "quarantine.path", conf->quarantine.path, conf->quarantine.max_bytes);
}

static void
look_at_certificate(struct online *online, const struct tls_settings *settings, const char *section)
{
    struct tls_context *context = NULL;
    struct text why = TEXT_EMPTY;
    char day[32] = "";
    if (settings->cert_file[0] == '\0')
        return;
    if (tls_context_new(settings, &why, &context) != ERR_OK) {
        online_add(online, ONLINE_ERROR, "certificate", "see: spangate check-config", "%s: %s",
                   section, why.p);
        text_fini(&why);
        return;
    }
    time_t expiry_s = (time_t)tls_context_expiry_s(context);
    int64_t left_s = (int64_t)expiry_s - (int64_t)clock_unix_ms() / 1000;
    struct tm when;
    if (gmtime_r(&expiry_s, &when) != NULL)
        strftime(day, sizeof(day), "%Y-%m-%d", &when);
    online_add(online,
               left_s <= 0                           ? ONLINE_ERROR
               : left_s < (int64_t)SOON_DAYS * DAY_S ? ONLINE_WARNING
                                                     : ONLINE_OK,
               "certificate",
               left_s < (int64_t)SOON_DAYS * DAY_S ? "renew it: the new file is taken up by itself"
                                                   : "",
               "%s.cert_file %s: until %s, %lld days", section, settings->cert_file, day,
               (long long)(left_s / DAY_S));
    tls_context_unref(&context);
    text_fini(&why);
}

void
online_certificates(struct online *online, const struct conf *conf)
{
    const struct tls_settings listen = {
        .role = TLS_SERVER,
        .cert_file = conf->listen.grpc_tls.cert_file,
        .key_file = conf->listen.grpc_tls.key_file,
        .ca_file = conf->listen.grpc_tls.client_ca_file,
        .client_auth = conf->listen.grpc_tls.client_auth,
    };
    const struct tls_settings upstream = {
        .role = TLS_CLIENT,
        .cert_file = conf->upstream.tls.cert_file,
        .key_file = conf->upstream.tls.key_file,
        .ca_file = conf->upstream.tls.ca_file,
    };
    if (conf->listen.grpc_tls.address[0] != '\0')
        look_at_certificate(online, &listen, "listen.grpc_tls");
    if (conf->upstream.tls.enabled)
        look_at_certificate(online, &upstream, "upstream.tls");
}

static const char *const verdict_words[] = {"ok", "warning", "error"};

void
online_print(const struct online *online, bool color, bool quiet, struct text *out)
{
    static const char *const colors[] = {"\033[32m", "\033[1;33m", "\033[1;31m"};
    for (uint32_t i = 0; i < online->n; i++) {
        const struct online_finding *item = &online->items[i];
        if (quiet && item->verdict == ONLINE_OK)
            continue;
        text_addf(out, "%s%-8s%s%-12s %s\n", color ? colors[item->verdict] : "",
                  verdict_words[item->verdict], color ? "\033[0m" : "", item->what, item->text);
        if (item->next[0] != '\0')
            text_addf(out, "%20s -> %s\n", "", item->next);
    }
}

void
online_print_json(const struct online *online, struct text *out)
{
    text_add(out, "[");
    for (uint32_t i = 0; i < online->n; i++) {
        const struct online_finding *item = &online->items[i];
        text_addf(out, "%s\n  {\"verdict\": \"%s\", \"what\": \"%s\", \"text\": ", i > 0 ? "," : "",
                  verdict_words[item->verdict], item->what);
        text_add_json(out, bytes_str(item->text));
        text_add(out, ", \"next\": ");
        text_add_json(out, bytes_str(item->next));
        text_add(out, "}");
    }
    text_add(out, "\n]");
}
