/* Works out "auto", and holds settings against each other and against the machine. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf_int.h"

#define MIB (UINT64_C(1) << 20)

enum {
    DEFAULT_MEMORY_MIB = 512,
    MEMORY_PERCENT = 60, /* of the cgroup limit */
    BUFFER_PERCENT = 40,
    WINDOW_PERCENT = 12,
    SUM_PERCENT = 60,
    MESSAGE_MIB = 50, /* as OAP */
    WINDOW_MIB = 64,
    MAX_WORKERS = 4,
    SOCKET_PATH_MAX = 107, /* struct sockaddr_un, with the NUL behind it */
};

/* A bad value is worked out, too, so that what depends on it is not called bad. */
static bool
is_auto(const struct conf_loading *loading, const char *path)
{
    const struct conf_setting *setting = conf_setting_of(loading->conf, conf_row_find(path));
    return setting->is_auto || setting->is_bad;
}

static uint64_t
least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t
share(const struct conf *conf, uint32_t percent)
{
    return conf->limits.memory_bytes / 100 * percent;
}

/* Worked-out sizes are whole MiB where they are that large: people read them. */
static uint64_t
whole(uint64_t n_bytes)
{
    return n_bytes >= MIB ? n_bytes / MIB * MIB : n_bytes;
}

static void
resolve_limits(struct conf_loading *loading, const struct conf_system *system)
{
    struct conf *conf = loading->conf;
    if (is_auto(loading, "limits.memory"))
        conf->limits.memory_bytes = system->memory_bytes != 0
                                        ? whole(system->memory_bytes / 100 * MEMORY_PERCENT)
                                        : DEFAULT_MEMORY_MIB * MIB;
    if (is_auto(loading, "limits.workers"))
        conf->limits.workers = system->n_cpus > MAX_WORKERS ? MAX_WORKERS : system->n_cpus;
    if (is_auto(loading, "buffer.memory.max"))
        conf->buffer.memory.max_bytes = whole(share(conf, BUFFER_PERCENT));
}

/* What follows from the limits. */
static void
resolve_parts(struct conf_loading *loading)
{
    struct conf *conf = loading->conf;
    uint64_t room = share(conf, SUM_PERCENT);
    room = room > conf->buffer.memory.max_bytes + MIB ? room - conf->buffer.memory.max_bytes : MIB;
    if (is_auto(loading, "integrity.window_memory"))
        conf->integrity.window_memory_bytes =
            whole(least(room, least(WINDOW_MIB * MIB, share(conf, WINDOW_PERCENT))));
    if (is_auto(loading, "listen.max_message"))
        conf->listen.max_message_bytes =
            whole(least(conf->buffer.memory.max_bytes,
                        least(MESSAGE_MIB * MIB, conf->limits.memory_bytes / 4)));
}

/* A trial leaves no directory behind, and needs none that it may write to. */
static void
resolve_trial(struct conf_loading *loading)
{
    struct conf *conf = loading->conf;
    if (conf->upstream.kind == CONF_KIND_SINK && !conf_loading_is_set(loading, "buffer.mode") &&
        !conf_loading_is_set(loading, "buffer.disk.path"))
        conf->buffer.mode = CONF_BUFFER_MEMORY;
}

static void
check_memory(struct conf_loading *loading)
{
    const struct conf *conf = loading->conf;
    uint64_t window = conf->integrity.window_ms > 0 ? conf->integrity.window_memory_bytes : 0;
    bool window_by_hand = conf_loading_is_set(loading, "integrity.window_memory");
    if (conf_loading_is_bad(loading, "limits.memory") ||
        conf_loading_is_bad(loading, "buffer.memory.max") ||
        conf_loading_is_bad(loading, "integrity.window_memory"))
        return;
    if (!window_by_hand)
        window = 0; /* it shrinks to what is left */
    if (conf->buffer.memory.max_bytes + window <= share(conf, SUM_PERCENT))
        return;
    struct text text = TEXT_EMPTY;
    text_add(&text, "buffer.memory.max ");
    text_add_size(&text, conf->buffer.memory.max_bytes);
    if (window > 0) {
        text_add(&text, " and integrity.window_memory ");
        text_add_size(&text, window);
    }
    text_addf(&text, " %s above 60 %% of limits.memory, ", window > 0 ? "are together" : "is");
    text_add_size(&text, share(conf, SUM_PERCENT));
    bool at_buffer = conf_loading_is_set(loading, "buffer.memory.max");
    struct conf_place place =
        conf_loading_place(loading, at_buffer        ? "buffer.memory.max"
                                    : window_by_hand ? "integrity.window_memory"
                                                     : "limits.memory");
    conf_diag_add(loading->diags, CONF_ERROR, 33, &place, NULL, "%s", text.p);
    text_fini(&text);
}

