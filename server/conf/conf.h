/* The face of conf/: one read-only snapshot of every setting, and what was wrong with it. */
/* SPDX-License-Identifier: Apache-2.0 */
/* struct conf is made from tables/options.h and nested as the YAML file: conf->listen.grpc.address,
 * conf->buffer.memory.max_bytes, conf->batch.max_delay_ms, conf->upstream.retry.jitter_percent.
 * It never changes once loaded; "auto" values are worked out. Shared by reference count, any
 * thread. libfyaml stays behind this header. Modules take the section they need as an argument. */
#ifndef CONF_CONF_H
#define CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/rule_table.h"
#include "base/text.h"
#include "tables/options.h"

/* CONF_MODE_OBSERVE, CONF_FULL_BACKPRESSURE, CONF_KIND_OAP, ... */
#define CONF_ENUM(name, values) enum conf_##name{values};
#define CONF_VALUE(token, word) CONF_##token,
OPTION_ENUMS(CONF_ENUM, CONF_VALUE)
#undef CONF_ENUM
#undef CONF_VALUE

struct conf_list {
    const char *const *items;
    uint32_t n;
};
struct conf_pair {
    const char *key, *value;
};
struct conf_pairs {
    const struct conf_pair *items;
    uint32_t n;
};
struct conf_service {
    const char *match;
    enum conf_mode mode;
};
struct conf_services {
    const struct conf_service *items;
    uint32_t n;
};
/* Every rule has its action: what the file says, else the rule's default. */
struct conf_actions {
    enum rule_action of[RULE_COUNT];
    uint64_t set; /* bit per rule that was set by hand */
};

/* What a row of each type becomes in struct conf: strings are never NULL. */
#define CONF_FIELD_BOOL(detail, name) bool name
#define CONF_FIELD_INT(detail, name) uint32_t name
#define CONF_FIELD_INT_AUTO(detail, name) uint32_t name
#define CONF_FIELD_FACTOR(detail, name) double name
#define CONF_FIELD_SIZE(detail, name) uint64_t name##_bytes
#define CONF_FIELD_SIZE_AUTO(detail, name) uint64_t name##_bytes
#define CONF_FIELD_DURATION(detail, name) uint64_t name##_ms
#define CONF_FIELD_PERCENT(detail, name) uint32_t name##_percent
#define CONF_FIELD_ENUM(detail, name) enum conf_##detail name
#define CONF_FIELD_STRING(detail, name) const char *name
#define CONF_FIELD_PATH(detail, name) const char *name
#define CONF_FIELD_ADDRESS(detail, name) const char *name
#define CONF_FIELD_SECRET(detail, name) const char *name
#define CONF_FIELD_STRINGS(detail, name) struct conf_list name
#define CONF_FIELD_ADDRESSES(detail, name) struct conf_list name
#define CONF_FIELD_SECRETS(detail, name) struct conf_list name
#define CONF_FIELD_PAIRS(detail, name) struct conf_pairs name
#define CONF_FIELD_ACTIONS(detail, name) struct conf_actions name
#define CONF_FIELD_SERVICES(detail, name) struct conf_services name

struct conf_own;
struct conf {
#define CONF_SECTION(path, name, sentence) struct {
#define CONF_OPTION(section, name, type, detail, value, least, most, reload, sentence) \
    CONF_FIELD_##type(detail, name);
#define CONF_END(name) \
    }                  \
    name;
    OPTIONS(CONF_SECTION, CONF_OPTION, CONF_END)
#undef CONF_SECTION
#undef CONF_OPTION
#undef CONF_END
    struct conf_own *own; /* count, strings, origins: conf/ only */
};

/* Any thread. */
const struct conf *conf_ref(const struct conf *);
/* Frees with the last reference; clears the pointer. */
void conf_unref(const struct conf **);

/* What was found while loading. */
enum conf_severity { CONF_NOTICE /* counts for nothing */, CONF_WARNING, CONF_ERROR };
struct conf_diag {
    enum conf_severity severity;
    uint16_t code;           /* of OPTION_CODES: 12 is "C012" */
    const char *file;        /* as given; or "SPANGATE_LOG__LEVEL", "--set log.level=x" */
    uint32_t line, col;      /* from 1, col in characters; 0: no place in a file */
    uint32_t width;          /* characters under the caret and its tail */
    const char *text;        /* one line without the position */
    const char *suggestion;  /* did you mean; NULL: none */
    const char *source_line; /* secrets masked, cut when long; NULL: none */
    uint32_t shown_col;      /* of the caret in source_line */
};
/* In order of line. Zero it before use; owner frees with conf_diags_fini. At most 200 are kept, all
 * are counted. */
struct conf_diags {
    struct conf_diag *items;
    uint32_t n;
    uint32_t n_errors, n_warnings, n_notices;
};
void conf_diags_fini(struct conf_diags *);
/* "file:5:5: error C012: ..." with the line, the caret and the suggestion; no last line. */
void conf_diags_print(const struct conf_diags *, bool color, struct text *out);

