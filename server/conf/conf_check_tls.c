/* Holds the settings of TLS against each other and against their files. */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "conf/conf_int.h"

enum { PATH_BYTES = 64 };

/* One section with a certificate, its key and whom to trust. */
struct tls_section {
    const char *path, *ca_name; /* "upstream.tls", "ca_file" */
    bool is_on;
    struct conf_tls_files files;
};

/* "upstream.tls.key_file" */
static const char *
path_of(const struct tls_section *section, const char *name, char out[PATH_BYTES])
{
    snprintf(out, PATH_BYTES, "%s.%s", section->path, name);
    return out;
}

static void
check_pair(struct conf_loading *loading, const struct tls_section *section)
{
    char cert[PATH_BYTES], key[PATH_BYTES];
    bool has_cert = section->files.cert_file[0] != '\0';
    if (has_cert == (section->files.key_file[0] != '\0'))
        return;
    path_of(section, "cert_file", cert);
    path_of(section, "key_file", key);
    struct conf_place place = conf_loading_place(loading, has_cert ? cert : key);
    conf_diag_add(loading->diags, CONF_ERROR, 37, &place, NULL, "%s is set without %s",
                  has_cert ? cert : key, has_cert ? key : cert);
}

static void
tell_fault(struct conf_loading *loading, const struct tls_section *section,
           enum conf_tls_fault fault, const char *why)
{
    static const struct {
        const char *name;
        uint16_t code;
        enum conf_severity severity;
    } faults[] = {
        [CONF_TLS_CERT] = {"cert_file", 51, CONF_ERROR},
        [CONF_TLS_KEY] = {"key_file", 51, CONF_ERROR},
        [CONF_TLS_CA] = {NULL, 51, CONF_ERROR},
        [CONF_TLS_MISMATCH] = {"key_file", 52, CONF_ERROR},
        /* No reason not to start: agents in clear text, or those that do not check, still report.
         */
        [CONF_TLS_EXPIRED] = {"cert_file", 53, CONF_WARNING},
        [CONF_TLS_EXPIRES] = {"cert_file", 54, CONF_WARNING},
    };
    char path[PATH_BYTES];
    const char *name = faults[fault].name != NULL ? faults[fault].name : section->ca_name;
    struct conf_place place = conf_loading_place(loading, path_of(section, name, path));
    conf_diag_add(loading->diags, faults[fault].severity, faults[fault].code, &place, NULL,
                  "%s: %s", path, why);
}

static void
check_files(struct conf_loading *loading, const struct tls_section *section)
{
    struct conf_tls_files files = section->files;
    struct text why = TEXT_EMPTY;
    if (!section->is_on || loading->input->check_tls == NULL)
        return;
    if (files.cert_file[0] == '\0' || files.key_file[0] == '\0')
        files.cert_file = files.key_file = "";
    enum conf_tls_fault fault = loading->input->check_tls(&files, &why);
    if (fault != CONF_TLS_FINE)
        tell_fault(loading, section, fault, why.p != NULL ? why.p : "");
    text_fini(&why);
}

/* Files are named, but nobody speaks TLS there. */
static void
check_effect(struct conf_loading *loading, const struct tls_section *section, const char *needs)
{
    const struct {
        const char *name, *file;
    } files[] = {{"cert_file", section->files.cert_file},
                 {"key_file", section->files.key_file},
                 {section->ca_name, section->files.ca_file}};
    char path[PATH_BYTES];
    for (size_t i = 0; !section->is_on && i < sizeof(files) / sizeof(files[0]); i++) {
        if (files[i].file[0] == '\0')
            continue;
        path_of(section, files[i].name, path);
        struct conf_place place = conf_loading_place(loading, path);
        conf_diag_add(loading->diags, CONF_WARNING, 56, &place, NULL,
                      "%s is set, but %s: nothing is done with it", path, needs);
        return;
    }
}

static void
check_listen(struct conf_loading *loading)
{
    const struct conf *conf = loading->conf;
    const struct tls_section section = {
        .path = "listen.grpc_tls",
        .ca_name = "client_ca_file",
        .is_on = conf->listen.grpc_tls.address[0] != '\0',
        .files = {conf->listen.grpc_tls.cert_file, conf->listen.grpc_tls.key_file,
                  conf->listen.grpc_tls.client_ca_file},
    };
    check_pair(loading, &section);
    check_effect(loading, &section, "listen.grpc_tls.address is empty");
    struct conf_place place = conf_loading_place(loading, "listen.grpc_tls.address");
    if (section.is_on && section.files.cert_file[0] == '\0' && section.files.key_file[0] == '\0')
        conf_diag_add(loading->diags, CONF_ERROR, 37, &place, NULL,
                      "listen.grpc_tls.address is set without a cert_file and a key_file");
    place = conf_loading_place(loading, "listen.grpc_tls.client_auth");
    if (conf->listen.grpc_tls.client_auth != CONF_CLIENT_AUTH_NONE &&
        section.files.ca_file[0] == '\0')
        conf_diag_add(loading->diags, CONF_ERROR, 36, &place, NULL,
                      "listen.grpc_tls.client_auth asks for certificates, but client_ca_file is "
                      "empty");
    check_files(loading, &section);
}

static void
check_upstream(struct conf_loading *loading)
{
    const struct conf *conf = loading->conf;
    const struct tls_section section = {
        .path = "upstream.tls",
        .ca_name = "ca_file",
        .is_on = conf->upstream.tls.enabled,
        .files = {conf->upstream.tls.cert_file, conf->upstream.tls.key_file,
                  conf->upstream.tls.ca_file},
    };
    check_pair(loading, &section);
    check_effect(loading, &section, "upstream.tls.enabled is false");
    struct conf_place place = conf_loading_place(loading, "upstream.tls.insecure_skip_verify");
    if (section.is_on && conf->upstream.tls.insecure_skip_verify)
        conf_diag_add(loading->diags, CONF_WARNING, 55, &place, NULL,
                      "upstream.tls.insecure_skip_verify: whoever answers at the backend's address "
                      "gets all data; for trials only");
    check_files(loading, &section);
}

void
conf_check_tls(struct conf_loading *loading)
{
    check_listen(loading);
    check_upstream(loading);
}