static void
check_sizes(struct conf_loading *loading)
{
    const struct conf *conf = loading->conf;
    struct conf_place place = conf_loading_place(loading, "listen.max_message");
    if (conf_loading_is_set(loading, "listen.max_message") &&
        !conf_loading_is_bad(loading, "buffer.memory.max") &&
        conf->listen.max_message_bytes > conf->buffer.memory.max_bytes)
        conf_diag_add(loading->diags, CONF_ERROR, 42, &place, NULL,
                      "listen.max_message is above buffer.memory.max: such a message would wait "
                      "for ever");
    else if (conf_loading_is_set(loading, "listen.max_message") &&
             !conf_loading_is_bad(loading, "limits.memory") &&
             conf->listen.max_message_bytes > conf->limits.memory_bytes / 4)
        conf_diag_add(
            loading->diags, CONF_ERROR, 42, &place, NULL,
            "listen.max_message is above a quarter of limits.memory: such a message would "
            "wait for ever");
    place = conf_loading_place(loading, "batch.max_size");
    if (!conf_loading_is_bad(loading, "buffer.memory.max") &&
        conf->batch.max_size_bytes > conf->buffer.memory.max_bytes)
        conf_diag_add(loading->diags, CONF_WARNING, 41, &place, NULL,
                      "batch.max_size is above buffer.memory.max: no batch will get there");
    place = conf_loading_place(loading, "upstream.retry.initial");
    if (!conf_loading_is_bad(loading, "upstream.retry.initial") &&
        !conf_loading_is_bad(loading, "upstream.retry.max") &&
        conf->upstream.retry.initial_ms > conf->upstream.retry.max_ms)
        conf_diag_add(loading->diags, CONF_ERROR, 38, &place, NULL,
                      "upstream.retry.initial is above upstream.retry.max");
}

struct own_listener {
    const char *path, *address;
    struct conf_host_port parsed;
};
enum { N_LISTENERS = 5 };

static bool
is_any_host(const char *host)
{
    return host[0] == '\0' || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

static bool
is_loopback(const char *host)
{
    struct in6_addr v6;
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "localhost") == 0 ||
           (inet_pton(AF_INET6, host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6));
}

/* The listeners that are on. */
static uint32_t
own_listeners(const struct conf_loading *loading, struct own_listener *out)
{
    const struct conf *conf = loading->conf;
    const struct own_listener all[N_LISTENERS] = {
        {.path = "listen.grpc.address", .address = conf->listen.grpc.address},
        {.path = "listen.grpc_tls.address", .address = conf->listen.grpc_tls.address},
        {.path = "listen.http.address", .address = conf->listen.http.address},
        {.path = "telemetry.address", .address = conf->telemetry.address},
        {.path = "admin.address", .address = conf->admin.address},
    };
    uint32_t n = 0;
    for (uint32_t i = 0; i < N_LISTENERS; i++) {
        out[n] = all[i];
        if (!conf_loading_is_bad(loading, all[i].path) && all[i].address[0] != '\0' &&
            conf_parse_host_port(all[i].address, &out[n].parsed))
            n++;
    }
    return n;
}

static bool
overlap(const struct own_listener *a, const struct own_listener *b)
{
    return a->parsed.port != 0 && a->parsed.port == b->parsed.port &&
           (is_any_host(a->parsed.host) || is_any_host(b->parsed.host) ||
            strcmp(a->parsed.host, b->parsed.host) == 0);
}