/* The file system that holds a directory, or would hold it. */
struct conf_volume {
    uint64_t id;         /* the same for directories that share its space */
    uint64_t free_bytes; /* for the unprivileged */
    uint64_t used_bytes; /* by the files in the directory */
    bool is_memory;      /* tmpfs or ramfs */
};
/* What the machine allows: for auto values and warnings. */
struct conf_system {
    uint64_t memory_bytes; /* cgroup limit; 0: none */
    uint32_t n_cpus;       /* CPU quota rounded up, else the CPUs we may run on */
    /* False: it cannot be told. NULL: volumes are not looked at. */
    bool (*find_volume)(const char *directory, struct conf_volume *out);
};
void conf_system_read(struct conf_system *);

/* Certificates and keys named by the settings: conf/ cannot read them itself. */
struct conf_tls_files {
    const char *cert_file, *key_file, *ca_file; /* "" where not set */
};
enum conf_tls_fault {
    CONF_TLS_FINE,
    CONF_TLS_CERT,     /* cannot be used */
    CONF_TLS_KEY,      /* cannot be used */
    CONF_TLS_MISMATCH, /* the key belongs to another certificate */
    CONF_TLS_CA,       /* cannot be used */
    CONF_TLS_EXPIRED,  /* the certificate is over, or not valid yet */
    CONF_TLS_EXPIRES,  /* soon */
};

/* What librdkafka says of a property: conf/ cannot ask it itself. */
enum conf_kafka_fault {
    CONF_KAFKA_FINE,
    CONF_KAFKA_REFUSED, /* no such property, no such value, or they do not go together */
    CONF_KAFKA_OWN,     /* it is not the operator's */
};

struct conf_input {
    const char *file;         /* NULL: no file */
    const struct bytes *yaml; /* instead of reading the file: for tests; file is its name then */
    char *const *environment; /* as environ; NULL: empty */
    const char *const *sets;  /* "a.b=c" */
    uint32_t n_sets;
    bool is_part;                     /* to look at, not to run: a missing backend is no fault */
    const struct conf_system *system; /* NULL: read */
    /* The first fault of the files, in words; NULL: they are not looked at. */
    enum conf_tls_fault (*check_tls)(const struct conf_tls_files *, struct text *why);
    /* One property by itself, or all of them together; NULL: they are not looked at. */
    enum conf_kafka_fault (*check_kafka)(const struct conf_pairs *, bool is_all, struct text *why);
};
/* Flags over environment over file over defaults. All faults are told at once. ERR_OK: *out has one
 * reference (warnings may have been added). Else *out is NULL: ERR_CONFIG for errors found,
 * ERR_PERMISSION or ERR_SYSTEM when the file cannot be read (told as a diagnostic, too). */
enum err conf_load(const struct conf_input *, struct conf_diags *,
                   const struct conf **out) MUST_CHECK;
/* The file it was read from; NULL: none. */
const char *conf_file(const struct conf *);
/* Files that secrets were read from, by their _file twins, in the order of the table; NULL behind
 * the last. */
const char *conf_secret_file_at(const struct conf *, uint32_t i);
/* "error", "warning", "notice". */
const char *conf_severity_word(enum conf_severity);
/* "spangate.yaml, 2 settings from the environment, 1 from flags" or "defaults". */
void conf_add_origin(const struct conf *, struct text *);

/* At once, for every setting whose value differs, in the order of the table. is_live: a reload
 * takes it up. */
typedef void conf_change_fn(void *ctx, const char *path, bool is_live);
void conf_each_change(const struct conf *before, const struct conf *after, conf_change_fn *,
                      void *ctx);

/* 16 hexadecimal digits, the same in every process with the same settings: an automatic value
 * counts as "auto" whatever it came to, secrets do not count. */
void conf_add_hash(const struct conf *, struct text *);

/* Bytes of the quarantine ring in memory, all workers together: without a disk, or while it cannot
 * be used. */
uint64_t conf_quarantine_bytes(const struct conf *);

/* One value as written: "512MiB", "200ms", "20%". False: not well formed or without a unit. */
bool conf_parse_size(const char *text, uint64_t *n_bytes);
bool conf_parse_duration(const char *text, uint64_t *ms);
bool conf_parse_percent(const char *text, double *percent);
/* The shortest exact way to write it. */
void conf_add_size(struct text *, uint64_t n_bytes);
void conf_add_duration(struct text *, uint64_t ms);

/* The value of the setting of this path as it would be written; secrets are masked. */
void conf_add_setting(const struct conf *, const char *path, struct text *);
/* The paths of all settings, in the order of the table; NULL beyond the last. */
const char *conf_setting_at(uint32_t i);
/* What a section is for: "buffer.disk", n characters of it; NULL: there is none. */
const char *conf_section_sentence(const char *path, size_t n);
/* One of them in words: what it is, its default, bounds, and when a change takes effect. */
void conf_explain_setting(const char *path, struct text *);
/* Every setting with its value and origin; secrets are masked. */
void conf_print_show(const struct conf *, bool json, struct text *);
/* The whole file with its comments and defaults. */
void conf_print_example(struct text *);
/* docs/configuration.md. */
void conf_print_markdown(struct text *);

#endif
