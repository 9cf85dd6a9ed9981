/* Certificates in use: read at the start, watched, and replaced without ending a connection. */
/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/daemon_tls.h"

#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/file_state.h"

enum { TLS_MAGIC = 0x64746c73, LOOK_US = 2 * 1000 * 1000, N_FILES = 3 };

/* One place where TLS is spoken. */
struct tls_use {
    const char *section; /* of the settings */
    struct tls_settings settings;
    struct tls_slot *slot;                            /* NULL: off */
    int64_t expiry_s;                                 /* of the certificate in use */
    struct file_state read[N_FILES], looked[N_FILES]; /* when read last; at the last look */
};

struct daemon_tls {
    uint32_t magic;
    struct metrics *metrics;
    struct loop_timer timer;
    struct tls_use uses[2]; /* TLS_LISTEN, TLS_UPSTREAM */
};

static void
look(const struct tls_use *use, struct file_state out[N_FILES])
{
    file_state_look(use->settings.cert_file, &out[0]);
    file_state_look(use->settings.key_file, &out[1]);
    file_state_look(use->settings.ca_file, &out[2]);
}

static bool
is_same(const struct file_state a[N_FILES], const struct file_state b[N_FILES])
{
    for (int i = 0; i < N_FILES; i++)
        if (!file_state_is_same(&a[i], &b[i]))
            return false;
    return true;
}

/* Looked at before it is read: what changes in between is seen at the next look. */
static enum err
read_files(struct tls_use *use, struct text *why, struct tls_context **out)
{
    look(use, use->read);
    memcpy(use->looked, use->read, sizeof(use->looked));
    return tls_context_new(&use->settings, why, out);
}

static const char *
file_of(const struct tls_use *use)
{
    if (use->settings.cert_file[0] != '\0')
        return use->settings.cert_file;
    return use->settings.ca_file[0] != '\0' ? use->settings.ca_file : "system";
}

static uint32_t
index_of(const struct daemon_tls *tls, const struct tls_use *use)
{
    return (uint32_t)(use - tls->uses);
}

static void
tell(struct daemon_tls *tls, const struct tls_use *use, bool is_good)
{
    metric_set(tls->metrics, METRIC_TLS_RELOAD, index_of(tls, use), is_good);
    metric_set(tls->metrics, METRIC_TLS_EXPIRY, index_of(tls, use), (uint64_t)use->expiry_s);
}

/* A certificate that is over helps nobody while the one before is not. */
static bool
is_worse(const struct tls_use *use, const struct tls_context *context, struct text *why)
{
    int64_t now_s = clock_unix_ms() / 1000, expiry_s = tls_context_expiry_s(context);
    if (expiry_s == 0 || expiry_s > now_s || use->expiry_s <= now_s)
        return false;
    text_addf(why, "certificate %s has expired", use->settings.cert_file);
    return true;
}

static void
replace(struct daemon_tls *tls, struct tls_use *use)
{
    struct text why = TEXT_EMPTY;
    struct tls_context *context = NULL;
    enum err err = read_files(use, &why, &context);
    bool is_good = err == ERR_OK && !is_worse(use, context, &why);
    if (is_good) {
        use->expiry_s = tls_context_expiry_s(context);
        tls_slot_set(use->slot, context);
        log_info("daemon", "certificates taken up", "section=%s file=%s expires=%lld", use->section,
                 LOG_TEXT(bytes_str(file_of(use))), (long long)use->expiry_s);
    } else {
        tls_context_unref(&context);
        log_error("daemon", "certificates not taken up, those before stay",
                  "section=%s code=%d why=%s", use->section, ERR_TLS_FILE,
                  LOG_TEXT(text_bytes(&why)));
    }
    tell(tls, use, is_good);
    text_fini(&why);
}

static void
on_look(void *ctx)
{
    struct daemon_tls *tls = ctx;
    CHECK_OBJ(tls, TLS_MAGIC);
    for (uint32_t i = 0; i < 2; i++) {
        struct tls_use *use = &tls->uses[i];
        struct file_state now[N_FILES];
        if (use->slot == NULL)
            continue;
        look(use, now);
        bool is_still = is_same(now, use->looked);
        memcpy(use->looked, now, sizeof(now));
        if (is_still && !is_same(now, use->read))
            replace(tls, use);
    }
    loop_timer_in(&tls->timer, LOOK_US);
}