static void
check_ports(struct conf_loading *loading, const struct own_listener *listeners, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = i + 1; j < n; j++) {
            if (!overlap(&listeners[i], &listeners[j]))
                continue;
            bool at_j = conf_loading_is_set(loading, listeners[j].path);
            struct conf_place place =
                conf_loading_place(loading, at_j ? listeners[j].path : listeners[i].path);
            conf_diag_add(loading->diags, CONF_ERROR, 32, &place, NULL,
                          "%s %s and %s %s share port %u", listeners[i].path, listeners[i].address,
                          listeners[j].path, listeners[j].address, listeners[i].parsed.port);
        }
    }
}

static bool
is_this_machine(const char *host)
{
    char name[256] = "";
    if (is_any_host(host) || is_loopback(host))
        return true;
    return gethostname(name, sizeof(name) - 1) == 0 && name[0] != '\0' &&
           strcasecmp(name, host) == 0;
}

static bool
reaches(const struct conf_host_port *backend, const struct conf_host_port *listener)
{
    if (backend->port != listener->port)
        return false;
    if (strcmp(backend->host, listener->host) == 0)
        return true;
    if (is_any_host(listener->host))
        return is_this_machine(backend->host);
    return is_loopback(listener->host) &&
           (is_loopback(backend->host) || is_any_host(backend->host));
}

/* Of one backend where the list was written out, else of the list. */
static struct conf_place
place_of_backend(const struct conf_loading *loading, uint32_t wanted)
{
    const struct conf_node *node = loading->addresses != NULL ? loading->addresses->first : NULL;
    for (uint32_t i = 0; node != NULL && i < wanted; i++)
        node = node->next;
    return node != NULL && node->place.file != NULL
               ? node->place
               : conf_loading_place(loading, "upstream.addresses");
}

static void
check_loop(struct conf_loading *loading, const struct own_listener *listeners, uint32_t n,
           uint32_t index)
{
    const char *address = loading->conf->upstream.addresses.items[index];
    struct conf_host_port backend;
    if (!conf_parse_host_port(strncmp(address, "dns:///", 7) == 0 ? address + 7 : address,
                              &backend))
        return;
    for (uint32_t i = 0; i < n; i++) {
        if (!reaches(&backend, &listeners[i].parsed))
            continue;
        struct conf_place place = place_of_backend(loading, index);
        conf_diag_add(loading->diags, CONF_ERROR, 31, &place, NULL,
                      "upstream.addresses: %s is our own %s: a loop", address, listeners[i].path);
        return;
    }
}

static void
check_twice(struct conf_loading *loading, const struct conf_list *addresses, uint32_t i)
{
    for (uint32_t j = 0; j < i; j++) {
        if (strcmp(addresses->items[i], addresses->items[j]) != 0)
            continue;
        struct conf_place place = place_of_backend(loading, i);
        conf_diag_add(loading->diags, CONF_WARNING, 39, &place, NULL,
                      "upstream.addresses: %s stands twice", addresses->items[i]);
        return;
    }
}

static void
check_upstream(struct conf_loading *loading, const struct own_listener *listeners, uint32_t n)
{
    const struct conf *conf = loading->conf;
    const struct conf_list *addresses = &conf->upstream.addresses;
    if (conf_loading_is_bad(loading, "upstream.kind"))
        return;
    bool is_oap = conf->upstream.kind == CONF_KIND_OAP;
    if (!is_oap && conf->upstream.kind != CONF_KIND_KAFKA)
        return;
    struct conf_place place = conf_loading_place(loading, "upstream.addresses");
    if (is_oap && addresses->n == 0 && !conf_loading_is_bad(loading, "upstream.addresses") &&
        !loading->has_unknown_keys && !loading->input->is_part)
        conf_diag_add(loading->diags, CONF_ERROR, 30, &place, NULL,
                      "upstream.addresses is empty: there is nowhere to forward to; set it, or try "
                      "without OAP: spangate serve --sink");
    for (uint32_t i = 0; i < addresses->n; i++) {
        check_loop(loading, listeners, n, i);
        if (i < 1000)
            check_twice(loading, addresses, i);
    }
}

static void
check_listeners(struct conf_loading *loading)
{
    const struct conf *conf = loading->conf;
    struct own_listener listeners[N_LISTENERS];
    uint32_t n = own_listeners(loading, listeners);
    check_ports(loading, listeners, n);
    check_upstream(loading, listeners, n);
    struct conf_place place = conf_loading_place(loading, "listen.grpc.address");
    if (conf->listen.grpc.address[0] == '\0' && conf->listen.grpc_tls.address[0] == '\0' &&
        !conf_loading_is_bad(loading, "listen.grpc.address") &&
        !conf_loading_is_bad(loading, "listen.grpc_tls.address"))
        conf_diag_add(loading->diags, CONF_ERROR, 40, &place, NULL,
                      "listen.grpc.address is empty: there is no port for agents");
}

/* It is read at the start; what is in it is checked then. */
static const char *
wrong_with_token_file(const char *file)
{
    struct stat status;
    if (file[0] == '\0')
        return NULL;
    if (stat(file, &status) != 0)
        return strerror(errno);
    return S_ISREG(status.st_mode) ? NULL : "not a file";
}

static void
check_admin(struct conf_loading *loading)
{
    const struct conf *conf = loading->conf;
    struct conf_host_port admin;
    struct conf_place place = conf_loading_place(loading, "admin.address");
    if (conf_parse_host_port(conf->admin.address, &admin) && !is_loopback(admin.host) &&
        conf->admin.token_file[0] == '\0')
        conf_diag_add(loading->diags, CONF_ERROR, 34, &place, NULL,
                      "admin.address %s is reachable from outside and has no admin.token_file",
                      conf->admin.address);
    place = conf_loading_place(loading, "admin.socket");
    size_t n = strlen(conf->admin.socket);
    if (n > 0 && (conf->admin.socket[0] != '/' || n > SOCKET_PATH_MAX))
        conf_diag_add(loading->diags, CONF_ERROR, 25, &place, NULL,
                      "admin.socket is a path from / on of at most %d bytes", SOCKET_PATH_MAX);
    place = conf_loading_place(loading, "admin.token_file");
    const char *wrong = wrong_with_token_file(conf->admin.token_file);
    if (wrong != NULL)
        conf_diag_add(loading->diags, CONF_ERROR, 18, &place, NULL, "admin.token_file %s: %s",
                      conf_diag_quote(loading->scratch, conf->admin.token_file), wrong);
}

static void
check_secret_file(struct conf_loading *loading, const char *path, const char *file)
{
    struct stat status;
    struct conf_place place = conf_loading_place(loading, path);
    if (file[0] != '\0' && stat(file, &status) == 0 && (status.st_mode & S_IROTH) != 0)
        conf_diag_add(loading->diags, CONF_WARNING, 35, &place, NULL,
                      "%s: %s can be read by everybody on this machine", path,
                      conf_diag_quote(loading->scratch, file));
}

/* Secrets written out in a file that everybody can read. */
static void
check_secrets(struct conf_loading *loading)
{
    const struct conf *conf = loading->conf;
    check_secret_file(loading, "listen.grpc_tls.key_file", conf->listen.grpc_tls.key_file);
    check_secret_file(loading, "upstream.tls.key_file", conf->upstream.tls.key_file);
    check_secret_file(loading, "admin.token_file", conf->admin.token_file);
    for (uint32_t i = 0; loading->file_is_public && i < conf_row_count(); i++) {
        const struct conf_row *row = conf_row_at(i);
        const struct conf_setting *setting = conf_setting_of(conf, row);
        const void *field = conf_field_of(conf, row);
        if (!conf_type_is_secret(row->type) || setting->origin != CONF_FROM_FILE ||
            setting->is_expanded || setting->twin_file != NULL)
            continue;
        if (row->type == CONF_SECRET ? (*(const char *const *)field)[0] == '\0'
                                     : ((const struct conf_list *)field)->n == 0)
            continue;
        conf_diag_add(loading->diags, CONF_WARNING, 35, &setting->place, NULL,
                      "%s stands in a file that everybody on this machine can read; use %s_file",
                      row->path, row->name);
    }
}

void
conf_check(struct conf_loading *loading)
{
    struct conf_system system;
    if (loading->input->system != NULL)
        system = *loading->input->system;
    else
        conf_system_read(&system);
    resolve_limits(loading, &system);
    resolve_parts(loading);
    resolve_trial(loading);
    check_memory(loading);
    check_sizes(loading);
    check_listeners(loading);
    check_admin(loading);
    conf_check_tls(loading);
    conf_check_kafka(loading);
    check_secrets(loading);
    conf_check_disk(loading, &system);
}