void
daemon_tls_reload(struct daemon_tls *tls)
{
    for (uint32_t i = 0; i < 2; i++)
        if (tls->uses[i].slot != NULL)
            replace(tls, &tls->uses[i]);
}

static enum err
begin(struct daemon_tls *tls, struct tls_use *use, struct text *why)
{
    struct tls_context *context;
    enum err err = read_files(use, why, &context);
    if (err != ERR_OK)
        return err;
    use->expiry_s = tls_context_expiry_s(context);
    use->slot = tls_slot_new(context);
    tell(tls, use, true);
    return ERR_OK;
}

static void
set_listen(struct tls_use *use, const struct conf *conf)
{
    use->section = "listen.grpc_tls";
    use->settings = (struct tls_settings){
        .role = TLS_SERVER,
        .cert_file = conf->listen.grpc_tls.cert_file,
        .key_file = conf->listen.grpc_tls.key_file,
        .ca_file = conf->listen.grpc_tls.client_ca_file,
        .client_auth = conf->listen.grpc_tls.client_auth,
    };
}

static void
set_upstream(struct tls_use *use, const struct conf *conf)
{
    use->section = "upstream.tls";
    use->settings = (struct tls_settings){
        .role = TLS_CLIENT,
        .cert_file = conf->upstream.tls.cert_file,
        .key_file = conf->upstream.tls.key_file,
        .ca_file = conf->upstream.tls.ca_file,
        .is_unverified = conf->upstream.tls.insecure_skip_verify,
    };
}

enum err
daemon_tls_new(struct loop *loop, const struct conf *conf, bool has_upstream,
               struct metrics *metrics, struct text *why, struct daemon_tls **out)
{
    struct daemon_tls *tls = mem_new(struct daemon_tls);
    enum err err = ERR_OK;
    tls->magic = TLS_MAGIC;
    tls->metrics = metrics;
    loop_timer_init(&tls->timer, loop, on_look, tls);
    set_listen(&tls->uses[TLS_LISTEN], conf);
    set_upstream(&tls->uses[TLS_UPSTREAM], conf);
    if (conf->listen.grpc_tls.address[0] != '\0')
        err = begin(tls, &tls->uses[TLS_LISTEN], why);
    if (err == ERR_OK && has_upstream && conf->upstream.tls.enabled)
        err = begin(tls, &tls->uses[TLS_UPSTREAM], why);
    if (err != ERR_OK) {
        daemon_tls_free(&tls);
        return err;
    }
    if (daemon_tls_upstream(tls) != NULL && conf->upstream.tls.insecure_skip_verify)
        log_warn("daemon",
                 "upstream.tls.insecure_skip_verify: whoever answers at the backend's address gets "
                 "all data; for trials only",
                 "%s", "");
    if (daemon_tls_listen(tls) != NULL || daemon_tls_upstream(tls) != NULL)
        loop_timer_in(&tls->timer, LOOK_US);
    *out = tls;
    return ERR_OK;
}

void
daemon_tls_free(struct daemon_tls **where)
{
    struct daemon_tls *tls = *where;
    if (tls == NULL)
        return;
    CHECK_OBJ(tls, TLS_MAGIC);
    loop_timer_cancel(&tls->timer);
    for (uint32_t i = 0; i < 2; i++)
        tls_slot_free(&tls->uses[i].slot);
    tls->magic = 0;
    mem_free(tls);
    *where = NULL;
}

struct tls_slot *
daemon_tls_listen(const struct daemon_tls *tls)
{
    return tls->uses[TLS_LISTEN].slot;
}

struct tls_slot *
daemon_tls_upstream(const struct daemon_tls *tls)
{
    return tls->uses[TLS_UPSTREAM].slot;
}

const char *
daemon_tls_file(const struct daemon_tls *tls, uint32_t which)
{
    return tls->uses[which].slot != NULL ? file_of(&tls->uses[which]) : NULL;
}
